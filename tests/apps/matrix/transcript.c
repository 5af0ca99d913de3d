/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing down what a socket call gave. Time stamps, interface numbers, flow labels and ephemeral
 * ports differ from run to run: they are judged ("recent", "set") instead of printed. */
#include "tests/apps/matrix/transcript.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    CANARY = 0xA5,
    CANARY_OCTETS = 16,
    PORT_SPAN = 200,
    RECENT_S = 30,
    STAMPS = 3,
    PAYLOAD_STEP = 7,
};

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct label {
    int level;
    int value;
    const char *text;
};

static struct in6_addr local_address;
static struct in6_addr remote_address;
static unsigned base_port;

static const struct label flag_labels[] = {
    {0, MSG_OOB, "OOB"},           {0, MSG_PEEK, "PEEK"},
    {0, MSG_CTRUNC, "CTRUNC"},     {0, MSG_TRUNC, "TRUNC"},
    {0, MSG_DONTWAIT, "DONTWAIT"}, {0, MSG_EOR, "EOR"},
    {0, MSG_WAITALL, "WAITALL"},   {0, MSG_CONFIRM, "CONFIRM"},
    {0, MSG_ERRQUEUE, "ERRQUEUE"}, {0, MSG_CMSG_CLOEXEC, "CLOEXEC"},
};

static const struct label control_labels[] = {
    {SOL_SOCKET, SCM_TIMESTAMP, "TIMESTAMP"},
    {SOL_SOCKET, SCM_TIMESTAMPNS, "TIMESTAMPNS"},
    {SOL_SOCKET, SCM_TIMESTAMPING, "TIMESTAMPING"},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, "TIMESTAMP_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, "TIMESTAMPNS_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, "TIMESTAMPING_NEW"},
    {SOL_SOCKET, SCM_TIMESTAMPING_PKTINFO, "TIMESTAMPING_PKTINFO"},
    {SOL_SOCKET, SO_RXQ_OVFL, "RXQ_OVFL"},
    {SOL_SOCKET, SCM_RIGHTS, "RIGHTS"},
    {IPPROTO_IPV6, IPV6_PKTINFO, "PKTINFO"},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, "2292PKTINFO"},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, "HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, "2292HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_TCLASS, "TCLASS"},
    {IPPROTO_IPV6, IPV6_DSTOPTS, "DSTOPTS"},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, "2292DSTOPTS"},
    {IPPROTO_IPV6, IPV6_HOPOPTS, "HOPOPTS"},
    {IPPROTO_IPV6, IPV6_RECVERR, "RECVERR"},
    {IPPROTO_IPV6, IPV6_PATHMTU, "PATHMTU"},
    {IPPROTO_IPV6, IPV6_ORIGDSTADDR, "ORIGDSTADDR"},
    {IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO"},
    {IPPROTO_IP, IP_TTL, "IP_TTL"},
    {IPPROTO_IP, IP_TOS, "IP_TOS"},
    {IPPROTO_IP, IP_RECVERR, "IP_RECVERR"},
    {IPPROTO_UDP, UDP_GRO, "UDP_GRO"},
};

struct outcome outcome_of(ssize_t ret)
{
    return (struct outcome){.ret = ret, .err = errno};
}

void transcript_names(const struct in6_addr *local, const struct in6_addr *remote, unsigned base)
{
    local_address = *local;
    remote_address = *remote;
    base_port = base;
}

static void append(struct line *line, const char *format, va_list args)
{
    size_t room = sizeof(line->text) - line->used;
    int wrote = vsnprintf(line->text + line->used, room, format, args);

    if (wrote > 0) {
        line->used += (size_t)wrote < room ? (size_t)wrote : room - 1;
    }
}

void line_start(struct line *line, const char *format, ...)
{
    va_list args;

    line->used = 0;
    line->text[0] = '\0';
    va_start(args, format);
    append(line, format, args);
    va_end(args);
}

void line_add(struct line *line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    append(line, format, args);
    va_end(args);
}

void line_print(struct line *line)
{
    (void)puts(line->text);
    (void)fflush(stdout);
}

