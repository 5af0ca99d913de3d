/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The primary as a whole: one event loop over the links to peers and secondaries, the store, and
 * the commands of pdmctl. What is told to anybody is durable in the store first: what a handler
 * wants to send goes through primary_send(), which sends it after the transaction of this turn of
 * the loop is committed, or not at all.
 */
#ifndef PDM_KEYAGENT_PRIMARY_PRIMARY_H
#define PDM_KEYAGENT_PRIMARY_PRIMARY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/primary_config.h"
#include "core/admin.h"
#include "keyagent/daemon.h"
#include "keyagent/primary/store.h"
#include "keyagent/tls/link.h"

struct primary;

/* Whether what CONFIG names can be read and is good: certificates, keys, lists. False after telling
 * why. */
bool primary_check(const struct primary_config *config);

/* Takes CONFIG over; PATH: for reloading it. NULL after telling why, with *CODE the exit code. */
struct primary *primary_new(struct primary_config *config, const char *path,
                            struct event_base *base, enum exit_code *code);
void primary_free(struct primary *primary);
/* SIGHUP: takes CONFIG over if all of it is good, else the old one stays in force. */
bool primary_reload(struct primary *primary, struct primary_config *config);

/* What pdmctl asks for. False: nothing was done; WHY is one line. */
bool primary_renegotiate(struct primary *primary, const char *peer, char why[static ADMIN_WHY_MAX]);
/* Revokes the secondary at ADDR: all that it has a part in is negotiated anew, durably. Or admits
 * it again, as what it was. */
bool primary_revoke(struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN], bool admit,
                    char why[static ADMIN_WHY_MAX]);
/* Puts PREFIX on the list of our own secondaries of SIDE, or takes it off. */
bool primary_list_change(struct primary *primary, uint8_t side, const struct pdm_prefix *prefix,
                         uint16_t group, bool add, char why[static ADMIN_WHY_MAX]);

/* What pdmctl shows, by pages: records from number START on into RECORD (at most MAX); how many,
 * and in *NEXT where the next page starts, 0 if there is none. */
void primary_status(const struct primary *primary, struct pdm_admin_status *status);
size_t primary_pairs(const struct primary *primary, uint32_t start, struct pdm_admin_pair *record,
                     size_t max, uint32_t *next);
size_t primary_secondaries(struct primary *primary, uint32_t start,
                           struct pdm_admin_secondary *record, size_t max, uint32_t *next);
/* PAIR 0: our own list of SIDE; else that peer's. */
size_t primary_list(struct primary *primary, uint32_t pair, uint8_t side, uint32_t start,
                    struct pdm_admin_entry *record, size_t max, uint32_t *next);

#endif
