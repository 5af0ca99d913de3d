/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of registration: between two primaries, and between a primary and the agents of its
 * secondaries (draft-ietf-ippm-encrypted-pdmv2 sections 4.2 and 4.3, appendix B.3). Over TLS, one
 * after the other: an 8-octet header (version, command, request or response, 0, length of the body
 * in 4 octets) and a body of fixed parts and counted lists, big-endian.
 *
 *   SETUP      PC -> PS  suites offered, list of Secondary Clients; answered with the suite chosen,
 *                        pkS, the Security Mode of Operation, the list of Secondary Servers
 *   KEM        PC -> PS  enc and salt; answered with a status and the HMAC over the transcript
 *   NEGOTIATE  PS -> PC  asks for a SETUP; no response
 *   SECRET     secondary -> primary  what it knows; answered with what the mode gives it, and
 *                        answered again on any change
 *   LIST       to a primary or to a secondary: a change of the list of the other side's secondaries
 *   POLL       secondary -> primary  one peer's secret (asymmetric-poll)
 *   BLOCK      secondary -> primary  further generations
 *
 * The layouts are tables, as those of core/message.h are: from one come the structure, its writer
 * and its reader. Readers go bad on what is too short, writers on what does not fit
 * (core/cursor.h). Pure functions.
 */
#ifndef PDM_CORE_REGISTRATION_H
#define PDM_CORE_REGISTRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/body.h"
#include "core/limits.h"
#include "core/suite.h"

#define PDM_REGISTRATION_VERSION 1
#define PDM_REGISTRATION_HEADER 8

enum pdm_command {
    PDM_COMMAND_SETUP = 1,
    PDM_COMMAND_KEM,
    PDM_COMMAND_SECRET,
    PDM_COMMAND_LIST,
    PDM_COMMAND_POLL,
    PDM_COMMAND_BLOCK,
    PDM_COMMAND_NEGOTIATE,
    PDM_COMMANDS
};

enum pdm_direction { PDM_REQUEST, PDM_RESPONSE };

enum pdm_registration_status {
    PDM_REGISTRATION_OK,
    PDM_REGISTRATION_REFUSED,     /* for good: off the list, not the asker's, malformed */
    PDM_REGISTRATION_NO_SUITE,    /* none in common */
    PDM_REGISTRATION_LATER,       /* ask again: the store cannot be reached, or no secret yet */
    PDM_REGISTRATION_WHOLE,       /* LIST: the change does not follow; send the whole list */
    PDM_REGISTRATION_RENEGOTIATE, /* the secret named is not the one in force */
    PDM_REGISTRATION_STATUSES
};

/* The Security Mode of Operation (draft -02 section 7). */
enum pdm_mode_of_operation {
    PDM_SECMOP_NONE,
    PDM_SECMOP_TRUSTED_SERVERS,
    PDM_SECMOP_ASYMMETRIC_POLL,
    PDM_SECMOP_IBC,
    PDM_SECMOPS
};

enum pdm_side { PDM_SIDE_CLIENT, PDM_SIDE_SERVER, PDM_SIDES };

/* What listed peers may attach in mode none. */
enum pdm_unprotected {
    PDM_UNPROTECTED_NONE,
    PDM_UNPROTECTED_PLAIN,
    PDM_UNPROTECTED_RFC8250,
    PDM_UNPROTECTEDS
};

#define PDM_LIST_ADD 1
#define PDM_LIST_REMOVE 0

/* clang-format off */
/* One entry of a list as a whole, and one change. Group: of servers; clients' is 0. */
#define PDM_BODY_LIST_ENTRY(N, B)                                                                  \
    B(addr, PDM_ADDR_LEN)                                                                          \
    N(uint8_t, len)                                                                                \
    N(uint16_t, group)
#define PDM_BODY_LIST_CHANGE(N, B)                                                                 \
    N(uint8_t, add) /* PDM_LIST_ADD, PDM_LIST_REMOVE */                                            \
    B(addr, PDM_ADDR_LEN)                                                                          \
    N(uint8_t, len)                                                                                \
    N(uint16_t, group)

/* Followed by kems, kdfs and aeads identifiers of 2 octets, and by entries list entries. */
#define PDM_BODY_SETUP_REQUEST(N, B)                                                               \
    N(uint64_t, epoch) /* negotiations of the pair before this one, as the PC knows */             \
    N(uint8_t, kems)                                                                               \
    N(uint8_t, kdfs)                                                                               \
    N(uint8_t, aeads)                                                                              \
    N(uint64_t, list_version)                                                                      \
    N(uint32_t, entries)
