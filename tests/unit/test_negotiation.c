/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Negotiations of both sides, message by message: both come to the same secret whatever they have
 * in common, and to none if anything of what was said is changed, left out or said twice.
 */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/kem.h"
#include "keyagent/primary/negotiation.h"

enum { NOW = 1000, LIST = 3 };

static struct primary_peer peer_with(uint16_t kem, uint16_t kdf, uint16_t aead)
{
    return (struct primary_peer){.name = "other",
                                 .secmop = PDM_SECMOP_ASYMMETRIC_POLL,
                                 .poller = PDM_SIDE_SERVER,
                                 .unprotected = PDM_UNPROTECTED_PLAIN,
                                 .lifetime_s = 3600,
                                 .grace_s = 60,
                                 .kem = {kem},
                                 .kdf = {kdf},
                                 .aead = {aead},
                                 .kems = 1,
                                 .kdfs = 1,
                                 .aeads = 1};
}

/* One that has them all, in its own order. */
static struct primary_peer peer_with_all(bool p256_first)
{
    struct primary_peer peer = peer_with(PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305);

    peer.kem[p256_first] = PDM_KEM_X25519;
    peer.kem[!p256_first] = PDM_KEM_P256;
    peer.kdf[p256_first] = PDM_KDF_SHA256;
    peer.kdf[!p256_first] = PDM_KDF_SHA512;
    peer.kems = peer.kdfs = 2;
    return peer;
}

static struct list list_of(uint8_t org)
{
    struct list_change change[LIST];
    struct list l = {.version = org};

    for (uint8_t i = 0; i < LIST; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 0x01, 0x0d, 0xb8, [5] = org, [15] = i};

        change[i] = (struct list_change){.entry.prefix = pdm_prefix_of(addr, 128), .add = true};
    }
    cr_assert(list_apply(&l, change, LIST));
    return l;
}

struct sides {
    struct primary_peer client_peer, server_peer;
    struct list clients, servers;
    struct negotiation *client, *server;
    struct parcel *said[4]; /* SETUP request and response, KEM request and response */
};

/* What TestSuite's fixtures would do: every test has its own two sides. */
static struct sides begin(void)
{
    struct sides s = {.client_peer = peer_with_all(false), .server_peer = peer_with_all(true)};

    cr_assert_geq(sodium_init(), 0);
    s.clients = list_of(0xb);
    s.servers = list_of(0xa);
    return s;
}

static void start(struct sides *s)
{
    s->client = negotiation_new(&s->client_peer);
    s->server = negotiation_new(&s->server_peer);
    cr_assert(s->client != NULL && s->server != NULL);
}

static void finish(struct sides *s)
{
    negotiation_free(s->client);
    negotiation_free(s->server);
    for (size_t i = 0; i < 4; i++)
        parcel_drop(s->said[i]);
    list_free(&s->clients);
    list_free(&s->servers);
}

static struct pdm_reader body_of(const struct parcel *parcel)
{
    return pdm_reader(parcel->bytes + PDM_REGISTRATION_HEADER,
                      parcel->len - PDM_REGISTRATION_HEADER);
}

static bool take_offer(struct sides *s, const struct parcel *said)
{
    struct pdm_reader body = body_of(said);
    uint64_t epoch, version;
    uint32_t entries;

    bool taken = negotiation_take_offer(s->server, &body, &epoch, &entries, &version);
    cr_assert(!taken || epoch <= INT64_MAX);
    return taken;
}

static bool take_answer(struct sides *s, const struct parcel *said)
{
    struct pdm_reader body = body_of(said);
    uint64_t version;
    uint32_t entries;

    return negotiation_take_answer(s->client, &body, &entries, &version);
}

static bool take_confirmation(struct sides *s, const struct parcel *said)
{
    struct pdm_reader body = body_of(said);

    return negotiation_take_confirmation(s->client, &body);
}

static struct parcel *take_encapsulation(struct sides *s, const struct parcel *said)
{
    struct pdm_reader body = body_of(said);

    return negotiation_take_encapsulation(s->server, &body);
}

/* What arrives instead of SAID, which its sender remembers as it was. */
static void tamper(struct parcel **said, void (*change)(struct parcel *said))
{
    struct pdm_registration_header header;

    cr_assert(pdm_registration_header_get((*said)->bytes, &header));
    const struct pdm_reader body = body_of(*said);
    struct parcel *copy = parcel_of(header.command, header.direction, body.at, body.left);
    cr_assert_not_null(copy);
    parcel_drop(*said);
    *said = copy;
    change(copy);
}

static void nothing(struct parcel *said)
{
    (void)said;
}

