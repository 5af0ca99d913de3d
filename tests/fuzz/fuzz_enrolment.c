/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of a hostile primary. The input is a series of steps, each an octet that says which: a
 * message of that kind, behind two octets with its length; or what the agent itself does between.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyagent/enrolment/enrolment.h"
#include "keyagent/log.h"

#define START_NS (1000 * PDM_NSEC_PER_SEC)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum step { SECRETS, LIST, POLL, BLOCK, ASK, TAKE, KEY, TIME, CUT, STEPS };

static char directory[] = "fuzz_enrolment.XXXXXX"; /* where the harness is run */
static char file[sizeof directory + 16];
static struct ledger ledger;
static struct highwater highwater;
static struct enrolment *enrolment;
static int64_t now;
static uint32_t polled, paired; /* asked for */

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void on_changed(void *arg, struct enrolment *e, const struct enrolled_pair *pair)
{
    (void)arg;
    must(e == enrolment && enrolment_pair(e, pair->pair) == pair);
}

static void on_gone(void *arg, struct enrolment *e, uint32_t pair)
{
    (void)arg;
    must(enrolment_pair(e, pair) != NULL);
}

static void on_list(void *arg, struct enrolment *e, uint32_t pair, bool add,
                    const struct pdm_prefix *prefix, uint16_t group)
{
    struct pdm_prefix cut = pdm_prefix_of(prefix->addr, prefix->len);

    (void)arg;
    (void)add;
    (void)group;
    must(enrolment_pair(e, pair) != NULL && pdm_prefix_equal(&cut, prefix));
}

static void on_cleared(void *arg, struct enrolment *e, uint32_t pair)
{
    (void)arg;
    must(enrolment_pair(e, pair) != NULL);
}

static void on_peer(void *arg, struct enrolment *e, uint32_t pair,
                    const uint8_t own[static PDM_ADDR_LEN], const uint8_t peer[static PDM_ADDR_LEN])
{
    (void)arg;
    (void)e;
    (void)pair;
    (void)own;
    (void)peer;
}

static bool on_poll(void *arg, const struct pdm_poll_request *request)
{
    (void)arg;
    must(enrolment_pair(enrolment, request->pair) != NULL);
    return ++polled % 8 != 0;
}

static bool on_block(void *arg, const struct pdm_block_request *request)
{
    (void)arg;
    must(enrolment_pair(enrolment, request->pair) != NULL);
    return true;
}

static enum pdm_status on_pairing(void *arg, struct enrolment *e,
                                  const struct enrolment_pairing *pairing)
{
    (void)arg;
    must(e == enrolment && pairing->scope->s_id != NULL && pairing->scope->p_pub != NULL);
    paired++;
    return PDM_STATUS_LATER;
}

static void remove_files(void)
{
    (void)unlink(file);
    (void)rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(sodium_init() >= 0 && mkdtemp(directory) != NULL && atexit(remove_files) == 0);
    snprintf(file, sizeof file, "%s/generations", directory);
    return 0;
}

static void check_block(const struct enrolled_block *block, uint32_t above)
{
    must(block->count == 0 ||
         (block->first >= above && block->count - 1 <= UINT32_MAX - block->first));
}

static void check_scope(const struct enrolled_scope *scope)
{
    check_block(&scope->block, 0);
    if (scope->block.count > 0 && scope->next.count > 0)
        check_block(&scope->next, scope->block.first + scope->block.count);
    must(scope->ledger < ledger.secrets && ledger.secret[scope->ledger].enrolment == enrolment);
    must(scope->serial[0] != 0);
}

/* Every step leaves what holds at all times; and what is there is what the next steps are about. */
static const struct enrolled_pair *check(void)
{
    const struct enrolled_pair *any = NULL;

    for (uint32_t number = 1; number < 8; number++) {
        const struct enrolled_pair *pair = enrolment_pair(enrolment, number);

        if (pair == NULL)
            continue;
        any = pair;
        must(pair->epochs <= PDM_PEER_SECRETS && pair->secmop < PDM_SECMOPS);
        for (unsigned i = 0; i < pair->epochs; i++)
            for (unsigned j = 0; j < pair->epoch[i].scopes; j++)
                check_scope(&pair->epoch[i].scope[j]);
    }
    return any;
}

static const struct enrolled_scope *some_scope(const struct enrolled_pair *pair)
{
    if (pair == NULL || pair->epochs == 0 || pair->epoch[0].scopes == 0)
        return NULL;
    return &pair->epoch[0].scope[0];
}

