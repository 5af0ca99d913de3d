/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in force when, and what polls give; what both sides make of grants is in test_primary. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/modes.h"
#include "keyagent/primary/grants.h"

enum { NOW = 10000 };

static struct store_secret secret_of(uint64_t epoch, uint8_t state, int64_t ends_at)
{
    struct store_secret s = {.epoch = epoch,
                             .state = state,
                             .suite = {0x0020, PDM_KDF_SHA512, PDM_AEAD_CHACHA20POLY1305},
                             .secmop = PDM_SECMOP_TRUSTED_SERVERS,
                             .grace_s = 100,
                             .made_at = NOW - 10,
                             .ends_at = ends_at};

    memset(s.pms, (int)epoch + 1, sizeof s.pms);
    memset(s.tag, (int)epoch + 1, sizeof s.tag);
    return s;
}

#define PENDING STORE_SECRET_PENDING
#define CURRENT STORE_SECRET_CURRENT
#define PREVIOUS STORE_SECRET_PREVIOUS
#define NONE 0xff
#define FOREVER UINT64_MAX

/* Secrets with epochs 0, 1 and 2, and what of them is given out; times in seconds. */
static const struct {
    const char *what;
    uint8_t state[3];
    int64_t ends_at[3];
    uint8_t other_mode; /* the number of one that is of another; or NONE */
    uint64_t usable_from;
    size_t epochs;
    uint64_t epoch[2];
    uint64_t send_s[2];
    uint64_t ends_s[2];
} forces[] = {
    {"nothing", {NONE, NONE, NONE}, {0}, NONE, 0, 0, {0}, {0}, {0}},
    {"nothing confirmed", {PENDING, PENDING, NONE}, {0}, NONE, 0, 0, {0}, {0}, {0}},
    {"the first", {CURRENT, NONE, NONE}, {0}, NONE, 0, 1, {0}, {0}, {FOREVER}},
    {"and a new one", {CURRENT, PENDING, NONE}, {0}, NONE, 0, 1, {0}, {0}, {FOREVER}},
    {"with an end", {CURRENT, NONE, NONE}, {NOW + 50}, NONE, 0, 1, {0}, {0}, {50}},
    {"at its end", {CURRENT, NONE, NONE}, {NOW}, NONE, 0, 0, {0}, {0}, {0}},
    {"just changed",
     {PREVIOUS, CURRENT, NONE},
     {NOW + 100},
     NONE,
     0,
     2,
     {0, 1},
     {0, 50},
     {100, FOREVER}},
    {"half of the grace",
     {PREVIOUS, CURRENT, NONE},
     {NOW + 50},
     NONE,
     0,
     2,
     {0, 1},
     {0, 0},
     {50, FOREVER}},
    {"most of the grace",
     {PREVIOUS, CURRENT, NONE},
     {NOW + 1},
     NONE,
     0,
     2,
     {0, 1},
     {0, 0},
     {1, FOREVER}},
    {"after the grace", {PREVIOUS, CURRENT, NONE}, {NOW}, NONE, 0, 1, {1}, {0}, {FOREVER}},
    {"of another mode", {PREVIOUS, CURRENT, NONE}, {NOW + 100}, 0, 0, 1, {1}, {0}, {FOREVER}},
    {"with a new one",
     {PREVIOUS, CURRENT, PENDING},
     {NOW + 100},
     NONE,
     0,
     2,
     {0, 1},
     {0, 50},
     {100, FOREVER}},
    {"the first given up", {PREVIOUS, CURRENT, NONE}, {NOW + 100}, NONE, 1, 1, {1}, {0}, {FOREVER}},
    {"both given up", {PREVIOUS, CURRENT, NONE}, {NOW + 100}, NONE, 2, 0, {0}, {0}, {0}},
};

static uint64_t ms(uint64_t s)
{
    return s == FOREVER ? s : s * 1000;
}

