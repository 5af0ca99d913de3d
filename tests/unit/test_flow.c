/* SPDX-License-Identifier: BSD-2-Clause */
/* One flow, both its ends: the fields sent and the samples made, by the times of either end. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/flow.h"

#define MS PDM_NSEC_PER_MSEC
#define SEC PDM_NSEC_PER_SEC
#define COUNTED(end, name) ((end)->slot.counter[PDM_COUNTER_##name])

enum { GUARD = 0x5eed, WAY = 5 /* ms from one end to the other */ };

static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static const uint8_t seed[PDM_SEED_LEN] = {7};
static _Atomic uint64_t guard = GUARD;

struct end {
    struct pdm_flow flow;
    struct pdm_slot slot;
};

static struct end a, b;

static void start(struct end *end, enum pdm_format format, uint16_t first_psn)
{
    memset(end, 0, sizeof *end);
    pdm_flow_init(&end->flow, format, first_psn == 1 ? PDM_PSN_CYCLE : (uint16_t)(first_psn - 1),
                  &end->slot);
}

static void start_both(enum pdm_format format)
{
    start(&a, format, 100);
    start(&b, format, 500);
}

static void take_lease(struct end *end, uint8_t secret_of, uint64_t first, uint32_t count)
{
    const uint8_t secret[PDM_NH_MAX] = {secret_of};

    cr_assert(pdm_sender_init(&end->flow.sender, GUARD, &suite, secret, first, count, seed));
    pdm_flow_new_kri(&end->flow);
}

/* The first octet of a secret is its serial, too; OTHER is 0 if there is but one. */
static void use_secrets(struct end *end, uint8_t likelier, uint8_t other, bool newer)
{
    const uint8_t flow[PDM_PEER_SECRETS][PDM_NH_MAX] = {{likelier}, {other}};
    const struct pdm_peer_secret given[] = {{.serial = likelier, .flow = flow[0]},
                                            {.serial = other, .newer = newer, .flow = flow[1]}};

    cr_assert(pdm_receiver_use(&end->flow.receiver, &suite, given, other == 0 ? 1 : 2));
}

static void start_encrypted(void)
{
    cr_assert(sodium_init() >= 0);
    start_both(PDM_FORMAT_ENCRYPTED);
    take_lease(&a, 'a', 0, 2);
    take_lease(&b, 'b', 0, 2);
    use_secrets(&a, 'b', 0, false);
    use_secrets(&b, 'a', 0, false);
}

static enum pdm_attach_status attach(struct end *end, int64_t now,
                                     uint8_t option[static PDM_OPTION_MAX])
{
    return pdm_flow_attach(&end->flow, &guard, PDM_OPTION_TYPE, now, 0x01020304, option);
}

/* A packet of END's as the other end's kernel hands it over. */
static struct pdm_found send_at(struct end *end, int64_t now)
{
    uint8_t option[PDM_OPTION_MAX], header[PDM_HEADER_MAX];
    struct pdm_found found;

    cr_assert_eq(attach(end, now, option), PDM_ATTACHED);
    size_t len = pdm_header_wrap(end->flow.format, option, header);
    cr_assert_eq(pdm_header_find(header, len, PDM_OPTION_TYPE, &found), PDM_FOUND);
    return found;
}

static struct pdm_sample receive_at(struct end *end, const struct pdm_found *found, int64_t at)
{
    struct pdm_sample sample;

    cr_assert_eq(pdm_flow_receive(&end->flow, found, at, true, &sample), PDM_RECEIVED);
    return sample;
}

/* From one end to the other, WAY under way; the sample that the other makes. */
static struct pdm_sample carry(struct end *from, struct end *to, int64_t now)
{
    struct pdm_found found = send_at(from, now);

    return receive_at(to, &found, now + WAY * MS);
}

static void fields_are(const struct pdm_fields *fields, uint16_t psntp, uint16_t psnlr,
                       struct pdm_delta dtlr, struct pdm_delta dtls)
{
    cr_assert_eq(fields->psntp, psntp);
    cr_assert_eq(fields->psnlr, psnlr);
    cr_assert(fields->dtlr.value == dtlr.value && fields->dtlr.scale == dtlr.scale);
    cr_assert(fields->dtls.value == dtls.value && fields->dtls.scale == dtls.scale);
}

static const struct pdm_delta none = {0, 0};

static struct pdm_delta ms(uint64_t n)
{
    return pdm_delta_from_ns(n * (uint64_t)MS);
}

