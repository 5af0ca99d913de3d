/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets at rest. */
#include "keyagent/primary/vault.h"

#include <sodium.h>
#include <unistd.h>

#include "core/cursor.h"
#include "keyagent/harden.h"
#include "keyagent/keyfile.h"

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES
#define PLACE_LEN (VAULT_STORE_LEN + sizeof(uint32_t) + sizeof(uint64_t))

_Static_assert(VAULT_OVERHEAD == NONCE_LEN + TAG_LEN, "a nonce and a tag");
_Static_assert(PDM_PSK_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a key file's octets");

struct vault {
    uint8_t key[PDM_PSK_LEN];
};

struct vault *vault_open(const char *key)
{
    int fd = keyfile_open(key);
    struct vault *vault = fd >= 0 ? harden_alloc(1, sizeof *vault) : NULL;

    if (vault != NULL && !keyfile_read(fd, key, vault->key)) {
        vault_close(vault);
        vault = NULL;
    }
    if (fd >= 0)
        close(fd);
    return vault;
}

void vault_close(struct vault *vault)
{
    sodium_free(vault);
}

static void put_place(const struct vault_place *place, uint8_t octets[static PLACE_LEN])
{
    struct pdm_writer w = pdm_writer(octets, PLACE_LEN);

    pdm_write_bytes(&w, place->store, sizeof place->store);
    pdm_write_u32(&w, place->pair);
    pdm_write_u64(&w, place->epoch);
}

void vault_seal(const struct vault *vault, const struct vault_place *place, const uint8_t *plain,
                size_t len, uint8_t *sealed)
{
    uint8_t bound[PLACE_LEN];

    put_place(place, bound);
    /* So long that random ones never meet. */
    randombytes_buf(sealed, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_LEN, NULL, plain, len, bound,
                                               sizeof bound, NULL, sealed, vault->key);
}

bool vault_unseal(const struct vault *vault, const struct vault_place *place, const uint8_t *sealed,
                  size_t len, uint8_t *plain)
{
    uint8_t bound[PLACE_LEN];

    put_place(place, bound);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed + NONCE_LEN,
                                                   len + TAG_LEN, bound, sizeof bound, sealed,
                                                   vault->key) == 0)
        return true;
    sodium_memzero(plain, len);
    return false;
}
