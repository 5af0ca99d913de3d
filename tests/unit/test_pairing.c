/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairings between hosts on a network of the test's own: they agree on keys, whatever is lost,
 * changed, repeated or crosses; strangers get no answer; and a flood of requests does not keep
 * others from theirs.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "core/modes.h"
#include "keyagent/pairing/callers.h"
#include "keyagent/pairing/cookies.h"
#include "tests/unit/keys_on_disk.h"
#include "tests/unit/pairing_hosts.h"

#define SECOND PDM_NSEC_PER_SEC
#define NH 64

static struct enrolled_secret key_a[PDM_PEER_SECRETS], key_b[PDM_PEER_SECRETS];
static struct host *const a = &host[0], *const b = &host[1], *const c = &host[2];

static void begin(void)
{
    keys_begin();
    hosts_begin(".");
}

static void end(void)
{
    hosts_end();
    keys_end();
}

TestSuite(pairing, .init = begin, .fini = end);

/* What went over the network, and what is to become of it. */
static struct mail seen[PDM_PAIRING_TYPES]; /* the latest of each type */
static unsigned count[PDM_PAIRING_TYPES];
static enum pdm_pairing_type lost; /* are lost */
static unsigned lose;              /* so many of them */

static bool watch(struct mail *m)
{
    uint8_t type = m->bytes[1];

    seen[type] = *m;
    count[type]++;
    if (type != lost || lose == 0)
        return true;
    lose--;
    return false;
}

static const struct pairing_counters *counters(const struct host *h)
{
    return handshakes_counters(h->handshakes);
}

static void keys_agree(const struct host *x, const struct host *y, unsigned keys)
{
    cr_assert_eq(hosts_keys(x, y, key_a), keys);
    cr_assert_eq(hosts_keys(y, x, key_b), keys);
    for (unsigned i = 0; i < keys; i++)
        cr_assert_arr_eq(key_a[i].shared, key_b[i].shared, NH);
}

Test(pairing, agrees_on_a_key)
{
    hosts_carry = watch;
    cr_assert_eq(hosts_keys(a, b, key_a), 0);
    hosts_wait(SECOND);
    keys_agree(a, b, 1);
    cr_assert(key_a[0].send_at <= hosts_now, "the initiator sends at once");
    cr_assert(key_b[0].send_at <= hosts_now, "and the responder when that has shown the key");
    for (unsigned i = PDM_PAIRING_HELLO; i < PDM_PAIRING_TYPES; i++)
        cr_assert_eq(count[i], 1, "%u of type %u", count[i], i);
    cr_assert(seen[PDM_PAIRING_HELLO].len >= seen[PDM_PAIRING_COOKIE].len, "nothing to reflect");
    cr_assert_eq(a->computed, 2);
    cr_assert_eq(b->computed, 1);
    cr_assert_eq(counters(a)->finished, 1);
    cr_assert_eq(counters(b)->answered, 1);
    hosts_wait(20 * SECOND);
    cr_assert_not(handshakes_busy(a->handshakes));
    cr_assert_not(handshakes_busy(b->handshakes));
    keys_agree(a, c, 0);
}

Test(pairing, of_a_later_negotiation)
{
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    hosts_enrol(a, 2);
    hosts_enrol(b, 2);
    hosts_keys(a, b, key_a);
    hosts_wait(2 * SECOND);
    keys_agree(a, b, 2);
    cr_assert_neq(memcmp(key_a[0].shared, key_a[1].shared, NH), 0);
}

Test(pairing, survives_losses)
{
    for (unsigned i = PDM_PAIRING_HELLO; i < PDM_PAIRING_DONE; i++) {
        hosts_carry = watch;
        lost = (enum pdm_pairing_type)i;
        lose = 4;
        hosts_keys(a, b, key_a);
        hosts_wait(8 * SECOND);
        cr_assert_eq(lose, 0);
        keys_agree(a, b, 1);
        cr_assert_eq(counters(b)->answered, 1, "the same INIT again is not computed for again");
        hosts_end();
        hosts_begin(".");
    }
}

