/* SPDX-License-Identifier: BSD-2-Clause */
/* The series that are shown. */
#include "keyagent/metrics/totals.h"

#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

struct counted {
    uint32_t series; /* plus 1; 0: none yet */
    struct figures seen;
};

bool totals_init(struct totals *t, uint32_t slots, uint8_t prefix_len)
{
    *t = (struct totals){.prefix_len = prefix_len, .slots = slots};
    t->counted = calloc(slots, sizeof *t->counted);
    return t->counted != NULL;
}

void totals_free(struct totals *t)
{
    free(t->series);
    free(t->meter);
    free(t->counted);
    *t = (struct totals){0};
}

/* Rare enough to grow by one. */
static bool more_series(struct totals *t)
{
    struct series *grown = reallocarray(t->series, t->count + 1, sizeof *grown);

    if (grown == NULL) {
        log_error("out of memory: some flows are not counted");
        return false;
    }
    t->series = grown;
    t->count++;
    return true;
}

static uint32_t add_series(struct totals *t, const struct series *series)
{
    uint32_t i = 0;

    while (i < t->count && t->series[i].used)
        i++;
    if (i == t->count && !more_series(t))
        return TOTALS_NONE;
    t->series[i] = *series;
    t->series[i].used = true;
    return i;
}

static uint32_t find_meter(const struct totals *t, const char *name)
{
    for (uint32_t i = 0; i < t->meters; i++)
        if (t->meter[i].used && strcmp(t->meter[i].name, name) == 0)
            return i;
    return TOTALS_NONE;
}

static bool more_meters(struct totals *t)
{
    struct meter *grown = NULL;

    if (t->meters == AGENT_METERS_MAX)
        log_warning("more than %d associations have had flows: those of some are not counted until "
                    "the configuration is read again",
                    AGENT_METERS_MAX);
    else if ((grown = reallocarray(t->meter, t->meters + 1, sizeof *grown)) == NULL)
        log_error("out of memory: some flows are not counted");
    if (grown == NULL)
        return false;
    t->meter = grown;
    t->meters++;
    return true;
}

static uint32_t add_meter(struct totals *t, const char name[static PDM_NAME_MAX])
{
    uint32_t i = 0;

    while (i < t->meters && t->meter[i].used)
        i++;
    if (i == t->meters && !more_meters(t))
        return TOTALS_NONE;
    t->meter[i] = (struct meter){.used = true, .other = TOTALS_NONE};
    memcpy(t->meter[i].name, name, sizeof t->meter[i].name);
    return i;
}

static uint32_t fold(struct totals *t, uint32_t meter)
{
    struct meter *m = &t->meter[meter];

    if (m->other == TOTALS_NONE)
        m->other = add_series(t, &(struct series){.meter = meter, .is_other = true});
    m->folded++;
    return m->other;
}

static uint32_t series_of(struct totals *t, uint32_t meter, const uint8_t *addr)
{
    struct meter *m = &t->meter[meter];
    struct pdm_prefix peer = pdm_prefix_of(addr, t->prefix_len);

    for (uint32_t i = 0; i < m->peers; i++)
        if (pdm_prefix_equal(&t->series[m->peer[i]].peer, &peer))
            return m->peer[i];
    if (m->peers == AGENT_SERIES_PEERS || t->peers == AGENT_SERIES_MAX)
        return fold(t, meter);
    uint32_t added = add_series(t, &(struct series){.meter = meter, .peer = peer});
    if (added != TOTALS_NONE) {
        m->peer[m->peers++] = added;
        t->peers++;
    }
    return added;
}

/* The first time that a flow is counted says where for good. */
static void enter(struct totals *t, struct counted *c, const struct slot_info *info,
                  const struct associations *set)
{
    const struct association *a = associations_get(set, info->association);

    if (a == NULL)
        return;
    uint32_t meter = find_meter(t, a->name);
    if (meter == TOTALS_NONE)
        meter = add_meter(t, a->name);
    if (meter == TOTALS_NONE)
        return;
    uint32_t series = series_of(t, meter, info->tuple.daddr);
    if (series == TOTALS_NONE)
        return;
    c->series = series + 1;
    t->series[series].flows++;
}

void totals_count(struct totals *t, const struct slots *slots, uint32_t slot,
                  const struct associations *set)
{
    if (t->counted == NULL)
        return;
    struct counted *c = &t->counted[slot];

    if (c->series == 0)
        enter(t, c, &slots->record[slot].info, set);
    if (c->series != 0)
        figures_grow(&t->series[c->series - 1].total, &c->seen, &slots->shared[slot]);
}

void totals_leave(struct totals *t, uint32_t slot)
{
    if (t->counted == NULL)
        return;
    struct counted *c = &t->counted[slot];

    if (c->series != 0)
        t->series[c->series - 1].flows--;
    *c = (struct counted){0};
}

/* Where it is counted is left open: the association may be another now. */
void totals_carry(struct totals *t, uint32_t from, uint32_t to)
{
    if (t->counted != NULL)
        t->counted[to].seen = t->counted[from].seen;
}

static bool has_name(const struct associations *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->item[i].name, name) == 0)
            return true;
    return false;
}

static void drop(struct totals *t, uint32_t meter)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->series[i].meter == meter && t->series[i].used) {
            t->series[i].used = false;
            t->peers -= !t->series[i].is_other;
        }
    t->meter[meter].used = false;
}

void totals_keep(struct totals *t, const struct associations *set)
{
    bool any = false;

    for (uint32_t i = 0; i < t->meters; i++)
        if (t->meter[i].used && !has_name(set, t->meter[i].name)) {
            drop(t, i);
            any = true;
        }
    /* Flows that have not gone yet: should their association come back, it begins anew. */
    for (uint32_t slot = 0; any && slot < t->slots; slot++)
        if (t->counted[slot].series != 0 && !t->series[t->counted[slot].series - 1].used)
            t->counted[slot].series = 0;
}
