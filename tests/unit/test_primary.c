/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two primaries and their secondaries in one loop, over TLS and with stores on disk: they
 * negotiate, exchange lists, and what they give to a client and to a server makes one SharedSecret
 * of both, in every mode; and again after what may happen to lists, secrets, secondaries and the
 * primaries.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "conf/value.h"
#include "core/ibc.h"
#include "core/modes.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolled.h"
#include "keyagent/log.h"
#include "keyagent/primary/partner_inside.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/secondary_inside.h"
#include "tests/unit/pki_on_disk.h"
#include "tests/unit/postgres_on_disk.h"

#define PATIENCE_NS (20 * PDM_NSEC_PER_SEC)
#define CLIENT "2001:db8:b::11"
#define SERVER "2001:db8:a::21"
#define SERVERS_LATER "2001:db8:a:1::/64"

/* A has the servers, B the clients; each may have a second primary. */
enum { A, B, ORGS, A_TOO = ORGS, B_TOO, PRIMARIES };

static struct event_base *base;
static struct event *ticking;
static struct primary *primary[PRIMARIES];
static unsigned port[PRIMARIES];
static char postgres[ORGS][PG_WHERE_MAX]; /* the store of both primaries */
static const char *mode, *more;
static const char *others = ""; /* servers of A */
static bool alone;              /* without a peer */
static bool silent;             /* agents do not register */

/* A secondary as its agent would be. */
struct agent {
    struct credentials *credentials;
    struct link *link;
    struct enrolled_set set;
    unsigned answers; /* to SECRET */
    enum pdm_registration_status status;
    unsigned lists, entries, downs;
    struct pdm_poll_response polled;
    struct pdm_block_response block;
    unsigned polls, blocks;
    bool claims; /* to have used more than it was ever given */
};

static struct agent client, server;

static void address_of(const char *text, uint8_t addr[static PDM_ADDR_LEN])
{
    cr_assert_eq(inet_pton(AF_INET6, text, addr), 1);
}

/* The loop. */

