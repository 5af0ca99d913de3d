/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that curl has open. */
#include "cli/pdmperf/sockets.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/pdmperf/address.h"
#include "cli/stats.h"

enum { ROOM_FIRST = 16 };

static bool make_room(struct sockets *s)
{
    if (s->count < s->room)
        return true;
    size_t room = s->room == 0 ? ROOM_FIRST : s->room * 2;
    struct socket_entry *larger = reallocarray(s->at, room, sizeof(*larger));

    if (larger == NULL)
        return false;
    s->at = larger;
    s->room = room;
    return true;
}

int sockets_open(struct sockets *s, int family, int type, int protocol)
{
    int fd = make_room(s) ? socket(family, type | SOCK_CLOEXEC, protocol) : -1;

    if (fd >= 0)
        s->at[s->count++] = (struct socket_entry){.fd = fd};
    return fd;
}

/* The port that connect() has chosen; asked for until there is one. */
static int local_port_of(struct socket_entry *entry)
{
    struct sockaddr_in6 address = {0}; /* IPv4's is shorter and has the port at the same place */
    socklen_t len = sizeof(address);

    if (entry->local_port == 0 && getsockname(entry->fd, (struct sockaddr *)&address, &len) == 0)
        entry->local_port = ntohs(address.sin6_port);
    return entry->local_port;
}

static bool has_ends(struct socket_entry *entry, const struct socket_ends *ends)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    if (local_port_of(entry) != ends->local_port)
        return false;
    if (entry->remote_ip[0] == '\0' &&
        getpeername(entry->fd, (struct sockaddr *)&address, &len) == 0)
        entry->remote_port = address_text(&address, entry->remote_ip);
    return entry->remote_port == ends->remote_port &&
           strcmp(entry->remote_ip, ends->remote_ip) == 0;
}

void sockets_begin(struct sockets *s, const struct socket_ends *ends, struct exchange *e)
{
    sockets_end(s, e);
    for (size_t i = 0; i < s->count; i++) {
        struct socket_entry *entry = &s->at[i];

        if (!has_ends(entry, ends))
            continue;
        entry->exchange = e;
        struct pdmv2_stats stats = stats_of(entry->fd);

        exchange_begin(e, &stats);
        return;
    }
}

static void end_on(struct socket_entry *entry)
{
    struct pdmv2_stats stats = stats_of(entry->fd);

    exchange_end(entry->exchange, &stats);
    entry->exchange = NULL;
}

void sockets_end(struct sockets *s, struct exchange *e)
{
    for (size_t i = 0; i < s->count && e->under_way; i++) {
        if (s->at[i].exchange == e)
            end_on(&s->at[i]);
    }
}

int sockets_close(struct sockets *s, int fd)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->at[i].fd != fd)
            continue;
        if (s->at[i].exchange)
            end_on(&s->at[i]);
        s->at[i] = s->at[--s->count];
        break;
    }
    return close(fd);
}

void sockets_free(struct sockets *s)
{
    free(s->at);
    *s = (struct sockets){0};
}
