/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf -s and -C: the control protocol, arrivals, the pace, quantities, the verdict. */
#include <criterion/criterion.h>
#include <getopt.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pdmperf/net/arrival.h"
#include "cli/pdmperf/net/channel.h"
#include "cli/pdmperf/net/latency.h"
#include "cli/pdmperf/net/options.h"
#include "cli/pdmperf/net/poller.h"
#include "cli/pdmperf/net/quantity.h"
#include "cli/pdmperf/schedule.h"
#include "cli/signals.h"

static const struct pdm_net_test usual = {
    .streams = 2,
    .block = 1000,
    .duration = PDM_NSEC_PER_SEC,
    .request = 64,
    .answer = 64,
};

/* --- the protocol --- */

Test(message, a_test_comes_as_it_went)
{
    uint8_t octets[NET_FRAME_MAX];
    struct pdm_writer w = pdm_writer(octets, sizeof octets);
    struct pdm_net_test test = usual, got;
    struct pdm_reader body;
    enum net_type type;
    size_t used;

    test.think = 12345;
    test.amount = UINT64_C(1) << 40;
    net_frame_put(&w, NET_TEST, 58);
    pdm_put_net_test(&w, &test);
    size_t len = sizeof octets - w.left;
    cr_assert_eq(len, NET_HEADER_LEN + 58);
    for (size_t part = 0; part < len; part++)
        cr_assert_eq(net_frame_take(octets, part, &type, &body, &used), NET_FRAME_PART, "%zu",
                     part);
    cr_assert_eq(net_frame_take(octets, len, &type, &body, &used), NET_FRAME_WHOLE);
    cr_assert(type == NET_TEST && used == len);
    cr_assert(net_test_take(&body, &got));
    cr_assert(got.streams == 2 && got.think == 12345 && got.amount == test.amount);
}

Test(message, another_version_and_a_long_frame_are_bad)
{
    const uint8_t other[] = {NET_VERSION + 1}, http[] = "GET / HTTP/1.1\r\n";
    const uint8_t lengthy[] = {NET_VERSION, NET_END, 0xff, 0xff};
    struct pdm_reader body;
    enum net_type type;
    size_t used;

    cr_assert_eq(net_frame_take(other, 1, &type, &body, &used), NET_FRAME_BAD);
    cr_assert_eq(net_frame_take(http, sizeof http, &type, &body, &used), NET_FRAME_BAD);
    cr_assert_eq(net_frame_take(lengthy, sizeof lengthy, &type, &body, &used), NET_FRAME_BAD);
    cr_assert_eq(net_frame_take(NULL, 0, &type, &body, &used), NET_FRAME_PART);
}

Test(message, the_largest_result_fits)
{
    static struct net_entries entries = {.count = NET_ENTRIES_MAX}, got;
    static uint8_t octets[NET_BODY_MAX + 1];
    struct pdm_writer w = pdm_writer(octets, NET_BODY_MAX);

    entries.at[NET_ENTRIES_MAX - 1].jitter = 7;
    net_entries_put(&w, &entries);
    cr_assert(!w.bad && w.left == 0);
    struct pdm_reader r = pdm_reader(octets, NET_BODY_MAX);
    cr_assert(net_entries_take(&r, &got));
    cr_assert_eq(got.at[NET_ENTRIES_MAX - 1].jitter, 7);
    r = pdm_reader(octets, NET_BODY_MAX - 1);
    cr_assert_not(net_entries_take(&r, &got), "one octet is missing");
    r = pdm_reader(octets, NET_BODY_MAX + 1);
    cr_assert_not(net_entries_take(&r, &got), "one octet too many");
    octets[1] = 0xff;
    r = pdm_reader(octets, NET_BODY_MAX);
    cr_assert_not(net_entries_take(&r, &got), "more entries than there can be");
}

