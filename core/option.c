/* SPDX-License-Identifier: BSD-2-Clause */
/* The option on the wire and the Destination Options header around it. */
#include "core/option.h"

#include <string.h>

#include "core/cursor.h"

#define PAD1 0
#define PADN 1
#define TLV_LEN 2    /* an option's type and length octets */
#define HEADER_LEN 2 /* a header's next header and length octets */
#define UNIT 8       /* a header's length is in units of 8 octets, not counting the first */

const struct pdm_format_spec pdm_formats[PDM_FORMATS] = {
    [PDM_FORMAT_RFC8250] = {"rfc8250", 10, 16, 2, 4, 2},
    [PDM_FORMAT_PLAIN] = {"plain", 18, 24, 4, 4, 0},
    [PDM_FORMAT_ENCRYPTED] = {"encrypted", 34, 40, 4, 4, 0},
};

static void write_clear(struct pdm_writer *w, uint16_t prseq, uint8_t f)
{
    pdm_write_u16(w, PDM_VERSION << 12);
    pdm_write_u16(w, (uint16_t)(prseq << 1 | (f & 1)));
}

/* False if the version is not ours. The reserved bits are ignored. */
static bool read_clear(struct pdm_reader *r, struct pdm_fields *fields)
{
    uint16_t version = pdm_read_u16(r) >> 12;
    uint16_t random = pdm_read_u16(r);
    fields->prseq = random >> 1;
    fields->f = random & 1;
    return version == PDM_VERSION;
}

static void write_deltas(struct pdm_writer *w, const struct pdm_fields *fields)
{
    pdm_write_u16(w, fields->psntp);
    pdm_write_u16(w, fields->psnlr);
    pdm_write_u16(w, fields->dtlr.value);
    pdm_write_u16(w, fields->dtls.value);
}

static void read_deltas(struct pdm_reader *r, struct pdm_fields *fields)
{
    fields->psntp = pdm_read_u16(r);
    fields->psnlr = pdm_read_u16(r);
    fields->dtlr.value = pdm_read_u16(r);
    fields->dtls.value = pdm_read_u16(r);
}

static void write_metrics(struct pdm_writer *w, const struct pdm_fields *fields)
{
    pdm_write_u8(w, fields->dtlr.scale);
    pdm_write_u8(w, fields->dtls.scale);
    pdm_write_u32(w, fields->global_pointer);
    write_deltas(w, fields);
}

static void read_metrics(struct pdm_reader *r, struct pdm_fields *fields)
{
    fields->dtlr.scale = pdm_read_u8(r);
    fields->dtls.scale = pdm_read_u8(r);
    fields->global_pointer = pdm_read_u32(r);
    read_deltas(r, fields);
}

static void write_rfc8250(struct pdm_writer *w, const struct pdm_fields *fields)
{
    pdm_write_u8(w, fields->dtlr.scale);
    pdm_write_u8(w, fields->dtls.scale);
    write_deltas(w, fields);
}

static bool read_rfc8250(struct pdm_reader *r, struct pdm_fields *fields)
{
    fields->dtlr.scale = pdm_read_u8(r);
    fields->dtls.scale = pdm_read_u8(r);
    read_deltas(r, fields);
    return true;
}

static void write_plain(struct pdm_writer *w, const struct pdm_fields *fields)
{
    write_clear(w, fields->prseq, fields->f);
    write_metrics(w, fields);
}

static bool read_plain(struct pdm_reader *r, struct pdm_fields *fields)
{
    bool ours = read_clear(r, fields);
    read_metrics(r, fields);
    return ours;
}

/* What follows the length octet. What is encrypted is written by sealing alone. */
static const struct {
    void (*write)(struct pdm_writer *w, const struct pdm_fields *fields);
    bool (*read)(struct pdm_reader *r, struct pdm_fields *fields);
} codecs[PDM_FORMATS] = {
    [PDM_FORMAT_RFC8250] = {write_rfc8250, read_rfc8250},
    [PDM_FORMAT_PLAIN] = {write_plain, read_plain},
    [PDM_FORMAT_ENCRYPTED] = {NULL, read_clear},
};

