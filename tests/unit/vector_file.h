/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test vectors in files: "[kind name]", then "key = value" lines, then a blank line; "#" begins a
 * comment. Paths are from the top of the tree, where tests are run.
 */
#ifndef PDM_TESTS_VECTOR_FILE_H
#define PDM_TESTS_VECTOR_FILE_H

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_FIELDS 32
#define VECTOR_LINE 2048

struct vector {
    char kind[32];
    char name[32];
    size_t fields;
    struct {
        char key[32];
        char value[VECTOR_LINE];
    } field[VECTOR_FIELDS];
};

static inline FILE *vector_open(const char *path)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s: run from the top of the tree", path);
    return file;
}

/* False at the end of the file. */
static inline bool vector_next(FILE *file, struct vector *v)
{
    char line[VECTOR_LINE];
    v->fields = 0;
    v->kind[0] = '\0';
    while (fgets(line, sizeof line, file) != NULL) {
        cr_assert_not_null(strchr(line, '\n'), "a line too long: %s", line);
        if (line[0] == '#' || (line[0] == '\n' && v->kind[0] == '\0'))
            continue;
        if (line[0] == '\n')
            break;
        if (line[0] == '[') {
            cr_assert_eq(sscanf(line, "[%31s %31[^]]]", v->kind, v->name), 2, "%s", line);
            continue;
        }
        cr_assert(v->kind[0] != '\0' && v->fields < VECTOR_FIELDS, "%s", line);
        v->field[v->fields].value[0] = '\0';
        cr_assert(
            sscanf(line, "%31s = %2047s", v->field[v->fields].key, v->field[v->fields].value) >= 1);
        v->fields++;
    }
    return v->kind[0] != '\0';
}

/* NULL if there is none. */
static inline const char *vector_find(const struct vector *v, const char *key)
{
    for (size_t i = 0; i < v->fields; i++)
        if (strcmp(v->field[i].key, key) == 0)
            return v->field[i].value;
    return NULL;
}

static inline const char *vector_text(const struct vector *v, const char *key)
{
    const char *value = vector_find(v, key);
    cr_assert_not_null(value, "%s %s has no %s", v->kind, v->name, key);
    return value;
}

static inline uint64_t vector_number(const struct vector *v, const char *key)
{
    const char *text = vector_text(v, key);
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    cr_assert(end != text && *end == '\0', "%s %s: %s", v->kind, v->name, key);
    return number;
}

/* Hexadecimal; how many octets. */
static inline size_t vector_bytes(const struct vector *v, const char *key, uint8_t *out, size_t cap)
{
    const char *text = vector_text(v, key);
    const char *end;
    size_t len;
    cr_assert_eq(sodium_hex2bin(out, cap, text, strlen(text), NULL, &len, &end), 0);
    cr_assert_eq(*end, '\0', "%s %s: %s", v->kind, v->name, key);
    return len;
}

/* BYTES are what KEY has. */
static inline void vector_check(const struct vector *v, const char *key, const uint8_t *bytes,
                                size_t len)
{
    uint8_t expected[VECTOR_LINE / 2];
    cr_assert_eq(vector_bytes(v, key, expected, sizeof expected), len, "%s %s: %s", v->kind,
                 v->name, key);
    cr_assert(memcmp(bytes, expected, len) == 0, "%s %s: %s", v->kind, v->name, key);
}

#endif
