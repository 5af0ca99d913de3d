/* SPDX-License-Identifier: BSD-2-Clause */
/* The live flows of this process. */
#include "shim/flows.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/limits.h"
#include "shim/agent.h"
#include "shim/mapping.h"
#include "shim/process.h"
#include "shim/sys.h"

#define INDEX_BITS 24 /* of a reference; the rest is the incarnation */
#define INCARNATIONS (UINT64_MAX >> INDEX_BITS)
#define HUGE_PAGE (2UL << 20)

/*
 * A bucket holds a flow's index + 1 (lower half) and part of its hash (upper half). It is never
 * emptied, since others may lie behind it, but one whose flow has moved away is taken over.
 */
struct table {
    _Atomic uint32_t used;  /* flows ever taken into use */
    _Atomic uint32_t hand;  /* where the search for an idle flow goes on */
    _Atomic uint64_t freed; /* index + 1 of the flow given up last, or 0; above it, how many were */
    _Atomic uint64_t incarnations;
};

/*
 * Made once; the table's content is wiped in a forked child, where it lies is not. Nor are the
 * locks: a child that a signal handler forked goes on with what the handler interrupted, and what
 * that holds must not become another flow meanwhile, or it would write a Kri that nobody leased
 * into it. What another thread of the parent held stays unused in the child.
 */
static struct {
    _Atomic uint32_t state; /* 0 none, 1 being made, 2 there, 3 cannot be had */
    uint32_t capacity;
    uint64_t seed;
    struct table *table;
    _Atomic uint64_t *buckets;
    struct pdm_flow_entry *flows;
    _Atomic uint32_t *locks; /* one for each flow */
} arena;

static uint32_t buckets(void)
{
    return 2 * arena.capacity;
}

