/* SPDX-License-Identifier: BSD-2-Clause */
/* The live flows again and again. */
#include "cli/pdmctl/watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/wait.h"
#include "core/limits.h"

enum {
    LINE_MAX_OCTETS = 1024, /* of a row; what is beyond it is cut */
    HEADER_ROWS = 3,        /* what is watched, how it is sorted and its keys, the headings */
};

struct view {
    struct agent_client *client;
    struct flow_list *list;
    struct table table;
    enum agent_result result; /* of the last question */
    size_t top;               /* the first flow that is shown */
    bool full_screen;
};

static void ask(struct view *v)
{
    table_free(&v->table);
    v->result = flow_list_ask(v->list, v->client);
    v->table = flow_list_table(v->list);
}

static char *time_of_day(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;

    if (!localtime_r(&now, &parts) || strftime(text, size, "%H:%M:%S", &parts) == 0)
        text[0] = '\0';
    return text;
}

/* The full-screen view. */

static size_t rows_of_flows(void)
{
    return screen_rows() > HEADER_ROWS ? (size_t)(screen_rows() - HEADER_ROWS) : 0;
}

static void keep_within(struct view *v)
{
    size_t shown = rows_of_flows();
    size_t last = v->list->count > shown ? v->list->count - shown : 0;

    if (v->top > last)
        v->top = last;
}

static void put_row(const struct view *v, int at, size_t row, enum screen_style style)
{
    char line[LINE_MAX_OCTETS] = "";
    FILE *out = fmemopen(line, sizeof(line), "w");

    if (!out)
        return;
    table_print_row(&v->table, row, out);
    (void)fclose(out);
    screen_put(at, 0, style, line);
}

static void put_header(const struct view *v)
{
    char line[LINE_MAX_OCTETS];
    char clock[sizeof("00:00:00")];

    if (v->result == AGENT_ANSWERED)
        (void)snprintf(line, sizeof(line), "pdmctl flows  %s  %zu flows, from %zu  %s",
                       time_of_day(clock, sizeof(clock)), v->list->count,
                       v->list->count > 0 ? v->top + 1 : 0, v->client->path);
    else
        (void)snprintf(line, sizeof(line), "%s", v->client->why);
    screen_put(0, 0, v->result == AGENT_ANSWERED ? SCREEN_BOLD : SCREEN_LOST, line);
    (void)snprintf(line, sizeof(line), "sorted by %s   s: by something else   q: quit",
                   v->list->order->name);
    screen_put(1, 0, SCREEN_PLAIN, line);
}

static void draw(struct view *v)
{
    keep_within(v);
    memset(v->table.hidden, 0, sizeof(v->table.hidden));
    flow_list_fit(&v->table, screen_columns());
    screen_clear();
    put_header(v);
    if (!v->table.failed) {
        put_row(v, HEADER_ROWS - 1, 0, SCREEN_REVERSE);
        for (size_t i = 0; i < rows_of_flows() && v->top + i < v->list->count; i++)
            put_row(v, HEADER_ROWS + (int)i, 1 + v->top + i, SCREEN_PLAIN);
    }
    screen_show();
}

static void sort_by_next(struct view *v)
{
    size_t now = (size_t)(v->list->order - flow_orders);

    v->list->order = &flow_orders[(now + 1) % FLOW_ORDERS];
    ask(v);
}

static void scroll(struct view *v, int64_t rows)
{
    int64_t top = (int64_t)v->top + rows;

    v->top = top > 0 ? (size_t)top : 0;
}

/* All keys that were pressed; false: to quit. */
static bool take_keys(struct view *v)
{
    for (int key = screen_key(); key != SCREEN_KEY_NONE; key = screen_key()) {
        switch (key) {
        case 'q':
            return false;
        case 's':
            sort_by_next(v);
            break;
        case SCREEN_KEY_UP:
            scroll(v, -1);
            break;
        case SCREEN_KEY_DOWN:
            scroll(v, 1);
            break;
        case SCREEN_KEY_PAGE_UP:
            scroll(v, -(int64_t)rows_of_flows());
            break;
        case SCREEN_KEY_PAGE_DOWN:
            scroll(v, (int64_t)rows_of_flows());
            break;
        case SCREEN_KEY_HOME:
            v->top = 0;
            break;
        case SCREEN_KEY_END:
            v->top = v->list->count;
            break;
        default:
            break;
        }
    }
    return true;
}

/* Without one. */

static bool print(const struct view *v)
{
    char clock[sizeof("00:00:00")];

    printf("%s  %zu flows\n", time_of_day(clock, sizeof(clock)), v->list->count);
    bool printed = table_print(&v->table);

    (void)putchar('\n');
    return printed && output_flush();
}

/* Both. */

/* Until UNTIL, or a key, or a signal. */
static void wait_until(const struct view *v, int64_t until)
{
    struct pollfd keyboard = {.fd = v->full_screen ? STDIN_FILENO : -1, .events = POLLIN};

    (void)wait_ready(&keyboard, 1, until);
}

/* False: it ends here. */
static bool show(struct view *v)
{
    if (!v->full_screen)
        return v->result == AGENT_ANSWERED && print(v);
    draw(v);
    return true;
}

static void run(struct view *v, uint32_t interval_ms)
{
    int64_t next = clock_monotonic();

    while (!signals_stop() && !signals_take_quit()) {
        if (clock_monotonic() >= next) {
            next += interval_ms * PDM_NSEC_PER_MSEC;
            ask(v);
            if (!show(v))
                return;
        }
        wait_until(v, next);
        if (!v->full_screen)
            continue;
        if (!take_keys(v))
            return;
        draw(v);
    }
}

enum pdmctl_exit watch_flows(struct agent_client *client, struct flow_list *list,
                             uint32_t interval_ms)
{
    struct view v = {.client = client, .list = list, .full_screen = screen_possible()};

    if (!list->order)
        list->order = &flow_orders[0];
    if (!signals_catch() || (v.full_screen && !screen_open()))
        return PDMCTL_FAILED;
    client->quiet = v.full_screen; /* what it says is shown in the view */
    run(&v, interval_ms);
    if (v.full_screen)
        screen_close();
    bool whole = !v.table.failed;

    table_free(&v.table);
    return whole ? pdmctl_exit_for(v.result) : PDMCTL_FAILED;
}
