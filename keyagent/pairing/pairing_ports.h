/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ports of an agent's pairings. One is open while an association uses it: from when that has
 * a pair of organisations whose mode is ibc. One that cannot be opened is tried again.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_PAIRING_PORTS_H
#define PDM_KEYAGENT_PAIRING_PORTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "keyagent/agent.h"
#include "keyagent/pairing/pairing.h"

struct pairing_port;

struct pairing_ports {
    struct event_base *base;
    struct agent *agent; /* whose lists say who may pair */
    struct pairing_port *first;
};

/* One association's. It stays where it is. */
struct pairing_use {
    struct pairing_ports *ports;
    uint16_t number;
    bool wanted;
    struct pairing_port *port; /* NULL: not open */
    int64_t retry_at;
};

/* There is something to pair for. */
void pairing_use_begin(struct pairing_use *use, int64_t now);
/* The port is NUMBER from now on; what goes on for E on another one ends. */
void pairing_use_set(struct pairing_use *use, const struct enrolment *e, uint16_t number,
                     int64_t now);
/* What goes on has been ended by pairing_use_forget(). */
void pairing_use_end(struct pairing_use *use);
/* What is to be done once a second. */
void pairing_use_tick(struct pairing_use *use, int64_t now);

/* As pairing_ask(); without a port nothing is done: PDM_STATUS_LATER. */
enum pdm_status pairing_use_ask(const struct pairing_use *use, struct enrolment *e,
                                const struct enrolment_pairing *request);
void pairing_use_forget(const struct pairing_use *use, const struct enrolment *e, uint32_t pair);

#endif