/* RFC 8250 appendix C.1, its figures and its clocks, which are an hour apart. */
Test(flow, appendix_c1)
{
    const int64_t at_a = 10 * 3600 * SEC, at_b = 11 * 3600 * SEC;

    start(&a, PDM_FORMAT_RFC8250, 25);
    start(&b, PDM_FORMAT_RFC8250, 12);
    struct pdm_found packet = send_at(&a, at_a);
    fields_are(&packet.fields, 25, 0, none, none);
    struct pdm_sample sample = receive_at(&b, &packet, at_b + 3 * SEC);
    cr_assert(!sample.has_network && !sample.has_server);

    packet = send_at(&b, at_b + 7 * SEC);
    fields_are(&packet.fields, 12, 25, (struct pdm_delta){0xDE0B, 46}, none);
    sample = receive_at(&a, &packet, at_a + 12 * SEC);
    const int64_t four = (int64_t)(((uint64_t)0xDE0B << 46) / 1000000000);
    cr_assert(four < 4 * SEC && four > 4 * SEC - 1 * MS);
    cr_assert(sample.has_network && sample.has_server && !sample.overlapped);
    cr_assert_eq(sample.server, four);
    cr_assert_eq(sample.network, 12 * SEC - four);
    cr_assert(a.slot.network.samples == 1 && a.slot.network.last == 12 * SEC - four);
    cr_assert(a.slot.server.samples == 1 && a.slot.server.last == four);

    packet = send_at(&a, at_a + 12 * SEC);
    fields_are(&packet.fields, 26, 12, none, (struct pdm_delta){0xA688, 48});
}

/* RFC 8250 appendix C.2.1: with nothing received, the time since the last send. */
Test(flow, appendix_c2_1)
{
    static const uint16_t since[] = {0, 5, 12, 20};
    int64_t now = 77 * SEC;

    start(&a, PDM_FORMAT_RFC8250, 1);
    for (uint16_t i = 0; i < 4; i++) {
        now += since[i] * MS;
        struct pdm_found packet = send_at(&a, now);
        fields_are(&packet.fields, (uint16_t)(i + 1), 0, none, ms(since[i]));
    }
}

/* RFC 8250 appendix C.2.2: two packets, one answer to the second, a third packet. */
Test(flow, appendix_c2_2)
{
    start(&a, PDM_FORMAT_RFC8250, 1);
    start(&b, PDM_FORMAT_RFC8250, 1);
    struct pdm_found first = send_at(&a, 1000 * MS), second = send_at(&a, 1005 * MS);
    fields_are(&second.fields, 2, 0, none, ms(5));
    receive_at(&b, &first, 90 * MS);
    receive_at(&b, &second, 95 * MS);
    struct pdm_found answer = send_at(&b, 115 * MS);
    fields_are(&answer.fields, 1, 2, ms(20), none);
    receive_at(&a, &answer, 1020 * MS);
    struct pdm_found third = send_at(&a, 1030 * MS);
    fields_are(&third.fields, 3, 1, ms(10), ms(15));
}

/* What else is in a clear PDMv2 option. */
Test(flow, plain_fields)
{
    start_both(PDM_FORMAT_PLAIN);
    struct pdm_found one = send_at(&a, SEC), two = send_at(&a, 2 * SEC);
    cr_assert_eq(one.fields.global_pointer, 0x01020304);
    cr_assert_neq(one.fields.prseq, 0);
    cr_assert_neq(one.fields.prseq, two.fields.prseq);
    cr_assert_eq(COUNTED(&a, options_sent), 2);
}

/* DELTATLS ends when the packet came, not when it was read: a send in between is not it. */
Test(flow, dtls_from_the_latest_send_before_the_receipt)
{
    start_both(PDM_FORMAT_PLAIN);
    struct pdm_found of_b = send_at(&b, SEC);
    send_at(&a, 10 * MS);
    send_at(&a, 20 * MS);
    send_at(&a, 30 * MS);
    receive_at(&a, &of_b, 26 * MS);
    struct pdm_found next = send_at(&a, 40 * MS);
    fields_are(&next.fields, 103, 500, ms(14), ms(6));
    /* It stays what it was, whatever was sent since. */
    next = send_at(&a, 90 * MS);
    fields_are(&next.fields, 104, 500, ms(64), ms(6));
}

Test(flow, dtls_without_a_send_before_the_receipt)
{
    start_both(PDM_FORMAT_PLAIN);
    struct pdm_found of_b = send_at(&b, SEC);
    send_at(&a, 10 * MS);
    receive_at(&a, &of_b, 9 * MS);
    struct pdm_found next = send_at(&a, 40 * MS);
    fields_are(&next.fields, 101, 500, ms(31), none);
}

/* More sends since the receipt than are kept: none of those kept was before it. */
Test(flow, dtls_beyond_the_ring)
{
    start_both(PDM_FORMAT_PLAIN);
    struct pdm_found of_b = send_at(&b, SEC);
    send_at(&a, 10 * MS);
    for (int i = 0; i < PDM_SENT_RING; i++)
        send_at(&a, 30 * MS);
    receive_at(&a, &of_b, 20 * MS);
    struct pdm_found next = send_at(&a, 40 * MS);
    fields_are(&next.fields, (uint16_t)(101 + PDM_SENT_RING), 500, ms(20), none);
}

/* A clock that was read before the packet's stamp makes no time below 0. */
Test(flow, dtlr_never_negative)
{
    start_both(PDM_FORMAT_PLAIN);
    struct pdm_found of_b = send_at(&b, SEC);
    receive_at(&a, &of_b, 50 * MS);
    struct pdm_found next = send_at(&a, 49 * MS);
    fields_are(&next.fields, 100, 500, none, none);
}

