/* SPDX-License-Identifier: BSD-2-Clause */
/* The network's and the server's delay of one request. */
#include "cli/pdmperf/exchange.h"

#include <stddef.h>

enum { SETTLED_WITHIN = 16 }; /* the exchange and the wait differ by less than this part of it */

const struct missing exchange_no_request = {"no-request", "no request was sent"};
const struct missing exchange_ipv4 = {"ipv4", "IPv4 has no such option"};
static const struct missing abandoned = {"abandoned", "the request was sent again"};
static const struct missing not_sent = {"not-sent", "no option went with the request"};

void exchange_start(struct exchange *e)
{
    *e = (struct exchange){0};
    exchange_without(e, &exchange_no_request);
}

void exchange_without(struct exchange *e, const struct missing *why)
{
    const struct figure none = {.missing = why};

    e->figures = (struct figures){.network = none, .server = none};
    e->total = none;
}

/* Adds a step: a sum that lacks one of its parts is none. */
static void add(struct figure *sum, const struct figure *step)
{
    if (sum->missing == NULL && step->missing != NULL)
        sum->missing = step->missing;
    sum->ns += step->ns;
    sum->overlapped = sum->overlapped || step->overlapped;
}

static void add_step(struct exchange *e, const struct figures *figures, const struct figure *total)
{
    const struct figure zero = {0};

    if (e->steps++ == 0) {
        e->figures = (struct figures){zero, zero};
        e->total = zero;
    }
    add(&e->figures.network, &figures->network);
    add(&e->figures.server, &figures->server);
    add(&e->total, total);
}

static void end_without(struct exchange *e, const struct missing *why)
{
    const struct figure none = {.missing = why};

    add_step(e, &(struct figures){none, none}, &none);
}

void exchange_begin(struct exchange *e, const struct pdmv2_stats *before)
{
    if (e->under_way)
        end_without(e, &abandoned);
    e->before = *before;
    e->under_way = true;
}

static struct figure total_between(const struct pdmv2_stats *before,
                                   const struct pdmv2_stats *after, const struct missing *why)
{
    if (after->total_delay.samples > before->total_delay.samples)
        return (struct figure){.ns = after->total_delay.last};
    return (struct figure){.missing = why};
}

void exchange_end(struct exchange *e, const struct pdmv2_stats *after)
{
    struct figures figures = figures_between(&e->before, after, REPLIER_SERVICE);

    if (!e->under_way)
        return;
    e->under_way = false;
    /* A connection carries an option at most once in 10 ms: this request was none of those. */
    if (figures.network.missing && after->reason == PDMV2_MEASURING &&
        after->options_sent == e->before.options_sent) {
        end_without(e, &not_sent);
        return;
    }
    struct figure total = total_between(&e->before, after, figures.network.missing);

    add_step(e, &figures, &total);
    e->sent += after->options_sent - e->before.options_sent;
    e->received += after->options_received - e->before.options_received;
}

void exchange_settle(struct exchange *e, int64_t first_byte)
{
    int64_t difference = first_byte - e->total.ns;

    if (e->steps == 1 && e->total.missing == NULL && e->figures.network.missing == NULL &&
        difference >= 0 && difference < first_byte / SETTLED_WITHIN)
        e->figures.server.overlapped = false;
}
