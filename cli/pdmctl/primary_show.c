/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary: what a primary knows, as tables or as JSON Lines. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/pdmctl/line.h"
#include "cli/pdmctl/primary_inside.h"

const char *primary_or_unknown(const char *name)
{
    return name ? name : "?";
}

enum agent_result primary_show_as(struct agent_client *client, const struct pdmctl_context *context,
                                  uint8_t type, const struct primary_view *view)
{
    if (context->json)
        return agent_list(client, type, view->line, NULL);
    struct table table = table_new(view->headings, view->columns);
    enum agent_result result = agent_list(client, type, view->row, &table);

    if (result == AGENT_ANSWERED && !table_print(&table))
        result = AGENT_FAILED;
    table_free(&table);
    return result;
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
    struct json j = line_open("primary");

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
