/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmping's sums: what became of probes, delays, losses, objectives, and the verdict. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/histogram.h"
#include "cli/pdmping/jitter.h"
#include "cli/pdmping/losses.h"
#include "cli/pdmping/schedule.h"
#include "cli/pdmping/slo.h"
#include "cli/pdmping/tally.h"
#include "cli/pdmping/verdict.h"
#include "cli/pdmping/window.h"

#define MS 1000000LL

TestSuite(pdmping_sums, .timeout = 30);

static const struct missing none = {"none", "none"};

Test(pdmping_sums, histogram_is_exact_in_means_and_within_one_percent_else)
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

Test(pdmping_sums, histogram_takes_any_value)
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

Test(pdmping_sums, merged_histograms_are_as_one)
{
    static struct histogram one, two, both, empty;

    for (int64_t i = 1; i <= 999; i++) {
        int64_t value = i * i % 1009 * 1000;

        histogram_add(i % 3 ? &one : &two, value);
        histogram_add(&both, value);
    }
    histogram_merge(&one, &two);
    histogram_merge(&one, &empty);
    cr_assert(memcmp(&one, &both, sizeof(both)) == 0);
    histogram_merge(&empty, &both);
    cr_assert(memcmp(&empty, &both, sizeof(both)) == 0);
}

static void add_rtt(struct tally *t, uint64_t seq, int64_t rtt)
{
    const struct reply r = {
        .seq = seq, .rtt = rtt, .figures = {{.missing = &none}, {.missing = &none}}};

    tally_sent(t, seq, 0);
    tally_reply(t, &r, false);
}

Test(pdmping_sums, rtt_sums_are_pings)
{
    static struct tally t;

    add_rtt(&t, 1, 10 * MS);
    cr_assert(rtt_mean(&t.rtt) == 10 * MS && rtt_deviation(&t.rtt) == 0);
    add_rtt(&t, 2, 20 * MS);
    add_rtt(&t, 3, 30 * MS);
    cr_assert(t.rtt.min == 10 * MS && t.rtt.max == 30 * MS && rtt_mean(&t.rtt) == 20 * MS);
    cr_assert(rtt_deviation(&t.rtt) == 8164966); /* sqrt(200/3) ms */
    cr_assert_float_eq(t.rtt.smoothed, 13.59375e6, 1.0);
}

/* The arithmetic of RFC 3550 appendix A.8 as it stands there, in its own units. */
Test(pdmping_sums, jitter_is_that_of_rfc_3550)
{
    static const int arrivals[] = {1000, 1020, 1035, 1075, 1080, 1100};
    static const int stamps[] = {0, 20, 40, 60, 80, 100};
    struct jitter j = {0};
    double truth = 0;
    int before = 0;

    for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
        int transit = arrivals[i] - stamps[i];
        int d = transit - before;

        if (i > 0)
            truth += (1. / 16.) * ((double)abs(d) - truth);
        before = transit;
        jitter_add(&j, transit);
        cr_expect_float_eq(j.value, truth, 1e-9, "after %zu", i + 1);
    }
    cr_assert(j.samples == 6 && truth > 0);
}

Test(pdmping_sums, overlapped_server_delays_stay_out_of_the_mean)
{
    static struct tally t;
    const struct reply replies[] = {
        {.seq = 1, .figures = {{.ns = 18 * MS}, {.ns = 5 * MS}}},
        {.seq = 2,
         .rtt = 100 * MS,
         .figures = {{.ns = 20 * MS}, {.ns = 500 * MS, .overlapped = true}}},
        {.seq = 3, .figures = {{.missing = &none, .ns = 1}, {.missing = &none, .ns = 1}}},
    };

    for (size_t i = 0; i < 3; i++)
        tally_reply(&t, &replies[i], true);
    cr_assert(t.network.samples == 2 && histogram_mean(&t.network) == 19 * MS);
    cr_assert(t.server.samples == 1 && histogram_mean(&t.server) == 5 * MS);
    cr_assert(t.overlapped == 1);
    cr_assert_str_eq(tally_no_server(&t, &none)->token, "overlapped");
    /* Of the overlapped one the verdict takes what is left of its time. */
    cr_assert(t.blame.total.samples == 2 && t.blame.server.max == 80 * MS);
}

