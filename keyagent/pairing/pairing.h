/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairings: two hosts make a PairDeviceKey over UDP, each by Boneh-Franklin encryption to the
 * other's identity (ibc). INIT goes to the peer, after a round with a cookie that costs it nothing
 * to remember; RESP comes back. A key that is made goes to enrolment_pair_device_key().
 * Event loop: all functions are called from the thread that runs BASE.
 */
#ifndef PDM_KEYAGENT_PAIRING_H
#define PDM_KEYAGENT_PAIRING_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/message.h"
#include "core/prefix.h"
#include "keyagent/enrolment/enrolment.h"

struct pairing; /* one UDP port and the pairings that go on there */

/*
 * Who may pair with OWN: PEER is on the list of *PAIR of *E, by *ENTRY. False, and nothing is
 * answered, if it is on none.
 */
typedef bool pairing_listed(void *arg, const uint8_t own[static PDM_ADDR_LEN],
                            const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **e,
                            const struct enrolled_pair **pair, struct pdm_prefix *entry);

/* Since the start. */
struct pairing_counters {
    uint64_t begun;    /* INITs computed */
    uint64_t finished; /* keys agreed on with a peer that answered */
    uint64_t answered; /* keys agreed on with a peer that began */
    uint64_t refused;  /* messages that could not be deciphered, or were not confirmed */
    uint64_t dropped;  /* INITs for which there was no room, or which came too soon */
};

/* PORT, of all the host's addresses. NULL after telling why. */
struct pairing *pairing_new(struct event_base *base, uint16_t port, pairing_listed *listed,
                            void *arg);
void pairing_free(struct pairing *p);

/*
 * Starts a pairing of E, or lets the one go on that is under way: PDM_STATUS_LATER.
 * PDM_STATUS_QUOTA if too many are. What REQUEST points to is copied as far as it is needed.
 */
enum pdm_status pairing_ask(struct pairing *p, struct enrolment *e,
                            const struct enrolment_pairing *request);
/* Ends what goes on for E, which is about to be freed or has lost PAIR; 0: all pairs. */
void pairing_forget(struct pairing *p, const struct enrolment *e, uint32_t pair);

uint16_t pairing_port(const struct pairing *p);
const struct pairing_counters *pairing_counters(const struct pairing *p);

#endif
