/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an agent has from its primary: secrets as the modes derive them, two negotiations side by
 * side, generations, lists; and that what is malformed changes nothing.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sodium.h>

#include "core/ibc.h"
#include "core/modes.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolled.h"
#include "keyagent/enrolment/enrolment.h"
#include "tests/unit/keys_on_disk.h"

#define SECOND PDM_NSEC_PER_SEC
#define BODY_MAX 65536
#define NO_END UINT64_MAX

static const struct pdm_suite suite = {PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static struct ledger ledger;
static struct highwater highwater;
static struct enrolment *enrolment;
static int64_t now;

/* What the enrolment did. */
static struct {
    unsigned changed, gone, cleared, added, removed, polls, blocks, pairings;
    uint16_t group;
    bool away; /* the primary */
    struct pdm_poll_request poll;
    struct pdm_block_request block;
    uint64_t pairing_epoch;
} did;

static void on_changed(void *arg, struct enrolment *e, const struct enrolled_pair *pair)
{
    (void)arg;
    did.changed++;
    cr_assert(e == NULL || e == enrolment || enrolment == NULL);
    cr_assert_not_null(pair);
}

static void on_gone(void *arg, struct enrolment *e, uint32_t pair)
{
    (void)arg;
    did.gone++;
    cr_assert_not_null(enrolment_pair(e, pair), "still there while it goes");
}

static void on_list(void *arg, struct enrolment *e, uint32_t pair, bool add,
                    const struct pdm_prefix *prefix, uint16_t group)
{
    (void)arg;
    (void)e;
    (void)pair;
    did.added += add;
    did.removed += !add;
    did.group = group;
    cr_assert(prefix->len <= 128);
}

static void on_cleared(void *arg, struct enrolment *e, uint32_t pair)
{
    (void)arg;
    (void)e;
    (void)pair;
    did.cleared++;
}

static void on_peer(void *arg, struct enrolment *e, uint32_t pair,
                    const uint8_t own[static PDM_ADDR_LEN], const uint8_t peer[static PDM_ADDR_LEN])
{
    (void)arg;
    (void)e;
    (void)pair;
    (void)own;
    (void)peer;
    did.changed++;
}

static bool on_poll(void *arg, const struct pdm_poll_request *request)
{
    (void)arg;
    did.polls += !did.away;
    did.poll = *request;
    return !did.away;
}

static bool on_block(void *arg, const struct pdm_block_request *request)
{
    (void)arg;
    did.blocks += !did.away;
    did.block = *request;
    return !did.away;
}

static enum pdm_status on_pairing(void *arg, struct enrolment *e,
                                  const struct enrolment_pairing *pairing)
{
    (void)arg;
    (void)e;
    did.pairings++;
    did.pairing_epoch = pairing->epoch->epoch;
    cr_assert(pairing->scope->s_id != NULL && pairing->scope->p_pub != NULL);
    return PDM_STATUS_LATER;
}

static void begin_enrolment(void)
{
    static const struct enrolment_hooks hooks = {on_changed, on_gone, on_peer,  on_list,
                                                 on_cleared, on_poll, on_block, on_pairing};

    enrolment = enrolment_new("london", &ledger, &highwater, &hooks, NULL);
    cr_assert_not_null(enrolment);
    memset(&did, 0, sizeof did);
}

static void begin(void)
{
    keys_begin();
    cr_assert(ledger_init(&ledger, 16, 1) && highwater_init(&highwater, "."));
    begin_enrolment();
    now = clock_now();
}

static void end(void)
{
    enrolment_free(enrolment);
    highwater_free(&highwater);
    ledger_free(&ledger);
    keys_end();
}

TestSuite(enrolment, .init = begin, .fini = end);

/* Messages, written piece by piece. */

static uint8_t body[BODY_MAX];
static struct pdm_writer w;

static void begin_body(enum pdm_registration_status status, uint16_t pairs)
{
    const struct pdm_secret_response head = {.status = (uint8_t)status, .pairs = pairs};

    w = pdm_writer(body, sizeof body);
    pdm_put_secret_response(&w, &head);
}

static size_t body_len(void)
{
    cr_assert(!w.bad);
    return (size_t)(w.at - body);
}

static void put_pair(uint32_t pair, uint8_t side, uint8_t secmop, uint8_t poller, uint8_t epochs)
{
    struct pdm_secret_pair p = {
        .pair = pair, .side = side, .secmop = secmop, .poller = poller, .epochs = epochs};

    memcpy(p.name, "paris", 6);
    pdm_put_secret_pair(&w, &p);
}

static void put_epoch(uint64_t epoch, uint64_t send_ms, uint64_t ends_ms, uint8_t scopes)
{
    struct pdm_secret_epoch p = {.epoch = epoch,
                                 .kem = suite.kem,
                                 .kdf = suite.kdf,
                                 .aead = suite.aead,
                                 .send_ms = send_ms,
                                 .ends_ms = ends_ms,
                                 .scopes = scopes};

    memset(p.tag, (int)epoch + 1, sizeof p.tag);
    pdm_put_secret_epoch(&w, &p);
}

static const uint8_t *address(uint8_t last)
{
    static uint8_t ring[8][PDM_ADDR_LEN];
    static unsigned at;
    uint8_t *a = ring[at++ % 8];

    memset(a, 0, PDM_ADDR_LEN);
    a[0] = 0x20;
    a[1] = 0x01;
    a[15] = last;
    return a;
}

static void put_scope(uint8_t own, uint32_t first, uint32_t count, bool identity, uint16_t grants)
{
    struct pdm_secret_scope p = {
        .block_first = first, .block_count = count, .has_identity = identity, .grants = grants};

    memcpy(p.address, address(own), sizeof p.address);
    pdm_put_secret_scope(&w, &p);
}

static void secret_of(uint8_t octet, uint8_t secret[static PDM_NH_MAX])
{
    memset(secret, 0, PDM_NH_MAX);
    memset(secret, octet, pdm_suite_nh(&suite));
}

static void put_grant(uint16_t group, uint8_t octet)
{
    struct pdm_secret_grant p = {.group = group};

    secret_of(octet, p.secret);
    pdm_put_secret_grant(&w, &p);
}

/* By the master secret 256 + OCTET, to address 1. */
static void put_identity(uint8_t octet)
{
    static struct pdm_ibc_parameters parameters;
    struct pdm_secret_identity p;
    uint8_t master[PDM_IBC_SECRET_LEN] = {0};
    static const char id[] = "2001::1|0";

    master[sizeof master - 2] = 1;
    master[sizeof master - 1] = octet;
    if (parameters.point_len == 0)
        cr_assert(pdm_ibc_parameters_init(&parameters, &pdm_ibc_3072));
    cr_assert(pdm_ibc_public(&parameters, master, p.p_pub));
    cr_assert(pdm_ibc_extract(&parameters, master, (const uint8_t *)id, sizeof id - 1, p.s_id));
    pdm_put_secret_identity(&w, &p);
}

static const char *take_secrets(enum pdm_registration_status *status)
{
    struct pdm_reader r = pdm_reader(body, body_len());

    return enrolment_take_secrets(enrolment, &r, now, status);
}

/* What was written is taken. */
static void take(void)
{
    enum pdm_registration_status status;
    const char *wrong = take_secrets(&status);

    cr_assert_null(wrong, "%s", wrong);
    cr_assert_eq(status, PDM_REGISTRATION_OK);
}

/* Pair 1 of one epoch, with one scope for address 1, of COUNT generations from FIRST on. */
static void put_simple(uint8_t side, uint8_t secmop, uint32_t first, uint32_t count)
{
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, side, secmop, PDM_SIDE_CLIENT, 1);
    put_epoch(0, 0, NO_END, 1);
    put_scope(1, first, count, false, 1);
    put_grant(0, 0x11);
}

