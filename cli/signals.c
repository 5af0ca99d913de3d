/* SPDX-License-Identifier: BSD-2-Clause */
/* ^C and its like. */
#include "cli/signals.h"

#include <stddef.h>

static volatile sig_atomic_t stop;
static volatile sig_atomic_t quit;
static sigset_t waiting;

static void handle(int number)
{
    if (number == SIGQUIT)
        quit = 1;
    else
        stop = 1;
}

bool signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGQUIT};
    struct sigaction action = {.sa_handler = handle};
    sigset_t blocked;

    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)sigaddset(&blocked, numbers[i]);
        if (sigaction(numbers[i], &action, NULL) != 0)
            return false;
    }
    if (sigprocmask(SIG_BLOCK, &blocked, &waiting) != 0)
        return false;
    /* The parent may have left them blocked. */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigdelset(&waiting, numbers[i]);
    return true;
}

const sigset_t *signals_during_wait(void)
{
    return &waiting;
}

void signals_let_in(void)
{
    sigset_t blocked;

    if (sigprocmask(SIG_SETMASK, &waiting, &blocked) == 0)
        (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

bool signals_stop(void)
{
    return stop != 0;
}

bool signals_take_quit(void)
{
    bool asked = quit != 0;

    quit = 0;
    return asked;
}
