/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows whose secrets come from a primary, from the SECRET response to the answers that shims get:
 * which secret is sent under and which else is told of while secrets are renegotiated, and that no
 * Kri is ever granted twice under one FlowSecret, whoever asks, renews, and gives back when.
 */
#include "core/keys.h"
#include "core/modes.h"
#include "core/seal.h"
#include "keyagent/agent_flows.h"
#include "keyagent/agent_names.h"
#include "keyagent/agent_pairs.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/enrolment/highwater.h"
#include "keyagent/requests.h"
#include "tests/unit/keys_on_disk.h"

#define OUR_PAIR 7
#define GROUP 3
#define HOUR_MS 3600000U

static const char configuration[] =
    "[agent]\nstate = state\nmax_ledger = 64\nrequests_per_client = 0\n"
    "[association org]\nmode = enrolled\nprimary = pdm.example\ncertificate = c\n"
    "certificate_key = k\nca = ca\npath = trust\n";

static const struct pdm_suite suite = {PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static struct agent agent;
static struct highwater highwater;
static struct enrolment *enrolment;
static struct reply reply;
static struct client_id who;

static void complain(void *arg, const char *line)
{
    (void)arg;
    cr_assert(false, "%s", line);
}

static void pair_changed(void *arg, struct enrolment *e, const struct enrolled_pair *pair)
{
    agent_pair_changed(arg, e, pair);
}

static void pair_gone(void *arg, struct enrolment *e, uint32_t pair)
{
    agent_pair_gone(arg, e, pair);
}

static void list_changed(void *arg, struct enrolment *e, uint32_t pair, bool add,
                         const struct pdm_prefix *peer, uint16_t group)
{
    agent_list_changed(arg, e, pair, add, peer, group);
}

static void list_cleared(void *arg, struct enrolment *e, uint32_t pair)
{
    agent_list_cleared(arg, e, pair);
}

static bool no_poll(void *arg, const struct pdm_poll_request *request)
{
    (void)arg;
    (void)request;
    return true;
}

static bool no_block(void *arg, const struct pdm_block_request *request)
{
    (void)arg;
    (void)request;
    return true;
}

static const struct enrolment_hooks hooks = {.pair_changed = pair_changed,
                                             .pair_gone = pair_gone,
                                             .list_changed = list_changed,
                                             .list_cleared = list_cleared,
                                             .poll = no_poll,
                                             .block = no_block};

static void begin(void)
{
    struct config config;

    keys_begin();
    cr_assert(config_parse("t", configuration, sizeof configuration - 1, &config, complain, NULL));
    cr_assert(agent_init(&agent, &config), "%s", keys_said());
    cr_assert(highwater_init(&highwater, "state"));
    enrolment = enrolment_new("org", &agent.ledger, &highwater, &hooks, &agent);
    cr_assert_not_null(enrolment);
    who = (struct client_id){.pid = getpid(), .uid = getuid()};
}

static void end(void)
{
    enrolment_free(enrolment);
    highwater_free(&highwater);
    agent_free(&agent);
    keys_end();
}

TestSuite(keying, .init = begin, .fini = end);

/* What the primary says. */

struct negotiated {
    uint64_t epoch;
    uint8_t octet; /* of the tag and the secret */
    uint64_t send_ms;
    uint32_t generations; /* 0 and up */
    uint16_t kdf;         /* 0: as usual */
};

static const uint8_t own[PDM_ADDR_LEN] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
static const uint8_t peer[PDM_ADDR_LEN] = {0x20, 1, 0x0d, 0xb8, 1, [15] = 1};

static void put_epoch(struct pdm_writer *w, const struct negotiated *n)
{
    struct pdm_secret_epoch epoch = {.epoch = n->epoch,
                                     .kem = suite.kem,
                                     .kdf = suite.kdf,
                                     .aead = suite.aead,
                                     .send_ms = n->send_ms,
                                     .ends_ms = UINT64_MAX,
                                     .scopes = 1};
    struct pdm_secret_scope scope = {.block_count = n->generations, .grants = 1};
    struct pdm_secret_grant grant = {.group = GROUP};

    if (n->kdf != 0)
        epoch.kdf = n->kdf;
    memset(epoch.tag, n->octet, sizeof epoch.tag);
    memcpy(scope.address, own, sizeof scope.address);
    memset(grant.secret, n->octet,
           pdm_suite_nh(&(struct pdm_suite){epoch.kem, epoch.kdf, epoch.aead}));
    pdm_put_secret_epoch(w, &epoch);
    pdm_put_secret_scope(w, &scope);
    pdm_put_secret_grant(w, &grant);
}

static void tell_of(uint8_t secmop, const struct negotiated *n, uint8_t epochs)
{
    uint8_t bytes[PDM_REGISTRATION_SMALL];
    struct pdm_writer w = pdm_writer(bytes, sizeof bytes);
    struct pdm_secret_response response = {.pairs = 1};
    struct pdm_secret_pair pair = {.pair = OUR_PAIR,
                                   .name = "other",
                                   .side = PDM_SIDE_CLIENT,
                                   .secmop = secmop,
                                   .poller = PDM_SIDE_CLIENT,
                                   .epochs = epochs};
    enum pdm_registration_status status;

    pdm_put_secret_response(&w, &response);
    pdm_put_secret_pair(&w, &pair);
    for (uint8_t i = 0; i < epochs; i++)
        put_epoch(&w, &n[i]);
    cr_assert(!w.bad);
    struct pdm_reader r = pdm_reader(bytes, sizeof bytes - w.left);
    const char *wrong = enrolment_take_secrets(enrolment, &r, clock_now(), &status);
    cr_assert_null(wrong, "%s", wrong);
    cr_assert_eq(status, PDM_REGISTRATION_OK);
}

static void tell(const struct negotiated *n, uint8_t epochs)
{
    tell_of(PDM_SECMOP_TRUSTED_SERVERS, n, epochs);
}

static void list(bool add, uint16_t group)
{
    struct pdm_prefix prefix = pdm_prefix_of(peer, 64);

    agent_list_changed(&agent, enrolment, OUR_PAIR, add, &prefix, group);
}

/* What shims ask. */

static struct pdm_tuple tuple_of(uint16_t port)
{
    struct pdm_tuple tuple = {.sport = port, .dport = 9, .proto = 17};

    memcpy(tuple.saddr, own, sizeof tuple.saddr);
    memcpy(tuple.daddr, peer, sizeof tuple.daddr);
    return tuple;
}

#define ASK(type, name, request, answer) ASK_FOR(type, name, name, request, answer)

#define ASK_FOR(type, name, replied, request, answer)                                              \
    do {                                                                                           \
        uint8_t bytes_[PDM_MESSAGE_SMALL], type_;                                                  \
        struct pdm_message m_;                                                                     \
        struct pdm_reader r_;                                                                      \
        pdm_message_begin(&m_, bytes_, sizeof bytes_, type);                                       \
        pdm_put_##name##_request(&m_.body, request);                                               \
        requests_answer(&agent, &who, bytes_, pdm_message_end(&m_), &reply);                       \
        cr_assert(pdm_message_open(reply.bytes, reply.len, &type_, &r_));                          \
        cr_assert_eq(type_, (type) | PDM_REPLY);                                                   \
        pdm_get_##replied##_reply(&r_, answer);                                                    \
        cr_assert(pdm_message_done(&r_));                                                          \
    } while (0)

static struct pdm_open_reply ask_open(uint16_t port, uint8_t flags)
{
    struct pdm_tuple tuple = tuple_of(port);
    struct pdm_open_request request = {.flags = flags};
    struct pdm_open_reply answer;

    pdm_tuple_bytes(&tuple, request.tuple);
    ASK(PDM_OPEN, open, &request, &answer);
    return answer;
}

static struct pdm_open_reply must_open(uint16_t port, uint8_t flags)
{
    struct pdm_open_reply answer = ask_open(port, PDM_OPEN_WANTS_LEASE | flags);

    cr_assert_eq(answer.status, PDM_STATUS_OK, "status %u: %s", answer.status, keys_said());
    cr_assert_eq(answer.lease_count, 1);
    return answer;
}

/* As must_open(), of a flow that is open as OPENED says. */
static struct pdm_open_reply must_move(uint16_t port, const struct pdm_open_reply *opened)
{
    struct pdm_tuple tuple = tuple_of(port);
    struct pdm_move_request request = {.instance = opened->instance,
                                       .slot = opened->slot,
                                       .owner = opened->owner,
                                       .flags = PDM_OPEN_WANTS_LEASE};
    struct pdm_open_reply answer;

    pdm_tuple_bytes(&tuple, request.tuple);
    ASK_FOR(PDM_MOVE, move, open, &request, &answer);
    cr_assert_eq(answer.status, PDM_STATUS_OK, "status %u: %s", answer.status, keys_said());
    return answer;
}

static struct pdm_renew_reply ask_renew(uint16_t port, const struct pdm_open_reply *opened,
                                        uint32_t had)
{
    struct pdm_tuple tuple = tuple_of(port);
    struct pdm_renew_request request = {
        .instance = opened->instance, .slot = opened->slot, .owner = opened->owner, .had = had};
    struct pdm_renew_reply answer;

    pdm_tuple_bytes(&tuple, request.tuple);
    ASK(PDM_RENEW, renew, &request, &answer);
    return answer;
}

static void close_flow(uint16_t port, const struct pdm_open_reply *opened, uint64_t first,
                       uint32_t count)
{
    struct pdm_tuple tuple = tuple_of(port);
    struct pdm_close_request request = {.instance = opened->instance,
                                        .slot = opened->slot,
                                        .owner = opened->owner,
                                        .unused_first = first,
                                        .unused_count = count};
    uint8_t bytes[PDM_MESSAGE_SMALL];
    struct pdm_message m;

    pdm_tuple_bytes(&tuple, request.tuple);
    pdm_message_begin(&m, bytes, sizeof bytes, PDM_CLOSE);
    pdm_put_close_request(&m.body, &request);
    requests_answer(&agent, &who, bytes, pdm_message_end(&m), &reply);
}

static bool must_ask_again(const struct pdm_open_reply *opened)
{
    return agent.slots.shared[opened->slot].ask != 0;
}

static void expect_secret(const uint8_t *got, const struct pdm_tuple *tuple, uint8_t octet)
{
    uint8_t shared[PDM_NH_MAX], flow[PDM_NH_MAX] = {0};

    memset(shared, octet, sizeof shared);
    cr_assert(pdm_flow_secret(&suite, shared, tuple, flow));
    cr_expect_arr_eq(got, flow, pdm_suite_nh(&suite), "not of %u", octet);
}

/* The secrets of OPENED are those of octets SEND and, if not 0, OTHER. */
static void expect_secrets(const struct pdm_open_reply *opened, uint8_t send, uint8_t other)
{
    struct pdm_tuple tuple = tuple_of(1), back = pdm_tuple_reverse(&tuple);

    expect_secret(opened->own_secret, &tuple, send);
    expect_secret(opened->peer_secret, &back, send);
    if (other != 0)
        expect_secret(opened->other_secret, &back, other);
    else
        cr_expect(sodium_is_zero(opened->other_secret, sizeof opened->other_secret) == 1);
}

static const struct negotiated first = {1, 11, 0, 8, 0}, second_later = {2, 22, HOUR_MS, 8, 0},
                               second_now = {2, 22, 0, 8, 0};

Test(keying, one_secret)
{
    tell(&first, 1);
    cr_expect_eq(ask_open(1, 0).status, PDM_STATUS_NOT_NAMED, "its list is empty");
    list(true, GROUP);
    struct pdm_open_reply r = must_open(1, PDM_OPEN_SEEN_NEWER);
    cr_expect_eq(r.lease_first, 0);
    cr_expect_eq(r.format, PDM_FORMAT_ENCRYPTED);
    cr_expect_eq(r.kem, suite.kem);
    cr_expect_eq(r.kdf, suite.kdf);
    cr_expect_eq(r.aead, suite.aead);
    cr_expect_eq(r.other, PDM_OTHER_NONE);
    expect_secrets(&r, 11, 0);
    cr_expect(!must_ask_again(&r));
    cr_expect_eq(ask_open(2, 8).status, PDM_STATUS_BAD_REQUEST, "an unknown flag");
}

Test(keying, a_group_without_a_secret)
{
    tell(&first, 1);
    list(true, GROUP + 1);
    cr_expect_eq(ask_open(1, PDM_OPEN_WANTS_LEASE).status, PDM_STATUS_NOT_NAMED);
    cr_expect_eq(agent.slots.used, 0);
}

Test(keying, a_secret_that_is_asked_for)
{
    tell_of(PDM_SECMOP_ASYMMETRIC_POLL, &first, 1);
    list(true, 0);
    cr_expect_eq(ask_open(1, PDM_OPEN_WANTS_LEASE).status, PDM_STATUS_LATER);
    cr_expect_eq(agent.slots.used, 0);
}

Test(keying, no_generation_left)
{
    const struct negotiated none = {1, 11, 0, 0, 0};

    tell(&none, 1);
    list(true, GROUP);
    cr_expect_eq(ask_open(1, PDM_OPEN_WANTS_LEASE).status, PDM_STATUS_NO_LEASE);
    cr_expect_eq(agent.slots.used, 0);
    cr_expect_eq(ask_open(1, 0).status, PDM_STATUS_OK, "it reads all the same");
}

Test(keying, the_newer_is_sent_under_when_its_time_has_come)
{
    tell(&first, 1);
    list(true, GROUP);
    struct pdm_open_reply before = must_open(1, 0);
    tell((const struct negotiated[]){first, second_later}, 2);
    cr_expect(must_ask_again(&before), "to receive under the newer");
    struct pdm_open_reply both = must_open(1, 0);
    expect_secrets(&both, 11, 22);
    cr_expect_eq(both.peer_serial, before.peer_serial);
    cr_expect_eq(both.other, PDM_OTHER_NEWER);
    cr_expect_neq(both.other_serial, both.peer_serial);
    cr_expect_eq(both.lease_first, before.lease_first + 1);

    tell((const struct negotiated[]){first, second_now}, 2);
    cr_expect(must_ask_again(&both));
    struct pdm_open_reply newer = must_open(1, 0);
    expect_secrets(&newer, 22, 11);
    cr_expect_eq(newer.other, PDM_OTHER_OLDER);
    cr_expect_eq(newer.peer_serial, both.other_serial);
    cr_expect_eq(newer.other_serial, both.peer_serial);
    cr_expect_eq(newer.lease_first, 0, "a generation of its own");

    tell(&second_now, 1);
    cr_expect(must_ask_again(&newer));
    struct pdm_open_reply alone = must_open(1, 0);
    expect_secrets(&alone, 22, 0);
    cr_expect_eq(alone.peer_serial, newer.peer_serial);
}

/* Nothing tells of it: the tick does. */
Test(keying, time_passes)
{
    const struct negotiated soon = {2, 22, 20, 8, 0};

    tell((const struct negotiated[]){first, soon}, 2);
    list(true, GROUP);
    agent.names_changed = false;
    struct pdm_open_reply older = must_open(1, 0);
    agent_tick(&agent);
    cr_expect(!must_ask_again(&older));
    usleep(30000);
    agent_tick(&agent);
    cr_expect(must_ask_again(&older));
    struct pdm_open_reply newer = must_open(1, 0);
    expect_secrets(&newer, 22, 11);
    agent_tick(&agent);
    cr_expect(!must_ask_again(&newer), "once");
}

Test(keying, the_newer_is_sent_under_once_the_peer_does)
{
    tell((const struct negotiated[]){first, second_later}, 2);
    list(true, GROUP);
    struct pdm_open_reply both = must_open(1, 0);
    expect_secrets(&both, 11, 22);
    struct pdm_open_reply moved = must_open(1, PDM_OPEN_SEEN_NEWER);
    expect_secrets(&moved, 22, 11);
    cr_expect_eq(moved.other, PDM_OTHER_OLDER);
    struct pdm_open_reply other_flow = must_open(2, 0);
    cr_expect_eq(other_flow.peer_serial, moved.peer_serial, "all flows to that peer");
}

Test(keying, a_renewal_is_of_the_flows_own_secret)
{
    tell(&first, 1);
    list(true, GROUP);
    struct pdm_open_reply older = must_open(1, 0);
    struct pdm_renew_reply renewed = ask_renew(1, &older, 1);
    cr_expect_eq(renewed.status, PDM_STATUS_OK);
    cr_expect_eq(renewed.lease_first, 1);
    cr_expect_eq(renewed.lease_count, 2);
    tell((const struct negotiated[]){first, second_later}, 2);
    cr_expect_eq(ask_renew(1, &older, 2).status, PDM_STATUS_OK, "still to be sent under");
    tell((const struct negotiated[]){first, second_now}, 2);
    cr_expect_eq(ask_renew(1, &older, 2).status, PDM_STATUS_STALE);
    struct pdm_open_reply newer = must_open(1, 0);
    cr_expect_eq(ask_renew(1, &older, 2).status, PDM_STATUS_STALE);
    cr_expect_eq(ask_renew(1, &newer, 1).status, PDM_STATUS_OK);
    cr_expect_eq(ask_renew(2, &newer, 1).status, PDM_STATUS_STALE, "another tuple's slot");
    close_flow(1, &newer, 0, 0);
    cr_expect_eq(ask_renew(1, &newer, 1).status, PDM_STATUS_STALE, "its slot is gone");
    list(false, GROUP);
    newer.slot = older.slot;
    newer.owner = older.owner;
    cr_expect_eq(ask_renew(1, &newer, 1).status, PDM_STATUS_NOT_NAMED);
}

static struct pdm_slot *slot_of(const struct pdm_open_reply *opened)
{
    return &agent.slots.shared[opened->slot];
}

/* Its figures are in the new slot before it knows of that, and in one of the two alone when they
 * are added up. */
Test(keying, a_flow_that_moves_takes_its_figures_along)
{
    cr_assert(totals_init(&agent.totals, agent.slots.count, 64));
    tell(&first, 1);
    list(true, GROUP);
    struct pdm_open_reply older = must_open(1, 0), others = must_open(2, 0);
    pdm_delay_add(&slot_of(&older)->network, 1000);
    pdm_count(&slot_of(&older)->counter[PDM_COUNTER_sends], 3);
    tell((const struct negotiated[]){first, second_now}, 2);
    struct pdm_open_reply newer = must_move(1, &older);
    expect_secrets(&newer, 22, 11);
    cr_expect_eq(newer.lease_first, 0, "the first under that secret");
    cr_expect(newer.slot != older.slot && newer.owner != older.owner);
    cr_expect_eq(slot_of(&newer)->network.samples, 1);
    cr_expect_eq(slot_of(&newer)->counter[PDM_COUNTER_sends], 3);
    close_flow(1, &older, 0, 0);
    agent_end_all(&agent);
    cr_assert_eq(agent.totals.count, 1);
    cr_expect_eq(agent.totals.series[0].total.counter[PDM_COUNTER_sends], 3);
    cr_expect_eq(agent.totals.series[0].total.bucket[FIGURES_NETWORK][0], 1);
    /* What is not its own, or not there any more, is no figure of it. */
    others = must_open(2, 0);
    pdm_count(&slot_of(&others)->counter[PDM_COUNTER_sends], 9);
    newer = must_move(1, &others);
    cr_expect_eq(slot_of(&newer)->counter[PDM_COUNTER_sends], 0, "another flow's");
    newer = must_move(1, &older);
    cr_expect_eq(slot_of(&newer)->counter[PDM_COUNTER_sends], 0, "a slot that is gone");
    pdm_count(&slot_of(&newer)->counter[PDM_COUNTER_sends], 1);
    newer.instance++;
    newer = must_move(1, &newer);
    cr_expect_eq(slot_of(&newer)->counter[PDM_COUNTER_sends], 0, "of another agent");
}

/* Both are in generation 0 of their blocks, and both have just been granted Kri 0 to 2. */
Test(keying, what_is_given_back_is_of_the_flows_own_secret)
{
    tell(&first, 1);
    list(true, GROUP);
    struct pdm_open_reply older = must_open(1, 0);
    cr_assert_eq(ask_renew(1, &older, 1).lease_first, 1);
    tell((const struct negotiated[]){first, second_now}, 2);
    struct pdm_open_reply newer = must_open(1, 0);
    struct pdm_renew_reply renewed = ask_renew(1, &newer, 1);
    cr_assert_eq(renewed.lease_first, 1);
    cr_assert_eq(renewed.lease_count, 2);
    close_flow(1, &older, 1, 2);
    cr_expect_eq(ask_renew(1, &newer, 2).lease_first, 3, "1 and 2 are in use under the newer");
    tell(&first, 1);
    cr_expect_eq(must_open(1, 0).lease_first, 1, "but not under the older");
}

Test(keying, lists_change)
{
    tell(&first, 1);
    list(true, GROUP);
    struct pdm_open_reply r = must_open(1, 0);
    agent_tick(&agent);
    cr_expect(!must_ask_again(&r));
    list(false, GROUP);
    agent_tick(&agent);
    cr_expect(must_ask_again(&r));
    cr_expect_eq(ask_open(1, 0).status, PDM_STATUS_NOT_NAMED);
    list(true, GROUP);
    r = must_open(1, 0);
    list(true, GROUP + 1);
    agent_tick(&agent);
    cr_expect(must_ask_again(&r), "another group, another secret");
    list(true, GROUP);
    r = must_open(1, 0);
    enrolment_drop(enrolment);
    cr_expect(must_ask_again(&r), "the pair is gone");
    cr_expect_eq(agent.associations.count, 0);
    cr_expect_eq(ask_open(1, 0).status, PDM_STATUS_NOT_NAMED);
}

Test(keying, whose_list_a_peer_is_on)
{
    struct enrolment *e = NULL;
    const struct enrolled_pair *pair = NULL;

    tell(&first, 1);
    cr_expect(!agent_listed(&agent, own, peer, &e, &pair));
    list(true, GROUP);
    cr_assert(agent_listed(&agent, own, peer, &e, &pair));
    cr_expect_eq(e, enrolment);
    cr_expect_eq(pair->pair, OUR_PAIR);
    cr_expect(!agent_listed(&agent, peer, own, &e, &pair));
}

/* What the peer sends under KRI by the secret of OCTET. */
static void sealed(uint8_t octet, uint64_t kri, uint8_t option[static PDM_OPTION_MAX])
{
    static const _Atomic uint64_t guard = 1;
    struct pdm_tuple tuple = tuple_of(1), back = pdm_tuple_reverse(&tuple);
    struct pdm_fields fields = {.psntp = 1};
    uint8_t shared[PDM_NH_MAX], secret[PDM_NH_MAX], seed[PDM_SEED_LEN];
    struct pdm_sender sender;

    memset(&sender, 0, sizeof sender);
    memset(shared, octet, sizeof shared);
    randombytes_buf(seed, sizeof seed);
    cr_assert(pdm_flow_secret(&suite, shared, &back, secret));
    cr_assert(pdm_sender_init(&sender, 1, &suite, secret, kri, 1, seed));
    cr_assert_eq(pdm_seal(&sender, &guard, PDM_OPTION_TYPE, &fields, option), PDM_SEALED);
}

static struct pdm_search_reply ask_search(uint8_t octet, uint64_t kri)
{
    struct pdm_tuple tuple = tuple_of(1), back = pdm_tuple_reverse(&tuple);
    struct pdm_search_request request = {.instance = agent.instance};
    struct pdm_search_reply answer;

    pdm_tuple_bytes(&back, request.tuple);
    sealed(octet, kri, request.option);
    ASK(PDM_SEARCH, search, &request, &answer);
    return answer;
}

static void expect_found(uint8_t octet, uint64_t kri, uint32_t serial)
{
    struct pdm_search_reply r = ask_search(octet, kri);

    for (int i = 0; i < 2000 && r.status == PDM_STATUS_LATER; i++) {
        struct search_hit hit;

        search_run(&agent.search, clock_now(), &hit);
        r = ask_search(octet, kri);
        usleep(3000); /* within the budget of searches */
    }
    cr_expect_eq(r.status, PDM_STATUS_OK, "octet %u", octet);
    cr_expect_eq(r.kri, kri);
    cr_expect_eq(r.serial, serial);
}

#define KRI(generation, counter) ((uint64_t)(generation) << 32 | (counter))

Test(keying, a_search_under_either)
{
    tell((const struct negotiated[]){first, second_later}, 2);
    list(true, GROUP);
    struct pdm_open_reply both = must_open(1, 0);
    cr_expect_eq(both.peer_guess, 0);
    expect_found(11, KRI(3, 5), both.peer_serial);
    expect_found(22, KRI(1, 7), both.other_serial);
    struct pdm_open_reply moved = must_open(1, 0);
    cr_expect_eq(moved.peer_serial, both.other_serial, "the peer was seen to have moved");
    cr_expect_eq(moved.peer_guess, KRI(1, 0), "each has its own generations");
    cr_expect_eq(moved.other_guess, KRI(3, 0));
    expect_found(22, KRI(40, 2), moved.peer_serial);
    expect_found(11, KRI(30, 2), moved.other_serial);
    cr_expect_neq(ask_search(33, 0).status, PDM_STATUS_OK);
}

/* A flow has one suite: of two secrets with different ones it is told of one. */
Test(keying, another_suite)
{
    const struct negotiated other = {2, 22, HOUR_MS, 8, PDM_KDF_SHA512};
    const struct negotiated other_now = {2, 22, 0, 8, PDM_KDF_SHA512};

    tell((const struct negotiated[]){first, other}, 2);
    list(true, GROUP);
    struct pdm_open_reply r = must_open(1, 0);
    cr_expect_eq(r.other, PDM_OTHER_NONE);
    expect_secrets(&r, 11, 0);
    tell((const struct negotiated[]){first, other_now}, 2);
    r = must_open(1, 0);
    cr_expect_eq(r.other, PDM_OTHER_NONE);
    cr_expect_eq(r.kdf, PDM_KDF_SHA512);
}

/*
 * Random negotiations, openings, renewals and closings, against a record of every Kri that is out
 * under each FlowSecret: held, or burnt. The blocks of all scopes begin at generation 0.
 */

enum { PORTS = 3, FLOWS = 8, STEPS = 6000, RECORDS = 1 << 16 };

struct record {
    uint8_t secret[PDM_NH_MAX];
    uint64_t kri;
    bool used, out;
};

struct flow {
    bool open;
    uint16_t port;
    struct pdm_open_reply r;
    uint64_t lease_first;
    uint32_t lease_count;
};

static struct record *records;
static struct flow flows[FLOWS];
static uint64_t state = 99;

static uint32_t any(uint32_t below)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((state >> 33) % below);
}