/* It is not said twice: an option under the key shows the same. */
Test(pairing, the_responder_waits_for_a_sign)
{
    hosts_carry = watch;
    lost = PDM_PAIRING_DONE;
    lose = 1;
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    keys_agree(a, b, 1);
    cr_assert_eq(key_b[0].send_at, INT64_MAX);
    struct mail m = seen[PDM_PAIRING_DONE];
    for (size_t i = PDM_PAIRING_HEADER + PDM_PAIRING_ID_LEN; i < m.len; i++) {
        m.bytes[i] ^= 0x10;
        handshakes_receive(b->handshakes, &m.ends, m.bytes, m.len, hosts_now);
        m.bytes[i] ^= 0x10;
    }
    keys_agree(a, b, 1);
    cr_assert_eq(key_b[0].send_at, INT64_MAX, "none of those is the proof");
    handshakes_receive(b->handshakes, &m.ends, m.bytes, m.len, hosts_now);
    keys_agree(a, b, 1);
    cr_assert(key_b[0].send_at <= hosts_now);
}

/* A host that has been restarted has none of the keys of before, and its peer goes on with it. */
Test(pairing, a_restarted_host_is_followed_at_once)
{
    hosts_carry = watch;
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    for (unsigned i = 0; i < 3; i++) {
        hosts_stop(a);
        hosts_start(a);
        cr_assert_eq(hosts_keys(a, b, key_a), 0);
        hosts_wait(2 * SECOND);
        cr_assert_eq(hosts_keys(a, b, key_a), 1);
        cr_assert_eq(hosts_keys(b, a, key_b), 2);
        cr_assert_arr_eq(key_b[1].shared, key_a[0].shared, NH);
        cr_assert(key_b[1].send_at <= hosts_now);
    }
    cr_assert_eq(counters(b)->begun, 0, "it need not find out by a pairing of its own");
}

Test(pairing, pauses_without_an_answer)
{
    /* Until then, this many HELLOs: five each time, after 30 s, 60 s, ... of pause. */
    static const struct {
        unsigned hellos;
        int64_t until_s;
    } expected[] = {{5, 37}, {10, 104}, {15, 231}, {20, 478}, {25, 960}, {30, 1560}, {35, 2170}};
    int64_t began = hosts_now;

    hosts_carry = watch;
    lost = PDM_PAIRING_HELLO;
    lose = UINT_MAX;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        while (hosts_now < began + expected[i].until_s * SECOND) {
            cr_assert_eq(hosts_keys(a, b, key_a), 0);
            hosts_wait(SECOND / 4);
        }
        cr_assert_eq(count[PDM_PAIRING_HELLO], expected[i].hellos, "%u after %" PRId64 " s",
                     count[PDM_PAIRING_HELLO], expected[i].until_s);
    }
    cr_assert_eq(a->computed, 0, "nothing is computed for who does not answer");
    cr_assert_not_null(strstr(keys_said(), "no answer"));
}

Test(pairing, crossing_the_lower_address_wins)
{
    hosts_carry = watch;
    hosts_keys(b, a, key_b);
    hosts_keys(a, b, key_a);
    hosts_deliver();
    hosts_compute(a);
    hosts_compute(b);
    cr_assert_eq(count[PDM_PAIRING_INIT], 2, "both are on their way before either arrives");
    hosts_wait(2 * SECOND);
    keys_agree(a, b, 1);
    cr_assert_eq(counters(a)->finished, 1);
    cr_assert_eq(counters(a)->answered, 0);
    cr_assert_eq(counters(b)->finished, 0);
    cr_assert_eq(counters(b)->answered, 1);
    cr_assert_eq(count[PDM_PAIRING_RESP], 1);
    cr_assert(key_a[0].send_at <= hosts_now);
}

/* It arrives before there is one of ours: there will be none. */
Test(pairing, crossing_whoever_comes_first)
{
    hosts_carry = watch;
    hosts_keys(b, a, key_b);
    hosts_deliver();
    hosts_compute(b);
    hosts_keys(a, b, key_a);
    hosts_wait(2 * SECOND);
    keys_agree(a, b, 1);
    cr_assert_eq(counters(a)->begun, 0);
    cr_assert_eq(counters(a)->answered, 1);
    cr_assert_eq(counters(b)->finished, 1);
}

