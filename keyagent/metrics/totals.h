/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The series that are shown: for each association and prefix of its peers the figures of all flows,
 * those of today and those that have closed. The first prefixes of an association have a series of
 * their own, what comes beyond AGENT_SERIES_PEERS of them, or AGENT_SERIES_MAX of all, shares one.
 * An association is known by its name: it keeps its series for as long as some association of that
 * name is in force whenever the configuration is read again. Single thread.
 */
#ifndef PDM_KEYAGENT_TOTALS_H
#define PDM_KEYAGENT_TOTALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/tuple.h"
#include "keyagent/association.h"
#include "keyagent/metrics/figures.h"
#include "keyagent/slots.h"

#define TOTALS_NONE UINT32_MAX

struct series {
    bool used;
    uint32_t meter;
    struct pdm_prefix peer; /* nothing, in the one that is shared */
    bool is_other;
    uint32_t flows; /* live ones */
    struct figures total;
};

/* Of one association. */
struct meter {
    char name[PDM_NAME_MAX];
    bool used;
    uint32_t peers;
    uint32_t peer[AGENT_SERIES_PEERS];
    uint32_t other;  /* TOTALS_NONE until something is folded */
    uint64_t folded; /* flows in it, since the beginning */
};

struct totals {
    struct series *series;
    uint32_t count; /* places, used and not */
    uint32_t peers; /* series with a prefix of their own */
    struct meter *meter;
    uint32_t meters;
    uint8_t prefix_len;
    /* By slot; NULL: nothing is counted. */
    struct counted *counted;
    uint32_t slots;
};

/* For SLOTS slots, and peers told apart by the first PREFIX_LEN bits. False: out of memory. */
bool totals_init(struct totals *t, uint32_t slots, uint8_t prefix_len);
void totals_free(struct totals *t);

/* Adds what SLOT, in use, has measured since the last time. Of a flow whose association, one of
 * SET, was no longer in force when it was first counted, nothing is. */
void totals_count(struct totals *t, const struct slots *slots, uint32_t slot,
                  const struct associations *set);
/* SLOT is given back: what is to be counted of it was. */
void totals_leave(struct totals *t, uint32_t slot);
/* The figures of slot FROM, all counted, were put into slot TO, which has not been counted. */
void totals_carry(struct totals *t, uint32_t from, uint32_t to);
/* Drops the series of those that SET has no association of the name of. */
void totals_keep(struct totals *t, const struct associations *set);

#endif
