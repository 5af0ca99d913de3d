/* SPDX-License-Identifier: BSD-2-Clause */
/* KEMs and key schedule against RFC 9180 appendix A, and what they refuse. */
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <sodium.h>
#include <string.h>

#include "core/hpke.h"
#include "core/kem.h"
#include "core/kem_p256.h"
#include "tests/unit/vector_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint16_t kems[] = {PDM_KEM_P256, PDM_KEM_X25519};

struct pair {
    uint8_t sk[PDM_KEM_SK_LEN];
    uint8_t pk[PDM_KEM_PK_MAX];
};

static struct pair pair_of(uint16_t kem, uint8_t seed)
{
    const uint8_t ikm[PDM_KEM_IKM_LEN] = {seed};
    struct pair pair = {0};
    cr_assert(pdm_kem_generate(kem, ikm, pair.sk, pair.pk));
    return pair;
}

/* One setup of the RFC's, and what belongs to it. */

struct setup {
    struct pdm_suite suite;
    struct pdm_hpke_input input;
    uint8_t info[64];
    uint8_t psk[64];
    uint8_t psk_id[64];
    uint8_t ikm_e[PDM_KEM_IKM_LEN];
    struct pair r;
    struct pair s;
    struct pdm_hpke context;
};

static bool authenticates(const struct setup *s)
{
    return s->input.mode == PDM_HPKE_AUTH || s->input.mode == PDM_HPKE_AUTH_PSK;
}

static void derive_pair(const struct vector *v, uint16_t kem, const char *ikm_key,
                        const char *sk_key, const char *pk_key, struct pair *pair)
{
    uint8_t ikm[PDM_KEM_IKM_LEN];
    cr_assert_eq(vector_bytes(v, ikm_key, ikm, sizeof(ikm)), sizeof(ikm));
    cr_assert(pdm_kem_generate(kem, ikm, pair->sk, pair->pk));
    vector_check(v, sk_key, pair->sk, PDM_KEM_SK_LEN);
    vector_check(v, pk_key, pair->pk, pdm_kem_npk(kem));
}

static void read_setup(const struct vector *v, struct setup *s)
{
    struct pair e;
    memset(s, 0, sizeof(*s));
    s->suite.kem = (uint16_t)vector_number(v, "kem_id");
    s->suite.kdf = (uint16_t)vector_number(v, "kdf_id");
    s->suite.aead = (uint16_t)vector_number(v, "aead_id");
    s->input.mode = (enum pdm_hpke_mode)vector_number(v, "mode");
    s->input.info = s->info;
    s->input.info_len = vector_bytes(v, "info", s->info, sizeof(s->info));
    if (vector_find(v, "psk") != NULL) {
        s->input.psk = s->psk;
        s->input.psk_len = vector_bytes(v, "psk", s->psk, sizeof(s->psk));
        s->input.psk_id = s->psk_id;
        s->input.psk_id_len = vector_bytes(v, "psk_id", s->psk_id, sizeof(s->psk_id));
    }
    vector_bytes(v, "ikmE", s->ikm_e, sizeof(s->ikm_e));
    derive_pair(v, s->suite.kem, "ikmE", "skEm", "pkEm", &e);
    derive_pair(v, s->suite.kem, "ikmR", "skRm", "pkRm", &s->r);
    if (authenticates(s))
        derive_pair(v, s->suite.kem, "ikmS", "skSm", "pkSm", &s->s);
}

static void check_kem(const struct vector *v, const struct setup *s)
{
    const uint16_t kem = s->suite.kem;
    const size_t npk = pdm_kem_npk(kem);
    uint8_t enc[PDM_KEM_PK_MAX];
    uint8_t sent[PDM_KEM_SECRET_LEN];
    uint8_t received[PDM_KEM_SECRET_LEN];
    if (authenticates(s)) {
        cr_assert(pdm_kem_auth_encap(kem, s->r.pk, npk, s->s.sk, s->s.pk, s->ikm_e, sent, enc));
        cr_assert(pdm_kem_auth_decap(kem, enc, npk, s->r.sk, s->r.pk, s->s.pk, npk, received));
    } else {
        cr_assert(pdm_kem_encap(kem, s->r.pk, npk, s->ikm_e, sent, enc));
        cr_assert(pdm_kem_decap(kem, enc, npk, s->r.sk, s->r.pk, received));
    }
    vector_check(v, "enc", enc, npk);
    vector_check(v, "shared_secret", sent, sizeof(sent));
    vector_check(v, "shared_secret", received, sizeof(received));
}