/* A failure names its errno; a success must have left errno alone. */
void line_outcome(struct line *line, struct outcome outcome)
{
    const char *name = strerrorname_np(outcome.err);

    line_add(line, " ret=%zd errno=", outcome.ret);
    if (outcome.err == ERRNO_SENTINEL) {
        line_add(line, "kept");
    } else {
        line_add(line, "%s", name != NULL ? name : "?");
    }
}

void line_hex(struct line *line, const void *data, size_t len)
{
    const unsigned char *octets = data;

    for (size_t i = 0; i < len; i++) {
        line_add(line, "%02x", octets[i]);
    }
}

/* 64-bit FNV-1a. */
static uint64_t digest(const unsigned char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void line_data(struct line *line, const void *data, size_t len)
{
    line_add(line, " data=%zu:%016" PRIx64, len, digest(data, len));
}

void payload_fill(unsigned char *data, size_t len, unsigned n)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (unsigned char)(n + i * PAYLOAD_STEP + (i >> CHAR_BIT));
    }
}

static void add_address6(struct line *line, const struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN];

    if (IN6_ARE_ADDR_EQUAL(address, &remote_address)) {
        line_add(line, "R");
    } else if (IN6_ARE_ADDR_EQUAL(address, &local_address)) {
        line_add(line, "L");
    } else {
        line_add(line, "%s", inet_ntop(AF_INET6, address, text, sizeof(text)));
    }
}

static void add_address4(struct line *line, const struct in_addr *address)
{
    char text[INET_ADDRSTRLEN];

    line_add(line, "%s", inet_ntop(AF_INET, address, text, sizeof(text)));
}

static void add_port(struct line *line, in_port_t port_be)
{
    unsigned port = ntohs(port_be);

    if (port == 0) {
        line_add(line, ":0");
    } else if (port >= base_port && port < base_port + PORT_SPAN) {
        line_add(line, ":+%u", port - base_port);
    } else {
        line_add(line, ":any");
    }
}

static void add_sockaddr(struct line *line, const void *name, size_t len)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in4;
    sa_family_t family = AF_UNSPEC;

    if (len >= sizeof(family)) {
        memcpy(&family, name, sizeof(family));
    }
    if (family == AF_INET6 && len >= sizeof(in6)) {
        memcpy(&in6, name, sizeof(in6));
        line_add(line, "[");
        add_address6(line, &in6.sin6_addr);
        line_add(line, "]");
        add_port(line, in6.sin6_port);
        if (in6.sin6_flowinfo != 0) {
            line_add(line, "/flow");
        }
        if (in6.sin6_scope_id != 0) {
            line_add(line, "/scope");
        }
    } else if (family == AF_INET && len >= sizeof(in4)) {
        memcpy(&in4, name, sizeof(in4));
        add_address4(line, &in4.sin_addr);
        add_port(line, in4.sin_port);
    } else {
        line_add(line, "family%d/", family);
        line_hex(line, name, len);
    }
}

/* len is what the call reported, capacity what the caller offered: a short name is shown raw. */
void line_name(struct line *line, const void *name, socklen_t capacity, socklen_t len)
{
    socklen_t shown = len < capacity ? len : capacity;

    line_add(line, " name=%u:", (unsigned)len);
    if (name == NULL || shown == 0) {
        line_add(line, "-");
    } else if (untouched(name, shown)) {
        line_add(line, "untouched");
    } else {
        add_sockaddr(line, name, shown);
    }
}

void line_flags(struct line *line, int flags)
{
    const char *separator = "";

    line_add(line, " flags=");
    for (size_t i = 0; i < sizeof(flag_labels) / sizeof(flag_labels[0]); i++) {
        if ((flags & flag_labels[i].value) != 0) {
            line_add(line, "%s%s", separator, flag_labels[i].text);
            flags &= ~flag_labels[i].value;
            separator = "|";
        }
    }
    if (flags != 0) {
        line_add(line, "%s%#x", separator, (unsigned)flags);
    } else if (*separator == '\0') {
        line_add(line, "0");
    }
}

static const char *judge_seconds(time_t seconds)
{
    time_t now = time(NULL);

    if (seconds == 0) {
        return "zero";
    }
    return seconds <= now + 1 && seconds + RECENT_S >= now ? "recent" : "odd";
}

static bool is_stamp(int type)
{
    return type == SCM_TIMESTAMP || type == SCM_TIMESTAMPNS || type == SCM_TIMESTAMPING ||
           type == SO_TIMESTAMP_NEW || type == SO_TIMESTAMPNS_NEW || type == SO_TIMESTAMPING_NEW;
}

