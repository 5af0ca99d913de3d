/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf without a network: options, -w, the schedule, figures, sums and the verdict. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pdmperf/argument.h"
#include "cli/pdmperf/exchange.h"
#include "cli/pdmperf/format.h"
#include "cli/pdmperf/options.h"
#include "cli/pdmperf/schedule.h"
#include "cli/pdmperf/slowest.h"
#include "cli/pdmperf/tally.h"
#include "cli/pdmperf/verdict.h"

#define MS 1000000LL

TestSuite(pdmperf, .timeout = 30);

/* --- options --- */

static enum web_parsed parse(const char *line, struct web_options *options)
{
    static char words[1024];
    static char *argv[64];
    int argc = 0;

    (void)snprintf(words, sizeof(words), "pdmperf %s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    optind = 0; /* glibc: start anew */
    return web_options_parse(argc, argv, options);
}

Test(pdmperf, options_have_curls_defaults)
{
    struct web_options o;

    cr_assert(parse("http://a/", &o) == WEB_RUN);
    cr_assert(o.urls.count == 1 && strcmp(o.urls.at[0], "http://a/") == 0);
    cr_assert(o.requests == 1 && o.connections == 1 && o.interval == 0 && o.timeout == 0);
    cr_assert(o.http == WEB_HTTP_ANY && o.family == AF_UNSPEC && o.method == NULL && !o.data);
    cr_assert(!o.fail && !o.insecure && !o.location && !o.quiet && !o.json && !o.compare);
}

Test(pdmperf, options_are_read)
{
    struct web_options o;

    cr_assert(parse("-n 7 -c 3 --rate 2.5 -fkLq6 -m 1.5 --connect-timeout 2 -X PUT -H a:1 -H b:2 "
                    "--resolve h:1:::1 --cacert f --http1.1 --json u v",
                    &o) == WEB_RUN);
    cr_assert(o.requests == 7 && o.connections == 3 && o.interval == 400 * MS);
    cr_assert(o.fail && o.insecure && o.location && o.quiet && o.json && o.family == AF_INET6);
    cr_assert(o.timeout == 1500 * MS && o.connect_timeout == 2000 * MS);
    cr_assert_str_eq(o.method, "PUT");
    cr_assert(o.headers.count == 2 && strcmp(o.headers.at[1], "b:2") == 0);
    cr_assert(o.resolve.count == 1 && strcmp(o.ca_file, "f") == 0 && o.http == WEB_HTTP_1_1);
    cr_assert(o.urls.count == 2 && strcmp(o.urls.at[1], "v") == 0);
    cr_assert(parse("-4 --http2 -o a -w %{http_code} u", &o) == WEB_RUN);
    cr_assert(o.http == WEB_HTTP_2 && o.family == AF_INET && o.outputs.count == 1);
    cr_assert_str_eq(o.format, "%{http_code}");
}

Test(pdmperf, data_of_several_options_is_joined)
{
    struct web_options o;
    char name[] = "/tmp/test_pdmperf.XXXXXX";
    char line[128];
    int fd = mkstemp(name);

    cr_assert(fd >= 0 && write(fd, "x=1\r\ny\n", 7) == 7 && close(fd) == 0);
    (void)snprintf(line, sizeof(line), "-d a=1 -d @%s -d c u", name);
    cr_assert(parse(line, &o) == WEB_RUN);
    cr_assert(o.data_len == strlen("a=1&x=1y&c") && memcmp(o.data, "a=1&x=1y&c", 10) == 0);
    web_options_free(&o);
    cr_assert(unlink(name) == 0);
}

Test(pdmperf, options_that_are_wrong_are_refused, .init = cr_redirect_stderr)
{
    static const char *const wrong[] = {
        "",
        "-n 0 u",
        "-n 100000001 u",
        "-n -1 u",
        "-n 1x u",
        "-c 0 u",
        "-c 1001 u",
        "--rate 0 u",
        "--rate inf u",
        "--rate 1e3 u",
        "--rate 1000001 u",
        "-m 0 u",
        "-m 1e9 u",
        "-m 86401 u",
        "--connect-timeout . u",
        "-w %{nothing} u",
        "-w @/nonexistent u",
        "-d @/nonexistent u",
        "-Z u",
        "-n",
        "--compare u",
        "--compare u v w",
        "--compare -w x u v",
        "-w x --json u",
        "-o a -o b u",
        "-o a -c 2 u",
        "-o - --json u",
        "u u u u u u u u u u u u u u u u u",
    };
    struct web_options o;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_expect(parse(wrong[i], &o) == WEB_BAD, "accepted: %s", wrong[i]);
        web_options_free(&o);
    }
}

