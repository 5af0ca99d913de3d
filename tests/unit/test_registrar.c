/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent and a primary that says what a test has it say, over TLS: enrolled through the primary
 * that answers, kept while none does, dropped when refused.
 */
#include <event2/listener.h>
#include <netinet/in.h>

#include "keyagent/agent_names.h"
#include "keyagent/clock.h"
#include "keyagent/tls/link.h"
#include "keyagent/enrolment/registry.h"
#include "tests/unit/pki_on_disk.h"

#define PATIENCE_NS (20 * PDM_NSEC_PER_SEC)
#define BODY_MAX 4096

static struct event_base *base;
static struct evconnlistener *listener;
static struct event *ticking;
static struct agent agent;
static struct registry registry;
static char directory_conf[] = "./conf";
static char configuration[1024];

static const uint8_t own[PDM_ADDR_LEN] = {0x20, 0x01, [15] = 1};
static const uint8_t peer[PDM_ADDR_LEN] = {0x20, 0x02, [15] = 1};

/* The primary: what it says to a SECRET, and what it has heard. */
static struct {
    struct credentials *credentials;
    struct link *link;
    uint8_t body[BODY_MAX];
    size_t len;
    bool silent;
    unsigned ups, asked, polls, blocks, lists;
    struct pdm_secret_request request;
    struct pdm_secret_list list;
    struct pdm_list_response list_response;
    struct pdm_poll_request poll;
} primary;

static void say(enum pdm_command command, enum pdm_direction direction, const uint8_t *body,
                size_t len)
{
    uint8_t message[PDM_REGISTRATION_HEADER + BODY_MAX];
    const struct pdm_registration_header header = {
        .command = (uint8_t)command, .direction = (uint8_t)direction, .length = (uint32_t)len};

    pdm_registration_header_put(message, &header);
    if (len > 0)
        memcpy(message + PDM_REGISTRATION_HEADER, body, len);
    cr_assert(link_send(primary.link, message, PDM_REGISTRATION_HEADER + len));
}

static void say_secrets(void)
{
    say(PDM_COMMAND_SECRET, PDM_RESPONSE, primary.body, primary.len);
}

static void answer_poll(void)
{
    struct pdm_poll_response answer = {
        .status = PDM_REGISTRATION_OK, .pair = primary.poll.pair, .epoch = primary.poll.epoch};
    uint8_t body[sizeof answer];
    struct pdm_writer w = pdm_writer(body, sizeof body);

    memcpy(answer.own, primary.poll.own, sizeof answer.own);
    memcpy(answer.peer, primary.poll.peer, sizeof answer.peer);
    memset(answer.secret, 0x33, 32);
    pdm_put_poll_response(&w, &answer);
    say(PDM_COMMAND_POLL, PDM_RESPONSE, body, (size_t)(w.at - body));
}

static void on_up(struct link *link, void *arg)
{
    (void)arg;
    primary.link = link;
    primary.ups++;
}

static void on_message(struct link *link, const struct pdm_registration_header *header,
                       struct pdm_reader *body, void *arg)
{
    (void)arg;
    (void)link;
    switch (header->command) {
    case PDM_COMMAND_SECRET:
        primary.asked++;
        pdm_get_secret_request(body, &primary.request);
        if (primary.request.lists > 0 && primary.request.known == 0)
            pdm_get_secret_list(body, &primary.list);
        if (!primary.silent)
            say_secrets();
        break;
    case PDM_COMMAND_LIST:
        primary.lists++;
        pdm_get_list_response(body, &primary.list_response);
        break;
    case PDM_COMMAND_POLL:
        primary.polls++;
        pdm_get_poll_request(body, &primary.poll);
        answer_poll();
        break;
    default:
        primary.blocks++;
    }
}

static void on_down(struct link *link, const char *why, void *arg)
{
    (void)why;
    (void)arg;
    if (primary.link == link)
        primary.link = NULL;
}

static const struct link_handlers handlers = {on_up, on_message, on_down};

static void on_accept(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *arg)
{
    (void)from;
    (void)address;
    (void)len;
    (void)arg;
    cr_assert_not_null(link_accept(base, primary.credentials, fd, &handlers, NULL));
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    registry_tick(&registry, clock_now());
}

static void complain(void *arg, const char *line)
{
    (void)arg;
    cr_assert_fail("%s", line);
}

static void load(const char *text, struct config *config)
{
    cr_assert(config_parse(directory_conf, text, strlen(text), config, complain, NULL));
}

static void listen_somewhere(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof address;

    listener = evconnlistener_new_bind(base, on_accept, NULL,
                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                       (struct sockaddr *)&address, sizeof address);
    cr_assert_not_null(listener);
    cr_assert_eq(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len),
                 0);
    /* Nobody listens at the first. */
    snprintf(configuration, sizeof configuration,
             "[agent]\nstate = state\nmax_slots = 8\n"
             "[association org]\nmode = enrolled\nprimary = [::1]:1, [::1]:%u\n"
             "primary_name = pdm.example\ncertificate = host.pem\ncertificate_key = host.key\n"
             "ca = ca.pem\npath = trust\n",
             (unsigned)ntohs(address.sin6_port));
}

