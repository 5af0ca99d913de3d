/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection of an enrolled association to its primary. */
#include "keyagent/enrolment/registrar.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/tls/link.h"

/* Whom to connect to. */
struct terms {
    char *primary[CONFIG_PRIMARIES_MAX];
    size_t primaries;
    char *name; /* in their certificates */
};

struct registrar {
    const struct registrar_place *place;
    struct terms terms;
    struct credentials *credentials;
    struct enrolment *enrolment;
    struct pairing_use pairings;
    struct link *link; /* NULL: RETRY is pending */
    struct event *retry;
    unsigned turn;     /* of the primaries: which is connected to */
    unsigned failures; /* in a row */
    bool up;
    bool enrolled;        /* by this connection */
    bool ending;          /* this connection, and why has been told */
    unsigned unanswered;  /* requests */
    int64_t waiting_from; /* for an answer */
    int64_t refused_until;
    int64_t trusted_until; /* then its certificate is looked at again */
};

static void free_terms(struct terms *terms)
{
    for (size_t i = 0; i < terms->primaries; i++)
        free(terms->primary[i]);
    free(terms->name);
    *terms = (struct terms){0};
}

static bool copy_terms(struct terms *terms, const struct config_association *from)
{
    *terms = (struct terms){.name = strdup(from->primary_name)};
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

static const char *association(const struct registrar *r)
{
    return enrolment_name(r->enrolment);
}

static const char *primary(const struct registrar *r)
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

/* WHAT: one line, or NULL if it has been told. */
static void end_link(struct registrar *r, const char *what)
{
    if (r->ending)
        return;
    if (what != NULL)
        log_error("association %s: primary %s: %s; connecting again", association(r), primary(r),
                  what);
    r->ending = true;
    link_close(r->link);
}

static bool transmit(struct registrar *r, enum pdm_command command, enum pdm_direction direction,
                     const uint8_t *body, size_t len)
{
    struct pdm_registration_header header = {
        .command = (uint8_t)command, .direction = (uint8_t)direction, .length = (uint32_t)len};
    uint8_t *message = malloc(PDM_REGISTRATION_HEADER + len);

    if (message == NULL) {
        end_link(r, "out of memory");
        return false;
    }
    pdm_registration_header_put(message, &header);
    memcpy(message + PDM_REGISTRATION_HEADER, body, len);
    bool good = link_send(r->link, message, PDM_REGISTRATION_HEADER + len);
    free(message);
    if (!good)
        end_link(r, "does not read what it is sent");
    else if (direction == PDM_REQUEST && r->unanswered++ == 0)
        r->waiting_from = clock_now();
    return good;
}

static void answered(struct registrar *r)
{
    r->unanswered -= r->unanswered > 0;
    r->waiting_from = clock_now();
}

static void ask_for_secrets(struct registrar *r)
{
    size_t len;
    uint8_t *body = enrolment_ask(r->enrolment, &len);

    if (body == NULL)
        end_link(r, "out of memory");
    else
        transmit(r, PDM_COMMAND_SECRET, PDM_REQUEST, body, len);
    free(body);
}

/* What the enrolment asks for. */

static bool may_ask(const struct registrar *r)
{
    return r->enrolled && !r->ending;
}

static bool ask_poll(void *arg, const struct pdm_poll_request *request)
{
    struct registrar *r = arg;
    uint8_t body[sizeof *request];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    pdm_put_poll_request(&w, request);
    return may_ask(r) && transmit(r, PDM_COMMAND_POLL, PDM_REQUEST, body, (size_t)(w.at - body));
}

static bool ask_block(void *arg, const struct pdm_block_request *request)
{
    struct registrar *r = arg;
    uint8_t body[sizeof *request];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    pdm_put_block_request(&w, request);
    return may_ask(r) && transmit(r, PDM_COMMAND_BLOCK, PDM_REQUEST, body, (size_t)(w.at - body));
}

static enum pdm_status ask_peer(void *arg, struct enrolment *e,
                                const struct enrolment_pairing *pairing)
{
    const struct registrar *r = arg;

    return pairing_use_ask(&r->pairings, e, pairing);
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

/* What the primary says. */

static void enrolled(struct registrar *r)
{
    if (!r->enrolled)
        log_info("association %s: enrolled by %s, %zu pairs of organisations", association(r),
                 primary(r), enrolment_pairs(r->enrolment));
    r->enrolled = true;
    r->failures = 0;
    r->refused_until = 0;
}

static void refused(struct registrar *r)
{
    log_error("association %s: %s refuses this host: what it had from it is dropped; are the "
              "addresses in its certificate on the organisation's list?",
              association(r), primary(r));
    r->enrolled = false;
    r->refused_until = clock_now() + REGISTRAR_REFUSED_NS;
    enrolment_cut_off(r->enrolment);
    enrolment_drop(r->enrolment);
}

static const char *take_secrets(struct registrar *r, struct pdm_reader *body)
{
    enum pdm_registration_status status;
    const char *wrong = enrolment_take_secrets(r->enrolment, body, clock_now(), &status);

    answered(r);
    if (wrong != NULL)
        return wrong;
    switch (status) {
    case PDM_REGISTRATION_OK:
        enrolled(r);
        return NULL;
    case PDM_REGISTRATION_REFUSED:
        refused(r);
        return NULL;
    case PDM_REGISTRATION_LATER:
        end_link(r, "cannot say now what this host is to have");
        return NULL;
    default:
        return "a status that does not go with it";
    }
}

static const char *take_list(struct registrar *r, struct pdm_reader *body)
{
    struct pdm_list_response response;
    uint8_t answer[sizeof response];
    struct pdm_writer w = pdm_writer(answer, sizeof answer);
    const char *wrong = enrolment_take_list(r->enrolment, body, &response);

    if (wrong != NULL)
        return wrong;
    pdm_put_list_response(&w, &response);
    transmit(r, PDM_COMMAND_LIST, PDM_RESPONSE, answer, (size_t)(w.at - answer));
    return NULL;
}

static const char *take_poll(struct registrar *r, struct pdm_reader *body)
{
    answered(r);
    return enrolment_take_poll(r->enrolment, body, clock_now());
}

static const char *take_block(struct registrar *r, struct pdm_reader *body)
{
    answered(r);
    return enrolment_take_block(r->enrolment, body, clock_now());
}

/* What a primary may send to one of its secondaries. */
static const struct {
    enum pdm_command command;
    enum pdm_direction direction;
    const char *name;
    const char *(*take)(struct registrar *r, struct pdm_reader *body);
} messages[] = {
    {PDM_COMMAND_SECRET, PDM_RESPONSE, "SECRET", take_secrets},
    {PDM_COMMAND_LIST, PDM_REQUEST, "LIST", take_list},
    {PDM_COMMAND_POLL, PDM_RESPONSE, "POLL", take_poll},
    {PDM_COMMAND_BLOCK, PDM_RESPONSE, "BLOCK", take_block},
};

static void on_message(struct link *link, const struct pdm_registration_header *header,
                       struct pdm_reader *body, void *arg)
{
    struct registrar *r = arg;

    (void)link;
    if (r->ending)
        return;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (messages[i].command != header->command || messages[i].direction != header->direction)
            continue;
        const char *wrong = messages[i].take(r, body);
        if (wrong == NULL)
            return;
        log_error("association %s: primary %s: its %s cannot be used: %s; connecting again",
                  association(r), primary(r), messages[i].name, wrong);
        end_link(r, NULL);
        return;
    }
    end_link(r, "sent a message that is not for secondaries");
}

/* The connection. */

static void on_up(struct link *link, void *arg)
{
    struct registrar *r = arg;

    r->up = true;
    r->trusted_until = clock_now() + REGISTRAR_TRUST_NS;
    log_info("association %s: connected to %s at %s", association(r), primary(r),
             link_peer(link)->from);
    ask_for_secrets(r);
}

/* Of those that cannot be connected to each is told once, until one can be. */
static void tell_down(const struct registrar *r, const char *why)
{
    const char *what = why != NULL ? why : "it closed the connection";

    if (r->ending)
        return;
    if (r->up)
        log_warning("association %s: connection to %s lost: %s", association(r), primary(r), what);
    else if (r->failures < r->terms.primaries)
        log_warning("association %s: cannot connect to %s: %s", association(r), primary(r), what);
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

static const struct link_handlers handlers = {.up = on_up, .message = on_message, .down = on_down};

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct registrar *r = arg;

    (void)fd;
    (void)what;
    r->link = link_connect(r->place->base, r->place->dns, r->credentials, primary(r), 0,
                           r->terms.name, &handlers, r);
    if (r->link == NULL) {
        log_error("association %s: cannot connect to %s: out of memory", association(r),
                  primary(r));
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
                                                 .poll = ask_poll,
                                                 .block = ask_block,
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
    struct terms terms;

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
            end_link(r, "its certificate has expired or was revoked");
            return;
        }
    }
    if (r->unanswered > 0 && now - r->waiting_from > REGISTRAR_SILENCE_NS) {
        end_link(r, "does not answer");
    } else if (r->refused_until != 0 && now >= r->refused_until) {
        r->refused_until = 0;
        ask_for_secrets(r);
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
