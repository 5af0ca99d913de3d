/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmctl keygen: a pre-shared key and, beside it, the count of the generations that were taken
 * under it. Without the count no agent can know which nonces the key has seen, so both are made
 * together, durably, and neither ever replaces an older one.
 */
#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/pdmctl/pdmctl.h"
#include "cli/pdmctl/file.h"
#include "core/limits.h"

#define FIRST_GENERATION "0\n"

enum { HEX_LEN = 2 * PDM_PSK_LEN };

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* True if nothing is in the way; the line that says what is, otherwise. */
static bool is_free(const char *key, const char *generations)
{
    bool has_key = exists(key);
    bool has_generations = exists(generations);

    if (has_key && has_generations)
        warnx("%s exists: a key is never overwritten; choose another name", key);
    else if (has_key)
        warnx("%s exists but %s is missing, so that the key cannot be used safely any more: "
              "make a new key under another name and give it to the peer",
              key, generations);
    else if (has_generations)
        warnx("%s exists without its key: remove it, or choose another name", generations);
    return !has_key && !has_generations;
}

static bool make_key(const char *path)
{
    uint8_t psk[PDM_PSK_LEN];
    char hex[HEX_LEN + 1];

    randombytes_buf(psk, sizeof(psk));
    (void)sodium_bin2hex(hex, sizeof(hex), psk, sizeof(psk));
    hex[HEX_LEN] = '\n'; /* in the place of the terminating zero */
    bool made = file_make(path, hex, sizeof(hex));

    sodium_memzero(psk, sizeof(psk));
    sodium_memzero(hex, sizeof(hex));
    return made;
}

static bool make_both(const char *key, const char *generations)
{
    if (!is_free(key, generations) || !make_key(key))
        return false;
    if (!file_make(generations, FIRST_GENERATION, strlen(FIRST_GENERATION))) {
        (void)unlink(key);
        return false;
    }
    if (!file_sync_directory(key)) {
        (void)unlink(generations);
        (void)unlink(key);
        return false;
    }
    return true;
}

enum pdmctl_exit pdmctl_keygen(const struct pdmctl_context *context)
{
    const char *key = context->operand[0];
    char *generations = NULL;
    bool made = false;

    if (sodium_init() < 0) {
        warnx("no source of random numbers");
        return PDMCTL_FAILED;
    }
    if (asprintf(&generations, "%s.gen", key) < 0) {
        warn("%s", key);
        return PDMCTL_FAILED;
    }
    made = make_both(key, generations);
    if (made)
        printf("made %s and %s: copy both to the peer before their first use\n", key, generations);
    free(generations);
    return made && output_flush() ? PDMCTL_OK : PDMCTL_FAILED;
}
