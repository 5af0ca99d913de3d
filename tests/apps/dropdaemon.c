/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An echo server on UDP and TCP that starts as root and gives root up in mid-run, as daemons do:
 * after the datagram "drop" it is the user UID. After "end" it prints, for each socket, how many
 * octets of sticky Destination Options it has, and ends.
 *
 *   dropdaemon ADDRESS PORT UID
 *
 * The options are asked for by the bare system call: a library in between would show its own as
 * absent.
 */
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SOCKETS_MAX = 8,
    UDP = 0,
    LISTENER = 1,
    CONNECTIONS = 2,
    MESSAGE_MAX = 2048,
    PATIENCE_MS = 20000
};

struct server {
    struct pollfd sockets[SOCKETS_MAX];
    nfds_t count;
    uid_t user;
    bool over;
};

static void give_root_up(uid_t user)
{
    if (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0) {
        perror("dropdaemon: setuid");
        exit(1);
    }
}

static void print_options(const struct server *server)
{
    for (nfds_t i = 0; i < server->count; i++) {
        unsigned char options[MESSAGE_MAX];
        socklen_t len = sizeof(options);
        long result = syscall(SYS_getsockopt, server->sockets[i].fd, IPPROTO_IPV6, IPV6_DSTOPTS,
                              options, &len);

        printf("socket %lu: %ld, %u octets\n", (unsigned long)i, result, (unsigned)len);
    }
}

static void serve_datagram(struct server *server)
{
    char message[MESSAGE_MAX];
    struct sockaddr_in6 from;
    socklen_t from_len = sizeof(from);
    int fd = server->sockets[UDP].fd;
    ssize_t n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &from_len);

    if (n == 4 && memcmp(message, "drop", 4) == 0)
        give_root_up(server->user);
    server->over = n == 3 && memcmp(message, "end", 3) == 0;
    if (n >= 0)
        (void)sendto(fd, message, (size_t)n, 0, (const struct sockaddr *)&from, from_len);
}

static void serve_listener(struct server *server)
{
    int fd = accept(server->sockets[LISTENER].fd, NULL, NULL);

    if (fd >= 0 && server->count < SOCKETS_MAX)
        server->sockets[server->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void serve_connection(struct pollfd *connection)
{
    char message[MESSAGE_MAX];
    ssize_t n = recv(connection->fd, message, sizeof(message), 0);

    if (n > 0)
        (void)send(connection->fd, message, (size_t)n, MSG_NOSIGNAL);
    else
        connection->events = 0; /* it stays, to be asked for its options */
}

static void serve(struct server *server)
{
    while (!server->over && poll(server->sockets, server->count, PATIENCE_MS) > 0) {
        nfds_t count = server->count;

        if (server->sockets[UDP].revents)
            serve_datagram(server);
        if (server->sockets[LISTENER].revents)
            serve_listener(server);
        for (nfds_t i = CONNECTIONS; i < count; i++) {
            if (server->sockets[i].revents)
                serve_connection(&server->sockets[i]);
        }
    }
}

static int bound(int type, const struct sockaddr_in6 *address)
{
    int fd = socket(AF_INET6, type, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        (type == SOCK_STREAM && listen(fd, SOCKETS_MAX) != 0)) {
        perror("dropdaemon: bind");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};

    if (argc != 4 || inet_pton(AF_INET6, argv[1], &address.sin6_addr) != 1) {
        fputs("usage: dropdaemon ADDRESS PORT UID\n", stderr);
        return 2;
    }
    address.sin6_port = htons((uint16_t)atoi(argv[2]));
    struct server server = {
        .sockets = {[UDP] = {.fd = bound(SOCK_DGRAM, &address), .events = POLLIN},
                    [LISTENER] = {.fd = bound(SOCK_STREAM, &address), .events = POLLIN}},
        .count = CONNECTIONS,
        .user = (uid_t)atoi(argv[3]),
    };

    serve(&server);
    print_options(&server);
    return server.over ? 0 : 1;
}
