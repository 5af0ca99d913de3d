/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of JSON as pdmctl prints them. */
#include "cli/pdmctl/line.h"

struct json line_open(const char *type)
{
    struct json j = json_open();

    json_string(&j, "schema", "pdmctl/1");
    json_string(&j, "type", type);
    return j;
}
