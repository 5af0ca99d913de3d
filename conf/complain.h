/* SPDX-License-Identifier: BSD-2-Clause */
/* How a file that is not good is told of. */
#ifndef PDM_CONF_COMPLAIN_H
#define PDM_CONF_COMPLAIN_H

#include <stddef.h>

#define CONFIG_FILE_MAX ((size_t)1024 * 1024) /* octets */
#define CONFIG_COMPLAINTS_MAX 32              /* of one file; more are not shown */

/* One complaint, a whole line without its newline: "FILE:LINE: ...". */
typedef void config_complain(void *arg, const char *line);

#endif
