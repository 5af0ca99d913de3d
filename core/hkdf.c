/* SPDX-License-Identifier: BSD-2-Clause */
/* LabeledExtract and LabeledExpand (RFC 9180 section 4) over HMAC-SHA256 and HMAC-SHA512. */
#include "core/hkdf.h"

#include <sodium.h>
#include <string.h>

#include "core/cursor.h"

#define BLOCKS_MAX 255 /* RFC 5869 section 2.3: the block's number is one octet */
#define SUITE_ID_LEN 10

static const char version_label[] = "HPKE-v1";

struct mac {
    uint16_t kdf;
    union {
        crypto_auth_hmacsha256_state sha256;
        crypto_auth_hmacsha512_state sha512;
    } state;
};

/* Nothing may be given as NULL here, but libsodium wants a pointer even to nothing. */
static const uint8_t nothing[1] = {0};

static void mac_init(struct mac *m, uint16_t kdf, const uint8_t *key, size_t key_len)
{
    m->kdf = kdf;
    key = key_len > 0 ? key : nothing;
    if (kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_init(&m->state.sha256, key, key_len);
    } else {
        crypto_auth_hmacsha512_init(&m->state.sha512, key, key_len);
    }
}

static void mac_bytes(struct mac *m, const uint8_t *bytes, size_t len)
{
    bytes = len > 0 ? bytes : nothing;
    if (m->kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_update(&m->state.sha256, bytes, len);
    } else {
        crypto_auth_hmacsha512_update(&m->state.sha512, bytes, len);
    }
}

static void mac_text(struct mac *m, const char *text)
{
    mac_bytes(m, (const uint8_t *)text, strlen(text));
}

/* OUT gets Nh octets. */
static void mac_final(struct mac *m, uint8_t out[static PDM_NH_MAX])
{
    if (m->kdf == PDM_KDF_SHA256) {
        crypto_auth_hmacsha256_final(&m->state.sha256, out);
    } else {
        crypto_auth_hmacsha512_final(&m->state.sha512, out);
    }
    sodium_memzero(m, sizeof(*m));
}

/* "HPKE-v1" || suite_id || label: the start of labeled_ikm and the middle of labeled_info. */
static void mac_label(struct mac *m, const struct pdm_suite *suite, const char *label)
{
    uint8_t suite_id[SUITE_ID_LEN];
    struct pdm_writer w = pdm_writer(suite_id, sizeof(suite_id));
    pdm_write_bytes(&w, (const uint8_t *)"HPKE", 4);
    pdm_write_u16(&w, suite->kem);
    pdm_write_u16(&w, suite->kdf);
    pdm_write_u16(&w, suite->aead);
    mac_text(m, version_label);
    mac_bytes(m, suite_id, sizeof(suite_id));
    mac_text(m, label);
}

bool pdm_labeled_extract(const struct pdm_suite *suite, const uint8_t *salt, size_t salt_len,
                         const char *label, const uint8_t *ikm, size_t ikm_len,
                         uint8_t prk[static PDM_NH_MAX])
{
    if (pdm_suite_nh(suite) == 0) {
        return false;
    }
    struct mac m;
    mac_init(&m, suite->kdf, salt, salt_len);
    mac_label(&m, suite, label);
    mac_bytes(&m, ikm, ikm_len);
    mac_final(&m, prk);
    return true;
}

bool pdm_labeled_expand(const struct pdm_suite *suite, const uint8_t *prk, const char *label,
                        const uint8_t *info, size_t info_len, uint8_t *out, size_t len)
{
    size_t nh = pdm_suite_nh(suite);
    if (nh == 0 || len > BLOCKS_MAX * nh) {
        return false;
    }
    const uint8_t length[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    uint8_t block[PDM_NH_MAX];
    uint8_t number = 0;
    for (size_t done = 0; done < len; done += nh) {
        struct mac m;
        mac_init(&m, suite->kdf, prk, nh);
        mac_bytes(&m, block, number > 0 ? nh : 0);
        mac_bytes(&m, length, sizeof(length));
        mac_label(&m, suite, label);
        mac_bytes(&m, info, info_len);
        number++;
        mac_bytes(&m, &number, sizeof(number));
        mac_final(&m, block);
        memcpy(out + done, block, len - done < nh ? len - done : nh);
    }
    sodium_memzero(block, sizeof(block));
    return true;
}
