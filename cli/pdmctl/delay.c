/* SPDX-License-Identifier: BSD-2-Clause */
/* Delays of one kind. */
#include "cli/pdmctl/delay.h"

void delay_json(struct json *j, const char *key, const struct delay *d)
{
    if (d->samples == 0) {
        json_null(j, key);
        return;
    }
    json_object(j, key);
    json_unsigned(j, "samples", d->samples);
    json_signed(j, "last", d->last);
    json_signed(j, "min", d->min);
    json_signed(j, "mean", delay_mean(d));
    json_signed(j, "max", d->max);
    json_end(j);
}