/* Request, 20 ms at the server, answer: what went to the network is what the server did not take.
 */
Test(flow, sample)
{
    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    struct pdm_sample sample = carry(&b, &a, SEC + (WAY + 20) * MS);
    cr_assert(sample.has_network && sample.has_server && !sample.overlapped);
    cr_assert_eq(sample.server, pdm_delta_to_ns(ms(20)));
    cr_assert_eq(sample.network, (2 * WAY + 20) * MS - pdm_delta_to_ns(ms(20)));
}

/* Of several answers to one request only the first tells how long the server took. */
Test(flow, server_delay_from_the_first_answer_alone)
{
    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    cr_assert(carry(&b, &a, SEC + 20 * MS).has_server);
    for (int i = 0; i < 3; i++) {
        struct pdm_sample sample = carry(&b, &a, SEC + (30 + 10 * i) * MS);
        cr_assert(sample.has_network && !sample.has_server);
    }
    cr_assert(a.slot.network.samples == 4 && a.slot.server.samples == 1);
}

/* With a packet lost before it, an answer may be the tail of a long one. */
Test(flow, server_delay_only_if_no_packet_went_missing)
{
    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    cr_assert(carry(&b, &a, SEC + 20 * MS).has_server);
    carry(&a, &b, 2 * SEC);
    send_at(&b, 2 * SEC + 20 * MS); /* lost */
    struct pdm_sample sample = carry(&b, &a, 2 * SEC + 30 * MS);
    cr_assert(sample.has_network && !sample.has_server);
    cr_assert_eq(COUNTED(&a, lost), 1);
    /* The one after it answers the next request, and nothing is missing before it. */
    carry(&a, &b, 3 * SEC);
    cr_assert(carry(&b, &a, 3 * SEC + 20 * MS).has_server);
}

Test(flow, overlapped)
{
    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    carry(&a, &b, SEC + 1 * MS);
    struct pdm_sample sample = carry(&b, &a, SEC + 20 * MS);
    cr_assert(sample.has_network && sample.has_server && sample.overlapped);
    cr_assert_eq(COUNTED(&a, overlapped), 1);
    cr_assert(a.slot.network.samples == 1 && a.slot.server.samples == 0);
    /* Both were answered by that: one request alone is not overlapped again. */
    carry(&a, &b, 2 * SEC);
    cr_assert_not(carry(&b, &a, 2 * SEC + 20 * MS).overlapped);
}

/* A server that reads the next request before it answers the one before names more than it answers.
 */
Test(flow, overlapped_by_reading_ahead)
{
    start_both(PDM_FORMAT_PLAIN);
    for (int i = 0; i < 10; i++) {
        struct pdm_found request = send_at(&a, SEC + i * 22 * MS);

        receive_at(&b, &request, SEC + (i * 22 + WAY) * MS);
        if (i == 0)
            continue;
        /* The answer to request i - 1. */
        struct pdm_found answer = send_at(&b, SEC + (i * 22 + WAY + 1) * MS);
        struct pdm_sample sample = receive_at(&a, &answer, SEC + (i * 22 + 2 * WAY + 1) * MS);

        cr_assert(sample.has_server && sample.overlapped, "%d", i);
    }
    cr_assert_eq(a.slot.server.samples, 0);
}

/* A request that was lost is given up once nothing came for a round trip, not waited for for good.
 */
Test(flow, overlapped_ends_after_a_loss)
{
    start_both(PDM_FORMAT_PLAIN);
    send_at(&a, SEC);
    for (int i = 1; i < 10; i++) {
        struct pdm_found request = send_at(&a, SEC + i * 30 * MS);

        receive_at(&b, &request, SEC + (i * 30 + WAY) * MS);
        struct pdm_found answer = send_at(&b, SEC + (i * 30 + WAY + 1) * MS);
        struct pdm_sample sample = receive_at(&a, &answer, SEC + (i * 30 + 2 * WAY + 1) * MS);

        cr_assert_eq(sample.overlapped, i == 1, "%d", i);
    }
}

/* Without a pause as long as a round trip, it takes longer to tell a loss from a server that reads
 * ahead. */
Test(flow, overlapped_ends_without_a_pause)
{
    int marked = 0;

    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    carry(&b, &a, SEC + WAY * MS);
    send_at(&a, SEC + 20 * MS);
    for (int i = 2; i < 200; i++) {
        carry(&a, &b, SEC + i * 20 * MS);
        marked += carry(&b, &a, SEC + (i * 20 + WAY + 1) * MS).overlapped;
    }
    cr_assert_eq(marked, PDM_STEADY_SAMPLES + 1);
}

/* --- packets without an option --- */

/*
 * What happens to A, a step a letter, 20 ms apart. s, r: it sends, or receives, a packet without an
 * option. S: it sends an option, which B has WAY later; L: one that gets lost. R: it receives what
 * B has sent WAY before, which names the latest that B has. What it thinks of the latter: c, clean;
 * o, overlapped; -, no server delay.
 */
