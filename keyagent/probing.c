/* SPDX-License-Identifier: BSD-2-Clause */
/* One probing of a path. */
#include "keyagent/probing.h"

#include <sodium.h>

/* Of the echoes, in each round: without an option, and with one. */
enum kind { WITHOUT, WITH, KINDS };

void probing_begin(struct path_probing *probing, uint32_t path, int64_t now)
{
    *probing = (struct path_probing){.path = path, .began = now};
    for (uint32_t i = 0; i < PATH_ECHOES; i++)
        randombytes_buf(probing->echo[i].nonce, PATH_NONCE_LEN);
}

static int64_t timeout_of(const struct path_probing *probing)
{
    int64_t timeout = 4 * probing->round_trip;

    if (timeout == 0 || timeout > AGENT_PROBE_TIMEOUT_NS)
        return AGENT_PROBE_TIMEOUT_NS;
    return timeout > AGENT_PROBE_TIMEOUT_MIN_NS ? timeout : AGENT_PROBE_TIMEOUT_MIN_NS;
}

/* Nothing more will come of the first ECHOES. */
static bool settled(const struct path_probing *probing, uint32_t echoes, int64_t now)
{
    for (uint32_t i = 0; i < echoes; i++) {
        const struct path_echo *echo = &probing->echo[i];

        if (echo->state == PATH_ECHO_UNSENT)
            return false;
        if (echo->state == PATH_ECHO_SENT && now - echo->sent_at < timeout_of(probing))
            return false;
    }
    return true;
}

/* May request I go? The second round follows the first closely, the third its failure. */
static bool may_send(const struct path_probing *probing, uint32_t i, int64_t now)
{
    switch (i / KINDS) {
    case 0:
        return true;
    case 1:
        return now - probing->began >= AGENT_PROBE_ROUND_NS;
    default:
        return settled(probing, i / KINDS * KINDS, now);
    }
}

uint32_t probing_due(const struct path_probing *probing, int64_t now)
{
    uint32_t i = 0;

    while (i < PATH_ECHOES && probing->echo[i].state != PATH_ECHO_UNSENT)
        i++;
    return i < PATH_ECHOES && may_send(probing, i, now) ? i : PATH_ECHOES;
}

void probing_sent(struct path_probing *probing, uint32_t echo, int64_t now)
{
    probing->echo[echo].state = PATH_ECHO_SENT;
    probing->echo[echo].sent_at = now;
}

bool probing_with_option(uint32_t echo)
{
    return echo % KINDS == WITH;
}

struct path_echo *probing_echo(struct path_probing *probing,
                               const uint8_t nonce[static PATH_NONCE_LEN])
{
    for (uint32_t i = 0; i < PATH_ECHOES; i++) {
        struct path_echo *echo = &probing->echo[i];

        if (echo->state == PATH_ECHO_SENT && sodium_memcmp(echo->nonce, nonce, PATH_NONCE_LEN) == 0)
            return echo;
    }
    return NULL;
}

void probing_answered(struct path_probing *probing, struct path_echo *echo, int64_t now)
{
    echo->state = PATH_ECHO_ANSWERED;
    if (now - echo->sent_at > probing->round_trip)
        probing->round_trip = now - echo->sent_at;
}

static uint32_t answers(const struct path_probing *probing, enum kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = kind; i < PATH_ECHOES; i += KINDS)
        count += probing->echo[i].state == PATH_ECHO_ANSWERED;
    return count;
}

bool probing_is_over(const struct path_probing *probing, int64_t now, enum pdm_path *found)
{
    if (answers(probing, WITHOUT) < AGENT_PROBE_ENOUGH)
        *found = PDM_PATH_UNPROBED;
    else
        *found = answers(probing, WITH) < AGENT_PROBE_ENOUGH ? PDM_PATH_DROPS : PDM_PATH_CARRIES;
    return *found == PDM_PATH_CARRIES || settled(probing, PATH_ECHOES, now);
}
