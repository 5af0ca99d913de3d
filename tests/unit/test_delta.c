/* SPDX-License-Identifier: BSD-2-Clause */
/* Time differences on the wire. */
#include <criterion/criterion.h>

#include "core/delta.h"
#include "tests/vectors/core_vectors.h"

/* The examples of RFC 8250 appendices B and C. */
Test(delta, rfc8250_examples)
{
    static const struct {
        uint64_t ns;
        uint16_t value;
        uint8_t scale;
    } rows[] = {
        {39838000U, 0x8D88, 40},
        {32311072000U, 0xE033, 49},
        {3000000000U, 0xA688, 46},
        {4000000000U, 0xDE0B, 46},
        {0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pdm_delta d = pdm_delta_from_ns(rows[i].ns);
        cr_assert_eq(d.value, rows[i].value, "%#x", (unsigned)d.value);
        cr_assert_eq(d.scale, rows[i].scale, "%u", (unsigned)d.scale);
    }
}

Test(delta, vectors_both_ways)
{
    for (size_t i = 0; i < VEC_COUNT(vec_scale_ns); i++) {
        const struct vec_scale_ns *v = &vec_scale_ns[i];
        struct pdm_delta d = pdm_delta_from_ns(v->ns);
        cr_assert_eq(d.value, v->value, "row %zu", i);
        cr_assert_eq(d.scale, v->scale, "row %zu", i);
        uint64_t expected = v->ns_floor > INT64_MAX ? INT64_MAX : v->ns_floor;
        cr_assert_eq((uint64_t)pdm_delta_to_ns(d), expected, "row %zu", i);
    }
}

/* A value that fits is not scaled, and nothing is lost that 16 bits can hold. */
Test(delta, values_around_16_bits)
{
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){65535, 0}), 0);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){65535, 13}), 0);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){65535, 14}), 1);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xee6b, 14}), 0, "a little below 1 ns");
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xee6c, 14}), 1);
    for (uint64_t ns = 1; ns < (uint64_t)1 << 62; ns = ns * 3 + 1) {
        struct pdm_delta d = pdm_delta_from_ns(ns);
        int64_t back = pdm_delta_to_ns(d);
        int64_t off = (int64_t)ns - back;
        cr_assert(d.value >= 0x8000, "the value is normalised");
        cr_assert(off >= 0 && off <= pdm_delta_step_ns(d), "%llu", (unsigned long long)ns);
    }
}

/* On both sides of where 64 bits no longer hold the attoseconds, and of where INT64_MAX is. */
Test(delta, long_times_and_what_saturates)
{
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xffff, 48}), 18446462598);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0x8000, 49}), 18446744073);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){1, 92}), 4951760157141521099);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0x8000, 77}), 4951760157141521099);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xee6b, 77}), 9223348425022361459);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xee6c, 77}), INT64_MAX);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0x8000, 78}), INT64_MAX);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){1, 94}), INT64_MAX);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0xffff, 255}), INT64_MAX);
    cr_assert_eq(pdm_delta_to_ns((struct pdm_delta){0, 255}), 0);
}

Test(delta, step_is_rounded_up)
{
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0xffff, 0}), 1);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0xffff, 29}), 1);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0xffff, 30}), 2);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0xffff, 40}), 1100);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0, 92}), 4951760157141521100);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0, 93}), INT64_MAX);
    cr_assert_eq(pdm_delta_step_ns((struct pdm_delta){0, 255}), INT64_MAX);
}