static void play(const char *steps, const char *expected)
{
    char got[PDM_STEADY_SAMPLES * 2 + 2] = "";
    size_t samples = 0;
    int64_t now = SEC;

    start_both(PDM_FORMAT_PLAIN);
    for (const char *step = steps; *step != '\0'; step++, now += 20 * MS) {
        struct pdm_sample sample;

        switch (*step) {
        case 's':
            pdm_flow_sent_plain(&a.flow);
            break;
        case 'r':
            pdm_flow_received_plain(&a.flow);
            break;
        case 'S':
            carry(&a, &b, now);
            break;
        case 'L':
            send_at(&a, now);
            break;
        default:
            sample = carry(&b, &a, now - WAY * MS);
            got[samples++] = !sample.has_server ? '-' : sample.overlapped ? 'o' : 'c';
        }
    }
    cr_assert_str_eq(got, expected, "%s: %s, not %s", steps, got, expected);
}

/* B's agent is asking, or B holds options back, or has no room for one in a large answer. */
Test(flow, answered_without_an_option)
{
    static const struct {
        const char *steps, *expected;
    } lockstep[] = {
        {"SrSR", "c"},           {"SrSrSrSRSRSR", "ccc"},
        {"SRSrSRSrSrSR", "ccc"}, {"srSrSR", "c"}, /* A's agent was asking, too */
        {"SRsrSrSR", "cc"},                       /* A has no room for an option */
        {"SSrR", "c"},                            /* both at once, answered in turn */
        {"rSrSR", "c"},                           /* B began */
    };

    for (size_t i = 0; i < sizeof lockstep / sizeof lockstep[0]; i++)
        play(lockstep[i].steps, lockstep[i].expected);
}

/* B reads a request before it answers the one before; some answers carry no option. */
Test(flow, reads_ahead_and_answers_without_an_option)
{
    static const struct {
        const char *steps, *expected;
    } ahead[] = {
        {"SSrSRSRSR", "ooo"},  {"SSrSrSRSRSrSR", "ooo"}, {"SSRSrSRSrSR", "ooo"},
        {"sSrSRSRSR", "ooo"},  /* the first answer is not to the first option */
        {"SsSrSRSRSR", "ooo"}, /* it may be to either */
        {"SSRSsrRSR", "ooo"},
    };

    for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++)
        play(ahead[i].steps, ahead[i].expected);
}

/* Then what is received is no measure of what was answered. */
Test(flow, plain_packets_that_answer_nothing)
{
    static const struct {
        const char *steps, *expected;
    } unasked[] = {
        {"LSrSR", "o"},          /* a request is lost */
        {"SSrSR", "o"},          /* or an answer to it */
        {"SrrSSRSRSR", "ooo"},   /* an answer comes twice */
        {"SrSrrSSRSRSR", "ooo"}, /* each answer is of several packets */
        {"SrrrSrrrSRSRSR", "ooo"},
        {"rrrSrrSSRSrRSrR", "ooo"}, /* they come all the time */
        {"SrRSRSR", "-cc"}, /* what comes with an option is no answer, or what came before */
        {"SrSrrSR", "o"},
    };

    for (size_t i = 0; i < sizeof unasked / sizeof unasked[0]; i++)
        play(unasked[i].steps, unasked[i].expected);
}

/* With a doubt, nothing is counted that way any more, but a loss is still given up. */
Test(flow, doubted)
{
    int marked = 0;

    start_both(PDM_FORMAT_PLAIN);
    for (int i = 0; i < 3; i++) {
        send_at(&a, SEC + i * 20 * MS);
        pdm_flow_received_plain(&a.flow);
    }
    pdm_flow_doubt(&a.flow);
    for (int i = 3; i < 200; i++) {
        carry(&a, &b, SEC + i * 20 * MS);
        pdm_flow_received_plain(&a.flow);
        marked += carry(&b, &a, SEC + (i * 20 + WAY + 1) * MS).overlapped;
    }
    cr_assert_eq(marked, PDM_STEADY_SAMPLES + 1);
}

/* 20 ms of DELTATLR are known to 0.55 us: too coarse for a network delay of less than 16 times
 * that. */
Test(flow, imprecise)
{
    const int64_t step = pdm_delta_step_ns(ms(20)), server = pdm_delta_to_ns(ms(20));

    for (int64_t network = 16 * step - 1; network <= 16 * step; network++) {
        start_both(PDM_FORMAT_PLAIN);
        carry(&a, &b, SEC);
        struct pdm_found answer = send_at(&b, SEC + (WAY + 20) * MS);
        struct pdm_sample sample = receive_at(&a, &answer, SEC + server + network);
        bool precise = network == 16 * step;

        cr_assert_eq(sample.has_network, precise);
        cr_assert(sample.has_server && sample.server == server);
        cr_assert_eq(COUNTED(&a, imprecise), !precise);
        cr_assert_eq(a.slot.network.samples, precise);
        cr_assert_eq(COUNTED(&a, negative), 0);
    }
}