static void on_ticking(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void until(bool (*done)(void))
{
    int64_t end = clock_now() + PATIENCE_NS;

    while (!done()) {
        cr_assert_lt(clock_now(), end, "%s", keys_said());
        cr_assert_geq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
}

static void soon(void)
{
    int64_t end = clock_now() + 300 * PDM_NSEC_PER_MSEC;

    while (clock_now() < end)
        event_base_loop(base, EVLOOP_ONCE);
}

/* Primaries. */

static unsigned free_port(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    close(fd);
    return ntohs(address.sin6_port);
}

static void complain(void *arg, const char *line)
{
    (void)arg;
    cr_assert_fail("%s", line);
}

static void config_of(int which, struct primary_config *config)
{
    static const char *const name[ORGS] = {"ps", "pc"};
    const int org = which % ORGS;
    char text[2048], peer[512], store[] = {'s', 't', 'o', 'r', 'e', '-', (char)('a' + org), '\0'};

    snprintf(peer, sizeof peer,
             org == A ? "side = server\nmode = %s\n%s\ncertificate_name = pc.b.example\n"
                        "ca = ca-b.pem\naddresses = 2001:db8:b::/48\n"
                      : "side = client\n#%s %s\nconnect = [::1]:%u\n"
                        "certificate_name = ps.a.example\n"
                        "ca = ca-a.pem\naddresses = 2001:db8:a::/48\n",
             mode, more, port[which == B_TOO ? A_TOO : A]);
    snprintf(text, sizeof text,
             "[primary]\nlisten = [::1]:%u\ncertificate = %s.pem\ncertificate_key = %s.key\n"
             "ca = ca-%c.pem\nstore = %s\nstore_key = store.key\nsocket = %c.sock\n"
             "%s\n%s%s%s",
             port[which], name[org], name[org], 'a' + org,
             postgres[org][0] != '\0' ? postgres[org] : store, 'a' + which,
             org == A ? "[servers one]\ngroup = 7\nmembers = " SERVER
                      : "[clients]\nmembers = 2001:db8:b:2::/64, " CLIENT,
             org == A ? others : "", alone ? "" : "[peer other]\n", alone ? "" : peer);
    cr_assert(primary_config_parse("conf", text, strlen(text), config, complain, NULL));
}

static void start(int org)
{
    struct primary_config config;
    enum exit_code code;

    config_of(org, &config);
    primary[org] = primary_new(&config, "conf", base, &code);
    cr_assert_not_null(primary[org], "%s", keys_said());
}

static void stop(int org)
{
    primary_free(primary[org]);
    primary[org] = NULL;
}

static struct pdm_admin_pair pair_of(int org)
{
    struct pdm_admin_pair pair;
    uint32_t next;

    cr_assert_eq(primary_pairs(primary[org], 0, &pair, 1, &next), 1);
    return pair;
}

static bool in_agreement(void)
{
    const struct pdm_admin_pair a = pair_of(A), b = pair_of(B);

    return a.connected && b.connected && a.has_secret && b.has_secret && a.epoch == b.epoch;
}

static uint64_t epoch_before;

static bool in_another(void)
{
    return in_agreement() && pair_of(A).epoch > epoch_before;
}

/* Secondaries. */

static void send_body(struct agent *s, uint8_t command, uint8_t direction, const uint8_t *body,
                      size_t len)
{
    const struct pdm_registration_header header = {command, direction, (uint32_t)len};
    uint8_t message[PDM_REGISTRATION_SMALL];

    pdm_registration_header_put(message, &header);
    memcpy(message + PDM_REGISTRATION_HEADER, body, len);
    cr_assert(link_send(s->link, message, PDM_REGISTRATION_HEADER + len));
}

static void ask(struct agent *s)
{
    struct pdm_secret_request request = {.known = s->claims};
    uint8_t body[128];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    pdm_put_secret_request(&w, &request);
    if (s->claims) {
        const struct enrolled_epoch *e = &s->set.pair[0]->epoch[s->set.pair[0]->epochs - 1];
        struct pdm_secret_known known = {.highest = 1000000};

        memcpy(known.tag, e->tag, sizeof known.tag);
        memcpy(known.address, e->scope[0].address, sizeof known.address);
        pdm_put_secret_known(&w, &known);
    }
    send_body(s, PDM_COMMAND_SECRET, PDM_REQUEST, body, sizeof body - w.left);
}

static void link_up(struct link *link, void *arg)
{
    (void)link;
    if (!silent)
        ask(arg);
}

static void take_list(struct agent *s, struct pdm_reader *body)
{
    struct pdm_list_response response = {.status = PDM_REGISTRATION_OK};
    struct pdm_list_request head;
    uint8_t answer[64];
    struct pdm_writer w = pdm_writer(answer, sizeof answer);

    pdm_get_list_request(body, &head);
    if (head.from == 0)
        s->entries = 0;
    for (uint32_t i = 0; i < head.changes; i++) {
        struct pdm_list_change change;

        pdm_get_list_change(body, &change);
        s->entries += change.add == PDM_LIST_ADD ? 1U : -1U;
    }
    cr_assert(!body->bad && body->left == 0 && head.more == 0);
    s->lists++;
    response.pair = head.pair;
    response.version = head.to;
    pdm_put_list_response(&w, &response);
    send_body(s, PDM_COMMAND_LIST, PDM_RESPONSE, answer, sizeof answer - w.left);
}

static void link_message(struct link *link, const struct pdm_registration_header *header,
                         struct pdm_reader *body, void *arg)
{
    struct agent *s = arg;

    (void)link;
    switch (header->command) {
    case PDM_COMMAND_SECRET:
        enrolled_set_free(&s->set);
        cr_assert_null(enrolled_read(body, clock_now(), &s->set, &s->status));
        s->answers++;
        break;
    case PDM_COMMAND_LIST:
        take_list(s, body);
        break;
    case PDM_COMMAND_POLL:
        pdm_get_poll_response(body, &s->polled);
        s->polls++;
        break;
    case PDM_COMMAND_NEGOTIATE:
        break;
    case PDM_COMMAND_BLOCK:
        pdm_get_block_response(body, &s->block);
        s->blocks++;
        break;
    default:
        cr_assert_fail("command %u", header->command);
    }
}

static void link_down(struct link *link, const char *why, void *arg)
{
    struct agent *s = arg;

    (void)link;
    (void)why;
    s->link = NULL;
    s->downs++;
}

static const struct link_handlers handlers = {link_up, link_message, link_down};

static void enrol(struct agent *s, int org, const char *name)
{
    static const char *const primary_name[ORGS] = {"ps.a.example", "pc.b.example"};
    char target[64], authority[16];

    snprintf(authority, sizeof authority, "ca-%c", 'a' + org);
    snprintf(target, sizeof target, "[::1]:%u", port[org]);
    *s = (struct agent){.credentials = pki_credentials(name, authority, NULL)};
    s->link = link_connect(base, NULL, s->credentials, target, 0, primary_name[org], &handlers, s);
    cr_assert_not_null(s->link);
}

static void leave(struct agent *s)
{
    if (s->link != NULL)
        link_free(s->link);
    credentials_unref(s->credentials);
    enrolled_set_free(&s->set);
    *s = (struct agent){.link = NULL};
}

static bool both_answered(void)
{
    return client.answers > 0 && server.answers > 0 && client.entries > 0 && server.entries > 0;
}

/* The test's world. */

static void set_up(void)
{
    char key[2 * 32 + 1];
    uint8_t octets[32];

    pki_begin();
    log_init("pdmprimary");
    pki_make("pki_ca . ca-a; pki_ca . ca-b;"
             "pki_leaf . ca-a ps DNS:ps.a.example; pki_leaf . ca-b pc DNS:pc.b.example;"
             "pki_leaf . ca-a ss IP:" SERVER "; pki_leaf . ca-b sc IP:" CLIENT ";"
             "pki_leaf . ca-b stranger IP:2001:db8:b::99; pki_leaf . ca-b thief IP:" SERVER);
    randombytes_buf(octets, sizeof octets);
    sodium_bin2hex(key, sizeof key, octets, sizeof octets);
    keys_write("store.key", key, 0600);
    base = event_base_new();
    ticking = event_new(base, -1, EV_PERSIST, on_ticking, NULL);
    cr_assert(base != NULL && ticking != NULL);
    event_add(ticking, &(struct timeval){.tv_usec = 10000});
    for (int which = 0; which < PRIMARIES; which++)
        port[which] = free_port();
}

static void begin(const char *with_mode, const char *with_more)
{
    mode = with_mode;
    more = with_more;
    start(A);
    start(B);
    until(in_agreement);
    enrol(&client, B, "sc");
    enrol(&server, A, "ss");
    until(both_answered);
}

static void end(void)
{
    leave(&client);
    leave(&server);
    stop(A);
    stop(B);
    soon();
}

static void tear_down(void)
{
    event_free(ticking);
    event_base_free(base);
    keys_end();
}

TestSuite(primary, .init = set_up, .fini = tear_down, .timeout = 120);

/* What a client and a server have of the same negotiation, as secrets of two addresses. */

static const struct enrolled_epoch *latest(const struct agent *s)
{
    cr_assert_eq(s->set.pairs, 1);
    cr_assert_gt(s->set.pair[0]->epochs, 0);
    return &s->set.pair[0]->epoch[s->set.pair[0]->epochs - 1];
}

static const struct enrolled_scope *scope_of(const struct agent *s)
{
    cr_assert_eq(latest(s)->scopes, 1);
    return &latest(s)->scope[0];
}

static bool polled(void)
{
    return client.polls + server.polls > 0;
}

static void poll(struct agent *s, const char *own, const char *peer)
{
    struct pdm_poll_request request = {.pair = s->set.pair[0]->pair, .epoch = latest(s)->epoch};
    uint8_t body[64];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    address_of(own, request.own);
    address_of(peer, request.peer);
    pdm_put_poll_request(&w, &request);
    client.polls = server.polls = 0;
    send_body(s, PDM_COMMAND_POLL, PDM_REQUEST, body, sizeof body - w.left);
    until(polled);
}

static void check_trusted(void)
{
    uint8_t addr[PDM_ADDR_LEN], shared[PDM_NH_MAX] = {0};

    address_of(CLIENT, addr);
    cr_assert_eq(scope_of(&server)->grants, 1);
    cr_assert_eq(scope_of(&server)->group[0], 7);
    cr_assert_eq(scope_of(&client)->grants, 1);
    cr_assert_eq(scope_of(&client)->group[0], 7);
    cr_assert(pdm_pcs(&latest(&server)->suite, scope_of(&server)->secret[0], addr, shared));
    cr_assert_eq(memcmp(shared, scope_of(&client)->secret[0], sizeof shared), 0);
}

static void check_client_polls(void)
{
    uint8_t addr[PDM_ADDR_LEN], shared[PDM_NH_MAX] = {0};

    address_of(CLIENT, addr);
    cr_assert_eq(scope_of(&client)->grants, 0);
    cr_assert(pdm_pcs(&latest(&server)->suite, scope_of(&server)->secret[0], addr, shared));
    poll(&client, CLIENT, SERVER);
    cr_assert_eq(client.polled.status, PDM_REGISTRATION_OK);
    cr_assert_eq(memcmp(shared, client.polled.secret, sizeof shared), 0);
    /* Not for others, nor of others, nor by who does not poll. */
    poll(&client, "2001:db8:b:2::1", SERVER);
    cr_assert_eq(client.polled.status, PDM_REGISTRATION_REFUSED);
    poll(&client, CLIENT, "2001:db8:a::22");
    cr_assert_eq(client.polled.status, PDM_REGISTRATION_REFUSED);
    cr_assert_eq(sodium_is_zero(client.polled.secret, sizeof client.polled.secret), 1);
    poll(&server, SERVER, CLIENT);
    cr_assert_eq(server.polled.status, PDM_REGISTRATION_REFUSED);
}

static void check_server_polls(void)
{
    uint8_t addr[PDM_ADDR_LEN], shared[PDM_NH_MAX] = {0};

    address_of(SERVER, addr);
    cr_assert_eq(scope_of(&server)->grants, 0);
    cr_assert(pdm_poll_pss(&latest(&client)->suite, scope_of(&client)->secret[0], addr, shared));
    poll(&server, SERVER, CLIENT);
    cr_assert_eq(server.polled.status, PDM_REGISTRATION_OK);
    cr_assert_eq(memcmp(shared, server.polled.secret, sizeof shared), 0);
}

/* What is encrypted to the server's identity, the server's key decrypts. */
static void check_ibc(void)
{
    static struct pdm_ibc_parameters parameters;
    uint8_t addr[PDM_ADDR_LEN], rho[PDM_IBC_HASH_LEN] = {1}, m[32] = {2}, got[32] = {0};
    uint8_t out[PDM_IBC_OVERHEAD + sizeof m];
    char id[PDM_IBC_IDENTITY_MAX];

    cr_assert(pdm_ibc_parameters_init(&parameters, &pdm_ibc_3072));
    address_of(SERVER, addr);
    size_t len = pdm_ibc_identity(addr, latest(&client)->epoch, id, sizeof id);
    cr_assert(pdm_ibc_encrypt(&parameters, scope_of(&client)->p_pub, (uint8_t *)id, len, rho, m,
                              sizeof m, out));
    cr_assert(
        pdm_ibc_decrypt(&parameters, scope_of(&server)->s_id, out, sizeof out, got, sizeof got));
    cr_assert_eq(memcmp(got, m, sizeof m), 0);
}

static void check_none(void)
{
    cr_assert_eq(client.set.pairs, 1);
    cr_assert_eq(client.set.pair[0]->epochs, 0);
    cr_assert_eq(client.set.pair[0]->unprotected, PDM_UNPROTECTED_RFC8250);
}

static const struct {
    const char *mode;
    const char *more;
    uint8_t secmop;
    void (*check)(void);
} modes[] = {
    {"trusted-servers", "", PDM_SECMOP_TRUSTED_SERVERS, check_trusted},
    {"asymmetric-poll", "poller = client", PDM_SECMOP_ASYMMETRIC_POLL, check_client_polls},
    {"asymmetric-poll", "poller = server", PDM_SECMOP_ASYMMETRIC_POLL, check_server_polls},
    {"ibc", "", PDM_SECMOP_IBC, check_ibc},
    {"none", "unprotected = rfc8250", PDM_SECMOP_NONE, check_none},
};

Test(primary, gives_both_sides_one_secret_in_every_mode)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        begin(modes[i].mode, modes[i].more);
        cr_assert_eq(client.set.pair[0]->secmop, modes[i].secmop);
        cr_assert_eq(server.set.pair[0]->secmop, modes[i].secmop);
        cr_assert_eq(client.set.pair[0]->side, PDM_SIDE_CLIENT);
        cr_assert_eq(server.set.pair[0]->side, PDM_SIDE_SERVER);
        cr_assert_eq(client.entries, 1);
        cr_assert_eq(server.entries, 2);
        modes[i].check();
        end();
        cr_assert_eq(system("rm -f store-a* store-b*"), 0);
    }
}

