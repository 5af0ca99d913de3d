/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program may ask about its own sockets. */
#include <string.h>

#include "core/limits.h"
#include "shim/descriptor.h"
#include "shim/effort.h"
#include "shim/hook.h"
#include "shim/mapping.h"
#include "shim/pdmv2.h"
#include "shim/peer.h"
#include "shim/privilege.h"
#include "shim/sys.h"

/* What the program did to a socket so that options stay off it for good, or samples out of it. */
static const uint32_t in_the_way = PDM_FD_HANDED_ON | PDM_FD_STICKY_OTHER | PDM_FD_SEGMENTS |
                                   PDM_FD_SEND_STAMPS | PDM_FD_OWN_HEADERS | PDM_FD_ITS_SIOCGSTAMP;

/* --- the figures --- */

/* The agent's other processes can write what they like there: nothing may trap. */
static int64_t mean_of(const struct pdm_delay_seen *seen)
{
    return seen->samples == 0 || seen->samples > INT64_MAX ? 0 : seen->sum / (int64_t)seen->samples;
}

static bool read_delay(const struct pdm_delay *delay, struct pdmv2_delay *out)
{
    struct pdm_delay_seen seen;

    if (!pdm_delay_read(delay, &seen))
        return false;
    *out = (struct pdmv2_delay){seen.samples, seen.last, seen.min, mean_of(&seen), seen.max};
    return true;
}

static void read_counters(const struct pdm_slot *slot, struct pdmv2_stats *s)
{
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
    COUNTER(withdrawn);
#undef COUNTER
}

/* --- what stands in the way --- */

static enum pdmv2_reason without_agent(enum pdmv2_reason otherwise)
{
    return pdm_effort_silent() ? PDMV2_NO_AGENT : otherwise;
}

static enum pdmv2_reason reason_of_path(const struct pdm_slot *slot)
{
    switch (atomic_load_explicit(&slot->path, memory_order_relaxed)) {
    case PDM_PATH_CARRIES:
        return PDMV2_MEASURING;
    case PDM_PATH_DROPS:
        return PDMV2_PATH_DROPS;
    case PDM_PATH_UNPROBED:
        return PDMV2_PATH_UNPROBED;
    default:
        return PDMV2_PATH_UNKNOWN;
    }
}

/* Of an open flow. What the program itself can mend comes first. */
static enum pdmv2_reason reason_of(const struct pdm_descriptor *d, const struct pdm_flow_seen *flow,
                                   const struct pdm_slot *slot)
{
    if ((pdm_descriptor_flags(d) & in_the_way) != 0)
        return PDMV2_SOCKET;
    if (atomic_load_explicit(&pdm_attach_is_refused, memory_order_relaxed))
        return PDMV2_READ_ONLY;
    if (flow->denied)
        return without_agent(PDMV2_DENIED);
    if (pdm_clock(CLOCK_MONOTONIC) < flow->resume_at)
        return PDMV2_PATH_UNKNOWN;
    return reason_of_path(slot);
}

static enum pdmv2_reason reason_of_unopened(const struct pdm_flow_seen *flow)
{
    if (flow->state == PDM_FLOW_REFUSED)
        return PDMV2_NOT_TAKING_PART;
    return without_agent(flow->denied ? PDMV2_DENIED : PDMV2_NO_FLOW);
}

/* --- a flow --- */

static bool is_owner(const struct pdm_slot *slot, const struct pdm_flow_seen *flow)
{
    return atomic_load_explicit(&slot->owner, memory_order_acquire) == flow->owner;
}

static bool is_same(const struct pdm_flow_seen *a, const struct pdm_flow_seen *b)
{
    return a->state == b->state && a->slot == b->slot && a->owner == b->owner;
}