size_t pdm_option_write(enum pdm_format format, uint8_t type, const struct pdm_fields *fields,
                        uint8_t out[static PDM_OPTION_MAX])
{
    if (codecs[format].write == NULL) {
        return 0;
    }
    size_t len = TLV_LEN + (size_t)pdm_formats[format].option_len;
    struct pdm_writer w = pdm_writer(out, len);
    pdm_write_u8(&w, type);
    pdm_write_u8(&w, pdm_formats[format].option_len);
    codecs[format].write(&w, fields);
    return len;
}

void pdm_option_write_clear(uint8_t type, uint16_t prseq, uint8_t f,
                            uint8_t out[static PDM_AAD_LEN])
{
    struct pdm_writer w = pdm_writer(out, PDM_AAD_LEN);
    pdm_write_u8(&w, type);
    pdm_write_u8(&w, pdm_formats[PDM_FORMAT_ENCRYPTED].option_len);
    write_clear(&w, prseq, f);
}

void pdm_plaintext_write(const struct pdm_fields *fields, uint8_t out[static PDM_PLAINTEXT_LEN])
{
    struct pdm_writer w = pdm_writer(out, PDM_PLAINTEXT_LEN);
    write_metrics(&w, fields);
}

void pdm_plaintext_read(const uint8_t in[static PDM_PLAINTEXT_LEN], struct pdm_fields *fields)
{
    struct pdm_reader r = pdm_reader(in, PDM_PLAINTEXT_LEN);
    read_metrics(&r, fields);
}

/* LEN octets of padding (RFC 8200 section 4.2). */
static void write_padding(struct pdm_writer *w, size_t len)
{
    static const uint8_t zeros[UNIT] = {0};
    if (len == 1) {
        pdm_write_u8(w, PAD1);
    } else if (len >= TLV_LEN) {
        pdm_write_u8(w, PADN);
        pdm_write_u8(w, (uint8_t)(len - TLV_LEN));
        pdm_write_bytes(w, zeros, len - TLV_LEN);
    }
}

/* From octet END of a header on: padding, the option at octet OFFSET, padding up to TOTAL. */
static void write_placed(struct pdm_writer *w, size_t end, size_t offset, size_t total,
                         enum pdm_format format, const uint8_t *option)
{
    size_t len = TLV_LEN + (size_t)pdm_formats[format].option_len;
    write_padding(w, offset - end);
    pdm_write_bytes(w, option, len);
    write_padding(w, total - offset - len);
}

size_t pdm_header_wrap(enum pdm_format format, const uint8_t *option,
                       uint8_t out[static PDM_HEADER_MAX])
{
    const struct pdm_format_spec *spec = &pdm_formats[format];
    struct pdm_writer w = pdm_writer(out, spec->header_len);
    pdm_write_u8(&w, 0);
    pdm_write_u8(&w, (uint8_t)(spec->header_len / UNIT - 1));
    write_placed(&w, HEADER_LEN, spec->option_offset, spec->header_len, format, option);
    return spec->header_len;
}

struct walk {
    unsigned options;      /* but for padding */
    unsigned ours;         /* options of our type */
    const uint8_t *option; /* the last of them, type octet first */
    size_t before;         /* octets up to the end of the last option before it */
    size_t end;            /* octets up to the end of the last option that is no padding */
};

