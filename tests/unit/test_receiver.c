/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of live Kri: rotation, jumps, guesses, and that nothing changes without a good tag. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/receiver.h"
#include "core/seal.h"

static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};

/* The peer's secrets; a serial of one is its place here. */
enum { FIRST, SECOND, THIRD, SECRETS };
static const uint8_t secrets[SECRETS][PDM_NH_MAX] = {{0x42, 0x17}, {0x42, 0x18}, {0x43}};

static struct pdm_receiver receiver;
static struct pdm_receiver before;

static struct pdm_peer_secret told(uint32_t serial, bool newer, uint64_t guess)
{
    return (struct pdm_peer_secret){
        .serial = serial, .newer = newer, .guess = guess, .flow = secrets[serial]};
}

static void use_one(uint32_t serial, uint64_t guess)
{
    const struct pdm_peer_secret given = told(serial, false, guess);
    cr_assert(pdm_receiver_use(&receiver, &suite, &given, 1));
}

static void use_two(uint32_t likelier, uint32_t other, bool newer)
{
    const struct pdm_peer_secret given[] = {told(likelier, false, 0), told(other, newer, 0)};
    cr_assert(pdm_receiver_use(&receiver, &suite, given, 2));
}

static void start_under(uint32_t serial, uint64_t guess)
{
    memset(&receiver, 0, sizeof(receiver));
    use_one(serial, guess);
}

static void start_at(uint64_t guess)
{
    start_under(FIRST, guess);
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    start_at(0);
}

TestSuite(receiver, .init = setup);

/* A packet sealed under KRI of that secret with that PSN. */
static void sealed_under(uint32_t serial, uint64_t kri, uint16_t psn,
                         uint8_t option[static PDM_OPTION_MAX])
{
    static struct pdm_sender sender;
    static const uint8_t seed[PDM_SEED_LEN] = {0x99};
    const _Atomic uint64_t guard = 1;
    const struct pdm_fields fields = {.psntp = psn};
    cr_assert(pdm_sender_init(&sender, 1, &suite, secrets[serial], kri, 1, seed));
    cr_assert_eq(pdm_seal(&sender, &guard, PDM_OPTION_TYPE, &fields, option), PDM_SEALED);
}

static void sealed(uint64_t kri, uint16_t psn, uint8_t option[static PDM_OPTION_MAX])
{
    sealed_under(FIRST, kri, psn, option);
}

/* Opens a packet of KRI of that secret: it must fit. */
static struct pdm_live *opens_under(uint32_t serial, uint64_t kri)
{
    uint8_t option[PDM_OPTION_MAX];
    struct pdm_fields fields;
    sealed_under(serial, kri, 321, option);
    struct pdm_live *live = pdm_receiver_open(&receiver, option, &fields);
    cr_assert_not_null(live, "secret %u, Kri %d", serial, (int)kri);
    cr_assert_eq(live->kri, kri);
    cr_assert(live->used);
    cr_assert_eq(receiver.secret[live->secret].serial, serial);
    cr_assert(fields.psntp == 321 && fields.f == (kri & 1));
    return live;
}

static struct pdm_live *opens(uint64_t kri)
{
    return opens_under(FIRST, kri);
}

/* A packet of KRI must not fit, and leaves the receiver and the fields as they were. */
static void refuses_under(uint32_t serial, uint64_t kri)
{
    uint8_t option[PDM_OPTION_MAX];
    struct pdm_fields fields;
    struct pdm_fields untouched;
    sealed_under(serial, kri, 321, option);
    memset(&untouched, 0xee, sizeof(untouched));
    fields = untouched;
    memcpy(&before, &receiver, sizeof(before));
    cr_assert_null(pdm_receiver_open(&receiver, option, &fields), "secret %u, Kri %d", serial,
                   (int)kri);
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
    cr_assert_eq(memcmp(&fields, &untouched, sizeof(fields)), 0);
}

static void refuses(uint64_t kri)
{
    refuses_under(FIRST, kri);
}

static bool expect(uint64_t kri)
{
    return pdm_receiver_expect(&receiver, FIRST, kri);
}

