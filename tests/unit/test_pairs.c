/* SPDX-License-Identifier: BSD-2-Clause */
/* What a primary names: whatever comes and goes in whatever order, the policy says just that. */
#include "conf/value.h"
#include "keyagent/enrolment/pairs.h"
#include "tests/unit/keys_on_disk.h"

static struct config config;
static struct associations set;
static struct segment segment;
static struct ledger ledger;
static char enrolments[2]; /* stand for enrolments: their addresses are all that counts here */
static struct config_association section = {.name = "org", .mode = CONFIG_MODE_ENROLLED};

#define ENROLMENT(i) ((struct enrolment *)&enrolments[i])

static void complain(void *arg, const char *line)
{
    (void)arg;
    cr_assert(false, "%s", line);
}

static void load(const char *text)
{
    const struct associations none = {0};

    cr_assert(config_parse("t", text, strlen(text), &config, complain, NULL));
    cr_assert(associations_load(&set, &none, &config, &ledger, 0), "%s", keys_said());
    associations_publish(&set, &config.settings, &segment);
}

static void begin(void)
{
    keys_begin();
    cr_assert(ledger_init(&ledger, 4, 0));
    cr_assert(segment_init(&segment, 1));
}

static void end(void)
{
    associations_free(&set);
    config_free(&config);
    segment_free(&segment);
    ledger_free(&ledger);
    keys_end();
}

TestSuite(pairs, .init = begin, .fini = end);

static struct pdm_prefix prefix(const char *text)
{
    struct pdm_prefix p;

    cr_assert_eq(config_prefix(text, &p), CONFIG_PREFIX_OK, "%s", text);
    return p;
}

/* A pair of two own addresses, the second as of the second epoch alone. */
struct made {
    struct enrolled_pair pair;
    struct enrolled_scope scope[3];
};

static struct made *make(uint32_t number, uint8_t epochs)
{
    static struct made made[4];
    struct made *m = &made[number];
    const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};

    *m = (struct made){.pair = {.pair = number,
                                .name = "other",
                                .secmop = PDM_SECMOP_TRUSTED_SERVERS,
                                .epochs = epochs,
                                .epoch = {{.suite = suite, .scopes = 1, .scope = &m->scope[0]},
                                          {.suite = suite, .scopes = 2, .scope = &m->scope[1]}}}};
    memcpy(m->scope[0].address, prefix("2001:db8::1").addr, PDM_ADDR_LEN);
    memcpy(m->scope[1].address, prefix("2001:db8::1").addr, PDM_ADDR_LEN);
    memcpy(m->scope[2].address, prefix("2001:db8::2").addr, PDM_ADDR_LEN);
    return m;
}

static struct association *put(int enrolment, const struct made *m)
{
    struct association *a = pairs_set(&set, &segment, &section, ENROLMENT(enrolment), &m->pair, 1);

    cr_assert_not_null(a);
    return a;
}

static void name(struct association *a, const char *peer, uint16_t group)
{
    struct pdm_prefix p = prefix(peer);

    cr_assert(pairs_name(&set, &segment, a, &p, group));
}

static void unname(struct association *a, const char *peer)
{
    struct pdm_prefix p = prefix(peer);

    pairs_unname(&set, &segment, a, &p);
}

/* The name of the association for the two addresses, and the group. */
static const char *found(const char *own, const char *peer, uint16_t *group)
{
    struct pdm_policy_entry entry;

    if (!pdm_policy_find(&segment.policy, prefix(own).addr, prefix(peer).addr, &entry))
        return "none";
    const struct association *a = associations_get(&set, entry.association);
    cr_assert_not_null(a);
    cr_expect_eq(entry.format, a->format);
    *group = entry.group;
    return a->name;
}

static void expect(const char *own, const char *peer, const char *wanted, uint16_t wanted_group)
{
    uint16_t group = 0;

    cr_expect_str_eq(found(own, peer, &group), wanted, "%s to %s: %s", own, peer,
                     found(own, peer, &group));
    cr_expect_eq(group, wanted_group);
}

