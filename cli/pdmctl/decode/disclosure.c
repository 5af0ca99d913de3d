/* SPDX-License-Identifier: BSD-2-Clause */
/* The plaintexts of decrypted options, in a file for the dissector. */
#include "cli/pdmctl/decode/disclosure.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

FILE *disclosure_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file == NULL)
        warn("%s", path);
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

void disclosure_add(FILE *file, const struct pdm_tuple *tuple, const struct pdm_found *found,
                    uint64_t kri)
{
    uint8_t flow[PDM_TUPLE_LEN], plaintext[PDM_PLAINTEXT_LEN];
    char flow_hex[2 * sizeof(flow) + 1], option_hex[2 * PDM_OPTION_MAX + 1];
    char plaintext_hex[2 * sizeof(plaintext) + 1];

    pdm_tuple_bytes(tuple, flow);
    pdm_plaintext_write(&found->fields, plaintext);
    (void)fprintf(
        file, "%s %s %016" PRIx64 " %s\n",
        sodium_bin2hex(flow_hex, sizeof(flow_hex), flow, sizeof(flow)),
        sodium_bin2hex(option_hex, sizeof(option_hex), found->option, PDM_OPTION_MAX), kri,
        sodium_bin2hex(plaintext_hex, sizeof(plaintext_hex), plaintext, sizeof(plaintext)));
}

bool disclosure_close(FILE *file, const char *path)
{
    bool failed = ferror(file) != 0;

    failed = fclose(file) != 0 || failed;
    if (failed)
        warn("cannot write to %s", path);
    return !failed;
}
