/* SPDX-License-Identifier: BSD-2-Clause */
/* The secrets that two addresses have in common. */
#include "keyagent/keying.h"

#include <sodium.h>
#include <string.h>

#include "keyagent/enrolment/enrolment.h"

static void of_key(const struct associations *set, const struct association *a, struct keying *k)
{
    struct keying_secret *secret = &k->of[0];

    *secret = (struct keying_secret){.suite = a->suite, .ledger = a->secret, .serial = a->secret};
    memcpy(secret->shared, associations_shared(set, a), sizeof secret->shared);
    k->count = 1;
}

/* The newer one is for sending from its time on; what is received need not wait for it. */
static void of_primary(const struct enrolled_secret *from, unsigned count, int64_t now,
                       struct keying *k)
{
    for (unsigned i = 0; i < count; i++) {
        struct keying_secret *secret = &k->of[i];

        secret->suite = from[i].suite;
        secret->ledger = from[i].ledger;
        secret->serial = from[i].serial;
        memcpy(secret->shared, from[i].shared, sizeof secret->shared);
    }
    k->count = count;
    if (count > 1 && now >= from[count - 1].send_at)
        k->send = count - 1;
}

enum pdm_status keying_of(const struct associations *set, const struct association *a,
                          const uint8_t own[static PDM_ADDR_LEN],
                          const uint8_t peer[static PDM_ADDR_LEN], uint16_t group, int64_t now,
                          struct keying *k)
{
    struct enrolled_secret secret[PDM_PEER_SECRETS];
    unsigned count = 0;

    *k = (struct keying){0};
    if (a->pair == NULL) {
        of_key(set, a, k);
        return PDM_STATUS_OK;
    }
    enum pdm_status status =
        enrolment_secrets(a->enrolment, a->pair, own, peer, group, now, secret, &count);
    if (status == PDM_STATUS_OK)
        of_primary(secret, count, now, k);
    sodium_memzero(secret, sizeof secret);
    return status;
}

void keying_wipe(struct keying *k)
{
    sodium_memzero(k, sizeof *k);
}

const struct keying_secret *keying_find(const struct keying *k, uint32_t serial)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->of[i].serial == serial)
            return &k->of[i];
    return NULL;
}
