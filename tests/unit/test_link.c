/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Links between two ends of one loop: who is believed and what is said if not, whole messages in
 * however many pieces they come, and every way that a link ends.
 */
#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/buffer.h>
#include <event2/dns.h>
#include <event2/listener.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "keyagent/clock.h"
#include "keyagent/tls/link.h"
#include "tests/unit/pki_on_disk.h"

#define PATIENCE_NS (30 * PDM_NSEC_PER_SEC)
#define SENT_MAX 128
#define IDLE_LINKS 1000
/* Octets that an idle link may cost; measured: see the figure that the test prints. */
#define IDLE_MAX 32768

/* One side, and what has come of its links. */
struct end {
    struct link *link; /* the latest */
    unsigned ups, messages, downs;
    bool in_good_order;
    char why[512];
    struct pdm_registration_header header; /* of the latest message */
    uint64_t octets;                       /* of all bodies */
    bool as_sent;                          /* each octet of them as body_octet() has it */
    void (*on_up)(struct end *);
    void (*on_message)(struct end *);
};

static struct event_base *base;
static struct event *ticking;
static struct evconnlistener *listener;
static struct credentials *shown_by_server, *shown_by_client;
static struct end server, client;
static char target[64];
static unsigned port;
static pid_t beside; /* a peer of another make, or -1 */

static void link_up(struct link *link, void *arg)
{
    struct end *end = arg;

    end->link = link;
    end->ups++;
    if (end->on_up != NULL)
        end->on_up(end);
}

static uint8_t body_octet(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static void link_message(struct link *link, const struct pdm_registration_header *header,
                         struct pdm_reader *body, void *arg)
{
    struct end *end = arg;

    end->link = link;
    end->messages++;
    end->header = *header;
    end->octets += body->left;
    cr_assert_eq(body->left, header->length);
    for (size_t i = 0; i < body->left; i++)
        end->as_sent = end->as_sent && body->at[i] == body_octet(i);
    if (end->on_message != NULL)
        end->on_message(end);
}

static void link_down(struct link *link, const char *why, void *arg)
{
    struct end *end = arg;

    if (end->link == link)
        end->link = NULL;
    end->downs++;
    end->in_good_order = why == NULL;
    snprintf(end->why, sizeof end->why, "%s", why != NULL ? why : "");
}

static const struct link_handlers handlers = {link_up, link_message, link_down};

static void on_accept(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *arg)
{
    (void)from;
    (void)address;
    (void)len;
    (void)arg;
    server.link = link_accept(base, shown_by_server, fd, &handlers, &server);
    cr_assert_not_null(server.link);
}

static void on_tick(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

#define PKI_BASIC                                                                                  \
    "pki_ca . ca; pki_leaf . ca server DNS:pc.example,IP:::1,IP:127.0.0.1; "                       \
    "pki_leaf . ca client IP:2001:db8::1,DNS:first.example,IP:192.0.2.1,DNS:second.example,"       \
    "IP:2001:db8::2; "

static void begin(void)
{
    static const struct timeval tick = {.tv_usec = 5000};
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof address;

    pki_begin();
    base = event_base_new();
    ticking = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticking, &tick);
    listener = evconnlistener_new_bind(base, on_accept, NULL,
                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 1024,
                                       (struct sockaddr *)&address, sizeof address);
    cr_assert_not_null(listener);
    cr_assert_eq(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len),
                 0);
    port = ntohs(address.sin6_port);
    snprintf(target, sizeof target, "[::1]:%u", port);
    server.as_sent = client.as_sent = true;
    beside = -1;
}

static void end(void)
{
    if (beside > 0)
        kill(beside, SIGKILL);
    if (client.link != NULL)
        link_free(client.link);
    if (server.link != NULL)
        link_free(server.link);
    credentials_unref(shown_by_server);
    credentials_unref(shown_by_client);
    evconnlistener_free(listener);
    event_free(ticking);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    keys_end();
}

TestSuite(link, .init = begin, .fini = end, .timeout = 60);

static void step(void)
{
    event_base_loop(base, EVLOOP_ONCE);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until = clock_now() + PATIENCE_NS;                                                 \
        while (!(condition)) {                                                                     \
            cr_assert(clock_now() < until, "%s: server \"%s\" client \"%s\"", #condition,          \
                      server.why, client.why);                                                     \
            step();                                                                                \
        }                                                                                          \
    } while (0)

static struct link *dial(const char *name)
{
    client.link = link_connect(base, NULL, shown_by_client, target, 0, name, &handlers, &client);
    cr_assert_not_null(client.link);
    return client.link;
}

static void connect_basic(void)
{
    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    dial("pc.example");
    UNTIL(client.ups == 1 && server.ups == 1);
}

