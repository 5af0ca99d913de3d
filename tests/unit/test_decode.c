/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl decode without files: link types, chains of headers, what is measured, keys, eviction. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <sodium.h>
#include <string.h>

#include "cli/pdmctl/decode/decode.h"
#include "cli/pdmctl/decode/packet.h"
#include "core/keys.h"
#include "core/seal.h"

enum {
    PACKET_MAX = 512,
    IPV6_HEADER = 40,
    CLIENT_PORT = 4242,
    SERVER_PORT = 7,
};

static void set_up(void)
{
    cr_assert(sodium_init() >= 0);
}

#define MS PDM_NSEC_PER_MSEC
#define SECOND PDM_NSEC_PER_SEC

TestSuite(decode, .init = set_up, .timeout = 60);

/* --- packets --- */

struct made {
    uint8_t bytes[PACKET_MAX];
    size_t len;
    size_t next; /* where the kind of what follows stands */
};

/* From 2001:db8::FROM to 2001:db8::TO, without anything behind the header yet. */
static struct made packet_begin(uint8_t from, uint8_t to)
{
    struct made p = {.len = IPV6_HEADER, .next = 6};

    p.bytes[0] = 0x60;
    p.bytes[7] = 64;
    memcpy(p.bytes + 8, "\x20\x01\x0d\xb8", 4);
    memcpy(p.bytes + 24, "\x20\x01\x0d\xb8", 4);
    p.bytes[23] = from;
    p.bytes[39] = to;
    return p;
}

static void set_length(struct made *p)
{
    p->bytes[4] = (uint8_t)((p->len - IPV6_HEADER) >> 8);
    p->bytes[5] = (uint8_t)(p->len - IPV6_HEADER);
}

/* A header of KIND whose first octet is the kind of the next. */
static void add_header(struct made *p, uint8_t kind, const void *header, size_t len)
{
    cr_assert(p->len + len <= sizeof(p->bytes));
    p->bytes[p->next] = kind;
    p->next = p->len;
    memcpy(p->bytes + p->len, header, len);
    p->len += len;
    set_length(p);
}

static void add_option(struct made *p, const uint8_t *option, enum pdm_format format)
{
    uint8_t header[PDM_HEADER_MAX];

    add_header(p, IPPROTO_DSTOPTS, header, pdm_header_wrap(format, option, header));
}

static void add_udp(struct made *p, uint16_t sport, uint16_t dport)
{
    const uint8_t udp[8] = {(uint8_t)(sport >> 8),
                            (uint8_t)sport,
                            (uint8_t)(dport >> 8),
                            (uint8_t)dport,
                            0,
                            sizeof(udp)};

    p->bytes[p->next] = IPPROTO_UDP;
    memcpy(p->bytes + p->len, udp, sizeof(udp));
    p->len += sizeof(udp);
    set_length(p);
}

static const struct pdm_fields some = {.psntp = 25, .psnlr = 12};

static struct made packet_with(unsigned options)
{
    struct made p = packet_begin(1, 2);
    uint8_t option[PDM_OPTION_MAX];

    (void)pdm_option_write(PDM_FORMAT_PLAIN, PDM_OPTION_TYPE, &some, option);
    for (unsigned i = 0; i < options; i++)
        add_option(&p, option, PDM_FORMAT_PLAIN);
    add_udp(&p, CLIENT_PORT, SERVER_PORT);
    return p;
}

static enum packet_status walk(const struct made *p, size_t len, struct packet *packet)
{
    *packet = (struct packet){0};
    return packet_walk(p->bytes, len, PDM_OPTION_TYPE, packet);
}

Test(decode, an_option_and_its_flow)
{
    const struct made p = packet_with(1);
    struct packet packet;

    cr_assert_eq(walk(&p, p.len, &packet), PACKET_OPTION);
    cr_expect_eq(packet.tuple.saddr[15], 1);
    cr_expect_eq(packet.tuple.daddr[15], 2);
    cr_expect_eq(packet.tuple.sport, CLIENT_PORT);
    cr_expect_eq(packet.tuple.dport, SERVER_PORT);
    cr_expect_eq(packet.tuple.proto, IPPROTO_UDP);
    cr_expect_eq(packet.found.fields.psntp, some.psntp);
}

Test(decode, two_headers_with_an_option_are_repeated)
{
    const struct made p = packet_with(2);
    struct packet packet;

    cr_expect_eq(walk(&p, p.len, &packet), PACKET_REPEATED);
}

