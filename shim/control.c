/* SPDX-License-Identifier: BSD-2-Clause */
/* Control messages, out and in. */
#include "shim/control.h"

#include <netinet/udp.h>
#include <string.h>

#include "shim/descriptor.h"
#include "shim/options.h"

/* Steps through control messages as the kernel does (CMSG_OK); stops at what is malformed. */
struct walk {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static bool next(struct walk *w, struct cmsghdr *header, const uint8_t **where)
{
    if (w->left < sizeof *header)
        return false;
    memcpy(header, w->at, sizeof *header);
    if (header->cmsg_len < sizeof *header || header->cmsg_len > w->left) {
        w->bad = true;
        return false;
    }
    size_t step = CMSG_ALIGN(header->cmsg_len);

    *where = w->at;
    w->at += step < w->left ? step : w->left;
    w->left -= step < w->left ? step : w->left;
    return true;
}

static bool is_ipv6(const struct cmsghdr *c, int type)
{
    return c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == type;
}

struct pdm_control_found pdm_control_inspect(const void *control, size_t len)
{
    struct pdm_control_found found = {.usable = true};
    struct walk w = {control, len, false};
    struct cmsghdr c;
    const uint8_t *at;

    while (next(&w, &c, &at)) {
        if (is_ipv6(&c, IPV6_DSTOPTS)) {
            /* Of two, the kernel takes the last; that is not ours to decide. */
            found.usable = found.usable && found.dstopts == NULL;
            found.dstopts = (const struct cmsghdr *)(const void *)at;
        } else if (is_ipv6(&c, IPV6_PKTINFO) && c.cmsg_len >= CMSG_LEN(sizeof *found.pktinfo)) {
            found.pktinfo = (const struct in6_pktinfo *)(const void *)(at + CMSG_LEN(0));
        } else if (is_ipv6(&c, IPV6_2292DSTOPTS) || is_ipv6(&c, IPV6_2292PKTINFO) ||
                   (c.cmsg_level == IPPROTO_UDP && c.cmsg_type == UDP_SEGMENT) ||
                   (c.cmsg_level == SOL_SOCKET &&
                    (c.cmsg_type == SO_TIMESTAMPING || c.cmsg_type == SO_TIMESTAMPING_NEW))) {
            /* Segments would all carry one option: the peer would count duplicates. A packet
             * stamped when sent comes back to the program, headers included. */
            found.usable = false;
        }
    }
    found.usable = found.usable && !w.bad;
    return found;
}

/* Appends one control message to OUT at *LEN. */
static bool append(uint8_t *out, size_t cap, size_t *len, int level, int type, const void *data,
                   size_t data_len)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(data_len), .cmsg_level = level, .cmsg_type = type};

    if (CMSG_SPACE(data_len) > cap - *len)
        return false;
    memset(out + *len, 0, CMSG_SPACE(data_len));
    memcpy(out + *len, &c, sizeof c);
    memcpy(out + *len + CMSG_LEN(0), data, data_len);
    *len += CMSG_SPACE(data_len);
    return true;
}

size_t pdm_control_build(const void *own, size_t own_len, const uint8_t *header, size_t header_len,
                         const uint8_t *source, uint8_t *out, size_t cap)
{
    struct walk w = {own, own_len, false};
    struct cmsghdr c;
    const uint8_t *at;
    size_t len = 0;

    while (next(&w, &c, &at))
        if (!is_ipv6(&c, IPV6_DSTOPTS) && !append(out, cap, &len, c.cmsg_level, c.cmsg_type,
                                                  at + CMSG_LEN(0), c.cmsg_len - CMSG_LEN(0)))
            return 0;
    if (!append(out, cap, &len, IPPROTO_IPV6, IPV6_DSTOPTS, header, header_len))
        return 0;
    if (source != NULL) {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};

        memcpy(&info.ipi6_addr, source, sizeof info.ipi6_addr);
        if (!append(out, cap, &len, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info))
            return 0;
    }
    return len;
}

