/* SPDX-License-Identifier: BSD-2-Clause */
/* Registration's messages: headers, every body there and back and cut short, and the secret's tag.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/registration.h"

#define BODY_MAX 1024

static uint8_t next_octet;
static const uint8_t zeros[BODY_MAX];

/* Each body's fields set to octets that all differ, and compared one by one. */
static void fill(void *field, size_t len)
{
    uint8_t *octets = field;

    for (size_t i = 0; i < len; i++)
        octets[i] = ++next_octet;
}

#define LENGTH_NUMBER(type, name) +sizeof(type)
#define LENGTH_OCTETS(name, length) +(length)
#define FILL_NUMBER(type, name) fill(&b->name, sizeof(type));
#define FILL_OCTETS(name, length) fill(b->name, length);
#define SAME_NUMBER(type, name) &&a->name == b->name
#define SAME_OCTETS(name, length) &&memcmp(a->name, b->name, length) == 0
#define ZERO_NUMBER(type, name) &&b->name == 0
#define ZERO_OCTETS(name, length) &&memcmp(b->name, zeros, length) == 0

#define DEFINE_HELPERS(what, table)                                                                \
    enum { length_##what = 0 table(LENGTH_NUMBER, LENGTH_OCTETS) };                                \
    static void fill_##what(struct pdm_##what *b)                                                  \
    {                                                                                              \
        table(FILL_NUMBER, FILL_OCTETS)                                                            \
    }                                                                                              \
    static bool same_##what(const struct pdm_##what *a, const struct pdm_##what *b)                \
    {                                                                                              \
        return true table(SAME_NUMBER, SAME_OCTETS);                                               \
    }                                                                                              \
    static bool zero_##what(const struct pdm_##what *b)                                            \
    {                                                                                              \
        return true table(ZERO_NUMBER, ZERO_OCTETS);                                               \
    }
PDM_REGISTRATION_BODIES(DEFINE_HELPERS)

/* Whole; with less room than it needs, where not one octet is written beyond; and cut. */
#define DEFINE_BODY_TEST(what, table)                                                              \
    Test(registration, what)                                                                       \
    {                                                                                              \
        uint8_t bytes[BODY_MAX], again[BODY_MAX];                                                  \
        struct pdm_##what sent = {0}, got = {0};                                                   \
        struct pdm_writer w = pdm_writer(bytes, sizeof bytes);                                     \
                                                                                                   \
        fill_##what(&sent);                                                                        \
        pdm_put_##what(&w, &sent);                                                                 \
        cr_assert(!w.bad && w.left == sizeof bytes - length_##what);                               \
        struct pdm_reader r = pdm_reader(bytes, length_##what);                                    \
        pdm_get_##what(&r, &got);                                                                  \
        cr_assert(!r.bad && r.left == 0 && same_##what(&sent, &got));                              \
        for (size_t cut = 0; cut < length_##what; cut++) {                                         \
            memset(again, 0xA5, sizeof again);                                                     \
            w = pdm_writer(again, cut);                                                            \
            pdm_put_##what(&w, &sent);                                                             \
            cr_assert(w.bad, "fits into %zu", cut);                                                \
            for (size_t i = cut; i < sizeof again; i++)                                            \
                cr_assert_eq(again[i], 0xA5, "room for %zu, octet %zu", cut, i);                   \
            r = pdm_reader(bytes, cut);                                                            \
            pdm_get_##what(&r, &got);                                                              \
            cr_assert(r.bad, "read from %zu", cut);                                                \
        }                                                                                          \
        memset(&got, 0xA5, sizeof got);                                                            \
        r = pdm_reader(bytes, 0);                                                                  \
        pdm_get_##what(&r, &got);                                                                  \
        cr_assert(zero_##what(&got), "nothing is left unset");                                     \
    }
PDM_REGISTRATION_BODIES(DEFINE_BODY_TEST)

/* The layout itself: another build must read it. */
Test(registration, layout)
{
    static const uint8_t expected[] = {1,    6,    1,    0,    0,    0,    0,    37,    /* header */
                                       4,                                               /* status */
                                       0x10, 0x11, 0x12, 0x13,                          /* pair */
                                       0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,  /* epoch */
                                       1,    2,    3,    4,    5,    6,    7,    8,     /* own */
                                       9,    10,   11,   12,   13,   14,   15,   16,    /* own */
                                       0x30, 0x31, 0x32, 0x33, 0x40, 0x41, 0x42, 0x43}; /* block */
    const struct pdm_registration_header header = {
        .command = PDM_COMMAND_BLOCK, .direction = PDM_RESPONSE, .length = 37};
    struct pdm_block_response response = {.status = PDM_REGISTRATION_WHOLE,
                                          .pair = 0x10111213,
                                          .epoch = 0x2021222324252627,
                                          .first = 0x30313233,
                                          .count = 0x40414243};
    uint8_t bytes[sizeof expected];
    struct pdm_writer w =
        pdm_writer(bytes + PDM_REGISTRATION_HEADER, sizeof bytes - PDM_REGISTRATION_HEADER);

    fill(response.own, sizeof response.own);
    pdm_registration_header_put(bytes, &header);
    pdm_put_block_response(&w, &response);
    cr_assert(!w.bad && w.left == 0);
    cr_assert_arr_eq(bytes, expected, sizeof expected);
}

/* The longest body of each command is taken, and none that is longer. */
Test(registration, lengths)
{
    static const uint32_t longest[] = {[PDM_COMMAND_SETUP] = 64 * 1024 * 1024,
                                       [PDM_COMMAND_KEM] = 4096,
                                       [PDM_COMMAND_SECRET] = 1024 * 1024,
                                       [PDM_COMMAND_LIST] = 1024 * 1024,
                                       [PDM_COMMAND_POLL] = 4096,
                                       [PDM_COMMAND_BLOCK] = 4096,
                                       [PDM_COMMAND_NEGOTIATE] = 0};

    cr_assert_eq(sizeof longest / sizeof longest[0], PDM_COMMANDS);
    for (unsigned command = 1; command < PDM_COMMANDS; command++) {
        const uint32_t lengths[] = {
            0, longest[command] / 2, longest[command], longest[command] + 1, INT32_MAX, UINT32_MAX};

        for (size_t i = 0; i < 6; i++) {
            struct pdm_registration_header sent = {(uint8_t)command, i % 2, lengths[i]}, got;
            uint8_t bytes[PDM_REGISTRATION_HEADER];

            pdm_registration_header_put(bytes, &sent);
            cr_assert_eq(pdm_registration_header_get(bytes, &got), i < 3, "%u: %u", command,
                         lengths[i]);
            cr_assert(got.command == command && got.direction == i % 2 && got.length == lengths[i]);
        }
    }
}

struct header_row {
    uint8_t bytes[PDM_REGISTRATION_HEADER];
    bool taken;
};

static const struct header_row headers[] = {
    {{1, 1, 0, 0, 0, 0, 0, 0}, true},   {{1, 7, 1, 0, 0, 0, 0, 0}, true},
    {{0, 1, 0, 0, 0, 0, 0, 0}, false},  {{2, 1, 0, 0, 0, 0, 0, 0}, false},
    {{255, 1, 0, 0, 0, 0, 0}, false},   {{1, 0, 0, 0, 0, 0, 0, 0}, false},
    {{1, 8, 0, 0, 0, 0, 0, 0}, false},  {{1, 255, 0, 0, 0, 0, 0}, false},
    {{1, 1, 2, 0, 0, 0, 0, 0}, false},  {{1, 1, 255, 0, 0, 0, 0}, false},
    {{1, 1, 0, 1, 0, 0, 0, 0}, false},  {{1, 1, 0, 255, 0, 0, 0}, false},
    {{1, 2, 0, 0, 0, 16, 0, 0}, false}, /* in the wrong byte order */
    {{1, 2, 0, 0, 0, 0, 16, 0}, true},
};

Test(registration, headers)
{
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct pdm_registration_header got;

        cr_expect_eq(pdm_registration_header_get(headers[i].bytes, &got), headers[i].taken,
                     "row %zu", i);
    }
}

/* Every counted part of the largest message of its kind fits into its limit. */
Test(registration, limits)
{
    cr_assert_leq((size_t)PDM_REGISTRATION_ENTRIES_MAX * length_list_entry + length_setup_response +
                      PDM_REGISTRATION_SMALL,
                  (size_t)PDM_REGISTRATION_LIST_MAX);
    cr_assert_lt(LINK_BACKLOG_MAX, INT32_MAX);
    cr_assert_geq(LINK_BACKLOG_MAX, PDM_REGISTRATION_LIST_MAX + PDM_REGISTRATION_HEADER);
}

Test(registration, names)
{
    static const char *const modes[] = {"none", "trusted-servers", "asymmetric-poll", "ibc"};
    static const char *const sides[] = {"client", "server"};
    static const char *const unprotected[] = {"none", "plain", "rfc8250"};

    for (uint8_t i = 0; i < PDM_SECMOPS; i++)
        cr_assert_str_eq(pdm_secmop_name(i), modes[i]);
    for (uint8_t i = 0; i < PDM_SIDES; i++)
        cr_assert_str_eq(pdm_side_name(i), sides[i]);
    for (uint8_t i = 0; i < PDM_UNPROTECTEDS; i++)
        cr_assert_str_eq(pdm_unprotected_name(i), unprotected[i]);
    cr_assert_null(pdm_secmop_name(PDM_SECMOPS));
    cr_assert_null(pdm_side_name(PDM_SIDES));
    cr_assert_null(pdm_unprotected_name(PDM_UNPROTECTEDS));
    cr_assert_null(pdm_secmop_name(255));
}

struct tag_row {
    struct pdm_suite suite;
    uint64_t epoch;
    uint8_t tag[PDM_TAG_ID_LEN];
};

/* Of the octets 0 to Nh - 1, made with the hmac of another language. */
static const struct tag_row tags[] = {
    {{0x0020, 0x0001, 0x0002},
     0x0,
     {0x0f, 0xfb, 0x62, 0x6a, 0x07, 0x54, 0x70, 0x0c, 0x11, 0x70, 0xa3, 0xb8, 0x60, 0x29, 0x4c,
      0xec}},
    {{0x0020, 0x0001, 0x0002},
     0x102030405060708,
     {0xbd, 0xb3, 0x83, 0x06, 0x92, 0xdf, 0xe3, 0x25, 0xbc, 0x67, 0x24, 0xa5, 0x4b, 0xb1, 0xf4,
      0x82}},
    {{0x0010, 0x0003, 0x0003},
     0x1,
     {0x29, 0xff, 0xb5, 0x20, 0x74, 0x2e, 0x81, 0xa9, 0x1d, 0xf5, 0xe6, 0xf2, 0xb7, 0xa2, 0xec,
      0x0f}},
};

Test(registration, tag)
{
    uint8_t pms[PDM_NH_MAX], tag[PDM_TAG_ID_LEN];

    for (uint8_t i = 0; i < sizeof pms; i++)
        pms[i] = i;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        cr_assert(pdm_pms_tag(&tags[i].suite, pms, tags[i].epoch, tag));
        cr_expect_arr_eq(tag, tags[i].tag, sizeof tag, "row %zu", i);
    }
    cr_assert_not(pdm_pms_tag(&(struct pdm_suite){.kdf = 2}, pms, 1, tag));
}
