/* SPDX-License-Identifier: BSD-2-Clause */
/* Boneh-Franklin: the examples in both directions, and what must be refused. */
#include <criterion/criterion.h>

#include "tests/unit/ibc_vectors.h"

#define M_LEN 32
#define CIPHERTEXT_MAX (PDM_IBC_OVERHEAD + PDM_IBC_MESSAGE_MAX)

static struct pdm_ibc_parameters parameters;

/* A whole example. */
struct example {
    size_t id_len;
    size_t len; /* of the ciphertext */
    uint8_t id[64];
    uint8_t s[PDM_IBC_SECRET_LEN];
    uint8_t p_pub[PDM_IBC_POINT_LEN];
    uint8_t s_id[PDM_IBC_POINT_LEN];
    uint8_t m[M_LEN];
    uint8_t rho[PDM_IBC_HASH_LEN];
    uint8_t ciphertext[CIPHERTEXT_MAX];
};

static struct example example;

static void start(const struct ibc_section *s)
{
    struct example *e = &example;
    ibc_load(s, &parameters);
    cr_assert_eq(parameters.point_len, 2 * s->p_len);
    cr_assert_eq(parameters.q_len, s->q_len);
    e->id_len = ibc_value(s, "id", e->id, sizeof e->id);
    ibc_value(s, "s", e->s, s->q_len);
    ibc_coordinates(s, "P_pub", e->p_pub);
    ibc_coordinates(s, "S_id", e->s_id);
    cr_assert_eq(ibc_value(s, "m", e->m, sizeof e->m), M_LEN);
    cr_assert_eq(ibc_value(s, "rho", e->rho, sizeof e->rho), s->hash->len);
    ibc_coordinates(s, "U", e->ciphertext);
    uint8_t *v = e->ciphertext + parameters.point_len;
    ibc_value(s, "V", v, s->hash->len);
    ibc_value(s, "W", v + s->hash->len, M_LEN);
    e->len = parameters.point_len + s->hash->len + M_LEN;
}

static bool decrypts(const uint8_t *ciphertext, uint8_t m[static M_LEN])
{
    return pdm_ibc_decrypt(&parameters, example.s_id, ciphertext, example.len, m, M_LEN);
}

/* Refused, and nothing of a plaintext is given. */
static void check_refused(const uint8_t *ciphertext, const char *what, size_t which)
{
    uint8_t m[M_LEN];
    memset(m, 0xee, sizeof m);
    cr_assert(!decrypts(ciphertext, m), "%s %zu", what, which);
    cr_assert(sodium_is_zero(m, sizeof m), "%s %zu", what, which);
}

static void check_example(const struct ibc_section *s)
{
    const struct example *e = &example;
    uint8_t out[CIPHERTEXT_MAX], m[M_LEN];
    start(s);
    cr_assert(pdm_ibc_public(&parameters, e->s, out));
    cr_assert_arr_eq(out, e->p_pub, parameters.point_len);
    cr_assert(pdm_ibc_extract(&parameters, e->s, e->id, e->id_len, out));
    cr_assert_arr_eq(out, e->s_id, parameters.point_len);
    cr_assert(pdm_ibc_point_usable(&parameters, e->p_pub));
    cr_assert(pdm_ibc_point_usable(&parameters, e->s_id));
    cr_assert(pdm_ibc_encrypt(&parameters, e->p_pub, e->id, e->id_len, e->rho, e->m, M_LEN, out));
    cr_assert_arr_eq(out, e->ciphertext, e->len);
    cr_assert(decrypts(e->ciphertext, m));
    cr_assert_arr_eq(m, e->m, M_LEN);
}

Test(ibc, example_1024)
{
    check_example(&ibc_1024);
}

Test(ibc, example_3072)
{
    check_example(&ibc_3072);
    cr_assert_eq(parameters.point_len, PDM_IBC_POINT_LEN);
    cr_assert_eq(parameters.q_len, PDM_IBC_SECRET_LEN);
    cr_assert_eq(example.len, PDM_IBC_OVERHEAD + M_LEN);
}

