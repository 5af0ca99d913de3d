/* SPDX-License-Identifier: BSD-2-Clause */
/* The shim's side of the agent. */
#include "shim/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/message.h"
#include "shim/process.h"
#include "shim/sys.h"

#define BACKOFF_MIN_NS (50 * PDM_NSEC_PER_MSEC) /* after the first silence of the agent, doubling  \
                                                 */
#define BACKOFF_SILENT_NS (64 * PDM_NSEC_PER_SEC) /* at most, if it does not answer in time */
#define BACKOFF_ABSENT_NS                                                                          \
    (1 * PDM_NSEC_PER_SEC)                 /* at most, if it is not there, which costs little */
#define BURST_NS (20 * PDM_NSEC_PER_MSEC)  /* that requests may take before they must be earned */
#define REASK_NS (100 * PDM_NSEC_PER_MSEC) /* before a flow asks again */

enum state { NONE, BUSY, READY };

/* The two mappings keep their places for the life of the process: a new agent's are mapped over. */
static struct {
    _Atomic uint32_t state;
    _Atomic uint64_t instance;
    struct pdm_policy *policy;
    struct pdm_segment *segment;
    uint32_t slots;
} map;

static struct {
    _Atomic int64_t until; /* no request before this */
    _Atomic int64_t pause; /* next pause after a failure */
    _Atomic int64_t spent; /* on requests, in all */
    _Atomic int64_t since; /* when the first was made */
} effort;

static struct pdm_global_pointer own_pointer[PDM_SADDR_TYPES] = {{1}, {1}};

/* --- the share of the program's time --- */

bool pdm_share_left(int64_t now)
{
    int64_t share = pdm_policy_settings().share;
    int64_t none = 0;

    atomic_compare_exchange_strong(&effort.since, &none, now);
    int64_t lived = now - atomic_load_explicit(&effort.since, memory_order_relaxed);

    return atomic_load_explicit(&effort.spent, memory_order_relaxed) <
           BURST_NS + lived / 100 * share;
}

void pdm_share_spend(int64_t ns)
{
    atomic_fetch_add_explicit(&effort.spent, ns, memory_order_relaxed);
}

static void answered(void)
{
    atomic_store_explicit(&effort.pause, 0, memory_order_relaxed);
    atomic_store_explicit(&effort.until, 0, memory_order_relaxed);
}

static void unanswered(int64_t now, bool absent)
{
    int64_t most = absent ? BACKOFF_ABSENT_NS : BACKOFF_SILENT_NS;
    int64_t pause = 2 * atomic_load_explicit(&effort.pause, memory_order_relaxed);

    if (pause < BACKOFF_MIN_NS)
        pause = BACKOFF_MIN_NS;
    if (pause > most)
        pause = most;
    atomic_store_explicit(&effort.pause, pause, memory_order_relaxed);
    atomic_store_explicit(&effort.until, now + pause, memory_order_relaxed);
}

bool pdm_agent_silent(void)
{
    return atomic_load_explicit(&effort.pause, memory_order_relaxed) != 0;
}

static bool may_ask(int64_t now)
{
    return pdm_mode() == PDM_MODE_AGENT &&
           now >= atomic_load_explicit(&effort.until, memory_order_relaxed) && pdm_share_left(now);
}

/* --- one request --- */

struct exchange {
    uint8_t bytes[PDM_MESSAGE_SMALL];
    struct pdm_message message;
    struct pdm_reader reply;
    int fds[2]; /* that came with a hello */
};

static void ask(struct exchange *x, uint8_t type)
{
    pdm_message_begin(&x->message, x->bytes, sizeof x->bytes, type);
    x->fds[0] = x->fds[1] = -1;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        pdm_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

static long dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    long fd =
        pdm_sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);

    if (fd < 0)
        return fd;
    memcpy(to.sun_path, pdm_agent_path(), strlen(pdm_agent_path()));
    long r = pdm_sys(SYS_connect, fd, (long)&to, sizeof to, 0, 0, 0);

    if (r == 0)
        return fd;
    close_fd((int)fd);
    return r;
}

/* Waits until DEADLINE for FD to be readable. */
static bool wait_readable(int fd, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        int64_t left = deadline - pdm_clock(CLOCK_MONOTONIC);
        struct timespec t = {left / PDM_NSEC_PER_SEC, left % PDM_NSEC_PER_SEC};

        if (left <= 0)
            return false;
        long r = pdm_sys(SYS_ppoll, (long)&p, 1, (long)&t, 0, 0, 0);

        if (r != -EINTR)
            return r == 1;
    }
}

