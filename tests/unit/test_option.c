/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats and the headers around them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"
#include "tests/vectors/core_vectors.h"

static struct pdm_fields fields_of(const struct vec_fields *v, uint16_t prseq, uint8_t f)
{
    return (struct pdm_fields){
        .prseq = prseq,
        .f = f,
        .dtlr = {v->delta_tlr, v->scale_dtlr},
        .dtls = {v->delta_tls, v->scale_dtls},
        .global_pointer = v->global_pointer,
        .psntp = v->psntp,
        .psnlr = v->psnlr,
    };
}

static bool same_fields(const struct pdm_fields *a, const struct pdm_fields *b)
{
    return a->prseq == b->prseq && a->f == b->f && a->dtlr.value == b->dtlr.value &&
           a->dtlr.scale == b->dtlr.scale && a->dtls.value == b->dtls.value &&
           a->dtls.scale == b->dtls.scale && a->global_pointer == b->global_pointer &&
           a->psntp == b->psntp && a->psnlr == b->psnlr;
}

/* Writes and reads back; HEADER is what is expected, next header included. */
static void check_header(enum pdm_format format, const struct pdm_fields *fields,
                         const uint8_t *header)
{
    const struct pdm_format_spec *spec = &pdm_formats[format];
    uint8_t option[PDM_OPTION_MAX];
    uint8_t out[PDM_HEADER_MAX];
    cr_assert_eq(pdm_option_write(format, PDM_OPTION_TYPE, fields, option), spec->option_len + 2U);
    cr_assert_eq(pdm_header_wrap(format, option, out), spec->header_len);
    cr_assert_eq(out[0], 0);
    out[0] = header[0];
    cr_assert_arr_eq(out, header, spec->header_len, "%s", spec->name);

    struct pdm_found found;
    cr_assert_eq(pdm_header_find(header, spec->header_len, PDM_OPTION_TYPE, &found), PDM_FOUND);
    cr_assert_eq(found.format, format);
    cr_assert(same_fields(&found.fields, fields), "%s", spec->name);
    cr_assert_arr_eq(found.option, option, spec->option_len + 2U);
}

Test(option, vectors)
{
    for (size_t i = 0; i < VEC_COUNT(vec_plain_headers); i++) {
        const struct vec_plain_header *v = &vec_plain_headers[i];
        struct pdm_fields fields = fields_of(&v->fields, v->random, v->f);
        check_header(PDM_FORMAT_PLAIN, &fields, v->header);
    }
    for (size_t i = 0; i < VEC_COUNT(vec_rfc8250_headers); i++) {
        struct pdm_fields fields = fields_of(&vec_rfc8250_headers[i].fields, 0, 0);
        check_header(PDM_FORMAT_RFC8250, &fields, vec_rfc8250_headers[i].header);
    }
    for (size_t i = 0; i < VEC_COUNT(vec_sealed); i++) {
        const struct vec_sealed *v = &vec_sealed[i];
        uint8_t out[PDM_HEADER_MAX];
        cr_assert_eq(pdm_header_wrap(PDM_FORMAT_ENCRYPTED, v->option, out), PDM_HEADER_MAX);
        out[0] = v->header[0];
        cr_assert_arr_eq(out, v->header, PDM_HEADER_MAX);
        struct pdm_found found;
        cr_assert_eq(pdm_header_find(v->header, PDM_HEADER_MAX, PDM_OPTION_TYPE, &found),
                     PDM_FOUND);
        cr_assert_eq(found.format, PDM_FORMAT_ENCRYPTED);
        cr_assert(found.fields.prseq == v->prseq && found.fields.f == v->f);
        cr_assert_arr_eq(found.option, v->option, PDM_OPTION_MAX);

        struct pdm_fields fields = fields_of(&v->fields, v->prseq, v->f);
        uint8_t plaintext[PDM_PLAINTEXT_LEN];
        pdm_plaintext_write(&fields, plaintext);
        cr_assert_arr_eq(plaintext, v->plaintext, sizeof(plaintext));
        struct pdm_fields back = {.prseq = v->prseq, .f = v->f};
        pdm_plaintext_read(plaintext, &back);
        cr_assert(same_fields(&back, &fields));
        uint8_t clear[PDM_AAD_LEN];
        pdm_option_write_clear(PDM_OPTION_TYPE, v->prseq, v->f, clear);
        cr_assert_arr_eq(clear, v->option, sizeof(clear));
    }
}