/* Each kind of header that may stand before ours, and after it. */
Test(decode, chains_of_headers)
{
    static const uint8_t headers[][16] = {
        {0, 0, 1, 4}, {0, 1, 0, 0}, {0, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 1, 4}};
    static const struct {
        uint8_t kind;
        uint8_t size;
    } kinds[] = {{IPPROTO_HOPOPTS, 8},
                 {IPPROTO_ROUTING, 16},
                 {IPPROTO_FRAGMENT, 8},
                 {IPPROTO_AH, 16},
                 {IPPROTO_DSTOPTS, 8}};
    uint8_t option[PDM_OPTION_MAX];
    struct packet packet;

    (void)pdm_option_write(PDM_FORMAT_RFC8250, PDM_OPTION_TYPE, &some, option);
    for (size_t before = 0; before < 2; before++) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            struct made p = packet_begin(1, 2);

            if (before)
                add_header(&p, kinds[i].kind, headers[i], kinds[i].size);
            add_option(&p, option, PDM_FORMAT_RFC8250);
            if (!before)
                add_header(&p, kinds[i].kind, headers[i], kinds[i].size);
            add_udp(&p, CLIENT_PORT, SERVER_PORT);
            cr_expect_eq(walk(&p, p.len, &packet), PACKET_OPTION, "%u", kinds[i].kind);
            cr_expect_eq(packet.tuple.dport, SERVER_PORT, "%u", kinds[i].kind);
        }
    }
}

Test(decode, a_later_fragment_has_nothing)
{
    static const uint8_t later[8] = {IPPROTO_UDP, 0, 0, 8};
    struct made p = packet_begin(1, 2);
    struct packet packet;

    add_header(&p, IPPROTO_FRAGMENT, later, sizeof(later));
    add_udp(&p, CLIENT_PORT, SERVER_PORT);
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_FRAGMENT);
}

/* As a host sees its own, which its device is to cut into segments: RFC 2675. */
Test(decode, a_jumbogram)
{
    static const uint8_t jumbo[8] = {0, 0, 0xc2, 4, 0, 1, 0x11, 0x70};
    uint8_t option[PDM_OPTION_MAX];
    struct made p = packet_begin(1, 2);
    struct packet packet;

    (void)pdm_option_write(PDM_FORMAT_PLAIN, PDM_OPTION_TYPE, &some, option);
    add_header(&p, IPPROTO_HOPOPTS, jumbo, sizeof(jumbo));
    add_option(&p, option, PDM_FORMAT_PLAIN);
    add_udp(&p, CLIENT_PORT, SERVER_PORT);
    p.bytes[4] = p.bytes[5] = 0;
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_OPTION);
    cr_expect_eq(packet.tuple.dport, SERVER_PORT);
    for (size_t len = IPV6_HEADER; len < p.len - 4; len++)
        cr_expect_eq(walk(&p, len, &packet), PACKET_CUT, "%zu", len);
    p.bytes[IPV6_HEADER + 2] = 1; /* padding: then it is none */
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_BROKEN);
}

/* Whatever the capture kept, nothing behind it is read (the sanitizers say) or made up. */
Test(decode, every_truncation_is_cut)
{
    const struct made p = packet_with(1);

    for (size_t len = 0; len < p.len - 4; len++) {
        struct packet packet = {0};
        uint8_t *exact = malloc(len > 0 ? len : 1);

        cr_assert_not_null(exact);
        memcpy(exact, p.bytes, len);
        cr_expect_eq(packet_walk(exact, len, PDM_OPTION_TYPE, &packet), PACKET_CUT, "%zu", len);
        free(exact);
    }
}

/* The packet itself says that it ends before its headers do. */
Test(decode, every_shorter_length_is_broken)
{
    struct made p = packet_with(1);
    struct packet packet;

    for (size_t payload = 0; payload < p.len - IPV6_HEADER - 4; payload++) {
        p.bytes[4] = 0;
        p.bytes[5] = (uint8_t)payload;
        cr_expect_eq(walk(&p, p.len, &packet), PACKET_BROKEN, "%zu", payload);
    }
}

Test(decode, a_header_longer_than_the_packet_is_broken)
{
    struct made p = packet_with(1);
    struct packet packet;

    p.bytes[IPV6_HEADER + 1] = 255;
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_BROKEN);
}