Test(pairs, own_addresses_and_peers)
{
    load("");
    struct association *a = put(0, make(1, 1));
    name(a, "2001:db8:1::/48", 3);
    name(a, "2001:db8:1::7", 4);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 3);
    expect("2001:db8::1", "2001:db8:1::7", "org/other", 4);
    expect("2001:db8::1", "2001:db8:2::7", "none", 0);
    expect("2001:db8::2", "2001:db8:1::1", "none", 0);
    name(a, "2001:db8:1::7", 5);
    expect("2001:db8::1", "2001:db8:1::7", "org/other", 5);
    unname(a, "2001:db8:1::7");
    expect("2001:db8::1", "2001:db8:1::7", "org/other", 3);
    unname(a, "2001:db8:1::7");
    unname(a, "2001:db8:1::/48");
    expect("2001:db8::1", "2001:db8:1::1", "none", 0);
    cr_expect_eq(pdm_policy_used(&segment.policy), 0);
}

Test(pairs, own_addresses_come_and_go)
{
    load("");
    struct association *a = put(0, make(1, 1));
    uint32_t number = a->number;
    name(a, "2001:db8:1::/48", 3);
    cr_expect_eq(put(0, make(1, 2))->number, number);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 3);
    expect("2001:db8::2", "2001:db8:1::1", "org/other", 3);
    cr_expect_eq(pdm_policy_used(&segment.policy), 2);
    put(0, make(1, 1));
    expect("2001:db8::2", "2001:db8:1::1", "none", 0);
    cr_expect_eq(pdm_policy_used(&segment.policy), 1);
    put(0, make(1, 0));
    cr_expect_eq(pdm_policy_used(&segment.policy), 0);
    put(0, make(1, 2));
    cr_expect_eq(pdm_policy_used(&segment.policy), 2);
    pairs_clear(&set, &segment, a);
    cr_expect_eq(pdm_policy_used(&segment.policy), 0);
    cr_expect_eq(a->roster.used, 0);
}

/* A secret for a group of peers may come after the peers. */
Test(pairs, any_change_is_another_version)
{
    load("");
    struct association *a = put(0, make(1, 1));
    name(a, "2001:db8:1::/48", 3);
    uint64_t before = segment.policy.head->version;
    uint32_t epoch = pdm_policy_epoch_of(&segment.policy);
    put(0, make(1, 1));
    cr_expect_neq(segment.policy.head->version, before);
    cr_expect_eq(pdm_policy_epoch_of(&segment.policy), epoch, "other flows do not ask");
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 3);
}

static const struct {
    uint8_t unprotected;
    const char *wanted;
    enum pdm_format format;
} unprotected[] = {
    {PDM_UNPROTECTED_NONE, "none", PDM_FORMAT_PLAIN},
    {PDM_UNPROTECTED_PLAIN, "org/other", PDM_FORMAT_PLAIN},
    {PDM_UNPROTECTED_RFC8250, "org/other", PDM_FORMAT_RFC8250},
};

Test(pairs, without_protection)
{
    load("");
    struct association *a = put(0, make(1, 1));
    name(a, "2001:db8:1::/48", 0);
    for (size_t i = 0; i < sizeof unprotected / sizeof unprotected[0]; i++) {
        struct made *m = make(1, 0);

        m->pair.secmop = PDM_SECMOP_NONE;
        m->pair.unprotected = unprotected[i].unprotected;
        put(0, m);
        expect("2001:db8::9", "2001:db8:1::1", unprotected[i].wanted, 0);
        cr_expect_eq(a->format, unprotected[i].format);
    }
    put(0, make(1, 1));
    expect("2001:db8::9", "2001:db8:1::1", "none", 0);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 0);
    cr_expect_eq(a->format, PDM_FORMAT_ENCRYPTED);
}

#define PLAIN "protect = plain\n"

Test(pairs, the_longest_prefix_wins)
{
    load("[association a]\npeer = 2001:db8:1::/48\n" PLAIN
         "[association b]\npeer = 2001:db8:2::1\n" PLAIN);
    struct association *a = put(0, make(1, 1));
    name(a, "2001:db8:1::/48", 1);
    name(a, "2001:db8:1::1", 2);
    name(a, "2001:db8:2::/48", 3);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 2);
    expect("2001:db8::1", "2001:db8:1::2", "org/other", 1); /* its local prefix is longer */
    expect("2001:db8::9", "2001:db8:1::2", "a", 0);
    expect("2001:db8::1", "2001:db8:2::1", "b", 0);
    expect("2001:db8::1", "2001:db8:2::2", "org/other", 3);
    cr_expect_str_empty(keys_said());
}

