/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmprimary: an organisation's primary, which agrees with others' on secrets and hands them out to
 * its own hosts.
 */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keyagent/harden.h"
#include "keyagent/listener.h"
#include "keyagent/log.h"
#include "keyagent/primary/admin.h"
#include "keyagent/primary/primary.h"

#define DEFAULT_CONFIG "/etc/pdmv2/pdmprimary.conf"

enum exit_code {
    EXIT_OK = 0,
    EXIT_RUNTIME = 1,
    EXIT_CONFIG = 2, /* bad configuration or usage */
    EXIT_RUNNING = 3,
    EXIT_PRIVILEGE = 4
};

static const char usage[] = "usage: pdmprimary [-htV] [-c FILE]\n"
                            "  -c FILE    configuration (default: " DEFAULT_CONFIG ")\n"
                            "  -t         test the configuration, certificates and keys, and exit\n"
                            "  -V         print the version and exit\n"
                            "  -h         print this and exit\n";

struct options {
    const char *config;
    bool test;
};

enum { SIGNAL_HANGUP, SIGNAL_TERMINATE, SIGNAL_INTERRUPT, SIGNALS };

struct daemon {
    const char *config_path;
    struct event_base *base;
    struct event *signal[SIGNALS];
    struct primary *primary;
    struct admin *admin;
};

static void tell(void *arg, const char *line)
{
    (void)arg;
    log_error("%s", line);
}

static bool reload(void *arg, char why[static ADMIN_WHY_MAX])
{
    struct daemon *d = arg;
    struct primary_config config;

    if (primary_config_load(d->config_path, &config, tell, NULL) &&
        primary_reload(d->primary, &config)) {
        log_info("%s: reloaded", d->config_path);
        return true;
    }
    primary_config_free(&config);
    log_error("%s: the configuration of before stays in force", d->config_path);
    snprintf(why, ADMIN_WHY_MAX,
             "the configuration of before stays in force; pdmprimary's log says what is wrong");
    return false;
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    char why[ADMIN_WHY_MAX];

    (void)number;
    (void)what;
    (void)reload(arg, why); /* it has been told */
}

static void on_end(evutil_socket_t number, short what, void *arg)
{
    const struct daemon *d = arg;

    (void)number;
    (void)what;
    event_base_loopbreak(d->base);
}

static bool add_signals(struct daemon *d)
{
    static const struct {
        int number;
        event_callback_fn handler;
    } signals[SIGNALS] = {
        [SIGNAL_HANGUP] = {SIGHUP, on_hangup},
        [SIGNAL_TERMINATE] = {SIGTERM, on_end},
        [SIGNAL_INTERRUPT] = {SIGINT, on_end},
    };

    for (size_t i = 0; i < SIGNALS; i++) {
        d->signal[i] = evsignal_new(d->base, signals[i].number, signals[i].handler, d);
        if (d->signal[i] == NULL || event_add(d->signal[i], NULL) != 0)
            return false;
    }
    return true;
}

/* Takes CONFIG over. */
static int serve(struct daemon *d, const struct listener *listener, struct primary_config *config)
{
    int code = EXIT_RUNTIME;

    d->base = event_base_new();
    if (d->base == NULL || !add_signals(d)) {
        log_error("the event loop cannot be set up");
        return EXIT_RUNTIME;
    }
    d->primary = primary_new(config, d->config_path, d->base, &code);
    if (d->primary == NULL)
        return code;
    d->admin = admin_open(d->primary, listener, d->base, reload, d);
    if (d->admin == NULL)
        return EXIT_RUNTIME;
    log_info("%s: serving", d->config_path);
    bool good = event_base_dispatch(d->base) == 0;
    log_info(good ? "ends" : "the event loop failed");
    return good ? EXIT_OK : EXIT_RUNTIME;
}

static void tear_down(struct daemon *d)
{
    admin_close(d->admin);
    primary_free(d->primary);
    for (size_t i = 0; i < SIGNALS; i++)
        if (d->signal[i] != NULL)
            event_free(d->signal[i]);
    if (d->base != NULL)
        event_base_free(d->base);
}

static int exit_code_of(enum listener_status status)
{
    switch (status) {
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

/* Takes CONFIG over. */
static int run(const struct options *options, struct primary_config *config)
{
    struct daemon d = {.config_path = options->config};
    struct listener listener;
    int code = exit_code_of(listener_open(&listener, config->socket));

    if (code != EXIT_OK)
        return code;
    code = serve(&d, &listener, config);
    tear_down(&d);
    listener_close(&listener);
    return code;
}

static int test(const struct options *options, const struct primary_config *config)
{
    if (!primary_check(config))
        return EXIT_CONFIG;
    printf("%s: ok, peers: %zu\n", options->config, config->peers);
    return EXIT_OK;
}

/* -1: go on; else exit with it. */
static int take_options(int argc, char **argv, struct options *options)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:tVh")) != -1) {
        switch (letter) {
        case 'c':
            options->config = optarg;
            break;
        case 't':
            options->test = true;
            break;
        case 'V':
            puts("pdmprimary " PDM_RELEASE);
            return EXIT_OK;
        case 'h':
            fputs(usage, stdout);
            return EXIT_OK;
        default:
            fputs(usage, stderr);
            return EXIT_CONFIG;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EXIT_CONFIG;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {.config = DEFAULT_CONFIG};
    struct primary_config config;

    log_init("pdmprimary");
    signal(SIGPIPE, SIG_IGN);
    int code = take_options(argc, argv, &options);
    if (code >= 0)
        return code;
    if (sodium_init() < 0) {
        log_error("libsodium cannot be used here");
        return EXIT_RUNTIME;
    }
    if (!harden_process())
        return EXIT_PRIVILEGE;
    if (!primary_config_load(options.config, &config, tell, NULL))
        return EXIT_CONFIG;
    code = options.test ? test(&options, &config) : run(&options, &config);
    primary_config_free(&config);
    return code;
}
