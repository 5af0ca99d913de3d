/* SPDX-License-Identifier: BSD-2-Clause */
/* The slots of the metrics segment. */
#include "keyagent/slots.h"

#include <stdlib.h>

#include "core/limits.h"

bool slots_init(struct slots *s, struct pdm_slot *shared, uint32_t count)
{
    *s = (struct slots){.shared = shared, .count = count};
    s->record = calloc(count, sizeof *s->record);
    if (s->record == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        s->record[i].next_free = i + 1 < count ? i + 1 : SLOTS_NONE;
    return true;
}

void slots_free(struct slots *s)
{
    free(s->record);
    *s = (struct slots){0};
}

static void clear_delay(struct pdm_delay *delay)
{
    atomic_store_explicit(&delay->begun, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->samples, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->last, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->min, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->max, 0, memory_order_relaxed);
    atomic_store_explicit(&delay->sum, 0, memory_order_relaxed);
    for (int i = 0; i < PDM_DELAY_BUCKETS; i++)
        atomic_store_explicit(&delay->bucket[i], 0, memory_order_relaxed);
}

/* A shim that finds another owner than its own stops writing. */
static void clear(struct pdm_slot *slot, int64_t now, uint64_t owner)
{
    atomic_store_explicit(&slot->owner, 0, memory_order_release);
    atomic_store_explicit(&slot->closed, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->active, now, memory_order_relaxed);
    atomic_store_explicit(&slot->own_kri, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->peer_kri, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->path, PDM_PATH_UNKNOWN, memory_order_relaxed);
    atomic_store_explicit(&slot->ask, 0, memory_order_relaxed);
    clear_delay(&slot->network);
    clear_delay(&slot->server);
    clear_delay(&slot->total);
    for (int i = 0; i < PDM_COUNTER_COUNT; i++)
        atomic_store_explicit(&slot->counter[i], 0, memory_order_relaxed);
    atomic_store_explicit(&slot->owner, owner, memory_order_release);
}

uint32_t slots_take(struct slots *s, const struct slot_info *info, uint64_t owner)
{
    uint32_t slot = s->first_free;

    if (slot == SLOTS_NONE)
        return SLOTS_NONE;
    s->first_free = s->record[slot].next_free;
    s->used++;
    s->record[slot] = (struct slot_record){.info = *info, .owner = owner};
    clear(&s->shared[slot], info->opened, owner);
    return slot;
}

void slots_carry(struct slots *s, uint32_t from, uint32_t to)
{
    pdm_slot_carry(&s->shared[to], &s->shared[from]);
    atomic_store_explicit(&s->shared[to].active,
                          atomic_load_explicit(&s->shared[from].active, memory_order_relaxed),
                          memory_order_relaxed);
    s->record[to].info.opened = s->record[from].info.opened;
    s->record[from].carried = true;
    s->record[to].origin = from;
    s->record[to].origin_owner = s->record[from].owner;
}

void slots_take_back(struct slots *s, uint32_t slot)
{
    const struct slot_record *record = &s->record[slot];

    if (slots_owned(s, record->origin, record->origin_owner) != NULL)
        s->record[record->origin].carried = false;
}

void slots_release(struct slots *s, uint32_t slot)
{
    s->record[slot].owner = 0;
    s->record[slot].next_free = s->first_free;
    s->first_free = slot;
    s->used--;
    clear(&s->shared[slot], 0, 0);
}

void slots_set_verdict(struct slots *s, uint32_t slot, enum pdm_path verdict)
{
    s->record[slot].verdict = verdict;
    atomic_store_explicit(&s->shared[slot].path, verdict, memory_order_relaxed);
}

void slots_ask_again(struct slots *s, uint32_t slot)
{
    atomic_store_explicit(&s->shared[slot].ask, 1, memory_order_relaxed);
}

const struct slot_record *slots_owned(const struct slots *s, uint32_t slot, uint64_t owner)
{
    if (slot >= s->count || owner == 0 || s->record[slot].owner != owner)
        return NULL;
    return &s->record[slot];
}

int64_t slots_active(const struct slots *s, uint32_t slot, int64_t now)
{
    int64_t active = atomic_load_explicit(&s->shared[slot].active, memory_order_relaxed);
    int64_t opened = s->record[slot].info.opened;

    if (active > now)
        return now;
    return active > opened ? active : opened;
}

bool slots_closed(const struct slots *s, uint32_t slot)
{
    return atomic_load_explicit(&s->shared[slot].closed, memory_order_relaxed) ==
           s->record[slot].owner;
}

void slots_sweep(struct slots *s, int64_t now, int64_t idle_ns,
                 void (*ended)(void *arg, uint32_t slot), void *arg)
{
    for (uint32_t n = 0; n < s->count && n < AGENT_SWEEP_SLOTS; n++) {
        uint32_t slot = s->sweep_at;

        s->sweep_at = (slot + 1) % s->count;
        if (s->record[slot].owner != 0 &&
            (slots_closed(s, slot) || now - slots_active(s, slot, now) > idle_ns))
            ended(arg, slot);
    }
}
