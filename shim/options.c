/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket options: ours beside the program's. */
#include "shim/options.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include "core/limits.h"
#include "shim/connection.h"
#include "shim/control.h"
#include "shim/mapping.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/sys.h"

#define SEND_STAMPS                                                                                \
    (SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |     \
     SOF_TIMESTAMPING_TX_ACK)

const struct pdm_sticky_option pdm_sticky_options[PDM_STICKY_OPTIONS] = {
    {IPV6_DSTOPTS, PDM_FD_STICKY_DSTOPTS},
    {IPV6_HOPOPTS, PDM_FD_STICKY_OTHER},
    {IPV6_RTHDR, PDM_FD_STICKY_OTHER},
    {IPV6_RTHDRDSTOPTS, PDM_FD_STICKY_OTHER},
};

/* The receive options of the shim: what sets each, and what of the program's is the same. */
static const struct receive_option {
    int level, name;
    uint32_t ours, its;
} receive_options[] = {
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, PDM_FD_OUR_DSTOPTS, PDM_FD_ITS_DSTOPTS},
    {SOL_SOCKET, SO_TIMESTAMPNS, PDM_FD_OUR_STAMP,
     PDM_FD_ITS_STAMP | PDM_FD_ITS_SIOCGSTAMP | PDM_FD_ITS_STAMPING},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, PDM_FD_OUR_PKTINFO, PDM_FD_ITS_PKTINFO},
};

#define RECEIVE_OPTIONS (sizeof receive_options / sizeof receive_options[0])

/* What a program's option, set to other than 0, means for its sends. */
static const struct {
    int level, name;
    uint32_t flag;
    bool for_good; /* stays when set to 0: what else is set is not known */
} send_options[] = {
    {IPPROTO_UDP, UDP_CORK, PDM_FD_CORKED, false},
    {IPPROTO_UDP, UDP_SEGMENT, PDM_FD_SEGMENTS, false},
    {IPPROTO_IPV6, IPV6_HDRINCL, PDM_FD_OWN_HEADERS, false},
    {SOL_RAW, IPV6_HDRINCL, PDM_FD_OWN_HEADERS, false},
    {SOL_SOCKET, SO_BINDTODEVICE, PDM_FD_ODD_ROUTE, true},
    {SOL_SOCKET, SO_BINDTOIFINDEX, PDM_FD_ODD_ROUTE, true},
    {SOL_SOCKET, SO_MARK, PDM_FD_ODD_ROUTE, true},
    {IPPROTO_IPV6, IPV6_UNICAST_IF, PDM_FD_ODD_ROUTE, true},
    {IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, PDM_FD_ODD_ROUTE, true},
    {IPPROTO_IPV6, IPV6_PKTINFO, PDM_FD_ODD_ROUTE, true},
    {IPPROTO_IPV6, IPV6_2292PKTOPTIONS, PDM_FD_STICKY_OTHER, true},
};

static long set_int(int fd, int level, int name, int value)
{
    return pdm_sys(SYS_setsockopt, fd, level, name, (long)&value, sizeof value, 0);
}

uint32_t pdm_options_missing(const struct pdm_descriptor *d)
{
    uint32_t flags = pdm_descriptor_flags(d), missing = 0;
    bool knows_local = (flags & (PDM_FD_CONNECTED | PDM_FD_BOUND_ADDR | PDM_FD_TCP6)) != 0;

    for (size_t i = 0; i < RECEIVE_OPTIONS; i++)
        if ((flags & (receive_options[i].ours | receive_options[i].its)) == 0)
            missing |= receive_options[i].ours;
    return knows_local ? missing & ~(uint32_t)PDM_FD_OUR_PKTINFO : missing;
}

bool pdm_options_nothing_queued(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec none = {0, 0};

    return pdm_sys(SYS_ppoll, (long)&p, 1, (long)&none, 0, 0, 0) == 0;
}

/* With an agent the host stamps every packet; what is queued already may not have been. */
static void begin_stamping(int fd, struct pdm_descriptor *d)
{
    atomic_store_explicit(&d->unproven, pdm_clock(CLOCK_REALTIME), memory_order_relaxed);
    if (pdm_mode() == PDM_MODE_AGENT && pdm_options_nothing_queued(fd))
        pdm_descriptor_set(d, PDM_FD_SETTLED);
    else
        pdm_descriptor_clear(d, PDM_FD_SETTLED);
}

