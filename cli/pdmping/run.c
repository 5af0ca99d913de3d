/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run of probes to one host. Probes leave on a fixed schedule, whether replies come or not: a
 * sender that waits for its replies would ask a slow server less often and so flatter it.
 */
#include "cli/pdmping/run.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmping/error.h"
#include "cli/pdmping/probe.h"
#include "cli/pdmping/report.h"
#include "cli/signals.h"
#include "cli/pdmping/socket.h"
#include "core/limits.h"

enum {
    REMEMBERED = 65536, /* probes whose late or second reply is still known as such */
    RECEIVE_BURST = 64, /* datagrams between two looks at the signals */
    PAYLOAD_MAX = 65536,
};

enum fate { WAITING, ANSWERED, TIMED_OUT, UNREACHABLE };

struct sent {
    int64_t at; /* CLOCK_MONOTONIC */
    enum fate fate;
};

struct session {
    const struct ping_options *options;
    const struct report *report;
    char address[ADDRESS_TEXT];
    int fd;
    uint64_t run;
    struct sent sent[REMEMBERED]; /* by sequence number */
    uint64_t next_seq;            /* the first is 1 */
    uint64_t oldest;              /* all probes before it met their fate */
    int64_t next_send;
    struct tally tally;
    struct pdmv2_stats stats; /* as of the last datagram received */
    uint8_t payload[PAYLOAD_MAX];
};

static struct sent *sent_of(struct session *s, uint64_t seq)
{
    return &s->sent[seq % REMEMBERED];
}

/* A probe that was sent and is still remembered. */
static bool is_known(const struct session *s, uint64_t seq)
{
    return seq > 0 && seq < s->next_seq && s->next_seq - seq <= REMEMBERED;
}

static struct pdmv2_stats ask_stats(int fd)
{
    struct pdmv2_stats stats = {.size = sizeof(stats)};

    (void)pdmv2_stats(fd, &stats); /* fails for a wrong size alone */
    return stats;
}

/*
 * A server that reads the next probe before it answers this one names that one in its answer. The
 * library sees that only while the next is the first to be named so; the probes tell it always.
 */
static bool others_wait(struct session *s, uint64_t seq)
{
    for (uint64_t other = s->oldest; other < s->next_seq; other++)
        if (other != seq && sent_of(s, other)->fate == WAITING)
            return true;
    return false;
}

static void take_reply(struct session *s, const struct probe *probe, const struct reply *seen)
{
    struct reply reply = *seen;
    struct sent *sent = sent_of(s, probe->seq);

    if (reply.figures.server.missing == NULL && others_wait(s, probe->seq))
        reply.figures.server.overlapped = true;
    reply.seq = probe->seq;
    reply.duplicate = sent->fate == ANSWERED;
    sent->fate = ANSWERED;
    tally_figures(&s->tally, &reply.figures);
    if (reply.duplicate) {
        s->tally.duplicates++;
    } else {
        s->tally.received++;
        tally_rtt(&s->tally, reply.rtt);
    }
    if (!s->options->quiet)
        s->report->reply(s->options, s->address, &reply);
}

static int hops_of(struct msghdr *msg)
{
    int hops = REPORT_NO_HOPS;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
            memcpy(&hops, CMSG_DATA(c), sizeof(hops));
    }
    return hops;
}

/* One datagram; false if none is there. */
static bool receive(struct session *s)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = s->payload, .iov_len = sizeof(s->payload)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct pdmv2_stats before = s->stats;
    struct probe probe;
    ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return false; /* an error that is pending is told off the error queue */
    int64_t now = clock_monotonic();

    s->stats = ask_stats(s->fd);
    if (!probe_read(&probe, s->payload, (size_t)n) || probe.run != s->run ||
        !is_known(s, probe.seq) || probe.sent != sent_of(s, probe.seq)->at) {
        s->tally.strangers++;
        return true;
    }
    s->tally.latest = now;
    take_reply(s, &probe,
               &(struct reply){
                   .bytes = (size_t)n,
                   .hops = hops_of(&msg),
                   .rtt = now - probe.sent,
                   .figures = figures_between(&before, &s->stats),
               });
    return true;
}

/* All errors in the queue; how many there were. */
static unsigned take_errors(struct session *s)
{
    struct ping_error error;
    unsigned taken = 0;

    while (taken < RECEIVE_BURST && ping_error_take(s->fd, s->run, &error)) {
        const struct failure failure = {
            .seq = error.seq, .from = error.remote ? error.from : NULL, .text = error.text};

        taken++;
        if (error.remote)
            s->tally.errors++;
        if (is_known(s, error.seq) && sent_of(s, error.seq)->fate == WAITING)
            sent_of(s, error.seq)->fate = UNREACHABLE;
        if (!s->options->quiet)
            s->report->failure(s->options, &failure);
    }
    return taken;
}

static void receive_all(struct session *s)
{
    for (unsigned i = 0; i < RECEIVE_BURST && receive(s); i++)
        ;
    (void)take_errors(s);
}

static void time_out(struct session *s, int64_t now)
{
    struct sent *sent = sent_of(s, s->oldest);
    const struct timeout timeout = {.seq = s->oldest, .age = now - sent->at};

    sent->fate = TIMED_OUT;
    if (!s->options->quiet)
        s->report->timeout(s->options, &timeout);
}

