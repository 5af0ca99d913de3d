/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures of flows added up: nothing twice, nothing lost, never less than before; and where it is
 * shown. */
#include "tests/unit/flows_of_metrics.h"

#define MS PDM_NSEC_PER_MSEC
#define AGENT_SECTION "[agent]\nstate = state\nmax_slots = 8192\nmetrics = [::1]:9485\n"

static void begin(void)
{
    agent_begin(AGENT_SECTION LINK_ASSOCIATION);
}

TestSuite(totals, .init = begin, .fini = agent_over);

static void count(uint32_t slot)
{
    totals_count(&agent.totals, &agent.slots, slot, &agent.associations);
}

static const struct figures *first(void)
{
    cr_assert(agent.totals.count >= 1 && agent.totals.series[0].used);
    return &agent.totals.series[0].total;
}

static void measure(uint32_t slot, int64_t network, int64_t server)
{
    pdm_delay_add(&shared_of(slot)->network, network);
    pdm_delay_add(&shared_of(slot)->server, server);
    pdm_delay_add(&shared_of(slot)->total, network + server);
    pdm_count(&shared_of(slot)->counter[PDM_COUNTER_sends], 1);
}

static uint64_t samples(const struct figures *f, enum figures_delay delay)
{
    uint64_t sum = 0;

    for (int i = 0; i < PDM_DELAY_BUCKETS; i++)
        sum += f->bucket[delay][i];
    return sum;
}

Test(totals, live_and_closed_flows)
{
    uint32_t a = flow_of(0, 1, 1), b = flow_of(0, 1, 1);

    measure(a, 3 * MS, 30 * MS);
    measure(b, 4 * MS, 40 * MS);
    count(a);
    count(b);
    count(a);
    cr_assert_eq(agent.totals.count, 1);
    cr_assert_eq(agent.totals.series[0].flows, 2);
    measure(a, 3 * MS, 30 * MS);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    cr_assert_eq(agent.totals.series[0].flows, 1);
    count(b);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 3);
    cr_assert_eq(first()->sum[FIGURES_NETWORK], 10 * MS);
    cr_assert_eq(first()->sum[FIGURES_SERVER], 100 * MS);
    cr_assert_eq(first()->sum[FIGURES_TOTAL], 110 * MS);
    cr_assert_eq(first()->bucket[FIGURES_NETWORK][pdm_delay_bucket(3 * MS)], 3);
    cr_assert_eq(first()->counter[PDM_COUNTER_sends], 3);
    /* The next in its slot begins anew. */
    cr_assert_eq(flow_of(0, 1, 1), a);
    measure(a, 5 * MS, 1 * MS);
    agent_end_flow(&agent, a, FLOW_IDLE);
    agent_end_flow(&agent, b, FLOW_PROCESS_GONE);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 4);
    cr_assert_eq(agent.totals.series[0].flows, 0);
}

/* A flow's own count of losses goes down when what was lost comes late. */
Test(totals, never_go_down)
{
    uint32_t a = flow_of(0, 1, 1);
    _Atomic uint64_t *lost = &shared_of(a)->counter[PDM_COUNTER_lost];

    *lost = 5;
    count(a);
    *lost = 3;
    count(a);
    cr_assert_eq(first()->counter[PDM_COUNTER_lost], 5);
    *lost = 6;
    count(a);
    cr_assert_eq(first()->counter[PDM_COUNTER_lost], 6);
}

/* Any process of the agent can write anything there. */
Test(totals, whatever_stands_there)
{
    uint32_t a = flow_of(0, 1, 1), b = flow_of(0, 1, 1);

    memset(shared_of(a), 0xff, sizeof *shared_of(a));
    count(a);
    cr_assert_eq(first()->sum[FIGURES_NETWORK], 0, "a sum below 0 is none");
    cr_assert_eq(first()->counter[PDM_COUNTER_sends], UINT64_MAX);
    measure(b, 1 * MS, 1 * MS);
    count(b);
    cr_assert_eq(first()->counter[PDM_COUNTER_sends], UINT64_MAX);
    cr_assert_eq(first()->sum[FIGURES_NETWORK], 1 * MS);
}

/* What a flow takes along to another slot is counted once, whoever is looked at when. */
Test(totals, a_flow_that_moves)
{
    uint32_t a = flow_of(0, 1, 1);

    measure(a, 3 * MS, 30 * MS);
    uint32_t b = flow_of(0, 1, 1);
    agent_carry_flow(&agent, a, b);
    cr_assert_eq(shared_of(b)->network.samples, 1);
    count(b);
    measure(b, 4 * MS, 40 * MS);
    count(b);
    cr_assert(agent.slots.record[a].carried);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    count(b);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 2);
    cr_assert_eq(first()->counter[PDM_COUNTER_sends], 2);
    agent_end_flow(&agent, b, FLOW_CLOSED);
    cr_assert_eq(samples(first(), FIGURES_SERVER), 2);
}

