/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger of leases. */
#include "keyagent/ledger.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "keyagent/generation.h"
#include "keyagent/log.h"

#define COUNTERS (UINT64_C(1) << 32) /* in one generation */

bool ledger_init(struct ledger *l, uint32_t entries, uint64_t seed)
{
    *l = (struct ledger){.seed = seed};
    l->entry = calloc(entries, sizeof *l->entry);
    if (l->entry == NULL || !table_init(&l->table, entries)) {
        free(l->entry);
        return false;
    }
    return true;
}

void ledger_free(struct ledger *l)
{
    for (uint32_t i = 0; i < l->secrets; i++)
        free(l->secret[i].key);
    free(l->secret);
    free(l->entry);
    table_free(&l->table);
    *l = (struct ledger){0};
}

void ledger_id(const struct pdm_suite *suite, const uint8_t shared[static PDM_NH_MAX],
               uint8_t id[static LEDGER_ID_LEN])
{
    static const char label[] = "pdmv2 ledger";
    const uint16_t numbers[] = {suite->kem, suite->kdf, suite->aead};
    crypto_generichash_state state;

    crypto_generichash_init(&state, (const uint8_t *)label, sizeof label, LEDGER_ID_LEN);
    crypto_generichash_update(&state, (const uint8_t *)numbers, sizeof numbers);
    crypto_generichash_update(&state, shared, pdm_suite_nh(suite));
    crypto_generichash_final(&state, id, LEDGER_ID_LEN);
    sodium_memzero(&state, sizeof state);
}

static bool set_key(struct ledger_secret *s, const char *key)
{
    char *copy = strdup(key);

    if (copy == NULL)
        return false;
    free(s->key);
    s->key = copy;
    return true;
}

/* The secret with ID; a new one if there is none. NULL: out of memory. */
static struct ledger_secret *find_or_add(struct ledger *l, const uint8_t id[static LEDGER_ID_LEN],
                                         uint32_t *number)
{
    for (*number = 0; *number < l->secrets; ++*number)
        if (memcmp(l->secret[*number].id, id, LEDGER_ID_LEN) == 0)
            return &l->secret[*number];
    struct ledger_secret *grown = reallocarray(l->secret, l->secrets + 1U, sizeof *grown);

    if (grown == NULL)
        return NULL;
    l->secret = grown;
    struct ledger_secret *s = &l->secret[l->secrets++];
    *s = (struct ledger_secret){0};
    memcpy(s->id, id, LEDGER_ID_LEN);
    return s;
}

bool ledger_secret(struct ledger *l, const uint8_t id[static LEDGER_ID_LEN], const char *key,
                   const uint8_t key_id[static KEYFILE_ID_LEN], uint32_t *number)
{
    struct ledger_secret *s = find_or_add(l, id, number);

    if (s == NULL || !set_key(s, key)) /* the file may have moved */
        return false;
    memcpy(s->key_id, key_id, KEYFILE_ID_LEN);
    return true;
}

bool ledger_scope(struct ledger *l, const uint8_t id[static LEDGER_ID_LEN],
                  struct enrolment *enrolment, uint32_t *number)
{
    uint32_t before = l->secrets;
    struct ledger_secret *s = find_or_add(l, id, number);

    if (s == NULL) {
        log_error("out of memory");
        return false;
    }
    if (l->secrets > before && l->scopes == AGENT_SCOPES_MAX) {
        l->secrets = before;
        log_error("%d secrets were had from primaries, all that there is room for: restart the "
                  "agent",
                  AGENT_SCOPES_MAX);
        return false;
    }
    l->scopes += l->secrets - before;
    s->enrolment = enrolment;
    return true;
}

static uint64_t hash_of(const struct ledger *l, uint32_t secret, const struct pdm_tuple *tuple)
{
    return pdm_tuple_hash(tuple, l->seed) + secret;
}

