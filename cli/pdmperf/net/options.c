/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf -s or -C was asked to do. */
#include "cli/pdmperf/net/options.h"

#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/pdmperf/net/quantity.h"

#define LETTERS "146JRVhsuC:O:P:b:i:l:n:p:t:"
#define LETTERS_OF_SERVER "146JVhps"
/* Those that take an argument with URLs: it is no option, whatever it looks like. */
#define LETTERS_OF_URLS "c:d:H:m:o:w:X:"

#define PORT_DEFAULT 5201 /* iperf3's */
#define PORT_MAX 65535.0
#define SECONDS_DEFAULT 10
#define TCP_BLOCK (128 * 1024)
/* With an option of 40 octets, and room for as much again, within 1280 octets. */
#define UDP_BLOCK 1152
#define UDP_RATE 1048576 /* iperf3's default */
#define EXCHANGE_DEFAULT 64
#define INTERVAL_MIN 0.1
#define INTERVAL_MAX 3600.0
#define NSEC ((double)PDM_NSEC_PER_SEC)

enum {
    LONG_ANSWER = 256,
    LONG_BIDIR,
    LONG_JSON_STREAM,
    LONG_RR,
    LONG_THINK,
    LONG_CACERT,
    LONG_CONNECT_TIMEOUT,
    LONG_RATE,
    LONG_RESOLVE,
};

