/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests that derive everything once more from what was said: a build with PDM_TRANSCRIPT
 * appends it to the file that PDMV2_TRANSCRIPT names, secrets and all. No other build has it.
 */
#ifndef PDM_KEYAGENT_TRANSCRIPT_LOG_H
#define PDM_KEYAGENT_TRANSCRIPT_LOG_H

#ifdef PDM_TRANSCRIPT

#include <stdio.h>
#include <stdlib.h>

static inline void transcript_log(const char *what, const void *octets, size_t len)
{
    const char *path = getenv("PDMV2_TRANSCRIPT");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;

    if (file == NULL)
        return;
    fprintf(file, "%s ", what);
    for (size_t i = 0; i < len; i++)
        fprintf(file, "%02x", ((const unsigned char *)octets)[i]);
    fputc('\n', file);
    fclose(file);
}

#else
#define transcript_log(what, octets, len) ((void)0)
#endif

#endif
