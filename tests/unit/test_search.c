/* SPDX-License-Identifier: BSD-2-Clause */
/* The search: which Kri it finds, at once or later, and what it makes of those that are past. */
#include "core/keys.h"
#include "core/seal.h"
#include "keyagent/clock.h"
#include "keyagent/search.h"
#include "tests/unit/keys_on_disk.h"

static struct config config;
static struct associations associations;
static struct ledger ledger;
static struct peers peers;
static struct search search;
static int64_t now; /* begins with the real time, and then leaps */
static const struct pdm_tuple tuple = {.saddr = {0x20, 1, [15] = 2},
                                       .daddr = {0x20, 1, [15] = 1},
                                       .sport = 7,
                                       .dport = 9,
                                       .proto = 17};

static void complain(void *arg, const char *line)
{
    (void)arg;
    cr_assert(false, "%s", line);
}

static void begin(void)
{
    static const char text[] = "[association a]\npeer = ::/0\nkey = k\naead = chacha20-poly1305\n";
    const struct associations none = {0};

    keys_begin();
    now = clock_now();
    keys_make("k", 1, "0\n");
    cr_assert(config_parse("t", text, sizeof text - 1, &config, complain, NULL));
    cr_assert(ledger_init(&ledger, 4, 0));
    cr_assert(associations_load(&associations, &none, &config, &ledger, now), "%s", keys_said());
    cr_assert(peers_init(&peers, "state", 0));
    cr_assert(search_init(&search, &associations, &ledger, &peers, 0));
}

static void end(void)
{
    search_free(&search);
    peers_free(&peers);
    associations_free(&associations);
    ledger_free(&ledger);
    config_free(&config);
    keys_end();
}

TestSuite(search, .init = begin, .fini = end);

#define KRI(generation, counter) ((uint64_t)(generation) << 32 | (counter))

/* What the peer sends under KRI; each time another. */
static struct search_target sealed_for(const struct pdm_tuple *flow, uint64_t kri)
{
    static const _Atomic uint64_t guard = 1;
    struct search_target target = {.tuple = *flow};
    struct pdm_fields fields = {.psntp = 1};
    uint8_t secret[PDM_NH_MAX], seed[PDM_SEED_LEN];
    struct pdm_sender sender;

    memset(&sender, 0, sizeof sender);
    randombytes_buf(seed, sizeof seed);
    cr_assert(pdm_flow_secret(&associations.item[0].suite, associations.shared[0], flow, secret));
    cr_assert(pdm_sender_init(&sender, 1, &associations.item[0].suite, secret, kri, 1, seed));
    cr_assert_eq(pdm_seal(&sender, &guard, PDM_OPTION_TYPE, &fields, target.option), PDM_SEALED);
    return target;
}

static struct search_target sealed(uint64_t kri)
{
    return sealed_for(&tuple, kri);
}

/* As a shim asks: again, for as long as it is told to. A second passes, so that budgets do not
 * matter. */
static enum pdm_status ask_for(const struct search_target *target, const uint64_t *highest,
                               uint64_t *kri, bool *at_once)
{
    struct search_kri seen = {.serial = associations.item[0].secret}, found = {0};
    const struct search_kri *above = NULL;

    if (highest != NULL) {
        seen.kri = *highest;
        above = &seen;
    }
    enum pdm_status status = search_ask(&search, target, above, now, &found);
    *at_once = status != PDM_STATUS_LATER;
    if (status == PDM_STATUS_LATER) {
        struct search_hit hit;

        while (search_run(&search, now, &hit))
            ;
        now += PDM_NSEC_PER_SEC;
        status = search_ask(&search, target, above, now, &found);
    }
    now += PDM_NSEC_PER_SEC;
    *kri = found.kri;
    return status;
}

static enum pdm_status ask(uint64_t sent_under, uint64_t *kri, bool *at_once)
{
    struct search_target target = sealed(sent_under);

    return ask_for(&target, NULL, kri, at_once);
}

static void expect_found(uint64_t sent_under, bool wanted_at_once)
{
    uint64_t kri = 0;
    bool at_once;

    cr_expect_eq(ask(sent_under, &kri, &at_once), PDM_STATUS_OK, "Kri %#lx", (long)sent_under);
    cr_expect_eq(kri, sent_under);
    cr_expect_eq(at_once, wanted_at_once, "Kri %#lx", (long)sent_under);
}