Test(pairing, repeats_its_answer_for_a_while)
{
    struct mail answer, again;

    hosts_carry = watch;
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    again = seen[PDM_PAIRING_INIT];
    answer = seen[PDM_PAIRING_RESP];
    for (unsigned i = 0; i < 3; i++) {
        handshakes_receive(b->handshakes, &again.ends, again.bytes, again.len, hosts_now);
        hosts_wait(SECOND);
        cr_assert_eq(count[PDM_PAIRING_RESP], 2 + i);
        cr_assert_arr_eq(seen[PDM_PAIRING_RESP].bytes, answer.bytes, answer.len);
    }
    cr_assert_eq(b->computed, 1);
    /* After that it is one more pairing, which makes another key; the one in use stays. */
    hosts_wait(PAIRING_ANSWER_NS);
    handshakes_receive(b->handshakes, &again.ends, again.bytes, again.len, hosts_now);
    hosts_wait(SECOND);
    cr_assert_eq(b->computed, 2);
    cr_assert_eq(hosts_keys(b, a, key_b), 2);
    cr_assert_neq(memcmp(key_b[0].shared, key_b[1].shared, NH), 0);
    cr_assert_eq(hosts_keys(a, b, key_a), 1);
    cr_assert_arr_eq(key_a[0].shared, key_b[0].shared, NH);
    hosts_wait(2 * PAIRING_COOKIE_NS);
    cr_assert_eq(counters(b)->begun, 0);
    /* And after its cookie's time nothing. */
    unsigned resps = count[PDM_PAIRING_RESP], computed = b->computed;
    handshakes_receive(b->handshakes, &again.ends, again.bytes, again.len, hosts_now);
    hosts_wait(SECOND);
    cr_assert_eq(count[PDM_PAIRING_RESP], resps);
    cr_assert_eq(b->computed, computed);
}

Test(pairing, replayed_to_a_restarted_host)
{
    hosts_carry = watch;
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    const struct mail again = seen[PDM_PAIRING_INIT];
    keys_agree(a, b, 1);
    hosts_stop(b);
    hosts_start(b);
    b->computed = 0;
    handshakes_receive(b->handshakes, &again.ends, again.bytes, again.len, hosts_now);
    hosts_wait(SECOND);
    cr_assert_eq(b->computed, 0, "its cookie is of another run");
    cr_assert_eq(count[PDM_PAIRING_RESP], 1);
    /* b asks by itself now: another key. */
    cr_assert_eq(hosts_keys(b, a, key_b), 0);
    hosts_wait(SECOND);
    cr_assert_eq(hosts_keys(b, a, key_b), 1);
    cr_assert_eq(hosts_keys(a, b, key_a), 2);
    cr_assert_arr_eq(key_a[1].shared, key_b[0].shared, NH);
    cr_assert_neq(memcmp(key_a[0].shared, key_b[0].shared, NH), 0);
}

/* What was computed for a message that was changed on its way. */
static enum pdm_pairing_type changed;
static size_t changed_at;
static uint8_t changed_bit;

static bool change(struct mail *m)
{
    (void)watch(m);
    if (m->bytes[1] == changed && changed_at < m->len)
        m->bytes[changed_at] ^= changed_bit;
    return true;
}

Test(pairing, changed_messages_are_dropped)
{
    static const struct {
        enum pdm_pairing_type type;
        size_t at;
        unsigned computed_a, computed_b; /* at most */
        unsigned resps;                  /* at most */
    } cases[] = {
        {PDM_PAIRING_HELLO, 0, 0, 0, 0},
        {PDM_PAIRING_HELLO, 2, 0, 0, 0}, /* the token comes back changed */
        {PDM_PAIRING_COOKIE, 1, 0, 0, 0},
        {PDM_PAIRING_COOKIE, 17, 0, 0, 0},
        {PDM_PAIRING_COOKIE, 18, 1, 0, 0},
        {PDM_PAIRING_INIT, 0, 1, 0, 0},
        {PDM_PAIRING_INIT, 1, 1, 0, 0},
        {PDM_PAIRING_INIT, 2, 1, 0, 0},   /* epoch */
        {PDM_PAIRING_INIT, 10, 1, 0, 0},  /* tag */
        {PDM_PAIRING_INIT, 26, 1, 0, 0},  /* cookie */
        {PDM_PAIRING_INIT, 42, 1, 1, 0},  /* U */
        {PDM_PAIRING_INIT, 426, 1, 1, 0}, /* V */
        {PDM_PAIRING_INIT, 489, 1, 1, 0}, /* W */
        {PDM_PAIRING_RESP, 2, 5, 1, 5},   /* epoch */
        {PDM_PAIRING_RESP, 10, 5, 1, 5},  /* tag */
        {PDM_PAIRING_RESP, 26, 1, 1, 5},  /* id: not even looked at */
        {PDM_PAIRING_RESP, 42, 5, 1, 5},  /* U */
        {PDM_PAIRING_RESP, 489, 5, 1, 5}, /* W */
        {PDM_PAIRING_RESP, 521, 5, 1, 5}, /* the confirmation */
    };

    hosts_carry = change;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        changed = cases[i].type;
        changed_at = cases[i].at;
        changed_bit = 1;
        memset(count, 0, sizeof count);
        a->computed = b->computed = 0;
        cr_assert_eq(hosts_keys(a, b, key_a), 0);
        hosts_wait(8 * SECOND);
        cr_assert_eq(hosts_keys(a, b, key_a), 0, "case %zu", i);
        cr_assert(a->computed <= cases[i].computed_a, "case %zu: %u", i, a->computed);
        cr_assert(b->computed <= cases[i].computed_b, "case %zu: %u", i, b->computed);
        cr_assert(count[PDM_PAIRING_RESP] <= cases[i].resps, "case %zu: %u", i,
                  count[PDM_PAIRING_RESP]);
        hosts_end();
        hosts_begin(".");
    }
}

