/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairings that are begun here. */
#include "keyagent/pairing/initiations.h"

#include <stdlib.h>

#include "keyagent/harden.h"
#include "keyagent/log.h"

bool initiations_init(struct initiations *s)
{
    *s = (struct initiations){0};
    randombytes_buf(s->key, sizeof s->key);
    s->k_i = harden_alloc(PAIRING_OWN_MAX, sizeof *s->k_i);
    if (s->k_i == NULL)
        return false;
    s->initiation = calloc(PAIRING_OWN_MAX, sizeof *s->initiation);
    if (s->initiation != NULL && table_init(&s->table, PAIRING_OWN_MAX))
        return true;
    log_error("out of memory");
    return false;
}

void initiations_free(struct initiations *s)
{
    table_free(&s->table);
    free(s->initiation);
    if (s->k_i != NULL)
        sodium_free(s->k_i);
    *s = (struct initiations){0};
}

struct initiation *initiations_find(const struct initiations *s, const struct ends *ends)
{
    for (uint32_t i = table_first(&s->table, ends_hash(ends, s->key)); i != TABLE_NONE;
         i = table_next(&s->table, i))
        if (ends_equal(&s->initiation[i].ends, ends))
            return &s->initiation[i];
    return NULL;
}

/* Peers that did not answer make room: the one whose pause ends first. */
static bool make_room(struct initiations *s)
{
    struct initiation *first = NULL;

    if (s->table.used < PAIRING_OWN_MAX)
        return true;
    for (uint32_t n = 0; n < PAIRING_OWN_MAX; n++) {
        struct initiation *i = &s->initiation[n];

        if (i->phase == INITIATION_PAUSE && (first == NULL || i->at < first->at))
            first = i;
    }
    if (first != NULL)
        initiations_remove(s, first);
    return first != NULL;
}

struct initiation *initiations_add(struct initiations *s, const struct ends *ends)
{
    if (!make_room(s))
        return NULL;
    struct initiation *i = &s->initiation[table_add(&s->table, ends_hash(ends, s->key))];
    i->ends = *ends;
    return i;
}

static uint32_t number_of(const struct initiations *s, const struct initiation *i)
{
    return (uint32_t)(i - s->initiation);
}

uint8_t *initiations_k_i(const struct initiations *s, const struct initiation *i)
{
    return s->k_i[number_of(s, i)];
}

void initiations_remove(struct initiations *s, struct initiation *i)
{
    initiations_enter(s, i, INITIATION_UNUSED);
    sodium_memzero(initiations_k_i(s, i), sizeof s->k_i[0]);
    table_remove(&s->table, ends_hash(&i->ends, s->key), number_of(s, i));
    *i = (struct initiation){.phase = INITIATION_UNUSED};
}

/* Phases. */

static bool is_active(const struct initiation *i)
{
    return i->phase != INITIATION_UNUSED && i->phase != INITIATION_PAUSE;
}

static bool is_ready(const struct initiation *i)
{
    return i->phase == INITIATION_BEGIN || i->phase == INITIATION_FINISH;
}

void initiations_resume(struct initiations *s, struct initiation *i, enum initiation_phase phase)
{
    s->active -= is_active(i);
    s->ready -= is_ready(i);
    i->phase = phase;
    s->active += is_active(i);
    s->ready += is_ready(i);
}

void initiations_enter(struct initiations *s, struct initiation *i, enum initiation_phase phase)
{
    initiations_resume(s, i, phase);
    i->tries = 0;
}

void initiations_pause(struct initiations *s, struct initiation *i, int64_t now)
{
    i->pause = i->pause == 0 ? PAIRING_PAUSE_NS : 2 * i->pause;
    if (i->pause > PAIRING_PAUSE_MAX_NS)
        i->pause = PAIRING_PAUSE_MAX_NS;
    i->at = now + i->pause;
    initiations_enter(s, i, INITIATION_PAUSE);
}
