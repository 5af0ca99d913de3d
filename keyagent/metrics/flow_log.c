/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of flows. */
#include "keyagent/metrics/flow_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/option.h"
#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/metrics/text.h"

#define MIB (1024 * 1024)

/* A line under construction, at the end of the buffer. */
struct line {
    char *text;
    size_t room;
    size_t used; /* more than room: it did not fit */
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
    size_t left = l->used < l->room ? l->room - l->used : 0;
    va_list args;

    va_start(args, format);
    l->used += (size_t)vsnprintf(l->text + (l->room - left), left, format, args);
    va_end(args);
}

/* The shim's delays are as trustworthy as the shim; here they are numbers, of whatever value. */
static int64_t number(const _Atomic int64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void put_delay(struct line *l, const char *key, const struct pdm_delay *d)
{
    uint64_t samples = atomic_load_explicit(&d->samples, memory_order_relaxed);

    if (samples == 0) {
        put(l, ",\"%s\":null", key);
        return;
    }
    put(l, ",\"%s\":{\"samples\":%" PRIu64 ",\"min\":%" PRId64 ",\"max\":%" PRId64, key, samples,
        number(&d->min), number(&d->max));
    put(l, ",\"sum\":%" PRId64 ",\"last\":%" PRId64 "}", number(&d->sum), number(&d->last));
}

static void put_times(struct line *l, int64_t opened, int64_t active)
{
    int64_t now = clock_now();
    int64_t realtime = clock_realtime();

    put(l, "\"opened\":%" PRId64 ",\"active\":%" PRId64 ",\"closed\":%" PRId64,
        realtime - (now - opened), realtime - (now - active), realtime);
}

static void put_tuple(struct line *l, const struct pdm_tuple *tuple)
{
    char text[TEXT_MAX];

    put(l, ",\"protocol\":%u,\"local\":\"%s\",\"local_port\":%u", tuple->proto,
        text_address(text, tuple->saddr), tuple->sport);
    put(l, ",\"peer\":\"%s\",\"peer_port\":%u", text_address(text, tuple->daddr), tuple->dport);
}

static void put_association(struct line *l, const struct association *a)
{
    char text[TEXT_MAX];

    if (a == NULL)
        put(l, ",\"association\":null");
    else
        put(l, ",\"association\":\"%s\"", text_name(text, a->name));
}

static void put_figures(struct line *l, const struct pdm_slot *slot)
{
    static const char *const names[PDM_COUNTER_COUNT] = {
#define COUNTER_NAME(name, meaning) #name,
        PDM_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
    };

    put_delay(l, "network_delay", &slot->network);
    put_delay(l, "server_delay", &slot->server);
    put_delay(l, "total_delay", &slot->total);
    for (int i = 0; i < PDM_COUNTER_COUNT; i++)
        put(l, ",\"%s\":%" PRIu64, names[i],
            atomic_load_explicit(&slot->counter[i], memory_order_relaxed));
}

static void put_flow(struct line *l, const struct slots *slots, uint32_t slot,
                     const struct associations *set, enum flow_end why)
{
    static const char *const ends[FLOW_ENDS] = {[FLOW_CLOSED] = "closed",
                                                [FLOW_IDLE] = "idle",
                                                [FLOW_PROCESS_GONE] = "process_gone",
                                                [FLOW_AGENT_ENDS] = "agent_ends"};
    const struct slot_info *info = &slots->record[slot].info;

    put(l, "{\"schema\":\"" FLOW_LOG_SCHEMA "\",");
    put_times(l, info->opened, slots_active(slots, slot, clock_now()));
    put(l, ",\"end\":\"%s\"", ends[why]);
    put_association(l, associations_get(set, info->association));
    put(l, ",\"protect\":\"%s\"", pdm_formats[info->format].name);
    put_tuple(l, &info->tuple);
    put(l, ",\"pid\":%d", (int)info->client.pid);
    put_figures(l, &slots->shared[slot]);
    put(l, "}\n");
}

void flow_log_set(struct flow_log *log, const struct config *config)
{
    flow_log_flush(log);
    log_file_close(&log->file);
    log->failing = false;
    if (config->flow_log != NULL &&
        !log_file_set(&log->file, config->flow_log, (uint64_t)config->flow_log_size * MIB,
                      config->flow_log_age_s, config->flow_log_files))
        log_error("out of memory: there is no log of flows");
}

void flow_log_free(struct flow_log *log)
{
    flow_log_flush(log);
    log_file_close(&log->file);
}

void flow_log_add(struct flow_log *log, const struct slots *slots, uint32_t slot,
                  const struct associations *set, enum flow_end why)
{
    if (log->file.path == NULL)
        return;
    if (sizeof log->buffer - log->used < FLOW_LOG_LINE)
        flow_log_flush(log);
    struct line l = {.text = log->buffer + log->used, .room = FLOW_LOG_LINE};

    put_flow(&l, slots, slot, set, why);
    if (l.used >= l.room) {
        log->lost++;
        return;
    }
    log->used += l.used;
    log->lines++;
}

/* Once: a disk that is nearly full takes some lines and not others. */
static void tell(struct flow_log *log, bool good, int error)
{
    const char *why = error == EEXIST ? "is no regular file" : strerror(error);
    int64_t now = clock_now();

    if (!good) {
        if (!log->failing)
            log_error("flow_log %s: %s; lines are lost until it can be written to", log->file.path,
                      why);
        log->failing = true;
        log->failed_at = now;
    } else if (log->failing && now - log->failed_at > FLOW_LOG_CALM_NS) {
        log_info("flow_log %s: can be written to again; %" PRIu64 " lines were lost",
                 log->file.path, log->lost);
        log->failing = false;
    }
}

void flow_log_flush(struct flow_log *log)
{
    if (log->used == 0)
        return;
    bool good =
        log_file_write(&log->file, log->buffer, log->used, clock_realtime() / PDM_NSEC_PER_SEC);

    tell(log, good, errno);
    *(good ? &log->written : &log->lost) += log->lines;
    log->used = 0;
    log->lines = 0;
}
