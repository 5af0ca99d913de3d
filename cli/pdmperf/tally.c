/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of the requests to one URL. */
#include "cli/pdmperf/tally.h"

#include "cli/pdmperf/verdict.h"

enum { STATUS_REFUSED = 400 };

static const struct missing overlapped = {"overlapped", "the server's delays are not certain"};

bool tally_make(struct tally *t, uint64_t requests)
{
    *t = (struct tally){0};
    return slowest_make(&t->slowest, (size_t)verdict_slowest_of(requests));
}

static void add(struct tally *t, enum phase phase, int64_t ns)
{
    histogram_add(&t->phases[phase], ns);
}

/*
 * Of a connection made for the request. With redirects there are several, and curl adds up the
 * times of those it has.
 */
static void add_connection(struct tally *t, const struct result *r)
{
    const struct result_times *times = &r->times;

    if (r->connects != 1 || r->redirects > 0)
        return;
    add(t, PHASE_RESOLVE, times->namelookup);
    add(t, PHASE_CONNECT, times->connect - times->namelookup);
    if (times->appconnect > times->connect)
        add(t, PHASE_TLS, times->appconnect - times->connect);
}

static struct parts add_figures(struct tally *t, const struct result *r)
{
    const struct figure *network = &r->figures.network;
    const struct figure *server = &r->figures.server;

    if (network->missing)
        t->missing = network->missing;
    else
        add(t, PHASE_NETWORK, network->ns);
    if (server->missing) {
        t->missing = server->missing;
    } else if (server->overlapped) {
        t->missing = &overlapped;
        t->overlapped++;
    } else {
        add(t, PHASE_SERVER, server->ns);
    }
    return (struct parts){
        .time = r->first_byte + result_transfer(r),
        .network = network->ns,
        .server = server->ns,
        .transfer = result_transfer(r),
        .measured = !network->missing && !server->missing && !server->overlapped,
    };
}

static void add_parts(struct tally *t, const struct parts *parts)
{
    double time = (double)parts->time;

    t->time_sum += time;
    t->time_square_sum += time * time;
    slowest_add(&t->slowest, parts);
    if (!parts->measured)
        return;
    t->measured++;
    t->measured_time += parts->time;
    t->measured_network += parts->network;
    t->measured_server += parts->server;
    t->measured_transfer += parts->transfer;
}

void tally_add(struct tally *t, const struct result *r)
{
    t->connects += (uint64_t)r->connects;
    if (r->code != 0) {
        t->failed++;
        return;
    }
    t->succeeded++;
    if (r->http_code >= STATUS_REFUSED)
        t->refused++;
    t->octets += (uint64_t)r->download;
    add_connection(t, r);
    add(t, PHASE_FIRST_BYTE, r->first_byte);
    add(t, PHASE_TRANSFER, result_transfer(r));
    add(t, PHASE_TOTAL, r->times.total);
    add(t, PHASE_QUEUE, r->queued);
    add(t, PHASE_RESPONSE, r->queued + r->times.total);
    const struct parts parts = add_figures(t, r);

    add_parts(t, &parts);
}

void tally_free(struct tally *t)
{
    slowest_free(&t->slowest);
}
