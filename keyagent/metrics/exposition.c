/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics, family by family. */
#include "keyagent/metrics/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "keyagent/host.h"
#include "keyagent/metrics/text.h"

struct family;
typedef uint32_t count_items(const struct exposition *x);
typedef void put_item(const struct exposition *x, const struct family *f, uint32_t at);

struct family {
    const char *name; /* without the suffix that its kind has */
    enum { GAUGE, COUNTER, HISTOGRAM, INFO } kind;
    unsigned which;   /* counter, delay */
    const char *unit; /* or NULL */
    const char *help;
    count_items *items;
    put_item *put;
    uint64_t (*value)(const struct agent *agent);
};

static const struct {
    const char *name;
    const char *suffix;    /* of its samples, which the text format has in the family's name, too */
    const char *text_name; /* what that calls it */
} kinds[] = {
    [GAUGE] = {"gauge", "", "gauge"},
    [COUNTER] = {"counter", "_total", "counter"},
    [HISTOGRAM] = {"histogram", "", "histogram"},
    [INFO] = {"info", "_info", "gauge"},
};

__attribute__((format(printf, 2, 3))) static void add(const struct exposition *x,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    evbuffer_add_vprintf(x->out, format, args);
    va_end(args);
}

/* Of the agent as a whole. */

static uint32_t one(const struct exposition *x)
{
    (void)x;
    return 1;
}

static void put_value(const struct exposition *x, const struct family *f, uint32_t at)
{
    (void)at;
    add(x, "%s%s %" PRIu64 "\n", f->name, kinds[f->kind].suffix, f->value(x->agent));
}

static void put_build(const struct exposition *x, const struct family *f, uint32_t at)
{
    (void)at;
    add(x, "%s_info{version=\"" PDM_RELEASE "\"} 1\n", f->name);
}

static void put_start(const struct exposition *x, const struct family *f, uint32_t at)
{
    char text[TEXT_MAX];

    (void)at;
    add(x, "%s %s\n", f->name, text_seconds(text, (uint64_t)x->agent->started_realtime));
}

/* Name, kind, value of struct agent *a, meaning. */
#define AGENT_VALUES(X)                                                                            \
    X(flow_slots, GAUGE, a->slots.used, "Live flows of all programs")                              \
    X(flow_slots_limit, GAUGE, a->slots.count, "Live flows that there is room for (max_slots)")    \
    X(ledger_entries, GAUGE, a->ledger.table.used, "Entries of the ledger of leases")              \
    X(ledger_entries_limit, GAUGE, a->ledger.table.capacity,                                       \
      "Entries at which the ledger is emptied and generations advance (max_ledger)")               \
    X(leases, COUNTER, a->leases, "Leases of keys that were granted")                              \
    X(requests, COUNTER, a->requests, "Requests of programs")                                      \
    X(requests_refused, COUNTER, a->refused, "Requests of programs that were refused")             \
    X(searches, COUNTER, a->search.count, "Searches for the key of an option")                     \
    X(searches_found, COUNTER, a->search.count_found, "Searches that found it")                    \
    X(probes, COUNTER, a->paths.prober.sent, "Echo requests that were sent to probe paths")        \
    X(host_drops_options, GAUGE, !host_takes_options(),                                            \
      "1 if this host drops packets with options by its own settings")                             \
    X(flow_log_lines, COUNTER, a->flow_log.written, "Lines written to the log of flows")           \
    X(flow_log_lost_lines, COUNTER, a->flow_log.lost,                                              \
      "Lines of the log of flows that could not be written")

#define DEFINE_VALUE(name, kind, expression, help)                                                 \
    static uint64_t value_##name(const struct agent *a)                                            \
    {                                                                                              \
        (void)a;                                                                                   \
        return (uint64_t)(expression);                                                             \
    }
AGENT_VALUES(DEFINE_VALUE)

/* Of paths. */

static uint32_t verdicts(const struct exposition *x)
{
    (void)x;
    return PDM_PATHS;
}

static void put_paths(const struct exposition *x, const struct family *f, uint32_t at)
{
    static const char *const names[PDM_PATHS] = {[PDM_PATH_UNKNOWN] = "unknown",
                                                 [PDM_PATH_CARRIES] = "carries",
                                                 [PDM_PATH_DROPS] = "drops",
                                                 [PDM_PATH_UNPROBED] = "unprobed"};

    add(x, "%s{verdict=\"%s\"} %" PRIu32 "\n", f->name, names[at],
        paths_with(&x->agent->paths, (enum pdm_path)at));
}