Test(pairs, a_tie_is_the_configurations)
{
    load("[association a]\nlocal = 2001:db8::1\npeer = 2001:db8:1::/48\nlifetime = 1m\n" PLAIN);
    struct association *a = put(0, make(1, 2));
    name(a, "2001:db8:1::/48", 1);
    name(a, "2001:db8:2::/48", 1);
    expect("2001:db8::1", "2001:db8:1::1", "a", 0);
    expect("2001:db8::2", "2001:db8:1::1", "org/other", 1);
    cr_expect(strstr(keys_said(), "association org/other: association a names some") != NULL);
    name(a, "2001:db8:1::/48", 2);
    cr_expect_str_empty(keys_said(), "told once");
    expect("2001:db8::1", "2001:db8:1::1", "a", 0);
    unname(a, "2001:db8:1::/48");
    expect("2001:db8::1", "2001:db8:1::1", "a", 0);
    name(a, "2001:db8:1::/48", 2);
    cr_assert(associations_expire(&set, 60 * PDM_NSEC_PER_SEC));
    associations_publish(&set, &config.settings, &segment);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 2);
}

Test(pairs, a_tie_of_two_is_the_older_ones)
{
    load("");
    put(0, make(1, 1));
    struct made *m = make(2, 1);
    strcpy(m->pair.name, "third");
    put(1, m);
    name(pairs_find(&set, ENROLMENT(1), 2), "2001:db8:1::/48", 2);
    expect("2001:db8::1", "2001:db8:1::1", "org/third", 2);
    name(pairs_find(&set, ENROLMENT(0), 1), "2001:db8:1::/48", 1);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 1);
    pairs_drop(&set, &segment, pairs_find(&set, ENROLMENT(0), 1));
    cr_expect_null(pairs_find(&set, ENROLMENT(0), 1));
    expect("2001:db8::1", "2001:db8:1::1", "org/third", 2);
    pairs_drop(&set, &segment, pairs_find(&set, ENROLMENT(1), 2));
    cr_expect_eq(pdm_policy_used(&segment.policy), 0);
    cr_expect_eq(set.count, 0);
}

Test(pairs, monitoring_ends)
{
    load("");
    section.lifetime_s = 60;
    struct association *a = put(0, make(1, 1));
    name(a, "2001:db8:1::/48", 1);
    cr_assert(!associations_expire(&set, 60 * PDM_NSEC_PER_SEC));
    cr_assert(associations_expire(&set, 60 * PDM_NSEC_PER_SEC + 1));
    associations_publish(&set, &config.settings, &segment);
    expect("2001:db8::1", "2001:db8:1::1", "none", 0);
    put(0, make(1, 2));
    name(a, "2001:db8:2::/48", 1);
    cr_expect_eq(pdm_policy_used(&segment.policy), 0, "a new secret does not begin it again");
    section.lifetime_s = 0;
    put(0, make(1, 2));
    cr_expect_eq(pdm_policy_used(&segment.policy), 4);
}

/* As on SIGHUP. */
Test(pairs, a_reload)
{
    static const char text[] = "[association a]\npeer = 2001:db8:1::/48\n" PLAIN;
    struct associations loaded;

    load("[association a]\nlocal = 2001:db8::1\npeer = 2001:db8:1::/48\n" PLAIN);
    struct association *a = put(0, make(1, 1));
    uint32_t number = a->number;
    name(a, "2001:db8:1::/48", 1);
    name(a, "2001:db8:2::/48", 2);
    expect("2001:db8::1", "2001:db8:1::1", "a", 0);

    config_free(&config);
    cr_assert(config_parse("t", text, sizeof text - 1, &config, complain, NULL));
    cr_assert(associations_load(&loaded, &set, &config, &ledger, 2));
    cr_assert(associations_carry(&loaded, &set));
    cr_expect(!associations_same(&loaded, &set));
    associations_free(&set);
    set = loaded;
    associations_publish(&set, &config.settings, &segment);
    cr_expect_eq(pairs_find(&set, ENROLMENT(0), 1)->number, number);
    cr_expect_neq(set.item[0].number, number);
    expect("2001:db8::1", "2001:db8:1::1", "org/other", 1);
    expect("2001:db8::1", "2001:db8:2::1", "org/other", 2);
    expect("2001:db8::3", "2001:db8:1::1", "a", 0);
}

