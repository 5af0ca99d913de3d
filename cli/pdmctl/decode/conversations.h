/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The conversations of a capture, in constant memory: when the table is full, the one that has been
 * quiet for longest is ended, and told of.
 */
#ifndef CLI_PDMCTL_DECODE_CONVERSATIONS_H
#define CLI_PDMCTL_DECODE_CONVERSATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmctl/decode/conversation.h"

struct conversations;

/* Told of each conversation when it ends. */
typedef void conversations_ended(void *arg, const struct conversation *c);

/* MOST at a time. SEED: random, so that nobody can choose what collides. NULL for want of memory.
 */
struct conversations *conversations_new(size_t most, uint64_t seed, conversations_ended *ended,
                                        void *arg);
/*
 * The conversation that a packet of flow TUPLE belongs to, which is now the latest; *FROM is the
 * side that sent it. If there is none, one is made if MAKE; else NULL.
 */
struct conversation *conversations_of(struct conversations *t, const struct pdm_tuple *tuple,
                                      bool make, unsigned *from);
/* How many ended because there was no room. */
uint64_t conversations_evicted(const struct conversations *t);
/* Ends all, the one that has been quiet for longest first. Then there is nothing but to free T. */
void conversations_end(struct conversations *t);
void conversations_free(struct conversations *t);

#endif