static void expect_status(uint64_t sent_under, enum pdm_status wanted)
{
    uint64_t kri;
    bool at_once;

    cr_expect_eq(ask(sent_under, &kri, &at_once), wanted, "Kri %#lx", (long)sent_under);
}

Test(search, a_new_peer)
{
    expect_found(KRI(0, 0), true);
}

Test(search, a_new_peer_in_mid_flow)
{
    expect_found(KRI(3, 63), true);
}

Test(search, a_new_peer_of_a_late_generation)
{
    expect_found(KRI(65535, 1), false);
}

Test(search, a_new_peer_of_a_late_generation_in_mid_flow)
{
    expect_found(KRI(700, 40), false);
}

Test(search, a_known_peer)
{
    expect_found(KRI(1000, 0), false);
    expect_found(KRI(1000, 63), true);
    expect_found(KRI(999, 5), true);
    expect_found(KRI(997, 5), true);
    expect_found(KRI(1001, 3), false);
    expect_found(KRI(1001, 3), true);
    expect_found(KRI(1064, 63), false);
    expect_found(KRI(3000, 1), false);
}

Test(search, above_what_the_tuple_reached)
{
    expect_found(KRI(0, 60), true);
    expect_found(KRI(0, 124), true);
    expect_found(KRI(0, 100), true);
    expect_status(KRI(0, 189), PDM_STATUS_NOT_FOUND);

    uint64_t highest = KRI(0, 300), kri;
    struct search_target target = sealed(KRI(0, 364));
    bool at_once;
    cr_expect_eq(ask_for(&target, &highest, &kri, &at_once), PDM_STATUS_OK);
    cr_expect_eq(kri, KRI(0, 364));
    cr_expect(at_once);
    target = sealed(KRI(0, 429));
    cr_expect_eq(ask_for(&target, &highest, &kri, &at_once), PDM_STATUS_NOT_FOUND);
}

/* Under another secret the same numbers mean nothing. */
Test(search, what_was_seen_under_another_secret)
{
    struct search_kri highest = {KRI(5000, 9), associations.item[0].secret + 1}, found;
    struct search_target target = sealed(KRI(5000, 10));

    cr_expect_eq(search_ask(&search, &target, &highest, now, &found), PDM_STATUS_LATER);
}

/* After a restart of the agent the asking end may know more than the agent does. */
Test(search, what_the_asking_end_has_seen)
{
    uint64_t highest = KRI(5000, 9), kri;
    struct search_target target = sealed(KRI(5000, 10));
    bool at_once;

    cr_expect_eq(ask_for(&target, &highest, &kri, &at_once), PDM_STATUS_OK);
    cr_expect(at_once);
}

/* Whatever the search for an option of before is at. */
Test(search, the_next_generation_waits_for_no_search)
{
    struct search_kri seen = {KRI(0, 0), associations.item[0].secret}, found;
    struct search_target stale = sealed(KRI(0, 0));

    stale.option[PDM_OPTION_MAX - 1] ^= 1;
    cr_assert_eq(search_ask(&search, &stale, NULL, now, &found), PDM_STATUS_LATER);
    for (uint64_t generation = 1; generation <= PDM_SEARCH_GENERATIONS; generation++) {
        struct search_target next = sealed(KRI(generation, 0));

        cr_expect_eq(search_ask(&search, &next, &seen, now, &found), PDM_STATUS_OK);
        cr_expect_eq(found.kri, KRI(generation, 0));
    }
}

Test(search, past_generations_are_replay)
{
    for (uint32_t generation = 96; generation <= 100; generation++)
        peers_saw(&peers, ledger.secret[0].id, tuple.saddr, generation);
    expect_status(KRI(96, 0), PDM_STATUS_REPLAY);
    expect_status(KRI(36, 63), PDM_STATUS_REPLAY);
    expect_status(KRI(35, 0), PDM_STATUS_NOT_FOUND);
    expect_found(KRI(97, 0), true);
    cr_expect_eq(peers_find(&peers, ledger.secret[0].id, tuple.saddr)->highest, 100);
}

