/* SPDX-License-Identifier: BSD-2-Clause */
/* The cursors: big-endian, and bad for good once asked for too much. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/cursor.h"

static const uint8_t sample[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};

Test(cursor, numbers_are_big_endian_both_ways)
{
    struct pdm_reader r = pdm_reader(sample, sizeof(sample));
    cr_assert_eq(pdm_read_u8(&r), 0x01);
    cr_assert_eq(pdm_read_u16(&r), 0x0203);
    cr_assert_eq(pdm_read_u32(&r), 0x04050607);
    cr_assert_eq(pdm_read_u64(&r), 0x08090a0b0c0d0e0fULL);
    cr_assert(!r.bad);
    cr_assert_eq(r.left, 0);

    uint8_t out[sizeof(sample)];
    struct pdm_writer w = pdm_writer(out, sizeof(out));
    pdm_write_u8(&w, 0x01);
    pdm_write_u16(&w, 0x0203);
    pdm_write_u32(&w, 0x04050607);
    pdm_write_u64(&w, 0x08090a0b0c0d0e0fULL);
    cr_assert(!w.bad);
    cr_assert_eq(w.left, 0);
    cr_assert_arr_eq(out, sample, sizeof(sample));
}

Test(cursor, a_reader_asked_for_too_much_stays_bad)
{
    struct pdm_reader r = pdm_reader(sample, 3);
    cr_assert_eq(pdm_read_u32(&r), 0);
    cr_assert(r.bad);
    cr_assert_eq(pdm_read_u8(&r), 0, "what is there must not be read either");
    cr_assert_eq(pdm_read_u16(&r), 0);
    cr_assert_eq(pdm_read_u64(&r), 0);
    cr_assert_null(pdm_read_span(&r, 0));
    uint8_t out[2] = {0xff, 0xff};
    pdm_read_bytes(&r, out, sizeof(out));
    cr_assert(out[0] == 0 && out[1] == 0);
    r = pdm_reader(sample, 3);
    cr_assert_null(pdm_read_span(&r, SIZE_MAX));
    cr_assert(r.bad);
}

Test(cursor, spans_are_in_place_and_may_be_empty)
{
    struct pdm_reader r = pdm_reader(sample, 3);
    cr_assert_eq(pdm_read_span(&r, 0), sample);
    cr_assert_eq(pdm_read_span(&r, 2), sample);
    uint8_t out[1];
    pdm_read_bytes(&r, out, sizeof(out));
    cr_assert_eq(out[0], 0x03);
    cr_assert_not_null(pdm_read_span(&r, 0));
    cr_assert(!r.bad);
    r = pdm_reader(NULL, 0);
    pdm_read_bytes(&r, NULL, 0);
    cr_assert(!r.bad);
    cr_assert_eq(pdm_read_u8(&r), 0);
    cr_assert(r.bad);
}

Test(cursor, a_writer_that_is_full_writes_nothing_more)
{
    uint8_t out[4] = {0xee, 0xee, 0xee, 0xee};
    struct pdm_writer w = pdm_writer(out, 3);
    pdm_write_u16(&w, 0x0102);
    pdm_write_u16(&w, 0x0304);
    cr_assert(w.bad);
    pdm_write_u8(&w, 0x05);
    pdm_write_bytes(&w, sample, 1);
    cr_assert_eq(w.left, 1);
    cr_assert(out[0] == 0x01 && out[1] == 0x02 && out[2] == 0xee && out[3] == 0xee);
    w = pdm_writer(out, sizeof(out));
    pdm_write_bytes(&w, NULL, 0);
    cr_assert(!w.bad);
    volatile size_t huge = SIZE_MAX; /* or the compiler objects to what is tested */
    pdm_write_bytes(&w, sample, huge);
    cr_assert(w.bad);
}
