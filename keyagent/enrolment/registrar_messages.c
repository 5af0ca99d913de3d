/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said between an enrolled association and its primary. */
#include <stdlib.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/enrolment/registrar_inside.h"
#include "keyagent/log.h"

static bool transmit(struct registrar *r, enum pdm_command command, enum pdm_direction direction,
                     const uint8_t *body, size_t len)
{
    struct pdm_registration_header header = {
        .command = (uint8_t)command, .direction = (uint8_t)direction, .length = (uint32_t)len};
    uint8_t *message = malloc(PDM_REGISTRATION_HEADER + len);

    if (message == NULL) {
        registrar_end(r, "out of memory");
        return false;
    }
    pdm_registration_header_put(message, &header);
    memcpy(message + PDM_REGISTRATION_HEADER, body, len);
    bool good = link_send(r->link, message, PDM_REGISTRATION_HEADER + len);
    free(message);
    if (!good)
        registrar_end(r, "does not read what it is sent");
    else if (direction == PDM_REQUEST && r->unanswered++ == 0)
        r->waiting_from = clock_now();
    return good;
}

void registrar_ask(struct registrar *r)
{
    size_t len;
    uint8_t *body = enrolment_ask(r->enrolment, &len);

    if (body == NULL)
        registrar_end(r, "out of memory");
    else
        transmit(r, PDM_COMMAND_SECRET, PDM_REQUEST, body, len);
    free(body);
}

/* What the enrolment asks for. */

static bool may_ask(const struct registrar *r)
{
    return r->enrolled && !r->ending;
}

bool registrar_poll(void *arg, const struct pdm_poll_request *request)
{
    struct registrar *r = arg;
    uint8_t body[sizeof *request];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    pdm_put_poll_request(&w, request);
    return may_ask(r) && transmit(r, PDM_COMMAND_POLL, PDM_REQUEST, body, (size_t)(w.at - body));
}

bool registrar_block(void *arg, const struct pdm_block_request *request)
{
    struct registrar *r = arg;
    uint8_t body[sizeof *request];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    pdm_put_block_request(&w, request);
    return may_ask(r) && transmit(r, PDM_COMMAND_BLOCK, PDM_REQUEST, body, (size_t)(w.at - body));
}

/* What the primary says. */

static void answered(struct registrar *r)
{
    r->unanswered -= r->unanswered > 0;
    r->waiting_from = clock_now();
}

static void enrolled(struct registrar *r)
{
    if (!r->enrolled)
        log_info("association %s: enrolled by %s, %zu pairs of organisations",
                 registrar_association(r), registrar_primary(r), enrolment_pairs(r->enrolment));
    r->enrolled = true;
    r->failures = 0;
    r->refused_until = 0;
}

static void refused(struct registrar *r)
{
    log_error("association %s: %s refuses this host: what it had from it is dropped; are the "
              "addresses in its certificate on the organisation's list?",
              registrar_association(r), registrar_primary(r));
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
        registrar_end(r, "cannot say now what this host is to have");
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

void registrar_message(struct link *link, const struct pdm_registration_header *header,
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
                  registrar_association(r), registrar_primary(r), messages[i].name, wrong);
        registrar_end(r, NULL);
        return;
    }
    registrar_end(r, "sent a message that is not for secondaries");
}
