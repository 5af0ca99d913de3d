/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of live Kri: rotation, jumps, guesses, and that nothing changes without a good tag. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/receiver.h"
#include "core/seal.h"

static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static const uint8_t secret[PDM_NH_MAX] = {0x42, 0x17};

static struct pdm_receiver receiver;
static struct pdm_receiver before;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    cr_assert(pdm_receiver_init(&receiver, &suite, secret, 0));
}

TestSuite(receiver, .init = setup);

/* A packet sealed under KRI with that PSN. */
static void sealed(uint64_t kri, uint16_t psn, uint8_t option[static PDM_OPTION_MAX])
{
    static struct pdm_sender sender;
    static const uint8_t seed[PDM_SEED_LEN] = {0x99};
    const _Atomic uint64_t guard = 1;
    const struct pdm_fields fields = {.psntp = psn};
    cr_assert(pdm_sender_init(&sender, 1, &suite, secret, kri, 1, seed));
    cr_assert_eq(pdm_seal(&sender, &guard, PDM_OPTION_TYPE, &fields, option), PDM_SEALED);
}

/* Opens a packet of KRI: it must fit. */
static struct pdm_live *opens(uint64_t kri)
{
    uint8_t option[PDM_OPTION_MAX];
    struct pdm_fields fields;
    sealed(kri, 321, option);
    struct pdm_live *live = pdm_receiver_open(&receiver, option, &fields);
    cr_assert_not_null(live, "Kri %d", (int)kri);
    cr_assert_eq(live->kri, kri);
    cr_assert(live->used);
    cr_assert(fields.psntp == 321 && fields.f == (kri & 1));
    return live;
}

/* A packet of KRI must not fit, and leaves the receiver and the fields as they were. */
static void refuses(uint64_t kri)
{
    uint8_t option[PDM_OPTION_MAX];
    struct pdm_fields fields;
    struct pdm_fields untouched;
    sealed(kri, 321, option);
    memset(&untouched, 0xee, sizeof(untouched));
    fields = untouched;
    memcpy(&before, &receiver, sizeof(before));
    cr_assert_null(pdm_receiver_open(&receiver, option, &fields), "Kri %d", (int)kri);
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
    cr_assert_eq(memcmp(&fields, &untouched, sizeof(fields)), 0);
}

static void highest_is(uint64_t expected)
{
    uint64_t kri = 0;
    cr_assert(pdm_receiver_highest(&receiver, &kri));
    cr_assert_eq(kri, expected, "%d", (int)kri);
}

Test(receiver, rotates_one_by_one)
{
    uint64_t kri;
    cr_assert(!pdm_receiver_highest(&receiver, &kri));
    refuses(1);
    for (kri = 0; kri < 40; kri++) {
        (void)opens(kri);
        (void)opens(kri);
        highest_is(kri);
        cr_assert_eq(receiver.next_kri, kri + 1);
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
    cr_assert(pdm_receiver_init(&receiver, &suite, secret, guess));
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
    cr_assert(pdm_receiver_expect(&receiver, 2));
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
    cr_assert(pdm_receiver_expect(&receiver, 1000));
    refuses(1);
    (void)opens(1000);
    highest_is(1000);
    cr_assert_eq(receiver.next_kri, 1001);
    (void)opens(0);
    (void)opens(1001);
}

Test(receiver, a_kri_below_the_highest_may_be_expected)
{
    cr_assert(pdm_receiver_init(&receiver, &suite, secret, 100));
    (void)opens(100);
    refuses(50);
    cr_assert(pdm_receiver_expect(&receiver, 50));
    (void)opens(50);
    highest_is(100);
    cr_assert_eq(receiver.next_kri, 101, "afterwards the highest's successor is expected again");
    refuses(51);
    (void)opens(101);
    (void)opens(50);
}

Test(receiver, to_expect_what_is_live_does_nothing)
{
    (void)opens(0);
    (void)opens(1);
    memcpy(&before, &receiver, sizeof(before));
    cr_assert(pdm_receiver_expect(&receiver, 0));
    cr_assert(pdm_receiver_expect(&receiver, 1));
    cr_assert(pdm_receiver_expect(&receiver, 2), "this one is expected already");
    cr_assert_eq(memcmp(&before, &receiver, sizeof(before)), 0);
}

/* The least recently used Kri goes, but never the highest, or a replayed old one could take over.
 */
Test(receiver, the_highest_is_never_replaced)
{
    cr_assert(pdm_receiver_init(&receiver, &suite, secret, 100));
    (void)opens(100);
    for (uint64_t kri = 10; kri < 13; kri++) {
        cr_assert(pdm_receiver_expect(&receiver, kri));
        (void)opens(kri);
    }
    (void)opens(10); /* so that 11 is the least recently used of those below */
    cr_assert(pdm_receiver_expect(&receiver, 20));
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
    cr_assert(!pdm_receiver_expect(&receiver, 0));
    refuses(0);
    highest_is(PDM_LIVE_KRI);
    (void)opens(PDM_LIVE_KRI + 1);
}

Test(receiver, there_is_nothing_after_the_last_kri)
{
    struct pdm_receiver copy;
    cr_assert(pdm_receiver_expect(&receiver, UINT64_MAX - 1));
    (void)opens(UINT64_MAX - 1);
    cr_assert(receiver.next_valid);
    cr_assert_eq(receiver.next_kri, UINT64_MAX);
    /* No sender can be leased the last one: play one by hand. */
    struct pdm_key key;
    cr_assert(pdm_kri_key(&suite, secret, UINT64_MAX, &key));
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
    cr_assert(!receiver.next_valid);
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
    unknown.kdf = 2;
    cr_assert(!pdm_receiver_init(&receiver, &unknown, secret, 0));
    refuses(0);
}