static void check_context(const struct vector *v, const struct pdm_hpke *context)
{
    const size_t nk = strlen(vector_text(v, "key")) / 2;
    const size_t nn = strlen(vector_text(v, "base_nonce")) / 2;
    vector_check(v, "key", context->key, nk);
    vector_check(v, "base_nonce", context->base_nonce, nn);
    vector_check(v, "exporter_secret", context->exporter_secret, pdm_suite_nh(&context->suite));
    cr_assert(sodium_is_zero(context->key + nk, sizeof(context->key) - nk));
    cr_assert(sodium_is_zero(context->base_nonce + nn, sizeof(context->base_nonce) - nn));
}

static void check_setup(const struct vector *v, struct setup *s)
{
    const size_t npk = pdm_kem_npk(s->suite.kem);
    uint8_t enc[PDM_KEM_PK_MAX];
    cr_assert(pdm_hpke_setup_sender(&s->suite, &s->input, s->r.pk, npk, s->s.sk, s->s.pk, s->ikm_e,
                                    enc, &s->context));
    vector_check(v, "enc", enc, npk);
    check_context(v, &s->context);
    cr_assert(pdm_hpke_setup_receiver(&s->suite, &s->input, enc, npk, s->r.sk, s->r.pk, s->s.pk,
                                      npk, &s->context));
    check_context(v, &s->context);
}

static void check_encryption(const struct vector *v, const struct setup *s)
{
    uint8_t nonce[PDM_NONCE_LEN];
    uint8_t cipher[64];
    uint8_t aad[16];
    uint8_t plain[64];
    unsigned long long plain_len;
    uint64_t sequence = vector_number(v, "sequence_number");
    memcpy(nonce, s->context.base_nonce, sizeof(nonce));
    nonce[PDM_NONCE_LEN - 2] ^= (uint8_t)(sequence >> 8);
    nonce[PDM_NONCE_LEN - 1] ^= (uint8_t)sequence;
    vector_check(v, "nonce", nonce, sizeof(nonce));
    if (s->suite.aead != PDM_AEAD_CHACHA20POLY1305)
        return;
    size_t cipher_len = vector_bytes(v, "ct", cipher, sizeof(cipher));
    size_t aad_len = vector_bytes(v, "aad", aad, sizeof(aad));
    cr_assert_eq(crypto_aead_chacha20poly1305_ietf_decrypt(plain, &plain_len, NULL, cipher,
                                                           cipher_len, aad, aad_len, nonce,
                                                           s->context.key),
                 0);
    vector_check(v, "pt", plain, (size_t)plain_len);
}

static void check_export(const struct vector *v, const struct setup *s)
{
    uint8_t context[32];
    uint8_t value[64];
    size_t context_len = vector_bytes(v, "exporter_context", context, sizeof(context));
    size_t len = (size_t)vector_number(v, "L");
    cr_assert_leq(len, sizeof(value));
    cr_assert(pdm_hpke_export(&s->context, context, context_len, value, len));
    vector_check(v, "exported_value", value, len);
}

Test(hpke, rfc9180)
{
    cr_assert(sodium_init() >= 0);
    static struct vector v;
    static struct setup setup;
    unsigned setups = 0, encryptions = 0, exports = 0;
    FILE *file = vector_open("tests/vectors/hpke-rfc9180.txt");
    while (vector_next(file, &v)) {
        if (strcmp(v.kind, "setup") == 0) {
            read_setup(&v, &setup);
            check_kem(&v, &setup);
            check_setup(&v, &setup);
            setups++;
        } else if (strcmp(v.kind, "encryption") == 0) {
            check_encryption(&v, &setup);
            encryptions++;
        } else {
            check_export(&v, &setup);
            exports++;
        }
    }
    fclose(file);
    /* Six suites in four modes; one of them is for exports alone. */
    cr_assert_eq(setups, 6 * 4);
    cr_assert_eq(encryptions, 5 * 4 * 6);
    cr_assert_eq(exports, 6 * 4 * 3);
}

