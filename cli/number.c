/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as a command line has them. */
#include "cli/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool number_read(const char *text, char **end, int base, uint64_t *out)
{
    errno = 0;
    *out = strtoull(text, end, base);
    /* strtoull would take blanks and a sign too. */
    return errno == 0 && text[0] >= '0' && text[0] <= '9';
}

bool number_whole(const char *text, int base, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;

    return number_read(text, &end, base, out) && *end == '\0' && *out >= min && *out <= max;
}

bool number_decimal(const char *text, double min, double max, double *out)
{
    char *end = NULL;

    *out = strtod(text, &end);
    /* Digits and a point alone: strtod would take "inf" and hexadecimal too. */
    return text[0] != '\0' && strspn(text, "0123456789.") == strlen(text) && *end == '\0' &&
           *out >= min && *out <= max;
}
