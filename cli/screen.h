/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal as a full-screen view, by ncurses: it follows the window's size, and leaves the
 * terminal as it was. Standard input and output; one thread. See cli/signals.h for ^C.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>

/* Colours only where the terminal has them, and not with NO_COLOR (https://no-color.org). */
enum screen_style {
    SCREEN_PLAIN,
    SCREEN_BOLD,
    SCREEN_REVERSE,
    SCREEN_NETWORK,
    SCREEN_SERVER,
    SCREEN_LOST,
    SCREEN_STYLES
};

enum screen_key {
    SCREEN_KEY_NONE = -1,
    /* Characters are themselves. */
    SCREEN_KEY_UP = 0x110000,
    SCREEN_KEY_DOWN,
    SCREEN_KEY_PAGE_UP,
    SCREEN_KEY_PAGE_DOWN,
    SCREEN_KEY_HOME,
    SCREEN_KEY_END,
    SCREEN_KEY_RESIZED,
    SCREEN_KEY_OTHER
};

/* Both are terminals, and this one's cursor can be moved; a dumb one's cannot. */
bool screen_possible(void);
/* False, and a line on standard error, if it cannot be had. */
bool screen_open(void);
void screen_close(void);

int screen_rows(void);
int screen_columns(void);
/* Nothing is seen before screen_show(). What is put beyond an edge is cut. */
void screen_clear(void);
void screen_put(int row, int column, enum screen_style style, const char *text);
void screen_show(void);
/* The next key that was pressed; never waits. */
int screen_key(void);

#endif
