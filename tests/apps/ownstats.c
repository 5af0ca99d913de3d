/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that asks libpdmv2.so about its own socket: an example of <pdmv2.h>, and its test. It
 * runs with the library linked, preloaded or absent, and prints a JSON object a line.
 *
 *   ownstats [-t | -w | -x] [-n COUNT] [-i PAUSE_MS] [-a ALARM_US] [-T THREADS] [-k] HOST PORT
 *
 * -t TCP; else UDP, connected. -w and -x: UDP not connected, with a socket that is bound to no
 * address, and one that asks for the peer it never named. Each of COUNT exchanges sends some octets
 * and waits for as many. Before and after each it asks; so does, every ALARM_US, a signal handler;
 * and, all the time, each of THREADS. At the end it checks that callers built with an older and
 * with a newer pdmv2.h are served too. -k: it then keeps the socket until it is killed.
 *
 * Exit code 1: an exchange failed, or what was answered cannot be. */
#define PDMV2_WEAK
#include <pdmv2.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    OCTETS = 100,
    REPLY_TIMEOUT_S = 5,
    THREADS_MAX = 16,
    US_PER_S = 1000000,
    NS_PER_MS = 1000000,
    EXIT_USAGE = 2,
};

enum form { CONNECTED, WILDCARD, NAMELESS };

static struct {
    int type; /* SOCK_STREAM or SOCK_DGRAM */
    enum form form;
    long count, pause_ms, alarm_us, threads;
    bool keep;
} options = {.type = SOCK_DGRAM, .count = 10, .pause_ms = 100};

static int fd = -1;
static struct sockaddr_in6 peer;

static const char *const reasons[] = {
    [PDMV2_MEASURING] = "measuring",
    [PDMV2_NOT_TAKING_PART] = "not-taking-part",
    [PDMV2_NO_AGENT] = "no-agent",
    [PDMV2_READ_ONLY] = "read-only",
    [PDMV2_NO_FLOW] = "no-flow",
    [PDMV2_OFF] = "off",
    [PDMV2_WHICH_PEER] = "which-peer",
    [PDMV2_DENIED] = "denied",
    [PDMV2_PATH_UNKNOWN] = "path-unknown",
    [PDMV2_PATH_DROPS] = "path-drops",
    [PDMV2_PATH_UNPROBED] = "path-unprobed",
    [PDMV2_SOCKET] = "socket",
    [PDMV2_BUSY] = "busy",
};

/* --- asking --- */

/* One that asks, and what it was told before. */
struct asker {
    struct pdmv2_stats last;
    unsigned long asked, busy, wrong;
};

static struct asker main_asker, alarm_asker, thread_asker[THREADS_MAX];
static atomic_bool done;

static bool is_sound(const struct pdmv2_delay *before, const struct pdmv2_delay *now)
{
    if (now->samples < before->samples)
        return false;
    return now->samples == 0 || (now->min <= now->mean && now->mean <= now->max &&
                                 now->min <= now->last && now->last <= now->max);
}

/* Safe in a signal handler, as pdmv2_stats() is. */
static void ask(struct asker *a)
{
    struct pdmv2_stats s = {.size = sizeof(s)};
    int saved = errno;

    errno = ENOTTY;
    int result = options.form == WILDCARD
                     ? pdmv2_stats_peer(fd, (struct sockaddr *)&peer, sizeof(peer), &s)
                     : pdmv2_stats(fd, &s);

    a->asked++;
    if (result != 0 || errno != ENOTTY || s.size != sizeof(s))
        a->wrong++;
    errno = saved;
    if (s.reason == PDMV2_BUSY) {
        a->busy++;
        return;
    }
    if (!is_sound(&a->last.network_delay, &s.network_delay) ||
        !is_sound(&a->last.server_delay, &s.server_delay) ||
        !is_sound(&a->last.total_delay, &s.total_delay))
        a->wrong++;
    a->last = s;
}

static void on_alarm(int number)
{
    (void)number;
    ask(&alarm_asker);
}

static void *ask_always(void *asker)
{
    while (!done)
        ask(asker);
    return NULL;
}

