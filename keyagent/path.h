/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the paths to peers carry options: some networks drop packets with extension headers
 * (RFC 7872). Per path, which is a pair of addresses, a verdict, how it was come by, and when it is
 * due again; what a probing finds is confirmed by others before it makes a path worse. Times are of
 * keyagent/clock.h, in nanoseconds. Single thread.
 */
#ifndef PDM_KEYAGENT_PATH_H
#define PDM_KEYAGENT_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/path_table.h"
#include "keyagent/prober.h"

/* The verdict on PATH is another now. */
typedef void paths_changed(void *arg, uint32_t path);

struct paths {
    struct path_table table;
    struct prober prober; /* has its turn from its owner: prober_next() while prober_busy() */
    bool may_probe;
    paths_changed *changed;
    void *arg;
};

/* P stays where it is. */
/* False: out of memory. MAY_PROBE is false until it is set. */
bool paths_init(struct paths *p, uint64_t seed, paths_changed *changed, void *arg);
void paths_free(struct paths *p);

/* A flow begins: its path, to be given back with paths_leave; PATHS_NONE if there is no room. */
uint32_t paths_join(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                    const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now);
void paths_leave(struct paths *p, uint32_t path);
/* Somebody wants to know: for a while it is probed as if it had a flow. */
uint32_t paths_ask(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now);
/* Of no path: that it cannot be told. */
enum pdm_path paths_verdict(const struct paths *p, uint32_t path);
/* How many have VERDICT. */
uint32_t paths_with(const struct paths *p, enum pdm_path verdict);
/* The options of a flow on PATH seem to get lost. */
void paths_suspect(struct paths *p, uint32_t path, int64_t now);

/* What does not carry is due at once: the administrator may have mended it. */
void paths_retry(struct paths *p);
/* Has those paths probed again that are due; to be called once a second. */
void paths_sweep(struct paths *p, int64_t now);

#endif
