/* SPDX-License-Identifier: BSD-2-Clause */
/* The replay window, and losses and reordering as PSNTP tells them. */
#include <criterion/criterion.h>

#include "core/sequence.h"

enum { NEW = PDM_WINDOW_NEW, SEEN = PDM_WINDOW_SEEN, OLD = PDM_WINDOW_OLD, RESTART = -1 };

struct window_row {
    uint64_t seq;
    int verdict; /* RESTART: a fresh window from here on */
};

/* Edges of the window, of its words and of its ring of words. */
static const struct window_row window_rows[] = {
    {0, OLD},
    {1, NEW},
    {1, SEEN},
    {0, OLD},
    {2, NEW},
    {9, NEW},
    {8, NEW},
    {7, NEW},
    {7, SEEN},
    {PDM_WINDOW, NEW},
    {1, SEEN},
    {3, NEW},
    {PDM_WINDOW + 1, NEW},
    {1, OLD},
    {2, SEEN},
    {4, NEW},
    {PDM_WINDOW + 4, NEW},
    {4, OLD},
    {5, NEW},
    {5, SEEN},
    {(uint64_t)PDM_WINDOW * 16, NEW},
    {(uint64_t)PDM_WINDOW * 15, OLD},
    {(uint64_t)PDM_WINDOW * 15 + 1, NEW},
    {(uint64_t)PDM_WINDOW * 15 + 1, SEEN},
    {(uint64_t)PDM_WINDOW * 16 - 1, NEW},
    {(uint64_t)PDM_WINDOW * 16, SEEN},
    {0, RESTART},
    {64, NEW},
    {63, NEW},
    {65, NEW},
    {64, SEEN},
    {63, SEEN},
    {65, SEEN},
    {128 + 64 * PDM_WINDOW_WORDS, NEW},
    {128 + 64 * PDM_WINDOW_WORDS - PDM_WINDOW + 1, NEW},
    {128 + 64 * PDM_WINDOW_WORDS - PDM_WINDOW, OLD},
    {64, OLD},
    {0, RESTART},
    {64, NEW},
    {64 + 64 * PDM_WINDOW_WORDS, NEW},
    {64 + 3 * 64 * PDM_WINDOW_WORDS, NEW},
    {0, RESTART},
    {UINT64_MAX, NEW},
    {UINT64_MAX, SEEN},
    {UINT64_MAX - PDM_WINDOW + 1, NEW},
    {UINT64_MAX - PDM_WINDOW, OLD},
    {1, OLD},
};

Test(sequence, window_table)
{
    struct pdm_window w = {0};
    for (size_t i = 0; i < sizeof(window_rows) / sizeof(window_rows[0]); i++) {
        if (window_rows[i].verdict == RESTART) {
            w = (struct pdm_window){0};
            continue;
        }
        cr_assert_eq((int)pdm_window_accept(&w, window_rows[i].seq), window_rows[i].verdict,
                     "row %zu", i);
    }
}

/* Whole runs: ascending, descending over exactly the window, and one beyond it. */
Test(sequence, window_runs)
{
    struct pdm_window w = {0};
    for (uint64_t seq = 1; seq <= 3 * PDM_WINDOW; seq++) {
        cr_assert_eq(pdm_window_accept(&w, seq), PDM_WINDOW_NEW);
    }
    for (uint64_t seq = 2 * PDM_WINDOW + 1; seq <= 3 * PDM_WINDOW; seq++) {
        cr_assert_eq(pdm_window_accept(&w, seq), PDM_WINDOW_SEEN);
    }
    cr_assert_eq(pdm_window_accept(&w, 2 * PDM_WINDOW), PDM_WINDOW_OLD);
    const uint64_t top = 10 * PDM_WINDOW + 37;
    for (uint64_t back = 0; back < PDM_WINDOW; back++) {
        cr_assert_eq(pdm_window_accept(&w, top - back), PDM_WINDOW_NEW, "%d back", (int)back);
    }
    cr_assert_eq(pdm_window_accept(&w, top - PDM_WINDOW), PDM_WINDOW_OLD);
}

/* Against a plain memory of everything, over random walks with jumps. */
Test(sequence, window_against_a_plain_memory)
{
    enum { SPAN = 20000 };
    static bool seen[SPAN];
    struct pdm_window w = {0};
    uint64_t top = 0;
    uint64_t random = 88172645463325252U;
    for (unsigned i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t reach = random % 50 == 0 ? 1500 : 40;
        uint64_t seq = (top > 1200 ? top - 1200 : 0) + (random >> 20) % (1200 + reach);
        if (seq >= SPAN) {
            break;
        }
        enum pdm_window_verdict expected = PDM_WINDOW_NEW;
        if (seq == 0 || seq + PDM_WINDOW <= top) {
            expected = PDM_WINDOW_OLD;
        } else if (seen[seq]) {
            expected = PDM_WINDOW_SEEN;
        }
        cr_assert_eq(pdm_window_accept(&w, seq), expected, "%u: %d under %d", i, (int)seq,
                     (int)top);
        seen[seq] = true;
        top = seq > top ? seq : top;
    }
    cr_assert_gt(top, SPAN - 2000, "the walk went all the way");
}

