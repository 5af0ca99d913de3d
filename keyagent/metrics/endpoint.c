/* SPDX-License-Identifier: BSD-2-Clause */
/* Where metrics are served. */
#include "keyagent/metrics/endpoint.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/metrics/door.h"

#define HTTP_MISDIRECTED 421 /* RFC 9110 section 15.5.20 */

static const struct timeval at_once = {0};
static const struct timeval look_pause = {.tv_usec = AGENT_SCRAPE_PAUSE_US};

/* Requests. */

/* With which the connection ends. */
static void reply(struct evhttp_request *request, int code, const char *type, struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;

    /* evhttp adds another header of this name for a client of 1.0 that wants to go on. */
    evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
    evhttp_add_header(headers, "Connection", "close");
    evhttp_add_header(headers, "Content-Type", type);
    /* RFC 9110 section 9.3.2, which evhttp leaves to us. */
    evhttp_send_reply(request, code, NULL, is_head ? NULL : body);
}

static void refuse(struct evhttp_request *request, int code, const char *why)
{
    struct evbuffer *body = evbuffer_new();

    if (body != NULL)
        evbuffer_add_printf(body, "%s\n", why);
    reply(request, code, "text/plain", body);
    if (body != NULL)
        evbuffer_free(body);
}

static void refuse_for_now(struct evhttp_request *request)
{
    refuse(request, HTTP_SERVUNAVAIL, "no metrics for now; try again later");
}

static void answer(const struct endpoint_request *r, struct evbuffer *body)
{
    struct evbuffer *own = evbuffer_new();

    /* All who wait for one gathering share its memory. */
    if (own != NULL && evbuffer_add_buffer_reference(own, body) == 0)
        reply(r->request, HTTP_OK, exposition_content_type(r->format), own);
    else
        refuse_for_now(r->request);
    if (own != NULL)
        evbuffer_free(own);
}

/* Answers those who wait for FORMAT with BODY, or all with an error if that is NULL. */
static void answer_waiting(struct endpoint *e, enum exposition_format format, struct evbuffer *body)
{
    size_t waits = e->waits;

    e->waits = 0;
    for (size_t i = 0; i < waits; i++) {
        const struct endpoint_request r = e->waiting[i];

        if (body == NULL)
            refuse_for_now(r.request);
        else if (r.format == format)
            answer(&r, body);
        else
            e->waiting[e->waits++] = r;
    }
}

/* Whoever does not read holds memory: the next has to wait until that was read, or its time is up.
 * What several share counts for each. */
static bool much_is_unread(const struct endpoint *e)
{
    size_t octets = 0;

    for (size_t i = 0; i < e->clients; i++)
        octets += evbuffer_get_length(bufferevent_get_output(e->client[i].connection));
    return octets > AGENT_SCRAPE_UNREAD;
}

static void on_go_on(evutil_socket_t fd, short what, void *arg)
{
    struct endpoint *e = arg;
    struct scrape *s = &e->scrape;

    (void)fd;
    (void)what;
    if (s->agent == NULL && much_is_unread(e)) {
        evtimer_add(e->go_on, &look_pause);
        return;
    }
    if (s->agent == NULL && !scrape_begin(s, e->agent, e->registry, e->waiting[0].format)) {
        log_error("out of memory: no metrics");
        answer_waiting(e, EXPOSITION_TEXT, NULL);
        return;
    }
    if (scrape_step(s)) {
        answer_waiting(e, s->exposition.format, s->exposition.out);
        scrape_end(s);
    }
    if (e->waits > 0)
        evtimer_add(e->go_on, &at_once);
}

/* A page from elsewhere can have its own name lead to this address, and its reader's browser ask
 * here; the Host header then has that name. No page leads to a path. */
static bool is_for_us(const struct endpoint *e, struct evhttp_request *request)
{
    const char *host = evhttp_request_get_host(request);
    struct sockaddr_storage literal;
    int len = sizeof literal;

    return e->address.any.sa_family == AF_UNIX || host == NULL ||
           evutil_ascii_strcasecmp(host, "localhost") == 0 ||
           evutil_parse_sockaddr_port(host, (struct sockaddr *)&literal, &len) == 0;
}

/* One that comes while something is being gathered has that too: it is of this very moment. */
static void on_metrics(struct evhttp_request *request, void *arg)
{
    struct endpoint *e = arg;

    if (!is_for_us(e, request)) {
        refuse(request, HTTP_MISDIRECTED, "the Host header must be an address or localhost");
        return;
    }
    if (e->waits == AGENT_SCRAPE_WAITING) {
        refuse_for_now(request);
        return;
    }
    e->waiting[e->waits++] = (struct endpoint_request){
        request,
        exposition_choose(evhttp_find_header(evhttp_request_get_input_headers(request), "Accept"))};
    if (!evtimer_pending(e->go_on, NULL))
        evtimer_add(e->go_on, &at_once);
}

