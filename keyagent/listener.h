/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket on which clients ask: made here, or passed by systemd (sd_listen_fds(3)). One agent
 * per socket.
 */
#ifndef PDM_KEYAGENT_LISTENER_H
#define PDM_KEYAGENT_LISTENER_H

#include <stdbool.h>
#include <sys/un.h>

struct listener {
    int fd;
    int lock;       /* on PATH.lock, for as long as this agent runs */
    char *path;     /* NULL: passed by systemd, which removes it */
    bool is_system; /* the agent of daemons: whoever may connect may ask */
};

enum listener_status { LISTENER_OK, LISTENER_FAILED, LISTENER_RUNNING, LISTENER_DENIED };

/*
 * Listens on PATH unless systemd passed a socket. After anything but LISTENER_OK the reason has
 * been told.
 */
enum listener_status listener_open(struct listener *l, const char *path);
/* Removes the socket at ADDRESS if it was left by an agent that died. False, unless nothing is
 * there then: errno says why; EADDRINUSE if somebody has it open, EEXIST if it is no socket. */
bool listener_clear(const struct sockaddr_un *address);
/* Gives PATH, of a socket, the mode of the agent's own: for its user alone, or, if it is the
 * system's, for the group as well. False: errno says why. */
bool listener_permit(const char *path);
/* Removes the socket if it was made here. */
void listener_close(struct listener *l);

#endif
