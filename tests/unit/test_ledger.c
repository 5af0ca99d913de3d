/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger: whatever happens, no Kri of a tuple is granted twice under one secret. */
#include "keyagent/ledger.h"
#include "core/limits.h"
#include "tests/unit/keys_on_disk.h"

TestSuite(ledger, .init = keys_begin, .fini = keys_end);

#define PID 100

static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_AES256GCM};
static struct ledger ledger;
static int64_t now = 1;

static uint32_t secret_of(const char *path, uint8_t octet)
{
    uint8_t psk[PDM_PSK_LEN];
    uint8_t shared[PDM_NH_MAX] = {octet};
    uint8_t id[LEDGER_ID_LEN];
    uint8_t key_id[KEYFILE_ID_LEN];
    uint32_t number;

    memset(psk, octet, sizeof psk);
    keyfile_id(psk, key_id);
    ledger_id(&suite, shared, id);
    cr_assert(ledger_secret(&ledger, id, path, key_id, &number));
    return number;
}

static struct pdm_tuple tuple_of(uint16_t port)
{
    return (struct pdm_tuple){
        .saddr = {0xfe, 0x80}, .daddr = {0x20, 1}, .sport = port, .proto = 17};
}

static uint64_t grant(uint32_t secret, uint16_t port, uint32_t count)
{
    struct pdm_tuple tuple = tuple_of(port);
    uint64_t first;

    cr_assert(ledger_grant(&ledger, secret, &tuple, PID, count, now, &first), "%s", keys_said());
    return first;
}

static void give_back(uint32_t secret, uint16_t port, pid_t pid, uint64_t first, uint32_t count)
{
    struct pdm_tuple tuple = tuple_of(port);

    ledger_return(&ledger, secret, &tuple, pid, first, count);
}

#define KRI(generation, counter) ((uint64_t)(generation) << 32 | (counter))

Test(ledger, counts_per_tuple_from_0)
{
    keys_make("k", 1, "0\n");
    cr_assert(ledger_init(&ledger, 16, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 1), KRI(0, 0));
    cr_expect_eq(grant(s, 1, 2), KRI(0, 1));
    cr_expect_eq(grant(s, 1, 4), KRI(0, 3));
    cr_expect_eq(grant(s, 2, 1), KRI(0, 0));
    cr_expect_eq(grant(s, 1, 1), KRI(0, 7));
    ledger_free(&ledger);
}

Test(ledger, takes_no_generation_before_the_first_grant)
{
    keys_make("k", 1, "5\n");
    cr_assert(ledger_init(&ledger, 16, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect(!ledger.secret[s].has_generation);
    cr_expect_eq(grant(s, 1, 1), KRI(5, 0));
    ledger_free(&ledger);

    cr_assert(ledger_init(&ledger, 16, 0));
    s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 1), KRI(6, 0), "a start takes a new one");
    ledger_free(&ledger);
}

Test(ledger, a_reload_continues)
{
    keys_make("k", 1, "0\n");
    keys_make("j", 2, "0\n");
    cr_assert(ledger_init(&ledger, 16, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 3), KRI(0, 0));
    cr_expect_neq(secret_of("j", 2), s);
    cr_expect_eq(secret_of("k", 1), s);
    cr_expect_eq(grant(s, 1, 1), KRI(0, 3));
    ledger_free(&ledger);
}

Test(ledger, suites_have_counters_of_their_own)
{
    static const struct pdm_suite other = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
    uint8_t shared[PDM_NH_MAX] = {1};
    uint8_t a[LEDGER_ID_LEN], b[LEDGER_ID_LEN];

    ledger_id(&suite, shared, a);
    ledger_id(&other, shared, b);
    cr_expect_arr_neq(a, b, sizeof a);
    ledger_id(&suite, shared, b);
    cr_expect_arr_eq(a, b, sizeof a);
    shared[31] = 1;
    ledger_id(&suite, shared, b);
    cr_expect_arr_neq(a, b, sizeof a);
}

Test(ledger, full_means_emptied_and_a_new_generation_of_every_secret)
{
    keys_make("k", 1, "0\n");
    keys_make("j", 2, "40\n");
    cr_assert(ledger_init(&ledger, 2, 0));
    uint32_t k = secret_of("k", 1), j = secret_of("j", 2);
    cr_expect_eq(grant(k, 1, 1), KRI(0, 0));
    cr_expect_eq(grant(j, 1, 1), KRI(40, 0));
    cr_expect_eq(grant(k, 1, 1), KRI(0, 1), "known tuples need no room");
    cr_expect_eq(grant(k, 2, 1), KRI(1, 0));
    cr_expect_eq(grant(k, 1, 1), KRI(1, 0));
    cr_expect_eq(grant(j, 1, 1), KRI(41, 0));
    ledger_free(&ledger);
}

