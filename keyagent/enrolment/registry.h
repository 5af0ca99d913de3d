/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's registrars: one for each enrolled association of the configuration in force.
 */
#ifndef PDM_KEYAGENT_REGISTRY_H
#define PDM_KEYAGENT_REGISTRY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keyagent/agent.h"
#include "keyagent/enrolment/highwater.h"
#include "keyagent/enrolment/registrar.h"

struct registry {
    struct registrar_place place;
    struct highwater highwater;
    struct pairing_ports pairing_ports;
    struct registrar **registrar;
    size_t registrars;
};

/* What it takes to set one of the associations of a configuration going, by their numbers there. */
struct registry_plan {
    struct credentials **credentials; /* NULL: not enrolled */
    size_t associations;
};

/* Reads CONFIG's certificates. False after telling why, and PLAN is empty. */
bool registry_plan(struct registry_plan *plan, const struct config *config);
void registry_plan_free(struct registry_plan *plan);

/* AGENT and BASE outlive it. False after telling why; registry_free() is due in any case. */
bool registry_init(struct registry *registry, struct event_base *base, struct agent *agent);
void registry_free(struct registry *registry);
/* CONFIG is in force, and PLAN, which is used up, is of it. False after telling why. */
bool registry_set(struct registry *registry, const struct config *config,
                  struct registry_plan *plan);
/* What is to be done once a second. */
void registry_tick(struct registry *registry, int64_t now);

#endif
