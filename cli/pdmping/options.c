/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmping was asked to do. */
#include "cli/pdmping/options.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/pdmping/option_values.h"
#include "core/limits.h"

enum {
    ECHO_PORT = 7, /* RFC 862 */
    SIZE_DEFAULT = 56,
};

#define FLOOD_INTERVAL_MIN (2 * PDM_NSEC_PER_MSEC) /* of who is not root: ping's rule */

static const char shorts[] = "46Ac:Dfhi:I:M:nOp:qQ:s:t:Vw:W:";

static void print_usage(FILE *out)
{
    fputs("usage: pdmping [-6ADfhnOqV] [-c COUNT] [-i INTERVAL] [-I SOURCE] [-M HINT] [-p PORT]\n"
          "               [-Q CLASS] [-s SIZE] [-t HOPS] [-w DEADLINE] [-W TIMEOUT] [--icmp]\n"
          "               [--tcp[=connect|request]] [--pattern HEX] [--sweep FROM:TO[:STEP]]\n"
          "               [--slo LIST] [--require-pdm] [--json | --csv | --live] HOST...\n"
          "       pdmping --listen [-p PORT] [-I SOURCE]\n"
          "  --icmp         ask by ICMPv6 echo, and not over UDP\n"
          "  --tcp          ask by a TCP handshake (connect), or an echo service by requests on\n"
          "                 one connection (request)\n"
          "  -p PORT        port of the service (7)\n"
          "  -c COUNT       stop after this many probes of each host\n"
          "  -i INTERVAL    seconds between probes (1)\n"
          "  -w DEADLINE    stop after this many seconds\n"
          "  -W TIMEOUT     seconds to wait for a reply (1)\n"
          "  -s SIZE        octets of payload (56)\n"
          "  --sweep SIZES  sizes in turn, from one to another in steps (of 100)\n"
          "  --pattern HEX  fill the payload with these octets\n"
          "  -A             send as soon as there is a reply\n"
          "  -f             the same without a pause, and print dots\n"
          "  -I SOURCE      source address, or interface\n"
          "  -M HINT        path MTU discovery: do, want, dont or probe\n"
          "  -Q CLASS       traffic class\n"
          "  -t HOPS        hop limit\n"
          "  -6             taken for ping's sake: it is always so\n"
          "  -n             likewise\n"
          "  -q             print the summary alone\n"
          "  -D             print the time before each line\n"
          "  -O             tell of a probe without an answer when the next leaves\n"
          "  --slo LIST     objectives, as net.p99=30ms,srv.mean=5ms,loss=1%: exit code 3 if one\n"
          "                 is missed\n"
          "  --require-pdm  exit code 4 if the network's delay could not be measured\n"
          "  --json         print JSON Lines\n"
          "  --csv          print lines with commas\n"
          "  --live         draw the delays over time on the whole screen\n"
          "  --listen       be an echo service\n"
          "  -h, --help     this text\n"
          "  -V, --version  the version\n",
          out);
}

/* Options without one; false if OPTION is none of them. */
static bool take_switch(int option, struct ping_options *options)
{
    switch (option) {
    case '6':
    case 'n':
        return true;
    case 'q':
        return options->quiet = true;
    case 'D':
        return options->timestamps = true;
    case 'O':
        return options->outstanding = true;
    case 'A':
        return options->adaptive = true;
    case 'f':
        return options->flood = true;
    case LONG_REQUIRE_PDM:
        return options->require_pdm = true;
    case LONG_LISTEN:
        return options->listen = true;
    case LONG_JSON:
        options->output = PING_JSON;
        return true;
    case LONG_CSV:
        options->output = PING_CSV;
        return true;
    case LONG_LIVE:
        options->output = PING_LIVE;
        return true;
    case LONG_ICMP:
        options->method = PING_ICMP;
        return true;
    default:
        return false;
    }
}

/* What was given, beside its values. */
struct given {
    bool sender_only; /* what only a sender can follow */
    bool interval, port, size, sweep, pattern, icmp, tcp;
    unsigned outputs;
};

