/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is measured, in memory that the shim writes and the agent reads without any call: the
 * metrics segment, with the Global Pointers (draft-ietf-ippm-encrypted-pdmv2-02 section 6.2) and a
 * slot per flow. One process writes a slot, under its flow's lock, but for the path's verdict,
 * which is the agent's; anyone may read. A reader trusts nothing in it: every process of the agent
 * can write all of it.
 */
#ifndef PDM_CORE_METRICS_H
#define PDM_CORE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/tuple.h"

#define PDM_CACHE_LINE 64

/* Counters of one flow: name, meaning. */
#define PDM_COUNTERS(X)                                                                            \
    X(sends, "sends, with an option or without")                                                   \
    X(options_sent, "options built and handed to the kernel")                                      \
    X(options_received, "options received and accepted")                                           \
    X(lost, "options lost towards us, by PSNTP")                                                   \
    X(reordered, "options that came behind a later one")                                           \
    X(duplicates, "options seen again, octet for octet")                                           \
    X(outside_window, "valid options behind the replay window")                                    \
    X(auth_failures, "encrypted options that no key opens")                                        \
    X(malformed, "options of no known layout, or with a PSNTP of 0")                               \
    X(bad_version, "PDMv2 options of another version")                                             \
    X(repeated, "headers with more than one option")                                               \
    X(wrong_format, "options of another format than the association's")                            \
    X(overlapped, "server delays with more than one own send unanswered")                          \
    X(negative, "network delays below 0: a fault of the peer or of a clock")                       \
    X(imprecise, "network delays finer than DELTATLR's resolution")                                \
    X(unstamped, "options without a trustworthy receive time")                                     \
    X(withdrawn, "times that options seemed to get lost on the path, so that none were attached")

enum pdm_counter {
#define PDM_COUNTER_ENUM(name, meaning) PDM_COUNTER_##name,
    PDM_COUNTERS(PDM_COUNTER_ENUM)
#undef PDM_COUNTER_ENUM
        PDM_COUNTER_COUNT
};

/*
 * Upper ends of the histograms' buckets, in nanoseconds; beyond the last there is one without an
 * end. The same for all delays, so that they can be compared and added up.
 */
#define PDM_DELAY_BOUNDS 17
#define PDM_DELAY_BUCKETS (PDM_DELAY_BOUNDS + 1)
extern const int64_t pdm_delay_bounds[PDM_DELAY_BOUNDS];

/* Delays in nanoseconds. While one is being added, begun is ahead of samples. */
struct pdm_delay {
    _Atomic uint64_t begun;
    _Atomic uint64_t samples;
    _Atomic int64_t last;
    _Atomic int64_t min;
    _Atomic int64_t max;
    _Atomic int64_t sum;
    _Atomic uint64_t bucket[PDM_DELAY_BUCKETS]; /* delays in each, not in those below it */
};

/* Whether the path to a flow's peer carries options: the agent's verdict. */
enum pdm_path {
    PDM_PATH_UNKNOWN, /* being probed */
    PDM_PATH_CARRIES, /* the only one with which options are attached */
    PDM_PATH_DROPS,
    PDM_PATH_UNPROBED, /* cannot be told: the agent may not probe, or the peer answers no echo */
    PDM_PATHS
};

struct pdm_slot {
    _Alignas(PDM_CACHE_LINE) _Atomic uint64_t owner; /* which opening of a flow writes here */
    _Atomic uint64_t closed;                         /* its owner, once that is done with it */
    _Atomic int64_t active;                          /* CLOCK_MONOTONIC of the last packet */
    _Atomic uint64_t own_kri;
    _Atomic uint64_t peer_kri;
    _Atomic uint32_t path; /* enum pdm_path; the agent writes it, the shim reads it */
    /* Likewise: 0, or to tell this one flow to ask again, as the policy's epoch tells all. */
    _Atomic uint32_t ask;
    struct pdm_delay network;
    struct pdm_delay server;
    struct pdm_delay total; /* from a packet to the one that answers it */
    _Atomic uint64_t counter[PDM_COUNTER_COUNT];
};

/* A pointer of 32 bits that wraps; each on a line of its own, since every send of every process
 * adds to it. */
struct pdm_global_pointer {
    _Alignas(PDM_CACHE_LINE) _Atomic uint32_t next; /* the value that the next packet carries */
};

/* Its last octet is the version of the layout. */
#define PDM_SEGMENT_MAGIC 0x70646d7632736502ULL

struct pdm_segment {
    uint64_t magic;
    uint32_t slots;
    struct pdm_global_pointer global_pointer[PDM_SADDR_TYPES];
    struct pdm_slot slot[];
};

/* Octets of a segment with SLOTS slots. */
static inline size_t pdm_segment_size(uint32_t slots)
{
    return sizeof(struct pdm_segment) + (size_t)slots * sizeof(struct pdm_slot);
}

/* One writer: an addition need not be atomic, its parts must be. */
static inline void pdm_count(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

/* Adds one delay of NS nanoseconds. One writer. */
void pdm_delay_add(struct pdm_delay *delay, int64_t ns);

/* Which bucket a delay of NS nanoseconds is in: the first whose end it does not exceed. */
unsigned pdm_delay_bucket(int64_t ns);

/*
 * Puts the figures of the flow in FROM into TO, where it goes on; TO holds none yet. Nobody writes
 * to either meanwhile. What the slots say of themselves, and own_kri, stays.
 */
void pdm_slot_carry(struct pdm_slot *to, const struct pdm_slot *from);

/* The same at one moment. */
struct pdm_delay_seen {
    uint64_t samples;
    int64_t last;
    int64_t min;
    int64_t max;
    int64_t sum;
};

/* False if one is being added: what was read may be of before and after. */
bool pdm_delay_read(const struct pdm_delay *delay, struct pdm_delay_seen *seen);

#endif