static uint32_t capacity(void)
{
    struct rlimit limit;
    uint32_t wanted = pdm_policy_settings().max_flows;

    if (wanted == 0 || wanted > PDM_FLOWS_MAX)
        wanted = PDM_FLOWS_DEFAULT;
    /* A program with limited address space must not run out of it because of us. */
    if (pdm_sys(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit, 0, 0) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        return PDM_FLOWS_SMALL;
    return wanted;
}

static bool make_arena(void)
{
    uint32_t n = capacity();
    size_t head = sizeof(struct table) + 2 * (size_t)n * sizeof(uint64_t);
    size_t at = (head + PDM_CACHE_LINE - 1) / PDM_CACHE_LINE * PDM_CACHE_LINE;
    uint8_t *memory = pdm_wiped_memory(at + n * sizeof(struct pdm_flow_entry));
    long locks = pdm_sys(SYS_mmap, 0, (long)(n * sizeof(uint32_t)), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == NULL || (locks < 0 && locks > -4096) ||
        !pdm_entropy(&arena.seed, sizeof arena.seed))
        return false;
    arena.capacity = n;
    arena.table = (struct table *)(void *)memory;
    arena.buckets = (_Atomic uint64_t *)(void *)(memory + sizeof(struct table));
    arena.flows = (struct pdm_flow_entry *)(void *)(memory + at);
    arena.locks = (_Atomic uint32_t *)locks;
    return true;
}

static bool have_arena(void)
{
    uint32_t none = 0;

    if (atomic_load_explicit(&arena.state, memory_order_acquire) == 2)
        return true;
    if (!atomic_compare_exchange_strong(&arena.state, &none, 1))
        return false;
    bool made = make_arena();

    atomic_store_explicit(&arena.state, made ? 2 : 3, memory_order_release);
    return made;
}

static bool try_lock(const struct pdm_flow_entry *e)
{
    return atomic_exchange_explicit(&arena.locks[e - arena.flows], 1, memory_order_acquire) == 0;
}

void pdm_flow_release(struct pdm_flow_entry *e)
{
    atomic_store_explicit(&arena.locks[e - arena.flows], 0, memory_order_release);
}

static void touch(struct pdm_flow_entry *e, int64_t now)
{
    atomic_store_explicit(&e->last_used, (uint64_t)now, memory_order_relaxed);
}

/* Counted from the process guard on, so that a forked child makes none that its parent's
 * descriptors refer to. */
static uint64_t next_incarnation(void)
{
    uint64_t n = atomic_fetch_add_explicit(&arena.table->incarnations, 1, memory_order_relaxed);

    return (pdm_guard_value() + n) & INCARNATIONS;
}

static void clear(struct pdm_flow_entry *e)
{
    size_t from = offsetof(struct pdm_flow_entry, bucket);

    /* First: who looks without the lock must not take the next flow for this one. */
    atomic_store(&e->incarnation, next_incarnation());
    atomic_store(&e->denied, false);
    atomic_store(&e->state, PDM_FLOW_FREE);
    atomic_store(&e->slot, 0);
    atomic_store(&e->owner, 0);
    atomic_store(&e->hash, 0);
    atomic_store(&e->last_overlapped, 0);
    atomic_store(&e->resume_at, 0);
    memset((uint8_t *)e + from, 0, sizeof *e - from);
    e->bucket = UINT32_MAX;
    atomic_store_explicit(&e->references, 0, memory_order_relaxed);
    atomic_store_explicit(&e->disturbed, false, memory_order_relaxed);
}

/* Of some flows the one idle longest, emptied and locked. */
static struct pdm_flow_entry *evict(int64_t now)
{
    struct pdm_flow_entry *oldest = NULL;
    uint64_t used_at = (uint64_t)(now - PDM_FLOW_EVICT_NS);

    for (int i = 0; i < PDM_FLOW_CANDIDATES; i++) {
        uint32_t at = atomic_fetch_add_explicit(&arena.table->hand, 1, memory_order_relaxed);
        struct pdm_flow_entry *e = &arena.flows[at % arena.capacity];
        uint64_t last = atomic_load_explicit(&e->last_used, memory_order_relaxed);

        if (last < used_at) {
            used_at = last;
            oldest = e;
        }
    }
    if (oldest == NULL || !try_lock(oldest))
        return NULL;
    pdm_agent_close(oldest);
    clear(oldest);
    return oldest;
}

static struct pdm_flow_entry *flow_in(uint64_t bucket)
{
    uint32_t index = (uint32_t)bucket;

    return index != 0 && index <= arena.capacity ? &arena.flows[index - 1] : NULL;
}

/*
 * The flows given up, last in, first out: a program that opens and closes one socket after another
 * stays small. What is in the list may be in use again, if it made room for another.
 */
static struct pdm_flow_entry *pop_freed(void)
{
    uint64_t head = atomic_load_explicit(&arena.table->freed, memory_order_acquire), next;
    struct pdm_flow_entry *e;

    do {
        e = flow_in(head);
        if (e == NULL)
            return NULL;
        next = (head >> 32 << 32) + (1ULL << 32);
        next |= atomic_load_explicit(&e->next_freed, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&arena.table->freed, &head, next));
    atomic_store(&e->listed, false);
    return e;
}

static void push_freed(struct pdm_flow_entry *e)
{
    uint64_t head = atomic_load_explicit(&arena.table->freed, memory_order_relaxed), next;

    if (atomic_exchange(&e->listed, true))
        return;
    do {
        atomic_store_explicit(&e->next_freed, (uint32_t)head, memory_order_relaxed);
        next = ((head >> 32 << 32) + (1ULL << 32)) | ((uint64_t)(e - arena.flows) + 1);
    } while (!atomic_compare_exchange_weak(&arena.table->freed, &head, next));
}

static struct pdm_flow_entry *take_freed(void)
{
    struct pdm_flow_entry *e = pop_freed();

    if (e == NULL || !try_lock(e))
        return NULL;
    if (e->state == PDM_FLOW_FREE)
        return e;
    pdm_flow_release(e);
    return NULL;
}

/* With many flows each is on a page of its own, and the processor knows few pages; one of 2 MiB
 * holds hundreds. */
static void want_huge_pages(void)
{
    uintptr_t from = (uintptr_t)&arena.flows[PDM_FLOWS_MANY];
    uintptr_t to = (uintptr_t)&arena.flows[arena.capacity];

    from = (from + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (from < to)
        pdm_sys(SYS_madvise, (long)from, (long)(to - from), MADV_HUGEPAGE, 0, 0, 0);
}

static struct pdm_flow_entry *take_place(int64_t now)
{
    struct pdm_flow_entry *freed = take_freed();

    if (freed != NULL)
        return freed;
    uint32_t used = atomic_load_explicit(&arena.table->used, memory_order_relaxed);

    while (used < arena.capacity)
        if (atomic_compare_exchange_weak(&arena.table->used, &used, used + 1)) {
            struct pdm_flow_entry *e = &arena.flows[used];

            if (used == PDM_FLOWS_MANY)
                want_huge_pages();
            used++;
            if (!try_lock(e))
                continue; /* held when this process was forked */
            clear(e);
            return e;
        }
    return evict(now);
}

static uint64_t bucket_value(uint64_t hash, const struct pdm_flow_entry *e)
{
    return (hash & 0xFFFFFFFF00000000ULL) | ((uint64_t)(e - arena.flows) + 1);
}

/*
 * What a packet needs of a flow, asked of memory at once: with many flows each line would have to
 * be waited for.
 */
static void prefetch(const struct pdm_flow_entry *e)
{
    const uint8_t *at = (const uint8_t *)e;
    size_t len = offsetof(struct pdm_flow_entry, flow.receiver.live[1]);

    __builtin_prefetch(&arena.locks[e - arena.flows], 1);
    for (size_t line = 0; line < len; line += PDM_CACHE_LINE)
        __builtin_prefetch(at + line, 1);
}

/* The metrics are behind a pointer: not before the flow is there. */
static void prefetch_slot(const struct pdm_flow_entry *e)
{
    const uint8_t *at = (const uint8_t *)e->flow.slot;

    for (size_t line = 0; at != NULL && line < sizeof(struct pdm_slot); line += PDM_CACHE_LINE)
        __builtin_prefetch(at + line, 1);
}

/* The locked flow of TUPLE. *TAKEN: it may be there, but another holds its lock. */
static struct pdm_flow_entry *find(const struct pdm_tuple *tuple, uint64_t hash, bool *taken)
{
    uint32_t at = (uint32_t)(hash % buckets());

    for (int i = 0; i < PDM_FLOW_PROBES; i++, at = (at + 1) % buckets()) {
        uint64_t bucket = atomic_load_explicit(&arena.buckets[at], memory_order_acquire);
        struct pdm_flow_entry *e = flow_in(bucket);

        if (bucket == 0)
            break;
        if (e == NULL || (bucket ^ hash) >> 32 != 0)
            continue;
        prefetch(e);
        if (!try_lock(e)) {
            atomic_store_explicit(&e->disturbed, true, memory_order_relaxed);
            *taken = true;
            break;
        }
        if (e->bucket == at && pdm_tuple_equal(&e->tuple, tuple)) {
            prefetch_slot(e);
            return e;
        }
        pdm_flow_release(e);
    }
    return NULL;
}

/*
 * A bucket is free for NEW if empty, or if its flow says that it lies elsewhere; as does NEW, which
 * has lain in many if it is used again and again.
 */
static bool is_free(uint32_t at, uint64_t bucket, const struct pdm_flow_entry *new)
{
    struct pdm_flow_entry *e = flow_in(bucket);
    bool stale;

    if (bucket == 0 || e == NULL || e == new)
        return true;
    if (!try_lock(e))
        return false;
    stale = e->bucket != at;
    pdm_flow_release(e);
    return stale;
}

static bool enter(struct pdm_flow_entry *e, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash % buckets());

    for (int i = 0; i < PDM_FLOW_PROBES; i++, at = (at + 1) % buckets()) {
        uint64_t bucket = atomic_load_explicit(&arena.buckets[at], memory_order_acquire);

        if (!is_free(at, bucket, e))
            continue;
        e->bucket = at;
        if (atomic_compare_exchange_strong(&arena.buckets[at], &bucket, bucket_value(hash, e)))
            return true;
    }
    e->bucket = UINT32_MAX;
    return false;
}

struct pdm_flow_entry *pdm_flow_acquire(const struct pdm_tuple *tuple, int64_t now, bool make)
{
    bool taken = false;

    if (!have_arena())
        return NULL;
    uint64_t hash = pdm_tuple_hash(tuple, arena.seed);
    struct pdm_flow_entry *e = find(tuple, hash, &taken);

    if (e == NULL && !taken && make) {
        e = take_place(now);
        if (e == NULL)
            return NULL;
        e->tuple = *tuple;
        e->state = PDM_FLOW_ASKING;
        e->hash = hash;
        if (!enter(e, hash)) {
            clear(e);
            push_freed(e);
            pdm_flow_release(e);
            return NULL;
        }
    }
    if (e != NULL)
        touch(e, now);
    return e;
}

static uint64_t reference_to(const struct pdm_flow_entry *e, uint64_t incarnation)
{
    return incarnation << INDEX_BITS | ((uint64_t)(e - arena.flows) + 1);
}

uint64_t pdm_flow_enter(struct pdm_flow_entry *e)
{
    atomic_fetch_add_explicit(&e->references, 1, memory_order_relaxed);
    return reference_to(e, atomic_load_explicit(&e->incarnation, memory_order_relaxed));
}

/* The place that REFERENCE means, whatever is there now. */
static struct pdm_flow_entry *referred(uint64_t reference)
{
    uint64_t index = reference & ((1U << INDEX_BITS) - 1);

    return atomic_load_explicit(&arena.state, memory_order_acquire) == 2 && index != 0 &&
                   index <= arena.capacity
               ? &arena.flows[index - 1]
               : NULL;
}

struct pdm_flow_entry *pdm_flow_by_reference(uint64_t reference, bool *taken)
{
    struct pdm_flow_entry *e = referred(reference);

    *taken = false;
    if (e == NULL)
        return NULL;
    if (!try_lock(e)) {
        *taken = true;
        return NULL;
    }
    if (atomic_load_explicit(&e->incarnation, memory_order_relaxed) == reference >> INDEX_BITS)
        return e;
    pdm_flow_release(e);
    return NULL;
}

void pdm_flow_leave(uint64_t reference)
{
    bool taken;
    struct pdm_flow_entry *e = pdm_flow_by_reference(reference, &taken);

    if (e == NULL)
        return;
    uint32_t references = atomic_load_explicit(&e->references, memory_order_relaxed);

    if (references > 0)
        references = atomic_fetch_sub_explicit(&e->references, 1, memory_order_relaxed) - 1;
    if (references == 0) {
        pdm_agent_close(e);
        clear(e);
        atomic_store_explicit(&e->last_used, 0, memory_order_relaxed);
        push_freed(e);
    }
    pdm_flow_release(e);
}

void pdm_flow_disturb(uint64_t reference)
{
    struct pdm_flow_entry *e = referred(reference);

    if (e != NULL)
        atomic_store_explicit(&e->disturbed, true, memory_order_relaxed);
}

uint64_t pdm_flow_reference(const struct pdm_tuple *tuple)
{
    if (atomic_load_explicit(&arena.state, memory_order_acquire) != 2)
        return 0;
    uint64_t hash = pdm_tuple_hash(tuple, arena.seed);
    uint32_t at = (uint32_t)(hash % buckets());

    for (int i = 0; i < PDM_FLOW_PROBES; i++, at = (at + 1) % buckets()) {
        uint64_t bucket = atomic_load_explicit(&arena.buckets[at], memory_order_acquire);
        const struct pdm_flow_entry *e = flow_in(bucket);

        if (bucket == 0)
            break;
        if (e == NULL || (bucket ^ hash) >> 32 != 0)
            continue;
        uint64_t incarnation = atomic_load(&e->incarnation);

        /* All of the hash, under a seed that nobody knows, stands for the tuple. */
        if (atomic_load(&e->hash) == hash)
            return reference_to(e, incarnation);
    }
    return 0;
}

bool pdm_flow_peek(uint64_t reference, struct pdm_flow_seen *seen)
{
    const struct pdm_flow_entry *e = referred(reference);

    if (e == NULL)
        return false;
    seen->state = atomic_load(&e->state); /* first: an open flow has its slot already */
    seen->denied = atomic_load(&e->denied);
    seen->slot = atomic_load(&e->slot);
    seen->owner = atomic_load(&e->owner);
    seen->last_overlapped = atomic_load(&e->last_overlapped);
    seen->resume_at = atomic_load(&e->resume_at);
    /* Last: whatever was read of a later flow came after its incarnation. */
    return atomic_load(&e->incarnation) == reference >> INDEX_BITS;
}

uint32_t pdm_flow_index(const struct pdm_flow_entry *e)
{
    return (uint32_t)(e - arena.flows);
}