/* Walks all options of a header. False if the header or one of its options overruns. */
static bool walk_header(const uint8_t *header, size_t len, uint8_t type, struct walk *walk)
{
    *walk = (struct walk){.end = HEADER_LEN};
    if (len < UNIT || len < ((size_t)header[1] + 1) * UNIT) {
        return false;
    }
    struct pdm_reader r = pdm_reader(header, ((size_t)header[1] + 1) * UNIT);
    (void)pdm_read_span(&r, HEADER_LEN);
    while (r.left > 0) {
        const uint8_t *option = r.at;
        if (pdm_read_u8(&r) == PAD1) {
            continue;
        }
        (void)pdm_read_span(&r, pdm_read_u8(&r));
        if (r.bad) {
            return false;
        }
        if (option[0] == type) {
            walk->ours++;
            walk->option = option;
            walk->before = walk->end;
        }
        if (option[0] != PADN) {
            walk->options++;
            walk->end = (size_t)(r.at - header);
        }
    }
    return true;
}

size_t pdm_header_merge(const uint8_t *header, size_t len, enum pdm_format format,
                        const uint8_t *option, uint8_t *out, size_t cap)
{
    const struct pdm_format_spec *spec = &pdm_formats[format];
    struct walk walk;
    if (!walk_header(header, len, option[0], &walk) || walk.ours > 0 ||
        walk.options >= PDM_HEADER_OPTIONS_MAX) {
        return 0;
    }
    size_t offset = walk.end;
    while (offset % spec->align_n != spec->align_m) {
        offset++;
    }
    size_t total = offset + TLV_LEN + spec->option_len;
    total = (total + UNIT - 1) / UNIT * UNIT;
    if (total > cap || total > PDM_DSTOPTS_MAX) {
        return 0;
    }
    struct pdm_writer w = pdm_writer(out, total);
    pdm_write_u8(&w, header[0]);
    pdm_write_u8(&w, (uint8_t)(total / UNIT - 1));
    pdm_write_bytes(&w, header + HEADER_LEN, walk.end - HEADER_LEN);
    write_placed(&w, walk.end, offset, total, format, option);
    return total;
}

static enum pdm_found_status parse(const uint8_t *option, struct pdm_found *found)
{
    for (enum pdm_format format = 0; format < PDM_FORMATS; format++) {
        if (pdm_formats[format].option_len != option[1]) {
            continue;
        }
        size_t len = TLV_LEN + (size_t)option[1];
        struct pdm_found parsed = {.format = format};
        struct pdm_reader r = pdm_reader(option + TLV_LEN, option[1]);
        memcpy(parsed.option, option, len);
        if (!codecs[format].read(&r, &parsed.fields)) {
            return PDM_BAD_VERSION;
        }
        *found = parsed;
        return PDM_FOUND;
    }
    return PDM_MALFORMED;
}

enum pdm_found_status pdm_header_find(const uint8_t *header, size_t len, uint8_t type,
                                      struct pdm_found *found)
{
    struct walk walk;
    if (!walk_header(header, len, type, &walk)) {
        return PDM_MALFORMED;
    }
    if (walk.ours == 0) {
        return PDM_ABSENT;
    }
    return walk.ours > 1 ? PDM_REPEATED : parse(walk.option, found);
}

size_t pdm_header_strip(uint8_t *header, size_t len, uint8_t type)
{
    struct pdm_found found;
    struct walk walk;
    if (pdm_header_find(header, len, type, &found) != PDM_FOUND ||
        !walk_header(header, len, type, &walk) || walk.option == NULL) {
        return len;
    }
    size_t at = (size_t)(walk.option - header);
    size_t option_len = TLV_LEN + (size_t)walk.option[1];
    if (walk.end > at + option_len) {
        header[at] = PADN; /* those behind it keep their offsets */
        memset(header + at + TLV_LEN, 0, option_len - TLV_LEN);
        return len;
    }
    if (walk.before == HEADER_LEN) {
        return 0;
    }
    size_t total = (walk.before + UNIT - 1) / UNIT * UNIT;
    header[1] = (uint8_t)(total / UNIT - 1);
    struct pdm_writer w = pdm_writer(header + walk.before, total - walk.before);
    write_padding(&w, total - walk.before);
    return total;
}
