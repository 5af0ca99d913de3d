/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies with descriptors that their clients have not read yet. The kernel counts such descriptors
 * against this process's user and lets only so many be under way (RLIMIT_NOFILE, unix(7):
 * ETOOMANYREFS): one user who asks and does not read must not use up what is for all. Single
 * thread.
 */
#ifndef PDM_KEYAGENT_UNREAD_H
#define PDM_KEYAGENT_UNREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/limits.h"

struct unread_reply {
    int fd; /* the connection again, which tells whether all that was sent on it was read */
    uid_t uid;
};

/* All zeros: none. */
struct unread {
    struct unread_reply reply[AGENT_UNREAD_MAX];
    size_t count;
};

/*
 * A reply with descriptors is about to be sent on connection FD to a process of user UID; FD stays
 * the caller's. False: too many are unread, this one must not be sent.
 */
bool unread_admit(struct unread *u, int fd, uid_t uid);
/* Forgets those that were read, or whose clients have gone; to be called now and then. */
void unread_sweep(struct unread *u);
void unread_free(struct unread *u);

#endif
