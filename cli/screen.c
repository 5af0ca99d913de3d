/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal as a full-screen view. */
#include "cli/screen.h"

#include <curses.h>
#include <err.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

static SCREEN *screen;
static attr_t attributes[SCREEN_STYLES];

/* No pair of colours: an attribute alone tells network and server apart. */
static const struct {
    short colour;
    attr_t otherwise;
} styles[SCREEN_STYLES] = {
    [SCREEN_PLAIN] = {0, A_NORMAL},           [SCREEN_BOLD] = {0, A_BOLD},
    [SCREEN_REVERSE] = {0, A_REVERSE},        [SCREEN_NETWORK] = {COLOR_CYAN, A_NORMAL},
    [SCREEN_SERVER] = {COLOR_YELLOW, A_BOLD}, [SCREEN_LOST] = {COLOR_RED, A_REVERSE},
};

static const struct {
    int curses;
    enum screen_key key;
} keys[] = {
    {KEY_UP, SCREEN_KEY_UP},           {KEY_DOWN, SCREEN_KEY_DOWN}, {KEY_PPAGE, SCREEN_KEY_PAGE_UP},
    {KEY_NPAGE, SCREEN_KEY_PAGE_DOWN}, {KEY_HOME, SCREEN_KEY_HOME}, {KEY_END, SCREEN_KEY_END},
    {KEY_RESIZE, SCREEN_KEY_RESIZED},
};

bool screen_possible(void)
{
    int error = 0;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
        setupterm(NULL, STDOUT_FILENO, &error) != OK)
        return false;
    return cursor_address != NULL && clear_screen != NULL;
}

static bool may_colour(void)
{
    const char *no = getenv("NO_COLOR");

    return (!no || no[0] == '\0') && has_colors() && start_color() == OK &&
           use_default_colors() == OK;
}

static void choose_attributes(void)
{
    bool colour = may_colour();

    for (int i = 0; i < SCREEN_STYLES; i++) {
        attributes[i] = styles[i].otherwise;
        if (colour && styles[i].colour != 0 && init_pair((short)i, styles[i].colour, -1) == OK)
            attributes[i] = (attr_t)COLOR_PAIR(i);
    }
}

bool screen_open(void)
{
    /* For the terminal's characters alone: numbers stay as they are in the C locale. */
    (void)setlocale(LC_CTYPE, "");
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        warnx("this terminal cannot show a full screen");
        return false;
    }
    choose_attributes();
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)curs_set(0);
    return true;
}

void screen_close(void)
{
    if (!screen)
        return;
    (void)endwin();
    delscreen(screen);
    screen = NULL;
}

int screen_rows(void)
{
    return LINES;
}

int screen_columns(void)
{
    return COLS;
}

void screen_clear(void)
{
    (void)erase();
}

void screen_put(int row, int column, enum screen_style style, const char *text)
{
    if (row < 0 || row >= LINES || column < 0 || column >= COLS)
        return;
    (void)attrset((int)attributes[style]);
    (void)mvaddnstr(row, column, text, (int)strnlen(text, (size_t)(COLS - column)));
}

void screen_show(void)
{
    (void)refresh();
}

int screen_key(void)
{
    int key = getch();

    if (key == ERR)
        return SCREEN_KEY_NONE;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].curses == key)
            return (int)keys[i].key;
    }
    return key < KEY_MIN ? key : SCREEN_KEY_OTHER;
}
