/* SPDX-License-Identifier: BSD-2-Clause */
/* decode for people: a line for each option with -v, a row for each flow. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/pdmctl/decode/report.h"
#include "cli/pdmctl/format.h"
#include "core/limits.h"

/*
 * Rows are printed as conversations end, before all are known: so the columns are as wide as what
 * they usually hold, and a longer text moves the rest of its line.
 */
#define HEAD_FORMAT "%-27s %-27s %-6s %-9s %7s %9s %6s %9s %6s %9s %6s %5s %5s %5s %5s %5s  %s\n"

static void print_fields(const struct seen_option *seen)
{
    const struct pdm_fields *fields = &seen->found->fields;
    char dtlr[FORMAT_MAX], dtls[FORMAT_MAX];

    if (seen->found->format == PDM_FORMAT_ENCRYPTED)
        printf(" kri=%" PRIu64, seen->kri);
    if (seen->found->format != PDM_FORMAT_RFC8250)
        printf(" gp=%" PRIu32, fields->global_pointer);
    printf(" psntp=%u psnlr=%u dtlr=%s dtls=%s ms", fields->psntp, fields->psnlr,
           format_ms(dtlr, pdm_delta_to_ns(fields->dtlr)),
           format_ms(dtls, pdm_delta_to_ns(fields->dtls)));
}

static void option(const struct seen_option *seen)
{
    const struct pdm_tuple *t = &seen->tuple;
    char from[FORMAT_MAX], to[FORMAT_MAX], protocol[FORMAT_MAX];

    printf("%" PRId64 ".%09" PRId64 " %s > %s %s", seen->time_ns / (int64_t)PDM_NSEC_PER_SEC,
           seen->time_ns % (int64_t)PDM_NSEC_PER_SEC, format_endpoint(from, t->saddr, t->sport),
           format_endpoint(to, t->daddr, t->dport), format_protocol(protocol, t->proto));
    if (seen->found != NULL) {
        printf(" %s", format_protect((uint8_t)seen->found->format));
        if (seen->found->format != PDM_FORMAT_RFC8250)
            printf(" prseq=%u f=%u", seen->found->fields.prseq, seen->found->fields.f);
    }
    if (report_has_fields(seen))
        print_fields(seen);
    if (seen->status != OPTION_READ)
        printf(" (%s)", report_option_status(seen->status));
    putchar('\n');
}

static void print_head(void)
{
    static bool printed;

    if (printed)
        return;
    printed = true;
    printf(HEAD_FORMAT, "FROM", "TO", "PROTO", "PROTECT", "OPTIONS", "NET/ms", "NET#", "SRV/ms",
           "SRV#", "BEYOND/ms", "BEY#", "LOST", "REORD", "DUP", "NOKEY", "BAD", "NOTES");
}

static void print_delay(const struct delay *d)
{
    char text[FORMAT_MAX];

    printf(" %9s %6" PRIu64, d->samples > 0 ? format_ms(text, delay_mean(d)) : "n/a", d->samples);
}

/* What was left out of the delays, and why. */
static void print_notes(const uint64_t *counter)
{
    static const struct {
        enum side_counter counter;
        const char *name;
    } notes[] = {{SIDE_overlapped, "overlapped"},
                 {SIDE_imprecise, "imprecise"},
                 {SIDE_negative, "NEGATIVE"},
                 {SIDE_outside_window, "outside window"}};
    const char *before = "  ";

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        if (counter[notes[i].counter] > 0) {
            printf("%s%" PRIu64 " %s", before, counter[notes[i].counter], notes[i].name);
            before = ", ";
        }
    }
    putchar('\n');
}

static void side(const struct conversation *c, unsigned from)
{
    const struct side *s = &c->side[from];
    const uint64_t *counter = s->counter;
    const struct pdm_tuple t = conversation_tuple(c, from);
    char text[FORMAT_MAX];

    print_head();
    printf("%-27s", format_endpoint(text, t.saddr, t.sport));
    printf(" %-27s", format_endpoint(text, t.daddr, t.dport));
    printf(" %-6s", format_protocol(text, t.proto));
    printf(" %-9s %7" PRIu64, s->has_format ? format_protect(s->format) : "?",
           counter[SIDE_options]);
    print_delay(&s->network);
    print_delay(&s->server);
    print_delay(&s->beyond);
    printf(" %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64, counter[SIDE_lost],
           counter[SIDE_reordered], counter[SIDE_duplicates], counter[SIDE_not_decrypted],
           counter[SIDE_malformed] + counter[SIDE_bad_version] + counter[SIDE_repeated] +
               counter[SIDE_wrong_format]);
    print_notes(counter);
}

static void print_if_any(uint64_t count, const char *what)
{
    if (count > 0)
        printf(", %" PRIu64 " %s", count, what);
}

static void end(const struct capture_totals *totals)
{
    printf("%" PRIu64 " packets, %" PRIu64 " with an option, %" PRIu64 " conversations",
           totals->packets, totals->with_option, totals->conversations);
    print_if_any(totals->evicted, "ended for want of room");
    print_if_any(totals->fragments, "later fragments");
    print_if_any(totals->cut, "cut off by the capture");
    print_if_any(totals->broken, "with headers behind their end");
    putchar('\n');
}

const struct report report_text = {option, side, end};