Test(decode, faulty_options_have_a_flow)
{
    struct made p = packet_with(1);
    struct packet packet;

    p.bytes[IPV6_HEADER + 5] = 17; /* the option's length */
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_MALFORMED);
    cr_expect_eq(packet.tuple.dport, SERVER_PORT);
    p.bytes[IPV6_HEADER + 5] = 255;
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_MALFORMED);
    p.bytes[IPV6_HEADER + 5] = 18;
    p.bytes[IPV6_HEADER + 6] = 0x30; /* its version */
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_BAD_VERSION);
    cr_expect_eq(packet.tuple.dport, SERVER_PORT);
}

Test(decode, an_echo_has_its_identifier)
{
    uint8_t echo[8] = {128, 0, 0, 0, 0x12, 0x34};
    struct made p = packet_begin(1, 2);
    struct packet packet;

    add_header(&p, IPPROTO_ICMPV6, echo, sizeof(echo));
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_PLAIN);
    cr_expect_eq(packet.tuple.sport, 0x1234);
    cr_expect_eq(packet.tuple.dport, 0);
    p.bytes[IPV6_HEADER] = 129;
    cr_expect_eq(walk(&p, p.len, &packet), PACKET_PLAIN);
    cr_expect_eq(packet.tuple.sport, 0);
    cr_expect_eq(packet.tuple.dport, 0x1234);
}

/* --- links --- */

static const struct link_case {
    int type;
    const char *header;
    size_t len;
    bool ours;
} link_cases[] = {
    {DLT_EN10MB, "\0\0\0\0\0\0\0\0\0\0\0\0\x86\xdd", 14, true},
    {DLT_EN10MB, "\0\0\0\0\0\0\0\0\0\0\0\0\x08\x00", 14, false},
    {DLT_EN10MB, "\0\0\0\0\0\0\0\0\0\0\0\0\x81\x00\0\x05\x86\xdd", 18, true},
    {DLT_EN10MB, "\0\0\0\0\0\0\0\0\0\0\0\0\x88\xa8\0\x05\x81\x00\0\x06\x86\xdd", 22, true},
    {DLT_LINUX_SLL, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\x86\xdd", 16, true},
    {DLT_LINUX_SLL, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\x08\x06", 16, false},
    {DLT_LINUX_SLL2, "\x86\xdd\0\0\0\0\0\1\0\1\0\6\0\0\0\0\0\0\0\0", 20, true},
    {DLT_LINUX_SLL2, "\x08\x00\0\0\0\0\0\1\0\1\0\6\0\0\0\0\0\0\0\0", 20, false},
    {DLT_RAW, "", 0, true},
    {DLT_IPV6, "", 0, true},
    {DLT_NULL, "\x0a\0\0\0", 4, true},
    {DLT_LOOP, "\0\0\0\x1e", 4, true},
};

Test(decode, links_have_their_headers)
{
    for (size_t i = 0; i < sizeof(link_cases) / sizeof(link_cases[0]); i++) {
        const struct link_case *c = &link_cases[i];
        const struct made p = packet_with(1);
        link_strip *strip = link_for(c->type);
        uint8_t frame[PACKET_MAX];
        struct pdm_reader r = pdm_reader(frame, c->len + p.len);

        cr_assert_not_null(strip);
        memcpy(frame, c->header, c->len);
        memcpy(frame + c->len, p.bytes, p.len);
        cr_expect_eq(strip(&r), c->ours, "%zu", i);
        cr_expect(!r.bad, "%zu", i);
        if (c->ours)
            cr_expect_eq(r.at, frame + c->len, "%zu", i);
        for (size_t cut = 0; cut < c->len; cut++) {
            r = pdm_reader(frame, cut);
            cr_expect(!strip(&r) && r.bad, "%zu of %zu", cut, i);
        }
    }
    cr_expect_null(link_for(DLT_IEEE802_11));
}

/* --- conversations --- */

static struct {
    unsigned sides;
    struct side side[2]; /* of the last conversation that ended */
    struct capture_totals totals;
    unsigned options[OPTION_OUTSIDE_WINDOW + 1];
} told;

static void tell_option(const struct seen_option *seen)
{
    told.options[seen->status]++;
}

static void tell_side(const struct conversation *c, unsigned from)
{
    told.sides++;
    told.side[from] = c->side[from];
}

static void tell_end(const struct capture_totals *totals)
{
    told.totals = *totals;
}

static const struct report teller = {tell_option, tell_side, tell_end};

static struct decoder d;
static struct secrets held;

static void start(size_t most)
{
    memset(&told, 0, sizeof(told));
    d = (struct decoder){.report = &teller, .verbose = true};
    if (held.list == NULL)
        held = secrets_none();
    cr_assert(decoder_init(&d, &held, most));
}

static void finish(void)
{
    decoder_end(&d);
    decoder_free(&d);
    secrets_free(&held);
}

static void send_option(bool from_client, const uint8_t *option, enum pdm_format format, int64_t at)
{
    struct made p = from_client ? packet_begin(1, 2) : packet_begin(2, 1);

    add_option(&p, option, format);
    add_udp(&p, from_client ? CLIENT_PORT : SERVER_PORT, from_client ? SERVER_PORT : CLIENT_PORT);
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, at);
}

static void send_plain(bool from_client, int64_t at)
{
    struct made p = from_client ? packet_begin(1, 2) : packet_begin(2, 1);

    add_udp(&p, from_client ? CLIENT_PORT : SERVER_PORT, from_client ? SERVER_PORT : CLIENT_PORT);
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, at);
}

