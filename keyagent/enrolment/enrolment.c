/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent has from its primary. */
#include "keyagent/enrolment/enrolment.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/ibc.h"
#include "core/modes.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolled.h"
#include "keyagent/log.h"
#include "keyagent/enrolment/pairwise.h"

#define SERIAL_BIT 0x80000000U
#define TIME_SLACK_NS (1 * PDM_NSEC_PER_SEC) /* times are told relative to when a message came */

struct enrolment {
    char name[PDM_NAME_MAX];
    struct ledger *ledger;
    struct highwater *highwater;
    struct enrolment_hooks hooks;
    void *arg;
    struct enrolled_pair **pair; /* ENROLMENT_PAIRS_MAX */
    size_t pairs;
    struct pairwise pairwise;
    struct pdm_ibc_parameters *parameters; /* NULL until mode ibc is met */
};

/* Of all enrolments: two of them may know the same two addresses. */
static uint32_t serials;

static uint32_t next_serial(void)
{
    return SERIAL_BIT | ++serials;
}

static uint64_t random_number(void)
{
    uint64_t number;

    randombytes_buf(&number, sizeof number);
    return number;
}

struct enrolment *enrolment_new(const char *name, struct ledger *ledger,
                                struct highwater *highwater, const struct enrolment_hooks *hooks,
                                void *arg)
{
    struct enrolment *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    *e = (struct enrolment){.ledger = ledger, .highwater = highwater, .hooks = *hooks, .arg = arg};
    memcpy(e->name, name, strnlen(name, sizeof e->name - 1));
    e->pair = calloc(ENROLMENT_PAIRS_MAX, sizeof(struct enrolled_pair *));
    if (e->pair != NULL && pairwise_init(&e->pairwise, random_number()))
        return e;
    enrolment_free(e);
    return NULL;
}

void enrolment_free(struct enrolment *e)
{
    if (e == NULL)
        return;
    enrolment_drop(e);
    pairwise_free(&e->pairwise);
    free(e->parameters);
    free(e->pair);
    free(e);
}

const char *enrolment_name(const struct enrolment *e)
{
    return e->name;
}

size_t enrolment_pairs(const struct enrolment *e)
{
    return e->pairs;
}

static struct enrolled_pair *find_pair(const struct enrolment *e, uint32_t number)
{
    for (size_t i = 0; i < e->pairs; i++)
        if (e->pair[i]->pair == number)
            return e->pair[i];
    return NULL;
}

const struct enrolled_pair *enrolment_pair(const struct enrolment *e, uint32_t number)
{
    return find_pair(e, number);
}

static const struct enrolled_epoch *find_epoch(const struct enrolled_pair *pair, uint64_t epoch)
{
    for (unsigned i = 0; i < pair->epochs; i++)
        if (pair->epoch[i].epoch == epoch)
            return &pair->epoch[i];
    return NULL;
}

static struct enrolled_scope *find_scope(const struct enrolled_epoch *epoch,
                                         const uint8_t own[static PDM_ADDR_LEN])
{
    for (unsigned i = 0; i < epoch->scopes; i++)
        if (memcmp(epoch->scope[i].address, own, PDM_ADDR_LEN) == 0)
            return &epoch->scope[i];
    return NULL;
}

/* What stands for a scope in the ledger, of this agent and of later ones. */
static void scope_id(const struct enrolled_epoch *epoch, const struct enrolled_scope *scope,
                     uint8_t id[static LEDGER_ID_LEN])
{
    uint8_t both[PDM_TAG_ID_LEN + PDM_ADDR_LEN];

    memcpy(both, epoch->tag, PDM_TAG_ID_LEN);
    memcpy(both + PDM_TAG_ID_LEN, scope->address, PDM_ADDR_LEN);
    crypto_generichash(id, LEDGER_ID_LEN, both, sizeof both, NULL, 0);
}

static bool is_poller(const struct enrolled_pair *pair)
{
    return pair->secmop == PDM_SECMOP_ASYMMETRIC_POLL && pair->poller == pair->side;
}

/* Generations. */

static uint32_t last_of(const struct enrolled_block *block)
{
    return block->first + (block->count - 1);
}

/* BLOCK is behind all that SCOPE has used and has. */
static bool is_new(const struct enrolment *e, const struct enrolled_epoch *epoch,
                   const struct enrolled_scope *scope, const struct enrolled_block *block)
{
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);

    return (mark == NULL || block->first > mark->generation) &&
           (scope->block.count == 0 || block->first > last_of(&scope->block)) &&
           (scope->next.count == 0 || block->first > last_of(&scope->next));
}

static void tell_refused_block(const struct enrolment *e, struct enrolled_scope *scope,
                               const struct enrolled_block *block)
{
    char text[INET6_ADDRSTRLEN];

    if (scope->refused_block)
        return;
    scope->refused_block = true;
    inet_ntop(AF_INET6, scope->address, text, sizeof text);
    log_error("association %s: the primary gives %s generations %u to %u, which are not above "
              "those used before, and they are not used: was its store put back?",
              e->name, text, block->first, last_of(block));
}

/* Generations are taken in order. What does not fit behind those that wait is never used. */
static void take_block(const struct enrolment *e, const struct enrolled_epoch *epoch,
                       struct enrolled_scope *scope, const struct enrolled_block *block)
{
    if (block->count == 0 ||
        (block->first == scope->given.first && block->count == scope->given.count))
        return; /* told again */
    if (!is_new(e, epoch, scope, block)) {
        tell_refused_block(e, scope, block);
        return;
    }
    struct enrolled_block *end = scope->next.count > 0 ? &scope->next : &scope->block;
    if (end->count > 0 && last_of(end) + 1 == block->first &&
        block->count <= UINT32_MAX - end->count)
        end->count += block->count;
    else if (scope->block.count == 0)
        scope->block = *block;
    else if (scope->next.count == 0)
        scope->next = *block;
    scope->given = *block;
    scope->refused_block = false;
}

