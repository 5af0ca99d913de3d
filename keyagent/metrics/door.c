/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket that metrics are served on. */
#include "keyagent/metrics/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/listener.h"
#include "keyagent/log.h"

#define NAME_MAX_TEXT 128 /* octets of a path, or of an address and a port */

static const char *path_of(const union config_address *address)
{
    return address->any.sa_family == AF_UNIX ? address->path.sun_path : NULL;
}

static socklen_t size_of(const union config_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return sizeof address->v4;
    case AF_INET6:
        return sizeof address->v6;
    default:
        return sizeof address->path;
    }
}

static const char *name_of(const union config_address *address, char out[static NAME_MAX_TEXT])
{
    char text[INET6_ADDRSTRLEN] = "?";

    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof text);
        snprintf(out, NAME_MAX_TEXT, "%s:%u", text, ntohs(address->v4.sin_port));
        return out;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof text);
        snprintf(out, NAME_MAX_TEXT, "[%s]:%u", text, ntohs(address->v6.sin6_port));
        return out;
    default:
        return path_of(address);
    }
}

static bool bind_and_listen(int fd, const union config_address *address)
{
    const int on = 1;
    const char *path = path_of(address);

    if (path != NULL ? !listener_clear(&address->path)
                     : setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    /* Until it is listened on nobody gets in, whatever the modes. */
    return bind(fd, &address->any, size_of(address)) == 0 &&
           (path == NULL || listener_permit(path)) && listen(fd, AGENT_SCRAPE_BACKLOG) == 0;
}

int door_open(const union config_address *address)
{
    char name[NAME_MAX_TEXT];
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && bind_and_listen(fd, address))
        return fd;
    log_error("metrics = %s: cannot be listened on: %s", name_of(address, name), strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool door_is_same(const union config_address *a, const union config_address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_INET:
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    case AF_INET6:
        return a->v6.sin6_port == b->v6.sin6_port &&
               IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
    case AF_UNIX:
        return strcmp(a->path.sun_path, b->path.sun_path) == 0;
    default:
        return true;
    }
}

void door_remove(const union config_address *address)
{
    if (path_of(address) != NULL)
        (void)unlink(path_of(address));
}
