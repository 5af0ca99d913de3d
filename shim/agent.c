/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of a flow. */
#include "shim/agent.h"

#include <sodium.h>
#include <string.h>

#include "core/limits.h"
#include "core/message.h"
#include "shim/effort.h"
#include "shim/exchange.h"
#include "shim/mapping.h"
#include "shim/process.h"
#include "shim/sys.h"

/* Not 0: PSN 0 is never sent, and what comes before the first must be a PSN too. */
static bool random_psn(uint16_t *psn)
{
    uint32_t r;

    if (!pdm_entropy(&r, sizeof r))
        return false;
    *psn = (uint16_t)(r % PDM_PSN_CYCLE + 1);
    return true;
}

static bool take_lease(struct pdm_flow_entry *e, uint64_t guard, const struct pdm_suite *suite,
                       const uint8_t *secret, uint64_t first, uint32_t count)
{
    uint8_t seed[PDM_SEED_LEN];
    bool ok = pdm_entropy(seed, sizeof seed) &&
              pdm_sender_init(&e->flow.sender, guard, suite, secret, first, count, seed);

    sodium_memzero(seed, sizeof seed);
    if (!ok)
        return false;
    e->lease = count;
    pdm_flow_new_kri(&e->flow);
    return true;
}

static bool start_flow(struct pdm_flow_entry *e, uint8_t format, struct pdm_slot *slot)
{
    uint8_t key[PDM_PRSEQ_KEY_LEN];
    struct pdm_stream stream = e->flow.stream; /* outlives the lease */
    /* What was sent before may still be answered. */
    uint64_t waiting = e->flow.plain_sent + e->flow.built - e->flow.answered;
    bool doubted = e->flow.doubted;
    uint16_t psn;

    if (!random_psn(&psn) || !pdm_entropy(key, sizeof key))
        return false;
    sodium_memzero(&e->flow, sizeof e->flow);
    pdm_flow_init(&e->flow, (enum pdm_format)format, psn, slot);
    e->flow.stream = stream;
    e->flow.plain_sent = waiting;
    e->flow.doubted = doubted;
    e->named = 0;
    pdm_prseq_key(&e->flow.clear_prseq, key);
    return true;
}

/* What the peer may send under. */
static bool use_secrets(struct pdm_receiver *r, const struct pdm_suite *suite,
                        const struct pdm_open_reply *reply)
{
    const struct pdm_peer_secret secret[PDM_PEER_SECRETS] = {
        {.serial = reply->peer_serial, .guess = reply->peer_guess, .flow = reply->peer_secret},
        {.serial = reply->other_serial,
         .newer = reply->other == PDM_OTHER_NEWER,
         .guess = reply->other_guess,
         .flow = reply->other_secret}};

    return pdm_receiver_use(r, suite, secret, reply->other == PDM_OTHER_NONE ? 1 : 2);
}

static bool start_encrypted(struct pdm_flow_entry *e, uint64_t guard,
                            const struct pdm_open_reply *reply)
{
    struct pdm_suite suite = {reply->kem, reply->kdf, reply->aead};

    if (!pdm_suite_usable(&suite) || !use_secrets(&e->flow.receiver, &suite, reply))
        return false;
    /* Without a lease it still reads. */
    if (reply->lease_count != 0)
        return take_lease(e, guard, &suite, reply->own_secret, reply->lease_first,
                          reply->lease_count);
    e->flow.sender.suite = suite;
    memcpy(e->flow.sender.secret, reply->own_secret, sizeof e->flow.sender.secret);
    return true;
}

/* Whether it is the same flow, with other secrets. */
static bool moves(const struct pdm_flow_entry *e, const struct pdm_open_reply *reply)
{
    return e->moving && reply->instance == e->instance && e->flow.format == PDM_FORMAT_ENCRYPTED &&
           reply->format == PDM_FORMAT_ENCRYPTED;
}

/* Its lease ends here, used or not. */
static void leave_open(struct pdm_flow_entry *e)
{
    pdm_agent_close(e);
    sodium_memzero(&e->flow.sender, sizeof e->flow.sender);
    e->state = PDM_FLOW_ASKING;
}