static uint64_t next_of(uint32_t serial)
{
    for (unsigned i = 0; i < PDM_PEER_SECRETS; i++)
        if (receiver.secret[i].used && receiver.secret[i].serial == serial)
            return receiver.secret[i].next_kri;
    return UINT64_MAX;
}

static void highest_under(uint32_t expected_serial, uint64_t expected)
{
    uint32_t serial = SECRETS;
    uint64_t kri = 0;
    cr_assert(pdm_receiver_highest(&receiver, &serial, &kri));
    cr_assert_eq(serial, expected_serial, "secret %u", serial);
    cr_assert_eq(kri, expected, "%d", (int)kri);
}

static void highest_is(uint64_t expected)
{
    highest_under(FIRST, expected);
}

Test(receiver, rotates_one_by_one)
{
    uint64_t kri;
    uint32_t serial;
    cr_assert(!pdm_receiver_highest(&receiver, &serial, &kri));
    refuses(1);
    for (kri = 0; kri < 40; kri++) {
        (void)opens(kri);
        (void)opens(kri);
        highest_is(kri);
        cr_assert_eq(next_of(FIRST), kri + 1);
        refuses(kri + 2);
        uint64_t oldest = kri < PDM_LIVE_KRI ? 0 : kri - PDM_LIVE_KRI + 1;
        for (uint64_t live = oldest; live < kri; live++) {
            (void)opens(live);
        }
        (void)opens(kri);
        if (kri >= PDM_LIVE_KRI) {
            refuses(kri - PDM_LIVE_KRI);
        }
    }
}

Test(receiver, starts_at_the_guess)
{
    const uint64_t guess = (uint64_t)7 << 32 | 12;
    start_at(guess);
    refuses(0);
    refuses(guess + 1);
    (void)opens(guess);
    (void)opens(guess + 1);
    highest_is(guess + 1);
}

/* An even jump keeps f: two live Kri then share it, and the one used last is tried first. */
Test(receiver, two_live_kri_with_the_same_f)
{
    struct pdm_live *first = opens(0);
    refuses(2);
    cr_assert(expect(2));
    struct pdm_live *second = opens(2);
    cr_assert_neq(first, second);
    cr_assert_eq(opens(0), first);
    cr_assert_eq(opens(2), second);
    (void)opens(3);
    (void)opens(4);
    highest_is(4);
}

Test(receiver, expect_takes_the_place_of_the_guess)
{
    (void)opens(0);
    cr_assert(expect(1000));
    refuses(1);
    (void)opens(1000);
    highest_is(1000);
    cr_assert_eq(next_of(FIRST), 1001);
    (void)opens(0);
    (void)opens(1001);
}

Test(receiver, a_kri_below_the_highest_may_be_expected)
{
    start_at(100);
    (void)opens(100);
    refuses(50);
    cr_assert(expect(50));
    (void)opens(50);
    highest_is(100);
    cr_assert_eq(next_of(FIRST), 101, "afterwards the highest's successor is expected again");
    refuses(51);
    (void)opens(101);
    (void)opens(50);
}

Test(receiver, to_expect_what_is_live_does_nothing)
{
    (void)opens(0);
    (void)opens(1);
    memcpy(&before, &receiver, sizeof(before));
    cr_assert(expect(0));
    cr_assert(expect(1));
    cr_assert(expect(2), "this one is expected already");
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
}

/* The least recently used Kri goes, but never the highest, or a replayed old one could take over.
 */
Test(receiver, the_highest_is_never_replaced)
{
    start_at(100);
    (void)opens(100);
    for (uint64_t kri = 10; kri < 13; kri++) {
        cr_assert(expect(kri));
        (void)opens(kri);
    }
    (void)opens(10); /* so that 11 is the least recently used of those below */
    cr_assert(expect(20));
    (void)opens(20);
    refuses(11);
    (void)opens(10);
    (void)opens(12);
    (void)opens(100);
    highest_is(100);
    (void)opens(101);
    highest_is(101);
}

/* Its window is gone with it: what was recorded under it could be replayed, each packet once more.
 */
Test(receiver, a_kri_that_lost_its_place_stays_out)
{
    for (uint64_t kri = 0; kri <= PDM_LIVE_KRI; kri++)
        (void)opens(kri);
    refuses(0);
    cr_assert(!expect(0));
    refuses(0);
    highest_is(PDM_LIVE_KRI);
    (void)opens(PDM_LIVE_KRI + 1);
}

