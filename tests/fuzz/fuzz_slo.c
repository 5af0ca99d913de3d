/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives on pdmping's command line: what is taken can be judged, and what is refused is told.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/pdmping/slo.h"
#include "cli/pdmping/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A run of one probe; the larger a limit is, the easier it is met. */
static void judge(const struct slo_objective *o)
{
    static const struct reply reply = {
        .seq = 1, .rtt = 3000, .figures = {{.ns = 2000}, {.ns = 1000}}};
    static struct tally tally;

    if (tally.transmitted == 0) {
        tally_sent(&tally, 1, 0);
        tally_reply(&tally, &reply, true);
    }
    struct slo_result result = slo_judge(o, &tally);

    must(result.samples == 1 && result.met == (result.value <= o->limit));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char why[SLO_WHY] = "";
    struct slo slo;
    char *text = malloc(len + 1);

    must(text != NULL);
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    if (slo_parse(&slo, text, why)) {
        must(slo.count > 0 && slo.count <= SLO_MAX);
        for (size_t i = 0; i < slo.count; i++) {
            const struct slo_objective *o = &slo.objective[i];

            must(o->limit >= 0 && strstr(text, o->text) != NULL);
            must(o->statistic != SLO_PERCENTILE || o->metric == SLO_LOSS ||
                 (o->percent >= 1 && o->percent <= 99));
            judge(o);
        }
    } else {
        must(why[0] != '\0');
    }
    free(text);
    return 0;
}