/* The agent has put its figures into SLOT. */
static void move_flow(struct pdm_flow_entry *e, struct pdm_slot *slot)
{
    leave_open(e);
    e->flow.slot = slot;
    e->flow.format = PDM_FORMAT_ENCRYPTED; /* a child forked meanwhile found it wiped */
}

/* Afterwards the flow is open, if nothing fails. */
static void apply_open(struct pdm_flow_entry *e, uint64_t guard, const struct pdm_open_reply *reply)
{
    struct pdm_slot *slot = pdm_mapping_slot(reply->slot);

    if (slot == NULL || reply->format >= PDM_FORMATS || reply->other >= PDM_OTHERS)
        return;
    if (moves(e, reply)) {
        move_flow(e, slot);
    } else {
        leave_open(e);
        if (!start_flow(e, reply->format, slot))
            return;
    }
    if (reply->format == PDM_FORMAT_ENCRYPTED && !start_encrypted(e, guard, reply))
        return;
    e->moving = false;
    e->asks = false;
    e->instance = reply->instance;
    e->slot = reply->slot;
    e->owner = reply->owner;
    e->state = PDM_FLOW_OPEN;
}

/* What the agent answered. A flow that is open stays so unless there is a reason to close it. */
static void take_answer(struct pdm_flow_entry *e, uint64_t guard,
                        const struct pdm_open_reply *reply, int64_t now)
{
    e->denied = reply->status == PDM_STATUS_QUOTA || reply->status == PDM_STATUS_NO_LEASE;
    /* If there is no room for long, it may be its own slot that takes it. */
    if (reply->status == PDM_STATUS_NOT_NAMED ||
        (reply->status == PDM_STATUS_QUOTA && e->ask_pause > PDM_REASK_NS))
        leave_open(e);
    if (reply->status == PDM_STATUS_NOT_NAMED)
        e->state = PDM_FLOW_REFUSED;
    if (reply->status != PDM_STATUS_OK)
        return;
    if (reply->instance != pdm_mapping_instance())
        pdm_mapping_refresh(now);
    if (reply->instance == pdm_mapping_instance()) {
        apply_open(e, guard, reply);
        e->search_at = now + (int64_t)reply->search_pause_ms * PDM_NSEC_PER_MSEC;
    }
}

static void put_open(struct pdm_exchange *x, const struct pdm_flow_entry *e, uint8_t flags)
{
    struct pdm_open_request request = {.flags = flags};

    pdm_tuple_bytes(&e->tuple, request.tuple);
    pdm_exchange_begin(x, PDM_OPEN);
    pdm_put_open_request(&x->message.body, &request);
}

static void put_move(struct pdm_exchange *x, const struct pdm_flow_entry *e, uint8_t flags)
{
    struct pdm_move_request request = {
        .instance = e->instance, .slot = e->slot, .owner = e->owner, .flags = flags};

    pdm_tuple_bytes(&e->tuple, request.tuple);
    pdm_exchange_begin(x, PDM_MOVE);
    pdm_put_move_request(&x->message.body, &request);
}

static void ask_open(struct pdm_flow_entry *e, uint8_t flags, int64_t now)
{
    struct pdm_exchange x;
    struct pdm_open_reply reply;
    uint64_t guard = pdm_guard_value();

    if (guard == 0 || !pdm_effort_may_ask(now))
        return;
    if (e->moving && pdm_flow_has_slot(e))
        put_move(&x, e, flags);
    else
        put_open(&x, e, flags);
    if (pdm_exchange_make(&x, now, true)) {
        pdm_get_open_reply(&x.reply, &reply);
        if (pdm_message_done(&x.reply))
            take_answer(e, guard, &reply, now);
        sodium_memzero(&reply, sizeof reply);
    }
    pdm_exchange_end(&x);
}

/* Without an agent the flow's place in the table is its slot. */
static void open_alone(struct pdm_flow_entry *e)
{
    struct pdm_slot *slot = pdm_mapping_slot(pdm_flow_index(e));

    if (slot == NULL || !start_flow(e, pdm_mapping_own_format(), slot))
        return;
    memset(slot, 0, sizeof *slot);
    /* Whoever asks for no agent says that the path is to be trusted. */
    atomic_store_explicit(&slot->path, PDM_PATH_CARRIES, memory_order_relaxed);
    e->slot = pdm_flow_index(e);
    e->state = PDM_FLOW_OPEN;
}

