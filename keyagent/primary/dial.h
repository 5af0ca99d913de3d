/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connecting with the primary of one peer that we are client of, now and whenever the connection is
 * lost, later each time. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_DIAL_H
#define PDM_KEYAGENT_PRIMARY_DIAL_H

#include <stdbool.h>

#include "keyagent/primary/pair.h"

struct primary;

/* False: no memory. As server there is nothing to be done. */
bool dial_begin(struct primary *primary, struct pair *pair);
/* At once; a link that is made stays the partner's. */
void dial_end(struct pair *pair);

#endif