/* One stamp or three; whichever its fraction, a stamp begins with its seconds. */
static void add_stamps(struct line *line, const unsigned char *data, size_t len)
{
    struct timespec stamps[STAMPS];

    if (len != sizeof(stamps[0]) && len != sizeof(stamps)) {
        line_add(line, "cut");
        return;
    }
    memcpy(stamps, data, len);
    for (size_t i = 0; i < len / sizeof(stamps[0]); i++) {
        line_add(line, "%s%s", i > 0 ? "/" : "", judge_seconds(stamps[i].tv_sec));
    }
}

static void add_pktinfo(struct line *line, const unsigned char *data, size_t len)
{
    struct in6_pktinfo info;

    if (len < sizeof(info)) {
        line_hex(line, data, len < sizeof(info.ipi6_addr) ? len : sizeof(info.ipi6_addr));
        return;
    }
    memcpy(&info, data, sizeof(info));
    add_address6(line, &info.ipi6_addr);
    line_add(line, "%%%s", info.ipi6_ifindex != 0 ? "set" : "0");
}

static void add_pktinfo4(struct line *line, const unsigned char *data, size_t len)
{
    struct in_pktinfo info;

    if (len < sizeof(info)) {
        line_add(line, "cut");
        return;
    }
    memcpy(&info, data, sizeof(info));
    add_address4(line, &info.ipi_addr);
    line_add(line, "/");
    add_address4(line, &info.ipi_spec_dst);
    line_add(line, "%%%s", info.ipi_ifindex != 0 ? "set" : "0");
}

static void add_error(struct line *line, const unsigned char *data, size_t len)
{
    struct sock_extended_err err;

    if (len < sizeof(err)) {
        line_add(line, "cut");
        return;
    }
    memcpy(&err, data, sizeof(err));
    line_add(line, "errno%u/origin%u/type%u/code%u/info%u/data%u", err.ee_errno, err.ee_origin,
             err.ee_type, err.ee_code, err.ee_info, err.ee_data);
    if (len > sizeof(err)) {
        line_add(line, "/");
        add_sockaddr(line, data + sizeof(err), len - sizeof(err));
    }
}

static void add_path_mtu(struct line *line, const unsigned char *data, size_t len)
{
    struct ip6_mtuinfo info;

    if (len < sizeof(info)) {
        line_add(line, "cut");
        return;
    }
    memcpy(&info, data, sizeof(info));
    line_add(line, "mtu%u/", info.ip6m_mtu);
    add_sockaddr(line, &info.ip6m_addr, sizeof(info.ip6m_addr));
}

static void add_control_content(struct line *line, int level, int type, const unsigned char *data,
                                size_t len)
{
    if (level == SOL_SOCKET && is_stamp(type)) {
        add_stamps(line, data, len);
    } else if (level == SOL_SOCKET && (type == SCM_RIGHTS || type == SCM_TIMESTAMPING_PKTINFO)) {
        line_add(line, "masked");
    } else if (level == IPPROTO_IPV6 && (type == IPV6_PKTINFO || type == IPV6_2292PKTINFO)) {
        add_pktinfo(line, data, len);
    } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
        add_pktinfo4(line, data, len);
    } else if ((level == IPPROTO_IPV6 && type == IPV6_RECVERR) ||
               (level == IPPROTO_IP && type == IP_RECVERR)) {
        add_error(line, data, len);
    } else if (level == IPPROTO_IPV6 && type == IPV6_PATHMTU) {
        add_path_mtu(line, data, len);
    } else if (level == IPPROTO_IPV6 && type == IPV6_ORIGDSTADDR) {
        add_sockaddr(line, data, len);
    } else {
        line_hex(line, data, len);
    }
}

static void add_control_label(struct line *line, int level, int type)
{
    for (size_t i = 0; i < sizeof(control_labels) / sizeof(control_labels[0]); i++) {
        if (control_labels[i].level == level && control_labels[i].value == type) {
            line_add(line, "%s", control_labels[i].text);
            return;
        }
    }
    line_add(line, "%d.%d", level, type);
}

