/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages of pairings. */
#include "keyagent/pairing/handshake.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/pairing.h"
#include "keyagent/bucket.h"
#include "keyagent/pairing/callers.h"
#include "keyagent/pairing/cookies.h"
#include "keyagent/harden.h"
#include "keyagent/log.h"
#include "keyagent/table.h"

enum phase {
    PHASE_UNUSED,
    PHASE_HELLO,  /* sent */
    PHASE_BEGIN,  /* a cookie is there, INIT is to be computed */
    PHASE_INIT,   /* sent */
    PHASE_FINISH, /* an answer is there, to be computed with */
    PHASE_PAUSE   /* no answer; not again until AT */
};

/* A pairing that is begun here. */
struct initiation {
    struct ends ends;
    enum phase phase;
    struct enrolment *enrolment;
    uint32_t pair;
    uint64_t epoch;
    uint8_t tag[PDM_TAG_ID_LEN];
    unsigned tries; /* of the phase's message */
    unsigned forged;
    int64_t at;    /* the next one; or the end of the pause */
    int64_t pause; /* the latest; 0: none yet */
    uint8_t token[PDM_PAIRING_TOKEN_LEN];
    uint8_t cookie[PDM_PAIRING_COOKIE_LEN];
    uint8_t id[PDM_PAIRING_ID_LEN];
    uint8_t init[PDM_PAIRING_INIT_LEN];
    uint8_t resp[PDM_PAIRING_RESP_LEN];
};

/* What is being computed for. */
struct task {
    bool under_way;
    bool forgotten;
    enum pairing_work work;
    struct ends ends;
};

struct handshakes {
    struct handshake_hooks hooks;
    void *arg;
    struct cookies cookies;
    struct callers callers;
    struct table table;
    struct initiation *initiation;     /* PAIRING_OWN_MAX */
    uint8_t (*k_i)[PDM_PAIRING_K_LEN]; /* likewise; locked memory */
    uint32_t active;                   /* not in PHASE_PAUSE */
    uint32_t ready;                    /* a job is due, or under way */
    uint32_t turn;
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct bucket own_budget;
    struct bucket answer_budget;
    struct task task;
    struct pairing_counters counters;
};

/* What messages name. */

static const struct enrolled_scope *find_scope(const struct enrolled_epoch *epoch,
                                               const uint8_t own[static PDM_ADDR_LEN])
{
    for (unsigned i = 0; i < epoch->scopes; i++)
        if (memcmp(epoch->scope[i].address, own, PDM_ADDR_LEN) == 0 && epoch->scope[i].s_id != NULL)
            return &epoch->scope[i];
    return NULL;
}

static bool is_own(const struct enrolled_pair *pair, const uint8_t own[static PDM_ADDR_LEN])
{
    bool any = false;

    for (unsigned i = 0; i < pair->epochs && !any; i++)
        any = find_scope(&pair->epoch[i], own) != NULL;
    return pair->secmop == PDM_SECMOP_IBC && any;
}

/* The negotiation that a message or a pairing is of, and our part in it; NULL: it is not. */
static const struct enrolled_epoch *find_epoch(const struct enrolled_pair *pair, uint64_t epoch,
                                               const uint8_t tag[static PDM_TAG_ID_LEN],
                                               const uint8_t own[static PDM_ADDR_LEN],
                                               const struct enrolled_scope **scope)
{
    for (unsigned i = 0; i < pair->epochs; i++) {
        const struct enrolled_epoch *at = &pair->epoch[i];

        if (at->epoch != epoch || memcmp(at->tag, tag, sizeof at->tag) != 0)
            continue;
        *scope = find_scope(at, own);
        return *scope != NULL && pair->secmop == PDM_SECMOP_IBC ? at : NULL;
    }
    return NULL;
}

static void warn(const char *what, const struct ends *ends)
{
    char text[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, ends->peer, text, sizeof text);
    log_warning("pairing with %s: %s", text, what);
}

static void tell(const char *what, const struct ends *ends)
{
    char text[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, ends->peer, text, sizeof text);
    log_info("pairing with %s: %s", text, what);
}

/* Made and freed. */

struct handshakes *handshakes_new(const struct handshake_hooks *hooks, void *arg, int64_t now)
{
    struct handshakes *h = calloc(1, sizeof *h);