static size_t write_message(uint8_t *to, uint8_t command, size_t len)
{
    const struct pdm_registration_header header = {
        .command = command, .direction = PDM_RESPONSE, .length = (uint32_t)len};

    pdm_registration_header_put(to, &header);
    for (size_t i = 0; i < len; i++)
        to[PDM_REGISTRATION_HEADER + i] = body_octet(i);
    return PDM_REGISTRATION_HEADER + len;
}

static bool send_message(struct link *link, uint8_t command, size_t len)
{
    uint8_t *message = malloc(PDM_REGISTRATION_HEADER + len);

    cr_assert_not_null(message);
    bool sent = link_send(link, message, write_message(message, command, len));
    memset(message, 0, PDM_REGISTRATION_HEADER + len); /* it was copied */
    free(message);
    return sent;
}

Test(link, peers)
{
    static const uint8_t first[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t second[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

    connect_basic();
    const struct link_peer *peer = link_peer(server.link);
    cr_assert_eq(peer->authority, 0);
    cr_assert_str_eq(peer->name, "first.example");
    cr_assert_eq(peer->addresses, 2);
    cr_assert_arr_eq(peer->address[0], first, sizeof first);
    cr_assert_arr_eq(peer->address[1], second, sizeof second);
    cr_assert(strncmp(peer->from, "[::1]:", 6) == 0, "%s", peer->from);
    peer = link_peer(client.link);
    cr_assert_str_eq(peer->name, "pc.example");
    cr_assert_eq(peer->addresses, 1);
    cr_assert_str_eq(peer->from, target);
    cr_assert(!sodium_is_zero(peer->fingerprint, sizeof peer->fingerprint));
    cr_assert_eq(link_data(client.link), NULL);
    link_set_data(client.link, &port);
    cr_assert_eq(link_data(client.link), &port);
}

Test(link, messages_both_ways)
{
    static const struct {
        uint8_t command;
        size_t len;
    } rows[] = {{PDM_COMMAND_NEGOTIATE, 0},
                {PDM_COMMAND_KEM, 1},
                {PDM_COMMAND_POLL, PDM_REGISTRATION_SMALL},
                {PDM_COMMAND_LIST, 70000},
                {PDM_COMMAND_SECRET, PDM_REGISTRATION_SECRET_MAX},
                {PDM_COMMAND_SETUP, PDM_REGISTRATION_LIST_MAX}};

    connect_basic();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(send_message(client.link, rows[i].command, rows[i].len));
        cr_assert(send_message(server.link, rows[i].command, rows[i].len));
        UNTIL(client.messages == i + 1 && server.messages == i + 1);
        cr_assert_eq(server.header.command, rows[i].command);
        cr_assert_eq(client.header.length, rows[i].len);
        cr_assert_eq(link_backlog(client.link) + link_backlog(server.link), 0);
    }
    cr_assert(server.as_sent && client.as_sent);
    cr_assert_eq(server.octets, client.octets);
    cr_assert_eq(server.downs + client.downs, 0);
}

static unsigned released;

static void release(const void *bytes, size_t len, void *arg)
{
    (void)bytes;
    (void)len;
    cr_assert_eq(arg, &released);
    released++;
}

Test(link, shared)
{
    static uint8_t message[PDM_REGISTRATION_HEADER + 100000];
    size_t len = write_message(message, PDM_COMMAND_LIST, 100000);

    connect_basic();
    for (unsigned i = 0; i < 3; i++)
        cr_assert(link_send_shared(server.link, message, len, release, &released));
    UNTIL(client.messages == 3 && released == 3);
    cr_assert(client.as_sent);
    link_close(server.link);
    cr_assert_not(link_send_shared(server.link, message, len, release, &released));
    cr_assert_eq(released, 4);
    cr_assert_not(link_send(server.link, message, len));
    UNTIL(server.downs == 1 && client.downs == 1);
}

/* Who does not read costs no more than the bound; and gets all that was taken for it. */
Test(link, backlog)
{
    const size_t len = PDM_REGISTRATION_SECRET_MAX;
    unsigned sent = 0;

    connect_basic();
    while (send_message(server.link, PDM_COMMAND_SECRET, len))
        sent++;
    cr_assert_leq(link_backlog(server.link), (size_t)LINK_BACKLOG_MAX);
    cr_assert_gt(link_backlog(server.link), (size_t)LINK_BACKLOG_MAX - len - 64);
    UNTIL(client.messages == sent);
    cr_assert(client.as_sent);
    cr_assert_eq(client.octets, (uint64_t)sent * len);
    cr_assert(send_message(server.link, PDM_COMMAND_SECRET, len));
    UNTIL(client.messages == sent + 1);
}

/* Who is refused, on either side, and what is said there. */

struct refusal {
    const char *made; /* beyond the basic ones */
    const char *server, *client;
    const char *server_ca, *client_ca; /* that each believes */
    const char *server_crl;            /* of the first */
    const char *name;
    const char *server_says, *client_says; /* after the address; NULL: it is up */
};

static const struct refusal refusals[] = {
    {"", "server", "client", "ca", "ca", NULL, "pc.example", NULL, NULL},
    {"", "server", "client", "ca", "ca", NULL, "::1", NULL, NULL},
    {"", "server", "client", "ca", "ca", NULL, "127.0.0.1", NULL, NULL},
    {"pki_crl . ca", "server", "client", "ca", "ca", "ca.crl", "pc.example", NULL, NULL},
    {"", "server", "client", "ca", "ca", NULL, "other.example", "refused us: bad certificate",
     "name other.example is not in it"},
    {"", "server", "client", "ca", "ca", NULL, "server", "refused us: bad certificate",
     "name server is not in it"},
    {"", "server", "client", "ca", "ca", NULL, ".example", "refused us: bad certificate",
     "name .example is not in it"},
    {"", "server", "client", "ca", "ca", NULL, "::2", "refused us: bad certificate",
     "name ::2 is not in it"},
    {"pki_leaf . ca wild DNS:*.pc.example", "wild", "client", "ca", "ca", NULL, "www.pc.example",
     "refused us: bad certificate", "name www.pc.example is not in it"},
    {"pki_ca . other; pki_leaf . other stranger DNS:pc.example", "stranger", "client", "ca", "ca",
     NULL, "pc.example", "refused us: unknown CA", "unknown authority"},
    {"pki_ca . other; pki_leaf . other stranger IP:2001:db8::1", "server", "stranger", "ca", "ca",
     NULL, "pc.example", "unknown authority", "refused us: unknown CA"},
    {"pki_self . self DNS:pc.example", "self", "client", "ca", "ca", NULL, "pc.example",
     "refused us: unknown CA", "unknown authority (self-signed)"},
    {"pki_self . self IP:2001:db8::1", "server", "self", "ca", "ca", NULL, "pc.example",
     "unknown authority (self-signed)", "refused us: unknown CA"},
    {"pki_leaf . ca old DNS:pc.example expired", "old", "client", "ca", "ca", NULL, "pc.example",
     "refused us: certificate expired", "expired"},
    {"pki_leaf . ca old IP:2001:db8::1 expired", "server", "old", "ca", "ca", NULL, "pc.example",
     "expired", "refused us: certificate expired"},
    {"pki_leaf . ca soon IP:2001:db8::1 future", "server", "soon", "ca", "ca", NULL, "pc.example",
     "not valid yet", "refused us: bad certificate"},
    {"pki_revoke . ca client; pki_crl . ca", "server", "client", "ca", "ca", "ca.crl", "pc.example",
     "revoked", "refused us: certificate revoked"},
    {"pki_crl . ca expired", "server", "client", "ca", "ca", "ca.crl", "pc.example",
     "the revocation list of its authority is out of date", "refused us: certificate expired"},
    {"pki_ca . other; pki_crl . other", "server", "client", "ca", "ca", "other.crl", "pc.example",
     "no revocation list of its authority is known", "refused us: unknown CA"},
    {"pki_leaf . ca one DNS:x 9 extendedKeyUsage=serverAuth", "server", "one", "ca", "ca", NULL,
     "pc.example", "not made for this end (keyUsage, extendedKeyUsage)",
     "refused us: unsupported certificate"},
    {"pki_leaf . ca one DNS:pc.example 9 extendedKeyUsage=clientAuth", "one", "client", "ca", "ca",
     NULL, "pc.example", "refused us: unsupported certificate",
     "not made for this end (keyUsage, extendedKeyUsage)"},
    {"pki_leaf . ca both DNS:pc.example 9 extendedKeyUsage=clientAuth,serverAuth", "both", "both",
     "ca", "ca", NULL, "pc.example", NULL, NULL},
    {"pki_leaf . ca many $(printf IP:2001:db8::%x, $(seq 1 16))IP:::1", "server", "many", "ca",
     "ca", NULL, "pc.example", "too many addresses in it", "refused us: bad certificate"},
    {"pki_leaf . ca all $(printf IP:2001:db8::%x, $(seq 1 15))IP:::1", "server", "all", "ca", "ca",
     NULL, "pc.example", NULL, NULL},
    {"pki_leaf . ca nameless \"\"", "server", "nameless", "ca", "ca", NULL, "pc.example", NULL,
     NULL},
};

static void expect_said(size_t row, const char *side, const struct end *e, const char *words)
{
    size_t len = strlen(e->why);

    if (words == NULL) {
        cr_expect(e->ups == 1 && e->downs == 0, "row %zu: %s: %s", row, side, e->why);
        return;
    }
    cr_expect(e->downs == 1 && len > strlen(words) &&
                  strcmp(e->why + len - strlen(words), words) == 0,
              "row %zu: %s: \"%s\", not \"%s\"", row, side, e->why, words);
    if (strncmp(words, "refused", 7) != 0)
        cr_expect(strncmp(e->why, "certificate of [::1]:", 21) == 0, "row %zu: %s", row, e->why);
    cr_expect_null(strchr(e->why, '\n'));
}

static void run_refusal(size_t i)
{
    const struct refusal *row = &refusals[i];
    char commands[PKI_COMMAND_MAX];

    server = client = (struct end){0};
    snprintf(commands, sizeof commands, "%s true; %s", i == 0 ? PKI_BASIC : "", row->made);
    pki_make(commands);
    shown_by_server = pki_credentials(row->server, row->server_ca, row->server_crl);
    shown_by_client = pki_credentials(row->client, row->client_ca, NULL);
    dial(row->name);
    if (row->server_says == NULL)
        UNTIL(client.ups == 1 && server.ups == 1);
    else
        UNTIL(client.downs == 1 && server.downs == 1);
    expect_said(i, "server", &server, row->server_says);
    expect_said(i, "client", &client, row->client_says);
    cr_expect(row->server_says == NULL || server.ups == 0, "row %zu", i);
    if (client.link != NULL)
        link_free(client.link);
    if (server.link != NULL)
        link_free(server.link);
    client.link = server.link = NULL;
    credentials_unref(shown_by_client);
    credentials_unref(shown_by_server);
    shown_by_client = shown_by_server = NULL;
    keys_said();
}

Test(link, refusals)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        run_refusal(i);
}

