/* SPDX-License-Identifier: BSD-2-Clause */
/* The slots that pdmping --live draws. */
#include <criterion/criterion.h>

#include "cli/pdmping/slots.h"
#include "core/limits.h"

#define START (1000 * PDM_NSEC_PER_SEC)
#define WIDTH (200 * PDM_NSEC_PER_MSEC)
#define AT(slot) (START + (slot)*WIDTH + WIDTH / 2)

static struct slots slots;

static void begin(void)
{
    slots_begin(&slots, START, WIDTH);
}

TestSuite(slots, .init = begin);

static struct reply answer(int64_t rtt, int64_t network, int64_t server)
{
    return (struct reply){.rtt = rtt,
                          .figures = {.network = {.ns = network}, .server = {.ns = server}}};
}

static const struct slot *at(int64_t when)
{
    return slots_find(&slots, slots_number(&slots, when));
}

Test(slots, the_slowest_answer_is_kept)
{
    const struct reply slow = answer(30, 10, 20), fast = answer(12, 10, 2);

    for (int i = 0; i < 3; i++)
        slots_sent(&slots, AT(4));
    slots_answered(&slots, AT(4), &fast);
    slots_answered(&slots, AT(4), &slow);
    slots_answered(&slots, AT(4), &fast);
    cr_assert_not_null(at(AT(4)));
    cr_expect_eq(at(AT(4))->sent, 3);
    cr_expect_eq(at(AT(4))->answered, 3);
    cr_expect_eq(at(AT(4))->total, 30);
    cr_expect(at(AT(4))->divided);
    cr_expect_eq(at(AT(4))->network, 10);
    cr_expect_eq(at(AT(4))->server, 20);
    cr_expect_null(at(AT(3)));
    cr_expect_null(at(AT(5)));
}

Test(slots, what_is_not_divided_hides_what_was)
{
    static const struct missing missing = {"no-option", "no option"};
    struct reply whole = answer(50, 0, 0);
    const struct reply divided = answer(30, 10, 20);

    whole.figures.server.missing = &missing;
    slots_answered(&slots, AT(0), &divided);
    slots_answered(&slots, AT(0), &whole);
    cr_expect_eq(at(AT(0))->total, 50);
    cr_expect_not(at(AT(0))->divided);
}

Test(slots, a_late_answer_takes_its_loss_back)
{
    struct reply late = answer(30, 10, 20);

    late.late = true;
    slots_sent(&slots, AT(1));
    slots_lost(&slots, AT(1));
    cr_expect_eq(at(AT(1))->lost, 1);
    slots_answered(&slots, AT(1), &late);
    cr_expect_eq(at(AT(1))->lost, 0);
    cr_expect_eq(at(AT(1))->answered, 1);
}

Test(slots, duplicates_do_not_count)
{
    struct reply again = answer(99, 10, 89);

    again.duplicate = true;
    slots_sent(&slots, AT(1));
    slots_answered(&slots, AT(1), &again);
    cr_expect_eq(at(AT(1))->answered, 0);
    cr_expect_eq(at(AT(1))->total, 0);
}

Test(slots, what_is_too_old_is_forgotten)
{
    slots_sent(&slots, AT(1));
    slots_sent(&slots, AT(1 + SLOTS_KEPT));
    cr_expect_null(at(AT(1)));
    slots_lost(&slots, AT(1));
    cr_expect_eq(at(AT(1 + SLOTS_KEPT))->lost, 0);
    cr_expect_eq(at(AT(1 + SLOTS_KEPT))->sent, 1);
    slots_lost(&slots, START - 1);
    cr_expect_null(at(START - 1));
}
