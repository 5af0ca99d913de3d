/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives: how they are written, and whether a run met them. */
#include "cli/pdmping/slo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmping/tally.h"
#include "core/limits.h"

#define VALUE_MAX 1e6 /* of any unit: all products stay far below 2^63 */
#define LOSS_SCALE 1000000

enum { DECIMAL = 10, PERCENT = 100, PERCENTILE_MAX = 99 };

static bool equals(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static bool read_metric(const char *text, size_t len, enum slo_metric *metric)
{
    static const char *const names[] = {
        [SLO_NETWORK] = "net", [SLO_SERVER] = "srv", [SLO_RTT] = "rtt", [SLO_LOSS] = "loss"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (equals(text, len, names[i])) {
            *metric = (enum slo_metric)i;
            return true;
        }
    }
    return false;
}

/* p1 to p99. */
static bool read_percentile(const char *text, size_t len, unsigned *percent)
{
    *percent = 0;
    if (len < 2 || len > sizeof("p99") - 1 || text[0] != 'p' || text[1] == '0')
        return false;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *percent = *percent * DECIMAL + (unsigned)(text[i] - '0');
    }
    return *percent <= PERCENTILE_MAX;
}

static bool read_statistic(const char *text, size_t len, struct slo_objective *o)
{
    if (equals(text, len, "mean") || equals(text, len, "avg")) {
        o->statistic = SLO_MEAN;
        return true;
    }
    if (equals(text, len, "max")) {
        o->statistic = SLO_LARGEST;
        return true;
    }
    o->statistic = SLO_PERCENTILE;
    return read_percentile(text, len, &o->percent);
}

/* "net.p99", or "loss" alone. */
static bool read_name(const char *text, size_t len, struct slo_objective *o)
{
    const char *dot = memchr(text, '.', len);
    size_t metric_len = dot ? (size_t)(dot - text) : len;

    if (!read_metric(text, metric_len, &o->metric) || (o->metric == SLO_LOSS) != (dot == NULL))
        return false;
    return !dot || read_statistic(dot + 1, len - metric_len - 1, o);
}

static bool read_limit(const char *text, struct slo_objective *o)
{
    static const struct {
        const char *name;
        int64_t scale;
        bool of_loss;
    } units[] = {{"ns", 1, false},
                 {"us", PDM_NSEC_PER_USEC, false},
                 {"ms", PDM_NSEC_PER_MSEC, false},
                 {"s", PDM_NSEC_PER_SEC, false},
                 {"%", LOSS_SCALE, true}};
    size_t digits = strspn(text, "0123456789.");
    char *end = NULL;
    double value = strtod(text, &end);

    if (digits == 0 || end != text + digits ||
        value > (o->metric == SLO_LOSS ? PERCENT : VALUE_MAX))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) == 0 && units[i].of_loss == (o->metric == SLO_LOSS)) {
            o->limit = llround(value * (double)units[i].scale);
            return true;
        }
    }
    return false;
}

/* The LEN octets at TEXT. */
static bool read_objective(const char *text, size_t len, struct slo_objective *o,
                           char why[static SLO_WHY])
{
    if (len >= sizeof(o->text)) {
        (void)snprintf(why, SLO_WHY, "an objective is longer than %d characters", SLO_TEXT - 1);
        return false;
    }
    memcpy(o->text, text, len);
    o->text[len] = '\0';
    const char *equal = strchr(o->text, '=');

    if (!equal || !read_name(o->text, (size_t)(equal - o->text), o)) {
        (void)snprintf(why, SLO_WHY,
                       "\"%s\": say net, srv or rtt with .mean, .max or .p1 to .p99, or loss",
                       o->text);
        return false;
    }
    if (!read_limit(equal + 1, o)) {
        (void)snprintf(why, SLO_WHY, "\"%s\": %s", o->text,
                       o->metric == SLO_LOSS ? "the limit is a percentage, as in loss=1%"
                                             : "the limit is a time, as in 30ms: ns, us, ms or s");
        return false;
    }
    return true;
}

bool slo_parse(struct slo *slo, const char *text, char why[static SLO_WHY])
{
    *slo = (struct slo){0};
    for (;;) {
        size_t len = strcspn(text, ",");

        if (slo->count == SLO_MAX) {
            (void)snprintf(why, SLO_WHY, "more than %d objectives", SLO_MAX);
            return false;
        }
        if (!read_objective(text, len, &slo->objective[slo->count], why))
            return false;
        slo->count++;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

static struct slo_result judge_loss(int64_t limit, const struct tally *t)
{
    struct slo_result result = {.samples = t->transmitted};

    if (t->transmitted == 0)
        return result;
    result.value =
        llround((double)tally_unanswered(t) * PERCENT * LOSS_SCALE / (double)t->transmitted);
    result.met = result.value <= limit;
    return result;
}

struct slo_result slo_judge(const struct slo_objective *o, const struct tally *t)
{
    if (o->metric == SLO_LOSS)
        return judge_loss(o->limit, t);
    const struct histogram *h = o->metric == SLO_NETWORK  ? &t->network
                                : o->metric == SLO_SERVER ? &t->server
                                                          : &t->rtt_histogram;
    struct slo_result result = {.samples = h->samples};

    if (h->samples == 0)
        return result;
    result.value = o->statistic == SLO_MEAN      ? histogram_mean(h)
                   : o->statistic == SLO_LARGEST ? h->max
                                                 : histogram_percentile(h, o->percent);
    result.met = result.value <= o->limit;
    return result;
}