Test(grants, what_is_in_force)
{
    for (size_t i = 0; i < sizeof forces / sizeof forces[0]; i++) {
        struct grants_epoch epoch[PDM_PEER_SECRETS];
        struct store_secret secret[3];
        size_t secrets = 0;

        for (uint8_t j = 0; j < 3; j++) {
            if (forces[i].state[j] == NONE)
                continue;
            secret[secrets] = secret_of(j, forces[i].state[j], forces[i].ends_at[j]);
            if (forces[i].other_mode == j)
                secret[secrets].secmop = PDM_SECMOP_IBC;
            secrets++;
        }
        size_t epochs = grants_epochs(secret, secrets, forces[i].usable_from, NOW, epoch);
        cr_assert_eq(epochs, forces[i].epochs, "%s: %zu", forces[i].what, epochs);
        for (size_t j = 0; j < epochs; j++) {
            cr_assert_eq(epoch[j].secret->epoch, forces[i].epoch[j], "%s", forces[i].what);
            cr_assert_eq(epoch[j].send_ms, ms(forces[i].send_s[j]), "%s", forces[i].what);
            cr_assert_eq(epoch[j].ends_ms, ms(forces[i].ends_s[j]), "%s", forces[i].what);
        }
    }
}

/* A client has a secret for each group, each another, and none that a server has. */
Test(grants, a_client_is_given_a_secret_for_each_group)
{
    struct list_change change[4];
    struct list servers = {.version = 4, .side = PDM_SIDE_SERVER};
    struct store_secret secret = secret_of(0, CURRENT, 0);
    const struct grants_epoch epoch = {&secret, 0, UINT64_MAX};
    const struct grants_scope scope = {.addr = {0x20, 1}, .first = {8}, .count = {4}};
    uint8_t bytes[4096], pss[PDM_NH_MAX], pcs[PDM_NH_MAX];
    struct pdm_writer w = pdm_writer(bytes, sizeof bytes);
    struct pdm_secret_pair pair;
    struct pdm_secret_epoch e;
    struct pdm_secret_scope s;

    for (uint8_t i = 0; i < 4; i++) {
        const uint8_t addr[PDM_ADDR_LEN] = {0x20, 1, [15] = i};
        change[i] = (struct list_change){
            .entry = {.prefix = pdm_prefix_of(addr, 128), .group = i / 2}, .add = true};
    }
    cr_assert(list_apply(&servers, change, 4));
    const struct grants g = {.pair = 3,
                             .name = "other",
                             .side = PDM_SIDE_CLIENT,
                             .peers = &servers,
                             .epoch = &epoch,
                             .epochs = 1,
                             .scope = &scope,
                             .scopes = 1};
    cr_assert(grants_write(&g, &w) && !w.bad);
    struct pdm_reader r = pdm_reader(bytes, sizeof bytes - w.left);
    pdm_get_secret_pair(&r, &pair);
    pdm_get_secret_epoch(&r, &e);
    pdm_get_secret_scope(&r, &s);
    cr_assert_eq(pair.list_version, 4);
    cr_assert_str_eq((const char *)pair.name, "other");
    cr_assert_eq(s.block_first, 8);
    cr_assert_eq(s.grants, 2);
    for (uint16_t group = 0; group < 2; group++) {
        struct pdm_secret_grant grant;

        pdm_get_secret_grant(&r, &grant);
        cr_assert_eq(grant.group, group);
        cr_assert(pdm_pss_group(&secret.suite, secret.pms, group, pss));
        cr_assert(pdm_pcs(&secret.suite, pss, scope.addr, pcs));
        cr_assert_eq(memcmp(grant.secret, pcs, sizeof pcs), 0);
    }
    cr_assert(!r.bad && r.left == 0);
    list_free(&servers);
}

/* Who may poll in which mode. */
Test(grants, the_polling_side_alone_polls)
{
    const uint8_t own[PDM_ADDR_LEN] = {1}, peer[PDM_ADDR_LEN] = {2};

    for (uint8_t secmop = 0; secmop < PDM_SECMOPS; secmop++)
        for (uint8_t poller = 0; poller < PDM_SIDES; poller++)
            for (uint8_t side = 0; side < PDM_SIDES; side++) {
                struct store_secret s = secret_of(0, CURRENT, 0);
                uint8_t shared[PDM_NH_MAX] = {0};

                s.secmop = secmop;
                s.poller = poller;
                bool expected = secmop == PDM_SECMOP_ASYMMETRIC_POLL && side == poller;
                cr_assert_eq(grants_poll(&s, side, own, peer, shared), expected);
                cr_assert_eq(sodium_is_zero(shared, sizeof shared), !expected);
            }
}
