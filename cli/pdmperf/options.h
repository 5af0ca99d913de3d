/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf was asked to do with URLs. */
#ifndef CLI_PDMPERF_OPTIONS_H
#define CLI_PDMPERF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEB_URLS_MAX = 16,
    WEB_WORDS_MAX = 256, /* of one repeated option */
    WEB_CONNECTIONS_MAX = 1000,
};

/* The arguments of an option that may be given several times. */
struct web_words {
    const char *at[WEB_WORDS_MAX];
    size_t count;
};

enum web_http { WEB_HTTP_ANY, WEB_HTTP_1_1, WEB_HTTP_2 };

struct web_options {
    struct web_words urls;
    struct web_words outputs; /* the first URL's, the second's, ... */
    struct web_words headers;
    struct web_words resolve;
    const char *method; /* NULL: GET, or POST with data */
    char *data;         /* NULL: none */
    size_t data_len;
    const char *format; /* -w; NULL: none */
    const char *ca_file;
    uint64_t requests; /* to each URL */
    unsigned connections;
    int64_t interval; /* nanoseconds between two requests; 0: when the one before it has ended */
    int64_t timeout;  /* of a request; 0: none */
    int64_t connect_timeout; /* 0: curl's own */
    enum web_http http;
    int family; /* AF_INET, AF_INET6, or AF_UNSPEC */
    bool fail;  /* on a status of 400 and above */
    bool insecure;
    bool location;
    bool quiet;
    bool json;
    bool compare;
};

enum web_parsed {
    WEB_RUN,
    WEB_DONE, /* help or the version was printed */
    WEB_BAD   /* and a line on standard error says why */
};

enum web_parsed web_options_parse(int argc, char **argv, struct web_options *options);
void web_options_free(struct web_options *options);

#endif
