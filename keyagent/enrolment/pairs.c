/* SPDX-License-Identifier: BSD-2-Clause */
/* The associations that a primary makes. */
#include "keyagent/enrolment/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

struct association *pairs_find(const struct associations *set, const struct enrolment *enrolment,
                               uint32_t pair)
{
    for (size_t i = set->configured; i < set->count; i++)
        if (set->item[i].enrolment == enrolment && set->item[i].pair_number == pair)
            return &set->item[i];
    return NULL;
}

/* What the policy says of two prefixes follows from all associations, whatever was changed last. */

static bool has_own(const struct association *a, const struct pdm_prefix *local)
{
    for (size_t i = 0; i < a->owns; i++)
        if (pdm_prefix_equal(&a->own[i], local))
            return true;
    return false;
}

/* Whether A names just LOCAL and PEER; their GROUP. */
static bool names(const struct association *a, const struct pdm_prefix *local,
                  const struct pdm_prefix *peer, uint16_t *group)
{
    const struct roster_entry *entry;

    *group = 0;
    if (a->ended)
        return false;
    if (a->pair == NULL)
        return pdm_prefix_equal(&a->local, local) && pdm_prefix_equal(&a->peer, peer);
    if (!has_own(a, local) || (entry = roster_find(&a->roster, peer)) == NULL)
        return false;
    *group = entry->group;
    return true;
}

static struct association *first_that_names(const struct associations *set,
                                            const struct pdm_prefix *local,
                                            const struct pdm_prefix *peer, uint16_t *group)
{
    for (size_t i = 0; i < set->count; i++)
        if (names(&set->item[i], local, peer, group))
            return &set->item[i];
    return NULL;
}

/* False if the policy has no room, which was told: the two take no part. */
static bool settle(const struct associations *set, struct segment *segment,
                   const struct pdm_prefix *local, const struct pdm_prefix *peer)
{
    struct pdm_policy_entry entry = {.local = *local, .peer = *peer};
    const struct association *a = first_that_names(set, local, peer, &entry.group);

    if (a == NULL) {
        pdm_policy_remove(&segment->policy, local, peer);
        return true;
    }
    entry.format = (uint8_t)a->format;
    entry.association = a->number;
    return segment_add(segment, &entry);
}

/* All that the OWNS addresses at OWN and ROSTER name between them. */
static void settle_all(const struct associations *set, struct segment *segment,
                       const struct pdm_prefix *own, size_t owns, const struct roster *roster)
{
    const struct roster_entry *entry;
    uint32_t at = 0;

    while ((entry = roster_next(roster, &at)) != NULL)
        for (size_t i = 0; i < owns; i++)
            if (!settle(set, segment, &own[i], &entry->peer))
                return; /* there is none for those that follow either */
}

void pairs_publish(struct associations *set, struct segment *segment)
{
    for (size_t i = set->configured; i < set->count; i++) {
        const struct association *a = &set->item[i];

        if (!a->ended)
            settle_all(set, segment, a->own, a->owns, &a->roster);
    }
}

/* Flows that were refused for want of a secret ask again when the policy is of another version. */
static void change_version(const struct associations *set, struct segment *segment,
                           const struct association *a)
{
    uint32_t at = 0;
    const struct roster_entry *entry = roster_next(&a->roster, &at);

    if (entry == NULL || a->owns == 0)
        return;
    pdm_policy_remove(&segment->policy, &a->own[0], &entry->peer);
    settle(set, segment, &a->own[0], &entry->peer);
}

/* The host's own addresses. */

struct owns {
    struct pdm_prefix *item;
    size_t count;
};

static void add_own(struct owns *owns, const struct pdm_prefix *own)
{
    for (size_t i = 0; i < owns->count; i++)
        if (pdm_prefix_equal(&owns->item[i], own))
            return;
    owns->item[owns->count++] = *own;
}

/* None have secrets in mode none: there any address takes part with those that are listed. */
static void collect_owns(const struct enrolled_pair *pair, struct owns *owns)
{
    static const struct pdm_prefix any;

    if (pair->secmop == PDM_SECMOP_NONE) {
        if (pair->unprotected != PDM_UNPROTECTED_NONE)
            add_own(owns, &any);
        return;
    }
    for (uint8_t e = 0; e < pair->epochs; e++)
        for (uint8_t s = 0; s < pair->epoch[e].scopes; s++) {
            struct pdm_prefix own = pdm_prefix_of(pair->epoch[e].scope[s].address, 128);

            add_own(owns, &own);
        }
}

/* False: out of memory. */
static bool owns_of(const struct enrolled_pair *pair, struct owns *owns)
{
    size_t most = 1;

    for (uint8_t e = 0; e < pair->epochs; e++)
        most += pair->epoch[e].scopes;
    *owns = (struct owns){.item = calloc(most, sizeof *owns->item)};
    if (owns->item == NULL)
        return false;
    collect_owns(pair, owns);
    return true;
}

static bool same_owns(const struct association *a, const struct owns *owns)
{
    for (size_t i = 0; i < owns->count; i++)
        if (!has_own(a, &owns->item[i]))
            return false;
    return a->owns == owns->count;
}