Test(ledger, counters_end_at_32_bits)
{
    keys_make("k", 1, "0\n");
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, UINT32_MAX - 4), KRI(0, 0));
    cr_expect_eq(grant(s, 2, 1), KRI(0, 0));
    cr_expect_eq(grant(s, 1, 5), KRI(0, UINT32_MAX - 4), "the last five");
    cr_expect_eq(grant(s, 1, 1), KRI(1, 0));
    cr_expect_eq(grant(s, 2, 1), KRI(1, 0), "the generation is all tuples'");
    ledger_free(&ledger);
}

Test(ledger, given_back)
{
    keys_make("k", 1, "0\n");
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 4), KRI(0, 0));
    give_back(s, 1, PID, KRI(0, 2), 2);
    cr_expect_eq(grant(s, 1, 1), KRI(0, 2), "3 and 4 were not used");
    ledger_free(&ledger);
}

static const struct {
    const char *why;
    pid_t pid;
    uint64_t first;
    uint32_t count;
} not_accepted[] = {
    {"not the top", PID, KRI(1, 4), 1},
    {"beyond the top", PID, KRI(1, 5), 2},
    {"of the lease before", PID, KRI(1, 3), 3},
    {"all", PID, KRI(1, 0), 6},
    {"of another process", PID + 1, KRI(1, 5), 1},
    {"of a process out of sight", 0, KRI(1, 5), 1},
    {"of an earlier generation", PID, KRI(0, 5), 1},
    {"of a later generation", PID, KRI(2, 5), 1},
    {"nothing at all", PID, KRI(1, 6), 0},
    {"a count that wraps", PID, KRI(1, 5), UINT32_MAX},
    {"a first that wraps", PID, KRI(1, UINT32_MAX), 7},
};

Test(ledger, what_is_not_accepted_back)
{
    keys_make("k", 1, "1\n");
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 4), KRI(1, 0));
    cr_expect_eq(grant(s, 1, 2), KRI(1, 4));
    for (size_t i = 0; i < sizeof not_accepted / sizeof not_accepted[0]; i++) {
        give_back(s, 1, not_accepted[i].pid, not_accepted[i].first, not_accepted[i].count);
        cr_assert_eq(ledger.entry[0].next, 6, "accepted: %s", not_accepted[i].why);
    }
    give_back(s, 9, PID, KRI(1, 5), 1); /* a tuple without an entry */
    give_back(s, 1, PID, KRI(1, 5), 1);
    cr_assert_eq(ledger.entry[0].next, 5);
    give_back(s, 1, PID, KRI(1, 4), 1);
    cr_assert_eq(ledger.entry[0].next, 5, "accepted twice");
    ledger_free(&ledger);
}

