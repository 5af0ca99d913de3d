/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmkeyagent: leases keys to the programs of a user or of the system, owns the policy, gathers
 * the metrics.
 */
#include <stdio.h>
#include <stdlib.h>

#include "keyagent/agent.h"
#include "keyagent/clock.h"
#include "keyagent/daemon.h"
#include "keyagent/enrolment/registry.h"
#include "keyagent/log.h"
#include "keyagent/server.h"

#define NAME "pdmkeyagent"

static const char usage[] =
    "usage: " NAME " [-htV] [-c FILE] [-s SOCKET]\n"
    "  -c FILE    configuration (default: $XDG_CONFIG_HOME/pdmv2/pdmv2.conf,\n"
    "             else ~/.config/pdmv2/pdmv2.conf; for root /etc/pdmv2/pdmv2.conf)\n"
    "  -s SOCKET  where to listen, whatever the configuration says\n"
    "  -t         test the configuration and its keys, and exit\n"
    "  -V         print the version and exit\n"
    "  -h         print this and exit\n";

/* What it takes to say whether keys and certificates are good is what it takes to load them. */
static enum exit_code test_config(const struct daemon_options *options, const struct config *config)
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

/* Takes CONFIG over. PLAN is of it. */
static enum exit_code serve(const struct daemon_options *options, struct config *config,
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
static enum exit_code run(const struct daemon_options *options, struct config *config)
{
    struct registry_plan plan;
    struct listener listener;
    enum exit_code code =
        daemon_listen(&listener, options->socket != NULL ? options->socket : config->socket);

    if (code != EXIT_OK)
        return code;
    code = registry_plan(&plan, config) ? serve(options, config, &plan, &listener) : EXIT_CONFIG;
    registry_plan_free(&plan);
    listener_close(&listener);
    return code;
}

static enum exit_code work(const struct daemon_options *options)
{
    struct config config;
    enum exit_code code = daemon_begin();

    if (code != EXIT_OK)
        return code;
    if (!config_load(options->config, &config, log_told, NULL))
        return EXIT_CONFIG;
    code = options->test ? test_config(options, &config) : run(options, &config);
    config_free(&config);
    return code;
}

int main(int argc, char **argv)
{
    struct daemon_options options = {0};
    char *found = NULL;
    enum exit_code code;

    log_init(NAME);
    if (!daemon_options(argc, argv, NAME, "c:s:tVh", usage, &options, &code))
        return (int)code;
    if (options.config == NULL)
        options.config = found = config_default_path();
    if (options.config != NULL) {
        code = work(&options);
    } else {
        log_error("no configuration: neither -c nor HOME is set");
        code = EXIT_CONFIG;
    }
    free(found);
    return (int)code;
}
