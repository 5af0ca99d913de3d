/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections with the primaries of peers: the client's side connects, again and again, and
 * begins negotiations; the server's side may ask for one. Once both have the same secret, each
 * tells the other what changes in its list. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_PARTNERS_H
#define PDM_KEYAGENT_PRIMARY_PARTNERS_H

#include <stdbool.h>

#include "core/registration.h"
#include "keyagent/primary/pair.h"
#include "keyagent/tls/credentials.h"
#include "keyagent/tls/link.h"

struct primary;

/* All connections end at once, and connecting does. */
void partners_end(struct primary *primary, struct pair *pair);

/* Of a link that PAIR's peer has made. */
void partners_up(struct primary *primary, struct pair *pair, struct link *link);
void partners_message(struct primary *primary, struct link *link,
                      const struct pdm_registration_header *header, struct pdm_reader *body);
/* WHY: as link_handlers has it. */
void partners_down(struct primary *primary, struct link *link, const char *why);

/* PAIR is to have another secret. */
void partners_negotiate(struct primary *primary, struct pair *pair);
/* The configuration of PAIR's peer is another: what was begun under the old one ends. */
void partners_reloaded(struct pair *pair);
/* Our own list of SIDE has changed. */
void partners_list_changed(struct primary *primary, uint8_t side);
/* Once a second. */
void partners_tick(struct primary *primary);
/* Closes those whose certificate is not good by CREDENTIALS. */
void partners_check(struct primary *primary, const struct credentials *credentials);
bool partners_connected(const struct pair *pair);

#endif
