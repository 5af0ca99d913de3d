/* SPDX-License-Identifier: BSD-2-Clause */
/* Both ends in one process: ::1, IPv4 behind an IPv6 socket, IPv4 itself, a socket that talks to
 * itself, and the kinds of socket that are nobody's business here but pass the same calls. */
#include "tests/apps/matrix/cases.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    OPTION_SKIP = 0x1e,
    ROUNDS = 3,
};

static struct line line;

static struct sockaddr_in6 address6(const char *text, unsigned port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};

    (void)inet_pton(AF_INET6, text, &address.sin6_addr);
    return address;
}

static void all_receive_options(int fd)
{
    set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

static void send_both(const char *name, int from, int to, struct sockaddr *address, socklen_t len,
                      bool ours)
{
    _Alignas(max_align_t) unsigned char control[128];
    struct iovec iov = {.iov_base = (void *)(uintptr_t) "payload", .iov_len = 7};
    struct msghdr msg = {.msg_name = address, .msg_namelen = len, .msg_iov = &iov};

    msg.msg_iovlen = 1;
    if (ours) {
        msg.msg_control = control;
        put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts));
    }
    line_start(&line, "%s sendmsg%s", name, ours ? " with dstopts" : "");
    line_outcome(&line, TRY(sendmsg(from, &msg, 0)));
    line_print(&line);
    read_and_print(name, to, MSG_DONTWAIT | MSG_PEEK);
    read_and_print(name, to, MSG_DONTWAIT);
    line_start(&line, "%s sendto", name);
    line_outcome(&line, TRY(sendto(from, "payload", 7, 0, address, len)));
    line_print(&line);
    read_and_print(name, to, MSG_DONTWAIT);
}

/* Loopback delivers before the send returns, so that what is not there will not come. */
static void pair(const char *name, const char *a_text, const char *b_text, const struct lab *lab,
                 bool options)
{
    struct sockaddr_in6 a_name = address6(a_text, lab->base + PORT_OURS);
    struct sockaddr_in6 b_name = address6(b_text, lab->base + PORT_SINK);
    int a = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int b = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    line_start(&line, "%s bind", name);
    line_outcome(&line, TRY(bind(a, (struct sockaddr *)&a_name, sizeof(a_name))));
    line_outcome(&line, TRY(bind(b, (struct sockaddr *)&b_name, sizeof(b_name))));
    line_print(&line);
    if (options) {
        all_receive_options(a);
        all_receive_options(b);
    }
    for (int i = 0; i < ROUNDS; i++) {
        send_both(name, a, b, (struct sockaddr *)&b_name, sizeof(b_name), i == 1);
        send_both(name, b, a, (struct sockaddr *)&a_name, sizeof(a_name), i == 1);
    }
    line_start(&line, "%s connect", name);
    line_outcome(&line, TRY(connect(a, (struct sockaddr *)&b_name, sizeof(b_name))));
    line_outcome(&line, TRY(connect(b, (struct sockaddr *)&a_name, sizeof(a_name))));
    line_print(&line);
    for (int i = 0; i < ROUNDS; i++) {
        send_both(name, a, b, NULL, 0, i == 1);
        send_both(name, b, a, NULL, 0, i == 1);
    }
    (void)close(a);
    (void)close(b);
}