static bool client_has_more(void)
{
    return client.entries == 2;
}

static bool client_has_less(void)
{
    return client.entries == 1;
}

Test(primary, tells_changes_of_lists)
{
    char why[ADMIN_WHY_MAX];
    struct pdm_prefix prefix;

    begin("trusted-servers", "");
    cr_assert_eq(config_prefix(SERVERS_LATER, &prefix), CONFIG_PREFIX_OK);
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 9, true, why), "%s", why);
    until(client_has_more);
    cr_assert_eq(pair_of(B).entries, 2);
    /* And the secret for another group goes with it. */
    cr_assert_eq(scope_of(&client)->grants, 2);
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 0, false, why), "%s", why);
    until(client_has_less);
    cr_assert_not(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 0, false, why));
    cr_assert_eq(config_prefix("2001:db8:b::/64", &prefix), CONFIG_PREFIX_OK);
    cr_assert_not(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 9, true, why));
    cr_assert_not_null(strstr(why, "other"), "%s", why);
    end();
}

static bool client_has_three(void)
{
    return client.entries == 3;
}

/* Secrets are told again if there are other groups, not if there are other entries. */
Test(primary, tells_secrets_again_for_other_groups_alone)
{
    char why[ADMIN_WHY_MAX];
    struct pdm_prefix one, another;

    begin("trusted-servers", "");
    cr_assert_eq(config_prefix(SERVERS_LATER, &one), CONFIG_PREFIX_OK);
    cr_assert_eq(config_prefix("2001:db8:a:2::/64", &another), CONFIG_PREFIX_OK);
    cr_assert_not(primary_list_change(primary[A], PDM_SIDE_SERVER, &one, 0, true, why));
    cr_assert_not_null(strstr(why, "a group of 1 to 65535"), "%s", why);
    soon();
    const unsigned answers = client.answers;
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &one, 7, true, why), "%s", why);
    until(client_has_more);
    soon();
    cr_assert_eq(client.answers, answers);
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &another, 9, true, why), "%s", why);
    until(client_has_three);
    soon();
    cr_assert_eq(client.answers, answers + 1);
    cr_assert_eq(scope_of(&client)->grants, 2);
    end();
}

