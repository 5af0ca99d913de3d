/* SPDX-License-Identifier: BSD-2-Clause */
/* Key files: which are read, which are refused, and what is said about them. */
#include "keyagent/keyfile.h"
#include "tests/unit/keys_on_disk.h"

TestSuite(keyfile, .init = keys_begin, .fini = keys_end);

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static bool read_key(const char *path, uint8_t psk[static PDM_PSK_LEN])
{
    int fd = keyfile_open(path);
    bool good = fd >= 0 && keyfile_read(fd, path, psk);

    if (fd >= 0)
        close(fd);
    return good;
}

Test(keyfile, read_with_and_without_newline)
{
    static const char *const texts[] = {DIGITS, DIGITS "\n"};

    for (size_t i = 0; i < 2; i++) {
        uint8_t psk[PDM_PSK_LEN] = {0};

        keys_write("k", texts[i], 0600);
        cr_assert(read_key("k", psk), "%s", keys_said());
        for (uint8_t n = 0; n < PDM_PSK_LEN; n++)
            cr_assert_eq(psk[n], n);
        cr_assert_str_eq(keys_said(), "");
    }
    keys_write("k", DIGITS, 0400);
    uint8_t psk[PDM_PSK_LEN];
    cr_assert(read_key("k", psk));
}

Test(keyfile, malformed)
{
    static const char *const texts[] = {
        "",
        "\n",
        "00",
        DIGITS "\n\n",
        DIGITS "0",
        DIGITS "00",
        DIGITS "\r\n",
        (" " DIGITS),
        "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00 102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
        "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t psk[PDM_PSK_LEN];

        keys_write("k", texts[i], 0600);
        cr_expect(!read_key("k", psk), "accepted: %s", texts[i]);
        if (i == 0)
            cr_expect_str_eq(keys_said(), "pdmkeyagent: key k: not 64 hexadecimal digits; make one "
                                          "with: pdmctl keygen FILE\n");
    }
}

Test(keyfile, open_to_others)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char wanted[128];

        keys_write("k", DIGITS, modes[i]);
        cr_expect_eq(keyfile_open("k"), -1, "mode %o was accepted", (unsigned)modes[i]);
        snprintf(wanted, sizeof wanted,
                 "pdmkeyagent: key k: open to others (mode %04o); chmod 600 k\n",
                 (unsigned)modes[i]);
        cr_expect_str_eq(keys_said(), wanted);
    }
}

Test(keyfile, not_a_file_of_ours)
{
    cr_expect_eq(keyfile_open("none"), -1);
    cr_expect_str_eq(keys_said(), "pdmkeyagent: key none: No such file or directory\n");

    cr_assert_eq(mkdir("d", 0700), 0);
    cr_expect_eq(keyfile_open("d"), -1);
    cr_expect_str_eq(keys_said(), "pdmkeyagent: key d: not a regular file\n");

    cr_assert_eq(mkfifo("f", 0600), 0);
    cr_expect_eq(keyfile_open("f"), -1, "and it must not wait for a writer");
    cr_expect_str_eq(keys_said(), "pdmkeyagent: key f: not a regular file\n");

    keys_write("k", DIGITS, 0600);
    cr_assert_eq(link("k", "k2"), 0);
    cr_expect_eq(keyfile_open("k"), -1);
    cr_expect_str_eq(keys_said(),
                     "pdmkeyagent: key k: has more than one name (hard link); keep one\n");
}

Test(keyfile, of_another_user)
{
    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    keys_write("k", DIGITS, 0600);
    cr_assert_eq(chown("k", 1, 0), 0);
    cr_expect_eq(keyfile_open("k"), -1);
    cr_expect_str_eq(keys_said(), "pdmkeyagent: key k: owned by another user\n");
}

Test(keyfile, of_root_when_run_by_a_user)
{
    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    keys_write("k", DIGITS, 0600);
    cr_assert_eq(seteuid(1), 0);
    struct stat st;
    cr_assert_eq(stat("/etc/passwd", &st), 0);
    /* Root's own file may not be readable, but is not refused for its owner. */
    cr_expect_eq(keyfile_open("/etc/passwd"), -1);
    cr_expect(strstr(keys_said(), "open to others (mode 0644)") != NULL);
    cr_assert_eq(seteuid(0), 0);
}

Test(keyfile, ids_tell_keys_apart)
{
    uint8_t psk[PDM_PSK_LEN] = {1};
    uint8_t a[KEYFILE_ID_LEN], b[KEYFILE_ID_LEN];

    keyfile_id(psk, a);
    keyfile_id(psk, b);
    cr_expect_arr_eq(a, b, sizeof a);
    psk[PDM_PSK_LEN - 1] ^= 1;
    keyfile_id(psk, b);
    cr_expect_arr_neq(a, b, sizeof a);
}