/* One socket, bound to :: for both families. */
static void dual_stack(const struct lab *lab, bool v6only)
{
    struct sockaddr_in6 any = address6("::", lab->base + PORT_OURS);
    struct sockaddr_in6 mapped = address6("::ffff:127.0.0.1", lab->base + PORT_OURS);
    struct sockaddr_in6 loop = address6("::1", lab->base + PORT_OURS);
    struct sockaddr_in plain = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int four = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *name = v6only ? "v6only" : "dual";

    plain.sin_port = htons((in_port_t)(lab->base + PORT_SINK));
    set_int(one, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
    line_start(&line, "%s bind", name);
    line_outcome(&line, TRY(bind(one, (struct sockaddr *)&any, sizeof(any))));
    line_outcome(&line, TRY(bind(four, (struct sockaddr *)&plain, sizeof(plain))));
    line_print(&line);
    all_receive_options(one);
    send_both(name, one, one, (struct sockaddr *)&loop, sizeof(loop), true);
    send_both(name, one, one, (struct sockaddr *)&mapped, sizeof(mapped), true);
    plain.sin_port = htons((in_port_t)(lab->base + PORT_OURS));
    send_both(name, four, one, (struct sockaddr *)&plain, sizeof(plain), false);
    mapped.sin6_port = htons((in_port_t)(lab->base + PORT_SINK));
    send_both(name, one, four, (struct sockaddr *)&mapped, sizeof(mapped), true);
    plain.sin_port = htons((in_port_t)(lab->base + PORT_SINK));
    send_both(name, one, four, (struct sockaddr *)&plain, sizeof(plain), false);
    (void)close(one);
    (void)close(four);
}

static void ipv4(const struct lab *lab)
{
    struct sockaddr_in a_name = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((in_port_t)(lab->base + PORT_OURS))};
    struct sockaddr_in closed = a_name;
    int a = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    closed.sin_port = htons((in_port_t)(lab->base + PORT_CLOSED + PORT_SINK));
    (void)bind(a, (struct sockaddr *)&a_name, sizeof(a_name));
    set_int(a, IPPROTO_IP, IP_PKTINFO, 1);
    set_int(a, IPPROTO_IP, IP_RECVTTL, 1);
    set_int(a, SOL_SOCKET, SO_TIMESTAMP, 1);
    set_int(a, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    send_both("ipv4", a, a, (struct sockaddr *)&a_name, sizeof(a_name), false);
    set_int(a, IPPROTO_IP, IP_RECVERR, 1);
    (void)connect(a, (struct sockaddr *)&closed, sizeof(closed));
    line_start(&line, "ipv4 refused");
    line_outcome(&line, TRY(send(a, "x", 1, 0)));
    line_outcome(&line, TRY(send(a, "x", 1, 0)));
    line_print(&line);
    drain_errors("ipv4", a);
    (void)close(a);
}

/* ------------------------------------------------------------ not datagrams of IP */

static void every_call(const char *name, int from, int to)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t) "vector", .iov_len = 6};
    char got[32];
    struct iovec into = {.iov_base = got, .iov_len = sizeof(got)};

    line_start(&line, "%s", name);
    line_outcome(&line, TRY(write(from, "write", 5)));
    line_outcome(&line, TRY(read(to, got, sizeof(got))));
    line_outcome(&line, TRY(writev(from, &iov, 1)));
    line_outcome(&line, TRY(readv(to, &into, 1)));
    line_outcome(&line, TRY(send(from, "send", 4, MSG_NOSIGNAL)));
    line_outcome(&line, TRY(recv(to, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT)));
    line_outcome(&line, TRY(recv(to, got, sizeof(got), MSG_DONTWAIT)));
    line_outcome(&line, TRY(sendto(from, "sendto", 6, 0, NULL, 0)));
    line_outcome(&line, TRY(recvfrom(to, got, 2, MSG_DONTWAIT, NULL, NULL)));
    line_outcome(&line, TRY(recv(to, got, sizeof(got), MSG_DONTWAIT)));
    line_outcome(&line, TRY(recv(to, got, sizeof(got), MSG_DONTWAIT)));
    line_print(&line);
}

static void unix_sockets(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        int fds[2];

        if (socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, fds) == 0) {
            every_call("unix", fds[0], fds[1]);
            (void)close(fds[0]);
            (void)close(fds[1]);
        }
    }
}

static void pipes_and_files(void)
{
    int fds[2];
    int file = memfd_create("file", MFD_CLOEXEC);

    if (pipe2(fds, O_CLOEXEC) == 0) {
        every_call("pipe", fds[1], fds[0]);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    every_call("file", file, file);
    (void)close(file);
}

static void tcp(const struct lab *lab)
{
    struct sockaddr_in6 name = address6("::1", lab->base + PORT_OURS);
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int server = -1;

    set_int(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0 &&
        connect(client, (struct sockaddr *)&name, sizeof(name)) == 0) {
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    every_call("tcp to server", client, server);
    every_call("tcp to client", server, client);
    (void)close(client);
    (void)close(server);
    (void)close(listener);
}

void cases_local(struct lab *lab)
{
    pair("loop", "::1", "::1", lab, false);
    pair("loop options", "::1", "::1", lab, true);
    pair("mapped", "::ffff:127.0.0.1", "::ffff:127.0.0.1", lab, false);
    pair("mapped options", "::ffff:127.0.0.1", "::ffff:127.0.0.1", lab, true);
    pair("loop and mapped", "::1", "::ffff:127.0.0.1", lab, true);
    pair("multicast", "::", "ff01::1", lab, true);
    dual_stack(lab, false);
    dual_stack(lab, true);
    ipv4(lab);
    unix_sockets();
    pipes_and_files();
    tcp(lab);
}
