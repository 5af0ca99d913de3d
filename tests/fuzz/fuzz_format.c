/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of pdmperf's -w. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmperf/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What FORMAT makes of a request, each of whose texts is one letter. */
static char *print(const char *format, int64_t code, size_t *len)
{
    static const struct missing why = {"t", "T"};
    const struct result result = {
        .code = code,
        .error = "a",
        .url = "b",
        .output = "c",
        .effective_url = "d",
        .redirect_url = "e",
        .referer = "f",
        .content_type = "g",
        .method = "h",
        .scheme = "i",
        .http_version = "j",
        .remote_ip = "k",
        .local_ip = "l",
        .times = {.total = INT64_MAX, .connect = INT64_MIN},
        .figures = {.network = {.ns = -1}, .server = {.missing = &why}},
        .exchange = {.ns = 1, .overlapped = true},
    };
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    must(out != NULL);
    format_print(format, &result, out, out);
    must(fclose(out) == 0);
    return text;
}

/* The name that is told as unknown stands in the format, as a variable. */
static void check_refused(const char *format, const char *bad)
{
    char variable[FORMAT_NAME_MAX + sizeof("%{")];

    must(strlen(bad) <= FORMAT_NAME_MAX);
    (void)snprintf(variable, sizeof(variable), "%%{%s", bad);
    must(strstr(format, variable) != NULL);
}

static void check_printed(const char *format)
{
    size_t len = 0, failed_len = 0;
    char *text = print(format, 0, &len);
    char *failed = print(format, 1, &failed_len);

    /* Without anything special it is printed as it is. */
    if (strpbrk(format, "%\\") == NULL)
        must(strcmp(text, format) == 0);
    /* With an error nothing is left out. */
    must(strstr(format, "%{exitcode}") != NULL || failed_len >= len);
    free(text);
    free(failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char bad[FORMAT_NAME_MAX + 1];
    char *format = malloc(len + 1);

    must(format != NULL);
    memcpy(format, data, len);
    format[len] = '\0';
    if (format_check(format, bad))
        check_printed(format);
    else
        check_refused(format, bad);
    free(format);
    return 0;
}
