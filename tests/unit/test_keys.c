/* SPDX-License-Identifier: BSD-2-Clause */
/* The derivations against those of an independent implementation. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/keys.h"
#include "tests/vectors/core_vectors.h"

/* What the vectors hold for AES-256-GCM can only be derived where the processor has it. */
static bool usable(const struct vec_suite *v, struct pdm_suite *suite)
{
    *suite = (struct pdm_suite){v->kem_id, v->kdf_id, v->aead_id};
    return pdm_suite_usable(suite);
}

Test(keys, psk_secret)
{
    cr_assert(sodium_init() >= 0);
    unsigned checked = 0;
    for (size_t i = 0; i < VEC_COUNT(vec_secrets); i++) {
        struct pdm_suite suite;
        uint8_t shared[PDM_NH_MAX];
        if (!usable(&vec_secrets[i].suite, &suite)) {
            cr_assert(!pdm_psk_secret(&suite, vec_secrets[i].psk, shared));
            continue;
        }
        cr_assert(pdm_psk_secret(&suite, vec_secrets[i].psk, shared));
        cr_assert_eq(pdm_suite_nh(&suite), vec_secrets[i].nh);
        cr_assert_arr_eq(shared, vec_secrets[i].shared_secret, vec_secrets[i].nh, "row %zu", i);
        checked++;
    }
    cr_assert_geq(checked, VEC_COUNT(vec_secrets) / 2);
}

Test(keys, flow_secret)
{
    cr_assert(sodium_init() >= 0);
    unsigned checked = 0;
    for (size_t i = 0; i < VEC_COUNT(vec_flows); i++) {
        const struct vec_secret *secret = &vec_secrets[vec_flows[i].secret_index];
        struct pdm_tuple tuple = pdm_tuple_from_bytes(vec_tuples[vec_flows[i].tuple_index].bytes);
        struct pdm_suite suite;
        uint8_t flow[PDM_NH_MAX];
        if (!usable(&secret->suite, &suite)) {
            cr_assert(!pdm_flow_secret(&suite, secret->shared_secret, &tuple, flow));
            continue;
        }
        cr_assert(pdm_flow_secret(&suite, secret->shared_secret, &tuple, flow));
        cr_assert_arr_eq(flow, vec_flows[i].flow_secret, secret->nh, "row %zu", i);
        checked++;
    }
    cr_assert_geq(checked, VEC_COUNT(vec_flows) / 2);
}

Test(keys, kri_key)
{
    cr_assert(sodium_init() >= 0);
    unsigned checked = 0;
    for (size_t i = 0; i < VEC_COUNT(vec_keys); i++) {
        const struct vec_key *v = &vec_keys[i];
        const uint8_t *flow = vec_flows[v->flow_index].flow_secret;
        struct pdm_suite suite;
        struct pdm_key key;
        if (!usable(&v->suite, &suite)) {
            cr_assert(!pdm_kri_key(&suite, flow, v->kri, &key));
            continue;
        }
        cr_assert(pdm_kri_key(&suite, flow, v->kri, &key));
        cr_assert_arr_eq(key.key, v->key, sizeof(key.key), "row %zu", i);
        cr_assert_arr_eq(key.base_nonce, v->base_nonce, sizeof(key.base_nonce), "row %zu", i);
        checked++;
    }
    cr_assert_geq(checked, VEC_COUNT(vec_keys) / 2);
}