    if (h == NULL) {
        log_error("out of memory");
        return NULL;
    }
    h->hooks = *hooks;
    h->arg = arg;
    cookies_init(&h->cookies, now);
    randombytes_buf(h->key, sizeof h->key);
    h->initiation = calloc(PAIRING_OWN_MAX, sizeof *h->initiation);
    h->k_i = harden_alloc(PAIRING_OWN_MAX, sizeof *h->k_i);
    if (h->k_i == NULL)
        goto out;
    if (h->initiation != NULL && table_init(&h->table, PAIRING_OWN_MAX) &&
        callers_init(&h->callers))
        return h;
    log_error("out of memory");
out:
    handshakes_free(h);
    return NULL;
}

void handshakes_free(struct handshakes *h)
{
    if (h == NULL)
        return;
    callers_free(&h->callers);
    table_free(&h->table);
    free(h->initiation);
    if (h->k_i != NULL)
        sodium_free(h->k_i);
    sodium_memzero(h, sizeof *h);
    free(h);
}

const struct pairing_counters *handshakes_counters(const struct handshakes *h)
{
    return &h->counters;
}

bool handshakes_busy(const struct handshakes *h)
{
    return h->active > 0 || h->callers.table.used > 0;
}

/* Pairings begun here. */

static struct initiation *find_initiation(const struct handshakes *h, const struct ends *ends)
{
    for (uint32_t i = table_first(&h->table, ends_hash(ends, h->key)); i != TABLE_NONE;
         i = table_next(&h->table, i))
        if (ends_equal(&h->initiation[i].ends, ends))
            return &h->initiation[i];
    return NULL;
}

static uint32_t number_of(const struct handshakes *h, const struct initiation *i)
{
    return (uint32_t)(i - h->initiation);
}

static bool is_active(const struct initiation *i)
{
    return i->phase != PHASE_UNUSED && i->phase != PHASE_PAUSE;
}

static bool is_ready(const struct initiation *i)
{
    return i->phase == PHASE_BEGIN || i->phase == PHASE_FINISH;
}

static void change_phase(struct handshakes *h, struct initiation *i, enum phase phase)
{
    h->active -= is_active(i);
    h->ready -= is_ready(i);
    i->phase = phase;
    h->active += is_active(i);
    h->ready += is_ready(i);
}

static void set_phase(struct handshakes *h, struct initiation *i, enum phase phase)
{
    change_phase(h, i, phase);
    i->tries = 0;
}

/* A job for it comes to nothing. */
static void drop_task(struct handshakes *h, const struct ends *ends, bool answer)
{
    if (h->task.under_way && (h->task.work == PAIRING_RESPOND) == answer &&
        ends_equal(&h->task.ends, ends))
        h->task.forgotten = true;
}

static void end_initiation(struct handshakes *h, struct initiation *i)
{
    drop_task(h, &i->ends, false);
    set_phase(h, i, PHASE_UNUSED);
    sodium_memzero(h->k_i[number_of(h, i)], sizeof h->k_i[0]);
    table_remove(&h->table, ends_hash(&i->ends, h->key), number_of(h, i));
    *i = (struct initiation){.phase = PHASE_UNUSED};
}

static void pause(struct handshakes *h, struct initiation *i, int64_t now)
{
    i->pause = i->pause == 0 ? PAIRING_PAUSE_NS : 2 * i->pause;
    if (i->pause > PAIRING_PAUSE_MAX_NS)
        i->pause = PAIRING_PAUSE_MAX_NS;
    i->at = now + i->pause;
    set_phase(h, i, PHASE_PAUSE);
}

static void send_hello(struct handshakes *h, const struct initiation *i)
{
    struct pdm_pairing_hello hello = {0};
    uint8_t bytes[PDM_PAIRING_HELLO_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_HELLO);

    memcpy(hello.token, i->token, sizeof hello.token);
    pdm_put_pairing_hello(&w, &hello);
    h->hooks.send(h->arg, &i->ends, bytes, sizeof bytes);
}

static void send_again(struct handshakes *h, struct initiation *i, int64_t now)
{
    if (i->phase == PHASE_HELLO)
        send_hello(h, i);
    else
        h->hooks.send(h->arg, &i->ends, i->init, sizeof i->init);
    i->at = now + (PAIRING_RETRY_NS << i->tries);
    i->tries++;
}

static void start(struct handshakes *h, struct initiation *i, struct enrolment *e,
                  const struct enrolment_pairing *request, int64_t now)
{
    drop_task(h, &i->ends, false);
    i->enrolment = e;
    i->pair = request->pair->pair;
    i->epoch = request->epoch->epoch;
    memcpy(i->tag, request->epoch->tag, sizeof i->tag);
    i->forged = 0;
    randombytes_buf(i->token, sizeof i->token);
    set_phase(h, i, PHASE_HELLO);
    send_again(h, i, now);
}

