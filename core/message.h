/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages between the agent and the shim or the tools: one request and one reply per
 * connection of a SEQPACKET socket, each a 4-octet header (version, type, length of the body) and
 * a body of fixed layout, big-endian. A reply's type is its request's with PDM_REPLY set. The
 * layouts are tables: from one come the structure, its writer and its reader.
 */
#ifndef PDM_CORE_MESSAGE_H
#define PDM_CORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/body.h"
#include "core/cursor.h"
#include "core/limits.h"
#include "core/metrics.h"
#include "core/option.h"

#define PDM_MESSAGE_VERSION 1
#define PDM_MESSAGE_HEADER 4
#define PDM_REPLY 0x80

enum pdm_message_type {
    PDM_HELLO = 1, /* reply comes with two descriptors: policy, metrics segment */
    PDM_OPEN,      /* a flow: secrets, a lease, what to attach, a slot */
    PDM_RENEW,     /* a further lease for a flow */
    PDM_CLOSE,     /* a flow: its slot, and the Kri of its lease that were never used; no reply */
    PDM_SEARCH,    /* the Kri that opens an option */
    PDM_STATUS,    /* the agent itself */
    PDM_ASSOCIATIONS, /* a page of associations */
    PDM_FLOWS,        /* a page of live flows */
    PDM_SUSPECT,      /* a flow's options seem to get lost on the path; no reply */
    PDM_PATH,         /* what becomes of flows between two addresses, and of their path */
    PDM_MOVE          /* an open flow, to the secrets now in force: as PDM_OPEN, and its figures
                         are in the new slot already */
};

enum pdm_status {
    PDM_STATUS_OK,
    PDM_STATUS_BAD_REQUEST, /* malformed, or of another version */
    PDM_STATUS_NOT_NAMED,   /* no association names this pair of addresses */
    PDM_STATUS_QUOTA,       /* the client has had its share, or a table is full */
    PDM_STATUS_NO_LEASE,    /* no generation could be written durably */
    PDM_STATUS_STALE,       /* of an earlier agent, slot or secret: say hello again, open anew */
    PDM_STATUS_NOT_FOUND,   /* no Kri searched opens the option */
    PDM_STATUS_LATER,       /* the search goes on, a secret is on its way: ask again */
    PDM_STATUS_REPLAY,      /* a Kri of a generation that is past */
    PDM_STATUS_REFUSED      /* a primary will not or cannot; the reply says why */
};

/* N(type, name) a number, B(name, length) octets. One a line: */
/* clang-format off */
#define PDM_BODY_HELLO_REPLY(N, B)                                                                 \
    N(uint8_t, status)                                                                             \
    N(uint64_t, instance)

#define PDM_OPEN_WANTS_LEASE 1  /* flag: this end will send */
#define PDM_OPEN_SEEN_NEWER 2   /* flag: the peer sends under the newer of the two secrets */
#define PDM_BODY_OPEN_REQUEST(N, B)                                                                \
    B(tuple, PDM_TUPLE_LEN) /* as this end sends */                                                \
    N(uint8_t, flags)
#define PDM_BODY_OPEN_REPLY(N, B)                                                                  \
    N(uint8_t, status)                                                                             \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, epoch)                                                                             \
    N(uint32_t, association)                                                                       \
    N(uint8_t, format)                                                                             \
    N(uint16_t, kem)                                                                               \
    N(uint16_t, kdf)                                                                               \
    N(uint16_t, aead)                                                                              \
    N(uint32_t, slot)                                                                              \
    N(uint64_t, owner)                                                                             \
    N(uint64_t, lease_first)                                                                       \
    N(uint32_t, lease_count) /* 0: none */                                                         \
    N(uint64_t, peer_guess)                                                                        \
    B(own_secret, PDM_NH_MAX)                                                                      \
    B(peer_secret, PDM_NH_MAX)                                                                     \
    N(uint32_t, peer_serial) /* the agent's number for what peer_secret comes from */              \
    N(uint8_t, other)        /* enum pdm_other */                                                  \
    N(uint32_t, other_serial)                                                                      \
    N(uint64_t, other_guess)                                                                       \
    B(other_secret, PDM_NH_MAX) /* under which the peer may send as well */                        \
    N(uint32_t, search_pause_ms) /* for so long nothing would be searched for the peer's options */

#define PDM_BODY_MOVE_REQUEST(N, B)                                                                \
    B(tuple, PDM_TUPLE_LEN)                                                                        \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, slot) /* that it leaves */                                                         \
    N(uint64_t, owner)                                                                             \
    N(uint8_t, flags)

