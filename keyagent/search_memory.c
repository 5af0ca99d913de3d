/* SPDX-License-Identifier: BSD-2-Clause */
/* What a search found, and what failed: fixed places, a newcomer replaces whoever is there. */
#include <sodium.h>
#include <string.h>

#include "keyagent/search_inside.h"

static struct search_found *found_place(const struct search *s, const struct pdm_tuple *tuple)
{
    return &s->found[pdm_tuple_hash(tuple, s->seed) % AGENT_SEARCH_MEMORY];
}

const struct search_found *search_found_get(const struct search *s, uint32_t ledger,
                                            const struct pdm_tuple *tuple)
{
    const struct search_found *found = found_place(s, tuple);

    if (found->used && found->ledger == ledger && pdm_tuple_equal(&found->tuple, tuple))
        return found;
    return NULL;
}

void search_found_put(struct search *s, uint32_t ledger, const struct pdm_tuple *tuple,
                      uint64_t kri)
{
    const struct search_found *before = search_found_get(s, ledger, tuple);

    if (before == NULL || before->kri < kri)
        *found_place(s, tuple) =
            (struct search_found){.used = true, .ledger = ledger, .tuple = *tuple, .kri = kri};
}

/* Keyed, and over the very octets: nobody can make a good option look like one that failed. */
static uint64_t failure_hash(const struct search *s, const struct search_target *target)
{
    uint8_t text[PDM_TUPLE_LEN + PDM_OPTION_MAX];
    uint64_t hash;

    _Static_assert(sizeof s->hash_key == crypto_shorthash_KEYBYTES, "key");
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    pdm_tuple_bytes(&target->tuple, text);
    memcpy(text + PDM_TUPLE_LEN, target->option, PDM_OPTION_MAX);
    crypto_shorthash((uint8_t *)&hash, text, sizeof text, s->hash_key);
    return hash;
}

enum pdm_status search_failure_get(const struct search *s, const struct search_target *target,
                                   int64_t now)
{
    uint64_t hash = failure_hash(s, target);
    const struct search_failure *failure = &s->failure[hash % AGENT_SEARCH_MEMORY];

    return failure->hash == hash && failure->until > now ? failure->status : PDM_STATUS_OK;
}

void search_failure_put(struct search *s, const struct search_target *target,
                        enum pdm_status status, int64_t now)
{
    uint64_t hash = failure_hash(s, target);

    s->failure[hash % AGENT_SEARCH_MEMORY] = (struct search_failure){
        .hash = hash, .until = now + AGENT_SEARCH_FAILURE_NS, .status = status};
}