static bool has_two(void)
{
    return client.set.pairs == 1 && server.set.pairs == 1 && client.set.pair[0]->epochs == 2 &&
           server.set.pair[0]->epochs == 2;
}

Test(primary, renegotiates_and_keeps_the_one_before)
{
    char why[ADMIN_WHY_MAX];

    begin("trusted-servers", "");
    for (int org = 0; org < ORGS; org++) {
        uint8_t before[PDM_TAG_ID_LEN];
        const unsigned answers = client.answers;

        memcpy(before, latest(&client)->tag, sizeof before);
        epoch_before = pair_of(A).epoch;
        cr_assert(primary_renegotiate(primary[org], "other", why), "%s", why);
        until(in_another);
        until(has_two);
        soon();
        cr_assert_gt(client.answers, answers);
        cr_assert_eq(memcmp(before, client.set.pair[0]->epoch[0].tag, sizeof before), 0);
        cr_assert_eq(memcmp(latest(&client)->tag, latest(&server)->tag, sizeof before), 0);
        check_trusted();
    }
    cr_assert_not(primary_renegotiate(primary[A], "nobody", why));
    end();
}

static bool apart(void)
{
    return (primary[A] == NULL || !pair_of(A).connected) &&
           (primary[B] == NULL || !pair_of(B).connected);
}

/* What is wanted while the other side is away is not forgotten by who ends meanwhile: on either
 * side. */
static void remembers(int org, void (*wants)(int org))
{
    const int other = org == A ? B : A;

    begin("trusted-servers", "");
    epoch_before = pair_of(A).epoch;
    stop(other);
    until(apart);
    wants(org);
    cr_assert_eq(pair_of(org).epoch, epoch_before);
    stop(org);
    start(org);
    start(other);
    until(in_another);
    /* Once, and not again and again. */
    epoch_before = pair_of(A).epoch;
    soon();
    stop(org);
    start(org);
    until(in_agreement);
    soon();
    cr_assert_eq(pair_of(A).epoch, epoch_before);
    end();
    cr_assert_eq(system("rm -f store-a* store-b*"), 0);
}

static void wants_by_command(int org)
{
    char why[ADMIN_WHY_MAX];

    cr_assert(primary_renegotiate(primary[org], "other", why), "%s", why);
}

static void wants_by_revoking(int org)
{
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];

    address_of(org == A ? SERVER : CLIENT, addr);
    cr_assert(primary_revoke(primary[org], addr, false, why), "%s", why);
}

Test(primary, remembers_what_is_to_be_renegotiated)
{
    for (int org = 0; org < ORGS; org++) {
        remembers(org, wants_by_command);
        remembers(org, wants_by_revoking);
    }
}

static bool client_is_out(void)
{
    return client.downs > 0;
}

static bool client_is_in(void)
{
    return client.answers > 0;
}

Test(primary, revokes_and_admits)
{
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];

    begin("trusted-servers", "");
    address_of(CLIENT, addr);
    epoch_before = pair_of(A).epoch;
    cr_assert_not(primary_revoke(primary[B], addr, true, why));
    cr_assert(primary_revoke(primary[B], addr, false, why), "%s", why);
    until(client_is_out);
    cr_assert_eq(client.status, PDM_REGISTRATION_REFUSED);
    until(in_another);
    cr_assert_eq(pair_of(A).entries, 1);
    leave(&client);
    enrol(&client, B, "sc");
    until(client_is_out);
    cr_assert_eq(client.status, PDM_REGISTRATION_REFUSED);
    leave(&client);
    cr_assert(primary_revoke(primary[B], addr, true, why), "%s", why);
    enrol(&client, B, "sc");
    until(client_is_in);
    cr_assert_eq(client.status, PDM_REGISTRATION_OK);
    soon();
    cr_assert_eq(pair_of(A).entries, 2);
    end();
}