/* The suites that negotiations choose from, which are not all in the RFC's appendix. */
Test(hpke, both_sides_agree)
{
    cr_assert(sodium_init() >= 0);
    static const uint8_t text[PDM_PSK_LEN] = "any info and any pre-shared key";
    static const uint16_t kdfs[] = {PDM_KDF_SHA256, PDM_KDF_SHA512};
    for (size_t i = 0; i < 2 * 2 * 4; i++) {
        const struct pdm_suite suite = {kems[i % 2], kdfs[i / 2 % 2], PDM_AEAD_AES256GCM};
        const struct pair r = pair_of(suite.kem, 1), s = pair_of(suite.kem, 2);
        const size_t npk = pdm_kem_npk(suite.kem);
        const uint8_t ikm[PDM_KEM_IKM_LEN] = {3};
        struct pdm_hpke_input input = {
            .mode = (enum pdm_hpke_mode)(i / 4), .info = text, .info_len = 8};
        if (input.mode == PDM_HPKE_PSK || input.mode == PDM_HPKE_AUTH_PSK) {
            input.psk = input.psk_id = text;
            input.psk_len = input.psk_id_len = sizeof(text);
        }
        uint8_t enc[PDM_KEM_PK_MAX];
        struct pdm_hpke sent, received;
        cr_assert(pdm_hpke_setup_sender(&suite, &input, r.pk, npk, s.sk, s.pk, ikm, enc, &sent));
        cr_assert(
            pdm_hpke_setup_receiver(&suite, &input, enc, npk, r.sk, r.pk, s.pk, npk, &received));
        cr_assert_arr_eq(&sent, &received, sizeof(sent));
        cr_assert(!sodium_is_zero(sent.key, sizeof(sent.key)));
        input.info_len = 7;
        cr_assert(
            pdm_hpke_setup_receiver(&suite, &input, enc, npk, r.sk, r.pk, s.pk, npk, &received));
        cr_assert(memcmp(sent.key, received.key, sizeof(sent.key)) != 0);
    }
}

/* Who is not the sender that the receiver expects makes another secret. */
Test(kem, another_sender)
{
    cr_assert(sodium_init() >= 0);
    for (size_t i = 0; i < COUNT(kems); i++) {
        const struct pair r = pair_of(kems[i], 1), s = pair_of(kems[i], 2), t = pair_of(kems[i], 3);
        const size_t npk = pdm_kem_npk(kems[i]);
        const uint8_t ikm[PDM_KEM_IKM_LEN] = {4};
        uint8_t sent[PDM_KEM_SECRET_LEN], received[PDM_KEM_SECRET_LEN], enc[PDM_KEM_PK_MAX];
        cr_assert(pdm_kem_auth_encap(kems[i], r.pk, npk, t.sk, s.pk, ikm, sent, enc));
        cr_assert(pdm_kem_auth_decap(kems[i], enc, npk, r.sk, r.pk, s.pk, npk, received));
        cr_assert(memcmp(sent, received, sizeof(sent)) != 0);
        cr_assert(pdm_kem_decap(kems[i], enc, npk, r.sk, r.pk, received));
        cr_assert(memcmp(sent, received, sizeof(sent)) != 0);
    }
}

/* RFC 9180 section 5.1, VerifyPSKInputs. */
Test(hpke, psk_inputs)
{
    cr_assert(sodium_init() >= 0);
    static const struct {
        enum pdm_hpke_mode mode;
        size_t psk_len;
        size_t psk_id_len;
        bool good;
    } rows[] = {
        {PDM_HPKE_BASE, 0, 0, true},           {PDM_HPKE_BASE, 32, 4, false},
        {PDM_HPKE_BASE, 32, 0, false},         {PDM_HPKE_BASE, 0, 4, false},
        {PDM_HPKE_PSK, 32, 4, true},           {PDM_HPKE_PSK, 33, 1, true},
        {PDM_HPKE_PSK, 0, 0, false},           {PDM_HPKE_PSK, 32, 0, false},
        {PDM_HPKE_PSK, 0, 4, false},           {PDM_HPKE_PSK, 31, 4, false},
        {PDM_HPKE_AUTH, 0, 0, true},           {PDM_HPKE_AUTH, 32, 4, false},
        {PDM_HPKE_AUTH_PSK, 32, 4, true},      {PDM_HPKE_AUTH_PSK, 0, 0, false},
        {PDM_HPKE_AUTH_PSK, 0, 4, false},      {PDM_HPKE_MODES, 0, 0, false},
        {(enum pdm_hpke_mode)77, 0, 0, false},
    };
    static const uint8_t text[64] = {1};
    const struct pdm_suite suite = {PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_AES256GCM};
    const struct pair r = pair_of(suite.kem, 1), s = pair_of(suite.kem, 2);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct pdm_hpke_input input = {
            rows[i].mode, NULL, 0, text, rows[i].psk_len, text, rows[i].psk_id_len};
        uint8_t enc[PDM_KEM_PK_MAX];
        struct pdm_hpke context;
        cr_assert_eq(
            pdm_hpke_setup_sender(&suite, &input, r.pk, 32, s.sk, s.pk, text, enc, &context),
            rows[i].good, "row %zu", i);
        cr_assert_eq(
            pdm_hpke_setup_receiver(&suite, &input, s.pk, 32, r.sk, r.pk, s.pk, 32, &context),
            rows[i].good, "row %zu", i);
        cr_assert(rows[i].good || sodium_is_zero((const uint8_t *)&context, sizeof(context)));
    }
}

