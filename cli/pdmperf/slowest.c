/* SPDX-License-Identifier: BSD-2-Clause */
/* The slowest of many requests: a binary heap, the fastest of them at its top. */
#include "cli/pdmperf/slowest.h"

#include <stdlib.h>

bool slowest_make(struct slowest *s, size_t room)
{
    *s = (struct slowest){.heap = calloc(room, sizeof(*s->heap)), .room = room};
    return s->heap != NULL;
}

static void swap(struct parts *a, struct parts *b)
{
    struct parts kept = *a;

    *a = *b;
    *b = kept;
}

static void rise(struct parts *heap, size_t at)
{
    while (at > 0 && heap[at].time < heap[(at - 1) / 2].time) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sink(struct parts *heap, size_t count)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < count && heap[child + 1].time < heap[child].time)
            child++;
        if (child >= count || heap[child].time >= heap[at].time)
            return;
        swap(&heap[child], &heap[at]);
        at = child;
    }
}

void slowest_add(struct slowest *s, const struct parts *parts)
{
    if (s->count < s->room) {
        s->heap[s->count] = *parts;
        rise(s->heap, s->count++);
    } else if (s->room > 0 && parts->time > s->heap[0].time) {
        s->heap[0] = *parts;
        sink(s->heap, s->count);
    }
}

void slowest_cut(struct slowest *s, size_t count)
{
    while (s->count > count) {
        s->heap[0] = s->heap[--s->count];
        sink(s->heap, s->count);
    }
}

void slowest_free(struct slowest *s)
{
    free(s->heap);
    *s = (struct slowest){0};
}
