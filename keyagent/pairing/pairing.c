/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairings: the socket, the time and the thread that handshakes need. */
#include "keyagent/pairing/pairing.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pairing.h"
#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/pairing/handshake.h"
#include "keyagent/pairing/pairing_worker.h"

struct pairing {
    uint16_t port;
    int fd;
    struct event *readable;
    struct event *tick;
    struct pairing_worker *worker;
    struct handshakes *handshakes;
    pairing_listed *listed;
    void *arg;
};

union control {
    struct cmsghdr first;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* From the address that the peer asked or is to know us by, whichever others the host has. */
static void send_message(void *arg, const struct ends *ends, const uint8_t *bytes, size_t len)
{
    const struct pairing *p = arg;
    struct in6_pktinfo source = {0};
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(p->port)};
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = len};
    union control control = {0};
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = sizeof to,
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    memcpy(&to.sin6_addr, ends->peer, sizeof to.sin6_addr);
    memcpy(&source.ipi6_addr, ends->own, sizeof source.ipi6_addr);
    control.first.cmsg_level = IPPROTO_IPV6;
    control.first.cmsg_type = IPV6_PKTINFO;
    control.first.cmsg_len = CMSG_LEN(sizeof source);
    memcpy(CMSG_DATA(&control.first), &source, sizeof source);
    /* What does not go is as good as lost on its way: it is sent again. */
    (void)!sendmsg(p->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool destination(struct msghdr *message, uint8_t own[static PDM_ADDR_LEN])
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(message);
    struct in6_pktinfo info;

    if (c == NULL || c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
        c->cmsg_len < CMSG_LEN(sizeof info))
        return false;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    memcpy(own, &info.ipi6_addr, PDM_ADDR_LEN);
    return true;
}

/* False: nothing is there. Only what comes from a pairing port is looked at. */
static bool receive(struct pairing *p, int64_t now)
{
    uint8_t bytes[PDM_PAIRING_MESSAGE_MAX + 1]; /* one more than any message */
    struct sockaddr_in6 from;
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    union control control;
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct ends ends;
    ssize_t got = recvmsg(p->fd, &message, MSG_DONTWAIT);

    if (got < 0)
        return errno == EINTR;
    if (ntohs(from.sin6_port) != p->port || !destination(&message, ends.own))
        return true;
    memcpy(ends.peer, &from.sin6_addr, sizeof ends.peer);
    handshakes_receive(p->handshakes, &ends, bytes, (size_t)got, now);
    return true;
}

/* Gives the thread what is next, and comes back while there is anything. */
static void goes_on(struct pairing *p, int64_t now)
{
    static const struct timeval pause = {.tv_usec = PAIRING_TICK_US};
    struct pairing_job *job = pairing_worker_job(p->worker);

    if (job != NULL && handshakes_next(p->handshakes, now, job))
        pairing_worker_start(p->worker);
    if (handshakes_busy(p->handshakes) && !evtimer_pending(p->tick, NULL))
        evtimer_add(p->tick, &pause);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pairing *p = arg;
    int64_t now = clock_now();

    (void)fd;
    (void)what;
    for (int i = 0; i < PAIRING_READS; i++)
        if (!receive(p, now))
            break;
    goes_on(p, now);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct pairing *p = arg;
    int64_t now = clock_now();

    (void)fd;
    (void)what;
    handshakes_tick(p->handshakes, now);
    goes_on(p, now);
}

static void on_done(void *arg, struct pairing_job *job)
{
    struct pairing *p = arg;
    int64_t now = clock_now();

    handshakes_done(p->handshakes, job, now);
    goes_on(p, now);
}

static bool listed(void *arg, const uint8_t own[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **e,
                   const struct enrolled_pair **pair, struct pdm_prefix *entry)
{
    const struct pairing *p = arg;

    return p->listed(p->arg, own, peer, e, pair, entry);
}

static bool open_socket(struct pairing *p)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(p->port)};
    const int on = 1;

    p->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd >= 0 && setsockopt(p->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0 &&
        setsockopt(p->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0 &&
        bind(p->fd, (const struct sockaddr *)&any, sizeof any) == 0)
        return true;
    log_error("cannot pair with peers on UDP port %u: %s%s", p->port, strerror(errno),
              errno == EADDRINUSE ? "; another agent of this host may (pairing_port)" : "");
    return false;
}

static bool set_up(struct pairing *p, struct event_base *base)
{
    static const struct handshake_hooks hooks = {.listed = listed, .send = send_message};

    if (!open_socket(p))
        return false;
    p->handshakes = handshakes_new(&hooks, p, clock_now());
    p->worker = p->handshakes != NULL ? pairing_worker_new(base, on_done, p) : NULL;
    if (p->worker == NULL)
        return false;
    p->readable = event_new(base, p->fd, EV_READ | EV_PERSIST, on_readable, p);
    p->tick = evtimer_new(base, on_tick, p);
    if (p->readable != NULL && p->tick != NULL && event_add(p->readable, NULL) == 0)
        return true;
    log_error("out of memory");
    return false;
}

struct pairing *pairing_new(struct event_base *base, uint16_t port, pairing_listed *who, void *arg)
{
    struct pairing *p = calloc(1, sizeof *p);

    if (p == NULL) {
        log_error("out of memory");
        return NULL;
    }
    *p = (struct pairing){.port = port, .fd = -1, .listed = who, .arg = arg};
    if (set_up(p, base))
        return p;
    pairing_free(p);
    return NULL;
}

static void tell_counters(const struct pairing *p)
{
    const struct pairing_counters *c = pairing_counters(p);

    if (c->begun + c->answered + c->refused + c->dropped == 0)
        return;
    log_info("pairings at port %u: %" PRIu64 " begun, %" PRIu64 " of them finished; %" PRIu64
             " answered; messages refused: %" PRIu64 ", dropped: %" PRIu64,
             p->port, c->begun, c->finished, c->answered, c->refused, c->dropped);
}

void pairing_free(struct pairing *p)
{
    if (p == NULL)
        return;
    if (p->handshakes != NULL)
        tell_counters(p);
    pairing_worker_free(p->worker);
    handshakes_free(p->handshakes);
    if (p->readable != NULL)
        event_free(p->readable);
    if (p->tick != NULL)
        event_free(p->tick);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

enum pdm_status pairing_ask(struct pairing *p, struct enrolment *e,
                            const struct enrolment_pairing *request)
{
    int64_t now = clock_now();
    enum pdm_status status = handshakes_ask(p->handshakes, e, request, now);

    goes_on(p, now);
    return status;
}

void pairing_forget(struct pairing *p, const struct enrolment *e, uint32_t pair)
{
    handshakes_forget(p->handshakes, e, pair);
}

uint16_t pairing_port(const struct pairing *p)
{
    return p->port;
}

const struct pairing_counters *pairing_counters(const struct pairing *p)
{
    return handshakes_counters(p->handshakes);
}