/* Ahead of need: a quarter of what was given is left, or the last one. */
static bool runs_low(const struct enrolled_scope *scope)
{
    uint32_t few = scope->given.count / ENROLMENT_BLOCK_SHARE;

    return scope->next.count == 0 && scope->block.count <= (few > 0 ? few : 1);
}

static void ask_block(struct enrolment *e, const struct enrolled_pair *pair,
                      const struct enrolled_epoch *epoch, struct enrolled_scope *scope, int64_t now)
{
    struct pdm_block_request request = {.pair = pair->pair, .epoch = epoch->epoch};

    if (scope->asked || now < scope->ask_at || !runs_low(scope))
        return;
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);
    request.has_highest = mark != NULL;
    request.highest = mark != NULL ? mark->generation : 0;
    memcpy(request.own, scope->address, sizeof request.own);
    scope->asked = e->hooks.block(e->arg, &request);
}

static int64_t realtime_end(const struct enrolled_epoch *epoch, int64_t now)
{
    return epoch->ends_at == INT64_MAX ? 0 : time(NULL) + (epoch->ends_at - now) / PDM_NSEC_PER_SEC;
}

static bool note(struct enrolment *e, const struct enrolled_epoch *epoch,
                 const struct enrolled_scope *scope, uint32_t generation, int64_t ends)
{
    struct highwater_mark mark = {.generation = generation, .ends = ends > 0 ? ends : 0};

    memcpy(mark.tag, epoch->tag, sizeof mark.tag);
    memcpy(mark.address, scope->address, sizeof mark.address);
    memcpy(mark.name, e->name, sizeof mark.name);
    return highwater_note(e->highwater, &mark);
}

static bool take_generation(struct enrolment *e, const struct enrolled_pair *pair,
                            const struct enrolled_epoch *epoch, struct enrolled_scope *scope,
                            uint32_t *generation)
{
    int64_t now = clock_now();

    if (scope->block.count == 0) {
        scope->block = scope->next;
        scope->next = (struct enrolled_block){0};
    }
    bool good = scope->block.count > 0 &&
                note(e, epoch, scope, scope->block.first, realtime_end(epoch, now));
    if (good) {
        *generation = scope->block.first++;
        scope->block.count--;
    }
    ask_block(e, pair, epoch, scope, now);
    return good;
}

bool enrolment_generation(struct enrolment *e, uint32_t ledger, uint32_t *generation)
{
    for (size_t i = 0; e != NULL && i < e->pairs; i++) {
        const struct enrolled_pair *pair = e->pair[i];

        for (unsigned j = 0; j < pair->epochs; j++) {
            const struct enrolled_epoch *epoch = &pair->epoch[j];

            for (unsigned k = 0; k < epoch->scopes; k++)
                if (epoch->scope[k].ledger == ledger)
                    return take_generation(e, pair, epoch, &epoch->scope[k], generation);
        }
    }
    return false;
}

/* Secrets. */

/* When PEER is sent to under EPOCH: as all peers are, or at once if it has moved there. */
static int64_t send_at(const struct enrolment *e, const struct enrolled_pair *pair,
                       const struct enrolled_epoch *epoch, const uint8_t own[static PDM_ADDR_LEN],
                       const uint8_t peer[static PDM_ADDR_LEN], int64_t now)
{
    if (epoch->send_at <= now)
        return epoch->send_at;
    const struct pairwise_item *item =
        pairwise_find(&e->pairwise, pair->pair, epoch->epoch, own, peer);
    bool moved = item != NULL && (item->state == PAIRWISE_MOVED || item->moved);
    return moved ? 0 : epoch->send_at;
}

/* A client has a secret for each group of servers. */
static enum pdm_status of_group(const struct enrolled_scope *scope, uint16_t group,
                                struct enrolled_secret *secret)
{
    for (unsigned i = 0; i < scope->grants; i++) {
        if (scope->group[i] == group) {
            memcpy(secret->shared, scope->secret[i], sizeof secret->shared);
            secret->serial = scope->serial[i];
            return PDM_STATUS_OK;
        }
    }
    return PDM_STATUS_NOT_NAMED;
}

/* Whoever holds the one secret of its own that both sides' derive from. */
static enum pdm_status of_holder(const struct enrolled_pair *pair,
                                 const struct enrolled_epoch *epoch,
                                 const struct enrolled_scope *scope,
                                 const uint8_t peer[static PDM_ADDR_LEN],
                                 struct enrolled_secret *secret)
{
    if (scope->grants == 0)
        return PDM_STATUS_NOT_NAMED;
    secret->serial = scope->serial[0];
    bool good = pair->side == PDM_SIDE_SERVER
                    ? pdm_pcs(&epoch->suite, scope->secret[0], peer, secret->shared)
                    : pdm_poll_pss(&epoch->suite, scope->secret[0], peer, secret->shared);
    return good ? PDM_STATUS_OK : PDM_STATUS_NOT_NAMED;
}

static enum pdm_status poll_for(struct enrolment *e, const struct enrolled_pair *pair,
                                const struct enrolled_epoch *epoch,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pdm_poll_request request = {.pair = pair->pair, .epoch = epoch->epoch};

    if (e->pairwise.asked >= ENROLMENT_POLLS_MAX)
        return PDM_STATUS_QUOTA;
    memcpy(request.own, own, sizeof request.own);
    memcpy(request.peer, peer, sizeof request.peer);
    if (e->hooks.poll(e->arg, &request))
        pairwise_add(&e->pairwise, pair->pair, epoch->epoch, own, peer, PAIRWISE_ASKED);
    return PDM_STATUS_LATER;
}

