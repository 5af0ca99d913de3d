/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl: makes keys and shows what the key agent knows. */
#include "cli/pdmctl.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

struct subcommand {
    const char *name;
    const char *operand; /* what it needs; NULL: nothing */
    const char *help;
    enum pdmctl_exit (*run)(const struct pdmctl_context *context);
};

static const struct subcommand subcommands[] = {
    {"keygen", "FILE", "make a pre-shared key in FILE and its count in FILE.gen", pdmctl_keygen},
    {"status", NULL, "show the agent and its associations", pdmctl_status},
    {"flows", NULL, "show the live flows and their delays", pdmctl_flows},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void print_usage(FILE *out)
{
    fputs("usage: pdmctl [-hV] [-j] [-s SOCKET] COMMAND\n", out);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(out, "  %-7s%-6s%s\n", subcommands[i].name,
                subcommands[i].operand ? subcommands[i].operand : "", subcommands[i].help);
    fputs("  -j, --json     status and flows as JSON Lines\n"
          "  -s, --socket SOCKET\n"
          "                 the agent's socket\n"
          "  -h, --help     this text\n"
          "  -V, --version  the version\n",
          out);
}

static const struct subcommand *find_subcommand(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    }
    return NULL;
}

enum pdmctl_exit pdmctl_exit_for(enum agent_result result)
{
    if (!output_flush())
        return PDMCTL_FAILED;
    switch (result) {
    case AGENT_ANSWERED:
        return PDMCTL_OK;
    case AGENT_UNREACHABLE:
        return PDMCTL_NO_AGENT;
    default:
        return PDMCTL_FAILED;
    }
}

static enum pdmctl_exit run(struct pdmctl_context *context, int argc, char **argv)
{
    const struct subcommand *sub = argc > 0 ? find_subcommand(argv[0]) : NULL;

    if (!sub) {
        if (argc > 0)
            warnx("no such command: %s", argv[0]);
        print_usage(stderr);
        return PDMCTL_USAGE;
    }
    if (argc - 1 != (sub->operand ? 1 : 0)) {
        warnx("usage: pdmctl %s%s%s", sub->name, sub->operand ? " " : "",
              sub->operand ? sub->operand : "");
        return PDMCTL_USAGE;
    }
    context->operand = sub->operand ? argv[1] : NULL;
    return sub->run(context);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"socket", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct pdmctl_context context = {0};
    int option = 0;

    if (!output_prepare())
        return PDMCTL_FAILED;
    while ((option = getopt_long(argc, argv, "js:hV", longs, NULL)) != -1) {
        switch (option) {
        case 'j':
            context.json = true;
            break;
        case 's':
            context.socket = optarg;
            break;
        case 'h':
            print_usage(stdout);
            return output_flush() ? PDMCTL_OK : PDMCTL_FAILED;
        case 'V':
            puts("pdmctl " PDM_RELEASE);
            return output_flush() ? PDMCTL_OK : PDMCTL_FAILED;
        default:
            print_usage(stderr);
            return PDMCTL_USAGE;
        }
    }
    return (int)run(&context, argc - optind, argv + optind);
}
