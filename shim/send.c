/* SPDX-License-Identifier: BSD-2-Clause */
/* The sending side of the data path. */
#include "shim/send.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "core/limits.h"
#include "shim/agent.h"
#include "shim/mapping.h"
#include "shim/control.h"
#include "shim/echo.h"
#include "shim/options.h"
#include "shim/path.h"
#include "shim/peer.h"
#include "shim/privilege.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/route.h"
#include "shim/sys.h"

#define IPV6_HEADER 40
#define UDP_HEADER 8

static const uint32_t cannot_attach =
    PDM_FD_STICKY_OTHER | PDM_FD_CORKED | PDM_FD_MORE | PDM_FD_SEGMENTS | PDM_FD_SEND_STAMPS;

/* A datagram on its way out. */
struct outgoing {
    const struct msghdr *own;        /* as the program gave it */
    struct msghdr msg;               /* as it is sent */
    const struct sockaddr_in6 *peer; /* NULL: the socket's own */
    struct sockaddr_in6 connected;   /* that, of a raw socket */
    struct pdm_echo echo;
    uint8_t source[PDM_ADDR_LEN];
    bool force_source; /* by IPV6_PKTINFO, so that the tuple is right */
};

size_t pdm_send_payload(const struct msghdr *msg)
{
    size_t len = 0;

    if ((msg->msg_iov == NULL && msg->msg_iovlen != 0) || msg->msg_iovlen > UIO_MAXIOV)
        return SIZE_MAX; /* the kernel refuses it */
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        if (__builtin_add_overflow(len, msg->msg_iov[i].iov_len, &len))
            return SIZE_MAX;
    return len;
}

/* The Destination Options header that the datagram has without us, in which ours goes along. */
struct own_header {
    bool any;
    socklen_t len;
    uint8_t bytes[PDM_MERGED_MAX];
};

static void find_own_header(int fd, const struct pdm_descriptor *d,
                            const struct pdm_control_found *own, struct own_header *h)
{
    struct cmsghdr c;

    h->len = 0;
    h->any = own->dstopts != NULL || (pdm_descriptor_flags(d) & PDM_FD_STICKY_DSTOPTS) != 0;
    if (own->dstopts != NULL) {
        memcpy(&c, own->dstopts, sizeof c);
        h->len = (socklen_t)(c.cmsg_len - CMSG_LEN(0)); /* less than PDM_CONTROL_OWN_MAX */
        memcpy(h->bytes, (const uint8_t *)own->dstopts + CMSG_LEN(0), h->len);
    } else if (h->any) {
        socklen_t len = sizeof h->bytes;

        if (pdm_sys(SYS_getsockopt, fd, IPPROTO_IPV6, IPV6_DSTOPTS, (long)h->bytes, (long)&len,
                    0) == 0)
            h->len = len;
    }
}

/* The header for OPTION: alone, or with the program's own options in it. Its length, or 0. */
static size_t make_header(const struct own_header *own, enum pdm_format format,
                          const uint8_t *option, uint8_t out[PDM_MERGED_MAX])
{
    return own->any ? pdm_header_merge(own->bytes, own->len, format, option, out, PDM_MERGED_MAX)
                    : pdm_header_wrap(format, option, out);
}

/* The source of a datagram from an unconnected socket. */
static bool choose_source(int fd, struct pdm_descriptor *d, struct outgoing *o,
                          const struct pdm_control_found *own, int64_t now, uint32_t *mtu)
{
    struct in6_pktinfo info;
    struct pdm_route route;

    if (!pdm_descriptor_local(fd, d))
        return false; /* the kernel gives it a port with this very send */
    if (own->pktinfo != NULL) {
        memcpy(&info, own->pktinfo, sizeof info);
        memcpy(o->source, &info.ipi6_addr, sizeof o->source);
        return pdm_addr_takes_part(o->source);
    }
    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) != 0) {
        pdm_peer_local(d, o->source);
        return true;
    }
    if ((pdm_descriptor_flags(d) & PDM_FD_ODD_ROUTE) != 0 ||
        !pdm_peer_named(d, NULL, o->peer->sin6_addr.s6_addr, now) ||
        !pdm_route_to(o->peer, now, &route))
        return false;
    memcpy(o->source, route.source, sizeof o->source);
    *mtu = route.mtu;
    o->force_source = true;
    return true;
}