static struct enrolled_secret got[PDM_PEER_SECRETS];
static unsigned gots;

static enum pdm_status ask(uint8_t own, uint8_t peer, uint16_t group)
{
    return enrolment_secrets(enrolment, enrolment_pair(enrolment, 1), address(own), address(peer),
                             group, now, got, &gots);
}

static bool is_shared(const struct enrolled_secret *secret, const uint8_t wanted[PDM_NH_MAX])
{
    return memcmp(secret->shared, wanted, pdm_suite_nh(&suite)) == 0;
}

/* The modes. */

Test(enrolment, trusted_servers)
{
    uint8_t pss[PDM_NH_MAX], pcs[PDM_NH_MAX];

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    cr_assert_eq(did.changed, 1);
    secret_of(0x11, pss);
    cr_assert(pdm_pcs(&suite, pss, address(9), pcs));
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert_eq(gots, 1);
    cr_assert(is_shared(&got[0], pcs));
    cr_assert_eq(got[0].send_at, now);
    cr_assert_eq(ask(2, 9, 0), PDM_STATUS_NOT_NAMED, "an address that is not enrolled");

    /* The client is given just that. */
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_CLIENT, PDM_SECMOP_TRUSTED_SERVERS, 0, 1);
    put_epoch(0, 0, NO_END, 1);
    put_scope(9, 0, 4, false, 2);
    put_grant(7, 0x77);
    const struct pdm_secret_grant grant = {.group = 3};
    pdm_put_secret_grant(&w, &grant);
    memcpy(w.at - PDM_NH_MAX, pcs, pdm_suite_nh(&suite));
    take();
    cr_assert_eq(ask(9, 1, 3), PDM_STATUS_OK);
    cr_assert(is_shared(&got[0], pcs));
    uint32_t serial = got[0].serial;
    cr_assert_eq(ask(9, 2, 7), PDM_STATUS_OK);
    cr_assert_neq(got[0].serial, serial, "another secret");
    cr_assert_eq(ask(9, 1, 4), PDM_STATUS_NOT_NAMED, "a group without a grant");
    cr_assert_eq(did.polls, 0);
}

