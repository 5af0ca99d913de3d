/* SPDX-License-Identifier: BSD-2-Clause */
/* The associations in force. */
#include "keyagent/association.h"

#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/keys.h"
#include "keyagent/enrolment/pairs.h"
#include "keyagent/generation.h"
#include "keyagent/harden.h"
#include "keyagent/keyfile.h"
#include "keyagent/log.h"

static bool read_key(const char *path, uint8_t psk[static PDM_PSK_LEN])
{
    int fd = keyfile_open(path);
    bool good = fd >= 0 && keyfile_read(fd, path, psk);

    if (fd >= 0)
        close(fd);
    return good;
}

/* PSK and SHARED are locked memory. */
static bool read_secret(const struct config_association *from, struct association *a,
                        uint8_t psk[static PDM_PSK_LEN], uint8_t shared[static PDM_NH_MAX],
                        struct ledger *ledger)
{
    char path[PATH_MAX];
    uint8_t id[LEDGER_ID_LEN];
    uint8_t key_id[KEYFILE_ID_LEN];

    if (!pdm_suite_usable(&a->suite)) {
        log_error(
            "association %s: this processor cannot do %s safely (no AES-NI); set aead = %s on "
            "both hosts",
            a->name, pdm_aead_name(a->suite.aead), pdm_aead_name(PDM_AEAD_CHACHA20POLY1305));
        return false;
    }
    if (!read_key(from->key, psk) || !generation_check(from->key))
        return false;
    bool good = pdm_psk_secret(&a->suite, psk, shared) && realpath(from->key, path) != NULL;
    keyfile_id(psk, key_id);
    sodium_memzero(psk, PDM_PSK_LEN);
    if (!good) {
        log_error("association %s: the key's secret cannot be derived", a->name);
        return false;
    }
    ledger_id(&a->suite, shared, id);
    if (ledger_secret(ledger, id, path, key_id, &a->secret))
        return true;
    log_error("association %s: out of memory", a->name);
    return false;
}

/*
 * One key under two paths has two generations beside it, and which of them is taken from would be
 * chance. The ledger has the path of the latest.
 */
static bool one_path(const struct associations *set, const struct config *config, size_t at,
                     const struct ledger *ledger)
{
    const struct association *a = &set->item[at];
    char path[PATH_MAX];

    for (size_t i = 0; i < at; i++) {
        const struct association *b = &set->item[i];

        if (b->format != PDM_FORMAT_ENCRYPTED || b->secret != a->secret)
            continue;
        if (realpath(config->association[b->section].key, path) != NULL &&
            strcmp(path, ledger->secret[a->secret].key) != 0) {
            log_error(
                "association %s: the same key as association %s in another file; use one file "
                "for both",
                a->name, b->name);
            return false;
        }
    }
    return true;
}

static bool same_terms(const struct association *a, const struct association *b)
{
    return a->format == b->format && a->suite.aead == b->suite.aead && a->secret == b->secret &&
           a->lifetime_s == b->lifetime_s && pdm_prefix_equal(&a->local, &b->local) &&
           pdm_prefix_equal(&a->peer, &b->peer);
}

static void set_lifetime(struct associations *set, const struct associations *before,
                         struct association *a, int64_t now)
{
    const struct association *old = NULL;

    for (size_t i = 0; i < before->configured && old == NULL; i++)
        if (strcmp(before->item[i].name, a->name) == 0)
            old = &before->item[i];
    a->number = old != NULL ? old->number : set->next_number++;
    a->ends_at = a->lifetime_s == 0 ? ASSOCIATION_NO_END : now + a->lifetime_s * PDM_NSEC_PER_SEC;
    if (old != NULL && same_terms(old, a)) {
        a->ends_at = old->ends_at;
        a->ended = old->ended;
    }
}

static void copy_terms(struct association *a, const struct config_association *from)
{
    *a = (struct association){.local = from->local,
                              .peer = from->peer,
                              .format = from->format,
                              .path = from->path,
                              .undecryptable = from->undecryptable,
                              .lifetime_s = from->lifetime_s};
    memcpy(a->name, from->name, sizeof a->name);
    if (a->format == PDM_FORMAT_ENCRYPTED)
        a->suite = (struct pdm_suite){PDM_KEM_NONE, PDM_KDF_SHA256, from->aead};
}

