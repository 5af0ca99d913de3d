/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the paths to peers carry options: some networks drop packets with extension headers
 * (RFC 7872). Per path, which is a pair of addresses, a verdict, how it was
 * come by, and when it is due again. A probing sends ICMPv6 echo requests, one with an option of
 * the very length that flows will attach and one without, in up to three rounds: two answers of
 * three make out either kind. No sockets: the echoes are handed to probe.h, and what came of them
 * is told to here.
 */
#ifndef PDM_KEYAGENT_PATH_H
#define PDM_KEYAGENT_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/metrics.h"
#include "core/option.h"
#include "keyagent/bucket.h"
#include "keyagent/table.h"

#define PATHS_NONE TABLE_NONE
#define PATH_NONCE_LEN 16
#define PATH_ECHOES (2 * AGENT_PROBE_ROUNDS)

struct path {
    uint8_t local[PDM_ADDR_LEN];
    uint8_t peer[PDM_ADDR_LEN];
    enum pdm_format format; /* what flows attach */
    bool used;
    bool lately;    /* used since it was last looked at to make room */
    bool queued;    /* waits for a probing, or has one */
    bool suspected; /* and that is to be heeded when it is due */
    enum pdm_path verdict;
    uint32_t doubts; /* probings in a row that found it not to carry, and are not enough */
    uint32_t flows;  /* live ones */
    int64_t asked;   /* until then somebody wants to know */
    int64_t due;     /* when to probe again, if there are flows */
    int64_t pause;   /* the last between probings of a path that does not carry */
    int64_t heed_at; /* suspicion is not heeded before */
    int64_t heed_pause;
    uint32_t next; /* in the queue */
};

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

/* The verdict on PATH is another now. */
typedef void paths_changed(void *arg, uint32_t path);

struct paths {
    struct table table;
    struct path *item;
    struct path_probing probing[AGENT_PROBINGS];
    uint32_t probings;
    uint32_t first; /* of those that wait for a probing */
    uint32_t last;
    uint32_t hand; /* where to look next for room */
    struct bucket echoes;
    uint64_t sent; /* echo requests */
    uint64_t seed;
    bool may_probe;
    paths_changed *changed;
    void *arg;
};

/* An echo request that is to be sent now. */
struct path_request {
    const uint8_t *local;
    const uint8_t *peer;
    enum pdm_format format;
    bool with_option;
    uint8_t nonce[PATH_NONCE_LEN];
};

/* False: out of memory. MAY_PROBE is false until it is set. */
bool paths_init(struct paths *p, uint64_t seed, paths_changed *changed, void *arg);
void paths_free(struct paths *p);

/* A flow begins: its path, to be given back with paths_leave; PATHS_NONE if there is no room. */
uint32_t paths_join(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                    const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now);
void paths_leave(struct paths *p, uint32_t path);
/* Somebody wants to know: for a while it is probed as if it had a flow. */
uint32_t paths_ask(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now);
/* Of no path: that it cannot be told. */
enum pdm_path paths_verdict(const struct paths *p, uint32_t path);
/* How many have VERDICT. */
uint32_t paths_with(const struct paths *p, enum pdm_path verdict);
/* The options of a flow on PATH seem to get lost. */
void paths_suspect(struct paths *p, uint32_t path, int64_t now);

/* What does not carry is due at once: the administrator may have mended it. */
void paths_retry(struct paths *p);
/* Has those paths probed again that are due; to be called once a second. */
void paths_sweep(struct paths *p, int64_t now);
/* Probings are under way or waiting. */
bool paths_busy(const struct paths *p);
/* Ends probings that are over, and gives the next request that is to be sent; false: none. */
bool paths_next(struct paths *p, int64_t now, struct path_request *request);
/* The request with NONCE could not be sent. */
void paths_unsent(struct paths *p, const uint8_t nonce[static PATH_NONCE_LEN]);
/* An answer with NONCE came from FROM. */
void paths_answered(struct paths *p, const uint8_t nonce[static PATH_NONCE_LEN],
                    const uint8_t from[static PDM_ADDR_LEN], int64_t now);

#endif