static void answer_poll(enum pdm_registration_status status, uint8_t peer, uint8_t octet)
{
    uint8_t bytes[sizeof(struct pdm_poll_response)];
    struct pdm_poll_response p = {.status = (uint8_t)status, .pair = 1};

    memcpy(p.own, address(1), sizeof p.own);
    memcpy(p.peer, address(peer), sizeof p.peer);
    if (status == PDM_REGISTRATION_OK)
        secret_of(octet, p.secret);
    struct pdm_writer writer = pdm_writer(bytes, sizeof bytes);
    pdm_put_poll_response(&writer, &p);
    struct pdm_reader r = pdm_reader(bytes, (size_t)(writer.at - bytes));
    cr_assert_null(enrolment_take_poll(enrolment, &r, now));
}

static void enroll_poller(void)
{
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_CLIENT, PDM_SECMOP_ASYMMETRIC_POLL, PDM_SIDE_CLIENT, 1);
    put_epoch(0, 0, NO_END, 1);
    put_scope(1, 0, 4, false, 0);
    take();
}

Test(enrolment, the_polling_side_asks_once_per_peer)
{
    uint8_t secret[PDM_NH_MAX];

    enroll_poller();
    did.away = true;
    cr_assert_eq(ask(1, 2, 0), PDM_STATUS_LATER, "asked when the primary is back");
    did.away = false;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask(1, 2, 0), PDM_STATUS_LATER);
    cr_assert_eq(did.polls, 1);
    cr_assert(memcmp(did.poll.own, address(1), PDM_ADDR_LEN) == 0 &&
              memcmp(did.poll.peer, address(2), PDM_ADDR_LEN) == 0 && did.poll.pair == 1);
    answer_poll(PDM_REGISTRATION_OK, 3, 0x33); /* never asked for */
    answer_poll(PDM_REGISTRATION_OK, 2, 0x22);
    secret_of(0x22, secret);
    cr_assert_eq(ask(1, 2, 0), PDM_STATUS_OK);
    cr_assert(is_shared(&got[0], secret));
    answer_poll(PDM_REGISTRATION_OK, 2, 0x33);
    cr_assert(ask(1, 2, 0) == PDM_STATUS_OK && is_shared(&got[0], secret), "answered twice");
    cr_assert_eq(did.polls, 1);

    cr_assert_eq(ask(1, 3, 0), PDM_STATUS_LATER);
    answer_poll(PDM_REGISTRATION_REFUSED, 3, 0);
    now += 29 * SECOND;
    cr_assert_eq(ask(1, 3, 0), PDM_STATUS_NOT_NAMED);
    cr_assert_eq(did.polls, 2);
    now += 2 * SECOND;
    cr_assert_eq(ask(1, 3, 0), PDM_STATUS_LATER);
    cr_assert_eq(did.polls, 3);
    answer_poll(PDM_REGISTRATION_LATER, 3, 0);
    cr_assert_eq(ask(1, 3, 0), PDM_STATUS_LATER);
    cr_assert_eq(did.polls, 4);
    enrolment_cut_off(enrolment);
    cr_assert_eq(ask(1, 3, 0), PDM_STATUS_LATER);
    cr_assert_eq(did.polls, 5, "a lost connection answers nothing");
    cr_assert_eq(ask(1, 2, 0), PDM_STATUS_OK, "but what was had stays");
}

static enum pdm_status ask_number(unsigned number)
{
    uint8_t peer[PDM_ADDR_LEN] = {0x20, 0x02, (uint8_t)(number >> 8), (uint8_t)number};

    return enrolment_secrets(enrolment, enrolment_pair(enrolment, 1), address(1), peer, 0, now, got,
                             &gots);
}

Test(enrolment, polls_are_bounded)
{
    enroll_poller();
    for (unsigned i = 0; i < ENROLMENT_POLLS_MAX; i++)
        cr_assert_eq(ask_number(i), PDM_STATUS_LATER);
    cr_assert_eq(ask_number(ENROLMENT_POLLS_MAX), PDM_STATUS_QUOTA);
    cr_assert_eq(ask_number(0), PDM_STATUS_LATER);
    cr_assert_eq(did.polls, ENROLMENT_POLLS_MAX);
}

static void answer_number(unsigned number)
{
    uint8_t bytes[sizeof(struct pdm_poll_response)];
    struct pdm_poll_response p = {.pair = 1,
                                  .peer = {0x20, 0x02, (uint8_t)(number >> 8), (uint8_t)number}};

    memcpy(p.own, address(1), sizeof p.own);
    secret_of((uint8_t)(number % 255 + 1), p.secret);
    struct pdm_writer writer = pdm_writer(bytes, sizeof bytes);
    pdm_put_poll_response(&writer, &p);
    struct pdm_reader r = pdm_reader(bytes, (size_t)(writer.at - bytes));
    cr_assert_null(enrolment_take_poll(enrolment, &r, now));
}

Test(enrolment, the_least_recently_used_makes_room)
{
    uint8_t secret[PDM_NH_MAX];

    enroll_poller();
    for (unsigned i = 0; i <= ENROLMENT_SECRETS_MAX; i++) {
        cr_assert_eq(ask_number(i), PDM_STATUS_LATER);
        answer_number(i);
        cr_assert_eq(ask_number(0), PDM_STATUS_OK); /* is used all the time */
    }
    cr_assert_eq(ask_number(2), PDM_STATUS_OK);
    secret_of(3, secret);
    cr_assert(is_shared(&got[0], secret));
    cr_assert_eq(ask_number(1), PDM_STATUS_LATER);
}