static bool load_all(struct associations *set, const struct associations *before,
                     const struct config *config, struct ledger *ledger, int64_t now)
{
    uint8_t *psk = set->shared[config->associations]; /* behind the last */
    bool good = true;

    /* On, after one that is wrong: all errors of a configuration are told at once. */
    for (size_t i = 0; i < config->associations; i++) {
        const struct config_association *from = &config->association[i];
        struct association *a = &set->item[set->count];

        if (from->mode != CONFIG_MODE_PSK)
            continue;
        copy_terms(a, from);
        a->section = i;
        if (a->format == PDM_FORMAT_ENCRYPTED)
            good = read_secret(from, a, psk, set->shared[i], ledger) &&
                   one_path(set, config, set->count, ledger) && good;
        set_lifetime(set, before, a, now);
        set->configured = ++set->count;
    }
    return good;
}

bool associations_load(struct associations *set, const struct associations *before,
                       const struct config *config, struct ledger *ledger, int64_t now)
{
    *set =
        (struct associations){.next_number = before->next_number, .room = config->associations + 1};
    set->item = calloc(set->room, sizeof *set->item);
    set->shared = harden_alloc(config->associations + 1, sizeof *set->shared);
    if (set->item != NULL && set->shared != NULL && load_all(set, before, config, ledger, now))
        return true;
    associations_free(set);
    return false;
}

bool associations_carry(struct associations *set, struct associations *before)
{
    size_t pairs = before->count - before->configured;
    struct association *item =
        reallocarray(set->item, set->configured + pairs + 1, sizeof *set->item);

    if (item == NULL)
        return false;
    memcpy(&item[set->configured], &before->item[before->configured], pairs * sizeof *item);
    set->item = item;
    set->room = set->configured + pairs + 1;
    set->count = set->configured + pairs;
    before->count = before->configured;
    return true;
}

bool associations_same(const struct associations *a, const struct associations *b)
{
    if (a->configured != b->configured)
        return false;
    for (size_t i = 0; i < a->configured; i++)
        if (a->item[i].number != b->item[i].number || !same_terms(&a->item[i], &b->item[i]))
            return false;
    return true;
}

void associations_free(struct associations *set)
{
    for (size_t i = set->configured; set->item != NULL && i < set->count; i++) {
        free(set->item[i].own);
        roster_free(&set->item[i].roster);
    }
    free(set->item);
    if (set->shared != NULL)
        sodium_free(set->shared);
    *set = (struct associations){0};
}

const struct association *associations_get(const struct associations *set, uint32_t number)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->item[i].number == number)
            return &set->item[i];
    return NULL;
}

const uint8_t *associations_shared(const struct associations *set, const struct association *a)
{
    return set->shared[a->section];
}

bool associations_expire(struct associations *set, int64_t now)
{
    bool any = false;

    for (size_t i = 0; i < set->count; i++) {
        struct association *a = &set->item[i];

        if (a->ended || a->ends_at > now)
            continue;
        a->ended = true;
        any = true;
        log_info(
            "association %s: its lifetime is over; reload a changed configuration or restart to "
            "monitor again",
            a->name);
    }
    return any;
}

static bool is_in_force(const void *arg, const struct pdm_policy_entry *entry)
{
    const struct association *a = associations_get(arg, entry->association);

    if (a == NULL || a->ended)
        return false;
    return a->pair != NULL ||
           (pdm_prefix_equal(&a->local, &entry->local) && pdm_prefix_equal(&a->peer, &entry->peer));
}

void associations_publish(struct associations *set, const struct pdm_policy_settings *settings,
                          struct segment *segment)
{
    size_t gone = pdm_policy_keep(&segment->policy, is_in_force, set);

    for (size_t i = 0; i < set->configured; i++) {
        const struct association *a = &set->item[i];
        struct pdm_policy_entry entry = {.local = a->local,
                                         .peer = a->peer,
                                         .format = (uint8_t)a->format,
                                         .association = a->number};

        if (!a->ended)
            segment_add(segment, &entry);
    }
    if (gone > 0)
        pairs_publish(set, segment); /* what those that are gone had taken from them */
    pdm_policy_set(&segment->policy, settings);
}