Test(pdmping_sums, merged_tallies_are_as_one)
{
    static struct tally one, two, both;

    one.started = two.started = both.started = 1;
    for (uint64_t seq = 1; seq <= 50; seq++) {
        add_rtt(seq % 2 ? &one : &two, seq, (int64_t)seq * MS);
        add_rtt(&both, seq, (int64_t)seq * MS);
    }
    tally_merge(&one, &two);
    cr_assert(one.transmitted == 50 && one.received == 50);
    cr_assert(one.rtt.min == MS && one.rtt.max == 50 * MS);
    cr_assert(rtt_mean(&one.rtt) == rtt_mean(&both.rtt));
    cr_assert(rtt_deviation(&one.rtt) == rtt_deviation(&both.rtt));
    cr_assert(memcmp(&one.rtt_histogram, &both.rtt_histogram, sizeof(one.rtt_histogram)) == 0);
}

/* What became of probes. */

static struct window w;

static void send_probes(unsigned count)
{
    window_init(&w);
    for (unsigned i = 1; i <= count; i++)
        cr_assert(window_send(&w, i * 10) == i);
}

Test(pdmping_sums, window_tells_late_from_lost_and_twice_from_once)
{
    uint64_t seq = 0;
    int64_t age = 0;

    send_probes(4);
    struct answer a = window_answer(&w, 1, 10);

    cr_assert(a.known && !a.duplicate && !a.late && !a.reordered && !a.alone);
    a = window_answer(&w, 1, 10);
    cr_assert(a.known && a.duplicate && !a.late);
    cr_assert(!window_expire(&w, 119, 100, &seq, &age));
    cr_assert(window_expire(&w, 121, 100, &seq, &age) && seq == 2 && age == 101);
    cr_assert(!window_expire(&w, 121, 100, &seq, &age));
    cr_assert(window_expire(&w, 131, 100, &seq, &age) && seq == 3);
    a = window_answer(&w, 2, 20);
    cr_assert(a.known && a.late && !a.duplicate && !a.reordered && !a.alone);
    a = window_answer(&w, 4, 40);
    cr_assert(a.known && !a.late && a.alone && w.waiting == 0);
    a = window_answer(&w, 3, 30);
    cr_assert(a.late && a.reordered);
    a = window_answer(&w, 3, 30);
    cr_assert(a.duplicate && !a.reordered);
}

Test(pdmping_sums, window_knows_what_it_was_not_asked)
{
    send_probes(2);
    cr_assert(!window_answer(&w, 0, 0).known);
    cr_assert(!window_answer(&w, 3, 30).known);
    cr_assert(!window_answer(&w, 2, 21).known, "another send time");
    cr_assert(!window_answer(&w, UINT64_MAX, 20).known);
    cr_assert(window_fail(&w, 2) && !window_fail(&w, 2) && !window_fail(&w, 7));
    cr_assert(window_waits(&w, 1) && !window_waits(&w, 2) && window_oldest(&w) == 10);
}

Test(pdmping_sums, window_gives_up_what_it_cannot_remember)
{
    uint64_t seq = 0;
    int64_t age = 0;

    send_probes(WINDOW_PROBES);
    cr_assert(window_expire(&w, 0, INT64_MAX, &seq, &age) && seq == 1);
    cr_assert(!window_expire(&w, 0, INT64_MAX, &seq, &age));
    cr_assert(window_send(&w, 5) == WINDOW_PROBES + 1);
    cr_assert(!window_answer(&w, 1, 10).known);
    cr_assert(window_answer(&w, 2, 20).known);
    cr_assert(w.waiting == WINDOW_PROBES - 1);
}

/* When probes leave. */

Test(pdmping_sums, fixed_schedule_keeps_its_beat)
{
    struct schedule s = schedule_fixed(100, 1000);

    schedule_sent(&s, 1000);
    cr_assert(s.next == 1100);
    schedule_answered(&s, 1001);
    cr_assert(s.next == 1100, "it waits for nobody and hurries for nobody");
    schedule_sent(&s, 1130);
    cr_assert(s.next == 1200);
    schedule_sent(&s, 5050);
    cr_assert(s.next == 5100, "what was missed is left out");
}

Test(pdmping_sums, eager_schedule_follows_the_replies)
{
    struct schedule s = schedule_eager(100, 20, 1000);

    schedule_sent(&s, 1000);
    cr_assert(s.next == 1100);
    schedule_answered(&s, 1050);
    cr_assert(s.next == 1050);
    schedule_sent(&s, 1050);
    schedule_answered(&s, 1055);
    cr_assert(s.next == 1070, "not closer than the gap");
}

/* Losses by direction. */

static void answer(struct tally *t, uint64_t seq, bool with_option)
{
    const struct reply r = {.seq = seq, .figures = {{.missing = &none}, {.missing = &none}}};

    tally_reply(t, &r, with_option);
}

