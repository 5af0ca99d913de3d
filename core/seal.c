/* SPDX-License-Identifier: BSD-2-Clause */
/* The one place that seals, and its counterpart that opens. */
#include "core/seal.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "core/cursor.h"
#include "core/hkdf.h"

#define TAG_OFFSET (PDM_AAD_LEN + PDM_PLAINTEXT_LEN)

_Static_assert(TAG_OFFSET + PDM_TAG_LEN == PDM_OPTION_MAX, "the encrypted option is the longest");

/*
 * The PRSEQ key of one Kri. Derived rather than drawn, for core draws no randomness; it never
 * leaves this host, so that no other implementation need derive the same.
 */
static bool derive_prseq(const struct pdm_sender *s, uint64_t kri, struct pdm_prseq *prseq)
{
    uint8_t prk[PDM_NH_MAX];
    uint8_t key[PDM_PRSEQ_KEY_LEN];
    uint8_t info[sizeof(kri)];
    struct pdm_writer w = pdm_writer(info, sizeof(info));
    pdm_write_u64(&w, kri);
    bool done =
        pdm_labeled_extract(&s->suite, NULL, 0, "pdmv2 prseq", s->seed, sizeof(s->seed), prk) &&
        pdm_labeled_expand(&s->suite, prk, "prseq", info, sizeof(info), key, sizeof(key));
    if (done) {
        pdm_prseq_key(prseq, key);
    }
    sodium_memzero(prk, sizeof(prk));
    sodium_memzero(key, sizeof(key));
    return done;
}

/*
 * Callers keep this and pdm_seal apart by a lock; should one race all the same, nothing gets out
 * under a wrong pair: no number can be reserved while the keys change, and who reserved one
 * before sees another Kri afterwards (so the Kri is written before any key is touched).
 */
static bool use_kri(struct pdm_sender *s, uint64_t kri)
{
    atomic_store(&s->sealed, PDM_PRSEQ_MAX);
    atomic_store(&s->kri, kri);
    sodium_memzero(&s->key, sizeof(s->key));
    sodium_memzero(&s->prseq, sizeof(s->prseq));
    if (!pdm_kri_key(&s->suite, s->secret, kri, &s->key) || !derive_prseq(s, kri, &s->prseq)) {
        return false;
    }
    atomic_store(&s->sealed, 0);
    return true;
}

bool pdm_sender_init(struct pdm_sender *s, uint64_t guard, const struct pdm_suite *suite,
                     const uint8_t secret[static PDM_NH_MAX], uint64_t first, uint32_t count,
                     const uint8_t seed[static PDM_SEED_LEN])
{
    atomic_store(&s->guard, 0);
    sodium_memzero(s, sizeof(*s));
    if (guard == 0 || count == 0 || first > UINT64_MAX - count || !pdm_suite_usable(suite)) {
        return false;
    }
    s->suite = *suite;
    s->lease_end = first + count;
    memcpy(s->seed, seed, sizeof(s->seed));
    memcpy(s->secret, secret, sizeof(s->secret));
    if (!use_kri(s, first)) {
        return false;
    }
    atomic_store(&s->guard, guard);
    return true;
}

bool pdm_sender_next_kri(struct pdm_sender *s)
{
    uint64_t kri = atomic_load(&s->kri);
    if (kri >= s->lease_end || s->lease_end - kri == 1) { /* the former: wiped, all is 0 */
        return false;
    }
    return use_kri(s, kri + 1);
}

uint32_t pdm_sender_left(const struct pdm_sender *s)
{
    uint32_t sealed = atomic_load(&s->sealed);
    return sealed < PDM_PRSEQ_MAX ? PDM_PRSEQ_MAX - sealed : 0;
}

/* RFC 9180 section 5.2, ComputeNonce, with PRSEQ as the sequence number. */
static void make_nonce(const struct pdm_key *key, uint16_t prseq, uint8_t nonce[PDM_NONCE_LEN])
{
    /* The tail in one piece: a processor stalls on reading a word that was written in octets. */
    uint32_t tail;
    const size_t at = PDM_NONCE_LEN - sizeof(tail);
    memcpy(&tail, key->base_nonce + at, sizeof(tail));
    tail ^= htobe32(prseq);
    memcpy(nonce, key->base_nonce, at);
    memcpy(nonce + at, &tail, sizeof(tail));
}

/* The clear octets of OUT are written; adds ciphertext and tag. */
static bool encrypt(uint16_t aead, const uint8_t key[static PDM_KEY_LEN],
                    const uint8_t nonce[static PDM_NONCE_LEN],
                    const uint8_t plaintext[static PDM_PLAINTEXT_LEN],
                    uint8_t out[static PDM_OPTION_MAX])
{
    uint8_t *cipher = out + PDM_AAD_LEN;
    uint8_t *tag = out + TAG_OFFSET;
    switch (aead) {
    case PDM_AEAD_AES256GCM:
        return crypto_aead_aes256gcm_encrypt_detached(cipher, tag, NULL, plaintext,
                                                      PDM_PLAINTEXT_LEN, out, PDM_AAD_LEN, NULL,
                                                      nonce, key) == 0;
    case PDM_AEAD_CHACHA20POLY1305:
        return crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                   cipher, tag, NULL, plaintext, PDM_PLAINTEXT_LEN, out, PDM_AAD_LEN, NULL, nonce,
                   key) == 0;
    default:
        return false;
    }
}

