/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cookies, given to those on a list who say HELLO, so that whoever asks for work has shown to be
 * where it says. Nothing is remembered of any of them. So many a second and no more: of one
 * address, of one entry of a list, whose owner may have all its addresses, and of all.
 */
#ifndef PDM_KEYAGENT_COOKIES_H
#define PDM_KEYAGENT_COOKIES_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/prefix.h"
#include "keyagent/bucket.h"
#include "keyagent/pairing/ends.h"

struct cookies {
    uint8_t secret[2][PDM_PAIRING_SECRET_LEN]; /* in force, and the one before */
    int64_t since;
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct bucket source[PAIRING_HELLO_PLACES];
    struct bucket entry[PAIRING_HELLO_PLACES];
    struct bucket all;
};

void cookies_init(struct cookies *c, int64_t now);
/* For the peer, which is on ENTRY of a list. False: too many. */
bool cookies_give(struct cookies *c, const struct ends *ends, const struct pdm_prefix *entry,
                  int64_t now, uint8_t cookie[static PDM_PAIRING_COOKIE_LEN]);
bool cookies_good(struct cookies *c, const struct ends *ends, int64_t now,
                  const uint8_t cookie[static PDM_PAIRING_COOKIE_LEN]);

#endif
