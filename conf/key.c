/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys of several sections have in common. */
#include "conf/key.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "core/limits.h"

const char config_prefix_allowed[] = CONFIG_PREFIX_ALLOWED;
const char config_prefixes_allowed[] = "IPv6 prefixes such as 2001:db8::/32, or addresses";

bool config_set_number(const char *file, const struct config_key *key, const char *text,
                       void *target)
{
    (void)file;
    return config_number(text, key->min, key->max, target);
}

bool config_set_octet(const char *file, const struct config_key *key, const char *text,
                      void *target)
{
    uint32_t number;
    uint8_t *octet = target;

    (void)file;
    if (!config_number(text, key->min, key->max, &number))
        return false;
    *octet = (uint8_t)number;
    return true;
}

bool config_set_port(const char *file, const struct config_key *key, const char *text, void *target)
{
    uint32_t number;
    uint16_t *port = target;

    (void)file;
    if (!config_number(text, key->min, key->max, &number))
        return false;
    *port = (uint16_t)number;
    return true;
}

bool config_set_duration(const char *file, const struct config_key *key, const char *text,
                         void *target)
{
    (void)file;
    return config_duration(text, key->min, key->max, target);
}

bool config_set_path(const char *file, const struct config_key *key, const char *text, void *target)
{
    const char *slash = strrchr(file, '/');
    int directory = text[0] != '/' && slash != NULL ? (int)(slash - file) + 1 : 0;
    char **path = target;
    char *whole;

    if (text[0] == '\0' || asprintf(&whole, "%.*s%s", directory, file, text) < 0)
        return false;
    if (strlen(whole) >= key->max) {
        free(whole);
        return false;
    }
    free(*path);
    *path = whole;
    return true;
}

bool config_set_prefix(const char *file, const struct config_key *key, const char *text,
                       void *target)
{
    (void)file;
    (void)key;
    return config_prefix(text, target) == CONFIG_PREFIX_OK;
}

bool config_choice(const char *const *names, unsigned count, const char *text, uint8_t *choice)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *choice = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool is_host_name(const char *text, size_t len)
{
    return len > 0 && len < PDM_HOST_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") >= len;
}

static bool is_address(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t octets[PDM_ADDR_LEN];

    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, octets) == 1;
}

bool config_endpoint(const char *text, size_t len, char **endpoint)
{
    char copy[CONFIG_ENDPOINT_MAX];
    uint32_t port = CONFIG_PRIMARY_PORT;

    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    /* Of "2001:db8::1" no part is a port; of "[2001:db8::1]:8250" one is. */
    bool bare = is_address(copy, len);
    char *colon = bare ? NULL : strrchr(copy, ':');
    if (colon != NULL && strchr(colon, ']') != NULL)
        colon = NULL;
    size_t host = colon != NULL ? (size_t)(colon - copy) : len;
    bool bracketed = !bare && host > 2 && copy[0] == '[' && copy[host - 1] == ']';
    if (colon != NULL && !config_number(colon + 1, 1, UINT16_MAX, &port))
        return false;
    if (bracketed ? !is_address(copy + 1, host - 2) : !bare && !is_host_name(copy, host))
        return false;
    return asprintf(endpoint, bare ? "[%.*s]:%u" : "%.*s:%u", (int)host, copy, (unsigned)port) >= 0;
}

const char *config_part(const char **text, size_t *len)
{
    static const char blanks[] = " \t";
    const char *part = *text + strspn(*text, blanks);
    size_t whole = strcspn(part, ",");

    *text = part[whole] == ',' ? part + whole + 1 : NULL;
    for (*len = whole; *len > 0 && strchr(blanks, part[*len - 1]) != NULL; --*len)
        ;
    return part;
}

bool config_set_host_name(const char *file, const struct config_key *key, const char *text,
                          void *target)
{
    char **name = target;

    (void)file;
    (void)key;
    if (!is_host_name(text, strlen(text)))
        return false;
    free(*name);
    *name = strdup(text);
    return *name != NULL;
}