/* How far it gets, of four, if CHANGE is done to the message with number WHICH. */
static int run(struct sides *s, int which, void (*change)(struct parcel *said))
{
    start(s);
    s->said[0] = negotiation_offer(s->client, 5, &s->clients);
    cr_assert_not_null(s->said[0]);
    if (which == 0)
        tamper(&s->said[0], change);
    if (!take_offer(s, s->said[0]) || !negotiation_has_suite(s->server))
        return 0;
    s->said[1] = negotiation_answer(s->server, 7, &s->servers);
    cr_assert_not_null(s->said[1]);
    if (which == 1)
        tamper(&s->said[1], change);
    if (!take_answer(s, s->said[1]))
        return 1;
    s->said[2] = negotiation_encapsulate(s->client);
    if (s->said[2] == NULL)
        return 1;
    if (which == 2)
        tamper(&s->said[2], change);
    s->said[3] = take_encapsulation(s, s->said[2]);
    if (s->said[3] == NULL)
        return 2;
    if (which == 3)
        tamper(&s->said[3], change);
    return take_confirmation(s, s->said[3]) ? 4 : 3;
}

static void agree(const struct sides *s, struct store_secret *secret)
{
    struct store_secret other;

    cr_assert(negotiation_secret(s->client, NOW, secret));
    cr_assert(negotiation_secret(s->server, NOW, &other));
    cr_assert_eq(memcmp(secret->pms, other.pms, sizeof other.pms), 0);
    cr_assert_eq(memcmp(secret->tag, other.tag, sizeof other.tag), 0);
    cr_assert_eq(memcmp(&secret->suite, &other.suite, sizeof other.suite), 0);
    cr_assert_eq(other.epoch, secret->epoch);
    cr_assert_eq(secret->epoch, 7);
    cr_assert_eq(secret->state, STORE_SECRET_PENDING);
    cr_assert_eq(secret->secmop, PDM_SECMOP_ASYMMETRIC_POLL);
    cr_assert_eq(secret->poller, PDM_SIDE_SERVER);
    cr_assert_eq(secret->unprotected, PDM_UNPROTECTED_PLAIN);
    cr_assert_eq(secret->made_at, NOW);
    cr_assert_eq(secret->ends_at, NOW + 3600 + 60);
    cr_assert_eq(sodium_is_zero(secret->pms, pdm_suite_nh(&secret->suite)), 0);
}

static const struct {
    uint16_t kem;
    uint16_t kdf;
    uint16_t aead;
} suites[] = {
    {PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305},
    {PDM_KEM_X25519, PDM_KDF_SHA512, PDM_AEAD_CHACHA20POLY1305},
    {PDM_KEM_P256, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305},
    {PDM_KEM_P256, PDM_KDF_SHA512, PDM_AEAD_CHACHA20POLY1305},
};

Test(negotiation, both_sides_agree_by_every_suite)
{
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        struct sides s = begin();
        struct store_secret secret;

        s.server_peer = peer_with(suites[i].kem, suites[i].kdf, suites[i].aead);
        cr_assert_eq(run(&s, -1, nothing), 4);
        agree(&s, &secret);
        cr_assert_eq(secret.suite.kem, suites[i].kem);
        cr_assert_eq(secret.suite.kdf, suites[i].kdf);
        cr_assert_eq(secret.suite.aead, suites[i].aead);
        finish(&s);
    }
}

Test(negotiation, the_server_prefers)
{
    struct sides s = begin();
    struct store_secret secret;

    cr_assert_eq(run(&s, -1, nothing), 4);
    agree(&s, &secret);
    cr_assert_eq(secret.suite.kem, PDM_KEM_P256);
    cr_assert_eq(secret.suite.kdf, PDM_KDF_SHA512);
    finish(&s);
}

Test(negotiation, no_two_are_the_same)
{
    struct store_secret secret[2];

    for (size_t i = 0; i < 2; i++) {
        struct sides s = begin();

        cr_assert_eq(run(&s, -1, nothing), 4);
        agree(&s, &secret[i]);
        finish(&s);
    }
    cr_assert_neq(memcmp(secret[0].pms, secret[1].pms, sizeof secret[0].pms), 0);
    cr_assert_neq(memcmp(secret[0].tag, secret[1].tag, sizeof secret[0].tag), 0);
}

