/* SPDX-License-Identifier: BSD-2-Clause */
/* One plain answer: is it the network or the server? Times are nanoseconds. */
#ifndef CLI_PDMPERF_VERDICT_H
#define CLI_PDMPERF_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmperf/tally.h"

enum party {
    PARTY_NONE, /* not known: see missing */
    PARTY_NETWORK,
    PARTY_SERVER,
    PARTY_TRANSFER, /* the answer's octets on their way */
    PARTY_CLIENT,   /* the rest: this host */
};

/* PARTY_NONE: nothing is above 0. */
struct share {
    enum party party;
    unsigned percent;
};

/*
 * Who has the largest share of the time. Parts below 0 have none: one that got faster did not make
 * it slower.
 */
struct share share_largest(const struct parts *parts);

enum basis {
    BASIS_MEAN,    /* of the time of all requests */
    BASIS_SLOWEST, /* of what the slowest take longer than the fastest tenth */
};

struct verdict {
    enum party party;
    enum basis basis;
    unsigned percent; /* the party's share */
    const struct missing *missing;
};

enum slower { SLOWER_NEITHER, SLOWER_FIRST, SLOWER_SECOND };

/* Times are those from the request to the last octet of the answer. */
struct comparison {
    enum slower slower; /* neither: the difference is within chance, or nothing was answered */
    int64_t difference; /* of the means, second less first; and of what they are made of */
    int64_t network, server, transfer, client; /* only if missing is NULL */
    struct verdict verdict;
};

/* How many of REQUESTS are the slowest 1%, at least one. */
uint64_t verdict_slowest_of(uint64_t requests);
/*
 * About a run that has ended: T's slowest are cut to 1%. If these are clearly slower than the rest,
 * the verdict is about them, else about the mean.
 */
struct verdict verdict_of(struct tally *t);
struct comparison verdict_compare(const struct tally *first, const struct tally *second);

const char *party_name(enum party party); /* "network", "server", "transfer", "client", "none" */

#endif