static bool entry_comes(const struct pdm_net_entry *entry)
{
    static struct net_entries entries, got;
    static uint8_t octets[NET_BODY_MAX];
    struct pdm_writer w = pdm_writer(octets, sizeof octets);

    entries = (struct net_entries){.count = 1, .at = {*entry}};
    net_entries_put(&w, &entries);
    struct pdm_reader r = pdm_reader(octets, sizeof octets - w.left);

    return net_entries_take(&r, &got);
}

Test(message, times_that_no_sum_can_hold_are_refused)
{
    cr_assert(entry_comes(&(struct pdm_net_entry){.jitter = NET_TIME_MAX, .elapsed = INT64_MAX}));
    cr_assert_not(entry_comes(&(struct pdm_net_entry){.jitter = NET_TIME_MAX + 1}));
    cr_assert_not(entry_comes(&(struct pdm_net_entry){.jitter = INT64_MAX}));
    cr_assert_not(entry_comes(&(struct pdm_net_entry){.elapsed = UINT64_MAX}));
}

Test(message, only_tests_within_the_limits_are_allowed)
{
    struct pdm_net_test t = usual;

    cr_assert(net_test_allowed(&t));
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        t = usual;                                                                                 \
        change;                                                                                    \
        cr_assert_not(net_test_allowed(&t), #change);                                              \
    } while (0)
    REFUSES(t.streams = 0);
    REFUSES(t.streams = NET_STREAMS_MAX + 1);
    REFUSES(t.block = 0);
    REFUSES(t.block = NET_BLOCK_MAX + 1);
    REFUSES(t.udp = 1; t.block = NET_DATAGRAM_LEN - 1);
    REFUSES(t.udp = 1; t.block = NET_PAYLOAD_MAX + 1);
    REFUSES(t.udp = 2);
    REFUSES(t.probe = 2);
    REFUSES(t.kind = 2);
    REFUSES(t.direction = NET_BOTH + 1);
    REFUSES(t.duration = 0);
    REFUSES(t.duration = NET_TIME_MAX + 1);
    REFUSES(t.omit = NET_TIME_MAX + 1);
    REFUSES(t.think = NET_PAUSE_MAX + 1);
    REFUSES(t.block = NET_BLOCK_MAX; t.rate = NET_RATE_MIN);
    REFUSES(t.amount = NET_AMOUNT_MAX + 1);
    REFUSES(t.rate = NET_RATE_MIN - 1);
    REFUSES(t.rate = NET_RATE_MAX + 1);
    REFUSES(t.kind = NET_TRANSACTIONS; t.request = 0);
    REFUSES(t.kind = NET_TRANSACTIONS; t.answer = NET_PAYLOAD_MAX + 1);
    REFUSES(t.kind = NET_TRANSACTIONS; t.direction = NET_REVERSE);
    REFUSES(t.kind = NET_TRANSACTIONS; t.udp = 1; t.request = NET_DATAGRAM_LEN - 1);
}

Test(message, a_datagram_comes_as_it_went)
{
    const struct net_datagram sent = {.type = NET_DATA, .number = UINT64_C(1) << 40, .sent = -5};
    struct net_datagram got;
    uint8_t octets[NET_DATAGRAM_LEN];

    net_datagram_put(octets, &sent);
    cr_assert(net_datagram_take(octets, sizeof octets, &got));
    cr_assert(got.type == NET_DATA && got.number == sent.number && got.sent == -5);
    cr_assert_not(net_datagram_take(octets, sizeof octets - 1, &got));
    octets[1] = NET_STREAM;
    cr_assert_not(net_datagram_take(octets, sizeof octets, &got), "a greeting is none");
}