Test(negotiation, none_in_common_is_none)
{
    struct sides s = begin();

    s.server_peer = peer_with(PDM_KEM_X25519, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305);
    s.client_peer = peer_with(PDM_KEM_P256, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305);
    cr_assert_eq(run(&s, -1, nothing), 0);
    cr_assert_null(negotiation_answer(s.server, 7, &s.servers));
    s.said[1] = negotiation_refusal(PDM_COMMAND_SETUP, PDM_REGISTRATION_NO_SUITE);
    cr_assert_not(take_answer(&s, s.said[1]));
    cr_assert_not_null(strstr(negotiation_why(s.client), "suite"));
    finish(&s);
}

/* Every octet of every message, all bits of it, is one that matters: whatever is changed, nobody
 * comes to a secret that the other has not, and the client to none. */
static size_t place;
static uint8_t bits;

static void flip(struct parcel *said)
{
    said->bytes[PDM_REGISTRATION_HEADER + place] ^= bits;
}

Test(negotiation, nothing_can_be_changed, .timeout = 120)
{
    for (int which = 0; which < 4; which++) {
        struct sides sample = begin();
        cr_assert_eq(run(&sample, -1, nothing), 4);
        size_t len = sample.said[which]->len - PDM_REGISTRATION_HEADER;
        /* The octets behind a shorter HMAC say nothing. */
        if (which == 3)
            len = 2 + PDM_NH_MAX;
        finish(&sample);
        for (place = 0; place < len; place++) {
            struct sides s = begin();
            struct store_secret secret;

            bits = (uint8_t)(1 + randombytes_uniform(UINT8_MAX));
            cr_assert_lt(run(&s, which, flip), 4, "message %d, octet %zu", which, place);
            cr_assert_not(negotiation_secret(s.client, NOW, &secret));
            finish(&s);
        }
    }
}

static void cut(struct parcel *said)
{
    said->len = PDM_REGISTRATION_HEADER + place;
}

Test(negotiation, nothing_can_be_left_out, .timeout = 120)
{
    for (int which = 0; which < 4; which++) {
        struct sides sample = begin();
        cr_assert_eq(run(&sample, -1, nothing), 4);
        const size_t len = sample.said[which]->len - PDM_REGISTRATION_HEADER;
        finish(&sample);
        for (place = 0; place < len; place++) {
            struct sides s = begin();

            cr_assert_lt(run(&s, which, cut), 4, "message %d, %zu octets", which, place);
            finish(&s);
        }
    }
}

Test(negotiation, an_encapsulation_counts_once)
{
    struct sides s = begin();

    cr_assert_eq(run(&s, -1, nothing), 4);
    cr_assert_null(take_encapsulation(&s, s.said[2]));
    cr_assert_not(take_confirmation(&s, s.said[3]));
    cr_assert_not(take_answer(&s, s.said[1]));
    cr_assert_not(take_offer(&s, s.said[0]));
    finish(&s);
}

Test(negotiation, a_recorded_encapsulation_is_worth_nothing)
{
    struct sides old = begin(), s = begin();

    cr_assert_eq(run(&old, -1, nothing), 4);
    start(&s);
    cr_assert_null(take_encapsulation(&s, old.said[2])); /* before any SETUP */
    cr_assert(take_offer(&s, old.said[0]));
    s.said[1] = negotiation_answer(s.server, 8, &s.servers);
    /* The server has another key now: what comes of it is not what the client had. */
    s.said[3] = take_encapsulation(&s, old.said[2]);
    cr_assert(s.said[3] == NULL ||
              memcmp(s.said[3]->bytes, old.said[3]->bytes, old.said[3]->len) != 0);
    finish(&s);
    finish(&old);
}

/* What a client does not put up with. */
static void other_mode(struct primary_peer *peer)
{
    peer->has_secmop = true;
    peer->secmop = PDM_SECMOP_IBC;
}

static void same_mode(struct primary_peer *peer)
{
    peer->has_secmop = true;
    peer->secmop = PDM_SECMOP_ASYMMETRIC_POLL;
}

Test(negotiation, a_client_may_require_a_mode)
{
    struct sides s = begin(), t = begin();

    other_mode(&s.client_peer);
    cr_assert_eq(run(&s, -1, nothing), 1);
    cr_assert_not_null(strstr(negotiation_why(s.client), "mode"));
    finish(&s);
    same_mode(&t.client_peer);
    cr_assert_eq(run(&t, -1, nothing), 4);
    finish(&t);
}

Test(negotiation, a_number_that_was_before_is_refused)
{
    struct sides s = begin();

    start(&s);
    s.said[0] = negotiation_offer(s.client, 5, &s.clients);
    cr_assert(take_offer(&s, s.said[0]));
    s.said[1] = negotiation_answer(s.server, 4, &s.servers);
    cr_assert_not(take_answer(&s, s.said[1]));
    finish(&s);
}
