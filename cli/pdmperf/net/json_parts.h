/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of iperf3's JSON document, and pdm beside them: each writes members into an object. */
#ifndef CLI_PDMPERF_NET_JSON_PARTS_H
#define CLI_PDMPERF_NET_JSON_PARTS_H

#include "cli/json.h"
#include "cli/pdmperf/net/report.h"

struct span {
    int64_t from, to; /* nanoseconds since the test began, or the time that counts */
    bool omitted;
};

void net_json_start(struct json *j, const struct net_run *run);
void net_json_interval(struct json *j, const struct net_run *run, const struct span *span);
void net_json_end(struct json *j, const struct net_run *run);
void net_json_pdm(struct json *j, const struct net_run *run);

/* What several of them have. */
double net_json_seconds(int64_t ns);
void net_json_span(struct json *j, int64_t from, int64_t to, uint64_t bytes);
void net_json_lost(struct json *j, int64_t jitter, uint64_t lost, uint64_t packets);

#endif