static void send_fields(bool from_client, const struct pdm_fields *fields, int64_t at)
{
    uint8_t option[PDM_OPTION_MAX];

    (void)pdm_option_write(PDM_FORMAT_RFC8250, PDM_OPTION_TYPE, fields, option);
    send_option(from_client, option, PDM_FORMAT_RFC8250, at);
}

static struct pdm_delta seconds(int64_t s)
{
    return pdm_delta_from_ns((uint64_t)(s * SECOND));
}

static void expect_delay(const struct delay *delay, int64_t ns)
{
    cr_assert_eq(delay->samples, 1);
    cr_expect_leq(llabs(delay->last - ns), ns >> 14, "%ld", (long)delay->last);
}

/* RFC 8250 appendix C.1: 12 seconds in all, 4 of them the server's, with a capture one second's way
 * from the client, whose own clock says anything. */
Test(decode, the_example_of_the_rfc)
{
    const struct pdm_fields first = {.psntp = 25};
    const struct pdm_fields second = {.psntp = 12, .psnlr = 25, .dtlr = seconds(4)};
    const struct pdm_fields third = {.psntp = 26, .psnlr = 12, .dtls = seconds(12)};
    const int64_t begin = 77 * SECOND;

    start(8);
    send_fields(true, &first, begin);
    send_fields(false, &second, begin + 10 * SECOND);
    send_fields(true, &third, begin + 12 * SECOND);
    finish();
    cr_expect_eq(told.sides, 2);
    expect_delay(&told.side[0].network, 8 * SECOND);
    expect_delay(&told.side[0].server, 4 * SECOND);
    expect_delay(&told.side[0].beyond, 6 * SECOND);
    cr_expect_eq(told.side[1].network.samples, 0);
    cr_expect_eq(told.side[0].counter[SIDE_options], 2);
    cr_expect_eq(told.side[1].counter[SIDE_options], 1);
    cr_expect(told.totals.with_option == 3 && told.totals.conversations == 1);
}

/* DELTATLS counts from the last send before the receipt: with another one between, it is not the
 * time from the packet that was answered. */
Test(decode, no_network_delay_with_another_send_between)
{
    const struct pdm_fields asked = {.psntp = 25}, more = {.psntp = 26};
    const struct pdm_fields answer = {.psntp = 12, .psnlr = 25, .dtlr = seconds(4)};
    const struct pdm_fields next = {.psntp = 27, .psnlr = 12, .dtls = seconds(12)};

    start(8);
    send_fields(true, &asked, SECOND);
    send_fields(true, &more, 2 * SECOND);
    send_fields(false, &answer, 10 * SECOND);
    send_fields(true, &next, 12 * SECOND);
    finish();
    cr_expect_eq(told.side[0].network.samples, 0);
    cr_expect_eq(told.side[0].server.samples, 0);
    cr_expect_eq(told.side[0].counter[SIDE_overlapped], 1);
    cr_expect_eq(told.side[0].beyond.samples, 1);
}

/* Only the first packet that names a request answers it, and only if none is missing before it. */
Test(decode, no_server_delay_of_later_packets)
{
    struct pdm_fields asked = {.psntp = 25};
    struct pdm_fields answer = {.psntp = 12, .psnlr = 25, .dtlr = seconds(1)};

    start(8);
    send_fields(true, &asked, SECOND);
    for (; answer.psntp < 15; answer.psntp++)
        send_fields(false, &answer, answer.psntp * SECOND);
    cr_expect_eq(told.options[OPTION_READ], 4);
    asked.psntp = 26;
    send_fields(true, &asked, 20 * SECOND);
    answer.psntp = 17; /* two are missing */
    answer.psnlr = 26;
    send_fields(false, &answer, 22 * SECOND);
    finish();
    cr_expect_eq(told.side[0].server.samples, 1);
    cr_expect_eq(told.side[1].counter[SIDE_lost], 2);
}

