/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop. */
#include "keyagent/server.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/agent_flows.h"
#include "keyagent/clock.h"
#include "keyagent/connections.h"
#include "keyagent/daemon.h"
#include "keyagent/enrolment/registry.h"
#include "keyagent/harden.h"
#include "keyagent/host.h"
#include "keyagent/log.h"
#include "keyagent/metrics/endpoint.h"
#include "keyagent/probe.h"
#include "keyagent/requests.h"
#include "keyagent/unread.h"
#include "keyagent/watch.h"

enum { EVENT_TICK, EVENT_SEARCH, EVENT_PROBE, EVENT_ECHO, EVENT_UEVENT, EVENTS };

struct server {
    struct agent *agent;
    const struct listener *listener;
    const char *config_path;
    struct event_base *base;
    struct event *event[EVENTS];
    struct daemon_signals signals;
    struct connections *connections;
    struct reply *reply; /* locked memory */
    struct watch watch;
    struct probe probe;
    struct registry registry;
    struct endpoint metrics;
    struct unread unread;
    int stamping; /* see open_stamping() */
};

static const struct timeval tick = {.tv_sec = AGENT_TICK_S};
static const struct timeval search_pause = {.tv_usec = AGENT_SEARCH_PAUSE_US};
static const struct timeval probe_pause = {.tv_usec = AGENT_PROBE_PAUSE_US};

/* Requests. */

static void send_reply(struct agent *agent, int fd, const struct reply *reply)
{
    struct iovec data = {.iov_base = (void *)reply->bytes, .iov_len = reply->len};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(REPLY_FDS * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (reply->fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(reply->fds * sizeof(int));
        memcpy(CMSG_DATA(c), reply->fd, reply->fds * sizeof(int));
    }
    /* Never waits: who does not read its reply goes without. */
    if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return;
    if (errno != EPIPE)
        log_warning("cannot send a reply: %s", strerror(errno));
    requests_undelivered(agent, reply);
}

static void search_goes_on(struct server *s)
{
    if (s->agent->search.jobs > 0 && !evtimer_pending(s->event[EVENT_SEARCH], NULL))
        evtimer_add(s->event[EVENT_SEARCH], &search_pause);
}

/* Sends what probes are due; the rate that prober_next keeps to bounds the loop. */
static void probe_goes_on(struct server *s)
{
    struct prober *prober = &s->agent->paths.prober;
    struct path_request request;

    if (!prober_busy(prober))
        return;
    while (prober_next(prober, clock_now(), &request))
        if (!probe_send(&s->probe, &request, s->agent->config.settings.option_type))
            prober_unsent(prober, request.nonce);
    if (prober_busy(prober) && !evtimer_pending(s->event[EVENT_PROBE], NULL))
        evtimer_add(s->event[EVENT_PROBE], &probe_pause);
}

/* Who leaves too many descriptors unread gets no answer. */
static void answer(struct server *s, int fd, const struct client_id *who)
{
    const struct reply *reply = s->reply;

    if (reply->len == 0)
        return;
    if (reply->fds == 0 || unread_admit(&s->unread, fd, who->uid))
        send_reply(s->agent, fd, reply);
    else
        log_warning("process %d of user %u is not answered: %d answers to that user, or %d to all, "
                    "are unread, or no descriptors are left",
                    (int)who->pid, (unsigned)who->uid, AGENT_UNREAD_USER, AGENT_UNREAD_MAX);
}

/* A user's agent answers that user and root; the system's, whoever the socket's mode let in. */
static bool serve(void *arg, int fd, const struct client_id *who)
{
    struct server *s = arg;
    uint8_t
        request[PDM_MESSAGE_SMALL + 1]; /* one more than any request: longer ones are malformed */
    ssize_t got = recv(fd, request, sizeof request, MSG_DONTWAIT);

    if (got < 0)
        return errno != EAGAIN && errno != EINTR;
    if (got == 0)
        return true;
    requests_answer(s->agent, who, request, (size_t)got, s->reply);
    answer(s, fd, who);
    sodium_memzero(s->reply->bytes, s->reply->len);
    search_goes_on(s);
    probe_goes_on(s);
    return true;
}

/* Time and signals. */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd;
    (void)what;
    registry_tick(&s->registry, clock_now());
    agent_tick(s->agent);
    unread_sweep(&s->unread);
    probe_goes_on(s);
    if (watch_boot_changed(&s->watch)) {
        log_warning("the boot id has changed: all leases are void");
        agent_void_leases(s->agent);
    }
}

static void on_uevent(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd;
    (void)what;
    if (watch_vm_changed(&s->watch)) {
        log_warning(
            "this virtual machine was restored or copied: all leases are void; keys should be "
            "replaced");
        agent_void_leases(s->agent);
    }
}

static void on_search(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct search_hit hit;

    (void)fd;
    (void)what;
    search_run(&s->agent->search, clock_now(), &hit);
    if (hit.found)
        requests_found(s->agent, &hit);
    search_goes_on(s);
}

static void on_probe(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    probe_goes_on(arg);
}

static void on_echo(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    uint8_t nonce[PATH_NONCE_LEN];
    uint8_t from[PDM_ADDR_LEN];

    (void)fd;
    (void)what;
    for (int i = 0; i < AGENT_PROBE_REPLIES; i++) {
        enum probe_got got = probe_receive(&s->probe, nonce, from);

        if (got == PROBE_NONE)
            return;
        if (got == PROBE_REPLY)
            prober_answered(&s->agent->paths.prober, nonce, from, clock_now());
    }
}

