/* SPDX-License-Identifier: BSD-2-Clause */
/* Cipher suites by their RFC 9180 section 7 identifiers. */
#include "core/suite.h"

#include <sodium.h>
#include <string.h>

#include "core/limits.h"

struct named {
    uint16_t id;
    const char *name;
};

static const struct named kems[] = {{PDM_KEM_X25519, "x25519"}, {PDM_KEM_P256, "p256"}};
static const struct named kdfs[] = {{PDM_KDF_SHA256, "sha256"}, {PDM_KDF_SHA512, "sha512"}};
static const struct named aeads[] = {
    {PDM_AEAD_AES256GCM, "aes-256-gcm"},
    {PDM_AEAD_CHACHA20POLY1305, "chacha20-poly1305"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One pair of buffer sizes serves both AEADs. */
_Static_assert(crypto_aead_aes256gcm_KEYBYTES == PDM_KEY_LEN, "Nk");
_Static_assert(crypto_aead_aes256gcm_NPUBBYTES == PDM_NONCE_LEN, "Nn");
_Static_assert(crypto_aead_aes256gcm_ABYTES == PDM_TAG_LEN, "Nt");
_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == PDM_KEY_LEN, "Nk");
_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == PDM_NONCE_LEN, "Nn");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == PDM_TAG_LEN, "Nt");

size_t pdm_suite_nh(const struct pdm_suite *s)
{
    switch (s->kdf) {
    case PDM_KDF_SHA256:
        return crypto_auth_hmacsha256_BYTES;
    case PDM_KDF_SHA512:
        return crypto_auth_hmacsha512_BYTES;
    default:
        return 0;
    }
}

static bool kem_known(uint16_t kem)
{
    return kem == PDM_KEM_NONE || kem == PDM_KEM_P256 || kem == PDM_KEM_X25519;
}

static bool aead_usable(uint16_t aead)
{
    switch (aead) {
    case PDM_AEAD_AES256GCM:
        return crypto_aead_aes256gcm_is_available() == 1;
    case PDM_AEAD_CHACHA20POLY1305:
        return true;
    default:
        return false;
    }
}

bool pdm_suite_usable(const struct pdm_suite *s)
{
    return kem_known(s->kem) && pdm_suite_nh(s) != 0 && aead_usable(s->aead);
}

static const char *name_of(const struct named *all, size_t count, uint16_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].id == id) {
            return all[i].name;
        }
    }
    return NULL;
}

static uint16_t id_of(const struct named *all, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return all[i].id;
        }
    }
    return 0;
}

const char *pdm_kem_name(uint16_t kem)
{
    return name_of(kems, COUNT(kems), kem);
}

const char *pdm_kdf_name(uint16_t kdf)
{
    return name_of(kdfs, COUNT(kdfs), kdf);
}

const char *pdm_aead_name(uint16_t aead)
{
    return name_of(aeads, COUNT(aeads), aead);
}

uint16_t pdm_kem_by_name(const char *name)
{
    return id_of(kems, COUNT(kems), name);
}

uint16_t pdm_kdf_by_name(const char *name)
{
    return id_of(kdfs, COUNT(kdfs), name);
}

uint16_t pdm_aead_by_name(const char *name)
{
    return id_of(aeads, COUNT(aeads), name);
}
