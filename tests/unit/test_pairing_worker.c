/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairings with their thread, and over real sockets: two hosts are two network namespaces, which
 * takes root.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keyagent/clock.h"
#include "keyagent/pairing/pairing.h"
#include "keyagent/pairing/pairing_ports.h"
#include "tests/unit/pairing_hosts.h"

#define PORT 8250
#define PATIENCE_S 20
#define NH 64

static char directory[] = "/tmp/pdmv2-test.XXXXXX";
static struct event_base *base;

static void begin(void)
{
    cr_assert(mkdtemp(directory) != NULL);
    hosts_begin(directory);
    hosts_now = clock_now();
    base = event_base_new();
    cr_assert(base != NULL);
}

static void end(void)
{
    event_base_free(base);
    hosts_end();
    cr_assert(rmdir(directory) == 0);
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert(false, "it takes too long");
}

/* Until a handler ends it. */
static void run_loop(void)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct event *timer = evtimer_new(base, on_time, NULL);

    cr_assert(timer != NULL && evtimer_add(timer, &patience) == 0);
    cr_assert(event_base_dispatch(base) == 0);
    event_free(timer);
}

/* One job after the other, each made of what the last one made. */

static struct pairing_job last;
static pthread_t loop_thread;

static void on_done(void *arg, struct pairing_job *job)
{
    (void)arg;
    cr_assert(pthread_equal(pthread_self(), loop_thread) != 0);
    last = *job;
    event_base_loopbreak(base);
}

static void fill_in(struct pairing_job *job, enum pairing_work work, const struct host *own,
                    const struct host *peer)
{
    *job = last;
    job->work = work;
    job->suite = hosts_suite;
    job->epoch = 1;
    hosts_tag(1, job->tag);
    memcpy(job->own, own->address, sizeof job->own);
    memcpy(job->peer, peer->address, sizeof job->peer);
    memcpy(job->p_pub, hosts_p_pub[1], sizeof job->p_pub);
    hosts_extract(own->address, 1, job->s_id);
    job->good = false;
}

static void compute(struct pairing_worker *w, enum pairing_work work, const struct host *own,
                    const struct host *peer)
{
    struct pairing_job *job = pairing_worker_job(w);

    cr_assert(job != NULL);
    fill_in(job, work, own, peer);
    pairing_worker_start(w);
    cr_assert(pairing_worker_job(w) == NULL, "it is the thread's now");
    run_loop();
    cr_assert(last.good);
    job = pairing_worker_job(w);
    cr_assert(job != NULL && sodium_is_zero((const uint8_t *)job, sizeof *job) == 1);
}

Test(pairing_worker, computes_in_its_thread)
{
    uint8_t key[NH], k_i[PDM_PAIRING_K_LEN];

    begin();
    loop_thread = pthread_self();
    struct pairing_worker *w = pairing_worker_new(base, on_done, NULL);
    cr_assert(w != NULL);
    compute(w, PAIRING_BEGIN, &host[0], &host[1]);
    memcpy(k_i, last.k_i, sizeof k_i);
    sodium_memzero(last.k_i, sizeof last.k_i);
    compute(w, PAIRING_RESPOND, &host[1], &host[0]);
    memcpy(key, last.key, sizeof key);
    sodium_memzero(last.key, sizeof last.key);
    memcpy(last.k_i, k_i, sizeof last.k_i);
    compute(w, PAIRING_FINISH, &host[0], &host[1]);
    cr_assert_arr_eq(last.key, key, NH);
    /* In the midst of a job, and before its first. */
    fill_in(pairing_worker_job(w), PAIRING_BEGIN, &host[0], &host[1]);
    pairing_worker_start(w);
    pairing_worker_free(w);
    w = pairing_worker_new(base, on_done, NULL);
    fill_in(pairing_worker_job(w), PAIRING_BEGIN, &host[0], &host[1]);
    pairing_worker_start(w);
    pairing_worker_free(w);
    pairing_worker_free(pairing_worker_new(base, on_done, NULL));
    end();
}

/* Two namespaces with a wire between them; this thread is in the second one then. */

