/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network and server delay of one reply: what it changed in the library's figures.
 */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/pdmv2.h"

/* Why a figure is missing. */
struct missing {
    const char *token; /* for programs: never changes */
    const char *text;  /* for people */
};

struct figure {
    const struct missing *missing; /* NULL: there is one */
    int64_t ns;
    bool overlapped; /* a server delay with more than one request under way: not in the mean */
};

struct figures {
    struct figure network;
    struct figure server;
};

/* What a reply without an option came from. */
enum replier {
    REPLIER_SERVICE,   /* a program, which may run with the library */
    REPLIER_KERNEL,    /* to an echo: unless a program answers in its place */
    REPLIER_HANDSHAKE, /* TCP's, which never has an option */
};

/* Between BEFORE and AFTER one datagram was received, or the answer to one request. */
struct figures figures_between(const struct pdmv2_stats *before, const struct pdmv2_stats *after,
                               enum replier replier);
/* Why a run has no figure at all: it got REPLIES, and STATS at its end. */
const struct missing *figures_missing(const struct pdmv2_stats *stats, uint64_t replies,
                                      enum replier replier);
/* What stands in the way of the whole flow; NULL: nothing. */
const struct missing *figures_obstacle(const struct pdmv2_stats *stats);

#endif
