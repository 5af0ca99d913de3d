/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl: makes keys, enrols hosts, shows what the key agent and the primary know, decodes
 * captures. */
#include "cli/pdmctl/pdmctl.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/number.h"
#include "cli/output.h"

#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 3600.0

enum { MS_PER_S = 1000 };

struct subcommand {
    const char *name;
    const char *operands; /* what it needs; NULL: nothing */
    int fewest, most;     /* operands */
    const char *options;  /* its letters */
    const char *help;
    enum pdmctl_exit (*run)(const struct pdmctl_context *context);
};

static const struct subcommand subcommands[] = {
    {"keygen", "FILE", 1, 1, "", "make a pre-shared key in FILE and its count in FILE.gen",
     pdmctl_keygen},
    {"status", NULL, 0, 0, "js", "show the agent and its associations", pdmctl_status},
    {"flows", NULL, 0, 0, "jsPAoWi", "show the live flows and their delays", pdmctl_flows},
    {"doctor", "[HOST]", 0, 1, "js", "find what stands in the way of measuring (with HOST)",
     pdmctl_doctor},
    {"enroll", NULL, 0, 0, "spandcw", "make this host a secondary of a primary, step by step",
     pdmctl_enroll},
    {"decode", "FILE", 1, 1, "jvkcx", "show what the options in a capture say and measured",
     pdmctl_decode},
    {"primary", "WHAT", 1, 4, "jsP", "show or change what the primary here knows:", pdmctl_primary},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void print_usage(FILE *out)
{
    fputs("usage: pdmctl [-hV] [-j] [-s SOCKET] COMMAND\n", out);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(out, "  %-8s%-7s%s\n", subcommands[i].name,
                subcommands[i].operands ? subcommands[i].operands : "", subcommands[i].help);
    fputs("                  status, pairs, secondaries, list [clients | servers],\n"
          "                  add | remove client PREFIX, add | remove server PREFIX [GROUP],\n"
          "                  renegotiate PEER, revoke | admit ADDRESS, reload\n"
          "  -j, --json     what is shown as JSON Lines\n"
          "  -s, --socket SOCKET\n"
          "                 the agent's socket, or the primary's\n"
          "  -P, --peer PREFIX | NAME\n"
          "                 flows: with such peers; primary list: the list of that peer\n"
          "  -h, --help     this text\n"
          "  -V, --version  the version\n"
          "flows:\n"
          "  -W, --watch    again and again, until q or ^C\n"
          "  -i, --interval SECONDS\n"
          "                 between two looks (default: 1)\n"
          "  -o, --sort WHAT\n"
          "                 net, srv, sent, recv, lost, idle, peer, local or pid\n"
          "  -A, --association NAME\n"
          "                 those of that association\n"
          "decode:\n"
          "  -v, --verbose  also a line for each option\n"
          "  -k, --key FILE a pre-shared key to read encrypted options with; may be repeated\n"
          "  -c, --config FILE\n"
          "                 the keys of that agent's configuration\n"
          "  -x, --export FILE\n"
          "                 write what was decrypted to FILE, for the Wireshark dissector\n"
          "enroll:\n"
          "  -p, --primary HOST[:PORT]\n"
          "                 the primary\n"
          "  -a, --address ADDRESS\n"
          "                 of this host, that it is to measure with; may be repeated\n"
          "  -n, --name NAME\n"
          "                 DNS name in the primary's certificate (default: HOST)\n"
          "  -d, --directory DIR\n"
          "                 where key and certificate are (default: beside the configuration)\n"
          "  -c, --config FILE\n"
          "                 the agent's configuration\n"
          "  -w, --write    add the association to it\n",
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

/* GIVEN: the letters of the options that there were. */
static enum pdmctl_exit run(struct pdmctl_context *context, int argc, char **argv,
                            const char *given)
{
    const struct subcommand *sub = argc > 0 ? find_subcommand(argv[0]) : NULL;

    if (!sub) {
        if (argc > 0)
            warnx("no such command: %s", argv[0]);
        print_usage(stderr);
        return PDMCTL_USAGE;
    }
    if (argc - 1 < sub->fewest || argc - 1 > sub->most) {
        warnx("usage: pdmctl %s%s%s", sub->name, sub->operands ? " " : "",
              sub->operands ? sub->operands : "");
        return PDMCTL_USAGE;
    }
    size_t known = strspn(given, sub->options);
    if (given[known] != '\0') {
        warnx("-%c is not for %s", given[known], sub->name);
        return PDMCTL_USAGE;
    }
    context->operands = argc - 1;
    context->operand = argv + 1;
    return sub->run(context);
}

static bool take_interval(struct pdmctl_context *context, const char *text)
{
    double seconds = 0;

    if (!number_decimal(text, INTERVAL_MIN_S, INTERVAL_MAX_S, &seconds)) {
        warnx("--interval %s: seconds from 0.1 to 3600 are needed", text);
        return false;
    }
    context->interval_ms = (uint32_t)(seconds * MS_PER_S);
    return true;
}

/* False: LETTER is none, or once too often. */
static bool take_option(struct pdmctl_context *context, int letter, const char *value)
{
    switch (letter) {
    case 'j':
        context->json = true;
        return true;
    case 's':
        context->socket = value;
        return true;
    case 'P':
        context->peer = value;
        return true;
    case 'A':
        context->association = value;
        return true;
    case 'o':
        context->sort = value;
        return true;
    case 'W':
        context->watch = true;
        return true;
    case 'i':
        return take_interval(context, value);
    case 'p':
        context->primary = value;
        return true;
    case 'a':
        if (context->addresses == PDMCTL_ADDRESSES_MAX) {
            warnx("more than %d addresses", PDMCTL_ADDRESSES_MAX);
            return false;
        }
        context->address[context->addresses++] = value;
        return true;
    case 'n':
        context->name = value;
        return true;
    case 'd':
        context->directory = value;
        return true;
    case 'c':
        context->config = value;
        return true;
    case 'w':
        context->write = true;
        return true;
    case 'v':
        context->verbose = true;
        return true;
    case 'k':
        if (context->keys == DECODE_KEYS_MAX) {
            warnx("more than %d keys", DECODE_KEYS_MAX);
            return false;
        }
        context->key[context->keys++] = value;
        return true;
    case 'x':
        context->disclose = value;
        return true;
    default:
        print_usage(stderr);
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"socket", required_argument, NULL, 's'},
        {"peer", required_argument, NULL, 'P'},
        {"association", required_argument, NULL, 'A'},
        {"sort", required_argument, NULL, 'o'},
        {"watch", no_argument, NULL, 'W'},
        {"interval", required_argument, NULL, 'i'},
        {"primary", required_argument, NULL, 'p'},
        {"address", required_argument, NULL, 'a'},
        {"name", required_argument, NULL, 'n'},
        {"directory", required_argument, NULL, 'd'},
        {"config", required_argument, NULL, 'c'},
        {"write", no_argument, NULL, 'w'},
        {"verbose", no_argument, NULL, 'v'},
        {"key", required_argument, NULL, 'k'},
        {"export", required_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct pdmctl_context context = {0};
    char given[sizeof(longs) / sizeof(longs[0])] = "";
    int option = 0;

    if (!output_prepare())
        return PDMCTL_FAILED;
    while ((option = getopt_long(argc, argv, "js:P:A:o:Wi:p:a:n:d:c:wvk:x:hV", longs, NULL)) !=
           -1) {
        if (option == 'h') {
            print_usage(stdout);
            return output_flush() ? PDMCTL_OK : PDMCTL_FAILED;
        }
        if (option == 'V') {
            puts("pdmctl " PDM_RELEASE);
            return output_flush() ? PDMCTL_OK : PDMCTL_FAILED;
        }
        if (!take_option(&context, option, optarg))
            return PDMCTL_USAGE;
        if (strchr(given, option) == NULL)
            given[strlen(given)] = (char)option;
    }
    return (int)run(&context, argc - optind, argv + optind, given);
}