/* Sees to the probes that need no more waiting for. */
static void settle(struct session *s, int64_t now)
{
    for (; s->oldest < s->next_seq; s->oldest++) {
        const struct sent *sent = sent_of(s, s->oldest);

        if (sent->fate == WAITING) {
            /* Its place is about to be taken: the wait is longer than the memory. */
            bool displaced = s->next_seq - s->oldest >= REMEMBERED;

            if (!displaced && now - sent->at < s->options->wait)
                return;
            time_out(s, now);
        }
    }
}

static bool send_datagram(struct session *s)
{
    size_t size = s->options->size;

    if (send(s->fd, s->payload, size, MSG_DONTWAIT) >= 0)
        return true;
    /* The error may be an earlier probe's, which the kernel reports at the next call. */
    int why = errno;

    if (take_errors(s) > 0)
        return send(s->fd, s->payload, size, MSG_DONTWAIT) >= 0;
    errno = why;
    return false;
}

static void send_probe(struct session *s)
{
    const struct probe probe = {.seq = s->next_seq, .sent = clock_monotonic(), .run = s->run};

    *sent_of(s, probe.seq) = (struct sent){.at = probe.sent, .fate = WAITING};
    s->next_seq++;
    /* As ping does, what this host itself refuses to send counts as sent, and so as lost. */
    s->tally.transmitted++;
    s->tally.latest = probe.sent;
    probe_write(&probe, s->payload, s->options->size);
    if (!send_datagram(s)) {
        const struct failure failure = {.seq = probe.seq, .text = strerror(errno)};

        sent_of(s, probe.seq)->fate = UNREACHABLE;
        if (!s->options->quiet)
            s->report->failure(s->options, &failure);
    }
}

/* With a deadline, probes go on until enough are answered: ping's rule. */
static bool has_more(const struct session *s)
{
    return s->options->count == 0 || s->options->deadline != 0 || s->next_seq <= s->options->count;
}

static void send_if_due(struct session *s, int64_t now)
{
    if (!has_more(s) || now < s->next_send)
        return;
    send_probe(s);
    /* After a stop (^Z) the missed probes are left out; the schedule keeps its beat. */
    s->next_send += s->options->interval * ((now - s->next_send) / s->options->interval + 1);
}

static int64_t deadline_of(const struct session *s)
{
    return s->options->deadline ? s->tally.started + s->options->deadline : INT64_MAX;
}

static bool is_over(const struct session *s, int64_t now)
{
    const struct tally *t = &s->tally;

    if (signals_stop() || now >= deadline_of(s))
        return true;
    if (s->options->deadline && t->errors > 0)
        return true;
    if (s->options->count && t->received + t->errors >= s->options->count)
        return true;
    return !has_more(s) && s->oldest == s->next_seq;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Until a datagram, an error, a signal, or something to do. */
static void wait_for_event(struct session *s)
{
    struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN};
    int64_t until = deadline_of(s);

    if (has_more(s))
        until = earlier(until, s->next_send);
    if (s->oldest < s->next_seq)
        until = earlier(until, sent_of(s, s->oldest)->at + s->options->wait);
    int64_t left = until - clock_monotonic();

    if (left < 0)
        left = 0;
    const struct timespec timeout = {.tv_sec = left / PDM_NSEC_PER_SEC,
                                     .tv_nsec = left % PDM_NSEC_PER_SEC};

    (void)ppoll(&poll_fd, 1, &timeout, signals_during_wait());
}

/* False if what is printed does not arrive. */
static bool ping_until_over(struct session *s)
{
    s->tally.started = clock_monotonic();
    s->tally.latest = s->tally.started;
    s->next_send = s->tally.started;
    s->report->start(s->options, s->address);
    for (;;) {
        receive_all(s);
        int64_t now = clock_monotonic();

        settle(s, now);
        if (signals_take_quit())
            s->report->interim(s->options, &(struct summary){&s->tally, &s->stats});
        if (is_over(s, now))
            break;
        send_if_due(s, now);
        if (!output_flush())
            return false;
        wait_for_event(s);
    }
    s->stats = ask_stats(s->fd);
    s->report->summary(s->options, &(struct summary){&s->tally, &s->stats});
    return output_flush();
}

static enum ping_exit exit_of(const struct session *s)
{
    const struct ping_options *options = s->options;

    if (s->tally.received == 0)
        return PING_NO_REPLY;
    if (options->deadline && options->count && s->tally.received < options->count)
        return PING_NO_REPLY;
    return PING_OK;
}

enum ping_exit ping_run(const struct ping_options *options)
{
    static struct session session; /* too large for a stack */
    struct session *s = &session;
    enum ping_exit result = PING_FAILED;

    s->options = options;
    s->report = options->json ? &report_json : &report_text;
    s->next_seq = 1;
    s->oldest = 1;
    if (getentropy(&s->run, sizeof(s->run)) != 0) {
        warn("no source of random numbers");
        return PING_FAILED;
    }
    s->fd = ping_socket_connect(options, s->address);
    if (s->fd < 0)
        return PING_FAILED;
    s->stats = ask_stats(s->fd);
    if (ping_until_over(s))
        result = exit_of(s);
    (void)close(s->fd);
    return result;
}
