/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection of an enrolled association to its primary. */
#include "keyagent/enrolment/registrar.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/agent_pairs.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/registrar_inside.h"
#include "keyagent/log.h"

static void free_terms(struct registrar_terms *terms)
{
    for (size_t i = 0; i < terms->primaries; i++)
        free(terms->primary[i]);
    free(terms->name);
    *terms = (struct registrar_terms){0};
}

static bool copy_terms(struct registrar_terms *terms, const struct config_association *from)
{
    *terms = (struct registrar_terms){.name = strdup(from->primary_name)};
    bool good = terms->name != NULL;

    for (size_t i = 0; i < from->primaries && good; i++) {
        terms->primary[i] = strdup(from->primary[i]);
        good = terms->primary[i] != NULL;
        terms->primaries += good;
    }
    if (!good)
        free_terms(terms);
    return good;
}

const char *registrar_association(const struct registrar *r)
{
    return enrolment_name(r->enrolment);
}

const char *registrar_primary(const struct registrar *r)
{
    return r->terms.primary[r->turn % r->terms.primaries];
}

/*
 * Chance alone decides when, up to a bound that doubles with each round through the primaries: all
 * the hosts of an organisation lose a primary in the same moment.
 */
static void retry_later(struct registrar *r)
{
    unsigned rounds = r->failures / (unsigned)r->terms.primaries;
    int64_t bound = REGISTRAR_BACKOFF_MIN_NS;
    int64_t now = clock_now();

    while (rounds-- > 0 && bound < REGISTRAR_BACKOFF_MAX_NS)
        bound *= 2;
    if (bound > REGISTRAR_BACKOFF_MAX_NS)
        bound = REGISTRAR_BACKOFF_MAX_NS;
    int64_t pause =
        PDM_NSEC_PER_MSEC * randombytes_uniform((uint32_t)(bound / PDM_NSEC_PER_MSEC) + 1);
    if (pause < r->refused_until - now)
        pause = r->refused_until - now;
    const struct timeval after = {.tv_sec = pause / PDM_NSEC_PER_SEC,
                                  .tv_usec = pause % PDM_NSEC_PER_SEC / PDM_NSEC_PER_USEC};
    evtimer_add(r->retry, &after);
}

void registrar_end(struct registrar *r, const char *what)
{
    if (r->ending)
        return;
    if (what != NULL)
        log_error("association %s: primary %s: %s; connecting again", registrar_association(r),
                  registrar_primary(r), what);
    r->ending = true;
    link_close(r->link);
}

/* To the agent. */

static struct agent *agent_of(void *arg)
{
    return ((const struct registrar *)arg)->place->agent;
}

static void pair_changed(void *arg, struct enrolment *e, const struct enrolled_pair *pair)
{
    struct registrar *r = arg;

    if (pair->secmop == PDM_SECMOP_IBC)
        pairing_use_begin(&r->pairings, clock_now());
    agent_pair_changed(agent_of(r), e, pair);
}

static void pair_gone(void *arg, struct enrolment *e, uint32_t pair)
{
    const struct registrar *r = arg;

    pairing_use_forget(&r->pairings, e, pair);
    agent_pair_gone(agent_of(arg), e, pair);
}

static void peer_changed(void *arg, struct enrolment *e, uint32_t pair,
                         const uint8_t own[static PDM_ADDR_LEN],
                         const uint8_t peer[static PDM_ADDR_LEN])
{
    agent_peer_changed(agent_of(arg), e, pair, own, peer);
}

static void list_changed(void *arg, struct enrolment *e, uint32_t pair, bool add,
                         const struct pdm_prefix *prefix, uint16_t group)
{
    agent_list_changed(agent_of(arg), e, pair, add, prefix, group);
}

static void list_cleared(void *arg, struct enrolment *e, uint32_t pair)
{
    agent_list_cleared(agent_of(arg), e, pair);
}

static enum pdm_status ask_peer(void *arg, struct enrolment *e,
                                const struct enrolment_pairing *pairing)
{
    const struct registrar *r = arg;

    return pairing_use_ask(&r->pairings, e, pairing);
}

/* The connection. */

static void on_up(struct link *link, void *arg)
{
    struct registrar *r = arg;

    r->up = true;
    r->trusted_until = clock_now() + REGISTRAR_TRUST_NS;
    log_info("association %s: connected to %s at %s", registrar_association(r),
             registrar_primary(r), link_peer(link)->from);
    registrar_ask(r);
}

