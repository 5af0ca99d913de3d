/* SPDX-License-Identifier: BSD-2-Clause */
/* LabeledExtract and LabeledExpand (RFC 9180 section 4) over HMAC-SHA256 and HMAC-SHA512. */
#include "core/hkdf.h"

#include <sodium.h>
#include <string.h>

#include "core/cursor.h"

#define BLOCKS_MAX 255 /* RFC 5869 section 2.3: the block's number is one octet */
#define SUITE_ID_MAX 10
#define KEM_SUITE_ID_LEN 5

static const char version_label[] = "HPKE-v1";

/* What KDF is used, and the suite_id that says for what. */
struct use {
    uint16_t kdf;
    uint8_t suite_id[SUITE_ID_MAX];
    size_t suite_id_len;
};

/* Nothing may be given as NULL here, but libsodium wants a pointer even to nothing. */
static const uint8_t nothing[1] = {0};

static void hmac_init(struct pdm_hmac *m, uint16_t kdf, const uint8_t *key, size_t key_len)
{
    m->kdf = kdf;
    key = key_len > 0 ? key : nothing;
    if (kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_init(&m->state.sha256, key, key_len);
    } else {
        crypto_auth_hmacsha512_init(&m->state.sha512, key, key_len);
    }
}

bool pdm_hmac_init(struct pdm_hmac *m, const struct pdm_suite *suite, const uint8_t *key,
                   size_t key_len)
{
    if (pdm_suite_nh(suite) == 0) {
        return false;
    }
    hmac_init(m, suite->kdf, key, key_len);
    return true;
}

void pdm_hmac_add(struct pdm_hmac *m, const uint8_t *bytes, size_t len)
{
    bytes = len > 0 ? bytes : nothing;
    if (m->kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_update(&m->state.sha256, bytes, len);
    } else {
        crypto_auth_hmacsha512_update(&m->state.sha512, bytes, len);
    }
}

void pdm_hmac_final(struct pdm_hmac *m, uint8_t out[static PDM_NH_MAX])
{
    if (m->kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_final(&m->state.sha256, out);
    } else {
        crypto_auth_hmacsha512_final(&m->state.sha512, out);
    }
    sodium_memzero(m, sizeof(*m));
}

static void hmac_text(struct pdm_hmac *m, const char *text)
{
    pdm_hmac_add(m, (const uint8_t *)text, strlen(text));
}

/* "HPKE-v1" || suite_id || label: the start of labeled_ikm and the middle of labeled_info. */
static void hmac_label(struct pdm_hmac *m, const struct use *use, const char *label)
{
    hmac_text(m, version_label);
    pdm_hmac_add(m, use->suite_id, use->suite_id_len);
    hmac_text(m, label);
}

/* RFC 9180 section 5.1. */
static struct use use_of_suite(const struct pdm_suite *suite)
{
    struct use use = {.kdf = suite->kdf, .suite_id_len = SUITE_ID_MAX};
    struct pdm_writer w = pdm_writer(use.suite_id, sizeof(use.suite_id));
    pdm_write_bytes(&w, (const uint8_t *)"HPKE", 4);
    pdm_write_u16(&w, suite->kem);
    pdm_write_u16(&w, suite->kdf);
    pdm_write_u16(&w, suite->aead);
    return use;
}

/* RFC 9180 section 4.1; the KDF of both our KEMs is HKDF-SHA256. */
static struct use use_of_kem(uint16_t kem)
{
    struct use use = {.kdf = PDM_KDF_SHA256, .suite_id_len = KEM_SUITE_ID_LEN};
    struct pdm_writer w = pdm_writer(use.suite_id, sizeof(use.suite_id));
    pdm_write_bytes(&w, (const uint8_t *)"KEM", 3);
    pdm_write_u16(&w, kem);
    return use;
}

/* PRK gets Nh octets. */
static void extract(const struct use *use, const uint8_t *salt, size_t salt_len, const char *label,
                    const uint8_t *ikm, size_t ikm_len, uint8_t prk[static PDM_NH_MAX])
{
    struct pdm_hmac m;
    hmac_init(&m, use->kdf, salt, salt_len);
    hmac_label(&m, use, label);
    pdm_hmac_add(&m, ikm, ikm_len);
    pdm_hmac_final(&m, prk);
}

static bool expand(const struct use *use, size_t nh, const uint8_t *prk, const char *label,
                   const uint8_t *info, size_t info_len, uint8_t *out, size_t len)
{
    if (len > BLOCKS_MAX * nh) {
        return false;
    }
    const uint8_t length[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    uint8_t block[PDM_NH_MAX];
    uint8_t number = 0;
    for (size_t done = 0; done < len; done += nh) {
        struct pdm_hmac m;
        hmac_init(&m, use->kdf, prk, nh);
        pdm_hmac_add(&m, block, number > 0 ? nh : 0);
        pdm_hmac_add(&m, length, sizeof(length));
        hmac_label(&m, use, label);
        pdm_hmac_add(&m, info, info_len);
        number++;
        pdm_hmac_add(&m, &number, sizeof(number));
        pdm_hmac_final(&m, block);
        memcpy(out + done, block, len - done < nh ? len - done : nh);
    }
    sodium_memzero(block, sizeof(block));
    return true;
}

bool pdm_labeled_extract(const struct pdm_suite *suite, const uint8_t *salt, size_t salt_len,
                         const char *label, const uint8_t *ikm, size_t ikm_len,
                         uint8_t prk[static PDM_NH_MAX])
{
    if (pdm_suite_nh(suite) == 0) {
        return false;
    }
    const struct use use = use_of_suite(suite);
    extract(&use, salt, salt_len, label, ikm, ikm_len, prk);
    return true;
}

bool pdm_labeled_expand(const struct pdm_suite *suite, const uint8_t *prk, const char *label,
                        const uint8_t *info, size_t info_len, uint8_t *out, size_t len)
{
    const struct use use = use_of_suite(suite);
    size_t nh = pdm_suite_nh(suite);
    return nh != 0 && expand(&use, nh, prk, label, info, info_len, out, len);
}

void pdm_kem_extract(uint16_t kem, const char *label, const uint8_t *ikm, size_t ikm_len,
                     uint8_t prk[static PDM_NH_MAX])
{
    const struct use use = use_of_kem(kem);
    extract(&use, NULL, 0, label, ikm, ikm_len, prk);
}

void pdm_kem_expand(uint16_t kem, const uint8_t *prk, const char *label, const uint8_t *info,
                    size_t info_len, uint8_t out[static PDM_KEM_SECRET_LEN])
{
    const struct use use = use_of_kem(kem);
    expand(&use, PDM_KEM_SECRET_LEN, prk, label, info, info_len, out, PDM_KEM_SECRET_LEN);
}
