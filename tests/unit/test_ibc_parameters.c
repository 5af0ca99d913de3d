/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameters: primes, orders, and that nothing is up a sleeve. */
#include <criterion/criterion.h>

#include "tests/unit/ibc_vectors.h"

#define PRIME_ROUNDS 25

static const struct ibc_section *const sections[] = {&ibc_1024, &ibc_3072};
#define SECTIONS (sizeof sections / sizeof sections[0])

struct numbers {
    mpz_t p, q, r, step; /* step is 12q */
};

static void number_of(const struct ibc_section *s, const char *key, mpz_t number)
{
    uint8_t octets[PDM_IBC_POINT_LEN / 2];

    ibc_value(s, key, octets, s->p_len);
    mpz_import(number, s->p_len, 1, 1, 1, 0, octets);
}

static void start(const struct ibc_section *s, struct numbers *n)
{
    mpz_inits(n->p, n->q, n->r, n->step, NULL);
    number_of(s, "p", n->p);
    number_of(s, "q", n->q);
    number_of(s, "r", n->r);
    mpz_mul_ui(n->step, n->q, 12);
}

static void stop(struct numbers *n)
{
    mpz_clears(n->p, n->q, n->r, n->step, NULL);
}

/* What is built in is what the file says, octet by octet. */
Test(ibc_parameters, built_in)
{
    const struct pdm_ibc_numbers *n = &pdm_ibc_3072;
    uint8_t p[PDM_IBC_POINT_LEN / 2], q[PDM_IBC_SECRET_LEN], point[PDM_IBC_POINT_LEN];
    cr_assert_eq(n->p_len, ibc_3072.p_len);
    cr_assert_eq(n->q_len, ibc_3072.q_len);
    cr_assert_eq(n->hash, &ibc_sha256);
    ibc_value(&ibc_3072, "p", p, sizeof p);
    ibc_value(&ibc_3072, "q", q, sizeof q);
    ibc_coordinates(&ibc_3072, "P", point);
    cr_assert_arr_eq(n->p, p, sizeof p);
    cr_assert_arr_eq(n->q, q, sizeof q);
    cr_assert_arr_eq(n->x, point, sizeof p);
    cr_assert_arr_eq(n->y, point + sizeof p, sizeof p);
}

Test(ibc_parameters, primes)
{
    struct numbers n;
    mpz_t product;
    mpz_init(product);
    for (size_t i = 0; i < SECTIONS; i++) {
        start(sections[i], &n);
        mpz_mul(product, n.step, n.r);
        mpz_sub_ui(product, product, 1);
        cr_assert(mpz_cmp(product, n.p) == 0, "p = 12rq - 1");
        cr_assert(mpz_probab_prime_p(n.p, PRIME_ROUNDS) && mpz_probab_prime_p(n.q, PRIME_ROUNDS));
        cr_assert_eq(mpz_sizeinbase(n.p, 2), sections[i]->p_len * 8);
        cr_assert_eq(mpz_sizeinbase(n.q, 2), sections[i]->q_len * 8);
        stop(&n);
    }
    mpz_clear(product);
}

/* The first prime 2^(bits - 1) + 2^b +- 1. */
Test(ibc_parameters, how_q_was_chosen)
{
    struct numbers n;
    mpz_t q;
    mpz_init(q);
    for (size_t i = 0; i < SECTIONS; i++) {
        start(sections[i], &n);
        bool prime = false;
        for (mp_bitcnt_t turn = 2; !prime; turn++) {
            mpz_set_ui(q, 0);
            mpz_setbit(q, sections[i]->q_len * 8 - 1);
            mpz_setbit(q, turn / 2);
            turn % 2 == 0 ? mpz_add_ui(q, q, 1) : mpz_sub_ui(q, q, 1);
            prime = mpz_probab_prime_p(q, PRIME_ROUNDS) != 0;
        }
        cr_assert(mpz_cmp(q, n.q) == 0, "%s", sections[i]->name);
        stop(&n);
    }
    mpz_clear(q);
}

/* Octets of SHA-256(LABEL || 0), SHA-256(LABEL || 1), ... as a number. */
static void stream(const char *label, size_t octets, mpz_t number)
{
    uint8_t out[PDM_IBC_POINT_LEN];
    cr_assert_leq(octets, sizeof out);
    for (size_t at = 0; at < octets; at += 32) {
        const uint8_t counter[4] = {0, 0, 0, (uint8_t)(at / 32)};
        const struct ibc_octets parts[] = {{(const uint8_t *)label, strlen(label)}, {counter, 4}};
        ibc_sha256.digest(parts, 2, out + at);
    }
    mpz_import(number, octets, 1, 1, 1, 0, out);
}

