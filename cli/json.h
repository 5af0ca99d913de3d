/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON object a line, written to standard output as it is made (JSON Lines). */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json {
    bool first; /* no member of the object at hand was written yet */
};

struct json json_open(void);
void json_close(struct json *j); /* and ends the line */

/* A member that is itself an object, up to json_end(). */
void json_object(struct json *j, const char *key);
void json_end(struct json *j);
/* A member that is an array of objects, each from json_item() to json_end(). */
void json_array(struct json *j, const char *key);
void json_item(struct json *j);
void json_array_end(struct json *j);

/*
 * Octets beyond ASCII are written as if they were Latin-1, so that the line is valid in any case.
 */
void json_string(struct json *j, const char *key, const char *value);
void json_signed(struct json *j, const char *key, int64_t value);
void json_unsigned(struct json *j, const char *key, uint64_t value);
/* With 6 decimals; null if it is no finite number. */
void json_decimal(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