/* Reported as a fault, never clamped, and no other figure is taken from such a packet. */
Test(flow, negative)
{
    static const int64_t came[] = {SEC + 19 * MS, SEC - 1, 0};

    for (size_t i = 0; i < sizeof came / sizeof came[0]; i++) {
        start_both(PDM_FORMAT_PLAIN);
        carry(&a, &b, SEC);
        struct pdm_found answer = send_at(&b, SEC + (WAY + 20) * MS);
        struct pdm_sample sample = receive_at(&a, &answer, came[i]);

        cr_assert(!sample.has_network && !sample.has_server, "case %zu", i);
        cr_assert_eq(COUNTED(&a, negative), 1, "case %zu", i);
        cr_assert(a.slot.network.samples == 0 && a.slot.server.samples == 0, "case %zu", i);
    }
}

/* The largest time that a peer can claim is no more than that: a negative delay. */
Test(flow, absurd_claims)
{
    for (unsigned scale = 0; scale <= UINT8_MAX; scale++) {
        start_both(PDM_FORMAT_PLAIN);
        send_at(&a, SEC);
        struct pdm_found claim = {.format = PDM_FORMAT_PLAIN,
                                  .fields = {.dtlr = {0xFFFF, (uint8_t)scale},
                                             .dtls = {0xFFFF, (uint8_t)scale},
                                             .psntp = 9,
                                             .psnlr = 100}};
        struct pdm_sample sample = receive_at(&a, &claim, SEC + 10 * MS);
        cr_assert(!sample.has_network || (sample.network > 0 && sample.network <= 10 * MS));
        cr_assert_eq((int)(COUNTED(&a, negative) + COUNTED(&a, imprecise)) + sample.has_network, 1,
                     "scale %u", scale);
    }
}

/* Even where the difference is beyond an int64_t. */
Test(flow, absurd_claim_from_before_the_send)
{
    struct pdm_found claim = {.format = PDM_FORMAT_PLAIN,
                              .fields = {.dtlr = {0xFFFF, UINT8_MAX}, .psntp = 9, .psnlr = 100}};

    start_both(PDM_FORMAT_PLAIN);
    send_at(&a, SEC);
    struct pdm_sample sample = receive_at(&a, &claim, SEC - 2);
    cr_assert(!sample.has_network && !sample.has_server);
    cr_assert_eq(COUNTED(&a, negative), 1);
}

/* Without the kernel's time a packet counts, but neither makes a sample nor a DELTATLR. */
Test(flow, unstamped)
{
    struct pdm_sample sample;

    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    struct pdm_found answer = send_at(&b, SEC + 20 * MS);
    cr_assert_eq(pdm_flow_receive(&a.flow, &answer, SEC + 30 * MS, false, &sample), PDM_RECEIVED);
    cr_assert(!sample.has_network && !sample.has_server);
    cr_assert(COUNTED(&a, unstamped) == 1 && COUNTED(&a, options_received) == 1);
    struct pdm_found next = send_at(&a, 2 * SEC);
    fields_are(&next.fields, 101, 0, none, ms(1000));
    /* It was the answer all the same: the next one is not overlapped by it. */
    receive_at(&b, &next, 2 * SEC + WAY * MS);
    sample = carry(&b, &a, 2 * SEC + 20 * MS);
    cr_assert(sample.has_server && !sample.overlapped);
}

/* PSNLR names one of the last 256 sends, or there is no sample: nothing is invented. */
Test(flow, ring_of_sends)
{
    for (int sends = PDM_SENT_RING - 1; sends <= PDM_SENT_RING + 1; sends++) {
        start_both(PDM_FORMAT_PLAIN);
        struct pdm_found first = send_at(&a, SEC);
        receive_at(&b, &first, SEC + WAY * MS);
        struct pdm_found answer = send_at(&b, SEC + 20 * MS);
        for (int i = 1; i < sends; i++)
            send_at(&a, SEC + i);
        struct pdm_sample sample = receive_at(&a, &answer, SEC + 30 * MS);

        cr_assert_eq(sample.has_network, sends <= PDM_SENT_RING, "%d sends", sends);
        cr_assert_eq(sample.has_server, sends <= PDM_SENT_RING, "%d sends", sends);
    }
}

Test(flow, names_no_send)
{
    static const uint16_t psnlr[] = {0, 1, 99, 101, 356, 32868, 65535};
    struct pdm_found claim = {.format = PDM_FORMAT_PLAIN, .fields = {.psntp = 9}};

    start_both(PDM_FORMAT_PLAIN);
    claim.fields.psnlr = 100;
    receive_at(&a, &claim, SEC); /* before anything was sent */
    cr_assert_eq(a.slot.network.samples, 0);
    send_at(&a, SEC);
    for (size_t i = 0; i < sizeof psnlr / sizeof psnlr[0]; i++) {
        claim.fields.psnlr = psnlr[i];
        claim.fields.psntp++;
        struct pdm_sample sample = receive_at(&a, &claim, SEC + 10 * MS);
        cr_assert(!sample.has_network && !sample.has_server, "%u", psnlr[i]);
    }
    claim.fields.psnlr = 100;
    claim.fields.psntp++;
    cr_assert(receive_at(&a, &claim, SEC + 10 * MS).has_network);
}

