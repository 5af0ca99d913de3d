/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the probes without an answer went. */
#include "cli/pdmping/losses.h"

struct losses losses_of(const struct tally *t, const struct pdmv2_stats *flow,
                        const struct missing *why_not, bool mended)
{
    static const struct missing by_tcp = {"tcp", "TCP repairs losses itself"};
    uint64_t failed = t->errors + t->refused;
    uint64_t unanswered = tally_unanswered(t);
    struct losses losses = {.lost = unanswered > failed ? unanswered - failed : 0};
    uint64_t between = t->span.last - t->span.first + 1;

    if (mended) {
        losses.missing = &by_tcp;
        return losses;
    }
    if (t->span.first == 0) {
        losses.missing = why_not;
        return losses;
    }
    uint64_t told = between > t->span.met ? between - t->span.met : 0;

    if (told > losses.lost)
        told = losses.lost;
    losses.back = flow->lost < told ? flow->lost : told;
    losses.to_server = told - losses.back;
    losses.untold = losses.lost - told;
    return losses;
}
