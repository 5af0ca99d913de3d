/* SPDX-License-Identifier: BSD-2-Clause */
/* The points of identities (ibc) that a primary gives. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <stdlib.h>
#include <string.h>

#include "core/ibc.h"

/*
 * What is computed with a point that is not of the curve, or not of order q, could tell of the
 * secret that it is computed with. The check takes milliseconds: what is held already had it.
 */
static bool has_usable_points(const struct pdm_ibc_parameters *parameters,
                              const struct enrolled_epoch *epoch, unsigned at)
{
    const struct enrolled_scope *scope = &epoch->scope[at];

    return ((at > 0 && memcmp(scope->p_pub, epoch->scope[at - 1].p_pub, PDM_IBC_POINT_LEN) == 0) ||
            pdm_ibc_point_usable(parameters, scope->p_pub)) &&
           pdm_ibc_point_usable(parameters, scope->s_id);
}

static const struct pdm_ibc_parameters *parameters_of(struct enrolment *e)
{
    if (e->parameters != NULL)
        return e->parameters;
    e->parameters = malloc(sizeof *e->parameters);
    if (e->parameters != NULL && pdm_ibc_parameters_init(e->parameters, &pdm_ibc_3072))
        return e->parameters;
    free(e->parameters);
    e->parameters = NULL;
    return NULL;
}

/* OLD: the same epoch as it is held, or NULL. */
static const char *check_epoch_points(struct enrolment *e, const struct enrolled_epoch *epoch,
                                      const struct enrolled_epoch *old)
{
    const struct pdm_ibc_parameters *parameters = parameters_of(e);

    if (parameters == NULL)
        return "out of memory";
    for (unsigned i = 0; i < epoch->scopes; i++) {
        const struct enrolled_scope *held = enrolled_scope_find(old, epoch->scope[i].address);

        if ((held == NULL || !enrolled_identity_same(held, &epoch->scope[i])) &&
            !has_usable_points(parameters, epoch, i))
            return "an identity's key that is no point to compute with";
    }
    return NULL;
}

static const char *check_pair_points(struct enrolment *e, const struct enrolled_pair *pair)
{
    const struct enrolled_pair *old = enrolled_pair_find(&e->held, pair->pair);
    const char *wrong = NULL;

    for (unsigned i = 0; i < pair->epochs && wrong == NULL; i++) {
        const struct enrolled_epoch *epoch = &pair->epoch[i];

        wrong = check_epoch_points(e, epoch, enrolled_epoch_same(old, pair, epoch));
    }
    return wrong;
}

const char *enrolment_check_points(struct enrolment *e, const struct enrolled_set *set)
{
    const char *wrong = NULL;

    for (size_t i = 0; i < set->pairs && wrong == NULL; i++)
        if (set->pair[i]->secmop == PDM_SECMOP_IBC)
            wrong = check_pair_points(e, set->pair[i]);
    return wrong;
}
