/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmprimary: an organisation's primary, which agrees with others' on secrets and hands them out to
 * its own hosts.
 */
#include <event2/event.h>
#include <stdio.h>

#include "keyagent/daemon.h"
#include "keyagent/log.h"
#include "keyagent/primary/admin.h"
#include "keyagent/primary/primary.h"

#define DEFAULT_CONFIG "/etc/pdmv2/pdmprimary.conf"

#define NAME "pdmprimary"

static const char usage[] = "usage: " NAME " [-htV] [-c FILE]\n"
                            "  -c FILE    configuration (default: " DEFAULT_CONFIG ")\n"
                            "  -t         test the configuration, certificates and keys, and exit\n"
                            "  -V         print the version and exit\n"
                            "  -h         print this and exit\n";

struct serving {
    const char *config_path;
    struct event_base *base;
    struct daemon_signals signals;
    struct primary *primary;
    struct admin *admin;
};

static bool reload(void *arg, char why[static ADMIN_WHY_MAX])
{
    struct serving *d = arg;
    struct primary_config config;

    if (primary_config_load(d->config_path, &config, log_told, NULL) &&
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

static void on_hangup(void *arg)
{
    char why[ADMIN_WHY_MAX];

    (void)reload(arg, why); /* it has been told */
}

/* Takes CONFIG over. */
static enum exit_code serve(struct serving *d, const struct listener *listener,
                            struct primary_config *config)
{
    enum exit_code code;

    d->base = event_base_new();
    if (d->base == NULL || !daemon_signals_init(&d->signals, d->base, on_hangup, d)) {
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
    return daemon_run(d->base) ? EXIT_OK : EXIT_RUNTIME;
}

static void tear_down(struct serving *d)
{
    admin_close(d->admin);
    primary_free(d->primary);
    daemon_signals_free(&d->signals);
    if (d->base != NULL)
        event_base_free(d->base);
}

/* Takes CONFIG over. */
static enum exit_code run(const struct daemon_options *options, struct primary_config *config)
{
    struct serving d = {.config_path = options->config};
    struct listener listener;
    enum exit_code code = daemon_listen(&listener, config->socket);

    if (code != EXIT_OK)
        return code;
    code = serve(&d, &listener, config);
    tear_down(&d);
    listener_close(&listener);
    return code;
}

static enum exit_code test(const struct daemon_options *options,
                           const struct primary_config *config)
{
    if (!primary_check(config))
        return EXIT_CONFIG;
    printf("%s: ok, peers: %zu\n", options->config, config->peers);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct daemon_options options = {.config = DEFAULT_CONFIG};
    struct primary_config config;
    enum exit_code code;

    log_init(NAME);
    if (!daemon_options(argc, argv, NAME, "c:tVh", usage, &options, &code))
        return (int)code;
    code = daemon_begin();
    if (code != EXIT_OK)
        return (int)code;
    if (!primary_config_load(options.config, &config, log_told, NULL))
        return EXIT_CONFIG;
    code = options.test ? test(&options, &config) : run(&options, &config);
    primary_config_free(&config);
    return (int)code;
}
