/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of the call matrix, and the near end's way to drive it. */
#include "tests/apps/matrix/peer.h"

#include "tests/apps/matrix/tcp.h"

#include <netdb.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
    REQUEST_MAX = 128,
    REPORT_MAX = 60000,
    /* What has not come this long after the request that follows it will not come. */
    GRACE_MS = 10,
    EXIT_LOST = 3,
    PEER_TCLASS = 0x20,
};

struct request {
    char verb;
    unsigned from;
    unsigned to;
    unsigned len;
    unsigned with;
    unsigned count;
};

struct server {
    struct sockaddr_in6 bound;
    unsigned base;
    int control;
    int all;
    int bare;
    struct tcp_far stream;
};

/* Next header (set by the kernel), length 0, option type 0x1e (RFC 4727: experiment, skip), 4. */
const unsigned char own_dstopts[8] = {0, 0, 0x1e, 4, 0xd1, 0xd2, 0xd3, 0xd4};

static struct inbox inbox;
static struct line line;
static char report[REPORT_MAX];
static unsigned char payload[DATA_MAX];

static struct sockaddr_in6 with_port(const struct sockaddr_in6 *address, unsigned port)
{
    struct sockaddr_in6 full = *address;

    full.sin6_port = htons((in_port_t)port);
    return full;
}

struct sockaddr_in6 lab_remote(const struct lab *lab, unsigned offset)
{
    return with_port(&lab->remote, lab->base + offset);
}

struct sockaddr_in6 lab_local(const struct lab *lab, unsigned offset)
{
    return with_port(&lab->local, lab->base + offset);
}

static bool resolve(const char *address, const char *port, struct sockaddr_in6 *out, unsigned *base)
{
    struct addrinfo hints = {.ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;

    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(address, port, &hints, &found) != 0) {
        return false;
    }
    memcpy(out, found->ai_addr, sizeof(*out));
    freeaddrinfo(found);
    *base = ntohs(out->sin6_port);
    out->sin6_port = 0;
    return *base > 0;
}

static int bound_socket(const struct sockaddr_in6 *address)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, wait_ms) == 1 && (ready.revents & POLLIN) != 0;
}

/* ------------------------------------------------------------------ the near end */

bool peer_open(struct lab *lab, const char *address, const char *port)
{
    struct sockaddr_in6 control;
    struct sockaddr_in6 local;
    socklen_t len = sizeof(lab->local);

    if (!resolve(address, port, &lab->remote, &lab->base)) {
        return false;
    }
    control = lab_remote(lab, PORT_CONTROL);
    local = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                  .sin6_port = htons((in_port_t)(lab->base + PORT_DRIVER))};
    lab->driver = bound_socket(&local);
    if (lab->driver < 0 ||
        connect(lab->driver, (struct sockaddr *)&control, sizeof(control)) != 0 ||
        getsockname(lab->driver, (struct sockaddr *)&lab->local, &len) != 0) {
        return false;
    }
    lab->local.sin6_port = 0;
    transcript_names(&lab->local.sin6_addr, &lab->remote.sin6_addr, lab->base);
    return true;
}

/* One request, one answer, left in `report`. Without an answer there is nothing to go on with. */
static void ask(const struct lab *lab, const struct request *request)
{
    char text[REQUEST_MAX];
    int len = snprintf(text, sizeof(text), "%c %u %u %u %u %u", request->verb, request->from,
                       request->to, request->len, request->with, request->count);
    ssize_t got = -1;

    if (send(lab->driver, text, (size_t)len, 0) == len && readable(lab->driver, WAIT_MS)) {
        got = recv(lab->driver, report, sizeof(report) - 1, 0);
    }
    if (got < 0) {
        (void)fprintf(stderr, "callmatrix: no answer from the peer to: %s\n", text);
        exit(EXIT_LOST);
    }
    report[got] = '\0';
}

const char *peer_ask(const struct lab *lab, char verb, size_t len, unsigned with, unsigned count)
{
    struct request request = {.verb = verb, .len = (unsigned)len, .with = with, .count = count};

    ask(lab, &request);
    return report;
}

void peer_close(struct lab *lab)
{
    struct request request = {.verb = 'Q'};

    ask(lab, &request);
    (void)close(lab->driver);
}

void peer_send(struct lab *lab, unsigned from, unsigned to, size_t len, unsigned with,
               unsigned count)
{
    struct request request = {'S', from, to, (unsigned)len, with, count};

    ask(lab, &request);
    if (strcmp(report, "ok") != 0) {
        (void)printf("peer could not send: %s\n", report);
    }
}

void peer_report(struct lab *lab, const char *name, unsigned at)
{
    struct request request = {.verb = 'R', .from = at};
    char *rest = report;
    char *one;

    ask(lab, &request);
    while ((one = strsep(&rest, "\n")) != NULL) {
        if (*one != '\0') {
            (void)printf("%s peer+%u%s\n", name, at, one);
        }
    }
    (void)fflush(stdout);
}

/* ------------------------------------------------------------------- the far end */

static void all_options(int fd)
{
    static const int options[] = {IPV6_RECVPKTINFO, IPV6_RECVDSTOPTS, IPV6_RECVTCLASS,
                                  IPV6_RECVHOPLIMIT, IPV6_RECVHOPOPTS};
    int on = 1;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        (void)setsockopt(fd, IPPROTO_IPV6, options[i], &on, sizeof(on));
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}