Test(receiver, there_is_nothing_after_the_last_kri)
{
    struct pdm_receiver copy;
    cr_assert(expect(UINT64_MAX - 1));
    (void)opens(UINT64_MAX - 1);
    cr_assert(receiver.secret[0].next_valid);
    cr_assert_eq(next_of(FIRST), UINT64_MAX);
    /* No sender can be leased the last one: play one by hand. */
    struct pdm_key key;
    cr_assert(pdm_kri_key(&suite, secrets[FIRST], UINT64_MAX, &key));
    uint8_t option[PDM_OPTION_MAX];
    const uint8_t plaintext[PDM_PLAINTEXT_LEN] = {0};
    pdm_option_write_clear(PDM_OPTION_TYPE, 1, 1, option);
    key.base_nonce[PDM_NONCE_LEN - 1] ^= 1;
    crypto_aead_chacha20poly1305_ietf_encrypt(option + PDM_AAD_LEN, NULL, plaintext,
                                              sizeof(plaintext), option, PDM_AAD_LEN, NULL,
                                              key.base_nonce, key.key);
    struct pdm_fields fields;
    cr_assert_not_null(pdm_receiver_open(&receiver, option, &fields));
    highest_is(UINT64_MAX);
    cr_assert(!receiver.secret[0].next_valid);
    memcpy(&copy, &receiver, sizeof(copy));
    refuses(0);
    cr_assert_eq(memcmp(&copy, &receiver, sizeof(copy)), 0);
}

/* Each live Kri has a window of its own, and opening touches none. */
Test(receiver, windows_are_apart_and_fresh)
{
    struct pdm_live *first = opens(0);
    cr_assert_eq(first->sequence.top, 0);
    cr_assert_eq(pdm_sequence_accept(&first->sequence, 321).verdict, PDM_WINDOW_NEW);
    struct pdm_live *second = opens(1);
    cr_assert_eq(pdm_sequence_accept(&second->sequence, 321).verdict, PDM_WINDOW_NEW);
    cr_assert_eq(opens(0), first);
    cr_assert_eq(pdm_sequence_accept(&first->sequence, 321).verdict, PDM_WINDOW_SEEN);
    for (uint64_t kri = 2; kri < 8; kri++) {
        struct pdm_live *live = opens(kri);
        cr_assert_eq(pdm_sequence_accept(&live->sequence, 321).verdict, PDM_WINDOW_NEW,
                     "a reused place starts clean");
    }
}

