/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the path of a flow carries options. */
#include "shim/path.h"

#include "core/limits.h"
#include "shim/agent.h"

static bool agent_says_yes(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->path, memory_order_relaxed) ==
           PDM_PATH_CARRIES;
}

/* An option got through: what was suspected is forgotten. */
static void note_named(struct pdm_flow_entry *e)
{
    if (e->flow.named <= e->named)
        return;
    e->named = e->flow.named;
    e->pause = 0;
}

/*
 * Datagrams that were answered once and are not any more. Whether it is the options that get lost,
 * or all, or only that the peer fell silent, a probe will tell; so one suspicion is enough until
 * another option is named.
 */
static bool fell_silent(const struct pdm_flow_entry *e, int64_t now)
{
    const struct pdm_flow *f = &e->flow;
    uint64_t unnamed = f->built - f->named;

    if (f->stream.used || f->named == 0 || e->pause != 0 || unnamed < PDM_SUSPECT_OPTIONS)
        return false;
    /* Of those that the ring still holds, the first. */
    uint64_t oldest = unnamed < PDM_SENT_RING ? f->named : f->built - PDM_SENT_RING;
    int64_t silent = now - f->sent_at[oldest % PDM_SENT_RING];

    return silent > PDM_SUSPECT_NS && silent / 4 > f->round_trip;
}

bool pdm_path_open(struct pdm_flow_entry *e, int64_t now)
{
    note_named(e);
    if (fell_silent(e, now))
        pdm_path_suspect(e, now);
    return now >= e->resume_at && agent_says_yes(e);
}

void pdm_path_suspect(struct pdm_flow_entry *e, int64_t now)
{
    e->pause = e->pause == 0 ? PDM_SUSPECT_PAUSE_NS : PDM_SUSPECT_PAUSE_FACTOR * e->pause;
    if (e->pause > PDM_SUSPECT_PAUSE_MAX_NS)
        e->pause = PDM_SUSPECT_PAUSE_MAX_NS;
    e->resume_at = now + e->pause;
    e->named = e->flow.named;
    pdm_count(&pdm_flow_slot(&e->flow)->counter[PDM_COUNTER_withdrawn], 1);
    pdm_agent_suspect(e, now);
}
