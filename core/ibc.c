/* SPDX-License-Identifier: BSD-2-Clause */
/* The Boneh-Franklin system (RFC 5091 section 5). */
#include "core/ibc.h"

#include <sodium.h>
#include <string.h>

#include "core/ibc_hash.h"

typedef mp_limb_t order_number[PDM_IBC_ORDER_LIMBS];

/* Of what is secret in an operation, for its inversions. */
static void seed(struct ibc_work *w, const uint8_t *secret, size_t len, const uint8_t *with,
                 size_t with_len)
{
    static const char label[] = "pdmv2 ibc blind";
    const struct ibc_octets parts[] = {
        {(const uint8_t *)label, sizeof(label)}, {secret, len}, {with, with_len}};

    _Static_assert(sizeof(w->seed) == crypto_hash_sha256_BYTES, "the seed is a hash");
    ibc_sha256.digest(parts, 3, w->seed);
}

static void to_range(const struct pdm_ibc_parameters *parameters, const struct ibc_octets *s,
                     size_t count, order_number number)
{
    memset(number, 0, sizeof(order_number));
    ibc_hash_to_range(parameters->hash, s, count, parameters->q, parameters->q_limbs, number);
}

/* Is it in 2 to q - 1? */
static bool is_master(const struct pdm_ibc_parameters *parameters, const order_number s)
{
    static const order_number two = {2};
    order_number difference;
    bool below_q = mpn_sub_n(difference, s, parameters->q, PDM_IBC_ORDER_LIMBS) != 0;
    bool below_two = mpn_sub_n(difference, s, two, PDM_IBC_ORDER_LIMBS) != 0;

    sodium_memzero(difference, sizeof(difference));
    return below_q && !below_two;
}

static bool read_master(const struct pdm_ibc_parameters *parameters, const uint8_t *octets,
                        order_number s)
{
    ibc_number_read(s, PDM_IBC_ORDER_LIMBS, octets, parameters->q_len);
    return is_master(parameters, s);
}

bool pdm_ibc_master(const struct pdm_ibc_parameters *parameters,
                    const uint8_t ikm[static PDM_IBC_IKM_LEN], uint8_t *s)
{
    order_number number;

    to_range(parameters, &(struct ibc_octets){ikm, PDM_IBC_IKM_LEN}, 1, number);
    bool usable = is_master(parameters, number);
    ibc_number_write(number, s, parameters->q_len);
    if (!usable)
        sodium_memzero(s, parameters->q_len);
    sodium_memzero(number, sizeof(number));
    return usable;
}

/* [M]P of a comb's P, in affine coordinates as octets, or zeros. */
static bool multiply_out(struct ibc_work *w, const struct ibc_comb *comb, const order_number m,
                         uint8_t *octets)
{
    struct ibc_jacobian product;
    struct ibc_point point;

    memset(octets, 0, 2 * w->field->octets);
    ibc_comb_multiply(w, &product, comb, m, PDM_IBC_ORDER_LIMBS);
    bool finite = ibc_affine(w, &point, &product);
    if (finite)
        ibc_point_write(w, &point, octets);
    sodium_memzero(&product, sizeof(product));
    sodium_memzero(&point, sizeof(point));
    return finite;
}

bool pdm_ibc_public(const struct pdm_ibc_parameters *parameters, const uint8_t *s, uint8_t *p_pub)
{
    struct ibc_work w;
    order_number number;

    memset(p_pub, 0, parameters->point_len);
    ibc_work_init(&w, &parameters->field);
    seed(&w, s, parameters->q_len, NULL, 0);
    bool made =
        read_master(parameters, s, number) && multiply_out(&w, &parameters->comb, number, p_pub);
    sodium_memzero(number, sizeof(number));
    ibc_work_wipe(&w);
    return made;
}

/* Q_id = [12r]Q', and its comb. */
static bool derive(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                   const uint8_t *id, size_t id_len, struct ibc_comb *comb)
{
    const struct ibc_octets text = {id, id_len};
    struct ibc_point point;

    ibc_hash_to_curve(w, parameters->hash, &text, parameters->cube_root.limb, &point);
    return ibc_point_multiply(w, &point, &point, parameters->cofactor.limb, w->field->limbs) &&
           ibc_comb_init(w, comb, &point, parameters->q_len * 8);
}