static enum pdm_status of_poll(struct enrolment *e, const struct enrolled_pair *pair,
                               const struct enrolled_epoch *epoch,
                               const struct enrolled_scope *scope,
                               const uint8_t peer[static PDM_ADDR_LEN], int64_t now,
                               struct enrolled_secret *secret)
{
    struct pairwise_item *item =
        pairwise_find(&e->pairwise, pair->pair, epoch->epoch, scope->address, peer);

    if (item != NULL && item->state == PAIRWISE_REFUSED && item->until <= now) {
        pairwise_remove(&e->pairwise, item);
        item = NULL;
    }
    if (item == NULL)
        return poll_for(e, pair, epoch, scope->address, peer);
    if (item->state != PAIRWISE_SECRET)
        return item->state == PAIRWISE_ASKED ? PDM_STATUS_LATER : PDM_STATUS_NOT_NAMED;
    pairwise_used(&e->pairwise, item);
    memcpy(secret->shared, pairwise_secret(&e->pairwise, item), sizeof secret->shared);
    secret->serial = scope->serial[0];
    return PDM_STATUS_OK;
}

static enum pdm_status of_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                                const struct enrolled_epoch *epoch,
                                const struct enrolled_scope *scope,
                                const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                int64_t now, struct enrolled_secret *secret)
{
    *secret =
        (struct enrolled_secret){.suite = epoch->suite,
                                 .ledger = scope->ledger,
                                 .send_at = send_at(e, pair, epoch, scope->address, peer, now)};
    if (is_poller(pair))
        return of_poll(e, pair, epoch, scope, peer, now, secret);
    if (pair->secmop == PDM_SECMOP_TRUSTED_SERVERS && pair->side == PDM_SIDE_CLIENT)
        return of_group(scope, group, secret);
    return of_holder(pair, epoch, scope, peer, secret);
}

/* What is being asked for outweighs what cannot be asked for, and that what there will not be. */
static enum pdm_status weigh(enum pdm_status a, enum pdm_status b)
{
    if (a == PDM_STATUS_LATER || b == PDM_STATUS_LATER)
        return PDM_STATUS_LATER;
    return a == PDM_STATUS_NOT_NAMED ? b : a;
}

static enum pdm_status of_epochs(struct enrolment *e, const struct enrolled_pair *pair,
                                 const uint8_t own[static PDM_ADDR_LEN],
                                 const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                 int64_t now, struct enrolled_secret *secret, unsigned *count)
{
    enum pdm_status status = PDM_STATUS_NOT_NAMED;

    for (unsigned i = 0; i < pair->epochs; i++) {
        const struct enrolled_epoch *epoch = &pair->epoch[i];
        const struct enrolled_scope *scope = find_scope(epoch, own);

        if (scope == NULL)
            continue;
        enum pdm_status one = of_epoch(e, pair, epoch, scope, peer, group, now, &secret[*count]);
        if (one == PDM_STATUS_OK)
            ++*count;
        else
            status = weigh(status, one);
    }
    return status;
}

/* A goes before B: it is of an earlier negotiation, or pairing. */
static bool is_older(const struct pairwise_item *a, const struct pairwise_item *b)
{
    return a->epoch != b->epoch ? a->epoch < b->epoch : a->serial < b->serial;
}

/* The keys that OWN and PEER agreed on, older first. Returns how many. */
static unsigned paired_keys(const struct enrolment *e, uint32_t pair,
                            const uint8_t own[static PDM_ADDR_LEN],
                            const uint8_t peer[static PDM_ADDR_LEN],
                            struct pairwise_item *key[static PDM_PEER_SECRETS])
{
    unsigned count = 0;

    for (struct pairwise_item *item = pairwise_next(&e->pairwise, NULL, pair, own, peer);
         item != NULL && count < PDM_PEER_SECRETS;
         item = pairwise_next(&e->pairwise, item, pair, own, peer)) {
        unsigned at = count++;

        for (; at > 0 && is_older(item, key[at - 1]); at--)
            key[at] = key[at - 1];
        key[at] = item;
    }
    return count;
}

/* NEWEST: the epoch of the latest key of theirs, or NULL. */
static enum pdm_status ask_peer(struct enrolment *e, const struct enrolled_pair *pair,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN], const uint64_t *newest)
{
    struct enrolment_pairing request = {.pair = pair, .peer = peer};

    for (unsigned i = pair->epochs; i-- > 0 && request.scope == NULL;) {
        request.epoch = &pair->epoch[i];
        request.scope = find_scope(request.epoch, own);
    }
    if (request.scope == NULL || e->hooks.pairing == NULL)
        return PDM_STATUS_NOT_NAMED;
    return newest == NULL || *newest < request.epoch->epoch ? e->hooks.pairing(e->arg, e, &request)
                                                            : PDM_STATUS_OK;
}

/*
 * Two keys of one negotiation, neither of which the peer has shown to have: somebody may have begun
 * pairings in its name, and it may have none of them. One of our own settles it.
 */
static bool is_contested(struct pairwise_item *key[static PDM_PEER_SECRETS], unsigned keys)
{
    return keys == PDM_PEER_SECRETS && key[0]->epoch == key[1]->epoch &&
           key[0]->send_at == INT64_MAX && key[1]->send_at == INT64_MAX;
}

static enum pdm_status of_pairing(struct enrolment *e, const struct enrolled_pair *pair,
                                  const uint8_t own[static PDM_ADDR_LEN],
                                  const uint8_t peer[static PDM_ADDR_LEN],
                                  struct enrolled_secret *secret, unsigned *count)
{
    struct pairwise_item *key[PDM_PEER_SECRETS];
    unsigned keys = paired_keys(e, pair->pair, own, peer, key);
    const uint64_t *newest = NULL;

