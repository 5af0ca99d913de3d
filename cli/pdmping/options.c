/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmping was asked to do. */
#include "cli/pdmping/options.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmping/probe.h"
#include "core/limits.h"

enum {
    ECHO_PORT = 7, /* RFC 862 */
    SIZE_DEFAULT = 56,
    SIZE_MAX_UDP = 65535 - 8, /* RFC 8200 section 3: payload length; less the UDP header */
    DECIMAL = 10,
};

#define SECONDS_MIN 0.001
#define SECONDS_MAX 86400.0

static void print_usage(FILE *out)
{
    fputs("usage: pdmping [-DhqV] [-c COUNT] [-i INTERVAL] [-I SOURCE] [-p PORT] [-s SIZE]\n"
          "               [-w DEADLINE] [-W TIMEOUT] [--json] HOST\n"
          "       pdmping --listen [-p PORT] [-I SOURCE]\n"
          "  -c COUNT       stop after this many probes\n"
          "  -i INTERVAL    seconds between probes (1)\n"
          "  -w DEADLINE    stop after this many seconds\n"
          "  -W TIMEOUT     seconds to wait for a reply (1)\n"
          "  -s SIZE        octets of payload (56)\n"
          "  -p PORT        UDP port of the echo service (7)\n"
          "  -I SOURCE      source address, or interface\n"
          "  -q             print the summary alone\n"
          "  -D             print the time before each line\n"
          "  --json         print JSON Lines\n"
          "  --listen       be an echo service\n"
          "  -h, --help     this text\n"
          "  -V, --version  the version\n",
          out);
}

static bool parse_number(char option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtoull(text, &end, DECIMAL);
    if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out >= min &&
        *out <= max)
        return true;
    warnx("-%c %s: must be a number from %" PRIu64 " to %" PRIu64, option, text, min, max);
    return false;
}

static bool parse_seconds(char option, const char *text, int64_t *out)
{
    char *end = NULL;
    double seconds = strtod(text, &end);

    /* Digits and a point alone: strtod would take "inf" and hexadecimal too. */
    if (text[0] != '\0' && strspn(text, "0123456789.") == strlen(text) && *end == '\0' &&
        seconds >= SECONDS_MIN && seconds <= SECONDS_MAX) {
        *out = llround(seconds * (double)PDM_NSEC_PER_SEC);
        return true;
    }
    warnx("-%c %s: must be seconds from %g to %g", option, text, SECONDS_MIN, SECONDS_MAX);
    return false;
}

/* Options with an argument. */
static bool parse_value(int option, struct ping_options *options)
{
    uint64_t number = 0;
    char letter = (char)option;

    switch (option) {
    case 'c':
        return parse_number(letter, optarg, 1, INT64_MAX, &options->count);
    case 'i':
        return parse_seconds(letter, optarg, &options->interval);
    case 'w':
        return parse_seconds(letter, optarg, &options->deadline);
    case 'W':
        return parse_seconds(letter, optarg, &options->wait);
    case 's':
        if (!parse_number(letter, optarg, PROBE_HEADER, SIZE_MAX_UDP, &number))
            return false;
        options->size = (size_t)number;
        return true;
    case 'p':
        if (!parse_number(letter, optarg, 1, UINT16_MAX, &number))
            return false;
        options->port = (uint16_t)number;
        return true;
    case 'I':
        options->source = optarg;
        return true;
    default:
        print_usage(stderr);
        return false;
    }
}

/* --listen takes no option that only a sender could follow. */
static bool check_operands(bool sender_only, int operands, const struct ping_options *options)
{
    if (options->listen && sender_only) {
        warnx("--listen goes with -p and -I only");
        return false;
    }
    if (operands != (options->listen ? 0 : 1)) {
        warnx(options->listen ? "--listen takes no host" : "which host? (exactly one)");
        print_usage(stderr);
        return false;
    }
    return true;
}

enum ping_parsed ping_options_parse(int argc, char **argv, struct ping_options *options)
{
    enum { LONG_JSON = 256, LONG_LISTEN };
    static const struct option longs[] = {
        {"json", no_argument, NULL, LONG_JSON},
        {"listen", no_argument, NULL, LONG_LISTEN},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    bool sender_only = false;
    int option = 0;

    *options = (struct ping_options){
        .port = ECHO_PORT,
        .interval = PDM_NSEC_PER_SEC,
        .wait = PDM_NSEC_PER_SEC,
        .size = SIZE_DEFAULT,
    };
    while ((option = getopt_long(argc, argv, "c:i:w:W:s:qDI:p:hV", longs, NULL)) != -1) {
        sender_only = sender_only || (option != LONG_LISTEN && option != 'p' && option != 'I');
        switch (option) {
        case 'q':
            options->quiet = true;
            break;
        case 'D':
            options->timestamps = true;
            break;
        case LONG_JSON:
            options->json = true;
            break;
        case LONG_LISTEN:
            options->listen = true;
            break;
        case 'h':
            print_usage(stdout);
            return PING_DONE;
        case 'V':
            puts("pdmping " PDM_RELEASE);
            return PING_DONE;
        default:
            if (!parse_value(option, options))
                return PING_BAD;
        }
    }
    if (!check_operands(sender_only, argc - optind, options))
        return PING_BAD;
    options->host = options->listen ? NULL : argv[optind];
    return PING_RUN;
}
