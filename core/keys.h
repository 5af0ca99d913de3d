/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The derivations from a shared secret to the key of one Kri. Secrets have pdm_suite_nh(suite)
 * octets in buffers of PDM_NH_MAX. All return false only for an unusable suite. Signal-safe.
 */
#ifndef PDM_CORE_KEYS_H
#define PDM_CORE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/suite.h"
#include "core/tuple.h"

struct pdm_key {
    uint8_t key[PDM_KEY_LEN];
    uint8_t base_nonce[PDM_NONCE_LEN];
};

/* SharedSecret = LabeledExtract("", "pdmv2 psk", psk) */
bool pdm_psk_secret(const struct pdm_suite *suite, const uint8_t psk[static PDM_PSK_LEN],
                    uint8_t shared[static PDM_NH_MAX]);
/* FlowSecret = X(SharedSecret, "pdmv2 tuple", 5-tuple, Nh) */
bool pdm_flow_secret(const struct pdm_suite *suite, const uint8_t shared[static PDM_NH_MAX],
                     const struct pdm_tuple *tuple, uint8_t flow[static PDM_NH_MAX]);
/* key = X(FlowSecret, "key", I2OSP(Kri, 8), Nk), base_nonce = X(FlowSecret, "base_nonce",
 * I2OSP(Kri, 8), Nn) */
bool pdm_kri_key(const struct pdm_suite *suite, const uint8_t flow[static PDM_NH_MAX], uint64_t kri,
                 struct pdm_key *key);

#endif