/* What is read of the store, and cannot be kept in memory. */
static bool no_memory;
bool __real_list_apply(struct list *l, struct list_change *change, size_t changes);
bool __wrap_list_apply(struct list *l, struct list_change *change, size_t changes);
bool __wrap_list_apply(struct list *l, struct list_change *change, size_t changes)
{
    return !no_memory && __real_list_apply(l, change, changes);
}

/* Else the configuration, read again, would put it back on its list. */
Test(primary, forgets_nobody_who_is_revoked_for_want_of_memory)
{
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];

    begin("trusted-servers", "");
    address_of(CLIENT, addr);
    cr_assert(primary_revoke(primary[B], addr, false, why), "%s", why);
    no_memory = true;
    cr_expect_not(primary_take_barred(primary[B]));
    no_memory = false;
    cr_expect(primary_is_barred(primary[B], addr));
    cr_expect(primary_take_barred(primary[B]));
    cr_expect(primary_is_barred(primary[B], addr));
    end();
}

/* Who is admitted again is what it was, by a command as by a file. */
Test(primary, admits_again_who_was_added_by_command)
{
    static const char *const added = "2001:db8:b::12";
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];
    struct pdm_prefix prefix;
    struct pdm_admin_entry entry[4];
    uint32_t next;

    begin("trusted-servers", "");
    address_of(added, addr);
    cr_assert_eq(config_prefix(added, &prefix), CONFIG_PREFIX_OK);
    cr_assert(primary_list_change(primary[B], PDM_SIDE_CLIENT, &prefix, 0, true, why), "%s", why);
    for (int round = 0; round < 2; round++) {
        cr_assert(primary_revoke(primary[B], addr, false, why), "%s", why);
        cr_assert_eq(primary_list(primary[B], 0, PDM_SIDE_CLIENT, 0, entry, 4, &next), 2);
        stop(B);
        start(B);
        cr_assert(primary_revoke(primary[B], addr, true, why), "%s", why);
        cr_assert_eq(primary_list(primary[B], 0, PDM_SIDE_CLIENT, 0, entry, 4, &next), 3);
        cr_assert_eq(entry[1].source, STORE_SOURCE_COMMAND);
        cr_assert_eq(memcmp(entry[1].addr, addr, sizeof addr), 0);
    }
    cr_assert(primary_list_change(primary[B], PDM_SIDE_CLIENT, &prefix, 0, false, why), "%s", why);
    end();
}

static bool server_is_barred(void)
{
    uint8_t addr[PDM_ADDR_LEN];

    address_of(SERVER, addr);
    return primary_is_barred(primary[A], addr);
}

/* Not in the store and off the lists, which a file that is wrong keeps from being made again. */
Test(primary, admits_nobody_by_half)
{
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];
    struct pdm_admin_entry entry[4];
    uint32_t next;

    keys_write("servers", SERVERS_LATER "\n", 0600);
    others = "[servers two]\ngroup = 9\nlist = servers\n";
    begin("trusted-servers", "");
    address_of(SERVER, addr);
    cr_assert(primary_revoke(primary[A], addr, false, why), "%s", why);
    keys_write("servers", "no prefix\n", 0600);
    cr_assert_not(primary_revoke(primary[A], addr, true, why));
    until(server_is_barred);
    keys_write("servers", SERVERS_LATER "\n", 0600);
    stop(A);
    start(A);
    cr_assert(server_is_barred());
    cr_assert(primary_revoke(primary[A], addr, true, why), "%s", why);
    cr_assert_eq(primary_list(primary[A], 0, PDM_SIDE_SERVER, 0, entry, 4, &next), 2);
    others = "";
    end();
}

Test(primary, shows_who_is_connected)
{
    struct pdm_admin_secondary shown[2];
    char why[ADMIN_WHY_MAX];
    uint8_t addr[PDM_ADDR_LEN];
    uint32_t next;

    begin("trusted-servers", "");
    address_of("2001:db8:b::1", addr);
    cr_assert(primary_revoke(primary[B], addr, false, why), "%s", why);
    cr_assert_eq(primary_secondaries(primary[B], 0, shown, 1, &next), 1);
    cr_assert_eq(next, 1);
    cr_assert(!shown[0].connected && shown[0].barred);
    cr_assert_eq(primary_secondaries(primary[B], next, shown, 2, &next), 1);
    cr_assert_eq(next, 0);
    address_of(CLIENT, addr);
    cr_assert_eq(memcmp(shown[0].address, addr, sizeof addr), 0);
    cr_assert(shown[0].connected && !shown[0].barred);
    end();
}

Test(primary, refuses_who_is_on_no_list)
{
    begin("trusted-servers", "");
    leave(&client);
    enrol(&client, B, "stranger");
    until(client_is_out);
    cr_assert_eq(client.status, PDM_REGISTRATION_REFUSED);
    cr_assert_eq(client.set.pairs, 0);
    end();
}

