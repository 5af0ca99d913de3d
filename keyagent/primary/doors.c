/* SPDX-License-Identifier: BSD-2-Clause */
/* Where others connect to. */
#include "keyagent/primary/doors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "keyagent/log.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"

#define SOURCE_BITS 64

static void set_shut(struct doors *d, bool shut)
{
    if (d->shut == shut)
        return;
    d->shut = shut;
    for (size_t i = 0; i < d->listeners; i++)
        if (shut)
            evconnlistener_disable(d->listener[i]);
        else
            evconnlistener_enable(d->listener[i]);
}

/* Strangers: no source has so many of the places that others cannot come in. */

struct stranger {
    struct caller caller; /* CALLER_NOBODY: the place is free */
    struct pdm_prefix source;
    struct link *link;
};

/* Whoever has an IPv6 address has the 2^64 of its link (RFC 4291 section 2.5.4); of IPv4, one. */
static struct pdm_prefix source_of(const struct sockaddr *address)
{
    uint8_t addr[PDM_ADDR_LEN] = {[10] = 0xff, [11] = 0xff};

    if (address->sa_family == AF_INET6)
        memcpy(addr, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof addr);
    else if (address->sa_family == AF_INET)
        memcpy(addr + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    const bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr);
    return pdm_prefix_of(addr, mapped ? 8 * PDM_ADDR_LEN : SOURCE_BITS);
}

/* A place for one more of SOURCE; NULL if there is none, or it has its share. */
static struct stranger *place_for(const struct doors *d, const struct pdm_prefix *source)
{
    struct stranger *place = NULL;
    unsigned same = 0;

    for (unsigned i = 0; i < PRIMARY_STRANGERS_MAX; i++) {
        struct stranger *s = &d->stranger[i];

        if (s->caller.kind == CALLER_NOBODY)
            place = s;
        else
            same += pdm_prefix_equal(&s->source, source);
    }
    return same < PRIMARY_STRANGERS_SOURCE ? place : NULL;
}

static void no_stranger(struct primary *primary, struct link *link)
{
    struct stranger *s = link_data(link);

    s->caller.kind = CALLER_NOBODY;
    primary->doors.strangers--;
    if (primary->doors.strangers < PRIMARY_STRANGERS_MAX / 2)
        set_shut(&primary->doors, false);
}

/* Who it is. */

