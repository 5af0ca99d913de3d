/* SPDX-License-Identifier: BSD-2-Clause */
/* A pre-shared key's file. */
#include "keyagent/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyagent/log.h"

#define HEX_DIGITS ((size_t)2 * PDM_PSK_LEN)

static const char *what_is_wrong(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "not a regular file";
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return "owned by another user";
    /*
     * Its generation lies beside it: under two names there would be two, and both would begin at
     * the same number.
     */
    if (st->st_nlink != 1)
        return "has more than one name (hard link); keep one";
    return NULL;
}

int keyfile_open(const char *path)
{
    /* Not blocking, in case that it is a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        log_error("key %s: %s", path, strerror(errno));
        goto fail;
    }
    const char *wrong = what_is_wrong(&st);
    if (wrong != NULL) {
        log_error("key %s: %s", path, wrong);
        goto fail;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        log_error("key %s: open to others (mode %04o); chmod 600 %s", path,
                  (unsigned)st.st_mode & 07777U, path);
        goto fail;
    }
    return fd;
fail:
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool decode(const char *text, size_t len, uint8_t psk[static PDM_PSK_LEN])
{
    size_t octets;

    if (len == HEX_DIGITS + 1 && text[HEX_DIGITS] == '\n')
        len--;
    return len == HEX_DIGITS &&
           sodium_hex2bin(psk, PDM_PSK_LEN, text, len, NULL, &octets, NULL) == 0 &&
           octets == PDM_PSK_LEN;
}

bool keyfile_read(int fd, const char *path, uint8_t psk[static PDM_PSK_LEN])
{
    char text[HEX_DIGITS + 2]; /* a newline, and one that must not be there */

    if (sodium_mlock(text, sizeof text) != 0) {
        log_error("key %s: cannot lock memory to read it: %s", path, strerror(errno));
        return false;
    }
    ssize_t got = pread(fd, text, sizeof text, 0);
    bool good = got >= 0 && decode(text, (size_t)got, psk);
    if (got < 0)
        log_error("key %s: %s", path, strerror(errno));
    else if (!good)
        log_error("key %s: not 64 hexadecimal digits; make one with: pdmctl keygen FILE", path);
    sodium_munlock(text, sizeof text); /* wipes */
    return good;
}

void keyfile_id(const uint8_t psk[static PDM_PSK_LEN], uint8_t id[static KEYFILE_ID_LEN])
{
    static const uint8_t label[] = "pdmv2 key file";

    crypto_generichash(id, KEYFILE_ID_LEN, psk, PDM_PSK_LEN, label, sizeof label);
}