/* Whichever of the two it is: the secret stays, and nothing is granted twice. */
Test(primary, loses_nothing_by_starting_again)
{
    begin("trusted-servers", "");
    for (int org = 0; org < ORGS; org++) {
        const uint64_t epoch = pair_of(A).epoch;
        struct agent *s = org == A ? &server : &client;
        const struct enrolled_block given = scope_of(s)->given;
        const bool later = org == A;

        leave(s);
        stop(org);
        start(org);
        until(in_agreement);
        cr_assert_eq(pair_of(A).epoch, epoch);
        enrol(s, org, later ? "ss" : "sc");
        until(both_answered);
        cr_assert_geq(scope_of(s)->given.first, given.first + given.count);
        check_trusted();
    }
    end();
}

static bool client_has_block(void)
{
    return client.blocks > 0;
}

Test(primary, grants_more_generations)
{
    begin("trusted-servers", "");
    const struct enrolled_block given = scope_of(&client)->given;
    struct pdm_block_request request = {.pair = client.set.pair[0]->pair,
                                        .epoch = latest(&client)->epoch,
                                        .has_highest = 1,
                                        .highest = given.first};
    uint8_t body[64];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    address_of(CLIENT, request.own);
    pdm_put_block_request(&w, &request);
    send_body(&client, PDM_COMMAND_BLOCK, PDM_REQUEST, body, sizeof body - w.left);
    until(client_has_block);
    cr_assert_eq(client.block.status, PDM_REGISTRATION_OK);
    cr_assert_eq(client.block.first, given.first + given.count);
    cr_assert_gt(client.block.count, 0);
    end();
}

static bool client_has_nothing(void)
{
    return client.answers > 1 && (client.set.pairs == 0 || client.set.pair[0]->epochs == 0);
}

/* Also by a primary that ends before there is another. */
Test(primary, remembers_that_a_secret_is_given_up)
{
    begin("trusted-servers", "");
    epoch_before = pair_of(A).epoch;
    stop(A);
    until(apart);
    client.claims = true;
    ask(&client);
    until(client_has_nothing);
    leave(&client);
    stop(B);
    start(B);
    enrol(&client, B, "sc");
    until(client_is_in);
    cr_assert(client.set.pairs == 0 || client.set.pair[0]->epochs == 0);
    leave(&server);
    start(A);
    until(in_another);
    enrol(&server, A, "ss");
    until(both_answered);
    check_trusted();
    end();
}

/* A secondary has used what the store never granted: that secret is given up. */
Test(primary, gives_up_a_secret_that_its_store_is_too_old_for)
{
    begin("trusted-servers", "");
    epoch_before = pair_of(A).epoch;
    client.claims = true;
    ask(&client);
    until(in_another);
    client.claims = false;
    soon();
    cr_assert_eq(client.set.pair[0]->epochs, 1);
    cr_assert_eq(latest(&client)->epoch, pair_of(A).epoch);
    check_trusted();
    end();
}

static const char *said_until;

static bool was_said(void)
{
    char text[LOGGED_MAX];
    ssize_t got = pread(keys_log, text, sizeof text - 1, 0);

    cr_assert_geq(got, 0);
    text[got] = '\0';
    return strstr(text, said_until) != NULL;
}

static void until_said(const char *what)
{
    said_until = what;
    until(was_said);
}

/* What a peer says of itself counts within what is its own. */
Test(primary, takes_no_list_that_is_not_the_peers)
{
    char why[ADMIN_WHY_MAX];
    struct pdm_prefix prefix;

    begin("trusted-servers", "");
    cr_assert_eq(config_prefix("2001:db8:c::/64", &prefix), CONFIG_PREFIX_OK);
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 9, true, why), "%s", why);
    until_said("peer other claims 2001:db8:c::/64, which is outside of its addresses");
    until_said("peer other refuses our list");
    cr_assert_eq(pair_of(B).entries, 1);
    cr_assert_eq(client.entries, 1);
    cr_assert(in_agreement());
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 9, false, why), "%s", why);
    cr_assert_eq(config_prefix(SERVERS_LATER, &prefix), CONFIG_PREFIX_OK);
    cr_assert(primary_list_change(primary[A], PDM_SIDE_SERVER, &prefix, 9, true, why), "%s", why);
    until(client_has_more);
    end();
}

static bool client_has_ibc(void)
{
    return client.set.pairs == 1 && client.set.pair[0]->secmop == PDM_SECMOP_IBC &&
           server.set.pairs == 1 && server.set.pair[0]->secmop == PDM_SECMOP_IBC;
}

Test(primary, takes_another_configuration)
{
    struct primary_config config;

    begin("trusted-servers", "");
    epoch_before = pair_of(A).epoch;
    mode = "ibc";
    config_of(A, &config);
    cr_assert(primary_reload(primary[A], &config), "%s", keys_said());
    primary_config_free(&config);
    until(in_another);
    until(client_has_ibc);
    check_ibc();
    /* One that is not good changes nothing. */
    config_of(A, &config);
    free(config.ca);
    config.ca = strdup("nothing.pem");
    cr_assert_not(primary_reload(primary[A], &config));
    primary_config_free(&config);
    soon();
    cr_assert(in_agreement());
    end();
}

/* Also not what is stored before the rest of it is tried. */
Test(primary, stores_nothing_of_a_configuration_that_is_refused)
{
    struct pdm_admin_entry entry[4];
    struct primary_config config;
    const unsigned own = port[A];
    uint32_t next;

    begin("trusted-servers", "");
    others = "[servers two]\ngroup = 9\nmembers = " SERVERS_LATER "\n";
    port[A] = port[B]; /* where nobody else can listen */
    config_of(A, &config);
    port[A] = own;
    cr_assert_not(primary_reload(primary[A], &config));
    primary_config_free(&config);
    cr_assert(primary_take_own(primary[A]));
    cr_assert_eq(primary_list(primary[A], 0, PDM_SIDE_SERVER, 0, entry, 4, &next), 1);
    leave(&server);
    enrol(&server, A, "ss");
    until(both_answered);
    port[A] = free_port();
    config_of(A, &config);
    cr_assert(primary_reload(primary[A], &config), "%s", keys_said());
    primary_config_free(&config);
    cr_assert_eq(primary_list(primary[A], 0, PDM_SIDE_SERVER, 0, entry, 4, &next), 2);
    leave(&server);
    enrol(&server, A, "ss");
    until(both_answered);
    others = "";
    end();
}