static void begin(void)
{
    static const struct timeval tick = {.tv_usec = 20000};
    struct registry_plan plan;
    struct config config;

    pki_begin();
    pki_make("pki_ca . ca; pki_leaf . ca pdm DNS:pdm.example; pki_leaf . ca host IP:2001::1");
    memset(&primary, 0, sizeof primary);
    primary.credentials = pki_credentials("pdm", "ca", NULL);
    base = event_base_new();
    ticking = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticking, &tick);
    listen_somewhere();
    load(configuration, &config);
    cr_assert(agent_init(&agent, &config), "%s", keys_said());
    cr_assert(registry_init(&registry, base, &agent));
    cr_assert(registry_plan(&plan, &agent.config), "%s", keys_said());
    cr_assert(registry_set(&registry, &agent.config, &plan));
}

static void end(void)
{
    registry_free(&registry);
    if (primary.link != NULL)
        link_free(primary.link);
    credentials_unref(primary.credentials);
    evconnlistener_free(listener);
    event_free(ticking);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    agent_free(&agent);
    keys_end();
}

TestSuite(registrar, .init = begin, .fini = end, .timeout = 60);

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until = clock_now() + PATIENCE_NS;                                                 \
        while (!(condition)) {                                                                     \
            cr_assert(clock_now() < until, "%s: %s", #condition, keys_said());                     \
            event_base_loop(base, EVLOOP_ONCE);                                                    \
        }                                                                                          \
    } while (0)

/* One pair, number 1, by MODE; the host is a client and polls. */
static void prepare(enum pdm_mode_of_operation mode)
{
    struct pdm_writer w = pdm_writer(primary.body, sizeof primary.body);
    const struct pdm_secret_response head = {.pairs = 1};
    const struct pdm_secret_pair pair = {
        .pair = 1, .name = "paris", .side = PDM_SIDE_CLIENT, .secmop = (uint8_t)mode, .epochs = 1};
    const struct pdm_secret_epoch epoch = {.kem = PDM_KEM_X25519,
                                           .kdf = PDM_KDF_SHA256,
                                           .aead = PDM_AEAD_CHACHA20POLY1305,
                                           .ends_ms = UINT64_MAX,
                                           .scopes = 1};
    struct pdm_secret_scope scope = {.block_count = 4,
                                     .grants = mode == PDM_SECMOP_TRUSTED_SERVERS};
    const struct pdm_secret_grant grant = {.group = 7, .secret = {1}};

    memcpy(scope.address, own, sizeof scope.address);
    pdm_put_secret_response(&w, &head);
    pdm_put_secret_pair(&w, &pair);
    pdm_put_secret_epoch(&w, &epoch);
    pdm_put_secret_scope(&w, &scope);
    if (scope.grants > 0)
        pdm_put_secret_grant(&w, &grant);
    cr_assert(!w.bad);
    primary.len = (size_t)(w.at - primary.body);
}

static void prepare_status(enum pdm_registration_status status)
{
    struct pdm_writer w = pdm_writer(primary.body, sizeof primary.body);
    const struct pdm_secret_response head = {.status = (uint8_t)status};

    pdm_put_secret_response(&w, &head);
    primary.len = (size_t)(w.at - primary.body);
}

static void say_list(void)
{
    uint8_t body[BODY_MAX];
    struct pdm_writer w = pdm_writer(body, sizeof body);
    const struct pdm_list_request head = {.pair = 1, .to = 5, .changes = 1};
    struct pdm_list_change change = {.add = PDM_LIST_ADD, .len = 128, .group = 7};

    memcpy(change.addr, peer, sizeof change.addr);
    pdm_put_list_request(&w, &head);
    pdm_put_list_change(&w, &change);
    say(PDM_COMMAND_LIST, PDM_REQUEST, body, (size_t)(w.at - body));
}

static struct enrolment *enrolment(void)
{
    return registrar_enrolment(registry.registrar[0]);
}

static void enroll(enum pdm_mode_of_operation mode)
{
    unsigned lists = primary.lists;

    prepare(mode);
    UNTIL(enrolment_pairs(enrolment()) == 1);
    say_list();
    UNTIL(primary.lists > lists);
    cr_assert_eq(primary.list_response.status, PDM_REGISTRATION_OK);
    cr_assert_eq(primary.list_response.version, 5);
}

static bool is_listed(void)
{
    const struct enrolled_pair *pair;
    struct enrolment *e;

    return agent_listed(&agent, own, peer, &e, &pair) && e == enrolment() && pair->pair == 1;
}