Test(channel, frames_arrive_in_pieces)
{
    static struct channel a, b;
    struct pdm_reader body;
    enum net_type type;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    a.fd = fds[0];
    b.fd = fds[1];
    channel_send_refusal(&a, NET_BUSY);
    channel_send(&a, NET_READY, NULL, 0);
    channel_work(&b);
    cr_assert(channel_next(&b, &type, &body) && type == NET_REFUSE);
    cr_assert_eq(pdm_read_u8(&body), NET_BUSY);
    cr_assert(channel_next(&b, &type, &body) && type == NET_READY);
    cr_assert_not(channel_next(&b, &type, &body));
    cr_assert_eq(write(fds[0], "\1\4", 2), 2);
    channel_work(&b);
    cr_assert_not(channel_next(&b, &type, &body));
    cr_assert_eq(write(fds[0], "\0\0", 2), 2);
    channel_work(&b);
    cr_assert(channel_next(&b, &type, &body) && type == NET_READY);
    channel_close(&a);
    channel_work(&b);
    cr_assert(b.broken && b.error == 0 && channel_events(&b) == 0);
    channel_close(&b);
}

Test(channel, garbage_breaks_it)
{
    static struct channel c;
    struct pdm_reader body;
    enum net_type type;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    c.fd = fds[0];
    cr_assert_eq(write(fds[1], "GET /", 5), 5);
    channel_work(&c);
    cr_assert_not(channel_next(&c, &type, &body));
    cr_assert(c.broken);
    channel_close(&c);
    close(fds[1]);
}

/* --- the loop --- */

static void count(void *context, int64_t now)
{
    (void)now;
    ++*(unsigned *)context;
}

Test(poller, lets_signals_in_though_something_is_always_ready)
{
    static struct poller p;
    unsigned called = 0;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    cr_assert(signals_catch());
    cr_assert_eq(raise(SIGTERM), 0);
    cr_assert_not(signals_stop(), "it is blocked");
    for (unsigned turn = 0; turn < 3; turn++) {
        poller_begin(&p);
        poller_add(&p, fds[0], POLLIN, POLLER_NEVER, count, &called);
        poller_turn(&p);
    }
    cr_assert(called >= 2 && signals_stop());
    close(fds[0]);
    close(fds[1]);
}

/* --- arrivals --- */

Test(arrival, loss_order_and_duplicates)
{
    static const uint64_t numbers[] = {1, 2, 5, 3, 3, 8, 5};
    struct arrival a = {0};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)arrival_add(&a, numbers[i], 0, 0);
    cr_assert_eq(a.packets, 5);
    cr_assert_eq(a.duplicates, 2);
    cr_assert_eq(a.out_of_order, 1);
    cr_assert_eq(arrival_lost(&a, 0), 3, "4, 6, 7");
    cr_assert_eq(arrival_lost(&a, 10), 5, "and 9, 10");
    cr_assert_not(arrival_add(&a, 0, 0, 0));
}

/* RFC 3550 A.8 by hand: transits 10, 26, 26, 10 us give |D| of 16, 0, 16. */
Test(arrival, jitter_of_rfc_3550)
{
    static const int64_t transit_us[] = {10, 26, 26, 10};
    double expected = 0;
    struct arrival a = {0};

    for (size_t i = 0; i < 4; i++) {
        int64_t sent = (int64_t)i * 1000000;

        (void)arrival_add(&a, i + 1, sent, sent + transit_us[i] * 1000);
        if (i > 0) {
            double d = (double)(transit_us[i] - transit_us[i - 1]) * 1000;

            expected += ((d < 0 ? -d : d) - expected) / 16;
        }
    }
    cr_assert_float_eq((double)arrival_jitter(&a), expected, 2);
    cr_assert_float_eq(expected, 1878.9, 0.1);
}

Test(arrival, impossible_times_make_no_jitter)
{
    struct arrival a = {0};

    (void)arrival_add(&a, 1, INT64_MIN, 5);
    (void)arrival_add(&a, 2, INT64_MAX, -5);
    (void)arrival_add(&a, 3, 0, 100);
    (void)arrival_add(&a, 4, INT64_MAX / 8, 100);
    (void)arrival_add(&a, 5, 0, 100);
    cr_assert_eq(arrival_jitter(&a), 0);
    cr_assert_eq(a.packets, 5);
}

/* --- the pace --- */

