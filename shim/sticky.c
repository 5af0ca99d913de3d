/* SPDX-License-Identifier: BSD-2-Clause */
/* The option of a TCP socket. */
#include "shim/sticky.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/privilege.h"
#include "shim/sys.h"

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* All but those that a fault raises at once: the kernel kills who holds such a one back. */
static const uint64_t held_back =
    ~(BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV) | BIT(SIGSYS));

static void mask_signals(int how, uint64_t mask, uint64_t *before)
{
    pdm_sys(SYS_rt_sigprocmask, how, (long)&mask, (long)before, sizeof mask, 0, 0);
}

bool pdm_sticky_set(int fd, enum pdm_format format, const uint8_t option[static PDM_OPTION_MAX],
                    uint64_t *signals)
{
    uint8_t header[PDM_HEADER_MAX];
    size_t len = pdm_header_wrap(format, option, header);

    mask_signals(SIG_BLOCK, held_back, signals);
    long r = pdm_sys(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_DSTOPTS, (long)header, (long)len, 0);

    if (r == 0) {
        pdm_attach_accepted();
        return true;
    }
    mask_signals(SIG_SETMASK, *signals, NULL);
    if (r == -EPERM)
        pdm_attach_refused();
    return false;
}

/*
 * By a set of sticky options in which there is none: unlike IPV6_DSTOPTS with a length of 0 it
 * needs no privilege, should the program drop its own at this very moment, and gives the connection
 * back the segment size that the option took. But unlike that it needs memory for the set, which a
 * program with large filters or many keys on the socket may have used up (net.core.optmem_max).
 */
static void clear(int fd)
{
    const struct cmsghdr c = {CMSG_LEN(sizeof(int)), IPPROTO_IPV6, IPV6_HOPLIMIT};
    const int hop_limit = -1; /* the default; it is for this call alone and never used */
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {0};

    memcpy(control, &c, sizeof c);
    memcpy(control + CMSG_LEN(0), &hop_limit, sizeof hop_limit);
    if (pdm_sys(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, (long)control,
                sizeof control, 0) != 0)
        pdm_sys(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, 0, 0, 0);
}

void pdm_sticky_clear(int fd, uint64_t signals)
{
    clear(fd);
    mask_signals(SIG_SETMASK, signals, NULL);
}

bool pdm_sticky_recover(int fd, const uint8_t *header, size_t len, uint8_t type)
{
    struct pdm_found found;

    if (pdm_header_find(header, len, type, &found) != PDM_FOUND ||
        len != pdm_formats[found.format].header_len)
        return false;
    clear(fd);
    return true;
}
