/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of text in columns as wide as their widest cell. */
#ifndef CLI_PDMCTL_TABLE_H
#define CLI_PDMCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 20 };

struct table {
    size_t columns;
    size_t used; /* cells, the headings among them */
    size_t cap;  /* cells that there is room for */
    char **cells;
    int width[TABLE_COLUMNS_MAX];  /* of the widest cell so far */
    bool right[TABLE_COLUMNS_MAX]; /* numbers: aligned to the right */
    bool hidden[TABLE_COLUMNS_MAX];
    bool failed; /* out of memory; what is added then is dropped */
};

/* HEADINGS of the columns; one that begins with '>' (not printed) is aligned to the right. */
struct table table_new(const char *const *headings, size_t columns);
/* Adds the next cell, row by row. */
void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hides columns, of COUNT that can be spared the first first, until a row is WIDTH long at most. */
void table_fit(struct table *t, int width, const size_t *spare, size_t count);
/* Prints all rows; false, and a line on standard error, if memory ran out. */
bool table_print(const struct table *t);
/* One row to OUT, the headings being row 0. */
void table_print_row(const struct table *t, size_t row, FILE *out);
void table_free(struct table *t);

#endif