Test(enrolment, the_side_that_does_not_poll_derives)
{
    uint8_t own[PDM_NH_MAX], wanted[PDM_NH_MAX];

    secret_of(0x11, own);
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_ASYMMETRIC_POLL, 0, 4);
    take();
    cr_assert(pdm_pcs(&suite, own, address(9), wanted));
    cr_assert(ask(1, 9, 0) == PDM_STATUS_OK && is_shared(&got[0], wanted));
    /* Servers poll: the client holds. */
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_CLIENT, PDM_SECMOP_ASYMMETRIC_POLL, PDM_SIDE_SERVER, 1);
    put_epoch(0, 0, NO_END, 1);
    put_scope(1, 0, 4, false, 1);
    put_grant(0, 0x11);
    take();
    cr_assert(pdm_poll_pss(&suite, own, address(9), wanted));
    cr_assert(ask(1, 9, 0) == PDM_STATUS_OK && is_shared(&got[0], wanted));
    cr_assert_eq(did.polls, 0);
}

Test(enrolment, no_protection_has_no_secrets)
{
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_SERVER, PDM_SECMOP_NONE, 0, 0);
    take();
    cr_assert_eq(did.changed, 1);
    cr_assert_eq(enrolment_pair(enrolment, 1)->secmop, PDM_SECMOP_NONE);
    cr_assert_eq(ask(1, 2, 0), PDM_STATUS_NOT_NAMED);
}

static void put_ibc(uint8_t epochs)
{
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_SERVER, PDM_SECMOP_IBC, 0, epochs);
    for (uint8_t i = 0; i < epochs; i++) {
        put_epoch(i, 0, NO_END, 1);
        put_scope(1, 0, 4, true, 0);
        put_identity((uint8_t)(i + 1));
    }
}

static void pair_key(uint64_t epoch, uint8_t octet, bool initiator)
{
    uint8_t key[PDM_NH_MAX];

    secret_of(octet, key);
    enrolment_pair_device_key(enrolment, 1, epoch, address(1), address(2), key, initiator);
}

/* Which keys there are, by their octets; older first. */
static uint32_t keys_there(void)
{
    uint32_t keys = 0;

    if (ask(1, 2, 0) != PDM_STATUS_OK)
        return 0;
    for (unsigned i = 0; i < gots; i++)
        keys = keys << 8 | got[i].shared[0];
    return keys;
}

Test(enrolment, ibc_keys_come_from_pairings)
{
    put_ibc(1);
    take();
    cr_assert_eq(ask(1, 2, 0), PDM_STATUS_LATER);
    cr_assert_eq(did.pairings, 1);
    cr_assert_eq(ask(3, 2, 0), PDM_STATUS_NOT_NAMED);
    pair_key(1, 0xee, true); /* no such negotiation */
    cr_assert_eq(keys_there(), 0);
    pair_key(0, 0xa1, true);
    cr_assert_eq(keys_there(), 0xa1);
    cr_assert(got[0].send_at <= now, "the initiator knows that the responder has it");
    uint32_t serial = got[0].serial;

    /* Pairings begun in the peer's name by whoever else do not cost the key that works. */
    pair_key(0, 0xa2, false);
    pair_key(0, 0xa3, false);
    cr_assert_eq(keys_there(), 0xa1a3);
    cr_assert_eq(got[0].serial, serial);
    cr_assert_eq(got[1].send_at, INT64_MAX);
    enrolment_peer_moved(enrolment, enrolment_pair(enrolment, 1), address(1), address(2),
                         got[1].serial);
    cr_assert_eq(keys_there(), 0xa1a3);
    cr_assert(got[1].send_at <= now);
    pair_key(0, 0xa4, false);
    cr_assert_eq(keys_there(), 0xa3a4, "the older goes");

    /* A negotiation later, each pair of addresses begins anew, and has the old ones meanwhile. */
    did.pairings = 0;
    put_ibc(2);
    take();
    cr_assert_eq(keys_there(), 0xa3a4);
    cr_assert(did.pairings > 0 && did.pairing_epoch == 1);
    pair_key(1, 0xb1, true);
    cr_assert_eq(keys_there(), 0xa3b1);
    did.pairings = 0;
    cr_assert_eq(keys_there(), 0xa3b1);
    cr_assert_eq(did.pairings, 0);
}

/* Whoever is on the way to a peer can begin pairings in its name, and goes away again. */
Test(enrolment, pairings_in_a_peers_name_cost_no_key_for_good)
{
    put_ibc(1);
    take();
    pair_key(0, 0xa1, false);
    did.pairings = 0;
    cr_assert_eq(keys_there(), 0xa1, "sent under as the only one, so nothing shows its use");
    cr_assert_eq(did.pairings, 0);
    pair_key(0, 0xa2, false);
    pair_key(0, 0xa3, false);
    cr_assert_eq(keys_there(), 0xa1a3);
    cr_assert_gt(did.pairings, 0, "which of them the peer has is found out by another");
    pair_key(0, 0xa4, true);
    did.pairings = 0;
    cr_assert_eq(keys_there(), 0xa1a4);
    cr_assert(got[1].send_at <= now);
    cr_assert_eq(did.pairings, 0);

    /* Of different negotiations both are to be expected. */
    put_ibc(2);
    take();
    pair_key(1, 0xb1, false);
    cr_assert_eq(keys_there(), 0xa4b1);
    did.pairings = 0;
    cr_assert_eq(keys_there(), 0xa4b1);
    cr_assert_eq(did.pairings, 0);
}