/* Followed by pk_len octets and by entries list entries. */
#define PDM_BODY_SETUP_RESPONSE(N, B)                                                              \
    N(uint8_t, status)                                                                             \
    N(uint64_t, epoch) /* of this negotiation: neither side has had it before */                   \
    N(uint16_t, kem)                                                                               \
    N(uint16_t, kdf)                                                                               \
    N(uint16_t, aead)                                                                              \
    N(uint8_t, secmop)                                                                             \
    N(uint8_t, poller)      /* enum pdm_side; asymmetric-poll */                                   \
    N(uint8_t, unprotected) /* enum pdm_unprotected; none */                                       \
    N(uint32_t, lifetime_s) /* of the PairMasterSecret; 0: unlimited */                            \
    N(uint32_t, grace_s)    /* for which the secret before is still received under */              \
    N(uint16_t, pk_len)                                                                            \
    N(uint64_t, list_version)                                                                      \
    N(uint32_t, entries)

/* Followed by enc_len octets. */
#define PDM_BODY_KEM_REQUEST(N, B)                                                                 \
    B(salt, PDM_SALT_LEN)                                                                          \
    N(uint16_t, enc_len)
#define PDM_BODY_KEM_RESPONSE(N, B)                                                                \
    N(uint8_t, status)                                                                             \
    N(uint8_t, hmac_len) /* Nh */                                                                  \
    B(hmac, PDM_NH_MAX)

/* Followed by changes list changes. From a primary to a primary, PAIR is 0 and EPOCH and TAG name
 * the secret in force; to a secondary, PAIR says whose list it is. */
#define PDM_BODY_LIST_REQUEST(N, B)                                                                \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, epoch)                                                                             \
    B(tag, PDM_TAG_ID_LEN)                                                                         \
    N(uint64_t, from) /* the version that these change; 0: they are the whole list */              \
    N(uint64_t, to)                                                                                \
    N(uint8_t, more) /* 1: further parts of the same change follow */                              \
    N(uint32_t, changes)
#define PDM_BODY_LIST_RESPONSE(N, B)                                                               \
    N(uint8_t, status)                                                                             \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, version) /* that the answering side has now */

/* Followed by known records of what the secondary has, then by lists records. */
#define PDM_BODY_SECRET_REQUEST(N, B)                                                              \
    N(uint16_t, known)                                                                             \
    N(uint16_t, lists)
#define PDM_BODY_SECRET_KNOWN(N, B)                                                                \
    B(tag, PDM_TAG_ID_LEN)                                                                         \
    B(address, PDM_ADDR_LEN) /* the secondary's own */                                             \
    N(uint32_t, highest)     /* generation that it has used */
#define PDM_BODY_SECRET_LIST(N, B)                                                                 \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, version)

/*
 * Followed by pairs records; each of them by epochs records, older first; each of those by scopes
 * records, one for each address of the secondary; each of those by grants records.
 */
#define PDM_BODY_SECRET_RESPONSE(N, B)                                                             \
    N(uint8_t, status)                                                                             \
    N(uint16_t, pairs)
#define PDM_BODY_SECRET_PAIR(N, B)                                                                 \
    N(uint32_t, pair)                                                                              \
    B(name, PDM_NAME_MAX) /* of the other organisation, with its terminating zero */               \
    N(uint8_t, side)      /* enum pdm_side: the secondary's own */                                 \
    N(uint8_t, secmop)                                                                             \
    N(uint8_t, poller)                                                                             \
    N(uint8_t, unprotected)                                                                        \
    N(uint64_t, list_version)                                                                      \
    N(uint8_t, epochs) /* 0 (mode none) to 2 */
#define PDM_BODY_SECRET_EPOCH(N, B)                                                                \
    N(uint64_t, epoch)                                                                             \
    B(tag, PDM_TAG_ID_LEN)                                                                         \
    N(uint16_t, kem)                                                                               \
    N(uint16_t, kdf)                                                                               \
    N(uint16_t, aead)                                                                              \
    N(uint64_t, send_ms) /* from now, when to send under it at the latest; 0: now */               \
    N(uint64_t, ends_ms) /* from now, when to forget it; UINT64_MAX: no end is known */            \
    N(uint8_t, scopes)
#define PDM_BODY_SECRET_SCOPE(N, B)                                                                \
    B(address, PDM_ADDR_LEN) /* the secondary's own */                                             \
    N(uint32_t, block_first) /* generations that it may use */                                     \
    N(uint32_t, block_count)                                                                       \
    N(uint8_t, has_identity) /* 1: followed, after the grants, by an ibc_identity */               \
    N(uint16_t, grants)
/*
 * trusted-servers: to a server its group's PSS, to a client the PCS for each group. asymmetric-poll:
 * to the side that does not poll its PSS or PCS, group 0.
 */
