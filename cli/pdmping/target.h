/* SPDX-License-Identifier: BSD-2-Clause */
/* One host that is asked: its endpoint, its probes, and what came of them. */
#ifndef CLI_PDMPING_TARGET_H
#define CLI_PDMPING_TARGET_H

#include "cli/pdmping/control.h"
#include "cli/pdmping/method.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/schedule.h"
#include "cli/pdmping/window.h"

struct target {
    const char *host; /* as it was given */
    const struct ping_options *options;
    const struct report *report;
    const struct method *method;
    struct endpoint endpoint;
    struct window window;
    struct schedule schedule;
    struct tally tally;
    struct pdmv2_stats stats; /* as of the last datagram received */
    struct control_tally control;
    struct ping_error trouble; /* the latest error */
    bool has_trouble;
};

/* False, and a line in WHY, if the host cannot be asked. */
bool target_open(struct target *t, char why[static ERROR_TEXT]);
void target_close(struct target *t);
/* The first probe leaves at FIRST. */
void target_start(struct target *t, int64_t first);
/* Takes what came. */
void target_receive(struct target *t);
/* Sees to the probes that need no more waiting for. */
void target_settle(struct target *t, int64_t now);
/* Sends a probe if one is due; whether it did. */
bool target_send_if_due(struct target *t, int64_t now);
bool target_is_over(const struct target *t);
/* Whether it is time to find out why nothing answers. */
bool target_wants_control(const struct target *t, int64_t now);
/* Does that: INDEX is what control_receive() will tell the target by. */
void target_send_control(struct target *t, struct control *control, uint32_t index, int64_t now);
/* When there is something to do next. */
int64_t target_next(const struct target *t);
/* All that there is to say so far. */
struct summary target_summary(struct target *t);

#endif