/* Sealing alone makes an encrypted option. */
Test(option, encrypted_is_not_written_in_the_clear)
{
    const struct pdm_fields fields = {.psntp = 1};
    uint8_t out[PDM_OPTION_MAX] = {0};
    const uint8_t untouched[PDM_OPTION_MAX] = {0};
    cr_assert_eq(pdm_option_write(PDM_FORMAT_ENCRYPTED, PDM_OPTION_TYPE, &fields, out), 0);
    cr_assert_arr_eq(out, untouched, sizeof(out));
}

#define RFC8250_OPTION 0x0f, 10, 1, 2, 0, 3, 0, 4, 0, 5, 0, 6
#define PLAIN_REST 1, 2, 0, 0, 0, 9, 0, 3, 0, 4, 0, 5, 0, 6

struct find_row {
    const char *what;
    enum pdm_found_status status;
    size_t len;
    uint8_t header[64];
};

static const struct find_row find_rows[] = {
    {"no padding at all before it", PDM_FOUND, 16, {17, 1, RFC8250_OPTION, 1, 0}},
    {"Pad1 twice before it, odd alignment", PDM_FOUND, 16, {17, 1, 0, 0, RFC8250_OPTION}},
    {"Pad1 before and after", PDM_FOUND, 16, {17, 1, 0, RFC8250_OPTION, 0}},
    {"PadN with octets that are not 0", PDM_FOUND, 24, {17, 2, RFC8250_OPTION, 1, 8, 9, 9, 9, 9}},
    {"another option before", PDM_FOUND, 24, {17, 2, 0xc2, 4, 0, 0, 1, 0, RFC8250_OPTION, 1, 2}},
    {"another option after", PDM_FOUND, 24, {17, 2, RFC8250_OPTION, 0x1e, 6, 0x0f, 10, 0x0f, 10}},
    {"octets behind the header", PDM_FOUND, 24, {17, 1, RFC8250_OPTION, 1, 0, 0x0f, 10}},
    {"reserved bits", PDM_FOUND, 24, {17, 2, 1, 0, 0x0f, 18, 0x2f, 0xff, 0, 2, PLAIN_REST}},
    {"padding alone", PDM_ABSENT, 8, {17, 0, 1, 4}},
    {"only others", PDM_ABSENT, 16, {17, 1, 0x1e, 12, RFC8250_OPTION}},
    {"only another's type bits", PDM_ABSENT, 16, {17, 1, 0x8f, 10, 1, 2, 3}},
    {"empty", PDM_MALFORMED, 0, {0}},
    {"one octet", PDM_MALFORMED, 1, {17}},
    {"shorter than a unit", PDM_MALFORMED, 7, {17, 0, 1, 3}},
    {"shorter than it says", PDM_MALFORMED, 15, {17, 1, RFC8250_OPTION, 1, 0}},
    {"far shorter than it says", PDM_MALFORMED, 16, {17, 255, RFC8250_OPTION, 1, 0}},
    {"ours overruns", PDM_MALFORMED, 16, {17, 1, 0, 0, 0, RFC8250_OPTION}},
    {"padding overruns", PDM_MALFORMED, 16, {17, 1, RFC8250_OPTION, 1, 1}},
    {"a type without its length", PDM_MALFORMED, 16, {17, 1, RFC8250_OPTION, 0, 1}},
    {"another overruns", PDM_MALFORMED, 24, {17, 2, RFC8250_OPTION, 0x1e, 9}},
    {"ours with an unknown length", PDM_MALFORMED, 16, {17, 1, 0x0f, 9, 1, 2, 3}},
    {"ours with no content", PDM_MALFORMED, 8, {17, 0, 0x0f, 0, 1, 2, 0, 0}},
    {"version 1", PDM_BAD_VERSION, 24, {17, 2, 1, 0, 0x0f, 18, 0x10, 0, 0, 2, PLAIN_REST}},
    {"version 3", PDM_BAD_VERSION, 24, {17, 2, 1, 0, 0x0f, 18, 0x30, 0, 0, 2, PLAIN_REST}},
    {"version 0, encrypted", PDM_BAD_VERSION, 40, {17, 4, 1, 0, 0x0f, 34}},
    {"twice", PDM_REPEATED, 32, {17, 3, RFC8250_OPTION, 1, 2, 0, 0, RFC8250_OPTION, 1, 0}},
    {"good, then bad", PDM_REPEATED, 24, {17, 2, RFC8250_OPTION, 0x0f, 1, 7, 1, 3}},
    {"bad, then good", PDM_REPEATED, 24, {17, 2, 0x0f, 1, 7, RFC8250_OPTION, 1, 5}},
    {"good, then of another version",
     PDM_REPEATED,
     40,
     {17, 4, RFC8250_OPTION, 0x0f, 18, 0x10, 0, 0, 2, PLAIN_REST, 1, 4}},
    {"thrice, then an overrun",
     PDM_MALFORMED,
     16,
     {17, 1, 0x0f, 0, 0x0f, 0, 0x0f, 0, 1, 0, 1, 0, 1, 0, 5, 1}},
};