/* An authority counts for what it is asked about: the one with the number, or whichever it is. */
Test(link, authorities)
{
    static const char *const peers[] = {"client", "second", "third"};
    const struct credentials_authority known[] = {
        {"one", "ca.pem", NULL}, {"two", "b.pem", "b.crl"}, {"three", "c.pem", NULL}};

    pki_make(PKI_BASIC
             "pki_ca . b; pki_ca . c; pki_leaf . b second DNS:x; pki_leaf . c third DNS:y;"
             "pki_leaf . b gone DNS:z; pki_revoke . b gone; pki_crl . b");
    shown_by_server = credentials_load("server.pem", "server.key", known, 3);
    cr_assert_not_null(shown_by_server);
    for (unsigned i = 0; i < 3; i++) {
        shown_by_client = pki_credentials(peers[i], "ca", NULL);
        dial("pc.example");
        UNTIL(client.ups == i + 1 && server.ups == i + 1);
        cr_assert_eq(link_peer(server.link)->authority, i);
        link_free(client.link);
        UNTIL(server.downs == i + 1);
        credentials_unref(shown_by_client);
    }
    /* The one that knows it tells why, though another is asked first. */
    shown_by_client = pki_credentials("gone", "ca", NULL);
    dial("pc.example");
    UNTIL(client.downs == 1 && server.downs == 4);
    expect_said(0, "server", &(struct end){.downs = 1, .why = "certificate of [::1]:1: revoked"},
                "revoked");
    cr_assert_not_null(strstr(server.why, ": revoked"), "%s", server.why);
    credentials_unref(shown_by_client);
    /* Another authority than the one asked for vouches for the server. */
    const struct credentials_authority others[] = {known[2], known[0], known[1]};
    shown_by_client = credentials_load("client.pem", "client.key", others, 3);
    for (unsigned i = 0; i < 5; i++) {
        client.ups = client.downs = 0;
        client.link =
            link_connect(base, NULL, shown_by_client, target, i, "pc.example", &handlers, &client);
        UNTIL(client.downs + client.ups == 1);
        cr_assert_eq(client.ups, i == 1);
        cr_assert(i == 1 || strstr(client.why, "unknown authority") != NULL, "%u: %s", i,
                  client.why);
        if (i == 1)
            link_free(client.link);
        client.link = NULL;
    }
}

