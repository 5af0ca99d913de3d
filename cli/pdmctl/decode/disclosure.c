/* SPDX-License-Identifier: BSD-2-Clause */
/* The plaintexts of decrypted options, in a file for the dissector. */
#include "cli/pdmctl/decode/disclosure.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <unistd.h>

/* Empties FD, the file PATH, unless it is the capture itself. */
static bool make_empty(int fd, const char *path, const struct stat *capture)
{
    struct stat now;

    if (fstat(fd, &now) != 0) {
        warn("%s", path);
        return false;
    }
    if (now.st_dev == capture->st_dev && now.st_ino == capture->st_ino) {
        warnx("%s: this is the capture: name another file", path);
        return false;
    }
    if (S_ISREG(now.st_mode) && ftruncate(fd, 0) != 0) {
        warn("%s", path);
        return false;
    }
    return true;
}

FILE *disclosure_open(const char *path, const struct stat *capture)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    FILE *file;

    if (fd < 0) {
        warn("%s", path);
        return NULL;
    }
    if (!make_empty(fd, path, capture))
        goto fail;
    file = fdopen(fd, "w");
    if (file != NULL)
        return file;
    warn("%s", path);
fail:
    (void)close(fd);
    return NULL;
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