/* False: something changed on the way. Nothing of that is in S, which is as new. */
static bool try_read(const struct pdm_descriptor *d, uint64_t reference, struct pdmv2_stats *s)
{
    struct pdm_flow_seen flow, after;

    *s = (struct pdmv2_stats){.size = sizeof *s, .reason = without_agent(PDMV2_NO_FLOW)};
    if (!pdm_flow_peek(reference, &flow))
        return true;
    if (flow.state != PDM_FLOW_OPEN) {
        s->reason = reason_of_unopened(&flow);
        return true;
    }
    const struct pdm_slot *slot = pdm_mapping_slot(flow.slot);
    bool owned = slot != NULL && is_owner(slot, &flow);

    /* Who was idle for long has lost the slot, and asks for another with the next packet. */
    if (owned) {
        if (!read_delay(&slot->network, &s->network_delay) ||
            !read_delay(&slot->server, &s->server_delay) ||
            !read_delay(&slot->total, &s->total_delay))
            return false;
        read_counters(slot, s);
        s->server_delay_overlapped = flow.last_overlapped;
        s->reason = reason_of(d, &flow, slot);
    }
    return pdm_flow_peek(reference, &after) && is_same(&flow, &after) &&
           (!owned || is_owner(slot, &flow));
}

static void read_flow(const struct pdm_descriptor *d, uint64_t reference, struct pdmv2_stats *s)
{
    for (int i = 0; i < PDM_STATS_TRIES; i++)
        if (try_read(d, reference, s))
            return;
    /* This is a signal handler in the middle of a change, or its thread was put off the processor.
     */
    *s = (struct pdmv2_stats){.size = sizeof *s, .reason = PDMV2_BUSY};
}

/* --- a socket --- */

static void read_connected(const struct pdm_descriptor *d, struct pdmv2_stats *s)
{
    uint64_t reference = atomic_load_explicit(&d->flow, memory_order_relaxed);

    if (!pdm_descriptor_is_stream(d) && (pdm_descriptor_flags(d) & PDM_FD_CONNECTED) == 0)
        s->reason = PDMV2_WHICH_PEER;
    else if (pdm_peer_unnamed_own(d))
        s->reason = PDMV2_NOT_TAKING_PART;
    else
        read_flow(d, reference, s);
}

static void read_peer(const struct pdm_descriptor *d, const struct sockaddr_in6 *peer,
                      struct pdmv2_stats *s)
{
    if (peer != NULL && (!pdm_mapping_ready() || pdm_policy_names(NULL, peer->sin6_addr.s6_addr)))
        read_flow(d, pdm_peer_reference(d, peer), s);
}

/* The entry of FD. The kernel is asked of a descriptor that is not known, and only then. */
static const struct pdm_descriptor *find(int fd)
{
    struct pdm_descriptor *d = pdm_descriptor_entry(fd);
    int domain = 0;
    socklen_t len = sizeof domain;

    if (d != NULL && (pdm_descriptor_flags(d) & PDM_FD_KNOWN) != 0)
        return pdm_descriptor_if_ours(d);
    if (pdm_sys(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, (long)&domain, (long)&len, 0) != 0 ||
        domain != AF_INET6)
        return NULL;
    return pdm_descriptor_look_up(fd);
}

static void read_socket(int fd, const struct sockaddr *peer, socklen_t peer_len,
                        struct pdmv2_stats *s)
{
    *s = (struct pdmv2_stats){.size = sizeof *s, .reason = PDMV2_OFF};
    if (!atomic_load_explicit(&pdm_active, memory_order_relaxed))
        return;
    const struct pdm_descriptor *d = find(fd);
    struct sockaddr_in6 own;

    s->reason = PDMV2_NOT_TAKING_PART;
    if (d == NULL)
        return;
    /* A raw socket is one flow or, of ICMPv6, one for each identifier. */
    if (peer == NULL && pdm_descriptor_is_raw(d) &&
        (pdm_descriptor_flags(d) & PDM_FD_CONNECTED) != 0) {
        own = pdm_peer_of_raw(d);
        peer = (const struct sockaddr *)&own;
        peer_len = sizeof own;
    }
    if (peer == NULL)
        read_connected(d, s);
    else
        read_peer(d, pdm_peer_of(peer, peer_len), s);
}

PDM_EXPORT int pdmv2_stats_peer(int fd, const struct sockaddr *peer, socklen_t peer_len,
                                struct pdmv2_stats *stats)
{
    struct pdmv2_stats s;

    if (stats == NULL || stats->size < sizeof s.size + sizeof s.reason)
        return -1;
    read_socket(fd, peer, peer_len, &s);
    s.size = stats->size < sizeof s ? stats->size : sizeof s;
    memcpy(stats, &s, s.size);
    return 0;
}

PDM_EXPORT int pdmv2_stats(int fd, struct pdmv2_stats *stats)
{
    return pdmv2_stats_peer(fd, NULL, 0, stats);
}