/* 65535 is followed by 1, and what was sent before is still known behind it. */
Test(flow, psn_wraps)
{
    static const uint16_t psn[] = {65534, 65535, 1, 2};

    for (int named = 0; named < 4; named++) {
        start(&a, PDM_FORMAT_PLAIN, 65534);
        start(&b, PDM_FORMAT_PLAIN, 65535);
        for (int i = 0; i < 4; i++) {
            struct pdm_found packet = send_at(&a, SEC + 10 * i * MS);
            cr_assert_eq(packet.fields.psntp, psn[i]);
            if (i <= named)
                receive_at(&b, &packet, SEC + (10 * i + WAY) * MS);
        }
        struct pdm_sample sample = carry(&b, &a, SEC + (10 * named + WAY) * MS);
        cr_assert(sample.has_network && sample.network == 2 * WAY * MS, "named %u", psn[named]);
        cr_assert_eq(COUNTED(&b, lost), 0);
    }
}

/* 0 lies between them, and names neither. */
Test(flow, psnlr_0_names_nothing)
{
    struct pdm_found claim = {.format = PDM_FORMAT_PLAIN, .fields = {.psntp = 9}};

    start(&a, PDM_FORMAT_PLAIN, 65534);
    for (int i = 0; i < 4; i++)
        send_at(&a, SEC);
    struct pdm_sample sample = receive_at(&a, &claim, SEC + 10 * MS);
    cr_assert(!sample.has_network && !sample.has_server);
}

Test(flow, duplicates_late_and_reordered)
{
    static struct pdm_found packet[PDM_WINDOW + 2];
    struct pdm_sample sample;

    start_encrypted();
    a.flow.kri_acknowledged = true; /* nothing is held back */
    for (int i = 0; i < PDM_WINDOW + 2; i++)
        packet[i] = send_at(&a, SEC + i);
    receive_at(&b, &packet[1], SEC);
    receive_at(&b, &packet[3], SEC + 1);
    cr_assert_eq(COUNTED(&b, lost), 1);
    cr_assert_eq(pdm_flow_receive(&b.flow, &packet[3], 9 * SEC, true, &sample), PDM_DUPLICATE);
    cr_assert(!sample.has_network && !sample.has_server);
    cr_assert(b.flow.psnlr == 103 && b.flow.received_at == SEC + 1);
    receive_at(&b, &packet[2], SEC + 2);
    cr_assert(COUNTED(&b, lost) == 0 && COUNTED(&b, reordered) == 1);
    receive_at(&b, &packet[PDM_WINDOW + 1], SEC + 3);
    cr_assert_eq(pdm_flow_receive(&b.flow, &packet[0], 9 * SEC, true, &sample), PDM_OUTSIDE_WINDOW);
    cr_assert_eq(b.flow.received_at, SEC + 3);
    cr_assert(COUNTED(&b, options_received) == 4 && COUNTED(&b, duplicates) == 1 &&
              COUNTED(&b, outside_window) == 1);
    cr_assert_eq(COUNTED(&b, lost), PDM_WINDOW - 3);
}

/* Without a Kri, what is far off is another sender on the same port: no loss, and no replay. */
Test(flow, another_sender)
{
    static const uint16_t first[] = {100 + PDM_WINDOW, 32867, 100 + PDM_PSN_CYCLE - PDM_WINDOW};

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        start_both(PDM_FORMAT_PLAIN);
        carry(&a, &b, SEC);
        start(&a, PDM_FORMAT_PLAIN, first[i]);
        carry(&a, &b, 2 * SEC);
        carry(&a, &b, 3 * SEC);
        cr_assert(COUNTED(&b, lost) == 0 && COUNTED(&b, reordered) == 0, "%u", first[i]);
        cr_assert_eq(COUNTED(&b, options_received), 3);
        cr_assert(carry(&b, &a, 4 * SEC).has_network);
    }
}

/* But not what is as near as a burst of losses, or as late as a packet may be. */
Test(flow, not_another_sender)
{
    start_both(PDM_FORMAT_PLAIN);
    carry(&a, &b, SEC);
    struct pdm_found late = send_at(&a, SEC);
    for (int i = 0; i < PDM_WINDOW - 3; i++)
        send_at(&a, SEC);
    carry(&a, &b, SEC);
    cr_assert_eq(COUNTED(&b, lost), PDM_WINDOW - 2);
    receive_at(&b, &late, 2 * SEC);
    cr_assert(COUNTED(&b, reordered) == 1 && COUNTED(&b, lost) == PDM_WINDOW - 3);
}

