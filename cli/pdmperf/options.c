/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf was asked to do with URLs. */
#include "cli/pdmperf/options.h"

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/number.h"
#include "cli/pdmperf/argument.h"
#include "cli/pdmperf/format.h"
#include "cli/pdmperf/net/options.h"
#include "core/limits.h"

enum { DECIMAL = 10 };

#define REQUESTS_MAX 100000000
#define RATE_MIN 0.001
#define RATE_MAX 1e6
#define SECONDS_MIN 0.001
#define SECONDS_MAX 86400.0

/* Those without a letter. */
enum {
    LONG_CACERT = 256,
    LONG_COMPARE,
    LONG_CONNECT_TIMEOUT,
    LONG_HTTP_1_1,
    LONG_HTTP_2,
    LONG_JSON,
    LONG_RATE,
    LONG_RESOLVE,
};

static void print_usage(FILE *out)
{
    fputs("usage: pdmperf [-46fhkLqV] [-c CONNECTIONS] [-d DATA] [-H HEADER] [-m SECONDS]\n"
          "               [-n REQUESTS] [-o FILE] [-w FORMAT] [-X METHOD] [--cacert FILE]\n"
          "               [--compare] [--connect-timeout SECONDS] [--http1.1 | --http2]\n"
          "               [--json] [--rate RATE] [--resolve HOST:PORT:ADDRESS] URL...\n"
          "  -n REQUESTS    requests to each URL (1)\n"
          "  -c CONNECTIONS at most so many at once (1)\n"
          "  --rate RATE    start so many requests a second, whether answers come or not\n"
          "  --compare      say which of two URLs is slower, and why\n"
          "  -q             print the summary alone\n"
          "  --json         print JSON Lines\n"
          "  -h, --help     this text\n"
          "  -V, --version  the version\n"
          "as curl has them:\n"
          "  -4             IPv4 alone\n"
          "  -6             IPv6 alone\n"
          "  -d DATA        POST this, or a file with @ before its name\n"
          "  -f             a status of 400 or above is a failure\n"
          "  -H HEADER      send this header line\n"
          "  -k             do not verify the certificate\n"
          "  -L             follow redirects\n"
          "  -m SECONDS     give a request up after so long\n"
          "  -o FILE        write the answer there\n"
          "  -w FORMAT      print this after each request\n"
          "  -X METHOD      use this method\n"
          "  --cacert FILE  verify with the authorities in this file\n"
          "  --connect-timeout SECONDS\n                 give a connection up after so long\n"
          "  --http1.1      HTTP/1.1 alone\n"
          "  --http2        HTTP/2\n"
          "  --resolve HOST:PORT:ADDRESS\n                 use this address\n",
          out);
}

static bool parse_number(const char *name, const char *text, uint64_t max, uint64_t *out)
{
    if (number_whole(text, DECIMAL, 1, max, out))
        return true;
    warnx("%s %s: must be a number from 1 to %" PRIu64, name, text, max);
    return false;
}

static bool parse_decimal(const char *name, const char *text, double min, double max, double *out)
{
    if (number_decimal(text, min, max, out))
        return true;
    warnx("%s %s: must be a number from %g to %g", name, text, min, max);
    return false;
}

static bool parse_seconds(const char *name, const char *text, int64_t *out)
{
    double seconds = 0;

    if (!parse_decimal(name, text, SECONDS_MIN, SECONDS_MAX, &seconds))
        return false;
    *out = llround(seconds * (double)PDM_NSEC_PER_SEC);
    return true;
}

static bool parse_rate(const char *text, int64_t *interval)
{
    double rate = 0;

    if (!parse_decimal("--rate", text, RATE_MIN, RATE_MAX, &rate))
        return false;
    *interval = llround((double)PDM_NSEC_PER_SEC / rate);
    return true;
}

static bool add_word(const char *name, struct web_words *words, size_t max, const char *word)
{
    if (words->count == max) {
        warnx("%s: more than %zu of them", name, max);
        return false;
    }
    words->at[words->count++] = word;
    return true;
}

static bool take_format(const char *text, struct web_options *options)
{
    char bad[FORMAT_NAME_MAX + 1];

    options->format = argument_text("-w", text);
    if (options->format == NULL)
        return false;
    if (format_check(options->format, bad))
        return true;
    warnx("-w: unknown variable %%{%s}: pdmperf(1) has the list", bad);
    return false;
}