/* While secrets are renegotiated a peer may send under either of two. */
enum pdm_other { PDM_OTHER_NONE, PDM_OTHER_OLDER, PDM_OTHER_NEWER, PDM_OTHERS };

/* The slot says which secret the lease is of: the one that the flow was opened under. */
#define PDM_BODY_RENEW_REQUEST(N, B)                                                               \
    B(tuple, PDM_TUPLE_LEN)                                                                        \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, slot)                                                                              \
    N(uint64_t, owner)                                                                             \
    N(uint32_t, had) /* Kri in the last lease; 0: none */
#define PDM_BODY_RENEW_REPLY(N, B)                                                                 \
    N(uint8_t, status)                                                                             \
    N(uint32_t, epoch)                                                                             \
    N(uint64_t, lease_first)                                                                       \
    N(uint32_t, lease_count)

#define PDM_BODY_CLOSE_REQUEST(N, B)                                                               \
    B(tuple, PDM_TUPLE_LEN)                                                                        \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, slot)                                                                              \
    N(uint64_t, owner)                                                                             \
    N(uint64_t, unused_first)                                                                      \
    N(uint32_t, unused_count)

#define PDM_BODY_SUSPECT_REQUEST(N, B)                                                             \
    B(tuple, PDM_TUPLE_LEN)                                                                        \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, slot)                                                                              \
    N(uint64_t, owner)

#define PDM_BODY_SEARCH_REQUEST(N, B)                                                              \
    B(tuple, PDM_TUPLE_LEN) /* as the peer sends */                                                \
    N(uint64_t, instance)                                                                          \
    N(uint8_t, has_highest)                                                                        \
    N(uint64_t, highest)        /* Kri that this end has seen */                                   \
    N(uint32_t, highest_serial) /* of the secret under which */                                    \
    B(option, PDM_OPTION_MAX)
#define PDM_BODY_SEARCH_REPLY(N, B)                                                                \
    N(uint8_t, status)                                                                             \
    N(uint64_t, kri)                                                                               \
    N(uint32_t, serial) /* of the secret that opens it */                                          \
    N(uint32_t, pause_ms) /* not found: nothing more is searched for the peer's for so long */

#define PDM_BODY_STATUS_REPLY(N, B)                                                                \
    N(uint8_t, status)                                                                             \
    N(uint64_t, instance)                                                                          \
    N(uint32_t, pid)                                                                               \
    N(uint64_t, uptime_ms)                                                                         \
    N(uint32_t, epoch)                                                                             \
    N(uint32_t, associations)                                                                      \
    N(uint32_t, flows)                                                                             \
    N(uint32_t, flows_max)                                                                         \
    N(uint32_t, ledger)                                                                            \
    N(uint32_t, ledger_max)                                                                        \
    N(uint64_t, requests)                                                                          \
    N(uint64_t, refused)                                                                           \
    N(uint64_t, leases)                                                                            \
    N(uint64_t, searches)                                                                          \
    N(uint64_t, searches_found)                                                                    \
    N(uint32_t, paths)                                                                             \
    N(uint64_t, probes)                                                                            \
    N(uint8_t, host_drops) /* packets with options, by its own settings */                         \
    N(uint32_t, global_pointer_link_local)                                                         \
    N(uint32_t, global_pointer_global)

#define PDM_BODY_PATH_REQUEST(N, B)                                                                \
    B(local, PDM_ADDR_LEN)                                                                         \
    B(peer, PDM_ADDR_LEN)
#define PDM_BODY_PATH_REPLY(N, B)                                                                  \
    N(uint8_t, status) /* PDM_STATUS_NOT_NAMED: flows between them take no part */                 \
    B(name, PDM_NAME_MAX) /* of the association */                                                 \
    N(uint8_t, format)                                                                             \
    N(uint8_t, keys)    /* enum pdm_status: whether a flow would be given some */                  \
    N(uint8_t, trusted) /* the configuration says that it carries options: it is not probed */     \
    N(uint8_t, path) /* enum pdm_path */

/* A page: how many records of the reply follow, and where the next page starts (0: this was the
 * last). */
#define PDM_BODY_PAGE_REQUEST(N, B)                                                                \
    N(uint32_t, start)
#define PDM_BODY_PAGE_REPLY(N, B)                                                                  \
    N(uint8_t, status)                                                                             \
    N(uint16_t, records)                                                                           \
    N(uint32_t, next)

