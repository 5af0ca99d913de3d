/* SPDX-License-Identifier: BSD-2-Clause */
/* A UDP client as fast as its echo server lets it be: keeps WINDOW datagrams under way until COUNT
 * were sent.
 *
 *   volley ADDRESS PORT COUNT WINDOW
 *
 * What the link loses does not stop it: a datagram is no longer under way once it or a later one
 * came back. Prints `sent N received N`, where an echo that comes twice is received twice, and
 * keeps its socket open until its input ends. It knows nothing of measurement. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum {
    PAYLOAD = 16,
    LOST_AFTER_MS = 50, /* without an echo for so long, none of those under way will come */
    LAST_AFTER_MS = 500,
    NUMBERS = 2,
    EXIT_USAGE = 2,
};

struct volley {
    int fd;
    unsigned long count;
    unsigned long window;
    unsigned long sent;
    unsigned long received;
    unsigned long latest; /* the highest number, from 1, that came back or is given up */
};

static bool parse_number(const char *text, unsigned long *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out > 0;
}

static int open_connected(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static bool send_one(struct volley *v)
{
    unsigned char payload[PAYLOAD] = {0};
    uint64_t number = v->sent + 1;

    memcpy(payload, &number, sizeof(number));
    if (send(v->fd, payload, sizeof(payload), 0) != sizeof(payload)) {
        return false;
    }
    v->sent++;
    return true;
}

/* Reads the next echo, or returns false if none comes in time. */
static bool await_echo(struct volley *v, int timeout_ms)
{
    struct pollfd ready = {.fd = v->fd, .events = POLLIN};
    unsigned char payload[PAYLOAD];
    uint64_t number;

    if (poll(&ready, 1, timeout_ms) != 1 ||
        recv(v->fd, payload, sizeof(payload), 0) != sizeof(payload)) {
        return false;
    }
    memcpy(&number, payload, sizeof(number));
    if (number > v->latest && number <= v->sent) {
        v->latest = number;
    }
    v->received++;
    return true;
}

static bool play(struct volley *v)
{
    while (v->sent < v->count) {
        while (v->sent < v->count && v->sent - v->latest < v->window) {
            if (!send_one(v)) {
                return false;
            }
        }
        if (!await_echo(v, LOST_AFTER_MS)) {
            v->latest = v->sent;
        }
    }
    while (v->received < v->sent && await_echo(v, LAST_AFTER_MS)) {
    }
    return true;
}

static void wait_for_end_of_input(void)
{
    char octet = 0;

    while (read(STDIN_FILENO, &octet, 1) > 0) {
    }
}

int main(int argc, char **argv)
{
    struct volley v = {0};

    if (argc != 1 + 2 * NUMBERS || !parse_number(argv[1 + NUMBERS], &v.count) ||
        !parse_number(argv[2 + NUMBERS], &v.window)) {
        return EXIT_USAGE;
    }
    v.fd = open_connected(argv[1], argv[2]);
    if (v.fd < 0 || !play(&v)) {
        perror("volley");
        return EXIT_FAILURE;
    }
    printf("sent %lu received %lu\n", v.sent, v.received);
    (void)fflush(stdout);
    wait_for_end_of_input();
    return EXIT_SUCCESS;
}