/* Renegotiation. */

static void put_two(uint64_t send_ms, uint64_t ends_ms)
{
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 2);
    put_epoch(0, 0, ends_ms, 1);
    put_scope(1, 0, 4, false, 1);
    put_grant(0, 0x11);
    put_epoch(1, send_ms, NO_END, 1);
    put_scope(1, 0, 4, false, 1);
    put_grant(0, 0x22);
}

Test(enrolment, two_negotiations_side_by_side)
{
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    const struct enrolled_pair *pair = enrolment_pair(enrolment, 1);
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    struct enrolled_secret before = got[0];

    put_two(60000, 120000);
    take();
    cr_assert_eq(did.changed, 2);
    cr_assert_eq(enrolment_pair(enrolment, 1), pair, "it stays where it is");
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert_eq(gots, 2);
    cr_assert(got[0].serial == before.serial && got[0].ledger == before.ledger);
    cr_assert(is_shared(&got[0], before.shared) && !is_shared(&got[1], before.shared));
    cr_assert(got[1].serial != got[0].serial && got[1].ledger != got[0].ledger);
    cr_assert_eq(got[1].send_at, now + 60 * SECOND);

    enrolment_peer_moved(enrolment, pair, address(1), address(9), got[1].serial);
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert(got[1].send_at <= now, "who sends under it is sent to under it");
    cr_assert_eq(ask(1, 8, 0), PDM_STATUS_OK);
    cr_assert_eq(got[1].send_at, now + 60 * SECOND, "others are not");

    enrolment_tick(enrolment, now + 59 * SECOND);
    cr_assert_eq(did.changed, 2);
    enrolment_tick(enrolment, now + 61 * SECOND);
    cr_assert_eq(did.changed, 3, "the time to send has come");
    enrolment_tick(enrolment, now + 119 * SECOND);
    cr_assert_eq(did.changed, 3);
    enrolment_tick(enrolment, now + 121 * SECOND);
    cr_assert_eq(did.changed, 4, "the older has ended");
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert_eq(gots, 1);
    uint32_t generation;
    cr_assert(!enrolment_generation(enrolment, before.ledger, &generation));
    cr_assert_null(ledger.secret[before.ledger].enrolment);
}

Test(enrolment, what_is_told_again_is_no_change)
{
    put_two(60000, 120000);
    take();
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    struct enrolled_secret before[2] = {got[0], got[1]};
    now += SECOND / 2;
    put_two(59800, 119800); /* it was on its way for a while */
    take();
    cr_assert_eq(did.changed, 1);
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    for (unsigned i = 0; i < 2; i++)
        cr_assert(got[i].serial == before[i].serial && got[i].ledger == before[i].ledger &&
                  got[i].send_at == before[i].send_at);
    put_two(0, 119800); /* by command, at once */
    take();
    cr_assert_eq(did.changed, 2);
    put_two(60000, 119800);
    take();
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert(got[1].send_at <= now, "and not back again");
    cr_assert_eq(did.gone, 0);
}

Test(enrolment, another_secret_is_another_serial)
{
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    uint32_t serial = got[0].serial;
    body[body_len() - PDM_NH_MAX] ^= 1; /* the server's group is another now */
    take();
    cr_assert_eq(did.changed, 2);
    cr_assert_eq(ask(1, 9, 0), PDM_STATUS_OK);
    cr_assert_neq(got[0].serial, serial);
}

Test(enrolment, refusal_and_absence)
{
    enum pdm_registration_status status;

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    begin_body(PDM_REGISTRATION_REFUSED, 0);
    cr_assert_null(take_secrets(&status));
    cr_assert_eq(status, PDM_REGISTRATION_REFUSED);
    cr_assert_not_null(enrolment_pair(enrolment, 1), "the caller drops");
    begin_body(PDM_REGISTRATION_OK, 0);
    take();
    cr_assert_null(enrolment_pair(enrolment, 1));
    cr_assert_eq(did.gone, 1);
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    enrolment_drop(enrolment);
    cr_assert_eq(enrolment_pairs(enrolment), 0);
    cr_assert_eq(did.gone, 2);
}

/* Generations. */

static uint32_t ledger_number(void)
{
    return enrolment_pair(enrolment, 1)->epoch[0].scope[0].ledger;
}

/* The generations that there are, until there are none: "0 1 2 ". */
static const char *all_generations(void)
{
    static char text[256];
    uint32_t generation;
    size_t used = 0;

    text[0] = '\0';
    while (enrolment_generation(enrolment, ledger_number(), &generation))
        used += (size_t)snprintf(text + used, sizeof text - used, "%" PRIu32 " ", generation);
    return text;
}