static struct pdm_flow_entry *find_unconnected(int fd, struct pdm_descriptor *d, struct outgoing *o,
                                               const struct pdm_control_found *own, int64_t now)
{
    uint32_t mtu = 0;
    struct pdm_route route;

    if (!pdm_policy_ready(now) || !choose_source(fd, d, o, own, now, &mtu))
        return NULL;
    struct pdm_flow_entry *e = pdm_peer_flow(d, o->source, o->peer, &o->echo, now);

    if (e != NULL && mtu != 0)
        e->mtu = mtu;
    else if (e != NULL && e->mtu == 0 && pdm_route_to(o->peer, now, &route))
        e->mtu = route.mtu;
    return e;
}

/* Of the program's own header with an option of FORMAT in it; 0 if none can go into it. */
static size_t length_with(const struct own_header *own, enum pdm_format format)
{
    const uint8_t option[PDM_OPTION_MAX] = {pdm_policy_settings().option_type};
    uint8_t header[PDM_MERGED_MAX];

    return make_header(own, format, option, header);
}

/*
 * Whether a datagram with an option goes in one packet. Where fragments are forbidden the kernel
 * counts the header twice, and a refusal would leave an error in the socket's queue. Asked before
 * the option is built: the peer counts one that never comes as lost.
 */
static bool fits(const struct pdm_flow_entry *e, const struct own_header *own, size_t payload)
{
    size_t len =
        own->any ? length_with(own, e->flow.format) : pdm_formats[e->flow.format].header_len;
    size_t transport = e->tuple.proto == IPPROTO_UDP ? UDP_HEADER : 0; /* else it is payload */
    size_t more = IPV6_HEADER + transport + 2 * len;

    return len != 0 && e->mtu > more && payload <= e->mtu - more;
}

bool pdm_send_option(struct pdm_flow_entry *e, int64_t now, uint32_t pointer,
                     uint8_t option[static PDM_OPTION_MAX])
{
    uint8_t type = pdm_policy_settings().option_type;
    enum pdm_attach_status s = pdm_flow_attach(&e->flow, pdm_guard(), type, now, pointer, option);

    if (s == PDM_ATTACH_NO_LEASE && pdm_agent_renew(e, now))
        s = pdm_flow_attach(&e->flow, pdm_guard(), type, pdm_clock(CLOCK_MONOTONIC), pointer,
                            option);
    return s == PDM_ATTACHED;
}

uint32_t pdm_send_count(struct pdm_flow_entry *e, int64_t now)
{
    struct pdm_slot *slot = pdm_flow_slot(&e->flow);

    pdm_count(&slot->counter[PDM_COUNTER_sends], 1);
    atomic_store_explicit(&slot->active, now, memory_order_relaxed);
    return pdm_global_pointer_next(e->tuple.saddr);
}

/* Everything under the flow's lock: counts the send, builds the option. */
static bool attach(struct pdm_flow_entry *e, const struct outgoing *o, uint32_t flags,
                   const struct own_header *own, bool usable, int64_t now, enum pdm_format *format,
                   uint8_t option[static PDM_OPTION_MAX])
{
    bool ok = false;

    if (pdm_peer_open(e, &now)) {
        uint32_t pointer = pdm_send_count(e, now);

        if (o->echo.asked)
            pdm_echo_asked(&e->tuple, o->echo.sequence, now);
        *format = e->flow.format;
        ok = usable && (flags & cannot_attach) == 0 && fits(e, own, pdm_send_payload(o->own)) &&
             pdm_may_attach(now) && pdm_path_open(e, now) &&
             pdm_send_option(e, now, pointer, option);
    }
    if (!ok)
        pdm_flow_sent_plain(&e->flow);
    pdm_flow_release(e);
    return ok;
}

