/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of pdmping that have an argument. */
#include "cli/pdmping/option_values.h"

#include <err.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/number.h"
#include "cli/pdmping/probe.h"
#include "core/limits.h"

enum {
    SIZE_MAX_UDP = 65535 - 8, /* RFC 8200 section 3: payload length; less the UDP header */
    DECIMAL = 10,
    HEXADECIMAL = 16,
};

#define SECONDS_MIN 0.001
#define SECONDS_MAX 86400.0

const struct option ping_long_options[] = {
    {"json", no_argument, NULL, LONG_JSON},
    {"csv", no_argument, NULL, LONG_CSV},
    {"live", no_argument, NULL, LONG_LIVE},
    {"listen", no_argument, NULL, LONG_LISTEN},
    {"icmp", no_argument, NULL, LONG_ICMP},
    {"tcp", optional_argument, NULL, LONG_TCP},
    {"pattern", required_argument, NULL, LONG_PATTERN},
    {"sweep", required_argument, NULL, LONG_SWEEP},
    {"slo", required_argument, NULL, LONG_SLO},
    {"require-pdm", no_argument, NULL, LONG_REQUIRE_PDM},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* BASE 0: 0x makes it hexadecimal. */
static bool parse_number(int option, const char *text, int base, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    if (number_whole(text, base, min, max, out))
        return true;
    warnx("-%c %s: must be a number from %" PRIu64 " to %" PRIu64, option, text, min, max);
    return false;
}

static bool parse_int(int option, const char *text, int base, int min, int max, int *out)
{
    uint64_t number = 0;

    if (!parse_number(option, text, base, (uint64_t)min, (uint64_t)max, &number))
        return false;
    *out = (int)number;
    return true;
}

static bool parse_seconds(int option, const char *text, int64_t *out)
{
    double seconds = 0;

    if (number_decimal(text, SECONDS_MIN, SECONDS_MAX, &seconds)) {
        *out = llround(seconds * (double)PDM_NSEC_PER_SEC);
        return true;
    }
    warnx("-%c %s: must be seconds from %g to %g", option, text, SECONDS_MIN, SECONDS_MAX);
    return false;
}

static bool parse_port(const char *text, struct ping_options *options)
{
    uint64_t number = 0;

    if (!parse_number('p', text, DECIMAL, 1, UINT16_MAX, &number))
        return false;
    options->port = (uint16_t)number;
    return true;
}

static bool parse_size(const char *text, struct ping_options *options)
{
    uint64_t number = 0;

    if (!parse_number('s', text, DECIMAL, PROBE_HEADER, SIZE_MAX_UDP, &number))
        return false;
    options->size = (struct sweep){.from = (size_t)number, .sizes = 1};
    return true;
}

/* FROM:TO[:STEP] */
static bool parse_sweep(const char *text, struct ping_options *options)
{
    enum { STEP = 100 };
    uint64_t from = 0, to = 0, step = STEP;
    char *end = NULL;
    bool good = number_read(text, &end, DECIMAL, &from) && *end == ':' &&
                number_read(end + 1, &end, DECIMAL, &to) &&
                (*end != ':' || number_read(end + 1, &end, DECIMAL, &step)) && *end == '\0';

    if (!good || from < PROBE_HEADER || to <= from || to > SIZE_MAX_UDP || step == 0) {
        warnx("--sweep %s: must be FROM:TO or FROM:TO:STEP, octets from %d to %d, rising", text,
              PROBE_HEADER, SIZE_MAX_UDP);
        return false;
    }
    if ((to - from) / step >= SWEEP_MAX) {
        warnx("--sweep %s: more than %d sizes: choose a larger step", text, SWEEP_MAX);
        return false;
    }
    options->size = (struct sweep){
        .from = (size_t)from, .step = (size_t)step, .sizes = (unsigned)((to - from) / step) + 1};
    return true;
}

static bool parse_pattern(const char *text, struct ping_options *options)
{
    size_t digits = strlen(text);
    char octet[] = "00";

    if (digits == 0 || digits % 2 != 0 || digits / 2 > PATTERN_MAX ||
        strspn(text, "0123456789abcdefABCDEF") != digits) {
        warnx("--pattern %s: must be 1 to %d octets, two hexadecimal digits each", text,
              PATTERN_MAX);
        return false;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        memcpy(octet, text + 2 * i, 2);
        options->pattern[i] = (uint8_t)strtoul(octet, NULL, HEXADECIMAL);
    }
    options->pattern_len = digits / 2;
    return true;
}

static bool parse_hint(const char *text, struct ping_options *options)
{
    static const struct {
        const char *name;
        int value;
    } hints[] = {{"do", IPV6_PMTUDISC_DO},
                 {"want", IPV6_PMTUDISC_WANT},
                 {"dont", IPV6_PMTUDISC_DONT},
                 {"probe", IPV6_PMTUDISC_PROBE}};

    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strcmp(text, hints[i].name) == 0) {
            options->mtu_discovery = hints[i].value;
            return true;
        }
    }
    warnx("-M %s: must be do, want, dont or probe", text);
    return false;
}

static bool parse_tcp(const char *text, struct ping_options *options)
{
    options->method = PING_TCP_CONNECT;
    if (!text || strcmp(text, "connect") == 0)
        return true;
    options->method = PING_TCP_REQUEST;
    if (strcmp(text, "request") == 0)
        return true;
    warnx("--tcp=%s: must be connect or request", text);
    return false;
}

static bool parse_slo(const char *text, struct ping_options *options)
{
    char why[SLO_WHY];

    if (slo_parse(&options->slo, text, why))
        return true;
    warnx("--slo: %s", why);
    return false;
}

static enum option_taken taken(bool good)
{
    return good ? OPTION_TAKEN : OPTION_REFUSED;
}

enum option_taken ping_option_value(int option, const char *text, struct ping_options *options)
{
    enum { OCTET_MAX = 255 };

    switch (option) {
    case 'c':
        return taken(parse_number(option, text, DECIMAL, 1, INT64_MAX, &options->count));
    case 'i':
        return taken(parse_seconds(option, text, &options->interval));
    case 'w':
        return taken(parse_seconds(option, text, &options->deadline));
    case 'W':
        return taken(parse_seconds(option, text, &options->wait));
    case 's':
        return taken(parse_size(text, options));
    case 'p':
        return taken(parse_port(text, options));
    case 'Q':
        return taken(parse_int(option, text, 0, 0, OCTET_MAX, &options->traffic_class));
    case 't':
        return taken(parse_int(option, text, DECIMAL, 1, OCTET_MAX, &options->hop_limit));
    case 'M':
        return taken(parse_hint(text, options));
    case 'I':
        options->source = text;
        return OPTION_TAKEN;
    case LONG_TCP:
        return taken(parse_tcp(text, options));
    case LONG_PATTERN:
        return taken(parse_pattern(text, options));
    case LONG_SWEEP:
        return taken(parse_sweep(text, options));
    case LONG_SLO:
        return taken(parse_slo(text, options));
    default:
        return OPTION_UNKNOWN;
    }
}
