/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection of an enrolled association to its primary, kept open: it fills the enrolment,
 * and carries what that asks for. Of several primaries one is tried after the other; what was had
 * from any of them stays in force while none can be reached. Event loop: single thread.
 */
#ifndef PDM_KEYAGENT_REGISTRAR_H
#define PDM_KEYAGENT_REGISTRAR_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "keyagent/agent.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/pairing/pairing_ports.h"
#include "keyagent/tls/credentials.h"

struct registrar;
struct evdns_base;

/* What all registrars of an agent share; it stays where it is, and outlives them. */
struct registrar_place {
    struct event_base *base;
    struct evdns_base *dns;
    struct agent *agent;
    struct highwater *highwater;
    struct pairing_ports *pairing_ports;
};

/*
 * Begins to connect as FROM, which is copied, says; CREDENTIALS, of one authority, become its own.
 * NULL: out of memory, and CREDENTIALS are the caller's.
 */
struct registrar *registrar_new(const struct registrar_place *place,
                                const struct config_association *from,
                                struct credentials *credentials);
void registrar_free(struct registrar *r);
/*
 * The configuration says FROM now, and CREDENTIALS, taken over, are what its files hold now: the
 * connection is made anew. What is enrolled stays. False: out of memory, and nothing was done.
 */
bool registrar_set(struct registrar *r, const struct config_association *from,
                   struct credentials *credentials);
/* What is to be done once a second. */
void registrar_tick(struct registrar *r, int64_t now);

struct enrolment *registrar_enrolment(const struct registrar *r);
/* Whether a primary is connected to that has answered with what it has for this host. */
bool registrar_is_enrolled(const struct registrar *r);

#endif
