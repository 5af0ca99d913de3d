/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of a list in the store: the change that made each of its versions, as others see it. The
 * latest STORE_CHANGES_KEPT are kept. It is read by store_list_changes() (store.h). Both functions
 * that return bool need a transaction and the list's lock, and return false after telling why.
 */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_LOG_H
#define PDM_KEYAGENT_PRIMARY_STORE_LOG_H

#include "keyagent/primary/store_lists.h"

/* The latest version whose change is not kept by a list of VERSION; 0: all are. */
uint64_t store_log_gone(uint64_t version);
/* E made LIST's version. It may be known only at the commit that this failed. */
bool store_log_put(const struct store_list *list, const struct store_edit *e);
/* Forgets what LIST's version does not keep. */
bool store_log_trim(const struct store_list *list);

#endif