static bool same_file(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What one authority vouches for, another that is the same does too. */
struct authority {
    const char *ca;
    const char *crl;
};

static struct authority authority_of(const struct primary_config *config, unsigned number)
{
    if (number == 0 || number > config->peers)
        return (struct authority){config->ca, config->crl};
    const struct primary_peer *peer = &config->peer[number - 1];

    return (struct authority){peer->ca, peer->crl};
}

static bool same_authority(struct authority a, struct authority b)
{
    return same_file(a.ca, b.ca) && same_file(a.crl, b.crl);
}

static struct pair *peer_named(const struct primary *primary, struct authority by, const char *name)
{
    for (size_t i = 0; i < primary->pairs; i++) {
        const struct primary_peer *peer = primary->pair[i]->peer;
        const struct authority own = {peer->ca, peer->crl};

        if (peer->side == PDM_SIDE_SERVER && same_authority(own, by) &&
            strcasecmp(peer->certificate_name, name) == 0)
            return primary->pair[i];
    }
    return NULL;
}

/* Of a link that is about to be closed. */
static struct caller nobody = {CALLER_NOBODY};

static void on_up(struct link *link, void *arg)
{
    struct primary *primary = arg;
    const struct link_peer *who = link_peer(link);

    no_stranger(primary, link);
    link_set_data(link, &nobody);
    /* The numbers of authorities are those of the configuration that it began under. */
    if (!link_came_up_trusted(link, primary->credentials)) {
        primary->refused++;
        log_warning("%s: refused: its certificate is not good by the configuration that has come "
                    "into force meanwhile",
                    who->from);
        link_close(link);
        return;
    }
    const struct authority by = authority_of(&primary->config, who->authority);
    struct pair *pair = peer_named(primary, by, who->name);
    if (pair != NULL) {
        partners_up(primary, pair, link);
    } else if (same_authority(by, authority_of(&primary->config, 0))) {
        secondaries_up(primary, link);
    } else {
        primary->refused++;
        log_warning("%s: refused: no peer that connects to us has the certificate's name \"%s\"",
                    who->from, who->name);
        link_close(link);
    }
}

static void on_message(struct link *link, const struct pdm_registration_header *header,
                       struct pdm_reader *body, void *arg)
{
    const struct caller *caller = link_data(link);

    if (caller->kind == CALLER_PARTNER)
        partners_message(arg, link, header, body);
    else if (caller->kind == CALLER_SECONDARY)
        secondaries_message(arg, link, header, body);
}

static void on_down(struct link *link, const char *why, void *arg)
{
    struct primary *primary = arg;
    const struct caller *caller = link_data(link);

    if (caller->kind == CALLER_STRANGER) {
        no_stranger(primary, link);
        primary->refused += why != NULL;
        if (why != NULL)
            log_warning("%s", why);
    } else if (caller->kind == CALLER_PARTNER) {
        partners_down(primary, link, why);
    } else if (caller->kind == CALLER_SECONDARY) {
        if (why != NULL)
            log_info("secondary %s", why);
        secondaries_down(primary, link);
    }
}

static const struct link_handlers handlers = {on_up, on_message, on_down};

/* Accepting. */

static void refuse_source(struct primary *primary, evutil_socket_t fd,
                          const struct pdm_prefix *source)
{
    char text[INET6_ADDRSTRLEN];

    evutil_closesocket(fd);
    primary->refused++;
    log_warning("%s/%u: refused: too many connections from there have not said who they are",
                inet_ntop(AF_INET6, source->addr, text, sizeof text), source->len);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *arg)
{
    struct primary *primary = arg;
    const struct pdm_prefix source = source_of(address);
    struct stranger *place = place_for(&primary->doors, &source);

    (void)listener;
    (void)len;
    if (place == NULL) {
        refuse_source(primary, fd, &source);
        return;
    }
    struct link *link = link_accept(primary->base, primary->credentials, fd, &handlers, primary);
    if (link == NULL) {
        log_error("no memory for a connection");
        return;
    }
    *place = (struct stranger){{CALLER_STRANGER}, source, link};
    link_set_data(link, &place->caller);
    if (++primary->doors.strangers >= PRIMARY_STRANGERS_MAX)
        set_shut(&primary->doors, true);
}

static void on_error(struct evconnlistener *listener, void *arg)
{
    struct primary *primary = arg;

    (void)listener;
    log_error("cannot accept a connection: %s", strerror(EVUTIL_SOCKET_ERROR()));
    set_shut(&primary->doors, true);
}

void doors_tick(struct primary *primary)
{
    if (primary->doors.strangers < PRIMARY_STRANGERS_MAX)
        set_shut(&primary->doors, false);
}

/* Listening. */

static bool read_address(const char *text, struct sockaddr_storage *address, int *len)
{
    *len = sizeof *address;
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)address, len) != 0)
        return false;
    in_port_t *port = address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port
                                                     : &((struct sockaddr_in *)address)->sin_port;
    if (*port == 0)
        *port = htons(CONFIG_PRIMARY_PORT);
    return true;
}

static bool listen_on(struct primary *primary, const char *text, bool *denied)
{
    struct doors *d = &primary->doors;
    struct sockaddr_storage address;
    int len;

    if (d->listeners == PRIMARY_LISTENERS_MAX) {
        log_error("listen: more than %d addresses", PRIMARY_LISTENERS_MAX);
        return false;
    }
    if (!read_address(text, &address, &len)) {
        log_error("listen: %s is no address and port, such as [2001:db8::1]:%d", text,
                  CONFIG_PRIMARY_PORT);
        return false;
    }
    struct evconnlistener *listener =
        evconnlistener_new_bind(primary->base, on_accept, primary,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                PRIMARY_BACKLOG, (struct sockaddr *)&address, len);
    if (listener == NULL) {
        *denied = errno == EACCES || errno == EPERM;
        log_error("cannot listen on %s: %s", text, strerror(errno));
        return false;
    }
    evconnlistener_set_error_cb(listener, on_error);
    d->listener[d->listeners++] = listener;
    return true;
}

bool doors_open(struct primary *primary, bool *denied)
{
    char *copy = strdup(primary->config.listen), *rest = NULL;
    bool opened = copy != NULL;

    *denied = false;
    for (char *text = opened ? strtok_r(copy, ", \t", &rest) : NULL; text != NULL && opened;
         text = strtok_r(NULL, ", \t", &rest))
        opened = listen_on(primary, text, denied);
    free(copy);
    if (!opened)
        doors_close(primary);
    return opened;
}

void doors_close(struct primary *primary)
{
    struct doors *d = &primary->doors;

    while (d->listeners > 0)
        evconnlistener_free(d->listener[--d->listeners]);
}

bool doors_init(struct primary *primary)
{
    primary->doors.stranger = calloc(PRIMARY_STRANGERS_MAX, sizeof *primary->doors.stranger);
    return primary->doors.stranger != NULL;
}

void doors_free(struct primary *primary)
{
    struct doors *d = &primary->doors;

    doors_close(primary);
    for (unsigned i = 0; d->stranger != NULL && i < PRIMARY_STRANGERS_MAX; i++)
        if (d->stranger[i].caller.kind == CALLER_STRANGER)
            link_free(d->stranger[i].link);
    free(d->stranger);
    *d = (struct doors){.listeners = 0};
}