/* --- printing --- */

static void print_delay(const char *name, const struct pdmv2_delay *d)
{
    printf(", \"%s\": {\"samples\": %llu", name, (unsigned long long)d->samples);
    if (d->samples != 0)
        printf(", \"last\": %lld, \"min\": %lld, \"mean\": %lld, \"max\": %lld", (long long)d->last,
               (long long)d->min, (long long)d->mean, (long long)d->max);
    putchar('}');
}

static void print_stats(const char *when, long number, long long elapsed,
                        const struct pdmv2_stats *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"overlapped", s->overlapped},
        {"options_sent", s->options_sent},
        {"lost", s->lost},
        {"options_received", s->options_received},
        {"reordered", s->reordered},
        {"duplicates", s->duplicates},
        {"withdrawn", s->withdrawn},
        {"auth_failures", s->auth_failures},
        {"negative", s->negative},
        {"imprecise", s->imprecise},
        {"unstamped", s->unstamped},
    };

    printf("{\"when\": \"%s\", \"exchange\": %ld, \"elapsed\": %lld, \"reason\": \"%s\"", when,
           number, elapsed, reasons[s->reason]);
    print_delay("network_delay", &s->network_delay);
    print_delay("server_delay", &s->server_delay);
    print_delay("total_delay", &s->total_delay);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        printf(", \"%s\": %llu", counters[i].name, (unsigned long long)counters[i].value);
    puts("}");
    fflush(stdout);
}

static void print_asker(const char *name, const struct asker *a)
{
    printf("{\"asker\": \"%s\", \"asked\": %lu, \"busy\": %lu, \"wrong\": %lu}\n", name, a->asked,
           a->busy, a->wrong);
}

static void report(const char *when, long number, long long elapsed)
{
    if (pdmv2_stats == NULL) {
        printf("{\"when\": \"%s\", \"exchange\": %ld, \"library\": false}\n", when, number);
        return;
    }
    ask(&main_asker);
    print_stats(when, number, elapsed, &main_asker.last);
}

/* --- older and newer callers --- */

/* Only as much as the caller has is filled, however much that is, and no more than is known. */
static bool serves_size(size_t size)
{
    struct {
        struct pdmv2_stats stats;
        unsigned char more[64];
    } its;
    const unsigned char *octets = (const unsigned char *)memset(&its, 0xa5, sizeof(its));
    size_t filled = size < sizeof(its.stats) ? size : sizeof(its.stats);

    its.stats.size = size;
    if (pdmv2_stats(fd, &its.stats) != 0 || its.stats.size != filled)
        return false;
    for (size_t i = filled; i < sizeof(its); i++)
        if (octets[i] != 0xa5)
            return false;
    return size < sizeof(its.stats) || its.stats.withdrawn == main_asker.last.withdrawn;
}

static bool serves_all_versions(void)
{
    const size_t least = offsetof(struct pdmv2_stats, reason) + sizeof(enum pdmv2_reason);
    struct pdmv2_stats small = {.size = least - 1};

    for (size_t size = least; size <= sizeof(struct pdmv2_stats) + 64; size++)
        if (!serves_size(size))
            return false;
    return pdmv2_stats(fd, &small) == -1 && pdmv2_stats(fd, NULL) == -1;
}

/* --- exchanging --- */

static bool open_socket(const char *host, const char *port)
{
    const struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = options.type, .ai_flags = AI_NUMERICSERV};
    const struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_S};
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    struct addrinfo *found;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    memcpy(&peer, found->ai_addr, sizeof(peer));
    freeaddrinfo(found);
    fd = socket(AF_INET6, options.type, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0)
        return false;
    return options.form == CONNECTED ? connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0
                                     : bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0;
}

static bool send_all(const char *octets, size_t len)
{
    ssize_t sent;

    do
        sent = options.form == CONNECTED
                   ? send(fd, octets, len, MSG_NOSIGNAL)
                   : sendto(fd, octets, len, 0, (struct sockaddr *)&peer, sizeof(peer));
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)len;
}

