/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the program will find the key agent. */
#include "cli/pdmrun/agent.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/agent_client.h"

const char *agent_path(void)
{
    static struct agent_client client;

    return agent_client_init(&client, NULL) ? client.path : NULL;
}

/* One whose backlog is full is there. */
static bool is_there(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return false;
    memcpy(address.sun_path, path, strlen(path));
    bool there =
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
    int why = errno;

    (void)close(fd);
    errno = why;
    return there;
}

void agent_check(const char *path)
{
    if (is_there(path))
        return;
    if (errno == EACCES)
        warnx("the agent at %s may not be asked by this user: nothing is measured", path);
    else
        warnx("no agent at %s (%s): nothing is measured: start pdmkeyagent, or name its socket "
              "with -a",
              path, strerror(errno));
}