Test(pairing, of_another_length_is_dropped)
{
    uint8_t longer[PDM_PAIRING_MESSAGE_MAX + 1] = {0};

    hosts_carry = watch;
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    unsigned sent = mails_sent;
    for (unsigned i = PDM_PAIRING_HELLO; i < PDM_PAIRING_TYPES; i++) {
        memcpy(longer, seen[i].bytes, seen[i].len);
        for (size_t len = 0; len <= sizeof longer; len++)
            if (len != seen[i].len)
                handshakes_receive(b->handshakes, &seen[i].ends, longer, len, hosts_now);
    }
    cr_assert_eq(mails_sent, sent);
}

static void hello_from(const uint8_t peer[static PDM_ADDR_LEN],
                       const uint8_t own[static PDM_ADDR_LEN], struct host *to)
{
    struct pdm_pairing_hello hello = {.token = {1}};
    uint8_t bytes[PDM_PAIRING_HELLO_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_HELLO);
    struct ends ends;

    memcpy(ends.own, own, PDM_ADDR_LEN);
    memcpy(ends.peer, peer, PDM_ADDR_LEN);
    pdm_put_pairing_hello(&w, &hello);
    handshakes_receive(to->handshakes, &ends, bytes, sizeof bytes, hosts_now);
}

Test(pairing, strangers_get_no_answer)
{
    static const uint8_t group[PDM_ADDR_LEN] = {0xff, 0x02, [15] = 1};
    uint8_t stranger[PDM_ADDR_LEN], other[PDM_ADDR_LEN];

    hosts_carry = watch;
    hosts_address(0xffff, 1, stranger);
    hosts_address(9, 9, other);
    hello_from(stranger, a->address, a);
    hello_from(b->address, group, a);
    hello_from(group, a->address, a);
    hello_from(b->address, other, a); /* to an address of ours that is not enrolled */
    cr_assert_eq(mails_sent, 0);
    hello_from(b->address, a->address, a);
    cr_assert_eq(mails_sent, 1);
    /* The same INIT, in the name of a stranger, and of one who is listed but has no cookie. */
    hosts_keys(a, b, key_a);
    hosts_wait(SECOND);
    struct mail m = seen[PDM_PAIRING_INIT];
    unsigned sent = mails_sent;
    memcpy(m.ends.peer, stranger, PDM_ADDR_LEN);
    handshakes_receive(b->handshakes, &m.ends, m.bytes, m.len, hosts_now);
    memcpy(m.ends.peer, c->address, PDM_ADDR_LEN);
    handshakes_receive(b->handshakes, &m.ends, m.bytes, m.len, hosts_now);
    hosts_wait(SECOND);
    cr_assert_eq(mails_sent, sent);
    cr_assert_eq(b->computed, 1);
}

