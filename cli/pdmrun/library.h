/* SPDX-License-Identifier: BSD-2-Clause */
/* libpdmv2.so as it will be preloaded. */
#ifndef CLI_PDMRUN_LIBRARY_H
#define CLI_PDMRUN_LIBRARY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_LIBRARY "libpdmv2.so"
#define RUN_SONAME RUN_LIBRARY ".0" /* the Makefile's SONAME */

struct run_library {
    char path[PATH_MAX];
    char launcher[PATH_MAX]; /* this very program */
    char loader[PATH_MAX];   /* the dynamic loader of the C library that both were built for */
    uint16_t machine;
};

/*
 * Looks beside this program, then in ../lib, then where it was built to be installed, never where
 * the environment says. False, and a line on standard error, if it is nowhere.
 */
bool library_find(struct run_library *library);
/*
 * Whether it can be loaded: ld.so says little or nothing of a preload that cannot be, and goes on
 * without. False, and a line on standard error, if it cannot.
 */
bool library_loads(const struct run_library *library);

#endif
