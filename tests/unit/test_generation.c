/* SPDX-License-Identifier: BSD-2-Clause */
/* Generations: each is taken once, by whichever agent, and never from a file that cannot be
 * trusted. */
#include <sys/file.h>
#include <sys/wait.h>

#include "keyagent/generation.h"
#include "keyagent/keyfile.h"
#include "tests/unit/keys_on_disk.h"

TestSuite(generation, .init = keys_begin, .fini = keys_end);

static uint8_t id[KEYFILE_ID_LEN];

static void make(const char *path, const char *generation)
{
    uint8_t psk[PDM_PSK_LEN];

    keys_make(path, 0x5a, generation);
    memset(psk, 0x5a, sizeof psk);
    keyfile_id(psk, id);
}

static void expect_file(const char *wanted)
{
    char text[64] = {0};
    struct stat st;
    FILE *file = fopen("k.gen", "r");

    cr_assert_not_null(file);
    cr_assert(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    cr_expect_str_eq(text, wanted);
    cr_assert_eq(stat("k.gen", &st), 0);
    cr_expect_eq(st.st_mode & 07777U, 0600);
}

Test(generation, counts)
{
    uint32_t taken;

    make("k", "0\n");
    cr_assert(generation_check("k"));
    expect_file("0\n");
    for (uint32_t i = 0; i < 12; i++) {
        cr_assert(generation_take("k", id, &taken), "%s", keys_said());
        cr_assert_eq(taken, i);
    }
    expect_file("12\n");
    cr_expect_eq(access("k.gen.new", F_OK), -1);
}

Test(generation, ends_at_32_bits)
{
    uint32_t taken;

    make("k", "4294967295\n");
    cr_assert(generation_take("k", id, &taken));
    cr_assert_eq(taken, UINT32_MAX);
    expect_file("4294967296\n");
    cr_assert(!generation_take("k", id, &taken));
    cr_expect(strstr(keys_said(), "its generations are used up; make a new key") != NULL);
    expect_file("4294967296\n");
}

Test(generation, missing)
{
    uint32_t taken;

    make("k", "3\n");
    cr_assert_eq(unlink("k.gen"), 0);
    cr_expect(!generation_check("k"));
    cr_expect(strstr(keys_said(), "has no k.gen beside it: its generations are not known; make a "
                                  "new key with: pdmctl keygen FILE\n") != NULL);
    cr_expect(!generation_take("k", id, &taken));
    cr_expect_eq(access("k.gen", F_OK), -1, "it must not be made anew");
}

Test(generation, damaged)
{
    static const char *const texts[] = {
        "",      "\n",    "1",      "-1\n",          "+1\n",          " 1\n", "1 \n",
        "0x1\n", "1\n\n", "1\n2\n", "12345678901\n", "99999999999\n", "a\n"};
    uint32_t taken;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        make("k", texts[i]);
        cr_expect(!generation_check("k"), "accepted: %s", texts[i]);
        cr_expect(!generation_take("k", id, &taken), "taken: %s", texts[i]);
    }
}

Test(generation, written_by_others)
{
    uint32_t taken;

    make("k", "1\n");
    cr_assert_eq(chmod("k.gen", 0620), 0);
    cr_expect(!generation_take("k", id, &taken));
    cr_assert_eq(chmod("k.gen", 0602), 0);
    cr_expect(!generation_take("k", id, &taken));
    cr_assert_eq(rename("k.gen", "elsewhere"), 0);
    cr_assert_eq(symlink("elsewhere", "k.gen"), 0);
    cr_expect(!generation_take("k", id, &taken));
}

Test(generation, what_a_crash_left_is_no_hindrance)
{
    uint32_t taken;

    make("k", "7\n");
    keys_write("k.gen.new", "garbage", 0600);
    cr_assert(generation_take("k", id, &taken), "%s", keys_said());
    cr_expect_eq(taken, 7);
    expect_file("8\n");
}

Test(generation, another_key_under_the_name)
{
    uint32_t taken;

    make("k", "0\n");
    keys_make("k", 0x5b, "0\n");
    cr_expect(!generation_take("k", id, &taken));
    cr_expect(strstr(keys_said(), "is another than when it was read; reload") != NULL);
    expect_file("0\n");
}

Test(generation, through_a_link_it_is_the_same)
{
    uint32_t taken;

    make("k", "4\n");
    cr_assert_eq(mkdir("d", 0700), 0);
    cr_assert_eq(symlink("../k", "d/other"), 0);
    cr_assert(generation_take("d/other", id, &taken), "%s", keys_said());
    cr_expect_eq(taken, 4);
    expect_file("5\n");
}

Test(generation, a_directory_that_cannot_be_written)
{
    uint32_t taken;

    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    make("k", "4\n");
    cr_assert_eq(chown("k", 1, 0), 0);
    cr_assert_eq(chown("k.gen", 1, 0), 0);
    cr_assert_eq(chmod(".", 0755), 0);
    cr_assert_eq(seteuid(1), 0);
    bool got = generation_take("k", id, &taken);
    cr_assert_eq(seteuid(0), 0);
    cr_expect(!got, "taken, but not written");
    cr_expect(strstr(keys_said(), "cannot be written: Permission denied") != NULL);
    expect_file("4\n");
}

Test(generation, waits_for_the_lock_but_not_forever)
{
    uint32_t taken;

    make("k", "4\n");
    int fd = open("k", O_RDONLY);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_expect(!generation_take("k", id, &taken));
    cr_expect(strstr(keys_said(), "cannot lock the key") != NULL);
    close(fd);
    cr_expect(generation_take("k", id, &taken));
}

/* Several agents share a key: no number twice, none left out. */
Test(generation, taken_by_processes_at_once)
{
    enum { PROCESSES = 4, EACH = 50 };
    static bool seen[PROCESSES * EACH];
    int results[2];
    uint32_t taken;

    make("k", "0\n");
    cr_assert_eq(pipe(results), 0);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        for (int n = 0; n < EACH; n++)
            if (!generation_take("k", id, &taken) ||
                write(results[1], &taken, sizeof taken) != sizeof taken)
                _exit(1);
        _exit(0);
    }
    close(results[1]);
    while (read(results[0], &taken, sizeof taken) == sizeof taken) {
        cr_assert(taken < PROCESSES * EACH);
        cr_assert(!seen[taken], "%u was taken twice", taken);
        seen[taken] = true;
    }
    for (int status; wait(&status) > 0;)
        cr_expect_eq(status, 0);
    expect_file("200\n");
}