Test(ibc, built_in_parameters)
{
    uint8_t m[M_LEN];
    start(&ibc_3072);
    cr_assert(pdm_ibc_parameters_init(&parameters, &pdm_ibc_3072));
    cr_assert(decrypts(example.ciphertext, m));
    cr_assert_arr_eq(m, example.m, M_LEN);
}

/* RFC 5091 sections 7.4 and 7.5: P_pub and S_id of a third set of parameters. */
Test(ibc, rfc5091_7_5)
{
    static const struct ibc_section section = {IBC_RFC, "section", "7.5", NULL, 24, 18, NULL};
    uint8_t s[18], id[8], point[48], expected[48];
    ibc_load(&ibc_7_4, &parameters);
    const size_t id_len = ibc_value(&ibc_7_4, "id", id, sizeof id);
    ibc_value(&section, "s", s, sizeof s);
    cr_assert(pdm_ibc_extract(&parameters, s, id, id_len, point));
    ibc_coordinates(&section, "S_id", expected);
    cr_assert_arr_eq(point, expected, sizeof expected);
    cr_assert(pdm_ibc_public(&parameters, s, point));
    ibc_coordinates(&ibc_7_4, "P_pub", expected);
    cr_assert_arr_eq(point, expected, sizeof expected);
}

/* What one call does, two do, as often as one likes; of every length. */
Test(ibc, one_recipient_many_messages)
{
    static const size_t lengths[] = {1, 19, 20, 21, 40, 41, PDM_IBC_MESSAGE_MAX};
    const struct example *e = &example;
    struct pdm_ibc_recipient recipient;
    uint8_t text[PDM_IBC_MESSAGE_MAX + 1], m[PDM_IBC_MESSAGE_MAX];
    uint8_t once[CIPHERTEXT_MAX + 1], again[CIPHERTEXT_MAX + 1];
    start(&ibc_1024);
    cr_assert(pdm_ibc_recipient_init(&parameters, e->p_pub, e->id, e->id_len, &recipient));
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const size_t len = parameters.point_len + parameters.hash->len + lengths[i];
        memset(text, (int)i, sizeof text);
        once[len] = 0xee;
        cr_assert(pdm_ibc_encrypt_to(&parameters, &recipient, e->rho, text, lengths[i], once));
        cr_assert_eq(once[len], 0xee);
        cr_assert(pdm_ibc_encrypt(&parameters, e->p_pub, e->id, e->id_len, e->rho, text, lengths[i],
                                  again));
        cr_assert_arr_eq(once, again, len);
        cr_assert(pdm_ibc_decrypt(&parameters, e->s_id, once, len, m, lengths[i]));
        cr_assert_arr_eq(m, text, lengths[i]);
    }
    cr_assert(!pdm_ibc_encrypt_to(&parameters, &recipient, e->rho, text, 0, once));
    cr_assert(!pdm_ibc_encrypt_to(&parameters, &recipient, e->rho, text, sizeof text, once));
}