/* --- -w --- */

static struct result some_result(void)
{
    return (struct result){
        .target = 1,
        .seq = 4,
        .error = "",
        .url = "http://a/",
        .output = "",
        .effective_url = "http://a/b",
        .redirect_url = "",
        .referer = "",
        .content_type = "text/html",
        .method = "GET",
        .scheme = "HTTP",
        .http_version = "1.1",
        .remote_ip = "::1",
        .local_ip = "::2",
        .remote_port = 80,
        .local_port = 5000,
        .http_code = 7,
        .connects = 1,
        .download = 12345,
        .times = {.namelookup = 1 * MS,
                  .connect = 21 * MS,
                  .appconnect = 61 * MS,
                  .pretransfer = 61 * MS + 1999,
                  .starttransfer = 101 * MS,
                  .total = 3001 * MS},
        .first_byte = 40 * MS,
        .figures = {.network = {.ns = 20 * MS}, .server = {.ns = 19 * MS}},
        .exchange = {.ns = 39 * MS},
    };
}

static void expect_format(const char *format, const struct result *r, const char *out,
                          const char *err)
{
    char *got_out = NULL, *got_err = NULL;
    size_t out_len = 0, err_len = 0;
    char bad[FORMAT_NAME_MAX + 1];
    FILE *to_out = open_memstream(&got_out, &out_len), *to_err = open_memstream(&got_err, &err_len);

    cr_assert(to_out && to_err && format_check(format, bad));
    format_print(format, r, to_out, to_err);
    cr_assert(fclose(to_out) == 0 && fclose(to_err) == 0);
    cr_expect_str_eq(got_out, out);
    cr_expect_str_eq(got_err, err);
    free(got_out);
    free(got_err);
}

Test(pdmperf, format_knows_curls_variables)
{
    struct result r = some_result();

    expect_format("%{http_code} %{response_code} %{size_download} %{num_connects} %{urlnum}", &r,
                  "007 007 12345 1 1", "");
    expect_format("%{time_namelookup} %{time_connect} %{time_appconnect} %{time_pretransfer} "
                  "%{time_starttransfer} %{time_total}",
                  &r, "0.001000 0.021000 0.061000 0.061001 0.101000 3.001000", "");
    expect_format("%{scheme} %{http_version} %{content_type} %{remote_ip}:%{remote_port} %{url}",
                  &r, "HTTP 1.1 text/html ::1:80 http://a/", "");
}

Test(pdmperf, format_knows_ours)
{
    static const struct missing why = {"token", "the text"};
    struct result r = some_result();

    expect_format("%{pdm_network_delay} %{pdm_server_delay} %{pdm_total_delay}", &r,
                  "0.020000 0.019000 0.039000", "");
    r.figures.network = (struct figure){.missing = &why};
    r.figures.server.overlapped = true;
    expect_format("%{pdm_network_delay},%{pdm_server_delay}", &r,
                  "n/a (the text),n/a (several requests under way)", "");
    r.figures.network = (struct figure){.ns = -1500};
    r.queued = 2 * MS;
    expect_format("%{pdm_network_delay} %{pdm_queue_delay}", &r, "-0.000001 0.002000", "");
}

Test(pdmperf, format_has_curls_escapes)
{
    struct result r = some_result();

    expect_format("a\\nb\\tc\\rd\\x\\\\ 100%% %x %{unended", &r,
                  "a\nb\tc\rd\\x\\\\ 100% %x %{unended", "");
    expect_format("\\", &r, "\\", "");
    expect_format("%", &r, "%", "");
    expect_format("", &r, "", "");
    expect_format("o%{stderr}e%{stdout}p", &r, "op", "e");
    expect_format("a%{onerror}b", &r, "a", "");
    r.code = 7;
    r.error = "refused";
    expect_format("a%{onerror}b%{exitcode}%{errormsg}", &r, "ab7refused", "");
}

Test(pdmperf, format_names_what_it_does_not_know)
{
    char bad[FORMAT_NAME_MAX + 1];
    char text[128] = "%{";

    cr_assert(!format_check("%{http_code}%{time_zotal}", bad));
    cr_assert_str_eq(bad, "time_zotal");
    cr_assert(!format_check("%{}", bad) && bad[0] == '\0');
    cr_assert(!format_check("%{http_code }", bad));
    memset(text + 2, 'a', 100);
    text[102] = '}';
    cr_assert(!format_check(text, bad) && strlen(bad) == FORMAT_NAME_MAX);
}

/* --- schedule --- */

