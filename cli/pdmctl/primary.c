/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary: one command each to show or change what a primary knows. */
#include "cli/pdmctl/primary.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"
#include "core/admin.h"

/* Changes: the operands become a request's body; false after telling what is wrong with them. */

struct change {
    union {
        struct pdm_admin_list_change list;
        struct pdm_admin_renegotiate peer;
        struct pdm_admin_revoke address;
    } body;
};

static void put_list_change(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct change *change = arg;

    (void)start;
    pdm_put_admin_list_change(w, &change->body.list);
}

static void put_peer(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct change *change = arg;

    (void)start;
    pdm_put_admin_renegotiate(w, &change->body.peer);
}

static void put_address(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct change *change = arg;

    (void)start;
    pdm_put_admin_revoke(w, &change->body.address);
}

/* client PREFIX, or server PREFIX [GROUP] */
static bool take_list_change(const struct pdmctl_context *c, struct change *change)
{
    struct pdm_admin_list_change *list = &change->body.list;
    bool server = strcmp(c->operand[1], "server") == 0;
    uint32_t group = server ? 1 : 0; /* as where there is only one */
    struct pdm_prefix prefix;
    char fault[CONFIG_FAULT_MAX];

    if (!server && strcmp(c->operand[1], "client") != 0) {
        warnx("%s: must be client or server", c->operand[1]);
        return false;
    }
    if (config_prefix(c->operand[2], &prefix) != CONFIG_PREFIX_OK) {
        warnx("%s: %s", c->operand[2], config_prefix_fault(c->operand[2], fault));
        return false;
    }
    if (c->operands > 3 && !server) {
        warnx("clients are in no group");
        return false;
    }
    if (c->operands > 3 && !config_number(c->operand[3], 1, UINT16_MAX, &group)) {
        warnx("%s: a group must be a number from 1 to 65535", c->operand[3]);
        return false;
    }
    *list = (struct pdm_admin_list_change){.add = strcmp(c->operand[0], "add") == 0,
                                           .side = server ? PDM_SIDE_SERVER : PDM_SIDE_CLIENT,
                                           .len = prefix.len,
                                           .group = (uint16_t)group};
    memcpy(list->addr, prefix.addr, sizeof(list->addr));
    return true;
}

static bool take_peer(const struct pdmctl_context *c, struct change *change)
{
    struct pdm_admin_renegotiate *peer = &change->body.peer;
    size_t len = strlen(c->operand[1]);

    if (len >= sizeof(peer->name)) {
        warnx("%s: no name of a peer", c->operand[1]);
        return false;
    }
    memset(peer->name, 0, sizeof(peer->name));
    memcpy(peer->name, c->operand[1], len);
    return true;
}

static bool take_address(const struct pdmctl_context *c, struct change *change)
{
    struct pdm_admin_revoke *address = &change->body.address;

    if (inet_pton(AF_INET6, c->operand[1], address->address) != 1) {
        warnx("%s: must be an IPv6 address", c->operand[1]);
        return false;
    }
    address->admit = strcmp(c->operand[0], "admit") == 0;
    return true;
}

static bool take_list(const struct pdmctl_context *c, struct change *change)
{
    const char *which = c->operands > 1 ? c->operand[1] : NULL;

    (void)change;
    if (!which || (!c->peer && (strcmp(which, "clients") == 0 || strcmp(which, "servers") == 0)))
        return true;
    warnx("usage: pdmctl primary list [clients | servers], or pdmctl primary list -P PEER");
    return false;
}

struct command {
    const char *name;
    const char *operands;
    int fewest, most; /* operands, the name itself included */
    primary_show *show;
    /* What changes something: */
    uint8_t type;
    /* Of the operands; also of what shows something. */
    bool (*take)(const struct pdmctl_context *context, struct change *change);
    agent_put *put;
};

static const struct command commands[] = {
    {"status", "", 1, 1, primary_show_status, 0, NULL, NULL},
    {"pairs", "", 1, 1, primary_show_pairs, 0, NULL, NULL},
    {"secondaries", "", 1, 1, primary_show_secondaries, 0, NULL, NULL},
    {"list", " [clients | servers] or list -P PEER", 1, 2, primary_show_list, 0, take_list, NULL},
    {"add", " client | server PREFIX [GROUP]", 3, 4, NULL, PDM_ADMIN_LIST_CHANGE, take_list_change,
     put_list_change},
    {"remove", " client | server PREFIX [GROUP]", 3, 4, NULL, PDM_ADMIN_LIST_CHANGE,
     take_list_change, put_list_change},
    {"renegotiate", " PEER", 2, 2, NULL, PDM_ADMIN_RENEGOTIATE, take_peer, put_peer},
    {"revoke", " ADDRESS", 2, 2, NULL, PDM_ADMIN_REVOKE, take_address, put_address},
    {"admit", " ADDRESS", 2, 2, NULL, PDM_ADMIN_REVOKE, take_address, put_address},
    {"reload", "", 1, 1, NULL, PDM_ADMIN_RELOAD, NULL, NULL},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

enum pdmctl_exit pdmctl_primary(const struct pdmctl_context *context)
{
    static struct agent_client client;
    const struct command *command = find_command(context->operand[0]);
    struct change change = {0};

    if (!command) {
        warnx("no such command: primary %s; pdmctl -h tells what there is", context->operand[0]);
        return PDMCTL_USAGE;
    }
    if (context->operands < command->fewest || context->operands > command->most) {
        warnx("usage: pdmctl primary %s%s", command->name, command->operands);
        return PDMCTL_USAGE;
    }
    if (context->peer && command->show != primary_show_list) {
        warnx("-P is not for primary %s", command->name);
        return PDMCTL_USAGE;
    }
    if (command->take && !command->take(context, &change))
        return PDMCTL_USAGE;
    if (!agent_client_init_primary(&client, context->socket))
        return PDMCTL_USAGE;
    if (command->show)
        return pdmctl_exit_for(command->show(&client, context));
    return pdmctl_exit_for(agent_ask(&client, command->type, command->put, &change));
}