static struct ledger_entry *find(const struct ledger *l, uint32_t secret,
                                 const struct pdm_tuple *tuple)
{
    uint32_t i = table_first(&l->table, hash_of(l, secret, tuple));

    for (; i != TABLE_NONE; i = table_next(&l->table, i))
        if (l->entry[i].secret == secret && pdm_tuple_equal(&l->entry[i].tuple, tuple))
            return &l->entry[i];
    return NULL;
}

void ledger_empty(struct ledger *l)
{
    table_clear(&l->table);
    for (uint32_t i = 0; i < l->secrets; i++)
        l->secret[i].has_generation = false;
}

static bool take_from_key(struct ledger_secret *s, uint32_t *taken)
{
    if (!generation_take(s->key, s->key_id, taken))
        return false;
    if (s->had_generation && *taken <= s->generation) {
        log_error("key %s: its generation went back from %u to %u, so an old %s.gen was put there; "
                  "make a new key with: pdmctl keygen FILE",
                  s->key, s->generation, *taken, s->key);
        return false;
    }
    log_info("key %s: generation %u", s->key, *taken);
    return true;
}

static bool take_from_scope(const struct ledger *l, uint32_t number, uint32_t *taken)
{
    const struct ledger_secret *s = &l->secret[number];

    if (!l->take(s->enrolment, number, taken))
        return false;
    if (!s->had_generation || *taken > s->generation)
        return true;
    log_error("the primary gave generation %u again, %u having been used: nothing is granted",
              *taken, s->generation);
    return false;
}

/* A generation to grant in: durable, and later than all before. */
static bool advance(struct ledger *l, uint32_t number, int64_t now)
{
    struct ledger_secret *s = &l->secret[number];
    uint32_t taken;

    if (now < s->retry_at)
        return false;
    /* More of a scope's are on their way; a file that could not be written stays so for longer. */
    s->retry_at = now + (s->key != NULL ? AGENT_GENERATION_RETRY_NS : PDM_REASK_NS);
    if (s->key != NULL ? !take_from_key(s, &taken) : !take_from_scope(l, number, &taken))
        return false;
    s->generation = taken;
    s->has_generation = true;
    s->had_generation = true;
    s->retry_at = now;
    return true;
}

bool ledger_grant(struct ledger *l, uint32_t secret, const struct pdm_tuple *tuple, pid_t pid,
                  uint32_t count, int64_t now, uint64_t *first)
{
    struct ledger_secret *s = &l->secret[secret];
    struct ledger_entry *e = find(l, secret, tuple);

    if (e == NULL && l->table.used == l->table.capacity)
        ledger_empty(l);
    if (e != NULL && e->generation == s->generation && e->next + count > COUNTERS)
        s->has_generation = false;
    if (!s->has_generation && !advance(l, secret, now))
        return false;
    if (e == NULL) {
        e = &l->entry[table_add(&l->table, hash_of(l, secret, tuple))];
        *e = (struct ledger_entry){.tuple = *tuple, .secret = secret, .generation = s->generation};
    } else if (e->generation != s->generation) {
        e->generation = s->generation;
        e->next = 0;
    }
    *first = (uint64_t)e->generation << 32 | e->next;
    e->lease_first = e->next;
    e->next += count;
    e->pid = pid;
    return true;
}

void ledger_return(struct ledger *l, uint32_t secret, const struct pdm_tuple *tuple, pid_t pid,
                   uint64_t first, uint32_t count)
{
    const struct ledger_secret *s = &l->secret[secret];
    struct ledger_entry *e = find(l, secret, tuple);
    uint64_t counter = first & UINT32_MAX;

    if (e == NULL || count == 0 || !s->has_generation || e->generation != s->generation ||
        first >> 32 != s->generation)
        return;
    /* Pid 0 is a process of another pid namespace: it might be any. */
    if (pid == 0 || e->pid != pid || counter < e->lease_first || counter + count != e->next)
        return;
    e->next = counter;
    e->pid = 0; /* nobody holds a lease that could be handed back now */
}
