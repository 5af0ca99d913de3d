/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handshakes: the messages of pairings, those begun here and those begun by others, as far as they
 * need neither a socket nor a thread nor a clock. Addresses off the list, and messages that are
 * malformed, cannot be deciphered or are not confirmed, get no answer at all.
 *
 * Each side of a handshake costs milliseconds of computing. What others begin takes turns by the
 * entries of the lists that they are on, and has a budget of its own, and what is begun here has
 * another. If two hosts begin at once, the INIT of the lower address wins. Single thread.
 */
#ifndef PDM_KEYAGENT_HANDSHAKE_H
#define PDM_KEYAGENT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/pairing/ends.h"
#include "keyagent/pairing/pairing.h"
#include "keyagent/pairing/pairing_worker.h"

struct handshakes;

struct handshake_hooks {
    pairing_listed *listed;
    /* From ENDS' own address to its peer's. */
    void (*send)(void *arg, const struct ends *ends, const uint8_t *bytes, size_t len);
};

/* NULL after telling why. */
struct handshakes *handshakes_new(const struct handshake_hooks *hooks, void *arg, int64_t now);
void handshakes_free(struct handshakes *h);

/* As pairing_ask() and pairing_forget(). */
enum pdm_status handshakes_ask(struct handshakes *h, struct enrolment *e,
                               const struct enrolment_pairing *request, int64_t now);
void handshakes_forget(struct handshakes *h, const struct enrolment *e, uint32_t pair);

/* Octets that came from ENDS' peer to its own address. */
void handshakes_receive(struct handshakes *h, const struct ends *ends, const uint8_t *bytes,
                        size_t len, int64_t now);
/* Sends again what got no answer. To be called every so often while there is anything. */
void handshakes_tick(struct handshakes *h, int64_t now);
bool handshakes_busy(const struct handshakes *h);
/*
 * The next job, as far as the budgets go; false: none now. Until handshakes_done() is called with
 * it there is no other.
 */
bool handshakes_next(struct handshakes *h, int64_t now, struct pairing_job *job);
void handshakes_done(struct handshakes *h, const struct pairing_job *job, int64_t now);

const struct pairing_counters *handshakes_counters(const struct handshakes *h);

#endif