static void note(struct given *given, int option)
{
    given->sender_only =
        given->sender_only || (option != LONG_LISTEN && option != 'p' && option != 'I');
    given->interval = given->interval || option == 'i';
    given->port = given->port || option == 'p';
    given->size = given->size || option == 's';
    given->sweep = given->sweep || option == LONG_SWEEP;
    given->pattern = given->pattern || option == LONG_PATTERN;
    given->icmp = given->icmp || option == LONG_ICMP;
    given->tcp = given->tcp || option == LONG_TCP;
    given->outputs += option == LONG_JSON || option == LONG_CSV || option == LONG_LIVE;
}

/* Of two that say the same thing, none wins unseen; and none is taken that can do nothing. */
static bool check_together(const struct given *given, const struct ping_options *options)
{
    bool payload = given->size || given->sweep || given->pattern;

    if (given->outputs > 1)
        warnx("--json, --csv and --live: choose one");
    else if (given->icmp && given->tcp)
        warnx("--icmp and --tcp: choose one");
    else if (given->size && given->sweep)
        warnx("-s and --sweep: choose one");
    else if (given->port && given->icmp)
        warnx("-p: an ICMPv6 echo has no port; for the pattern that is ping's -p there is "
              "--pattern");
    else if (payload && options->method == PING_TCP_CONNECT)
        warnx("-s, --sweep and --pattern: a TCP handshake has no payload; --tcp=request has");
    else
        return true;
    return false;
}

static bool take(int option, struct ping_options *options)
{
    if (take_switch(option, options))
        return true;
    enum option_taken taken = ping_option_value(option, optarg, options);

    if (taken == OPTION_UNKNOWN)
        print_usage(stderr);
    return taken == OPTION_TAKEN;
}

/* --listen takes no option that only a sender could follow. */
static bool check_operands(bool sender_only, int operands, const struct ping_options *options)
{
    if (options->listen && sender_only) {
        warnx("--listen goes with -p and -I only");
        return false;
    }
    if (options->listen ? operands != 0 : operands == 0) {
        warnx(options->listen ? "--listen takes no host" : "which host?");
        print_usage(stderr);
        return false;
    }
    if (options->output == PING_LIVE && options->quiet) {
        warnx("-q shows no probes, and --live nothing else");
        return false;
    }
    if (operands > TARGETS_MAX) {
        warnx("%d hosts at once at most", TARGETS_MAX);
        return false;
    }
    return true;
}

/* A flood without an interval of its own has none. */
static bool check_interval(bool has_interval, struct ping_options *options)
{
    if (options->flood && !has_interval)
        options->interval = 0;
    if (options->interval >= FLOOD_INTERVAL_MIN || !options->flood || geteuid() == 0)
        return true;
    warnx("-f: who is not root must say an interval of 0.002 seconds or more with -i");
    return false;
}

enum ping_parsed ping_options_parse(int argc, char **argv, struct ping_options *options)
{
    struct given given = {0};
    int option = 0;

    *options = (struct ping_options){
        .port = ECHO_PORT,
        .interval = PDM_NSEC_PER_SEC,
        .wait = PDM_NSEC_PER_SEC,
        .size = {.from = SIZE_DEFAULT, .sizes = 1},
        .traffic_class = PING_UNSET,
        .hop_limit = PING_UNSET,
        .mtu_discovery = PING_UNSET,
    };
    while ((option = getopt_long(argc, argv, shorts, ping_long_options, NULL)) != -1) {
        note(&given, option);
        switch (option) {
        case 'h':
            print_usage(stdout);
            return PING_DONE;
        case 'V':
            puts("pdmping " PDM_RELEASE);
            return PING_DONE;
        case '4':
            warnx("-4: IPv4 has no destination options: pdmping is for IPv6");
            return PING_BAD;
        default:
            if (!take(option, options))
                return PING_BAD;
        }
    }
    if (!check_operands(given.sender_only, argc - optind, options) ||
        !check_together(&given, options) || !check_interval(given.interval, options))
        return PING_BAD;
    if (options->method == PING_TCP_CONNECT)
        options->size.from = 0;
    options->hosts = argv + optind;
    options->host_count = (size_t)(argc - optind);
    return PING_RUN;
}

size_t ping_size(const struct ping_options *options, uint64_t seq)
{
    return options->size.from + options->size.step * ((seq - 1) % options->size.sizes);
}

size_t ping_size_max(const struct ping_options *options)
{
    return ping_size(options, options->size.sizes);
}
