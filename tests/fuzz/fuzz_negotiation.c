/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What another primary sends: an octet says which message and to whom, the rest is its body. No
 * body that was not made by the other side brings a client to a secret, and no list is taken that
 * has what is ours.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/kem.h"
#include "keyagent/primary/claims.h"
#include "keyagent/primary/negotiation.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct primary_peer peer = {
    .kem = {PDM_KEM_X25519, PDM_KEM_P256},
    .kdf = {PDM_KDF_SHA256, PDM_KDF_SHA512},
    .aead = {PDM_AEAD_CHACHA20POLY1305},
    .kems = 2,
    .kdfs = 2,
    .aeads = 1,
};
static struct list own[PDM_SIDES];
static struct list theirs = {.side = PDM_SIDE_SERVER};
static struct pdm_prefix allowed;

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const uint8_t ours[PDM_ADDR_LEN] = {0x20, 0x01, 0x0d, 0xb8, 0, 0xb};
    const uint8_t all[PDM_ADDR_LEN] = {0x20, 0x01, 0x0d, 0xb8};
    struct list_change change = {.entry.prefix = pdm_prefix_of(ours, 48), .add = true};

    (void)argc;
    (void)argv;
    must(sodium_init() >= 0);
    must(list_apply(&own[PDM_SIDE_CLIENT], &change, 1));
    allowed = pdm_prefix_of(all, 32);
    return 0;
}

static void check_claim(const struct claim *c)
{
    for (size_t i = 0; i < c->changes; i++) {
        const struct pdm_prefix *prefix = &c->change[i].entry.prefix;

        if (!c->change[i].add)
            continue;
        must(list_overlap(&own[PDM_SIDE_CLIENT], prefix) == NULL);
        must(pdm_prefix_contains(&allowed, prefix->addr) && prefix->len >= allowed.len);
    }
}

static void take_list(struct pdm_reader *body, uint32_t entries, uint64_t version)
{
    const struct claim_bounds bounds = {&allowed, 1, own, &theirs};
    struct claim claim = {.open = false};
    char why[PRIMARY_WHY_MAX];

    if (claim_list(&claim, &bounds, body, entries, version, why))
        check_claim(&claim);
    claim_free(&claim);
}

/* Two parts of one list, as if they came one after the other. */
static void take_parts(struct pdm_reader *body)
{
    const struct claim_bounds bounds = {&allowed, 1, own, &theirs};
    struct claim claim = {.open = false};
    char why[PRIMARY_WHY_MAX];
    struct pdm_reader again = *body;
    struct pdm_list_request head;

    pdm_get_list_request(body, &head);
    if (!body->bad && claim_part(&claim, &bounds, body, &head, why)) {
        check_claim(&claim);
        pdm_get_list_request(&again, &head);
        if (claim_part(&claim, &bounds, &again, &head, why))
            check_claim(&claim);
    }
    claim_free(&claim);
}

static void take_setup_request(struct negotiation *n, struct pdm_reader *body)
{
    uint64_t epoch, version;
    uint32_t entries;

    if (!negotiation_take_offer(n, body, &epoch, &entries, &version))
        return;
    take_list(body, entries, version);
    struct parcel *answer = negotiation_answer(n, epoch, &own[PDM_SIDE_CLIENT]);
    must((answer != NULL) == negotiation_has_suite(n));
    parcel_drop(answer);
}

static void take_setup_response(struct negotiation *n, struct pdm_reader *body)
{
    struct parcel *offer = negotiation_offer(n, 0, &own[PDM_SIDE_CLIENT]);
    uint32_t entries;
    uint64_t version;

    must(offer != NULL);
    parcel_drop(offer);
    if (!negotiation_take_answer(n, body, &entries, &version))
        return;
    take_list(body, entries, version);
    parcel_drop(negotiation_encapsulate(n));
}

/* As far as it goes before a KEM: the server with its own client, whose messages are in order. */
static struct parcel *begin(struct negotiation *client, struct negotiation *server)
{
    struct parcel *offer = negotiation_offer(client, 0, &own[PDM_SIDE_CLIENT]);
    struct pdm_reader body =
        pdm_reader(offer->bytes + PDM_REGISTRATION_HEADER, offer->len - PDM_REGISTRATION_HEADER);
    uint64_t epoch, version;
    uint32_t entries;

    must(negotiation_take_offer(server, &body, &epoch, &entries, &version));
    struct parcel *answer = negotiation_answer(server, 0, &own[PDM_SIDE_SERVER]);
    must(answer != NULL);
    body =
        pdm_reader(answer->bytes + PDM_REGISTRATION_HEADER, answer->len - PDM_REGISTRATION_HEADER);
    must(negotiation_take_answer(client, &body, &entries, &version));
    parcel_drop(offer);
    parcel_drop(answer);
    return negotiation_encapsulate(client);
}

static void take_kem(bool request, struct pdm_reader *body)
{
    struct negotiation *client = negotiation_new(&peer), *server = negotiation_new(&peer);
    struct store_secret secret;

    must(client != NULL && server != NULL);
    struct parcel *kem = begin(client, server);
    must(kem != NULL);
    if (request) {
        parcel_drop(negotiation_take_encapsulation(server, body));
    } else {
        must(!negotiation_take_confirmation(client, body));
        must(!negotiation_secret(client, 0, &secret));
    }
    parcel_drop(kem);
    negotiation_free(client);
    negotiation_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct pdm_reader body = pdm_reader(data + 1, len - 1);
    struct negotiation *n = negotiation_new(&peer);

    must(n != NULL);
    switch (data[0] % 5) {
    case 0:
        take_setup_request(n, &body);
        break;
    case 1:
        take_setup_response(n, &body);
        break;
    case 2:
        take_parts(&body);
        break;
    default:
        take_kem(data[0] % 5 == 3, &body);
    }
    negotiation_free(n);
    return 0;
}
