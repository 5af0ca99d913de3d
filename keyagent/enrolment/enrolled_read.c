/* SPDX-License-Identifier: BSD-2-Clause */
/* The SECRET response taken apart. */
#include "keyagent/enrolment/enrolled.h"

#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"
#include "keyagent/harden.h"

#define GRANT_OCTETS (sizeof(uint16_t) + PDM_NH_MAX)
#define GROUPS ((size_t)UINT16_MAX + 1)
#define OUT_OF_MEMORY "out of memory"

struct reading {
    struct pdm_reader *body;
    int64_t now;
    const char *wrong; /* the first thing that is; NULL: nothing */
};

static bool wrong(struct reading *r, const char *what)
{
    if (r->wrong == NULL)
        r->wrong = what;
    return false;
}

static bool there(struct reading *r)
{
    return !r->body->bad || wrong(r, "too short");
}

/* Octets of the secrets in SCOPES scopes that BODY begins with; false if they are not all there. */
static bool secret_octets(struct pdm_reader body, unsigned scopes, size_t *octets)
{
    *octets = 0;
    for (unsigned i = 0; i < scopes && !body.bad; i++) {
        struct pdm_secret_scope from;

        pdm_get_secret_scope(&body, &from);
        (void)pdm_read_span(&body, from.grants * GRANT_OCTETS);
        *octets += (size_t)from.grants * PDM_NH_MAX;
        if (from.has_identity != 0) {
            (void)pdm_read_span(&body, (size_t)2 * PDM_IBC_POINT_LEN);
            *octets += PDM_IBC_POINT_LEN;
        }
    }
    return !body.bad;
}

static bool read_grants(struct reading *r, struct enrolled_scope *scope,
                        const struct pdm_suite *suite, uint8_t **locked)
{
    uint8_t seen[GROUPS / 8] = {0};

    scope->secret = (uint8_t(*)[PDM_NH_MAX])(void *)*locked;
    *locked += (size_t)scope->grants * PDM_NH_MAX;
    for (unsigned i = 0; i < scope->grants; i++) {
        uint16_t group = pdm_read_u16(r->body);
        uint8_t *secret = scope->secret[i];

        pdm_read_bytes(r->body, secret, PDM_NH_MAX);
        if ((seen[group / 8] & 1U << group % 8) != 0)
            return wrong(r, "two secrets for one group");
        seen[group / 8] |= (uint8_t)(1U << group % 8);
        if (!there(r))
            return false;
        if (!enrolled_is_secret(suite, secret))
            return wrong(r, "a secret of another length than its suite's");
        scope->group[i] = group;
    }
    return true;
}

static bool read_identity(struct reading *r, struct enrolled_scope *scope, uint8_t **locked)
{
    scope->p_pub = malloc(PDM_IBC_POINT_LEN);
    if (scope->p_pub == NULL)
        return wrong(r, OUT_OF_MEMORY);
    scope->s_id = *locked;
    *locked += PDM_IBC_POINT_LEN;
    pdm_read_bytes(r->body, scope->p_pub, PDM_IBC_POINT_LEN);
    pdm_read_bytes(r->body, scope->s_id, PDM_IBC_POINT_LEN);
    return there(r);
}

static bool check_scope(struct reading *r, const struct enrolled_pair *pair,
                        const struct enrolled_epoch *epoch, const struct pdm_secret_scope *from)
{
    if (!there(r))
        return false;
    if (!pdm_addr_takes_part(from->address))
        return wrong(r, "an address that takes no part");
    if (enrolled_scope_find(epoch, from->address) != NULL)
        return wrong(r, "an address twice");
    if (from->block_count > 0 && from->block_count - 1 > UINT32_MAX - from->block_first)
        return wrong(r, "generations beyond the last");
    if (from->has_identity != (pair->secmop == PDM_SECMOP_IBC))
        return wrong(r, "an identity that does not go with the mode");
    return true;
}

static bool read_scope(struct reading *r, const struct enrolled_pair *pair,
                       struct enrolled_epoch *epoch, uint8_t **locked)
{
    struct pdm_secret_scope from;

    pdm_get_secret_scope(r->body, &from);
    if (!check_scope(r, pair, epoch, &from))
        return false;
    struct enrolled_scope *scope = &epoch->scope[epoch->scopes++];
    size_t serials = from.grants > 0 ? from.grants : 1;
    *scope = (struct enrolled_scope){.given = {from.block_first, from.block_count},
                                     .grants = from.grants,
                                     .group = calloc(serials, sizeof *scope->group),
                                     .serial = calloc(serials, sizeof *scope->serial)};
    memcpy(scope->address, from.address, sizeof scope->address);
    if (scope->group == NULL || scope->serial == NULL)
        return wrong(r, OUT_OF_MEMORY);
    return read_grants(r, scope, &epoch->suite, locked) &&
           (from.has_identity == 0 || read_identity(r, scope, locked));
}

