/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON object a line, written to standard output as it is made (JSON Lines). */
#include "cli/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void put_string(const char *s)
{
    putchar('"');
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ' || c > '~')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_key(struct json *j, const char *key)
{
    if (!j->first)
        putchar(',');
    j->first = false;
    put_string(key);
    putchar(':');
}

struct json json_open(void)
{
    putchar('{');
    return (struct json){.first = true};
}

void json_close(struct json *j)
{
    json_end(j);
    putchar('\n');
}

void json_object(struct json *j, const char *key)
{
    put_key(j, key);
    putchar('{');
    j->first = true;
}

void json_end(struct json *j)
{
    putchar('}');
    j->first = false;
}

void json_array(struct json *j, const char *key)
{
    put_key(j, key);
    putchar('[');
    j->first = true;
}

void json_item(struct json *j)
{
    if (!j->first)
        putchar(',');
    putchar('{');
    j->first = true;
}

void json_array_end(struct json *j)
{
    putchar(']');
    j->first = false;
}

void json_string(struct json *j, const char *key, const char *value)
{
    put_key(j, key);
    put_string(value);
}

void json_signed(struct json *j, const char *key, int64_t value)
{
    put_key(j, key);
    printf("%" PRId64, value);
}

void json_unsigned(struct json *j, const char *key, uint64_t value)
{
    put_key(j, key);
    printf("%" PRIu64, value);
}

void json_decimal(struct json *j, const char *key, double value)
{
    if (!isfinite(value)) {
        json_null(j, key);
        return;
    }
    put_key(j, key);
    printf("%.6f", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    put_key(j, key);
    fputs(value ? "true" : "false", stdout);
}

void json_null(struct json *j, const char *key)
{
    put_key(j, key);
    fputs("null", stdout);
}
