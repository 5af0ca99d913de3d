/* SPDX-License-Identifier: BSD-2-Clause */
/* What every daemon does around its own work. */
#include "keyagent/daemon.h"

#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>

#include "keyagent/harden.h"
#include "keyagent/log.h"

static bool leave(FILE *to, const char *usage, enum exit_code with, enum exit_code *code)
{
    fputs(usage, to);
    *code = with;
    return false;
}

bool daemon_options(int argc, char **argv, const char *name, const char *letters, const char *usage,
                    struct daemon_options *options, enum exit_code *code)
{
    int letter;

    while ((letter = getopt(argc, argv, letters)) != -1) {
        switch (letter) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 't':
            options->test = true;
            break;
        case 'V':
            printf("%s " PDM_RELEASE "\n", name);
            *code = EXIT_OK;
            return false;
        case 'h':
            return leave(stdout, usage, EXIT_OK, code);
        default:
            return leave(stderr, usage, EXIT_CONFIG, code);
        }
    }
    return optind == argc || leave(stderr, usage, EXIT_CONFIG, code);
}

enum exit_code daemon_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) {
        log_error("libsodium cannot be used here");
        return EXIT_RUNTIME;
    }
    return harden_process() ? EXIT_OK : EXIT_PRIVILEGE;
}

enum exit_code daemon_listen(struct listener *listener, const char *path)
{
    switch (listener_open(listener, path)) {
    case LISTENER_OK:
        return EXIT_OK;
    case LISTENER_RUNNING:
        return EXIT_RUNNING;
    case LISTENER_DENIED:
        return EXIT_PRIVILEGE;
    default:
        return EXIT_RUNTIME;
    }
}

/* Signals. */

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    const struct daemon_signals *s = arg;

    (void)number;
    (void)what;
    s->hangup(s->arg);
}

static void on_end(evutil_socket_t number, short what, void *arg)
{
    const struct daemon_signals *s = arg;

    (void)number;
    (void)what;
    event_base_loopbreak(s->base);
}

bool daemon_signals_init(struct daemon_signals *s, struct event_base *base,
                         void (*hangup)(void *arg), void *arg)
{
    static const struct {
        int number;
        event_callback_fn handler;
    } signals[] = {{SIGHUP, on_hangup}, {SIGTERM, on_end}, {SIGINT, on_end}};
    _Static_assert(sizeof signals / sizeof signals[0] == DAEMON_SIGNALS, "each has its event");

    *s = (struct daemon_signals){.base = base, .hangup = hangup, .arg = arg};
    for (size_t i = 0; i < DAEMON_SIGNALS; i++) {
        s->event[i] = evsignal_new(base, signals[i].number, signals[i].handler, s);
        if (s->event[i] == NULL || event_add(s->event[i], NULL) != 0)
            return false;
    }
    return true;
}

void daemon_signals_free(struct daemon_signals *s)
{
    for (size_t i = 0; i < DAEMON_SIGNALS; i++)
        if (s->event[i] != NULL)
            event_free(s->event[i]);
}

bool daemon_run(struct event_base *base)
{
    bool good = event_base_dispatch(base) == 0;

    log_info(good ? "ends" : "the event loop failed");
    return good;
}
