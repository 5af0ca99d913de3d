/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts on paths, over networks that lose, drop and lie. */
#include "keyagent/path.h"
#include "keyagent/probe.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP (10 * PDM_NSEC_PER_MSEC)
#define SECOND PDM_NSEC_PER_SEC
#define UNDER_WAY 512
#define SECONDS_MAX 1000

static struct paths paths;
static int64_t now;
static uint32_t changes;
static uint32_t sent_in[SECONDS_MAX];

/* The network: what comes of an echo request. */
static struct {
    int64_t round_trip;
    uint32_t loss; /* percent, of a request and its answer together */
    bool drops;    /* requests with an option */
    bool silent;   /* no answers at all */
    bool refuses;  /* requests cannot even be sent */
} net;

static struct {
    int64_t at; /* 0: unused */
    uint8_t nonce[PATH_NONCE_LEN];
    uint8_t peer[PDM_ADDR_LEN];
} under_way[UNDER_WAY];

static void count_change(void *arg, uint32_t path)
{
    cr_assert_eq(arg, &paths);
    cr_assert_neq(path, PATHS_NONE);
    changes++;
}

static void begin(void)
{
    cr_assert(sodium_init() >= 0);
    cr_assert(paths_init(&paths, 1, count_change, &paths));
    paths.may_probe = true;
    now = 1000 * SECOND;
    net.round_trip = 20 * PDM_NSEC_PER_MSEC;
}

static void end(void)
{
    paths_free(&paths);
}

TestSuite(path, .init = begin, .fini = end);

/* The same luck in every run. */
static uint32_t luck(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(state >> 33) % 100;
}

static void travel(const struct path_request *request)
{
    size_t i = 0;

    if (net.silent || (net.drops && request->with_option) || luck() < net.loss)
        return;
    while (under_way[i].at != 0)
        cr_assert(++i < UNDER_WAY);
    under_way[i].at = now + net.round_trip;
    memcpy(under_way[i].nonce, request->nonce, PATH_NONCE_LEN);
    memcpy(under_way[i].peer, request->peer, PDM_ADDR_LEN);
}

static void arrive(void)
{
    for (size_t i = 0; i < UNDER_WAY; i++) {
        if (under_way[i].at == 0 || under_way[i].at > now)
            continue;
        under_way[i].at = 0;
        prober_answered(&paths.prober, under_way[i].nonce, under_way[i].peer, now);
    }
}

static void send_due(void)
{
    struct path_request request;

    while (prober_next(&paths.prober, now, &request)) {
        sent_in[(uint64_t)(now / SECOND) % SECONDS_MAX]++;
        if (net.refuses)
            prober_unsent(&paths.prober, request.nonce);
        else
            travel(&request);
    }
}

/* Lets SPAN go by, as the agent's loop would. */
static void pass(int64_t span)
{
    for (int64_t until = now + span; now < until; now += STEP) {
        if (now % SECOND == 0)
            paths_sweep(&paths, now);
        arrive();
        if (prober_busy(&paths.prober))
            send_due();
    }
}

static uint32_t join(uint32_t number)
{
    const uint8_t local[PDM_ADDR_LEN] = {0x20, 1};
    uint8_t peer[PDM_ADDR_LEN] = {0x20, 2};

    memcpy(&peer[PDM_ADDR_LEN - sizeof number], &number, sizeof number);
    return paths_join(&paths, local, peer, PDM_FORMAT_ENCRYPTED, now);
}

static bool is(uint32_t path, enum pdm_path verdict)
{
    return paths_verdict(&paths, path) == verdict;
}

Test(path, carries_within_two_round_trips)
{
    uint32_t path = join(1);

    cr_expect(is(path, PDM_PATH_UNKNOWN));
    pass(2 * net.round_trip + 2 * STEP);
    cr_expect(is(path, PDM_PATH_CARRIES));
    cr_expect_eq(changes, 1);
    cr_expect_eq(paths.prober.sent, 4);
    cr_expect_not(prober_busy(&paths.prober));
}