Test(ibc_parameters, how_r_was_chosen)
{
    struct numbers n;
    mpz_t lo, hi, r, p;
    mpz_inits(lo, hi, r, p, NULL);
    for (size_t i = 0; i < SECTIONS; i++) {
        start(sections[i], &n);
        mpz_setbit(lo, sections[i]->p_len * 8 - 1);
        mpz_mul_2exp(hi, lo, 1);
        mpz_cdiv_q(lo, lo, n.step);
        mpz_fdiv_q(hi, hi, n.step);
        mpz_sub(hi, hi, lo);
        bool prime = false;
        for (unsigned turn = 0; !prime; turn++) {
            char label[64];
            snprintf(label, sizeof label, "PDMv2 IBC parameters n=%s try=%u:", sections[i]->name,
                     turn);
            stream(label, sections[i]->p_len, r);
            mpz_mod(r, r, hi);
            mpz_add(r, r, lo);
            mpz_mul(p, r, n.step);
            mpz_sub_ui(p, p, 1);
            prime = mpz_sizeinbase(p, 2) == sections[i]->p_len * 8 &&
                    mpz_probab_prime_p(p, PRIME_ROUNDS);
        }
        cr_assert(mpz_cmp(r, n.r) == 0, "%s", sections[i]->name);
        mpz_set_ui(lo, 0);
        stop(&n);
    }
    mpz_clears(lo, hi, r, p, NULL);
}

/* And is of order q, which loading it says. */
Test(ibc_parameters, how_the_point_was_chosen)
{
    static struct pdm_ibc_parameters parameters;
    struct ibc_work w;
    struct ibc_point point;
    char label[64];
    for (size_t i = 0; i < SECTIONS; i++) {
        ibc_load(sections[i], &parameters);
        ibc_work_init(&w, &parameters.field);
        snprintf(label, sizeof label, "PDMv2 IBC generator n=%s try=0", sections[i]->name);
        const struct ibc_octets text = {(const uint8_t *)label, strlen(label)};
        ibc_hash_to_curve(&w, parameters.hash, &text, parameters.cube_root.limb, &point);
        cr_assert(ibc_on_curve(&w, &point));
        cr_assert(!ibc_has_order_q(&w, &parameters, &point));
        cr_assert(ibc_point_multiply(&w, &point, &point, parameters.cofactor.limb, w.field->limbs));
        cr_assert(ibc_has_order_q(&w, &parameters, &point));
        cr_assert(ibc_equal(&w, &point.x, &parameters.generator.x));
        cr_assert(ibc_equal(&w, &point.y, &parameters.generator.y));
    }
}

/* Each of what is loaded, spoilt. */
Test(ibc_parameters, refused)
{
    static struct pdm_ibc_parameters parameters;
    uint8_t p[64], q[40] = {0}, point[128];
    const struct pdm_ibc_numbers right = {p, point, point + 64, 64, q, 20, &ibc_sha1};
    cr_assert(sodium_init() >= 0);
    ibc_value(&ibc_1024, "p", p, 64);
    ibc_value(&ibc_1024, "q", q, 20);
    ibc_coordinates(&ibc_1024, "P", point);
    cr_assert(pdm_ibc_parameters_init(&parameters, &right));

    uint8_t *const spoilt[] = {&p[63], &p[20], &q[19], &q[10], &q[0], &point[0], &point[127]};
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        uint8_t was = *spoilt[i];
        *spoilt[i] = i == 4 ? 0 : (uint8_t)(was ^ 2);
        cr_assert(!pdm_ibc_parameters_init(&parameters, &right), "%zu", i);
        *spoilt[i] = was;
    }
    struct pdm_ibc_numbers wrong = right;
    wrong.q_len = 0;
    cr_assert(!pdm_ibc_parameters_init(&parameters, &wrong));
    wrong.q_len = sizeof q;
    cr_assert(!pdm_ibc_parameters_init(&parameters, &wrong));

    /* (4x, 8y) is of order q, but on another curve. */
    struct ibc_work w;
    struct ibc_point other;
    cr_assert(pdm_ibc_parameters_init(&parameters, &right));
    ibc_work_init(&w, &parameters.field);
    other = parameters.generator;
    for (int i = 0; i < 3; i++)
        ibc_double(&w, &other.y, &other.y);
    ibc_double(&w, &other.x, &other.x);
    ibc_double(&w, &other.x, &other.x);
    ibc_point_write(&w, &other, point);
    cr_assert(!pdm_ibc_parameters_init(&parameters, &right));

    /* (-1, 0) is on the curve, and of order 2; (0, 1) of order 3. */
    memset(point, 0, sizeof point);
    memcpy(point, p, sizeof p);
    point[63]--;
    cr_assert(!pdm_ibc_parameters_init(&parameters, &right));
    memset(point, 0, sizeof point);
    point[127] = 1;
    cr_assert(!pdm_ibc_parameters_init(&parameters, &right));
}

/* Nothing else is wrong with these: P is of order q. */
Test(ibc_parameters, p_is_not_11_modulo_12)
{
    static const struct ibc_section section = {
        IBC_RFC, "section", "p_is_not_11_modulo_12", "P", 19, 18, &ibc_sha256};
    static struct pdm_ibc_parameters parameters;
    uint8_t p[19], q[18], point[38];
    cr_assert(sodium_init() >= 0);
    ibc_value(&section, "p", p, sizeof p);
    ibc_value(&section, "q", q, sizeof q);
    ibc_coordinates(&section, "P", point);
    const struct pdm_ibc_numbers numbers = {p, point,    point + 19, sizeof p,
                                            q, sizeof q, &ibc_sha256};
    cr_assert(!pdm_ibc_parameters_init(&parameters, &numbers));
}
