/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of hostile peers, at one host. The input is a series of steps, each an octet that says
 * which and one that says how: a message, behind two more octets with its length, in which what a
 * peer would know (a token, a cookie, an id) is put right or left as it is; or what the host does
 * itself. Nothing is computed: the input says how that ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyagent/log.h"
#include "tests/unit/pairing_hosts.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum step { RAW, RIGHT, ASK, NEXT, DONE, TIME, FORGET, STEPS };

#define PEERS 8 /* the first of them is on no list */
#define RIGHT_AT_MOST PDM_PAIRING_MESSAGE_MAX

static char directory[] = "fuzz_pairing.XXXXXX"; /* where the harness is run */
static struct host *const me = &host[0];
static struct pairing_job job;
static bool under_way;
static unsigned sent;

static struct {
    uint8_t token[PDM_PAIRING_TOKEN_LEN];
    uint8_t cookie[PDM_PAIRING_COOKIE_LEN];
    uint8_t id[PDM_PAIRING_ID_LEN];
} known[PEERS];

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void peer_address(uint8_t number, uint8_t out[static PDM_ADDR_LEN])
{
    hosts_address(number % PEERS == 0 ? 0xffff : number % PEERS, 1, out);
}

/* Only what is whole is sent, and to nobody who is on no list. */
static bool on_sent(struct mail *m)
{
    struct pdm_reader r;
    struct pdm_pairing_hello hello;
    struct pdm_pairing_cookie cookie;
    uint8_t peer = m->ends.own[5];

    must(m->ends.own[4] == 0 && peer < PEERS);
    must(memcmp(m->ends.peer, me->address, PDM_ADDR_LEN) == 0);
    sent++;
    switch (pdm_pairing_open(m->bytes, m->len, &r)) {
    case PDM_PAIRING_HELLO:
        pdm_get_pairing_hello(&r, &hello);
        memcpy(known[peer].token, hello.token, sizeof hello.token);
        break;
    case PDM_PAIRING_COOKIE:
        pdm_get_pairing_cookie(&r, &cookie);
        memcpy(known[peer].cookie, cookie.cookie, sizeof cookie.cookie);
        break;
    case PDM_PAIRING_INIT:
        must(pdm_pairing_id(&hosts_suite, m->bytes, known[peer].id));
        break;
    case PDM_PAIRING_RESP:
        must(m->len == PDM_PAIRING_RESP_LEN);
        break;
    default:
        must(m->bytes[1] == PDM_PAIRING_DONE && m->len == PDM_PAIRING_DONE_LEN);
    }
    return false;
}

static void remove_directory(void)
{
    (void)rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(mkdtemp(directory) != NULL && atexit(remove_directory) == 0);
    hosts_begin(directory);
    hosts_carry = on_sent;
    return 0;
}

static void put_right(uint8_t *bytes, size_t len, uint8_t peer)
{
    struct pdm_reader r;
    const size_t epoch_at = PDM_PAIRING_HEADER;
    const size_t tag_at = epoch_at + sizeof(uint64_t);
    const size_t name_at = tag_at + PDM_TAG_ID_LEN;
    enum pdm_pairing_type type = pdm_pairing_open(bytes, len, &r);

    if (type == PDM_PAIRING_COOKIE)
        memcpy(bytes + PDM_PAIRING_HEADER, known[peer].token, sizeof known->token);
    if (type != PDM_PAIRING_INIT && type != PDM_PAIRING_RESP)
        return;
    memset(bytes + epoch_at, 0, sizeof(uint64_t));
    hosts_tag(0, bytes + tag_at);
    memcpy(bytes + name_at, type == PDM_PAIRING_INIT ? known[peer].cookie : known[peer].id,
           PDM_PAIRING_COOKIE_LEN);
}

static void receive(const uint8_t *bytes, size_t len, uint8_t how, bool right)
{
    uint8_t changed[RIGHT_AT_MOST];
    struct ends ends;
    unsigned before = sent;

    memcpy(ends.own, me->address, PDM_ADDR_LEN);
    peer_address(how, ends.peer);
    if (right) {
        len = len < sizeof changed ? len : sizeof changed;
        memcpy(changed, bytes, len);
        put_right(changed, len, how % PEERS);
        bytes = changed;
    }
    handshakes_receive(me->handshakes, &ends, bytes, len, hosts_now);
    must(sent <= before + (how % PEERS != 0));
}

static void ask(uint8_t how)
{
    const struct enrolled_pair *pair = enrolment_pair(me->enrolment, 1);
    uint8_t peer[PDM_ADDR_LEN];
    const struct enrolment_pairing request = {
        .pair = pair, .epoch = &pair->epoch[0], .scope = &pair->epoch[0].scope[0], .peer = peer};

    peer_address((uint8_t)(how % PEERS == 0 ? 1 : how), peer);
    must(handshakes_ask(me->handshakes, me->enrolment, &request, hosts_now) == PDM_STATUS_LATER);
}

static void next(void)
{
    struct pairing_job other;

    if (under_way) {
        must(!handshakes_next(me->handshakes, hosts_now, &other));
        return;
    }
    under_way = handshakes_next(me->handshakes, hosts_now, &job);
    must(!under_way || handshakes_busy(me->handshakes));
}

static void done(uint8_t how)
{
    if (!under_way)
        return;
    under_way = false;
    job.good = how % 4 != 0;
    job.key[0] = 1;
    if (job.work == PAIRING_BEGIN) {
        struct pdm_pairing_init init = {.epoch = job.epoch};
        struct pdm_writer w = pdm_pairing_write(job.init, PDM_PAIRING_INIT);

        pdm_put_pairing_init(&w, &init);
    } else if (job.work == PAIRING_RESPOND) {
        (void)pdm_pairing_write(job.resp, PDM_PAIRING_RESP);
    }
    handshakes_done(me->handshakes, &job, hosts_now);
}

static void act(enum step step, uint8_t how)
{
    switch (step) {
    case ASK:
        ask(how);
        break;
    case NEXT:
        next();
        break;
    case DONE:
        done(how);
        break;
    case TIME:
        hosts_now += how * 10 * PDM_NSEC_PER_MSEC;
        handshakes_tick(me->handshakes, hosts_now);
        break;
    default:
        handshakes_forget(me->handshakes, me->enrolment, how % 2);
        must(!handshakes_busy(me->handshakes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    under_way = false;
    memset(known, 0, sizeof known);
    hosts_stop(me);
    hosts_start(me);
    for (size_t at = 0; at + 4 <= len;) {
        enum step step = data[at] % STEPS;
        uint8_t how = data[at + 1];

        at += 2;
        if (step > RIGHT) {
            act(step, how);
            continue;
        }
        size_t octets = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        octets = octets < len - at ? octets : len - at;
        receive(data + at, octets, how, step == RIGHT);
        at += octets;
    }
    return 0;
}