/* An agent that restarts often beside one that does not: both stay in use. */
Test(search, generations_in_use_side_by_side)
{
    for (uint32_t generation = 10; generation < 30; generation++) {
        peers_saw(&peers, ledger.secret[0].id, tuple.saddr, generation);
        expect_found(KRI(9, 1), true);
    }
}

Test(search, forged)
{
    struct search_target target = sealed(KRI(0, 0));
    uint64_t kri;
    bool at_once;

    target.option[PDM_OPTION_MAX - 1] ^= 1;
    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    cr_expect(!at_once);
    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    cr_expect(at_once, "failures are remembered");
    now += AGENT_SEARCH_FAILURE_NS;
    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    cr_expect(!at_once, "but not forever");
    cr_expect_null(peers_find(&peers, ledger.secret[0].id, tuple.saddr));
    expect_found(KRI(0, 0), true);
}

/* An option of generation GENERATION of port PORT that was forged. */
static struct search_target forged(uint16_t port, uint32_t generation)
{
    struct pdm_tuple flow = tuple;

    flow.sport = port;
    struct search_target target = sealed_for(&flow, KRI(generation, 0));
    target.option[PDM_OPTION_MAX - 1] ^= 1;
    return target;
}

/* After a forged option: by how much less is searched, and for how long. */
static void expect_penalty(enum config_undecryptable setting, int64_t ns)
{
    struct association *a = &associations.item[0];
    struct search_target target = forged(7, 0);
    struct search_kri found;
    struct keying k;
    uint64_t kri;
    bool at_once;

    a->undecryptable = setting;
    expect_found(KRI(2, 0), true);
    cr_expect_eq(keying_of(&associations, a, tuple.daddr, tuple.saddr, 0, now, &k), PDM_STATUS_OK);
    cr_expect_eq(search_penalty(&search, a, &k, tuple.saddr, now), 0);
    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    cr_expect(!at_once, "the first is searched for");

    int64_t began = now, left = search_penalty(&search, a, &k, tuple.saddr, now);
    cr_expect(left > 0 && left <= ns, "%ld", (long)left);
    for (uint16_t port = 8; port < 100; port++) {
        target = forged(port, 0);
        cr_expect_eq(search_ask(&search, &target, NULL, now, &found), PDM_STATUS_NOT_FOUND);
        now += left / 100;
    }
    cr_expect_eq(search.jobs, 0);
    expect_status(KRI(2, 1), PDM_STATUS_NOT_FOUND);
    cr_expect_eq(search_penalty(&search, a, &k, tuple.daddr, now), 0, "another peer has none");

    k.of[0].serial++;
    cr_expect_eq(search_penalty(&search, a, &k, tuple.saddr, now), 0, "nor with a new secret");
    now = began + left;
    expect_found(KRI(2, 1), true);
    expect_found(KRI(60000, 0), false);
    keying_wipe(&k);
}

Test(search, an_undecryptable_option_throttles)
{
    expect_penalty(CONFIG_UNDECRYPTABLE_THROTTLE, AGENT_THROTTLE_NS);
}

Test(search, an_undecryptable_option_filters)
{
    expect_penalty(CONFIG_UNDECRYPTABLE_FILTER, AGENT_FILTER_NS);
}

/* What goes on, and has more to try than the one that failed, is given up, too. */
Test(search, a_filtered_peers_searches_end)
{
    struct search_kri found;
    struct search_hit hit;

    associations.item[0].undecryptable = CONFIG_UNDECRYPTABLE_FILTER;
    for (uint16_t port = 1; port <= 3; port++) {
        struct search_target target = forged(port, 0);

        cr_expect_eq(search_ask(&search, &target, NULL, now, &found), PDM_STATUS_LATER);
        while (search.job[0].at_span == 0)
            search_run(&search, clock_now(), &hit);
    }
    while (search.jobs == 3)
        search_run(&search, clock_now(), &hit);
    for (int others = 0; others < 2; others++)
        search_run(&search, clock_now(), &hit);
    cr_expect_eq(search.jobs, 0);
}