bool pdm_options_enable(int fd, struct pdm_descriptor *d)
{
    uint32_t missing = pdm_options_missing(d);

    for (size_t i = 0; i < RECEIVE_OPTIONS; i++) {
        const struct receive_option *o = &receive_options[i];

        if ((missing & o->ours) == 0)
            continue;
        if (set_int(fd, o->level, o->name, 1) != 0)
            return false;
        pdm_descriptor_set(d, o->ours);
    }
    if ((missing & PDM_FD_OUR_STAMP) != 0)
        begin_stamping(fd, d);
    return true;
}

void pdm_options_want(int fd, struct pdm_descriptor *d)
{
    if ((pdm_descriptor_flags(d) & PDM_FD_HANDED_ON) == 0 && pdm_options_missing(d) != 0)
        pdm_options_enable(fd, d);
}

void pdm_options_disable(int fd, uint32_t flags)
{
    for (size_t i = 0; i < RECEIVE_OPTIONS; i++)
        if ((flags & receive_options[i].ours) != 0)
            set_int(fd, receive_options[i].level, receive_options[i].name, 0);
}

static bool is_stamp(int level, int name)
{
    return level == SOL_SOCKET && (name == SO_TIMESTAMP || name == SO_TIMESTAMPNS ||
                                   name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW);
}

static bool is_stamping(int level, int name)
{
    return level == SOL_SOCKET && (name == SO_TIMESTAMPING || name == SO_TIMESTAMPING_NEW);
}

static int int_of(const void *value, socklen_t len)
{
    int n = 0;

    memcpy(&n, value, len < sizeof n ? len : sizeof n);
    return n;
}

/* Switching off a receive option that we need leaves it on: the program's cmsgs are made by us.
 * Ours goes off before SO_TIMESTAMPING is set, which shares the kernel's flags with it. */
bool pdm_options_intercept(int fd, struct pdm_descriptor *d, int level, int name, const void *value,
                           socklen_t len)
{
    if (is_stamping(level, name) && (pdm_descriptor_flags(d) & PDM_FD_OUR_STAMP) != 0) {
        pdm_options_disable(fd, PDM_FD_OUR_STAMP);
        pdm_descriptor_clear(d, PDM_FD_OUR_STAMP | PDM_FD_SETTLED);
    }
    if (level != IPPROTO_IPV6 || value == NULL || len < sizeof(int))
        return false;
    for (size_t i = 0; i < RECEIVE_OPTIONS; i++) {
        const struct receive_option *o = &receive_options[i];

        if (level != o->level || name != o->name || (pdm_descriptor_flags(d) & o->ours) == 0 ||
            int_of(value, len) != 0)
            continue;
        pdm_descriptor_clear(d, o->its);
        return true;
    }
    return false;
}

static void note_flag(struct pdm_descriptor *d, uint32_t flag, bool set)
{
    if (set)
        pdm_descriptor_set(d, flag);
    else
        pdm_descriptor_clear(d, flag);
}

static void note_receive(struct pdm_descriptor *d, int level, int name, int value)
{
    if (is_stamping(level, name)) {
        note_flag(d, PDM_FD_ITS_STAMPING, value != 0);
        note_flag(d, PDM_FD_SEND_STAMPS, (value & SEND_STAMPS) != 0);
    }
    if (level == IPPROTO_IPV6 && name == IPV6_2292DSTOPTS)
        note_flag(d, PDM_FD_ITS_2292DSTOPTS, value != 0);

    if (is_stamp(level, name)) {
        /* The kernel keeps one kind of stamp: whatever was set here, ours is off or its own now. */
        pdm_descriptor_clear(d, PDM_FD_OUR_STAMP | PDM_FD_ITS_STAMP | PDM_FD_SETTLED);
        if (value != 0)
            pdm_descriptor_set(d, PDM_FD_ITS_STAMP);
        atomic_store_explicit(&d->unproven, pdm_clock(CLOCK_REALTIME), memory_order_relaxed);
    }
    for (size_t i = 0; i < RECEIVE_OPTIONS; i++) {
        const struct receive_option *o = &receive_options[i];

        if (level != o->level || name != o->name || is_stamp(level, name))
            continue;
        if (value != 0)
            pdm_descriptor_set(d, o->its);
        else
            pdm_descriptor_clear(d, o->its);
    }
}

static void note_send(struct pdm_descriptor *d, int level, int name, int value)
{
    for (size_t i = 0; i < sizeof send_options / sizeof send_options[0]; i++) {
        if (level != send_options[i].level || name != send_options[i].name)
            continue;
        if (value != 0 || send_options[i].for_good)
            pdm_descriptor_set(d, send_options[i].flag);
        else
            pdm_descriptor_clear(d, send_options[i].flag);
    }
}