bool pdm_ibc_extract(const struct pdm_ibc_parameters *parameters, const uint8_t *s,
                     const uint8_t *id, size_t id_len, uint8_t *s_id)
{
    struct ibc_work w;
    struct ibc_comb comb;
    order_number number;

    memset(s_id, 0, parameters->point_len);
    ibc_work_init(&w, &parameters->field);
    seed(&w, s, parameters->q_len, id, id_len);
    bool made = read_master(parameters, s, number) && derive(&w, parameters, id, id_len, &comb) &&
                multiply_out(&w, &comb, number, s_id);
    sodium_memzero(number, sizeof(number));
    ibc_work_wipe(&w);
    return made;
}

bool pdm_ibc_point_usable(const struct pdm_ibc_parameters *parameters, const uint8_t *point)
{
    struct ibc_work w;
    struct ibc_point read;

    ibc_work_init(&w, &parameters->field);
    bool usable = ibc_point_read(&w, &read, point) && ibc_has_order_q(&w, parameters, &read);
    sodium_memzero(&read, sizeof(read));
    ibc_work_wipe(&w);
    return usable;
}

/*
 * e'(P_pub, Q_id) = e'(P_pub, Q')^12r: Q' is not multiplied by 12r, which would take longer than
 * all the rest; the exponent that turns the pairing into theta' is.
 */
bool pdm_ibc_recipient_init(const struct pdm_ibc_parameters *parameters, const uint8_t *p_pub,
                            const uint8_t *id, size_t id_len, struct pdm_ibc_recipient *recipient)
{
    const struct ibc_octets text = {id, id_len};
    const struct ibc_exponent *cofactor = &parameters->cofactor;
    struct ibc_unitary *base = &recipient->base;
    struct ibc_work w;
    struct ibc_point public_key;
    struct ibc_point hashed;

    ibc_work_init(&w, &parameters->field);
    memset(recipient, 0, sizeof(*recipient));
    if (!ibc_point_read(&w, &public_key, p_pub))
        return false;
    ibc_hash_to_curve(&w, parameters->hash, &text, parameters->cube_root.limb, &hashed);
    if (!ibc_pairing(&w, parameters, &public_key, &hashed, base))
        goto refused;
    ibc_unitary_power(&w, &base->value, base, cofactor->limb, w.field->limbs, cofactor->bits);
    if (ibc_unitary_init(&w, base))
        return true;
refused:
    memset(recipient, 0, sizeof(*recipient));
    return false;
}

/* l = HashToRange(rho || hashfcn(m), q) */
static void find_l(const struct pdm_ibc_parameters *parameters, const uint8_t *rho,
                   const uint8_t *m, size_t m_len, order_number l)
{
    uint8_t t[PDM_IBC_HASH_LEN];
    const size_t hash_len = parameters->hash->len;

    parameters->hash->digest(&(struct ibc_octets){m, m_len}, 1, t);
    to_range(parameters, (struct ibc_octets[]){{rho, hash_len}, {t, hash_len}}, 2, l);
    sodium_memzero(t, sizeof(t));
}

/* V of rho, or rho of V: XOR with the hash of Canonical(theta). */
static void mask(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                 const struct ibc_fp2 *theta, const uint8_t *in, uint8_t *out)
{
    uint8_t canonical[PDM_IBC_POINT_LEN];
    uint8_t digest[PDM_IBC_HASH_LEN];

    ibc_fp_write(w, &theta->re, canonical);
    ibc_fp_write(w, &theta->im, canonical + w->field->octets);
    parameters->hash->digest(&(struct ibc_octets){canonical, 2 * w->field->octets}, 1, digest);
    for (size_t i = 0; i < parameters->hash->len; i++)
        out[i] = in[i] ^ digest[i];
    sodium_memzero(canonical, sizeof(canonical));
    sodium_memzero(digest, sizeof(digest));
}

/* theta' = theta^l, of what theta is the power 6r of: the exponent is 6rl modulo q. */
static void raise(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                  const struct pdm_ibc_recipient *recipient, const order_number l,
                  struct ibc_fp2 *theta)
{
    mp_limb_t exponent[2 * PDM_IBC_ORDER_LIMBS];
    mp_limb_t scratch[8 * PDM_IBC_ORDER_LIMBS]; /* more than mpn_sec_div_r asks for */
    mp_size_t limbs = parameters->q_limbs;