/*
 * Whom O goes to, and what else says of which flow it is. False: it is of none, or of none of ours.
 */
static bool address(struct pdm_descriptor *d, struct outgoing *o)
{
    uint32_t state = pdm_descriptor_flags(d);

    o->peer = pdm_peer_of(o->own->msg_name, o->own->msg_namelen);
    if (o->own->msg_name != NULL ? o->peer == NULL : (state & PDM_FD_CONNECTED) == 0)
        return false;
    if (o->peer == NULL && !pdm_peer_is_one(d)) {
        o->connected = pdm_peer_of_raw(d);
        o->peer = pdm_peer_of(&o->connected, sizeof o->connected);
        if (o->peer == NULL)
            return false;
    }
    if ((o->peer != NULL && pdm_peer_unnamed(d, o->peer)) || (state & PDM_FD_OWN_HEADERS) != 0)
        return false;
    if (!pdm_descriptor_is_icmp(d))
        return true;
    /* Behind MSG_MORE comes the rest of a message. */
    if ((state & PDM_FD_MORE) != 0 || !pdm_echo_of_sent(o->own, &o->echo))
        return false;
    if (!o->echo.asked && (state & PDM_FD_ANSWERS) == 0)
        pdm_descriptor_set(d, PDM_FD_ANSWERS);
    return true;
}

/* What is sent before there is a flow may be answered once there is one. */
static void note_untold(struct pdm_descriptor *d, const struct msghdr *msg)
{
    if ((pdm_descriptor_flags(d) & (PDM_FD_OURS | PDM_FD_SENT_UNTOLD)) == 0 &&
        !pdm_peer_idle(d, msg->msg_name, msg->msg_namelen))
        pdm_descriptor_set(d, PDM_FD_SENT_UNTOLD);
}

/* Makes O->MSG, with an option, from O->OWN. CONTROL holds its control messages. */
static bool prepare(int fd, struct pdm_descriptor *d, struct outgoing *o, int flags,
                    uint8_t *control, size_t cap)
{
    uint8_t option[PDM_OPTION_MAX], header[PDM_MERGED_MAX];
    uint32_t state = pdm_descriptor_flags(d);
    size_t own_len = o->own->msg_control != NULL ? o->own->msg_controllen : 0, len;
    enum pdm_format format;
    struct own_header own_header;
    struct pdm_flow_entry *e;

    o->force_source = false;
    if (!address(d, o))
        return false;
    if (own_len > PDM_CONTROL_OWN_MAX || own_len != o->own->msg_controllen)
        return false;
    struct pdm_control_found own = pdm_control_inspect(o->own->msg_control, own_len);
    int64_t now = pdm_clock(CLOCK_MONOTONIC);

    e = o->peer != NULL ? find_unconnected(fd, d, o, &own, now) : pdm_peer_connected(fd, d, now);
    if (e == NULL) {
        note_untold(d, o->own);
        return false;
    }
    pdm_options_want(fd, d); /* set before the first send, they find its answer stamped */
    find_own_header(fd, d, &own, &own_header);
    if (!attach(e, o, state, &own_header, own.usable && (flags & MSG_MORE) == 0, now, &format,
                option))
        return false;
    len = make_header(&own_header, format, option, header);
    if (len == 0)
        return false;
    o->msg = *o->own;
    o->msg.msg_control = control;
    o->msg.msg_controllen = pdm_control_build(o->own->msg_control, own_len, header, len,
                                              o->force_source ? o->source : NULL, control, cap);
    return o->msg.msg_controllen != 0;
}

/*
 * Whether the kernel's refusal may be of our option, so that the program's own call must be made.
 */