/* Under which the option may be a good one. */
Test(search, a_secret_that_comes_meanwhile_is_not_blamed)
{
    struct association *a = &associations.item[0];
    struct search_target target = forged(7, 0);
    struct search_kri found;
    struct search_hit hit;
    struct keying k;
    const uint8_t id[LEDGER_ID_LEN] = {1};

    a->undecryptable = CONFIG_UNDECRYPTABLE_FILTER;
    cr_assert_eq(search_ask(&search, &target, NULL, now, &found), PDM_STATUS_LATER);
    cr_assert(ledger_scope(&ledger, id, NULL, &a->secret));
    while (search_run(&search, now, &hit))
        ;
    cr_expect_eq(search.jobs, 0);
    cr_expect_eq(keying_of(&associations, a, tuple.daddr, tuple.saddr, 0, now, &k), PDM_STATUS_OK);
    cr_expect_eq(search_penalty(&search, a, &k, tuple.saddr, now), 0);
    cr_expect_eq(search_ask(&search, &target, NULL, now, &found), PDM_STATUS_LATER);
    while (search_run(&search, clock_now(), &hit))
        ;
    cr_expect_gt(search_penalty(&search, a, &k, tuple.saddr, clock_now()), 0);
    keying_wipe(&k);
}

Test(search, an_undecryptable_option_is_only_logged_by_default)
{
    struct search_target target = forged(7, 0);
    uint64_t kri;
    bool at_once;

    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    expect_found(KRI(60000, 0), false);
    search_reset(&search);
    associations.item[0].undecryptable = CONFIG_UNDECRYPTABLE_FILTER;
    target = forged(8, 0);
    cr_expect_eq(ask_for(&target, NULL, &kri, &at_once), PDM_STATUS_NOT_FOUND);
    search_reset(&search);
    expect_found(KRI(60000, 1), true);
}

/* Every bit of the option but those of version and reserved, which belong to the additional data
 * too. */
