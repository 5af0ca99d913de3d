/* SPDX-License-Identifier: BSD-2-Clause */
/* A bounded hash index, chained through arrays. */
#include "keyagent/table.h"

#include <stdlib.h>
#include <string.h>

bool table_init(struct table *t, uint32_t capacity)
{
    uint32_t buckets = 1;

    while (buckets < capacity)
        buckets *= 2;
    *t = (struct table){.mask = buckets - 1, .capacity = capacity};
    t->bucket = reallocarray(NULL, buckets, sizeof *t->bucket);
    t->next = reallocarray(NULL, capacity, sizeof *t->next);
    if (t->bucket == NULL || t->next == NULL) {
        table_free(t);
        return false;
    }
    table_clear(t);
    return true;
}

void table_free(struct table *t)
{
    free(t->bucket);
    free(t->next);
    *t = (struct table){0};
}

void table_clear(struct table *t)
{
    for (uint32_t i = 0; i <= t->mask; i++)
        t->bucket[i] = TABLE_NONE;
    for (uint32_t i = 0; i < t->capacity; i++)
        t->next[i] = i + 1 < t->capacity ? i + 1 : TABLE_NONE;
    t->unused = t->capacity > 0 ? 0 : TABLE_NONE;
    t->used = 0;
}

uint32_t table_first(const struct table *t, uint64_t hash)
{
    return t->bucket[hash & t->mask];
}

uint32_t table_next(const struct table *t, uint32_t item)
{
    return t->next[item];
}

uint32_t table_add(struct table *t, uint64_t hash)
{
    uint32_t item = t->unused;

    if (item == TABLE_NONE)
        return TABLE_NONE;
    t->unused = t->next[item];
    t->next[item] = t->bucket[hash & t->mask];
    t->bucket[hash & t->mask] = item;
    t->used++;
    return item;
}

void table_remove(struct table *t, uint64_t hash, uint32_t item)
{
    uint32_t *link = &t->bucket[hash & t->mask];

    while (*link != item)
        link = &t->next[*link];
    *link = t->next[item];
    t->next[item] = t->unused;
    t->unused = item;
    t->used--;
}
