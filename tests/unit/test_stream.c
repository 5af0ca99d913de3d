/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: when an option may go along, and which answers are an answer. */
#include <criterion/criterion.h>

#include "core/flow.h"
#include "core/limits.h"
#include "core/stream.h"

#define MS PDM_NSEC_PER_MSEC
#define START (1000 * MS)

/* A request with an option at NOW, and its answer after WAIT. */
static void exchange(struct pdm_stream *s, int64_t now, int64_t wait)
{
    pdm_stream_sent(s, now);
    pdm_stream_attached(s, now);
    pdm_stream_heard(s, now + wait);
}

Test(stream, the_first_send_is_a_turn)
{
    struct pdm_stream s = {.used = true};

    cr_assert(pdm_stream_may_attach(&s, START));
    pdm_stream_sent(&s, START);
    cr_assert_not(pdm_stream_may_attach(&s, START + 100 * MS));
    pdm_stream_heard(&s, START + 100 * MS);
    cr_assert(pdm_stream_may_attach(&s, START + 100 * MS));
}

Test(stream, once_per_interval)
{
    struct pdm_stream s = {.used = true};

    exchange(&s, START, 1);
    cr_assert_not(pdm_stream_may_attach(&s, START + PDM_STREAM_INTERVAL_NS - 1));
    cr_assert(pdm_stream_may_attach(&s, START + PDM_STREAM_INTERVAL_NS));
}

Test(stream, who_was_connected_to_answers_at_once)
{
    struct pdm_stream s = {.used = true, .accepted = true};

    exchange(&s, START, 1);
    cr_assert_not(pdm_stream_may_attach(&s, START + 2));
    s.met = s.asked = true;
    cr_assert(pdm_stream_may_attach(&s, START + 2));
    s.accepted = false;
    cr_assert_not(pdm_stream_may_attach(&s, START + 2));
}

/* Where the path begins to drop options, one segment is lost and not two. */
Test(stream, who_was_connected_to_does_not_ask)
{
    struct pdm_stream s = {.used = true, .accepted = true};

    cr_assert(pdm_stream_may_attach(&s, START), "before it knows of the other's");
    s.met = true;
    cr_assert_not(pdm_stream_may_attach(&s, START));
}

Test(stream, one_request_one_answer)
{
    struct pdm_stream s = {.used = true};

    for (int i = 0; i < 100; i++) {
        exchange(&s, START + i * 20 * MS, 10 * MS);
        cr_assert(s.unique, "exchange %d", i);
    }
}

Test(stream, a_send_behind_the_option_leaves_the_answer_unclear)
{
    struct pdm_stream s = {.used = true};

    pdm_stream_sent(&s, START);
    pdm_stream_attached(&s, START);
    pdm_stream_sent(&s, START + 1);
    pdm_stream_heard(&s, START + 10 * MS);
    cr_assert_not(s.unique);
}

/* Whatever its depth and however long it goes on. */
Test(stream, a_pipeline_never_has_an_answer_of_its_own)
{
    for (uint32_t depth = 2; depth <= 16; depth *= 2) {
        struct pdm_stream s = {.used = true};
        int64_t now = START;

        for (uint32_t i = 0; i < depth; i++)
            pdm_stream_sent(&s, now + i);
        pdm_stream_attached(&s, now);
        for (int i = 0; i < 1000; i++) {
            now += 50 * MS;
            pdm_stream_heard(&s, now);
            cr_assert_not(s.unique, "depth %u, answer %d", depth, i);
            pdm_stream_sent(&s, now);
            if (pdm_stream_may_attach(&s, now))
                pdm_stream_attached(&s, now);
        }
    }
}

Test(stream, a_pipeline_is_forgiven_after_a_long_quiet)
{
    struct pdm_stream s = {.used = true};

    pdm_stream_sent(&s, START);
    pdm_stream_sent(&s, START);
    pdm_stream_heard(&s, START + 50 * MS);
    exchange(&s, START + 50 * MS + PDM_STREAM_QUIET_NS, 50 * MS);
    cr_assert_not(s.unique, "quiet for no longer than the limit");
    exchange(&s, START + 10 * PDM_STREAM_QUIET_NS, 50 * MS);
    cr_assert(s.unique);
}

Test(stream, one_direction_alone_is_bulk_until_it_turns)
{
    struct pdm_stream s = {.used = true};

    exchange(&s, START, MS);
    for (int i = 0; i < PDM_STREAM_BULK; i++) {
        cr_assert_not(pdm_stream_is_bulk(&s), "receipt %d", i);
        pdm_stream_heard(&s, START + MS + i);
    }
    cr_assert(pdm_stream_is_bulk(&s));
    pdm_stream_sent(&s, START + 2 * MS);
    for (int i = 0; i < PDM_STREAM_BULK; i++) {
        cr_assert_not(pdm_stream_is_bulk(&s), "send %d", i);
        pdm_stream_sent(&s, START + 2 * MS);
    }
    cr_assert(pdm_stream_is_bulk(&s));
}

Test(stream, what_was_held_is_a_send)
{
    struct pdm_stream s = {.used = true};

    s.held = true;
    cr_assert(pdm_stream_heard(&s, START));
    cr_assert_not(s.unique);
    cr_assert_not(s.held);
    cr_assert_not(pdm_stream_heard(&s, START + 1), "the same burst");
}

