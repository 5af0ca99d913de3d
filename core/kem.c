/* SPDX-License-Identifier: BSD-2-Clause */
/* DHKEM of RFC 9180 section 4.1 over two groups. */
#include "core/kem.h"

#include <sodium.h>
#include <string.h>

#include "core/cursor.h"
#include "core/hkdf.h"
#include "core/kem_p256.h"
#include "core/suite.h"

#define CANDIDATES 256 /* RFC 9180 section 7.1.3: the counter is one octet */
#define NDH 32         /* octets of a Diffie-Hellman result of both groups */

_Static_assert(crypto_scalarmult_BYTES == NDH && PDM_P256_DH_LEN == NDH, "Ndh");
_Static_assert(crypto_scalarmult_SCALARBYTES == PDM_KEM_SK_LEN, "Nsk");
_Static_assert(PDM_P256_SK_LEN == PDM_KEM_SK_LEN, "Nsk");
_Static_assert(PDM_P256_PK_LEN <= PDM_KEM_PK_MAX && crypto_scalarmult_BYTES <= PDM_KEM_PK_MAX,
               "Npk");

struct group {
    uint16_t kem;
    size_t npk;
    bool (*derive)(const uint8_t prk[static PDM_NH_MAX], uint8_t sk[static PDM_KEM_SK_LEN]);
    bool (*public_key)(const uint8_t *sk, uint8_t *pk);
    /* Validates PK, and refuses a result that says nothing of SK. */
    bool (*dh)(const uint8_t *sk, const uint8_t *pk, uint8_t *dh);
};

/* Of one Diffie-Hellman: mine and the other's. */
struct exchange {
    const uint8_t *sk;
    const uint8_t *pk;
};

/* The public keys that a shared secret is bound to: enc, pkR and, authenticated, pkS. */
struct context {
    const uint8_t *enc;
    const uint8_t *pk_r;
    const uint8_t *pk_s;
};

static bool x25519_derive(const uint8_t prk[static PDM_NH_MAX], uint8_t sk[static PDM_KEM_SK_LEN])
{
    pdm_kem_expand(PDM_KEM_X25519, prk, "sk", NULL, 0, sk);
    return true;
}

static bool x25519_public_key(const uint8_t *sk, uint8_t *pk)
{
    return crypto_scalarmult_base(pk, sk) == 0;
}

/* libsodium refuses points of small order, and with them every result that is all zero. */
static bool x25519_dh(const uint8_t *sk, const uint8_t *pk, uint8_t *dh)
{
    return crypto_scalarmult(dh, sk, pk) == 0;
}

/* Rejection sampling; a second candidate is needed once in 2^32 times. */
static bool p256_derive(const uint8_t prk[static PDM_NH_MAX], uint8_t sk[static PDM_KEM_SK_LEN])
{
    for (unsigned i = 0; i < CANDIDATES; i++) {
        const uint8_t counter = (uint8_t)i;
        pdm_kem_expand(PDM_KEM_P256, prk, "candidate", &counter, sizeof(counter), sk);
        if (pdm_p256_in_range(sk)) {
            return true;
        }
    }
    return false;
}