/* An INIT of FROM's, with a good cookie, for WHOM's identity. */
static void send_init(const uint8_t from[static PDM_ADDR_LEN], struct host *to,
                      const uint8_t whom[static PDM_ADDR_LEN])
{
    struct pdm_pairing_cookie given;
    struct pdm_pairing_entropy entropy;
    struct pdm_reader r;
    uint8_t tag[PDM_TAG_ID_LEN], init[PDM_PAIRING_INIT_LEN];
    struct ends ends;

    hello_from(from, to->address, to);
    cr_assert_eq(pdm_pairing_open(seen[PDM_PAIRING_COOKIE].bytes, seen[PDM_PAIRING_COOKIE].len, &r),
                 PDM_PAIRING_COOKIE);
    pdm_get_pairing_cookie(&r, &given);
    hosts_tag(0, tag);
    randombytes_buf(&entropy, sizeof entropy);
    const struct pdm_pairing_side side = {.parameters = &hosts_parameters,
                                          .suite = hosts_suite,
                                          .tag = tag,
                                          .p_pub = hosts_p_pub[0],
                                          .own = from,
                                          .peer = whom};
    cr_assert(pdm_pairing_begin(&side, given.cookie, &entropy, init));
    memcpy(ends.own, to->address, PDM_ADDR_LEN);
    memcpy(ends.peer, from, PDM_ADDR_LEN);
    handshakes_receive(to->handshakes, &ends, init, sizeof init, hosts_now);
}

Test(pairing, the_wrong_identity_gets_no_answer)
{
    hosts_carry = watch;
    send_init(c->address, a, b->address);
    hosts_wait(SECOND);
    cr_assert_eq(a->computed, 1);
    cr_assert_eq(count[PDM_PAIRING_RESP], 0);
    cr_assert_eq(counters(a)->refused, 1);
    cr_assert_not_null(strstr(keys_said(), "cannot be deciphered"));
    send_init(c->address, a, a->address);
    hosts_wait(SECOND);
    cr_assert_eq(count[PDM_PAIRING_RESP], 1);
}

/*
 * Floods. Nothing is encrypted in them, so that there can be many: their ciphertexts are random,
 * and what would be computed for one is only counted.
 */
static unsigned flooded; /* computed for */

static void compute_beside_flood(struct host *h, uint8_t flooder_net)
{
    struct pairing_job job;

    while (handshakes_next(h->handshakes, hosts_now, &job)) {
        h->computed++;
        if (job.peer[5] == flooder_net) {
            flooded++;
            job.good = false;
        } else {
            pairing_job_do(&hosts_parameters, &job);
        }
        handshakes_done(h->handshakes, &job, hosts_now);
    }
}

static void flood_init(const uint8_t from[static PDM_ADDR_LEN], const struct host *to,
                       const uint8_t cookie[static PDM_PAIRING_COOKIE_LEN])
{
    struct pdm_pairing_init body = {0};
    uint8_t init[PDM_PAIRING_INIT_LEN];
    struct pdm_writer w = pdm_pairing_write(init, PDM_PAIRING_INIT);
    struct ends ends;

    hosts_tag(0, body.tag);
    memcpy(body.cookie, cookie, sizeof body.cookie);
    randombytes_buf(body.ciphertext, sizeof body.ciphertext);
    pdm_put_pairing_init(&w, &body);
    memcpy(ends.own, to->address, PDM_ADDR_LEN);
    memcpy(ends.peer, from, PDM_ADDR_LEN);
    handshakes_receive(to->handshakes, &ends, init, sizeof init, hosts_now);
}

static void cookie_of(const uint8_t from[static PDM_ADDR_LEN], struct host *to,
                      uint8_t cookie[static PDM_PAIRING_COOKIE_LEN])
{
    struct pdm_pairing_cookie given;
    struct pdm_reader r;

    hello_from(from, to->address, to);
    (void)pdm_pairing_open(seen[PDM_PAIRING_COOKIE].bytes, seen[PDM_PAIRING_COOKIE].len, &r);
    pdm_get_pairing_cookie(&r, &given);
    memcpy(cookie, given.cookie, sizeof given.cookie);
}

#define FLOOD 10000

Test(pairing, one_address_that_floods)
{
    uint8_t flooder[PDM_ADDR_LEN], cookie[PDM_PAIRING_COOKIE_LEN];

    hosts_carry = watch;
    hosts_address(0x77, 1, flooder);
    cookie_of(flooder, b, cookie);
    hosts_keys(a, b, key_a);
    for (unsigned i = 0; i < FLOOD; i++) {
        flood_init(flooder, b, cookie);
        hosts_deliver();
        for (unsigned j = 0; j < HOSTS; j++)
            compute_beside_flood(&host[j], 0x77);
        hosts_now += PDM_NSEC_PER_MSEC;
    }
    keys_agree(a, b, 1);
    cr_assert(flooded >= 9 && flooded <= 11, "one a second of ten: %u", flooded);
    cr_assert(counters(b)->dropped >= FLOOD - 11);
    cr_assert_eq(count[PDM_PAIRING_RESP], 1);
}

