/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmrun was asked to do. */
#include "cli/pdmrun/options.h"

#include <err.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct option longs[] = {
    {"mode", required_argument, NULL, 'm'},
    {"agent", required_argument, NULL, 'a'},
    {"read-only", no_argument, NULL, 'r'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static void print_usage(FILE *out)
{
    fputs("usage: pdmrun [-hrvV] [-a AGENT] [-m MODE] [--] PROGRAM [ARGUMENT...]\n"
          "  -m, --mode MODE   encrypted (by the agent's rules), plain or rfc8250\n"
          "  -a, --agent AGENT the agent's socket\n"
          "  -r, --read-only   attach nothing\n"
          "  -v, --verbose     say what was set up\n"
          "  -h, --help        this text\n"
          "  -V, --version     the version\n",
          out);
}

static bool is_mode(const char *name)
{
    static const char *const modes[] = {RUN_MODE_AGENT, "plain", "rfc8250"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(name, modes[i]) == 0)
            return true;
    }
    warnx("-m %s: must be encrypted, plain or rfc8250", name);
    return false;
}

enum run_parsed run_options_parse(int argc, char **argv, struct run_options *options)
{
    int option = 0;

    *options = (struct run_options){0};
    while ((option = getopt_long(argc, argv, "+m:a:rvhV", longs, NULL)) != -1) {
        switch (option) {
        case 'm':
            if (!is_mode(optarg))
                return RUN_BAD;
            options->mode = optarg;
            break;
        case 'a':
            options->agent = optarg;
            break;
        case 'r':
            options->read_only = true;
            break;
        case 'v':
            options->verbose = true;
            break;
        case 'h':
            print_usage(stdout);
            return RUN_DONE;
        case 'V':
            puts("pdmrun " PDM_RELEASE);
            return RUN_DONE;
        default:
            print_usage(stderr);
            return RUN_BAD;
        }
    }
    if (optind >= argc) {
        warnx("which program?");
        print_usage(stderr);
        return RUN_BAD;
    }
    options->program = argv + optind;
    return RUN_PROGRAM;
}
