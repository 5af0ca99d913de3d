/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments that may name a file, as curl has them. */
#include "cli/pdmperf/argument.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 28 }; /* octets; what is larger was hardly meant */

/* All of IN, with a 0 behind it; NULL if it cannot be read or held. */
static char *read_all(FILE *in, size_t *len)
{
    size_t room = BUFSIZ;
    char *text = malloc(room + 1);

    *len = 0;
    while (text != NULL) {
        *len += fread(text + *len, 1, room - *len, in);
        if (*len < room)
            break;
        room *= 2;
        char *larger = room <= FILE_MAX ? realloc(text, room + 1) : NULL;

        if (larger == NULL) {
            errno = EFBIG;
            free(text);
        }
        text = larger;
    }
    if (text == NULL)
        return NULL;
    text[*len] = '\0';
    if (!ferror(in))
        return text;
    free(text);
    return NULL;
}

/* The content of the file that @PATH names. */
static char *read_file(const char *name, const char *path, size_t *len)
{
    bool input = strcmp(path, "-") == 0;
    FILE *in = input ? stdin : fopen(path, "rbe");
    char *text = in ? read_all(in, len) : NULL;

    if (text == NULL)
        warn("%s @%s", name, path);
    if (in && !input)
        (void)fclose(in);
    return text;
}

const char *argument_text(const char *name, const char *text)
{
    size_t len = 0;

    return text[0] == '@' ? read_file(name, text + 1, &len) : text;
}

static size_t without_line_ends(char *text, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\r' && text[i] != '\n' && text[i] != '\0')
            text[kept++] = text[i];
    }
    return kept;
}

static bool append(char **data, size_t *len, const char *more, size_t more_len)
{
    size_t between = *data != NULL ? 1 : 0;
    char *larger = realloc(*data, *len + between + more_len + 1);

    if (larger == NULL) {
        warn("-d");
        return false;
    }
    if (between != 0)
        larger[*len] = '&';
    memcpy(larger + *len + between, more, more_len);
    *data = larger;
    *len += between + more_len;
    larger[*len] = '\0';
    return true;
}

bool argument_add_data(const char *text, char **data, size_t *len)
{
    size_t more_len = 0;

    if (text[0] != '@')
        return append(data, len, text, strlen(text));
    char *more = read_file("-d", text + 1, &more_len);

    if (more == NULL)
        return false;
    bool added = append(data, len, more, without_line_ends(more, more_len));

    free(more);
    return added;
}
