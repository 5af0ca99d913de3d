/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program may ask about its own sockets. */
#include <string.h>

#include "shim/effort.h"
#include "shim/descriptor.h"
#include "shim/hook.h"
#include "shim/peer.h"
#include "shim/pdmv2.h"
#include "shim/send.h"
#include "shim/sys.h"

static struct pdmv2_delay delay_of(const struct pdm_delay *d)
{
    return (struct pdmv2_delay){
        .samples = atomic_load_explicit(&d->samples, memory_order_relaxed),
        .last = atomic_load_explicit(&d->last, memory_order_relaxed),
        .min = atomic_load_explicit(&d->min, memory_order_relaxed),
        .max = atomic_load_explicit(&d->max, memory_order_relaxed),
        .sum = atomic_load_explicit(&d->sum, memory_order_relaxed),
    };
}

static void fill(struct pdmv2_stats *s, const struct pdm_flow_entry *e)
{
    const struct pdm_slot *slot = pdm_flow_slot(&e->flow);

    s->network_delay = delay_of(&slot->network);
    s->server_delay = delay_of(&slot->server);
    s->server_delay_overlapped = e->last_overlapped;
#define COUNTER(name)                                                                              \
    s->name = atomic_load_explicit(&slot->counter[PDM_COUNTER_##name], memory_order_relaxed)
    COUNTER(overlapped);
    COUNTER(options_sent);
    COUNTER(options_received);
    COUNTER(lost);
    COUNTER(reordered);
    COUNTER(duplicates);
    COUNTER(auth_failures);
    COUNTER(negative);
    COUNTER(imprecise);
    COUNTER(unstamped);
#undef COUNTER
    s->reason =
        pdm_send_unprivileged(pdm_clock(CLOCK_MONOTONIC)) ? PDMV2_READ_ONLY : PDMV2_MEASURING;
}

static struct pdm_flow_entry *find(const struct pdm_descriptor *d, const struct sockaddr *peer,
                                   socklen_t peer_len)
{
    uint64_t reference = atomic_load_explicit(&d->flow, memory_order_relaxed);
    const struct sockaddr_in6 *to = pdm_peer_of(peer, peer_len);
    bool taken;

    if (peer == NULL)
        return reference != 0 ? pdm_flow_by_reference(reference, &taken) : NULL;
    return to != NULL ? pdm_peer_existing(d, to) : NULL;
}

PDM_EXPORT int pdmv2_stats(int fd, const struct sockaddr *peer, socklen_t peer_len,
                           struct pdmv2_stats *stats)
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);
    struct pdmv2_stats s = {.size = sizeof s, .reason = PDMV2_NOT_TAKING_PART};

    if (stats == NULL || stats->size < sizeof s.size + sizeof s.reason)
        return -1;
    if (d != NULL) {
        struct pdm_flow_entry *e = find(d, peer, peer_len);

        if (e != NULL && e->state == PDM_FLOW_OPEN)
            fill(&s, e);
        else if (pdm_effort_silent())
            s.reason = PDMV2_NO_AGENT;
        else if (e != NULL && e->state == PDM_FLOW_ASKING)
            s.reason = PDMV2_NO_FLOW;
        if (e != NULL)
            pdm_flow_release(e);
    }
    s.size = stats->size < sizeof s ? stats->size : sizeof s;
    memcpy(stats, &s, s.size);
    return 0;
}
