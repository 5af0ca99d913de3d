/* SPDX-License-Identifier: BSD-2-Clause */
/* One live flow. */
#include "cli/pdmctl/flow.h"

#include <string.h>

bool flow_read(struct pdm_reader *body, struct flow *f)
{
    struct pdm_flow_record *r = &f->record;

    pdm_get_flow_record(body, r);
    struct pdm_reader counters = pdm_reader(r->counters, sizeof(r->counters));

    f->tuple = pdm_tuple_from_bytes(r->tuple);
    f->network =
        (struct delay){r->network_samples, (int64_t)r->network_last, (int64_t)r->network_min,
                       (int64_t)r->network_max, (int64_t)r->network_sum};
    f->server = (struct delay){r->server_samples, (int64_t)r->server_last, (int64_t)r->server_min,
                               (int64_t)r->server_max, (int64_t)r->server_sum};
    f->total = (struct delay){r->total_samples, (int64_t)r->total_last, (int64_t)r->total_min,
                              (int64_t)r->total_max, (int64_t)r->total_sum};
    for (size_t i = 0; i < PDM_COUNTER_COUNT; i++)
        f->counter[i] = pdm_read_u64(&counters);
    return !body->bad;
}

static int upwards(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Without a sample a flow comes last. */
static int by_delay(const struct delay *a, const struct delay *b)
{
    if (a->samples == 0 || b->samples == 0)
        return upwards(b->samples != 0, a->samples != 0);
    int64_t of_a = delay_mean(a), of_b = delay_mean(b);

    return of_a > of_b ? -1 : of_a < of_b;
}

static int by_end(const uint8_t *a, uint16_t a_port, const uint8_t *b, uint16_t b_port)
{
    int order = memcmp(a, b, PDM_ADDR_LEN);

    return order != 0 ? order : upwards(a_port, b_port);
}

static int by_local(const struct flow *a, const struct flow *b)
{
    return by_end(a->tuple.saddr, a->tuple.sport, b->tuple.saddr, b->tuple.sport);
}

static int by_peer(const struct flow *a, const struct flow *b)
{
    return by_end(a->tuple.daddr, a->tuple.dport, b->tuple.daddr, b->tuple.dport);
}

static int by_pid(const struct flow *a, const struct flow *b)
{
    return upwards(a->record.pid, b->record.pid);
}

static int by_idle(const struct flow *a, const struct flow *b)
{
    return upwards(a->record.idle_ms, b->record.idle_ms);
}

static int by_network(const struct flow *a, const struct flow *b)
{
    return by_delay(&a->network, &b->network);
}

static int by_server(const struct flow *a, const struct flow *b)
{
    return by_delay(&a->server, &b->server);
}

#define DEFINE_BY_COUNTER(name)                                                                    \
    static int by_##name(const struct flow *a, const struct flow *b)                               \
    {                                                                                              \
        return upwards(b->counter[PDM_COUNTER_##name], a->counter[PDM_COUNTER_##name]);            \
    }
DEFINE_BY_COUNTER(options_sent)
DEFINE_BY_COUNTER(options_received)
DEFINE_BY_COUNTER(lost)

const struct flow_order flow_orders[FLOW_ORDERS] = {
    {"net", by_network},       {"srv", by_server},
    {"sent", by_options_sent}, {"recv", by_options_received},
    {"lost", by_lost},         {"idle", by_idle},
    {"peer", by_peer},         {"local", by_local},
    {"pid", by_pid},
};

const struct flow_order *flow_order_find(const char *name)
{
    for (size_t i = 0; i < FLOW_ORDERS; i++) {
        if (strcmp(flow_orders[i].name, name) == 0)
            return &flow_orders[i];
    }
    return NULL;
}

bool flow_passes(const struct flow_filter *filter, const struct flow *f)
{
    if (filter->has_association && f->record.association != filter->association)
        return false;
    return !filter->has_peer || pdm_prefix_contains(&filter->peer, f->tuple.daddr);
}