Test(path, both_kinds_of_request_are_made)
{
    struct path_request request;
    uint32_t path = join(1);
    uint8_t nonce[PATH_NONCE_LEN];

    cr_assert(prober_next(&paths.prober, now, &request));
    cr_expect_not(request.with_option);
    cr_expect_eq(request.format, PDM_FORMAT_ENCRYPTED);
    cr_expect_eq(memcmp(request.local, paths.table.item[path].local, PDM_ADDR_LEN), 0);
    cr_expect_eq(memcmp(request.peer, paths.table.item[path].peer, PDM_ADDR_LEN), 0);
    memcpy(nonce, request.nonce, sizeof nonce);
    cr_assert(prober_next(&paths.prober, now, &request));
    cr_expect(request.with_option);
    cr_expect_neq(memcmp(request.nonce, nonce, sizeof nonce), 0);
    cr_expect_not(prober_next(&paths.prober, now, &request));
}

Test(path, drops)
{
    net.drops = true;
    uint32_t path = join(1);
    pass(3 * SECOND);
    cr_expect(is(path, PDM_PATH_DROPS));
    cr_expect_eq(paths.prober.sent, PATH_ECHOES * AGENT_PATH_CONFIRM);
}

Test(path, no_answers)
{
    net.silent = true;
    uint32_t path = join(1);
    pass(3 * SECOND);
    cr_expect(is(path, PDM_PATH_UNKNOWN));
    pass(2 * SECOND);
    cr_expect(is(path, PDM_PATH_UNPROBED));
}

Test(path, what_cannot_be_sent_is_no_answer)
{
    net.refuses = true;
    uint32_t path = join(1);
    pass(SECOND);
    cr_expect(is(path, PDM_PATH_UNPROBED));
}

Test(path, one_echo_of_three_may_be_lost_of_each_kind)
{
    struct path_request request;
    uint32_t path = join(1);

    for (int i = 0; i < PATH_ECHOES; i++) {
        while (!prober_next(&paths.prober, now, &request))
            now += STEP;
        if (i >= 2)
            prober_answered(&paths.prober, request.nonce, request.peer, now);
    }
    cr_expect(is(path, PDM_PATH_CARRIES));
}

Test(path, an_answer_counts_once_and_from_the_peer_alone)
{
    const uint8_t other[PDM_ADDR_LEN] = {0x20, 3};
    const uint8_t forged[PATH_NONCE_LEN] = {0};
    struct path_request request;
    uint32_t path = join(1);

    for (int i = 0; i < 2; i++) {
        cr_assert(prober_next(&paths.prober, now, &request));
        for (int n = 0; n < 3; n++)
            prober_answered(&paths.prober, request.nonce, request.peer, now);
    }
    cr_expect(is(path, PDM_PATH_UNKNOWN));
    now += AGENT_PROBE_ROUND_NS;
    for (int i = 0; i < 2; i++) {
        cr_assert(prober_next(&paths.prober, now, &request));
        prober_answered(&paths.prober, request.nonce, other, now);
        prober_answered(&paths.prober, forged, request.peer, now);
    }
    cr_expect(is(path, PDM_PATH_UNKNOWN));
}

Test(path, a_verdict_is_kept_while_flows_come_and_go)
{
    uint32_t path = join(1);

    pass(SECOND);
    paths_leave(&paths, path);
    pass(300 * SECOND);
    cr_expect_eq(join(1), path);
    cr_expect(is(path, PDM_PATH_CARRIES));
    cr_expect_eq(paths.prober.sent, 4);
}

