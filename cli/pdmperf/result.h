/* SPDX-License-Identifier: BSD-2-Clause */
/* What one request came to. Times are nanoseconds. */
#ifndef CLI_PDMPERF_RESULT_H
#define CLI_PDMPERF_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/figures.h"

/* As curl has them: each from the start of the transfer to that event, and 0 if it never came. */
struct result_times {
    int64_t namelookup;
    int64_t connect;
    int64_t appconnect;
    int64_t pretransfer;
    int64_t redirect;
    int64_t starttransfer;
    int64_t total;
};

/* Strings are curl's or the program's, good until the transfer begins anew; never NULL. */
struct result {
    int64_t target; /* which of the URLs, from 0 */
    uint64_t seq;   /* of all requests, from 1 */
    int64_t code;   /* curl's; 0: it went well */
    const char *error;
    const char *url;
    const char *output; /* -o; "" if none */
    const char *effective_url;
    const char *redirect_url;
    const char *referer;
    const char *content_type;
    const char *method;
    const char *scheme;
    const char *http_version;
    const char *remote_ip;
    const char *local_ip;
    int64_t remote_port;
    int64_t local_port;
    int64_t http_code; /* 0: no answer */
    int64_t connects;  /* connections made for it; 0: it had one that was kept */
    int64_t redirects;
    int64_t ssl_verify_result;
    int64_t download;
    int64_t upload;
    int64_t header_size;
    int64_t request_size;
    int64_t speed_download; /* octets a second */
    int64_t speed_upload;
    struct result_times times;
    /*
     * From the request to the first octet of the answer, summed over redirects. curl's pretransfer
     * is no beginning for that: it is after the request has been sent.
     */
    int64_t first_byte;
    int64_t queued; /* from when it should have begun to when it did */
    struct figures figures;
    struct figure exchange; /* from the request to what answered it, by the library's stamps */
    int64_t options_sent;
    int64_t options_received;
};

/* From the first octet of the answer to its last; curl adds up the times of redirects' steps. */
static inline int64_t result_transfer(const struct result *r)
{
    return r->times.total - r->times.starttransfer;
}

#endif
