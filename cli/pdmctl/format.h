/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for what the agent says in numbers. */
#ifndef CLI_PDMCTL_FORMAT_H
#define CLI_PDMCTL_FORMAT_H

#include <stdint.h>

#include "core/limits.h"
#include "core/tuple.h"

enum { FORMAT_MAX = 64 }; /* the longest of these texts, with its zero, is shorter */

/* Each writes to OUT and returns it. */
char *format_address(char out[static FORMAT_MAX], const uint8_t *addr);
char *format_prefix(char out[static FORMAT_MAX], const uint8_t *addr, uint8_t len);
char *format_endpoint(char out[static FORMAT_MAX], const uint8_t *addr, uint16_t port);
/* The two largest units of a time in milliseconds: "1h 2m", "3m 4s", "5.0s". */
char *format_duration(char out[static FORMAT_MAX], uint64_t ms);
/* The same of a time in seconds. */
char *format_seconds(char out[static FORMAT_MAX], uint64_t seconds);
/* Nanoseconds in milliseconds with 3 decimals. */
char *format_ms(char out[static FORMAT_MAX], int64_t ns);
/* A protocol's name, or its number. */
char *format_protocol(char out[static FORMAT_MAX], uint8_t protocol);
/* A name as the agent gave it; what is not printable becomes '?'. */
char *format_name(char out[static PDM_NAME_MAX], const uint8_t name[static PDM_NAME_MAX]);
/* What an association attaches: "encrypted", "plain", "rfc8250", or "?". */
const char *format_protect(uint8_t format);
/* What the agent knows of a path: "probing", "carries", "drops", "unprobed", or "?". */
const char *format_path(uint8_t path);

#endif
