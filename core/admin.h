/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages between a primary and pdmctl: framed as those of core/message.h (one request and one
 * reply for each connection of a SEQPACKET socket), with bodies of their own. Status octets are
 * enum pdm_status.
 */
#ifndef PDM_CORE_ADMIN_H
#define PDM_CORE_ADMIN_H

#include <stdint.h>

#include "core/body.h"
#include "core/limits.h"
#include "core/message.h"
#include "core/registration.h"

enum pdm_admin_type {
    PDM_ADMIN_STATUS = 0x40,
    PDM_ADMIN_PAIRS,       /* a page */
    PDM_ADMIN_SECONDARIES, /* a page */
    PDM_ADMIN_LIST,        /* a page */
    PDM_ADMIN_LIST_CHANGE,
    PDM_ADMIN_RENEGOTIATE,
    PDM_ADMIN_REVOKE,
    PDM_ADMIN_RELOAD
};

/* clang-format off */
#define PDM_BODY_ADMIN_STATUS(N, B)                                                                \
    N(uint8_t, status)                                                                             \
    N(uint32_t, pid)                                                                               \
    N(uint64_t, uptime_ms)                                                                         \
    N(uint32_t, pairs)                                                                             \
    N(uint32_t, secondaries)      /* connected */                                                  \
    N(uint64_t, registrations)    /* SECRET requests answered */                                   \
    N(uint64_t, refused)          /* handshakes and requests */                                    \
    N(uint8_t, store_up)                                                                           \
    N(uint64_t, clients)          /* entries of our own lists */                                   \
    N(uint64_t, servers)
#define PDM_BODY_ADMIN_PAIR(N, B)                                                                  \
    N(uint32_t, pair)                                                                              \
    B(name, PDM_NAME_MAX)                                                                          \
    N(uint8_t, side)                                                                               \
    N(uint8_t, connected)                                                                          \
    N(uint8_t, secmop)                                                                             \
    N(uint8_t, poller)                                                                             \
    N(uint8_t, unprotected)                                                                        \
    N(uint8_t, has_secret)                                                                         \
    N(uint64_t, epoch)            /* of the current secret */                                      \
    N(uint16_t, kem)                                                                               \
    N(uint16_t, kdf)                                                                               \
    N(uint16_t, aead)                                                                              \
    N(uint64_t, age_s)                                                                             \
    N(uint64_t, left_s)           /* of its lifetime; UINT64_MAX: unlimited */                     \
    N(uint8_t, has_previous)                                                                       \
    N(uint64_t, previous_left_s)                                                                   \
    N(uint64_t, list_version)     /* the peer's */                                                 \
    N(uint64_t, entries)          /* of the peer's list */
#define PDM_BODY_ADMIN_SECONDARY(N, B)                                                             \
    B(address, PDM_ADDR_LEN)                                                                       \
    N(uint8_t, side)                                                                               \
    N(uint16_t, group)                                                                             \
    N(uint8_t, connected)                                                                          \
    N(uint8_t, barred)                                                                             \
    N(uint8_t, listed)                                                                             \
    N(uint64_t, seen_s)           /* seconds ago */                                                \
    N(uint32_t, pair)             /* 0: none; else, of its first pair: */                          \
    N(uint64_t, epoch)                                                                             \
    N(uint32_t, generations)      /* granted under the current secret */
#define PDM_BODY_ADMIN_ENTRY(N, B)                                                                 \
    B(addr, PDM_ADDR_LEN)                                                                          \
    N(uint8_t, len)                                                                                \
    N(uint16_t, group)                                                                             \
    N(uint8_t, source)            /* enum store_source's numbers: 0 file, 1 command, 2 peer */
#define PDM_BODY_ADMIN_LIST_REQUEST(N, B)                                                          \
    N(uint32_t, start)                                                                             \
    N(uint32_t, pair)                                                                              \
    N(uint8_t, side)
#define PDM_BODY_ADMIN_LIST_CHANGE(N, B)                                                           \
    N(uint8_t, add)                                                                                \
    N(uint8_t, side)                                                                               \
    B(addr, PDM_ADDR_LEN)                                                                          \
    N(uint8_t, len)                                                                                \
    N(uint16_t, group)
#define PDM_BODY_ADMIN_RENEGOTIATE(N, B)                                                           \
    B(name, PDM_NAME_MAX)
#define PDM_BODY_ADMIN_REVOKE(N, B)                                                                \
    B(address, PDM_ADDR_LEN)                                                                       \
    N(uint8_t, admit)
/* The reply to whatever changes something. */
#define PDM_BODY_ADMIN_DONE(N, B)                                                                  \
    N(uint8_t, status)                                                                             \
    B(why, ADMIN_WHY_MAX)         /* one line, if it was refused */
/* clang-format on */

#define PDM_ADMIN_BODIES(X)                                                                        \
    X(admin_status, PDM_BODY_ADMIN_STATUS)                                                         \
    X(admin_pair, PDM_BODY_ADMIN_PAIR)                                                             \
    X(admin_secondary, PDM_BODY_ADMIN_SECONDARY)                                                   \
    X(admin_entry, PDM_BODY_ADMIN_ENTRY)                                                           \
    X(admin_list_request, PDM_BODY_ADMIN_LIST_REQUEST)                                             \
    X(admin_list_change, PDM_BODY_ADMIN_LIST_CHANGE)                                               \
    X(admin_renegotiate, PDM_BODY_ADMIN_RENEGOTIATE)                                               \
    X(admin_revoke, PDM_BODY_ADMIN_REVOKE)                                                         \
    X(admin_done, PDM_BODY_ADMIN_DONE)

PDM_ADMIN_BODIES(PDM_DECLARE_BODY)

#endif
