/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for what the agent says in numbers. */
#include "cli/pdmctl/format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/metrics.h"
#include "core/option.h"

enum {
    MS_PER_S = 1000,
    MS_PER_MINUTE = 60 * MS_PER_S,
    MS_PER_HOUR = 60 * MS_PER_MINUTE,
    MS_PER_DAY = 24 * MS_PER_HOUR,
    MS_PER_TENTH = 100,
};

char *format_address(char out[static FORMAT_MAX], const uint8_t *addr)
{
    if (!inet_ntop(AF_INET6, addr, out, FORMAT_MAX))
        (void)snprintf(out, FORMAT_MAX, "?");
    return out;
}

char *format_prefix(char out[static FORMAT_MAX], const uint8_t *addr, uint8_t len)
{
    char text[INET6_ADDRSTRLEN] = "?";

    (void)inet_ntop(AF_INET6, addr, text, sizeof(text));
    (void)snprintf(out, FORMAT_MAX, "%s/%u", text, len);
    return out;
}

char *format_endpoint(char out[static FORMAT_MAX], const uint8_t *addr, uint16_t port)
{
    char text[INET6_ADDRSTRLEN] = "?";

    (void)inet_ntop(AF_INET6, addr, text, sizeof(text));
    (void)snprintf(out, FORMAT_MAX, "[%s]:%u", text, port);
    return out;
}

char *format_duration(char out[static FORMAT_MAX], uint64_t ms)
{
    if (ms >= MS_PER_DAY)
        (void)snprintf(out, FORMAT_MAX, "%" PRIu64 "d %" PRIu64 "h", ms / MS_PER_DAY,
                       ms % MS_PER_DAY / MS_PER_HOUR);
    else if (ms >= MS_PER_HOUR)
        (void)snprintf(out, FORMAT_MAX, "%" PRIu64 "h %" PRIu64 "m", ms / MS_PER_HOUR,
                       ms % MS_PER_HOUR / MS_PER_MINUTE);
    else if (ms >= MS_PER_MINUTE)
        (void)snprintf(out, FORMAT_MAX, "%" PRIu64 "m %" PRIu64 "s", ms / MS_PER_MINUTE,
                       ms % MS_PER_MINUTE / MS_PER_S);
    else
        (void)snprintf(out, FORMAT_MAX, "%" PRIu64 ".%" PRIu64 "s", ms / MS_PER_S,
                       ms % MS_PER_S / MS_PER_TENTH);
    return out;
}

char *format_seconds(char out[static FORMAT_MAX], uint64_t seconds)
{
    return format_duration(out, seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000);
}

char *format_ms(char out[static FORMAT_MAX], int64_t ns)
{
    (void)snprintf(out, FORMAT_MAX, "%.3f", (double)ns / PDM_NSEC_PER_MSEC);
    return out;
}

char *format_protocol(char out[static FORMAT_MAX], uint8_t protocol)
{
    switch (protocol) {
    case IPPROTO_UDP:
        (void)snprintf(out, FORMAT_MAX, "udp");
        break;
    case IPPROTO_TCP:
        (void)snprintf(out, FORMAT_MAX, "tcp");
        break;
    case IPPROTO_ICMPV6:
        (void)snprintf(out, FORMAT_MAX, "icmpv6");
        break;
    default:
        (void)snprintf(out, FORMAT_MAX, "%u", protocol);
    }
    return out;
}

char *format_name(char out[static PDM_NAME_MAX], const uint8_t name[static PDM_NAME_MAX])
{
    size_t i = 0;

    for (; i < PDM_NAME_MAX - 1 && name[i] != 0; i++) {
        out[i] = (char)name[i];
        if (name[i] <= ' ' || name[i] > '~')
            out[i] = '?';
    }
    out[i] = '\0';
    return out;
}

const char *format_protect(uint8_t format)
{
    return format < PDM_FORMATS ? pdm_formats[format].name : "?";
}

const char *format_path(uint8_t path)
{
    static const char *const names[PDM_PATHS] = {
        [PDM_PATH_UNKNOWN] = "probing",
        [PDM_PATH_CARRIES] = "carries",
        [PDM_PATH_DROPS] = "drops",
        [PDM_PATH_UNPROBED] = "unprobed",
    };

    return path < PDM_PATHS ? names[path] : "?";
}
