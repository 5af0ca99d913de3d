/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control probes, for a host that answers nothing: is it the host, the service, or the option? They
 * leave around libpdmv2, so that none gets an option but the one kind that has one of ours.
 */
#ifndef CLI_PDMPING_CONTROL_H
#define CLI_PDMPING_CONTROL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmping/method.h"

enum control_kind {
    CONTROL_ECHO,    /* an ICMPv6 echo without an option */
    CONTROL_OPTION,  /* one with a PDM option, which the host's kernel answers without */
    CONTROL_SERVICE, /* what the probes ask, without an option */
    CONTROL_KINDS
};

struct control_count {
    uint64_t sent, answered;
};

struct control_tally {
    struct control_count kind[CONTROL_KINDS];
    int64_t latest; /* when some were sent last, CLOCK_MONOTONIC */
};

/* The sockets, which all targets share. */
struct control {
    int fd[CONTROL_KINDS]; /* -1: none could be opened */
    uint16_t identifier;   /* of echoes, where the kernel does not choose one */
    uint64_t run;
};

void control_open(struct control *c, const struct ping_options *options);
void control_close(struct control *c);
/*
 * One of each kind that can be sent to E's host, which METHOD asks; TARGET is to be told below.
 * Only a host to which options go anyway is sent one: ATTACHED.
 */
void control_send(struct control *c, const struct method *method, const struct endpoint *e,
                  uint32_t target, bool attached, struct control_tally *tally, int64_t now);
/* The next answer that came; false if there is none. */
bool control_receive(struct control *c, enum control_kind *kind, uint32_t *target);

#endif