/* Peers that did not answer make room: the one whose pause ends first. */
static bool make_room(struct handshakes *h)
{
    struct initiation *first = NULL;

    if (h->table.used < PAIRING_OWN_MAX)
        return true;
    for (uint32_t i = 0; i < PAIRING_OWN_MAX; i++) {
        struct initiation *at = &h->initiation[i];

        if (at->phase == PHASE_PAUSE && (first == NULL || at->at < first->at))
            first = at;
    }
    if (first != NULL)
        end_initiation(h, first);
    return first != NULL;
}

/* The same pairing, that goes on or has to wait. */
static bool goes_on(const struct initiation *i, const struct enrolment *e,
                    const struct enrolment_pairing *request, int64_t now)
{
    return i->enrolment == e && i->pair == request->pair->pair &&
           i->epoch == request->epoch->epoch &&
           memcmp(i->tag, request->epoch->tag, sizeof i->tag) == 0 &&
           (i->phase != PHASE_PAUSE || now < i->at);
}

enum pdm_status handshakes_ask(struct handshakes *h, struct enrolment *e,
                               const struct enrolment_pairing *request, int64_t now)
{
    struct ends ends;

    memcpy(ends.own, request->scope->address, sizeof ends.own);
    memcpy(ends.peer, request->peer, sizeof ends.peer);
    struct initiation *i = find_initiation(h, &ends);
    if (i != NULL && goes_on(i, e, request, now))
        return PDM_STATUS_LATER;
    if (i == NULL) {
        if (!make_room(h))
            return PDM_STATUS_QUOTA;
        i = &h->initiation[table_add(&h->table, ends_hash(&ends, h->key))];
        i->ends = ends;
    }
    start(h, i, e, request, now);
    return PDM_STATUS_LATER;
}

void handshakes_forget(struct handshakes *h, const struct enrolment *e, uint32_t pair)
{
    for (uint32_t i = 0; i < PAIRING_OWN_MAX; i++) {
        struct initiation *at = &h->initiation[i];

        if (at->phase != PHASE_UNUSED && at->enrolment == e && (pair == 0 || at->pair == pair))
            end_initiation(h, at);
    }
    callers_forget(&h->callers, e, pair);
    if (h->task.under_way && h->task.work == PAIRING_RESPOND &&
        callers_find(&h->callers, &h->task.ends) == NULL)
        h->task.forgotten = true;
}

/* The peer has begun one itself, which is to be answered first. */
static bool is_called(const struct handshakes *h, const struct ends *ends)
{
    const struct caller *caller = callers_find(&h->callers, ends);

    return caller != NULL && (caller->state == CALLER_WAITS || caller->state == CALLER_SERVED);
}

void handshakes_tick(struct handshakes *h, int64_t now)
{
    callers_expire(&h->callers, now);
    for (uint32_t n = 0; n < PAIRING_OWN_MAX && h->active > 0; n++) {
        struct initiation *i = &h->initiation[n];

        if ((i->phase != PHASE_HELLO && i->phase != PHASE_INIT) || now < i->at ||
            is_called(h, &i->ends))
            continue;
        if (i->tries < PAIRING_TRIES) {
            send_again(h, i, now);
        } else {
            warn("no answer", &i->ends);
            pause(h, i, now);
        }
    }
}

/* Messages. */

/* Somebody who is on a list. */
struct caller_id {
    struct enrolment *enrolment;
    const struct enrolled_pair *pair;
    struct pdm_prefix entry;
};

static bool is_listed(const struct handshakes *h, const struct ends *ends, struct caller_id *who)
{
    const uint8_t multicast = 0xff;

    return ends->own[0] != multicast && ends->peer[0] != multicast &&
           h->hooks.listed(h->arg, ends->own, ends->peer, &who->enrolment, &who->pair,
                           &who->entry) &&
           is_own(who->pair, ends->own);
}

static void take_hello(struct handshakes *h, const struct ends *ends, const struct caller_id *who,
                       struct pdm_reader *r, int64_t now)
{
    struct pdm_pairing_hello hello;
    struct pdm_pairing_cookie answer;
    uint8_t bytes[PDM_PAIRING_COOKIE_MESSAGE_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_COOKIE);

