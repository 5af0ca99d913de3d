/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to a host by name. */
#include "cli/pdmperf/net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/signals.h"
#include "cli/wait.h"
#include "core/limits.h"

enum { SERVICE_TEXT = sizeof("65535") };
#define CONNECT_NS (5 * PDM_NSEC_PER_SEC)

/* Until the connection stands; an errno if it does not. */
static int wait_connected(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    int ready = wait_ready(&poll_fd, 1, clock_monotonic() + CONNECT_NS);

    if (ready < 0)
        return errno;
    if (ready == 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

int dial_again(const struct dial_address *to, int type)
{
    int fd = socket(to->storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to->storage, to->len) == 0)
        return fd;
    int error = errno == EINPROGRESS ? wait_connected(fd) : errno;

    if (error == 0)
        return fd;
    (void)close(fd);
    errno = error;
    return -1;
}

int dial_host(const char *host, uint16_t port, int family, struct dial_address *to,
              const char **why)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[SERVICE_TEXT];
    struct addrinfo *found = NULL;
    int fd = -1;

    (void)snprintf(service, sizeof(service), "%u", port);
    int status = getaddrinfo(host, service, &hints, &found);

    if (status != 0) {
        *why = status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status);
        return -1;
    }
    for (const struct addrinfo *a = found; a && fd < 0 && !signals_stop(); a = a->ai_next) {
        memcpy(&to->storage, a->ai_addr, a->ai_addrlen);
        to->len = a->ai_addrlen;
        fd = dial_again(to, SOCK_STREAM);
    }
    if (fd < 0)
        *why = strerror(signals_stop() ? EINTR : errno);
    freeaddrinfo(found);
    return fd;
}