Test(receiver, every_bit_flip_changes_nothing)
{
    (void)opens(0);
    (void)opens(1);
    uint8_t option[PDM_OPTION_MAX];
    sealed(2, 9, option); /* would be promoted */
    memcpy(&before, &receiver, sizeof(before));
    struct pdm_fields fields;
    for (unsigned bit = 0; bit < 8 * PDM_OPTION_MAX; bit++) {
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_null(pdm_receiver_open(&receiver, option, &fields), "bit %u", bit);
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
    cr_assert_not_null(pdm_receiver_open(&receiver, option, &fields));
}

Test(receiver, an_unusable_suite_is_refused)
{
    struct pdm_suite unknown = suite;
    const struct pdm_peer_secret given = told(FIRST, false, 0);
    unknown.kdf = 2;
    cr_assert(!pdm_receiver_use(&receiver, &unknown, &given, 1));
    refuses(0);
}

/* --- two secrets --- */

/* Before, while and after a peer moves from one secret to the next: under either it may send, and
 * what was sealed under the old one comes late. */
Test(receiver, moves_from_secret_to_secret)
{
    for (uint32_t step = 0; step < 12; step++) {
        const uint32_t old = step % SECRETS, new = (step + 1) % SECRETS;
        const uint64_t reached = step;
        start_under(old, reached);
        (void)opens_under(old, reached);
        refuses_under(new, 0);
        use_two(old, new, true);
        (void)opens_under(old, reached + 1);
        highest_under(old, reached + 1);
        cr_assert(!receiver.newer_seen);
        (void)opens_under(new, 0);
        cr_assert(receiver.newer_seen);
        highest_under(new, 0);
        (void)opens_under(old, reached);
        use_two(new, old, false);
        cr_assert(!receiver.newer_seen);
        (void)opens_under(new, 0);
        (void)opens_under(new, 1);
        (void)opens_under(old, reached + 1);
        (void)opens_under(old, reached + 2);
        cr_assert(!receiver.newer_seen, "it is the older that is tried beside it");
        use_one(new, 0);
        for (uint64_t kri = reached; kri < reached + 4; kri++)
            refuses_under(old, kri);
        (void)opens_under(new, 2);
        cr_assert(!pdm_receiver_knows(&receiver, old));
    }
}

/* What was received under a secret that is given again is known afterwards: neither its windows
 * nor its Kri begin anew, whatever the other is, and in whatever order they are given. */
Test(receiver, what_is_given_again_is_kept)
{
    static const struct {
        uint32_t given[2];
        unsigned count;
    } then[] = {{{FIRST}, 1},         {{SECOND}, 1},        {{FIRST, SECOND}, 2},
                {{SECOND, FIRST}, 2}, {{FIRST, THIRD}, 2},  {{THIRD, FIRST}, 2},
                {{SECOND, THIRD}, 2}, {{THIRD, SECOND}, 2}, {{THIRD}, 1}};

    for (size_t row = 0; row < sizeof(then) / sizeof(then[0]); row++) {
        start_at(5);
        use_two(FIRST, SECOND, true);
        for (uint32_t serial = FIRST; serial <= SECOND; serial++)
            for (uint64_t kri = serial == FIRST ? 5 : 0; kri < (serial == FIRST ? 7 : 2); kri++)
                cr_assert_eq(pdm_sequence_accept(&opens_under(serial, kri)->sequence, 321).verdict,
                             PDM_WINDOW_NEW);
        if (then[row].count == 1)
            use_one(then[row].given[0], 0);
        else
            use_two(then[row].given[0], then[row].given[1], false);
        bool kept[SECRETS] = {false};
        for (unsigned i = 0; i < then[row].count; i++)
            kept[then[row].given[i]] = true;
        for (uint32_t serial = FIRST; serial <= SECOND; serial++) {
            const uint64_t first = serial == FIRST ? 5 : 0;
            cr_assert_eq(pdm_receiver_knows(&receiver, serial), kept[serial], "row %zu", row);
            for (uint64_t kri = first; kri < first + 2; kri++) {
                if (!kept[serial]) {
                    refuses_under(serial, kri);
                    continue;
                }
                cr_assert_eq(pdm_sequence_accept(&opens_under(serial, kri)->sequence, 321).verdict,
                             PDM_WINDOW_SEEN, "row %zu: a replay", row);
            }
            if (kept[serial])
                cr_assert_eq(next_of(serial), first + 2, "row %zu", row);
        }
        if (kept[THIRD])
            (void)opens_under(THIRD, 0);
        refuses_under(kept[THIRD] ? SECOND : THIRD, 40);
    }
}

/* Its octets under its suite are the secret; by what number it goes is another matter. */
Test(receiver, a_secret_is_its_octets)
{
    static const struct {
        uint32_t serial;
        const uint8_t *flow;
        uint16_t kdf;
        bool kept;
    } given[] = {{FIRST, secrets[FIRST], PDM_KDF_SHA256, true},
                 {THIRD, secrets[FIRST], PDM_KDF_SHA256, true},
                 {FIRST, secrets[SECOND], PDM_KDF_SHA256, false},
                 {FIRST, secrets[FIRST], PDM_KDF_SHA512, false}};

    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        const struct pdm_suite then = {suite.kem, given[i].kdf, suite.aead};
        const struct pdm_peer_secret secret = {.serial = given[i].serial, .flow = given[i].flow};
        uint8_t option[PDM_OPTION_MAX];
        struct pdm_fields fields;
        start_at(0);
        use_two(FIRST, SECOND, false);
        (void)pdm_sequence_accept(&opens_under(FIRST, 0)->sequence, 321);
        cr_assert(pdm_receiver_use(&receiver, &then, &secret, 1));
        sealed_under(FIRST, 0, 321, option);
        struct pdm_live *live = pdm_receiver_open(&receiver, option, &fields);
        cr_assert_eq(live != NULL, given[i].kept, "row %zu", i);
        if (live == NULL)
            continue;
        cr_assert_eq(pdm_sequence_accept(&live->sequence, 321).verdict, PDM_WINDOW_SEEN);
        highest_under(given[i].serial, 0);
        cr_assert(!pdm_receiver_knows(&receiver, SECOND));
        cr_assert(pdm_receiver_expect(&receiver, given[i].serial, 9));
    }
}

