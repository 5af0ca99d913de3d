/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf's two ends say to each other: what is taken is within its limits, and is the same
 * when it is put and taken again. */
#include <stdlib.h>
#include <string.h>

#include "cli/pdmperf/net/arrival.h"
#include "cli/pdmperf/net/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_test(struct pdm_reader body)
{
    uint8_t again[NET_BODY_MAX];
    const uint8_t *octets = body.at;
    size_t len = body.left;
    struct pdm_net_test test;

    if (!net_test_take(&body, &test))
        return;
    struct pdm_writer w = pdm_writer(again, sizeof(again));

    pdm_put_net_test(&w, &test);
    must(!w.bad && sizeof(again) - w.left == len && memcmp(again, octets, len) == 0);
    if (!net_test_allowed(&test))
        return;
    must(net_stream_count(&test) >= 1 && net_stream_count(&test) <= NET_ENTRIES_MAX);
    must(test.kind == NET_BULK ? test.block <= NET_BLOCK_MAX && test.block > 0
                               : test.request <= NET_PAYLOAD_MAX && test.answer <= NET_PAYLOAD_MAX);
    must(test.amount != 0 || test.duration != 0);
}

static void check_entries(struct pdm_reader body)
{
    static uint8_t again[NET_BODY_MAX];
    static struct net_entries entries;
    size_t len = body.left;

    if (!net_entries_take(&body, &entries))
        return;
    must(entries.count <= NET_ENTRIES_MAX);
    for (unsigned i = 0; i < entries.count; i++)
        must(entries.at[i].jitter <= NET_TIME_MAX && entries.at[i].elapsed <= INT64_MAX);
    struct pdm_writer w = pdm_writer(again, sizeof(again));

    net_entries_put(&w, &entries);
    must(!w.bad && sizeof(again) - w.left == len);
}

/* Each datagram is counted once, whatever its number and time. */
static void check_arrivals(const uint8_t *data, size_t len)
{
    struct arrival a = {0};
    struct net_datagram d;
    uint64_t came = 0;

    for (; len >= NET_DATAGRAM_LEN; data += NET_DATAGRAM_LEN, len -= NET_DATAGRAM_LEN) {
        if (!net_datagram_take(data, NET_DATAGRAM_LEN, &d))
            return;
        came++;
        (void)arrival_add(&a, d.number, d.sent, (int64_t)came);
        must(a.packets + a.duplicates == came && arrival_jitter(&a) >= 0);
        must(arrival_lost(&a, 0) <= a.window.top && a.out_of_order <= a.packets);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pdm_net_greeting greeting;
    enum net_type type;
    struct pdm_reader body;
    size_t used = 0;

    check_arrivals(data, len);
    while (net_frame_take(data, len, &type, &body, &used) == NET_FRAME_WHOLE) {
        must(used >= NET_HEADER_LEN && used <= len && used <= NET_FRAME_MAX);
        must(body.left == used - NET_HEADER_LEN);
        check_test(body);
        check_entries(body);
        (void)net_greeting_take(&body, &greeting);
        (void)net_refusal_text(data[used - 1]);
        data += used;
        len -= used;
    }
    return 0;
}