Test(sequence, psn_arithmetic)
{
    cr_assert_eq(pdm_psn_next(1), 2);
    cr_assert_eq(pdm_psn_next(65534), 65535);
    cr_assert_eq(pdm_psn_next(65535), 1);
    cr_assert_eq(pdm_psn_ahead(1, 1), 0);
    cr_assert_eq(pdm_psn_ahead(1, 2), 1);
    cr_assert_eq(pdm_psn_ahead(2, 1), 65534);
    cr_assert_eq(pdm_psn_ahead(65535, 1), 1);
    cr_assert_eq(pdm_psn_ahead(1, 65535), 65534);
    cr_assert_eq(pdm_psn_ahead(65535, 65535), 0);
    uint16_t psn = 1;
    for (unsigned i = 0; i < PDM_PSN_CYCLE; i++) {
        cr_assert_eq(pdm_psn_ahead(1, psn), i);
        psn = pdm_psn_next(psn);
    }
    cr_assert_eq(psn, 1);
}

struct step_row {
    uint16_t psn;
    int verdict;
    bool reordered;
    int64_t lost;
};

static void check_steps(const struct step_row *rows, size_t count, const char *what)
{
    struct pdm_sequence s = {.top = 0};
    for (size_t i = 0; i < count; i++) {
        struct pdm_sequence_step step = pdm_sequence_accept(&s, rows[i].psn);
        cr_assert_eq((int)step.verdict, rows[i].verdict, "%s, row %zu", what, i);
        cr_assert_eq(step.reordered, rows[i].reordered, "%s, row %zu", what, i);
        cr_assert_eq(step.lost, rows[i].lost, "%s, row %zu: %d", what, i, (int)step.lost);
    }
}

#define STEPS(...)                                                                                 \
    (const struct step_row[]){__VA_ARGS__},                                                        \
        sizeof((const struct step_row[]){__VA_ARGS__}) / sizeof(struct step_row)

Test(sequence, losses_duplicates_and_reordering)
{
    check_steps(STEPS({100, NEW, false, 0}, {101, NEW, false, 0}, {105, NEW, false, 3},
                      {105, SEEN, false, 0}, {103, NEW, true, -1}, {103, SEEN, false, 0},
                      {104, NEW, true, -1}, {106, NEW, false, 0}, {102, NEW, true, -1}),
                "a gap that fills");
    check_steps(STEPS({100, NEW, false, 0}, {99, NEW, true, 0}, {99, SEEN, false, 0},
                      {98, NEW, true, 0}, {101, NEW, false, 0}),
                "older than the first fills no gap");
    check_steps(STEPS({65534, NEW, false, 0}, {65535, NEW, false, 0}, {1, NEW, false, 0},
                      {2, NEW, false, 0}, {65535, SEEN, false, 0}),
                "the wrap leaves out 0");
    check_steps(STEPS({65534, NEW, false, 0}, {2, NEW, false, 2}, {65535, NEW, true, -1},
                      {1, NEW, true, -1}, {65533, NEW, true, 0}),
                "a gap over the wrap");
    check_steps(STEPS({1, NEW, false, 0}, {65535, NEW, true, 0}, {2, NEW, false, 0},
                      {65535, SEEN, false, 0}),
                "older than the first, over the wrap");
    check_steps(STEPS({1000, NEW, false, 0}, {3000, NEW, false, 1999}, {1976, OLD, false, 0},
                      {1977, NEW, true, -1}, {1000, OLD, false, 0}),
                "below the window");
    check_steps(STEPS({1, NEW, false, 0}, {32768, NEW, false, 32766}, {1, OLD, false, 0},
                      {65535, NEW, false, 32766}, {32767, NEW, false, 32766}),
                "half a cycle less one is ahead");
    check_steps(STEPS({1, NEW, false, 0}, {32769, OLD, false, 0}, {2, NEW, false, 0}),
                "half a cycle is behind");
}

/* Five cycles with losses, duplicates and reordering: the sums are those of what was done. */
Test(sequence, long_run)
{
    struct pdm_sequence s = {.top = 0};
    uint16_t psn = 64000;
    int64_t lost = 0;
    int64_t dropped = 0;
    unsigned swapped = 0;
    unsigned repeated = 0;
    unsigned reordered = 0;
    unsigned seen = 0;
    for (unsigned i = 0; i < 5 * PDM_PSN_CYCLE; i++) {
        uint16_t order[2] = {psn, psn};
        unsigned count = 1;
        if (i % 19 == 3) {
            psn = pdm_psn_next(psn);
            dropped++;
            continue;
        }
        if (i % 23 == 5) { /* the next one overtakes it */
            order[0] = pdm_psn_next(psn);
            count = 2;
            psn = order[0];
            swapped++;
        } else if (i % 29 == 7) {
            count = 2;
            repeated++;
        }
        for (unsigned k = 0; k < count; k++) {
            struct pdm_sequence_step step = pdm_sequence_accept(&s, order[k]);
            lost += step.lost;
            reordered += step.reordered;
            seen += step.verdict == PDM_WINDOW_SEEN;
            cr_assert_neq(step.verdict, PDM_WINDOW_OLD);
        }
        psn = pdm_psn_next(psn);
    }
    (void)pdm_sequence_accept(&s, psn);
    cr_assert_eq(lost, dropped, "%d lost, %d dropped", (int)lost, (int)dropped);
    cr_assert_eq(reordered, swapped);
    cr_assert_eq(seen, repeated);
    cr_assert(dropped > 10000 && swapped > 10000 && repeated > 5000);
}