Test(option, find)
{
    const struct pdm_fields expected = {.dtlr = {5, 1}, .dtls = {6, 2}, .psntp = 3, .psnlr = 4};
    for (size_t i = 0; i < sizeof(find_rows) / sizeof(find_rows[0]); i++) {
        const struct find_row *row = &find_rows[i];
        struct pdm_found found;
        struct pdm_found before;
        memset(&found, 0xee, sizeof(found));
        before = found;
        cr_assert_eq(pdm_header_find(row->header, row->len, PDM_OPTION_TYPE, &found), row->status,
                     "%s", row->what);
        if (row->status != PDM_FOUND) {
            cr_assert_eq(memcmp(&found, &before, sizeof(found)), 0, "%s", row->what);
            continue;
        }
        struct pdm_fields want = expected;
        if (found.format == PDM_FORMAT_PLAIN) {
            want.prseq = 1;
            want.global_pointer = 9;
        }
        cr_assert(same_fields(&found.fields, &want), "%s", row->what);
    }
}

Test(option, another_type_may_be_configured)
{
    const struct pdm_fields fields = {.psntp = 7};
    uint8_t option[PDM_OPTION_MAX];
    uint8_t header[PDM_HEADER_MAX];
    struct pdm_found found;
    (void)pdm_option_write(PDM_FORMAT_PLAIN, 0x1e, &fields, option);
    size_t len = pdm_header_wrap(PDM_FORMAT_PLAIN, option, header);
    cr_assert_eq(pdm_header_find(header, len, PDM_OPTION_TYPE, &found), PDM_ABSENT);
    cr_assert_eq(pdm_header_find(header, len, 0x1e, &found), PDM_FOUND);
    cr_assert_eq(found.fields.psntp, 7);
}

/* A header cut short anywhere is refused and never read past its end (sanitizers watch). */
Test(option, every_truncation)
{
    for (size_t len = 0; len < PDM_HEADER_MAX; len++) {
        uint8_t *exact = malloc(len > 0 ? len : 1);
        cr_assert_not_null(exact);
        memcpy(exact, vec_sealed[0].header, len);
        struct pdm_found found;
        cr_assert_eq(pdm_header_find(exact, len, PDM_OPTION_TYPE, &found), PDM_MALFORMED);
        uint8_t out[PDM_DSTOPTS_MAX];
        cr_assert_eq(pdm_header_merge(exact, len, PDM_FORMAT_ENCRYPTED, vec_sealed[0].option, out,
                                      sizeof(out)),
                     0);
        free(exact);
    }
}

struct merge_row {
    const char *what;
    enum pdm_format format;
    size_t len;
    size_t total;  /* 0: refused */
    size_t offset; /* of ours */
    size_t kept;   /* octets from the third on that stay as they are */
    uint8_t header[32];
};

static const struct merge_row merge_rows[] = {
    {"padding alone", PDM_FORMAT_PLAIN, 8, 24, 4, 0, {17, 0, 1, 4}},
    {"padding alone, ours at 2", PDM_FORMAT_RFC8250, 8, 16, 2, 0, {17, 0, 1, 4}},
    {"a full unit", PDM_FORMAT_PLAIN, 8, 32, 8, 6, {17, 0, 0x1e, 4, 1, 2, 3, 4}},
    {"trailing PadN goes", PDM_FORMAT_PLAIN, 16, 32, 8, 6, {17, 1, 0x1e, 4, 1, 2, 3, 4, 1, 6}},
    {"trailing Pad1s go", PDM_FORMAT_RFC8250, 8, 24, 6, 3, {17, 0, 0x1e, 1, 7, 0, 0, 0}},
    {"its alignment stays",
     PDM_FORMAT_ENCRYPTED,
     16,
     48,
     12,
     8,
     {17, 1, 1, 0, 0x1e, 4, 1, 2, 3, 4, 0, 1, 3}},
    {"padding between stays",
     PDM_FORMAT_RFC8250,
     16,
     32,
     14,
     10,
     {17, 1, 0x1e, 1, 7, 1, 0, 0x3e, 3, 7, 8, 9, 1, 2}},
    {"ours is there already", PDM_FORMAT_PLAIN, 16, 0, 0, 0, {17, 1, RFC8250_OPTION, 1, 0}},
    {"ours is there, malformed", PDM_FORMAT_PLAIN, 8, 0, 0, 0, {17, 0, 0x0f, 1, 0, 1, 1, 0}},
    {"overruns", PDM_FORMAT_PLAIN, 8, 0, 0, 0, {17, 0, 0x1e, 5}},
    {"too short", PDM_FORMAT_PLAIN, 8, 0, 0, 0, {17, 1, 0x1e, 4}},
};