static void on_other(struct evhttp_request *request, void *arg)
{
    (void)arg;
    refuse(request, HTTP_NOTFOUND, "there is only /metrics");
}

/* Connections. evhttp bounds neither how many there are nor how long one may take. */

static void heed_clients(struct endpoint *e)
{
    bool full = e->clients == AGENT_SCRAPE_CLIENTS;

    if (e->listener != NULL && full)
        evconnlistener_disable(e->listener);
    else if (e->listener != NULL)
        evconnlistener_enable(e->listener);
    if (e->clients > 0 && !evtimer_pending(e->look, NULL))
        evtimer_add(e->look, &look_pause);
}

/* Called for each connection that is accepted, which HTTP has from then on. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct endpoint *e = arg;
    struct bufferevent *connection = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (connection == NULL || e->clients == AGENT_SCRAPE_CLIENTS)
        return connection;
    bufferevent_incref(connection);
    e->client[e->clients++] = (struct endpoint_client){connection, clock_now()};
    heed_clients(e);
    return connection;
}

/* HTTP, when it frees a connection, takes its callbacks away: then ours is the last reference. */
static bool has_gone(struct bufferevent *connection)
{
    bufferevent_event_cb event;

    bufferevent_getcb(connection, NULL, NULL, &event, NULL);
    return event == NULL;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct endpoint *e = arg;
    int64_t now = clock_now();
    size_t kept = 0;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < e->clients; i++) {
        struct endpoint_client c = e->client[i];

        if (has_gone(c.connection)) {
            bufferevent_decref(c.connection);
            continue;
        }
        if (now - c.began > AGENT_SCRAPE_S * PDM_NSEC_PER_SEC)
            shutdown(bufferevent_getfd(c.connection), SHUT_RDWR); /* as if the client had */
        e->client[kept++] = c;
    }
    e->clients = kept;
    heed_clients(e);
}

/* Without descriptors left: accepting goes on when the timer finds that some client has gone, or
 * after a pause. */
static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
    struct endpoint *e = arg;

    log_error("metrics: cannot accept connections: %s", strerror(errno));
    evconnlistener_disable(listener);
    evtimer_add(e->look, &look_pause);
}

/* The whole. */

bool endpoint_init(struct endpoint *e, struct event_base *base, struct agent *agent,
                   const struct registry *registry)
{
    *e = (struct endpoint){.base = base, .agent = agent, .registry = registry};
    e->look = evtimer_new(base, on_look, e);
    e->go_on = evtimer_new(base, on_go_on, e);
    return e->look != NULL && e->go_on != NULL;
}

static void close_door(struct endpoint *e)
{
    scrape_end(&e->scrape);
    answer_waiting(e, EXPOSITION_TEXT, NULL);
    if (e->http != NULL)
        evhttp_free(e->http); /* with the listener, all connections and their requests */
    e->http = NULL;
    e->listener = NULL;
    for (size_t i = 0; i < e->clients; i++)
        bufferevent_decref(e->client[i].connection);
    e->clients = 0;
    door_remove(&e->address);
    memset(&e->address, 0, sizeof e->address);
}

void endpoint_free(struct endpoint *e)
{
    close_door(e);
    if (e->look != NULL)
        event_free(e->look);
    if (e->go_on != NULL)
        event_free(e->go_on);
    *e = (struct endpoint){0};
}

static bool serve(struct endpoint *e, int fd)
{
    e->http = evhttp_new(e->base);
    if (e->http != NULL)
        e->listener = evconnlistener_new(e->base, NULL, NULL,
                                         LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (e->listener == NULL || evhttp_bind_listener(e->http, e->listener) == NULL) {
        if (e->listener != NULL)
            evconnlistener_free(e->listener);
        else
            close(fd);
        e->listener = NULL;
        return false;
    }
    evconnlistener_set_error_cb(e->listener, on_accept_failed);
    evhttp_set_allowed_methods(e->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(e->http, AGENT_SCRAPE_HEADERS);
    evhttp_set_max_body_size(e->http, 0);
    evhttp_set_timeout(e->http, AGENT_SCRAPE_S);
    evhttp_set_bevcb(e->http, on_accept, e);
    evhttp_set_gencb(e->http, on_other, e);
    return evhttp_set_cb(e->http, "/metrics", on_metrics, e) == 0;
}

bool endpoint_set(struct endpoint *e)
{
    const union config_address *wanted = &e->agent->config.metrics;

    /* What it was about to show may be of associations that are gone. */
    scrape_end(&e->scrape);
    if (door_is_same(wanted, &e->address))
        return true;
    close_door(e);
    if (wanted->any.sa_family == AF_UNSPEC)
        return true;
    int fd = door_open(wanted);
    if (fd < 0)
        return false;
    e->address = *wanted;
    if (serve(e, fd))
        return true;
    log_error("metrics: they cannot be served: out of memory");
    close_door(e);
    return false;
}
