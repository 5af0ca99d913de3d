/* SPDX-License-Identifier: BSD-2-Clause */
/* Cookies of pairings. */
#include "keyagent/pairing/cookies.h"

#include <string.h>

#include "core/pairing.h"

void cookies_init(struct cookies *c, int64_t now)
{
    *c = (struct cookies){.since = now};
    randombytes_buf(c->secret, sizeof c->secret);
    randombytes_buf(c->key, sizeof c->key);
}

static void renew(struct cookies *c, int64_t now)
{
    int64_t age = now - c->since;

    if (age < PAIRING_COOKIE_NS)
        return;
    if (age < 2 * PAIRING_COOKIE_NS)
        memcpy(c->secret[1], c->secret[0], sizeof c->secret[1]);
    else
        randombytes_buf(c->secret[1], sizeof c->secret[1]);
    randombytes_buf(c->secret[0], sizeof c->secret[0]);
    c->since = now;
}

static struct bucket *place_of(struct bucket place[static PAIRING_HELLO_PLACES],
                               const struct cookies *c, const uint8_t *text, size_t len)
{
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, text, len, c->key);
    return &place[hash % PAIRING_HELLO_PLACES];
}

static bool may_give(struct cookies *c, const struct ends *ends, const struct pdm_prefix *entry,
                     int64_t now)
{
    uint8_t text[PDM_ADDR_LEN + 1];

    memcpy(text, entry->addr, PDM_ADDR_LEN);
    text[PDM_ADDR_LEN] = entry->len;
    return bucket_take(place_of(c->source, c, ends->peer, sizeof ends->peer), now,
                       PAIRING_HELLO_SOURCE_RATE) &&
           bucket_take(place_of(c->entry, c, text, sizeof text), now, PAIRING_HELLO_ENTRY_RATE) &&
           bucket_take(&c->all, now, PAIRING_HELLO_RATE);
}

bool cookies_give(struct cookies *c, const struct ends *ends, const struct pdm_prefix *entry,
                  int64_t now, uint8_t cookie[static PDM_PAIRING_COOKIE_LEN])
{
    if (!may_give(c, ends, entry, now))
        return false;
    renew(c, now);
    pdm_pairing_cookie(c->secret[0], ends->own, ends->peer, cookie);
    return true;
}

bool cookies_good(struct cookies *c, const struct ends *ends, int64_t now,
                  const uint8_t cookie[static PDM_PAIRING_COOKIE_LEN])
{
    uint8_t right[PDM_PAIRING_COOKIE_LEN];
    bool good = false;

    renew(c, now);
    for (unsigned i = 0; i < 2; i++) {
        pdm_pairing_cookie(c->secret[i], ends->own, ends->peer, right);
        good = sodium_memcmp(right, cookie, sizeof right) == 0 || good;
    }
    return good;
}