/* Of associations. */

static uint32_t associations(const struct exposition *x)
{
    return (uint32_t)x->agent->associations.count;
}

static bool same_labels(const struct association *a, const struct association *b)
{
    return a->format == b->format && strcmp(a->name, b->name) == 0;
}

/* Pairs may have one name, be it because it was too long: those are one series, with the first. */
static void put_measuring(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct associations *set = &x->agent->associations;
    const struct association *a = &set->item[at];
    bool measuring = !a->ended;
    char name[TEXT_MAX];

    for (size_t i = set->configured; i < set->count; i++) {
        if (!same_labels(&set->item[i], a))
            continue;
        if (i < at)
            return;
        measuring = measuring || !set->item[i].ended;
    }
    add(x, "%s{association=\"%s\",protect=\"%s\"} %d\n", f->name, text_name(name, a->name),
        pdm_formats[a->format].name, measuring);
}

static uint32_t registrars(const struct exposition *x)
{
    return (uint32_t)x->registry->registrars;
}

static void put_connected(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct registrar *r = x->registry->registrar[at];

    /* A name of the configuration has nothing to escape. */
    add(x, "%s{association=\"%s\"} %d\n", f->name, enrolment_name(registrar_enrolment(r)),
        registrar_is_enrolled(r));
}

static uint32_t meters(const struct exposition *x)
{
    return x->agent->totals.meters;
}

static void put_folded(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct meter *m = &x->agent->totals.meter[at];
    char name[TEXT_MAX];

    if (m->used)
        add(x, "%s_total{association=\"%s\"} %" PRIu64 "\n", f->name, text_name(name, m->name),
            m->folded);
}

/* Of flows. */

#define LABELS_MAX (2 * TEXT_MAX)

static uint32_t all_series(const struct exposition *x)
{
    return x->agent->totals.count;
}

static void labels_of(const struct totals *t, const struct series *s, char out[static LABELS_MAX])
{
    char name[TEXT_MAX];
    char peer[TEXT_MAX];
    size_t used = (size_t)snprintf(
        out, LABELS_MAX, "association=\"%s\",peer=", text_name(name, t->meter[s->meter].name));

    if (s->is_other)
        snprintf(out + used, LABELS_MAX - used, "\"other\"");
    else
        snprintf(out + used, LABELS_MAX - used, "\"%s/%u\"", text_address(peer, s->peer.addr),
                 s->peer.len);
}

static void put_flows(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct series *s = &x->agent->totals.series[at];
    char labels[LABELS_MAX];

    if (!s->used)
        return;
    labels_of(&x->agent->totals, s, labels);
    add(x, "%s{%s} %" PRIu32 "\n", f->name, labels, s->flows);
}

static void put_counter(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct series *s = &x->agent->totals.series[at];
    char labels[LABELS_MAX];

    if (!s->used)
        return;
    labels_of(&x->agent->totals, s, labels);
    add(x, "%s_total{%s} %" PRIu64 "\n", f->name, labels, s->total.counter[f->which]);
}

/* How many there are is told by the buckets, so that the two always agree. */
static void put_histogram(const struct exposition *x, const struct family *f, uint32_t at)
{
    const struct series *s = &x->agent->totals.series[at];
    const uint64_t *bucket = s->total.bucket[f->which];
    char labels[LABELS_MAX];
    char text[TEXT_MAX];
    uint64_t count = 0;

    if (!s->used)
        return;
    labels_of(&x->agent->totals, s, labels);
    for (int i = 0; i < PDM_DELAY_BUCKETS; i++) {
        count = figures_add(count, bucket[i]);
        add(x, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", f->name, labels,
            i < PDM_DELAY_BOUNDS ? text_bound(text, pdm_delay_bounds[i]) : "+Inf", count);
    }
    add(x, "%s_count{%s} %" PRIu64 "\n", f->name, labels, count);
    add(x, "%s_sum{%s} %s\n", f->name, labels, text_seconds(text, s->total.sum[f->which]));
}

/* All of them. */

