/* SPDX-License-Identifier: BSD-2-Clause */
/* The call matrix: every socket call that a program makes over UDP and TCP, in every shape, and
 * what came of it.
 *
 *   callmatrix server ADDRESS PORT
 *   callmatrix client ADDRESS PORT [--repeat N] [--only GROUPS] [--skip GROUPS]
 *
 * GROUPS are the beginnings of groups' names, with commas. Two runs print the same lines unless
 * something stands between program and kernel and shows. The server ends with its client. Ports
 * PORT to PORT + 20 are used at both ends. */
#include "tests/apps/matrix/cases.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static const struct group {
    const char *name;
    void (*run)(struct lab *lab);
} groups[] = {
    {"sends", cases_sends},
    {"send-sizes", cases_send_sizes},
    {"send-controls", cases_send_controls},
    {"receives", cases_receives},
    {"receive-batches", cases_receive_batches},
    {"receive-controls", cases_receive_controls},
    {"options", cases_options},
    {"names", cases_names},
    {"local", cases_local},
    {"errors", cases_errors},
    {"bad-pointers", cases_bad_pointers},
    {"wild-pointers", cases_wild_pointers},
    {"tcp-sends", cases_tcp_sends},
    {"tcp-receives", cases_tcp_receives},
    {"tcp-options", cases_tcp_options},
    {"tcp-ends", cases_tcp_ends},
};

static volatile sig_atomic_t broken_pipes;

static void on_broken_pipe(int signal_number)
{
    (void)signal_number;
    broken_pipes++;
}

static bool parse_count(const char *text, unsigned *out)
{
    char *end = NULL;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    *out = (unsigned)value;
    return errno == 0 && end != text && *end == '\0' && value > 0 && value <= 1000000;
}

static int usage(void)
{
    (void)fputs(
        "usage: callmatrix server ADDRESS PORT\n"
        "       callmatrix client ADDRESS PORT [--repeat N] [--only GROUPS] [--skip GROUPS]\n",
        stderr);
    return EXIT_USAGE;
}

/* LIST holds beginnings of names, with commas. */
static bool is_listed(const char *name, const char *list)
{
    while (list != NULL) {
        size_t len = strcspn(list, ",");

        if (strncmp(name, list, len) == 0) {
            return true;
        }
        list = list[len] == ',' ? list + len + 1 : NULL;
    }
    return false;
}

static void run_pass(struct lab *lab, const char *only, const char *skip)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if ((only == NULL || is_listed(groups[i].name, only)) && !is_listed(groups[i].name, skip)) {
            (void)printf("== %s\n", groups[i].name);
            groups[i].run(lab);
        }
    }
    (void)printf("== broken pipes: %d\n", (int)broken_pipes);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_broken_pipe};
    struct lab lab = {.driver = -1};
    const char *only = NULL;
    const char *skip = NULL;
    unsigned repeat = 1;

    if (argc == 4 && strcmp(argv[1], "server") == 0) {
        return peer_serve(argv[2], argv[3]);
    }
    if (argc < 4 || argc % 2 != 0 || strcmp(argv[1], "client") != 0) {
        return usage();
    }
    for (int i = 4; i < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0) {
            only = argv[i + 1];
        } else if (strcmp(argv[i], "--skip") == 0) {
            skip = argv[i + 1];
        } else if (strcmp(argv[i], "--repeat") != 0 || !parse_count(argv[i + 1], &repeat)) {
            return usage();
        }
    }
    (void)sigaction(SIGPIPE, &action, NULL);
    if (!peer_open(&lab, argv[2], argv[3])) {
        (void)fprintf(stderr, "callmatrix: cannot use %s port %s\n", argv[2], argv[3]);
        return EXIT_FAILURE;
    }
    for (lab.pass = 1; lab.pass <= repeat; lab.pass++) {
        (void)printf("==== pass %u\n", lab.pass);
        run_pass(&lab, only, skip);
    }
    peer_close(&lab);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