    pdm_get_pairing_hello(r, &hello);
    if (!cookies_give(&h->cookies, ends, &who->entry, now, answer.cookie))
        return;
    memcpy(answer.token, hello.token, sizeof answer.token);
    pdm_put_pairing_cookie(&w, &answer);
    h->hooks.send(h->arg, ends, bytes, sizeof bytes);
}

static void take_cookie(struct handshakes *h, const struct ends *ends, struct pdm_reader *r)
{
    struct pdm_pairing_cookie answer;
    struct initiation *i = find_initiation(h, ends);

    pdm_get_pairing_cookie(r, &answer);
    if (i == NULL || i->phase != PHASE_HELLO ||
        sodium_memcmp(answer.token, i->token, sizeof i->token) != 0)
        return;
    memcpy(i->cookie, answer.cookie, sizeof i->cookie);
    set_phase(h, i, PHASE_BEGIN);
}

/* INITs cross: ours is on its way, or as good as that, and wins. */
static bool ours_wins(const struct handshakes *h, const struct ends *ends, uint64_t epoch)
{
    const struct initiation *i = find_initiation(h, ends);
    bool sent = i != NULL && (i->phase == PHASE_INIT || i->phase == PHASE_FINISH ||
                              (i->phase == PHASE_BEGIN && h->task.under_way &&
                               h->task.work == PAIRING_BEGIN && ends_equal(&h->task.ends, ends)));

    return sent && i->epoch == epoch && memcmp(ends->own, ends->peer, PDM_ADDR_LEN) < 0;
}

/* One who has called before: the same again gets the same answer, another has to wait. */
static void take_again(struct handshakes *h, const struct caller *caller,
                       const uint8_t init[static PDM_PAIRING_INIT_LEN])
{
    if (memcmp(caller->init, init, PDM_PAIRING_INIT_LEN) != 0)
        h->counters.dropped++;
    else if (caller->state == CALLER_ANSWERED)
        h->hooks.send(h->arg, &caller->ends, caller->resp, sizeof caller->resp);
}

static bool has_to_wait(const struct caller *caller,
                        const uint8_t init[static PDM_PAIRING_INIT_LEN], int64_t now)
{
    return caller->state == CALLER_WAITS || caller->state == CALLER_SERVED ||
           now - caller->since < PAIRING_PEER_NS ||
           memcmp(caller->init, init, PDM_PAIRING_INIT_LEN) == 0;
}

static void take_init(struct handshakes *h, const struct ends *ends, const struct caller_id *who,
                      const uint8_t bytes[static PDM_PAIRING_INIT_LEN], struct pdm_reader *r,
                      int64_t now)
{
    struct pdm_pairing_init init;
    const struct enrolled_scope *scope;

    pdm_get_pairing_init(r, &init);
    if (!cookies_good(&h->cookies, ends, now, init.cookie) ||
        find_epoch(who->pair, init.epoch, init.tag, ends->own, &scope) == NULL ||
        ours_wins(h, ends, init.epoch))
        return;
    struct caller *caller = callers_find(&h->callers, ends);
    if (caller != NULL && has_to_wait(caller, bytes, now)) {
        take_again(h, caller, bytes);
        return;
    }
    if (caller != NULL)
        callers_remove(&h->callers, caller);
    caller = callers_wait(&h->callers, ends, &who->entry, now);
    if (caller == NULL) {
        h->counters.dropped++;
        return;
    }
    caller->enrolment = who->enrolment;
    caller->pair = who->pair->pair;
    memcpy(caller->init, bytes, sizeof caller->init);
}

static void take_resp(struct handshakes *h, const struct ends *ends,
                      const uint8_t bytes[static PDM_PAIRING_RESP_LEN], struct pdm_reader *r)
{
    struct pdm_pairing_resp resp;
    struct initiation *i = find_initiation(h, ends);

    pdm_get_pairing_resp(r, &resp);
    if (i == NULL || i->phase != PHASE_INIT || i->forged >= PAIRING_FORGED_MAX ||
        sodium_memcmp(resp.id, i->id, sizeof i->id) != 0)
        return;
    memcpy(i->resp, bytes, sizeof i->resp);
    change_phase(h, i, PHASE_FINISH); /* the tries are counted on if it is forged */
}