static struct record *find(const uint8_t *secret, uint64_t kri)
{
    uint64_t at;

    memcpy(&at, secret, sizeof at);
    for (at += kri * 0x9E3779B97F4A7C15ULL;; at++) {
        struct record *r = &records[at % RECORDS];

        if (!r->used || (r->kri == kri && memcmp(r->secret, secret, PDM_NH_MAX) == 0))
            return r;
    }
}

static void granted(struct flow *f, uint64_t first_kri, uint32_t count)
{
    for (uint64_t kri = first_kri; kri < first_kri + count; kri++) {
        struct record *r = find(f->r.own_secret, kri);

        cr_assert(!r->out, "Kri %#lx was granted twice", (unsigned long)kri);
        *r = (struct record){.kri = kri, .used = true, .out = true};
        memcpy(r->secret, f->r.own_secret, PDM_NH_MAX);
    }
    f->lease_first = first_kri;
    f->lease_count = count;
}

static void random_open(struct flow *f)
{
    uint16_t port = (uint16_t)(any(PORTS) + 1);
    struct pdm_open_reply r =
        ask_open(port, PDM_OPEN_WANTS_LEASE | (any(4) == 0 ? PDM_OPEN_SEEN_NEWER : 0));

    if (r.status != PDM_STATUS_OK)
        return;
    *f = (struct flow){.open = true, .port = port, .r = r};
    granted(f, r.lease_first, r.lease_count);
}