#define PDM_BODY_ASSOCIATION(N, B)                                                                 \
    B(name, PDM_NAME_MAX)                                                                          \
    N(uint32_t, association)                                                                       \
    N(uint8_t, format)                                                                             \
    N(uint16_t, aead)                                                                              \
    B(local, PDM_ADDR_LEN)                                                                         \
    N(uint8_t, local_len)                                                                          \
    B(peer, PDM_ADDR_LEN)                                                                          \
    N(uint8_t, peer_len)                                                                           \
    N(uint64_t, remaining_ms) /* UINT64_MAX: unlimited; 0: ended */                                \
    N(uint32_t, flows)                                                                             \
    N(uint8_t, has_generation)                                                                     \
    N(uint32_t, generation) /* own */                                                              \
    N(uint8_t, enrolled) /* by a primary; if so: */                                                \
    N(uint8_t, secmop) /* enum pdm_mode_of_operation */                                            \
    N(uint8_t, has_epoch)                                                                          \
    N(uint64_t, epoch) /* of the newest secrets */

#define PDM_BODY_FLOW(N, B)                                                                        \
    B(tuple, PDM_TUPLE_LEN)                                                                        \
    N(uint32_t, association)                                                                       \
    N(uint8_t, format)                                                                             \
    N(uint32_t, pid)                                                                               \
    N(uint64_t, age_ms)                                                                            \
    N(uint64_t, idle_ms)                                                                           \
    N(uint64_t, own_kri)                                                                           \
    N(uint64_t, peer_kri)                                                                          \
    N(uint64_t, network_samples)                                                                   \
    N(uint64_t, network_last)                                                                      \
    N(uint64_t, network_min)                                                                       \
    N(uint64_t, network_max)                                                                       \
    N(uint64_t, network_sum)                                                                       \
    N(uint64_t, server_samples)                                                                    \
    N(uint64_t, server_last)                                                                       \
    N(uint64_t, server_min)                                                                        \
    N(uint64_t, server_max)                                                                        \
    N(uint64_t, server_sum)                                                                        \
    N(uint64_t, total_samples)                                                                     \
    N(uint64_t, total_last)                                                                        \
    N(uint64_t, total_min)                                                                         \
    N(uint64_t, total_max)                                                                         \
    N(uint64_t, total_sum)                                                                         \
    N(uint8_t, path) /* enum pdm_path */                                                           \
    B(counters, 8 * PDM_COUNTER_COUNT) /* 64 bits each, in the order of PDM_COUNTERS */
/* clang-format on */

/* Every body: its name in the code, its table. */
#define PDM_BODIES(X)                                                                              \
    X(hello_reply, PDM_BODY_HELLO_REPLY)                                                           \
    X(open_request, PDM_BODY_OPEN_REQUEST)                                                         \
    X(open_reply, PDM_BODY_OPEN_REPLY)                                                             \
    X(move_request, PDM_BODY_MOVE_REQUEST)                                                         \
    X(renew_request, PDM_BODY_RENEW_REQUEST)                                                       \
    X(renew_reply, PDM_BODY_RENEW_REPLY)                                                           \
    X(close_request, PDM_BODY_CLOSE_REQUEST)                                                       \
    X(suspect_request, PDM_BODY_SUSPECT_REQUEST)                                                   \
    X(search_request, PDM_BODY_SEARCH_REQUEST)                                                     \
    X(search_reply, PDM_BODY_SEARCH_REPLY)                                                         \
    X(status_reply, PDM_BODY_STATUS_REPLY)                                                         \
    X(path_request, PDM_BODY_PATH_REQUEST)                                                         \
    X(path_reply, PDM_BODY_PATH_REPLY)                                                             \
    X(page_request, PDM_BODY_PAGE_REQUEST)                                                         \
    X(page_reply, PDM_BODY_PAGE_REPLY)                                                             \
    X(association, PDM_BODY_ASSOCIATION)                                                           \
    X(flow_record, PDM_BODY_FLOW)

PDM_BODIES(PDM_DECLARE_BODY)

/* A message under construction, and one taken apart. */
struct pdm_message {
    uint8_t *bytes;
    size_t cap;
    struct pdm_writer body; /* put the body here */
};

/* BYTES, CAP octets of the caller's, hold the message; CAP is at least PDM_MESSAGE_HEADER. */
void pdm_message_begin(struct pdm_message *m, uint8_t *bytes, size_t cap, uint8_t type);
/* Fills in the length. The number of octets to send, or 0 if the body did not fit. */
size_t pdm_message_end(struct pdm_message *m);
/*
 * Checks version and length of a received message of LEN octets. The body's reader in BODY, the
 * type in TYPE; false if it is not a whole message of this version.
 */
bool pdm_message_open(const uint8_t *bytes, size_t len, uint8_t *type, struct pdm_reader *body);
/* All of the body was there and nothing beyond it. */
bool pdm_message_done(const struct pdm_reader *body);

#endif