static void answer_block(enum pdm_registration_status status, uint32_t first, uint32_t count)
{
    uint8_t bytes[sizeof(struct pdm_block_response)];
    struct pdm_block_response p = {
        .status = (uint8_t)status, .pair = 1, .first = first, .count = count};

    memcpy(p.own, address(1), sizeof p.own);
    struct pdm_writer writer = pdm_writer(bytes, sizeof bytes);
    pdm_put_block_response(&writer, &p);
    struct pdm_reader r = pdm_reader(bytes, (size_t)(writer.at - bytes));
    cr_assert_null(enrolment_take_block(enrolment, &r, now));
}

Test(enrolment, generations_are_asked_for_ahead_of_need)
{
    uint32_t generation;

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 8);
    take();
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_eq(did.blocks, 0);
        cr_assert(enrolment_generation(enrolment, ledger_number(), &generation));
        cr_assert_eq(generation, i);
    }
    cr_assert_eq(did.blocks, 1, "a quarter is left");
    cr_assert(did.block.has_highest && did.block.highest == 5);
    answer_block(PDM_REGISTRATION_OK, 20, 2);
    cr_assert_str_eq(all_generations(), "6 7 20 21 ");
    cr_assert(!enrolment_generation(NULL, ledger_number(), &generation));
}

static const struct {
    uint32_t first[3], count[3]; /* what is given, one after the other */
    unsigned taken;              /* generations between the first and the second */
    const char *rest;
    bool told;
} blocks[] = {
    {{0, 0, 0}, {4, 4, 4}, 0, "0 1 2 3 ", false},           /* told again */
    {{0, 4, 8}, {4, 4, 2}, 1, "1 2 3 4 5 6 7 8 9 ", false}, /* follows */
    {{0, 9, 12}, {2, 1, 1}, 1, "1 9 ", false},              /* what has no room is never used */
    {{0, 3, 0}, {4, 4, 0}, 0, "0 1 2 3 ", true},            /* overlaps */
    {{8, 0, 0}, {2, 4, 0}, 1, "9 ", true},                  /* is below */
    {{0, 0, 0}, {4, 3, 0}, 4, "", true},                    /* was used */
    {{UINT32_MAX, 0, 0}, {1, 1, 0}, 1, "", true},
    {{0, 0, 0}, {0, 0, 0}, 0, "", false},
};

Test(enrolment, blocks_lie_above_all_that_was_used)
{
    uint32_t generation;

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        (void)remove("generations");
        cr_assert(highwater_read(&highwater));
        for (unsigned j = 0; j < 3; j++) {
            put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, blocks[i].first[j],
                       blocks[i].count[j]);
            take();
            for (unsigned k = 0; j == 0 && k < blocks[i].taken; k++)
                cr_assert(enrolment_generation(enrolment, ledger_number(), &generation));
        }
        cr_expect_str_eq(all_generations(), blocks[i].rest, "%zu: %s", i, all_generations());
        cr_expect_eq(strstr(keys_said(), "are not above those used before") != NULL, blocks[i].told,
                     "%zu", i);
        enrolment_drop(enrolment);
    }
}

/* A restarted agent tells what it has used, and refuses what is not above. */
Test(enrolment, restart)
{
    uint32_t generation;
    size_t len;

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 3, 4);
    take();
    for (int i = 0; i < 3; i++)
        cr_assert(enrolment_generation(enrolment, ledger_number(), &generation));
    enrolment_free(enrolment);
    highwater_free(&highwater);
    cr_assert(highwater_init(&highwater, "."));
    begin_enrolment();

    uint8_t *request = enrolment_ask(enrolment, &len);
    struct pdm_reader r = pdm_reader(request, len);
    struct pdm_secret_request head;
    struct pdm_secret_known known;
    pdm_get_secret_request(&r, &head);
    pdm_get_secret_known(&r, &known);
    cr_assert(head.known == 1 && head.lists == 0 && pdm_message_done(&r));
    cr_assert_eq(known.highest, 5);
    cr_assert(memcmp(known.address, address(1), PDM_ADDR_LEN) == 0 && known.tag[0] == 1);
    free(request);

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 3, 4);
    take();
    take();
    cr_assert(!enrolment_generation(enrolment, ledger_number(), &generation));
    const char *said = keys_said();
    const char *told = strstr(said, "the primary gives 2001::1 generations 3 to 6");
    cr_assert_not_null(told, "%s", said);
    cr_assert_null(strstr(told + 1, "the primary gives"), "once");
    answer_block(PDM_REGISTRATION_OK, 6, 1);
    cr_assert_str_eq(all_generations(), "6 ");
}

Test(enrolment, what_cannot_be_noted_is_not_taken)
{
    uint32_t generation;

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    keys_write("generations", "nonsense\n", 0600);
    cr_assert(!enrolment_generation(enrolment, ledger_number(), &generation));
    cr_assert(strstr(keys_said(), "is damaged") != NULL);
    (void)remove("generations");
    cr_assert_str_eq(all_generations(), "0 1 2 3 ");
}

/* Lists. */

struct change {
    uint8_t add, len, last;
};