static void take_fds(struct exchange *x, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len >= CMSG_LEN(sizeof(int)))
            memcpy(x->fds, CMSG_DATA(c),
                   c->cmsg_len >= CMSG_LEN(sizeof x->fds) ? sizeof x->fds : sizeof(int));
}

static bool receive_reply(int fd, struct exchange *x, uint8_t type)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof x->fds)];
    } control;
    struct iovec iov = {x->bytes, sizeof x->bytes};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    uint8_t got;
    long n = pdm_sys(SYS_recvmsg, fd, (long)&msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0, 0, 0);

    if (n < 0)
        return false;
    take_fds(x, &msg);
    return pdm_message_open(x->bytes, (size_t)n, &got, &x->reply) && got == (type | PDM_REPLY);
}

/* Sends the request; with WANTS_REPLY, takes the reply. The time it took counts. */
static bool exchange(struct exchange *x, int64_t now, bool wants_reply)
{
    uint8_t type = x->bytes[1];
    size_t len = pdm_message_end(&x->message);
    bool ok = false;
    long fd = dial();

    if (fd >= 0) {
        ok = pdm_sys(SYS_sendto, fd, (long)x->bytes, (long)len, MSG_NOSIGNAL | MSG_DONTWAIT, 0,
                     0) == (long)len;
        if (ok && wants_reply)
            ok = wait_readable((int)fd, now + (int64_t)pdm_policy_settings().budget_us *
                                                  PDM_NSEC_PER_USEC) &&
                 receive_reply((int)fd, x, type);
        close_fd((int)fd);
    }
    int64_t after = pdm_clock(CLOCK_MONOTONIC);

    pdm_share_spend(after - now);
    if (ok)
        answered();
    else
        unanswered(after, fd < 0 && fd != -EAGAIN);
    return ok;
}

/* --- hello: policy and metrics segment --- */

static size_t policy_size(void)
{
    return sizeof(struct pdm_policy);
}

