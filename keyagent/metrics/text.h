/* SPDX-License-Identifier: BSD-2-Clause */
/* Values as metrics and the log of flows show them. No I/O. */
#ifndef PDM_KEYAGENT_TEXT_H
#define PDM_KEYAGENT_TEXT_H

#include <stdint.h>

#include "core/limits.h"
#include "core/option.h"

/* Octets of any of these, with the terminating zero. */
#define TEXT_MAX (2 * PDM_NAME_MAX)

/*
 * NAME for between quotes, escaped as labels of OpenMetrics and strings of JSON are alike; what is
 * no printable ASCII is shown as a question mark.
 */
const char *text_name(char out[static TEXT_MAX], const char name[static PDM_NAME_MAX]);
const char *text_address(char out[static TEXT_MAX], const uint8_t addr[static PDM_ADDR_LEN]);
/* Of the upper end of a bucket, NS nanoseconds: seconds, as label le has them. */
const char *text_bound(char out[static TEXT_MAX], int64_t ns);
/* NS nanoseconds as seconds, with all digits. */
const char *text_seconds(char out[static TEXT_MAX], uint64_t ns);

#endif