/*
 * Random changes, against what follows from all that was said: two pairs with lists that overlap,
 * and addresses that come and go.
 */

enum { PAIRS = 2, PEERS = 40, STEPS = 4000 };

static uint64_t state = 7;

static uint32_t any(uint32_t below)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((state >> 33) % below);
}

struct model {
    uint8_t epochs; /* 0: the pair is not there */
    uint16_t group[PEERS];
    uint64_t turn;
};

static struct pdm_prefix peer_number(uint32_t number)
{
    uint8_t addr[PDM_ADDR_LEN] = {0x20, 1, 0x0d, 0xb8, 9, [15] = (uint8_t)number};

    return pdm_prefix_of(addr, 128);
}

/* Pair numbers are 1 and 2; the one that came first has the lower turn. */
static uint16_t wanted_group(const struct model *model, unsigned own, uint32_t peer)
{
    uint16_t group = 0;
    uint64_t turn = UINT64_MAX;

    for (int i = 0; i < PAIRS; i++)
        if (model[i].epochs > own && model[i].group[peer] != 0 && model[i].turn < turn) {
            group = model[i].group[peer];
            turn = model[i].turn;
        }
    return group;
}

static void compare(const struct model *model, int step)
{
    static const char *const own[] = {"2001:db8::1", "2001:db8::2"};
    size_t count = 0;

    for (unsigned o = 0; o < 2; o++)
        for (uint32_t i = 0; i < PEERS; i++) {
            struct pdm_policy_entry entry = {0};
            uint16_t wanted = wanted_group(model, o, i);
            bool hit =
                pdm_policy_find(&segment.policy, prefix(own[o]).addr, peer_number(i).addr, &entry);

            cr_assert_eq(hit, wanted != 0, "step %d: %s to %u", step, own[o], i);
            cr_assert(!hit || entry.group == wanted, "step %d: %s to %u", step, own[o], i);
            count += hit;
        }
    cr_assert_eq(pdm_policy_used(&segment.policy), count, "step %d", step);
}

static void step_of(struct model *m, int i, int step)
{
    struct association *a = pairs_find(&set, ENROLMENT(i), (uint32_t)i + 1);
    uint32_t number = any(PEERS);
    struct pdm_prefix peer = peer_number(number);

    cr_assert_eq(a != NULL, m->epochs != 0);
    switch (a == NULL ? 0 : any(20)) {
    case 0:
        if (m->epochs == 0)
            m->turn = (uint64_t)step;
        m->epochs = (uint8_t)(any(2) + 1);
        put(i, make((uint32_t)i + 1, m->epochs));
        break;
    case 1:
        pairs_drop(&set, &segment, a);
        *m = (struct model){0};
        break;
    case 2:
        pairs_clear(&set, &segment, a);
        memset(m->group, 0, sizeof m->group);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        pairs_unname(&set, &segment, a, &peer);
        m->group[number] = 0;
        break;
    default:
        m->group[number] = (uint16_t)(any(9) + 1);
        cr_assert(pairs_name(&set, &segment, a, &peer, m->group[number]));
    }
}

Test(pairs, random_steps)
{
    struct model model[PAIRS] = {0};

    load("");
    for (int step = 0; step < STEPS; step++) {
        int i = (int)any(PAIRS);

        step_of(&model[i], i, step);
        compare(model, step);
    }
}

Test(pairs, a_long_list)
{
    enum { MANY = 20000 };
    struct roster roster = {0};
    uint32_t at = 0, count = 0;

    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 1};

        memcpy(addr + 8, &i, sizeof i);
        struct pdm_prefix peer = pdm_prefix_of(addr, 128);
        cr_assert(roster_add(&roster, &peer, (uint16_t)(i % 7)));
        if (i % 3 == 0)
            roster_remove(&roster, &peer);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 1};

        memcpy(addr + 8, &i, sizeof i);
        struct pdm_prefix peer = pdm_prefix_of(addr, 128);
        const struct roster_entry *entry = roster_find(&roster, &peer);
        cr_assert_eq(entry != NULL, i % 3 != 0);
        cr_assert(entry == NULL || entry->group == i % 7);
    }
    while (roster_next(&roster, &at) != NULL)
        count++;
    cr_expect_eq(count, roster.used);
    cr_expect_eq(count, MANY - (MANY + 2) / 3);
    roster_free(&roster);
}
