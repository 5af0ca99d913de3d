/* SPDX-License-Identifier: BSD-2-Clause */
/* decode -j: JSON Lines, by conf/schema/pdmctl-decode-1.json. Times are integers in nanoseconds. */
#include <stddef.h>

#include "cli/json.h"
#include "cli/pdmctl/decode/report.h"
#include "cli/pdmctl/format.h"

static struct json open_line(const char *type)
{
    struct json j = json_open();

    json_string(&j, "schema", DECODE_SCHEMA);
    json_string(&j, "type", type);
    return j;
}

static void put_flow(struct json *j, const struct pdm_tuple *t)
{
    char text[FORMAT_MAX];

    json_string(j, "from", format_endpoint(text, t->saddr, t->sport));
    json_string(j, "to", format_endpoint(text, t->daddr, t->dport));
    json_string(j, "protocol", format_protocol(text, t->proto));
}

static void put_fields(struct json *j, const struct pdm_fields *fields)
{
    json_unsigned(j, "psntp", fields->psntp);
    json_unsigned(j, "psnlr", fields->psnlr);
    json_unsigned(j, "scale_dtlr", fields->dtlr.scale);
    json_unsigned(j, "delta_tlr", fields->dtlr.value);
    json_signed(j, "delta_tlr_ns", pdm_delta_to_ns(fields->dtlr));
    json_unsigned(j, "scale_dtls", fields->dtls.scale);
    json_unsigned(j, "delta_tls", fields->dtls.value);
    json_signed(j, "delta_tls_ns", pdm_delta_to_ns(fields->dtls));
}

static void option(const struct seen_option *seen)
{
    struct json j = open_line("option");

    json_signed(&j, "time_ns", seen->time_ns);
    put_flow(&j, &seen->tuple);
    json_string(&j, "status", report_option_status(seen->status));
    if (seen->found != NULL) {
        json_string(&j, "protect", format_protect((uint8_t)seen->found->format));
        if (seen->found->format != PDM_FORMAT_RFC8250) {
            json_unsigned(&j, "prseq", seen->found->fields.prseq);
            json_unsigned(&j, "f", seen->found->fields.f);
        }
    }
    if (report_has_fields(seen)) {
        if (seen->found->format == PDM_FORMAT_ENCRYPTED)
            json_unsigned(&j, "kri", seen->kri);
        if (seen->found->format != PDM_FORMAT_RFC8250)
            json_unsigned(&j, "global_pointer", seen->found->fields.global_pointer);
        put_fields(&j, &seen->found->fields);
    }
    json_close(&j);
}

static void side(const struct conversation *c, unsigned from)
{
    static const char *const names[] = {
#define COUNTER_NAME(name, meaning) #name,
        SIDE_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
    };
    const struct side *s = &c->side[from];
    const struct pdm_tuple tuple = conversation_tuple(c, from);
    struct json j = open_line("flow");

    put_flow(&j, &tuple);
    if (s->has_format)
        json_string(&j, "protect", format_protect(s->format));
    else
        json_null(&j, "protect");
    json_signed(&j, "first_ns", c->first_ns);
    json_signed(&j, "last_ns", c->last_ns);
    delay_json(&j, "network_delay", &s->network);
    delay_json(&j, "server_delay", &s->server);
    delay_json(&j, "beyond_delay", &s->beyond);
    for (size_t i = 0; i < SIDE_COUNTER_COUNT; i++)
        json_unsigned(&j, names[i], s->counter[i]);
    json_close(&j);
}

static void end(const struct capture_totals *totals)
{
    struct json j = open_line("capture");

    json_bool(&j, "complete", totals->complete);
#define PUT_COUNTER(name, meaning) json_unsigned(&j, #name, totals->name);
    CAPTURE_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
    json_close(&j);
}

const struct report report_json = {option, side, end};
