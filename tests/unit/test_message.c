/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages between agent and shim: every body there and back, cut short, with more behind. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/message.h"

/* Each body's fields set to octets that all differ, and compared one by one. */
static uint8_t next_octet;

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

static const uint8_t zeros[PDM_MESSAGE_SMALL];

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
    }                                                                                              \
    static size_t write_##what(const struct pdm_##what *b, uint8_t *bytes, size_t cap)             \
    {                                                                                              \
        struct pdm_message m;                                                                      \
                                                                                                   \
        pdm_message_begin(&m, bytes, cap, PDM_OPEN);                                               \
        pdm_put_##what(&m.body, b);                                                                \
        return pdm_message_end(&m);                                                                \
    }                                                                                              \
    static bool read_##what(const uint8_t *bytes, size_t len, struct pdm_##what *b)                \
    {                                                                                              \
        struct pdm_reader r;                                                                       \
        uint8_t type;                                                                              \
                                                                                                   \
        if (!pdm_message_open(bytes, len, &type, &r) || type != PDM_OPEN)                          \
            return false;                                                                          \
        pdm_get_##what(&r, b);                                                                     \
        return pdm_message_done(&r);                                                               \
    }
PDM_BODIES(DEFINE_HELPERS)

/* The length octets of the header say that LEN octets follow. */
static void set_length(uint8_t *bytes, size_t len)
{
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
}

