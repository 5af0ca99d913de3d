/* SPDX-License-Identifier: BSD-2-Clause */
/* One gathering of all that is shown. */
#include "keyagent/metrics/scrape.h"

bool scrape_begin(struct scrape *s, struct agent *agent, const struct registry *registry,
                  enum exposition_format format)
{
    *s = (struct scrape){.agent = agent,
                         .exposition = {.agent = agent, .registry = registry, .format = format}};
    s->exposition.out = evbuffer_new();
    return s->exposition.out != NULL;
}

static void count_flows(struct scrape *s)
{
    const struct slots *slots = &s->agent->slots;

    for (unsigned counted = 0; s->slot < slots->count && counted < AGENT_SCRAPE_SLOTS; s->slot++) {
        if (slots->record[s->slot].owner == 0)
            continue;
        totals_count(&s->agent->totals, slots, s->slot, &s->agent->associations);
        counted++;
    }
}

bool scrape_step(struct scrape *s)
{
    if (s->slot == s->agent->slots.count)
        return exposition_step(&s->exposition);
    count_flows(s);
    return false;
}

void scrape_end(struct scrape *s)
{
    if (s->exposition.out != NULL)
        evbuffer_free(s->exposition.out);
    *s = (struct scrape){0};
}
