/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the probes of one target lately. */
#include "cli/pdmping/slots.h"

#include <stddef.h>

enum { UNUSED = 0 }; /* the number of a slot that nothing is in; they count from 1 */

void slots_begin(struct slots *s, int64_t start, int64_t width)
{
    *s = (struct slots){.start = start, .width = width};
}

uint64_t slots_number(const struct slots *s, int64_t at)
{
    return at < s->start ? UNUSED : (uint64_t)((at - s->start) / s->width) + 1;
}

const struct slot *slots_find(const struct slots *s, uint64_t number)
{
    const struct slot *slot = &s->slot[number % SLOTS_KEPT];

    return number != UNUSED && slot->number == number ? slot : NULL;
}

/* The slot that AT is in, if it is not too long ago. */
static struct slot *take(struct slots *s, int64_t at)
{
    uint64_t number = slots_number(s, at);
    struct slot *slot = &s->slot[number % SLOTS_KEPT];

    if (number == UNUSED || slot->number > number)
        return NULL;
    if (slot->number < number)
        *slot = (struct slot){.number = number};
    return slot;
}

void slots_sent(struct slots *s, int64_t at)
{
    struct slot *slot = take(s, at);

    if (slot)
        slot->sent++;
}

void slots_answered(struct slots *s, int64_t at, const struct reply *reply)
{
    struct slot *slot = take(s, at);

    if (!slot || reply->duplicate)
        return;
    if (reply->late && slot->lost > 0)
        slot->lost--;
    slot->answered++;
    if (reply->rtt < slot->total)
        return;
    slot->total = reply->rtt;
    slot->divided = !reply->figures.network.missing && !reply->figures.server.missing;
    slot->network = slot->divided ? reply->figures.network.ns : 0;
    slot->server = slot->divided ? reply->figures.server.ns : 0;
}

void slots_lost(struct slots *s, int64_t at)
{
    struct slot *slot = take(s, at);

    if (slot)
        slot->lost++;
}