/* The same Kri of either secret are two, each with a window of its own. */
Test(receiver, windows_of_two_secrets_are_apart)
{
    use_two(FIRST, SECOND, true);
    struct pdm_live *first = opens_under(FIRST, 0);
    struct pdm_live *second = opens_under(SECOND, 0);
    cr_assert_neq(first, second);
    cr_assert_eq(pdm_sequence_accept(&first->sequence, 321).verdict, PDM_WINDOW_NEW);
    cr_assert_eq(pdm_sequence_accept(&second->sequence, 321).verdict, PDM_WINDOW_NEW);
    cr_assert_eq(opens_under(FIRST, 0), first);
    cr_assert_eq(opens_under(SECOND, 0), second);
    cr_assert_eq(pdm_sequence_accept(&second->sequence, 321).verdict, PDM_WINDOW_SEEN);
}

/* The two share the places. Neither's highest Kri goes, however busy the other is; what went stays
 * out. */
Test(receiver, neither_highest_is_replaced)
{
    use_two(FIRST, SECOND, true);
    (void)opens_under(FIRST, 0);
    for (uint64_t kri = 0; kri < 10; kri++)
        (void)opens_under(SECOND, kri);
    highest_under(SECOND, 9);
    (void)opens_under(FIRST, 0);
    (void)opens_under(SECOND, 9);
    (void)opens_under(SECOND, 8);
    refuses_under(SECOND, 6);
    cr_assert(!pdm_receiver_expect(&receiver, SECOND, 6));
    for (uint64_t kri = 1; kri < 10; kri++)
        (void)opens_under(FIRST, kri);
    highest_under(FIRST, 9);
    (void)opens_under(SECOND, 9);
    cr_assert(!pdm_receiver_expect(&receiver, FIRST, 3));
    cr_assert(!pdm_receiver_expect(&receiver, SECOND, 8), "it made room for the other's");
    cr_assert(pdm_receiver_expect(&receiver, SECOND, 10));
    (void)opens_under(SECOND, 10);
}

/* What a search found concerns the secret that it names, and no other. */
Test(receiver, expect_is_of_one_secret)
{
    static const struct {
        uint32_t serial;
        uint64_t kri;
        bool expected;
    } found[] = {{SECOND, 700, true},
                 {FIRST, 31, true},
                 {THIRD, 0, false},
                 {SECOND, 1401, true},
                 {FIRST, 40, true}};

    use_two(FIRST, SECOND, true);
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        const uint32_t serial = found[i].serial;
        const uint32_t other = serial == FIRST ? SECOND : FIRST;
        refuses_under(serial, found[i].kri);
        memcpy(&before, &receiver, sizeof(before));
        const uint64_t others_next = next_of(other);
        cr_assert_eq(pdm_receiver_expect(&receiver, serial, found[i].kri), found[i].expected);
        if (!found[i].expected) {
            cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
            continue;
        }
        cr_assert_eq(next_of(other), others_next);
        refuses_under(other, found[i].kri);
        (void)opens_under(serial, found[i].kri);
        highest_under(serial, found[i].kri);
        cr_assert_eq(next_of(serial), found[i].kri + 1);
    }
}

Test(receiver, every_bit_flip_changes_nothing_under_two_secrets)
{
    uint8_t option[PDM_OPTION_MAX];
    struct pdm_fields fields;
    use_two(FIRST, SECOND, true);
    (void)opens_under(FIRST, 0);
    sealed_under(SECOND, 0, 9, option);
    memcpy(&before, &receiver, sizeof(before));
    for (unsigned bit = 0; bit < 8 * PDM_OPTION_MAX; bit++) {
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_null(pdm_receiver_open(&receiver, option, &fields), "bit %u", bit);
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
    cr_assert_not_null(pdm_receiver_open(&receiver, option, &fields));
}
