/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes: what is in them, their order, and what is none. */
#include "core/prefix.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>

static struct pdm_prefix prefix(const char *addr, uint8_t len)
{
    struct pdm_prefix p = {.len = len};

    cr_assert_eq(inet_pton(AF_INET6, addr, p.addr), 1);
    return p;
}

Test(prefix, is_cut_to_its_length)
{
    static const struct {
        uint8_t len;
        const char *addr;
    } cut[] = {{0, "::"}, {1, "8000::"}, {12, "fff0::"}, {64, "ffff:ffff:ffff:ffff::"}};
    const struct pdm_prefix all = prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128);

    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        const struct pdm_prefix want = prefix(cut[i].addr, cut[i].len);
        const struct pdm_prefix got = pdm_prefix_of(all.addr, cut[i].len);

        cr_expect(pdm_prefix_equal(&got, &want), "/%u", cut[i].len);
        cr_expect(pdm_prefix_contains(&got, all.addr), "/%u", cut[i].len);
    }
}

Test(prefix, comes_by_address_then_by_length)
{
    const struct pdm_prefix order[] = {prefix("::", 0), prefix("::", 128), prefix("2001:db8::", 32),
                                       prefix("2001:db8::", 33), prefix("8000::", 1)};
    const size_t count = sizeof order / sizeof *order;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int got = pdm_prefix_compare(&order[i], &order[j]);

            cr_expect_eq((got > 0) - (got < 0), (i > j) - (i < j), "%zu and %zu", i, j);
        }
}

Test(prefix, has_no_bits_beyond_its_length)
{
    static const struct {
        const char *addr;
        uint8_t len;
        bool valid;
    } given[] = {
        {"::", 0, true},
        {"::1", 0, false},
        {"::1", 128, true},
        {"2001:db8::", 32, true},
        {"2001:db8::", 28, false},
        {"8000::", 0, false},
        {"2001:db8::1", 64, false},
        {"2001:db8::1", 129, false},
        {"::", 255, false},
    };

    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        const struct pdm_prefix p = prefix(given[i].addr, given[i].len);

        cr_expect_eq(pdm_prefix_valid(&p), given[i].valid, "%s/%u", given[i].addr, given[i].len);
    }
}
