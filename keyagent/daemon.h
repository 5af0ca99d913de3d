/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every daemon does around its own work: its command line, what it needs of the system before
 * it reads a secret, the signals that it lives by, and how it exits. Single thread.
 */
#ifndef PDM_KEYAGENT_DAEMON_H
#define PDM_KEYAGENT_DAEMON_H

#include <event2/event.h>
#include <stdbool.h>

#include "keyagent/listener.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_RUNTIME = 1,
    EXIT_CONFIG = 2, /* bad configuration or usage */
    EXIT_RUNNING = 3,
    EXIT_PRIVILEGE = 4
};

struct daemon_options {
    const char *config; /* NULL: not given, here and below */
    const char *socket;
    bool test;
};

/*
 * The command line of NAME: LETTERS are those of "c:s:tVh" that it takes, USAGE what it says of
 * them. False: it is to exit with *CODE.
 */
bool daemon_options(int argc, char **argv, const char *name, const char *letters, const char *usage,
                    struct daemon_options *options, enum exit_code *code);
/* What libraries and secrets need, before anything else. Not EXIT_OK after telling why. */
enum exit_code daemon_begin(void);
/* As listener_open(). */
enum exit_code daemon_listen(struct listener *listener, const char *path);

#define DAEMON_SIGNALS 3

/* SIGHUP calls HANGUP(ARG), SIGTERM and SIGINT end BASE's loop. */
struct daemon_signals {
    struct event *event[DAEMON_SIGNALS];
    struct event_base *base;
    void (*hangup)(void *arg);
    void *arg;
};

/* S stays where it is, and is freed in any case. False: no memory. */
bool daemon_signals_init(struct daemon_signals *s, struct event_base *base,
                         void (*hangup)(void *arg), void *arg);
void daemon_signals_free(struct daemon_signals *s);

/* Runs BASE's loop until a signal ends it. False after telling that it failed. */
bool daemon_run(struct event_base *base);

#endif
