/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening encrypted options that passed between others. */
#include "cli/pdmctl/decode/opener.h"

#include <err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/keys.h"
#include "core/seal.h"

enum {
    GENERATION_SHIFT = 32,
    LIKELY_COUNTERS = 8,
    LIKELY_GENERATIONS = 4,
};

/* What was found out of those who send from one address under one secret. */
struct opener_peer {
    const struct secret *secret;
    uint8_t addr[PDM_ADDR_LEN];
    bool known;          /* a generation was seen, */
    uint32_t generation; /* the latest of them */
    uint64_t failures;   /* until then: searches near the first ones, in vain */
};

/* Generations and, of each, counters that are tried. The ends are not part of them. */
struct span {
    uint64_t generation, generation_end;
    uint64_t counter, counter_end;
};

/* How far a search goes: what costs more comes after what is likelier, under whatever secret. */
enum reach { LIKELY, NEAR, ALL, REACHES };

struct search {
    const struct pdm_suite *suite;
    const uint8_t *flow; /* FlowSecret */
    const uint8_t *option;
    uint8_t f;
};

bool opener_init(struct opener *o, const struct secrets *secrets)
{
    *o = (struct opener){.secrets = secrets};
    o->peers = calloc(DECODE_PEERS, sizeof(*o->peers));
    if (o->peers == NULL)
        warn("no memory for keys");
    return o->peers != NULL;
}

void opener_free(struct opener *o)
{
    free(o->peers);
    o->peers = NULL;
}

/* Its place, in which another one may stand: that is then forgotten. */
static struct opener_peer *peer_of(struct opener *o, const struct secret *secret,
                                   const uint8_t addr[static PDM_ADDR_LEN])
{
    struct pdm_tuple t = {.sport = (uint16_t)(secret - o->secrets->list)};

    memcpy(t.saddr, addr, PDM_ADDR_LEN);
    struct opener_peer *peer = &o->peers[pdm_tuple_hash(&t, 0) % DECODE_PEERS];

    if (peer->secret != secret || memcmp(peer->addr, addr, PDM_ADDR_LEN) != 0) {
        *peer = (struct opener_peer){.secret = secret};
        memcpy(peer->addr, addr, PDM_ADDR_LEN);
    }
    return peer;
}

static bool try_kri(const struct search *s, uint64_t kri)
{
    struct pdm_key key;
    struct pdm_fields fields;
    bool opens =
        pdm_kri_key(s->suite, s->flow, kri, &key) && pdm_open(s->suite, &key, s->option, &fields);

    sodium_memzero(&key, sizeof(key));
    return opens;
}

/* f is the Kri's lowest bit: it halves what is to be tried. */
static bool try_span(const struct search *s, const struct span *span, uint64_t *kri)
{
    for (uint64_t g = span->generation; g < span->generation_end && g <= UINT32_MAX; g++) {
        uint64_t c = span->counter + ((span->counter ^ s->f) & 1);

        for (; c < span->counter_end && c <= UINT32_MAX; c += 2) {
            *kri = g << GENERATION_SHIFT | c;
            if (try_kri(s, *kri))
                return true;
        }
    }
    return false;
}

static bool try_generations(const struct search *s, uint64_t from, uint64_t end, uint64_t counters,
                            uint64_t *kri)
{
    const struct span span = {from, end, 0, counters};

    return try_span(s, &span, kri);
}

/* Of a flow in progress, the counters behind the highest that was seen. */
static bool try_ahead(const struct search *s, const struct opening *opening, uint64_t counters,
                      uint64_t *kri)
{
    uint32_t serial;
    uint64_t highest;

    if (!pdm_receiver_highest(&opening->receiver, &serial, &highest))
        return false;
    uint64_t g = highest >> GENERATION_SHIFT;
    uint64_t c = (highest & UINT32_MAX) + 1;
    const struct span span = {g, g + 1, c, c + counters};

    return try_span(s, &span, kri);
}

/* A flow begins with the first counters of the generation that others of its sender have. */
static bool search_likely(const struct search *s, const struct opening *opening,
                          const struct opener_peer *peer, uint64_t *kri)
{
    return (opening != NULL && try_ahead(s, opening, LIKELY_COUNTERS, kri)) ||
           try_generations(s, peer->generation, peer->generation + 1, LIKELY_COUNTERS, kri) ||
           try_generations(s, peer->generation + 1, peer->generation + 1 + LIKELY_GENERATIONS, 2,
                           kri);
}

/*
 * Who sends what no key opens, on flow after flow, shall not make decode take for ever: so many
 * searches may be in vain, and one more for each so many options that passed.
 */
static bool may_search(struct opener *o, unsigned in_vain, unsigned most, uint64_t options)
{
    bool may = in_vain < most + o->options / options;

    o->gave_up = o->gave_up || !may;
    return may;
}

