/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of a run. */
#include "cli/pdmping/tally.h"

#include <math.h>

static const double smoothing = 8.0;

void tally_rtt(struct tally *tally, int64_t ns)
{
    struct rtt *rtt = &tally->rtt;
    double value = (double)ns;

    if (rtt->samples == 0 || ns < rtt->min)
        rtt->min = ns;
    if (rtt->samples == 0 || ns > rtt->max)
        rtt->max = ns;
    rtt->smoothed = rtt->samples == 0 ? value : rtt->smoothed + (value - rtt->smoothed) / smoothing;
    rtt->samples++;
    rtt->sum += ns;
    rtt->square_sum += value * value;
}

void tally_figures(struct tally *tally, const struct figures *figures)
{
    if (!figures->network.missing)
        histogram_add(&tally->network, figures->network.ns);
    if (figures->server.overlapped)
        tally->overlapped++;
    else if (!figures->server.missing)
        histogram_add(&tally->server, figures->server.ns);
}

int64_t rtt_mean(const struct rtt *rtt)
{
    return rtt->sum / (int64_t)rtt->samples;
}

int64_t rtt_deviation(const struct rtt *rtt)
{
    double mean = (double)rtt->sum / (double)rtt->samples;
    double variance = rtt->square_sum / (double)rtt->samples - mean * mean;

    return variance > 0 ? llround(sqrt(variance)) : 0; /* rounding may leave a little below 0 */
}