Test(path, probed_again_in_ten_minutes_if_there_are_flows)
{
    uint32_t path = join(1);

    pass(AGENT_PATH_KEPT_NS / 2);
    cr_expect_eq(paths.prober.sent, 4);
    pass(AGENT_PATH_KEPT_NS);
    cr_expect(paths.prober.sent == 8 || paths.prober.sent == 12, "%d", (int)paths.prober.sent);
    cr_expect_eq(changes, 1);
    paths_leave(&paths, path);
    uint64_t sent = paths.prober.sent;
    pass(2 * AGENT_PATH_KEPT_NS);
    cr_expect_eq(paths.prober.sent, sent);
    cr_expect_eq(join(1), path);
    cr_expect(is(path, PDM_PATH_CARRIES), "the old verdict stands until there is a new one");
    pass(SECOND);
    cr_expect_eq(paths.prober.sent, sent + 4);
}

Test(path, a_path_that_begins_to_drop_is_noticed)
{
    uint32_t path = join(1);

    pass(SECOND);
    net.drops = true;
    pass(AGENT_PATH_KEPT_NS + AGENT_PATH_KEPT_NS / AGENT_PATH_JITTER +
         AGENT_PATH_CONFIRM_WORSE * (AGENT_PATH_CONFIRM_NS + 2 * SECOND));
    cr_expect(is(path, PDM_PATH_DROPS));
}

/* A twentieth each way: a tenth of all echoes. */
Test(path, loss_does_not_make_verdicts_flap)
{
    enum { PATHS = 100, HOURS = 4 };
    uint32_t path[PATHS];
    uint32_t carries = 0;

    net.loss = 10;
    for (uint32_t i = 0; i < PATHS; i++)
        path[i] = join(i);
    pass(60 * SECOND);
    for (uint32_t i = 0; i < PATHS; i++)
        carries += is(path[i], PDM_PATH_CARRIES);
    cr_expect_geq(carries, PATHS - 2, "%u", carries);
    changes = 0;
    pass(HOURS * 3600 * SECOND);
    /* About 2400 refreshes, of which one in 7000 finds a verdict that is wrong. */
    cr_expect_leq(changes, 4U, "%u changes", changes);
}

Test(path, what_drops_is_probed_less_and_less)
{
    uint32_t path;

    net.drops = true;
    path = join(1);
    pass(AGENT_PATH_PAUSE_NS / 2);
    uint64_t once = paths.prober.sent;
    pass(AGENT_PATH_PAUSE_NS);
    cr_expect_gt(paths.prober.sent, once);
    pass(24 * 3600 * SECOND);
    /* 1, 2, 4 ... 64 minutes, then once an hour, a quarter more or less. */
    cr_expect_leq(paths.prober.sent / once, 42U, "%d", (int)(paths.prober.sent / once));
    cr_expect_geq(paths.prober.sent / once, 20U, "%d", (int)(paths.prober.sent / once));
    cr_expect_leq(paths.table.item[path].pause, AGENT_PATH_PAUSE_MAX_NS);
    net.drops = false;
    pass(2 * AGENT_PATH_PAUSE_MAX_NS);
    cr_expect(is(path, PDM_PATH_CARRIES));
    cr_expect_eq(paths.table.item[path].pause, 0);
}

Test(path, suspicion_withdraws_at_once_and_probes)
{
    uint32_t path = join(1);

    pass(SECOND);
    net.drops = true;
    paths_suspect(&paths, path, now);
    cr_expect(is(path, PDM_PATH_UNKNOWN));
    cr_expect_eq(changes, 2);
    pass(2 * SECOND);
    cr_expect(is(path, PDM_PATH_DROPS));
    paths_suspect(&paths, path, now);
    cr_expect(is(path, PDM_PATH_DROPS));
}

Test(path, suspicion_during_a_refresh_discards_it)
{
    struct path_request request;
    uint8_t nonce[4][PATH_NONCE_LEN];
    uint32_t path = join(1);

    pass(SECOND);
    paths.table.item[path].due = now;
    paths_sweep(&paths, now);
    for (int i = 0; i < 4; i++) {
        while (!prober_next(&paths.prober, now, &request))
            now += STEP;
        memcpy(nonce[i], request.nonce, PATH_NONCE_LEN);
    }
    paths_suspect(&paths, path, now);
    for (int i = 0; i < 4; i++)
        prober_answered(&paths.prober, nonce[i], paths.table.item[path].peer, now);
    cr_expect(is(path, PDM_PATH_UNKNOWN));
    cr_expect(prober_busy(&paths.prober));
}

