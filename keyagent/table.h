/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded hash index: it maps hashes to numbers of items that the caller keeps in an array
 * beside it and compares itself. Nothing is allocated after table_init.
 */
#ifndef PDM_KEYAGENT_TABLE_H
#define PDM_KEYAGENT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX

struct table {
    uint32_t *bucket; /* first item, or TABLE_NONE */
    uint32_t *next;   /* of each item: in its bucket, or in the list of free ones */
    uint32_t mask;    /* buckets - 1 */
    uint32_t capacity;
    uint32_t used;
    uint32_t unused; /* first item of the list of free ones */
};

/* False: out of memory. CAPACITY is at most 2^30. */
bool table_init(struct table *t, uint32_t capacity);
void table_free(struct table *t);
void table_clear(struct table *t);

/* The items that HASH may stand for: for (i = table_first(); i != TABLE_NONE; i = table_next()). */
uint32_t table_first(const struct table *t, uint64_t hash);
uint32_t table_next(const struct table *t, uint32_t item);
/* A new item, or TABLE_NONE if all are in use. */
uint32_t table_add(struct table *t, uint64_t hash);
/* ITEM was added under HASH. */
void table_remove(struct table *t, uint64_t hash, uint32_t item);

#endif