/*
 * The guard that S and the process share; 0: none. One that stays the same from before to after
 * shows more than two that match each time: a child that a signal handler forked in between may
 * have a guard of its own by then, and a lease of its own in this very place.
 */
static uint64_t guarded_by(const struct pdm_sender *s, const _Atomic uint64_t *guard)
{
    uint64_t now = atomic_load(guard);
    return now == atomic_load(&s->guard) ? now : 0;
}

/* Reserves a number for good. False if all are used. */
static bool reserve(struct pdm_sender *s, uint32_t *index)
{
    /* Looking first bounds the counter: past the end it grows by one per racing thread at most. */
    if (atomic_load(&s->sealed) >= PDM_PRSEQ_MAX) {
        return false;
    }
    *index = atomic_fetch_add(&s->sealed, 1);
    return *index < PDM_PRSEQ_MAX;
}

/* Whatever it returns, OUT may only leave if it is PDM_SEALED. */
static enum pdm_seal_status seal(struct pdm_sender *s, const _Atomic uint64_t *guard, uint8_t type,
                                 const uint8_t plaintext[static PDM_PLAINTEXT_LEN],
                                 uint8_t out[static PDM_OPTION_MAX])
{
    uint64_t mine = guarded_by(s, guard);
    if (mine == 0) {
        return PDM_SEAL_WIPED;
    }
    uint64_t kri = atomic_load(&s->kri);
    uint32_t index;
    if (!reserve(s, &index)) {
        return guarded_by(s, guard) == mine ? PDM_SEAL_EXHAUSTED : PDM_SEAL_WIPED;
    }
    uint16_t prseq = pdm_prseq_at(&s->prseq, index);
    uint8_t nonce[PDM_NONCE_LEN];
    make_nonce(&s->key, prseq, nonce);
    pdm_option_write_clear(type, prseq, (uint8_t)(kri & 1), out);
#ifdef PDM_NONCE_ORACLE
    /* Taken before the last look at the guard: a forked child shall not show a wiped key. */
    uint8_t key[PDM_KEY_LEN];
    memcpy(key, s->key.key, sizeof(key));
#endif
    if (!encrypt(s->suite.aead, s->key.key, nonce, plaintext, out)) {
        return PDM_SEAL_FAILED;
    }
    atomic_thread_fence(memory_order_acquire);
    if (guarded_by(s, guard) != mine) {
        return PDM_SEAL_WIPED;
    }
    if (atomic_load(&s->kri) != kri) {
        return PDM_SEAL_FAILED;
    }
#ifdef PDM_NONCE_ORACLE
    pdm_oracle_sealed(key, nonce, out, plaintext);
#endif
    return PDM_SEALED;
}

enum pdm_seal_status pdm_seal(struct pdm_sender *s, const _Atomic uint64_t *guard, uint8_t type,
                              const struct pdm_fields *fields, uint8_t out[static PDM_OPTION_MAX])
{
    uint8_t plaintext[PDM_PLAINTEXT_LEN];
    pdm_plaintext_write(fields, plaintext);
    enum pdm_seal_status status = seal(s, guard, type, plaintext, out);
    if (status != PDM_SEALED) {
        sodium_memzero(out, PDM_OPTION_MAX);
    }
    return status;
}

static bool decrypt(uint16_t aead, const uint8_t key[static PDM_KEY_LEN],
                    const uint8_t nonce[static PDM_NONCE_LEN],
                    const uint8_t option[static PDM_OPTION_MAX],
                    uint8_t plaintext[static PDM_PLAINTEXT_LEN])
{
    const uint8_t *cipher = option + PDM_AAD_LEN;
    const uint8_t *tag = option + TAG_OFFSET;
    switch (aead) {
    case PDM_AEAD_AES256GCM:
        return crypto_aead_aes256gcm_decrypt_detached(plaintext, NULL, cipher, PDM_PLAINTEXT_LEN,
                                                      tag, option, PDM_AAD_LEN, nonce, key) == 0;
    case PDM_AEAD_CHACHA20POLY1305:
        return crypto_aead_chacha20poly1305_ietf_decrypt_detached(plaintext, NULL, cipher,
                                                                  PDM_PLAINTEXT_LEN, tag, option,
                                                                  PDM_AAD_LEN, nonce, key) == 0;
    default:
        return false;
    }
}

bool pdm_open(const struct pdm_suite *suite, const struct pdm_key *key,
              const uint8_t option[static PDM_OPTION_MAX], struct pdm_fields *fields)
{
    uint8_t nonce[PDM_NONCE_LEN];
    uint8_t plaintext[PDM_PLAINTEXT_LEN];
    uint16_t random = (uint16_t)(option[4] << 8 | option[5]);
    make_nonce(key, random >> 1, nonce);
    if (!decrypt(suite->aead, key->key, nonce, option, plaintext)) {
        return false;
    }
    pdm_plaintext_read(plaintext, fields);
    fields->prseq = random >> 1;
    fields->f = random & 1;
    return true;
}
