/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One probing of a path: ICMPv6 echo requests, one with an option of the very length that flows
 * will attach and one without, in up to three rounds: two answers of three make out either kind.
 * It knows when each may go and what the answers come to; neither sockets nor the path. Times are
 * of keyagent/clock.h, in nanoseconds. Single thread.
 */
#ifndef PDM_KEYAGENT_PROBING_H
#define PDM_KEYAGENT_PROBING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/metrics.h"

#define PATH_NONCE_LEN 16
#define PATH_ECHOES (2 * AGENT_PROBE_ROUNDS)

enum path_echo_state { PATH_ECHO_UNSENT, PATH_ECHO_SENT, PATH_ECHO_ANSWERED, PATH_ECHO_LOST };

struct path_echo {
    enum path_echo_state state;
    uint8_t nonce[PATH_NONCE_LEN]; /* nobody but who has seen the request can answer it */
    int64_t sent_at;
};

struct path_probing {
    uint32_t path; /* PATHS_NONE: none */
    int64_t began;
    int64_t round_trip;                 /* the longest; 0: no answer yet */
    struct path_echo echo[PATH_ECHOES]; /* round by round: without the option, with it */
};

void probing_begin(struct path_probing *probing, uint32_t path, int64_t now);
/* The number of the request that may go now, PATH_ECHOES: none yet, or none any more. */
uint32_t probing_due(const struct path_probing *probing, int64_t now);
/* It goes. */
void probing_sent(struct path_probing *probing, uint32_t echo, int64_t now);
bool probing_with_option(uint32_t echo);
/* The request under way with NONCE, or NULL. */
struct path_echo *probing_echo(struct path_probing *probing,
                               const uint8_t nonce[static PATH_NONCE_LEN]);
/* ECHO, of PROBING, was answered. */
void probing_answered(struct path_probing *probing, struct path_echo *echo, int64_t now);
/* True when it is decided or over: FOUND is PDM_PATH_CARRIES, _DROPS or _UNPROBED. */
bool probing_is_over(const struct path_probing *probing, int64_t now, enum pdm_path *found);

#endif
