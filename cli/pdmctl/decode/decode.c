/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in, reports out. */
#include "cli/pdmctl/decode/decode.h"

#include <err.h>
#include <sodium.h>

#include "cli/pdmctl/decode/disclosure.h"
#include "cli/pdmctl/decode/packet.h"

static bool has_anything(const struct side *side)
{
    for (size_t i = 0; i < SIDE_COUNTER_COUNT; i++) {
        if (side->counter[i] > 0)
            return true;
    }
    return false;
}

static void ended(void *arg, const struct conversation *c)
{
    const struct decoder *d = arg;

    for (unsigned from = 0; from < 2; from++) {
        if (has_anything(&c->side[from]))
            d->report->side(c, from);
    }
}

bool decoder_init(struct decoder *d, const struct secrets *secrets, size_t most)
{
    uint64_t seed;

    randombytes_buf(&seed, sizeof(seed));
    if (!opener_init(&d->opener, secrets))
        return false;
    d->conversations = conversations_new(most, seed, ended, d);
    if (d->conversations == NULL)
        warn("no memory for conversations");
    return d->conversations != NULL;
}

static struct conversation *conversation_of(struct decoder *d, const struct packet *packet,
                                            int64_t time_ns, unsigned *from)
{
    struct conversation *c = conversations_of(d->conversations, &packet->tuple, true, from);

    if (!c->begun) {
        c->begun = true;
        c->first_ns = time_ns;
        d->totals.conversations++;
    }
    c->last_ns = time_ns;
    return c;
}

static enum option_status count_faulty(struct side *side, enum packet_status status)
{
    switch (status) {
    case PACKET_BAD_VERSION:
        side->counter[SIDE_bad_version]++;
        return OPTION_BAD_VERSION;
    case PACKET_REPEATED:
        side->counter[SIDE_repeated]++;
        return OPTION_REPEATED;
    default:
        side->counter[SIDE_malformed]++;
        return OPTION_MALFORMED;
    }
}

static bool was_opened(const struct seen_option *seen)
{
    return seen->found != NULL && seen->found->format == PDM_FORMAT_ENCRYPTED &&
           seen->status != OPTION_NOT_DECRYPTED;
}

static void take_option(struct decoder *d, struct packet *packet, enum packet_status status,
                        int64_t time_ns)
{
    struct seen_option seen = {.time_ns = time_ns, .tuple = packet->tuple};
    unsigned from;
    struct conversation *c = conversation_of(d, packet, time_ns, &from);

    d->totals.with_option++;
    if (status == PACKET_OPTION) {
        seen.found = &packet->found;
        seen.status = conversation_option(c, from, &d->opener, &packet->found, time_ns, &seen.kri);
    } else {
        seen.status = count_faulty(&c->side[from], status);
    }
    if (d->verbose)
        d->report->option(&seen);
    if (d->disclosure != NULL && was_opened(&seen))
        disclosure_add(d->disclosure, &seen.tuple, seen.found, seen.kri);
}

static void take_plain(struct decoder *d, const struct packet *packet)
{
    unsigned from;
    struct conversation *c = conversations_of(d->conversations, &packet->tuple, false, &from);

    if (c != NULL)
        conversation_plain(c, from);
}

void decoder_frame(struct decoder *d, link_strip *strip, const uint8_t *bytes, size_t len,
                   int64_t time_ns)
{
    struct pdm_reader frame = pdm_reader(bytes, len);
    struct packet packet;

    d->totals.packets++;
    if (!strip(&frame)) {
        d->totals.cut += frame.bad;
        return;
    }
    enum packet_status status =
        packet_walk(frame.at, frame.left, d->opener.secrets->option_type, &packet);

    switch (status) {
    case PACKET_FRAGMENT:
        d->totals.fragments++;
        break;
    case PACKET_CUT:
        d->totals.cut++;
        break;
    case PACKET_BROKEN:
        d->totals.broken++;
        break;
    case PACKET_PLAIN:
        take_plain(d, &packet);
        break;
    default:
        take_option(d, &packet, status, time_ns);
    }
}

void decoder_end(struct decoder *d)
{
    conversations_end(d->conversations);
    d->totals.evicted = conversations_evicted(d->conversations);
    d->report->end(&d->totals);
}

void decoder_free(struct decoder *d)
{
    conversations_free(d->conversations);
    opener_free(&d->opener);
}