Test(search, each_bit_counts)
{
    struct search_target good = sealed(KRI(0, 0));
    struct pdm_key key;
    uint8_t secret[PDM_NH_MAX];
    struct pdm_fields fields;
    const struct pdm_suite *suite = &associations.item[0].suite;

    cr_assert(pdm_flow_secret(suite, associations.shared[0], &tuple, secret));
    cr_assert(pdm_kri_key(suite, secret, 0, &key));
    cr_assert(pdm_open(suite, &key, good.option, &fields));
    for (unsigned bit = 0; bit < 8 * PDM_OPTION_MAX; bit++) {
        struct search_target bad = good;
        struct search_kri kri;

        bad.option[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_expect_neq(search_ask(&search, &bad, NULL, now, &kri), PDM_STATUS_OK, "bit %u", bit);
        search_reset(&search);
        now += PDM_NSEC_PER_SEC;
    }
}

/* Made-up tuples use up their own budget alone. */
Test(search, budgets)
{
    struct search_kri found;
    uint64_t kri, highest = KRI(0, 0);
    uint32_t asked = 0;
    bool at_once;

    expect_found(KRI(0, 0), true);
    for (uint16_t port = 1000; port < 6000; port++) {
        struct search_target made_up = sealed(KRI(0, 0));

        made_up.tuple.sport = port;
        asked += search_ask(&search, &made_up, NULL, now, &found) != PDM_STATUS_QUOTA;
        search_reset(&search);
    }
    cr_expect_eq(asked, AGENT_SEARCH_NEW_RATE);
    asked = 0;
    for (uint16_t port = 1000; port < 6000; port++) {
        struct search_target stranger = sealed(KRI(0, 0));

        memcpy(stranger.tuple.saddr + 8, &port, sizeof port);
        asked += search_ask(&search, &stranger, NULL, now, &found) != PDM_STATUS_QUOTA;
        search_reset(&search);
    }
    cr_expect_eq(asked, AGENT_SEARCH_STRANGER_RATE);

    struct search_target target = sealed(KRI(0, 1));
    cr_expect_eq(search_ask(&search, &target, NULL, now, &found), PDM_STATUS_OK);
    target = sealed(KRI(1, 1));
    cr_expect_eq(ask_for(&target, &highest, &kri, &at_once), PDM_STATUS_OK);
}

Test(search, the_queue_is_bounded)
{
    uint32_t later = 0;
    struct search_kri found;

    for (uint8_t peer = 1; peer <= 2 * AGENT_SEARCH_JOBS; peer++) {
        struct search_target target = sealed(KRI(0, 0));

        target.tuple.saddr[14] = peer;
        later += search_ask(&search, &target, NULL, now, &found) == PDM_STATUS_LATER;
        now += PDM_NSEC_PER_SEC;
    }
    cr_expect_eq(later, AGENT_SEARCH_JOBS);
    cr_expect_eq(search.jobs, AGENT_SEARCH_JOBS);
}

/* Whatever a peer's flows ask for, a few searches find for all of them where it is now. */
Test(search, one_find_spares_a_peers_others_theirs)
{
    const uint64_t kri = KRI(9000, 0);
    struct search_target flow[4 * AGENT_SEARCH_PEER_JOBS];
    struct search_kri found;
    struct search_hit hit;
    uint32_t hits = 0;

    for (uint16_t i = 0; i < 4 * AGENT_SEARCH_PEER_JOBS; i++) {
        struct pdm_tuple other = tuple;

        other.sport = (uint16_t)(1000 + i);
        flow[i] = sealed_for(&other, kri);
        cr_expect_eq(search_ask(&search, &flow[i], NULL, now, &found), PDM_STATUS_LATER);
        now += PDM_NSEC_PER_SEC;
    }
    cr_expect_eq(search.jobs, AGENT_SEARCH_PEER_JOBS);
    while (!search_run(&search, now, &hit) || !hit.found)
        cr_assert_gt(search.jobs, 0);
    for (uint32_t slices = 0; search.jobs > 0; slices++) {
        cr_assert_lt(slices, AGENT_SEARCH_PEER_JOBS);
        search_run(&search, now, &hit);
        hits += hit.found;
    }
    cr_expect_eq(hits, AGENT_SEARCH_PEER_JOBS - 1);
    for (uint16_t i = 0; i < 4 * AGENT_SEARCH_PEER_JOBS; i++) {
        cr_expect_eq(search_ask(&search, &flow[i], NULL, now, &found), PDM_STATUS_OK);
        cr_expect_eq(found.kri, kri);
        now += PDM_NSEC_PER_SEC;
    }
}

Test(search, peers_are_kept)
{
    uint8_t addr[PDM_ADDR_LEN] = {0xfe, 0x80, [15] = 9};
    uint8_t id[LEDGER_ID_LEN] = {7};
    struct peer before;

    for (uint32_t generation = 5; generation < 12; generation++)
        peers_saw(&peers, id, addr, generation);
    peers_saw(&peers, id, addr, 9);
    before = *peers_find(&peers, id, addr);
    peers_free(&peers);
    cr_assert(peers_init(&peers, "state", 1));
    const struct peer *after = peers_find(&peers, id, addr);
    cr_assert_not_null(after);
    cr_expect_eq(after->highest, 11);
    cr_expect_eq(after->seen_count, PDM_SEARCH_GENERATIONS);
    cr_expect_arr_eq(after->seen, before.seen, sizeof before.seen);
    cr_expect_eq(after->seen[0], 9);
}

Test(search, damaged_peers_are_left_out)
{
    peers_free(&peers);
    keys_write("state/peers",
               "00 ::1 1 1\n"
               "000102030405060708090a0b0c0d0e0f ::g 1 1\n"
               "000102030405060708090a0b0c0d0e0f ::1 1\n"
               "000102030405060708090a0b0c0d0e0f ::1 4294967296 1\n"
               "000102030405060708090a0b0c0d0e0f ::1 1 1 1 1 1 1\n"
               "000102030405060708090a0b0c0d0e0f ::2 3 3 1\n"
               "\n",
               0600);
    cr_assert(peers_init(&peers, "state", 0));
    cr_expect(strstr(keys_said(), "some lines are damaged and were left out") != NULL);
    cr_expect_eq(peers.table.used, 1);
}

Test(search, as_many_peers_as_there_is_room_for)
{
    uint8_t id[LEDGER_ID_LEN] = {7};

    for (uint32_t i = 0; i < 2 * AGENT_PEERS_MAX; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 1};

        memcpy(addr + 8, &i, sizeof i);
        peers_saw(&peers, id, addr, i);
    }
    cr_expect_eq(peers.table.used, AGENT_PEERS_MAX);
}
