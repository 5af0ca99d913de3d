/* SPDX-License-Identifier: BSD-2-Clause */
/* One plain sentence at the end of a run. */
#include "cli/pdmping/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    PERCENT = 100,
    STEADY_BELOW = 10, /* percent beyond the usual delay that are not worth blaming anybody for */
    CULPRIT_FROM = 60, /* percent of the excess that make one side the culprit */
};

static struct verdict __attribute__((format(printf, 2, 3)))
say(const char *token, const char *format, ...)
{
    struct verdict verdict = {.token = token};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(verdict.text, sizeof(verdict.text), format, args);
    va_end(args);
    return verdict;
}

static unsigned percent_of(int64_t part, int64_t whole)
{
    return (unsigned)((double)part * PERCENT / (double)whole + 0.5);
}

static struct verdict blame_one(const struct excess *e)
{
    unsigned server = percent_of(e->server, e->server + e->network);
    unsigned network = PERCENT - server;
    struct verdict v;

    if (server >= CULPRIT_FROM)
        v = say("server", "SERVER causes %u%% of the slowest %d%%", server, BLAME_SLOWEST);
    else if (network >= CULPRIT_FROM)
        v = say("network", "NETWORK causes %u%% of the slowest %d%%", network, BLAME_SLOWEST);
    else
        v = say("both", "BOTH: of the slowest %d%% the server causes %u%%, the network %u%%",
                BLAME_SLOWEST, server, network);
    v.has_share = true;
    v.server = server;
    v.network = network;
    return v;
}

struct verdict verdict_of_delays(const struct tally *t, const struct missing *missing)
{
    uint64_t samples = t->blame.total.samples;

    if (t->network.samples == 0 && t->server.samples == 0 && t->overlapped == 0)
        return say("not-measured", "none, for no delay was measured: %s", missing->text);
    if (samples < HISTOGRAM_PERCENTILES_FROM)
        return say("too-few-samples",
                   "none, for %" PRIu64 " probes have both delays, and %d are needed", samples,
                   HISTOGRAM_PERCENTILES_FROM);
    const struct excess e = blame_excess(&t->blame);
    int64_t excess = e.network + e.server;

    if (excess == 0 || excess * PERCENT < e.usual * STEADY_BELOW)
        return say("steady", "STEADY: the slowest %d%% take %u%% longer than usual", BLAME_SLOWEST,
                   e.usual > 0 ? percent_of(excess, e.usual) : 0);
    return blame_one(&e);
}

static bool is_answered(const struct control_tally *c, enum control_kind kind)
{
    return c->kind[kind].answered > 0;
}

static struct verdict of_trouble(const struct silence *s)
{
    if (s->trouble->closed)
        return say("port-closed", "PORT CLOSED: the host is up, and nothing listens on %s %u",
                   s->method->port, s->port);
    if (s->trouble->remote)
        return say("unreachable", "UNREACHABLE: %s says: %s", s->trouble->from, s->trouble->text);
    return say("not-sent", "NOT SENT: %s", s->trouble->text);
}

static struct verdict of_live_host(const struct silence *s)
{
    const char *or_option = s->attached ? ", or the path drops answers that have an option" : "";

    if (s->method->port)
        return say("service-silent",
                   "SERVICE SILENT: the host answers echoes, but nothing does on %s %u%s",
                   s->method->port, s->port, or_option);
    return say("service-silent", "SILENT: the host answers echoes, but not these%s", or_option);
}

struct verdict verdict_of_silence(const struct silence *s)
{
    const struct control_tally *c = s->control;
    uint64_t sent = c->kind[CONTROL_ECHO].sent + c->kind[CONTROL_SERVICE].sent;

    if (s->trouble)
        return of_trouble(s);
    if (s->attached && is_answered(c, CONTROL_SERVICE))
        return say("path-drops-options",
                   "PATH DROPS EXTENSION HEADERS: the service answers probes without the option, "
                   "and none with it");
    if (is_answered(c, CONTROL_ECHO) && c->kind[CONTROL_OPTION].sent > 0 &&
        !is_answered(c, CONTROL_OPTION))
        return say("path-drops-options",
                   "PATH DROPS EXTENSION HEADERS: the host answers echoes without an option, and "
                   "none with one");
    if (is_answered(c, CONTROL_ECHO) || is_answered(c, CONTROL_SERVICE))
        return of_live_host(s);
    if (sent > 0)
        return say("host-down",
                   "HOST DOWN, or no way to it: %" PRIu64 " control probes without the option "
                   "had no answer either",
                   sent);
    return say("no-reply", "none, for nothing came back, and no control probe could be sent");
}
