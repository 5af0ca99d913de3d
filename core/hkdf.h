/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LabeledExtract and LabeledExpand of RFC 9180 section 4 with the suite_id of section 5.1,
 * "HPKE" || kem_id || kdf_id || aead_id. Signal-safe; nothing is allocated; intermediate
 * values are wiped.
 */
#ifndef PDM_CORE_HKDF_H
#define PDM_CORE_HKDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/suite.h"

/* PRK gets pdm_suite_nh(suite) octets. False if the KDF is unknown. */
bool pdm_labeled_extract(const struct pdm_suite *suite, const uint8_t *salt, size_t salt_len,
                         const char *label, const uint8_t *ikm, size_t ikm_len,
                         uint8_t prk[static PDM_NH_MAX]);
/* PRK has pdm_suite_nh(suite) octets. False if the KDF is unknown or LEN is over 255 * Nh. */
bool pdm_labeled_expand(const struct pdm_suite *suite, const uint8_t *prk, const char *label,
                        const uint8_t *info, size_t info_len, uint8_t *out, size_t len);

#endif
