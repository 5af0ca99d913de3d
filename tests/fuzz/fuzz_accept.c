/* SPDX-License-Identifier: BSD-2-Clause */
/* The Accept header of who asks for metrics: whatever it says, one of the two formats. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/metrics/exposition.h"

#define INPUT_MAX AGENT_SCRAPE_HEADERS

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *header = len <= INPUT_MAX ? malloc(len + 1) : NULL;

    if (header == NULL)
        return 0;
    memcpy(header, data, len);
    header[len] = '\0';
    enum exposition_format format = exposition_choose(header);

    if (format != EXPOSITION_TEXT && format != EXPOSITION_OPENMETRICS)
        abort();
    /* What does not have the word does not ask for it. */
    if (format == EXPOSITION_OPENMETRICS && strcasestr(header, "openmetrics-text") == NULL)
        abort();
    free(header);
    return 0;
}