    for (unsigned i = 0; i < keys; i++) {
        const struct enrolled_epoch *epoch = find_epoch(pair, key[i]->epoch);
        const struct enrolled_scope *scope = epoch != NULL ? find_scope(epoch, own) : NULL;

        if (scope == NULL)
            continue;
        pairwise_used(&e->pairwise, key[i]);
        secret[*count] = (struct enrolled_secret){.suite = epoch->suite,
                                                  .ledger = scope->ledger,
                                                  .serial = key[i]->serial,
                                                  .send_at = key[i]->send_at};
        memcpy(secret[*count].shared, pairwise_secret(&e->pairwise, key[i]), sizeof secret->shared);
        ++*count;
        newest = &epoch->epoch;
    }
    return ask_peer(e, pair, own, peer, is_contested(key, keys) ? NULL : newest);
}

enum pdm_status enrolment_secrets(struct enrolment *e, const struct enrolled_pair *pair,
                                  const uint8_t own[static PDM_ADDR_LEN],
                                  const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                  int64_t now,
                                  struct enrolled_secret secret[static PDM_PEER_SECRETS],
                                  unsigned *count)
{
    *count = 0;
    enum pdm_status status = pair->secmop == PDM_SECMOP_IBC
                                 ? of_pairing(e, pair, own, peer, secret, count)
                                 : of_epochs(e, pair, own, peer, group, now, secret, count);
    return *count > 0 ? PDM_STATUS_OK : status;
}

static bool has_serial(const struct enrolled_scope *scope, uint32_t serial)
{
    for (unsigned i = 0; i < (scope->grants > 0 ? scope->grants : 1U); i++)
        if (scope->serial[i] == serial)
            return true;
    return false;
}

static void moved_to_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                           const struct enrolled_epoch *epoch,
                           const uint8_t own[static PDM_ADDR_LEN],
                           const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pairwise_item *item = pairwise_find(&e->pairwise, pair->pair, epoch->epoch, own, peer);

    if (item != NULL)
        item->moved = true;
    else if (!is_poller(pair) && epoch->send_at > clock_now())
        pairwise_add(&e->pairwise, pair->pair, epoch->epoch, own, peer, PAIRWISE_MOVED);
}

void enrolment_peer_moved(struct enrolment *e, const struct enrolled_pair *pair,
                          const uint8_t own[static PDM_ADDR_LEN],
                          const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial)
{
    struct pairwise_item *key[PDM_PEER_SECRETS];

    if (pair->secmop == PDM_SECMOP_IBC) {
        unsigned keys = paired_keys(e, pair->pair, own, peer, key);

        for (unsigned i = 0; i < keys; i++)
            if (key[i]->serial == serial)
                key[i]->send_at = 0;
        return;
    }
    for (unsigned i = 0; i < pair->epochs; i++) {
        const struct enrolled_scope *scope = find_scope(&pair->epoch[i], own);

        if (scope != NULL && has_serial(scope, serial))
            moved_to_epoch(e, pair, &pair->epoch[i], own, peer);
    }
}

/*
 * Of two keys and a third one goes: one that the peer has not shown to have, for anyone can begin a
 * pairing in another's name, and of two such the newer, for the older may be in use: while it was
 * the only one nothing could show that; else the older.
 */
static struct pairwise_item *dispensable(struct pairwise_item *key[static PDM_PEER_SECRETS])
{
    for (unsigned i = PDM_PEER_SECRETS; i-- > 0;)
        if (key[i]->send_at == INT64_MAX)
            return key[i];
    return key[0];
}

uint32_t enrolment_pair_device_key(struct enrolment *e, uint32_t pair, uint64_t epoch,
                                   const uint8_t own[static PDM_ADDR_LEN],
                                   const uint8_t peer[static PDM_ADDR_LEN],
                                   const uint8_t key[static PDM_NH_MAX], bool initiator)
{
    struct pairwise_item *held[PDM_PEER_SECRETS];
    struct enrolled_pair *of = find_pair(e, pair);
    const struct enrolled_epoch *by = of != NULL ? find_epoch(of, epoch) : NULL;

    if (by == NULL || of->secmop != PDM_SECMOP_IBC || find_scope(by, own) == NULL)
        return 0;
    if (paired_keys(e, pair, own, peer, held) == PDM_PEER_SECRETS)
        pairwise_remove(&e->pairwise, dispensable(held));
    struct pairwise_item *item =
        pairwise_add(&e->pairwise, pair, epoch, own, peer, PAIRWISE_UNUSED);
    uint8_t *secret = pairwise_secret(&e->pairwise, item);
    if (secret == NULL) {
        pairwise_remove(&e->pairwise, item);
        return 0;
    }
    memset(secret, 0, PDM_NH_MAX);
    memcpy(secret, key, pdm_suite_nh(&by->suite));
    item->serial = next_serial();
    item->send_at = initiator ? 0 : INT64_MAX;
    pairwise_set_state(&e->pairwise, item, PAIRWISE_SECRET);
    e->hooks.peer_changed(e->arg, e, pair, own, peer);
    return item->serial;
}

void enrolment_pair_device_key_shown(struct enrolment *e, uint32_t pair,
                                     const uint8_t own[static PDM_ADDR_LEN],
                                     const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial)
{
    const struct enrolled_pair *of = find_pair(e, pair);

    if (of == NULL)
        return;
    enrolment_peer_moved(e, of, own, peer, serial);
    e->hooks.peer_changed(e->arg, e, pair, own, peer);
}

/* Pairs come and go. */

struct wanted {
    const struct enrolment *e;
    uint32_t pair;
    uint64_t epoch;
};

static bool of_other_epoch(void *arg, const struct pairwise_item *item)
{
    const struct wanted *w = arg;

    return item->pair != w->pair || item->epoch != w->epoch;
}

