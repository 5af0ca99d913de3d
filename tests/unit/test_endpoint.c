/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics over HTTP: who is answered, and with what. */
#include <event2/bufferevent.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "keyagent/metrics/endpoint.h"
#include "tests/unit/flows_of_metrics.h"

#define ANSWER_MAX (16 * 1024 * 1024)
#define TURNS 5000 /* of a millisecond, for an answer */
#define SLOW (AGENT_SCRAPE_CLIENTS - 1)
#define ASSOCIATIONS 10

static struct registry none;
static struct event_base *base;
static struct endpoint endpoint;

static void begin(void)
{
    char text[4096] = "[agent]\nstate = state\nmax_slots = 2000\nmax_ledger = 64\n"
                      "metrics = [::1]:9485\n";

    for (unsigned i = 0; i < ASSOCIATIONS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "[association a%u]\npeer = 2001:db8:%x::/48\nprotect = plain\n", i, i);
    agent_begin(text);
    signal(SIGPIPE, SIG_IGN); /* as daemon_begin() does */
    base = event_base_new();
    cr_assert(base != NULL && endpoint_init(&endpoint, base, &agent, &none));
}

static void over(void)
{
    endpoint_free(&endpoint);
    event_base_free(base);
    agent_over();
}

TestSuite(endpoint, .init = begin, .fini = over);

/* A port that is free. */
static void serve_at_port(void)
{
    union config_address *at = &agent.config.metrics;
    socklen_t len = sizeof at->v6;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    at->v6.sin6_port = 0;
    cr_assert(fd >= 0 && bind(fd, &at->any, len) == 0 && getsockname(fd, &at->any, &len) == 0);
    close(fd);
    cr_assert(endpoint_set(&endpoint), "%s", keys_said());
}

static void serve_at_path(void)
{
    agent.config.metrics =
        (union config_address){.path = {.sun_family = AF_UNIX, .sun_path = "metrics.sock"}};
    cr_assert(endpoint_set(&endpoint), "%s", keys_said());
}

static int ask(const char *request)
{
    const union config_address *at = &endpoint.address;
    socklen_t len = at->any.sa_family == AF_UNIX ? sizeof at->path : sizeof at->v6;
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0 && connect(fd, &at->any, len) == 0);
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

/* All of it, up to the end of the connection; the text stays until the next. */
static const char *answer_to(const char *request)
{
    static char text[ANSWER_MAX];
    size_t used = 0;
    ssize_t got = -1;
    int fd = ask(request);
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    for (int turn = 0; turn < TURNS && got != 0 && used < sizeof text - 1; turn++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        if (poll(&readable, 1, 1) <= 0)
            continue;
        got = recv(fd, text + used, sizeof text - 1 - used, 0);
        cr_assert(got >= 0);
        used += (size_t)got;
    }
    cr_assert_eq(got, 0, "the connection stays open after: %s", request);
    close(fd);
    text[used] = '\0';
    return text;
}

static size_t unread(void)
{
    size_t octets = 0;

    for (size_t i = 0; i < endpoint.clients; i++)
        octets += evbuffer_get_length(bufferevent_get_output(endpoint.client[i].connection));
    return octets;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    cr_assert_not_null(end, "%s", answer);
    return end + 4;
}

/* RFC 9110 section 9.3.2. */
Test(endpoint, a_head_has_no_body)
{
    serve_at_path();
    const char *answer = answer_to("HEAD /metrics HTTP/1.1\r\n\r\n");
    cr_assert(begins(answer, "HTTP/1.1 200 "), "%s", answer);
    cr_assert_not_null(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4;"));
    cr_assert_str_empty(body_of(answer));
    answer = answer_to("HEAD /other HTTP/1.1\r\n\r\n");
    cr_assert(begins(answer, "HTTP/1.1 404 "), "%s", answer);
    cr_assert_str_empty(body_of(answer));
    cr_assert_not_null(strstr(answer_to("GET /metrics HTTP/1.1\r\n\r\n"), "\npdm_build_info{"));
}

Test(endpoint, the_connection_ends)
{
    serve_at_path();
    const char *answer = answer_to("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    cr_assert(begins(answer, "HTTP/1.0 200 "), "%s", answer);
    cr_assert_not_null(strstr(answer, "\r\nConnection: close\r\n"));
    cr_assert_null(strstr(answer, "keep-alive"), "%s", answer);
}

/* A page that has its own name lead here has its browser say that name. */
Test(endpoint, other_hosts_are_refused)
{
    static const char *const ours[] = {"[::1]",     "[::1]:9485",     "127.0.0.1:9485",
                                       "localhost", "LOCALHOST:9485", "192.0.2.1"};
    static const char *const others[] = {"example.com",       "example.com:9485",
                                         "localhost.example", "127.0.0.1.nip.io",
                                         "xlocalhost",        "::1]",
                                         "0x7f000001",        ""};
    char request[256];

    serve_at_port();
    cr_assert(begins(answer_to("GET /metrics HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 "));
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        snprintf(request, sizeof request, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", ours[i]);
        cr_assert(begins(answer_to(request), "HTTP/1.1 200 "), "%s", ours[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(request, sizeof request, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", others[i]);
        const char *answer = answer_to(request);
        cr_assert(begins(answer, "HTTP/1.1 421 "), "%s: %s", others[i], answer);
        cr_assert_null(strstr(answer, "pdm_"));
    }
}

/* No page leads to a path. */
Test(endpoint, any_host_at_a_path)
{
    serve_at_path();
    cr_assert(begins(answer_to("GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n"), "HTTP/1.1 200 "));
}

/* Nobody reads: each has a gathering of its own. */
Test(endpoint, what_is_not_read_is_bounded)
{
    int slow[SLOW];
    size_t most = 0;

    serve_at_path();
    for (uint16_t i = 0; i < ASSOCIATIONS * AGENT_SERIES_PEERS; i++)
        flow_of(i % ASSOCIATIONS, i % ASSOCIATIONS, i);
    for (int i = 0; i < SLOW; i++) {
        size_t before = unread();
        int turns = before > AGENT_SCRAPE_UNREAD ? 100 : TURNS;

        slow[i] = ask("GET /metrics HTTP/1.1\r\n\r\n");
        for (int turn = 0; turn < turns && unread() == before; turn++)
            event_base_loop(base, EVLOOP_NONBLOCK);
        if (unread() - before > most)
            most = unread() - before;
    }
    cr_assert(most > AGENT_SCRAPE_UNREAD / SLOW, "%zu: too little for this test", most);
    cr_assert(unread() <= AGENT_SCRAPE_UNREAD + most, "%zu octets", unread());
    for (int i = 0; i < SLOW; i++)
        close(slow[i]);
    cr_assert(begins(answer_to("GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 "));
}
