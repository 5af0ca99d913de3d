/* SPDX-License-Identifier: BSD-2-Clause */
/* Writers and readers of the messages between a primary and pdmctl. */
#include "core/admin.h"

PDM_ADMIN_BODIES(PDM_DEFINE_BODY)