/* Nothing is granted by SCOPE any more. */
static void end_scope(struct enrolment *e, const struct enrolled_epoch *epoch,
                      const struct enrolled_scope *scope)
{
    uint8_t id[LEDGER_ID_LEN];
    uint32_t number;

    scope_id(epoch, scope, id);
    (void)ledger_scope(e->ledger, id, NULL, &number);
}

/* Of a secret without a known end, the note would be kept for ever. */
static void note_end(struct enrolment *e, const struct enrolled_epoch *epoch,
                     const struct enrolled_scope *scope)
{
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);

    if (mark != NULL && mark->ends == 0)
        (void)note(e, epoch, scope, mark->generation, time(NULL));
}

static void end_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                      const struct enrolled_epoch *epoch)
{
    struct wanted other = {.pair = pair->pair, .epoch = epoch->epoch};

    for (unsigned i = 0; i < epoch->scopes; i++) {
        end_scope(e, epoch, &epoch->scope[i]);
        note_end(e, epoch, &epoch->scope[i]);
    }
    pairwise_keep(&e->pairwise, of_other_epoch, &other);
}

static bool of_other_pair(void *arg, const struct pairwise_item *item)
{
    const struct wanted *w = arg;

    return item->pair != w->pair;
}

static void drop_pair(struct enrolment *e, size_t at)
{
    struct enrolled_pair *pair = e->pair[at];
    struct wanted other = {.pair = pair->pair};

    e->hooks.pair_gone(e->arg, e, pair->pair);
    for (unsigned i = 0; i < pair->epochs; i++)
        for (unsigned j = 0; j < pair->epoch[i].scopes; j++)
            end_scope(e, &pair->epoch[i], &pair->epoch[i].scope[j]);
    pairwise_keep(&e->pairwise, of_other_pair, &other);
    enrolled_pair_free(pair);
    e->pair[at] = e->pair[--e->pairs];
}

void enrolment_drop(struct enrolment *e)
{
    while (e->pairs > 0)
        drop_pair(e, e->pairs - 1);
}

static void drop_missing(struct enrolment *e, const struct enrolled_set *set)
{
    for (size_t i = e->pairs; i-- > 0;) {
        bool there = false;

        for (size_t j = 0; j < set->pairs && !there; j++)
            there = set->pair[j]->pair == e->pair[i]->pair;
        if (!there)
            drop_pair(e, i);
    }
}

/* Equal secrets keep their serials. True if all of SCOPE's are OLD's. */
static bool take_serials(struct enrolled_scope *scope, const struct enrolled_scope *old)
{
    bool same = old != NULL && old->grants == scope->grants;

    for (unsigned i = 0; i < scope->grants; i++) {
        unsigned at = i;

        if (old != NULL && (at >= old->grants || old->group[at] != scope->group[i]))
            for (at = 0; at < old->grants && old->group[at] != scope->group[i];)
                at++;
        if (old != NULL && at < old->grants &&
            sodium_memcmp(old->secret[at], scope->secret[i], PDM_NH_MAX) == 0) {
            scope->serial[i] = old->serial[at];
        } else {
            scope->serial[i] = next_serial();
            same = false;
        }
    }
    if (scope->grants == 0)
        scope->serial[0] = old != NULL && old->grants == 0 ? old->serial[0] : next_serial();
    return same;
}

static bool same_identity(const struct enrolled_scope *a, const struct enrolled_scope *b)
{
    return (a->s_id == NULL && b->s_id == NULL) ||
           (a->s_id != NULL && b->s_id != NULL &&
            sodium_memcmp(a->s_id, b->s_id, PDM_IBC_POINT_LEN) == 0 &&
            memcmp(a->p_pub, b->p_pub, PDM_IBC_POINT_LEN) == 0);
}

/* OLD: the same scope as it was, or NULL. True if it was as SCOPE is now. */
static bool take_scope(struct enrolment *e, const struct enrolled_epoch *epoch,
                       struct enrolled_scope *scope, const struct enrolled_scope *old)
{
    struct enrolled_block block = scope->given;
    bool same = take_serials(scope, old);

    scope->given = (struct enrolled_block){0};
    if (old != NULL) {
        scope->block = old->block;
        scope->next = old->next;
        scope->given = old->given;
        scope->asked = old->asked;
        scope->refused_block = old->refused_block;
        scope->ask_at = old->ask_at;
        same = same && same_identity(scope, old);
    }
    take_block(e, epoch, scope, &block);
    return same;
}

/* A scope that the ledger has no room for is left out. */
static void number_scopes(struct enrolment *e, struct enrolled_epoch *epoch)
{
    uint8_t id[LEDGER_ID_LEN];

    for (unsigned i = epoch->scopes; i-- > 0;) {
        struct enrolled_scope *scope = &epoch->scope[i];

        scope_id(epoch, scope, id);
        if (!ledger_scope(e->ledger, id, e, &scope->ledger))
            enrolled_scope_remove(epoch, i);
    }
}

/* Once the older secret is no longer sent under it is not again. */
static bool take_times(struct enrolled_epoch *epoch, const struct enrolled_epoch *old, int64_t now)
{
    int64_t earlier = old->send_at - TIME_SLACK_NS;
    bool same = old->send_at <= now ||
                (epoch->send_at >= earlier && epoch->send_at - TIME_SLACK_NS <= old->send_at);

    if (same)
        epoch->send_at = old->send_at;
    return same;
}

