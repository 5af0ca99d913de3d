/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf -C and pdmperf -s say to each other. */
#include "cli/pdmperf/net/message.h"

#define BITS 8

PDM_DEFINE_BODY(net_test, NET_TEST_BODY)
PDM_DEFINE_BODY(net_greeting, NET_GREETING_BODY)
PDM_DEFINE_BODY(net_entry, NET_ENTRY_BODY)

enum net_framing net_frame_take(const uint8_t *octets, size_t len, enum net_type *type,
                                struct pdm_reader *body, size_t *used)
{
    struct pdm_reader r = pdm_reader(octets, len);
    uint8_t version = pdm_read_u8(&r);

    *type = pdm_read_u8(&r);
    size_t body_len = pdm_read_u16(&r);

    if ((len > 0 && version != NET_VERSION) || body_len > NET_BODY_MAX)
        return NET_FRAME_BAD;
    const uint8_t *span = pdm_read_span(&r, body_len);

    if (r.bad)
        return NET_FRAME_PART;
    *body = pdm_reader(span, body_len);
    *used = NET_HEADER_LEN + body_len;
    return NET_FRAME_WHOLE;
}

void net_frame_put(struct pdm_writer *w, enum net_type type, size_t body_len)
{
    pdm_write_u8(w, NET_VERSION);
    pdm_write_u8(w, (uint8_t)type);
    pdm_write_u16(w, (uint16_t)body_len);
}

static bool is_whole(const struct pdm_reader *r)
{
    return !r->bad && r->left == 0;
}

bool net_test_take(struct pdm_reader *body, struct pdm_net_test *test)
{
    pdm_get_net_test(body, test);
    return is_whole(body);
}

int64_t net_test_pace(const struct pdm_net_test *t)
{
    if (t->rate == 0)
        return 0;
    int64_t pace = (int64_t)((uint64_t)t->block * BITS * PDM_NSEC_PER_SEC / t->rate);

    return pace > 0 ? pace : 1;
}

static bool sizes_allowed(const struct pdm_net_test *t)
{
    uint32_t least = t->udp ? NET_DATAGRAM_LEN : 1;
    uint32_t most = t->udp ? NET_PAYLOAD_MAX : NET_BLOCK_MAX;

    if (t->kind == NET_BULK)
        return t->block >= least && t->block <= most;
    return t->request >= least && t->request <= NET_PAYLOAD_MAX && t->answer >= least &&
           t->answer <= NET_PAYLOAD_MAX;
}

static bool kind_allowed(const struct pdm_net_test *t)
{
    if (t->udp > 1 || t->probe > 1 || t->direction > NET_BOTH)
        return false;
    if (t->kind == NET_TRANSACTIONS)
        return t->direction == NET_FORWARD && t->rate == 0;
    return t->kind == NET_BULK &&
           (t->rate == 0 || (t->rate >= NET_RATE_MIN && t->rate <= NET_RATE_MAX));
}

bool net_test_allowed(const struct pdm_net_test *t)
{
    return kind_allowed(t) && sizes_allowed(t) && t->streams >= 1 &&
           t->streams <= NET_STREAMS_MAX && t->duration <= NET_TIME_MAX &&
           t->omit <= NET_TIME_MAX && t->think <= NET_PAUSE_MAX &&
           net_test_pace(t) <= NET_PAUSE_MAX && t->amount <= NET_AMOUNT_MAX &&
           (t->amount != 0 || t->duration != 0);
}

bool net_greeting_take(struct pdm_reader *body, struct pdm_net_greeting *greeting)
{
    pdm_get_net_greeting(body, greeting);
    return is_whole(body);
}

/* Times are signed elsewhere, and those of all streams are added up: no sum may overflow. */
static bool is_possible(const struct pdm_net_entry *e)
{
    return e->jitter <= NET_TIME_MAX && e->elapsed <= INT64_MAX;
}

bool net_entries_take(struct pdm_reader *body, struct net_entries *entries)
{
    entries->stop = pdm_read_u8(body) != 0;
    entries->count = pdm_read_u16(body);
    if (entries->count > NET_ENTRIES_MAX)
        return false;
    for (unsigned i = 0; i < entries->count; i++) {
        pdm_get_net_entry(body, &entries->at[i]);
        if (!is_possible(&entries->at[i]))
            return false;
    }
    return is_whole(body);
}

void net_entries_put(struct pdm_writer *w, const struct net_entries *entries)
{
    pdm_write_u8(w, entries->stop);
    pdm_write_u16(w, (uint16_t)entries->count);
    for (unsigned i = 0; i < entries->count; i++)
        pdm_put_net_entry(w, &entries->at[i]);
}

bool net_datagram_take(const uint8_t *octets, size_t len, struct net_datagram *datagram)
{
    struct pdm_reader r = pdm_reader(octets, len);
    uint8_t version = pdm_read_u8(&r);

    datagram->type = pdm_read_u8(&r);
    uint16_t none = pdm_read_u16(&r);

    datagram->number = pdm_read_u64(&r);
    datagram->sent = (int64_t)pdm_read_u64(&r);
    return !r.bad && version == NET_VERSION && none == 0 && datagram->type >= NET_DATA &&
           datagram->type <= NET_ANSWER;
}

void net_datagram_put(uint8_t *octets, const struct net_datagram *datagram)
{
    struct pdm_writer w = pdm_writer(octets, NET_DATAGRAM_LEN);

    net_frame_put(&w, datagram->type, 0);
    pdm_write_u64(&w, datagram->number);
    pdm_write_u64(&w, (uint64_t)datagram->sent);
}

const char *net_refusal_text(unsigned refusal)
{
    static const char *const texts[] = {
        [NET_BUSY] = "the server has as many clients as it takes",
        [NET_VERSION_UNKNOWN] = "the server speaks another version: use the same release",
        [NET_TOO_MUCH] = "the server does not allow such a test",
        [NET_OUT_OF_TURN] = "the server did not expect that message",
        [NET_STALLED] = "the server heard nothing for too long",
        [NET_ENDED] = "the server was ended",
    };

    if (refusal >= sizeof(texts) / sizeof(texts[0]) || texts[refusal] == NULL)
        return "the server refuses and does not say why";
    return texts[refusal];
}

unsigned net_stream_count(const struct pdm_net_test *test)
{
    return (test->direction == NET_BOTH ? 2U : 1U) * test->streams + test->probe;
}
