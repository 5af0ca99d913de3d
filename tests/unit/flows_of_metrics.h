/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of metrics: an agent with an association in the clear, and flows of its own making. */
#ifndef PDM_TESTS_FLOWS_OF_METRICS_H
#define PDM_TESTS_FLOWS_OF_METRICS_H

#include <netinet/in.h>

#include "keyagent/agent_flows.h"
#include "keyagent/clock.h"
#include "tests/unit/keys_on_disk.h"

#define LINK_ASSOCIATION "[association link]\npeer = 2001:db8::/32\nprotect = plain\nlifetime = 0\n"

static struct agent agent;

static void complained(void *arg, const char *line)
{
    (void)arg;
    cr_assert(false, "%s", line);
}

static inline struct config config_of(const char *text)
{
    struct config config;
    char name[sizeof keys_directory + 8];

    snprintf(name, sizeof name, "%s/conf", keys_directory);
    cr_assert(config_parse(name, text, strlen(text), &config, complained, NULL));
    return config;
}

static inline void agent_begin(const char *text)
{
    keys_begin();
    struct config config = config_of(text);

    cr_assert(agent_init(&agent, &config), "%s", keys_said());
}

static inline void agent_over(void)
{
    agent_free(&agent);
    keys_end();
}

static inline void reload(const char *text)
{
    struct config config = config_of(text);

    cr_assert(agent_reload(&agent, &config), "%s", keys_said());
}

/* A flow of association number ASSOCIATION to 2001:db8:HIGH:LOW::1. */
static inline uint32_t flow_of(uint32_t association, uint16_t high, uint16_t low)
{
    static uint64_t owner;
    struct slot_info info = {
        .tuple = {.saddr = {0x20, 0x01, 0x0d, 0xb8, [15] = 9},
                  .daddr = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(high >> 8), (uint8_t)high,
                            (uint8_t)(low >> 8), (uint8_t)low, [15] = 1},
                  .sport = 40000,
                  .dport = 53,
                  .proto = IPPROTO_UDP},
        .association = association,
        .path = PATHS_NONE,
        .format = PDM_FORMAT_PLAIN,
        .client = {.pid = 77},
        .opened = clock_now()};
    uint32_t slot = slots_take(&agent.slots, &info, ++owner);

    cr_assert(slot != SLOTS_NONE);
    return slot;
}

static inline struct pdm_slot *shared_of(uint32_t slot)
{
    return &agent.slots.shared[slot];
}

#endif