Test(decode, a_negative_delay_is_a_fault)
{
    const struct pdm_fields asked = {.psntp = 25};
    const struct pdm_fields answer = {.psntp = 12, .psnlr = 25, .dtlr = seconds(4)};
    const struct pdm_fields next = {.psntp = 26, .psnlr = 12, .dtls = seconds(3)};

    start(8);
    send_fields(true, &asked, SECOND);
    send_fields(false, &answer, 9 * SECOND);
    send_fields(true, &next, 10 * SECOND);
    finish();
    cr_expect_eq(told.side[0].network.samples, 0);
    cr_expect_eq(told.side[0].counter[SIDE_negative], 1);
}

/* What a delta can say, and a peer therefore claim, does not overflow. */
Test(decode, the_largest_deltas)
{
    const struct pdm_delta largest = {UINT16_MAX, UINT8_MAX};
    struct pdm_fields fields = {.psntp = 1, .dtlr = largest, .dtls = largest};

    start(8);
    for (uint16_t i = 1; i < 20; i++) {
        fields.psntp = i;
        fields.psnlr = i > 1 ? (uint16_t)(i - 1) : 0;
        send_fields(i % 2, &fields, i % 3 ? INT64_MAX / 2 : 0);
    }
    finish();
    cr_expect_eq(told.totals.with_option, 19);
}

Test(decode, losses_reordering_and_duplicates)
{
    static const uint16_t order[] = {65534, 65535, 2, 1, 5, 5, 3};
    struct pdm_fields fields = {0};

    start(8);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        fields.psntp = order[i];
        send_fields(true, &fields, (int64_t)i * MS);
    }
    finish();
    cr_expect_eq(told.side[0].counter[SIDE_options], 6);
    cr_expect_eq(told.side[0].counter[SIDE_lost], 1);
    cr_expect_eq(told.side[0].counter[SIDE_reordered], 2);
    cr_expect_eq(told.side[0].counter[SIDE_duplicates], 1);
    cr_expect_eq(told.options[OPTION_DUPLICATE], 1);
}

/* Each packet answers one: a request whose answer went without an option waits no longer. */
Test(decode, packets_without_an_option_answer_too)
{
    struct pdm_fields asked = {.psntp = 25};
    const struct pdm_fields answer = {.psntp = 12, .psnlr = 26, .dtlr = seconds(1)};

    start(8);
    send_fields(true, &asked, SECOND);
    send_plain(false, 2 * SECOND);
    asked.psntp = 26;
    send_fields(true, &asked, 3 * SECOND);
    send_fields(false, &answer, 5 * SECOND);
    finish();
    cr_expect_eq(told.side[0].counter[SIDE_overlapped], 0);
    cr_expect_eq(told.side[0].server.samples, 1);
}

Test(decode, what_is_faulty_is_counted)
{
    struct made p = packet_with(2);
    const struct pdm_fields none = {.psntp = 0};

    start(8);
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, 0);
    p = packet_with(1);
    p.bytes[IPV6_HEADER + 6] = 0x10;
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, 0);
    send_fields(true, &none, 0);
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len - 10, 0);
    p.bytes[5] = 1;
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, 0);
    finish();
    cr_expect_eq(told.side[0].counter[SIDE_repeated], 1);
    cr_expect_eq(told.side[0].counter[SIDE_bad_version], 1);
    cr_expect_eq(told.side[0].counter[SIDE_malformed], 1);
    cr_expect(told.totals.cut == 1 && told.totals.broken == 1 && told.totals.packets == 5);
}

/* --- keys --- */

static const uint8_t psk[PDM_PSK_LEN] = {0x42};
static const uint64_t guard = 1;

/* As if it had been read from a file. */
static void hold(const uint8_t key[static PDM_PSK_LEN])
{
    static struct secret list[1];
    const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};

    held = secrets_none();
    held.list = sodium_malloc(sizeof(list));
    cr_assert_not_null(held.list);
    held.list[0] = (struct secret){.suite = suite};
    held.count = 1;
    cr_assert(pdm_psk_secret(&suite, key, held.list[0].shared));
}

