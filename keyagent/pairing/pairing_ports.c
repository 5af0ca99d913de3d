/* SPDX-License-Identifier: BSD-2-Clause */
/* The ports of an agent's pairings. */
#include "keyagent/pairing/pairing_ports.h"

#include <stdlib.h>

#include "keyagent/agent_names.h"
#include "keyagent/log.h"

struct pairing_port {
    struct pairing *pairing;
    unsigned users;
    struct pairing_port *next;
};

static bool listed(void *arg, const uint8_t own[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **e,
                   const struct enrolled_pair **pair, struct pdm_prefix *entry)
{
    const struct agent *agent = arg;
    struct pdm_policy_entry found;

    if (!agent_listed(agent, own, peer, e, pair) ||
        !pdm_policy_find(&agent->segment.policy, own, peer, &found))
        return false;
    *entry = found.peer;
    return true;
}

static struct pairing_port *open_port(struct pairing_ports *ports, uint16_t number)
{
    struct pairing_port *port = calloc(1, sizeof *port);

    if (port == NULL) {
        log_error("out of memory");
        return NULL;
    }
    port->pairing = pairing_new(ports->base, number, listed, ports->agent);
    if (port->pairing == NULL) {
        free(port);
        return NULL;
    }
    port->next = ports->first;
    ports->first = port;
    return port;
}

static struct pairing_port *take(struct pairing_ports *ports, uint16_t number)
{
    struct pairing_port *port = ports->first;

    while (port != NULL && pairing_port(port->pairing) != number)
        port = port->next;
    if (port == NULL)
        port = open_port(ports, number);
    if (port != NULL)
        port->users++;
    return port;
}

static void give_back(struct pairing_ports *ports, struct pairing_port *port)
{
    struct pairing_port **link = &ports->first;

    if (--port->users > 0)
        return;
    while (*link != port)
        link = &(*link)->next;
    *link = port->next;
    pairing_free(port->pairing);
    free(port);
}

void pairing_use_tick(struct pairing_use *use, int64_t now)
{
    if (!use->wanted || use->port != NULL || now < use->retry_at)
        return;
    use->port = take(use->ports, use->number);
    use->retry_at = now + PAIRING_REOPEN_NS;
}

void pairing_use_begin(struct pairing_use *use, int64_t now)
{
    use->wanted = true;
    pairing_use_tick(use, now);
}

static void close_port(struct pairing_use *use)
{
    if (use->port != NULL)
        give_back(use->ports, use->port);
    use->port = NULL;
    use->retry_at = 0;
}

void pairing_use_set(struct pairing_use *use, const struct enrolment *e, uint16_t number,
                     int64_t now)
{
    if (use->number == number)
        return;
    pairing_use_forget(use, e, 0);
    close_port(use);
    use->number = number;
    pairing_use_tick(use, now);
}

void pairing_use_end(struct pairing_use *use)
{
    use->wanted = false;
    close_port(use);
}

enum pdm_status pairing_use_ask(const struct pairing_use *use, struct enrolment *e,
                                const struct enrolment_pairing *request)
{
    return use->port != NULL ? pairing_ask(use->port->pairing, e, request) : PDM_STATUS_LATER;
}

/* On all ports: its peers may have called on others than its own, too. */
void pairing_use_forget(const struct pairing_use *use, const struct enrolment *e, uint32_t pair)
{
    for (struct pairing_port *port = use->ports->first; port != NULL; port = port->next)
        pairing_forget(port->pairing, e, pair);
}