Test(link, still_trusted)
{
    const struct credentials_authority swapped[] = {{"other", "other.pem", NULL},
                                                    {"ca", "ca.pem", NULL}};
    const struct credentials_authority renamed[] = {{"other", "ca.pem", NULL}};
    struct credentials *now;

    connect_basic();
    pki_make("pki_crl . ca; cp ca.crl before.crl; pki_revoke . ca client; pki_crl . ca; "
             "pki_ca . other; cp other.pem empty.pem");
    now = pki_credentials("server", "ca", NULL);
    cr_expect(link_still_trusted(server.link, now));
    cr_expect(link_still_trusted(client.link, now));
    credentials_unref(now);
    now = pki_credentials("server", "ca", "before.crl");
    cr_expect(link_still_trusted(server.link, now));
    credentials_unref(now);
    now = pki_credentials("server", "ca", "ca.crl");
    cr_expect_not(link_still_trusted(server.link, now), "revoked");
    cr_expect(link_still_trusted(client.link, now), "the server is not");
    credentials_unref(now);
    now = pki_credentials("server", "other", NULL);
    cr_expect_not(link_still_trusted(server.link, now), "unknown");
    credentials_unref(now);
    now = credentials_load("server.pem", "server.key", swapped, 2);
    cr_expect_not(link_still_trusted(server.link, now), "another number");
    credentials_unref(now);
    now = credentials_load("server.pem", "server.key", renamed, 1);
    cr_expect_not(link_still_trusted(server.link, now), "another name");
    credentials_unref(now);
    now = credentials_load("server.pem", "server.key", NULL, 0);
    cr_expect_not(link_still_trusted(server.link, now), "nobody");
    credentials_unref(now);
    cr_assert(send_message(client.link, PDM_COMMAND_KEM, 9)); /* it goes on as it was */
    UNTIL(server.messages == 1);
}