static bool ours_to_mend(struct pdm_descriptor *d, const struct outgoing *o, int error)
{
    switch (error) {
    case EPERM:
        pdm_attach_refused();
        return true;
    case EINVAL:
        if (o->force_source)
            pdm_route_drop(o->peer);
        return true;
    case EMSGSIZE:
    case ENOBUFS:
        return true;
    case ENOTSOCK: /* closed and made anew unseen: no socket of ours any more */
    case EBADF:
        pdm_descriptor_clear(d, UINT32_MAX);
        return true;
    default:
        return false;
    }
}

/* MSG_MORE holds a datagram open: its options are those of the first part. */
void pdm_send_note_more(struct pdm_descriptor *d, int flags)
{
    if ((flags & MSG_MORE) != 0)
        pdm_descriptor_set(d, PDM_FD_MORE);
    else if ((pdm_descriptor_flags(d) & PDM_FD_MORE) != 0)
        pdm_descriptor_clear(d, PDM_FD_MORE);
}

bool pdm_send(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
              ssize_t *result)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_CONTROL_OUT];
    struct outgoing o = {.own = msg};
    int saved = errno;
    bool ready = prepare(fd, d, &o, flags, control, sizeof control);

    errno = saved;
    pdm_send_note_more(d, flags);
    if (!ready)
        return false;
    *result = pdm_real.sendmsg(fd, &o.msg, flags);
    if (*result >= 0)
        pdm_attach_accepted();
    if (*result >= 0 || !ours_to_mend(d, &o, errno))
        return true;
    errno = saved;
    return false;
}

/* Sends one batch. What the program shall see in *RESULT, or false if its own call must be made. */
static bool send_batch(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int count,
                       int flags, int *result)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_SEND_BATCH][PDM_SEND_BATCH_CONTROL];
    struct mmsghdr out[PDM_SEND_BATCH];
    struct outgoing o[PDM_SEND_BATCH];
    bool any = false;
    int saved = errno;

    for (unsigned int i = 0; i < count; i++) {
        o[i] = (struct outgoing){.own = &vec[i].msg_hdr};
        bool ready = prepare(fd, d, &o[i], flags, control[i], sizeof control[i]);

        out[i].msg_hdr = ready ? o[i].msg : vec[i].msg_hdr;
        any = any || ready;
    }
    errno = saved;
    if (!any)
        return false;
    *result = pdm_real.sendmmsg(fd, out, count, flags);
    if (*result < 0 && ours_to_mend(d, &o[0], errno)) {
        errno = saved;
        return false;
    }
    if (*result > 0 && out[0].msg_hdr.msg_control == control[0])
        pdm_attach_accepted();
    for (int i = 0; i < *result; i++)
        vec[i].msg_len = out[i].msg_len;
    return true;
}

/*
 * Batches follow each other as long as each is sent whole: like the kernel, an error is the
 * program's to see only if nothing was sent.
 */
bool pdm_send_many(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int vlen,
                   int flags, int *result)
{
    bool held = (pdm_descriptor_flags(d) & PDM_FD_MORE) != 0 || (flags & MSG_MORE) != 0;
    unsigned int done = 0;
    int saved = errno;

    if (vlen > UIO_MAXIOV)
        vlen = UIO_MAXIOV; /* as the kernel does */
    pdm_send_note_more(d, flags);
    if (vlen == 0 || held)
        return false;
    while (done < vlen) {
        unsigned int count = vlen - done < PDM_SEND_BATCH ? vlen - done : PDM_SEND_BATCH;
        int sent = -1;

        if (!send_batch(fd, d, vec + done, count, flags, &sent)) {
            if (done == 0)
                return false;
            sent = pdm_real.sendmmsg(fd, vec + done, vlen - done, flags);
            count = vlen - done;
        }
        if (sent < 0) {
            *result = done > 0 ? (int)done : -1;
            if (done > 0)
                errno = saved;
            return true;
        }
        done += (unsigned int)sent;
        if ((unsigned int)sent < count)
            break;
    }
    *result = (int)done;
    return true;
}
