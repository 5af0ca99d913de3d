/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealing and opening: the vectors, the end of a Kri and of a lease, and the guard. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/seal.h"
#include "tests/vectors/core_vectors.h"

static const struct pdm_suite chacha = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static const uint8_t secret[PDM_NH_MAX] = {0x42, 0x17};
static const uint8_t seed[PDM_SEED_LEN] = {0x99};
static const uint8_t zeros[PDM_OPTION_MAX] = {0};
static const struct pdm_fields sample = {
    .dtlr = {0x8D88, 40}, .dtls = {0xA688, 46}, .global_pointer = 77, .psntp = 5, .psnlr = 4};

enum { GUARD = 0x5eed };

/* What happens to the process while it seals, at the worst moment: the number is reserved. */
static void (*meanwhile)(void);
static struct pdm_sender sender;
static _Atomic uint64_t process_guard;

/* Stands before libsodium's own, which it calls. */
int crypto_aead_chacha20poly1305_ietf_encrypt_detached(
    unsigned char *c, unsigned char *mac, unsigned long long *maclen_p, const unsigned char *m,
    unsigned long long mlen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *nsec, const unsigned char *npub, const unsigned char *k)
{
    static int (*original)(unsigned char *, unsigned char *, unsigned long long *,
                           const unsigned char *, unsigned long long, const unsigned char *,
                           unsigned long long, const unsigned char *, const unsigned char *,
                           const unsigned char *);
    if (original == NULL) {
        *(void **)&original =
            dlsym(RTLD_NEXT, "crypto_aead_chacha20poly1305_ietf_encrypt_detached");
    }
    if (meanwhile != NULL) {
        meanwhile();
    }
    return original(c, mac, maclen_p, m, mlen, ad, adlen, nsec, npub, k);
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    meanwhile = NULL;
    process_guard = GUARD;
    cr_assert(pdm_sender_init(&sender, GUARD, &chacha, secret, 0, 3, seed));
}

TestSuite(seal, .init = setup);

static enum pdm_seal_status seal_one(uint8_t out[static PDM_OPTION_MAX])
{
    memset(out, 0xee, PDM_OPTION_MAX);
    return pdm_seal(&sender, &process_guard, PDM_OPTION_TYPE, &sample, out);
}

static bool same_metrics(const struct pdm_fields *a, const struct pdm_fields *b)
{
    return a->dtlr.value == b->dtlr.value && a->dtlr.scale == b->dtlr.scale &&
           a->dtls.value == b->dtls.value && a->dtls.scale == b->dtls.scale &&
           a->global_pointer == b->global_pointer && a->psntp == b->psntp && a->psnlr == b->psnlr;
}

static struct pdm_key key_of(size_t index)
{
    struct pdm_key key;
    memcpy(key.key, vec_keys[index].key, sizeof(key.key));
    memcpy(key.base_nonce, vec_keys[index].base_nonce, sizeof(key.base_nonce));
    return key;
}

Test(seal, what_an_independent_implementation_sealed_opens)
{
    unsigned opened = 0;
    for (size_t i = 0; i < VEC_COUNT(vec_sealed); i++) {
        const struct vec_sealed *v = &vec_sealed[i];
        const struct vec_suite *ids = &vec_keys[v->key_index].suite;
        const struct pdm_suite suite = {ids->kem_id, ids->kdf_id, ids->aead_id};
        if (!pdm_suite_usable(&suite)) {
            continue;
        }
        struct pdm_key key = key_of(v->key_index);
        struct pdm_fields fields;
        cr_assert(pdm_open(&suite, &key, v->option, &fields), "row %zu", i);
        cr_assert(fields.prseq == v->prseq && fields.f == v->f);
        uint8_t plaintext[PDM_PLAINTEXT_LEN];
        pdm_plaintext_write(&fields, plaintext);
        cr_assert_arr_eq(plaintext, v->plaintext, sizeof(plaintext), "row %zu", i);
        opened++;
    }
    cr_assert_geq(opened, VEC_COUNT(vec_sealed) / 2);
}