/* All of V and W, and some of U, which then is off the curve or not below p. */
Test(ibc, flipped_bits)
{
    start(&ibc_1024);
    for (size_t bit = 0; bit < example.len * 8; bit += bit < parameters.point_len * 8 ? 13 : 1) {
        example.ciphertext[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_refused(example.ciphertext, "bit", bit);
        example.ciphertext[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    uint8_t m[M_LEN];
    cr_assert(decrypts(example.ciphertext, m));
    start(&ibc_3072);
    for (size_t bit = 5; bit < example.len * 8; bit += 331) {
        example.ciphertext[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_refused(example.ciphertext, "bit of n = 3072", bit);
        example.ciphertext[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* -U is a point of order q, but another; the others are none, be it as U or as P_pub. */
Test(ibc, another_u)
{
    uint8_t p[64], ciphertext[CIPHERTEXT_MAX], out[CIPHERTEXT_MAX];
    mp_limb_t number[8], modulus[8];
    start(&ibc_1024);
    ibc_value(&ibc_1024, "p", p, sizeof p);
    ibc_number_read(modulus, 8, p, sizeof p);
    memcpy(ciphertext, example.ciphertext, sizeof ciphertext);
    ibc_number_read(number, 8, ciphertext + 64, 64);
    mpn_sub_n(number, modulus, number, 8);
    ibc_number_write(number, ciphertext + 64, 64);
    cr_assert(pdm_ibc_point_usable(&parameters, ciphertext), "-U");
    check_refused(ciphertext, "-U", 0);

    static const char *const odd[] = {"zero", "(-1, 0)", "(0, 1)", "(p, 1)", "all bits"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        memset(ciphertext, i == 4 ? 0xff : 0, 128);
        if (i == 1 || i == 3)
            memcpy(ciphertext, p, 64);
        ciphertext[63] = (uint8_t)(ciphertext[63] - (i == 1));
        ciphertext[127] |= i == 2 || i == 3;
        check_refused(ciphertext, odd[i], i);
        cr_assert(!pdm_ibc_point_usable(&parameters, ciphertext), "%s", odd[i]);
        cr_assert(!pdm_ibc_encrypt(&parameters, ciphertext, example.id, example.id_len, example.rho,
                                   example.m, M_LEN, out),
                  "P_pub %s", odd[i]);
    }
}

/* On the curve, but of order 12rq: Q' before it is multiplied by 12r. */
Test(ibc, a_point_of_another_order)
{
    struct ibc_work w;
    struct ibc_point point;
    uint8_t octets[CIPHERTEXT_MAX];
    start(&ibc_3072);
    const struct ibc_octets id = {example.id, example.id_len};
    ibc_work_init(&w, &parameters.field);
    ibc_hash_to_curve(&w, parameters.hash, &id, parameters.cube_root.limb, &point);
    memcpy(octets, example.ciphertext, sizeof octets);
    ibc_point_write(&w, &point, octets);
    cr_assert(ibc_point_read(&w, &point, octets));
    cr_assert(!pdm_ibc_point_usable(&parameters, octets));
    check_refused(octets, "U", 0);
    struct pdm_ibc_recipient recipient;
    cr_assert(!pdm_ibc_recipient_init(&parameters, octets, example.id, example.id_len, &recipient));
    cr_assert(sodium_is_zero((uint8_t *)&recipient, sizeof recipient));
}

/*
 * (4x, 8y) of a point of order q is of order q too, but on y^2 = x^3 + 64: only the curve's own
 * equation tells it.
 */
Test(ibc, a_point_of_another_curve)
{
    struct ibc_work w;
    struct ibc_point point;
    uint8_t octets[CIPHERTEXT_MAX], m[M_LEN];
    start(&ibc_1024);
    ibc_work_init(&w, &parameters.field);
    cr_assert(ibc_point_read(&w, &point, example.ciphertext));
    for (int i = 0; i < 2; i++)
        ibc_double(&w, &point.x, &point.x);
    for (int i = 0; i < 3; i++)
        ibc_double(&w, &point.y, &point.y);
    cr_assert(ibc_has_order_q(&w, &parameters, &point));
    memcpy(octets, example.ciphertext, sizeof octets);
    ibc_point_write(&w, &point, octets);
    cr_assert(!pdm_ibc_point_usable(&parameters, octets));
    check_refused(octets, "U", 0);
    struct pdm_ibc_recipient recipient;
    cr_assert(!pdm_ibc_recipient_init(&parameters, octets, example.id, example.id_len, &recipient));
    cr_assert(!pdm_ibc_decrypt(&parameters, octets, example.ciphertext, example.len, m, M_LEN));
}

Test(ibc, wrong_lengths)
{
    uint8_t m[PDM_IBC_MESSAGE_MAX + 1], longer[CIPHERTEXT_MAX + 2];
    start(&ibc_1024);
    memset(longer, 0, sizeof longer);
    memcpy(longer, example.ciphertext, example.len);
    for (size_t len = 0; len < sizeof longer; len++)
        cr_assert_eq(pdm_ibc_decrypt(&parameters, example.s_id, longer, len, m, M_LEN),
                     len == example.len, "%zu", len);
    for (size_t len = 0; len < sizeof m; len++)
        cr_assert_eq(pdm_ibc_decrypt(&parameters, example.s_id, longer, example.len, m, len),
                     len == M_LEN, "%zu", len);
}

/* No key, another identity's, another master's; and another P_pub. */
Test(ibc, wrong_keys)
{
    static const uint8_t other_id[] = "2001:db8::2|1";
    uint8_t key[PDM_IBC_POINT_LEN], s[PDM_IBC_SECRET_LEN], m[M_LEN];
    start(&ibc_1024);
    memset(key, 0, sizeof key);
    cr_assert(!pdm_ibc_decrypt(&parameters, key, example.ciphertext, example.len, m, M_LEN));
    cr_assert(pdm_ibc_extract(&parameters, example.s, other_id, sizeof other_id - 1, key));
    cr_assert(!pdm_ibc_decrypt(&parameters, key, example.ciphertext, example.len, m, M_LEN));
    memcpy(s, example.s, sizeof s);
    s[parameters.q_len - 1] ^= 1;
    cr_assert(pdm_ibc_extract(&parameters, s, example.id, example.id_len, key));
    cr_assert(!pdm_ibc_decrypt(&parameters, key, example.ciphertext, example.len, m, M_LEN));
    cr_assert(pdm_ibc_public(&parameters, s, key));
    cr_assert(pdm_ibc_encrypt(&parameters, key, example.id, example.id_len, example.rho, example.m,
                              M_LEN, example.ciphertext));
    check_refused(example.ciphertext, "P_pub", 0);
}

Test(ibc, master_secret)
{
    uint8_t ikm[PDM_IBC_IKM_LEN], s[PDM_IBC_SECRET_LEN], digest[2][32], h[32 + PDM_IBC_IKM_LEN];
    mp_limb_t value[8], q[4], number[4];
    cr_assert(sodium_init() >= 0);
    cr_assert(pdm_ibc_parameters_init(&parameters, &pdm_ibc_3072));
    for (size_t i = 0; i < sizeof ikm; i++)
        ikm[i] = (uint8_t)(i * 7);
    cr_assert(pdm_ibc_master(&parameters, ikm, s));

    /* Written out: two hashes, the second over the first. */
    memset(h, 0, 32);
    memcpy(h + 32, ikm, sizeof ikm);
    crypto_hash_sha256(digest[0], h, sizeof h);
    memcpy(h, digest[0], 32);
    crypto_hash_sha256(digest[1], h, sizeof h);
    ibc_number_read(value, 8, digest[0], sizeof digest);
    ibc_number_read(q, 4, pdm_ibc_3072.q, 32);
    mp_limb_t quotient[5];
    mpn_tdiv_qr(quotient, number, 0, value, 8, q, 4);
    uint8_t expected[32];
    ibc_number_write(number, expected, sizeof expected);
    cr_assert_arr_eq(s, expected, sizeof s);
}

/* 0, 1, q and more than q; 2 and q - 1 are the edges. */
Test(ibc, master_secrets_refused)
{
    uint8_t s[PDM_IBC_SECRET_LEN] = {0}, point[PDM_IBC_POINT_LEN];
    start(&ibc_1024);
    const size_t last = parameters.q_len - 1;
    for (uint8_t i = 0; i < 4; i++) {
        s[last] = i;
        cr_assert_eq(pdm_ibc_public(&parameters, s, point), i >= 2);
        cr_assert_eq(pdm_ibc_extract(&parameters, s, example.id, example.id_len, point), i >= 2);
    }
    ibc_value(&ibc_1024, "q", s, parameters.q_len);
    cr_assert(!pdm_ibc_public(&parameters, s, point));
    cr_assert(!pdm_ibc_extract(&parameters, s, example.id, example.id_len, point));
    cr_assert(sodium_is_zero(point, parameters.point_len));
    s[last]--;
    cr_assert(pdm_ibc_public(&parameters, s, point));
    memset(s, 0xff, sizeof s);
    cr_assert(!pdm_ibc_public(&parameters, s, point));
}
