/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent has from its primary: made, asked for, and looked at once a second. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_number(void)
{
    uint64_t number;

    randombytes_buf(&number, sizeof number);
    return number;
}

struct enrolment *enrolment_new(const char *name, struct ledger *ledger,
                                struct highwater *highwater, const struct enrolment_hooks *hooks,
                                void *arg)
{
    struct enrolment *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    *e = (struct enrolment){.ledger = ledger, .highwater = highwater, .hooks = *hooks, .arg = arg};
    memcpy(e->name, name, strnlen(name, sizeof e->name - 1));
    e->held.pair = calloc(ENROLMENT_PAIRS_MAX, sizeof(struct enrolled_pair *));
    if (e->held.pair != NULL && pairwise_init(&e->pairwise, random_number()))
        return e;
    enrolment_free(e);
    return NULL;
}

void enrolment_free(struct enrolment *e)
{
    if (e == NULL)
        return;
    enrolment_drop(e);
    pairwise_free(&e->pairwise);
    free(e->parameters);
    free(e->held.pair);
    free(e);
}

const char *enrolment_name(const struct enrolment *e)
{
    return e->name;
}

size_t enrolment_pairs(const struct enrolment *e)
{
    return e->held.pairs;
}

const struct enrolled_pair *enrolment_pair(const struct enrolment *e, uint32_t number)
{
    return enrolled_pair_find(&e->held, number);
}

/* What is asked for. */

static uint16_t count_known(const struct enrolment *e)
{
    uint16_t known = 0;

    for (size_t i = 0; i < e->highwater->marks; i++)
        known = (uint16_t)(known + (strcmp(e->highwater->mark[i].name, e->name) == 0));
    return known;
}

static void put_known(const struct enrolment *e, struct pdm_writer *w)
{
    for (size_t i = 0; i < e->highwater->marks; i++) {
        const struct highwater_mark *mark = &e->highwater->mark[i];
        struct pdm_secret_known known = {.highest = mark->generation};

        if (strcmp(mark->name, e->name) != 0)
            continue;
        memcpy(known.tag, mark->tag, sizeof known.tag);
        memcpy(known.address, mark->address, sizeof known.address);
        pdm_put_secret_known(w, &known);
    }
}

uint8_t *enrolment_ask(struct enrolment *e, size_t *len)
{
    _Static_assert(HIGHWATER_MAX <= UINT16_MAX && ENROLMENT_PAIRS_MAX <= UINT16_MAX, "counted so");
    /* Of a file that cannot be read nothing is known, and nothing will be granted. */
    (void)highwater_read(e->highwater);
    struct pdm_secret_request head = {.known = count_known(e)};
    for (size_t i = 0; i < e->held.pairs; i++)
        head.lists = (uint16_t)(head.lists + (e->held.pair[i]->list.version != 0));
    size_t size = sizeof head + head.known * sizeof(struct pdm_secret_known) +
                  head.lists * sizeof(struct pdm_secret_list);
    uint8_t *bytes = malloc(size);
    struct pdm_writer w = pdm_writer(bytes, bytes != NULL ? size : 0);

    pdm_put_secret_request(&w, &head);
    put_known(e, &w);
    for (size_t i = 0; i < e->held.pairs; i++) {
        struct pdm_secret_list list = {.pair = e->held.pair[i]->pair,
                                       .version = e->held.pair[i]->list.version};

        if (list.version != 0)
            pdm_put_secret_list(&w, &list);
    }
    *len = size - w.left;
    return bytes;
}

static bool is_answered(void *arg, const struct pairwise_item *item)
{
    (void)arg;
    return item->state != PAIRWISE_ASKED;
}

void enrolment_cut_off(struct enrolment *e)
{
    pairwise_keep(&e->pairwise, is_answered, NULL);
    for (size_t i = 0; i < e->held.pairs; i++)
        for (unsigned j = 0; j < e->held.pair[i]->epochs; j++)
            for (unsigned k = 0; k < e->held.pair[i]->epoch[j].scopes; k++)
                e->held.pair[i]->epoch[j].scope[k].asked = false;
}

/* Time. */

/* The time to send under an epoch may have come since the last look. */
static bool begin_sending(struct enrolled_pair *pair, int64_t now)
{
    bool any = false;

    for (unsigned i = 0; i < pair->epochs; i++) {
        struct enrolled_epoch *epoch = &pair->epoch[i];

        any = any || (!epoch->sending && epoch->send_at <= now);
        epoch->sending = epoch->send_at <= now;
    }
    return any;
}

void enrolment_tick(struct enrolment *e, int64_t now)
{
    for (size_t i = 0; i < e->held.pairs; i++) {
        struct enrolled_pair *pair = e->held.pair[i];
        bool ended = enrolment_end_epochs(e, pair, now);

        if (begin_sending(pair, now) || ended)
            e->hooks.pair_changed(e->arg, e, pair);
        for (unsigned j = 0; j < pair->epochs; j++)
            for (unsigned k = 0; k < pair->epoch[j].scopes; k++)
                enrolment_ask_block(e, pair, &pair->epoch[j], &pair->epoch[j].scope[k], now);
    }
}
