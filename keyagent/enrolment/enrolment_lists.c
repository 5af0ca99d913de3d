/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists of peers that a primary gives. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <string.h>

#define CHANGE_OCTETS (1 + PDM_ADDR_LEN + 1 + sizeof(uint16_t))

static bool is_good_change(const struct pdm_list_change *change, bool whole)
{
    if (change->len > PDM_PREFIX_LENGTHS - 1 || change->add > PDM_LIST_ADD ||
        (whole && change->add != PDM_LIST_ADD))
        return false;
    struct pdm_prefix prefix = pdm_prefix_of(change->addr, change->len);
    return memcmp(prefix.addr, change->addr, sizeof prefix.addr) == 0;
}

static const char *check_list(const struct pdm_list_request *request, struct pdm_reader changes)
{
    if (changes.bad || changes.left != request->changes * CHANGE_OCTETS)
        return "a list of another length than it says";
    if (request->more > 1 || (request->from != 0 && request->from >= request->to))
        return "a list's versions are out of order";
    for (uint32_t i = 0; i < request->changes; i++) {
        struct pdm_list_change change;

        pdm_get_list_change(&changes, &change);
        if (!is_good_change(&change, request->from == 0))
            return "a list's entry that is none";
    }
    return NULL;
}

static void apply_list(struct enrolment *e, struct enrolled_pair *pair,
                       const struct pdm_list_request *request, struct pdm_reader *changes)
{
    for (uint32_t i = 0; i < request->changes; i++) {
        struct pdm_list_change change;

        pdm_get_list_change(changes, &change);
        struct pdm_prefix prefix = pdm_prefix_of(change.addr, change.len);
        e->hooks.list_changed(e->arg, e, pair->pair, change.add == PDM_LIST_ADD, &prefix,
                              change.group);
    }
    /* With a part missing it is none that could be built upon. */
    bool partial = request->more == 1;
    pair->list = (struct enrolled_list){.version = partial ? 0 : request->to,
                                        .from = request->from,
                                        .to = request->to,
                                        .partial = partial};
}

const char *enrolment_take_list(struct enrolment *e, struct pdm_reader *body,
                                struct pdm_list_response *response)
{
    struct pdm_list_request request;

    pdm_get_list_request(body, &request);
    const char *wrong = check_list(&request, *body);
    if (wrong != NULL)
        return wrong;
    struct enrolled_pair *pair = enrolled_pair_find(&e->held, request.pair);
    *response =
        (struct pdm_list_response){.status = PDM_REGISTRATION_REFUSED, .pair = request.pair};
    if (pair == NULL)
        return NULL;
    const struct enrolled_list *held = &pair->list;
    bool goes_on = held->partial && held->from == request.from && held->to == request.to;
    response->status = PDM_REGISTRATION_WHOLE;
    if (goes_on || request.from == 0 || (!held->partial && held->version == request.from)) {
        if (!goes_on && request.from == 0)
            e->hooks.list_cleared(e->arg, e, pair->pair);
        apply_list(e, pair, &request, body);
        response->status = PDM_REGISTRATION_OK;
    }
    response->version = held->version;
    return NULL;
}
