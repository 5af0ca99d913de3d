/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmping's two sockets. */
#include "cli/pdmping/socket.h"

#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_TEXT = sizeof("65535") };

static int look_up(const char *host, uint16_t port, int flags, struct sockaddr_in6 *out)
{
    const struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[PORT_TEXT];

    (void)snprintf(service, sizeof(service), "%u", port);
    int status = getaddrinfo(host, service, &hints, &found);

    if (status == 0) {
        memcpy(out, found->ai_addr, sizeof(*out));
        freeaddrinfo(found);
    }
    return status;
}

static bool turn_on(int fd, int option)
{
    const int on = 1;

    if (setsockopt(fd, IPPROTO_IPV6, option, &on, sizeof(on)) == 0)
        return true;
    warn("cannot set up a socket");
    return false;
}

static bool bind_to(int fd, const struct sockaddr_in6 *address)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return true;
    if (errno == EACCES)
        warn("port %u: choose one above 1023 with -p", ntohs(address->sin6_port));
    else
        warn("cannot bind to that address and port");
    return false;
}

/* SOURCE, if it is no address, is an interface. */
static bool bind_interface(int fd, const char *source)
{
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, source, (socklen_t)strlen(source)) == 0)
        return true;
    warn("-I %s: neither an IPv6 address nor a usable interface", source);
    return false;
}

/* Binds to what -I says; PORT is 0 for a sender, which may then be left unbound. */
static bool bind_source(int fd, const struct ping_options *options, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (options->source && look_up(options->source, port, AI_NUMERICHOST, &address) != 0 &&
        !bind_interface(fd, options->source))
        return false;
    if (port == 0 && IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr))
        return true;
    return bind_to(fd, &address);
}

/* A link-local address without a scope is on the interface that -I names. */
static void add_scope(struct sockaddr_in6 *address, const char *source)
{
    if (source && address->sin6_scope_id == 0 && IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
        address->sin6_scope_id = if_nametoindex(source);
}

static bool find_host(const struct ping_options *options, struct sockaddr_in6 *address,
                      char text[static ADDRESS_TEXT])
{
    int status = look_up(options->host, options->port, 0, address);

    if (status != 0) {
        warnx("%s: no IPv6 address: %s", options->host,
              status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status));
        return false;
    }
    if (IN6_IS_ADDR_MULTICAST(&address->sin6_addr)) {
        warnx("%s: a multicast address has no delay of its own", options->host);
        return false;
    }
    add_scope(address, options->source);
    status = getnameinfo((const struct sockaddr *)address, sizeof(*address), text, ADDRESS_TEXT,
                         NULL, 0, NI_NUMERICHOST);
    if (status != 0)
        warnx("%s: %s", options->host, gai_strerror(status));
    return status == 0;
}

static int open_udp(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        warn("cannot open a socket");
    return fd;
}

int ping_socket_connect(const struct ping_options *options, char text[static ADDRESS_TEXT])
{
    struct sockaddr_in6 address = {0};

    if (!find_host(options, &address, text))
        return -1;
    int fd = open_udp();

    if (fd < 0)
        return -1;
    if (!turn_on(fd, IPV6_RECVHOPLIMIT) || !turn_on(fd, IPV6_RECVERR) ||
        !bind_source(fd, options, 0))
        goto fail;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    warn("%s", text);
fail:
    (void)close(fd);
    return -1;
}

int ping_socket_listen(const struct ping_options *options)
{
    int fd = open_udp();

    if (fd < 0)
        return -1;
    if (turn_on(fd, IPV6_V6ONLY) && turn_on(fd, IPV6_RECVPKTINFO) &&
        bind_source(fd, options, options->port))
        return fd;
    (void)close(fd);
    return -1;
}
