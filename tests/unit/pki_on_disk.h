/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of what has certificates: a directory of them, made with tests/net/pki.sh. */
#ifndef PDM_TESTS_PKI_ON_DISK_H
#define PDM_TESTS_PKI_ON_DISK_H

#include <limits.h>
#include <signal.h>

#include "keyagent/tls/credentials.h"
#include "tests/unit/keys_on_disk.h"

#define PKI_COMMAND_MAX 2048

static char pki_script[PATH_MAX];

/* The working directory is the new one. */
static inline void pki_begin(void)
{
    cr_assert_not_null(realpath("tests/net/pki.sh", pki_script));
    cr_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    keys_begin();
}

/* COMMANDS of pki.sh; the directory is the working directory, which they call by a dot. */
static inline void pki_make(const char *commands)
{
    char command[PATH_MAX + PKI_COMMAND_MAX + 32];

    snprintf(command, sizeof command, "bash -c 'set -e; . %s; %s'", pki_script, commands);
    cr_assert_eq(system(command), 0, "%s: %s", commands, keys_said());
}

/* NAME's certificate and key, and ONE authority, believed with the list CRL or with none. */
static inline struct credentials *pki_credentials(const char *name, const char *authority,
                                                  const char *crl)
{
    char certificate[64], key[64], ca[64];
    const struct credentials_authority one = {.name = authority, .ca = ca, .crl = crl};

    snprintf(certificate, sizeof certificate, "%s.pem", name);
    snprintf(key, sizeof key, "%s.key", name);
    snprintf(ca, sizeof ca, "%s.pem", authority);
    struct credentials *c = credentials_load(certificate, key, &one, 1);
    cr_assert_not_null(c, "%s", keys_said());
    return c;
}

#endif