Test(flow, refused)
{
    struct pdm_sample sample;
    struct pdm_found packet;

    start(&a, PDM_FORMAT_RFC8250, 1);
    start(&b, PDM_FORMAT_PLAIN, 1);
    packet = send_at(&a, SEC);
    cr_assert_eq(pdm_flow_receive(&b.flow, &packet, SEC, true, &sample), PDM_REFUSED);
    cr_assert_eq(COUNTED(&b, wrong_format), 1);
    packet = (struct pdm_found){.format = PDM_FORMAT_PLAIN};
    cr_assert_eq(pdm_flow_receive(&b.flow, &packet, SEC, true, &sample), PDM_REFUSED);
    cr_assert_eq(COUNTED(&b, malformed), 1);
    cr_assert(!b.flow.received && COUNTED(&b, options_received) == 0);
}

/* An encrypted flow measures like any other. */
Test(flow, encrypted_sample)
{
    start_encrypted();
    carry(&a, &b, SEC);
    struct pdm_sample sample = carry(&b, &a, SEC + (WAY + 20) * MS);
    cr_assert(sample.has_network && sample.has_server && !sample.overlapped);
    cr_assert_eq(sample.server, pdm_delta_to_ns(ms(20)));
    cr_assert(a.slot.own_kri == 0 && a.slot.peer_kri == 0);
}

Test(flow, unknown_kri_changes_nothing)
{
    struct pdm_sample sample;

    start_encrypted();
    use_secrets(&b, 'x', 0, false);
    struct pdm_found packet = send_at(&a, SEC);
    const struct end before = b;
    cr_assert_eq(pdm_flow_receive(&b.flow, &packet, SEC, true, &sample), PDM_UNKNOWN_KRI);
    cr_assert_eq(memcmp(&before, &b, sizeof b), 0);
}

/* Until the peer shows that it has caught up, one option in 10 ms; what is held back counts
 * nowhere. */
Test(flow, held_back_until_acknowledged)
{
    uint8_t option[PDM_OPTION_MAX];

    start_encrypted();
    carry(&a, &b, SEC);
    cr_assert_eq(attach(&a, SEC, option), PDM_ATTACH_HELD);
    cr_assert_eq(attach(&a, SEC + 10 * MS - 1, option), PDM_ATTACH_HELD);
    cr_assert(a.flow.psn == 100 && a.flow.built == 1 && COUNTED(&a, options_sent) == 1);
    cr_assert_eq(pdm_sender_left(&a.flow.sender), PDM_PRSEQ_MAX - 1);
    cr_assert_eq(attach(&a, SEC + 10 * MS, option), PDM_ATTACHED);
    cr_assert_eq(attach(&a, SEC + 10 * MS, option), PDM_ATTACH_HELD);
    carry(&b, &a, SEC + 11 * MS);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(attach(&a, SEC + 17 * MS + i, option), PDM_ATTACHED);
}

/* A new Kri begins held back again, and the answer to a send under the old one does not free it. */
Test(flow, new_kri_must_be_acknowledged)
{
    uint8_t option[PDM_OPTION_MAX];

    start_encrypted();
    carry(&a, &b, SEC);
    carry(&b, &a, SEC + 10 * MS);
    struct pdm_found late_answer = send_at(&b, SEC + 20 * MS);
    a.flow.sender.sealed = PDM_PRSEQ_MAX;
    carry(&a, &b, SEC + 30 * MS);
    cr_assert(a.slot.own_kri == 1 && b.slot.peer_kri == 1);
    cr_assert_eq(attach(&a, SEC + 31 * MS, option), PDM_ATTACH_HELD);
    receive_at(&a, &late_answer, SEC + 32 * MS);
    cr_assert_eq(attach(&a, SEC + 33 * MS, option), PDM_ATTACH_HELD);
    carry(&b, &a, SEC + 33 * MS);
    cr_assert_eq(attach(&a, SEC + 39 * MS, option), PDM_ATTACHED);
    cr_assert_eq(attach(&a, SEC + 39 * MS, option), PDM_ATTACHED);
}

/* The end of a lease, and a lease that is not this process's: no option, and nothing counted. */
Test(flow, no_lease)
{
    uint8_t option[PDM_OPTION_MAX];

    start_encrypted();
    carry(&a, &b, SEC);
    carry(&b, &a, SEC + 10 * MS);
    cr_assert(pdm_sender_next_kri(&a.flow.sender));
    a.flow.sender.sealed = PDM_PRSEQ_MAX;
    cr_assert_eq(attach(&a, 2 * SEC, option), PDM_ATTACH_NO_LEASE);
    cr_assert(a.flow.psn == 100 && a.flow.built == 1);
    take_lease(&a, 'a', 2, 1);
    guard = 0;
    cr_assert_eq(attach(&a, 2 * SEC, option), PDM_ATTACH_NO_LEASE);
    cr_assert(a.flow.psn == 100 && a.flow.built == 1);
    guard = GUARD;
    cr_assert(pdm_receiver_expect(&b.flow.receiver, 'a', 2));
    carry(&a, &b, 2 * SEC);
    cr_assert_eq(a.slot.own_kri, 2);
}

/* --- another secret --- */

static enum pdm_receive_status again(struct end *end, const struct pdm_found *found)
{
    struct pdm_sample sample;

    return pdm_flow_receive(&end->flow, found, 9 * SEC, true, &sample);
}