/* A flow that is wrong, or a path that drops only what the probe does not look like. */
Test(path, suspicion_that_the_probe_contradicts_is_heeded_less_and_less)
{
    uint32_t path = join(1);
    uint32_t heeded = 0;

    pass(SECOND);
    for (int i = 0; i < 3600; i++) {
        paths_suspect(&paths, path, now);
        heeded += is(path, PDM_PATH_UNKNOWN);
        pass(SECOND);
        cr_expect(is(path, PDM_PATH_CARRIES));
    }
    /* 10, 20, 40 ... seconds. */
    cr_expect_geq(heeded, 2U);
    cr_expect_leq(changes, 30U, "%u", changes);
}

Test(path, suspicion_that_was_put_off_is_heeded_later)
{
    uint32_t path = join(1);

    pass(SECOND);
    paths_suspect(&paths, path, now);
    pass(SECOND);
    net.drops = true;
    paths_suspect(&paths, path, now);
    cr_expect(is(path, PDM_PATH_CARRIES));
    pass(AGENT_PATH_SUSPECT_NS + 2 * SECOND);
    cr_expect(is(path, PDM_PATH_DROPS));
}

/* A refresh may find out before. */
Test(path, suspicion_that_was_put_off_is_no_more_once_the_path_was_probed)
{
    uint32_t path = join(1);

    pass(SECOND);
    paths.table.item[path].heed_at = now + 300 * SECOND;
    paths_suspect(&paths, path, now);
    paths.table.item[path].due = now;
    net.drops = true;
    pass(AGENT_PATH_CONFIRM_WORSE * (AGENT_PATH_CONFIRM_NS + 2 * SECOND));
    cr_expect(is(path, PDM_PATH_DROPS));
    net.drops = false;
    pass(2 * AGENT_PATH_PAUSE_NS);
    cr_expect(is(path, PDM_PATH_CARRIES));
}

Test(path, retry_probes_what_does_not_carry)
{
    net.drops = true;
    uint32_t drops = join(1);
    pass(5 * SECOND);
    net.drops = false;
    uint32_t carries = join(2);
    pass(5 * SECOND);
    uint64_t sent = paths.prober.sent;
    paths_retry(&paths);
    pass(2 * SECOND);
    cr_expect(is(drops, PDM_PATH_CARRIES));
    cr_expect(is(carries, PDM_PATH_CARRIES));
    cr_expect_eq(paths.prober.sent, sent + 4);
}

Test(path, without_the_right_to_probe_there_is_no_verdict)
{
    paths.may_probe = false;
    uint32_t path = join(1);
    cr_expect(is(path, PDM_PATH_UNPROBED));
    paths_retry(&paths);
    pass(10 * SECOND);
    cr_expect(is(path, PDM_PATH_UNPROBED));
    cr_expect_eq(paths.prober.sent, 0);
}

Test(path, link_local_peers_cannot_be_probed)
{
    const uint8_t local[PDM_ADDR_LEN] = {0xfe, 0x80, [15] = 1};
    const uint8_t peer[PDM_ADDR_LEN] = {0xfe, 0x80, [15] = 2};
    uint32_t path = paths_join(&paths, local, peer, PDM_FORMAT_PLAIN, now);

    cr_expect(is(path, PDM_PATH_UNPROBED));
    paths_retry(&paths);
    pass(10 * SECOND);
    cr_expect(is(path, PDM_PATH_UNPROBED));
    cr_expect_eq(paths.prober.sent, 0);
}

