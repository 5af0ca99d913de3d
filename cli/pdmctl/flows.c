/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl flows: the live flows and their metrics, from the agent. */
#include <inttypes.h>

#include "cli/agent_client.h"
#include "cli/json.h"
#include "cli/pdmctl/pdmctl.h"
#include "cli/pdmctl/format.h"
#include "cli/pdmctl/table.h"

static const char *const headings[] = {
    "LOCAL", "PEER",  "PROTO", "PROTECT", ">PID",   ">IDLE", ">NET/ms",   ">NET#", ">SRV/ms",
    ">SRV#", ">SENT", ">RECV", ">LOST",   ">REORD", ">DUP",  ">AUTHFAIL", "PATH",
};

enum { COLUMNS = sizeof(headings) / sizeof(headings[0]) };

/* One kind of delay, out of the wire's names for it. */
struct delay {
    uint64_t samples;
    int64_t last, min, max, sum;
};

struct flow {
    struct pdm_flow_record record;
    struct pdm_tuple tuple;
    struct delay network, server, total;
    uint64_t counter[PDM_COUNTER_COUNT];
};

static bool read_flow(struct pdm_reader *body, struct flow *f)
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

/* The agent took these from memory that others write: more samples than fit a sum are no reason to
 * trap. */
static int64_t mean_of(const struct delay *d)
{
    return d->samples > INT64_MAX ? 0 : d->sum / (int64_t)d->samples;
}

static void add_delay(struct table *table, const struct delay *d)
{
    char text[FORMAT_MAX];

    table_add(table, "%s", d->samples ? format_ms(text, mean_of(d)) : "n/a");
    table_add(table, "%" PRIu64, d->samples);
}

static bool flow_row(struct pdm_reader *body, void *context)
{
    static const enum pdm_counter shown[] = {
        PDM_COUNTER_options_sent, PDM_COUNTER_options_received, PDM_COUNTER_lost,
        PDM_COUNTER_reordered,    PDM_COUNTER_duplicates,       PDM_COUNTER_auth_failures,
    };
    struct table *table = context;
    struct flow f;
    char text[FORMAT_MAX];

    if (!read_flow(body, &f))
        return false;
    table_add(table, "%s", format_endpoint(text, f.tuple.saddr, f.tuple.sport));
    table_add(table, "%s", format_endpoint(text, f.tuple.daddr, f.tuple.dport));
    table_add(table, "%s", format_protocol(text, f.tuple.proto));
    table_add(table, "%s", format_protect(f.record.format));
    table_add(table, "%u", f.record.pid);
    table_add(table, "%s", format_duration(text, f.record.idle_ms));
    add_delay(table, &f.network);
    add_delay(table, &f.server);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        table_add(table, "%" PRIu64, f.counter[shown[i]]);
    table_add(table, "%s", format_path(f.record.path));
    return true;
}

static void put_delay(struct json *j, const char *key, const struct delay *d)
{
    if (d->samples == 0) {
        json_null(j, key);
        return;
    }
    json_object(j, key);
    json_unsigned(j, "samples", d->samples);
    json_signed(j, "last", d->last);
    json_signed(j, "min", d->min);
    json_signed(j, "mean", mean_of(d));
    json_signed(j, "max", d->max);
    json_end(j);
}

static bool flow_line(struct pdm_reader *body, void *context)
{
    static const char *const counter_names[] = {
#define COUNTER_NAME(name, meaning) #name,
        PDM_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
    };
    struct flow f;
    char text[FORMAT_MAX];

    (void)context;
    if (!read_flow(body, &f))
        return false;
    struct json j = json_open();

    json_string(&j, "schema", PDMCTL_SCHEMA);
    json_string(&j, "type", "flow");
    json_string(&j, "local", format_endpoint(text, f.tuple.saddr, f.tuple.sport));
    json_string(&j, "peer", format_endpoint(text, f.tuple.daddr, f.tuple.dport));
    json_string(&j, "protocol", format_protocol(text, f.tuple.proto));
    json_unsigned(&j, "association", f.record.association);
    json_string(&j, "protect", format_protect(f.record.format));
    json_string(&j, "path", format_path(f.record.path));
    json_unsigned(&j, "pid", f.record.pid);
    json_unsigned(&j, "age_ms", f.record.age_ms);
    json_unsigned(&j, "idle_ms", f.record.idle_ms);
    json_unsigned(&j, "own_kri", f.record.own_kri);
    json_unsigned(&j, "peer_kri", f.record.peer_kri);
    put_delay(&j, "network_delay", &f.network);
    put_delay(&j, "server_delay", &f.server);
    put_delay(&j, "total_delay", &f.total);
    for (size_t i = 0; i < PDM_COUNTER_COUNT; i++)
        json_unsigned(&j, counter_names[i], f.counter[i]);
    json_close(&j);
    return true;
}

static enum pdmctl_exit flows_table(struct agent_client *client)
{
    struct table table = table_new(headings, COLUMNS);
    enum agent_result result = agent_list(client, PDM_FLOWS, flow_row, &table);
    bool printed = result != AGENT_ANSWERED || table_print(&table);

    table_free(&table);
    return printed ? pdmctl_exit_for(result) : PDMCTL_FAILED;
}

enum pdmctl_exit pdmctl_flows(const struct pdmctl_context *context)
{
    static struct agent_client client;

    if (!agent_client_init(&client, context->socket))
        return PDMCTL_USAGE;
    if (!context->json)
        return flows_table(&client);
    return pdmctl_exit_for(agent_list(&client, PDM_FLOWS, flow_line, NULL));
}