#define VALUE_ROW(name, kind, expression, help)                                                    \
    {"pdm_" #name, kind, 0, NULL, help, one, put_value, value_##name},
#define COUNTER_ROW(name, meaning)                                                                 \
    {"pdm_" #name, COUNTER, PDM_COUNTER_##name, NULL, meaning, all_series, put_counter, NULL},

static const struct family families[] = {
    {"pdm_network_delay_seconds", HISTOGRAM, FIGURES_NETWORK, "seconds",
     "Time on the network, both directions together (RFC 8250)", all_series, put_histogram, NULL},
    {"pdm_server_delay_seconds", HISTOGRAM, FIGURES_SERVER, "seconds",
     "Time that the peer took, but for overlapping requests", all_series, put_histogram, NULL},
    {"pdm_total_delay_seconds", HISTOGRAM, FIGURES_TOTAL, "seconds",
     "Time from a packet to the one that answers it", all_series, put_histogram, NULL},
    PDM_COUNTERS(COUNTER_ROW){"pdm_flows", GAUGE, 0, NULL, "Live flows", all_series, put_flows,
                              NULL},
    {"pdm_folded_flows", COUNTER, 0, NULL, "Flows whose peer's prefix has no series of its own",
     meters, put_folded, NULL},
    {"pdm_association_measuring", GAUGE, 0, NULL, "0 once the association's lifetime is over",
     associations, put_measuring, NULL},
    {"pdm_primary_connected", GAUGE, 0, NULL,
     "1 if a primary is connected to and has given what it has for this host", registrars,
     put_connected, NULL},
    {"pdm_paths", GAUGE, 0, NULL, "Paths to peers that are known, by what was found out about them",
     verdicts, put_paths, NULL},
    AGENT_VALUES(VALUE_ROW){"pdm_agent_start_time_seconds", GAUGE, 0, "seconds",
                            "When the agent started, since 1970", one, put_start, NULL},
    {"pdm_build", INFO, 0, NULL, "The agent's version", one, put_build, NULL},
};

#define FAMILIES (sizeof families / sizeof families[0])

static void put_head(const struct exposition *x, const struct family *f)
{
    bool open = x->format == EXPOSITION_OPENMETRICS;
    const char *suffix = open ? "" : kinds[f->kind].suffix;

    add(x, "# HELP %s%s %s\n", f->name, suffix, f->help);
    add(x, "# TYPE %s%s %s\n", f->name, suffix,
        open ? kinds[f->kind].name : kinds[f->kind].text_name);
    if (open && f->unit != NULL)
        add(x, "# UNIT %s %s\n", f->name, f->unit);
}

bool exposition_step(struct exposition *x)
{
    for (unsigned puts = 0; puts < AGENT_SCRAPE_SERIES && x->family < FAMILIES; puts++) {
        const struct family *f = &families[x->family];

        if (x->at == 0)
            put_head(x, f);
        if (x->at < f->items(x))
            f->put(x, f, x->at++);
        if (x->at >= f->items(x)) {
            x->family++;
            x->at = 0;
        }
    }
    if (x->family < FAMILIES)
        return false;
    if (x->format == EXPOSITION_OPENMETRICS)
        add(x, "# EOF\n");
    return true;
}

/* What is asked for. */

/* Whether one of the types in an Accept header, LEN octets of PART, is OpenMetrics, and wanted:
 * RFC 9110 section 12.5.1 has a weight of 0 say that it is not. */
static bool wants(const char *part, size_t len)
{
    static const char type[] = "application/openmetrics-text";
    char copy[AGENT_SCRAPE_TYPE];
    char *rest;

    snprintf(copy, sizeof copy, "%.*s", (int)(len < sizeof copy ? len : sizeof copy - 1), part);
    char *word = strtok_r(copy, "; \t", &rest);
    if (word == NULL || strcasecmp(word, type) != 0)
        return false;
    while ((word = strtok_r(NULL, "; \t", &rest)) != NULL)
        if (strncasecmp(word, "q=0", 3) == 0 && strspn(word + 3, ".0") == strlen(word + 3))
            return false;
    return true;
}

enum exposition_format exposition_choose(const char *accept)
{
    while (accept != NULL && *accept != '\0') {
        size_t len = strcspn(accept, ",");

        if (wants(accept, len))
            return EXPOSITION_OPENMETRICS;
        accept += len + (accept[len] == ',');
    }
    return EXPOSITION_TEXT;
}

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
