/* SPDX-License-Identifier: BSD-2-Clause */
/* The conversations of a capture, in constant memory. */
#include "cli/pdmctl/decode/conversations.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next_in_bucket;
    struct entry *older, *newer;
    struct conversation c;
};

struct bucket {
    struct entry *first;
};

struct conversations {
    struct entry *oldest, *newest;
    struct entry *entry; /* MOST, of which USED ever were: the others take no memory yet */
    size_t used, most;
    uint64_t evicted;
    uint64_t seed;
    conversations_ended *ended;
    void *arg;
    size_t buckets; /* a power of two */
    struct bucket *bucket;
};

struct conversations *conversations_new(size_t most, uint64_t seed, conversations_ended *ended,
                                        void *arg)
{
    size_t buckets = 2;

    while (buckets < 2 * most)
        buckets *= 2;
    struct conversations *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    *t = (struct conversations){.most = most,
                                .seed = seed,
                                .ended = ended,
                                .arg = arg,
                                .buckets = buckets,
                                .entry = calloc(most, sizeof(*t->entry)),
                                .bucket = calloc(buckets, sizeof(*t->bucket))};
    if (t->entry == NULL || t->bucket == NULL) {
        conversations_free(t);
        return NULL;
    }
    return t;
}

/* Both directions are one conversation, whichever is seen first. */
static bool is_forward(const struct pdm_tuple *t)
{
    int order = memcmp(t->saddr, t->daddr, PDM_ADDR_LEN);

    return order < 0 || (order == 0 && t->sport <= t->dport);
}

static struct entry **bucket_of(struct conversations *t, const struct pdm_tuple *tuple)
{
    return &t->bucket[pdm_tuple_hash(tuple, t->seed) & (t->buckets - 1)].first;
}

static void unlink_age(struct conversations *t, const struct entry *e)
{
    *(e->older != NULL ? &e->older->newer : &t->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &t->newest) = e->older;
}

static void link_newest(struct conversations *t, struct entry *e)
{
    e->older = t->newest;
    e->newer = NULL;
    *(t->newest != NULL ? &t->newest->newer : &t->oldest) = e;
    t->newest = e;
}

static void unlink_bucket(struct conversations *t, struct entry *e)
{
    struct entry **at = bucket_of(t, &e->c.tuple);

    while (*at != e)
        at = &(*at)->next_in_bucket;
    *at = e->next_in_bucket;
}

static struct entry *end_oldest(struct conversations *t)
{
    struct entry *e = t->oldest;

    t->ended(t->arg, &e->c);
    unlink_age(t, e);
    unlink_bucket(t, e);
    conversation_end(&e->c);
    return e;
}

static struct entry *make_entry(struct conversations *t, const struct pdm_tuple *tuple)
{
    struct entry *e;

    if (t->used < t->most) {
        e = &t->entry[t->used++];
    } else {
        e = end_oldest(t);
        t->evicted++;
    }
    struct entry **bucket = bucket_of(t, tuple);

    e->c.tuple = *tuple;
    e->next_in_bucket = *bucket;
    *bucket = e;
    link_newest(t, e);
    return e;
}

struct conversation *conversations_of(struct conversations *t, const struct pdm_tuple *tuple,
                                      bool make, unsigned *from)
{
    *from = is_forward(tuple) ? 0 : 1;
    const struct pdm_tuple key = *from == 0 ? *tuple : pdm_tuple_reverse(tuple);
    struct entry *e = *bucket_of(t, &key);

    while (e != NULL && !pdm_tuple_equal(&e->c.tuple, &key))
        e = e->next_in_bucket;
    if (e == NULL)
        e = make ? make_entry(t, &key) : NULL;
    if (e == NULL)
        return NULL;
    if (e != t->newest) {
        unlink_age(t, e);
        link_newest(t, e);
    }
    return &e->c;
}

uint64_t conversations_evicted(const struct conversations *t)
{
    return t->evicted;
}

void conversations_end(struct conversations *t)
{
    while (t->oldest != NULL)
        (void)end_oldest(t);
}

void conversations_free(struct conversations *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; t->entry != NULL && i < t->used; i++)
        conversation_end(&t->entry[i].c);
    free(t->entry);
    free(t->bucket);
    free(t);
}