static const char *take_list(uint64_t from, uint64_t to, uint8_t more, const struct change *change,
                             uint32_t changes, struct pdm_list_response *response)
{
    struct pdm_list_request head = {
        .pair = 1, .from = from, .to = to, .more = more, .changes = changes};

    w = pdm_writer(body, sizeof body);
    pdm_put_list_request(&w, &head);
    for (uint32_t i = 0; i < changes; i++) {
        struct pdm_list_change c = {.add = change[i].add, .len = change[i].len, .group = 5};

        memcpy(c.addr, address(change[i].last), sizeof c.addr);
        pdm_put_list_change(&w, &c);
    }
    struct pdm_reader r = pdm_reader(body, body_len());
    return enrolment_take_list(enrolment, &r, response);
}

static const struct change three[] = {{1, 128, 1}, {1, 128, 2}, {0, 128, 3}};

/* "status version cleared added removed" after each. */
static const struct {
    uint64_t from, to;
    uint8_t more;
    uint32_t changes;
    const char *then;
} lists[] = {
    {3, 4, 0, 1, "4 0 0 0 0"},  /* of what we have not: the whole list */
    {0, 7, 1, 2, "0 0 1 2 0"},  /* the first part of one */
    {3, 4, 0, 1, "4 0 1 2 0"},  /* no change can be built on that */
    {0, 7, 0, 1, "0 7 1 3 0"},  /* the last */
    {7, 9, 0, 3, "0 9 1 5 1"},  /* a change */
    {7, 9, 0, 3, "4 9 1 5 1"},  /* not twice */
    {9, 12, 1, 1, "0 0 1 6 1"}, /* a change in parts */
    {9, 12, 0, 1, "0 12 1 7 1"}, {0, 3, 0, 0, "0 3 2 7 1"}, /* an empty one, of an older store */
};

Test(enrolment, lists)
{
    struct pdm_list_response response;
    char then[64];

    cr_assert_null(take_list(0, 7, 0, three, 1, &response));
    cr_assert_eq(response.status, PDM_REGISTRATION_REFUSED, "of no pair of ours");
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        cr_assert_null(take_list(lists[i].from, lists[i].to, lists[i].more, three, lists[i].changes,
                                 &response));
        snprintf(then, sizeof then, "%u %" PRIu64 " %u %u %u", response.status, response.version,
                 did.cleared, did.added, did.removed);
        cr_expect_str_eq(then, lists[i].then, "%zu: %s", i, then);
        cr_assert_eq(response.pair, 1);
    }
    cr_assert_eq(did.group, 5);

    /* It outlives a SECRET, and is told of. */
    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    size_t len;
    uint8_t *request = enrolment_ask(enrolment, &len);
    struct pdm_reader r = pdm_reader(request, len);
    struct pdm_secret_request head;
    struct pdm_secret_list list;
    pdm_get_secret_request(&r, &head);
    pdm_get_secret_list(&r, &list);
    cr_assert(head.known == 0 && head.lists == 1 && pdm_message_done(&r));
    cr_assert(list.pair == 1 && list.version == 3);
    free(request);
}

Test(enrolment, malformed_lists)
{
    static const struct change bad[] = {{2, 128, 1}, {1, 129, 1}, {1, 127, 1}, {0, 128, 1}};
    struct pdm_list_response response;

    put_simple(PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 4);
    take();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_str_eq(take_list(0, 1, 0, &bad[i], 1, &response), "a list's entry that is none");
    cr_expect_not_null(take_list(5, 5, 0, three, 1, &response));
    cr_expect_not_null(take_list(0, 5, 2, three, 1, &response));
    for (size_t len = 0; len < body_len(); len++) {
        struct pdm_reader r = pdm_reader(body, len);

        cr_expect_not_null(enrolment_take_list(enrolment, &r, &response), "%zu octets", len);
    }
    cr_assert_eq(did.cleared + did.added + did.removed, 0);
}

/* Malformed messages. */

Test(enrolment, every_truncation_is_refused_and_changes_nothing)
{
    enum pdm_registration_status status;

    for (int ibc = 0; ibc < 2; ibc++) {
        if (ibc)
            put_ibc(2);
        else
            put_two(0, NO_END);
        size_t whole = body_len();
        for (size_t len = 0; len < whole; len++) {
            struct pdm_reader r = pdm_reader(body, len);

            cr_assert_str_eq(enrolment_take_secrets(enrolment, &r, now, &status), "too short");
        }
        struct pdm_reader r = pdm_reader(body, whole + 1);
        cr_assert_str_eq(enrolment_take_secrets(enrolment, &r, now, &status), "too long");
    }
    cr_assert(enrolment_pairs(enrolment) == 0 && did.changed == 0);
}

