/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of text in columns as wide as their widest cell. */
#include "cli/pdmctl/table.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CELLS = 256, GAP = 2 };

struct table table_new(const char *const *headings, size_t columns)
{
    struct table t = {.columns = columns};

    for (size_t i = 0; i < columns; i++) {
        t.right[i] = headings[i][0] == '>';
        table_add(&t, "%s", headings[i] + (t.right[i] ? 1 : 0));
    }
    return t;
}

static bool make_room(struct table *t)
{
    size_t cap = t->cap ? 2 * t->cap : FIRST_CELLS;

    if (t->used < t->cap)
        return true;
    char **cells = reallocarray(t->cells, cap, sizeof(*cells));

    if (!cells)
        return false;
    t->cells = cells;
    t->cap = cap;
    return true;
}

static void keep(struct table *t, char *cell)
{
    int *width = &t->width[t->used % t->columns];
    int len = (int)strlen(cell);

    *width = len > *width ? len : *width;
    t->cells[t->used++] = cell;
}

void table_add(struct table *t, const char *format, ...)
{
    va_list args;
    char *cell = NULL;

    if (t->failed)
        return;
    va_start(args, format);
    t->failed = !make_room(t) || vasprintf(&cell, format, args) < 0;
    va_end(args);
    if (!t->failed)
        keep(t, cell);
}

static int row_width(const struct table *t)
{
    int width = -GAP;

    for (size_t c = 0; c < t->columns; c++)
        width += t->hidden[c] ? 0 : t->width[c] + GAP;
    return width;
}

void table_fit(struct table *t, int width, const size_t *spare, size_t count)
{
    for (size_t i = 0; i < count && row_width(t) > width; i++)
        t->hidden[spare[i]] = true;
}

static size_t last_shown(const struct table *t)
{
    size_t c = t->columns - 1;

    while (c > 0 && t->hidden[c])
        c--;
    return c;
}

static void print_cell(const struct table *t, size_t cell, size_t column, bool last, FILE *out)
{
    if (t->right[column])
        fprintf(out, "%*s", t->width[column], t->cells[cell]);
    else if (last)
        fputs(t->cells[cell], out); /* no blanks at the end of a line */
    else
        fprintf(out, "%-*s", t->width[column], t->cells[cell]);
    if (!last)
        fprintf(out, "%*s", GAP, "");
}

void table_print_row(const struct table *t, size_t row, FILE *out)
{
    size_t last = last_shown(t);

    for (size_t c = 0; c <= last; c++)
        if (!t->hidden[c])
            print_cell(t, row * t->columns + c, c, c == last, out);
}

bool table_print(const struct table *t)
{
    if (t->failed) {
        warnx("out of memory");
        return false;
    }
    for (size_t row = 0; row < t->used / t->columns; row++) {
        table_print_row(t, row, stdout);
        fputs("\n", stdout);
    }
    return true;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->used; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}
