/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary secondaries: the hosts that are enrolled. */
#include <inttypes.h>

#include "cli/pdmctl/line.h"
#include "cli/pdmctl/primary_inside.h"

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
    table_add(table, "%s", primary_or_unknown(pdm_side_name(s.side)));
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
    struct json j = line_open("secondary");

    json_string(&j, "address", format_address(text, s.address));
    json_string(&j, "side", primary_or_unknown(pdm_side_name(s.side)));
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
    static const struct primary_view view = {headings, sizeof(headings) / sizeof(headings[0]),
                                             secondary_row, secondary_line};

    return primary_show_as(client, context, PDM_ADMIN_SECONDARIES, &view);
}