static bool receive_all(char *octets, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, octets + got, len - got, 0);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        got += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static bool exchange_all(void)
{
    char request[OCTETS], answer[OCTETS];

    memset(request, 'x', sizeof(request));
    for (long i = 1; i <= options.count; i++) {
        report("before", i, 0);
        long long began = now_ns();

        if (!send_all(request, sizeof(request)) || !receive_all(answer, sizeof(answer)) ||
            memcmp(request, answer, sizeof(request)) != 0) {
            perror("ownstats: exchange");
            return false;
        }
        long long ended = now_ns();

        report("after", i, ended - began);
        pause_ms(options.pause_ms);
    }
    return true;
}

/* --- */

static bool start_alarm(void)
{
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const struct itimerval period = {.it_interval.tv_sec = options.alarm_us / US_PER_S,
                                     .it_interval.tv_usec = options.alarm_us % US_PER_S,
                                     .it_value.tv_sec = options.alarm_us / US_PER_S,
                                     .it_value.tv_usec = options.alarm_us % US_PER_S};

    return sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &period, NULL) == 0;
}

static void stop_alarm(void)
{
    const struct itimerval never = {0};

    setitimer(ITIMER_REAL, &never, NULL);
}

static bool parse(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "twxn:i:a:T:k")) != -1) {
        switch (option) {
        case 't':
            options.type = SOCK_STREAM;
            break;
        case 'w':
            options.form = WILDCARD;
            break;
        case 'x':
            options.form = NAMELESS;
            break;
        case 'n':
            options.count = strtol(optarg, NULL, 10);
            break;
        case 'i':
            options.pause_ms = strtol(optarg, NULL, 10);
            break;
        case 'a':
            options.alarm_us = strtol(optarg, NULL, 10);
            break;
        case 'T':
            options.threads = strtol(optarg, NULL, 10);
            break;
        case 'k':
            options.keep = true;
            break;
        default:
            return false;
        }
    }
    return argc - optind == 2 && options.threads <= THREADS_MAX;
}

/* Threads that leave the alarm to the one that makes the exchanges. How many there are. */
static long start_threads(pthread_t threads[static THREADS_MAX])
{
    sigset_t alarm_set;
    long started = 0;

    sigemptyset(&alarm_set);
    sigaddset(&alarm_set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_set, NULL);
    while (started < options.threads &&
           pthread_create(&threads[started], NULL, ask_always, &thread_asker[started]) == 0)
        started++;
    pthread_sigmask(SIG_UNBLOCK, &alarm_set, NULL);
    return started;
}

/* The exchanges, with all that ask meanwhile. */
static bool run(void)
{
    pthread_t threads[THREADS_MAX];
    bool asks = pdmv2_stats != NULL;
    long started = asks ? start_threads(threads) : 0;
    bool ok = !asks || options.alarm_us == 0 || start_alarm();

    ok = ok && exchange_all();
    stop_alarm();
    done = true;
    for (long i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return ok && (!asks || started == options.threads);
}

/* What all were told; false if some of it cannot be. */
static bool tell(void)
{
    unsigned long wrong = main_asker.wrong + alarm_asker.wrong;
    bool versions = serves_all_versions();

    print_asker("main", &main_asker);
    print_asker("alarm", &alarm_asker);
    for (long i = 0; i < options.threads; i++) {
        print_asker("thread", &thread_asker[i]);
        wrong += thread_asker[i].wrong;
    }
    printf("{\"versions\": %s}\n", versions ? "true" : "false");
    return wrong == 0 && versions;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs("usage: ownstats [-t | -w | -x] [-n COUNT] [-i PAUSE_MS] [-a ALARM_US] [-T THREADS] "
              "[-k] HOST PORT\n",
              stderr);
        return EXIT_USAGE;
    }
    if (!open_socket(argv[optind], argv[optind + 1])) {
        perror("ownstats: socket");
        return EXIT_FAILURE;
    }
    bool ok = run() && (pdmv2_stats == NULL || tell());

    puts("{\"end\": true}");
    fflush(stdout);
    while (options.keep)
        pause();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
