/* SPDX-License-Identifier: BSD-2-Clause */
/* The generations that a primary grants: the blocks that they come in, and how they are used up. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"

/* Scopes in the ledger. */

/* What stands for a scope in the ledger, of this agent and of later ones. */
static void scope_id(const struct enrolled_epoch *epoch, const struct enrolled_scope *scope,
                     uint8_t id[static LEDGER_ID_LEN])
{
    uint8_t both[PDM_TAG_ID_LEN + PDM_ADDR_LEN];

    memcpy(both, epoch->tag, PDM_TAG_ID_LEN);
    memcpy(both + PDM_TAG_ID_LEN, scope->address, PDM_ADDR_LEN);
    crypto_generichash(id, LEDGER_ID_LEN, both, sizeof both, NULL, 0);
}

void enrolment_number_scopes(struct enrolment *e, struct enrolled_epoch *epoch)
{
    uint8_t id[LEDGER_ID_LEN];

    for (unsigned i = epoch->scopes; i-- > 0;) {
        struct enrolled_scope *scope = &epoch->scope[i];

        scope_id(epoch, scope, id);
        if (!ledger_scope(e->ledger, id, e, &scope->ledger))
            enrolled_scope_remove(epoch, i);
    }
}

void enrolment_end_scope(struct enrolment *e, const struct enrolled_epoch *epoch,
                         const struct enrolled_scope *scope)
{
    uint8_t id[LEDGER_ID_LEN];
    uint32_t number;

    scope_id(epoch, scope, id);
    (void)ledger_scope(e->ledger, id, NULL, &number);
}

/* Blocks. */

static uint32_t last_of(const struct enrolled_block *block)
{
    return block->first + (block->count - 1);
}

/* BLOCK is behind all that SCOPE has used and has. */
static bool is_new(const struct enrolment *e, const struct enrolled_epoch *epoch,
                   const struct enrolled_scope *scope, const struct enrolled_block *block)
{
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);

    return (mark == NULL || block->first > mark->generation) &&
           (scope->block.count == 0 || block->first > last_of(&scope->block)) &&
           (scope->next.count == 0 || block->first > last_of(&scope->next));
}

static void tell_refused_block(const struct enrolment *e, struct enrolled_scope *scope,
                               const struct enrolled_block *block)
{
    char text[INET6_ADDRSTRLEN];

    if (scope->refused_block)
        return;
    scope->refused_block = true;
    inet_ntop(AF_INET6, scope->address, text, sizeof text);
    log_error("association %s: the primary gives %s generations %u to %u, which are not above "
              "those used before, and they are not used: was its store put back?",
              e->name, text, block->first, last_of(block));
}

/* Generations are taken in order. What does not fit behind those that wait is never used. */
void enrolment_add_block(const struct enrolment *e, const struct enrolled_epoch *epoch,
                         struct enrolled_scope *scope, const struct enrolled_block *block)
{
    if (block->count == 0 ||
        (block->first == scope->given.first && block->count == scope->given.count))
        return; /* told again */
    if (!is_new(e, epoch, scope, block)) {
        tell_refused_block(e, scope, block);
        return;
    }
    struct enrolled_block *end = scope->next.count > 0 ? &scope->next : &scope->block;
    if (end->count > 0 && last_of(end) + 1 == block->first &&
        block->count <= UINT32_MAX - end->count)
        end->count += block->count;
    else if (scope->block.count == 0)
        scope->block = *block;
    else if (scope->next.count == 0)
        scope->next = *block;
    scope->given = *block;
    scope->refused_block = false;
}