/* As agent and shim do it: the flow goes on, under another secret and in another slot. */
static void move(struct end *end, uint8_t own, struct pdm_slot *slot)
{
    pdm_slot_carry(slot, pdm_flow_slot(&end->flow));
    end->flow.slot = slot;
    take_lease(end, own, 0, 1);
}

/*
 * Both ends move from the secrets a and b to A and B, one before the other, in the middle of an
 * exchange: PSN, what they name and the samples go on, and what is recorded is a replay afterwards,
 * whichever secret it was sealed under.
 */
Test(flow, moves_to_another_secret)
{
    struct pdm_slot slot_a = {0}, slot_b = {0};

    start_encrypted();
    struct pdm_found request = send_at(&a, SEC);
    receive_at(&b, &request, SEC + WAY * MS);
    struct pdm_sample sample = carry(&b, &a, SEC + (WAY + 20) * MS);
    cr_assert(sample.has_network && sample.has_server);
    struct pdm_found late = send_at(&a, SEC + 60 * MS);

    use_secrets(&a, 'b', 'B', true);
    use_secrets(&b, 'a', 'A', true);
    move(&b, 'B', &slot_b); /* it was told to send under the newer at once */
    cr_assert_eq(again(&b, &request), PDM_DUPLICATE);
    cr_assert(!a.flow.receiver.newer_seen);
    struct pdm_found answer = send_at(&b, SEC + 100 * MS);
    sample = receive_at(&a, &answer, SEC + (100 + WAY) * MS);
    cr_assert(sample.has_network);
    cr_assert_eq(a.flow.psnlr, 501, "its PSN go on");
    cr_assert(a.flow.receiver.newer_seen);

    use_secrets(&a, 'B', 'b', false);
    move(&a, 'A', &slot_a);
    cr_assert_eq(again(&a, &answer), PDM_DUPLICATE);
    struct pdm_found next = send_at(&a, SEC + 120 * MS);
    sample = receive_at(&b, &next, SEC + (120 + WAY) * MS);
    cr_assert(sample.has_network && sample.has_server, "it names what was sent before the move");
    cr_assert(b.flow.receiver.newer_seen);
    receive_at(&b, &late, SEC + 130 * MS);
    use_secrets(&b, 'A', 'a', false);

    const struct pdm_found *const recorded[] = {&request, &late, &next};
    for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++)
        cr_assert_eq(again(&b, recorded[i]), PDM_DUPLICATE, "%zu", i);
    use_secrets(&b, 'A', 0, false);
    cr_assert_eq(again(&b, &late), PDM_UNKNOWN_KRI, "the grace period is over");
    cr_assert_eq(again(&b, &next), PDM_DUPLICATE);
}

/* Its metrics are those of the flow, not of the secret. */
Test(flow, carries_its_metrics_along)
{
    struct pdm_slot slot = {.path = PDM_PATH_CARRIES, .owner = 77};

    start_encrypted();
    carry(&a, &b, SEC);
    carry(&b, &a, SEC + 20 * MS);
    move(&a, 'A', &slot);
    cr_assert(slot.counter[PDM_COUNTER_options_sent] == 1 &&
              slot.counter[PDM_COUNTER_options_received] == 1);
    cr_assert(slot.network.samples == 1 && slot.network.begun == 1 && slot.total.samples == 1 &&
              slot.server.samples == 1);
    cr_assert(slot.network.sum == a.slot.network.sum && slot.server.min == a.slot.server.min &&
              slot.server.max == a.slot.server.max && slot.total.last == a.slot.total.last);
    cr_assert(slot.path == PDM_PATH_CARRIES && slot.owner == 77, "those are the agent's");
    cr_assert_eq(slot.own_kri, 0);
    use_secrets(&b, 'a', 'A', true);
    carry(&a, &b, 2 * SEC);
    carry(&b, &a, 2 * SEC + 20 * MS);
    cr_assert(slot.network.samples == 2 && slot.counter[PDM_COUNTER_options_sent] == 2);
    cr_assert_eq(a.slot.network.samples, 1, "nothing goes to the old one any more");
}

/* The peer may not have been told of the secret yet: as with any Kri, few options at first. */
Test(flow, another_secret_must_be_acknowledged)
{
    struct pdm_slot slot = {0};
    uint8_t option[PDM_OPTION_MAX];

    start_encrypted();
    carry(&a, &b, SEC);
    carry(&b, &a, SEC + 10 * MS);
    move(&a, 'A', &slot);
    use_secrets(&b, 'a', 'A', true);
    struct pdm_found first = send_at(&a, SEC + 30 * MS);
    cr_assert_eq(attach(&a, SEC + 31 * MS, option), PDM_ATTACH_HELD);
    receive_at(&b, &first, SEC + 35 * MS);
    carry(&b, &a, SEC + 33 * MS);
    cr_assert_eq(attach(&a, SEC + 38 * MS, option), PDM_ATTACHED);
    cr_assert_eq(attach(&a, SEC + 38 * MS, option), PDM_ATTACHED);
}
