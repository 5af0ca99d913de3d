/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as iperf3 takes them. */
#include "cli/pdmperf/net/quantity.h"

#include <ctype.h>
#include <err.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The number of the base's powers that SUFFIX stands for; -1: none does. */
static int power_of(enum quantity_base base, const char *suffix)
{
    static const char letters[] = "KMGT";

    if (*suffix == '\0')
        return 0;
    const char *found = strchr(letters, toupper((unsigned char)*suffix));

    return base == QUANTITY_PLAIN || suffix[1] != '\0' || found == NULL
               ? -1
               : (int)(found - letters) + 1;
}

bool quantity_parse(const struct quantity *q, const char *text, uint64_t *out)
{
    char *end = NULL;
    /* Digits and a point alone: strtod would take "inf" and hexadecimal too. */
    bool digits = text[strspn(text, "0123456789.")] == '\0' ||
                  strchr("kKmMgGtT", text[strspn(text, "0123456789.")]) != NULL;
    double value = strtod(text, &end);
    int power = digits && end != text ? power_of(q->base, end) : -1;

    value *= pow((double)q->base, power > 0 ? power : 0);
    if (power >= 0 && value >= q->min && value <= q->max) {
        *out = (uint64_t)llround(value * q->scale);
        return true;
    }
    warnx("%s %s: must be a number from %.16g to %.16g%s", q->name, text, q->min, q->max,
          q->base == QUANTITY_PLAIN ? "" : ", with K, M, G or T behind it or not");
    return false;
}
