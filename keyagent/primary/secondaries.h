/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agents of our own secondaries: each is told what the mode gives to those of its certificate's
 * addresses that our lists have and nobody revoked; again on any change; and the lists of peers.
 * Who is not entitled learns no more than that it is refused. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_SECONDARIES_H
#define PDM_KEYAGENT_PRIMARY_SECONDARIES_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/registration.h"
#include "keyagent/table.h"
#include "keyagent/tls/credentials.h"
#include "keyagent/tls/link.h"

struct primary;
struct pair;
struct secondary;

struct secondaries {
    struct secondary **item; /* connected */
    size_t count;
    size_t room;
    struct table certificates; /* numbers in NUMBERED, by certificate; the newest comes first */
    struct secondary **numbered;
    size_t looked_at;      /* at whose certificates, since all of them were */
    struct secondary *due; /* those that something is to be told to */
    struct secondary **due_end;
    struct event *push;
    uint8_t *scratch; /* locked: a SECRET response */
};

bool secondaries_init(struct primary *primary);
/* Its links are gone. */
void secondaries_free(struct primary *primary);

/* Of a link whose certificate our own authority vouches for. */
void secondaries_up(struct primary *primary, struct link *link);
void secondaries_message(struct primary *primary, struct link *link,
                         const struct pdm_registration_header *header, struct pdm_reader *body);
void secondaries_down(struct primary *primary, struct link *link);

/* PAIR has other secrets, or others are in force; PAIR's list has changed; our own lists have, or
 * who is revoked. GROUPS: those of its entries are others. */
void secondaries_secrets_changed(struct primary *primary, const struct pair *pair);
void secondaries_list_changed(struct primary *primary, const struct pair *pair, bool groups);
void secondaries_own_changed(struct primary *primary);
/* Once a second. */
void secondaries_tick(struct primary *primary);
/* Closes those whose certificate is not good by CREDENTIALS. */
void secondaries_check(struct primary *primary, const struct credentials *credentials);
/* Closes all of them at once. */
void secondaries_drop(struct primary *primary);
/* Calls EACH for every address of those that have registered and are connected. */
void secondaries_each(const struct primary *primary,
                      void (*each)(void *arg, const uint8_t addr[static PDM_ADDR_LEN]), void *arg);

#endif