/* OLD: the same epoch as it was, or NULL. True if it was as EPOCH is now. */
static bool take_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                       struct enrolled_epoch *epoch, const struct enrolled_epoch *old, int64_t now)
{
    bool same = old != NULL && old->scopes == epoch->scopes && take_times(epoch, old, now);

    epoch->sending = epoch->send_at <= now;
    if (!pdm_suite_usable(&epoch->suite)) {
        log_error("association %s: this processor cannot do what was negotiated with %s: %s (no "
                  "AES-NI); have the primaries prefer %s",
                  e->name, pair->name, pdm_aead_name(epoch->suite.aead),
                  pdm_aead_name(PDM_AEAD_CHACHA20POLY1305));
        while (epoch->scopes > 0)
            enrolled_scope_remove(epoch, epoch->scopes - 1U);
    }
    for (unsigned i = 0; i < epoch->scopes; i++) {
        struct enrolled_scope *scope = &epoch->scope[i];

        same = take_scope(e, epoch, scope, old != NULL ? find_scope(old, scope->address) : NULL) &&
               same;
    }
    number_scopes(e, epoch);
    return same;
}

/* What was negotiated at once, and is used in the same way. */
static const struct enrolled_epoch *same_epoch(const struct enrolled_pair *old,
                                               const struct enrolled_pair *pair,
                                               const struct enrolled_epoch *epoch)
{
    const struct enrolled_epoch *found = old != NULL ? find_epoch(old, epoch->epoch) : NULL;

    return found != NULL && memcmp(found->tag, epoch->tag, sizeof found->tag) == 0 &&
                   old->side == pair->side && old->secmop == pair->secmop &&
                   old->poller == pair->poller
               ? found
               : NULL;
}

/* Before what follows takes its place. */
static void end_what_is_over(struct enrolment *e, struct enrolled_pair *old,
                             struct enrolled_pair *pair)
{
    for (unsigned i = 0; i < old->epochs; i++) {
        const struct enrolled_epoch *before = &old->epoch[i];
        const struct enrolled_epoch *after = same_epoch(pair, old, before);

        if (after == NULL)
            end_epoch(e, old, before);
        for (unsigned j = 0; after != NULL && j < before->scopes; j++)
            if (find_scope(after, before->scope[j].address) == NULL)
                end_scope(e, before, &before->scope[j]);
    }
}

static bool still_held(void *arg, const struct pairwise_item *item)
{
    const struct wanted *w = arg;
    struct enrolled_pair *pair = find_pair(w->e, item->pair);
    const struct enrolled_epoch *epoch = pair != NULL ? find_epoch(pair, item->epoch) : NULL;

    return epoch != NULL && find_scope(epoch, item->own) != NULL;
}

/* What PAIR holds and OLD held change places. */
static void swap_pairs(struct enrolled_pair *pair, struct enrolled_pair *old)
{
    struct enrolled_pair between = *old;

    *old = *pair;
    *pair = between;
}

/* PAIR is taken over, or what it has goes into OLD, which is known by its address. */
static void take_pair(struct enrolment *e, struct enrolled_pair *pair, int64_t now)
{
    struct enrolled_pair *old = find_pair(e, pair->pair);
    bool same = old != NULL && memcmp(old->name, pair->name, sizeof old->name) == 0 &&
                old->side == pair->side && old->secmop == pair->secmop &&
                old->poller == pair->poller && old->unprotected == pair->unprotected &&
                old->epochs == pair->epochs;

    if (old != NULL)
        end_what_is_over(e, old, pair);
    for (unsigned i = 0; i < pair->epochs; i++)
        same = take_epoch(e, pair, &pair->epoch[i], same_epoch(old, pair, &pair->epoch[i]), now) &&
               same;
    if (old == NULL) {
        e->pair[e->pairs++] = pair;
        old = pair;
    } else {
        pair->list_version = old->list_version;
        pair->list_from = old->list_from;
        pair->list_to = old->list_to;
        pair->list_partial = old->list_partial;
        swap_pairs(pair, old);
        enrolled_pair_free(pair);
    }
    if (!same)
        e->hooks.pair_changed(e->arg, e, old);
}

/*
 * What is computed with a point that is not of the curve, or not of order q, could tell of the
 * secret that it is computed with. The check takes milliseconds: what is held already had it.
 */
static bool has_usable_points(const struct pdm_ibc_parameters *parameters,
                              const struct enrolled_epoch *epoch, unsigned at)
{
    const struct enrolled_scope *scope = &epoch->scope[at];

    return ((at > 0 && memcmp(scope->p_pub, epoch->scope[at - 1].p_pub, PDM_IBC_POINT_LEN) == 0) ||
            pdm_ibc_point_usable(parameters, scope->p_pub)) &&
           pdm_ibc_point_usable(parameters, scope->s_id);
}

static const struct pdm_ibc_parameters *parameters_of(struct enrolment *e)
{
    if (e->parameters != NULL)
        return e->parameters;
    e->parameters = malloc(sizeof *e->parameters);
    if (e->parameters != NULL && pdm_ibc_parameters_init(e->parameters, &pdm_ibc_3072))
        return e->parameters;
    free(e->parameters);
    e->parameters = NULL;
    return NULL;
}

/* OLD: the same epoch as it is held, or NULL. */
static const char *check_epoch_points(struct enrolment *e, const struct enrolled_epoch *epoch,
                                      const struct enrolled_epoch *old)
{
    const struct pdm_ibc_parameters *parameters = parameters_of(e);

    if (parameters == NULL)
        return "out of memory";
    for (unsigned i = 0; i < epoch->scopes; i++) {
        const struct enrolled_scope *held =
            old != NULL ? find_scope(old, epoch->scope[i].address) : NULL;

        if ((held == NULL || !same_identity(held, &epoch->scope[i])) &&
            !has_usable_points(parameters, epoch, i))
            return "an identity's key that is no point to compute with";
    }
    return NULL;
}