/*
 * The sender chooses PRSEQ, so its octets cannot be foretold; but under the Kri's key they must
 * be what the AEAD itself makes of the plaintext, the nonce and the clear octets.
 */
Test(seal, what_is_sealed_is_what_the_draft_says)
{
    for (size_t i = 0; i < VEC_COUNT(vec_keys); i++) {
        const struct vec_key *v = &vec_keys[i];
        const struct pdm_suite suite = {v->suite.kem_id, v->suite.kdf_id, v->suite.aead_id};
        if (!pdm_suite_usable(&suite) || v->kri == UINT64_MAX) {
            continue; /* the last Kri of all cannot be leased: a lease's end is exclusive */
        }
        cr_assert(pdm_sender_init(&sender, GUARD, &suite, vec_flows[v->flow_index].flow_secret,
                                  v->kri, 1, seed));
        uint8_t out[PDM_OPTION_MAX];
        cr_assert_eq(seal_one(out), PDM_SEALED);
        cr_assert_eq(out[0], PDM_OPTION_TYPE);
        cr_assert_eq(out[1], 34);
        cr_assert(out[2] == 0x20 && out[3] == 0, "version 2, reserved bits 0");
        cr_assert_eq(out[5] & 1, v->kri & 1);
        uint16_t prseq = (uint16_t)(out[4] << 8 | out[5]) >> 1;
        cr_assert_neq(prseq, 0);

        uint8_t nonce[PDM_NONCE_LEN];
        uint8_t plaintext[PDM_PLAINTEXT_LEN];
        uint8_t expected[PDM_PLAINTEXT_LEN + PDM_TAG_LEN];
        memcpy(nonce, v->base_nonce, sizeof(nonce));
        nonce[10] ^= (uint8_t)(prseq >> 8);
        nonce[11] ^= (uint8_t)prseq;
        pdm_plaintext_write(&sample, plaintext);
        if (suite.aead == PDM_AEAD_AES256GCM) {
            crypto_aead_aes256gcm_encrypt(expected, NULL, plaintext, sizeof(plaintext), out,
                                          PDM_AAD_LEN, NULL, nonce, v->key);
        } else {
            crypto_aead_chacha20poly1305_ietf_encrypt(expected, NULL, plaintext, sizeof(plaintext),
                                                      out, PDM_AAD_LEN, NULL, nonce, v->key);
        }
        cr_assert_arr_eq(out + PDM_AAD_LEN, expected, sizeof(expected), "row %zu", i);
    }
}