Test(pdmping_sums, losses_are_told_between_options)
{
    static struct tally t;
    struct pdmv2_stats flow = {.lost = 1};

    for (uint64_t seq = 1; seq <= 10; seq++)
        tally_sent(&t, seq, 0);
    answer(&t, 2, false);
    answer(&t, 3, true);
    answer(&t, 6, true);
    answer(&t, 7, true);
    struct losses l = losses_of(&t, &flow, &none, false);

    /* 4 and 5 lie between options; 1, and 8 to 10, do not. */
    cr_assert(!l.missing && l.lost == 6 && l.back == 1 && l.to_server == 1 && l.untold == 4);
    flow.lost = 9;
    l = losses_of(&t, &flow, &none, false);
    cr_assert(l.back == 2 && l.to_server == 0 && l.untold == 4);
    cr_assert_str_eq(losses_of(&t, &flow, &none, true).missing->token, "tcp");
}

Test(pdmping_sums, losses_without_options_have_a_reason)
{
    static struct tally t;
    const struct pdmv2_stats flow = {0};

    for (uint64_t seq = 1; seq <= 3; seq++)
        tally_sent(&t, seq, 0);
    answer(&t, 1, false);
    t.errors = 1;
    tally_failed(&t, 2);
    struct losses l = losses_of(&t, &flow, &none, false);

    cr_assert(l.lost == 1 && l.missing == &none);
}

/* Objectives. */

static struct slo slo;
static char why[SLO_WHY];

Test(pdmping_sums, objectives_are_read)
{
    cr_assert(slo_parse(&slo, "net.p99=30ms,srv.mean=.5s,rtt.max=7us,loss=0.1%,net.p5=1ns", why));
    cr_assert(slo.count == 5);
    const struct slo_objective *o = slo.objective;

    cr_assert(o[0].metric == SLO_NETWORK && o[0].statistic == SLO_PERCENTILE);
    cr_assert(o[0].percent == 99 && o[0].limit == 30 * MS);
    cr_assert(o[1].metric == SLO_SERVER && o[1].statistic == SLO_MEAN && o[1].limit == 500 * MS);
    cr_assert(o[2].metric == SLO_RTT && o[2].statistic == SLO_LARGEST && o[2].limit == 7000);
    cr_assert(o[3].metric == SLO_LOSS && o[3].limit == 100000);
    cr_assert(o[4].percent == 5);
    cr_assert_str_eq(o[0].text, "net.p99=30ms");
}

#define FOUR "loss=1%,loss=1%,loss=1%,loss=1%,"
#define SEVENTEEN FOUR FOUR FOUR FOUR "loss=1%"

Test(pdmping_sums, objectives_that_are_wrong_are_refused)
{
    static const char *const wrong[] = {
        "",
        ",",
        "net.p99",
        "net=3ms",
        "net.p0=3ms",
        "net.p100=3ms",
        "net.p=3ms",
        "net.p09=3ms",
        "net.p9x=3ms",
        "loss=3ms",
        "loss=101%",
        "loss.p99=1%",
        "net.p99=3%",
        "net.p99=3",
        "net.p99=ms",
        "net.p99=-3ms",
        "net.p99=inf",
        "net.p99=1e3ms",
        "net.p99=3 ms",
        "xyz.p99=3ms",
        "net.med=3ms",
        "net.p99=1.2.3ms",
        "net.p99=3ms,",
        "net.p99=99999999s",
        "net.p99=0000000000000000000000001ms",
        SEVENTEEN,
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        why[0] = '\0';
        cr_expect(!slo_parse(&slo, wrong[i], why), "accepted: %s", wrong[i]);
        cr_expect(why[0] != '\0', "no word about: %s", wrong[i]);
    }
}

static bool meets(const struct tally *t, const char *text)
{
    cr_assert(slo_parse(&slo, text, why));
    return slo_judge(&slo.objective[0], t).met;
}