/* NULL if all that is new can be computed with. */
static const char *check_points(struct enrolment *e, const struct enrolled_set *set)
{
    const char *wrong = NULL;

    for (size_t i = 0; i < set->pairs; i++) {
        const struct enrolled_pair *pair = set->pair[i];
        const struct enrolled_pair *old = find_pair(e, pair->pair);

        for (unsigned j = 0; pair->secmop == PDM_SECMOP_IBC && j < pair->epochs && wrong == NULL;
             j++)
            wrong = check_epoch_points(e, &pair->epoch[j], same_epoch(old, pair, &pair->epoch[j]));
    }
    return wrong;
}

const char *enrolment_take_secrets(struct enrolment *e, struct pdm_reader *body, int64_t now,
                                   enum pdm_registration_status *status)
{
    struct enrolled_set set;
    const char *wrong = enrolled_read(body, now, &set, status);

    if (wrong != NULL)
        return wrong;
    if (*status != PDM_REGISTRATION_OK) {
        enrolled_set_free(&set);
        return NULL;
    }
    wrong = check_points(e, &set);
    if (wrong != NULL) {
        enrolled_set_free(&set);
        return wrong;
    }
    drop_missing(e, &set);
    for (size_t i = 0; i < set.pairs; i++)
        take_pair(e, set.pair[i], now);
    struct wanted held = {.e = e};
    pairwise_keep(&e->pairwise, still_held, &held);
    free(set.pair);
    return NULL;
}

/* What we have. */

static uint16_t count_known(const struct enrolment *e)
{
    uint16_t known = 0;

    for (size_t i = 0; i < e->highwater->marks; i++)
        known = (uint16_t)(known + (strcmp(e->highwater->mark[i].name, e->name) == 0));
    return known;
}

static void put_known(const struct enrolment *e, struct pdm_writer *w)
{
    for (size_t i = 0; i < e->highwater->marks; i++) {
        const struct highwater_mark *mark = &e->highwater->mark[i];
        struct pdm_secret_known known = {.highest = mark->generation};

        if (strcmp(mark->name, e->name) != 0)
            continue;
        memcpy(known.tag, mark->tag, sizeof known.tag);
        memcpy(known.address, mark->address, sizeof known.address);
        pdm_put_secret_known(w, &known);
    }
}

uint8_t *enrolment_ask(struct enrolment *e, size_t *len)
{
    _Static_assert(HIGHWATER_MAX <= UINT16_MAX && ENROLMENT_PAIRS_MAX <= UINT16_MAX, "counted so");
    /* Of a file that cannot be read nothing is known, and nothing will be granted. */
    (void)highwater_read(e->highwater);
    struct pdm_secret_request head = {.known = count_known(e)};
    for (size_t i = 0; i < e->pairs; i++)
        head.lists = (uint16_t)(head.lists + (e->pair[i]->list_version != 0));
    size_t size = sizeof head + head.known * sizeof(struct pdm_secret_known) +
                  head.lists * sizeof(struct pdm_secret_list);
    uint8_t *bytes = malloc(size);
    struct pdm_writer w = pdm_writer(bytes, bytes != NULL ? size : 0);

    pdm_put_secret_request(&w, &head);
    put_known(e, &w);
    for (size_t i = 0; i < e->pairs; i++) {
        struct pdm_secret_list list = {.pair = e->pair[i]->pair,
                                       .version = e->pair[i]->list_version};

        if (list.version != 0)
            pdm_put_secret_list(&w, &list);
    }
    *len = size - w.left;
    return bytes;
}

/* Lists. */

#define CHANGE_OCTETS (1 + PDM_ADDR_LEN + 1 + sizeof(uint16_t))

static bool is_good_change(const struct pdm_list_change *change, bool whole)
{
    if (change->len > PDM_PREFIX_LENGTHS - 1 || change->add > PDM_LIST_ADD ||
        (whole && change->add != PDM_LIST_ADD))
        return false;
    struct pdm_prefix prefix = pdm_prefix_of(change->addr, change->len);
    return memcmp(prefix.addr, change->addr, sizeof prefix.addr) == 0;
}

static const char *check_list(const struct pdm_list_request *request, struct pdm_reader changes)
{
    if (changes.bad || changes.left != request->changes * CHANGE_OCTETS)
        return "a list of another length than it says";
    if (request->more > 1 || (request->from != 0 && request->from >= request->to))
        return "a list's versions are out of order";
    for (uint32_t i = 0; i < request->changes; i++) {
        struct pdm_list_change change;

        pdm_get_list_change(&changes, &change);
        if (!is_good_change(&change, request->from == 0))
            return "a list's entry that is none";
    }
    return NULL;
}

static void apply_list(struct enrolment *e, struct enrolled_pair *pair,
                       const struct pdm_list_request *request, struct pdm_reader *changes)
{
    for (uint32_t i = 0; i < request->changes; i++) {
        struct pdm_list_change change;

        pdm_get_list_change(changes, &change);
        struct pdm_prefix prefix = pdm_prefix_of(change.addr, change.len);
        e->hooks.list_changed(e->arg, e, pair->pair, change.add == PDM_LIST_ADD, &prefix,
                              change.group);
    }
    pair->list_partial = request->more == 1;
    pair->list_from = request->from;
    pair->list_to = request->to;
    /* With a part missing it is none that could be built upon. */
    pair->list_version = pair->list_partial ? 0 : request->to;
}

const char *enrolment_take_list(struct enrolment *e, struct pdm_reader *body,
                                struct pdm_list_response *response)
{
    struct pdm_list_request request;

    pdm_get_list_request(body, &request);
    const char *wrong = check_list(&request, *body);
    if (wrong != NULL)
        return wrong;
    struct enrolled_pair *pair = find_pair(e, request.pair);
    *response =
        (struct pdm_list_response){.status = PDM_REGISTRATION_REFUSED, .pair = request.pair};
    if (pair == NULL)
        return NULL;
    bool goes_on =
        pair->list_partial && pair->list_from == request.from && pair->list_to == request.to;
    response->status = PDM_REGISTRATION_WHOLE;
    if (goes_on || request.from == 0 ||
        (!pair->list_partial && pair->list_version == request.from)) {
        if (!goes_on && request.from == 0)
            e->hooks.list_cleared(e->arg, e, pair->pair);
        apply_list(e, pair, &request, body);
        response->status = PDM_REGISTRATION_OK;
    }
    response->version = pair->list_version;
    return NULL;
}

