/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages from hostile clients. The input is a series of them, each behind an octet with its
 * length; 0xFF in that octet lets time do its work instead. What only the agent can know (its
 * instance, a slot and who owns it) is put in where the input has zeros, so that what lies behind
 * those checks is reached.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyagent/agent_flows.h"
#include "keyagent/clock.h"
#include "keyagent/requests.h"

#define TICK 0xFF
#define AT_INSTANCE (PDM_MESSAGE_HEADER + PDM_TUPLE_LEN)
#define AT_SLOT (AT_INSTANCE + sizeof(uint64_t))
#define AT_OWNER (AT_SLOT + sizeof(uint32_t))

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct agent agent;
static struct reply reply;
static uint32_t slot; /* of the latest open flow */
static uint64_t owner;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void complain(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
    abort(); /* the configuration below is good */
}

static char directory[] = "fuzz_message.XXXXXX"; /* where the harness is run */

static void write_file(const char *name, const char *content)
{
    char path[sizeof directory + 16];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    must(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
    must(chmod(path, S_IRUSR | S_IWUSR) == 0);
}

static void remove_files(void)
{
    static const char *const names[] = {"/k", "/k.gen", "/state/peers", "/state", ""};
    char path[sizeof directory + 16];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s%s", directory, names[i]);
        (void)remove(path);
    }
}

/* Addresses of three kinds: encrypted, plain, and none. A small ledger empties often. */
static const char configuration[] =
    "[agent]\nstate = state\nmax_slots = 8\nmax_ledger = 32\n"
    "flows_per_client = 4\nrequests_per_client = 0\n"
    "[association a]\npeer = 2001::/16\nkey = k\naead = chacha20-poly1305\n"
    "[association b]\npeer = 2002::/16\nprotect = plain\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char name[sizeof directory + 16];
    struct config config;

    (void)argc;
    (void)argv;
    must(sodium_init() >= 0 && mkdtemp(directory) != NULL && atexit(remove_files) == 0);
    write_file("k", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    write_file("k.gen", "0\n");
    snprintf(name, sizeof name, "%s/conf", directory);
    must(config_parse(name, configuration, sizeof configuration - 1, &config, complain, NULL));
    must(agent_init(&agent, &config));
    agent.paths.may_probe = true;
    return 0;
}

static void fill_in(uint8_t *message, size_t at, uint64_t value, size_t octets)
{
    static const uint8_t zeros[sizeof value];

    if (memcmp(message + at, zeros, octets) == 0)
        for (size_t i = 0; i < octets; i++)
            message[at + i] = (uint8_t)(value >> 8 * (octets - 1 - i));
}

static bool names_slot(uint8_t type)
{
    return type == PDM_RENEW || type == PDM_CLOSE || type == PDM_SUSPECT || type == PDM_MOVE;
}

static void fill_in_secrets(uint8_t *message, size_t len)
{
    uint8_t type = len > 1 ? message[1] : 0;

    if (names_slot(type) && len >= AT_INSTANCE + sizeof(uint64_t))
        fill_in(message, AT_INSTANCE, agent.instance, sizeof(uint64_t));
    if (type == PDM_SEARCH && len >= AT_INSTANCE + sizeof(uint64_t))
        fill_in(message, AT_INSTANCE, agent.instance, sizeof(uint64_t));
    if (names_slot(type) && len >= AT_OWNER + sizeof(uint64_t)) {
        fill_in(message, AT_SLOT, slot, sizeof(uint32_t));
        fill_in(message, AT_OWNER, owner, sizeof(uint64_t));
    }
}

static void check_reply(const uint8_t *message, size_t len)
{
    struct pdm_open_reply opened;
    struct pdm_reader body;
    uint8_t type;

    if (reply.len == 0) {
        must(len > 1 && (message[1] == PDM_CLOSE || message[1] == PDM_SUSPECT));
        return;
    }
    must(pdm_message_open(reply.bytes, reply.len, &type, &body));
    must((type & PDM_REPLY) != 0 && (len < 2 || type == (message[1] | PDM_REPLY)));
    must(reply.fds == 0 || type == (PDM_HELLO | PDM_REPLY));
    if (len < 2 || (message[1] != PDM_OPEN && message[1] != PDM_MOVE))
        return;
    pdm_get_open_reply(&body, &opened);
    must(pdm_message_done(&body));
    if (opened.status != PDM_STATUS_OK) {
        must(sodium_is_zero(opened.own_secret, sizeof opened.own_secret) == 1);
        return;
    }
    must(opened.slot < 8 && opened.owner != 0);
    must((opened.format == PDM_FORMAT_ENCRYPTED) ==
         (sodium_is_zero(opened.own_secret, sizeof opened.own_secret) == 0));
    slot = opened.slot;
    owner = opened.owner;
}

static void take_message(const uint8_t *data, size_t len)
{
    const struct client_id who = {.pid = getpid(), .uid = getuid()};
    uint8_t message[PDM_MESSAGE_SMALL + 1] = {0};

    memcpy(message, data, len);
    fill_in_secrets(message, len);
    requests_answer(&agent, &who, message, len, &reply);
    check_reply(message, len);
}

/* Every input begins with nothing open and nothing known. */
static void start_over(void)
{
    for (uint32_t i = 0; i < agent.slots.count; i++)
        if (agent.slots.record[i].owner != 0)
            agent_end_flow(&agent, i, FLOW_CLOSED);
    must(agent.slots.used == 0);
    search_reset(&agent.search);
    slot = 0;
    owner = 0;
}

/* Some echoes cannot be sent, some are answered, some are not. */
static void probe(void)
{
    struct path_request request;

    while (prober_next(&agent.paths.prober, clock_now(), &request))
        if (request.nonce[0] % 4 == 0)
            prober_unsent(&agent.paths.prober, request.nonce);
        else if (request.nonce[0] % 4 != 1)
            prober_answered(&agent.paths.prober, request.nonce, request.peer, clock_now());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    start_over();
    for (size_t at = 0; at < len;) {
        size_t octets = data[at++];

        if (octets == TICK) {
            agent_tick(&agent);
            struct search_hit hit;

            search_run(&agent.search, clock_now(), &hit);
            if (hit.found)
                requests_found(&agent, &hit);
            probe();
            continue;
        }
        if (octets > len - at)
            octets = len - at;
        take_message(data + at, octets);
        at += octets;
        must(agent.slots.used <= 8 && agent.ledger.table.used <= 32);
    }
    return 0;
}
