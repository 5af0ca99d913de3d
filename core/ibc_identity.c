/* SPDX-License-Identifier: BSD-2-Clause */
/* Identities of secondaries: RFC 5952's form of an address, and an epoch. */
#include "core/cursor.h"
#include "core/ibc.h"

#define GROUPS 8
#define DIGITS_MAX 20 /* of a 64-bit number in decimal */

struct run {
    unsigned first;
    unsigned len;
};

static void write_number(struct pdm_writer *w, uint64_t number, unsigned base)
{
    uint8_t digits[DIGITS_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (uint8_t) "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    pdm_write_bytes(w, digits + at, sizeof(digits) - at);
}

/* The longest run of groups that are 0, the first of such; one group alone is none (section 4.2).
 */
static struct run longest_run(const uint16_t group[static GROUPS])
{
    struct run longest = {.first = GROUPS, .len = 1};
    struct run current = {0};

    for (unsigned i = 0; i < GROUPS; i++) {
        if (group[i] != 0) {
            current = (struct run){.first = i + 1};
            continue;
        }
        current.len++;
        if (current.len > longest.len)
            longest = current;
    }
    return longest;
}

static bool is_mapped(const uint16_t group[static GROUPS])
{
    const struct run zeros = longest_run(group);

    return zeros.first == 0 && zeros.len == 5 && group[5] == 0xffff;
}

static void write_address(struct pdm_writer *w, const uint16_t group[static GROUPS])
{
    const struct run zeros = longest_run(group);

    for (unsigned i = 0; i < GROUPS; i++) {
        if (i >= zeros.first && i < zeros.first + zeros.len) {
            if (i == zeros.first)
                pdm_write_bytes(w, (const uint8_t *)"::", 2);
            continue;
        }
        if (i > 0 && i != zeros.first + zeros.len)
            pdm_write_u8(w, ':');
        write_number(w, group[i], 16);
    }
}

size_t pdm_ibc_identity(const uint8_t addr[static PDM_ADDR_LEN], uint64_t epoch, char *out,
                        size_t cap)
{
    struct pdm_reader r = pdm_reader(addr, PDM_ADDR_LEN);
    struct pdm_writer w = pdm_writer((uint8_t *)out, cap);
    uint16_t group[GROUPS];

    for (size_t i = 0; i < GROUPS; i++)
        group[i] = pdm_read_u16(&r);
    if (is_mapped(group))
        return 0;
    write_address(&w, group);
    pdm_write_u8(&w, '|');
    write_number(&w, epoch, 10);
    pdm_write_u8(&w, 0);
    return w.bad ? 0 : cap - w.left - 1;
}
