/* SPDX-License-Identifier: BSD-2-Clause */
/* What is computed for handshakes. */
#include "keyagent/pairing/handshake_inside.h"

#include <string.h>

/* The next one. */

/* False: the negotiation is over, or our part in it. */
static bool fill_in(struct pairing_job *job, enum pairing_work work, const struct ends *ends,
                    const struct enrolled_pair *pair, uint64_t epoch,
                    const uint8_t tag[static PDM_TAG_ID_LEN])
{
    const struct enrolled_scope *scope;
    const struct enrolled_epoch *of = handshake_part(pair, epoch, tag, ends->own, &scope);

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
    enum pairing_work work = i->phase == INITIATION_BEGIN ? PAIRING_BEGIN : PAIRING_FINISH;

    if (!fill_in(job, work, &i->ends, enrolment_pair(i->enrolment, i->pair), i->epoch, i->tag)) {
        handshake_end(h, i);
        return false;
    }
    memcpy(job->cookie, i->cookie, sizeof job->cookie);
    if (work == PAIRING_FINISH) {
        memcpy(job->init, i->init, sizeof job->init);
        memcpy(job->resp, i->resp, sizeof job->resp);
        memcpy(job->k_i, initiations_k_i(&h->initiations, i), sizeof job->k_i);
    }
    return true;
}

/* What is nearly done comes first; else they take turns. */
static struct initiation *next_own(struct handshakes *h)
{
    static const enum initiation_phase order[] = {INITIATION_FINISH, INITIATION_BEGIN};
    struct initiations *own = &h->initiations;

    for (size_t p = 0; p < sizeof order / sizeof order[0]; p++) {
        for (uint32_t n = 0; n < PAIRING_OWN_MAX && own->ready > 0; n++) {
            own->turn = (own->turn + 1) % PAIRING_OWN_MAX;
            struct initiation *i = &own->initiation[own->turn];

            if (i->phase == order[p] &&
                (i->phase == INITIATION_FINISH || !handshake_is_called(h, &i->ends)))
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
    h->task = (struct handshake_task){.under_way = true, .work = job->work};
    memcpy(h->task.ends.own, job->own, sizeof job->own);
    memcpy(h->task.ends.peer, job->peer, sizeof job->peer);
    return true;
}

/* What becomes of it. */

static void begun(struct handshakes *h, struct initiation *i, const struct pairing_job *job,
                  int64_t now)
{
    if (!job->good || !pdm_pairing_id(&job->suite, job->init, i->id)) {
        handshake_warn("its address is none that can be encrypted to", &i->ends);
        initiations_pause(&h->initiations, i, now);
        return;
    }
    memcpy(i->init, job->init, sizeof i->init);
    memcpy(initiations_k_i(&h->initiations, i), job->k_i, sizeof job->k_i);
    initiations_enter(&h->initiations, i, INITIATION_INIT);
    handshake_send(h, i, now);
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
        handshake_warn("an answer that cannot be deciphered, or was not confirmed", &i->ends);
        initiations_resume(&h->initiations, i, INITIATION_INIT);
        i->forged++;
        h->counters.refused++;
        return;
    }
    struct ends ends = i->ends;
    struct enrolment *e = i->enrolment;
    uint32_t pair = i->pair;
    memcpy(done.id, i->id, sizeof done.id);
    handshake_end(h, i);
    h->counters.finished++;
    handshake_tell("a key is agreed on, as we asked", &ends);
    (void)enrolment_pair_device_key(e, pair, job->epoch, ends.own, ends.peer, job->key, true);
    if (pdm_pairing_proof(&job->suite, job->key, done.proof))
        send_done(h, &ends, &done);
}

/* The peer has a key of ours now, by a negotiation at least as late: there is no need for ours. */
static void drop_crossing(struct handshakes *h, const struct ends *ends, uint64_t epoch)
{
    struct initiation *i = initiations_find(&h->initiations, ends);

    if (i != NULL && i->phase != INITIATION_FINISH && i->epoch <= epoch)
        handshake_end(h, i);
}

static void answered(struct handshakes *h, struct caller *caller, const struct pairing_job *job,
                     int64_t now)
{
    const bool good = job->good && pdm_pairing_proof(&job->suite, job->key, caller->proof);

    if (good)
        memcpy(caller->resp, job->resp, sizeof caller->resp);
    callers_served(&h->callers, caller, good, now);
    if (!good) {
        handshake_warn("a request that cannot be deciphered", &caller->ends);
        h->counters.refused++;
        return;
    }
    h->counters.answered++;
    handshake_tell("a key is agreed on, as it asked", &caller->ends);
    drop_crossing(h, &caller->ends, job->epoch);
    /* First the key, then the answer: the initiator sends under it at once. */
    caller->serial =
        enrolment_pair_device_key(caller->enrolment, caller->pair, job->epoch, caller->ends.own,
                                  caller->ends.peer, job->key, false);
    h->hooks.send(h->arg, &caller->ends, job->resp, sizeof job->resp);
}

void handshakes_done(struct handshakes *h, const struct pairing_job *job, int64_t now)
{
    struct handshake_task task = h->task;
    struct initiation *i = initiations_find(&h->initiations, &task.ends);
    struct caller *caller = callers_find(&h->callers, &task.ends);

    h->task = (struct handshake_task){0};
    if (task.forgotten)
        return;
    if (task.work == PAIRING_RESPOND && caller != NULL)
        answered(h, caller, job, now);
    else if (task.work == PAIRING_BEGIN && i != NULL)
        begun(h, i, job, now);
    else if (task.work == PAIRING_FINISH && i != NULL)
        finished(h, i, job);
}
