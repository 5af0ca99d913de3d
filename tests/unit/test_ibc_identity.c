/* SPDX-License-Identifier: BSD-2-Clause */
/* Identities: RFC 5952's form of addresses, against its own examples and the C library's. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/ibc.h"

static const struct {
    const char *address;
    uint64_t epoch;
    const char *identity;
} rows[] = {
    {"2001:db8:1::a", 0, "2001:db8:1::a|0"},
    {"2001:0db8:0:0:1:0:0:1", 9, "2001:db8::1:0:0:1|9"},     /* sections 4.2.3 and 5 */
    {"2001:db8:0:1:1:1:1:1", 10, "2001:db8:0:1:1:1:1:1|10"}, /* section 4.2.2 */
    {"2001:0:0:1:0:0:0:1", 1, "2001:0:0:1::1|1"},            /* section 4.2.3 */
    {"2001:DB8::ABCD:EF01", 1, "2001:db8::abcd:ef01|1"},     /* section 4.3 */
    {"2001:db8:0:0:0:0:2:1", 1, "2001:db8::2:1|1"},          /* section 4.2.1 */
    {"::", 0, "::|0"},
    {"::1", 0, "::1|0"},
    {"1::", 0, "1::|0"},
    {"fe80::1:0:0:0", 0, "fe80::1:0:0:0|0"},
    {"1:0:0:2:0:0:0:0", 0, "1:0:0:2::|0"},
    {"0:0:3:0:0:0:0:0", 0, "0:0:3::|0"},
    {"0:1:0:2:0:3:0:4", 0, "0:1:0:2:0:3:0:4|0"},
    {"::1.2.3.4", 0, "::102:304|0"}, /* not as IPv4-compatible */
    {"::1:2", 0, "::1:2|0"},
    {"64:ff9b::192.0.2.33", 7, "64:ff9b::c000:221|7"},
    {"::fffe:1.2.3.4", 0, "::fffe:102:304|0"},
    {"1::ffff:1.2.3.4", 0, "1::ffff:102:304|0"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UINT64_MAX,
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff|18446744073709551615"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static size_t identity_of(const char *address, uint64_t epoch, char *out, size_t cap)
{
    uint8_t addr[PDM_ADDR_LEN];
    cr_assert_eq(inet_pton(AF_INET6, address, addr), 1, "%s", address);
    return pdm_ibc_identity(addr, epoch, out, cap);
}

Test(ibc_identity, forms)
{
    char out[PDM_IBC_IDENTITY_MAX];
    for (size_t i = 0; i < ROWS; i++) {
        size_t len = identity_of(rows[i].address, rows[i].epoch, out, sizeof out);
        cr_assert_eq(len, strlen(rows[i].identity), "%s", rows[i].address);
        cr_assert_str_eq(out, rows[i].identity);
    }
}

/* The longest fits exactly; any shorter buffer than one needs is refused and not overrun. */
Test(ibc_identity, room)
{
    char out[PDM_IBC_IDENTITY_MAX + 1];
    cr_assert_eq(strlen(rows[ROWS - 1].identity) + 1, PDM_IBC_IDENTITY_MAX);
    for (size_t i = 0; i < ROWS; i++) {
        size_t needed = strlen(rows[i].identity) + 1;
        for (size_t cap = 0; cap <= needed; cap++) {
            memset(out, '~', sizeof out);
            size_t len = identity_of(rows[i].address, rows[i].epoch, out, cap);
            cr_assert_eq(len, cap < needed ? 0 : needed - 1);
            cr_assert_eq(out[cap], '~');
        }
    }
}

Test(ibc_identity, mapped_addresses_take_no_part)
{
    static const char *const mapped[] = {"::ffff:0:0", "::ffff:1.2.3.4", "::ffff:255.255.255.255"};
    char out[PDM_IBC_IDENTITY_MAX];
    for (size_t i = 0; i < sizeof mapped / sizeof mapped[0]; i++)
        cr_assert_eq(identity_of(mapped[i], 0, out, sizeof out), 0, "%s", mapped[i]);
}

/* Every pattern of groups that are 0, as the C library writes it. */
Test(ibc_identity, as_the_c_library)
{
    char expected[INET6_ADDRSTRLEN], out[PDM_IBC_IDENTITY_MAX];
    for (unsigned pattern = 0; pattern < 256; pattern++) {
        struct in6_addr addr = {0};
        for (unsigned group = 0; group < 8; group++)
            if ((pattern >> group & 1) != 0) {
                addr.s6_addr[2 * group] = (uint8_t)(pattern % 3);
                addr.s6_addr[2 * group + 1] = (uint8_t)(0x0f + pattern);
            }
        cr_assert_not_null(inet_ntop(AF_INET6, &addr, expected, sizeof expected));
        if (strchr(expected, '.') != NULL)
            continue; /* which RFC 5952 section 5 leaves to known prefixes: IPv4-compatible ones */
        size_t len = pdm_ibc_identity(addr.s6_addr, 1, out, sizeof out);
        cr_assert_gt(len, 2);
        cr_assert_str_eq(out + len - 2, "|1");
        out[len - 2] = '\0';
        cr_assert_str_eq(out, expected, "%u", pattern);
    }
}
