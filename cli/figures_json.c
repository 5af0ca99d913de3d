/* SPDX-License-Identifier: BSD-2-Clause */
/* A figure as JSON. */
#include "cli/figures_json.h"

void figure_json(struct json *j, const char *key, const struct figure *figure)
{
    json_object(j, key);
    if (figure->missing) {
        json_null(j, "delay");
        json_string(j, "reason", figure->missing->token);
    } else {
        json_signed(j, "delay", figure->ns);
        json_bool(j, "overlapped", figure->overlapped);
    }
    json_end(j);
}
