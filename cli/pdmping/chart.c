/* SPDX-License-Identifier: BSD-2-Clause */
/* One target's slots as columns. */
#include "cli/pdmping/chart.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/screen.h"
#include "core/limits.h"

enum {
    SCALE_COLUMNS = 11, /* "1000.000 ms" */
    TIMES_EVERY = 20,   /* columns between two times below */
    LABEL_MAX = 32,
    TENFOLD = 10,
};

struct chart {
    int top, rows, left, columns; /* of the columns alone */
    int64_t scale;                /* the highest row's */
    uint64_t newest;              /* slot */
};

static const struct slot *slot_at(const struct chart *c, const struct slots *slots, int column)
{
    uint64_t age = (uint64_t)(c->columns - 1 - column);

    return age < c->newest ? slots_find(slots, c->newest - age) : NULL;
}

/* The next of 1, 2, 5, 10, ... of the highest column, so that the scale seldom changes. */
static int64_t scale_of(const struct chart *c, const struct slots *slots)
{
    static const int64_t steps[] = {1, 2, 5};
    int64_t highest = 0;
    int64_t power = PDM_NSEC_PER_MSEC / TENFOLD;

    for (int i = 0; i < c->columns; i++) {
        const struct slot *slot = slot_at(c, slots, i);

        if (slot && slot->total > highest)
            highest = slot->total;
    }
    for (;; power *= TENFOLD) {
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            if (steps[i] * power >= highest)
                return steps[i] * power;
        }
    }
}

/* Of DELAY, to the nearest row. */
static int rows_of(const struct chart *c, int64_t delay)
{
    int64_t rows = (delay * c->rows + c->scale / 2) / c->scale;

    return delay <= 0 ? 0 : (int)(rows < c->rows ? rows : c->rows);
}

static void draw_cells(const struct chart *c, int column, int from, int to, enum screen_style style,
                       const char *cell)
{
    for (int row = from; row < to; row++)
        screen_put(c->top + c->rows - 1 - row, c->left + column, style, cell);
}

static void draw_slot(const struct chart *c, int column, const struct slot *slot)
{
    int height = rows_of(c, slot->total);

    /* What was answered is seen, however soon. */
    if (slot->answered > 0 && height == 0)
        height = 1;
    if (slot->divided) {
        int network = rows_of(c, slot->total - slot->server);

        draw_cells(c, column, 0, network, SCREEN_NETWORK, "N");
        draw_cells(c, column, network, height, SCREEN_SERVER, "S");
    } else {
        draw_cells(c, column, 0, height, SCREEN_PLAIN, "T");
    }
    if (slot->lost > 0)
        draw_cells(c, column, 0, 1, SCREEN_LOST, "X");
}

static void draw_scale(const struct chart *c)
{
    char label[LABEL_MAX];

    (void)snprintf(label, sizeof(label), "%8.1f ms", (double)c->scale / PDM_NSEC_PER_MSEC);
    screen_put(c->top, 0, SCREEN_PLAIN, label);
    screen_put(c->top + c->rows - 1, 0, SCREEN_PLAIN, "       0 ms");
}

static void draw_times(const struct chart *c, const struct slots *slots)
{
    char label[LABEL_MAX];

    for (int age = 0; age < c->columns; age += TIMES_EVERY) {
        int64_t back = age * slots->width;
        int len = snprintf(label, sizeof(label), age == 0 ? "now" : "-%.3gs",
                           (double)back / (double)PDM_NSEC_PER_SEC);

        screen_put(c->top + c->rows, c->left + c->columns - age - len, SCREEN_PLAIN, label);
    }
}

void chart_draw(const struct chart_place *place, const struct slots *slots, int64_t now)
{
    struct chart c = {.top = place->top,
                      .rows = place->rows - 1,
                      .left = SCALE_COLUMNS + 1,
                      .columns = screen_columns() - SCALE_COLUMNS - 1,
                      .newest = slots_number(slots, now)};

    if (c.rows < CHART_ROWS_MIN - 1 || c.columns < 1)
        return;
    if (c.columns > SLOTS_KEPT)
        c.columns = SLOTS_KEPT;
    c.scale = scale_of(&c, slots);
    draw_scale(&c);
    for (int i = 0; i < c.columns; i++) {
        const struct slot *slot = slot_at(&c, slots, i);

        if (slot)
            draw_slot(&c, i, slot);
    }
    draw_times(&c, slots);
}