/* Every bit of a sealed option is covered by its tag. */
static void flip_every_bit(const struct pdm_suite *suite)
{
    cr_assert(pdm_sender_init(&sender, GUARD, suite, secret, 6, 1, seed));
    uint8_t option[PDM_OPTION_MAX];
    cr_assert_eq(seal_one(option), PDM_SEALED);
    struct pdm_fields fields;
    cr_assert(pdm_open(suite, &sender.key, option, &fields));
    cr_assert(same_metrics(&fields, &sample));
    cr_assert_eq(fields.f, 0);
    cr_assert_eq(fields.prseq, (option[4] << 8 | option[5]) >> 1);
    for (unsigned bit = 0; bit < 8 * PDM_OPTION_MAX; bit++) {
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct pdm_fields untouched;
        memset(&untouched, 0xee, sizeof(untouched));
        fields = untouched;
        cr_assert(!pdm_open(suite, &sender.key, option, &fields), "bit %u", bit);
        cr_assert_eq(memcmp(&fields, &untouched, sizeof(fields)), 0, "bit %u", bit);
        option[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert(pdm_open(suite, &sender.key, option, &fields));
}

Test(seal, every_single_bit_flip_is_refused)
{
    const struct pdm_suite aes = {PDM_KEM_NONE, PDM_KDF_SHA512, PDM_AEAD_AES256GCM};
    flip_every_bit(&chacha);
    if (pdm_suite_usable(&aes)) {
        flip_every_bit(&aes);
    }
}

/* All 32767 nonces of a Kri, no two alike; then none, for ever. */
static void use_up_one_kri(uint8_t f)
{
    static bool seen[PDM_PRSEQ_MAX + 1];
    memset(seen, 0, sizeof(seen));
    uint8_t out[PDM_OPTION_MAX];
    for (unsigned i = 0; i < PDM_PRSEQ_MAX; i++) {
        cr_assert_eq(pdm_sender_left(&sender), PDM_PRSEQ_MAX - i);
        cr_assert_eq(seal_one(out), PDM_SEALED);
        uint16_t prseq = (uint16_t)(out[4] << 8 | out[5]) >> 1;
        cr_assert(prseq != 0 && !seen[prseq], "%u again at %u", prseq, i);
        cr_assert_eq(out[5] & 1, f);
        seen[prseq] = true;
    }
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(pdm_sender_left(&sender), 0);
        cr_assert_eq(seal_one(out), PDM_SEAL_EXHAUSTED);
        cr_assert_arr_eq(out, zeros, sizeof(out));
    }
    cr_assert_eq(atomic_load(&sender.sealed), PDM_PRSEQ_MAX);
}

Test(seal, a_lease_is_used_to_its_end)
{
    struct pdm_key keys[3];
    struct pdm_prseq prseq[3];
    for (unsigned kri = 0; kri < 3; kri++) {
        struct pdm_key expected;
        cr_assert(pdm_kri_key(&chacha, secret, kri, &expected));
        cr_assert_eq(sender.kri, kri);
        cr_assert_eq(memcmp(&sender.key, &expected, sizeof(expected)), 0);
        keys[kri] = sender.key;
        prseq[kri] = sender.prseq;
        use_up_one_kri(kri & 1);
        cr_assert_eq(pdm_sender_next_kri(&sender), kri < 2);
    }
    cr_assert_neq(memcmp(&keys[0], &keys[1], sizeof(keys[0])), 0);
    cr_assert_neq(memcmp(&prseq[0], &prseq[1], sizeof(prseq[0])), 0);
    cr_assert_neq(memcmp(&prseq[1], &prseq[2], sizeof(prseq[0])), 0);
    uint8_t out[PDM_OPTION_MAX];
    cr_assert_eq(seal_one(out), PDM_SEAL_EXHAUSTED, "a refused next Kri frees no number");
}

Test(seal, prseq_follows_the_lease)
{
    struct pdm_prseq first = sender.prseq;
    const uint8_t other[PDM_SEED_LEN] = {0x9a};
    cr_assert(pdm_sender_init(&sender, GUARD, &chacha, secret, 0, 3, other));
    cr_assert_neq(memcmp(&first, &sender.prseq, sizeof(first)), 0);
}

Test(seal, leases_that_are_refused)
{
    struct pdm_suite unknown = chacha;
    unknown.aead = 1;
    uint8_t out[PDM_OPTION_MAX];
    cr_assert(!pdm_sender_init(&sender, 0, &chacha, secret, 0, 1, seed));
    cr_assert_eq(seal_one(out), PDM_SEAL_WIPED, "the lease before it is gone too");
    cr_assert(!pdm_sender_init(&sender, GUARD, &chacha, secret, 0, 0, seed));
    cr_assert(!pdm_sender_init(&sender, GUARD, &unknown, secret, 0, 1, seed));
    cr_assert(!pdm_sender_init(&sender, GUARD, &chacha, secret, UINT64_MAX, 1, seed));
    cr_assert(!pdm_sender_init(&sender, GUARD, &chacha, secret, UINT64_MAX - 9, 10, seed));
    cr_assert_eq(seal_one(out), PDM_SEAL_WIPED);
    cr_assert_arr_eq(out, zeros, sizeof(out));
    cr_assert(pdm_sender_init(&sender, GUARD, &chacha, secret, UINT64_MAX - 10, 10, seed));
    for (unsigned i = 0; i < 9; i++) {
        cr_assert(pdm_sender_next_kri(&sender));
    }
    cr_assert(!pdm_sender_next_kri(&sender));
    cr_assert_eq(sender.kri, UINT64_MAX - 1);
}

static void check_wiped(void)
{
    uint8_t out[PDM_OPTION_MAX];
    cr_assert_eq(seal_one(out), PDM_SEAL_WIPED);
    cr_assert_arr_eq(out, zeros, sizeof(out));
}

Test(seal, no_guard_no_seal)
{
    uint8_t out[PDM_OPTION_MAX];
    process_guard = 0;
    check_wiped();
    process_guard = GUARD + 1;
    check_wiped();
    cr_assert_eq(pdm_sender_left(&sender), PDM_PRSEQ_MAX, "refused before a number was taken");
    process_guard = GUARD;
    cr_assert_eq(seal_one(out), PDM_SEALED);
    sodium_memzero(&sender, sizeof(sender));
    check_wiped();
    process_guard = 0;
    check_wiped();
    cr_assert(!pdm_sender_next_kri(&sender), "what was wiped holds no lease");
}

/* A fork in a signal handler, in the middle of sealing: all that the child has is wiped. */
static void wipe_all(void)
{
    sodium_memzero(&sender, sizeof(sender));
    process_guard = 0;
}

static void wipe_then_lease_anew(void)
{
    process_guard = GUARD + 1;
    (void)pdm_sender_init(&sender, GUARD + 1, &chacha, secret, 1, 1, seed);
    process_guard = GUARD + 2;
}

static void wipe_process_guard(void)
{
    process_guard = 0;
}

static void wipe_sender_guard(void)
{
    sender.guard = 0;
}

static void change_kri(void)
{
    cr_assert(pdm_sender_next_kri(&sender));
}

Test(seal, what_was_wiped_meanwhile_is_thrown_away)
{
    static void (*const ways[])(void) = {wipe_all, wipe_then_lease_anew, wipe_process_guard,
                                         wipe_sender_guard};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        setup();
        meanwhile = ways[i];
        check_wiped();
    }
}

