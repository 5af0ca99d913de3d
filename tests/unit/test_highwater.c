/* SPDX-License-Identifier: BSD-2-Clause */
/* The note of generations used: what was noted is there again, and what is damaged is not guessed.
 */
#include <errno.h>
#include <time.h>

#include "keyagent/enrolment/highwater.h"
#include "tests/unit/keys_on_disk.h"

#define FILE_NAME "generations"
#define LINE(tag, address, rest) "0000000000000000000000000000000" tag " 2001:db8::" address rest
#define GOOD LINE("1", "1", " 7 0 a\n")

TestSuite(highwater, .init = keys_begin, .fini = keys_end);

static struct highwater_mark mark_of(uint8_t tag, uint8_t address, uint32_t generation,
                                     int64_t ends)
{
    struct highwater_mark mark = {.generation = generation, .ends = ends, .name = "london"};

    mark.tag[PDM_TAG_ID_LEN - 1] = tag;
    mark.address[0] = 0x20;
    mark.address[1] = 0x01;
    mark.address[PDM_ADDR_LEN - 1] = address;
    return mark;
}

static bool note(struct highwater *h, uint8_t tag, uint8_t address, uint32_t generation)
{
    struct highwater_mark mark = mark_of(tag, address, generation, 0);

    return highwater_note(h, &mark);
}

/* -1: none. */
static int64_t found(const struct highwater *h, uint8_t tag, uint8_t address)
{
    struct highwater_mark mark = mark_of(tag, address, 0, 0);
    const struct highwater_mark *there = highwater_find(h, mark.tag, mark.address);

    return there != NULL ? (int64_t)there->generation : -1;
}

static void read_text(char *text, size_t size)
{
    FILE *file = fopen(FILE_NAME, "r");

    cr_assert_not_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

Test(highwater, what_was_noted_is_there_again)
{
    struct highwater h, again;

    cr_assert(highwater_init(&h, "."));
    cr_assert(highwater_read(&h), "no file is a good one");
    cr_assert_eq(found(&h, 1, 1), -1);
    cr_assert(note(&h, 1, 1, 0));
    cr_assert(note(&h, 1, 2, UINT32_MAX));
    cr_assert(note(&h, 2, 1, 5));
    cr_assert(note(&h, 2, 1, 6));
    cr_assert(highwater_init(&again, "."));
    cr_assert(highwater_read(&again));
    cr_assert_eq(again.marks, 3);
    cr_assert_eq(found(&again, 1, 1), 0);
    cr_assert_eq(found(&again, 1, 2), UINT32_MAX);
    cr_assert_eq(found(&again, 2, 1), 6);
    cr_assert_str_eq(again.mark[0].name, "london");
    highwater_free(&again);
    highwater_free(&h);
}

Test(highwater, agents_that_share_it_lower_nothing)
{
    struct highwater one, other;

    cr_assert(highwater_init(&one, ".") && highwater_init(&other, "."));
    cr_assert(note(&one, 1, 1, 9));
    cr_assert(note(&other, 1, 1, 3));
    cr_assert(note(&other, 2, 2, 4));
    cr_assert(highwater_read(&one));
    cr_assert_eq(found(&one, 1, 1), 9);
    cr_assert_eq(found(&one, 2, 2), 4);
    highwater_free(&one);
    highwater_free(&other);
}

static const char *const damaged[] = {
    GOOD LINE("2", "1", " 7 0 a"),
    GOOD "\n",
    GOOD GOOD,
    LINE("", "1", " 7 0 a\n"),
    LINE("11", "1", " 7 0 a\n"),
    LINE("g", "1", " 7 0 a\n"),
    LINE("1", "", "x 7 0 a\n"),
    LINE("1", "1", " 4294967296 0 a\n"),
    LINE("1", "1", " -1 0 a\n"),
    LINE("1", "1", " 7x 0 a\n"),
    LINE("1", "1", " 7 99999999999999999999 a\n"),
    LINE("1", "1", " 7 0\n"),
    LINE("1", "1", " 7 0 a b\n"),
    LINE("1", "1", " 7 0 0123456789012345678901234567890123456789012345678901234567890123\n"),
    "<<<<<<< HEAD\n" GOOD,
};

Test(highwater, damage_is_told_and_kept)
{
    static char text[4096];
    struct highwater h;

    cr_assert(highwater_init(&h, "."));
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        keys_write(FILE_NAME, damaged[i], 0600);
        cr_expect(!highwater_read(&h), "%s", damaged[i]);
        cr_expect_eq(h.marks, 0);
        cr_expect(!note(&h, 9, 9, 9), "%s", damaged[i]);
        read_text(text, sizeof text);
        cr_expect_str_eq(text, damaged[i]);
    }
    keys_write(FILE_NAME, GOOD, 0600);
    cr_assert(highwater_read(&h));
    cr_assert(strstr(keys_said(),
                     "/generations is damaged, so no generation of a primary's secrets "
                     "can be taken") != NULL);
    highwater_free(&h);
}

Test(highwater, what_cannot_be_written_is_not_noted)
{
    struct highwater h;

    cr_assert(highwater_init(&h, NULL));
    cr_assert(!note(&h, 1, 1, 1));
    cr_assert(strstr(keys_said(), "there is no state directory") != NULL);
    highwater_free(&h);
    cr_assert(highwater_init(&h, "nowhere"));
    cr_assert(!note(&h, 1, 1, 1));
    cr_assert(strstr(keys_said(), "nowhere/generations: its directory cannot be opened") != NULL);
    highwater_free(&h);
    cr_assert_eq(mkdir(FILE_NAME ".new", 0700), 0);
    cr_assert(highwater_init(&h, "."));
    cr_assert(!note(&h, 1, 1, 1));
    cr_assert(strstr(keys_said(), "./generations: cannot be written") != NULL);
    cr_assert_neq(access(FILE_NAME, F_OK), 0);
    highwater_free(&h);
}

/* As many as there may be; the secret of one ended at another time. */
static void fill(int64_t ends, int64_t one_ends)
{
    FILE *file = fopen(FILE_NAME, "w");

    cr_assert_not_null(file);
    for (unsigned i = 0; i < HIGHWATER_MAX; i++)
        fprintf(file, "%032x 2001:db8::1 1 %lld a\n", i + 0x1000,
                (long long)(i == 0x77 ? one_ends : ends));
    fclose(file);
}

Test(highwater, full)
{
    const int64_t long_ago = time(NULL) - HIGHWATER_KEPT_S - 60;
    const int64_t kept[] = {0, long_ago + 120, time(NULL) + 60};
    struct highwater h;

    cr_assert(highwater_init(&h, "."));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        fill(kept[i], 0);
        cr_assert(!note(&h, 1, 1, 1));
    }
    cr_assert(strstr(keys_said(), "/generations is full: 4096 secrets of primaries") != NULL);
    fill(long_ago, long_ago - 1);
    cr_assert(note(&h, 1, 1, 1), "%s", keys_said());
    cr_assert_eq(h.marks, HIGHWATER_MAX);
    cr_assert_eq(found(&h, 1, 1), 1);
    for (unsigned i = 0; i < h.marks; i++)
        cr_assert(h.mark[i].tag[14] != 0x10 || h.mark[i].tag[15] != 0x77, "not the oldest went");
    highwater_free(&h);
}
