/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies with descriptors that their clients have not read yet. */
#include "keyagent/unread.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Of what was sent on FD some was neither read nor thrown away with its receiver. */
static bool is_unread(int fd)
{
    int octets = 0;

    return ioctl(fd, SIOCOUTQ, &octets) == 0 && octets > 0;
}

void unread_sweep(struct unread *u)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->count; i++) {
        if (is_unread(u->reply[i].fd))
            u->reply[kept++] = u->reply[i];
        else
            close(u->reply[i].fd);
    }
    u->count = kept;
}

static size_t of_user(const struct unread *u, uid_t uid)
{
    size_t count = 0;

    for (size_t i = 0; i < u->count; i++)
        count += u->reply[i].uid == uid;
    return count;
}

bool unread_admit(struct unread *u, int fd, uid_t uid)
{
    unread_sweep(u);
    if (u->count == AGENT_UNREAD_MAX || of_user(u, uid) >= AGENT_UNREAD_USER)
        return false;
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (again < 0)
        return false;
    u->reply[u->count++] = (struct unread_reply){.fd = again, .uid = uid};
    return true;
}

void unread_free(struct unread *u)
{
    for (size_t i = 0; i < u->count; i++)
        close(u->reply[i].fd);
    u->count = 0;
}