/* What keeps options from flowing although the configuration asks for them. */
static void complain(const struct server *s)
{
    const struct config *config = &s->agent->config;
    size_t probed = 0;

    for (size_t i = 0; i < config->associations; i++)
        probed += config->association[i].path == CONFIG_PATH_PROBE;
    if (probed > 0 && s->probe.fd < 0)
        log_warning(
            "paths cannot be probed without CAP_NET_RAW, so no options are attached: setcap "
            "cap_net_raw+ep the agent, or set path = trust where the network is known to "
            "carry them");
    if (config->associations > 0)
        host_complain();
}

static void reload(void *arg)
{
    struct server *s = arg;
    struct registry_plan plan = {0};
    struct config config;

    if (config_load(s->config_path, &config, log_told, NULL) && registry_plan(&plan, &config) &&
        agent_reload(s->agent, &config)) {
        registry_set(&s->registry, &s->agent->config, &plan);
        (void)endpoint_set(&s->metrics); /* what fails has been told of */
        log_info("%s: reloaded, %zu associations", s->config_path, s->agent->config.associations);
        complain(s);
        return;
    }
    registry_plan_free(&plan);
    config_free(&config);
    log_error("%s: the configuration of before stays in force", s->config_path);
}

/* Set up and torn down. */

/*
 * The kernel stamps received packets only while some socket of the host asks for it, and begins a
 * moment after the first does. This one asks for as long as the agent runs, so that clients'
 * first packets are stamped.
 */
static int open_stamping(void)
{
    const int on = 1;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)
        log_error("cannot have received packets stamped: %s", strerror(errno));
    return fd;
}

/* Without the right to it the agent does all else. */
static void open_probe(struct server *s)
{
    s->agent->paths.may_probe = probe_open(&s->probe);
    if (!s->agent->paths.may_probe && errno != EPERM)
        log_error("no socket for probes: %s", strerror(errno));
}

static bool add_event(struct server *s, int number, int fd, short what,
                      void (*handler)(evutil_socket_t, short, void *), const struct timeval *when)
{
    s->event[number] = event_new(s->base, fd, what, handler, s);
    return s->event[number] != NULL && (when == NULL || event_add(s->event[number], when) == 0);
}

static bool add_events(struct server *s)
{
    return add_event(s, EVENT_TICK, -1, EV_PERSIST, on_tick, &tick) &&
           add_event(s, EVENT_SEARCH, -1, 0, on_search, NULL) &&
           add_event(s, EVENT_PROBE, -1, 0, on_probe, NULL) &&
           (s->probe.fd < 0 ||
            (add_event(s, EVENT_ECHO, s->probe.fd, EV_READ | EV_PERSIST, on_echo, NULL) &&
             event_add(s->event[EVENT_ECHO], NULL) == 0)) &&
           (s->watch.uevents < 0 ||
            (add_event(s, EVENT_UEVENT, s->watch.uevents, EV_READ | EV_PERSIST, on_uevent, NULL) &&
             event_add(s->event[EVENT_UEVENT], NULL) == 0));
}

static bool set_up(struct server *s, struct registry_plan *plan)
{
    s->stamping = open_stamping();
    open_probe(s);
    watch_init(&s->watch);
    s->reply = harden_alloc(1, sizeof *s->reply);
    s->base = event_base_new();
    if (s->stamping < 0 || s->reply == NULL || s->base == NULL)
        return false;
    s->connections = connections_open(s->base, s->listener, AGENT_CONNECTIONS_MAX,
                                      s->listener->is_system, serve, s);
    if (s->connections == NULL)
        return false;
    if (add_events(s) && daemon_signals_init(&s->signals, s->base, reload, s) &&
        endpoint_init(&s->metrics, s->base, s->agent, &s->registry))
        return registry_init(&s->registry, s->base, s->agent) &&
               registry_set(&s->registry, &s->agent->config, plan) && endpoint_set(&s->metrics);
    log_error("the event loop cannot be set up");
    return false;
}

static void tear_down(struct server *s)
{
    connections_close(s->connections);
    unread_free(&s->unread);
    daemon_signals_free(&s->signals);
    for (int i = 0; i < EVENTS; i++)
        if (s->event[i] != NULL)
            event_free(s->event[i]);
    endpoint_free(&s->metrics);
    registry_free(&s->registry);
    if (s->base != NULL) {
        /* What was broken off, such as a question to DNS, ends in a turn of the loop. */
        event_base_loop(s->base, EVLOOP_NONBLOCK);
        event_base_free(s->base);
    }
    if (s->reply != NULL)
        sodium_free(s->reply);
    watch_free(&s->watch);
    probe_close(&s->probe);
    if (s->stamping >= 0)
        close(s->stamping);
}

bool server_run(struct agent *agent, struct registry_plan *plan, const struct listener *listener,
                const char *config_path)
{
    struct server s = {.agent = agent, .listener = listener, .config_path = config_path};
    bool good = set_up(&s, plan);

    if (good) {
        log_info("serving %zu associations", agent->config.associations);
        complain(&s);
        good = daemon_run(s.base);
        agent_end_all(agent);
    }
    tear_down(&s);
    return good;
}