static void sender_at(struct pdm_sender *s, uint64_t kri, uint32_t count)
{
    const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
    struct pdm_tuple tuple = {.sport = CLIENT_PORT, .dport = SERVER_PORT, .proto = IPPROTO_UDP};
    const struct made p = packet_begin(1, 2);
    uint8_t shared[PDM_NH_MAX] = {0}, flow[PDM_NH_MAX] = {0}, seed[PDM_SEED_LEN] = {0};

    memcpy(tuple.saddr, p.bytes + 8, PDM_ADDR_LEN);
    memcpy(tuple.daddr, p.bytes + 24, PDM_ADDR_LEN);
    cr_assert(pdm_psk_secret(&suite, psk, shared));
    cr_assert(pdm_flow_secret(&suite, shared, &tuple, flow));
    cr_assert(pdm_sender_init(s, guard, &suite, flow, kri, count, seed));
}

static void send_sealed(struct pdm_sender *s, uint16_t psntp)
{
    static const _Atomic uint64_t own = guard;
    const struct pdm_fields fields = {.psntp = psntp};
    uint8_t option[PDM_OPTION_MAX];

    cr_assert_eq(pdm_seal(s, &own, PDM_OPTION_TYPE, &fields, option), PDM_SEALED);
    send_option(true, option, PDM_FORMAT_ENCRYPTED, psntp * (int64_t)MS);
}

/* Kri of any generation and counter that agents come to, one behind the other and far apart. */
Test(decode, every_kri_is_found)
{
    static const uint64_t kris[] = {7ULL << 32 | 3, 7ULL << 32 | 4, 7ULL << 32 | 40, 8ULL << 32,
                                    70ULL << 32 | 9};
    static struct pdm_sender sender;
    uint16_t psn = 1;

    hold(psk);
    start(8);
    for (size_t i = 0; i < sizeof(kris) / sizeof(kris[0]); i++) {
        sender_at(&sender, kris[i], 1);
        for (unsigned n = 0; n < 3; n++)
            send_sealed(&sender, psn++);
    }
    finish();
    cr_expect_eq(told.options[OPTION_READ], 15);
    cr_expect_eq(told.side[0].counter[SIDE_options], 15);
    cr_expect_eq(told.side[0].counter[SIDE_lost], 0);
}

Test(decode, a_wrong_key_opens_nothing_and_costs_no_minutes)
{
    static const uint8_t wrong[PDM_PSK_LEN] = {0x43};
    static struct pdm_sender sender;

    hold(wrong);
    start(8);
    sender_at(&sender, 0, 1);
    for (uint16_t psn = 1; psn < 2000; psn++)
        send_sealed(&sender, psn);
    finish();
    cr_expect_eq(told.options[OPTION_NOT_DECRYPTED], 1999);
    cr_expect_eq(told.side[0].counter[SIDE_not_decrypted], 1999);
    cr_expect_eq(told.side[0].format, PDM_FORMAT_ENCRYPTED);
}

Test(decode, without_a_key_the_clear_part_is_counted)
{
    static struct pdm_sender sender;

    start(8);
    sender_at(&sender, 0, 1);
    send_sealed(&sender, 1);
    finish();
    cr_expect_eq(told.options[OPTION_NOT_DECRYPTED], 1);
}

/* --- the table --- */

static void send_from_port(uint16_t port)
{
    struct made p = packet_begin(1, 2);
    uint8_t option[PDM_OPTION_MAX];

    (void)pdm_option_write(PDM_FORMAT_PLAIN, PDM_OPTION_TYPE, &some, option);
    add_option(&p, option, PDM_FORMAT_PLAIN);
    add_udp(&p, port, SERVER_PORT);
    decoder_frame(&d, link_for(DLT_RAW), p.bytes, p.len, port);
}

/* More conversations than there is room for: each is told of, and the busy one stays. */
Test(decode, none_is_lost_silently)
{
    start(16);
    for (uint16_t port = 1; port <= 1000; port++) {
        send_from_port(port);
        send_from_port(CLIENT_PORT);
    }
    finish();
    cr_expect_eq(told.sides, 1001);
    cr_expect_eq(told.totals.conversations, 1001);
    cr_expect_eq(told.totals.evicted, 1001 - 16);
    cr_expect_eq(told.side[0].counter[SIDE_duplicates], 999);
}

Test(decode, packets_without_an_option_make_no_conversation)
{
    start(8);
    send_plain(true, 0);
    finish();
    cr_expect_eq(told.sides, 0);
    cr_expect(told.totals.packets == 1 && told.totals.with_option == 0);
}
