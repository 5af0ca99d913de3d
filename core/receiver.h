/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening what a peer sealed: the set of its live Kri. The Kri is not on the wire, only its
 * lowest bit f is; the live ones are tried, then the successor of the highest, derived ahead.
 * While secrets are renegotiated a peer may send under either of two, each with Kri and windows of
 * its own. State changes only after a good tag. Signal-safe, one thread at a time.
 */
#ifndef PDM_CORE_RECEIVER_H
#define PDM_CORE_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/option.h"
#include "core/sequence.h"

struct pdm_live {
    bool used;
    uint8_t secret; /* its place among the receiver's */
    uint64_t kri;
    uint64_t last_use; /* turn of the receiver's counter, for replacing the least recently used */
    struct pdm_key key;
    struct pdm_sequence sequence;
};

/* A secret under which the peer may send. */
struct pdm_receiver_secret {
    bool used;
    bool next_valid;
    uint32_t serial;
    uint64_t fresh;    /* lowest Kri that may become live: below it some lost their place */
    uint64_t next_kri; /* the highest live Kri + 1, or the first guess */
    struct pdm_key next_key;
    uint8_t flow[PDM_NH_MAX]; /* FlowSecret of the peer's directed tuple */
};

struct pdm_receiver {
    struct pdm_suite suite;
    uint8_t likelier;  /* place of the secret under which the peer is believed to send */
    bool awaits_newer; /* the other one is newer: the peer will move to it */
    bool newer_seen;   /* and has */
    uint64_t turn;     /* of the latest use */
    struct pdm_live live[PDM_LIVE_KRI];
    struct pdm_receiver_secret secret[PDM_PEER_SECRETS];
};

/* What is told of a secret under which the peer may send. */
struct pdm_peer_secret {
    uint32_t serial;     /* by which others name it */
    bool newer;          /* than the one under which the peer is believed to send */
    uint64_t guess;      /* the Kri to expect first: the peer's last known one, or 0 */
    const uint8_t *flow; /* PDM_NH_MAX octets: FlowSecret of the peer's directed tuple */
};

/*
 * From now on the peer may send under SECRETS secrets, 1 to PDM_PEER_SECRETS, and under no others;
 * the first is the one under which it is believed to. R is all zero, or was given secrets before:
 * of those that are given again, all that is known stays. False for an unusable suite.
 */
bool pdm_receiver_use(struct pdm_receiver *r, const struct pdm_suite *suite,
                      const struct pdm_peer_secret *given, unsigned secrets);
/* Opens OPTION. The live Kri that fitted, or NULL and nothing changed. */
struct pdm_live *pdm_receiver_open(struct pdm_receiver *r,
                                   const uint8_t option[static PDM_OPTION_MAX],
                                   struct pdm_fields *fields);
/* Whether the secret of that serial is one of the receiver's. */
bool pdm_receiver_knows(const struct pdm_receiver *r, uint32_t serial);
/*
 * A Kri, under the secret of that serial, that a search found to fit. It becomes the next guess:
 * the caller opens again. Does nothing for a Kri that is live. False for a secret that is not
 * known, and for a Kri that may have been live before: its window is forgotten, so that its packets
 * could not be told from replays.
 */
bool pdm_receiver_expect(struct pdm_receiver *r, uint32_t serial, uint64_t kri);
/* The highest Kri seen live under the secret used last, and its serial; false if none was. */
bool pdm_receiver_highest(const struct pdm_receiver *r, uint32_t *serial, uint64_t *kri);

#endif
