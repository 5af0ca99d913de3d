/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo service over UDP. */
#include "cli/pdmping/listen.h"

#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/pdmping/socket.h"
#include "cli/pktinfo.h"
#include "cli/signals.h"
#include "cli/wait.h"

enum {
    DATAGRAM_MAX = 65536,
    BURST = 64, /* datagrams between two looks at the signals */
    ECHO = 7,
};

/*
 * An answer to another echo service would come back for ever, and one to a group's address would
 * come from an address that nobody asked.
 */
static bool is_answerable(const struct pktinfo *r, uint16_t own_port)
{
    uint16_t port = ntohs(r->from.sin6_port);

    return port != 0 && port != ECHO && port != own_port &&
           !IN6_IS_ADDR_MULTICAST(&r->to.ipi6_addr);
}

/* A BURST, so that signals get their turn; what the kernel refuses to send is lost, as datagrams
 * are. */
static void answer_some(int fd, uint16_t own_port)
{
    static uint8_t payload[DATAGRAM_MAX]; /* too large for a stack */
    struct pktinfo request;

    for (unsigned i = 0; i < BURST; i++) {
        ssize_t n = pktinfo_receive(fd, payload, sizeof(payload), &request);

        if (n < 0)
            return;
        if (is_answerable(&request, own_port))
            (void)pktinfo_answer(fd, payload, (size_t)n, &request);
    }
}

static bool answer_until_stopped(int fd, const struct ping_options *options)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    printf("pdmping: echo service on port %u\n", options->port);
    if (!output_flush())
        return false;
    while (!signals_stop()) {
        answer_some(fd, options->port);
        (void)wait_ready(&poll_fd, 1, WAIT_FOREVER);
    }
    return true;
}

enum ping_exit ping_listen(const struct ping_options *options)
{
    char why[ERROR_TEXT];
    int fd = ping_socket_listen(options, why);

    if (fd < 0) {
        warnx("%s", why);
        return PING_FAILED;
    }
    bool served = answer_until_stopped(fd, options);

    (void)close(fd);
    return served ? PING_OK : PING_FAILED;
}
