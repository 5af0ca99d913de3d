/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers that began a pairing. */
#include "keyagent/pairing/callers.h"

#include <stdlib.h>
#include <string.h>

#define CALLERS (PAIRING_WAITING_MAX + PAIRING_ANSWERS_MAX + 1) /* one is being served */

bool callers_init(struct callers *c)
{
    *c = (struct callers){0};
    randombytes_buf(c->key, sizeof c->key);
    c->caller = calloc(CALLERS, sizeof *c->caller);
    return c->caller != NULL && table_init(&c->table, CALLERS);
}

void callers_free(struct callers *c)
{
    table_free(&c->table);
    free(c->caller);
    *c = (struct callers){0};
}

struct caller *callers_find(const struct callers *c, const struct ends *ends)
{
    for (uint32_t i = table_first(&c->table, ends_hash(ends, c->key)); i != TABLE_NONE;
         i = table_next(&c->table, i))
        if (ends_equal(&c->caller[i].ends, ends))
            return &c->caller[i];
    return NULL;
}

static uint32_t number_of(const struct callers *c, const struct caller *caller)
{
    return (uint32_t)(caller - c->caller);
}

/* Lines. */

static void join_line(struct callers *c, struct caller *caller, uint32_t at)
{
    struct callers_line *line = &c->line[at];

    caller->line = at;
    caller->before = line->count > 0 ? line->last : TABLE_NONE;
    caller->behind = TABLE_NONE;
    if (line->count > 0)
        c->caller[line->last].behind = number_of(c, caller);
    else
        line->first = number_of(c, caller);
    line->last = number_of(c, caller);
    line->count++;
    c->waiting++;
}

static void leave_line(struct callers *c, const struct caller *caller)
{
    struct callers_line *line = &c->line[caller->line];

    if (caller->before != TABLE_NONE)
        c->caller[caller->before].behind = caller->behind;
    else
        line->first = caller->behind;
    if (caller->behind != TABLE_NONE)
        c->caller[caller->behind].before = caller->before;
    else
        line->last = caller->before;
    line->count--;
    c->waiting--;
}

/* ENTRY's, or, as there is none, an unused one: TABLE_NONE if there is none of these either. */
static uint32_t line_of(const struct callers *c, const struct pdm_prefix *entry)
{
    uint32_t unused = TABLE_NONE;

    for (uint32_t i = 0; i < PAIRING_WAITING_MAX; i++) {
        if (c->line[i].count == 0)
            unused = i;
        else if (pdm_prefix_equal(&c->line[i].entry, entry))
            return i;
    }
    return unused;
}

/* Of equally long ones any: nobody can know which. */
static uint32_t longest_line(const struct callers *c)
{
    uint32_t from = randombytes_uniform(PAIRING_WAITING_MAX);
    uint32_t longest = from;

    for (uint32_t i = 0; i < PAIRING_WAITING_MAX; i++) {
        uint32_t at = (from + i) % PAIRING_WAITING_MAX;

        if (c->line[at].count > c->line[longest].count)
            longest = at;
    }
    return longest;
}

/* For one more in ENTRY's line. False if that is a longest one itself. */
static bool make_room(struct callers *c, const struct pdm_prefix *entry)
{
    if (c->waiting < PAIRING_WAITING_MAX)
        return true;
    uint32_t own = line_of(c, entry);
    const struct callers_line *longest = &c->line[longest_line(c)];
    if (own != TABLE_NONE && c->line[own].count >= longest->count)
        return false;
    callers_remove(c, &c->caller[longest->last]);
    return true;
}

struct caller *callers_wait(struct callers *c, const struct ends *ends,
                            const struct pdm_prefix *entry, int64_t now)
{
    if (!make_room(c, entry))
        return NULL;
    uint32_t number = table_add(&c->table, ends_hash(ends, c->key));
    if (number == TABLE_NONE)
        return NULL;
    uint32_t line = line_of(c, entry);
    struct caller *caller = &c->caller[number];
    c->line[line].entry = *entry;
    caller->ends = *ends;
    caller->state = CALLER_WAITS;
    caller->since = now;
    join_line(c, caller, line);
    return caller;
}

void callers_remove(struct callers *c, struct caller *caller)
{
    if (caller->state == CALLER_WAITS)
        leave_line(c, caller);
    table_remove(&c->table, ends_hash(&caller->ends, c->key), number_of(c, caller));
    *caller = (struct caller){.state = CALLER_UNUSED};
}

static struct caller *first_in_turn(struct callers *c)
{
    do
        c->turn = (c->turn + 1) % PAIRING_WAITING_MAX;
    while (c->line[c->turn].count == 0);
    return &c->caller[c->line[c->turn].first];
}

struct caller *callers_next(struct callers *c, int64_t now)
{
    while (c->waiting > 0) {
        struct caller *caller = first_in_turn(c);

        if (now - caller->since > PAIRING_WAIT_NS) {
            callers_remove(c, caller);
            continue;
        }
        leave_line(c, caller);
        caller->state = CALLER_SERVED;
        caller->since = now;
        return caller;
    }
    return NULL;
}

static bool is_over(const struct caller *caller)
{
    return caller->state == CALLER_ANSWERED || caller->state == CALLER_REFUSED;
}

/* So that there is always room for all who may wait. */
static void drop_oldest(struct callers *c)
{
    struct caller *oldest = NULL;
    uint32_t over = 0;

    for (uint32_t i = 0; i < CALLERS; i++) {
        struct caller *caller = &c->caller[i];

        if (!is_over(caller))
            continue;
        over++;
        if (oldest == NULL || caller->since < oldest->since)
            oldest = caller;
    }
    if (over > PAIRING_ANSWERS_MAX)
        callers_remove(c, oldest);
}

void callers_served(struct callers *c, struct caller *caller, bool answered, int64_t now)
{
    caller->state = answered ? CALLER_ANSWERED : CALLER_REFUSED;
    caller->since = now;
    drop_oldest(c);
}

void callers_expire(struct callers *c, int64_t now)
{
    for (uint32_t i = 0; i < CALLERS; i++)
        if (is_over(&c->caller[i]) && now - c->caller[i].since > PAIRING_ANSWER_NS)
            callers_remove(c, &c->caller[i]);
}

void callers_forget(struct callers *c, const struct enrolment *enrolment, uint32_t pair)
{
    for (uint32_t i = 0; i < CALLERS; i++) {
        struct caller *caller = &c->caller[i];

        if (caller->state != CALLER_UNUSED && caller->enrolment == enrolment &&
            (pair == 0 || caller->pair == pair))
            callers_remove(c, caller);
    }
}