Test(stream, handshake)
{
    const uint8_t hello[] = {22, 3, 1, 0, 5}, change[] = {20, 3, 3, 0, 1},
                  data[] = {23, 3, 3, 0, 9};
    const uint8_t text[] = "GET /";

    cr_assert(pdm_stream_is_handshake(hello, sizeof hello));
    cr_assert(pdm_stream_is_handshake(change, sizeof change));
    cr_assert_not(pdm_stream_is_handshake(hello, 1));
    cr_assert_not(pdm_stream_is_handshake(data, sizeof data));
    cr_assert_not(pdm_stream_is_handshake(text, sizeof text));
}

/* Two ends of a flow, in clear, as the shim drives them. */

struct end {
    struct pdm_flow flow;
    struct pdm_slot slot;
};

static const _Atomic uint64_t no_guard;

static void begin(struct end *e, bool accepted)
{
    *e = (struct end){0};
    pdm_flow_init(&e->flow, PDM_FORMAT_PLAIN, 7, &e->slot);
    e->flow.stream.used = true;
    e->flow.stream.accepted = accepted;
}

static void send_option(struct end *e, int64_t now, uint8_t option[static PDM_OPTION_MAX])
{
    cr_assert(pdm_stream_may_attach(&e->flow.stream, now));
    pdm_stream_sent(&e->flow.stream, now);
    cr_assert_eq(pdm_flow_attach(&e->flow, &no_guard, PDM_OPTION_TYPE, now, 1, option),
                 PDM_ATTACHED);
    pdm_stream_attached(&e->flow.stream, now);
}

static struct pdm_sample take(struct end *e, const uint8_t *option, int64_t at)
{
    uint8_t header[PDM_HEADER_MAX];
    struct pdm_found found;
    struct pdm_sample sample;

    size_t len = pdm_header_wrap(PDM_FORMAT_PLAIN, option, header);
    cr_assert_eq(pdm_header_find(header, len, PDM_OPTION_TYPE, &found), PDM_FOUND);
    pdm_stream_heard(&e->flow.stream, at);
    cr_assert_eq(pdm_flow_receive(&e->flow, &found, at, true, &sample), PDM_RECEIVED);
    return sample;
}

static uint64_t counted(const struct end *e, enum pdm_counter which)
{
    return atomic_load(&e->slot.counter[which]);
}

Test(stream, request_and_answer_make_both_delays)
{
    struct end client, server;
    uint8_t option[PDM_OPTION_MAX];

    begin(&client, false);
    begin(&server, true);
    send_option(&client, START, option);
    take(&server, option, START + 10 * MS);
    send_option(&server, START + 30 * MS, option);
    struct pdm_sample s = take(&client, option, START + 40 * MS);

    cr_assert(s.has_network && s.has_server && !s.overlapped);
    cr_assert_lt(llabs(s.network - 20 * MS), MS);
    cr_assert_lt(llabs(s.server - 20 * MS), MS);
}

/* Options that another packet overtook in the kernel's memory were not lost. */
Test(stream, options_overtaken_are_no_losses)
{
    struct end client, server;
    uint8_t option[PDM_OPTION_MAX];
    int64_t now = START;

    begin(&client, false);
    begin(&server, true);
    for (int i = 0; i < 9; i++, now += 100 * MS) {
        send_option(&client, now, option);
        pdm_stream_heard(&client.flow.stream, now + 50 * MS);
    }
    send_option(&client, now, option);
    take(&server, option, now + 10 * MS);
    send_option(&server, now + 30 * MS, option);
    struct pdm_sample s = take(&client, option, now + 40 * MS);

    cr_assert_eq(counted(&server, PDM_COUNTER_lost), 0);
    cr_assert(s.has_server && !s.overlapped);
}

/* An acknowledgement may carry the option that the next data has: its stamp is of data before it.
 */
Test(stream, a_stamp_from_before_the_packet_can_have_come_counts_for_nothing)
{
    struct end client, server;
    uint8_t option[PDM_OPTION_MAX];

    begin(&client, false);
    begin(&server, true);
    send_option(&client, START, option);
    take(&server, option, START + 10 * MS);
    send_option(&server, START + 30 * MS, option);
    struct pdm_sample s = take(&client, option, START + 15 * MS);

    cr_assert_not(s.has_network || s.has_server);
    cr_assert_eq(counted(&client, PDM_COUNTER_negative), 0);
    cr_assert_eq(counted(&client, PDM_COUNTER_unstamped), 1);
    cr_assert_not(client.flow.received, "nothing of it may be told to the peer");
}

/* The answer to a request that the link lost and the kernel sent again, without an option. */
Test(stream, an_exchange_that_lost_its_option_has_a_total)
{
    struct end client;
    uint8_t option[PDM_OPTION_MAX];

    begin(&client, false);
    send_option(&client, START, option);
    pdm_stream_heard(&client.flow.stream, START + 240 * MS);
    pdm_flow_answered(&client.flow, START + 240 * MS);
    cr_assert_eq(atomic_load(&client.slot.total.samples), 0, "its option may be yet to come");
    pdm_flow_lost(&client.flow);
    pdm_flow_lost(&client.flow);
    cr_assert_eq(atomic_load(&client.slot.total.samples), 1);
    cr_assert_eq(atomic_load(&client.slot.total.last), 240 * MS);
    cr_assert_eq(atomic_load(&client.slot.network.samples), 0);
}

Test(stream, an_option_that_did_not_leave_was_not_sent)
{
    struct end client;
    uint8_t option[PDM_OPTION_MAX];

    begin(&client, false);
    send_option(&client, START, option);
    cr_assert_eq(counted(&client, PDM_COUNTER_options_sent), 1);
    pdm_flow_withheld(&client.flow);
    cr_assert_eq(counted(&client, PDM_COUNTER_options_sent), 0);
}
