/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option on the wire: PDM (RFC 8250 section 3.2.1) and PDMv2, clear and encrypted
 * (draft-ietf-ippm-encrypted-pdmv2-02 section 6.3), in an IPv6 Destination Options header
 * (RFC 8200 section 4.6). The formats are rows of one table. Pure functions, signal-safe.
 */
#ifndef PDM_CORE_OPTION_H
#define PDM_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/delta.h"
#include "core/limits.h"

#define PDM_OPTION_TYPE 0x0F /* assigned to PDM; configurable */
#define PDM_VERSION 2        /* PDMv2's Vrsn field */
#define PDM_PLAINTEXT_LEN 14 /* what is encrypted: ScaleDTLR to DELTATLS */
#define PDM_AAD_LEN 6        /* type, length, version and reserved, random number and f */

enum pdm_format { PDM_FORMAT_RFC8250, PDM_FORMAT_PLAIN, PDM_FORMAT_ENCRYPTED, PDM_FORMATS };

struct pdm_format_spec {
    const char *name;         /* "rfc8250", "plain", "encrypted" */
    uint8_t option_len;       /* the Option Length octet: 10, 18, 34 */
    uint8_t header_len;       /* octets of our Destination Options header: 16, 24, 40 */
    uint8_t option_offset;    /* of the option in that header: 2, 4, 4 */
    uint8_t align_n, align_m; /* the option starts at a multiple of n plus m: (4,2), (4,0), (4,0) */
};

extern const struct pdm_format_spec pdm_formats[PDM_FORMATS];

struct pdm_fields {
    uint16_t prseq; /* Random Number: 15 bits; absent (0) in RFC 8250 */
    uint8_t f;      /* 0 or 1; absent (0) in RFC 8250 */
    struct pdm_delta dtlr;
    struct pdm_delta dtls;
    uint32_t global_pointer; /* absent (0) in RFC 8250 */
    uint16_t psntp;
    uint16_t psnlr;
};

/* Writes the option, two TLV octets included, for RFC8250 and PLAIN. Returns its length. */
size_t pdm_option_write(enum pdm_format format, uint8_t type, const struct pdm_fields *fields,
                        uint8_t out[static PDM_OPTION_MAX]);
/* Writes the 6 clear octets of an encrypted option: its additional data. */
void pdm_option_write_clear(uint8_t type, uint16_t prseq, uint8_t f,
                            uint8_t out[static PDM_AAD_LEN]);
/* The 14 octets that are encrypted, and back (prseq and f are left alone). */
void pdm_plaintext_write(const struct pdm_fields *fields, uint8_t out[static PDM_PLAINTEXT_LEN]);
void pdm_plaintext_read(const uint8_t in[static PDM_PLAINTEXT_LEN], struct pdm_fields *fields);

/*
 * Puts an option into a Destination Options header of its own, padded; the Next Header octet is 0,
 * for the kernel to fill. Returns the header's length, pdm_formats[format].header_len.
 */
size_t pdm_header_wrap(enum pdm_format format, const uint8_t *option,
                       uint8_t out[static PDM_HEADER_MAX]);
/*
 * The program's own Destination Options header HEADER with OPTION added behind its options, each
 * of which keeps its offset. Returns the length, or 0 if HEADER is malformed, already carries an
 * option of that type or as many as a receiver need accept, or OUT is too small.
 */
size_t pdm_header_merge(const uint8_t *header, size_t len, enum pdm_format format,
                        const uint8_t *option, uint8_t *out, size_t cap);

enum pdm_found_status {
    PDM_FOUND,     /* one well-formed option of ours */
    PDM_ABSENT,    /* none */
    PDM_MALFORMED, /* the header's options overrun it, or ours has an unknown length */
    PDM_BAD_VERSION,
    PDM_REPEATED /* present twice (RFC 8250 section 3.3) */
};

struct pdm_found {
    enum pdm_format format;
    uint8_t option[PDM_OPTION_MAX]; /* as received, type octet first */
    struct pdm_fields fields;       /* encrypted: prseq and f alone */
};

/*
 * Looks for our option in a Destination Options header as received. Accepts any legal padding,
 * other options beside ours and any alignment; reserved bits are ignored.
 */
enum pdm_found_status pdm_header_find(const uint8_t *header, size_t len, uint8_t type,
                                      struct pdm_found *found);
/*
 * Takes our well-formed option out of a header as received, which is then the one that it was
 * merged into. Returns the header's length, 0 if nothing else was in it.
 */
size_t pdm_header_strip(uint8_t *header, size_t len, uint8_t type);

#endif
