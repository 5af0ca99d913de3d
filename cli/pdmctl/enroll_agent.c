/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl enroll: what the agent then does. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/pdmctl/enroll_inside.h"
#include "cli/pdmctl/format.h"
#include "core/suite.h"

enum {
    WAIT_S = 10, /* for what the primary gives */
    LOOK_MS = 200,
};

/* What the primary gave: an association for each pair, called ASSOCIATION/PEER. */
struct given {
    const char *association;
    bool print;
    unsigned pairs;
};

static bool look_at(struct pdm_reader *body, void *context)
{
    struct given *given = context;
    struct pdm_association a;
    char name[PDM_NAME_MAX];
    size_t len = strlen(given->association);

    pdm_get_association(body, &a);
    const char *aead = a.format == PDM_FORMAT_ENCRYPTED ? pdm_aead_name(a.aead) : NULL;

    format_name(name, a.name);
    if (body->bad || strncmp(name, given->association, len) != 0 || name[len] != '/')
        return !body->bad;
    given->pairs++;
    if (given->print)
        printf("enrolled with %s: %s%s%s\n", name + len + 1, format_protect(a.format),
               aead ? ", " : "", aead ? aead : "");
    return true;
}

static enum agent_result look(struct agent_client *client, struct given *given)
{
    given->pairs = 0;
    return agent_list(client, PDM_ASSOCIATIONS, look_at, given);
}

enum pdmctl_exit enroll_wait(struct agent_client *client, const char *association)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * PDM_NSEC_PER_MSEC};
    struct given given = {.association = association};
    enum agent_result result = AGENT_ANSWERED;

    for (int looks = 0; looks < WAIT_S * 1000 / LOOK_MS; looks++) {
        result = look(client, &given);
        if (result != AGENT_ANSWERED || given.pairs > 0)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (result != AGENT_ANSWERED)
        return pdmctl_exit_for(result);
    if (given.pairs == 0) {
        warnx("the primary has given nothing within %d seconds: the agent's log and the primary's "
              "say why; is this host on its list (pdmctl primary list), and in agreement with a "
              "peer (pdmctl primary pairs)?",
              WAIT_S);
        return PDMCTL_FAILED;
    }
    given.print = true;
    return pdmctl_exit_for(look(client, &given));
}

bool enroll_reload(struct agent_client *client)
{
    struct pdm_status_reply status;

    if (agent_status(client, &status) != AGENT_ANSWERED)
        return false;
    if (status.pid <= 1 || status.pid > INT32_MAX || kill((pid_t)status.pid, SIGHUP) != 0)
        warnx("the agent must read its configuration again: send SIGHUP to process %u", status.pid);
    return true;
}
