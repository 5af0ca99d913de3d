/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmkeyagent: leases keys to the programs of a user or of the system, owns the policy, gathers
 * the metrics.
 */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyagent/agent.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/registry.h"
#include "keyagent/harden.h"
#include "keyagent/listener.h"
#include "keyagent/log.h"
#include "keyagent/server.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_RUNTIME = 1,
    EXIT_CONFIG = 2, /* bad configuration or usage */
    EXIT_RUNNING = 3,
    EXIT_PRIVILEGE = 4
};

static const char usage[] =
    "usage: pdmkeyagent [-htV] [-c FILE] [-s SOCKET]\n"
    "  -c FILE    configuration (default: $XDG_CONFIG_HOME/pdmv2/pdmv2.conf,\n"
    "             else ~/.config/pdmv2/pdmv2.conf; for root /etc/pdmv2/pdmv2.conf)\n"
    "  -s SOCKET  where to listen, whatever the configuration says\n"
    "  -t         test the configuration and its keys, and exit\n"
    "  -V         print the version and exit\n"
    "  -h         print this and exit\n";

struct options {
    char *config;
    const char *socket;
    bool test;
};

static void tell(void *arg, const char *line)
{
    (void)arg;
    log_error("%s", line);
}

/* What it takes to say whether keys and certificates are good is what it takes to load them. */
static enum exit_code test_config(const struct options *options, const struct config *config)
{
    const struct associations none = {0};
    struct associations set = {0};
    struct registry_plan plan = {0};
    struct ledger ledger;
    bool good = ledger_init(&ledger, 1, 0) &&
                associations_load(&set, &none, config, &ledger, clock_now()) &&
                registry_plan(&plan, config);

    if (good)
        printf("%s: ok, associations: %zu\n", options->config, config->associations);
    registry_plan_free(&plan);
    associations_free(&set);
    ledger_free(&ledger);
    return good ? EXIT_OK : EXIT_CONFIG;
}

static enum exit_code exit_code_of(enum listener_status status)
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

/* Takes CONFIG over. PLAN is of it. */
static enum exit_code serve(const struct options *options, struct config *config,
                            struct registry_plan *plan, const struct listener *listener)
{
    static struct agent agent;
    enum exit_code code = EXIT_OK;

    if (!agent_init(&agent, config))
        code = EXIT_CONFIG;
    else if (!server_run(&agent, plan, listener, options->config))
        code = EXIT_RUNTIME;
    agent_free(&agent);
    return code;
}

/* Takes CONFIG over. */
static enum exit_code run(const struct options *options, struct config *config)
{
    struct registry_plan plan;
    struct listener listener;
    enum exit_code code =
        exit_code_of(listener_open(&listener, options->socket ? options->socket : config->socket));

    if (code != EXIT_OK)
        return code;
    code = registry_plan(&plan, config) ? serve(options, config, &plan, &listener) : EXIT_CONFIG;
    registry_plan_free(&plan);
    listener_close(&listener);
    return code;
}

/* -1: go on; else exit with it. */
static int take_options(int argc, char **argv, struct options *options)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:s:tVh")) != -1) {
        switch (letter) {
        case 'c':
            free(options->config);
            options->config = strdup(optarg);
            break;
        case 's':
            options->socket = optarg;
            break;
        case 't':
            options->test = true;
            break;
        case 'V':
            puts("pdmkeyagent " PDM_RELEASE);
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
    if (options->config == NULL)
        options->config = config_default_path();
    if (options->config == NULL) {
        log_error("no configuration: neither -c nor HOME is set");
        return EXIT_CONFIG;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct config config;

    log_init("pdmkeyagent");
    signal(SIGPIPE, SIG_IGN);
    int code = take_options(argc, argv, &options);
    if (code >= 0)
        goto out;
    code = EXIT_RUNTIME;
    if (sodium_init() < 0) {
        log_error("libsodium cannot be used here");
        goto out;
    }
    code = EXIT_PRIVILEGE;
    if (!harden_process())
        goto out;
    code = EXIT_CONFIG;
    if (!config_load(options.config, &config, tell, NULL))
        goto out;
    code = (int)(options.test ? test_config(&options, &config) : run(&options, &config));
    config_free(&config);
out:
    free(options.config);
    return code;
}
