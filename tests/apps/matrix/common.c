/* SPDX-License-Identifier: BSD-2-Clause */
/* What the groups of cases share. */
#include "tests/apps/matrix/cases.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

const char *const kind_names[KINDS] = {"loose-any", "loose-bound", "tied-any", "tied-bound"};

static struct inbox inbox;
static struct line line;

bool kind_is_tied(enum kind kind)
{
    return kind == TIED_ANY || kind == TIED_BOUND;
}

int ours_open(const struct lab *lab, enum kind kind, unsigned peer_port)
{
    bool any = kind == LOOSE_ANY || kind == TIED_ANY;
    struct sockaddr_in6 local = lab_local(lab, PORT_OURS);
    struct sockaddr_in6 remote = lab_remote(lab, peer_port);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (any) {
        local.sin6_addr = in6addr_any;
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ||
        (kind_is_tied(kind) && connect(fd, (struct sockaddr *)&remote, sizeof(remote)) != 0)) {
        perror("callmatrix: the socket under test");
        exit(EXIT_FAILURE);
    }
    return fd;
}

void ours_wait(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};

    struct timeval bound = {.tv_sec = 1};

    if (poll(&ready, 1, WAIT_MS) != 1) {
        (void)printf("nothing came within %d ms\n", (int)WAIT_MS);
        /* The read that follows must end too, so that the cases after it still run. */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    }
}

void set_int(int fd, int level, int option, int value)
{
    struct outcome outcome = TRY(setsockopt(fd, level, option, &value, sizeof(value)));

    if (outcome.ret != 0) {
        line_start(&line, "setsockopt %d.%d=%d", level, option, value);
        line_outcome(&line, outcome);
        line_print(&line);
    }
}

void put_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)((unsigned char *)msg->msg_control + msg->msg_controllen);

    memset(c, 0, CMSG_SPACE(len));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    if (len > 0) {
        memcpy(CMSG_DATA(c), data, len);
    }
    msg->msg_controllen += CMSG_SPACE(len);
}

void read_and_print(const char *name, int fd, int flags)
{
    struct outcome outcome;

    inbox_set(&inbox, DATA_MAX - 64, CONTROL_MAX - 64, sizeof(inbox.name));
    outcome = TRY(recvmsg(fd, &inbox.msg, flags));
    line_start(&line, "%s", name);
    inbox_line(&line, &inbox, outcome);
    line_ready(&line, fd);
    line_print(&line);
}

void drain_errors(const char *name, int fd)
{
    struct outcome outcome;

    do {
        inbox_set(&inbox, DATA_MAX - 64, CONTROL_MAX - 64, sizeof(inbox.name));
        outcome = TRY(recvmsg(fd, &inbox.msg, MSG_ERRQUEUE | MSG_DONTWAIT));
        line_start(&line, "%s errqueue", name);
        inbox_line(&line, &inbox, outcome);
        line_ready(&line, fd);
        line_print(&line);
    } while (outcome.ret >= 0);
}
