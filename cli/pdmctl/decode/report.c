/* SPDX-License-Identifier: BSD-2-Clause */
/* What both kinds of report have in common. */
#include "cli/pdmctl/decode/report.h"

const char *report_option_status(enum option_status status)
{
    static const char *const names[] = {
        [OPTION_READ] = "read",
        [OPTION_MALFORMED] = "malformed",
        [OPTION_BAD_VERSION] = "bad_version",
        [OPTION_REPEATED] = "repeated",
        [OPTION_NOT_DECRYPTED] = "not_decrypted",
        [OPTION_WRONG_FORMAT] = "wrong_format",
        [OPTION_DUPLICATE] = "duplicate",
        [OPTION_OUTSIDE_WINDOW] = "outside_window",
    };

    return names[status];
}