static void command(const char *format, ...)
{
    char line[PATH_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cr_assert(system(line) == 0, "%s", line);
}

static int new_namespace(void)
{
    cr_assert(unshare(CLONE_NEWNET) == 0, "root is needed");
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    command("ip link set lo up");
    return fd;
}

static void join(int fd)
{
    cr_assert(setns(fd, CLONE_NEWNET) == 0);
}

static void set_address(const char *device, const char *address)
{
    command("ip addr add %s/32 dev %s nodad && ip link set %s up", address, device, device);
}

static struct pairing *pairing[2];

static bool listed(void *arg, const uint8_t own[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **e,
                   const struct enrolled_pair **pair, struct pdm_prefix *entry)
{
    return hosts_listed(arg, own, peer, e, pair, entry);
}

static void ask(unsigned from, unsigned whom)
{
    const struct enrolled_pair *pair = enrolment_pair(host[from].enrolment, 1);
    const struct enrolment_pairing request = {.pair = pair,
                                              .epoch = &pair->epoch[0],
                                              .scope = &pair->epoch[0].scope[0],
                                              .peer = host[whom].address};

    cr_assert(pairing_ask(pairing[from], host[from].enrolment, &request) == PDM_STATUS_LATER);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (pairing_counters(pairing[0])->finished == 1)
        event_base_loopbreak(base);
}

Test(pairing_worker, over_a_wire)
{
    const struct timeval often = {.tv_usec = 5000};
    struct enrolled_secret key[2][PDM_PEER_SECRETS];
    struct event *look;
    int space[2];

    begin();
    int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    space[0] = new_namespace();
    space[1] = new_namespace();
    command("ip link add wire type veth peer name wire netns /proc/%d/fd/%d", (int)getpid(),
            space[0]);
    set_address("wire", "2001:db8:2::1");
    join(space[0]);
    set_address("wire", "2001:db8:1::1");
    /* An address beside the enrolled one, which the kernel might choose as the source. */
    set_address("wire", "2001:db8:2::2");
    for (unsigned i = 0; i < 2; i++) {
        join(space[i]);
        pairing[i] = pairing_new(base, PORT, listed, &host[i]);
        cr_assert(pairing[i] != NULL && pairing_port(pairing[i]) == PORT);
        cr_assert(pairing_new(base, PORT, listed, &host[i]) == NULL, "the port is in use");
    }
    ask(0, 1);
    look = event_new(base, -1, EV_PERSIST, on_look, NULL);
    cr_assert(look != NULL && event_add(look, &often) == 0);
    run_loop();
    event_free(look);
    hosts_now = clock_now();
    cr_assert(pairing_counters(pairing[1])->answered == 1);
    /* Nobody asks the enrolment for more than there is: that would begin another one. */
    cr_assert(hosts_keys(&host[0], &host[1], key[0]) == 1);
    cr_assert(hosts_keys(&host[1], &host[0], key[1]) == 1);
    cr_assert_arr_eq(key[0][0].shared, key[1][0].shared, NH);
    for (unsigned i = 0; i < 2; i++) {
        pairing_forget(pairing[i], host[i].enrolment, 0);
        pairing_free(pairing[i]);
        close(space[i]);
    }
    join(before);
    close(before);
    end();
}

static bool is_open(uint16_t port)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    bool is = bind(fd, (const struct sockaddr *)&any, sizeof any) != 0;
    close(fd);
    return is;
}

Test(pairing_worker, ports_are_open_while_they_are_used)
{
    static struct agent agent; /* nobody is listed */

    begin();
    int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    close(new_namespace());
    struct pairing_ports ports = {.base = base, .agent = &agent};
    struct pairing_use use[3] = {{.ports = &ports, .number = PORT},
                                 {.ports = &ports, .number = PORT},
                                 {.ports = &ports, .number = PORT + 1}};
    int64_t now = clock_now();
    for (unsigned i = 0; i < 3; i++) {
        pairing_use_tick(&use[i], now);
        cr_assert(!is_open(PORT) && !is_open(PORT + 1), "without a pair of that mode");
    }
    pairing_use_begin(&use[0], now);
    pairing_use_begin(&use[1], now);
    cr_assert(is_open(PORT) && use[0].port == use[1].port);
    pairing_use_begin(&use[2], now);
    cr_assert(is_open(PORT + 1) && use[2].port != use[0].port);
    pairing_use_end(&use[0]);
    cr_assert(is_open(PORT));
    pairing_use_set(&use[1], host[0].enrolment, PORT + 1, now);
    cr_assert(!is_open(PORT) && use[1].port == use[2].port);
    pairing_use_end(&use[1]);
    pairing_use_end(&use[2]);
    cr_assert(!is_open(PORT + 1) && ports.first == NULL);
    /* One that somebody else has is tried again later. */
    struct pairing *other = pairing_new(base, PORT, listed, &host[0]);
    pairing_use_begin(&use[0], now);
    cr_assert(use[0].port == NULL);
    const struct enrolled_pair *pair = enrolment_pair(host[0].enrolment, 1);
    const struct enrolment_pairing request = {.pair = pair};
    cr_assert(pairing_use_ask(&use[0], host[0].enrolment, &request) == PDM_STATUS_LATER);
    pairing_free(other);
    pairing_use_tick(&use[0], now + PAIRING_REOPEN_NS - 1);
    cr_assert(use[0].port == NULL);
    pairing_use_tick(&use[0], now + PAIRING_REOPEN_NS);
    cr_assert(use[0].port != NULL);
    pairing_use_end(&use[0]);
    join(before);
    close(before);
    end();
}