Test(option, merge)
{
    for (size_t i = 0; i < sizeof(merge_rows) / sizeof(merge_rows[0]); i++) {
        const struct merge_row *row = &merge_rows[i];
        const struct pdm_fields fields = {.psntp = 3};
        uint8_t option[PDM_OPTION_MAX];
        uint8_t out[64];
        memset(out, 0xee, sizeof(out));
        memcpy(option, vec_sealed[0].option, sizeof(option));
        (void)pdm_option_write(row->format, PDM_OPTION_TYPE, &fields, option);
        size_t total =
            pdm_header_merge(row->header, row->len, row->format, option, out, sizeof(out));
        cr_assert_eq(total, row->total, "%s: %zu", row->what, total);
        if (total == 0) {
            continue;
        }
        size_t len = pdm_formats[row->format].option_len + 2U;
        cr_assert_eq(out[0], 17);
        cr_assert_eq((out[1] + 1U) * 8, total);
        cr_assert_arr_eq(out + 2, row->header + 2, row->kept, "%s", row->what);
        cr_assert_arr_eq(out + row->offset, option, len, "%s", row->what);
        cr_assert_eq(row->offset % pdm_formats[row->format].align_n,
                     pdm_formats[row->format].align_m);
        cr_assert_eq(out[total], 0xee);
        struct pdm_found found;
        cr_assert_eq(pdm_header_find(out, total, PDM_OPTION_TYPE, &found), PDM_FOUND, "%s",
                     row->what);
        cr_assert_arr_eq(found.option, option, len);
        cr_assert_eq(pdm_header_merge(row->header, row->len, row->format, option, out, total - 1),
                     0, "%s: too small a buffer", row->what);
        cr_assert_eq(pdm_header_merge(out, total, row->format, option, out, sizeof(out)), 0,
                     "%s: twice", row->what);
    }
}

/* The largest header that there is: what still fits beside the program's own, and what no more. */
Test(option, merge_at_the_largest_header)
{
    static uint8_t header[PDM_DSTOPTS_MAX];
    static uint8_t out[PDM_DSTOPTS_MAX + 64];
    const uint8_t *option = vec_sealed[0].option;
    for (size_t units = 240; units <= 256; units++) {
        size_t len = units * 8;
        memset(header, 0, len);
        header[1] = (uint8_t)(units - 1);
        for (size_t at = 2; at < len;) {
            size_t content = len - at - 2 < 254 ? len - at - 2 : 254;
            if (len - at - 2 - content == 1) {
                content--; /* no room would be left for another option's two octets */
            }
            /* Padding but for the last: the number of options has a limit of its own. */
            header[at] = at + 2 + content < len ? 1 : 0x1e;
            header[at + 1] = (uint8_t)content;
            at += content + 2;
        }
        size_t total =
            pdm_header_merge(header, len, PDM_FORMAT_ENCRYPTED, option, out, sizeof(out));
        cr_assert_eq(total, len + 40 <= PDM_DSTOPTS_MAX ? len + 40 : 0, "%zu: %zu", len, total);
    }
}

/* As many options as a receiver need accept (RFC 8504 section 5.3), ours among them. */
Test(option, merge_with_many_options)
{
    static uint8_t out[PDM_DSTOPTS_MAX];
    const uint8_t *option = vec_sealed[0].option;
    for (size_t options = 0; options <= PDM_HEADER_OPTIONS_MAX; options++) {
        uint8_t header[8 * (PDM_HEADER_OPTIONS_MAX + 1)] = {0, PDM_HEADER_OPTIONS_MAX, 1, 4};
        for (size_t i = 1; i <= PDM_HEADER_OPTIONS_MAX; i++) {
            header[8 * i] = i <= options ? 0x1e : 1;
            header[8 * i + 1] = 6;
        }
        size_t total = pdm_header_merge(header, sizeof(header), PDM_FORMAT_ENCRYPTED, option, out,
                                        sizeof(out));
        cr_assert_eq(total != 0, options < PDM_HEADER_OPTIONS_MAX, "%zu options", options);
    }
}
