/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How two hosts make a PairDeviceKey over UDP, in the mode of operation ibc. From pairing port to
 * pairing port, whole messages, big-endian, behind a header of two octets (version, type):
 *
 *   HELLO    i -> r   a token; as long as its answer, so that it is no use to reflect it
 *   COOKIE   r -> i   the token, and what shows that i is where it says; r remembers nothing
 *   INIT     i -> r   the cookie, and k_i encrypted to r's identity (Boneh-Franklin, RFC 5091)
 *   RESP     r -> i   k_r encrypted to i's identity, and the confirmation: only r could read k_i
 *   DONE     i -> r   the proof: only i could read k_r
 *
 *   PairDeviceKey = LabeledExtract(k_i || k_r, "pdmv2 pair", Hash(INIT || RESP but confirmation))
 *   confirmation  = X(PairDeviceKey, "pdmv2 pair confirm", "", 32)
 *   proof         = X(PairDeviceKey, "pdmv2 pair done", "", 32)
 *
 * The suite is that of the negotiation that epoch and tag name. What does not fit is never answered
 * (draft-ietf-ippm-encrypted-pdmv2-02 section 7: no negative acknowledgements).
 * Pure functions; those that encrypt or decrypt take milliseconds and 32 KB of stack.
 */
#ifndef PDM_CORE_PAIRING_H
#define PDM_CORE_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/body.h"
#include "core/ibc.h"
#include "core/limits.h"
#include "core/suite.h"

#define PDM_PAIRING_VERSION 1
#define PDM_PAIRING_HEADER 2

enum pdm_pairing_type {
    PDM_PAIRING_NONE,
    PDM_PAIRING_HELLO,
    PDM_PAIRING_COOKIE,
    PDM_PAIRING_INIT,
    PDM_PAIRING_RESP,
    PDM_PAIRING_DONE,
    PDM_PAIRING_TYPES
};

/* clang-format off */
#define PDM_BODY_PAIRING_HELLO(N, B)                                                               \
    B(token, PDM_PAIRING_TOKEN_LEN)                                                                \
    B(padding, PDM_PAIRING_COOKIE_LEN) /* zeros; ignored */
#define PDM_BODY_PAIRING_COOKIE(N, B)                                                              \
    B(token, PDM_PAIRING_TOKEN_LEN) /* HELLO's */                                                  \
    B(cookie, PDM_PAIRING_COOKIE_LEN)
#define PDM_BODY_PAIRING_INIT(N, B)                                                                \
    N(uint64_t, epoch)                                                                             \
    B(tag, PDM_TAG_ID_LEN)                                                                         \
    B(cookie, PDM_PAIRING_COOKIE_LEN)                                                              \
    B(ciphertext, PDM_PAIRING_CIPHERTEXT_LEN) /* of k_i */
#define PDM_BODY_PAIRING_RESP(N, B)                                                                \
    N(uint64_t, epoch)                                                                             \
    B(tag, PDM_TAG_ID_LEN)                                                                         \
    B(id, PDM_PAIRING_ID_LEN) /* pdm_pairing_id() of the INIT */                                   \
    B(ciphertext, PDM_PAIRING_CIPHERTEXT_LEN) /* of k_r */                                         \
    B(confirmation, PDM_PAIRING_CONFIRM_LEN)
#define PDM_BODY_PAIRING_DONE(N, B)                                                                \
    B(id, PDM_PAIRING_ID_LEN)                                                                      \
    B(proof, PDM_PAIRING_CONFIRM_LEN)
/* clang-format on */

#define PDM_PAIRING_BODIES(X)                                                                      \
    X(pairing_hello, PDM_BODY_PAIRING_HELLO)                                                       \
    X(pairing_cookie, PDM_BODY_PAIRING_COOKIE)                                                     \
    X(pairing_init, PDM_BODY_PAIRING_INIT)                                                         \
    X(pairing_resp, PDM_BODY_PAIRING_RESP)                                                         \
    X(pairing_done, PDM_BODY_PAIRING_DONE)

PDM_PAIRING_BODIES(PDM_DECLARE_BODY)