/* A stamp of any kind that a program may have asked for (socket(7), SO_TIMESTAMP and its kin). */
static void read_stamp(struct pdm_control_received *r, const struct cmsghdr *c, const uint8_t *data)
{
    struct timespec ts = {0};
    struct timeval tv;
    int64_t unit = 1, part, whole, stamp;

    switch (c->cmsg_type) {
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
    case SO_TIMESTAMPING: /* the software stamp is the first of three */
    case SO_TIMESTAMPING_NEW:
        if (c->cmsg_len < CMSG_LEN(sizeof ts))
            return;
        memcpy(&ts, data, sizeof ts);
        break;
    case SO_TIMESTAMP:
    case SO_TIMESTAMP_NEW:
        if (c->cmsg_len < CMSG_LEN(sizeof tv))
            return;
        memcpy(&tv, data, sizeof tv);
        ts = (struct timespec){tv.tv_sec, tv.tv_usec};
        unit = PDM_NSEC_PER_USEC;
        break;
    default:
        return;
    }
    if (ts.tv_sec == 0 || __builtin_mul_overflow(ts.tv_sec, PDM_NSEC_PER_SEC, &whole) ||
        __builtin_mul_overflow(ts.tv_nsec, unit, &part) ||
        __builtin_add_overflow(whole, part, &stamp))
        return;
    r->has_stamp = true;
    r->stamp = stamp;
}

struct pdm_control_received pdm_control_read(struct msghdr *msg)
{
    struct pdm_control_received r = {0};
    struct walk w = {msg->msg_control, msg->msg_controllen, false};
    struct cmsghdr c;
    const uint8_t *at;

    while (next(&w, &c, &at)) {
        const uint8_t *data = at + CMSG_LEN(0);

        if (is_ipv6(&c, IPV6_DSTOPTS)) {
            r.twice = r.dstopts != NULL;
            r.dstopts = data;
            r.dstopts_len = c.cmsg_len - CMSG_LEN(0);
        } else if (is_ipv6(&c, IPV6_PKTINFO) &&
                   c.cmsg_len >= CMSG_LEN(sizeof(struct in6_pktinfo))) {
            r.has_destination = true;
            memcpy(r.destination, data, sizeof r.destination);
        } else if (c.cmsg_level == SOL_SOCKET) {
            read_stamp(&r, &c, data);
        }
    }
    return r;
}

static bool is_hidden(const struct cmsghdr *c, uint32_t hidden)
{
    return ((hidden & PDM_FD_OUR_DSTOPTS) != 0 && is_ipv6(c, IPV6_DSTOPTS)) ||
           ((hidden & PDM_FD_OUR_PKTINFO) != 0 && is_ipv6(c, IPV6_PKTINFO)) ||
           ((hidden & PDM_FD_OUR_STAMP) != 0 && c->cmsg_level == SOL_SOCKET &&
            c->cmsg_type == SO_TIMESTAMPNS);
}

/* Linux's put_cmsg(): what does not fit is cut, and MSG_CTRUNC says so. */
static void put(struct cmsghdr *c, const uint8_t *data, uint8_t *own, size_t own_len, size_t *used,
                int *flags)
{
    size_t room = own_len - *used;
    size_t data_len = c->cmsg_len - CMSG_LEN(0);

    if (room < sizeof *c) {
        *flags |= MSG_CTRUNC;
        return;
    }
    if (room < c->cmsg_len) {
        *flags |= MSG_CTRUNC;
        c->cmsg_len = room;
        data_len = room - CMSG_LEN(0);
    }
    memcpy(own + *used, c, sizeof *c);
    memcpy(own + *used + CMSG_LEN(0), data, data_len);
    *used += CMSG_SPACE(data_len) < room ? CMSG_SPACE(data_len) : room;
}

/* Takes our option out of a header that the program asked for. False: nothing else was in it. */
static bool strip(struct msghdr *msg, struct cmsghdr *c, const uint8_t *data, uint8_t option_type)
{
    size_t len = c->cmsg_len - CMSG_LEN(0);

    if (option_type == 0 || !(is_ipv6(c, IPV6_DSTOPTS) || is_ipv6(c, IPV6_2292DSTOPTS)))
        return true;
    len = pdm_header_strip((uint8_t *)msg->msg_control + (data - (uint8_t *)msg->msg_control), len,
                           option_type);
    c->cmsg_len = CMSG_LEN(len);
    return len != 0;
}

size_t pdm_control_deliver(struct msghdr *msg, uint32_t hidden, uint8_t option_type, void *own,
                           size_t own_len, int *flags)
{
    struct walk w = {msg->msg_control, msg->msg_controllen, false};
    struct cmsghdr c;
    const uint8_t *at;
    size_t used = 0;
    bool last_hidden = false;
    int cut = 0;

    while (next(&w, &c, &at)) {
        last_hidden = is_hidden(&c, hidden);
        if (!last_hidden && strip(msg, &c, at + CMSG_LEN(0), option_type))
            put(&c, at + CMSG_LEN(0), own, own != NULL ? own_len : 0, &used, &cut);
    }
    /* What the kernel cut was a header, of any length, that the program did not ask for. */
    if (last_hidden)
        *flags &= ~MSG_CTRUNC;
    *flags |= cut;
    return used;
}