Test(pdmperf, a_closed_loop_begins_when_it_can)
{
    struct schedule s = {.count = 2, .start = 5};

    cr_assert(schedule_next(&s, 77) == 77 && schedule_begin(&s, 77) == 0);
    cr_assert(schedule_begin(&s, 99) == 0);
    cr_assert(schedule_next(&s, 100) == SCHEDULE_NEVER);
}

Test(pdmperf, what_is_due_is_known_whether_it_began_or_not)
{
    struct schedule s = {.count = 4, .start = 1000, .interval = 10, .begun = 1};

    cr_assert(schedule_due(&s, 1000) == 1 && schedule_due(&s, 1009) == 1);
    cr_assert(schedule_due(&s, 1010) == 2 && schedule_due(&s, 5000) == 4);
    s.interval = 0;
    cr_assert(schedule_due(&s, 5000) == 1);
}

/* What a stall keeps waiting keeps its place: the schedule does not move. */
Test(pdmperf, an_open_loop_counts_what_waits)
{
    struct schedule s = {.count = 4, .start = 1000, .interval = 10};

    cr_assert(schedule_next(&s, 0) == 1000 && schedule_begin(&s, 1000) == 0);
    cr_assert(schedule_next(&s, 1000) == 1010 && schedule_begin(&s, 1035) == 25);
    cr_assert(schedule_begin(&s, 1035) == 15);
    cr_assert(schedule_begin(&s, 1035) == 5);
    cr_assert(schedule_next(&s, 1035) == SCHEDULE_NEVER);
}

/* --- figures --- */

/* What one request with an option, which is answered with one, adds. */
static struct pdmv2_stats exchanged(struct pdmv2_stats s, int64_t network, int64_t server)
{
    s.options_sent++;
    s.options_received++;
    s.network_delay.samples++;
    s.network_delay.last = network;
    s.server_delay.samples++;
    s.server_delay.last = server;
    s.total_delay.samples++;
    s.total_delay.last = network + server;
    return s;
}

Test(pdmperf, a_request_has_what_its_socket_gained)
{
    const struct pdmv2_stats before = {
        .network_delay = {.samples = 3, .last = 1}, .options_sent = 3, .options_received = 3};
    const struct pdmv2_stats after = exchanged(before, 20 * MS, 5 * MS);
    struct exchange e;

    exchange_start(&e);
    cr_assert_str_eq(e.figures.network.missing->token, "no-request");
    exchange_begin(&e, &before);
    exchange_end(&e, &after);
    cr_assert(!e.figures.network.missing && e.figures.network.ns == 20 * MS);
    cr_assert(!e.figures.server.missing && e.figures.server.ns == 5 * MS);
    cr_assert(e.total.ns == 25 * MS && e.sent == 1 && e.received == 1);
    exchange_end(&e, &after); /* none is under way */
    cr_assert(e.steps == 1);
}

Test(pdmperf, the_steps_of_a_redirect_add_up)
{
    struct pdmv2_stats s = {0};
    struct exchange e;

    exchange_start(&e);
    for (int64_t i = 1; i <= 3; i++) {
        exchange_begin(&e, &s);
        s = exchanged(s, i * MS, i * 10 * MS);
        exchange_end(&e, &s);
    }
    cr_assert(!e.figures.network.missing && e.figures.network.ns == 6 * MS);
    cr_assert(e.figures.server.ns == 60 * MS && e.total.ns == 66 * MS && e.sent == 3);
    exchange_begin(&e, &s);
    exchange_end(&e, &s);
    cr_assert_str_eq(e.figures.network.missing->token, "not-sent", "a sum with a part missing");
    cr_assert_str_eq(e.figures.server.missing->token, "not-sent");
}

Test(pdmperf, a_request_says_why_it_has_none)
{
    struct pdmv2_stats s = {.reason = PDMV2_NO_AGENT};
    struct exchange e;

    exchange_start(&e);
    exchange_begin(&e, &s);
    exchange_end(&e, &s);
    cr_assert_str_eq(e.figures.server.missing->token, "no-agent");

    exchange_start(&e);
    s.reason = PDMV2_MEASURING;
    exchange_begin(&e, &s);
    s.options_sent++;
    exchange_end(&e, &s);
    cr_assert_str_eq(e.figures.server.missing->token, "no-option");
    cr_assert_str_eq(e.total.missing->token, "no-option");

    exchange_start(&e);
    exchange_begin(&e, &s);
    exchange_begin(&e, &s);
    s = exchanged(s, MS, MS);
    exchange_end(&e, &s);
    cr_assert_str_eq(e.figures.network.missing->token, "abandoned");
    exchange_without(&e, &exchange_ipv4);
    cr_assert_str_eq(e.figures.network.missing->token, "ipv4");
}

