/* SPDX-License-Identifier: BSD-2-Clause */
/* The slowest of many requests, with what the time of each was made of. Times are nanoseconds. */
#ifndef CLI_PDMPERF_SLOWEST_H
#define CLI_PDMPERF_SLOWEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request's time, from its sending to the last octet of the answer, was made of. */
struct parts {
    int64_t time;
    int64_t network;
    int64_t server;
    int64_t transfer; /* from the first octet to the last */
    bool measured;    /* else network and server are not known */
};

struct slowest {
    struct parts *heap; /* the fastest of them first */
    size_t count, room;
};

/* Room for ROOM of them; false if there is no memory. */
bool slowest_make(struct slowest *s, size_t room);
void slowest_add(struct slowest *s, const struct parts *parts);
/* Keeps the COUNT slowest of them. */
void slowest_cut(struct slowest *s, size_t count);
void slowest_free(struct slowest *s);

#endif