#define DEFINE_ROUND_TRIP(what, table)                                                             \
    Test(message, round_trip_##what)                                                               \
    {                                                                                              \
        uint8_t bytes[PDM_MESSAGE_SMALL] = {0}, again[PDM_MESSAGE_SMALL] = {0};                    \
        struct pdm_##what sent = {0}, got = {0};                                                   \
                                                                                                   \
        fill_##what(&sent);                                                                        \
        size_t len = write_##what(&sent, bytes, sizeof bytes);                                     \
        cr_assert_eq(len, (size_t)PDM_MESSAGE_HEADER + length_##what);                             \
        cr_assert(read_##what(bytes, len, &got));                                                  \
        cr_assert(same_##what(&sent, &got));                                                       \
        cr_assert_eq(write_##what(&got, again, sizeof again), len);                                \
        cr_assert_arr_eq(bytes, again, len);                                                       \
    }
PDM_BODIES(DEFINE_ROUND_TRIP)

/* Whether the header tells of the cut or not, no such message is taken; nothing is left unset. */
#define DEFINE_TRUNCATED(what, table)                                                              \
    Test(message, truncated_##what)                                                                \
    {                                                                                              \
        uint8_t bytes[PDM_MESSAGE_SMALL];                                                          \
        struct pdm_##what sent = {0}, got;                                                         \
        struct pdm_reader nothing = pdm_reader(bytes, 0);                                          \
                                                                                                   \
        fill_##what(&sent);                                                                        \
        size_t len = write_##what(&sent, bytes, sizeof bytes);                                     \
        for (size_t cut = 0; cut < len; cut++)                                                     \
            cr_assert_not(read_##what(bytes, cut, &got), "cut at %zu", cut);                       \
        for (size_t cut = PDM_MESSAGE_HEADER; cut < len; cut++) {                                  \
            set_length(bytes, cut - PDM_MESSAGE_HEADER);                                           \
            cr_assert_not(read_##what(bytes, cut, &got), "said and cut at %zu", cut);              \
        }                                                                                          \
        memset(&got, 0xA5, sizeof got);                                                            \
        pdm_get_##what(&nothing, &got);                                                            \
        cr_assert(zero_##what(&got));                                                              \
    }
PDM_BODIES(DEFINE_TRUNCATED)

#define DEFINE_TRAILING(what, table)                                                               \
    Test(message, trailing_##what)                                                                 \
    {                                                                                              \
        uint8_t bytes[PDM_MESSAGE_SMALL + 1] = {0};                                                \
        struct pdm_##what sent = {0}, got;                                                         \
                                                                                                   \
        fill_##what(&sent);                                                                        \
        size_t len = write_##what(&sent, bytes, PDM_MESSAGE_SMALL);                                \
        cr_assert_not(read_##what(bytes, len + 1, &got));                                          \
        set_length(bytes, len + 1 - PDM_MESSAGE_HEADER);                                           \
        cr_assert_not(read_##what(bytes, len + 1, &got));                                          \
    }
PDM_BODIES(DEFINE_TRAILING)

/* What does not fit is not sent, and not one octet is written beyond. */
#define DEFINE_TOO_SMALL(what, table)                                                              \
    Test(message, too_small_##what)                                                                \
    {                                                                                              \
        struct pdm_##what sent = {0};                                                              \
                                                                                                   \
        fill_##what(&sent);                                                                        \
        for (size_t cap = PDM_MESSAGE_HEADER; cap < PDM_MESSAGE_HEADER + length_##what; cap++) {   \
            uint8_t bytes[PDM_MESSAGE_SMALL];                                                      \
                                                                                                   \
            memset(bytes, 0xA5, sizeof bytes);                                                     \
            cr_assert_eq(write_##what(&sent, bytes, cap), 0, "fits into %zu", cap);                \
            for (size_t i = cap; i < sizeof bytes; i++)                                            \
                cr_assert_eq(bytes[i], 0xA5, "cap %zu, octet %zu", cap, i);                        \
        }                                                                                          \
    }
PDM_BODIES(DEFINE_TOO_SMALL)

/* The layout itself: another build must read it. */
Test(message, layout)
{
    /* clang-format off */
    static const uint8_t expected[] = {
        1, 5, 0, 94,
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
        26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
        1,
        0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
        0x30, 0x31, 0x32, 0x33,
        15, 34,
    };
    /* clang-format on */
    struct pdm_search_request request = {.instance = 0x1011121314151617,
                                         .has_highest = 1,
                                         .highest = 0x2021222324252627,
                                         .highest_serial = 0x30313233,
                                         .option = {15, 34}};
    uint8_t bytes[PDM_MESSAGE_SMALL] = {0};
    struct pdm_message m;

    next_octet = 0;
    fill(request.tuple, sizeof request.tuple);
    pdm_message_begin(&m, bytes, sizeof bytes, PDM_SEARCH);
    pdm_put_search_request(&m.body, &request);
    cr_assert_eq(pdm_message_end(&m), 98);
    cr_assert_arr_eq(bytes, expected, sizeof expected);
}

struct header_row {
    uint8_t bytes[6];
    size_t len;
    bool taken;
    uint8_t type;
};

static const struct header_row header_rows[] = {
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 0, 0}, 4, true, PDM_STATUS},
    {{PDM_MESSAGE_VERSION, PDM_STATUS | PDM_REPLY, 0, 0}, 4, true, PDM_STATUS | PDM_REPLY},
    {{PDM_MESSAGE_VERSION, 0xFF, 0, 0}, 4, true, 0xFF}, /* the type is the caller's to judge */
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 0, 2, 7, 7}, 6, true, PDM_STATUS},
    {{0, PDM_STATUS, 0, 0}, 4, false, 0},
    {{PDM_MESSAGE_VERSION + 1, PDM_STATUS, 0, 0}, 4, false, 0},
    {{0xFF, PDM_STATUS, 0, 0}, 4, false, 0},
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 0, 1}, 4, false, 0},
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 0, 0}, 5, false, 0},
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 1, 0}, 4, false, 0},
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 0xFF, 0xFF}, 6, false, 0},
    {{PDM_MESSAGE_VERSION, PDM_STATUS, 2, 0, 7, 7}, 6, false, 0}, /* in the wrong byte order */
};

Test(message, headers)
{
    for (size_t i = 0; i < sizeof header_rows / sizeof header_rows[0]; i++) {
        const struct header_row *row = &header_rows[i];
        struct pdm_reader body;
        uint8_t type;

        cr_assert_eq(pdm_message_open(row->bytes, row->len, &type, &body), row->taken, "row %zu",
                     i);
        if (!row->taken)
            continue;
        cr_assert_eq(type, row->type, "row %zu", i);
        cr_assert_eq(body.left, row->len - PDM_MESSAGE_HEADER, "row %zu", i);
    }
}

/* The length has 16 bits: a body beyond them is refused, not sent with what is left of its length.
 */
Test(message, longest)
{
    static uint8_t bytes[PDM_MESSAGE_HEADER + UINT16_MAX + 1];
    static const uint8_t body[UINT16_MAX + 1];
    struct pdm_message m;

    pdm_message_begin(&m, bytes, sizeof bytes, PDM_FLOWS);
    pdm_write_bytes(&m.body, body, UINT16_MAX);
    cr_assert_eq(pdm_message_end(&m), (size_t)PDM_MESSAGE_HEADER + UINT16_MAX);
    cr_assert(bytes[2] == 0xFF && bytes[3] == 0xFF);
    pdm_write_u8(&m.body, 0);
    cr_assert_eq(pdm_message_end(&m), 0);
}

/* A page of the largest records fits into the largest message, any other body into a small one. */
Test(message, limits)
{
    cr_assert_leq((size_t)PDM_MESSAGE_HEADER + length_page_reply +
                      (size_t)PDM_FLOWS_PAGE * length_flow_record,
                  (size_t)PDM_MESSAGE_MAX);
#define FITS(what, table)                                                                          \
    cr_assert_leq((size_t)PDM_MESSAGE_HEADER + length_##what, (size_t)PDM_MESSAGE_SMALL);
    PDM_BODIES(FITS)
}