/* Answers. */

static bool is_secret(const struct pdm_suite *suite, const uint8_t secret[static PDM_NH_MAX])
{
    size_t nh = pdm_suite_nh(suite);

    return sodium_is_zero(secret, nh) != 1 &&
           (nh == PDM_NH_MAX || sodium_is_zero(secret + nh, PDM_NH_MAX - nh) == 1);
}

static const char *take_polled(struct enrolment *e, struct pairwise_item *item,
                               const struct enrolled_epoch *epoch,
                               const uint8_t secret[static PDM_NH_MAX])
{
    if (!is_secret(&epoch->suite, secret))
        return "a secret of another length than its suite's";
    uint8_t *kept = pairwise_secret(&e->pairwise, item);
    if (kept == NULL) {
        pairwise_remove(&e->pairwise, item);
        return NULL;
    }
    memcpy(kept, secret, PDM_NH_MAX);
    pairwise_set_state(&e->pairwise, item, PAIRWISE_SECRET);
    return NULL;
}

const char *enrolment_take_poll(struct enrolment *e, struct pdm_reader *body, int64_t now)
{
    struct pdm_poll_response response;
    const char *wrong = NULL;

    pdm_get_poll_response(body, &response);
    struct enrolled_pair *pair = find_pair(e, response.pair);
    const struct enrolled_epoch *epoch = pair != NULL ? find_epoch(pair, response.epoch) : NULL;
    struct pairwise_item *item =
        pairwise_find(&e->pairwise, response.pair, response.epoch, response.own, response.peer);
    if (!pdm_message_done(body)) {
        wrong = "of another length than it has";
    } else if (item != NULL && item->state == PAIRWISE_ASKED && epoch != NULL) {
        if (response.status == PDM_REGISTRATION_OK) {
            wrong = take_polled(e, item, epoch, response.secret);
        } else if (response.status == PDM_REGISTRATION_REFUSED) {
            pairwise_set_state(&e->pairwise, item, PAIRWISE_REFUSED);
            item->until = now + ENROLMENT_REFUSED_NS;
        } else {
            pairwise_remove(&e->pairwise, item);
        }
    }
    sodium_memzero(&response, sizeof response);
    return wrong;
}

const char *enrolment_take_block(struct enrolment *e, struct pdm_reader *body, int64_t now)
{
    struct pdm_block_response response;

    pdm_get_block_response(body, &response);
    if (!pdm_message_done(body))
        return "of another length than it has";
    if (response.count > 0 && response.count - 1 > UINT32_MAX - response.first)
        return "generations beyond the last";
    struct enrolled_pair *pair = find_pair(e, response.pair);
    const struct enrolled_epoch *epoch = pair != NULL ? find_epoch(pair, response.epoch) : NULL;
    struct enrolled_scope *scope = epoch != NULL ? find_scope(epoch, response.own) : NULL;
    if (scope == NULL)
        return NULL; /* it ended meanwhile */
    scope->asked = false;
    scope->ask_at = now + ENROLMENT_ASK_NS;
    if (response.status == PDM_REGISTRATION_OK)
        take_block(e, epoch, scope,
                   &(struct enrolled_block){.first = response.first, .count = response.count});
    return NULL;
}

static bool is_answered(void *arg, const struct pairwise_item *item)
{
    (void)arg;
    return item->state != PAIRWISE_ASKED;
}

void enrolment_cut_off(struct enrolment *e)
{
    pairwise_keep(&e->pairwise, is_answered, NULL);
    for (size_t i = 0; i < e->pairs; i++)
        for (unsigned j = 0; j < e->pair[i]->epochs; j++)
            for (unsigned k = 0; k < e->pair[i]->epoch[j].scopes; k++)
                e->pair[i]->epoch[j].scope[k].asked = false;
}

/* Time. */

static bool end_epochs(struct enrolment *e, struct enrolled_pair *pair, int64_t now)
{
    bool any = false;

    for (unsigned i = pair->epochs; i-- > 0;) {
        if (pair->epoch[i].ends_at > now)
            continue;
        end_epoch(e, pair, &pair->epoch[i]);
        enrolled_epoch_free(&pair->epoch[i]);
        pair->epochs--;
        memmove(&pair->epoch[i], &pair->epoch[i + 1], (pair->epochs - i) * sizeof pair->epoch[0]);
        pair->epoch[pair->epochs] = (struct enrolled_epoch){0};
        any = true;
    }
    return any;
}

/* The time to send under an epoch may have come since the last look. */
static bool begin_sending(struct enrolled_pair *pair, int64_t now)
{
    bool any = false;

    for (unsigned i = 0; i < pair->epochs; i++) {
        struct enrolled_epoch *epoch = &pair->epoch[i];

        any = any || (!epoch->sending && epoch->send_at <= now);
        epoch->sending = epoch->send_at <= now;
    }
    return any;
}

void enrolment_tick(struct enrolment *e, int64_t now)
{
    for (size_t i = 0; i < e->pairs; i++) {
        struct enrolled_pair *pair = e->pair[i];
        bool ended = end_epochs(e, pair, now);

        if (begin_sending(pair, now) || ended)
            e->hooks.pair_changed(e->arg, e, pair);
        for (unsigned j = 0; j < pair->epochs; j++)
            for (unsigned k = 0; k < pair->epoch[j].scopes; k++)
                ask_block(e, pair, &pair->epoch[j], &pair->epoch[j].scope[k], now);
    }
}