/* The pair itself. */

static enum pdm_format format_of(const struct enrolled_pair *pair)
{
    if (pair->secmop != PDM_SECMOP_NONE)
        return PDM_FORMAT_ENCRYPTED;
    return pair->unprotected == PDM_UNPROTECTED_RFC8250 ? PDM_FORMAT_RFC8250 : PDM_FORMAT_PLAIN;
}

/* A name that is too long is cut. */
static void set_name(struct association *a, const struct config_association *from,
                     const struct enrolled_pair *pair)
{
    char name[2 * PDM_NAME_MAX];

    snprintf(name, sizeof name, "%.*s/%.*s", PDM_NAME_MAX - 1, from->name, PDM_NAME_MAX - 1,
             pair->name);
    memcpy(a->name, name, sizeof a->name - 1);
    a->name[sizeof a->name - 1] = '\0';
}

static struct association *add(struct associations *set, struct enrolment *enrolment,
                               uint32_t pair_number)
{
    if (set->count == set->room) {
        struct association *item = reallocarray(set->item, 2 * set->room, sizeof *item);

        if (item == NULL)
            return NULL;
        set->item = item;
        set->room *= 2;
    }
    struct association *a = &set->item[set->count++];

    *a = (struct association){
        .number = set->next_number++, .enrolment = enrolment, .pair_number = pair_number};
    return a;
}

/* Monitoring that has ended stays so until the section says another lifetime. */
static void set_terms(struct association *a, const struct config_association *from,
                      const struct enrolled_pair *pair, int64_t now)
{
    bool is_new = a->pair == NULL;

    if (is_new || a->lifetime_s != from->lifetime_s) {
        a->lifetime_s = from->lifetime_s;
        a->ends_at =
            a->lifetime_s == 0 ? ASSOCIATION_NO_END : now + a->lifetime_s * PDM_NSEC_PER_SEC;
        a->ended = false;
    }
    a->pair = pair;
    a->path = (enum config_path)from->path;
    a->undecryptable = (enum config_undecryptable)from->undecryptable;
    a->format = format_of(pair);
    a->suite = pair->epochs > 0 ? pair->epoch[pair->epochs - 1].suite : (struct pdm_suite){0};
    set_name(a, from, pair);
}

struct association *pairs_set(struct associations *set, struct segment *segment,
                              const struct config_association *from, struct enrolment *enrolment,
                              const struct enrolled_pair *pair, int64_t now)
{
    struct association *a = pairs_find(set, enrolment, pair->pair);
    struct owns owns;

    if (!owns_of(pair, &owns))
        goto none;
    if (a == NULL && (a = add(set, enrolment, pair->pair)) == NULL)
        goto none;
    struct owns before = {a->own, a->owns};
    bool same = same_owns(a, &owns) && a->format == format_of(pair) && !a->ended;

    set_terms(a, from, pair, now);
    a->own = owns.item;
    a->owns = owns.count;
    if (!same) {
        settle_all(set, segment, before.item, before.count, &a->roster);
        settle_all(set, segment, a->own, a->owns, &a->roster);
    }
    change_version(set, segment, a);
    free(before.item);
    return a;
none:
    free(owns.item);
    log_error("association %s/%s: out of memory", from->name, pair->name);
    return NULL;
}

void pairs_drop(struct associations *set, struct segment *segment, struct association *a)
{
    struct association gone = *a;
    size_t at = (size_t)(a - set->item);

    memmove(a, a + 1, (set->count - at - 1) * sizeof *a);
    set->count--;
    settle_all(set, segment, gone.own, gone.owns, &gone.roster);
    free(gone.own);
    roster_free(&gone.roster);
}

/* The list. */

static void tell_tie(const struct associations *set, struct association *a,
                     const struct pdm_prefix *peer)
{
    uint16_t group;

    for (size_t i = 0; i < a->owns && !a->told_tie && !a->ended; i++) {
        const struct association *first = first_that_names(set, &a->own[i], peer, &group);

        if (first == a)
            continue;
        log_warning("association %s: association %s names some of its peers just the same, and "
                    "keeps them",
                    a->name, first->name);
        a->told_tie = true;
    }
}

bool pairs_name(struct associations *set, struct segment *segment, struct association *a,
                const struct pdm_prefix *peer, uint16_t group)
{
    bool good = roster_add(&a->roster, peer, group);

    if (!good)
        log_error("association %s: no room for its list of %u peers and more", a->name,
                  (unsigned)a->roster.used);
    for (size_t i = 0; i < a->owns && good; i++)
        good = settle(set, segment, &a->own[i], peer);
    tell_tie(set, a, peer);
    return good;
}

void pairs_unname(struct associations *set, struct segment *segment, struct association *a,
                  const struct pdm_prefix *peer)
{
    roster_remove(&a->roster, peer);
    for (size_t i = 0; i < a->owns; i++)
        settle(set, segment, &a->own[i], peer);
}

void pairs_clear(struct associations *set, struct segment *segment, struct association *a)
{
    struct roster gone = a->roster;

    a->roster = (struct roster){0};
    settle_all(set, segment, a->own, a->owns, &gone);
    roster_free(&gone);
}
