/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers ICMPv6 Echo Requests to ADDRESS in the kernel's place, THINK_US after they were read, so
 * that a measured server delay has a truth to meet.
 *
 *   echoresponder [-t THINK_US] ADDRESS
 *
 * The kernel's own answers must be off: sysctl net.ipv6.icmp.echo_ignore_all=1. It knows nothing of
 * measurement and prints nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 65535,
    US_PER_S = 1000000,
    NS_PER_US = 1000,
    NS_PER_S = 1000000000,
    EXIT_USAGE = 2,
};

static bool parse_us(const char *text, long *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

/* An absolute deadline: an interrupted sleep goes on to the same moment. */
static void pass_time(long us)
{
    struct timespec t;

    if (us == 0)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += us / US_PER_S;
    t.tv_nsec += us % US_PER_S * NS_PER_US;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_nsec -= NS_PER_S;
        t.tv_sec++;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static int open_bound(const char *address)
{
    struct sockaddr_in6 local = {.sin6_family = AF_INET6};
    struct icmp6_filter requests;

    if (inet_pton(AF_INET6, address, &local.sin6_addr) != 1)
        return -1;
    ICMP6_FILTER_SETBLOCKALL(&requests);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &requests);
    int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

    if (fd >= 0 &&
        (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &requests, sizeof(requests)) != 0 ||
         bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static _Noreturn void serve(int fd, long think_us)
{
    static unsigned char message[MESSAGE_MAX];

    for (;;) {
        struct sockaddr_in6 peer;
        socklen_t peer_len = sizeof(peer);
        ssize_t got =
            recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&peer, &peer_len);

        if (got < (ssize_t)sizeof(struct icmp6_hdr))
            continue;
        pass_time(think_us);
        message[0] = ICMP6_ECHO_REPLY; /* the kernel makes the checksum */
        (void)sendto(fd, message, (size_t)got, 0, (struct sockaddr *)&peer, peer_len);
    }
}

int main(int argc, char **argv)
{
    long think_us = 0;
    int opt;

    while ((opt = getopt(argc, argv, "t:")) != -1)
        if (opt != 't' || !parse_us(optarg, &think_us))
            return EXIT_USAGE;
    if (argc - optind != 1)
        return EXIT_USAGE;
    /* The default timer slack of 50 us would be part of every delay set here. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    int fd = open_bound(argv[optind]);

    if (fd < 0)
        return EXIT_FAILURE;
    serve(fd, think_us);
}