static void take_done(struct handshakes *h, const struct ends *ends, struct pdm_reader *r)
{
    struct pdm_pairing_done done;
    const struct caller *caller = callers_find(&h->callers, ends);

    pdm_get_pairing_done(r, &done);
    if (caller == NULL || caller->state != CALLER_ANSWERED || caller->serial == 0 ||
        sodium_memcmp(done.proof, caller->proof, sizeof done.proof) != 0)
        return;
    enrolment_pair_device_key_shown(caller->enrolment, caller->pair, ends->own, ends->peer,
                                    caller->serial);
}

void handshakes_receive(struct handshakes *h, const struct ends *ends, const uint8_t *bytes,
                        size_t len, int64_t now)
{
    struct pdm_reader r;
    struct caller_id who;
    enum pdm_pairing_type type = pdm_pairing_open(bytes, len, &r);

    if (type == PDM_PAIRING_NONE || !is_listed(h, ends, &who))
        return;
    switch (type) {
    case PDM_PAIRING_HELLO:
        take_hello(h, ends, &who, &r, now);
        break;
    case PDM_PAIRING_COOKIE:
        take_cookie(h, ends, &r);
        break;
    case PDM_PAIRING_INIT:
        take_init(h, ends, &who, bytes, &r, now);
        break;
    case PDM_PAIRING_RESP:
        take_resp(h, ends, bytes, &r);
        break;
    default:
        take_done(h, ends, &r);
    }
}

/* Jobs. */

/* False: the negotiation is over, or our part in it. */
static bool fill_in(struct pairing_job *job, enum pairing_work work, const struct ends *ends,
                    const struct enrolled_pair *pair, uint64_t epoch,
                    const uint8_t tag[static PDM_TAG_ID_LEN])
{
    const struct enrolled_scope *scope;
    const struct enrolled_epoch *of =
        pair != NULL ? find_epoch(pair, epoch, tag, ends->own, &scope) : NULL;

    if (of == NULL)
        return false;
    *job = (struct pairing_job){.work = work, .suite = of->suite, .epoch = epoch};
    memcpy(job->tag, tag, sizeof job->tag);
    memcpy(job->own, ends->own, sizeof job->own);
    memcpy(job->peer, ends->peer, sizeof job->peer);
    memcpy(job->p_pub, scope->p_pub, sizeof job->p_pub);
    memcpy(job->s_id, scope->s_id, sizeof job->s_id);
    return true;
}

static bool fill_in_own(struct handshakes *h, struct initiation *i, struct pairing_job *job)
{
    enum pairing_work work = i->phase == PHASE_BEGIN ? PAIRING_BEGIN : PAIRING_FINISH;

    if (!fill_in(job, work, &i->ends, enrolment_pair(i->enrolment, i->pair), i->epoch, i->tag)) {
        end_initiation(h, i);
        return false;
    }
    memcpy(job->cookie, i->cookie, sizeof job->cookie);
    if (work == PAIRING_FINISH) {
        memcpy(job->init, i->init, sizeof job->init);
        memcpy(job->resp, i->resp, sizeof job->resp);
        memcpy(job->k_i, h->k_i[number_of(h, i)], sizeof job->k_i);
    }
    return true;
}

/* What is nearly done comes first; else they take turns. */
static struct initiation *next_own(struct handshakes *h)
{
    static const enum phase order[] = {PHASE_FINISH, PHASE_BEGIN};

    for (size_t p = 0; p < sizeof order / sizeof order[0]; p++) {
        for (uint32_t n = 0; n < PAIRING_OWN_MAX && h->ready > 0; n++) {
            h->turn = (h->turn + 1) % PAIRING_OWN_MAX;
            struct initiation *i = &h->initiation[h->turn];

            if (i->phase == order[p] && (i->phase == PHASE_FINISH || !is_called(h, &i->ends)))
                return i;
        }
    }
    return NULL;
}

static bool next_of_own(struct handshakes *h, int64_t now, struct pairing_job *job)
{
    struct initiation *i = next_own(h);

    return i != NULL && bucket_take(&h->own_budget, now, PAIRING_OWN_RATE) &&
           fill_in_own(h, i, job);
}

static bool next_of_callers(struct handshakes *h, int64_t now, struct pairing_job *job)
{
    struct pdm_reader r;
    struct pdm_pairing_init init;

    if (h->callers.waiting == 0 || !bucket_take(&h->answer_budget, now, PAIRING_ANSWER_RATE))
        return false;
    struct caller *caller = callers_next(&h->callers, now);
    if (caller == NULL)
        return false;
    (void)pdm_pairing_open(caller->init, sizeof caller->init, &r);
    pdm_get_pairing_init(&r, &init);
    if (!fill_in(job, PAIRING_RESPOND, &caller->ends,
                 enrolment_pair(caller->enrolment, caller->pair), init.epoch, init.tag)) {
        callers_remove(&h->callers, caller);
        return false;
    }
    memcpy(job->init, caller->init, sizeof job->init);
    return true;
}

