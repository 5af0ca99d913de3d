/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's live flows. */
#include "cli/pdmctl/flow_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/pdmctl/format.h"

enum column {
    LOCAL,
    PEER,
    PROTOCOL,
    PROTECT,
    PID,
    IDLE,
    NETWORK,
    NETWORK_SAMPLES,
    SERVER,
    SERVER_SAMPLES,
    SENT,
    RECEIVED,
    LOST,
    REORDERED,
    DUPLICATES,
    AUTH_FAILURES,
    PATH,
    COLUMNS
};

static const char *const headings[COLUMNS] = {
    "LOCAL", "PEER",  "PROTO", "PROTECT", ">PID",   ">IDLE", ">NET/ms",   ">NET#", ">SRV/ms",
    ">SRV#", ">SENT", ">RECV", ">LOST",   ">REORD", ">DUP",  ">AUTHFAIL", "PATH",
};

/* What a narrow screen goes without, the first first: never the peer and the delays. */
static const size_t spare[] = {
    REORDERED, DUPLICATES, AUTH_FAILURES, NETWORK_SAMPLES, SERVER_SAMPLES,
    PROTECT,   PID,        IDLE,          RECEIVED,        SENT,
    PATH,      LOST,       PROTOCOL,      LOCAL,
};

enum { FIRST_FLOWS = 64 };

static bool make_room(struct flow_list *list)
{
    size_t cap = list->cap ? 2 * list->cap : FIRST_FLOWS;

    if (list->count < list->cap)
        return true;
    struct flow *item = reallocarray(list->item, cap, sizeof(*item));

    if (!item)
        return false;
    list->item = item;
    list->cap = cap;
    return true;
}

static bool take(struct pdm_reader *body, void *context)
{
    struct flow_list *list = context;
    struct flow f;

    if (!flow_read(body, &f))
        return false;
    if (!flow_passes(&list->filter, &f))
        return true;
    if (make_room(list))
        list->item[list->count++] = f;
    else
        list->failed = true;
    return true;
}

static int compare(const void *a, const void *b, void *order)
{
    return ((const struct flow_order *)order)->compare(a, b);
}

enum agent_result flow_list_ask(struct flow_list *list, struct agent_client *client)
{
    list->count = 0;
    list->failed = false;
    enum agent_result result = agent_list(client, PDM_FLOWS, take, list);

    if (list->order && list->count > 0)
        qsort_r(list->item, list->count, sizeof(list->item[0]), compare,
                (void *)(uintptr_t)list->order);
    return result;
}

static void add_delay(struct table *table, const struct delay *d)
{
    char text[FORMAT_MAX];

    table_add(table, "%s", d->samples ? format_ms(text, delay_mean(d)) : "n/a");
    table_add(table, "%" PRIu64, d->samples);
}

static void add_row(struct table *table, const struct flow *f)
{
    static const enum pdm_counter shown[] = {
        PDM_COUNTER_options_sent, PDM_COUNTER_options_received, PDM_COUNTER_lost,
        PDM_COUNTER_reordered,    PDM_COUNTER_duplicates,       PDM_COUNTER_auth_failures,
    };
    char text[FORMAT_MAX];

    table_add(table, "%s", format_endpoint(text, f->tuple.saddr, f->tuple.sport));
    table_add(table, "%s", format_endpoint(text, f->tuple.daddr, f->tuple.dport));
    table_add(table, "%s", format_protocol(text, f->tuple.proto));
    table_add(table, "%s", format_protect(f->record.format));
    table_add(table, "%u", f->record.pid);
    table_add(table, "%s", format_duration(text, f->record.idle_ms));
    add_delay(table, &f->network);
    add_delay(table, &f->server);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        table_add(table, "%" PRIu64, f->counter[shown[i]]);
    table_add(table, "%s", format_path(f->record.path));
}

struct table flow_list_table(const struct flow_list *list)
{
    struct table table = table_new(headings, COLUMNS);

    for (size_t i = 0; i < list->count; i++)
        add_row(&table, &list->item[i]);
    table.failed |= list->failed;
    return table;
}

void flow_list_fit(struct table *table, int width)
{
    table_fit(table, width, spare, sizeof(spare) / sizeof(spare[0]));
}

void flow_list_free(struct flow_list *list)
{
    free(list->item);
    list->item = NULL;
    list->count = list->cap = 0;
}
