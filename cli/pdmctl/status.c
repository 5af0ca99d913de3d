/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl status: the agent and its associations. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/agent_client.h"
#include "cli/pdmctl/format.h"
#include "cli/pdmctl/line.h"
#include "cli/pdmctl/pdmctl.h"
#include "cli/pdmctl/table.h"
#include "core/registration.h"
#include "core/suite.h"

static const char *const headings[] = {
    "ASSOCIATION", "MODE", ">EPOCH", "PROTECT", "AEAD",
    "LOCAL",       "PEER", ">LEFT",  ">FLOWS",  ">GENERATION",
};

enum { COLUMNS = sizeof(headings) / sizeof(headings[0]) };

static const char *aead_of(const struct pdm_association *a)
{
    const char *name = a->format == PDM_FORMAT_ENCRYPTED ? pdm_aead_name(a->aead) : NULL;

    return name ? name : "-";
}

/* What the primaries agreed on; an association that has none has its secret from a key file. */
static const char *mode_of(const struct pdm_association *a)
{
    const char *name = a->enrolled ? pdm_secmop_name(a->secmop) : "psk";

    return name ? name : "?";
}

static bool association_row(struct pdm_reader *body, void *context)
{
    struct table *table = context;
    struct pdm_association a;
    char name[PDM_NAME_MAX];
    char text[FORMAT_MAX];

    pdm_get_association(body, &a);
    table_add(table, "%s", format_name(name, a.name));
    table_add(table, "%s", mode_of(&a));
    if (a.has_epoch)
        table_add(table, "%" PRIu64, a.epoch);
    else
        table_add(table, "-");
    table_add(table, "%s", format_protect(a.format));
    table_add(table, "%s", aead_of(&a));
    table_add(table, "%s", format_prefix(text, a.local, a.local_len));
    table_add(table, "%s", format_prefix(text, a.peer, a.peer_len));
    if (a.remaining_ms == UINT64_MAX)
        table_add(table, "unlimited");
    else
        table_add(table, "%s", a.remaining_ms ? format_duration(text, a.remaining_ms) : "ended");
    table_add(table, "%u", a.flows);
    if (a.has_generation)
        table_add(table, "%u", a.generation);
    else
        table_add(table, "-");
    return true;
}

static bool association_line(struct pdm_reader *body, void *context)
{
    struct pdm_association a;
    char name[PDM_NAME_MAX];
    char text[FORMAT_MAX];

    (void)context;
    pdm_get_association(body, &a);
    if (body->bad)
        return false;
    struct json j = line_open("association");

    json_string(&j, "name", format_name(name, a.name));
    json_unsigned(&j, "association", a.association);
    json_string(&j, "mode", mode_of(&a));
    if (a.has_epoch)
        json_unsigned(&j, "epoch", a.epoch);
    else
        json_null(&j, "epoch");
    json_string(&j, "protect", format_protect(a.format));
    if (a.format == PDM_FORMAT_ENCRYPTED)
        json_string(&j, "aead", aead_of(&a));
    else
        json_null(&j, "aead");
    json_string(&j, "local", format_prefix(text, a.local, a.local_len));
    json_string(&j, "peer", format_prefix(text, a.peer, a.peer_len));
    if (a.remaining_ms == UINT64_MAX)
        json_null(&j, "remaining_ms");
    else
        json_unsigned(&j, "remaining_ms", a.remaining_ms);
    json_unsigned(&j, "flows", a.flows);
    if (a.has_generation)
        json_unsigned(&j, "generation", a.generation);
    else
        json_null(&j, "generation");
    json_close(&j);
    return true;
}

static void agent_text(const char *path, const struct pdm_status_reply *s)
{
    char text[FORMAT_MAX];

    printf("agent     %s, pid %u, up %s\n", path, s->pid, format_duration(text, s->uptime_ms));
    printf("flows     %u of at most %u\n", s->flows, s->flows_max);
    printf("ledger    %u of at most %u entries, %" PRIu64 " leases granted\n", s->ledger,
           s->ledger_max, s->leases);
    printf("requests  %" PRIu64 ", %" PRIu64 " refused\n", s->requests, s->refused);
    printf("searches  %" PRIu64 ", %" PRIu64 " found\n", s->searches, s->searches_found);
    printf("paths     %u known, %" PRIu64 " probes sent\n", s->paths, s->probes);
    if (s->host_drops)
        printf("warning   this host drops packets with options (net.ipv6.max_dst_opts_number, "
               "_length)\n");
    printf("packets   %u global, %u link-local (Global Pointers)\n\n", s->global_pointer_global,
           s->global_pointer_link_local);
}

static void agent_line(const char *path, const struct pdm_status_reply *s)
{
    struct json j = line_open("agent");

    json_string(&j, "socket", path);
    json_unsigned(&j, "pid", s->pid);
    json_unsigned(&j, "uptime_ms", s->uptime_ms);
    json_unsigned(&j, "epoch", s->epoch);
    json_unsigned(&j, "associations", s->associations);
    json_unsigned(&j, "flows", s->flows);
    json_unsigned(&j, "flows_max", s->flows_max);
    json_unsigned(&j, "ledger", s->ledger);
    json_unsigned(&j, "ledger_max", s->ledger_max);
    json_unsigned(&j, "requests", s->requests);
    json_unsigned(&j, "refused", s->refused);
    json_unsigned(&j, "leases", s->leases);
    json_unsigned(&j, "searches", s->searches);
    json_unsigned(&j, "searches_found", s->searches_found);
    json_unsigned(&j, "paths", s->paths);
    json_unsigned(&j, "probes", s->probes);
    json_bool(&j, "host_drops_options", s->host_drops != 0);
    json_unsigned(&j, "global_pointer_link_local", s->global_pointer_link_local);
    json_unsigned(&j, "global_pointer_global", s->global_pointer_global);
    json_close(&j);
}

enum pdmctl_exit pdmctl_status(const struct pdmctl_context *context)
{
    static struct agent_client client;
    struct pdm_status_reply status;

    if (!agent_client_init(&client, context->socket))
        return PDMCTL_USAGE;
    enum agent_result result = agent_status(&client, &status);

    if (result != AGENT_ANSWERED)
        return pdmctl_exit_for(result);
    if (context->json) {
        agent_line(client.path, &status);
        result = agent_list(&client, PDM_ASSOCIATIONS, association_line, NULL);
        return pdmctl_exit_for(result);
    }
    struct table table = table_new(headings, COLUMNS);

    agent_text(client.path, &status);
    result = agent_list(&client, PDM_ASSOCIATIONS, association_row, &table);
    bool printed = result != AGENT_ANSWERED || table_print(&table);

    table_free(&table);
    return printed ? pdmctl_exit_for(result) : PDMCTL_FAILED;
}