static const struct group groups[] = {
    {PDM_KEM_P256, PDM_P256_PK_LEN, p256_derive, pdm_p256_public_key, pdm_p256_dh},
    {PDM_KEM_X25519, crypto_scalarmult_BYTES, x25519_derive, x25519_public_key, x25519_dh},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static const struct group *group_of(uint16_t kem)
{
    for (size_t i = 0; i < GROUPS; i++) {
        if (groups[i].kem == kem) {
            return &groups[i];
        }
    }
    return NULL;
}

static bool generate(const struct group *g, const uint8_t ikm[static PDM_KEM_IKM_LEN],
                     uint8_t sk[static PDM_KEM_SK_LEN], uint8_t *pk)
{
    uint8_t prk[PDM_NH_MAX];
    pdm_kem_extract(g->kem, "dkp_prk", ikm, PDM_KEM_IKM_LEN, prk);
    bool done = g->derive(prk, sk) && g->public_key(sk, pk);
    sodium_memzero(prk, sizeof(prk));
    if (!done) {
        sodium_memzero(sk, PDM_KEM_SK_LEN);
    }
    return done;
}

/* ExtractAndExpand(dh, kem_context) over one exchange, or two where the sender shows itself. */
static bool agree(const struct group *g, const struct exchange *exchange, size_t exchanges,
                  const struct context *c, uint8_t shared[static PDM_KEM_SECRET_LEN])
{
    uint8_t dh[2 * NDH];
    uint8_t prk[PDM_NH_MAX];
    uint8_t context[3 * PDM_KEM_PK_MAX];
    bool done = true;
    for (size_t i = 0; done && i < exchanges; i++) {
        done = g->dh(exchange[i].sk, exchange[i].pk, dh + i * NDH);
    }
    if (!done) {
        goto out;
    }
    struct pdm_writer w = pdm_writer(context, sizeof(context));
    pdm_write_bytes(&w, c->enc, g->npk);
    pdm_write_bytes(&w, c->pk_r, g->npk);
    pdm_write_bytes(&w, c->pk_s, c->pk_s != NULL ? g->npk : 0);
    pdm_kem_extract(g->kem, "eae_prk", dh, exchanges * NDH, prk);
    pdm_kem_expand(g->kem, prk, "shared_secret", context, sizeof(context) - w.left, shared);
    sodium_memzero(prk, sizeof(prk));
out:
    sodium_memzero(dh, sizeof(dh));
    return done;
}

/* SK_S is NULL, and PK_S with it, where the sender does not show itself. */
static bool encap(uint16_t kem, const uint8_t *pk_r, size_t pk_r_len, const uint8_t *sk_s,
                  const uint8_t *pk_s, const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                  uint8_t shared[static PDM_KEM_SECRET_LEN], uint8_t enc[static PDM_KEM_PK_MAX])
{
    const struct group *g = group_of(kem);
    if (g == NULL || pk_r_len != g->npk) {
        return false;
    }
    uint8_t sk_e[PDM_KEM_SK_LEN];
    const struct exchange exchange[2] = {{sk_e, pk_r}, {sk_s, pk_r}};
    const struct context context = {.enc = enc, .pk_r = pk_r, .pk_s = pk_s};
    bool done =
        generate(g, ikm_e, sk_e, enc) && agree(g, exchange, sk_s != NULL ? 2 : 1, &context, shared);
    sodium_memzero(sk_e, sizeof(sk_e));
    return done;
}

size_t pdm_kem_npk(uint16_t kem)
{
    const struct group *g = group_of(kem);
    return g != NULL ? g->npk : 0;
}

bool pdm_kem_generate(uint16_t kem, const uint8_t ikm[static PDM_KEM_IKM_LEN],
                      uint8_t sk[static PDM_KEM_SK_LEN], uint8_t pk[static PDM_KEM_PK_MAX])
{
    const struct group *g = group_of(kem);
    return g != NULL && generate(g, ikm, sk, pk);
}

bool pdm_kem_encap(uint16_t kem, const uint8_t *pk_r, size_t pk_r_len,
                   const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                   uint8_t shared[static PDM_KEM_SECRET_LEN], uint8_t enc[static PDM_KEM_PK_MAX])
{
    return encap(kem, pk_r, pk_r_len, NULL, NULL, ikm_e, shared, enc);
}

bool pdm_kem_decap(uint16_t kem, const uint8_t *enc, size_t enc_len,
                   const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                   uint8_t shared[static PDM_KEM_SECRET_LEN])
{
    const struct group *g = group_of(kem);
    const struct exchange exchange = {sk_r, enc};
    const struct context context = {.enc = enc, .pk_r = pk_r};
    return g != NULL && enc_len == g->npk && agree(g, &exchange, 1, &context, shared);
}

bool pdm_kem_auth_encap(uint16_t kem, const uint8_t *pk_r, size_t pk_r_len,
                        const uint8_t sk_s[static PDM_KEM_SK_LEN], const uint8_t *pk_s,
                        const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                        uint8_t shared[static PDM_KEM_SECRET_LEN],
                        uint8_t enc[static PDM_KEM_PK_MAX])
{
    return encap(kem, pk_r, pk_r_len, sk_s, pk_s, ikm_e, shared, enc);
}

bool pdm_kem_auth_decap(uint16_t kem, const uint8_t *enc, size_t enc_len,
                        const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                        const uint8_t *pk_s, size_t pk_s_len,
                        uint8_t shared[static PDM_KEM_SECRET_LEN])
{
    const struct group *g = group_of(kem);
    const struct exchange exchange[2] = {{sk_r, enc}, {sk_r, pk_s}};
    const struct context context = {.enc = enc, .pk_r = pk_r, .pk_s = pk_s};
    return g != NULL && enc_len == g->npk && pk_s_len == g->npk &&
           agree(g, exchange, 2, &context, shared);
}