static unsigned strangers_wanted;

static bool strangers_are_there(void)
{
    return primary[A]->doors.strangers == strangers_wanted;
}

static int knock(void)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_addr = in6addr_loopback,
                              .sin6_port = htons((in_port_t)port[A])};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static bool is_shut_out(int fd)
{
    char octet;
    ssize_t got = recv(fd, &octet, 1, MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno == ECONNRESET);
}

Test(primary, lets_no_source_fill_the_doorway)
{
    int fd[PRIMARY_STRANGERS_SOURCE];

    alone = true;
    start(A);
    for (int i = 0; i < PRIMARY_STRANGERS_SOURCE; i++)
        fd[i] = knock();
    strangers_wanted = PRIMARY_STRANGERS_SOURCE;
    until(strangers_are_there);
    int more_of_it = knock();
    soon();
    cr_assert(is_shut_out(more_of_it));
    cr_assert_not(is_shut_out(fd[0]));
    cr_assert(strangers_are_there());
    cr_assert_not(primary[A]->doors.shut);
    close(fd[0]);
    strangers_wanted--;
    until(strangers_are_there);
    close(more_of_it);
    fd[0] = knock();
    strangers_wanted++;
    until(strangers_are_there);
    stop(A);
    soon();
    cr_assert(is_shut_out(fd[1]));
    for (int i = 0; i < PRIMARY_STRANGERS_SOURCE; i++)
        close(fd[i]);
}

static bool somebody_is_in(void)
{
    return primary[B]->secondaries.count == 1;
}

Test(primary, closes_who_does_not_register)
{
    begin("trusted-servers", "");
    cr_assert_eq(primary[A]->secondaries.item[0]->use_by, INT64_MAX);
    leave(&client);
    soon();
    silent = true;
    enrol(&client, B, "sc");
    until(somebody_is_in);
    soon();
    cr_assert_eq(client.downs, 0);
    primary[B]->secondaries.item[0]->use_by = 0;
    until(client_is_out);
    cr_assert_eq(client.answers, 0);
    end();
}

static struct agent crowd[PRIMARY_CERTIFICATE_LINKS + 1];

static bool crowd_has_answers(void)
{
    for (size_t i = 0; i < sizeof crowd / sizeof crowd[0]; i++)
        if (crowd[i].link != NULL && crowd[i].answers == 0)
            return false;
    return true;
}

/* The agents of one host share it; of more than those the newest stay. */
Test(primary, bounds_the_connections_of_one_certificate)
{
    begin("trusted-servers", "");
    leave(&client);
    soon();
    for (size_t i = 0; i < PRIMARY_CERTIFICATE_LINKS; i++) {
        enrol(&crowd[i], B, "sc");
        until(crowd_has_answers);
    }
    cr_assert_eq(primary[B]->secondaries.count, PRIMARY_CERTIFICATE_LINKS);
    enrol(&crowd[PRIMARY_CERTIFICATE_LINKS], B, "sc");
    until(crowd_has_answers);
    soon();
    cr_assert_eq(primary[B]->secondaries.count, PRIMARY_CERTIFICATE_LINKS);
    for (size_t i = 0; i < sizeof crowd / sizeof crowd[0]; i++) {
        cr_assert_eq(crowd[i].downs, i == 0, "%zu", i);
        leave(&crowd[i]);
    }
    end();
}

static size_t partners_of(int org)
{
    size_t count = 0;

    for (const struct partner *p = primary[org]->pair[0]->partner; p != NULL; p = p->next)
        count++;
    return count;
}

static size_t partners_wanted;

static bool partners_are_there(void)
{
    return partners_of(A) == partners_wanted;
}

/* Whoever has a peer's certificate keeps none of its primaries out. */
Test(primary, closes_partners_that_are_of_no_use)
{
    begin("trusted-servers", "");
    silent = true;
    cr_assert_eq(primary[A]->pair[0]->partner->use_by, INT64_MAX);
    for (size_t i = 0; i < PRIMARY_PARTNERS_MAX - 1; i++) {
        enrol(&crowd[i], A, "pc");
        partners_wanted = i + 2;
        until(partners_are_there);
    }
    cr_assert(in_agreement());
    enrol(&crowd[PRIMARY_PARTNERS_MAX - 1], A, "pc");
    until(apart);
    until(in_agreement);
    cr_assert_eq(partners_of(A), PRIMARY_PARTNERS_MAX);
    cr_assert_eq(crowd[0].downs, 1);
    cr_assert_eq(crowd[1].downs, 0);
    for (struct partner *p = primary[A]->pair[0]->partner; p != NULL; p = p->next)
        if (p->use_by != INT64_MAX)
            p->use_by = 0;
    partners_wanted = 1;
    until(partners_are_there);
    cr_assert(in_agreement());
    for (size_t i = 0; i < PRIMARY_PARTNERS_MAX; i++)
        leave(&crowd[i]);
    end();
}

Test(primary, negotiates_so_often_for_one_pair)
{
    struct pair pair = {.told = 0};
    const int64_t now = clock_now();

    for (int i = 0; i < PRIMARY_NEGOTIATIONS_MINUTE; i++)
        cr_assert(pair_may_negotiate(&pair, now));
    cr_assert_not(pair_may_negotiate(&pair, now));
    cr_assert(pair_may_negotiate(&pair, now + 61 * PDM_NSEC_PER_SEC / PRIMARY_NEGOTIATIONS_MINUTE));
}