/* Numbers of one Kri are not used under the next, even by who broke the rule of the lock. */
Test(seal, another_kri_meanwhile_is_thrown_away)
{
    uint8_t out[PDM_OPTION_MAX];
    meanwhile = change_kri;
    cr_assert_eq(seal_one(out), PDM_SEAL_FAILED);
    cr_assert_arr_eq(out, zeros, sizeof(out));
    meanwhile = NULL;
    cr_assert_eq(sender.kri, 1);
    cr_assert_eq(seal_one(out), PDM_SEALED);
}

struct shared {
    struct pdm_sender sender;
    _Atomic uint64_t guard;
};

/* A real fork, with the memory as a sender's memory must be. */
Test(seal, a_forked_child_cannot_seal)
{
    struct shared *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(s, MAP_FAILED);
    cr_assert_eq(madvise(s, sizeof(*s), MADV_WIPEONFORK), 0);
    s->guard = GUARD;
    cr_assert(pdm_sender_init(&s->sender, GUARD, &chacha, secret, 0, 3, seed));
    uint8_t out[PDM_OPTION_MAX];
    cr_assert_eq(pdm_seal(&s->sender, &s->guard, PDM_OPTION_TYPE, &sample, out), PDM_SEALED);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        bool wiped =
            pdm_seal(&s->sender, &s->guard, PDM_OPTION_TYPE, &sample, out) == PDM_SEAL_WIPED &&
            memcmp(out, zeros, sizeof(out)) == 0;
        s->guard = GUARD + 1; /* the child has a guard of its own now, but no lease */
        wiped = wiped &&
                pdm_seal(&s->sender, &s->guard, PDM_OPTION_TYPE, &sample, out) == PDM_SEAL_WIPED;
        _exit(wiped ? 0 : 1);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(pdm_seal(&s->sender, &s->guard, PDM_OPTION_TYPE, &sample, out), PDM_SEALED);
    cr_assert_eq(munmap(s, sizeof(*s)), 0);
}
