/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is to be probed: the paths that wait, at most AGENT_PROBINGS probings under way,
 * and at most AGENT_PROBE_RATE echo requests a second for all of them. What a probing found is told
 * to whoever keeps the verdicts. No sockets: requests are handed to probe.h, and what came of them
 * is told to here. Times are of keyagent/clock.h, in nanoseconds. Single thread.
 */
#ifndef PDM_KEYAGENT_PROBER_H
#define PDM_KEYAGENT_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/bucket.h"
#include "keyagent/path_table.h"
#include "keyagent/probing.h"

/* A probing of PATH has ended, and FOUND that; PATH may be queued again at once. */
typedef void prober_found(void *arg, uint32_t path, enum pdm_path found, int64_t now);

struct prober {
    struct path_table *paths;
    struct path_probing probing[AGENT_PROBINGS];
    uint32_t probings;
    uint32_t first; /* of the paths that wait for a probing; PATHS_NONE: none does */
    uint32_t last;
    struct bucket echoes;
    uint64_t sent; /* echo requests */
    prober_found *found;
    void *arg;
};

/* An echo request that is to be sent now. The addresses are the path's: good until it is used. */
struct path_request {
    const uint8_t *local;
    const uint8_t *peer;
    enum pdm_format format;
    bool with_option;
    uint8_t nonce[PATH_NONCE_LEN];
};

/* PATHS stays where it is, and its owner's. */
void prober_init(struct prober *p, struct path_table *paths, prober_found *found, void *arg);

/* PATH is to be probed, unless it waits for that already; until it was, it is not due. */
void prober_enqueue(struct prober *p, uint32_t path);
/* What a probing of PATH that is under way is about to find is no longer of interest. */
void prober_abandon(struct prober *p, uint32_t path);
/* Probings are under way or waiting. */
bool prober_busy(const struct prober *p);

/* Ends probings that are over, and gives the next request that is to be sent; false: none. */
bool prober_next(struct prober *p, int64_t now, struct path_request *request);
/* The request with NONCE could not be sent. */
void prober_unsent(struct prober *p, const uint8_t nonce[static PATH_NONCE_LEN]);
/* An answer with NONCE came from FROM. Anybody may say so: what does not fit is left alone. */
void prober_answered(struct prober *p, const uint8_t nonce[static PATH_NONCE_LEN],
                     const uint8_t from[static PDM_ADDR_LEN], int64_t now);

#endif
