/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/vectors/ibc-*.txt: "key = value" lines, hexadecimal, "#" begins a comment; a section begins
 * at its first key. And SHA-1, which RFC 5091's own data need and the product does not.
 */
#ifndef PDM_TESTS_IBC_VECTORS_H
#define PDM_TESTS_IBC_VECTORS_H

#include <openssl/sha.h>

#include "core/ibc.h"
#include "tests/unit/vector_file.h"

#define IBC_BF "tests/vectors/ibc-bf.txt"
#define IBC_RFC "tests/vectors/ibc-rfc5091.txt"

/* The value of KEY in the section that begins with "START = NAME". */
static inline void ibc_text(const char *path, const char *start, const char *name, const char *key,
                            char value[static VECTOR_LINE])
{
    char line[VECTOR_LINE];
    char found[32];
    bool inside = false;
    bool there = false;
    FILE *file = vector_open(path);

    while (!there && fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || sscanf(line, "%31s = %2047s", found, value) != 2)
            continue;
        if (strcmp(found, start) == 0)
            inside = strcmp(value, name) == 0;
        there = inside && strcmp(found, key) == 0;
    }
    fclose(file);
    cr_assert(there, "%s: %s = %s has no %s", path, start, name, key);
}

/* Right-aligned in LEN octets if it is a number (0x...), else as it stands; how many octets. */
static inline size_t ibc_octets_of(const char *path, const char *start, const char *name,
                                   const char *key, uint8_t *out, size_t len)
{
    static char value[VECTOR_LINE];
    static char padded[2 * VECTOR_LINE];
    size_t octets;

    ibc_text(path, start, name, key, value);
    bool number = strncmp(value, "0x", 2) == 0;
    const char *digits = number ? value + 2 : value;
    size_t missing = number ? 2 * len - strlen(digits) : 0;
    cr_assert(!number || strlen(digits) <= 2 * len, "%s %s", name, key);
    memset(padded, '0', missing);
    snprintf(padded + missing, sizeof padded - missing, "%s", digits);
    cr_assert_eq(sodium_hex2bin(out, len, padded, strlen(padded), NULL, &octets, NULL), 0);
    return octets;
}

static inline void ibc_sha1_digest(const struct ibc_octets *parts, size_t count, uint8_t *out)
{
    uint8_t all[4096];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        cr_assert_leq(parts[i].len, sizeof all - len);
        memcpy(all + len, parts[i].at, parts[i].len);
        len += parts[i].len;
    }
    SHA1(all, len, out);
}

static const struct ibc_hash ibc_sha1 = {.len = SHA_DIGEST_LENGTH, .digest = ibc_sha1_digest};

/* A section's file and first line. */
struct ibc_section {
    const char *path;
    const char *start;
    const char *name;
    const char *point; /* of order q */
    size_t p_len;
    size_t q_len;
    const struct ibc_hash *hash;
};

static const struct ibc_section ibc_1024 = {IBC_BF, "n", "1024", "P", 64, 20, &ibc_sha1};
static const struct ibc_section ibc_3072 = {IBC_BF, "n", "3072", "P", 192, 32, &ibc_sha256};
static const struct ibc_section ibc_7_1 = {IBC_RFC, "section", "7.1", "A", 17, 16, &ibc_sha1};
static const struct ibc_section ibc_7_3 = {IBC_RFC, "section", "7.3", "A", 17, 16, &ibc_sha1};
static const struct ibc_section ibc_7_4 = {IBC_RFC, "section", "7.4", "P", 24, 18, &ibc_sha1};

static inline size_t ibc_value(const struct ibc_section *s, const char *key, uint8_t *out,
                               size_t len)
{
    return ibc_octets_of(s->path, s->start, s->name, key, out, len);
}

/* NAME.x || NAME.y */
static inline void ibc_coordinates(const struct ibc_section *s, const char *name, uint8_t *out)
{
    char key[32];

    snprintf(key, sizeof key, "%s.x", name);
    ibc_value(s, key, out, s->p_len);
    snprintf(key, sizeof key, "%s.y", name);
    ibc_value(s, key, out + s->p_len, s->p_len);
}

static inline void ibc_load(const struct ibc_section *s, struct pdm_ibc_parameters *parameters)
{
    uint8_t p[PDM_IBC_POINT_LEN / 2], q[PDM_IBC_SECRET_LEN], point[PDM_IBC_POINT_LEN];

    cr_assert(sodium_init() >= 0);
    ibc_value(s, "p", p, s->p_len);
    ibc_value(s, "q", q, s->q_len);
    ibc_coordinates(s, s->point, point);
    const struct pdm_ibc_numbers numbers = {.p = p,
                                            .x = point,
                                            .y = point + s->p_len,
                                            .p_len = s->p_len,
                                            .q = q,
                                            .q_len = s->q_len,
                                            .hash = s->hash};
    cr_assert(pdm_ibc_parameters_init(parameters, &numbers), "%s", s->name);
}

#endif