Test(registrar, enrolled_by_the_primary_that_answers)
{
    enroll(PDM_SECMOP_TRUSTED_SERVERS);
    cr_assert_eq(primary.request.known + primary.request.lists, 0);
    const char *said = keys_said();
    cr_assert(strstr(said, "association org: cannot connect to [::1]:1: ") != NULL, "%s", said);
    cr_assert(strstr(said, "association org: connected to [::1]:") != NULL, "%s", said);
    cr_assert(strstr(said, ", 1 pairs of organisations") != NULL, "%s", said);
    agent_tick(&agent);
    cr_assert(is_listed());
}

Test(registrar, what_was_had_outlives_the_connection)
{
    enroll(PDM_SECMOP_TRUSTED_SERVERS);
    keys_said();
    link_close(primary.link);
    UNTIL(primary.ups == 2 && primary.asked == 2);
    cr_assert(enrolment_pairs(enrolment()) == 1 && is_listed());
    cr_assert(strstr(keys_said(), "lost: it closed the connection") != NULL);
    cr_assert(primary.request.lists == 1 && primary.list.version == 5);
}

Test(registrar, nonsense_ends_the_connection_and_nothing_else)
{
    enroll(PDM_SECMOP_TRUSTED_SERVERS);
    keys_said();
    say(PDM_COMMAND_SECRET, PDM_RESPONSE, primary.body, primary.len - 1);
    UNTIL(primary.ups == 2 && primary.asked == 2);
    cr_assert(strstr(keys_said(), "its SECRET cannot be used: too short; connecting again") !=
              NULL);
    say(PDM_COMMAND_NEGOTIATE, PDM_REQUEST, NULL, 0);
    UNTIL(primary.ups == 3 && primary.asked == 3);
    cr_assert(strstr(keys_said(), "sent a message that is not for secondaries") != NULL);
    prepare_status(PDM_REGISTRATION_LATER);
    say_secrets();
    UNTIL(primary.ups == 4);
    cr_assert(enrolment_pairs(enrolment()) == 1 && is_listed());
}

Test(registrar, refusal_drops_all)
{
    enroll(PDM_SECMOP_TRUSTED_SERVERS);
    keys_said();
    prepare_status(PDM_REGISTRATION_REFUSED);
    say_secrets();
    UNTIL(enrolment_pairs(enrolment()) == 0);
    cr_assert(!is_listed());
    cr_assert(strstr(keys_said(), "refuses this host") != NULL);
    prepare(PDM_SECMOP_TRUSTED_SERVERS);
    cr_assert_eq(primary.asked, 1);
    registry_tick(&registry, clock_now() + REGISTRAR_REFUSED_NS - PDM_NSEC_PER_SEC);
    registry_tick(&registry, clock_now() + REGISTRAR_REFUSED_NS + PDM_NSEC_PER_SEC);
    UNTIL(enrolment_pairs(enrolment()) == 1);
    cr_assert_eq(primary.asked, 2);
}

Test(registrar, polls)
{
    struct enrolled_secret secret[PDM_PEER_SECRETS];
    unsigned count;

    enroll(PDM_SECMOP_ASYMMETRIC_POLL);
    const struct enrolled_pair *pair = enrolment_pair(enrolment(), 1);
    UNTIL(enrolment_secrets(enrolment(), pair, own, peer, 7, clock_now(), secret, &count) ==
          PDM_STATUS_OK);
    cr_assert(primary.polls == 1 && count == 1 && secret[0].shared[31] == 0x33);
    cr_assert_arr_eq(primary.poll.peer, peer, sizeof peer);
}

Test(registrar, a_primary_that_does_not_answer)
{
    primary.silent = true;
    UNTIL(primary.asked == 1);
    registry_tick(&registry, clock_now() + REGISTRAR_SILENCE_NS - PDM_NSEC_PER_SEC);
    cr_assert_null(strstr(keys_said(), "does not answer"));
    registry_tick(&registry, clock_now() + REGISTRAR_SILENCE_NS + PDM_NSEC_PER_SEC);
    UNTIL(primary.ups == 2);
    cr_assert(strstr(keys_said(), "does not answer; connecting again") != NULL);
}

static bool reload(const char *text)
{
    struct registry_plan plan;
    struct config config;

    load(text, &config);
    if (registry_plan(&plan, &config)) {
        cr_assert(agent_reload(&agent, &config));
        return registry_set(&registry, &agent.config, &plan);
    }
    config_free(&config);
    return false;
}

Test(registrar, reload)
{
    enroll(PDM_SECMOP_TRUSTED_SERVERS);
    struct enrolment *before = enrolment();
    cr_assert(reload(configuration));
    cr_assert(enrolment() == before && is_listed());
    UNTIL(primary.ups == 2 && primary.asked == 2);
    cr_assert(is_listed());

    cr_assert_eq(rename("ca.pem", "gone.pem"), 0);
    cr_assert(!reload(configuration));
    cr_assert(is_listed());
    cr_assert(strstr(keys_said(), "ca.pem") != NULL);

    *strstr(configuration, "[association") = '\0';
    cr_assert(reload(configuration));
    cr_assert_eq(registry.registrars, 0);
    cr_assert(agent.associations.count == 0);
    UNTIL(primary.link == NULL);
}