/* HTTP/2's settings: the server's delay is the request's if the exchange is as long as the wait. */
static bool settled(int64_t total, int64_t first_byte)
{
    struct pdmv2_stats s = {0};
    struct exchange e;

    exchange_start(&e);
    exchange_begin(&e, &s);
    s = exchanged(s, 20 * MS, 0);
    s.server_delay.samples = 0;
    s.overlapped = 1;
    s.server_delay_overlapped = total - 20 * MS;
    s.total_delay.last = total;
    exchange_end(&e, &s);
    cr_assert(e.figures.server.overlapped);
    exchange_settle(&e, first_byte);
    return !e.figures.server.overlapped;
}

Test(pdmperf, an_uncertain_delay_is_taken_where_it_spans_the_wait)
{
    cr_assert(settled(60 * MS, 61 * MS));
    cr_assert(settled(60 * MS, 60 * MS));
    cr_assert(!settled(21 * MS, 61 * MS), "the answer to something else, before the answer");
    cr_assert(!settled(61 * MS, 60 * MS), "began before the request");
    cr_assert(!settled(60 * MS, 64 * MS));
}

/* --- sums and verdict --- */

Test(pdmperf, the_slowest_are_kept)
{
    struct slowest s;
    int64_t sum = 0;

    cr_assert(slowest_make(&s, 10));
    for (int64_t i = 0; i < 1000; i++)
        slowest_add(&s, &(struct parts){.time = i * 7919 % 1000});
    cr_assert(s.count == 10);
    for (size_t i = 0; i < s.count; i++)
        sum += s.heap[i].time;
    cr_assert(sum == 995 * 10 - 5 && s.heap[0].time == 990);
    slowest_cut(&s, 3);
    cr_assert(s.count == 3 && s.heap[0].time == 997);
    slowest_free(&s);
}

static void add_request(struct tally *t, int64_t network, int64_t server, int64_t transfer)
{
    struct result r = some_result();

    r.figures.network.ns = network;
    r.figures.server.ns = server;
    r.first_byte = network + server;
    r.times =
        (struct result_times){.starttransfer = r.first_byte, .total = r.first_byte + transfer};
    tally_add(t, &r);
}

static struct tally *new_tally(uint64_t requests)
{
    struct tally *t = malloc(sizeof(*t));

    cr_assert(t != NULL && tally_make(t, requests));
    return t;
}

static void end_tally(struct tally *t)
{
    tally_free(t);
    free(t);
}

Test(pdmperf, sums_are_of_what_was_answered)
{
    static const struct missing why = {"token", "text"};
    struct tally *t = new_tally(4);
    struct result r = some_result();

    r.times.appconnect = 61 * MS;
    tally_add(t, &r);
    r.http_code = 404;
    r.connects = 0;
    r.queued = 3 * MS;
    r.figures.network.missing = &why;
    tally_add(t, &r);
    r.figures.network.missing = NULL;
    r.figures.server.overlapped = true;
    tally_add(t, &r);
    r.code = 52;
    r.connects = 1;
    tally_add(t, &r);
    cr_assert(t->succeeded == 3 && t->failed == 1 && t->refused == 2 && t->connects == 2);
    cr_assert(t->octets == 3 * 12345 && t->measured == 1 && t->overlapped == 1);
    cr_assert(t->phases[PHASE_RESOLVE].samples == 1 && t->phases[PHASE_CONNECT].max == 20 * MS);
    cr_assert(t->phases[PHASE_TLS].max == 40 * MS && t->phases[PHASE_TLS].samples == 1);
    cr_assert(t->phases[PHASE_FIRST_BYTE].samples == 3 && t->phases[PHASE_NETWORK].samples == 2);
    cr_assert(t->phases[PHASE_SERVER].samples == 2 && t->phases[PHASE_TRANSFER].min == 2900 * MS);
    cr_assert(t->phases[PHASE_RESPONSE].max == 3004 * MS && t->phases[PHASE_QUEUE].max == 3 * MS);
    end_tally(t);
}

Test(pdmperf, with_few_requests_the_verdict_is_about_the_mean)
{
    struct tally *t = new_tally(10);
    struct verdict v = verdict_of(t);

    cr_assert(v.party == PARTY_NONE);
    cr_assert_str_eq(v.missing->token, "no-answer");
    for (int i = 0; i < 10; i++)
        add_request(t, 20 * MS, 5 * MS, i == 9 ? 500 * MS : 0);
    v = verdict_of(t);
    cr_assert(v.party == PARTY_TRANSFER && v.basis == BASIS_MEAN && v.percent == 67);
    end_tally(t);
}

