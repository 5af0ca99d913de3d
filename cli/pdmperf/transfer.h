/* SPDX-License-Identifier: BSD-2-Clause */
/* One request at a time, by a curl handle that is used again for the next. */
#ifndef CLI_PDMPERF_TRANSFER_H
#define CLI_PDMPERF_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/pdmperf/exchange.h"
#include "cli/pdmperf/result.h"
#include "cli/pdmperf/transfer_settings.h"

struct transfer {
    CURL *easy;
    struct transfer_settings *settings;
    size_t target; /* which of the URLs */
    uint64_t seq;  /* 0: none is under way */
    int64_t queued;
    int64_t asked;      /* when the last request was sent; 0: its answer has begun, or none was */
    int64_t first_byte; /* see struct result */
    struct exchange exchange;
    FILE *output; /* NULL: the answer is thrown away */
    char error[CURL_ERROR_SIZE];
};

/* False, and a line on standard error, if it cannot be had. */
bool transfer_make(struct transfer *t, struct transfer_settings *settings);
/* Begins request SEQ, to TARGET, which has waited for QUEUED; false, with a line, if it cannot. */
bool transfer_begin(struct transfer *t, CURLM *multi, size_t target, uint64_t seq, int64_t queued);
/* It has ended, with CODE. RESULT is good until the transfer begins anew. */
void transfer_end(struct transfer *t, CURLM *multi, CURLcode code, struct result *result);
/* Of a transfer that has ended or whose MULTI is still there. */
void transfer_free(struct transfer *t, CURLM *multi);

#endif