/* Where the same flow, or others of the same sender, were, and later generations. */
static bool search_near(struct opener *o, const struct search *s, const struct opening *opening,
                        const struct opener_peer *peer, uint64_t *kri)
{
    uint64_t g = peer->generation;
    uint64_t past = g < PDM_SEARCH_GENERATIONS ? g : PDM_SEARCH_GENERATIONS - 1;

    if (!may_search(o, o->near_in_vain, DECODE_SEARCHES_NEAR, DECODE_OPTIONS_NEAR))
        return false;
    if ((opening != NULL && try_ahead(s, opening, PDM_SEARCH_COUNTERS, kri)) ||
        try_generations(s, g - past, g + 1 + PDM_SEARCH_AHEAD, PDM_SEARCH_COUNTERS, kri))
        return true;
    o->near_in_vain++;
    return false;
}

/* The more options in a row did not open, the fewer are searched for far and wide. */
static bool is_worth_a_search(uint64_t failures)
{
    return (failures & (failures - 1)) == 0;
}

static bool search_all(struct opener *o, const struct search *s, struct opener_peer *peer,
                       uint64_t *kri)
{
    if (!is_worth_a_search(++peer->failures) ||
        !may_search(o, o->all_in_vain, DECODE_SEARCHES_ALL, DECODE_OPTIONS_ALL))
        return false;
    if (try_generations(s, 0, AGENT_SEARCH_FIRST_FULL, PDM_SEARCH_COUNTERS, kri) ||
        try_generations(s, AGENT_SEARCH_FIRST_FULL, PDM_SEARCH_FIRST, 2, kri))
        return true;
    o->all_in_vain++;
    return false;
}

static bool search(struct opener *o, const struct search *s, const struct opening *opening,
                   struct opener_peer *peer, enum reach reach, uint64_t *kri)
{
    switch (reach) {
    case LIKELY:
        return search_likely(s, opening, peer, kri);
    case NEAR:
        return search_near(o, s, opening, peer, kri);
    case ALL:
        return !peer->known && search_all(o, s, peer, kri);
    case REACHES:
        break;
    }
    return false;
}

/* From now on the sender is believed to use KRI of SECRET. */
static bool expect(struct opening *opening, const struct secret *secret, const uint8_t *flow,
                   uint64_t kri)
{
    const struct pdm_peer_secret given = {.guess = kri, .flow = flow};

    opening->secret = secret;
    return pdm_receiver_use(&opening->receiver, &secret->suite, &given, 1) &&
           pdm_receiver_expect(&opening->receiver, given.serial, kri);
}

static bool search_secret(struct opener *o, struct opening *opening, const struct secret *secret,
                          enum reach reach, const struct pdm_tuple *tuple,
                          const struct pdm_found *found)
{
    uint8_t flow[PDM_NH_MAX] = {0};
    struct opener_peer *peer = peer_of(o, secret, tuple->saddr);
    const struct search s = {
        .suite = &secret->suite, .flow = flow, .option = found->option, .f = found->fields.f};
    uint64_t kri = 0;
    bool done = pdm_flow_secret(&secret->suite, secret->shared, tuple, flow) &&
                search(o, &s, opening->secret == secret ? opening : NULL, peer, reach, &kri) &&
                expect(opening, secret, flow, kri);

    if (done) {
        peer->known = true;
        peer->generation = (uint32_t)(kri >> GENERATION_SHIFT);
    }
    sodium_memzero(flow, sizeof(flow));
    return done;
}

static bool search_secrets(struct opener *o, struct opening *opening, enum reach reach,
                           const struct pdm_tuple *tuple, const struct pdm_found *found)
{
    const struct secret *secret;
    size_t at = 0;

    while ((secret = secrets_next(o->secrets, &at, tuple->saddr, tuple->daddr)) != NULL) {
        if (search_secret(o, opening, secret, reach, tuple, found))
            return true;
    }
    return false;
}

struct pdm_live *opener_open(struct opener *o, struct opening *opening,
                             const struct pdm_tuple *tuple, struct pdm_found *found)
{
    struct pdm_live *live = NULL;
    enum reach end = is_worth_a_search(opening->failures + 1) ? REACHES : NEAR;

    o->options++;
    if (opening->secret != NULL)
        live = pdm_receiver_open(&opening->receiver, found->option, &found->fields);
    for (enum reach reach = LIKELY; live == NULL && reach < end; reach++) {
        if (search_secrets(o, opening, reach, tuple, found))
            live = pdm_receiver_open(&opening->receiver, found->option, &found->fields);
    }
    opening->failures = live != NULL ? 0 : opening->failures + 1;
    return live;
}