/* The end of its lease, which only then is out no more. */
static void random_close(struct flow *f)
{
    uint32_t unused = any(f->lease_count + 1);
    uint64_t from = f->lease_first + f->lease_count - unused;

    for (uint64_t kri = from; kri < from + unused; kri++)
        find(f->r.own_secret, kri)->out = false;
    close_flow(f->port, &f->r, from, unused);
    f->open = false;
}

static void random_renew(struct flow *f)
{
    struct pdm_renew_reply r = ask_renew(f->port, &f->r, f->lease_count);

    if (r.status == PDM_STATUS_OK)
        granted(f, r.lease_first, r.lease_count);
}

/* The one in force, and perhaps one that follows it. */
static void negotiate(uint64_t step)
{
    static struct negotiated n[2];
    static uint8_t epochs;

    if (epochs == 0) {
        n[0] = first;
        epochs = 1;
    } else if (epochs == 2) {
        n[0] = n[1];
        epochs = 1;
    } else {
        /* Now and then what was is negotiated again, as after a primary's store was put back. */
        uint8_t octet = (uint8_t)(any(4) == 0 ? n[0].octet + 1U : 1U + step % 200);
        if (octet == n[0].octet)
            octet++;
        n[1] = (struct negotiated){n[0].epoch + 1, octet, any(2) * HOUR_MS, 1000, 0};
        epochs = 2;
    }
    tell(n, epochs);
}

Test(keying, random_steps, .timeout = 120)
{
    uint32_t leases = 0;

    records = calloc(RECORDS, sizeof *records);
    cr_assert_not_null(records);
    negotiate(0);
    list(true, GROUP);
    for (uint64_t step = 0; step < STEPS; step++) {
        struct flow *f = &flows[any(FLOWS)];

        if (any(100) == 0)
            negotiate(step);
        if (any(400) == 0)
            agent_void_leases(&agent);
        if (!f->open)
            random_open(f);
        else if (any(3) == 0)
            random_close(f);
        else
            random_renew(f);
    }
    for (uint32_t i = 0; i < RECORDS; i++)
        leases += records[i].used;
    cr_expect_gt(leases, STEPS / 2, "%u Kri alone were granted", leases);
    free(records);
}
