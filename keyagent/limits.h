/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's own limits, beside those of core/limits.h that it shares with the shim. */
#ifndef PDM_KEYAGENT_LIMITS_H
#define PDM_KEYAGENT_LIMITS_H

#include "core/limits.h"

/* Clients. */
#define AGENT_CONNECTIONS_MAX 64 /* accepted and not yet answered */
#define AGENT_BACKLOG 128
#define AGENT_SILENCE_S 1            /* a client that sends nothing is dropped after this */
#define AGENT_ACCEPT_PAUSE_US 100000 /* without descriptors left, before accepting again */
#define AGENT_CLIENTS_MAX 32768      /* processes whose quotas are kept */
#define AGENT_ASSOCIATIONS_PAGE 64   /* associations in one reply */

/* What is done once a second. */
#define AGENT_TICK_S 1
#define AGENT_SWEEP_CLIENTS 256                 /* processes looked at per tick: about 15 us each */
#define AGENT_SWEEP_SLOTS 8192                  /* slots looked at per tick */
#define AGENT_START_TRUSTED_NS PDM_NSEC_PER_SEC /* no pid comes round again within this */

/* Generations. */
#define AGENT_KEY_LOCK_TRIES 100 /* 1 ms apart, for another agent to write its generation */
#define AGENT_GENERATION_RETRY_NS PDM_NSEC_PER_SEC /* pause after one could not be written */

/* Peers. */
#define AGENT_PEERS_MAX 4096 /* (secret, address) whose generations are kept */
#define AGENT_PEERS_FILE_MAX (1024 * 1024)

/* Searches. A trial costs about 2 us. */
#define AGENT_SEARCH_JOBS 64                          /* searches going on at a time */
#define AGENT_SEARCH_SPANS 4                          /* parts of one search */
#define AGENT_SEARCH_SLICE_NS (1 * PDM_NSEC_PER_MSEC) /* of the loop's time at once */
#define AGENT_SEARCH_PAUSE_US 3000 /* between slices: a quarter of one processor at most */
#define AGENT_SEARCH_FIRST_FULL                                                                    \
    4096                         /* generations of a new peer in which all counters are tried      \
                                  */
#define AGENT_SEARCH_PAST 64     /* generations below the latest, to tell replay from forgery */
#define AGENT_SEARCH_MEMORY 8192 /* tuples whose Kri, and options whose failure, are remembered */
#define AGENT_SEARCH_FAILURE_NS (30 * PDM_NSEC_PER_SEC) /* for how long a failure is */
#define AGENT_SEARCH_KNOWN_RATE 500    /* searches a second for a peer's known tuples */
#define AGENT_SEARCH_NEW_RATE 200      /* for a known peer's new tuples */
#define AGENT_SEARCH_STRANGER_RATE 100 /* for all peers never heard of together */

/* Log. */
#define AGENT_LOG_LINE 1024
#define AGENT_LOG_BURST 8 /* lines from one place in one period */
#define AGENT_LOG_PERIOD_NS (10 * PDM_NSEC_PER_SEC)

#endif