/* Of those that cannot be connected to each is told once, until one can be. */
static void tell_down(const struct registrar *r, const char *why)
{
    const char *what = why != NULL ? why : "it closed the connection";

    if (r->ending)
        return;
    if (r->up)
        log_warning("association %s: connection to %s lost: %s", registrar_association(r),
                    registrar_primary(r), what);
    else if (r->failures < r->terms.primaries)
        log_warning("association %s: cannot connect to %s: %s", registrar_association(r),
                    registrar_primary(r), what);
}

/* Nothing is left of the connection: the next is for another primary. */
static void over(struct registrar *r)
{
    r->link = NULL;
    r->up = false;
    r->enrolled = false;
    r->ending = false;
    r->unanswered = 0;
    enrolment_cut_off(r->enrolment);
    r->failures++;
    r->turn++;
    retry_later(r);
}

static void on_down(struct link *link, const char *why, void *arg)
{
    struct registrar *r = arg;

    (void)link;
    tell_down(r, why);
    over(r);
}

static const struct link_handlers handlers = {
    .up = on_up, .message = registrar_message, .down = on_down};

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct registrar *r = arg;

    (void)fd;
    (void)what;
    r->link = link_connect(r->place->base, r->place->dns, r->credentials, registrar_primary(r), 0,
                           r->terms.name, &handlers, r);
    if (r->link == NULL) {
        log_error("association %s: cannot connect to %s: out of memory", registrar_association(r),
                  registrar_primary(r));
        over(r);
    }
}

struct registrar *registrar_new(const struct registrar_place *place,
                                const struct config_association *from,
                                struct credentials *credentials)
{
    static const struct enrolment_hooks hooks = {.pair_changed = pair_changed,
                                                 .pair_gone = pair_gone,
                                                 .peer_changed = peer_changed,
                                                 .list_changed = list_changed,
                                                 .list_cleared = list_cleared,
                                                 .poll = registrar_poll,
                                                 .block = registrar_block,
                                                 .pairing = ask_peer};
    static const struct timeval at_once;
    struct registrar *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->place = place;
    r->pairings = (struct pairing_use){.ports = place->pairing_ports, .number = from->pairing_port};
    r->enrolment = enrolment_new(from->name, &place->agent->ledger, place->highwater, &hooks, r);
    r->retry = evtimer_new(place->base, on_retry, r);
    if (r->enrolment == NULL || r->retry == NULL || !copy_terms(&r->terms, from) ||
        evtimer_add(r->retry, &at_once) != 0) {
        registrar_free(r);
        return NULL;
    }
    r->credentials = credentials;
    return r;
}

void registrar_free(struct registrar *r)
{
    if (r->link != NULL)
        link_free(r->link);
    if (r->retry != NULL)
        event_free(r->retry);
    enrolment_free(r->enrolment);
    pairing_use_end(&r->pairings);
    credentials_unref(r->credentials);
    free_terms(&r->terms);
    free(r);
}

bool registrar_set(struct registrar *r, const struct config_association *from,
                   struct credentials *credentials)
{
    static const struct timeval at_once;
    struct registrar_terms terms;

    if (!copy_terms(&terms, from))
        return false;
    if (r->link != NULL) {
        link_free(r->link);
        over(r);
    }
    free_terms(&r->terms);
    r->terms = terms;
    credentials_unref(r->credentials);
    r->credentials = credentials;
    pairing_use_set(&r->pairings, r->enrolment, from->pairing_port, clock_now());
    r->turn = 0;
    r->failures = 0;
    r->refused_until = 0;
    evtimer_add(r->retry, &at_once);
    return true;
}

void registrar_tick(struct registrar *r, int64_t now)
{
    enrolment_tick(r->enrolment, now);
    pairing_use_tick(&r->pairings, now);
    if (!r->up || r->ending)
        return;
    if (now >= r->trusted_until) {
        r->trusted_until = now + REGISTRAR_TRUST_NS;
        if (!link_still_trusted(r->link, r->credentials)) {
            registrar_end(r, "its certificate has expired or was revoked");
            return;
        }
    }
    if (r->unanswered > 0 && now - r->waiting_from > REGISTRAR_SILENCE_NS) {
        registrar_end(r, "does not answer");
    } else if (r->refused_until != 0 && now >= r->refused_until) {
        r->refused_until = 0;
        registrar_ask(r);
    }
}

struct enrolment *registrar_enrolment(const struct registrar *r)
{
    return r->enrolment;
}

bool registrar_is_enrolled(const struct registrar *r)
{
    return r->enrolled;
}
