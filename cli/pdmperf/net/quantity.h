/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as iperf3 takes them: 10M, 1.5G. */
#ifndef CLI_PDMPERF_NET_QUANTITY_H
#define CLI_PDMPERF_NET_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* What K, M, G and T stand for. */
enum quantity_base { QUANTITY_PLAIN = 0, QUANTITY_DECIMAL = 1000, QUANTITY_BINARY = 1024 };

struct quantity {
    const char *name; /* of the option, for the line on standard error */
    enum quantity_base base;
    double scale;    /* of the result: 1e9 makes nanoseconds of seconds */
    double min, max; /* before that */
};

/* False, and a line on standard error, if TEXT is no number of that kind and size. */
bool quantity_parse(const struct quantity *q, const char *text, uint64_t *out);

#endif