/* The reply with the new slot did not arrive: the flow stays where it was. */
Test(totals, a_move_that_fails)
{
    uint32_t a = flow_of(0, 1, 1);

    measure(a, 3 * MS, 30 * MS);
    uint32_t b = flow_of(0, 1, 1);
    agent_carry_flow(&agent, a, b);
    agent_drop_flow(&agent, b);
    cr_assert_not(agent.slots.record[a].carried);
    measure(a, 3 * MS, 30 * MS);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 2);
}

static const struct series *other(void)
{
    const struct meter *m = &agent.totals.meter[0];

    cr_assert(m->other != TOTALS_NONE);
    cr_assert(agent.totals.series[m->other].is_other);
    return &agent.totals.series[m->other];
}

Test(totals, prefixes_beyond_the_limit_share_a_series)
{
    for (uint16_t i = 0; i < AGENT_SERIES_PEERS + 10; i++) {
        uint32_t slot = flow_of(0, 1, i);

        measure(slot, 1 * MS, 1 * MS);
        agent_end_flow(&agent, slot, FLOW_CLOSED);
    }
    cr_assert_eq(agent.totals.count, AGENT_SERIES_PEERS + 1);
    cr_assert_eq(agent.totals.meter[0].folded, 10);
    cr_assert_eq(samples(&other()->total, FIGURES_NETWORK), 10);
    /* Those that were there before keep theirs. */
    uint32_t slot = flow_of(0, 1, 3);
    measure(slot, 1 * MS, 1 * MS);
    count(slot);
    cr_assert_eq(samples(&agent.totals.series[3].total, FIGURES_NETWORK), 2);
    cr_assert_eq(agent.totals.meter[0].folded, 10);
}

/* All associations together: each still has a series to share. */
Test(totals, so_many_associations)
{
    char text[4096] = AGENT_SECTION;
    uint32_t associations = AGENT_SERIES_MAX / AGENT_SERIES_PEERS + 2;

    for (uint32_t i = 0; i < associations; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "[association a%u]\npeer = 2001:db8:%x::/48\nprotect = plain\n", i, i + 1);
    reload(text);
    for (uint32_t i = 0; i < associations; i++)
        for (uint16_t low = 0; low < AGENT_SERIES_PEERS; low++)
            count(flow_of(agent.associations.item[i].number, (uint16_t)(i + 1), low));
    cr_assert_eq(agent.totals.peers, AGENT_SERIES_MAX);
    cr_assert_eq(agent.totals.count, AGENT_SERIES_MAX + 2);
    cr_assert_eq(agent.totals.meter[associations - 1].folded, AGENT_SERIES_PEERS);
}

Test(totals, one_series_for_all_peers)
{
    agent_over();
    agent_begin(
        "[agent]\nstate = state\nmetrics = [::1]:9485\nmetrics_prefix = 0\n" LINK_ASSOCIATION);
    count(flow_of(0, 1, 1));
    count(flow_of(0, 2, 2));
    cr_assert(agent.totals.count == 1 && agent.totals.series[0].flows == 2);
}

/* An association that is there under its name after a reload goes on, however else it changed. */
Test(totals, reloads)
{
    uint32_t a = flow_of(0, 1, 1);

    measure(a, 1 * MS, 1 * MS);
    count(a);
    reload(AGENT_SECTION "[association link]\npeer = 2001:db8:1::/48\nprotect = rfc8250\n");
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 1);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    uint32_t b = flow_of(agent.associations.item[0].number, 1, 1);
    measure(b, 1 * MS, 1 * MS);
    count(b);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 2);

    reload(AGENT_SECTION "[association new]\npeer = 2001:db8::/32\nprotect = plain\n");
    cr_assert(!agent.totals.series[0].used && !agent.totals.meter[0].used);
    cr_assert_eq(agent.totals.peers, 0);
    measure(b, 1 * MS, 1 * MS);
    agent_end_flow(&agent, b, FLOW_CLOSED); /* of nobody any more */
    cr_assert_not(agent.totals.series[0].used);

    reload(AGENT_SECTION LINK_ASSOCIATION);
    uint32_t c = flow_of(agent.associations.item[0].number, 1, 1);
    measure(c, 1 * MS, 1 * MS);
    count(c);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 1, "it begins anew");
}

/* Served from a reload on: live flows are counted with all that they have. */
Test(totals, nothing_is_counted_unless_it_is_served)
{
    agent_over();
    agent_begin("[agent]\nstate = state\n" LINK_ASSOCIATION);
    uint32_t a = flow_of(0, 1, 1);
    measure(a, 1 * MS, 1 * MS);
    count(a);
    cr_assert(agent.totals.counted == NULL && agent.totals.count == 0);
    reload("[agent]\nstate = state\nmetrics = [::1]:9485\n" LINK_ASSOCIATION);
    count(a);
    cr_assert_eq(samples(first(), FIGURES_NETWORK), 1);
}
