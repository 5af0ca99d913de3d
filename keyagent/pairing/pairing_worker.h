/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that computes for pairings, one job after the other: each takes milliseconds, which the
 * event loop does not have. Jobs are in locked memory and wiped.
 */
#ifndef PDM_KEYAGENT_PAIRING_WORKER_H
#define PDM_KEYAGENT_PAIRING_WORKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/pairing.h"

enum pairing_work { PAIRING_BEGIN, PAIRING_RESPOND, PAIRING_FINISH };

/* All that it takes: a copy. */
struct pairing_job {
    enum pairing_work work;
    struct pdm_suite suite;
    uint64_t epoch;
    uint8_t tag[PDM_TAG_ID_LEN];
    uint8_t own[PDM_ADDR_LEN];
    uint8_t peer[PDM_ADDR_LEN];
    uint8_t p_pub[PDM_IBC_POINT_LEN];
    uint8_t s_id[PDM_IBC_POINT_LEN];
    uint8_t cookie[PDM_PAIRING_COOKIE_LEN]; /* PAIRING_BEGIN */
    uint8_t k_i[PDM_PAIRING_K_LEN];         /* PAIRING_FINISH; PAIRING_BEGIN makes it */
    uint8_t init[PDM_PAIRING_INIT_LEN];     /* likewise, and PAIRING_RESPOND */
    uint8_t resp[PDM_PAIRING_RESP_LEN];     /* PAIRING_FINISH; PAIRING_RESPOND makes it */
    uint8_t key[PDM_NH_MAX];                /* made by both of these */
    bool good;                              /* it could be made */
};

/* Does the job, in the calling thread. */
void pairing_job_do(const struct pdm_ibc_parameters *parameters, struct pairing_job *job);

struct pairing_worker;

/* JOB, which was given, is done; it is wiped when this returns. In the thread that runs the loop.
 */
typedef void pairing_done(void *arg, struct pairing_job *job);

/* NULL after telling why. */
struct pairing_worker *pairing_worker_new(struct event_base *base, pairing_done *done, void *arg);
/* Waits for the job under way, whose result is lost. */
void pairing_worker_free(struct pairing_worker *w);
/* The job to be filled in; NULL while one is under way. */
struct pairing_job *pairing_worker_job(struct pairing_worker *w);
/* It is. */
void pairing_worker_start(struct pairing_worker *w);

#endif
