/* SPDX-License-Identifier: BSD-2-Clause */
/* A pre-shared key's file. */
#include "cli/pdmctl/decode/key_file.h"

#include <err.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_DIGITS ((size_t)2 * PDM_PSK_LEN)

static bool is_private(int fd, const char *path)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        warn("key %s", path);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        warnx("key %s: not a regular file", path);
        return false;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        warnx("key %s: open to others (mode %04o); chmod 600 %s", path,
              (unsigned)st.st_mode & 07777U, path);
        return false;
    }
    return true;
}

static bool decode(const char *text, size_t len, uint8_t psk[static PDM_PSK_LEN])
{
    size_t octets = 0;

    if (len == HEX_DIGITS + 1 && text[HEX_DIGITS] == '\n')
        len--;
    return len == HEX_DIGITS &&
           sodium_hex2bin(psk, PDM_PSK_LEN, text, len, NULL, &octets, NULL) == 0 &&
           octets == PDM_PSK_LEN;
}

bool key_file_read(const char *path, uint8_t psk[static PDM_PSK_LEN])
{
    char text[HEX_DIGITS + 2]; /* a newline, and one that must not be there */
    /* Not blocking, in case that it is a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool good = is_private(fd, path);

    if (good) {
        ssize_t got = read(fd, text, sizeof(text));

        good = got >= 0 && decode(text, (size_t)got, psk);
        if (got < 0)
            warn("key %s", path);
        else if (!good)
            warnx("key %s: not 64 hexadecimal digits, as pdmctl keygen makes them", path);
        sodium_memzero(text, sizeof(text));
    }
    if (fd >= 0)
        close(fd);
    return good;
}