bool handshakes_next(struct handshakes *h, int64_t now, struct pairing_job *job)
{
    if (h->task.under_way || (!next_of_own(h, now, job) && !next_of_callers(h, now, job)))
        return false;
    h->task = (struct task){.under_way = true, .work = job->work};
    memcpy(h->task.ends.own, job->own, sizeof job->own);
    memcpy(h->task.ends.peer, job->peer, sizeof job->peer);
    return true;
}

static void begun(struct handshakes *h, struct initiation *i, const struct pairing_job *job,
                  int64_t now)
{
    if (!job->good || !pdm_pairing_id(&job->suite, job->init, i->id)) {
        warn("its address is none that can be encrypted to", &i->ends);
        pause(h, i, now);
        return;
    }
    memcpy(i->init, job->init, sizeof i->init);
    memcpy(h->k_i[number_of(h, i)], job->k_i, sizeof h->k_i[0]);
    set_phase(h, i, PHASE_INIT);
    send_again(h, i, now);
    h->counters.begun++;
}

/* If it is lost, the first option under the key shows the same. */
static void send_done(struct handshakes *h, const struct ends *ends,
                      const struct pdm_pairing_done *done)
{
    uint8_t bytes[PDM_PAIRING_DONE_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_DONE);

    pdm_put_pairing_done(&w, done);
    h->hooks.send(h->arg, ends, bytes, sizeof bytes);
}

static void finished(struct handshakes *h, struct initiation *i, const struct pairing_job *job)
{
    struct pdm_pairing_done done;

    if (!job->good) {
        warn("an answer that cannot be deciphered, or was not confirmed", &i->ends);
        change_phase(h, i, PHASE_INIT);
        i->forged++;
        h->counters.refused++;
        return;
    }
    struct ends ends = i->ends;
    struct enrolment *e = i->enrolment;
    uint32_t pair = i->pair;
    memcpy(done.id, i->id, sizeof done.id);
    end_initiation(h, i);
    h->counters.finished++;
    tell("a key is agreed on, as we asked", &ends);
    (void)enrolment_pair_device_key(e, pair, job->epoch, ends.own, ends.peer, job->key, true);
    if (pdm_pairing_proof(&job->suite, job->key, done.proof))
        send_done(h, &ends, &done);
}

/* The peer has a key of ours now, by a negotiation at least as late: there is no need for ours. */
static void drop_crossing(struct handshakes *h, const struct ends *ends, uint64_t epoch)
{
    struct initiation *i = find_initiation(h, ends);

    if (i != NULL && i->phase != PHASE_FINISH && i->epoch <= epoch)
        end_initiation(h, i);
}

static void answered(struct handshakes *h, struct caller *caller, const struct pairing_job *job,
                     int64_t now)
{
    const bool good = job->good && pdm_pairing_proof(&job->suite, job->key, caller->proof);

    if (good)
        memcpy(caller->resp, job->resp, sizeof caller->resp);
    callers_served(&h->callers, caller, good, now);
    if (!good) {
        warn("a request that cannot be deciphered", &caller->ends);
        h->counters.refused++;
        return;
    }
    h->counters.answered++;
    tell("a key is agreed on, as it asked", &caller->ends);
    drop_crossing(h, &caller->ends, job->epoch);
    /* First the key, then the answer: the initiator sends under it at once. */
    caller->serial =
        enrolment_pair_device_key(caller->enrolment, caller->pair, job->epoch, caller->ends.own,
                                  caller->ends.peer, job->key, false);
    h->hooks.send(h->arg, &caller->ends, job->resp, sizeof job->resp);
}

void handshakes_done(struct handshakes *h, const struct pairing_job *job, int64_t now)
{
    struct task task = h->task;
    struct initiation *i = find_initiation(h, &task.ends);
    struct caller *caller = callers_find(&h->callers, &task.ends);

    h->task = (struct task){0};
    if (task.forgotten)
        return;
    if (task.work == PAIRING_RESPOND && caller != NULL)
        answered(h, caller, job, now);
    else if (task.work == PAIRING_BEGIN && i != NULL)
        begun(h, i, job, now);
    else if (task.work == PAIRING_FINISH && i != NULL)
        finished(h, i, job);
}