Test(hpke, unknown)
{
    cr_assert(sodium_init() >= 0);
    static const struct pdm_suite suites[] = {
        {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_AES256GCM},
        {0x0021, PDM_KDF_SHA256, PDM_AEAD_AES256GCM},
        {PDM_KEM_X25519, 2, PDM_AEAD_AES256GCM},
        {PDM_KEM_X25519, PDM_KDF_SHA256, 0},
        {PDM_KEM_X25519, PDM_KDF_SHA256, 4},
    };
    static const struct pdm_hpke_input input = {.mode = PDM_HPKE_BASE};
    const uint8_t ikm[PDM_KEM_IKM_LEN] = {1};
    const struct pair r = pair_of(PDM_KEM_X25519, 1);
    struct pair made;
    for (size_t i = 0; i < COUNT(suites); i++) {
        uint8_t enc[PDM_KEM_PK_MAX];
        struct pdm_hpke context;
        cr_assert(
            !pdm_hpke_setup_sender(&suites[i], &input, r.pk, 32, NULL, NULL, ikm, enc, &context));
        cr_assert(
            !pdm_hpke_setup_receiver(&suites[i], &input, r.pk, 32, r.sk, r.pk, NULL, 0, &context));
    }
    cr_assert_eq(pdm_kem_npk(PDM_KEM_NONE), 0);
    cr_assert_eq(pdm_kem_npk(0x0021), 0);
    cr_assert(!pdm_kem_generate(PDM_KEM_NONE, ikm, made.sk, made.pk));
}

Test(hpke, export_length)
{
    cr_assert(sodium_init() >= 0);
    static uint8_t out[255 * 32 + 1];
    const struct pdm_hpke context = {
        .suite = {PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_EXPORT_ONLY}};
    cr_assert(pdm_hpke_export(&context, NULL, 0, out, sizeof(out) - 1));
    cr_assert(!pdm_hpke_export(&context, NULL, 0, out, sizeof(out)));
}

/* What may come from anyone is refused wherever it may come in, and accepted there. */
static void check_public(uint16_t kem, const uint8_t *pk, size_t len, bool good, const char *what)
{
    const struct pair own = pair_of(kem, 1);
    const size_t npk = pdm_kem_npk(kem);
    const uint8_t ikm[PDM_KEM_IKM_LEN] = {5};
    uint8_t shared[PDM_KEM_SECRET_LEN], enc[PDM_KEM_PK_MAX];
    cr_assert_eq(pdm_kem_encap(kem, pk, len, ikm, shared, enc), good, "%s", what);
    cr_assert_eq(pdm_kem_auth_encap(kem, pk, len, own.sk, own.pk, ikm, shared, enc), good, "%s",
                 what);
    cr_assert_eq(pdm_kem_decap(kem, pk, len, own.sk, own.pk, shared), good, "%s", what);
    cr_assert_eq(pdm_kem_auth_decap(kem, pk, len, own.sk, own.pk, own.pk, npk, shared), good, "%s",
                 what);
    cr_assert_eq(pdm_kem_auth_decap(kem, own.pk, npk, own.sk, own.pk, pk, len, shared), good, "%s",
                 what);
}

static void check_public_hex(uint16_t kem, const char *hex, bool good)
{
    uint8_t pk[2 * PDM_KEM_PK_MAX];
    size_t len;
    cr_assert_eq(sodium_hex2bin(pk, sizeof(pk), hex, strlen(hex), " ", &len, NULL), 0);
    check_public(kem, pk, len, good, hex);
}

#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define MINUS_GY "b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a"
/* A point whose x is small enough to be written with p added to it, too. */
#define X5 "0000000000000000000000000000000000000000000000000000000000000005"
#define X5_Y "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc"
#define X5_P "ffffffff00000001000000000000000000000001000000000000000000000004"
#define X0 "0000000000000000000000000000000000000000000000000000000000000000"
#define X0_Y "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"
#define P "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"