/* What was put last are P_pub and S_id. */
Test(enrolment, points_that_cannot_be_computed_with_are_refused_and_change_nothing)
{
    static const size_t back[] = {1, PDM_IBC_POINT_LEN + 1};
    enum pdm_registration_status status;

    put_ibc(1);
    take();
    const unsigned changed = did.changed;
    for (size_t i = 0; i < sizeof back / sizeof back[0]; i++) {
        put_ibc(2);
        body[body_len() - back[i]] ^= 1;
        const char *wrong = take_secrets(&status);
        cr_assert_str_eq(wrong, "an identity's key that is no point to compute with");
        cr_assert_eq(enrolment_pair(enrolment, 1)->epochs, 1);
        cr_assert_eq(did.changed, changed);
    }
    /* Nor in place of one that is held. */
    put_ibc(1);
    body[body_len() - 1] ^= 1;
    cr_assert_not_null(take_secrets(&status));
    put_ibc(2);
    take();
    cr_assert_eq(enrolment_pair(enrolment, 1)->epochs, 2);
}

#define AT_PAIR 3
#define AT_SIDE (AT_PAIR + 4 + PDM_NAME_MAX)
#define AT_EPOCH (AT_SIDE + 4 + 8 + 1)
#define AT_SCOPE (AT_EPOCH + 8 + PDM_TAG_ID_LEN + 6 + 16 + 1)
#define AT_GRANT (AT_SCOPE + PDM_ADDR_LEN + 8 + 1 + 2)

static const struct {
    size_t at;
    uint8_t octet;
    const char *wrong;
} mutations[] = {
    {0, PDM_REGISTRATION_REFUSED, "pairs with a refusal"},
    {1, 0xff, "too many pairs"},
    {AT_PAIR + 3, 0, "a value that is not known"},
    {AT_PAIR + 4, 0, "a name that is none"},
    {AT_PAIR + 5, '\n', "a name that is none"},
    {AT_PAIR + 5, 0xc3, "a name that is none"},
    {AT_SIDE, 2, "a value that is not known"},
    {AT_SIDE + 1, 4, "a value that is not known"},
    {AT_SIDE + 1, PDM_SECMOP_NONE, "too many negotiations"},
    {AT_SIDE + 1, PDM_SECMOP_IBC, "an identity that does not go with the mode"},
    {AT_SIDE + 2, 2, "a value that is not known"},
    {AT_SIDE + 3, 3, "a value that is not known"},
    {AT_EPOCH - 1, 3, "too many negotiations"},
    {AT_EPOCH + 7, 1, "negotiations out of order"},
    {AT_EPOCH + 8 + PDM_TAG_ID_LEN + 3, 9, "a suite that is not known"},
    {AT_EPOCH + 8 + PDM_TAG_ID_LEN + 5, 9, "a suite that is not known"},
    {AT_SCOPE, 0xff, "an address that takes no part"},
    {AT_SCOPE + PDM_ADDR_LEN + 8, 2, "too short"},
    {AT_GRANT + 2 + PDM_NH_MAX - 1, 1, "a secret of another length than its suite's"},
};

Test(enrolment, what_does_not_fit_is_refused_and_changes_nothing)
{
    enum pdm_registration_status status;

    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++) {
        put_two(0, NO_END);
        body[mutations[i].at] = mutations[i].octet;
        const char *wrong = take_secrets(&status);
        cr_expect_str_eq(wrong != NULL ? wrong : "nothing", mutations[i].wrong, "%zu: %s", i,
                         wrong != NULL ? wrong : "nothing");
    }
    cr_assert(enrolment_pairs(enrolment) == 0 && did.changed == 0);

    put_two(0, NO_END);
    memset(body + AT_GRANT + 2, 0, PDM_NH_MAX);
    cr_expect_str_eq(take_secrets(&status), "a secret of another length than its suite's");
    put_two(0, NO_END);
    memset(body + AT_SCOPE + PDM_ADDR_LEN, 0xff, 8);
    cr_expect_str_eq(take_secrets(&status), "generations beyond the last");
    begin_body(PDM_REGISTRATION_OK, 2);
    for (int i = 0; i < 2; i++)
        put_pair(1, 0, PDM_SECMOP_NONE, 0, 0);
    cr_expect_str_eq(take_secrets(&status), "a pair twice");
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_SERVER, PDM_SECMOP_TRUSTED_SERVERS, 0, 1);
    put_epoch(0, 0, NO_END, 2);
    for (int i = 0; i < 2; i++)
        put_scope(1, 0, 0, false, 0);
    cr_expect_str_eq(take_secrets(&status), "an address twice");
    begin_body(PDM_REGISTRATION_OK, 1);
    put_pair(1, PDM_SIDE_CLIENT, PDM_SECMOP_TRUSTED_SERVERS, 0, 1);
    put_epoch(0, 0, NO_END, 1);
    put_scope(1, 0, 0, false, 2);
    put_grant(4, 1);
    put_grant(4, 2);
    cr_expect_str_eq(take_secrets(&status), "two secrets for one group");
}

Test(enrolment, times)
{
    cr_assert_eq(enrolled_time(5, 2), 5 + 2 * PDM_NSEC_PER_MSEC);
    cr_assert_eq(enrolled_time(now, UINT64_MAX - 1), INT64_MAX);
    cr_assert_eq(enrolled_time(now, INT64_MAX / 1000), INT64_MAX);
    cr_assert_eq(enrolled_time(0, INT64_MAX / PDM_NSEC_PER_MSEC),
                 INT64_MAX / PDM_NSEC_PER_MSEC * PDM_NSEC_PER_MSEC);
}