static bool read_scopes(struct reading *r, const struct enrolled_pair *pair,
                        struct enrolled_epoch *epoch, unsigned scopes)
{
    uint8_t *locked;
    size_t octets;

    if (!secret_octets(*r->body, scopes, &octets))
        return wrong(r, "too short");
    epoch->scope = calloc(scopes + 1U, sizeof *epoch->scope);
    epoch->locked = harden_alloc(octets + 1, 1);
    if (epoch->scope == NULL || epoch->locked == NULL)
        return wrong(r, OUT_OF_MEMORY);
    locked = epoch->locked;
    for (unsigned i = 0; i < scopes; i++)
        if (!read_scope(r, pair, epoch, &locked))
            return false;
    return true;
}

static bool read_epoch(struct reading *r, struct enrolled_pair *pair)
{
    struct enrolled_epoch *epoch = &pair->epoch[pair->epochs++];
    struct pdm_secret_epoch from;

    pdm_get_secret_epoch(r->body, &from);
    if (!there(r))
        return false;
    epoch->epoch = from.epoch;
    epoch->suite = (struct pdm_suite){from.kem, from.kdf, from.aead};
    epoch->send_at = enrolled_time(r->now, from.send_ms);
    epoch->ends_at = from.ends_ms == UINT64_MAX ? INT64_MAX : enrolled_time(r->now, from.ends_ms);
    memcpy(epoch->tag, from.tag, sizeof epoch->tag);
    if (pair->epochs > 1 && from.epoch <= pair->epoch[0].epoch)
        return wrong(r, "negotiations out of order");
    if (pair->epochs > 1 && memcmp(from.tag, pair->epoch[0].tag, sizeof from.tag) == 0)
        return wrong(r, "two negotiations with one tag");
    if (pdm_suite_nh(&epoch->suite) == 0 || pdm_aead_name(from.aead) == NULL)
        return wrong(r, "a suite that is not known");
    return read_scopes(r, pair, epoch, from.scopes);
}

static bool is_name(const uint8_t name[static PDM_NAME_MAX])
{
    const uint8_t *end = memchr(name, '\0', PDM_NAME_MAX);

    for (const uint8_t *c = name; end != NULL && c < end; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return end != NULL && end != name;
}

static bool check_pair(struct reading *r, const struct enrolled_set *set,
                       const struct pdm_secret_pair *from)
{
    if (!there(r))
        return false;
    if (!is_name(from->name))
        return wrong(r, "a name that is none");
    if (from->pair == 0 || from->side >= PDM_SIDES || from->secmop >= PDM_SECMOPS ||
        from->poller >= PDM_SIDES || from->unprotected >= PDM_UNPROTECTEDS)
        return wrong(r, "a value that is not known");
    if (from->epochs > (from->secmop == PDM_SECMOP_NONE ? 0 : PDM_PEER_SECRETS))
        return wrong(r, "too many negotiations");
    if (enrolled_pair_find(set, from->pair) != NULL)
        return wrong(r, "a pair twice");
    return true;
}

static bool read_pair(struct reading *r, struct enrolled_set *set)
{
    struct pdm_secret_pair from;

    pdm_get_secret_pair(r->body, &from);
    if (!check_pair(r, set, &from))
        return false;
    struct enrolled_pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        return wrong(r, OUT_OF_MEMORY);
    set->pair[set->pairs++] = pair;
    pair->pair = from.pair;
    pair->side = from.side;
    pair->secmop = from.secmop;
    pair->poller = from.poller;
    pair->unprotected = from.unprotected;
    memcpy(pair->name, from.name, sizeof pair->name);
    for (unsigned i = 0; i < from.epochs; i++)
        if (!read_epoch(r, pair))
            return false;
    return true;
}

static bool read_pairs(struct reading *r, struct enrolled_set *set, unsigned pairs)
{
    if (pairs > ENROLMENT_PAIRS_MAX)
        return wrong(r, "too many pairs");
    set->pair = calloc(pairs + 1U, sizeof(struct enrolled_pair *));
    if (set->pair == NULL)
        return wrong(r, OUT_OF_MEMORY);
    for (unsigned i = 0; i < pairs; i++)
        if (!read_pair(r, set))
            return false;
    return r->body->left == 0 || wrong(r, "too long");
}

const char *enrolled_read(struct pdm_reader *body, int64_t now, struct enrolled_set *set,
                          enum pdm_registration_status *status)
{
    struct reading r = {.body = body, .now = now};
    struct pdm_secret_response head;

    *set = (struct enrolled_set){0};
    pdm_get_secret_response(body, &head);
    *status = head.status;
    if (there(&r) && head.status != PDM_REGISTRATION_OK && head.pairs > 0)
        wrong(&r, "pairs with a refusal");
    else if (r.wrong == NULL)
        read_pairs(&r, set, head.pairs);
    if (r.wrong != NULL)
        enrolled_set_free(set);
    return r.wrong;
}