/* After it was asked for. */
static bool is_open(struct pdm_flow_entry *e, int64_t now)
{
    if (e->state == PDM_FLOW_ASKING)
        e->retry_at = now + PDM_REASK_NS;
    return e->state == PDM_FLOW_OPEN;
}

bool pdm_agent_open(struct pdm_flow_entry *e, int64_t now)
{
    uint32_t epoch = pdm_policy_epoch();

    if (now < e->retry_at || !pdm_mapping_ready())
        return false;
    if (e->state == PDM_FLOW_OPEN || e->epoch != epoch)
        e->moving = false;
    leave_open(e);
    if (pdm_mode() == PDM_MODE_AGENT)
        ask_open(e, PDM_OPEN_WANTS_LEASE, now);
    else
        open_alone(e);
    e->epoch = epoch;
    return is_open(e, now);
}

/* The pause before something is asked again: FIRST, doubling up to MOST. */
static int64_t longer(int64_t pause, int64_t first, int64_t most)
{
    if (pause == 0)
        return first;
    return pause < most ? 2 * pause : pause;
}

/* Whoever can write into the slot can make the flow ask: that must not cost much. */
static void pause_asking(struct pdm_flow_entry *e, int64_t now)
{
    if (now - e->ask_at > PDM_REASK_MAX_NS)
        e->ask_pause = 0;
    e->ask_pause = longer(e->ask_pause, PDM_REASK_NS, PDM_REASK_MAX_NS);
    e->ask_at = now + e->ask_pause;
}

bool pdm_agent_move(struct pdm_flow_entry *e, int64_t now)
{
    uint8_t flags = PDM_OPEN_WANTS_LEASE;

    if (now < e->ask_at || e->flow.format != PDM_FORMAT_ENCRYPTED || !pdm_effort_may_ask(now))
        return true;
    pause_asking(e, now);
    if (e->flow.receiver.newer_seen)
        flags |= PDM_OPEN_SEEN_NEWER;
    e->moving = true;
    ask_open(e, flags, now);
    return is_open(e, now);
}

static bool ask_renewal(struct pdm_flow_entry *e, int64_t now, struct pdm_renew_reply *reply)
{
    struct pdm_exchange x;
    struct pdm_renew_request request = {
        .instance = e->instance, .slot = e->slot, .owner = e->owner, .had = e->lease};
    bool ok = false;

    pdm_tuple_bytes(&e->tuple, request.tuple);
    pdm_exchange_begin(&x, PDM_RENEW);
    pdm_put_renew_request(&x.message.body, &request);
    if (pdm_exchange_make(&x, now, true)) {
        pdm_get_renew_reply(&x.reply, reply);
        ok = pdm_message_done(&x.reply);
    }
    pdm_exchange_end(&x);
    return ok;
}

static bool renew(struct pdm_flow_entry *e, int64_t now)
{
    struct pdm_renew_reply reply;
    struct pdm_suite suite = e->flow.sender.suite;
    uint64_t guard = pdm_guard_value();
    uint8_t secret[PDM_NH_MAX];

    if (guard == 0 || now < e->retry_at || !pdm_effort_may_ask(now))
        return false;
    e->retry_at = now + PDM_REASK_NS;
    if (!ask_renewal(e, now, &reply))
        return false;
    if (reply.status != PDM_STATUS_OK) {
        /* A new agent, an association that ended, another secret to send under. */
        e->asks = true;
        return false;
    }
    memcpy(secret, e->flow.sender.secret, sizeof secret);
    bool ok = take_lease(e, guard, &suite, secret, reply.lease_first, reply.lease_count);

    sodium_memzero(secret, sizeof secret);
    if (ok)
        e->retry_at = 0;
    else
        e->asks = true; /* the secret is gone with the old lease */
    return ok;
}

bool pdm_agent_renew(struct pdm_flow_entry *e, int64_t now)
{
    bool ok = renew(e, now);

    e->denied = !ok;
    return ok;
}