/* Peers of another make. %u: the port; their input comes from a pipe. */

static void run_beside(const char *format)
{
    char command[PKI_COMMAND_MAX];

    snprintf(command, sizeof command, format, port);
    cr_assert_eq(setenv("CLIENT",
                        "openssl s_client -quiet -no_ign_eof -cert client.pem -key client.key "
                        "-CAfile ca.pem -connect",
                        1),
                 0);
    beside = fork();
    cr_assert(beside >= 0);
    if (beside == 0) {
        int closed = open("/dev/null", O_RDWR);

        dup2(closed, STDERR_FILENO);
        dup2(closed, STDOUT_FILENO);
        execl("/bin/bash", "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
}

static void serve_others(void)
{
    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
}

struct strange {
    const char *command;
    unsigned ups, messages;
    const char *said; /* NULL: it ended in good order */
};

#define BAD_MESSAGE "sent what is no message of this version, or longer than one may be"

static const struct strange stranges[] = {
    {"$CLIENT [::1]:%u </dev/null", 1, 0, NULL},
    {"printf \"\\1\\7\\0\\0\\0\\0\\0\\0\" | $CLIENT [::1]:%u", 1, 1, NULL},
    {"for i in 1 2 1 0 0 0 0 3 0 37 76; do printf \"\\\\$i\"; sleep 0.01; done | $CLIENT [::1]:%u",
     1, 1, NULL},
    {"printf \"\\1\\7\\0\\0\\0\\0\\0\\0\\1\\7\\0\" | $CLIENT [::1]:%u", 1, 1,
     "broken off within a message"},
    {"printf \"\\1\\2\\0\\0\\0\\0\\0\\3\\1\" | $CLIENT [::1]:%u", 1, 0,
     "broken off within a message"},
    {"printf \"\\2\\2\\0\\0\\0\\0\\0\\3\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\0\\2\\0\\0\\0\\0\\0\\3\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\11\\0\\0\\0\\0\\0\\3\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\2\\2\\0\\0\\0\\0\\3\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\2\\0\\1\\0\\0\\0\\3\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\2\\0\\0\\0\\0\\20\\1\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\1\\0\\0\\4\\0\\0\\1\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"printf \"\\1\\7\\0\\0\\377\\377\\377\\377\" | $CLIENT [::1]:%u", 1, 0, BAD_MESSAGE},
    {"openssl s_client -connect [::1]:%u </dev/null", 0, 0, "no certificate"},
    {"$CLIENT [::1]:%u -tls1_2 </dev/null", 0, 0, "TLS: unsupported protocol"},
    {"echo GET / >/dev/tcp/::1/%u", 0, 0, "TLS: http request"},
    {"head -c 300 /dev/zero >/dev/tcp/::1/%u", 0, 0, "TLS: wrong version number"},
    {": >/dev/tcp/::1/%u", 0, 0, "broken off"},
    {"printf \"\\26\\3\\1\" >/dev/tcp/::1/%u", 0, 0, "broken off"},
};

Test(link, strange_peers)
{
    serve_others();
    for (size_t i = 0; i < sizeof stranges / sizeof stranges[0]; i++) {
        const struct strange *row = &stranges[i];
        int status;

        server = (struct end){0};
        run_beside(row->command);
        UNTIL(server.downs == 1);
        cr_expect(server.ups == row->ups && server.messages == row->messages, "row %zu: %u, %u", i,
                  server.ups, server.messages);
        if (row->said == NULL)
            cr_expect(server.in_good_order, "row %zu: %s", i, server.why);
        else
            cr_expect_not_null(strstr(server.why, row->said), "row %zu: %s", i, server.why);
        cr_assert_eq(waitpid(beside, &status, 0), beside);
        beside = -1;
    }
}

/* Whoever does not speak is let go. */
Test(link, stalled_handshakes)
{
    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    int64_t began = clock_now();
    run_beside("exec sleep 15 >/dev/tcp/::1/%u");
    UNTIL(server.downs == 1);
    cr_assert_not_null(strstr(server.why, "the handshake took too long"), "%s", server.why);
    int64_t took = clock_now() - began;
    cr_assert(took >= LINK_HANDSHAKE_S * PDM_NSEC_PER_SEC - 100 * PDM_NSEC_PER_MSEC &&
              took < (LINK_HANDSHAKE_S + 2) * PDM_NSEC_PER_SEC);
}

/* A relay that hands on an octet at a time, whatever it got. */

struct relay {
    int from, to;
    struct event *event;
};

static void on_relay(int fd, short what, void *arg)
{
    struct relay *relay = arg;
    uint8_t octet;
    ssize_t got = read(fd, &octet, 1);

    (void)what;
    if (got == 1)
        cr_assert_eq(write(relay->to, &octet, 1), 1);
    else
        shutdown(relay->to, SHUT_WR), event_del(relay->event);
}

static int relayed[2];

static void on_accept_relayed(struct evconnlistener *from, evutil_socket_t fd,
                              struct sockaddr *address, int len, void *arg)
{
    (void)from;
    (void)address;
    (void)len;
    (void)arg;
    relayed[0] = fd;
}

Test(link, octet_by_octet)
{
    int pair[2];
    struct relay relays[2];

    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    relayed[0] = -1;
    evconnlistener_set_cb(listener, on_accept_relayed, NULL);
    dial("pc.example");
    UNTIL(relayed[0] >= 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    server.link = link_accept(base, shown_by_server, pair[0], &handlers, &server);
    relays[0] = (struct relay){relayed[0], pair[1], NULL};
    relays[1] = (struct relay){pair[1], relayed[0], NULL};
    for (int i = 0; i < 2; i++) {
        relays[i].event =
            event_new(base, relays[i].from, EV_READ | EV_PERSIST, on_relay, &relays[i]);
        event_add(relays[i].event, NULL);
    }
    UNTIL(client.ups == 1 && server.ups == 1);
    cr_assert_str_eq(link_peer(server.link)->from, "local");
    cr_assert(send_message(client.link, PDM_COMMAND_KEM, 3000));
    cr_assert(send_message(client.link, PDM_COMMAND_NEGOTIATE, 0));
    cr_assert(send_message(server.link, PDM_COMMAND_LIST, 20000));
    UNTIL(server.messages == 2 && client.messages == 1);
    cr_assert(server.as_sent && client.as_sent && server.octets == 3000);
    link_close(client.link);
    UNTIL(server.downs == 1 && client.downs == 1);
    cr_assert(server.in_good_order && client.in_good_order, "%s; %s", server.why, client.why);
    for (int i = 0; i < 2; i++) {
        event_free(relays[i].event);
        close(relays[i].from);
    }
}

/* Every way to end. */

Test(link, close_sends_the_rest)
{
    connect_basic();
    for (unsigned i = 0; i < 8; i++)
        cr_assert(send_message(client.link, PDM_COMMAND_SECRET, PDM_REGISTRATION_SECRET_MAX));
    /* What comes meanwhile is for nobody, and takes nothing back. */
    for (unsigned i = 0; i < 40; i++)
        cr_assert(send_message(server.link, PDM_COMMAND_SECRET, PDM_REGISTRATION_SECRET_MAX));
    link_close(client.link);
    link_close(client.link);
    UNTIL(server.downs == 1 && client.downs == 1);
    cr_assert_eq(server.messages, 8);
    cr_assert_eq(client.messages, 0);
    cr_assert(server.as_sent && server.in_good_order && client.in_good_order, "%s; %s", server.why,
              client.why);
}

Test(link, close_of_one_that_does_not_read)
{
    serve_others();
    run_beside("exec $CLIENT [::1]:%u < <(sleep 12) > >(exec sleep 12)");
    UNTIL(server.ups == 1);
    while (send_message(server.link, PDM_COMMAND_SECRET, PDM_REGISTRATION_SECRET_MAX))
        continue;
    int64_t began = clock_now();
    link_close(server.link);
    UNTIL(server.downs == 1);
    int64_t took = clock_now() - began;
    cr_assert_not_null(strstr(server.why, "did not take the rest"), "%s", server.why);
    cr_assert(took < (LINK_CLOSE_S + 2) * PDM_NSEC_PER_SEC);
}

Test(link, free_breaks_off)
{
    connect_basic();
    link_free(client.link);
    client.link = NULL;
    UNTIL(server.downs == 1);
    cr_assert_eq(client.downs, 0);
    cr_assert_not(server.in_good_order);
    cr_assert_not_null(strstr(server.why, ": broken off"), "%s", server.why);
}

Test(link, close_before_it_is_up)
{
    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    /* At once; after some steps of the loop; and likewise freed. */
    for (unsigned steps = 0; steps < 6; steps++) {
        client.downs = client.ups = 0;
        dial("pc.example");
        for (unsigned i = 0; i < steps; i++)
            step();
        link_close(client.link);
        UNTIL(client.downs == 1);
        dial("pc.example");
        for (unsigned i = 0; i < steps; i++)
            step();
        link_free(client.link);
        client.link = NULL;
        for (unsigned i = 0; i < 20; i++)
            step();
        cr_assert_eq(client.downs, 1);
    }
}

static void close_it(struct end *e)
{
    link_close(e->link);
}

static void free_it(struct end *e)
{
    link_free(e->link);
    e->link = NULL;
}

static void send_and_close(struct end *e)
{
    cr_assert(send_message(e->link, PDM_COMMAND_KEM, 77));
    link_close(e->link);
}

static void send_three(struct end *e)
{
    for (unsigned i = 0; i < 3; i++)
        cr_assert(send_message(e->link, PDM_COMMAND_KEM, 77));
}

static const struct {
    void (*on_up)(struct end *);
    void (*on_message)(struct end *);
    void (*on_server_up)(struct end *);
    unsigned messages, downs, server_messages;
} from_handlers[] = {
    {close_it, NULL, NULL, 0, 1, 0},       {free_it, NULL, NULL, 0, 0, 0},
    {send_and_close, NULL, NULL, 0, 1, 1}, {NULL, close_it, send_three, 1, 1, 0},
    {NULL, free_it, send_three, 1, 0, 0},  {NULL, send_and_close, send_three, 1, 1, 1},
};

Test(link, close_from_handlers)
{
    pki_make(PKI_BASIC);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    for (size_t i = 0; i < sizeof from_handlers / sizeof from_handlers[0]; i++) {
        server = client = (struct end){.as_sent = true};
        client.on_up = from_handlers[i].on_up;
        client.on_message = from_handlers[i].on_message;
        server.on_up = from_handlers[i].on_server_up;
        dial("pc.example");
        UNTIL(server.downs == 1 && client.downs == from_handlers[i].downs);
        for (unsigned n = 0; n < 20; n++)
            step();
        cr_expect_eq(client.downs, from_handlers[i].downs, "row %zu", i);
        cr_expect_eq(client.messages, from_handlers[i].messages, "row %zu", i);
        cr_expect_eq(server.messages, from_handlers[i].server_messages, "row %zu", i);
        cr_expect_eq(server.downs, 1, "row %zu", i);
    }
}

/* Targets. */

Test(link, malformed_targets)
{
    static const char *const malformed[] = {
        "",         ":",       "host",     "host:",   ":4711",    "[::1]",      "[::1]:",
        "::1:4711", "[]:4711", "[::1:471", "host:0",  "host:-1",  "host:65536", "host:123456",
        "host:1x",  "h:1:2",   "[:4711",   "]:4711x", "host: 11", "[::1]x:4711"};

    pki_make(PKI_BASIC);
    shown_by_client = pki_credentials("client", "ca", NULL);
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        cr_expect_null(link_connect(base, NULL, shown_by_client, malformed[i], 0, "pc.example",
                                    &handlers, &client),
                       "%s", malformed[i]);
    cr_expect_null(link_connect(base, NULL, shown_by_client, "[::1]:1", 0, "", &handlers, &client));
}

static void expect_unreachable(struct evdns_base *dns, const char *where, const char *said)
{
    unsigned ups = client.ups;

    client.downs = 0;
    client.link =
        link_connect(base, dns, shown_by_client, where, 0, "pc.example", &handlers, &client);
    cr_assert_not_null(client.link);
    cr_assert_eq(client.downs, 0);
    UNTIL(client.downs == 1);
    cr_expect(client.ups == ups && strstr(client.why, said) != NULL, "%s: %s", where, client.why);
}

/* DNS is a hosts file here: nothing is asked of the network. */
Test(link, targets_by_name)
{
    char where[64];
    struct evdns_base *dns = evdns_base_new(base, 0);

    pki_make(PKI_BASIC);
    keys_write("hosts",
               "192.0.2.7 nowhere.example\n::1 pc.example\n127.0.0.1 both.example\n"
               "::1 both.example\n127.0.0.1 four.example\n",
               0600);
    cr_assert_eq(evdns_base_load_hosts(dns, "hosts"), 0);
    shown_by_server = pki_credentials("server", "ca", NULL);
    shown_by_client = pki_credentials("client", "ca", NULL);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(where, sizeof where, "%s:%u", i == 0 ? "pc.example" : "both.example", port);
        client.link =
            link_connect(base, dns, shown_by_client, where, 0, "pc.example", &handlers, &client);
        UNTIL(client.ups == i + 1 && server.ups == i + 1);
        cr_assert_str_eq(link_peer(client.link)->from, target);
        link_free(client.link);
        UNTIL(server.downs == i + 1);
    }
    snprintf(where, sizeof where, "four.example:%u", port);
    expect_unreachable(dns, where, "127.0.0.1:");
    expect_unreachable(dns, where, "Connection refused");
    expect_unreachable(NULL, "pc.example:4711", "pc.example: ");
    expect_unreachable(NULL, "[::1]:1", "[::1]:1: Connection refused");
    /* Still being asked for. */
    cr_assert_eq(evdns_base_nameserver_ip_add(dns, "127.0.0.1:9"), 0);
    client.link = link_connect(base, dns, shown_by_client, "unknown.example:1", 0, "pc.example",
                               &handlers, &client);
    cr_assert_not_null(client.link);
    step();
    link_free(client.link);
    client.link = NULL;
    for (unsigned i = 0; i < 20; i++)
        step();
    evdns_base_free(dns, 1);
}

/* What a link carried is nowhere in this process's memory after it. */

#define SECRET_LEN 32
#define SECRETS 2000

static uint8_t disguised[SECRET_LEN]; /* the secret, each octet changed */

/* It looks into what others own, too. */
#define UNWATCHED __attribute__((no_sanitize("address")))
#define MAPPING_MAX (1UL << 30) /* larger ones are a sanitizer's */

UNWATCHED static bool is_secret(const uint8_t *at)
{
    for (size_t i = 0; i < SECRET_LEN; i++)
        if (at[i] + disguised[i] != UINT8_MAX)
            return false;
    return true;
}

UNWATCHED static size_t count_secrets(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128];
    size_t count = 0;

    cr_assert_not_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long first, end;
        char may[5];

        if (sscanf(line, "%lx-%lx %4s", &first, &end, may) != 3 || strncmp(may, "rw", 2) != 0 ||
            end - first > MAPPING_MAX)
            continue;
        for (; first + SECRET_LEN <= end; first++)
            count += is_secret((const uint8_t *)first) ? 1 : 0;
    }
    fclose(maps);
    return count;
}

