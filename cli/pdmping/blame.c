/* SPDX-License-Identifier: BSD-2-Clause */
/* Which side makes the slowest probes slow. */
#include "cli/pdmping/blame.h"

enum { USUAL = 10, PERCENT = 100 };

void blame_add(struct blame *b, int64_t network, int64_t server)
{
    size_t bucket = histogram_bucket(network + server);

    histogram_add(&b->total, network + server);
    histogram_add(&b->network, network);
    histogram_add(&b->server, server);
    b->network_sum[bucket] += network;
    b->server_sum[bucket] += server;
}

void blame_merge(struct blame *b, const struct blame *other)
{
    histogram_merge(&b->total, &other->total);
    histogram_merge(&b->network, &other->network);
    histogram_merge(&b->server, &other->server);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        b->network_sum[i] += other->network_sum[i];
        b->server_sum[i] += other->server_sum[i];
    }
}

static int64_t beyond(double mean, int64_t usual)
{
    double excess = mean - (double)usual;

    return excess > 0 ? (int64_t)excess : 0;
}

struct excess blame_excess(const struct blame *b)
{
    uint64_t wanted = (b->total.samples * BLAME_SLOWEST + PERCENT - 1) / PERCENT;
    double left = (double)wanted;
    double network = 0, server = 0;

    /* From the slowest bucket down; of the last, the part that is needed. */
    for (size_t i = HISTOGRAM_BUCKETS; i > 0 && left > 0; i--) {
        double count = (double)b->total.bucket[i - 1];

        if (count == 0)
            continue;
        double part = count <= left ? 1 : left / count;

        network += part * (double)b->network_sum[i - 1];
        server += part * (double)b->server_sum[i - 1];
        left -= part * count;
    }
    int64_t usual_network = histogram_percentile(&b->network, USUAL);
    int64_t usual_server = histogram_percentile(&b->server, USUAL);

    return (struct excess){
        .network = beyond(network / (double)wanted, usual_network),
        .server = beyond(server / (double)wanted, usual_server),
        .usual = usual_network + usual_server,
    };
}
