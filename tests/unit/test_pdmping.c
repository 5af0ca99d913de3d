/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmping without a network: its options, its payload, its figures, and what it prints. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/figures.h"
#include "cli/pdmping/options.h"
#include "cli/pdmping/probe.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/tally.h"
#include "cli/pdmping/target.h"

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
    cr_assert(o.host_count == 1 && strcmp(o.hosts[0], "::1") == 0);
    cr_assert(o.port == 7 && ping_size(&o, 1) == 56 && o.interval == 1000 * MS);
    cr_assert(o.wait == 1000 * MS && o.method == PING_UDP && o.output == PING_TEXT);
    cr_assert(o.count == 0 && o.deadline == 0 && !o.quiet && !o.timestamps && !o.listen);
    cr_assert(o.traffic_class == PING_UNSET && o.hop_limit == PING_UNSET &&
              o.mtu_discovery == PING_UNSET && o.slo.count == 0 && !o.require_pdm);
}

Test(pdmping, options_are_read)
{
    struct ping_options o;

    cr_assert(parse("-c 3 -i 0.25 -w 10 -W .5 -s 24 -q -D -I lo -p 7007 --json host", &o) ==
              PING_RUN);
    cr_assert(o.count == 3 && o.interval == 250 * MS && o.deadline == 10000 * MS &&
              o.wait == 500 * MS);
    cr_assert(ping_size(&o, 9) == 24 && o.quiet && o.timestamps && o.output == PING_JSON &&
              o.port == 7007);
    cr_assert(strcmp(o.source, "lo") == 0 && strcmp(o.hosts[0], "host") == 0);
    cr_assert(parse("--listen -p 9 -I ::1", &o) == PING_RUN);
    cr_assert(o.listen && o.port == 9 && o.host_count == 0);
    cr_assert(parse("-6nAO -Q 0x2e -t 9 -M do --csv --tcp=request --pattern 00Ff a b", &o) ==
              PING_RUN);
    cr_assert(o.adaptive && o.outstanding && o.traffic_class == 0x2e && o.hop_limit == 9);
    cr_assert(o.mtu_discovery == IPV6_PMTUDISC_DO && o.output == PING_CSV);
    cr_assert(o.method == PING_TCP_REQUEST && o.host_count == 2);
    cr_assert(o.pattern_len == 2 && o.pattern[0] == 0 && o.pattern[1] == 0xff);
    cr_assert(parse("--tcp -f -i 0.5 --require-pdm --slo loss=1% a", &o) == PING_RUN);
    cr_assert(o.method == PING_TCP_CONNECT && o.flood && o.interval == 500 * MS);
    cr_assert(ping_size(&o, 1) == 0, "a handshake has no payload");
    cr_assert(o.require_pdm && o.slo.count == 1);
    cr_assert(parse("--icmp a", &o) == PING_RUN && o.method == PING_ICMP);
}

Test(pdmping, sizes_are_swept_in_turn)
{
    struct ping_options o;

    cr_assert(parse("--sweep 100:450:150 a", &o) == PING_RUN);
    cr_assert(o.size.sizes == 3 && ping_size_max(&o) == 400);
    static const size_t sizes[] = {100, 250, 400, 100, 250};

    for (uint64_t seq = 1; seq <= 5; seq++)
        cr_expect(ping_size(&o, seq) == sizes[seq - 1]);
    cr_assert(parse("--sweep 24:124 a", &o) == PING_RUN);
    cr_assert(o.size.sizes == 2);
}

Test(pdmping, only_root_floods_without_a_pause, .init = cr_redirect_stderr)
{
    struct ping_options o;

    if (geteuid() == 0) {
        cr_assert(parse("-f a", &o) == PING_RUN && o.interval == 0);
        cr_assert(seteuid(65534) == 0);
    }
    cr_assert(parse("-f a", &o) == PING_BAD);
    cr_assert(parse("-f -i 0.001 a", &o) == PING_BAD);
    cr_assert(parse("-f -i 0.002 a", &o) == PING_RUN);
}

