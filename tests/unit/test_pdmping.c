/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmping without a network: its options, its payload, its figures and its sums. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/histogram.h"
#include "cli/figures.h"
#include "cli/pdmping/options.h"
#include "cli/pdmping/probe.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/tally.h"

#define MS 1000000LL

TestSuite(pdmping, .timeout = 30);

static enum ping_parsed parse(const char *line, struct ping_options *options)
{
    static char words[256];
    static char *argv[32];
    int argc = 0;

    (void)snprintf(words, sizeof(words), "pdmping %s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    optind = 0; /* glibc: start anew */
    return ping_options_parse(argc, argv, options);
}

Test(pdmping, options_have_pings_defaults)
{
    struct ping_options o;

    cr_assert(parse("::1", &o) == PING_RUN);
    cr_assert(strcmp(o.host, "::1") == 0);
    cr_assert(o.port == 7 && o.size == 56 && o.interval == 1000 * MS && o.wait == 1000 * MS);
    cr_assert(o.count == 0 && o.deadline == 0 && !o.quiet && !o.timestamps && !o.json && !o.listen);
}

Test(pdmping, options_are_read)
{
    struct ping_options o;

    cr_assert(parse("-c 3 -i 0.25 -w 10 -W .5 -s 24 -q -D -I lo -p 7007 --json host", &o) ==
              PING_RUN);
    cr_assert(o.count == 3 && o.interval == 250 * MS && o.deadline == 10000 * MS &&
              o.wait == 500 * MS);
    cr_assert(o.size == 24 && o.quiet && o.timestamps && o.json && o.port == 7007);
    cr_assert(strcmp(o.source, "lo") == 0 && strcmp(o.host, "host") == 0);
    cr_assert(parse("--listen -p 9 -I ::1", &o) == PING_RUN);
    cr_assert(o.listen && o.port == 9 && o.host == NULL);
}

Test(pdmping, options_that_are_wrong_are_refused, .init = cr_redirect_stderr)
{
    static const char *const wrong[] = {
        "",
        "a b",
        "-c 0 a",
        "-c -1 a",
        "-c 1x a",
        "-i 0 a",
        "-i inf a",
        "-i nan a",
        "-i 0x1 a",
        "-i 1e3 a",
        "-i . a",
        "-i 1.2.3 a",
        "-s 23 a",
        "-s 65528 a",
        "-p 0 a",
        "-p 65536 a",
        "-w 0 a",
        "-W 1e9 a",
        "-Z a",
        "-c",
        "--listen a",
        "--listen -c 1",
        "--listen --json",
        "-c +1 a",
        "-s -1 a",
        "-W 86401 a",
        "-p 7x a",
        "-c 99999999999999999999 a",
    };
    struct ping_options o;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect(parse(wrong[i], &o) == PING_BAD, "accepted: %s", wrong[i]);
}

Test(pdmping, probe_comes_back_as_it_went)
{
    const struct probe sent = {.seq = 0x0102030405060708, .sent = 77, .run = UINT64_MAX - 1};
    struct probe got;
    uint8_t payload[56];

    probe_write(&sent, payload, sizeof(payload));
    cr_assert(payload[0] == 1 && payload[7] == 8 && payload[24] == 24 && payload[55] == 55);
    cr_assert(probe_read(&got, payload, PROBE_HEADER));
    cr_assert(got.seq == sent.seq && got.sent == sent.sent && got.run == sent.run);
    for (size_t len = 0; len < PROBE_HEADER; len++)
        cr_expect(!probe_read(&got, payload, len));
}

Test(pdmping, figures_are_what_one_datagram_changed)
{
    const struct pdmv2_stats before = {.network_delay = {.samples = 4, .last = 1},
                                       .server_delay = {.samples = 4, .last = 2},
                                       .options_received = 5};
    struct pdmv2_stats after = before;

    after.options_received++;
    after.network_delay.samples++;
    after.network_delay.last = 18 * MS;
    after.server_delay.samples++;
    after.server_delay.last = 42 * MS;
    struct figures f = figures_between(&before, &after);

    cr_assert(!f.network.missing && f.network.ns == 18 * MS);
    cr_assert(!f.server.missing && f.server.ns == 42 * MS && !f.server.overlapped);

    after.server_delay = before.server_delay;
    after.overlapped = 1;
    after.server_delay_overlapped = 43 * MS;
    f = figures_between(&before, &after);
    cr_assert(!f.server.missing && f.server.ns == 43 * MS && f.server.overlapped);

    after.overlapped = 0;
    f = figures_between(&before, &after);
    cr_assert(!f.network.missing);
    cr_assert_str_eq(f.server.missing->token, "named-before");
}

/* One counter moves; the old last value must not show, whatever it was. */
Test(pdmping, figures_say_why_there_is_none)
{
    const struct pdmv2_stats before = {.network_delay = {.samples = 4, .last = 1},
                                       .server_delay = {.samples = 4, .last = 2}};
    static const struct {
        struct pdmv2_stats after;
        const char *network, *server;
    } rows[] = {
        {{.reason = PDMV2_NOT_TAKING_PART}, "not-taking-part", "not-taking-part"},
        {{.reason = PDMV2_NO_AGENT}, "no-agent", "no-agent"},
        {{.reason = PDMV2_READ_ONLY, .options_received = 1}, "read-only", "read-only"},
        {{.reason = PDMV2_NO_FLOW}, "no-flow", "no-flow"},
        {{.reason = PDMV2_OFF}, "off", "off"},
        {{.reason = PDMV2_DENIED}, "denied", "denied"},
        {{.reason = PDMV2_PATH_UNKNOWN}, "path-unknown", "path-unknown"},
        {{.reason = PDMV2_PATH_DROPS}, "path-drops", "path-drops"},
        {{.reason = PDMV2_PATH_UNPROBED}, "path-unprobed", "path-unprobed"},
        {{.options_received = 0}, "no-option", "no-option"},
        {{.auth_failures = 1}, "not-opened", "not-opened"},
        {{.duplicates = 1}, "duplicate", "duplicate"},
        {{.options_received = 1, .unstamped = 1}, "unstamped", "unstamped"},
        {{.options_received = 1, .negative = 1}, "negative", "negative"},
        {{.options_received = 1}, "unnamed", "unnamed"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pdmv2_stats after = rows[i].after;

        after.network_delay = before.network_delay;
        after.server_delay = before.server_delay;
        struct figures f = figures_between(&before, &after);

        cr_assert(f.network.missing && f.server.missing, "row %zu", i);
        cr_expect_str_eq(f.network.missing->token, rows[i].network);
        cr_expect_str_eq(f.server.missing->token, rows[i].server);
    }
}

Test(pdmping, figures_of_an_imprecise_network_delay_keep_the_servers)
{
    const struct pdmv2_stats before = {0};
    const struct pdmv2_stats after = {
        .options_received = 1, .imprecise = 1, .server_delay = {.samples = 1, .last = 5 * MS}};
    struct figures f = figures_between(&before, &after);

    cr_assert(f.network.missing);
    cr_assert_str_eq(f.network.missing->token, "imprecise");
    cr_assert(!f.server.missing && f.server.ns == 5 * MS);
}

Test(pdmping, histogram_is_exact_in_means_and_within_one_percent_else)
{
    static struct histogram h;

    for (int64_t i = 1; i <= 10000; i++)
        histogram_add(&h, i * 1000);
    cr_assert(h.samples == 10000 && h.min == 1000 && h.max == 10000000);
    cr_assert(histogram_mean(&h) == 5000500);
    for (unsigned p = 1; p < 100; p++) {
        int64_t truth = (int64_t)p * 100000;
        int64_t off = histogram_percentile(&h, p) - truth;

        cr_expect(off <= truth / 100 && off >= -truth / 100, "p%u is off by %lld", p,
                  (long long)off);
    }
    cr_assert(histogram_percentile(&h, 100) <= h.max);
}

Test(pdmping, histogram_takes_any_value)
{
    static const int64_t values[] = {INT64_MIN / 4, -1, 0, 1, 127, 128, 255, 256, INT64_MAX / 4};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        static struct histogram h;

        memset(&h, 0, sizeof(h));
        histogram_add(&h, values[i]);
        cr_expect(h.min == values[i] && h.max == values[i] && histogram_mean(&h) == values[i]);
        cr_expect(histogram_percentile(&h, 50) == values[i], "of one value: %lld",
                  (long long)histogram_percentile(&h, 50));
    }
}

Test(pdmping, rtt_sums_are_pings)
{
    static struct tally t;

    tally_rtt(&t, 10 * MS);
    cr_assert(rtt_mean(&t.rtt) == 10 * MS && rtt_deviation(&t.rtt) == 0);
    tally_rtt(&t, 20 * MS);
    tally_rtt(&t, 30 * MS);
    cr_assert(t.rtt.min == 10 * MS && t.rtt.max == 30 * MS && rtt_mean(&t.rtt) == 20 * MS);
    cr_assert(rtt_deviation(&t.rtt) == 8164966); /* sqrt(200/3) ms */
    cr_assert_float_eq(t.rtt.smoothed, 13.59375e6, 1.0);
}

Test(pdmping, overlapped_server_delays_stay_out_of_the_mean)
{
    static struct tally t;
    const struct missing none = {"none", "none"};
    const struct figures whole = {.network = {.ns = 18 * MS}, .server = {.ns = 5 * MS}};
    const struct figures overlapped = {.network = {.ns = 20 * MS},
                                       .server = {.ns = 500 * MS, .overlapped = true}};
    const struct figures missing = {.network = {.missing = &none, .ns = 1},
                                    .server = {.missing = &none, .ns = 1}};

    tally_figures(&t, &whole);
    tally_figures(&t, &overlapped);
    tally_figures(&t, &missing);
    cr_assert(t.network.samples == 2 && histogram_mean(&t.network) == 19 * MS);
    cr_assert(t.server.samples == 1 && histogram_mean(&t.server) == 5 * MS);
    cr_assert(t.overlapped == 1);
}

static void print_reply(struct figure network, struct figure server, bool duplicate)
{
    const struct ping_options options = {.host = "h"};
    const struct reply r = {.seq = 2,
                            .bytes = 56,
                            .hops = 57,
                            .rtt = 61007000,
                            .duplicate = duplicate,
                            .figures = {network, server}};

    report_text.reply(&options, "2001:db8::10", &r);
    (void)fflush(stdout);
}

#define LINE "64 bytes from 2001:db8::10: icmp_seq=2 ttl=57 time=61.007 ms "

Test(pdmping, lines_are_pings_with_two_figures, .init = cr_redirect_stdout)
{
    static const struct missing why = {"why", "why"};
    const struct figure net = {.ns = 18220000};
    const struct figure srv = {.ns = 42787000};
    const struct figure star = {.ns = 42787000, .overlapped = true};
    const struct figure none = {.missing = &why};

    print_reply(net, srv, false);
    print_reply(net, star, false);
    print_reply(net, none, false);
    print_reply(none, srv, false);
    print_reply(none, none, true);
    cr_assert_stdout_eq_str(
        LINE "net=18.220 srv=42.787 ms\n" LINE "net=18.220 srv=42.787* ms\n" LINE
             "net=18.220 ms srv=n/a (why)\n" LINE "net=n/a (why) srv=42.787 ms\n" LINE
             "net=n/a (why) srv=n/a (why) (DUP!)\n");
}

Test(pdmping, summary_is_pings_with_delays_and_a_bar, .init = cr_redirect_stdout)
{
    static struct tally t = {.transmitted = 3, .received = 2, .errors = 1, .latest = 2001 * MS};
    const struct ping_options options = {.host = "h"};
    const struct pdmv2_stats flow = {0};
    const struct figures f = {.network = {.ns = 77 * MS}, .server = {.ns = 23 * MS}};

    tally_rtt(&t, 100 * MS);
    tally_rtt(&t, 102 * MS);
    tally_figures(&t, &f);
    report_text.summary(&options, &(struct summary){&t, &flow});
    (void)fflush(stdout);
    cr_assert_stdout_eq_str(
        "\n--- h ping statistics ---\n"
        "3 packets transmitted, 2 received, +1 errors, 33.3333% packet loss, time 2001ms\n"
        "rtt min/avg/max/mdev = 100.000/101.000/102.000/1.000 ms\n"
        "net avg = 77.000 ms   srv avg = 23.000 ms\n"
        "mean  [NNNNNNNNNNNNNNNNNNNNNNNSSSSSSS]  network 77%  server 23%\n"
        "note: server delay's resolution is 2^-15 of its value\n");
}

Test(pdmping, json_escapes_and_never_leaves_a_gap, .init = cr_redirect_stdout)
{
    const struct ping_options options = {.host = "h"};
    const struct failure f = {.text = "a\"b\\c\n\x80"};
    char line[256] = "";

    report_json.failure(&options, &f);
    (void)fflush(stdout);
    FILE *out = cr_get_redirected_stdout();

    cr_assert(fgets(line, sizeof(line), out));
    const char head[] = "{\"schema\":\"pdmping/1\",\"type\":\"error\",\"time\":";
    const char *tail = strstr(line, "\"seq\"");

    cr_assert(tail);
    cr_assert_str_eq(tail, "\"seq\":null,\"from\":null,\"error\":\"a\\\"b\\\\c\\u000a\\u0080\"}\n");
    cr_assert(strncmp(line, head, sizeof(head) - 1) == 0);
}