/* Ten seconds of a net that floods with an address per message, and a that asks at HONEST_AT. */
Test(pairing, a_whole_net_that_floods)
{
    static uint8_t flooder[FLOOD][PDM_ADDR_LEN], cookie[FLOOD][PDM_PAIRING_COOKIE_LEN];
    const unsigned honest_at = FLOOD / 2;

    hosts_carry = watch;
    /* Cookies beforehand, as fast as they are given. */
    for (unsigned i = 0; i < FLOOD; i++) {
        hosts_address(0x77, (uint16_t)(i + 1), flooder[i]);
        cookie_of(flooder[i], b, cookie[i]);
        mails_read = mails_sent;
        hosts_now += PDM_NSEC_PER_SEC / PAIRING_HELLO_ENTRY_RATE;
    }
    int64_t began = 0, took = 0;
    for (unsigned i = 0; i < FLOOD; i++) {
        flood_init(flooder[i], b, cookie[i]);
        if (i == honest_at) {
            began = hosts_now;
            hosts_keys(a, b, key_a);
        }
        hosts_deliver();
        for (unsigned j = 0; j < HOSTS; j++)
            compute_beside_flood(&host[j], 0x77);
        handshakes_tick(a->handshakes, hosts_now);
        if (took == 0 && counters(a)->finished == 1)
            took = hosts_now - began;
        hosts_now += PDM_NSEC_PER_MSEC;
    }
    keys_agree(a, b, 1);
    cr_assert(took > 0 && took <= SECOND / 2, "next but one in turn, not behind the net: %" PRId64,
              took);
    cr_assert(flooded >= 80 && flooded <= 10 * (PAIRING_ANSWER_RATE + 1), "%u", flooded);
    /* The flood takes nothing from what b begins itself. */
    hosts_keys(b, c, key_a);
    for (unsigned i = 0; i < 20; i++) {
        flood_init(flooder[FLOOD - 1 - i], b, cookie[FLOOD - 1 - i]);
        hosts_deliver();
        for (unsigned j = 0; j < HOSTS; j++)
            compute_beside_flood(&host[j], 0x77);
        hosts_now += PDM_NSEC_PER_MSEC;
    }
    keys_agree(b, c, 1);
}

Test(pairing, hellos_are_answered_so_often)
{
    uint8_t from[PDM_ADDR_LEN];

    hosts_carry = watch;
    for (unsigned i = 0; i < 100; i++)
        hello_from(b->address, a->address, a);
    cr_assert_eq(count[PDM_PAIRING_COOKIE], PAIRING_HELLO_SOURCE_RATE);
    for (uint16_t i = 1; i < 3000; i++) {
        mails_read = mails_sent;
        hosts_address(0x55, i, from);
        hello_from(from, a->address, a);
    }
    cr_assert_leq(count[PDM_PAIRING_COOKIE], PAIRING_HELLO_SOURCE_RATE + PAIRING_HELLO_ENTRY_RATE);
    for (uint16_t i = 1; i < 3000; i++) {
        mails_read = mails_sent;
        hosts_address(i, 1, from);
        hello_from(from, a->address, a);
    }
    cr_assert_leq(count[PDM_PAIRING_COOKIE], PAIRING_HELLO_RATE);
    cr_assert_geq(count[PDM_PAIRING_COOKIE], PAIRING_HELLO_RATE / 2);
}

Test(pairing, forgets)
{
    hosts_carry = watch;
    /* While it is being computed for, on either side. */
    hosts_keys(a, b, key_a);
    hosts_deliver();
    struct pairing_job job;
    cr_assert(handshakes_next(a->handshakes, hosts_now, &job));
    pairing_job_do(&hosts_parameters, &job);
    handshakes_forget(a->handshakes, a->enrolment, 1);
    cr_assert_not(handshakes_busy(a->handshakes));
    hosts_keys(a, b, key_a); /* this is another one, and the job is not for it */
    handshakes_done(a->handshakes, &job, hosts_now);
    cr_assert_eq(count[PDM_PAIRING_INIT], 0);
    handshakes_forget(a->handshakes, a->enrolment, 1);
    cr_assert_not(handshakes_busy(a->handshakes));
    hosts_now += SECOND;
    hosts_keys(a, b, key_a);
    hosts_deliver();
    hosts_compute(a);
    hosts_deliver();
    cr_assert(handshakes_next(b->handshakes, hosts_now, &job));
    pairing_job_do(&hosts_parameters, &job);
    handshakes_forget(b->handshakes, b->enrolment, 0);
    handshakes_done(b->handshakes, &job, hosts_now);
    cr_assert_eq(count[PDM_PAIRING_RESP], 0);
    cr_assert_eq(counters(b)->answered, 0);
    cr_assert_not(handshakes_busy(b->handshakes));
}

