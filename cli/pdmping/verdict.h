/* SPDX-License-Identifier: BSD-2-Clause */
/* One plain sentence at the end of a run: what is slow, or why nothing answers. */
#ifndef CLI_PDMPING_VERDICT_H
#define CLI_PDMPING_VERDICT_H

#include <stdbool.h>

#include "cli/pdmping/control.h"
#include "cli/pdmping/error.h"
#include "cli/pdmping/tally.h"

enum { VERDICT_TEXT = 240 };

struct verdict {
    const char *token; /* for programs: never changes */
    bool has_share;    /* of the excess of the slowest 1%, in percent */
    unsigned server;
    unsigned network;
    char text[VERDICT_TEXT];
};

/* Which side makes the slowest probes slow. MISSING: why there are no figures, if there are none.
 */
struct verdict verdict_of_delays(const struct tally *tally, const struct missing *missing);

/* A run without one reply. */
struct silence {
    const struct method *method;
    uint16_t port;
    bool attached;                    /* probes left with an option */
    const struct ping_error *trouble; /* the latest error; NULL: there was none */
    const struct control_tally *control;
};

struct verdict verdict_of_silence(const struct silence *silence);

#endif
