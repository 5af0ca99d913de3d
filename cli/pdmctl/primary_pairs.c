/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary pairs: the agreements with peers. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/pdmctl/line.h"
#include "cli/pdmctl/primary_inside.h"
#include "core/suite.h"

/* A mode, and what goes with some. */
static char *format_mode(char out[static FORMAT_MAX], const struct pdm_admin_pair *p)
{
    const char *more = p->secmop == PDM_SECMOP_ASYMMETRIC_POLL ? pdm_side_name(p->poller)
                       : p->secmop == PDM_SECMOP_NONE ? pdm_unprotected_name(p->unprotected)
                                                      : NULL;

    (void)snprintf(out, FORMAT_MAX, "%s%s%s%s", primary_or_unknown(pdm_secmop_name(p->secmop)),
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
    table_add(table, "%s", primary_or_unknown(pdm_side_name(p.side)));
    table_add(table, "%s", p.connected ? "yes" : "no");
    table_add(table, "%s", format_mode(text, &p));
    table_add(table, "%" PRIu64, p.entries);
    if (!p.has_secret) {
        for (int column = 0; column < 5; column++)
            table_add(table, "-");
        return true;
    }
    table_add(table, "%s/%s/%s", primary_or_unknown(pdm_kem_name(p.kem)),
              primary_or_unknown(pdm_kdf_name(p.kdf)), primary_or_unknown(pdm_aead_name(p.aead)));
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
    json_string(j, "kem", primary_or_unknown(pdm_kem_name(p->kem)));
    json_string(j, "kdf", primary_or_unknown(pdm_kdf_name(p->kdf)));
    json_string(j, "aead", primary_or_unknown(pdm_aead_name(p->aead)));
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
    struct json j = line_open("pair");

    json_string(&j, "name", format_name(name, p.name));
    json_unsigned(&j, "pair", p.pair);
    json_string(&j, "side", primary_or_unknown(pdm_side_name(p.side)));
    json_bool(&j, "connected", p.connected != 0);
    json_string(&j, "mode", primary_or_unknown(pdm_secmop_name(p.secmop)));
    json_string(&j, "poller", primary_or_unknown(pdm_side_name(p.poller)));
    json_string(&j, "unprotected", primary_or_unknown(pdm_unprotected_name(p.unprotected)));
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
    static const struct primary_view view = {headings, sizeof(headings) / sizeof(headings[0]),
                                             pair_row, pair_line};

    return primary_show_as(client, context, PDM_ADMIN_PAIRS, &view);
}