static const struct option longs[] = {
    {"answer", required_argument, NULL, LONG_ANSWER},
    {"bidir", no_argument, NULL, LONG_BIDIR},
    {"json-stream", no_argument, NULL, LONG_JSON_STREAM},
    {"rr", no_argument, NULL, LONG_RR},
    {"think", required_argument, NULL, LONG_THINK},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

void net_options_usage(FILE *out)
{
    fputs("usage: pdmperf -s [-146J] [-p PORT] [--json-stream]\n"
          "       pdmperf -C HOST [-46JRu] [-b RATE] [-i SECONDS] [-l SIZE] [-n AMOUNT]\n"
          "               [-O SECONDS] [-P STREAMS] [-p PORT] [-t SECONDS] [--answer SIZE]\n"
          "               [--bidir] [--json-stream] [--rr] [--think MILLISECONDS]\n"
          "  -s             wait for clients\n"
          "  -C HOST        measure to the server there\n"
          "  --rr           requests and answers, one at a time, instead of throughput\n"
          "  --answer SIZE  of an answer (64)\n"
          "  --think MILLISECONDS\n                 that the server takes for an answer (0)\n"
          "as iperf3 has them:\n"
          "  -1             one client, then exit\n"
          "  -p PORT        the server's (5201)\n"
          "  -u             UDP\n"
          "  -b RATE        bits a second of each stream\n"
          "  -l SIZE        of a block, datagram or request\n"
          "  -t SECONDS     how long (10)\n"
          "  -n AMOUNT      octets, or transactions, in all\n"
          "  -O SECONDS     before the time that counts (0)\n"
          "  -P STREAMS     so many at once (1)\n"
          "  -R             the server sends\n"
          "  --bidir        both send\n"
          "  -i SECONDS     between two reports (1)\n"
          "  -J             one JSON document\n"
          "  --json-stream  a JSON line for each event\n",
          out);
}

static bool parse_into(const char *name, enum quantity_base base, double min, double max,
                       uint64_t *out)
{
    const struct quantity q = {.name = name, .base = base, .scale = 1, .min = min, .max = max};

    return quantity_parse(&q, optarg, out);
}

static bool parse_time(const char *name, double scale, double min, double max, uint64_t *out)
{
    const struct quantity q = {.name = name, .scale = scale, .min = min, .max = max};

    return quantity_parse(&q, optarg, out);
}

/* 0 is no interval. */
static bool parse_interval(struct net_options *o)
{
    uint64_t interval = 0;

    if (strcmp(optarg, "0") != 0 && !parse_time("-i", NSEC, INTERVAL_MIN, INTERVAL_MAX, &interval))
        return false;
    o->interval = (int64_t)interval;
    return true;
}

/* As iperf3: 0 is no limit. */
static bool parse_rate(struct net_options *o)
{
    if (strcmp(optarg, "0") == 0) {
        o->test.rate = 0;
        return true;
    }
    return parse_into("-b", QUANTITY_DECIMAL, (double)NET_RATE_MIN, (double)NET_RATE_MAX,
                      &o->test.rate);
}

static bool parse_sizes(int option, struct net_options *o)
{
    struct pdm_net_test *t = &o->test;
    uint64_t number = 0;

    switch (option) {
    case 'P':
        if (!parse_into("-P", QUANTITY_PLAIN, 1, NET_STREAMS_MAX, &number))
            return false;
        t->streams = (uint16_t)number;
        return true;
    case 'b':
        return parse_rate(o);
    case 'l':
        if (!parse_into("-l", QUANTITY_BINARY, 1, NET_BLOCK_MAX, &number))
            return false;
        t->block = (uint32_t)number;
        return true;
    case 'n':
        return parse_into("-n", QUANTITY_BINARY, 1, (double)NET_AMOUNT_MAX, &t->amount);
    case 'p':
        if (!parse_into("-p", QUANTITY_PLAIN, 1, PORT_MAX, &number))
            return false;
        o->port = (uint16_t)number;
        return true;
    case LONG_ANSWER:
        if (!parse_into("--answer", QUANTITY_BINARY, 1, NET_PAYLOAD_MAX, &number))
            return false;
        t->answer = (uint32_t)number;
        return true;
    default:
        net_options_usage(stderr);
        return false;
    }
}

static bool parse_value(int option, struct net_options *o)
{
    switch (option) {
    case 'C':
        o->host = optarg;
        return true;
    case 'O':
        return parse_time("-O", NSEC, 0, NET_SECONDS_MAX, &o->test.omit);
    case 'i':
        return parse_interval(o);
    case 't':
        return parse_time("-t", NSEC, INTERVAL_MIN, NET_SECONDS_MAX, &o->test.duration);
    case LONG_THINK:
        return parse_time("--think", (double)PDM_NSEC_PER_MSEC, 0,
                          (double)NET_PAUSE_MAX / (double)PDM_NSEC_PER_MSEC, &o->test.think);
    default:
        return parse_sizes(option, o);
    }
}

/* Options without an argument; false: it is none of them. */
static bool parse_flag(int option, struct net_options *o)
{
    switch (option) {
    case '1':
        o->once = true;
        return true;
    case '4':
        o->family = AF_INET;
        return true;
    case '6':
        o->family = AF_INET6;
        return true;
    case 'J':
        o->json = true;
        return true;
    case LONG_JSON_STREAM:
        o->json = true;
        o->json_stream = true;
        return true;
    case 'R':
        o->test.direction = NET_REVERSE;
        return true;
    case LONG_RR:
        o->test.kind = NET_TRANSACTIONS;
        return true;
    case LONG_BIDIR:
        o->test.direction = NET_BOTH;
        return true;
    case 's':
        o->server = true;
        return true;
    case 'u':
        o->test.udp = 1;
        return true;
    default:
        return false;
    }
}

static void fill_in(struct net_options *o, bool rate_given)
{
    struct pdm_net_test *t = &o->test;

    t->probe = t->kind == NET_BULK;
    t->request = t->block != 0 ? t->block : EXCHANGE_DEFAULT;
    t->answer = t->answer != 0 ? t->answer : EXCHANGE_DEFAULT;
    if (t->block == 0)
        t->block = t->udp ? UDP_BLOCK : TCP_BLOCK;
    if (t->udp && t->kind == NET_BULK && !rate_given)
        t->rate = UDP_RATE;
    if (t->duration == 0 && t->amount == 0)
        t->duration = SECONDS_DEFAULT * PDM_NSEC_PER_SEC;
    /* Each stream has its part. */
    if (t->amount != 0)
        t->amount = (t->amount + t->streams - 1) / t->streams;
}

/* What was given, beside its values. */
struct given {
    bool rate, reverse, bidir, clients; /* clients: what a server cannot follow */
};

static void note(struct given *given, int option)
{
    given->rate = given->rate || option == 'b';
    given->reverse = given->reverse || option == 'R';
    given->bidir = given->bidir || option == LONG_BIDIR;
    if (option != LONG_JSON_STREAM && (option > UCHAR_MAX || !strchr(LETTERS_OF_SERVER, option)))
        given->clients = true;
}

static bool check_together(int argc, const struct net_options *o, const struct given *given)
{
    const struct pdm_net_test *t = &o->test;

    if (o->server && o->host)
        warnx("-s and -C: choose one");
    else if (optind != argc && o->server)
        warnx("-s waits for clients of a pdmperf -C, and takes no argument: for curl's -s there is "
              "-q");
    else if (optind != argc)
        warnx("with -C HOST no other argument goes: what is meant by it?");
    else if (o->server && given->clients)
        warnx("-s goes with -1, -4, -6, -J, -p and --json-stream: the rest is the client's to say");
    else if (given->reverse && given->bidir)
        warnx("-R and --bidir: choose one");
    else if (t->duration != 0 && t->amount != 0)
        warnx("-t and -n: choose one");
    else if (t->kind == NET_TRANSACTIONS && (t->direction != NET_FORWARD || given->rate))
        warnx("--rr goes with neither -R, --bidir nor -b");
    else if (t->kind == NET_BULK && t->think != 0)
        warnx("--think goes with --rr");
    else if (t->kind == NET_BULK && t->answer != 0)
        warnx("--answer goes with --rr");
    else if (o->once && !o->server)
        warnx("-1 goes with -s");
    else
        return true;
    return false;
}

static bool check_test(const struct net_options *o)
{
    if (o->server || net_test_allowed(&o->test))
        return true;
    if (net_test_pace(&o->test) > NET_PAUSE_MAX)
        warnx("-b: so slow that two blocks are more than a minute apart: choose a smaller -l");
    else
        warnx("a size is out of bounds: datagrams have %d to %d octets, requests %d at most",
              NET_DATAGRAM_LEN, NET_PAYLOAD_MAX, NET_PAYLOAD_MAX);
    return false;
}

bool net_options_asked(int argc, char **argv)
{
    static const struct option with_argument[] = {
        {"answer", required_argument, NULL, LONG_ANSWER},
        {"think", required_argument, NULL, LONG_THINK},
        {"cacert", required_argument, NULL, LONG_CACERT},
        {"connect-timeout", required_argument, NULL, LONG_CONNECT_TIMEOUT},
        {"rate", required_argument, NULL, LONG_RATE},
        {"resolve", required_argument, NULL, LONG_RESOLVE},
        {0},
    };
    bool asked = false;
    int option = 0;

    /* The - leaves the words in their order. */
    opterr = 0;
    while ((option = getopt_long(argc, argv, "-" LETTERS LETTERS_OF_URLS, with_argument, NULL)) !=
           -1)
        asked = asked || option == 's' || option == 'C';
    opterr = 1;
    optind = 0; /* glibc's way to begin anew */
    return asked;
}

enum net_parsed net_options_parse(int argc, char **argv, struct net_options *o)
{
    struct given given = {0};
    int option = 0;

    *o = (struct net_options){
        .port = PORT_DEFAULT,
        .family = AF_UNSPEC,
        .interval = PDM_NSEC_PER_SEC,
        .test = {.streams = 1},
    };
    while ((option = getopt_long(argc, argv, LETTERS, longs, NULL)) != -1) {
        note(&given, option);
        if (option == 'h') {
            net_options_usage(stdout);
            return NET_DONE_PARSING;
        }
        if (option == 'V') {
            puts("pdmperf " PDM_RELEASE);
            return NET_DONE_PARSING;
        }
        if (!parse_flag(option, o) && !parse_value(option, o))
            return NET_BAD;
    }
    if (!check_together(argc, o, &given))
        return NET_BAD;
    fill_in(o, given.rate);
    return check_test(o) ? NET_RUN : NET_BAD;
}