Test(link, wiped)
{
    static uint8_t message[PDM_REGISTRATION_HEADER + SECRETS * SECRET_LEN];

    connect_basic();
    write_message(message, PDM_COMMAND_SECRET, SECRETS * SECRET_LEN);
    randombytes_buf(disguised, sizeof disguised);
    for (size_t i = 0; i < SECRETS * SECRET_LEN; i++)
        message[PDM_REGISTRATION_HEADER + i] = (uint8_t)(UINT8_MAX - disguised[i % SECRET_LEN]);
    cr_assert_geq(count_secrets(), (size_t)SECRETS);
    cr_assert(link_send(client.link, message, sizeof message));
    cr_assert(link_send(server.link, message, sizeof message));
    sodium_memzero(message, sizeof message);
    UNTIL(client.messages == 1 && server.messages == 1);
    cr_assert_eq(count_secrets(), 0);
}

/* What a daemon with thousands of links holds for each. */

static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    cr_assert(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

#if defined __SANITIZE_ADDRESS__
#define INSTRUMENTED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

static struct link *accepted[IDLE_LINKS];

static void note_accepted(struct end *e)
{
    accepted[e->ups - 1] = e->link;
}

Test(link, memory_of_idle_links)
{
    static struct link *connected[IDLE_LINKS];
    struct rlimit files;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    connect_basic();
    link_free(client.link);
    UNTIL(server.downs == 1);
    server = client = (struct end){.as_sent = true};
    server.on_up = note_accepted;
    malloc_trim(0);
    long before = resident();
    for (unsigned i = 0; i < IDLE_LINKS; i++) {
        connected[i] = dial("pc.example");
        UNTIL(client.ups == i + 1 && server.ups == i + 1);
    }
    long silent = resident();
    for (unsigned i = 0; i < IDLE_LINKS; i++) {
        cr_assert(send_message(connected[i], PDM_COMMAND_LIST, 20000));
        cr_assert(send_message(accepted[i], PDM_COMMAND_LIST, 20000));
        UNTIL(client.messages == i + 1 && server.messages == i + 1);
    }
    cr_assert(server.as_sent && client.as_sent);
    long used = resident();
    printf("link: %ld octets resident per idle link, %ld after a message of 20000 octets\n",
           (silent - before) / (2 * IDLE_LINKS), (used - before) / (2 * IDLE_LINKS));
    cr_assert(INSTRUMENTED || (used - before) / (2 * IDLE_LINKS) < IDLE_MAX);
    for (unsigned i = 0; i < IDLE_LINKS; i++) {
        link_free(connected[i]);
        link_free(accepted[i]);
    }
    client.link = server.link = NULL;
}
