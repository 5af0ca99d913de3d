/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as a command line has them. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The number that TEXT begins with, in BASE (0: 0x makes it hexadecimal); END is what follows it.
 * False if there is none, or one too large.
 */
bool number_read(const char *text, char **end, int base, uint64_t *out);
/* TEXT is one such number and nothing else, from MIN to MAX. */
bool number_whole(const char *text, int base, uint64_t min, uint64_t max, uint64_t *out);
/* The same of digits with or without a point. */
bool number_decimal(const char *text, double min, double max, double *out);

#endif