const char *enrolment_take_block(struct enrolment *e, struct pdm_reader *body, int64_t now)
{
    struct pdm_block_response response;

    pdm_get_block_response(body, &response);
    if (!pdm_message_done(body))
        return "of another length than it has";
    if (response.count > 0 && response.count - 1 > UINT32_MAX - response.first)
        return "generations beyond the last";
    const struct enrolled_epoch *epoch =
        enrolled_epoch_find(enrolled_pair_find(&e->held, response.pair), response.epoch);
    struct enrolled_scope *scope = enrolled_scope_find(epoch, response.own);
    if (scope == NULL)
        return NULL; /* it ended meanwhile */
    scope->asked = false;
    scope->ask_at = now + ENROLMENT_ASK_NS;
    if (response.status == PDM_REGISTRATION_OK)
        enrolment_add_block(
            e, epoch, scope,
            &(struct enrolled_block){.first = response.first, .count = response.count});
    return NULL;
}

/* Ahead of need: a quarter of what was given is left, or the last one. */
static bool runs_low(const struct enrolled_scope *scope)
{
    uint32_t few = scope->given.count / ENROLMENT_BLOCK_SHARE;

    return scope->next.count == 0 && scope->block.count <= (few > 0 ? few : 1);
}

void enrolment_ask_block(struct enrolment *e, const struct enrolled_pair *pair,
                         const struct enrolled_epoch *epoch, struct enrolled_scope *scope,
                         int64_t now)
{
    struct pdm_block_request request = {.pair = pair->pair, .epoch = epoch->epoch};

    if (scope->asked || now < scope->ask_at || !runs_low(scope))
        return;
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);
    request.has_highest = mark != NULL;
    request.highest = mark != NULL ? mark->generation : 0;
    memcpy(request.own, scope->address, sizeof request.own);
    scope->asked = e->hooks.block(e->arg, &request);
}

/* Generations. */

static int64_t realtime_end(const struct enrolled_epoch *epoch, int64_t now)
{
    return epoch->ends_at == INT64_MAX ? 0 : time(NULL) + (epoch->ends_at - now) / PDM_NSEC_PER_SEC;
}

static bool note(struct enrolment *e, const struct enrolled_epoch *epoch,
                 const struct enrolled_scope *scope, uint32_t generation, int64_t ends)
{
    struct highwater_mark mark = {.generation = generation, .ends = ends > 0 ? ends : 0};

    memcpy(mark.tag, epoch->tag, sizeof mark.tag);
    memcpy(mark.address, scope->address, sizeof mark.address);
    memcpy(mark.name, e->name, sizeof mark.name);
    return highwater_note(e->highwater, &mark);
}

/* Without this, the note of a secret whose end was not known would be kept for ever. */
void enrolment_note_end(struct enrolment *e, const struct enrolled_epoch *epoch,
                        const struct enrolled_scope *scope)
{
    const struct highwater_mark *mark = highwater_find(e->highwater, epoch->tag, scope->address);

    if (mark != NULL && mark->ends == 0)
        (void)note(e, epoch, scope, mark->generation, time(NULL));
}

static bool take_generation(struct enrolment *e, const struct enrolled_pair *pair,
                            const struct enrolled_epoch *epoch, struct enrolled_scope *scope,
                            uint32_t *generation)
{
    int64_t now = clock_now();

    if (scope->block.count == 0) {
        scope->block = scope->next;
        scope->next = (struct enrolled_block){0};
    }
    bool good = scope->block.count > 0 &&
                note(e, epoch, scope, scope->block.first, realtime_end(epoch, now));
    if (good) {
        *generation = scope->block.first++;
        scope->block.count--;
    }
    enrolment_ask_block(e, pair, epoch, scope, now);
    return good;
}

bool enrolment_generation(struct enrolment *e, uint32_t ledger, uint32_t *generation)
{
    for (size_t i = 0; e != NULL && i < e->held.pairs; i++) {
        const struct enrolled_pair *pair = e->held.pair[i];

        for (unsigned j = 0; j < pair->epochs; j++) {
            const struct enrolled_epoch *epoch = &pair->epoch[j];

            for (unsigned k = 0; k < epoch->scopes; k++)
                if (epoch->scope[k].ledger == ledger)
                    return take_generation(e, pair, epoch, &epoch->scope[k], generation);
        }
    }
    return false;
}
