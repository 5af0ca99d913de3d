/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, and what is set on pdmping's sockets. */
#include "cli/pdmping/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_TEXT = sizeof("65535") };

static bool __attribute__((format(printf, 2, 3)))
fail(char why[static ERROR_TEXT], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, ERROR_TEXT, format, args);
    va_end(args);
    return false;
}

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

/* A link-local address without a scope is on the interface that -I names. */
static void add_scope(struct sockaddr_in6 *address, const char *source)
{
    if (source && address->sin6_scope_id == 0 && IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
        address->sin6_scope_id = if_nametoindex(source);
}

bool ping_resolve(const struct ping_options *options, const char *host,
                  struct sockaddr_in6 *address, char text[static ADDRESS_TEXT],
                  char why[static ERROR_TEXT])
{
    uint16_t port = options->method == PING_ICMP ? 0 : options->port;
    int status = look_up(host, port, 0, address);

    if (status != 0)
        return fail(why, "%s: no IPv6 address: %s", host,
                    status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status));
    if (IN6_IS_ADDR_MULTICAST(&address->sin6_addr))
        return fail(why, "%s: a multicast address has no delay of its own", host);
    if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
        return fail(why, "%s: IPv4 has no destination options: pdmping is for IPv6", host);
    add_scope(address, options->source);
    if (address->sin6_scope_id == 0 && IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
        return fail(why, "%s: on which link? Add its interface, as in %s%%eth0, or say it with -I",
                    host, host);
    status = getnameinfo((const struct sockaddr *)address, sizeof(*address), text, ADDRESS_TEXT,
                         NULL, 0, NI_NUMERICHOST);
    return status == 0 || fail(why, "%s: %s", host, gai_strerror(status));
}

static bool set(int fd, int option, int value, char why[static ERROR_TEXT])
{
    return setsockopt(fd, IPPROTO_IPV6, option, &value, sizeof(value)) == 0 ||
           fail(why, "cannot set up a socket: %s", strerror(errno));
}

/* What the command line leaves alone is left to the kernel. */
static bool set_asked(int fd, int option, int value, char why[static ERROR_TEXT])
{
    return value == PING_UNSET || set(fd, option, value, why);
}

static bool bind_to(int fd, const struct sockaddr_in6 *address, char why[static ERROR_TEXT])
{
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return true;
    if (errno == EACCES)
        return fail(why, "port %u: choose one above 1023 with -p", ntohs(address->sin6_port));
    return fail(why, "cannot bind to that address and port: %s", strerror(errno));
}

/* SOURCE, if it is no address, is an interface. */
static bool bind_interface(int fd, const char *source, char why[static ERROR_TEXT])
{
    return (*source != '\0' &&
            setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, source, (socklen_t)strlen(source)) == 0) ||
           fail(why, "-I %s: neither an IPv6 address nor a usable interface", source);
}

/* Binds to what -I says; PORT is 0 for a sender, which may then be left unbound. */
static bool bind_source(int fd, const struct ping_options *options, uint16_t port,
                        char why[static ERROR_TEXT])
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (options->source && look_up(options->source, port, AI_NUMERICHOST, &address) != 0 &&
        !bind_interface(fd, options->source, why))
        return false;
    if (port == 0 && IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr))
        return true;
    return bind_to(fd, &address, why);
}

static int open_socket(int type, int protocol, char why[static ERROR_TEXT])
{
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

    if (fd < 0)
        (void)fail(why, "cannot open a socket: %s", strerror(errno));
    return fd;
}

int ping_socket(const struct ping_options *options, int type, int protocol,
                char why[static ERROR_TEXT])
{
    int fd = open_socket(type, protocol, why);

    if (fd < 0)
        return -1;
    if (set(fd, IPV6_RECVHOPLIMIT, 1, why) && set(fd, IPV6_RECVERR, 1, why) &&
        set_asked(fd, IPV6_TCLASS, options->traffic_class, why) &&
        set_asked(fd, IPV6_UNICAST_HOPS, options->hop_limit, why) &&
        set_asked(fd, IPV6_MTU_DISCOVER, options->mtu_discovery, why) &&
        bind_source(fd, options, 0, why))
        return fd;
    (void)close(fd);
    return -1;
}

bool ping_socket_connect(int fd, const struct sockaddr_in6 *address, const char *text,
                         char why[static ERROR_TEXT])
{
    return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
           fail(why, "%s: %s", text, strerror(errno));
}

bool ping_socket_pass_replies(int fd)
{
    struct icmp6_filter types;

    ICMP6_FILTER_SETBLOCKALL(&types);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &types);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &types, sizeof(types)) == 0;
}

int ping_socket_listen(const struct ping_options *options, char why[static ERROR_TEXT])
{
    int fd = open_socket(SOCK_DGRAM, 0, why);

    if (fd < 0)
        return -1;
    if (set(fd, IPV6_V6ONLY, 1, why) && set(fd, IPV6_RECVPKTINFO, 1, why) &&
        bind_source(fd, options, options->port, why))
        return fd;
    (void)close(fd);
    return -1;
}
