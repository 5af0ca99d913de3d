/* SPDX-License-Identifier: BSD-2-Clause */
/* The flow of a TCP connection. */
#include "shim/stream.h"

#include "shim/peer.h"

/* What went by before there was a flow, or while another held it, may have been requests. */
static void catch_up(struct pdm_descriptor *d, struct pdm_flow_entry *e)
{
    if (atomic_exchange_explicit(&e->disturbed, false, memory_order_relaxed))
        e->flow.stream.owed += 2;
    if (atomic_load_explicit(&d->missed, memory_order_relaxed) != 0)
        e->flow.stream.owed += atomic_exchange_explicit(&d->missed, 0, memory_order_relaxed);
}

struct pdm_flow_entry *pdm_stream_enter(int fd, struct pdm_descriptor *d, int64_t now, bool *open)
{
    struct pdm_flow_entry *e = pdm_peer_connected(fd, d, now);

    if (e == NULL)
        return NULL;
    catch_up(d, e);
    *open = pdm_peer_open(e, now);
    return e;
}

/* If there is a flow, another holds it, and knows. */
static bool has_flow(const struct pdm_descriptor *d)
{
    return atomic_load_explicit(&d->flow, memory_order_relaxed) != 0;
}

void pdm_stream_missed_send(struct pdm_descriptor *d)
{
    if (has_flow(d))
        return;
    pdm_descriptor_set(d, PDM_FD_SPOKEN);
    atomic_fetch_add_explicit(&d->missed, 1, memory_order_relaxed);
}

void pdm_stream_missed_receipt(struct pdm_descriptor *d)
{
    if (has_flow(d) || (pdm_descriptor_flags(d) & PDM_FD_SPOKEN) == 0)
        return;
    pdm_descriptor_clear(d, PDM_FD_SPOKEN);
    if (atomic_load_explicit(&d->missed, memory_order_relaxed) > 0)
        atomic_fetch_sub_explicit(&d->missed, 1, memory_order_relaxed);
}
