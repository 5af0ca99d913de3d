/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers of single values. */
#include "conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/tuple.h"

#define ADDRESS_BITS 128
#define SECONDS_PER_MINUTE 60
#define SECONDS_PER_HOUR 3600

/* strtoul alone would take signs, blanks and octal. */
static bool digits(const char *text, int base, char **end, unsigned long *value)
{
    if (!(base == 16 ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text)))
        return false;
    errno = 0;
    *value = strtoul(text, end, base);
    return errno == 0;
}

bool config_number(const char *text, uint32_t min, uint32_t max, uint32_t *number)
{
    bool hexadecimal = strncasecmp(text, "0x", 2) == 0;
    unsigned long value;
    char *end;

    if (!digits(hexadecimal ? text + 2 : text, hexadecimal ? 16 : 10, &end, &value))
        return false;
    if (*end != '\0' || value < min || value > max)
        return false;
    *number = (uint32_t)value;
    return true;
}

static unsigned long unit_seconds(const char *unit, unsigned long value)
{
    if (strcmp(unit, "s") == 0)
        return 1;
    if (strcmp(unit, "m") == 0)
        return SECONDS_PER_MINUTE;
    if (strcmp(unit, "h") == 0)
        return SECONDS_PER_HOUR;
    /* Without a unit there is only one duration that cannot be mistaken. */
    return *unit == '\0' && value == 0 ? 1 : 0;
}

bool config_duration(const char *text, uint32_t min_s, uint32_t max_s, uint32_t *seconds)
{
    unsigned long value;
    char *end;

    if (!digits(text, 10, &end, &value))
        return false;
    unsigned long unit = unit_seconds(end, value);
    if (unit == 0 || value > max_s / unit || value * unit < min_s)
        return false;
    *seconds = (uint32_t)(value * unit);
    return true;
}

/*
 * What can be wrong with prefixes that reach into a range is left to the range's addresses, which
 * never take part.
 */
static bool takes_part(const struct pdm_prefix *prefix)
{
    static const uint8_t multicast[PDM_ADDR_LEN] = {0xFF};
    static const uint8_t mapped[PDM_ADDR_LEN] = {[10] = 0xFF, [11] = 0xFF};
    const struct pdm_prefix ranges[] = {pdm_prefix_of(multicast, 8), pdm_prefix_of(mapped, 96)};

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (prefix->len >= ranges[i].len && pdm_prefix_contains(&ranges[i], prefix->addr))
            return false;
    return prefix->len < ADDRESS_BITS || pdm_addr_takes_part(prefix->addr);
}

enum config_prefix_status config_prefix(const char *text, struct pdm_prefix *prefix)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint32_t bits = ADDRESS_BITS;
    uint8_t octets[PDM_ADDR_LEN];

    if (length >= sizeof address)
        return CONFIG_PREFIX_MALFORMED;
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(AF_INET6, address, octets) != 1)
        return CONFIG_PREFIX_MALFORMED;
    if (slash != NULL && !config_number(slash + 1, 0, ADDRESS_BITS, &bits))
        return CONFIG_PREFIX_MALFORMED;
    *prefix = pdm_prefix_of(octets, (uint8_t)bits);
    if (memcmp(prefix->addr, octets, sizeof octets) != 0)
        return CONFIG_PREFIX_HOST_BITS;
    return takes_part(prefix) ? CONFIG_PREFIX_OK : CONFIG_PREFIX_NOT_OURS;
}

const char *config_prefix_fault(const char *text, char fault[static CONFIG_FAULT_MAX])
{
    char proposal[CONFIG_PREFIX_TEXT];
    struct pdm_prefix prefix;

    switch (config_prefix(text, &prefix)) {
    case CONFIG_PREFIX_HOST_BITS:
        config_prefix_text(&prefix, proposal);
        snprintf(fault, CONFIG_FAULT_MAX, "has bits set beyond its length; did you mean %s?",
                 proposal);
        break;
    case CONFIG_PREFIX_NOT_OURS:
        snprintf(fault, CONFIG_FAULT_MAX,
                 "multicast, IPv4-mapped and unspecified addresses take no part");
        break;
    default:
        snprintf(fault, CONFIG_FAULT_MAX, "must be " CONFIG_PREFIX_ALLOWED);
    }
    return fault;
}

void config_prefix_text(const struct pdm_prefix *prefix, char out[static CONFIG_PREFIX_TEXT])
{
    char address[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, prefix->addr, address, sizeof address);
    snprintf(out, CONFIG_PREFIX_TEXT, "%s/%u", address, prefix->len);
}

bool config_word(const char **text, char word[static CONFIG_WORD_MAX])
{
    static const char between[] = ", \t";
    const char *begin = *text + strspn(*text, between);
    size_t len = strcspn(begin, between);

    *text = begin + len;
    snprintf(word, CONFIG_WORD_MAX, "%.*s", (int)len, begin);
    return len > 0;
}
