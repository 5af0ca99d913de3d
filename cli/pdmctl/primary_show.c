/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary: what a primary knows, as tables or as JSON Lines. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/pdmctl/format.h"
#include "cli/pdmctl/primary.h"
#include "cli/pdmctl/table.h"
#include "core/admin.h"
#include "core/suite.h"

static const char *or_unknown(const char *name)
{
    return name ? name : "?";
}

static struct json open_line(const char *type)
{
    struct json j = json_open();

    json_string(&j, "schema", PDMCTL_SCHEMA);
    json_string(&j, "type", type);
    return j;
}

/* A list as a table of HEADINGS, or as lines. */
struct view {
    const char *const *headings;
    size_t columns;
    agent_record *row; /* its context is a struct table */
    agent_record *line;
};

static enum agent_result show(struct agent_client *client, const struct pdmctl_context *context,
                              uint8_t type, agent_put *put, const void *arg,
                              const struct view *view)
{
    if (context->json)
        return agent_list_of(client, type, put, arg, view->line, NULL);
    struct table table = table_new(view->headings, view->columns);
    enum agent_result result = agent_list_of(client, type, put, arg, view->row, &table);

    if (result == AGENT_ANSWERED && !table_print(&table))
        result = AGENT_FAILED;
    table_free(&table);
    return result;
}

static void put_page(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct pdm_page_request page = {.start = start};

    (void)arg;
    pdm_put_page_request(w, &page);
}

/* status */

static void status_text(const char *path, const struct pdm_admin_status *s)
{
    char text[FORMAT_MAX];

    printf("primary        %s, pid %u, up %s\n", path, s->pid, format_duration(text, s->uptime_ms));
    printf("store          %s\n", s->store_up ? "up" : "cannot be reached");
    printf("pairs          %u\n", s->pairs);
    printf("secondaries    %u connected\n", s->secondaries);
    printf("lists          %" PRIu64 " clients, %" PRIu64 " servers\n", s->clients, s->servers);
    printf("registrations  %" PRIu64 ", %" PRIu64 " refused\n", s->registrations, s->refused);
}

static void status_line(const char *path, const struct pdm_admin_status *s)
{
    struct json j = open_line("primary");

    json_string(&j, "socket", path);
    json_unsigned(&j, "pid", s->pid);
    json_unsigned(&j, "uptime_ms", s->uptime_ms);
    json_bool(&j, "store_up", s->store_up != 0);
    json_unsigned(&j, "pairs", s->pairs);
    json_unsigned(&j, "secondaries", s->secondaries);
    json_unsigned(&j, "clients", s->clients);
    json_unsigned(&j, "servers", s->servers);
    json_unsigned(&j, "registrations", s->registrations);
    json_unsigned(&j, "refused", s->refused);
    json_close(&j);
}

enum agent_result primary_show_status(struct agent_client *client,
                                      const struct pdmctl_context *context)
{
    struct pdm_admin_status status;
    enum agent_result result = agent_ask(client, PDM_ADMIN_STATUS, NULL, NULL);

    if (result != AGENT_ANSWERED)
        return result;
    pdm_get_admin_status(&client->body, &status);
    if (!pdm_message_done(&client->body)) {
        warnx("the primary at %s: a malformed answer", client->path);
        return AGENT_FAILED;
    }
    if (context->json)
        status_line(client->path, &status);
    else
        status_text(client->path, &status);
    return AGENT_ANSWERED;
}

/* pairs */

static char *format_seconds(char out[static FORMAT_MAX], uint64_t seconds)
{
    return format_duration(out, seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000);
}

/* A mode, and what goes with some. */
static char *format_mode(char out[static FORMAT_MAX], const struct pdm_admin_pair *p)
{
    const char *more = p->secmop == PDM_SECMOP_ASYMMETRIC_POLL ? pdm_side_name(p->poller)
                       : p->secmop == PDM_SECMOP_NONE ? pdm_unprotected_name(p->unprotected)
                                                      : NULL;

    (void)snprintf(out, FORMAT_MAX, "%s%s%s%s", or_unknown(pdm_secmop_name(p->secmop)),
                   more ? " (" : "", more ? more : "", more ? ")" : "");
    return out;
}

static bool pair_row(struct pdm_reader *body, void *context)
{
    struct table *table = context;
    struct pdm_admin_pair p;
    char name[PDM_NAME_MAX];
    char text[FORMAT_MAX];

    pdm_get_admin_pair(body, &p);
    table_add(table, "%s", format_name(name, p.name));
    table_add(table, "%s", or_unknown(pdm_side_name(p.side)));
    table_add(table, "%s", p.connected ? "yes" : "no");
    table_add(table, "%s", format_mode(text, &p));
    table_add(table, "%" PRIu64, p.entries);
    if (!p.has_secret) {
        for (int column = 0; column < 5; column++)
            table_add(table, "-");
        return true;
    }
    table_add(table, "%s/%s/%s", or_unknown(pdm_kem_name(p.kem)), or_unknown(pdm_kdf_name(p.kdf)),
              or_unknown(pdm_aead_name(p.aead)));
    table_add(table, "%" PRIu64, p.epoch);
    table_add(table, "%s", format_seconds(text, p.age_s));
    table_add(table, "%s", p.left_s == UINT64_MAX ? "unlimited" : format_seconds(text, p.left_s));
    table_add(table, "%s", p.has_previous ? format_seconds(text, p.previous_left_s) : "-");
    return true;
}