/* A sender that was held up sends what is due at once, and then is in time again. */
Test(pace, counts_from_the_intended_time)
{
    struct schedule pace = {.count = UINT64_MAX, .interval = 10, .start = 1000};
    unsigned sent = 0;

    for (; schedule_next(&pace, 1095) <= 1095; sent++)
        (void)schedule_begin(&pace, 1095);
    cr_assert_eq(sent, 10, "those due at 1000, 1010 ... 1090");
    cr_assert_eq(schedule_next(&pace, 1095), 1100);
}

/* --- options --- */

static bool parses(enum quantity_base base, const char *text, uint64_t *out)
{
    const struct quantity q = {.name = "-x", .base = base, .scale = 1, .min = 1, .max = 1e12};

    return quantity_parse(&q, text, out);
}

Test(quantity, suffixes)
{
    uint64_t n = 0;

    cr_assert(parses(QUANTITY_DECIMAL, "10M", &n) && n == 10000000);
    cr_assert(parses(QUANTITY_BINARY, "1.5k", &n) && n == 1536);
    cr_assert(parses(QUANTITY_PLAIN, "7", &n) && n == 7);
    cr_assert_not(parses(QUANTITY_PLAIN, "7K", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "10MM", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "-1", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "0x10", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "inf", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "nan", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "K", &n));
    cr_assert_not(parses(QUANTITY_DECIMAL, "9T9", &n));
}

enum { WORDS = 32 };