static bool ask_search(struct pdm_flow_entry *e, const uint8_t *option, int64_t now,
                       struct pdm_search_reply *reply)
{
    struct pdm_exchange x;
    struct pdm_search_request request = {.instance = e->instance};
    struct pdm_tuple peer = pdm_tuple_reverse(&e->tuple);
    bool ok = false;

    pdm_tuple_bytes(&peer, request.tuple);
    request.has_highest =
        pdm_receiver_highest(&e->flow.receiver, &request.highest_serial, &request.highest);
    memcpy(request.option, option, PDM_OPTION_MAX);
    pdm_exchange_begin(&x, PDM_SEARCH);
    pdm_put_search_request(&x.message.body, &request);
    if (pdm_exchange_make(&x, now, true)) {
        pdm_get_search_reply(&x.reply, reply);
        ok = pdm_message_done(&x.reply);
    }
    pdm_exchange_end(&x);
    return ok;
}

/*
 * Forged options must not make the agent search for each of them, nor be asked for what it will not
 * search for another LEAST_MS.
 */
static void pause_search(struct pdm_flow_entry *e, uint32_t least_ms, int64_t now)
{
    int64_t least = (int64_t)least_ms * PDM_NSEC_PER_MSEC;

    e->search_pause = longer(e->search_pause, PDM_SEARCH_RETRY_NS, PDM_SEARCH_RETRY_MAX_NS);
    e->search_at = now + (e->search_pause > least ? e->search_pause : least);
}

bool pdm_agent_search(struct pdm_flow_entry *e, const uint8_t option[static PDM_OPTION_MAX],
                      int64_t now)
{
    struct pdm_search_reply reply = {.status = PDM_STATUS_NOT_FOUND};

    if (now < e->search_at || !pdm_effort_may_ask(now))
        return false;
    bool found = ask_search(e, option, now, &reply) && reply.status == PDM_STATUS_OK;

    if (found && pdm_receiver_knows(&e->flow.receiver, reply.serial)) {
        e->search_pause = 0;
        return pdm_receiver_expect(&e->flow.receiver, reply.serial, reply.kri);
    }
    /* Sealed under a secret that the flow has not been told of. */
    if (found)
        e->asks = true;
    pause_search(e, reply.pause_ms, now);
    return false;
}

void pdm_agent_suspect(const struct pdm_flow_entry *e, int64_t now)
{
    struct pdm_exchange x;
    struct pdm_suspect_request request = {
        .instance = e->instance, .slot = e->slot, .owner = e->owner};

    if (pdm_mode() != PDM_MODE_AGENT || !pdm_effort_may_ask(now))
        return;
    pdm_tuple_bytes(&e->tuple, request.tuple);
    pdm_exchange_begin(&x, PDM_SUSPECT);
    pdm_put_suspect_request(&x.message.body, &request);
    pdm_exchange_make(&x, now, false);
    pdm_exchange_end(&x);
}

void pdm_agent_close(struct pdm_flow_entry *e)
{
    struct pdm_exchange x;
    struct pdm_close_request request = {
        .instance = e->instance, .slot = e->slot, .owner = e->owner};
    const struct pdm_sender *s = &e->flow.sender;
    int64_t now = pdm_clock(CLOCK_MONOTONIC);

    if (e->state != PDM_FLOW_OPEN || pdm_mode() != PDM_MODE_AGENT)
        return;
    /* Of the lease, the Kri after the current one were never used; that one may have been. */
    if (e->flow.format == PDM_FORMAT_ENCRYPTED && s->lease_end > s->kri + 1 &&
        atomic_load(&s->guard) == atomic_load(pdm_guard())) {
        request.unused_first = s->kri + 1;
        request.unused_count = (uint32_t)(s->lease_end - s->kri - 1);
    }
    /* With nothing to give back, a word in the slot is enough. */
    if (request.unused_count == 0 || !pdm_effort_may_ask(now)) {
        atomic_store_explicit(&pdm_flow_slot(&e->flow)->closed, request.owner,
                              memory_order_relaxed);
        return;
    }
    pdm_tuple_bytes(&e->tuple, request.tuple);
    pdm_exchange_begin(&x, PDM_CLOSE);
    pdm_put_close_request(&x.message.body, &request);
    pdm_exchange_make(&x, now, false);
    pdm_exchange_end(&x);
}