Test(pdmperf, a_server_that_stalls_once_in_100_is_named)
{
    struct tally *t = new_tally(200);

    for (int i = 0; i < 200; i++)
        add_request(t, 20 * MS + i % 7 * 1000, i % 100 == 50 ? 300 * MS : 2 * MS, 1000);
    struct verdict v = verdict_of(t);

    cr_assert(v.party == PARTY_SERVER && v.basis == BASIS_SLOWEST && v.percent == 100);
    end_tally(t);
}

/* Neither octets on their way nor the other two: the answer lay unread, say. */
Test(pdmperf, what_is_left_of_the_time_is_this_hosts)
{
    struct tally *t = new_tally(200);

    for (int i = 0; i < 200; i++) {
        struct result r = some_result();

        r.figures.network.ns = 10 * MS;
        r.figures.server.ns = MS;
        r.first_byte = i % 100 == 50 ? 30 * MS : 11 * MS;
        r.times =
            (struct result_times){.starttransfer = r.first_byte, .total = r.first_byte + 1000};
        tally_add(t, &r);
    }
    struct verdict v = verdict_of(t);

    cr_assert(v.party == PARTY_CLIENT && v.basis == BASIS_SLOWEST && v.percent == 100);
    cr_assert_str_eq(party_name(v.party), "client");
    end_tally(t);
}

/* Whether half of the run, or a little more, was before it doubled. */
Test(pdmperf, a_network_whose_delay_doubles_half_way_is_named)
{
    for (int before = 45; before <= 55; before += 5) {
        struct tally *t = new_tally(100);

        for (int i = 0; i < 100; i++)
            add_request(t, i < before ? 20 * MS : 40 * MS, 50 * MS + i % 3 * 1000, 0);
        struct verdict v = verdict_of(t);

        cr_assert(v.party == PARTY_NETWORK && v.basis == BASIS_SLOWEST && v.percent == 100);
        end_tally(t);
    }
}

Test(pdmperf, without_figures_there_is_no_verdict)
{
    static const struct missing why = {"token", "text"};
    struct result r = some_result();
    struct tally *t = new_tally(100);

    r.figures.network.missing = r.figures.server.missing = &why;
    tally_add(t, &r);
    struct verdict v = verdict_of(t);

    cr_assert(v.party == PARTY_NONE && v.missing == &why);
    end_tally(t);

    /* That most of the slowest lack them is no verdict on the others. */
    t = new_tally(100);
    for (int i = 0; i < 99; i++)
        add_request(t, 20 * MS, 5 * MS, 0);
    tally_add(t, &r);
    v = verdict_of(t);
    cr_assert(v.party == PARTY_NONE);
    cr_assert_str_eq(v.missing->token, "few-measured");
    end_tally(t);
}

static struct comparison compare(int64_t network, int64_t server, int n)
{
    struct tally *first = new_tally((uint64_t)n), *second = new_tally((uint64_t)n);

    for (int i = 0; i < n; i++) {
        int64_t jitter = i % 5 * MS;

        add_request(first, 20 * MS + jitter, 5 * MS, 0);
        add_request(second, network + jitter, server, 0);
    }
    struct comparison c = verdict_compare(first, second);

    end_tally(first);
    end_tally(second);
    return c;
}

Test(pdmperf, a_comparison_names_the_slower_and_why)
{
    struct comparison c = compare(20 * MS, 30 * MS, 20);

    cr_assert(c.slower == SLOWER_SECOND && c.difference == 25 * MS && c.server == 25 * MS);
    cr_assert(c.verdict.party == PARTY_SERVER && c.verdict.percent == 100);
    c = compare(10 * MS, 6 * MS, 20);
    cr_assert(c.slower == SLOWER_FIRST && c.difference == -9 * MS && c.network == -10 * MS);
    cr_assert(c.verdict.party == PARTY_NETWORK && c.verdict.percent == 100);
    c = compare(20 * MS, 5 * MS + 100000, 20);
    cr_assert(c.slower == SLOWER_NEITHER, "a difference within chance");
    cr_assert_str_eq(c.verdict.missing->token, "no-difference");
    c = compare(20 * MS, 500 * MS, 9);
    cr_assert(c.slower == SLOWER_NEITHER && c.verdict.party == PARTY_NONE);
    cr_assert_str_eq(c.verdict.missing->token, "few-requests");
}
