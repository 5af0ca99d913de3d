/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary list: who takes part, of ours or of a peer. */
#include <err.h>
#include <string.h>

#include "cli/pdmctl/line.h"
#include "cli/pdmctl/primary_inside.h"

/* Which one; the side goes into its rows too. */
struct wanted {
    uint32_t pair; /* 0: ours */
    uint8_t side;
    struct table *table;
};

static void put_list(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct wanted *wanted = arg;
    const struct pdm_admin_list_request request = {
        .start = start, .pair = wanted->pair, .side = wanted->side};

    pdm_put_admin_list_request(w, &request);
}

static const char *source_name(uint8_t source)
{
    static const char *const names[] = {"file", "command", "peer"};

    return source < sizeof(names) / sizeof(names[0]) ? names[source] : "?";
}

static bool entry_row(struct pdm_reader *body, void *context)
{
    const struct wanted *wanted = context;
    struct pdm_admin_entry e;
    char text[FORMAT_MAX];

    pdm_get_admin_entry(body, &e);
    table_add(wanted->table, "%s", primary_or_unknown(pdm_side_name(wanted->side)));
    table_add(wanted->table, "%s", format_prefix(text, e.addr, e.len));
    if (e.group)
        table_add(wanted->table, "%u", e.group);
    else
        table_add(wanted->table, "-");
    table_add(wanted->table, "%s", source_name(e.source));
    return true;
}

static bool entry_line(struct pdm_reader *body, void *context)
{
    const struct wanted *wanted = context;
    struct pdm_admin_entry e;
    char text[FORMAT_MAX];

    pdm_get_admin_entry(body, &e);
    if (body->bad)
        return false;
    struct json j = line_open("entry");

    json_unsigned(&j, "pair", wanted->pair);
    json_string(&j, "side", primary_or_unknown(pdm_side_name(wanted->side)));
    json_string(&j, "prefix", format_prefix(text, e.addr, e.len));
    json_unsigned(&j, "group", e.group);
    json_string(&j, "source", source_name(e.source));
    json_close(&j);
    return true;
}

/* Several lists, one after the other. */
enum { WANTED_MAX = 2 };

/* The pairs of one name: there may be one for each side. */
struct search {
    const char *name;
    struct wanted *wanted;
    size_t count;
};

static bool find_pair(struct pdm_reader *body, void *context)
{
    struct search *search = context;
    struct pdm_admin_pair p;
    char name[PDM_NAME_MAX];

    pdm_get_admin_pair(body, &p);
    if (body->bad || strcmp(format_name(name, p.name), search->name) != 0 ||
        search->count == WANTED_MAX)
        return !body->bad;
    /* On its list are those of the other side. */
    search->wanted[search->count++] = (struct wanted){
        .pair = p.pair, .side = p.side == PDM_SIDE_CLIENT ? PDM_SIDE_SERVER : PDM_SIDE_CLIENT};
    return true;
}

static enum agent_result choose_peer(struct agent_client *client, const char *peer,
                                     struct wanted wanted[static WANTED_MAX], size_t *count)
{
    struct search search = {.name = peer, .wanted = wanted};
    enum agent_result result = agent_list(client, PDM_ADMIN_PAIRS, find_pair, &search);

    *count = search.count;
    if (result == AGENT_ANSWERED && search.count == 0) {
        warnx("%s: no such peer", peer);
        return AGENT_FAILED;
    }
    return result;
}

static enum agent_result choose(struct agent_client *client, const struct pdmctl_context *context,
                                struct wanted wanted[static WANTED_MAX], size_t *count)
{
    const char *which = context->operands > 1 ? context->operand[1] : NULL;

    if (context->peer)
        return choose_peer(client, context->peer, wanted, count);
    *count = 0;
    if (!which || strcmp(which, "clients") == 0)
        wanted[(*count)++] = (struct wanted){.side = PDM_SIDE_CLIENT};
    if (!which || strcmp(which, "servers") == 0)
        wanted[(*count)++] = (struct wanted){.side = PDM_SIDE_SERVER};
    return AGENT_ANSWERED;
}

enum agent_result primary_show_list(struct agent_client *client,
                                    const struct pdmctl_context *context)
{
    static const char *const headings[] = {"SIDE", "PREFIX", ">GROUP", "SOURCE"};
    struct wanted wanted[WANTED_MAX];
    size_t count = 0;
    enum agent_result result = choose(client, context, wanted, &count);

    if (result != AGENT_ANSWERED)
        return result;
    struct table table = table_new(headings, sizeof(headings) / sizeof(headings[0]));

    for (size_t i = 0; i < count && result == AGENT_ANSWERED; i++) {
        wanted[i].table = &table;
        result = agent_list_of(client, PDM_ADMIN_LIST, put_list, &wanted[i],
                               context->json ? entry_line : entry_row, &wanted[i]);
    }
    if (result == AGENT_ANSWERED && !context->json && !table_print(&table))
        result = AGENT_FAILED;
    table_free(&table);
    return result;
}
