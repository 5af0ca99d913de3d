/* SPDX-License-Identifier: BSD-2-Clause */
/* One gathering of all that is shown: first every flow is counted, then what there is is written.
 */
#ifndef PDM_KEYAGENT_SCRAPE_H
#define PDM_KEYAGENT_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/metrics/exposition.h"

struct scrape {
    struct agent *agent;
    uint32_t slot; /* that is counted next */
    struct exposition exposition;
};

/* False: out of memory. Else scrape_end() is due. */
bool scrape_begin(struct scrape *s, struct agent *agent, const struct registry *registry,
                  enum exposition_format format);
/* Does a part of it, well below what a program waits for an answer. True: that was the last, and
 * s->exposition.out has it all. */
bool scrape_step(struct scrape *s);
void scrape_end(struct scrape *s);

#endif
