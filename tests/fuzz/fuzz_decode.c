/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures from anybody: frames of any link through the packet walk into the table of
 * conversations, which is small, so that some are evicted. What is told of adds up. The input is
 * the link's place in a list, and then frames: length (2 octets), nanoseconds since the frame
 * before (4), octets.
 */
#include <pcap/dlt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/pdmctl/decode/decode.h"
#include "core/cursor.h"

enum { CONVERSATIONS = 4 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const int links[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW,
                            DLT_IPV6,   DLT_NULL,      DLT_LOOP};

static struct {
    uint64_t options, good, duplicates;
} told;

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(sodium_init() >= 0 && freopen("/dev/null", "w", stdout) != NULL);
    return 0;
}

static void option(const struct seen_option *seen)
{
    told.options++;
    told.good += seen->status == OPTION_READ;
    told.duplicates += seen->status == OPTION_DUPLICATE;
    report_text.option(seen);
    report_json.option(seen);
}

static void check_delay(const struct delay *d, uint64_t most)
{
    must(d->samples <= most);
    if (d->samples > 0)
        must(d->min <= d->last && d->last <= d->max && d->min <= delay_mean(d) &&
             delay_mean(d) <= d->max);
}

static void side(const struct conversation *c, unsigned from)
{
    const struct side *s = &c->side[from];
    uint64_t answers = c->side[!from].counter[SIDE_options];

    check_delay(&s->network, s->counter[SIDE_options]);
    check_delay(&s->server, answers);
    check_delay(&s->beyond, answers);
    told.good -= s->counter[SIDE_options];
    told.duplicates -= s->counter[SIDE_duplicates];
    report_text.side(c, from);
    report_json.side(c, from);
}

/* Each option was counted once, in a conversation that ended. */
static void end(const struct capture_totals *totals)
{
    must(told.options == totals->with_option && told.good == 0 && told.duplicates == 0);
    must(totals->with_option + totals->fragments + totals->cut + totals->broken <= totals->packets);
    report_text.end(totals);
    report_json.end(totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct report report = {option, side, end};
    const struct secrets none = secrets_none();
    struct decoder d = {.report = &report, .verbose = true};
    struct pdm_reader r = pdm_reader(data, len);
    link_strip *strip = link_for(links[pdm_read_u8(&r) % (sizeof(links) / sizeof(links[0]))]);
    int64_t now = 0;

    told.options = told.good = told.duplicates = 0;
    must(strip != NULL && decoder_init(&d, &none, CONVERSATIONS));
    while (!r.bad && r.left > 0) {
        size_t size = pdm_read_u16(&r);

        now += pdm_read_u32(&r);
        if (size > r.left)
            size = r.left;
        /* A copy of its own size, for the sanitizer to see where it ends. */
        uint8_t *frame = malloc(size > 0 ? size : 1);

        must(frame != NULL);
        pdm_read_bytes(&r, frame, size);
        decoder_frame(&d, strip, frame, size, now);
        free(frame);
    }
    decoder_end(&d);
    decoder_free(&d);
    return 0;
}
