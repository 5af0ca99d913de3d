/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a flow against a bare round trip of the same shape (a SEQPACKET connection, one message
 * each way, closed) with a process that does nothing else, in turns: prints the median of the
 * ratios.
 *
 *   open AGENT-SOCKET
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/message.h"
#include "core/tuple.h"

#define PAIRS 41
#define SLICE 200

static uint8_t bytes[PDM_MESSAGE_SMALL];

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int dial(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
        err(1, "connect %s", to->sun_path);
    return fd;
}

static void round_trip(const struct sockaddr_un *to, size_t len, struct pdm_reader *reply)
{
    int fd = dial(to);
    uint8_t type;

    if (send(fd, bytes, len, 0) != (ssize_t)len)
        err(1, "send");
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);

    close(fd);
    if (got <= 0 || (reply != NULL && !pdm_message_open(bytes, (size_t)got, &type, reply)))
        errx(1, "no reply");
}

static size_t make_request(uint16_t port)
{
    struct pdm_tuple tuple = {
        .saddr = {[15] = 1}, .daddr = {[15] = 1}, .sport = port, .dport = 9, .proto = 17};
    struct pdm_open_request request = {.flags = PDM_OPEN_WANTS_LEASE};
    struct pdm_message m;

    pdm_tuple_bytes(&tuple, request.tuple);
    pdm_message_begin(&m, bytes, sizeof bytes, PDM_OPEN);
    pdm_put_open_request(&m.body, &request);
    return pdm_message_end(&m);
}

static void close_flow(const struct sockaddr_un *agent, uint16_t port,
                       const struct pdm_open_reply *opened)
{
    struct pdm_tuple tuple = {
        .saddr = {[15] = 1}, .daddr = {[15] = 1}, .sport = port, .dport = 9, .proto = 17};
    struct pdm_close_request request = {
        .instance = opened->instance, .slot = opened->slot, .owner = opened->owner};
    struct pdm_message m;
    int fd = dial(agent);

    pdm_tuple_bytes(&tuple, request.tuple);
    pdm_message_begin(&m, bytes, sizeof bytes, PDM_CLOSE);
    pdm_put_close_request(&m.body, &request);
    size_t len = pdm_message_end(&m);

    if (send(fd, bytes, len, 0) != (ssize_t)len)
        err(1, "send");
    close(fd);
}

static double ours(const struct sockaddr_un *agent)
{
    static uint16_t port = 1;
    struct pdm_open_reply opened[SLICE];
    double took = 0;

    for (int i = 0; i < SLICE; i++) {
        struct pdm_reader reply;
        size_t len = make_request((uint16_t)(port + i));
        double began = now_ns();

        round_trip(agent, len, &reply);
        took += now_ns() - began;
        pdm_get_open_reply(&reply, &opened[i]);
        if (opened[i].status != PDM_STATUS_OK)
            errx(1, "open: status %u", opened[i].status);
    }
    for (int i = 0; i < SLICE; i++)
        close_flow(agent, (uint16_t)(port + i), &opened[i]);
    port = (uint16_t)(port + SLICE);
    return took;
}

static double bare(const struct sockaddr_un *floor)
{
    double took = 0;

    for (int i = 0; i < SLICE; i++) {
        size_t len = make_request((uint16_t)(i + 1));
        double began = now_ns();

        round_trip(floor, len, NULL);
        took += now_ns() - began;
    }
    return took;
}

/* Answers each connection's message with one of an open reply's size. */
static void serve(int listener)
{
    uint8_t message[256] = {0};

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0 || recv(fd, message, sizeof message, 0) < 0 ||
            send(fd, message, 200, MSG_NOSIGNAL) < 0)
            _exit(1);
        close(fd);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct sockaddr_un agent = {.sun_family = AF_UNIX}, floor = {.sun_family = AF_UNIX};
    double ratio[PAIRS];

    if (argc != 2 || strlen(argv[1]) + sizeof ".bare" > sizeof agent.sun_path)
        errx(2, "usage: open AGENT-SOCKET");
    strcpy(agent.sun_path, argv[1]);
    snprintf(floor.sun_path, sizeof floor.sun_path, "%.100s.bare", argv[1]);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&floor, sizeof floor) != 0 ||
        listen(listener, 128) != 0)
        err(1, "%s", floor.sun_path);
    pid_t child = fork();

    if (child == 0)
        serve(listener);
    for (int i = 0; i < PAIRS; i++)
        ratio[i] = ours(&agent) / bare(&floor);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    unlink(floor.sun_path);
    qsort(ratio, PAIRS, sizeof ratio[0], compare);
    printf("open_flow_vs_socket_roundtrip %.3f ratio\n", ratio[PAIRS / 2]);
    return 0;
}
