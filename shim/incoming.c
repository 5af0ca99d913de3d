/* SPDX-License-Identifier: BSD-2-Clause */
/* A received packet, given to its flow. */
#include "shim/incoming.h"

#include <netinet/in.h>
#include <string.h>

#include "shim/control.h"
#include "shim/echo.h"
#include "shim/intake.h"
#include "shim/peer.h"
#include "shim/privilege.h"
#include "shim/stamp.h"
#include "shim/sys.h"

/* What was queued before the socket was connected may be from anyone. */
static struct pdm_flow_entry *flow_of_connected(int fd, struct pdm_descriptor *d,
                                                const struct sockaddr_in6 *peer, int64_t now)
{
    struct pdm_flow_entry *e = pdm_peer_connected(fd, d, now);

    if (e == NULL || peer == NULL ||
        (memcmp(e->tuple.daddr, &peer->sin6_addr, sizeof e->tuple.daddr) == 0 &&
         e->tuple.dport == ntohs(peer->sin6_port)))
        return e;
    pdm_flow_release(e);
    return NULL;
}

/*
 * Whether a received packet may begin a flow: with options, but raw sockets get everyone's echoes:
 * replies to the requests of others, and requests that the kernel or another program answers.
 */
static bool may_begin(const struct pdm_descriptor *d, const struct pdm_control_received *control,
                      const struct pdm_echo *echo)
{
    if (!pdm_descriptor_is_icmp(d))
        return control->dstopts != NULL;
    return !echo->asked && (pdm_descriptor_flags(d) & PDM_FD_ANSWERS) != 0;
}

static struct pdm_flow_entry *flow_of(int fd, struct pdm_descriptor *d,
                                      const struct pdm_control_received *control,
                                      const struct msghdr *msg, const struct pdm_echo *echo,
                                      int64_t now)
{
    const struct sockaddr_in6 *peer = pdm_peer_of(msg->msg_name, msg->msg_namelen);
    uint8_t local[PDM_ADDR_LEN];

    if (pdm_peer_is_one(d))
        return flow_of_connected(fd, d, peer, now);
    if (peer == NULL || pdm_peer_unnamed(d, peer) || !pdm_descriptor_local(fd, d))
        return NULL;
    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) != 0)
        pdm_peer_local(d, local);
    else if (control->has_destination)
        memcpy(local, control->destination, sizeof local);
    else
        return NULL;
    if (!pdm_addr_takes_part(local))
        return NULL;
    return may_begin(d, control, echo) ? pdm_peer_flow(d, local, peer, echo, now)
                                       : pdm_peer_find(d, local, peer, echo, now);
}

/* Whether the packet's stamp is the kernel's receive time. On a socket not settled yet, settles it
 * if it can. */
static bool has_true_stamp(int fd, struct pdm_descriptor *d, const struct pdm_incoming *in,
                           const struct pdm_control_received *control, const struct pdm_now *now)
{
    if (!control->has_stamp) {
        /*
         * Another process that has this socket, or a program run from this one, switched ours off.
         */
        if ((pdm_descriptor_flags(d) & PDM_FD_OUR_STAMP) != 0)
            pdm_descriptor_clear(d, PDM_FD_OURS);
        return false;
    }
    if (in->entered != 0 && !pdm_stamp_settle(fd, d, control->stamp, in->entered, now))
        return false;
    return pdm_stamp_is_sane(control->stamp, now);
}

/* Whether the packet can be of a flow; which one, ECHO tells if it is one. */
static bool may_take_part(const struct pdm_descriptor *d, const struct pdm_incoming *in,
                          struct pdm_echo *echo)
{
    if (!pdm_descriptor_is_raw(d))
        return true;
    return (pdm_descriptor_flags(d) & PDM_FD_OWN_HEADERS) == 0 &&
           (!pdm_descriptor_is_icmp(d) || pdm_echo_of_received(in->msg, in->len, echo));
}

static uint64_t totals(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->total.samples, memory_order_relaxed);
}

/*
 * Whether a reply says no more than that it came. An option that makes no sample may be for another
 * process with the same identifier, unless none of ours can be named.
 */
static bool tells_nothing(const struct pdm_control_received *control, int64_t now)
{
    return control->dstopts == NULL || !pdm_may_attach(now);
}

/* The first reply to an own echo request makes a total. */
static void take_reply(struct pdm_flow_entry *e, const struct pdm_echo *echo, int64_t at,
                       bool stamped, int64_t now)
{
    int64_t sent_at;

    if (!pdm_echo_answered(&e->tuple, echo->sequence, &sent_at) || !pdm_peer_open(e, &now))
        return;
    atomic_store_explicit(&pdm_flow_slot(&e->flow)->active, now, memory_order_relaxed);
    if (stamped && at >= sent_at)
        pdm_delay_add(&pdm_flow_slot(&e->flow)->total, at - sent_at);
}

/*
 * Tells the flow of a datagram without options, if there is one. Who found its lock taken may have
 * sent what this answers.
 */
static void take_plain(int fd, struct pdm_descriptor *d, const struct pdm_incoming *in,
                       const struct pdm_control_received *control)
{
    const struct pdm_echo none = {0};

    if (in->peeked || control->dstopts != NULL || pdm_descriptor_is_raw(d) ||
        (pdm_peer_is_one(d) && atomic_load_explicit(&d->flow, memory_order_relaxed) == 0))
        return;
    struct pdm_flow_entry *e = flow_of(fd, d, control, in->msg, &none, pdm_clock(CLOCK_MONOTONIC));

    if (e == NULL)
        return;
    if (atomic_load_explicit(&e->disturbed, memory_order_relaxed) ||
        (pdm_descriptor_flags(d) & PDM_FD_SENT_UNTOLD) != 0)
        pdm_flow_doubt(&e->flow);
    pdm_flow_received_plain(&e->flow);
    pdm_flow_release(e);
}

void pdm_incoming_take(int fd, struct pdm_descriptor *d, const struct pdm_incoming *in)
{
    struct pdm_control_received control = pdm_control_read(in->msg);
    struct pdm_echo echo = {0};
    bool ours = may_take_part(d, in, &echo) && (control.dstopts != NULL || echo.asked);

    take_plain(fd, d, in, &control);
    if (control.has_stamp && !in->peeked)
        atomic_store_explicit(&d->last_stamp, control.stamp, memory_order_relaxed);
    if (!ours && in->entered == 0 && control.has_stamp)
        return;
    struct pdm_now now = pdm_stamp_now();
    bool stamped = has_true_stamp(fd, d, in, &control, &now);

    if (!ours || in->peeked)
        return;
    struct pdm_flow_entry *e = flow_of(fd, d, &control, in->msg, &echo, now.monotonic);

    if (e == NULL)
        return;
    int64_t at = pdm_stamp_monotonic(control.stamp, &now);
    uint64_t before = totals(e);

    if (control.dstopts != NULL)
        pdm_intake(e, &control, at, stamped, now.monotonic);
    if (echo.asked && totals(e) == before && tells_nothing(&control, now.monotonic))
        take_reply(e, &echo, at, stamped, now.monotonic);
    pdm_flow_release(e);
}
