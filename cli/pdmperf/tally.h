/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of the requests to one URL. Times are nanoseconds. */
#ifndef CLI_PDMPERF_TALLY_H
#define CLI_PDMPERF_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/histogram.h"
#include "cli/pdmperf/result.h"
#include "cli/pdmperf/slowest.h"

enum phase {
    PHASE_RESOLVE,
    PHASE_CONNECT,
    PHASE_TLS,
    PHASE_FIRST_BYTE, /* from the request to the first octet of the answer */
    PHASE_NETWORK,
    PHASE_SERVER,
    PHASE_TRANSFER, /* to the last octet */
    PHASE_TOTAL,
    PHASE_QUEUE,    /* before it began */
    PHASE_RESPONSE, /* from when it should have begun to the last octet */
    PHASES
};

struct tally {
    uint64_t succeeded; /* curl's view: a status of 404 is an answer */
    uint64_t failed;
    uint64_t unfinished; /* under way when the run was ended */
    uint64_t refused;    /* answers with a status of 400 and above */
    uint64_t connects;
    uint64_t octets;
    uint64_t overlapped;
    struct histogram phases[PHASES];
    /* Of all that succeeded: their time from the request to the last octet. */
    double time_sum, time_square_sum;
    /* Of those of which both delays are known. */
    uint64_t measured;
    int64_t measured_time, measured_network, measured_server, measured_transfer;
    struct slowest slowest;
    const struct missing *missing; /* why the last one without a delay has none */
};

/* For up to REQUESTS requests; false if there is no memory. */
bool tally_make(struct tally *t, uint64_t requests);
void tally_add(struct tally *t, const struct result *result);
void tally_free(struct tally *t);

#endif
