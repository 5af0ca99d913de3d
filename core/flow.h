/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One flow as its own end sees it: makes the fields of the options it sends and the samples from
 * those it receives (RFC 8250 sections 3.2.1 and appendix C). Times are CLOCK_MONOTONIC
 * nanoseconds, passed in. Not thread-safe: the caller holds the flow's lock. Signal-safe.
 */
#ifndef PDM_CORE_FLOW_H
#define PDM_CORE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/metrics.h"
#include "core/option.h"
#include "core/receiver.h"
#include "core/seal.h"
#include "core/sequence.h"
#include "core/stream.h"

struct pdm_flow {
    enum pdm_format format;
    struct pdm_slot *slot; /* where the metrics go */

    /* Sending. */
    uint16_t psn;          /* of the latest option built; before the first: its predecessor */
    uint64_t built;        /* options built */
    uint64_t kri_began;    /* value of built when the current Kri began */
    bool kri_acknowledged; /* a PSNLR named a send under the current Kri */
    uint64_t named;        /* value of built at the latest own send that a PSNLR named; 0: none */
    uint64_t answered;     /* own sends that were answered, or will not be */
    uint64_t presumed;     /* of those: that a packet without an option seems to have answered */
    uint64_t plain_sent;   /* own packets without an option that may still be answered */
    bool doubted;          /* nobody knows what a packet without an option answers */
    uint64_t waiting;      /* own sends that waited for an answer at the last overlapped sample */
    uint32_t steady;       /* samples for which that stayed the same */
    int64_t round_trip;    /* from the last send that was named to the packet that named it */

    /* Receiving. */
    bool received;         /* psnlr and received_at are valid */
    uint16_t psnlr;        /* PSNTP of the last packet received with a receive time */
    int64_t received_at;   /* that time */
    struct pdm_delta dtls; /* DELTATLS to send: fixed when that packet came */

    struct pdm_stream stream; /* what a byte stream needs beyond the others */

    struct pdm_sender sender; /* encrypted */
    struct pdm_receiver receiver;
    struct pdm_sequence clear;    /* formats without a Kri */
    struct pdm_prseq clear_prseq; /* Random Number of clear PDMv2 */

    /* Last, since a packet needs one of it: send time of option number n (from 0) at n %
     * PDM_SENT_RING. */
    int64_t sent_at[PDM_SENT_RING];
};

/* FLOW is all zero. PSN_BEFORE is random, from 1 on: the first option carries its successor. */
void pdm_flow_init(struct pdm_flow *flow, enum pdm_format format, uint16_t psn_before,
                   struct pdm_slot *slot);
/* Where its metrics go: never NULL, even if the flow is wiped by a fork (core/seal.h) meanwhile. */
struct pdm_slot *pdm_flow_slot(const struct pdm_flow *flow);
/* What may answer the latest option of a stream came at AT, with an option of its own or without.
 */
void pdm_flow_answered(struct pdm_flow *flow, int64_t at);
/*
 * The latest option of a stream was lost, and what it went with was sent again without: there is no
 * more to say of that exchange than how long it took.
 */
void pdm_flow_lost(struct pdm_flow *flow);
/*
 * Of what is no stream: a packet without an option was sent, or received. Each answers one that was
 * sent; of a peer that has not all it needs for options, or no room for one, nothing else tells.
 * Both ways must be told of, or the flow is to be doubted.
 */
void pdm_flow_sent_plain(struct pdm_flow *flow);
void pdm_flow_received_plain(struct pdm_flow *flow);
/* From now on, packets without an option answer nothing; nor did they before. */
void pdm_flow_doubt(struct pdm_flow *flow);
/* The option that was built last did not leave. */
void pdm_flow_withheld(struct pdm_flow *flow);
/* A new lease has been put into flow->sender. */
void pdm_flow_new_kri(struct pdm_flow *flow);

enum pdm_attach_status {
    PDM_ATTACHED,
    PDM_ATTACH_HELD,     /* the peer may not have caught up with our Kri: send without */
    PDM_ATTACH_NO_LEASE, /* the lease is used up, or this is a forked child: take a new one */
    PDM_ATTACH_FAILED
};

/*
 * Builds the option for a packet that is sent at NOW. GUARD is the process guard of core/seal.h.
 * On PDM_ATTACHED, OPTION holds the option. The PSN counts options built, sent or not.
 */
enum pdm_attach_status pdm_flow_attach(struct pdm_flow *flow, const _Atomic uint64_t *guard,
                                       uint8_t type, int64_t now, uint32_t global_pointer,
                                       uint8_t option[static PDM_OPTION_MAX]);

enum pdm_receive_status {
    PDM_RECEIVED,
    PDM_DUPLICATE,
    PDM_OUTSIDE_WINDOW,
    PDM_REFUSED,    /* another format, or a PSNTP of 0 */
    PDM_UNKNOWN_KRI /* no live Kri opens it: a search may find one; counted by the caller */
};

struct pdm_sample {
    bool has_network;
    bool has_server;
    bool overlapped; /* more than one own send was unanswered: the server delay may be another's */
    int64_t total;
    int64_t network; /* both directions together */
    int64_t server;
};

/*
 * Takes an option received at AT; STAMPED false: AT is not the kernel's receive time, so the packet
 * counts but makes no sample. SAMPLE is always written.
 */
enum pdm_receive_status pdm_flow_receive(struct pdm_flow *flow, const struct pdm_found *found,
                                         int64_t at, bool stamped, struct pdm_sample *sample);

#endif