static bool somebody_is_at_the_door(void)
{
    return primary[A]->doors.strangers > 0;
}

/* Whose authority is believed no more by the end of the handshake that it was believed at the
 * beginning of: not as another's either, whose number it has then. */
Test(primary, believes_nobody_by_the_configuration_before)
{
    struct primary_config config;

    begin("trusted-servers", "");
    leave(&client);
    enrol(&client, A, "thief");
    until(somebody_is_at_the_door);
    alone = true;
    config_of(A, &config);
    cr_assert(primary_reload(primary[A], &config), "%s", keys_said());
    primary_config_free(&config);
    until(client_is_out);
    cr_assert_eq(client.answers, 0);
    end();
}

/* What one of our own says that it is going to send is not waited for. */
Test(primary, takes_no_long_messages_from_secondaries)
{
    const struct pdm_registration_header header = {PDM_COMMAND_SETUP, PDM_REQUEST,
                                                   PDM_REGISTRATION_SECRET_MAX + 1};
    uint8_t message[PDM_REGISTRATION_HEADER];

    begin("trusted-servers", "");
    pdm_registration_header_put(message, &header);
    cr_assert(link_send(client.link, message, sizeof message));
    until(client_is_out);
    end();
}

static void allow_writes(rlim_t octets)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = octets;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool store_is_up(void)
{
    struct pdm_admin_status status;

    primary_status(primary[B], &status);
    return status.store_up != 0;
}

static bool store_is_down(void)
{
    return !store_is_up();
}

/* Nothing is granted that is not on disk; who is connected keeps what it has. */
Test(primary, waits_for_its_store)
{
    char why[ADMIN_WHY_MAX];

    begin("trusted-servers", "");
    cr_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    leave(&client);
    allow_writes(0);
    enrol(&client, B, "sc");
    until(client_is_out);
    cr_assert_eq(client.answers, 0);
    until(store_is_down);
    cr_assert_not(primary_renegotiate(primary[B], "nobody", why));
    leave(&client);
    enrol(&client, B, "sc");
    until(client_is_in);
    cr_assert_eq(client.status, PDM_REGISTRATION_LATER);
    cr_assert_eq(server.downs, 0);
    allow_writes(RLIM_INFINITY);
    until(store_is_up);
    leave(&client);
    enrol(&client, B, "sc");
    until(client_is_in);
    cr_assert_eq(client.status, PDM_REGISTRATION_OK);
    check_trusted();
    end();
}

/* Two primaries of each organisation, which share a store. */

static void shared_begin(void)
{
    set_up();
    for (int org = 0; org < ORGS; org++)
        pg_schema(getenv(PG_SERVER), postgres[org]);
    mode = "trusted-servers";
    more = "";
}

TestSuite(primary_shared, .init = shared_begin, .fini = tear_down, .timeout = 120);

static bool all_agree(void)
{
    for (int which = 0; which < PRIMARIES; which++)
        if (!pair_of(which).connected || pair_of(which).epoch != pair_of(A).epoch)
            return false;
    return true;
}

static bool all_in_another(void)
{
    return all_agree() && pair_of(A).epoch > epoch_before;
}

static void start_all(void)
{
    for (int which = 0; which < PRIMARIES; which++)
        start(which);
    until(all_agree);
    epoch_before = pair_of(A).epoch;
}

static void stop_all(void)
{
    for (int which = 0; which < PRIMARIES; which++)
        stop(which);
    soon();
}

/* What a second that is over does, when what BEGUN began is committed, and not answered yet. */
static void tick(int which, int begun)
{
    if (primary[begun] != NULL)
        outbox_settle(&primary[begun]->outbox);
    primary_look(primary[which]);
    partners_tick(primary[which]);
}

/* As if nobody of ORG had negotiated for a minute. */
static void minute_later(int org)
{
    cr_assert_eq(pg_sql(postgres[org], "UPDATE pdmv2_pairs SET claimed_at = claimed_at - 60"), 0);
    for (int which = org; which < PRIMARIES; which += ORGS)
        if (primary[which] != NULL)
            primary[which]->pair[0]->partner->negotiated_at = 0;
}

Test(primary_shared, negotiates_once_for_one_wish)
{
    static const int by[][2] = {{B, B_TOO}, {B_TOO, B}};

    start_all();
    for (size_t i = 0; i < 2; i++) {
        minute_later(B);
        wants_by_command(by[i][0]);
        tick(by[i][1], by[i][0]);
        until(all_in_another);
        soon();
        cr_expect_eq(pair_of(A).epoch, epoch_before + 1, "%s", keys_said());
        cr_expect_eq(primary[by[i][1]]->pair[0]->row.negotiations, epoch_before + 2);
        epoch_before = pair_of(A).epoch;
    }
    stop_all();
}

Test(primary_shared, asks_once_for_one_wish)
{
    start_all();
    wants_by_command(A);
    tick(A_TOO, A);
    until(all_in_another);
    soon();
    cr_expect_eq(pair_of(A).epoch, epoch_before + 1, "%s", keys_said());
    cr_expect_eq(primary[B_TOO]->pair[0]->wanted_from, 0, "it was asked as well");
    stop_all();
}

static bool second_in_another(void)
{
    return pair_of(B_TOO).connected && pair_of(B_TOO).epoch > epoch_before;
}

Test(primary_shared, takes_up_what_another_left)
{
    start_all();
    minute_later(B);
    wants_by_command(B);
    stop(B);
    tick(B_TOO, B);
    soon();
    cr_expect_eq(pair_of(B_TOO).epoch, epoch_before);
    minute_later(B);
    until(second_in_another);
    stop_all();
}
