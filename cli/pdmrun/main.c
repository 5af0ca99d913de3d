/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmrun: runs a program with libpdmv2.so preloaded and CAP_NET_RAW handed on. It says aloud what
 * ld.so would keep quiet about, then becomes the program.
 */
#include "cli/pdmrun/pdmrun.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/pdmrun/agent.h"
#include "cli/pdmrun/capability.h"
#include "cli/pdmrun/environment.h"
#include "cli/pdmrun/library.h"
#include "cli/pdmrun/options.h"
#include "cli/pdmrun/target.h"

static void check_agent(bool verbose)
{
    const char *path = environment_wants_agent() ? agent_path() : NULL;

    if (path)
        agent_check(path);
    if (path && verbose)
        warnx("agent: %s", path);
}

static void describe(const struct run_target *target, bool net_raw)
{
    const char *mode = getenv("PDMV2_MODE");

    warnx("program: %s", target->path);
    warnx("LD_PRELOAD: %s", getenv("LD_PRELOAD"));
    warnx("mode: %s", mode ? mode : RUN_MODE_AGENT);
    warnx("capability: %s", net_raw ? "CAP_NET_RAW" : "none, options are only read");
}

static void explain_lack(const struct run_library *library)
{
    if (geteuid() == 0)
        warnx("this root has no CAP_NET_RAW: options are read, none attached");
    else
        warnx("no CAP_NET_RAW: options are read, none attached; to grant it, as root: "
              "setcap cap_net_raw+p %s",
              library->launcher);
}

/* The capability goes last: with it nothing is done but exec. */
static enum run_exit become(const struct run_options *options, const struct run_target *target,
                            bool net_raw)
{
    if (!capability_hand_on(net_raw))
        return RUN_FAILED;
    (void)execvp(target->path, options->program);
    enum run_exit status = errno == ENOENT ? RUN_NOT_FOUND : RUN_REFUSED;

    warn("%s", target->path);
    return status;
}

static enum run_exit run(const struct run_options *options, bool held)
{
    static struct run_library library;
    static struct run_target target;
    bool net_raw = held && !options->read_only;

    if (!library_find(&library) || !library_loads(&library))
        return RUN_FAILED;
    enum run_exit status = target_resolve(&target, options->program[0]);

    if (status == RUN_OK)
        status = target_judge(&target, &library);
    if (status != RUN_OK)
        return status;
    if (!environment_set(options, library.path))
        return RUN_FAILED;
    if (!held && !options->read_only)
        explain_lack(&library);
    if (options->verbose)
        describe(&target, net_raw);
    check_agent(options->verbose);
    return become(options, &target, net_raw);
}

int main(int argc, char **argv)
{
    struct run_options options;
    bool held = false;

    if (!capability_lower(&held) || !environment_restore(argc, argv))
        return RUN_FAILED;
    switch (run_options_parse(argc, argv, &options)) {
    case RUN_DONE:
        return output_flush() ? RUN_OK : RUN_FAILED;
    case RUN_BAD:
        return RUN_FAILED;
    default:
        return (int)run(&options, held);
    }
}