Test(kem, p256_public_keys)
{
    cr_assert(sodium_init() >= 0);
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"04" GX GY, true},
        {"04" GX MINUS_GY, true},
        {"04" X5 X5_Y, true},
        {"04" X0 X0_Y, true},
        {"04" X5_P X5_Y, false}, /* x is not below p */
        {"04" P X0_Y, false},    /* likewise */
        {"04" GX GX, false},     /* off the curve */
        {"04" GY GX, false},     /* likewise */
        {"04" X0 X0, false},     /* likewise */
        {"04" P P, false},       /* likewise, and out of range */
        {"00", false},           /* infinity */
        {"00" X0 X0, false},     /* no form of it */
        {"03" GX, false},        /* compressed */
        {"07" GX GY, false},     /* hybrid, and of the right parity */
        {"06" X5 X5_Y, false},   /* likewise */
        {"06" GX GY, false},     /* hybrid, and of the wrong parity */
        {"02" GX GY, false},     /* no such form */
        {"05" GX GY, false},     /* likewise */
        {"ff" GX GY, false},     /* likewise */
        {"", false},             /* lengths */
        {"04", false},
        {GX GY, false},
        {"04" GX, false},
        {"04" GX GY "00", false},
        {"04" GX "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_public_hex(PDM_KEM_P256, rows[i].hex, rows[i].good);
}

/* RFC 7748 section 6.1: the result is all zero for every point of small order, in all the ways in
 * which it can be written. */
Test(kem, x25519_public_keys)
{
    cr_assert(sodium_init() >= 0);
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"0900000000000000000000000000000000000000000000000000000000000000", true},
        /* The top bit does not count. */
        {"0900000000000000000000000000000000000000000000000000000000000080", true},
        {"0000000000000000000000000000000000000000000000000000000000000000", false},
        {"0000000000000000000000000000000000000000000000000000000000000080", false},
        {"0100000000000000000000000000000000000000000000000000000000000000", false},
        {"0100000000000000000000000000000000000000000000000000000000000080", false},
        {"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", false},
        {"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880", false},
        {"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", false},
        {"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7", false},
        {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
        {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
        {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
        {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
        {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
        {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
        {"", false},
        {"09000000000000000000000000000000000000000000000000000000000000", false},
        {"090000000000000000000000000000000000000000000000000000000000000000", false},
        {"04" GX GY, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_public_hex(PDM_KEM_X25519, rows[i].hex, rows[i].good);
}

/* From 1 to order - 1. */
Test(kem, p256_private_keys)
{
    cr_assert(sodium_init() >= 0);
    static const struct {
        const char *sk;
        const char *pk; /* NULL: refused */
    } rows[] = {
        {X0, NULL},
        {"0000000000000000000000000000000000000000000000000000000000000001", "04" GX GY},
        {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", "04" GX MINUS_GY},
        {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", NULL},
        {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552", NULL},
        {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t sk[PDM_P256_SK_LEN], pk[PDM_P256_PK_LEN], dh[PDM_P256_DH_LEN];
        char hex[2 * PDM_P256_PK_LEN + 1];
        const struct pair other = pair_of(PDM_KEM_P256, 1);
        const bool good = rows[i].pk != NULL;
        cr_assert_eq(sodium_hex2bin(sk, sizeof(sk), rows[i].sk, 2 * sizeof(sk), NULL, NULL, NULL),
                     0);
        cr_assert_eq(pdm_p256_in_range(sk), good, "row %zu", i);
        cr_assert_eq(pdm_p256_public_key(sk, pk), good, "row %zu", i);
        cr_assert_eq(pdm_p256_dh(sk, other.pk, dh), good, "row %zu", i);
        if (good) {
            cr_assert_str_eq(sodium_bin2hex(hex, sizeof(hex), pk, sizeof(pk)), rows[i].pk);
            cr_assert_arr_eq(dh, other.pk + 1, sizeof(dh)); /* x, whatever the sign of y */
        }
    }
}

/* A TLS connection of the same thread finds its errors, and none of ours. */
Test(kem, error_queue)
{
    cr_assert(sodium_init() >= 0);
    ERR_clear_error();
    check_public_hex(PDM_KEM_P256, "04" GX GX, false);
    cr_assert_eq(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 1);
    check_public_hex(PDM_KEM_P256, "04" GX GX, false);
    check_public_hex(PDM_KEM_P256, "04" GX GY, true);
    cr_assert_eq(ERR_GET_LIB(ERR_get_error()), ERR_LIB_USER);
    cr_assert_eq(ERR_peek_error(), 0);
}