/* Octets of whole messages. */
#define PDM_PAIRING_HELLO_LEN (PDM_PAIRING_HEADER + PDM_PAIRING_TOKEN_LEN + PDM_PAIRING_COOKIE_LEN)
#define PDM_PAIRING_COOKIE_MESSAGE_LEN PDM_PAIRING_HELLO_LEN
#define PDM_PAIRING_INIT_LEN                                                                       \
    (PDM_PAIRING_HEADER + 8 + PDM_TAG_ID_LEN + PDM_PAIRING_COOKIE_LEN + PDM_PAIRING_CIPHERTEXT_LEN)
#define PDM_PAIRING_RESP_LEN                                                                       \
    (PDM_PAIRING_HEADER + 8 + PDM_TAG_ID_LEN + PDM_PAIRING_ID_LEN + PDM_PAIRING_CIPHERTEXT_LEN +   \
     PDM_PAIRING_CONFIRM_LEN)
#define PDM_PAIRING_DONE_LEN (PDM_PAIRING_HEADER + PDM_PAIRING_ID_LEN + PDM_PAIRING_CONFIRM_LEN)
#define PDM_PAIRING_MESSAGE_MAX PDM_PAIRING_RESP_LEN

/* The type of a whole message, and R at its body; PDM_PAIRING_NONE if it is none: of another
 * version, type or length. */
enum pdm_pairing_type pdm_pairing_open(const uint8_t *bytes, size_t len, struct pdm_reader *r);
/* The header into BYTES, which are as many as TYPE's messages have; a writer for the body. */
struct pdm_writer pdm_pairing_write(uint8_t *bytes, enum pdm_pairing_type type);

/* What the responder RESPONDER, whose SECRET it is, gives INITIATOR. To be compared by
 * sodium_memcmp(). */
void pdm_pairing_cookie(const uint8_t secret[static PDM_PAIRING_SECRET_LEN],
                        const uint8_t responder[static PDM_ADDR_LEN],
                        const uint8_t initiator[static PDM_ADDR_LEN],
                        uint8_t cookie[static PDM_PAIRING_COOKIE_LEN]);

/* One host's view of a pairing: what its primary gave it, and the two addresses. */
struct pdm_pairing_side {
    const struct pdm_ibc_parameters *parameters;
    struct pdm_suite suite;
    uint64_t epoch;
    const uint8_t *tag;
    const uint8_t *p_pub;
    const uint8_t *s_id; /* own */
    const uint8_t *own;
    const uint8_t *peer;
};

/* Fresh for each message; K is the host's part of the key. Both are to be wiped after use. */
struct pdm_pairing_entropy {
    uint8_t k[PDM_PAIRING_K_LEN];
    uint8_t rho[PDM_IBC_HASH_LEN];
};

/* What an answer names INIT by: the first octets of Hash(INIT). False if the KDF is unknown. */
bool pdm_pairing_id(const struct pdm_suite *suite, const uint8_t init[static PDM_PAIRING_INIT_LEN],
                    uint8_t id[static PDM_PAIRING_ID_LEN]);

/*
 * The initiator's INIT; the responder's RESP to it; and what the initiator makes of that with the
 * k_i of its INIT. KEY gets pdm_suite_nh() octets. False, and KEY is zeros, for what was not made
 * for this host by the other, by this negotiation, unchanged; and for a P_pub or an address that is
 * none.
 */
bool pdm_pairing_begin(const struct pdm_pairing_side *side,
                       const uint8_t cookie[static PDM_PAIRING_COOKIE_LEN],
                       const struct pdm_pairing_entropy *entropy,
                       uint8_t init[static PDM_PAIRING_INIT_LEN]);
bool pdm_pairing_respond(const struct pdm_pairing_side *side,
                         const uint8_t init[static PDM_PAIRING_INIT_LEN],
                         const struct pdm_pairing_entropy *entropy,
                         uint8_t resp[static PDM_PAIRING_RESP_LEN], uint8_t key[static PDM_NH_MAX]);
bool pdm_pairing_finish(const struct pdm_pairing_side *side,
                        const uint8_t init[static PDM_PAIRING_INIT_LEN],
                        const uint8_t k_i[static PDM_PAIRING_K_LEN],
                        const uint8_t resp[static PDM_PAIRING_RESP_LEN],
                        uint8_t key[static PDM_NH_MAX]);
/* What DONE shows. To be compared by sodium_memcmp(). False if the KDF is unknown. */
bool pdm_pairing_proof(const struct pdm_suite *suite, const uint8_t key[static PDM_NH_MAX],
                       uint8_t proof[static PDM_PAIRING_CONFIRM_LEN]);

#endif
