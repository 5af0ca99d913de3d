/* SPDX-License-Identifier: BSD-2-Clause */
/* Values as metrics and the log of flows show them. */
#include "keyagent/metrics/text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *text_name(char out[static TEXT_MAX], const char name[static PDM_NAME_MAX])
{
    size_t used = 0;

    for (const char *c = name; c < name + PDM_NAME_MAX - 1 && *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            out[used++] = '\\';
        out[used] = *c;
        if (*c < ' ' || *c > '~')
            out[used] = '?';
        used++;
    }
    out[used] = '\0';
    return out;
}

const char *text_address(char out[static TEXT_MAX], const uint8_t addr[static PDM_ADDR_LEN])
{
    return inet_ntop(AF_INET6, addr, out, TEXT_MAX);
}

/* OpenMetrics 1.0, "Considerations: Canonical Numbers": the shortest that is a float. */
const char *text_bound(char out[static TEXT_MAX], int64_t ns)
{
    int len = snprintf(out, TEXT_MAX, "%.9g", (double)ns / (double)PDM_NSEC_PER_SEC);

    if (strpbrk(out, ".e") == NULL)
        snprintf(out + len, TEXT_MAX - (size_t)len, ".0");
    return out;
}

const char *text_seconds(char out[static TEXT_MAX], uint64_t ns)
{
    const uint64_t second = (uint64_t)PDM_NSEC_PER_SEC;

    snprintf(out, TEXT_MAX, "%" PRIu64 ".%09" PRIu64, ns / second, ns % second);
    return out;
}
