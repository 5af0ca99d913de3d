/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for the Kri that opens an option, since only its lowest bit is on the wire.
 *
 * At once, about 0.3 ms: the peer's latest generations, counters 0 to 63, or the 64 above what
 * the tuple is known to have reached; of a peer never heard of, generations 0 to 3. Then, in
 * slices between other requests, for a peer that is known: the 64 later generations, counters 0
 * to 63; the 64 below the highest likewise, which tells replay from forgery; and all later ones
 * up to 65535, first counter alone. For a peer that is not: generations 0 to 65535, first counter
 * alone; then the further counters of generations 0 to 4095. The first counter is the lowest with
 * the option's f: 0 or 1.
 *
 * All of that for each of the secrets that the two addresses have in common, the one to send under
 * first, whose generations have nothing to do with each other.
 */
#ifndef PDM_KEYAGENT_SEARCH_H
#define PDM_KEYAGENT_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/message.h"
#include "core/tuple.h"
#include "keyagent/association.h"
#include "keyagent/keying.h"
#include "keyagent/peers.h"
#include "keyagent/penalty.h"

/* Generations FIRST and up of the secret with SERIAL, counters COUNTER and up in each. */
struct search_span {
    uint32_t serial;
    uint32_t first;
    uint32_t generations;
    uint32_t counter;
    uint32_t counters;
};

struct search_target {
    struct pdm_tuple tuple; /* as the peer sends */
    uint8_t option[PDM_OPTION_MAX];
    uint32_t association; /* its number */
    uint16_t group;       /* of its list, that the peer is in */
};

/* A Kri of the secret with SERIAL. */
struct search_kri {
    uint64_t kri;
    uint32_t serial;
};

struct search_job {
    bool used;
    struct search_target target;
    struct search_span span[AGENT_SEARCH_SPANS * PDM_PEER_SECRETS];
    uint32_t spans;
    uint32_t at_span;
    uint32_t generation; /* how far it got in that span */
    uint32_t counter;
    uint64_t as_of; /* count_found when what is likely was tried last */
};

struct search_found {
    bool used;
    uint32_t ledger; /* number of the secret's, or of its scope's */
    struct pdm_tuple tuple;
    uint64_t kri; /* the highest found */
};

struct search_failure {
    uint64_t hash;
    int64_t until;
    enum pdm_status status;
};

struct search {
    struct search_job job[AGENT_SEARCH_JOBS];
    uint32_t jobs;
    uint32_t turn; /* the job whose slice is next */
    struct search_found *found;
    struct search_failure *failure;
    struct penalties penalties;
    struct bucket strangers;
    uint8_t (*secret)[PDM_NH_MAX]; /* FlowSecret in use; locked memory */
    uint8_t hash_key[16];
    uint64_t seed;
    uint64_t count;
    uint64_t count_found;
    const struct associations *associations;
    const struct ledger *ledger;
    struct peers *peers;
};

/* False after telling why. */
bool search_init(struct search *s, const struct associations *associations,
                 const struct ledger *ledger, struct peers *peers, uint64_t seed);
void search_free(struct search *s);
/* The associations are others now: forgets what is going on and what failed. */
void search_reset(struct search *s);

/*
 * Searches for the Kri of TARGET; HIGHEST: the highest that the asking end has seen, or NULL.
 * PDM_STATUS_LATER: it goes on, in search_run(), or a secret is on its way.
 */
enum pdm_status search_ask(struct search *s, const struct search_target *target,
                           const struct search_kri *highest, int64_t now, struct search_kri *found);
/*
 * For how many nanoseconds nothing will be searched for what PEER sends by A, under which it shares
 * K with this host, as A's `undecryptable` has it. 0: it will.
 */
int64_t search_penalty(const struct search *s, const struct association *a, const struct keying *k,
                       const uint8_t peer[static PDM_ADDR_LEN], int64_t now);

/* What a search that went on has found. */
struct search_hit {
    bool found;
    struct search_target target;
    uint32_t serial; /* of the secret that opens it */
};

/* One slice of the searches that go on. False if there are no more. */
bool search_run(struct search *s, int64_t now, struct search_hit *hit);

#endif