/* Options with an argument. */
static bool parse_value(int option, struct web_options *options)
{
    uint64_t number = 0;

    switch (option) {
    case 'c':
        if (!parse_number("-c", optarg, WEB_CONNECTIONS_MAX, &number))
            return false;
        options->connections = (unsigned)number;
        return true;
    case 'd':
        return argument_add_data(optarg, &options->data, &options->data_len);
    case 'H':
        return add_word("-H", &options->headers, WEB_WORDS_MAX, optarg);
    case 'm':
        return parse_seconds("-m", optarg, &options->timeout);
    case 'n':
        return parse_number("-n", optarg, REQUESTS_MAX, &options->requests);
    case 'o':
        return add_word("-o", &options->outputs, WEB_URLS_MAX, optarg);
    case 'w':
        return take_format(optarg, options);
    case 'X':
        options->method = optarg;
        return true;
    case LONG_CACERT:
        options->ca_file = optarg;
        return true;
    case LONG_CONNECT_TIMEOUT:
        return parse_seconds("--connect-timeout", optarg, &options->connect_timeout);
    case LONG_RATE:
        return parse_rate(optarg, &options->interval);
    case LONG_RESOLVE:
        return add_word("--resolve", &options->resolve, WEB_WORDS_MAX, optarg);
    default:
        print_usage(stderr);
        return false;
    }
}

/* Options without one; false: it is none of them. */
static bool parse_flag(int option, struct web_options *options)
{
    bool *const flags[] = {
        ['f'] = &options->fail,  ['k'] = &options->insecure,         ['L'] = &options->location,
        ['q'] = &options->quiet, [LONG_COMPARE] = &options->compare, [LONG_JSON] = &options->json,
    };

    switch (option) {
    case '4':
        options->family = AF_INET;
        return true;
    case '6':
        options->family = AF_INET6;
        return true;
    case LONG_HTTP_1_1:
        options->http = WEB_HTTP_1_1;
        return true;
    case LONG_HTTP_2:
        options->http = WEB_HTTP_2;
        return true;
    default:
        if ((size_t)option >= sizeof(flags) / sizeof(flags[0]) || flags[option] == NULL)
            return false;
        *flags[option] = true;
        return true;
    }
}

static bool to_standard_output(const struct web_options *options)
{
    for (size_t i = 0; i < options->outputs.count; i++) {
        if (strcmp(options->outputs.at[i], "-") == 0)
            return true;
    }
    return false;
}

static bool check_together(const struct web_options *options)
{
    if (options->urls.count == 0) {
        warnx("which URL?");
        print_usage(stderr);
        return false;
    }
    if (options->compare && options->urls.count != 2)
        warnx("--compare takes two URLs");
    else if (options->outputs.count > options->urls.count)
        warnx("-o: more files than URLs");
    else if (options->outputs.count > 0 && options->connections > 1)
        warnx("-o goes with one connection: answers at once would mix in the file");
    else if (options->json && to_standard_output(options))
        warnx("-o - would mix answers and JSON");
    else if (options->json && options->format)
        warnx("-w and --json are two ways to print the same: choose one");
    else if (options->format && options->compare)
        warnx("-w prints requests, --compare a comparison: choose one");
    else
        return true;
    return false;
}

static bool take_urls(int count, char **urls, struct web_options *options)
{
    for (int i = 0; i < count; i++) {
        if (!add_word("URL", &options->urls, WEB_URLS_MAX, urls[i]))
            return false;
    }
    return true;
}

enum web_parsed web_options_parse(int argc, char **argv, struct web_options *options)
{
    static const struct option longs[] = {
        {"cacert", required_argument, NULL, LONG_CACERT},
        {"compare", no_argument, NULL, LONG_COMPARE},
        {"connect-timeout", required_argument, NULL, LONG_CONNECT_TIMEOUT},
        {"http1.1", no_argument, NULL, LONG_HTTP_1_1},
        {"http2", no_argument, NULL, LONG_HTTP_2},
        {"json", no_argument, NULL, LONG_JSON},
        {"rate", required_argument, NULL, LONG_RATE},
        {"resolve", required_argument, NULL, LONG_RESOLVE},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    int option = 0;

    *options = (struct web_options){.requests = 1, .connections = 1};
    while ((option = getopt_long(argc, argv, "46c:d:fhH:kLm:n:o:qVw:X:", longs, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout);
            net_options_usage(stdout);
            return WEB_DONE;
        }
        if (option == 'V') {
            puts("pdmperf " PDM_RELEASE);
            return WEB_DONE;
        }
        if (!parse_flag(option, options) && !parse_value(option, options))
            return WEB_BAD;
    }
    if (!take_urls(argc - optind, argv + optind, options) || !check_together(options))
        return WEB_BAD;
    return WEB_RUN;
}

void web_options_free(struct web_options *options)
{
    free(options->data);
}
