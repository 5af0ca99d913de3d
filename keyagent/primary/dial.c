/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting with the primary of one peer. */
#include "keyagent/primary/dial.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"
#include "keyagent/primary/partner_inside.h"
#include "keyagent/primary/partners.h"

struct dial {
    struct primary *primary;
    struct pair *pair;
    struct event *retry;
    struct link *link;
    unsigned turn;     /* of the addresses */
    unsigned failures; /* since both sides agreed last */
};

static void retry_later(struct dial *d)
{
    uint32_t most = PRIMARY_BACKOFF_MIN_MS;

    for (unsigned i = 0; i < d->failures && most < PRIMARY_BACKOFF_MAX_MS; i++)
        most *= 2;
    if (most > PRIMARY_BACKOFF_MAX_MS)
        most = PRIMARY_BACKOFF_MAX_MS;
    uint32_t ms = most / 2 + randombytes_uniform(most / 2 + 1);
    const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    event_add(d->retry, &after);
}

static void dial_up(struct link *link, void *arg)
{
    struct dial *d = arg;

    if (link_came_up_trusted(link, d->primary->credentials))
        partners_up(d->primary, d->pair, link);
    else
        link_close(link); /* by another configuration; the next is by the one in force */
}

static void dial_message(struct link *link, const struct pdm_registration_header *header,
                         struct pdm_reader *body, void *arg)
{
    const struct dial *d = arg;

    if (link_data(link) != NULL)
        partners_message(d->primary, link, header, body);
}

static void dial_down(struct link *link, const char *why, void *arg)
{
    struct dial *d = arg;
    const struct partner *p = link_data(link);
    const char *what = why != NULL ? why : "closed";

    d->link = NULL;
    d->turn++;
    if (p != NULL && p->agreed && !p->refused)
        d->failures = 0;
    else
        d->failures++;
    if (p != NULL)
        partners_down(d->primary, link, why);
    else if (d->failures == 1)
        log_warning("peer %s: cannot connect: %s; trying again", d->pair->peer->name, what);
    retry_later(d);
}

static const struct link_handlers dial_handlers = {dial_up, dial_message, dial_down};

/* The TURNth of the addresses, with its port; to be freed. */
static char *target_of(const struct dial *d)
{
    char *copy = strdup(d->pair->peer->connect), *rest = NULL, *target = NULL;
    char *part[PRIMARY_TARGETS_MAX];
    size_t parts = 0;

    for (char *text = copy != NULL ? strtok_r(copy, ", \t", &rest) : NULL;
         text != NULL && parts < PRIMARY_TARGETS_MAX; text = strtok_r(NULL, ", \t", &rest))
        part[parts++] = text;
    if (parts > 0) {
        const char *one = part[d->turn % parts];
        const char *name_end = one[0] == '[' ? strchr(one, ']') : one;
        bool has_port = name_end != NULL && strchr(name_end, ':') != NULL;

        if (has_port)
            target = strdup(one);
        else if (asprintf(&target, "%s:%d", one, CONFIG_PRIMARY_PORT) < 0)
            target = NULL;
    }
    free(copy);
    return target;
}

static unsigned authority_of(const struct dial *d)
{
    return 1 + (unsigned)(d->pair->peer - d->primary->config.peer);
}

static void on_retry(int fd, short what, void *arg)
{
    struct dial *d = arg;
    char *target = target_of(d);

    (void)fd;
    (void)what;
    if (target != NULL)
        d->link = link_connect(d->primary->base, d->primary->dns, d->primary->credentials, target,
                               authority_of(d), d->pair->peer->certificate_name, &dial_handlers, d);
    if (d->link == NULL) {
        log_error("peer %s: cannot connect to %s: not a host and port, or no memory",
                  d->pair->peer->name, target != NULL ? target : "it");
        d->turn++;
        d->failures++;
        retry_later(d);
    }
    free(target);
}

bool dial_begin(struct primary *primary, struct pair *pair)
{
    static const struct timeval at_once = {0};

    if (pair->peer->side != PDM_SIDE_CLIENT)
        return true;
    struct dial *d = calloc(1, sizeof *d);
    if (d == NULL)
        return false;
    d->primary = primary;
    d->pair = pair;
    d->retry = event_new(primary->base, -1, 0, on_retry, d);
    if (d->retry == NULL) {
        free(d);
        return false;
    }
    pair->dial = d;
    event_add(d->retry, &at_once);
    return true;
}

void dial_end(struct pair *pair)
{
    struct dial *d = pair->dial;

    if (d == NULL)
        return;
    if (d->link != NULL && link_data(d->link) == NULL)
        link_free(d->link);
    event_free(d->retry);
    free(d);
    pair->dial = NULL;
}