static void *reserve(size_t size)
{
    long at = pdm_sys(SYS_mmap, 0, (long)size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at;
}

/* A place for each mapping, kept for good, so that a flow never finds one of them gone. */
static bool have_places(void)
{
    if (map.policy == NULL)
        map.policy = reserve(policy_size());
    if (map.segment == NULL)
        map.segment = reserve(pdm_segment_size(PDM_SLOTS_MAX));
    return map.policy != NULL && map.segment != NULL;
}

/* A descriptor that nobody can shrink under us is safe to map. Its size, or 0. */
static size_t sealed_size(int fd, int wanted)
{
    struct stat st;
    long seals = pdm_sys(SYS_fcntl, fd, F_GET_SEALS, 0, 0, 0, 0);

    if (seals < 0 || (seals & wanted) != wanted ||
        pdm_sys(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) != 0 || st.st_size < 0)
        return 0;
    return (size_t)st.st_size;
}

static bool map_over(void *place, int fd, size_t size, int protection)
{
    return pdm_sys(SYS_mmap, (long)place, (long)size, protection, MAP_SHARED | MAP_FIXED, fd, 0) ==
           (long)place;
}

static bool take_mappings(const struct exchange *x)
{
    int seals = F_SEAL_SHRINK | F_SEAL_GROW;
    size_t policy = sealed_size(x->fds[0], seals);
    size_t segment = sealed_size(x->fds[1], seals);

    if (policy < policy_size() || segment < pdm_segment_size(0) ||
        segment > pdm_segment_size(PDM_SLOTS_MAX))
        return false;
    if (!map_over(map.policy, x->fds[0], policy_size(), PROT_READ) ||
        !map_over(map.segment, x->fds[1], segment, PROT_READ | PROT_WRITE))
        return false;
    map.slots = (uint32_t)((segment - sizeof(struct pdm_segment)) / sizeof(struct pdm_slot));
    return map.policy->magic == PDM_POLICY_MAGIC && map.segment->magic == PDM_SEGMENT_MAGIC;
}

static bool hello(int64_t now)
{
    struct exchange x;
    struct pdm_hello_reply reply = {.status = PDM_STATUS_BAD_REQUEST};
    bool ok = false;

    ask(&x, PDM_HELLO);
    if (exchange(&x, now, true)) {
        pdm_get_hello_reply(&x.reply, &reply);
        ok = pdm_message_done(&x.reply) && reply.status == PDM_STATUS_OK && x.fds[1] >= 0;
    }
    if (ok && reply.instance != atomic_load(&map.instance)) {
        ok = have_places() && take_mappings(&x);
        if (ok)
            atomic_store(&map.instance, reply.instance);
    }
    close_fd(x.fds[0]);
    close_fd(x.fds[1]);
    return ok;
}

static uint8_t own_format(void)
{
    return pdm_mode() == PDM_MODE_PLAIN ? PDM_FORMAT_PLAIN : PDM_FORMAT_RFC8250;
}

/* Without an agent: everyone takes part, in the clear, and the figures stay here. */
static bool own_mappings(void)
{
    static const struct pdm_policy_settings settings = {.option_type = PDM_OPTION_TYPE,
                                                        .budget_us = PDM_BUDGET_US_DEFAULT,
                                                        .share = PDM_SHARE_DEFAULT,
                                                        .max_flows = PDM_FLOWS_DEFAULT,
                                                        .flow_idle_s = PDM_FLOW_IDLE_DEFAULT_S};
    struct pdm_policy_entry all = {.format = own_format()};
    uint32_t slots = PDM_FLOWS_DEFAULT;
    size_t segment = pdm_segment_size(slots);

    if (!have_places() ||
        pdm_sys(SYS_mprotect, (long)map.policy, (long)policy_size(), PROT_READ | PROT_WRITE, 0, 0,
                0) != 0 ||
        pdm_sys(SYS_mprotect, (long)map.segment, (long)segment, PROT_READ | PROT_WRITE, 0, 0, 0) !=
            0)
        return false;
    map.slots = slots;
    for (int i = 0; i < PDM_SADDR_TYPES; i++)
        atomic_store(&map.segment->global_pointer[i].next, 1);
    return pdm_policy_write(map.policy, &settings, &all, 1);
}

static bool refresh(int64_t now)
{
    uint32_t before = atomic_load(&map.state);
    bool ok;

    if (before == BUSY || !atomic_compare_exchange_strong(&map.state, &before, BUSY))
        return false;
    ok = pdm_mode() == PDM_MODE_AGENT ? hello(now) : own_mappings();
    atomic_store_explicit(&map.state, ok ? READY : before, memory_order_release);
    return ok;
}

static bool is_ready(void)
{
    return atomic_load_explicit(&map.state, memory_order_acquire) == READY;
}

static bool lost(int64_t now)
{
    return pdm_mode() == PDM_MODE_AGENT &&
           now - atomic_load_explicit(&map.policy->heartbeat, memory_order_relaxed) >
               PDM_HEARTBEAT_LOST_NS;
}

bool pdm_policy_ready(int64_t now)
{
    static _Atomic int64_t
        again; /* an agent that answers but shows no sign of life is not asked for each packet */

    if (is_ready() && !lost(now))
        return true;
    if (now >= atomic_load_explicit(&again, memory_order_relaxed) &&
        (pdm_mode() != PDM_MODE_AGENT || may_ask(now)) && refresh(now))
        atomic_store_explicit(&again, now + PDM_HEARTBEAT_NS, memory_order_relaxed);
    return is_ready();
}

struct pdm_policy_settings pdm_policy_settings(void)
{
    static const struct pdm_policy_settings before = {.option_type = PDM_OPTION_TYPE,
                                                      .budget_us = PDM_BUDGET_US_DEFAULT,
                                                      .share = PDM_SHARE_DEFAULT,
                                                      .max_flows = PDM_FLOWS_DEFAULT};

    return is_ready() ? map.policy->settings : before;
}

uint32_t pdm_policy_epoch(void)
{
    return is_ready() ? atomic_load_explicit(&map.policy->epoch, memory_order_acquire) | 1U << 31
                      : 1;
}

bool pdm_policy_names(const uint8_t *local, const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pdm_policy_entry entry;

    return is_ready() && pdm_policy_find(map.policy, local, peer, &entry);
}

uint32_t pdm_global_pointer_next(const uint8_t saddr[static PDM_ADDR_LEN])
{
    enum pdm_saddr_type type = pdm_saddr_type(saddr);
    struct pdm_global_pointer *p =
        is_ready() ? &map.segment->global_pointer[type] : &own_pointer[type];

    return atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
}

/* --- requests for a flow --- */

/* Not 0: PSN 0 is never sent, and what comes before the first must be a PSN too. */
static bool random_psn(uint16_t *psn)
{
    uint32_t r;

    if (!pdm_entropy(&r, sizeof r))
        return false;
    *psn = (uint16_t)(r % PDM_PSN_CYCLE + 1);
    return true;
}

static bool take_lease(struct pdm_flow_entry *e, uint64_t guard, const struct pdm_suite *suite,
                       const uint8_t *secret, uint64_t first, uint32_t count)
{
    uint8_t seed[PDM_SEED_LEN];
    bool ok = pdm_entropy(seed, sizeof seed) &&
              pdm_sender_init(&e->flow.sender, guard, suite, secret, first, count, seed);

    sodium_memzero(seed, sizeof seed);
    if (!ok)
        return false;
    e->lease = count;
    pdm_flow_new_kri(&e->flow);
    return true;
}

static bool start_flow(struct pdm_flow_entry *e, uint8_t format, struct pdm_slot *slot)
{
    uint8_t key[PDM_PRSEQ_KEY_LEN];
    uint16_t psn;

    if (!random_psn(&psn) || !pdm_entropy(key, sizeof key))
        return false;
    sodium_memzero(&e->flow, sizeof e->flow);
    pdm_flow_init(&e->flow, (enum pdm_format)format, psn, slot);
    pdm_prseq_key(&e->flow.clear_prseq, key);
    return true;
}

static bool start_encrypted(struct pdm_flow_entry *e, uint64_t guard,
                            const struct pdm_open_reply *reply)
{
    struct pdm_suite suite = {reply->kem, reply->kdf, reply->aead};

    if (!pdm_suite_usable(&suite) ||
        !pdm_receiver_init(&e->flow.receiver, &suite, reply->peer_secret, reply->peer_guess))
        return false;
    /* Without a lease it still reads. */
    if (reply->lease_count != 0)
        return take_lease(e, guard, &suite, reply->own_secret, reply->lease_first,
                          reply->lease_count);
    e->flow.sender.suite = suite;
    memcpy(e->flow.sender.secret, reply->own_secret, sizeof e->flow.sender.secret);
    return true;
}

static bool apply_open(struct pdm_flow_entry *e, uint64_t guard, const struct pdm_open_reply *reply)
{
    if (reply->slot >= map.slots || reply->format >= PDM_FORMATS)
        return false;
    struct pdm_slot *slot = &map.segment->slot[reply->slot];

    if (!start_flow(e, reply->format, slot))
        return false;
    if (reply->format == PDM_FORMAT_ENCRYPTED && !start_encrypted(e, guard, reply))
        return false;
    e->instance = reply->instance;
    e->slot = reply->slot;
    e->owner = reply->owner;
    e->state = PDM_FLOW_OPEN;
    return true;
}

static bool open_with_agent(struct pdm_flow_entry *e, int64_t now)
{
    struct exchange x;
    struct pdm_open_request request = {.flags = PDM_OPEN_WANTS_LEASE};
    struct pdm_open_reply reply;
    uint64_t guard = pdm_guard_value();
    bool ok = false;

    if (guard == 0 || !may_ask(now))
        return false;
    pdm_tuple_bytes(&e->tuple, request.tuple);
    ask(&x, PDM_OPEN);
    pdm_put_open_request(&x.message.body, &request);
    if (!exchange(&x, now, true))
        return false;
    pdm_get_open_reply(&x.reply, &reply);
    if (pdm_message_done(&x.reply)) {
        if (reply.status == PDM_STATUS_NOT_NAMED) {
            e->state = PDM_FLOW_REFUSED;
        } else if (reply.status == PDM_STATUS_OK) {
            if (reply.instance != atomic_load(&map.instance))
                refresh(now);
            if (reply.instance == atomic_load(&map.instance))
                ok = apply_open(e, guard, &reply);
        }
    }
    sodium_memzero(&reply, sizeof reply);
    sodium_memzero(&x, sizeof x);
    return ok;
}

/* Without an agent the flow's place in the table is its slot. */
static bool open_alone(struct pdm_flow_entry *e)
{
    uint32_t slot = pdm_flow_index(e);

    if (slot >= map.slots || !start_flow(e, own_format(), &map.segment->slot[slot]))
        return false;
    memset(e->flow.slot, 0, sizeof *e->flow.slot);
    e->state = PDM_FLOW_OPEN;
    return true;
}

bool pdm_agent_open(struct pdm_flow_entry *e, int64_t now)
{
    uint32_t epoch = pdm_policy_epoch();
    bool ok;

    if (now < e->retry_at || !is_ready())
        return false;
    ok = pdm_mode() == PDM_MODE_AGENT ? open_with_agent(e, now) : open_alone(e);
    e->epoch = epoch;
    if (!ok && e->state != PDM_FLOW_REFUSED) {
        e->state = PDM_FLOW_ASKING;
        e->retry_at = now + REASK_NS;
    }
    return ok;
}

bool pdm_agent_renew(struct pdm_flow_entry *e, int64_t now)
{
    struct exchange x;
    struct pdm_renew_request request = {.instance = e->instance, .had = e->lease};
    struct pdm_renew_reply reply;
    struct pdm_sender *s = &e->flow.sender;
    uint64_t guard = pdm_guard_value();
    uint8_t secret[PDM_NH_MAX];
    struct pdm_suite suite = s->suite;

    if (guard == 0 || now < e->retry_at || !may_ask(now))
        return false;
    e->retry_at = now + REASK_NS;
    pdm_tuple_bytes(&e->tuple, request.tuple);
    ask(&x, PDM_RENEW);
    pdm_put_renew_request(&x.message.body, &request);
    if (!exchange(&x, now, true))
        return false;
    pdm_get_renew_reply(&x.reply, &reply);
    if (!pdm_message_done(&x.reply))
        return false;
    if (reply.status != PDM_STATUS_OK) {
        /* A new agent, or an association that ended: ask for the flow anew. */
        e->epoch = 0;
        return false;
    }
    memcpy(secret, s->secret, sizeof secret);
    bool ok = take_lease(e, guard, &suite, secret, reply.lease_first, reply.lease_count);

    sodium_memzero(secret, sizeof secret);
    if (ok)
        e->retry_at = 0;
    return ok;
}

bool pdm_agent_search(struct pdm_flow_entry *e, const uint8_t option[static PDM_OPTION_MAX],
                      int64_t now)
{
    struct exchange x;
    struct pdm_search_request request = {.instance = e->instance};
    struct pdm_search_reply reply;
    struct pdm_tuple peer = pdm_tuple_reverse(&e->tuple);

    if (now < e->search_at || !may_ask(now))
        return false;
    pdm_tuple_bytes(&peer, request.tuple);
    request.has_highest = pdm_receiver_highest(&e->flow.receiver, &request.highest);
    memcpy(request.option, option, PDM_OPTION_MAX);
    ask(&x, PDM_SEARCH);
    pdm_put_search_request(&x.message.body, &request);
    if (!exchange(&x, now, true))
        return false;
    pdm_get_search_reply(&x.reply, &reply);
    if (pdm_message_done(&x.reply) && reply.status == PDM_STATUS_OK) {
        e->search_pause = 0;
        return pdm_receiver_expect(&e->flow.receiver, reply.kri);
    }
    if (e->search_pause == 0)
        e->search_pause = PDM_SEARCH_RETRY_NS;
    else if (e->search_pause < PDM_SEARCH_RETRY_MAX_NS)
        e->search_pause *= 2;
    e->search_at = now + e->search_pause;
    return false;
}

void pdm_agent_close(struct pdm_flow_entry *e)
{
    struct exchange x;
    struct pdm_close_request request = {
        .instance = e->instance, .slot = e->slot, .owner = e->owner};
    const struct pdm_sender *s = &e->flow.sender;
    int64_t now = pdm_clock(CLOCK_MONOTONIC);

    if (e->state != PDM_FLOW_OPEN || !may_ask(now))
        return;
    /* Of the lease, the Kri after the current one were never used; that one may have been. */
    if (e->flow.format == PDM_FORMAT_ENCRYPTED && s->lease_end > s->kri + 1 &&
        atomic_load(&s->guard) == atomic_load(pdm_guard())) {
        request.unused_first = s->kri + 1;
        request.unused_count = (uint32_t)(s->lease_end - s->kri - 1);
    }
    pdm_tuple_bytes(&e->tuple, request.tuple);
    ask(&x, PDM_CLOSE);
    pdm_put_close_request(&x.message.body, &request);
    exchange(&x, now, false);
}