Test(ledger, an_old_generation_file_put_back)
{
    keys_make("k", 1, "7\n");
    cr_assert(ledger_init(&ledger, 1, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect_eq(grant(s, 1, 1), KRI(7, 0));
    keys_write("k.gen", "6\n", 0600);

    struct pdm_tuple tuple = tuple_of(2);
    uint64_t first;
    for (int i = 0; i < 2; i++) {
        cr_expect(!ledger_grant(&ledger, s, &tuple, PID, 1, now, &first));
        cr_expect(strstr(keys_said(), "its generation went back from 7 to") != NULL);
        now += AGENT_GENERATION_RETRY_NS;
    }
    ledger_free(&ledger);
}

Test(ledger, no_generation_no_grant)
{
    struct pdm_tuple tuple = tuple_of(1);
    uint64_t first;

    keys_make("k", 1, "0\n");
    cr_assert_eq(unlink("k.gen"), 0);
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t s = secret_of("k", 1);
    cr_expect(!ledger_grant(&ledger, s, &tuple, PID, 1, now, &first));
    keys_write("k.gen", "0\n", 0600);
    cr_expect(!ledger_grant(&ledger, s, &tuple, PID, 1, now, &first), "not again at once");
    now += AGENT_GENERATION_RETRY_NS;
    cr_expect(ledger_grant(&ledger, s, &tuple, PID, 1, now, &first));
    cr_expect_eq(first, KRI(0, 0));
    ledger_free(&ledger);
}

/* What a primary gives: the numbers that TAKE hands out, in order; then no more. */

static uint32_t given[8];
static uint32_t gives, taken;
static uint32_t taken_of;

static bool take(struct enrolment *enrolment, uint32_t number, uint32_t *generation)
{
    taken_of = number;
    if (enrolment == NULL || taken == gives)
        return false;
    *generation = given[taken++];
    return true;
}

static uint32_t scope_of(uint8_t octet)
{
    static char enrolment; /* stands for one; it is only handed on */
    const uint8_t id[LEDGER_ID_LEN] = {octet};
    uint32_t number;

    ledger.take = take;
    cr_assert(ledger_scope(&ledger, id, (struct enrolment *)&enrolment, &number));
    return number;
}

static bool may_grant(uint32_t secret, uint16_t port, uint64_t *first)
{
    struct pdm_tuple tuple = tuple_of(port);

    return ledger_grant(&ledger, secret, &tuple, PID, 1, now, first);
}

static void give(const uint32_t *generations, uint32_t count)
{
    memcpy(given, generations, count * sizeof *given);
    gives = count;
    taken = 0;
}

Test(ledger, a_scope_takes_from_its_block)
{
    give((const uint32_t[]){7, 9}, 2);
    keys_make("k", 1, "0\n");
    cr_assert(ledger_init(&ledger, 2, 0));
    uint32_t k = secret_of("k", 1), s = scope_of(1);
    cr_expect_neq(s, k);
    cr_expect_eq(scope_of(1), s, "the same for the same");
    cr_expect_neq(scope_of(2), s);
    cr_expect_eq(taken, 0, "none before the first grant");
    cr_expect_eq(grant(s, 1, 2), KRI(7, 0));
    cr_expect_eq(taken_of, s);
    cr_expect_eq(grant(k, 1, 1), KRI(0, 0));
    cr_expect_eq(grant(s, 1, 1), KRI(7, 2));
    cr_expect_eq(grant(s, 2, 1), KRI(9, 0), "the ledger was full");
    cr_expect_eq(grant(s, 1, 1), KRI(9, 0));
    ledger_free(&ledger);
}

Test(ledger, a_scope_whose_block_is_used_up)
{
    uint64_t first;

    give(given, 0);
    cr_assert(ledger_init(&ledger, 2, 0));
    uint32_t s = scope_of(1);
    cr_expect(!may_grant(s, 1, &first));
    give((const uint32_t[]){3}, 1);
    cr_expect(!may_grant(s, 1, &first), "not again at once");
    now += PDM_REASK_NS;
    cr_expect(may_grant(s, 1, &first));
    cr_expect_eq(first, KRI(3, 0));
    ledger_free(&ledger);
}

Test(ledger, a_scope_that_is_over)
{
    const uint8_t id[LEDGER_ID_LEN] = {1};
    uint64_t first;
    uint32_t number;

    give((const uint32_t[]){3, 4}, 2);
    cr_assert(ledger_init(&ledger, 2, 0));
    uint32_t s = scope_of(1);
    cr_expect(may_grant(s, 1, &first));
    cr_assert(ledger_scope(&ledger, id, NULL, &number));
    cr_expect_eq(number, s);
    ledger_empty(&ledger);
    cr_expect(!may_grant(s, 1, &first));
    cr_expect_eq(taken, 1);
    ledger_free(&ledger);
}

/* A primary whose store is old gives what was given before. */
Test(ledger, a_scope_never_goes_back)
{
    uint64_t first;

    give((const uint32_t[]){5, 5, 4, 6}, 4);
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t s = scope_of(1);
    cr_expect(may_grant(s, 1, &first));
    ledger_empty(&ledger);
    for (int i = 0; i < 2; i++) {
        cr_expect(!may_grant(s, 1, &first));
        cr_expect(strstr(keys_said(), "nothing is granted") != NULL);
        now += PDM_REASK_NS;
    }
    cr_expect(may_grant(s, 1, &first));
    cr_expect_eq(first, KRI(6, 0));
    ledger_free(&ledger);
}

/* Two scopes may be in generations of the same number. */
Test(ledger, a_scope_takes_back_its_own_alone)
{
    give((const uint32_t[]){0, 0}, 2);
    cr_assert(ledger_init(&ledger, 4, 0));
    uint32_t older = scope_of(1), newer = scope_of(2);
    cr_expect_eq(grant(older, 1, 4), KRI(0, 0));
    cr_expect_eq(grant(newer, 1, 4), KRI(0, 0));
    give_back(older, 1, PID, KRI(0, 1), 3);
    cr_expect_eq(grant(newer, 1, 1), KRI(0, 4));
    cr_expect_eq(grant(older, 1, 1), KRI(0, 1));
    ledger_free(&ledger);
}

Test(ledger, scopes_are_bounded)
{
    uint8_t id[LEDGER_ID_LEN] = {0};
    uint32_t number;

    cr_assert(ledger_init(&ledger, 2, 0));
    uint32_t s = scope_of(1);
    ledger.scopes = AGENT_SCOPES_MAX;
    cr_expect(!ledger_scope(&ledger, id, NULL, &number));
    cr_expect_eq(ledger.secrets, 1);
    cr_expect_eq(scope_of(1), s, "known ones are found all the same");
    ledger_free(&ledger);
}

/*
 * Random grants, returns, reloads, restarts, and a second agent, against a record of every Kri that
 * is out: held by a process, or burnt. One that is granted while it is out is a breach of the law.
 */

enum { SECRETS = 2, TUPLES = 7, STEPS = 20000, RECORD = 1 << 21 };

struct record {
    uint64_t kri;
    uint32_t tuple; /* secret and port + 1; 0: unused */
    bool out;
};

struct holding {
    uint64_t first;
    uint32_t count;
};

static struct record *record;
static struct holding holding[SECRETS][TUPLES];
static uint64_t state = 42;

static uint32_t any(uint32_t below)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((state >> 33) % below);
}

static struct record *find(uint32_t tuple, uint64_t kri)
{
    uint64_t at = (kri * 0x9E3779B97F4A7C15ULL + tuple * 0xD1B54A32D192ED03ULL) >> 20;

    while (record[at % RECORD].tuple != 0 &&
           (record[at % RECORD].tuple != tuple || record[at % RECORD].kri != kri))
        at++;
    return &record[at % RECORD];
}

static void granted(uint32_t s, uint32_t port, uint64_t first, uint32_t count)
{
    uint32_t tuple = s * TUPLES + port + 1;

    for (uint64_t kri = first; kri < first + count; kri++) {
        struct record *r = find(tuple, kri);

        cr_assert(!r->out, "secret %u tuple %u: Kri %#lx was granted twice", s, port,
                  (unsigned long)kri);
        *r = (struct record){kri, tuple, true};
    }
    holding[s][port] = (struct holding){first, count};
}

/* Says that the end of a lease was not used. The test knows which returns are honest: only those
 * free the Kri. */
static void return_some(uint32_t s, uint32_t port)
{
    struct holding *h = &holding[s][port];
    uint32_t unused = h->count > 0 ? any(h->count) + 1 : 0;
    uint64_t first = h->first + h->count - unused;

    if (unused == 0)
        return;
    for (uint64_t kri = first; kri < first + unused; kri++)
        find(s * TUPLES + port + 1, kri)->out = false;
    give_back(s, (uint16_t)port, PID, first, unused);
    h->count = 0;
}

static void return_nonsense(uint32_t s, uint32_t port)
{
    const struct holding *h = &holding[s][port];

    give_back(s, (uint16_t)port, PID + 1, h->first, h->count);
    give_back(s, (uint16_t)port, PID, h->first - any(3) - 1, h->count + any(5));
    give_back(s, (uint16_t)port, PID, h->first + h->count + 1 + any(9), any(9));
}

static void start(uint32_t entries)
{
    cr_assert(ledger_init(&ledger, entries, 0));
    cr_assert_eq(secret_of("k", 1), 0);
    cr_assert_eq(secret_of("j", 2), 1);
    memset(holding, 0, sizeof holding);
}

static void random_steps(uint32_t entries)
{
    record = calloc(RECORD, sizeof *record);
    cr_assert_not_null(record);
    keys_make("k", 1, "0\n");
    keys_make("j", 2, "0\n");
    start(entries);
    for (int step = 0; step < STEPS; step++) {
        uint32_t s = any(SECRETS), port = any(TUPLES), count = any(PDM_LEASE_MAX) + 1;

        switch (any(40)) {
        case 0:
            ledger_free(&ledger);
            start(entries);
            break;
        case 1:
            cr_assert_eq(secret_of("j", 2), 1);
            break;
        case 2:
            ledger_empty(&ledger);
            break;
        case 3:
        case 4:
        case 5:
            return_nonsense(s, port);
            break;
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
            return_some(s, port);
            break;
        default:
            granted(s, port, grant(s, (uint16_t)port, count), count);
        }
    }
    ledger_free(&ledger);
    free(record);
}

Test(ledger, random_steps_with_room_for_all)
{
    random_steps(SECRETS * TUPLES);
}

Test(ledger, random_steps_with_little_room)
{
    random_steps(3);
}

Test(ledger, random_steps_with_room_for_one)
{
    random_steps(1);
}
