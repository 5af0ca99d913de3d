/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As much of Criterion as the tests with threads need, for the thread sanitizer, beside which
 * Criterion itself cannot start: the addresses that it shares among its processes are the
 * sanitizer's. Here a test is a function of the one process; the first failure ends it.
 */
#ifndef PDM_TESTS_THREADS_CRITERION_H
#define PDM_TESTS_THREADS_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_TESTS_MAX 64

static struct {
    const char *name;
    void (*run)(void);
} plain_tests[PLAIN_TESTS_MAX];
static int plain_count;

static inline void plain_add(const char *name, void (*run)(void))
{
    if (plain_count == PLAIN_TESTS_MAX)
        abort();
    plain_tests[plain_count].name = name;
    plain_tests[plain_count++].run = run;
}

static inline void plain_assert(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

#define Test(suite, name, ...)                                                                     \
    static void suite##_##name(void);                                                              \
    __attribute__((constructor)) static void add_##suite##_##name(void)                            \
    {                                                                                              \
        plain_add(#suite "::" #name, suite##_##name);                                              \
    }                                                                                              \
    static void suite##_##name(void)

#define PLAIN_ASSERT(holds) plain_assert(holds, #holds, __FILE__, __LINE__)
#define cr_assert(holds, ...) PLAIN_ASSERT(holds)
#define cr_assert_not(holds, ...) PLAIN_ASSERT(!(holds))
#define cr_assert_eq(a, b, ...) PLAIN_ASSERT((a) == (b))
#define cr_assert_null(p, ...) PLAIN_ASSERT((p) == NULL)
#define cr_assert_arr_eq(a, b, len, ...) PLAIN_ASSERT(memcmp(a, b, len) == 0)

int main(void)
{
    for (int i = 0; i < plain_count; i++) {
        fprintf(stderr, "%s\n", plain_tests[i].name);
        plain_tests[i].run();
    }
    fprintf(stderr, "Synthesis: Tested: %d | Passing: %d | Failing: 0 | Crashing: 0\n", plain_count,
            plain_count);
    return 0;
}

#endif
