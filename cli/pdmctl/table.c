/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of text in columns as wide as their widest cell. */
#include "cli/pdmctl/table.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CELLS = 256 };

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
        t->cells[t->used++] = cell;
}

static int width_of(const struct table *t, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < t->used; i += t->columns) {
        size_t len = strlen(t->cells[i]);

        width = len > width ? len : width;
    }
    return (int)width;
}

static void print_cell(const struct table *t, const int widths[], size_t cell, size_t column)
{
    bool last = column + 1 == t->columns;

    if (t->right[column])
        printf("%*s", widths[column], t->cells[cell]);
    else if (last)
        fputs(t->cells[cell], stdout); /* no blanks at the end of a line */
    else
        printf("%-*s", widths[column], t->cells[cell]);
    fputs(last ? "\n" : "  ", stdout);
}

bool table_print(const struct table *t)
{
    int widths[TABLE_COLUMNS_MAX];

    if (t->failed) {
        warnx("out of memory");
        return false;
    }
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = width_of(t, c);
    for (size_t row = 0; row < t->used; row += t->columns) {
        for (size_t c = 0; c < t->columns; c++)
            print_cell(t, widths, row + c, c);
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