Test(pairing, own_ones_are_bounded)
{
    const struct enrolled_pair *pair = enrolment_pair(a->enrolment, 1);
    uint8_t peer[PDM_ADDR_LEN];
    struct enrolment_pairing request = {
        .pair = pair, .epoch = &pair->epoch[0], .scope = &pair->epoch[0].scope[0], .peer = peer};

    hosts_carry = watch;
    for (uint16_t i = 0; i < PAIRING_OWN_MAX + 10; i++) {
        hosts_address(0x66, i, peer);
        cr_assert_eq(handshakes_ask(a->handshakes, a->enrolment, &request, hosts_now),
                     i < PAIRING_OWN_MAX ? PDM_STATUS_LATER : PDM_STATUS_QUOTA);
    }
    hosts_wait(10 * SECOND);
    cr_assert_eq(handshakes_ask(a->handshakes, a->enrolment, &request, hosts_now), PDM_STATUS_LATER,
                 "those that pause make room");
}

/* The functions, without handshakes. */

Test(pairing, two_sides)
{
    uint8_t tag[PDM_TAG_ID_LEN] = {1}, cookie[PDM_PAIRING_COOKIE_LEN] = {2};
    uint8_t s_a[PDM_IBC_POINT_LEN], s_b[PDM_IBC_POINT_LEN];
    uint8_t init[PDM_PAIRING_INIT_LEN], resp[2][PDM_PAIRING_RESP_LEN];
    uint8_t key[4][PDM_NH_MAX], hash[PDM_NH_MAX], expected[PDM_NH_MAX];
    struct pdm_pairing_entropy entropy[3];

    hosts_extract(a->address, 1, s_a);
    hosts_extract(b->address, 1, s_b);
    randombytes_buf(entropy, sizeof entropy);
    const struct pdm_pairing_side as_a = {&hosts_parameters, hosts_suite, 1,          tag,
                                          hosts_p_pub[1],    s_a,         a->address, b->address};
    const struct pdm_pairing_side as_b = {&hosts_parameters, hosts_suite, 1,          tag,
                                          hosts_p_pub[1],    s_b,         b->address, a->address};
    cr_assert(pdm_pairing_begin(&as_a, cookie, &entropy[0], init));
    cr_assert(pdm_pairing_respond(&as_b, init, &entropy[1], resp[0], key[0]));
    cr_assert(pdm_pairing_finish(&as_a, init, entropy[0].k, resp[0], key[1]));
    cr_assert_arr_eq(key[0], key[1], NH);
    /* PairDeviceKey = LabeledExtract(k_i || k_r, "pdmv2 pair", Hash(...)) */
    uint8_t said[PDM_PAIRING_INIT_LEN + PDM_PAIRING_RESP_LEN - PDM_PAIRING_CONFIRM_LEN];
    memcpy(said, init, sizeof init);
    memcpy(said + sizeof init, resp[0], sizeof said - sizeof init);
    crypto_hash_sha512(hash, said, sizeof said);
    uint8_t salt[2 * PDM_PAIRING_K_LEN];
    memcpy(salt, entropy[0].k, PDM_PAIRING_K_LEN);
    memcpy(salt + PDM_PAIRING_K_LEN, entropy[1].k, PDM_PAIRING_K_LEN);
    cr_assert(
        pdm_labeled_extract(&hosts_suite, salt, sizeof salt, "pdmv2 pair", hash, NH, expected));
    cr_assert_arr_eq(key[0], expected, NH);
    cr_assert(pdm_labeled_expand(&hosts_suite, key[0], "pdmv2 pair confirm", NULL, 0, hash,
                                 PDM_PAIRING_CONFIRM_LEN));
    cr_assert_arr_eq(hash, resp[0] + PDM_PAIRING_RESP_LEN - PDM_PAIRING_CONFIRM_LEN,
                     PDM_PAIRING_CONFIRM_LEN);
    /* The same INIT answered anew makes another key. */
    cr_assert(pdm_pairing_respond(&as_b, init, &entropy[2], resp[1], key[2]));
    cr_assert_neq(memcmp(key[2], key[0], NH), 0);
    /* Of another negotiation, or with another k_i. */
    struct pdm_pairing_side other = as_b;
    other.epoch = 0;
    cr_assert_not(pdm_pairing_respond(&other, init, &entropy[2], resp[1], key[3]));
    cr_assert_not(pdm_pairing_finish(&as_a, init, entropy[2].k, resp[0], key[3]));
    cr_assert_eq(sodium_is_zero(key[3], sizeof key[3]), 1);
}

