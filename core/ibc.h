/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boneh-Franklin identity-based encryption (RFC 5091 section 5): octets in, octets out.
 *
 * Shapes, with the lengths of pdm_ibc_3072: a master secret has parameters->q_len octets
 * (PDM_IBC_SECRET_LEN), big-endian. A point, be it public (P_pub) or an identity's private key
 * (S_id), is x || y, each as long as p, big-endian: parameters->point_len octets
 * (PDM_IBC_POINT_LEN). A ciphertext is U || V || W: a point, as many octets as the hash has
 * (PDM_IBC_HASH_LEN), and as many as the plaintext: the plaintext's and PDM_IBC_OVERHEAD.
 *
 * Errors: what is refused gives false, and the output is zeros. Every point is checked before it is
 * used: coordinates below p, on the curve, not infinity; and P_pub and U to be of order q, in the
 * same loop that makes the pairing.
 *
 * Time: independent of the master secret, private keys, rho, plaintexts and everything made of
 * them, but for whether a decryption is refused. It depends on lengths, on the parameters and on
 * what is public: identities, P_pub and whether U is a point of order q. Inversions, which depend
 * on what is inverted, are of numbers blinded with a factor that is derived from the secret at
 * hand. Secrets that were computed with are wiped; those of the caller are the caller's to wipe.
 *
 * Thread and signal safety: parameters and recipients are only read; nothing is shared or
 * allocated. Up to 32 KB of stack are used.
 */
#ifndef PDM_CORE_IBC_H
#define PDM_CORE_IBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ibc_pairing.h"
#include "core/ibc_parameters.h"
#include "core/limits.h"

/*
 * What encrypting to one identity has in common: most of its time. Public, and usable for as long
 * as the parameters are.
 */
struct pdm_ibc_recipient {
    struct ibc_unitary base; /* its power 6r is e'(P_pub, Q_id) */
};

/* s = HashToRange(ikm, q). False if it is below 2, which section 5.1.2 excludes. */
bool pdm_ibc_master(const struct pdm_ibc_parameters *parameters,
                    const uint8_t ikm[static PDM_IBC_IKM_LEN], uint8_t *s);
/* P_pub = [s]P. False if s is not in 2 to q - 1. */
bool pdm_ibc_public(const struct pdm_ibc_parameters *parameters, const uint8_t *s, uint8_t *p_pub);
/* S_id = [s]Q_id (sections 5.2 and 5.3). False as above. */
bool pdm_ibc_extract(const struct pdm_ibc_parameters *parameters, const uint8_t *s,
                     const uint8_t *id, size_t id_len, uint8_t *s_id);
/* A point from elsewhere, as P_pub or S_id when it comes: is it on the curve and of order q? */
bool pdm_ibc_point_usable(const struct pdm_ibc_parameters *parameters, const uint8_t *point);

/* False if P_pub is not a point of order q. */
bool pdm_ibc_recipient_init(const struct pdm_ibc_parameters *parameters, const uint8_t *p_pub,
                            const uint8_t *id, size_t id_len, struct pdm_ibc_recipient *recipient);
/*
 * RHO is fresh entropy, as long as the hash; M has 1 to PDM_IBC_MESSAGE_MAX octets and is random
 * itself (section 5.4): a session key. OUT gets the ciphertext.
 */
bool pdm_ibc_encrypt_to(const struct pdm_ibc_parameters *parameters,
                        const struct pdm_ibc_recipient *recipient, const uint8_t *rho,
                        const uint8_t *m, size_t m_len, uint8_t *out);
/* Both of the above. */
bool pdm_ibc_encrypt(const struct pdm_ibc_parameters *parameters, const uint8_t *p_pub,
                     const uint8_t *id, size_t id_len, const uint8_t *rho, const uint8_t *m,
                     size_t m_len, uint8_t *out);
/* M_LEN is what W must have. False unless the ciphertext was made for S_id's identity, unchanged.
 */
bool pdm_ibc_decrypt(const struct pdm_ibc_parameters *parameters, const uint8_t *s_id,
                     const uint8_t *in, size_t in_len, uint8_t *m, size_t m_len);

/*
 * The identity of a secondary: its address as RFC 5952 writes it, "|" and the epoch in decimal.
 * Gives its length, without the zero that ends it, or 0 if CAP (PDM_IBC_IDENTITY_MAX is enough) is
 * too little or the address is an IPv4-mapped one.
 */
size_t pdm_ibc_identity(const uint8_t addr[static PDM_ADDR_LEN], uint64_t epoch, char *out,
                        size_t cap);

#endif