Test(path, another_format_is_another_length)
{
    const uint8_t local[PDM_ADDR_LEN] = {0x20, 1};
    const uint8_t peer[PDM_ADDR_LEN] = {0x20, 2};
    uint32_t path = paths_join(&paths, local, peer, PDM_FORMAT_RFC8250, now);

    pass(SECOND);
    cr_expect(is(path, PDM_PATH_CARRIES));
    net.drops = true;
    cr_expect_eq(paths_join(&paths, local, peer, PDM_FORMAT_ENCRYPTED, now), path);
    cr_expect(is(path, PDM_PATH_UNKNOWN));
    pass(2 * SECOND);
    cr_expect(is(path, PDM_PATH_DROPS));
}

Test(path, many_at_once_keep_to_the_rate)
{
    enum { PATHS = 1000, SECONDS = 100 };
    uint32_t carries = 0;
    uint32_t path[PATHS];

    memset(sent_in, 0, sizeof sent_in);
    for (uint32_t i = 0; i < PATHS; i++)
        path[i] = join(i);
    pass(SECONDS * SECOND);
    for (size_t i = 0; i < SECONDS_MAX; i++)
        cr_expect_leq(sent_in[i], 2 * AGENT_PROBE_RATE);
    cr_expect_leq(paths.prober.sent, AGENT_PROBE_RATE * (SECONDS + 1));
    for (uint32_t i = 0; i < PATHS; i++)
        carries += is(path[i], PDM_PATH_CARRIES);
    cr_expect_eq(carries, PATHS, "%u", carries);
}

/* More become due all the time than can be probed. */
Test(path, who_is_probed_first_is_done_first)
{
    enum { EARLY = AGENT_PROBINGS, SECONDS = 60 };
    uint32_t path[EARLY];
    uint32_t carries = 0;

    for (uint32_t i = 0; i < EARLY; i++)
        path[i] = join(i);
    for (uint32_t i = 0; i < SECONDS; i++) {
        for (uint32_t n = 0; n < AGENT_PROBE_RATE; n++)
            join(EARLY + i * AGENT_PROBE_RATE + n);
        pass(SECOND);
    }
    for (uint32_t i = 0; i < EARLY; i++)
        carries += is(path[i], PDM_PATH_CARRIES);
    cr_expect_eq(carries, EARLY, "%u", carries);
}

Test(path, paths_without_flows_wait_for_one)
{
    uint32_t path;

    for (uint32_t i = 0; i < 1000; i++)
        paths_leave(&paths, join(i));
    pass(10 * SECOND);
    cr_expect_eq(paths.prober.sent, 0);
    path = join(7);
    pass(SECOND);
    cr_expect(is(path, PDM_PATH_CARRIES));
}

/* Who asks gets a verdict without a flow; after a while nobody is thought to want another. */
Test(path, a_question_is_as_good_as_a_flow_for_a_while)
{
    uint8_t local[PDM_ADDR_LEN], peer[PDM_ADDR_LEN];
    uint32_t path = join(7);

    paths_leave(&paths, path);
    memcpy(local, paths.table.item[path].local, sizeof local);
    memcpy(peer, paths.table.item[path].peer, sizeof peer);
    cr_expect_eq(paths_ask(&paths, local, peer, PDM_FORMAT_ENCRYPTED, now), path);
    pass(SECOND);
    cr_expect(is(path, PDM_PATH_CARRIES));
    uint64_t sent = paths.prober.sent;
    net.drops = true;
    pass(3 * AGENT_PATH_KEPT_NS / 2);
    cr_expect_eq(paths.prober.sent, sent);
    cr_expect(is(path, PDM_PATH_CARRIES));
    cr_expect_eq(paths_ask(&paths, local, peer, PDM_FORMAT_ENCRYPTED, now), path);
    pass(SECOND);
    cr_expect_gt(paths.prober.sent, sent);
}