static void note_sticky(struct pdm_descriptor *d, int name, socklen_t len)
{
    for (size_t i = 0; i < PDM_STICKY_OPTIONS; i++) {
        if (name != pdm_sticky_options[i].name)
            continue;
        if (len > 0)
            pdm_descriptor_set(d, pdm_sticky_options[i].flag);
        else if (pdm_sticky_options[i].flag == PDM_FD_STICKY_DSTOPTS)
            pdm_descriptor_clear(d, PDM_FD_STICKY_DSTOPTS);
    }
}

void pdm_options_noted(int fd, struct pdm_descriptor *d, int level, int name, const void *value,
                       socklen_t len)
{
    int n = value != NULL ? int_of(value, len) : 0;

    if (level == IPPROTO_IPV6 && name == IPV6_ADDRFORM) {
        pdm_descriptor_forget(fd); /* it is an IPv4 socket now */
        return;
    }
    note_receive(d, level, name, n);
    note_send(d, level, name, n);
    if (level == IPPROTO_IPV6)
        note_sticky(d, name, len);
}

void pdm_options_hide(const struct pdm_descriptor *d, int level, int name, void *value,
                      socklen_t len)
{
    uint32_t flags = pdm_descriptor_flags(d);

    for (size_t i = 0; i < RECEIVE_OPTIONS; i++) {
        const struct receive_option *o = &receive_options[i];
        bool same = name == o->name || (is_stamp(level, name) && is_stamp(o->level, o->name));

        if (level == o->level && same && (flags & o->ours) != 0 && (flags & o->its) == 0)
            memset(value, 0, len);
    }
}

uint32_t pdm_options_hidden(uint32_t flags)
{
    uint32_t hide = 0;

    if ((flags & PDM_FD_ITS_DSTOPTS) == 0)
        hide |= PDM_FD_OUR_DSTOPTS;
    if ((flags & PDM_FD_ITS_STAMP) == 0)
        hide |= PDM_FD_OUR_STAMP;
    if ((flags & PDM_FD_ITS_PKTINFO) == 0)
        hide |= PDM_FD_OUR_PKTINFO;
    return hide;
}

bool pdm_options_mtu(int fd, void *value, socklen_t *len)
{
    struct pdm_connection c;

    if (!pdm_connection_ask(fd, &c) || !c.stands)
        return false;
    int mtu = (int)c.mtu;

    *len = *len < sizeof mtu ? *len : sizeof mtu;
    memcpy(value, &mtu, *len);
    return true;
}

int pdm_options_of_packet(int fd, const struct pdm_descriptor *d, void *value, socklen_t *len)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_CONTROL_IN];
    uint32_t flags = pdm_descriptor_flags(d);
    socklen_t room = sizeof control;
    int cut = 0, result;

    if ((flags & PDM_FD_OURS) == 0 || value == NULL || len == NULL)
        return pdm_real.getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, value, len);
    result = pdm_real.getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &room);
    if (result != 0)
        return result;
    struct msghdr msg = {.msg_control = control, .msg_controllen = room};

    *len = (socklen_t)pdm_control_deliver(&msg, pdm_options_hidden(flags),
                                          pdm_policy_settings().option_type, value, *len, &cut);
    return 0;
}

/*
 * While SO_TIMESTAMPNS is on, the kernel keeps no stamp for SIOCGSTAMP. A program that asks so gets
 * it off for good; its first question is answered with the stamp that the shim saw.
 */
int pdm_options_stamp_asked(int fd, struct pdm_descriptor *d, unsigned long request, void *arg)
{
    int64_t last = atomic_load_explicit(&d->last_stamp, memory_order_relaxed);
    bool ours = (pdm_descriptor_flags(d) & PDM_FD_OUR_STAMP) != 0;
    int saved = errno;

    pdm_descriptor_set(d, PDM_FD_ITS_SIOCGSTAMP);
    if (ours) {
        pdm_options_disable(fd, PDM_FD_OUR_STAMP);
        pdm_descriptor_clear(d, PDM_FD_OUR_STAMP);
    }
    int result = pdm_real.ioctl(fd, request, arg);

    if (!ours || last == 0 || (result < 0 && errno != ENOENT))
        return result;
    struct timespec ts = {last / PDM_NSEC_PER_SEC, last % PDM_NSEC_PER_SEC};

    if (request == SIOCGSTAMPNS)
        *(struct timespec *)arg = ts;
    else
        *(struct timeval *)arg =
            (struct timeval){ts.tv_sec, (suseconds_t)(ts.tv_nsec / PDM_NSEC_PER_USEC)};
    errno = saved;
    return 0;
}
