/* SPDX-License-Identifier: BSD-2-Clause */
/* The first line of a script. */
#include "cli/pdmrun/script.h"

#include <string.h>

bool script_interpreter(const uint8_t *bytes, size_t len, char path[static PDM_SCRIPT_LINE + 1])
{
    char line[PDM_SCRIPT_LINE + 1] = "";

    if (len > 0)
        memcpy(line, bytes, len < PDM_SCRIPT_LINE ? len : PDM_SCRIPT_LINE);
    if (strncmp(line, "#!", 2) != 0)
        return false;
    const char *name = line + 2 + strspn(line + 2, " \t");
    size_t name_len = strcspn(name, " \t\n");

    /* A name that goes on beyond what the kernel looks at may be another one. */
    if (name_len == 0 || name + name_len == line + PDM_SCRIPT_LINE)
        return false;
    memcpy(path, name, name_len);
    path[name_len] = '\0';
    return true;
}