Test(pdmping_sums, objectives_are_held_against_what_was_measured)
{
    static struct tally t;

    cr_assert(!meets(&t, "loss=100%"), "nothing was sent");
    for (uint64_t seq = 1; seq <= 10; seq++) {
        const struct reply r = {
            .seq = seq, .rtt = 30 * MS, .figures = {{.ns = (int64_t)seq * MS}, {.missing = &none}}};

        tally_sent(&t, seq, 0);
        if (seq != 5)
            tally_reply(&t, &r, true);
    }
    cr_assert(meets(&t, "net.max=10ms") && !meets(&t, "net.max=9999us"));
    cr_assert(meets(&t, "net.p99=10ms") && !meets(&t, "net.p99=9ms"), "the largest of few");
    cr_assert(meets(&t, "net.p50=6.1ms") && meets(&t, "rtt.mean=30ms"));
    cr_assert(!meets(&t, "srv.p99=100s"), "nothing was measured");
    cr_assert(meets(&t, "loss=10%") && !meets(&t, "loss=9.99%"));
}

/* The verdict. */

static struct tally run;

static void measure(unsigned count, int64_t network, int64_t server)
{
    for (unsigned i = 0; i < count; i++) {
        const struct reply r = {
            .seq = ++run.transmitted,
            .rtt = network + server,
            .figures = {{.ns = network + i % 7 * 1000}, {.ns = server + i % 5 * 1000}}};

        tally_reply(&run, &r, true);
    }
}

Test(pdmping_sums, verdict_names_the_server_that_stalls)
{
    measure(99, 20 * MS, 2 * MS);
    measure(1, 20 * MS, 200 * MS);
    struct verdict v = verdict_of_delays(&run, &none);

    cr_assert_str_eq(v.token, "server");
    cr_assert(v.has_share && v.server >= 99 && v.server + v.network == 100);
    cr_assert(strncmp(v.text, "SERVER causes ", 14) == 0);
}

Test(pdmping_sums, verdict_names_the_link_that_slows_down)
{
    measure(100, 20 * MS, 5 * MS);
    measure(100, 40 * MS, 5 * MS);
    struct verdict v = verdict_of_delays(&run, &none);

    cr_assert_str_eq(v.token, "network");
    cr_assert(v.network >= 99);
}

Test(pdmping_sums, verdict_may_blame_both_or_nobody)
{
    measure(100, 20 * MS, 20 * MS);
    cr_assert_str_eq(verdict_of_delays(&run, &none).token, "steady");
    measure(10, 40 * MS, 40 * MS);
    struct verdict v = verdict_of_delays(&run, &none);

    cr_assert_str_eq(v.token, "both");
    cr_assert(v.server >= 45 && v.server <= 55);
}

Test(pdmping_sums, verdict_of_delays_too_small_to_tell_blames_nobody)
{
    const struct reply at_once = {.seq = 1};

    for (unsigned i = 0; i < 100; i++)
        tally_reply(&run, &at_once, true);
    cr_assert_str_eq(verdict_of_delays(&run, &none).token, "steady");
}

Test(pdmping_sums, verdict_says_why_there_is_none)
{
    cr_assert_str_eq(verdict_of_delays(&run, &none).token, "not-measured");
    measure(99, 20 * MS, 2 * MS);
    cr_assert_str_eq(verdict_of_delays(&run, &none).token, "too-few-samples");
}

static const char *silent(struct silence s, unsigned echo, unsigned option, unsigned service)
{
    struct control_tally control = {.kind = {[CONTROL_ECHO] = {2, echo},
                                             [CONTROL_OPTION] = {2, option},
                                             [CONTROL_SERVICE] = {2, service}}};

    s.method = &method_udp;
    s.control = &control;
    return verdict_of_silence(&s).token;
}

Test(pdmping_sums, silence_has_a_cause)
{
    static const struct ping_error closed = {.remote = true, .closed = true};
    static const struct ping_error remote = {.remote = true};
    static const struct ping_error own = {.text = "no"};
    const struct silence with = {.attached = true};
    const struct silence without = {.attached = false};
    const struct control_tally nothing = {0};

    cr_assert_str_eq(silent(with, 0, 0, 0), "host-down");
    cr_assert_str_eq(silent(with, 2, 0, 0), "path-drops-options");
    cr_assert_str_eq(silent(with, 0, 0, 1), "path-drops-options");
    cr_assert_str_eq(silent(with, 2, 2, 0), "service-silent");
    cr_assert_str_eq(silent(without, 2, 2, 0), "service-silent");
    cr_assert_str_eq(silent((struct silence){.trouble = &closed}, 2, 2, 0), "port-closed");
    cr_assert_str_eq(silent((struct silence){.trouble = &remote}, 0, 0, 0), "unreachable");
    cr_assert_str_eq(silent((struct silence){.trouble = &own}, 0, 0, 0), "not-sent");
    cr_assert_str_eq(
        verdict_of_silence(&(struct silence){.method = &method_udp, .control = &nothing}).token,
        "no-reply");
}