void line_control(struct line *line, struct msghdr *msg)
{
    line_add(line, " control=%zu", (size_t)msg->msg_controllen);
    if (msg->msg_control == NULL) {
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        const unsigned char *end = (const unsigned char *)msg->msg_control + msg->msg_controllen;
        size_t room = (size_t)(end - (const unsigned char *)c);
        size_t len = c->cmsg_len < room ? c->cmsg_len : room;

        line_add(line, " {");
        add_control_label(line, c->cmsg_level, c->cmsg_type);
        line_add(line, " %zu ", (size_t)c->cmsg_len);
        if (len > CMSG_LEN(0)) {
            add_control_content(line, c->cmsg_level, c->cmsg_type, CMSG_DATA(c), len - CMSG_LEN(0));
        }
        line_add(line, "}");
    }
}

static void add_events(struct line *line, unsigned events)
{
    static const struct label labels[] = {
        {0, POLLIN, "i"},  {0, POLLPRI, "p"},  {0, POLLOUT, "o"},   {0, POLLERR, "e"},
        {0, POLLHUP, "h"}, {0, POLLNVAL, "n"}, {0, POLLRDHUP, "r"},
    };

    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if ((events & (unsigned)labels[i].value) != 0) {
            line_add(line, "%s", labels[i].text);
        }
    }
}

static void add_select(struct line *line, int fd)
{
    struct timeval zero = {0, 0};
    fd_set in;
    fd_set out;
    fd_set bad;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(fd, &bad);
    line_add(line, "%d", select(fd + 1, &in, &out, &bad, &zero));
    line_add(line, "%s%s%s", FD_ISSET(fd, &in) ? "i" : "", FD_ISSET(fd, &out) ? "o" : "",
             FD_ISSET(fd, &bad) ? "x" : "");
}

static void add_epoll(struct line *line, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        line_add(line, "none");
    } else if (epoll_wait(epoll, &event, 1, 0) == 1) {
        add_events(line, event.events);
    }
    (void)close(epoll);
}

/* What poll, select and epoll say of the socket now. */
void line_ready(struct line *line, int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

    line_add(line, " ready=");
    line_add(line, "%d", poll(&ready, 1, 0));
    add_events(line, (unsigned short)ready.revents);
    line_add(line, "/");
    if (fd >= 0 && fd < FD_SETSIZE) {
        add_select(line, fd);
    }
    line_add(line, "/");
    add_epoll(line, fd);
}

bool untouched(const unsigned char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (from[i] != CANARY) {
            return false;
        }
    }
    return true;
}

void inbox_set(struct inbox *inbox, size_t data_size, size_t control_size, socklen_t name_size)
{
    memset(inbox, CANARY, sizeof(*inbox));
    memset(&inbox->msg, 0, sizeof(inbox->msg));
    inbox->data_size = data_size;
    inbox->control_size = control_size;
    inbox->iov = (struct iovec){.iov_base = inbox->data, .iov_len = data_size};
    inbox->msg.msg_name = &inbox->name;
    inbox->msg.msg_namelen = name_size;
    inbox->msg.msg_iov = &inbox->iov;
    inbox->msg.msg_iovlen = 1;
    inbox->msg.msg_control = inbox->control;
    inbox->msg.msg_controllen = control_size;
    inbox->msg.msg_flags = FLAGS_SENTINEL;
}

void inbox_line(struct line *line, struct inbox *inbox, struct outcome outcome)
{
    size_t got = outcome.ret > 0 ? (size_t)outcome.ret : 0;
    size_t stored = got < inbox->data_size ? got : inbox->data_size;
    size_t used = inbox->msg.msg_controllen;

    line_outcome(line, outcome);
    line_flags(line, inbox->msg.msg_flags);
    line_name(line, inbox->msg.msg_name, (socklen_t)sizeof(inbox->name), inbox->msg.msg_namelen);
    if (outcome.ret >= 0) {
        line_control(line, &inbox->msg);
        line_data(line, inbox->data, stored);
    } else {
        line_add(line, " control=%zu", used);
        used = 0;
    }
    if (used > inbox->control_size ||
        !untouched(inbox->control + used, inbox->control_size + CANARY_OCTETS - used)) {
        line_add(line, " CONTROL-OVERRUN");
    }
    if (!untouched(inbox->data + stored, CANARY_OCTETS)) {
        line_add(line, " DATA-OVERRUN");
    }
}
