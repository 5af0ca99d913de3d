/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe's payload: sequence number, send time and the run's identifier, then a pattern. */
#ifndef CLI_PDMPING_PROBE_H
#define CLI_PDMPING_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROBE_HEADER = 24 }; /* the least payload that tells a reply from anything else */

struct probe {
    uint64_t seq;
    int64_t sent; /* CLOCK_MONOTONIC */
    uint64_t run; /* random: two runs to one service never mix up their replies */
};

/* Fills a payload with the pattern, or with counting octets if LEN is 0. */
void probe_fill(uint8_t *payload, size_t size, const uint8_t *pattern, size_t len);
/* Writes the header; the payload has room for it. */
void probe_write(const struct probe *probe, uint8_t *payload);
/* False if it is too short to be one. */
bool probe_read(struct probe *probe, const uint8_t *payload, size_t size);

#endif
