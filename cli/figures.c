/* SPDX-License-Identifier: BSD-2-Clause */
/* Network and server delay of one reply. */
#include "cli/figures.h"

#include <stddef.h>

static const struct missing no_reply = {"no-reply", "no reply"};
static const struct missing no_option = {"no-option", "no option in the reply"};
static const struct missing kernel_answers = {"kernel-answers", "kernel answers"};
static const struct missing handshake = {"handshake", "a TCP handshake has no option"};
static const struct missing not_opened = {"not-opened", "no key opens the option"};
static const struct missing seen_before = {"duplicate", "the option came before"};
static const struct missing negative = {"negative", "below zero: a clock's fault"};
static const struct missing imprecise = {"imprecise", "finer than the server's resolution"};
static const struct missing unstamped = {"unstamped", "no receive time"};
static const struct missing unnamed = {"unnamed", "names no packet of ours"};
static const struct missing named_before = {"named-before", "not the first to name its packet"};

const struct missing *figures_obstacle(const struct pdmv2_stats *stats)
{
    static const struct missing obstacles[] = {
        [PDMV2_NOT_TAKING_PART] = {"not-taking-part", "no association names this peer"},
        [PDMV2_NO_AGENT] = {"no-agent", "no agent"},
        [PDMV2_READ_ONLY] = {"read-only", "CAP_NET_RAW is missing"},
        [PDMV2_NO_FLOW] = {"no-flow", "nothing exchanged yet"},
        [PDMV2_OFF] = {"off", "PDMV2_MODE=off"},
        [PDMV2_DENIED] = {"denied", "the agent has no key or no room for this flow"},
        [PDMV2_PATH_UNKNOWN] = {"path-unknown", "the path is being probed"},
        [PDMV2_PATH_DROPS] = {"path-drops", "the path drops packets with options"},
        [PDMV2_PATH_UNPROBED] = {"path-unprobed", "the path cannot be probed"},
        [PDMV2_SOCKET] = {"socket", "the socket's settings leave no room for options"},
    };

    return stats->reason < sizeof(obstacles) / sizeof(obstacles[0]) &&
                   obstacles[stats->reason].token
               ? &obstacles[stats->reason]
               : NULL;
}

/*
 * An echo goes to any host. One that is not asked for PDM, or that we may not ask, surely has its
 * kernel answer.
 */
static bool is_kernels(const struct pdmv2_stats *before, const struct pdmv2_stats *after)
{
    if (after->options_received != before->options_received ||
        after->auth_failures != before->auth_failures || after->duplicates != before->duplicates)
        return false;
    return after->reason == PDMV2_MEASURING || after->reason == PDMV2_NOT_TAKING_PART ||
           after->reason == PDMV2_NO_AGENT || after->reason == PDMV2_NO_FLOW;
}

/* Why this datagram made no sample: the flow's obstacle, or the counter that it moved. */
static const struct missing *no_sample(const struct pdmv2_stats *before,
                                       const struct pdmv2_stats *after, enum replier replier)
{
    const struct missing *in_the_way = figures_obstacle(after);

    if (replier == REPLIER_HANDSHAKE)
        return &handshake;
    if (replier == REPLIER_KERNEL && is_kernels(before, after))
        return &kernel_answers;

    if (in_the_way)
        return in_the_way;
    if (after->auth_failures > before->auth_failures)
        return &not_opened;
    if (after->duplicates > before->duplicates)
        return &seen_before;
    if (after->options_received == before->options_received)
        return &no_option;
    if (after->unstamped > before->unstamped)
        return &unstamped;
    if (after->negative > before->negative)
        return &negative;
    return &unnamed;
}

static struct figure network_figure(const struct pdmv2_stats *before,
                                    const struct pdmv2_stats *after, enum replier replier)
{
    if (after->network_delay.samples > before->network_delay.samples)
        return (struct figure){.ns = after->network_delay.last};
    if (after->imprecise > before->imprecise)
        return (struct figure){.missing = &imprecise};
    return (struct figure){.missing = no_sample(before, after, replier)};
}

static struct figure server_figure(const struct pdmv2_stats *before,
                                   const struct pdmv2_stats *after, enum replier replier)
{
    if (after->server_delay.samples > before->server_delay.samples)
        return (struct figure){.ns = after->server_delay.last};
    if (after->overlapped > before->overlapped)
        return (struct figure){.ns = after->server_delay_overlapped, .overlapped = true};
    if (after->network_delay.samples > before->network_delay.samples)
        return (struct figure){.missing = &named_before};
    return (struct figure){.missing = no_sample(before, after, replier)};
}

struct figures figures_between(const struct pdmv2_stats *before, const struct pdmv2_stats *after,
                               enum replier replier)
{
    return (struct figures){
        .network = network_figure(before, after, replier),
        .server = server_figure(before, after, replier),
    };
}

const struct missing *figures_missing(const struct pdmv2_stats *stats, uint64_t replies,
                                      enum replier replier)
{
    static const struct pdmv2_stats nothing;

    return replies == 0 ? &no_reply : no_sample(&nothing, stats, replier);
}
