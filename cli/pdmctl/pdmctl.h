/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands of pdmctl. Each prints its own errors and returns the exit code. */
#ifndef CLI_PDMCTL_H
#define CLI_PDMCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/agent_client.h"

enum { PDMCTL_ADDRESSES_MAX = LINK_ADDRESSES_MAX };

enum pdmctl_exit {
    PDMCTL_OK,
    PDMCTL_FAILED,
    PDMCTL_USAGE,
    PDMCTL_NO_AGENT,   /* or primary */
    PDMCTL_UNFINISHED, /* enroll: something is to be done elsewhere first */
    PDMCTL_NO_OPTION,  /* decode: there is none in the capture */
    PDMCTL_CUT_SHORT   /* decode: the capture ends within a packet */
};

struct pdmctl_context {
    const char *socket; /* from -s; NULL: where agents, or primaries, usually are */
    bool json;
    int operands; /* the subcommand's own */
    char **operand;
    /* flows: */
    const char *sort;
    const char *association;
    bool watch;
    uint32_t interval_ms; /* 0: none was given */
    /* flows, a prefix; primary list, a name: */
    const char *peer;
    /* enroll: */
    const char *primary;
    const char *address[PDMCTL_ADDRESSES_MAX];
    size_t addresses;
    const char *name;
    const char *directory;
    const char *config;
    bool write;
    /* decode: */
    bool verbose;
    const char *key[DECODE_KEYS_MAX];
    size_t keys;
    const char *disclose;
};

/* What was printed and the agent's answer, as an exit code. */
enum pdmctl_exit pdmctl_exit_for(enum agent_result result);

/* A new pre-shared key in the file that the operand names, and its generation count beside it. */
enum pdmctl_exit pdmctl_keygen(const struct pdmctl_context *context);
/* The agent and its associations. */
enum pdmctl_exit pdmctl_status(const struct pdmctl_context *context);
/* The live flows and their metrics. */
enum pdmctl_exit pdmctl_flows(const struct pdmctl_context *context);
/* What stands in the way of measuring, and what to do about it. */
enum pdmctl_exit pdmctl_doctor(const struct pdmctl_context *context);
/* What a primary knows, and changes to it. */
enum pdmctl_exit pdmctl_primary(const struct pdmctl_context *context);
/* This host becomes a secondary of a primary, step by step. */
enum pdmctl_exit pdmctl_enroll(const struct pdmctl_context *context);
/* What the options in a capture say and measured. */
enum pdmctl_exit pdmctl_decode(const struct pdmctl_context *context);

#endif
