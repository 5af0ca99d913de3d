/* SPDX-License-Identifier: BSD-2-Clause */
/* From a shared secret to the key of one Kri. */
#include "core/keys.h"

#include "core/cursor.h"
#include "core/hkdf.h"

bool pdm_psk_secret(const struct pdm_suite *suite, const uint8_t psk[static PDM_PSK_LEN],
                    uint8_t shared[static PDM_NH_MAX])
{
    return pdm_suite_usable(suite) &&
           pdm_labeled_extract(suite, NULL, 0, "pdmv2 psk", psk, PDM_PSK_LEN, shared);
}

bool pdm_flow_secret(const struct pdm_suite *suite, const uint8_t shared[static PDM_NH_MAX],
                     const struct pdm_tuple *tuple, uint8_t flow[static PDM_NH_MAX])
{
    uint8_t info[PDM_TUPLE_LEN];
    pdm_tuple_bytes(tuple, info);
    return pdm_suite_usable(suite) && pdm_labeled_expand(suite, shared, "pdmv2 tuple", info,
                                                         sizeof(info), flow, pdm_suite_nh(suite));
}

bool pdm_kri_key(const struct pdm_suite *suite, const uint8_t flow[static PDM_NH_MAX], uint64_t kri,
                 struct pdm_key *key)
{
    uint8_t info[sizeof(kri)];
    struct pdm_writer w = pdm_writer(info, sizeof(info));
    pdm_write_u64(&w, kri);
    return pdm_suite_usable(suite) &&
           pdm_labeled_expand(suite, flow, "key", info, sizeof(info), key->key, PDM_KEY_LEN) &&
           pdm_labeled_expand(suite, flow, "base_nonce", info, sizeof(info), key->base_nonce,
                              PDM_NONCE_LEN);
}
