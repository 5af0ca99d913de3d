/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl flows: the live flows and their metrics, from the agent. */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "cli/pdmctl/flow_list.h"
#include "cli/pdmctl/format.h"
#include "cli/pdmctl/line.h"
#include "cli/pdmctl/pdmctl.h"
#include "cli/pdmctl/watch.h"
#include "conf/value.h"

enum { INTERVAL_MS = 1000 };

static void flow_line(const struct flow *f)
{
    static const char *const counter_names[] = {
#define COUNTER_NAME(name, meaning) #name,
        PDM_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
    };
    struct json j = line_open("flow");
    char text[FORMAT_MAX];

    json_string(&j, "local", format_endpoint(text, f->tuple.saddr, f->tuple.sport));
    json_string(&j, "peer", format_endpoint(text, f->tuple.daddr, f->tuple.dport));
    json_string(&j, "protocol", format_protocol(text, f->tuple.proto));
    json_unsigned(&j, "association", f->record.association);
    json_string(&j, "protect", format_protect(f->record.format));
    json_string(&j, "path", format_path(f->record.path));
    json_unsigned(&j, "pid", f->record.pid);
    json_unsigned(&j, "age_ms", f->record.age_ms);
    json_unsigned(&j, "idle_ms", f->record.idle_ms);
    json_unsigned(&j, "own_kri", f->record.own_kri);
    json_unsigned(&j, "peer_kri", f->record.peer_kri);
    delay_json(&j, "network_delay", &f->network);
    delay_json(&j, "server_delay", &f->server);
    delay_json(&j, "total_delay", &f->total);
    for (size_t i = 0; i < PDM_COUNTER_COUNT; i++)
        json_unsigned(&j, counter_names[i], f->counter[i]);
    json_close(&j);
}

/* The number of the association called NAME. */
struct wanted {
    const char *name;
    bool found;
    uint32_t number;
};

static bool look_for(struct pdm_reader *body, void *context)
{
    struct wanted *wanted = context;
    struct pdm_association a;
    char name[PDM_NAME_MAX];

    pdm_get_association(body, &a);
    if (!body->bad && strcmp(format_name(name, a.name), wanted->name) == 0) {
        wanted->found = true;
        wanted->number = a.association;
    }
    return !body->bad;
}

static enum pdmctl_exit choose_association(struct agent_client *client, const char *name,
                                           struct flow_filter *filter)
{
    struct wanted wanted = {.name = name};
    enum agent_result result = agent_list(client, PDM_ASSOCIATIONS, look_for, &wanted);

    if (result != AGENT_ANSWERED)
        return pdmctl_exit_for(result);
    if (!wanted.found) {
        warnx("the agent has no association %s: see pdmctl status", name);
        return PDMCTL_FAILED;
    }
    filter->has_association = true;
    filter->association = wanted.number;
    return PDMCTL_OK;
}

static bool choose_peer(const char *text, struct flow_filter *filter)
{
    filter->has_peer = config_prefix(text, &filter->peer) == CONFIG_PREFIX_OK;
    if (!filter->has_peer)
        warnx("--peer %s: %s is needed", text, CONFIG_PREFIX_ALLOWED);
    return filter->has_peer;
}

static bool choose_order(const char *name, struct flow_list *list)
{
    list->order = flow_order_find(name);
    if (list->order)
        return true;
    fprintf(stderr, "pdmctl: --sort %s: there are", name);
    for (size_t i = 0; i < FLOW_ORDERS; i++)
        fprintf(stderr, " %s", flow_orders[i].name);
    fputs("\n", stderr);
    return false;
}

static enum pdmctl_exit choose(const struct pdmctl_context *context, struct agent_client *client,
                               struct flow_list *list)
{
    if (context->watch && context->json) {
        warnx("--watch shows a table: it has no JSON");
        return PDMCTL_USAGE;
    }
    if (context->interval_ms != 0 && !context->watch) {
        warnx("--interval goes with --watch");
        return PDMCTL_USAGE;
    }
    if ((context->sort && !choose_order(context->sort, list)) ||
        (context->peer && !choose_peer(context->peer, &list->filter)))
        return PDMCTL_USAGE;
    return context->association ? choose_association(client, context->association, &list->filter)
                                : PDMCTL_OK;
}

static enum pdmctl_exit show(struct agent_client *client, struct flow_list *list, bool json)
{
    enum agent_result result = flow_list_ask(list, client);
    struct table table;
    bool printed = true;

    if (result != AGENT_ANSWERED)
        return pdmctl_exit_for(result);
    if (json) {
        for (size_t i = 0; i < list->count; i++)
            flow_line(&list->item[i]);
        if (!list->failed)
            return pdmctl_exit_for(result);
        warnx("out of memory");
        return PDMCTL_FAILED;
    }
    table = flow_list_table(list);
    printed = table_print(&table);
    table_free(&table);
    return printed ? pdmctl_exit_for(result) : PDMCTL_FAILED;
}

enum pdmctl_exit pdmctl_flows(const struct pdmctl_context *context)
{
    static struct agent_client client;
    struct flow_list list = {0};

    if (!agent_client_init(&client, context->socket))
        return PDMCTL_USAGE;
    enum pdmctl_exit status = choose(context, &client, &list);

    if (status != PDMCTL_OK)
        return status;
    if (context->watch)
        status =
            watch_flows(&client, &list, context->interval_ms ? context->interval_ms : INTERVAL_MS);
    else
        status = show(&client, &list, context->json);
    flow_list_free(&list);
    return status;
}