Test(pdmping, options_that_are_wrong_are_refused, .init = cr_redirect_stderr)
{
    static const char *const wrong[] = {
        "",
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
        "-4 a",
        "-Q 256 a",
        "-t 0 a",
        "-t 256 a",
        "-M never a",
        "--tcp=udp a",
        "--pattern 0 a",
        "--pattern 0g a",
        "--pattern 000102030405060708090a0b0c0d0e0f10 a",
        "--sweep 100 a",
        "--sweep 100:100 a",
        "--sweep 23:100 a",
        "--sweep 100:200:0 a",
        "--sweep 100:200:1 a",
        "--sweep 100:200:50: a",
        "--sweep 100:65528 a",
        "--slo net.p99 a",
        "--listen --icmp",
        "--json --csv a",
        "--live --json a",
        "--icmp --tcp a",
        "--icmp -p 99 a",
        "--sweep 100:200 -s 50 a",
        "--tcp -s 500 a",
        "--tcp --sweep 100:200 a",
        "--tcp=connect --pattern ff a",
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

    probe_fill(payload, sizeof(payload), NULL, 0);
    probe_write(&sent, payload);
    cr_assert(payload[0] == 1 && payload[7] == 8 && payload[24] == 24 && payload[55] == 55);
    cr_assert(probe_read(&got, payload, PROBE_HEADER));
    cr_assert(got.seq == sent.seq && got.sent == sent.sent && got.run == sent.run);
    for (size_t len = 0; len < PROBE_HEADER; len++)
        cr_expect(!probe_read(&got, payload, len));
    probe_fill(payload, sizeof(payload), (const uint8_t[]){0xca, 0xfe}, 2);
    cr_assert(payload[24] == 0xca && payload[55] == 0xfe);
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
    struct figures f = figures_between(&before, &after, REPLIER_SERVICE);

    cr_assert(!f.network.missing && f.network.ns == 18 * MS);
    cr_assert(!f.server.missing && f.server.ns == 42 * MS && !f.server.overlapped);

    after.server_delay = before.server_delay;
    after.overlapped = 1;
    after.server_delay_overlapped = 43 * MS;
    f = figures_between(&before, &after, REPLIER_SERVICE);
    cr_assert(!f.server.missing && f.server.ns == 43 * MS && f.server.overlapped);

    after.overlapped = 0;
    f = figures_between(&before, &after, REPLIER_SERVICE);
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
        {{.reason = PDMV2_SOCKET}, "socket", "socket"},
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
        struct figures f = figures_between(&before, &after, REPLIER_SERVICE);

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
    struct figures f = figures_between(&before, &after, REPLIER_SERVICE);

    cr_assert(f.network.missing);
    cr_assert_str_eq(f.network.missing->token, "imprecise");
    cr_assert(!f.server.missing && f.server.ns == 5 * MS);
}

/* Of an echo what stands in our own way is told, and else that the kernel answers. */
Test(pdmping, figures_of_an_echo_blame_the_kernel)
{
    const struct pdmv2_stats before = {0};
    static const struct {
        struct pdmv2_stats after;
        const char *token;
    } rows[] = {
        {{.options_received = 0}, "kernel-answers"},
        {{.reason = PDMV2_NOT_TAKING_PART}, "kernel-answers"},
        {{.reason = PDMV2_NO_AGENT}, "kernel-answers"},
        {{.reason = PDMV2_PATH_DROPS}, "path-drops"},
        {{.reason = PDMV2_READ_ONLY}, "read-only"},
        {{.options_received = 1, .unstamped = 1}, "unstamped"},
        {{.auth_failures = 1}, "not-opened"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct figures f = figures_between(&before, &rows[i].after, REPLIER_KERNEL);

        cr_assert(f.network.missing && f.server.missing, "row %zu", i);
        cr_expect_str_eq(f.network.missing->token, rows[i].token);
    }
    cr_expect_str_eq(figures_missing(&before, 1, REPLIER_HANDSHAKE)->token, "handshake");
    cr_expect_str_eq(figures_missing(&before, 0, REPLIER_KERNEL)->token, "no-reply");
}

/* A target as far as reports look at it. */
static struct ping_options options;
static struct target target = {.host = "h",
                               .options = &options,
                               .method = &method_udp,
                               .endpoint = {.text = "2001:db8::10", .options = &options}};

static void print_reply(struct figure network, struct figure server, bool duplicate, bool late)
{
    const struct reply r = {.seq = 2,
                            .bytes = 64,
                            .hops = 57,
                            .rtt = 61007000,
                            .duplicate = duplicate,
                            .late = late,
                            .figures = {network, server}};

    report_text.reply(&target, &r);
    report_csv.reply(&target, &r);
    (void)fflush(stdout);
}

#define LINE "64 bytes from 2001:db8::10: icmp_seq=2 ttl=57 time=61.007 ms "
#define ROW ",reply,h,2001:db8::10,2,64,57,61007000,"

/* The time that a row begins with is the one thing that no test can know. */
static void expect_lines(const char *const *lines, size_t count)
{
    FILE *out = cr_get_redirected_stdout();
    char line[512];

    for (size_t i = 0; i < count; i++) {
        cr_assert(fgets(line, sizeof(line), out), "line %zu is missing", i);
        const char *from = lines[i][0] == ',' ? strchr(line, ',') : line;

        cr_assert(from);
        cr_expect_str_eq(from, lines[i]);
    }
    cr_assert(!fgets(line, sizeof(line), out));
}

Test(pdmping, lines_are_pings_with_two_figures, .init = cr_redirect_stdout)
{
    static const struct missing why = {"why", "why, then"};
    const struct figure net = {.ns = 18220000};
    const struct figure srv = {.ns = 42787000};
    const struct figure star = {.ns = 42787000, .overlapped = true};
    const struct figure none = {.missing = &why};
    static const char *const lines[] = {
        LINE "net=18.220 srv=42.787 ms\n",
        ROW "18220000,,42787000,,0,0,0,0,,\r\n",
        LINE "net=18.220 srv=42.787* ms\n",
        ROW "18220000,,42787000,,1,0,0,0,,\r\n",
        LINE "net=18.220 ms srv=n/a (why, then)\n",
        ROW "18220000,,,why,0,0,0,0,,\r\n",
        LINE "net=n/a (why, then) srv=42.787 ms (late)\n",
        ROW ",why,42787000,,0,0,1,0,,\r\n",
        LINE "net=n/a (why, then) srv=n/a (why, then) (DUP!)\n",
        ROW ",why,,why,0,1,0,0,,\r\n",
    };

    print_reply(net, srv, false, false);
    print_reply(net, star, false, false);
    print_reply(net, none, false, false);
    print_reply(none, srv, false, true);
    print_reply(none, none, true, false);
    expect_lines(lines, sizeof(lines) / sizeof(lines[0]));
}

#define HEADER                                                                                     \
    "time,type,host,address,seq,bytes,ttl,rtt,network,network_reason,server,server_reason,"        \
    "overlapped,duplicate,late,reordered,from,error\r\n"

Test(pdmping, rows_have_as_many_fields_as_the_header, .init = cr_redirect_stdout)
{
    const struct timeout late = {.seq = 3, .age = 1};
    const struct failure error = {.seq = 4, .from = "2001:db8::1", .text = "Oh, \"no\""};
    static const char *const rows[] = {
        HEADER,
        ",timeout,h,2001:db8::10,3,,,,,,,,,,,,,\r\n",
        ",error,h,2001:db8::10,4,,,,,,,,,,,,2001:db8::1,\"Oh, \"\"no\"\"\"\r\n",
    };

    report_csv.begin(&options);
    report_csv.timeout(&target, &late);
    report_csv.failure(&target, &error);
    (void)fflush(stdout);
    expect_lines(rows, sizeof(rows) / sizeof(rows[0]));
}

static const struct reply second = {
    .seq = 3, .rtt = 102 * MS, .late = true, .figures = {{.ns = 77 * MS}, {.ns = 23 * MS}}};

Test(pdmping, summary_is_pings_with_delays_and_a_bar, .init = cr_redirect_stdout)
{
    static const struct missing why = {"why", "why"};
    struct tally *t = &target.tally;
    const struct pdmv2_stats flow = {0};

    cr_assert(slo_parse(&options.slo, "net.p99=80ms,loss=1%", (char[SLO_WHY]){0}));
    options.wait = 1000 * MS;
    options.size = (struct sweep){.from = 56, .sizes = 1};
    for (uint64_t seq = 1; seq <= 5; seq++)
        tally_sent(t, seq, 2001 * MS);
    t->errors = 1;
    tally_reply(t,
                &(struct reply){
                    .seq = 1, .rtt = 100 * MS, .figures = {{.missing = &why}, {.missing = &why}}},
                true);
    tally_reply(t, &second, true);
    struct summary s = {.options = &options,
                        .target = &target,
                        .tally = t,
                        .flow = &flow,
                        .missing = &why,
                        .losses = losses_of(t, &flow, &why, false),
                        .verdict = verdict_of_delays(t, &why)};

    for (size_t i = 0; i < options.slo.count; i++)
        s.slo[i] = slo_judge(&options.slo.objective[i], t);
    report_text.summary(&s);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str(
        "\n--- h ping statistics ---\n"
        "5 packets transmitted, 2 received, +1 errors, 60% packet loss, time 2001ms\n"
        "rtt min/avg/max/mdev = 100.000/101.000/102.000/1.000 ms\n"
        "net avg = 77.000 ms   srv avg = 23.000 ms\n"
        "mean  [NNNNNNNNNNNNNNNNNNNNNNNSSSSSSS]  network 77%  server 23%\n"
        "jitter (RFC 3550) rtt = 0.125 ms\n"
        "lost to the server/back = 1/0, and 1 that no option tells of\n"
        "late: 1 of the received came after more than 1 s\n"
        "note: server delay's resolution is 2^-15 of its value\n"
        "slo net.p99=80ms: met, 77.000 ms of 1 samples, which are few for a percentile\n"
        "slo loss=1%: MISSED, 60% of 5 probes\n"
        "verdict: none, for 1 probes have both delays, and 100 are needed\n");
}

Test(pdmping, json_escapes_and_never_leaves_a_gap, .init = cr_redirect_stdout)
{
    const struct failure f = {.text = "a\"b\\c\n\x80"};
    char line[256] = "";

    report_json.failure(&target, &f);
    (void)fflush(stdout);
    FILE *out = cr_get_redirected_stdout();

    cr_assert(fgets(line, sizeof(line), out));
    const char head[] = "{\"schema\":\"pdmping/2\",\"type\":\"error\",\"time\":";
    const char *tail = strstr(line, "\"host\"");

    cr_assert(tail);
    cr_assert_str_eq(tail, "\"host\":\"h\",\"seq\":null,\"from\":null,"
                           "\"error\":\"a\\\"b\\\\c\\u000a\\u0080\"}\n");
    cr_assert(strncmp(line, head, sizeof(head) - 1) == 0);
}