static bool server_open(struct server *server)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    struct sockaddr_in6 control = with_port(&server->bound, server->base + PORT_CONTROL);
    struct sockaddr_in6 all = with_port(&server->bound, server->base + PORT_ALL);
    struct sockaddr_in6 bare = with_port(&any, server->base + PORT_BARE);
    struct sockaddr_in6 stream = with_port(&server->bound, server->base + PORT_STREAM);

    server->control = bound_socket(&control);
    server->all = bound_socket(&all);
    server->bare = bound_socket(&bare);
    if (server->control < 0 || server->all < 0 || server->bare < 0 ||
        !tcp_far_open(&server->stream, &stream)) {
        return false;
    }
    all_options(server->all);
    return true;
}

/* Everything that has come to one socket, a line each. */
static size_t collect(int fd)
{
    size_t used = 0;
    bool any = false;

    report[0] = '\0';
    while (readable(fd, any ? 0 : GRACE_MS)) {
        inbox_set(&inbox, sizeof(inbox.data) - 64, sizeof(inbox.control) - 64, sizeof(inbox.name));
        line_start(&line, " got");
        inbox_line(&line, &inbox, TRY(recvmsg(fd, &inbox.msg, MSG_DONTWAIT)));
        line_print(&line);
        if (used + line.used + 2 < sizeof(report)) {
            memcpy(report + used, line.text, line.used);
            used += line.used;
            report[used++] = '\n';
            report[used] = '\0';
        }
        any = true;
    }
    if (!any) {
        used = (size_t)snprintf(report, sizeof(report), " nothing\n");
    }
    return used;
}

static void add_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)((unsigned char *)msg->msg_control + msg->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    msg->msg_controllen += CMSG_SPACE(len);
}

static size_t emit(int fd, const struct request *request, struct sockaddr_in6 *to)
{
    static _Alignas(max_align_t) unsigned char control[CONTROL_MAX];
    struct iovec iov = {.iov_base = payload, .iov_len = request->len};
    struct msghdr msg = {.msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &iov};
    uint16_t segment = SEGMENT_OCTETS;
    int tclass = PEER_TCLASS;

    memset(control, 0, sizeof(control));
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    if ((request->with & WITH_DSTOPTS) != 0) {
        add_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts));
    }
    if ((request->with & WITH_TCLASS) != 0) {
        add_control(&msg, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
    }
    if ((request->with & WITH_SEGMENTS) != 0) {
        add_control(&msg, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    }
    for (unsigned n = 0; n < request->count; n++) {
        payload_fill(payload, request->len, n);
        line_start(&line, "sent");
        line_outcome(&line, TRY(sendmsg(fd, &msg, 0)));
        line_print(&line);
        if (strstr(line.text, "errno=kept") == NULL) {
            return (size_t)snprintf(report, sizeof(report), "%s", line.text);
        }
    }
    return (size_t)snprintf(report, sizeof(report), "ok");
}

static size_t obey(struct server *server, const struct request *request,
                   const struct sockaddr_in6 *driver)
{
    struct sockaddr_in6 to = with_port(driver, server->base + request->to);
    int fd = request->from == PORT_ALL ? server->all : server->bare;

    if (request->verb == 'R') {
        return collect(fd);
    }
    if (request->verb == 'S' && request->len <= sizeof(payload)) {
        return emit(fd, request, &to);
    }
    if (tcp_far_obey(&server->stream, request->verb, request->len, request->with, request->count,
                     &line)) {
        return (size_t)snprintf(report, sizeof(report), "%s", line.text);
    }
    return (size_t)snprintf(report, sizeof(report), "ok");
}

/* A verb and five numbers, as ask() writes them. */
static bool parse_request(const char *text, struct request *request)
{
    unsigned *fields[] = {&request->from, &request->to, &request->len, &request->with,
                          &request->count};
    const char *at = text + 1;

    request->verb = text[0];
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char *end = NULL;

        *fields[i] = (unsigned)strtoul(at, &end, 10);
        if (end == at) {
            return false;
        }
        at = end;
    }
    return true;
}

int peer_serve(const char *address, const char *port)
{
    struct server server = {.control = -1, .all = -1, .bare = -1};
    struct request request = {0};

    if (!resolve(address, port, &server.bound, &server.base) || !server_open(&server)) {
        (void)fprintf(stderr, "callmatrix: cannot serve at %s port %s\n", address, port);
        return EXIT_FAILURE;
    }
    while (request.verb != 'Q') {
        struct sockaddr_in6 driver;
        socklen_t len = sizeof(driver);
        char text[REQUEST_MAX];
        ssize_t got =
            recvfrom(server.control, text, sizeof(text) - 1, 0, (struct sockaddr *)&driver, &len);

        if (got <= 0) {
            continue;
        }
        text[got] = '\0';
        transcript_names(&server.bound.sin6_addr, &driver.sin6_addr, server.base);
        if (parse_request(text, &request)) {
            size_t answer = obey(&server, &request, &driver);

            (void)sendto(server.control, report, answer, 0, (struct sockaddr *)&driver, len);
        }
    }
    (void)close(server.control);
    (void)close(server.all);
    (void)close(server.bare);
    tcp_far_close(&server.stream);
    return EXIT_SUCCESS;
}