static void ask(const struct enrolled_pair *pair, uint8_t which)
{
    struct enrolled_secret secret[PDM_PEER_SECRETS];
    uint8_t peer[PDM_ADDR_LEN] = {0x20, 0x01, [PDM_ADDR_LEN - 1] = which};
    unsigned count;

    if (some_scope(pair) == NULL)
        return;
    const uint8_t *own = some_scope(pair)->address;
    enum pdm_status status =
        enrolment_secrets(enrolment, pair, own, peer, which, now, secret, &count);
    must((status == PDM_STATUS_OK) == (count > 0) && count <= PDM_PEER_SECRETS);
    for (unsigned i = 0; i < count; i++)
        must(secret[i].serial != 0 && sodium_is_zero(secret[i].shared, PDM_NH_MAX) != 1);
    must(count < 2 || secret[0].serial != secret[1].serial);
    if (count > 0)
        enrolment_peer_moved(enrolment, pair, own, peer, secret[count - 1].serial);
}

static void key(const struct enrolled_pair *pair, uint8_t which)
{
    const uint8_t peer[PDM_ADDR_LEN] = {0x20, 0x01, [PDM_ADDR_LEN - 1] = 1};
    uint8_t agreed[PDM_NH_MAX];

    memset(agreed, which | 1, sizeof agreed);
    if (some_scope(pair) != NULL)
        enrolment_pair_device_key(enrolment, pair->pair, pair->epoch[which % pair->epochs].epoch,
                                  some_scope(pair)->address, peer, agreed, which % 2 == 0);
}

static void take(const struct enrolled_pair *pair)
{
    uint32_t generation;

    if (some_scope(pair) == NULL)
        return;
    const struct enrolled_block before = some_scope(pair)->block;
    if (enrolment_generation(enrolment, some_scope(pair)->ledger, &generation))
        must(before.count == 0 || generation == before.first);
}

static void take_message(enum step step, const uint8_t *bytes, size_t len)
{
    struct pdm_reader body = pdm_reader(bytes, len);
    enum pdm_registration_status status;
    struct pdm_list_response response;
    size_t pairs = enrolment_pairs(enrolment);

    switch (step) {
    case SECRETS:
        if (enrolment_take_secrets(enrolment, &body, now, &status) != NULL)
            must(enrolment_pairs(enrolment) == pairs);
        break;
    case LIST:
        (void)enrolment_take_list(enrolment, &body, &response);
        break;
    case POLL:
        (void)enrolment_take_poll(enrolment, &body, now);
        break;
    default:
        (void)enrolment_take_block(enrolment, &body, now);
    }
}

static void act(enum step step, uint8_t which)
{
    const struct enrolled_pair *pair = check();

    switch (step) {
    case ASK:
        ask(pair, which);
        break;
    case TAKE:
        take(pair);
        break;
    case KEY:
        key(pair, which);
        break;
    case TIME:
        now += which * PDM_NSEC_PER_SEC;
        enrolment_tick(enrolment, now);
        break;
    default:
        enrolment_cut_off(enrolment);
    }
}

static void check_request(void)
{
    size_t len;
    uint8_t *request = enrolment_ask(enrolment, &len);

    must(request != NULL && len <= PDM_REGISTRATION_SECRET_MAX);
    free(request);
}

/* Every input begins with nothing known. */
static void begin(void)
{
    static const struct enrolment_hooks hooks = {on_changed, on_gone, on_peer,  on_list,
                                                 on_cleared, on_poll, on_block, on_pairing};

    (void)unlink(file);
    now = START_NS;
    must(ledger_init(&ledger, 4, 1) && highwater_init(&highwater, directory));
    enrolment = enrolment_new("fuzz", &ledger, &highwater, &hooks, NULL);
    must(enrolment != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    begin();
    for (size_t at = 0; at + 3 <= len;) {
        enum step step = data[at] % STEPS;
        size_t octets = (size_t)data[at + 1] << 8 | data[at + 2];

        at += 3;
        if (step > BLOCK) {
            act(step, data[at - 1]);
            continue;
        }
        if (octets > len - at)
            octets = len - at;
        take_message(step, data + at, octets);
        at += octets;
        check();
    }
    check_request();
    enrolment_free(enrolment);
    highwater_free(&highwater);
    ledger_free(&ledger);
    return 0;
}