Test(path, a_full_table_forgets_those_without_flows)
{
    paths.may_probe = false;
    uint32_t busy = join(0);
    for (uint32_t i = 1; i < AGENT_PATHS_MAX; i++)
        paths_leave(&paths, join(i));
    cr_expect_eq(paths.table.index.used, AGENT_PATHS_MAX);
    /* All were used lately: the first look at each marks it, the second takes it. */
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 2 * AGENT_PATHS_MAX / AGENT_PATH_LOOKS; i++) {
        uint32_t path = join(AGENT_PATHS_MAX + i);

        refused += path == PATHS_NONE;
        cr_expect(is(path, PDM_PATH_UNPROBED));
        paths_leave(&paths, path);
    }
    cr_expect_lt(refused, 2U * AGENT_PATHS_MAX / AGENT_PATH_LOOKS);
    cr_expect_neq(join(3 * AGENT_PATHS_MAX), PATHS_NONE);
    cr_expect_eq(join(0), busy);
}

Test(path, a_full_table_of_flows_takes_no_more)
{
    paths.may_probe = false;
    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++)
        cr_assert_neq(join(i), PATHS_NONE);
    for (uint32_t i = 0; i < 1000; i++)
        cr_expect_eq(join(AGENT_PATHS_MAX + i), PATHS_NONE);
    cr_expect(is(PATHS_NONE, PDM_PATH_UNPROBED));
    paths_leave(&paths, PATHS_NONE);
    paths_suspect(&paths, PATHS_NONE, now);
}

/* Replies. */

#define ID 0x1234

static size_t make_reply(uint8_t out[static 64], uint8_t type, uint16_t id)
{
    struct icmp6_hdr header = {.icmp6_type = type};

    header.icmp6_id = htons(id);
    memcpy(out, &header, sizeof header);
    memset(out + sizeof header, 7, PATH_NONCE_LEN);
    return sizeof header + PATH_NONCE_LEN;
}

Test(path, replies_are_parsed)
{
    uint8_t bytes[64];
    uint8_t nonce[PATH_NONCE_LEN];
    size_t len = make_reply(bytes, ICMP6_ECHO_REPLY, ID);

    cr_expect(probe_parse(bytes, len, ID, nonce));
    cr_expect_eq(nonce[0], 7);
    cr_expect_eq(nonce[PATH_NONCE_LEN - 1], 7);
    for (size_t i = 0; i < sizeof bytes; i++)
        cr_expect_eq(probe_parse(bytes, i, ID, nonce), i == len);
    cr_expect_not(probe_parse(bytes, len, ID + 1, nonce));
    bytes[1] = 1;
    cr_expect_not(probe_parse(bytes, len, ID, nonce));
    make_reply(bytes, ICMP6_ECHO_REQUEST, ID);
    cr_expect_not(probe_parse(bytes, len, ID, nonce));
}

/* Whoever has seen a request knows the identifier, and may send what is no reply without end. */
Test(path, what_is_no_reply_is_read_one_by_one)
{
    uint8_t bytes[64];
    uint8_t nonce[PATH_NONCE_LEN];
    uint8_t from[PDM_ADDR_LEN];
    size_t len = make_reply(bytes, ICMP6_ECHO_REPLY, ID);
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    const struct probe probe = {.fd = pair[0], .identifier = ID};
    cr_expect_eq(probe_receive(&probe, nonce, from), PROBE_NONE);
    cr_assert_eq(send(pair[1], bytes, len - 1, 0), (ssize_t)(len - 1));
    cr_assert_eq(send(pair[1], bytes, len + 1, 0), (ssize_t)(len + 1));
    cr_assert_eq(send(pair[1], bytes, len, 0), (ssize_t)len);
    cr_expect_eq(probe_receive(&probe, nonce, from), PROBE_OTHER);
    cr_expect_eq(probe_receive(&probe, nonce, from), PROBE_OTHER);
    cr_expect_eq(probe_receive(&probe, nonce, from), PROBE_REPLY);
    cr_expect_eq(probe_receive(&probe, nonce, from), PROBE_NONE);
    close(pair[0]);
    close(pair[1]);
}