static int split(char *line, char **argv)
{
    int argc = 0;
    char *rest = NULL;

    for (char *w = strtok_r(line, " ", &rest); w && argc < WORDS; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    return argc;
}

static enum net_parsed parse(const char *text, struct net_options *o)
{
    char line[200], *argv[WORDS + 1] = {0};

    optind = 0; /* glibc's way to begin anew */
    strcpy(line, text);
    return net_options_parse(split(line, argv), argv, o);
}

/* And leaves the words in their order. */
static bool asked(const char *text)
{
    char line[200], *argv[WORDS + 1] = {0}, *before[WORDS + 1];

    optind = 0;
    strcpy(line, text);
    int argc = split(line, argv);

    memcpy(before, argv, sizeof argv);
    bool is = net_options_asked(argc, argv);

    cr_assert_arr_eq(before, argv, sizeof argv);
    return is;
}

Test(options, which_mode_is_asked_for)
{
    cr_assert(asked("pdmperf -s"));
    cr_assert(asked("pdmperf -p 5201 -u -C host"));
    cr_assert(asked("pdmperf --rr --think 5 -C host"));
    cr_assert_not(asked("pdmperf http://h/"));
    cr_assert_not(asked("pdmperf -H -s -d -C http://h/"), "these are arguments of -H and -d");
    cr_assert_not(asked("pdmperf -k -c 10 -n 5 --rate 5 http://h/"));
}

Test(options, have_iperf3s_meaning)
{
    struct net_options o;

    cr_assert_eq(parse("pdmperf -C h -u -b 10M -l 1K -P 3 -O 1 -i 0.5 -t 4 -R -J -p 99", &o),
                 NET_RUN);
    cr_assert(o.test.udp && o.test.rate == 10000000 && o.test.block == 1024);
    cr_assert(o.test.streams == 3 && o.test.omit == 1000000000 && o.interval == 500000000);
    cr_assert(o.test.duration == 4000000000 && o.test.direction == NET_REVERSE);
    cr_assert(o.json && o.port == 99 && o.test.probe);
    cr_assert_eq(parse("pdmperf -C h", &o), NET_RUN);
    cr_assert(o.test.block == 131072 && o.test.rate == 0 && o.test.duration == 10000000000);
    cr_assert_eq(parse("pdmperf -C h -n 10M -P 4", &o), NET_RUN);
    cr_assert(o.test.amount == 2621440 && o.test.duration == 0);
    cr_assert_eq(parse("pdmperf -C h --rr -l 100 --answer 2000 --think 2.5", &o), NET_RUN);
    cr_assert(o.test.request == 100 && o.test.answer == 2000 && o.test.think == 2500000);
    cr_assert(!o.test.probe);
    cr_assert_eq(parse("pdmperf -s -1 -6 -J -p 99 --json-stream", &o), NET_RUN);
    cr_assert(o.server && o.once && o.json_stream && o.port == 99);
}

Test(options, what_does_not_go_together)
{
    static const char *const bad[] = {
        "pdmperf -s -C h",         "pdmperf -s http://h/",     "pdmperf -s -u",
        "pdmperf -s -n 3",         "pdmperf -s --rr",          "pdmperf -C h -R --bidir",
        "pdmperf -C h x",          "pdmperf -C h -t 1 -n 1",   "pdmperf -C h --rr -R",
        "pdmperf -C h --rr -b 1M", "pdmperf -C h --think 1",   "pdmperf -C h -1",
        "pdmperf -C h -u -l 10",   "pdmperf -C h -u -l 65508", "pdmperf -C h --answer 5",
        "pdmperf -C h --rr -l 1M", "pdmperf -C h -P 129",      "pdmperf -C h -u --rr -l 19",
    };
    struct net_options o;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(parse(bad[i], &o), NET_BAD, "%s", bad[i]);
}

/* --- the verdict --- */

static struct latency idle, loaded;

static void add(struct latency *l, unsigned n, int64_t network, int64_t server, int64_t rest)
{
    const struct figures f = {.network = {.ns = network}, .server = {.ns = server}};

    for (unsigned i = 0; i < n; i++)
        latency_add(l, network + server + rest, &f);
}

#define MS PDM_NSEC_PER_MSEC

Test(latency, growth_names_who_causes_it)
{
    add(&idle, 10, 20 * MS, 1 * MS, 0);
    add(&loaded, 10, 110 * MS, 11 * MS, 0);
    struct latency_verdict v = latency_growth(&idle, &loaded);
    cr_assert(v.party == PARTY_NETWORK && v.percent == 90 && v.time == 100 * MS);
}

Test(latency, growth_of_the_server)
{
    add(&idle, 10, 20 * MS, 1 * MS, 0);
    add(&loaded, 10, 19 * MS, 41 * MS, 0);
    struct latency_verdict v = latency_growth(&idle, &loaded);
    cr_assert(v.party == PARTY_SERVER && v.percent == 100);
}

Test(latency, growth_within_a_tenth_is_none)
{
    add(&idle, 10, 20 * MS, 1 * MS, 0);
    add(&loaded, 10, 22 * MS, 1 * MS, 0);
    struct latency_verdict v = latency_growth(&idle, &loaded);
    cr_assert(v.party == PARTY_NONE && v.missing == NULL);
}

Test(latency, without_figures_nobody_is_named)
{
    static const struct missing why = {"no-agent", "no agent"};
    const struct figures none = {.network = {.missing = &why}, .server = {.missing = &why}};

    cr_assert_str_eq(latency_share(&idle).missing->token, "no-answer");
    latency_add(&idle, 5 * MS, &none);
    cr_assert_str_eq(latency_share(&idle).missing->token, "no-agent");
    add(&loaded, 4, MS, MS, 0);
    cr_assert_str_eq(latency_growth(&loaded, &loaded).missing->token, "few-measured");
}

Test(latency, overlapped_samples_are_left_out)
{
    const struct figures f = {.network = {.ns = MS}, .server = {.ns = MS, .overlapped = true}};
    struct latency_mark mark = latency_mark(&idle);
    int64_t mean = 0;

    latency_add(&idle, 2 * MS, &f);
    cr_assert(latency_since(&idle, &mark, LATENCY_NETWORK, &mean) && mean == MS);
    cr_assert_not(latency_since(&idle, &mark, LATENCY_SERVER, &mean));
    cr_assert_eq(latency_share(&idle).party, PARTY_NONE);
}