#define PDM_BODY_SECRET_GRANT(N, B)                                                                \
    N(uint16_t, group)                                                                             \
    B(secret, PDM_NH_MAX) /* Nh octets, then zeros */
#define PDM_BODY_SECRET_IDENTITY(N, B)                                                             \
    B(p_pub, PDM_IBC_POINT_LEN) /* the pair's public key */                                        \
    B(s_id, PDM_IBC_POINT_LEN)  /* the private key of the secondary's identity */

#define PDM_BODY_POLL_REQUEST(N, B)                                                                \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, epoch)                                                                             \
    B(own, PDM_ADDR_LEN)                                                                           \
    B(peer, PDM_ADDR_LEN)
#define PDM_BODY_POLL_RESPONSE(N, B)                                                               \
    N(uint8_t, status)                                                                             \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, epoch)                                                                             \
    B(own, PDM_ADDR_LEN)                                                                           \
    B(peer, PDM_ADDR_LEN)                                                                          \
    B(secret, PDM_NH_MAX)

#define PDM_BODY_BLOCK_REQUEST(N, B)                                                               \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, epoch)                                                                             \
    B(own, PDM_ADDR_LEN)                                                                           \
    N(uint8_t, has_highest)                                                                        \
    N(uint32_t, highest)
#define PDM_BODY_BLOCK_RESPONSE(N, B)                                                              \
    N(uint8_t, status)                                                                             \
    N(uint32_t, pair)                                                                              \
    N(uint64_t, epoch)                                                                             \
    B(own, PDM_ADDR_LEN)                                                                           \
    N(uint32_t, first)                                                                             \
    N(uint32_t, count)
/* clang-format on */

#define PDM_REGISTRATION_BODIES(X)                                                                 \
    X(list_entry, PDM_BODY_LIST_ENTRY)                                                             \
    X(list_change, PDM_BODY_LIST_CHANGE)                                                           \
    X(setup_request, PDM_BODY_SETUP_REQUEST)                                                       \
    X(setup_response, PDM_BODY_SETUP_RESPONSE)                                                     \
    X(kem_request, PDM_BODY_KEM_REQUEST)                                                           \
    X(kem_response, PDM_BODY_KEM_RESPONSE)                                                         \
    X(list_request, PDM_BODY_LIST_REQUEST)                                                         \
    X(list_response, PDM_BODY_LIST_RESPONSE)                                                       \
    X(secret_request, PDM_BODY_SECRET_REQUEST)                                                     \
    X(secret_known, PDM_BODY_SECRET_KNOWN)                                                         \
    X(secret_list, PDM_BODY_SECRET_LIST)                                                           \
    X(secret_response, PDM_BODY_SECRET_RESPONSE)                                                   \
    X(secret_pair, PDM_BODY_SECRET_PAIR)                                                           \
    X(secret_epoch, PDM_BODY_SECRET_EPOCH)                                                         \
    X(secret_scope, PDM_BODY_SECRET_SCOPE)                                                         \
    X(secret_grant, PDM_BODY_SECRET_GRANT)                                                         \
    X(secret_identity, PDM_BODY_SECRET_IDENTITY)                                                   \
    X(poll_request, PDM_BODY_POLL_REQUEST)                                                         \
    X(poll_response, PDM_BODY_POLL_RESPONSE)                                                       \
    X(block_request, PDM_BODY_BLOCK_REQUEST)                                                       \
    X(block_response, PDM_BODY_BLOCK_RESPONSE)

PDM_REGISTRATION_BODIES(PDM_DECLARE_BODY)

struct pdm_registration_header {
    uint8_t command;   /* enum pdm_command */
    uint8_t direction; /* enum pdm_direction */
    uint32_t length;   /* octets of the body */
};

/* BYTES: a header. False if it is of another version or command, or LENGTH is over the command's
 * limit (core/limits.h). */
bool pdm_registration_header_get(const uint8_t bytes[static PDM_REGISTRATION_HEADER],
                                 struct pdm_registration_header *header);
void pdm_registration_header_put(uint8_t bytes[static PDM_REGISTRATION_HEADER],
                                 const struct pdm_registration_header *header);

/* "none", "trusted-servers", "asymmetric-poll", "ibc"; "client", "server"; "none", "plain",
 * "rfc8250". NULL for what is not of the enumeration. */
const char *pdm_secmop_name(uint8_t secmop);
const char *pdm_side_name(uint8_t side);
const char *pdm_unprotected_name(uint8_t unprotected);

/*
 * What names a PairMasterSecret without telling of it: the first octets of
 * X(PMS, "pdmv2 tag", I2OSP(epoch, 8), Nh).
 */
bool pdm_pms_tag(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                 uint64_t epoch, uint8_t tag[static PDM_TAG_ID_LEN]);

#endif
