/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that computes for pairings. */
#include "keyagent/pairing/pairing_worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "keyagent/harden.h"
#include "keyagent/log.h"

struct pairing_worker {
    struct pdm_ibc_parameters parameters; /* the thread's */
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool given; /* under the mutex: a job, or the end */
    bool ends;  /* likewise */
    bool busy;  /* the loop's: the job is the thread's until it is told of */
    struct pairing_job *job;
    int told; /* an eventfd */
    struct event *event;
    pairing_done *done;
    void *arg;
};

static void side_of(const struct pdm_ibc_parameters *parameters, const struct pairing_job *job,
                    struct pdm_pairing_side *side)
{
    *side = (struct pdm_pairing_side){.parameters = parameters,
                                      .suite = job->suite,
                                      .epoch = job->epoch,
                                      .tag = job->tag,
                                      .p_pub = job->p_pub,
                                      .s_id = job->s_id,
                                      .own = job->own,
                                      .peer = job->peer};
}

void pairing_job_do(const struct pdm_ibc_parameters *parameters, struct pairing_job *job)
{
    struct pdm_pairing_side side;
    struct pdm_pairing_entropy entropy;

    side_of(parameters, job, &side);
    randombytes_buf(&entropy, sizeof entropy);
    switch (job->work) {
    case PAIRING_BEGIN:
        memcpy(job->k_i, entropy.k, sizeof job->k_i);
        job->good = pdm_pairing_begin(&side, job->cookie, &entropy, job->init);
        break;
    case PAIRING_RESPOND:
        job->good = pdm_pairing_respond(&side, job->init, &entropy, job->resp, job->key);
        break;
    default:
        job->good = pdm_pairing_finish(&side, job->init, job->k_i, job->resp, job->key);
    }
    sodium_memzero(&entropy, sizeof entropy);
}

/* False: the end. */
static bool await_job(struct pairing_worker *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->given)
        pthread_cond_wait(&w->wake, &w->mutex);
    w->given = false;
    bool goes_on = !w->ends;
    pthread_mutex_unlock(&w->mutex);
    return goes_on;
}

static void *work(void *arg)
{
    struct pairing_worker *w = arg;
    const uint64_t one = 1;
    bool good = pdm_ibc_parameters_init(&w->parameters, &pdm_ibc_3072);

    while (await_job(w)) {
        if (good)
            pairing_job_do(&w->parameters, w->job);
        /* Cannot fail: nobody else writes, and what was written is read before the next job. */
        (void)!write(w->told, &one, sizeof one);
    }
    return NULL;
}

static void on_told(evutil_socket_t fd, short what, void *arg)
{
    struct pairing_worker *w = arg;
    uint64_t count;

    (void)what;
    if (read((int)fd, &count, sizeof count) != sizeof count)
        return;
    w->busy = false;
    w->done(w->arg, w->job);
    if (!w->busy)
        sodium_memzero(w->job, sizeof *w->job);
}

/* Signals are for the loop. */
static bool start_thread(struct pairing_worker *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->running = error == 0;
    if (!w->running)
        log_error("cannot start a thread for pairings: %s", strerror(error));
    return w->running;
}

static bool set_up(struct pairing_worker *w, struct event_base *base)
{
    w->job = harden_alloc(1, sizeof *w->job);
    w->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->told < 0) {
        log_error("cannot make an eventfd: %s", strerror(errno));
        return false;
    }
    w->event = event_new(base, w->told, EV_READ | EV_PERSIST, on_told, w);
    return w->job != NULL && w->event != NULL && event_add(w->event, NULL) == 0 && start_thread(w);
}

struct pairing_worker *pairing_worker_new(struct event_base *base, pairing_done *done, void *arg)
{
    struct pairing_worker *w = calloc(1, sizeof *w);

    if (w == NULL) {
        log_error("out of memory");
        return NULL;
    }
    w->told = -1;
    w->done = done;
    w->arg = arg;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (set_up(w, base))
        return w;
    pairing_worker_free(w);
    return NULL;
}

static void wake(struct pairing_worker *w, bool ends)
{
    pthread_mutex_lock(&w->mutex);
    w->given = true;
    w->ends = ends;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

void pairing_worker_free(struct pairing_worker *w)
{
    if (w == NULL)
        return;
    if (w->running) {
        wake(w, true);
        pthread_join(w->thread, NULL);
    }
    if (w->event != NULL)
        event_free(w->event);
    if (w->told >= 0)
        close(w->told);
    if (w->job != NULL)
        sodium_free(w->job);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

struct pairing_job *pairing_worker_job(struct pairing_worker *w)
{
    return w->busy ? NULL : w->job;
}

void pairing_worker_start(struct pairing_worker *w)
{
    w->busy = true;
    wake(w, false);
}
