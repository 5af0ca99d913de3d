/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The encryption context of HPKE, RFC 9180 sections 5.1 and 5.3: what a KEM's shared secret, an
 * info and, in two modes, a pre-shared key become. What is sealed under it is the caller's.
 *
 * Thread and signal safety are those of core/kem.h. A context is secret: wipe it after use.
 */
#ifndef PDM_CORE_HPKE_H
#define PDM_CORE_HPKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/suite.h"

/* AEADs that a context can be made for though core/suite.h, which is of packets, has no use for
 * them: with the second, for exports alone. */
enum { PDM_AEAD_AES128GCM = 0x0001, PDM_AEAD_EXPORT_ONLY = 0xffff };

enum pdm_hpke_mode {
    PDM_HPKE_BASE,
    PDM_HPKE_PSK,
    PDM_HPKE_AUTH,
    PDM_HPKE_AUTH_PSK,
    PDM_HPKE_MODES
};

/* What both sides bring. PSK, of PDM_PSK_LEN octets at least, and PSK_ID are of the modes that name
 * them, and of no others. */
struct pdm_hpke_input {
    enum pdm_hpke_mode mode;
    const uint8_t *info;
    size_t info_len;
    const uint8_t *psk;
    size_t psk_len;
    const uint8_t *psk_id;
    size_t psk_id_len;
};

struct pdm_hpke {
    struct pdm_suite suite;
    uint8_t key[PDM_KEY_LEN];            /* Nk octets: 16, 32, or none for exports alone */
    uint8_t base_nonce[PDM_NONCE_LEN];   /* Nn: none for exports alone */
    uint8_t exporter_secret[PDM_NH_MAX]; /* Nh */
};

/*
 * Setup<MODE>S and Setup<MODE>R. Keys are as in core/kem.h; the sender's (SK_S with PK_S, or PK_S
 * alone) are looked at in the modes that authenticate by them, and may be NULL in the others.
 * False, with CONTEXT wiped, for what core/kem.h refuses, an unknown KDF or AEAD, a PSK where the
 * mode has none, or none or half a one where it has one.
 */
bool pdm_hpke_setup_sender(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                           const uint8_t *pk_r, size_t pk_r_len, const uint8_t *sk_s,
                           const uint8_t *pk_s, const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                           uint8_t enc[static PDM_KEM_PK_MAX], struct pdm_hpke *context);
bool pdm_hpke_setup_receiver(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                             const uint8_t *enc, size_t enc_len,
                             const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                             const uint8_t *pk_s, size_t pk_s_len, struct pdm_hpke *context);
/* Context.Export(exporter_context, L). False if LEN is over 255 * Nh. */
bool pdm_hpke_export(const struct pdm_hpke *context, const uint8_t *exporter_context,
                     size_t exporter_context_len, uint8_t *out, size_t len);

#endif
