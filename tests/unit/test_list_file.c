/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of secondaries: what is read, and in which words they are refused. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/list_file.h"
#include "core/limits.h"

#define SAID_MAX 1024

struct found {
    char text[SAID_MAX]; /* the first few */
    size_t count;
    size_t wanted; /* after so many it is enough; 0: never */
};

static bool take(void *arg, const struct pdm_prefix *prefix)
{
    struct found *f = arg;
    char address[INET6_ADDRSTRLEN];
    size_t used = strlen(f->text);

    inet_ntop(AF_INET6, prefix->addr, address, sizeof address);
    snprintf(f->text + used, sizeof f->text - used, "%s/%u ", address, prefix->len);
    f->count++;
    return f->count != f->wanted;
}

static void take_down(void *arg, const char *line)
{
    snprintf(arg, SAID_MAX, "%s", line);
}

static char directory[] = "/tmp/test_list_file.XXXXXX";

static void begin(void)
{
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

static void end(void)
{
    unlink("l");
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(list_file, .init = begin, .fini = end);

static void make(const char *text, size_t len)
{
    FILE *file = fopen("l", "w");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static bool read_it(struct found *f, char said[static SAID_MAX])
{
    said[0] = '\0';
    f->text[0] = '\0';
    f->count = 0;
    return list_file_read("l", take, f, take_down, said);
}

Test(list_file, what_is_read)
{
    static const struct {
        const char *text;
        const char *prefixes;
    } rows[] = {
        {"", ""},
        {"\n\n", ""},
        {"# nothing\n#\n", ""},
        {"2001:db8::/32\n", "2001:db8::/32 "},
        {"2001:db8::/32", "2001:db8::/32 "},
        {"\t 2001:db8::1 \t# one\r\n\r\n::2#x\r\n", "2001:db8::1/128 ::2/128 "},
        {"::1\n::1\n::/0\n", "::1/128 ::1/128 ::/0 "},
    };
    struct found f = {0};
    char said[SAID_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make(rows[i].text, strlen(rows[i].text));
        cr_assert(read_it(&f, said), "%s: %s", rows[i].text, said);
        cr_expect_str_eq(f.text, rows[i].prefixes);
    }
}

Test(list_file, each_error_in_its_words)
{
    static const struct {
        const char *text;
        const char *said;
    } rows[] = {
        {"::1\n\nx\n", "l:3: x: must be an IPv6 prefix such as 2001:db8::/32, or an address"},
        {"::1 ::2\n", "l:1: ::1 ::2: must be an IPv6 prefix such as 2001:db8::/32, or an address"},
        {"2001:db8::1/32\n",
         "l:1: 2001:db8::1/32: has bits set beyond its length; did you mean 2001:db8::/32?"},
        {"ff02::1\n",
         "l:1: ff02::1: multicast, IPv4-mapped and unspecified addresses take no part"},
    };
    struct found f = {0};
    char said[SAID_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make(rows[i].text, strlen(rows[i].text));
        cr_assert(!read_it(&f, said), "%s", rows[i].text);
        cr_expect_str_eq(said, rows[i].said);
    }
    make("::1\n::2\0\n", 9);
    cr_assert(!read_it(&f, said));
    cr_expect_str_eq(said, "l:2: a control character; the file is to be plain text");
    unlink("l");
    cr_assert(!read_it(&f, said));
    cr_expect_str_eq(said, "l: cannot be read: No such file or directory");
}

/* Lines of every length around what is read at once, so that they are cut everywhere. */
Test(list_file, long_lines)
{
    size_t size = (size_t)3 * CONFIG_LIST_CHUNK;
    char *text = malloc(size + 8);
    struct found f = {0};
    char said[SAID_MAX];
    size_t used = 0, lines = 0;

    cr_assert_not_null(text);
    while (used < size - CONFIG_LIST_LINE_MAX - 2) {
        size_t blanks = lines++ % (CONFIG_LIST_LINE_MAX - 3 + 1);

        memset(text + used, ' ', blanks);
        memcpy(text + used + blanks, "::7\n", 4);
        used += blanks + 4;
    }
    make(text, used);
    cr_assert(read_it(&f, said), "%s", said);
    cr_assert_eq(f.count, lines);

    memset(text, ' ', CONFIG_LIST_LINE_MAX + 1);
    make(text, CONFIG_LIST_LINE_MAX + 1);
    cr_assert(!read_it(&f, said));
    cr_assert_str_eq(said, "l:1: a line of more than 256 octets");
    memset(text, 'x', size);
    make(text, size);
    cr_assert(!read_it(&f, said));
    cr_assert_str_eq(said, "l:1: a line of more than 256 octets");
    free(text);
}

Test(list_file, enough)
{
    struct found f = {.wanted = 2};
    char said[SAID_MAX];

    make("::1\n::2\n::3\n", 12);
    cr_assert(!read_it(&f, said));
    cr_assert_eq(f.count, 2);
    cr_assert_str_eq(said, "", "to be told to end is no fault of the file");
}

static bool count(void *arg, const struct pdm_prefix *prefix)
{
    size_t *entries = arg;

    ++*entries;
    return prefix->len <= 128;
}

Test(list_file, as_many_as_a_list_may_have, .timeout = 60)
{
    FILE *file = fopen("l", "w");
    char said[SAID_MAX] = "";
    size_t entries = 0;

    cr_assert_not_null(file);
    for (unsigned i = 0; i < PDM_REGISTRATION_ENTRIES_MAX; i++)
        fprintf(file, "2001:db8:%x:%x::/64\n", i >> 16, i & 0xFFFF);
    fflush(file);
    cr_assert(list_file_read("l", count, &entries, take_down, said), "%s", said);
    cr_assert_eq(entries, PDM_REGISTRATION_ENTRIES_MAX);
    fprintf(file, "::1\n");
    fclose(file);
    cr_assert(!list_file_read("l", count, &entries, take_down, said));
    cr_assert_str_eq(said, "l:2097153: more than 2097152 entries; use shorter prefixes");
}