static void put_secret(struct json *j, const struct pdm_admin_pair *p)
{
    if (!p->has_secret) {
        json_null(j, "secret");
        return;
    }
    json_object(j, "secret");
    json_unsigned(j, "epoch", p->epoch);
    json_string(j, "kem", or_unknown(pdm_kem_name(p->kem)));
    json_string(j, "kdf", or_unknown(pdm_kdf_name(p->kdf)));
    json_string(j, "aead", or_unknown(pdm_aead_name(p->aead)));
    json_unsigned(j, "age_s", p->age_s);
    if (p->left_s == UINT64_MAX)
        json_null(j, "left_s");
    else
        json_unsigned(j, "left_s", p->left_s);
    if (p->has_previous)
        json_unsigned(j, "previous_left_s", p->previous_left_s);
    else
        json_null(j, "previous_left_s");
    json_end(j);
}

static bool pair_line(struct pdm_reader *body, void *context)
{
    struct pdm_admin_pair p;
    char name[PDM_NAME_MAX];

    (void)context;
    pdm_get_admin_pair(body, &p);
    if (body->bad)
        return false;
    struct json j = open_line("pair");

    json_string(&j, "name", format_name(name, p.name));
    json_unsigned(&j, "pair", p.pair);
    json_string(&j, "side", or_unknown(pdm_side_name(p.side)));
    json_bool(&j, "connected", p.connected != 0);
    json_string(&j, "mode", or_unknown(pdm_secmop_name(p.secmop)));
    json_string(&j, "poller", or_unknown(pdm_side_name(p.poller)));
    json_string(&j, "unprotected", or_unknown(pdm_unprotected_name(p.unprotected)));
    put_secret(&j, &p);
    json_unsigned(&j, "list_version", p.list_version);
    json_unsigned(&j, "entries", p.entries);
    json_close(&j);
    return true;
}

enum agent_result primary_show_pairs(struct agent_client *client,
                                     const struct pdmctl_context *context)
{
    static const char *const headings[] = {
        "PEER",  "SIDE",   "CONNECTED", "MODE",  ">ENTRIES",
        "SUITE", ">EPOCH", ">AGE",      ">LEFT", ">PREVIOUS LEFT",
    };
    static const struct view view = {headings, sizeof(headings) / sizeof(headings[0]), pair_row,
                                     pair_line};

    return show(client, context, PDM_ADMIN_PAIRS, put_page, NULL, &view);
}

/* secondaries */

static const char *state_of(const struct pdm_admin_secondary *s)
{
    if (s->barred)
        return "revoked";
    if (!s->listed)
        return "not listed";
    return s->connected ? "connected" : "away";
}

static bool secondary_row(struct pdm_reader *body, void *context)
{
    struct table *table = context;
    struct pdm_admin_secondary s;
    char text[FORMAT_MAX];

    pdm_get_admin_secondary(body, &s);
    table_add(table, "%s", format_address(text, s.address));
    table_add(table, "%s", or_unknown(pdm_side_name(s.side)));
    if (s.group)
        table_add(table, "%u", s.group);
    else
        table_add(table, "-");
    table_add(table, "%s", state_of(&s));
    table_add(table, "%s", format_seconds(text, s.seen_s));
    if (!s.pair) {
        table_add(table, "-");
        table_add(table, "-");
        return true;
    }
    table_add(table, "%" PRIu64, s.epoch);
    table_add(table, "%u", s.generations);
    return true;
}

static bool secondary_line(struct pdm_reader *body, void *context)
{
    struct pdm_admin_secondary s;
    char text[FORMAT_MAX];

    (void)context;
    pdm_get_admin_secondary(body, &s);
    if (body->bad)
        return false;
    struct json j = open_line("secondary");

    json_string(&j, "address", format_address(text, s.address));
    json_string(&j, "side", or_unknown(pdm_side_name(s.side)));
    json_unsigned(&j, "group", s.group);
    json_bool(&j, "connected", s.connected != 0);
    json_bool(&j, "revoked", s.barred != 0);
    json_bool(&j, "listed", s.listed != 0);
    json_unsigned(&j, "seen_s", s.seen_s);
    if (s.pair) {
        json_unsigned(&j, "pair", s.pair);
        json_unsigned(&j, "epoch", s.epoch);
        json_unsigned(&j, "generations", s.generations);
    } else {
        json_null(&j, "pair");
        json_null(&j, "epoch");
        json_null(&j, "generations");
    }
    json_close(&j);
    return true;
}

enum agent_result primary_show_secondaries(struct agent_client *client,
                                           const struct pdmctl_context *context)
{
    static const char *const headings[] = {
        "ADDRESS", "SIDE", ">GROUP", "STATE", ">SEEN AGO", ">EPOCH", ">GENERATIONS",
    };
    static const struct view view = {headings, sizeof(headings) / sizeof(headings[0]),
                                     secondary_row, secondary_line};

    return show(client, context, PDM_ADMIN_SECONDARIES, put_page, NULL, &view);
}

/* list */

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
    table_add(wanted->table, "%s", or_unknown(pdm_side_name(wanted->side)));
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
    struct json j = open_line("entry");

    json_unsigned(&j, "pair", wanted->pair);
    json_string(&j, "side", or_unknown(pdm_side_name(wanted->side)));
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
    enum agent_result result =
        agent_list_of(client, PDM_ADMIN_PAIRS, put_page, NULL, find_pair, &search);

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
