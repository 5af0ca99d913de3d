/* SPDX-License-Identifier: BSD-2-Clause */
/* A UDP echo server whose own delay is set, so that a measured server delay has a truth to meet.
 *
 * -t THINK_US   read at once, answer THINK_US later (the application's delay)
 * -u UNREAD_US  leave a readable socket unread for UNREAD_US, then read and answer (queueing delay)
 * -s            spend the think time on the processor instead of asleep
 * -b            read with recvmmsg and answer with sendmmsg; one think time for each batch
 *
 * It knows nothing of measurement and prints nothing. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 32,
    DATAGRAM_MAX = 65535,
    US_PER_S = 1000000,
    NS_PER_US = 1000,
    NS_PER_S = 1000000000,
    EXIT_USAGE = 2,
};

struct config {
    long think_us;
    long unread_us;
    bool spin;
    bool batch;
};

static unsigned char payload[BATCH][DATAGRAM_MAX];

static bool parse_us(const char *text, long *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

static struct timespec from_now(long us)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += us / US_PER_S;
    t.tv_nsec += us % US_PER_S * NS_PER_US;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_nsec -= NS_PER_S;
        t.tv_sec++;
    }
    return t;
}

static bool before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* An absolute deadline: an interrupted sleep goes on to the same moment. */
static void pass_time(long us, bool spin)
{
    struct timespec deadline = from_now(us);
    struct timespec now;

    if (us == 0) {
        return;
    }
    if (!spin) {
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
        }
        return;
    }
    do {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (before(&now, &deadline));
}

static int open_bound(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    int fd = -1;

    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void serve_one(int fd, const struct config *config)
{
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    ssize_t got = recvfrom(fd, payload[0], DATAGRAM_MAX, 0, (struct sockaddr *)&peer, &peer_len);

    if (got < 0) {
        return;
    }
    pass_time(config->think_us, config->spin);
    (void)sendto(fd, payload[0], (size_t)got, 0, (struct sockaddr *)&peer, peer_len);
}

static void serve_batch(int fd, const struct config *config)
{
    struct sockaddr_storage peers[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr batch[BATCH];
    int count;

    memset(batch, 0, sizeof(batch));
    for (int i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){.iov_base = payload[i], .iov_len = DATAGRAM_MAX};
        batch[i].msg_hdr.msg_name = &peers[i];
        batch[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        batch[i].msg_hdr.msg_iov = &iov[i];
        batch[i].msg_hdr.msg_iovlen = 1;
    }
    count = recvmmsg(fd, batch, BATCH, MSG_WAITFORONE, NULL);
    if (count <= 0) {
        return;
    }
    pass_time(config->think_us, config->spin);
    for (int i = 0; i < count; i++) {
        batch[i].msg_hdr.msg_iov->iov_len = batch[i].msg_len;
        batch[i].msg_hdr.msg_flags = 0;
    }
    /* sendmmsg stops at the first datagram that fails: step over it and go on. */
    for (int sent = 0; sent < count;) {
        int n = sendmmsg(fd, batch + sent, (unsigned)(count - sent), 0);

        sent += n > 0 ? n : 1;
    }
}

static _Noreturn void serve(int fd, const struct config *config)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        if (config->unread_us > 0) {
            if (poll(&ready, 1, -1) != 1) {
                continue;
            }
            pass_time(config->unread_us, false);
        }
        if (config->batch) {
            serve_batch(fd, config);
        } else {
            serve_one(fd, config);
        }
    }
}

int main(int argc, char **argv)
{
    struct config config = {0};
    int fd;
    int opt;

    while ((opt = getopt(argc, argv, "t:u:sb")) != -1) {
        switch (opt) {
        case 't':
            if (!parse_us(optarg, &config.think_us)) {
                return EXIT_USAGE;
            }
            break;
        case 'u':
            if (!parse_us(optarg, &config.unread_us)) {
                return EXIT_USAGE;
            }
            break;
        case 's':
            config.spin = true;
            break;
        case 'b':
            config.batch = true;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (argc - optind != 2) {
        return EXIT_USAGE;
    }
    /* The default timer slack of 50 us would be part of every delay set here. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    fd = open_bound(argv[optind], argv[optind + 1]);
    if (fd < 0) {
        return EXIT_FAILURE;
    }
    serve(fd, &config);
}
