/* SPDX-License-Identifier: BSD-2-Clause */
/* The flow of a TCP connection, and what goes by it. */
#include "shim/stream.h"

#include "core/limits.h"
#include "shim/mapping.h"
#include "shim/peer.h"

/*
 * What is sent and received aside of the flow, in one word: before there is one, or while neither
 * end may attach. The turns count all the same, for a request sent aside is answered like others:
 * how many more sends than answers, whether the last was a send, and whether there was anything.
 */
#define ASIDE_ANY (1U << 31)
#define ASIDE_SPOKEN (1U << 30)

static uint32_t with_count(uint32_t aside, int by)
{
    int16_t count = (int16_t)aside;

    if (count > -INT16_MAX && count < INT16_MAX)
        count = (int16_t)(count + by);
    return (aside & ~UINT32_C(0xFFFF)) | (uint16_t)count;
}

static uint32_t after(uint32_t aside, enum pdm_stream_aside what)
{
    aside |= ASIDE_ANY;
    switch (what) {
    case PDM_ASIDE_SENT:
        return with_count(aside | ASIDE_SPOKEN, 1);
    case PDM_ASIDE_HELD:
        return aside | ASIDE_SPOKEN;
    case PDM_ASIDE_RECEIVED:
        break;
    }
    return (aside & ASIDE_SPOKEN) != 0 ? with_count(aside & ~ASIDE_SPOKEN, -1) : aside;
}

void pdm_stream_aside(struct pdm_descriptor *d, enum pdm_stream_aside what)
{
    uint32_t aside = atomic_load_explicit(&d->aside, memory_order_relaxed);

    while (!atomic_compare_exchange_weak(&d->aside, &aside, after(aside, what)))
        ;
    if (what == PDM_ASIDE_SENT)
        atomic_fetch_add_explicit(&d->skipped, 1, memory_order_relaxed);
}

void pdm_stream_be_quiet(struct pdm_descriptor *d, const struct pdm_stream *s, int64_t until)
{
    atomic_store_explicit(&d->aside, s->spoken ? ASIDE_SPOKEN : 0, memory_order_relaxed);
    atomic_store_explicit(&d->quiet_until, until, memory_order_relaxed);
}

void pdm_stream_rest(struct pdm_descriptor *d, const struct pdm_stream *s, int64_t now)
{
    if (pdm_stream_is_bulk(s))
        pdm_stream_be_quiet(d, s, now + PDM_STREAM_INTERVAL_NS);
}

static void catch_up(struct pdm_descriptor *d, struct pdm_flow_entry *e)
{
    struct pdm_stream *s = &e->flow.stream;

    if (atomic_load_explicit(&e->disturbed, memory_order_relaxed) &&
        atomic_exchange_explicit(&e->disturbed, false, memory_order_relaxed))
        s->owed += 2;
    atomic_store_explicit(&d->quiet_until, 0, memory_order_relaxed);
    if ((atomic_load_explicit(&d->aside, memory_order_relaxed) & ASIDE_ANY) == 0)
        return;
    uint32_t aside = atomic_exchange_explicit(&d->aside, 0, memory_order_relaxed);
    int64_t owed = (int64_t)s->owed + (int16_t)aside;

    s->owed = owed > 0 ? (uint32_t)owed : 0;
    s->spoken = (aside & ASIDE_SPOKEN) != 0;
    s->last = false;
    s->unique = false;
}

/* Sends that were skipped count as the others do. */
static void count_skipped(struct pdm_descriptor *d, struct pdm_flow_entry *e)
{
    if (atomic_load_explicit(&d->skipped, memory_order_relaxed) == 0)
        return;
    uint32_t skipped = atomic_exchange_explicit(&d->skipped, 0, memory_order_relaxed);

    pdm_count(&pdm_flow_slot(&e->flow)->counter[PDM_COUNTER_sends], skipped);
    pdm_global_pointer_skip(e->tuple.saddr, skipped);
}

struct pdm_flow_entry *pdm_stream_enter(int fd, struct pdm_descriptor *d, int64_t now, bool *open)
{
    struct pdm_flow_entry *e = pdm_peer_connected(fd, d, now);

    if (e == NULL)
        return NULL;
    catch_up(d, e);
    *open = pdm_peer_open(e, &now);
    if (*open)
        count_skipped(d, e);
    return e;
}

/* If there is a flow, another holds it, and knows. */
void pdm_stream_missed(struct pdm_descriptor *d, enum pdm_stream_aside what)
{
    if (atomic_load_explicit(&d->flow, memory_order_relaxed) == 0)
        pdm_stream_aside(d, what);
}
