/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of a configuration file: numbers, durations, prefixes. Each reader takes the whole
 * of TEXT or returns false. No I/O.
 */
#ifndef PDM_CONF_VALUE_H
#define PDM_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/prefix.h"

#define CONFIG_PREFIX_ALLOWED "an IPv6 prefix such as 2001:db8::/32, or an address"

#define CONFIG_PREFIX_TEXT 64 /* octets that the text of any prefix fits in */
#define CONFIG_WORD_MAX 64    /* octets of a word in a list, with its terminating zero */

/* Decimal, or hexadecimal after 0x. */
bool config_number(const char *text, uint32_t min, uint32_t max, uint32_t *number);
/* Seconds from "90s", "15m", "1h" or a plain "0". */
bool config_duration(const char *text, uint32_t min_s, uint32_t max_s, uint32_t *seconds);

enum config_prefix_status {
    CONFIG_PREFIX_OK,
    CONFIG_PREFIX_MALFORMED,
    CONFIG_PREFIX_HOST_BITS, /* bits beyond the length are set; PREFIX holds it without them */
    CONFIG_PREFIX_NOT_OURS   /* multicast, IPv4-mapped or the unspecified address alone */
};

/* "2001:db8::/32"; an address alone is a prefix of 128 bits. */
enum config_prefix_status config_prefix(const char *text, struct pdm_prefix *prefix);
#define CONFIG_FAULT_MAX 128 /* octets that the longest of the following fits in */
/* What is wrong with TEXT, in which config_prefix() finds none that is OK. */
const char *config_prefix_fault(const char *text, char fault[static CONFIG_FAULT_MAX]);
void config_prefix_text(const struct pdm_prefix *prefix, char out[static CONFIG_PREFIX_TEXT]);

/*
 * The next word of a list, separated by commas or blanks, and moves TEXT behind it; false after the
 * last. A word that is too long comes cut, and is then none that anything allows.
 */
bool config_word(const char **text, char word[static CONFIG_WORD_MAX]);

#endif