Test(pairing, cookies_are_good_for_a_while)
{
    static struct cookies cookies;
    const struct pdm_prefix entry = {.len = 0};
    struct ends ends = {.own = {1}, .peer = {2}}, other = {.own = {1}, .peer = {3}};
    uint8_t cookie[PDM_PAIRING_COOKIE_LEN];
    int64_t now = hosts_now;

    cookies_init(&cookies, now);
    cr_assert(cookies_give(&cookies, &ends, &entry, now, cookie));
    cr_assert(cookies_good(&cookies, &ends, now, cookie));
    cr_assert_not(cookies_good(&cookies, &other, now, cookie));
    cr_assert(cookies_good(&cookies, &ends, now + PAIRING_COOKIE_NS, cookie));
    cr_assert(cookies_good(&cookies, &ends, now + 2 * PAIRING_COOKIE_NS - 1, cookie));
    cr_assert_not(cookies_good(&cookies, &ends, now + 2 * PAIRING_COOKIE_NS, cookie));
    cookies_init(&cookies, now);
    cr_assert(cookies_give(&cookies, &ends, &entry, now, cookie));
    cr_assert_not(cookies_good(&cookies, &ends, now + 5 * PAIRING_COOKIE_NS, cookie));
}

/* Lines. */

Test(pairing, lines_take_turns)
{
    static struct callers callers;
    const unsigned greedy = 2 * PAIRING_WAITING_MAX, others = 5;
    unsigned served_others = 0;

    cr_assert(callers_init(&callers));
    for (unsigned i = 0; i < greedy + others; i++) {
        bool is_greedy = i < greedy;
        struct ends ends = {0};

        hosts_address(is_greedy ? 1 : (uint16_t)(100 + i), (uint16_t)i, ends.peer);
        const struct pdm_prefix entry = pdm_prefix_of(ends.peer, 48);
        struct caller *caller = callers_wait(&callers, &ends, &entry, hosts_now);
        cr_assert_eq(caller != NULL, !is_greedy || i < PAIRING_WAITING_MAX);
        cr_assert(callers.waiting <= PAIRING_WAITING_MAX);
    }
    /* Between two of the many each of the others had its turn. */
    for (unsigned i = 0; i < others + 1; i++) {
        struct caller *caller = callers_next(&callers, hosts_now);

        cr_assert_not_null(caller);
        served_others += caller->ends.peer[5] != 1;
        callers_served(&callers, caller, false, hosts_now);
    }
    cr_assert_eq(served_others, others);
    cr_assert_eq(callers.waiting, PAIRING_WAITING_MAX - others - 1);
    cr_assert_null(callers_next(&callers, hosts_now + PAIRING_WAIT_NS + 1), "they have given up");
    cr_assert_eq(callers.waiting, 0);
    callers_expire(&callers, hosts_now + PAIRING_ANSWER_NS + 1);
    cr_assert_eq(callers.table.used, 0);
    callers_free(&callers);
}

Test(pairing, room_is_kept_for_those_who_wait)
{
    static struct callers callers;

    cr_assert(callers_init(&callers));
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < PAIRING_WAITING_MAX; i++) {
            struct ends ends = {0};

            hosts_address((uint16_t)i, (uint16_t)(round + 1), ends.peer);
            const struct pdm_prefix entry = pdm_prefix_of(ends.peer, 48);
            cr_assert_not_null(callers_wait(&callers, &ends, &entry, hosts_now));
        }
        for (unsigned i = 0; i < PAIRING_WAITING_MAX; i++)
            callers_served(&callers, callers_next(&callers, hosts_now), true, hosts_now + round);
        cr_assert_eq(callers.table.used, PAIRING_ANSWERS_MAX);
    }
    callers_free(&callers);
}
