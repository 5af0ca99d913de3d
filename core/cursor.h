/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounds-checked cursors over octets, big-endian. A cursor that was asked for more than it has
 * goes bad and stays bad: every later read gives zeros, every later write does nothing. So a parser
 * reads straight down and asks once, at the end, whether all of it was there.
 * All inline: a sealed option is written field by field on every packet, and calls would cost a
 * tenth of the sealing itself.
 * Thread safety: a cursor belongs to one thread. Signal safety: yes.
 */
#ifndef PDM_CORE_CURSOR_H
#define PDM_CORE_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pdm_reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct pdm_writer {
    uint8_t *at;
    size_t left;
    bool bad;
};

static inline struct pdm_reader pdm_reader(const uint8_t *bytes, size_t len)
{
    return (struct pdm_reader){.at = bytes, .left = len, .bad = false};
}

/* The next LEN octets in place, or NULL if they are not there. */
static inline const uint8_t *pdm_read_span(struct pdm_reader *r, size_t len)
{
    if (r->bad || len > r->left) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *span = r->at;
    r->at += len;
    r->left -= len;
    return span;
}

/* Copies LEN octets to OUT, or zeros if they are not there. */
static inline void pdm_read_bytes(struct pdm_reader *r, uint8_t *out, size_t len)
{
    if (len == 0) {
        return; /* OUT may then be NULL, which memcpy and memset do not allow */
    }
    const uint8_t *span = pdm_read_span(r, len);
    if (span != NULL) {
        memcpy(out, span, len);
    } else {
        memset(out, 0, len);
    }
}

static inline uint8_t pdm_read_u8(struct pdm_reader *r)
{
    uint8_t v = 0;
    pdm_read_bytes(r, &v, sizeof(v));
    return v;
}

static inline uint16_t pdm_read_u16(struct pdm_reader *r)
{
    uint16_t v = 0;
    pdm_read_bytes(r, (uint8_t *)&v, sizeof(v));
    return be16toh(v);
}

static inline uint32_t pdm_read_u32(struct pdm_reader *r)
{
    uint32_t v = 0;
    pdm_read_bytes(r, (uint8_t *)&v, sizeof(v));
    return be32toh(v);
}

static inline uint64_t pdm_read_u64(struct pdm_reader *r)
{
    uint64_t v = 0;
    pdm_read_bytes(r, (uint8_t *)&v, sizeof(v));
    return be64toh(v);
}

static inline struct pdm_writer pdm_writer(uint8_t *bytes, size_t len)
{
    return (struct pdm_writer){.at = bytes, .left = len, .bad = false};
}

static inline void pdm_write_bytes(struct pdm_writer *w, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return; /* BYTES may then be NULL, which memcpy does not allow */
    }
    if (w->bad || len > w->left) {
        w->bad = true;
        return;
    }
    memcpy(w->at, bytes, len);
    w->at += len;
    w->left -= len;
}

static inline void pdm_write_u8(struct pdm_writer *w, uint8_t v)
{
    pdm_write_bytes(w, &v, sizeof(v));
}

static inline void pdm_write_u16(struct pdm_writer *w, uint16_t v)
{
    v = htobe16(v);
    pdm_write_bytes(w, (const uint8_t *)&v, sizeof(v));
}

static inline void pdm_write_u32(struct pdm_writer *w, uint32_t v)
{
    v = htobe32(v);
    pdm_write_bytes(w, (const uint8_t *)&v, sizeof(v));
}

static inline void pdm_write_u64(struct pdm_writer *w, uint64_t v)
{
    v = htobe64(v);
    pdm_write_bytes(w, (const uint8_t *)&v, sizeof(v));
}

#endif