    mpn_sec_mul(exponent, l, limbs, parameters->half_cofactor, limbs, scratch);
    mpn_sec_div_r(exponent, 2 * limbs, parameters->q, limbs, scratch);
    ibc_unitary_power(w, theta, &recipient->base, exponent, limbs, parameters->q_len * 8);
    sodium_memzero(exponent, sizeof(exponent));
    sodium_memzero(scratch, sizeof(scratch));
}

bool pdm_ibc_encrypt_to(const struct pdm_ibc_parameters *parameters,
                        const struct pdm_ibc_recipient *recipient, const uint8_t *rho,
                        const uint8_t *m, size_t m_len, uint8_t *out)
{
    const size_t hash_len = parameters->hash->len;
    uint8_t *v = out + parameters->point_len;
    struct ibc_work w;
    struct ibc_fp2 theta;
    order_number l;

    if (m_len == 0 || m_len > PDM_IBC_MESSAGE_MAX)
        return false;
    memset(out, 0, parameters->point_len + hash_len + m_len);
    ibc_work_init(&w, &parameters->field);
    seed(&w, rho, hash_len, m, m_len);
    find_l(parameters, rho, m, m_len, l);
    bool made = multiply_out(&w, &parameters->comb, l, out);
    if (made) {
        raise(&w, parameters, recipient, l, &theta);
        mask(&w, parameters, &theta, rho, v);
        ibc_hash_mask(parameters->hash, rho, m, v + hash_len, m_len);
    }
    sodium_memzero(l, sizeof(l));
    sodium_memzero(&theta, sizeof(theta));
    ibc_work_wipe(&w);
    return made;
}

bool pdm_ibc_encrypt(const struct pdm_ibc_parameters *parameters, const uint8_t *p_pub,
                     const uint8_t *id, size_t id_len, const uint8_t *rho, const uint8_t *m,
                     size_t m_len, uint8_t *out)
{
    struct pdm_ibc_recipient recipient;

    return pdm_ibc_recipient_init(parameters, p_pub, id, id_len, &recipient) &&
           pdm_ibc_encrypt_to(parameters, &recipient, rho, m, m_len, out);
}

struct decryption {
    struct ibc_work w;
    struct ibc_point u;
    struct ibc_point key;
    struct ibc_unitary base;
    struct ibc_fp2 theta;
    struct ibc_jacobian again;
    order_number l;
    uint8_t rho[PDM_IBC_HASH_LEN];
};

/* theta = e'(U, S_id) */
static bool find_theta(struct decryption *d, const struct pdm_ibc_parameters *parameters,
                       const uint8_t *s_id, const uint8_t *u)
{
    const struct ibc_exponent *pairing = &parameters->pairing;

    if (!ibc_point_read(&d->w, &d->u, u) || !ibc_point_read(&d->w, &d->key, s_id) ||
        !ibc_pairing(&d->w, parameters, &d->u, &d->key, &d->base))
        return false;
    ibc_unitary_power(&d->w, &d->theta, &d->base, pairing->limb, d->w.field->limbs, pairing->bits);
    return true;
}

bool pdm_ibc_decrypt(const struct pdm_ibc_parameters *parameters, const uint8_t *s_id,
                     const uint8_t *in, size_t in_len, uint8_t *m, size_t m_len)
{
    const size_t hash_len = parameters->hash->len;
    const uint8_t *v = in + parameters->point_len;
    struct decryption d;
    bool whole = false;

    if (m_len == 0 || m_len > PDM_IBC_MESSAGE_MAX)
        return false;
    memset(m, 0, m_len);
    if (in_len != parameters->point_len + hash_len + m_len)
        return false;
    ibc_work_init(&d.w, &parameters->field);
    seed(&d.w, s_id, parameters->point_len, in, parameters->point_len);
    if (!find_theta(&d, parameters, s_id, in))
        goto out;
    mask(&d.w, parameters, &d.theta, v, d.rho);
    ibc_hash_mask(parameters->hash, d.rho, v + hash_len, m, m_len);
    find_l(parameters, d.rho, m, m_len, d.l);
    ibc_comb_multiply(&d.w, &d.again, &parameters->comb, d.l, PDM_IBC_ORDER_LIMBS);
    whole = ibc_same_point(&d.w, &d.again, &d.u);
    if (!whole)
        sodium_memzero(m, m_len);
out:
    sodium_memzero(&d, sizeof(d));
    return whole;
}
