/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmping's two sockets. */
#ifndef CLI_PDMPING_SOCKET_H
#define CLI_PDMPING_SOCKET_H

#include <net/if.h>
#include <netinet/in.h>

#include "cli/pdmping/options.h"

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN + IF_NAMESIZE + 1 }; /* with a scope behind it */

/*
 * Both return -1, and a line on standard error, on failure.
 * Connected to the host that is asked for, whose address goes to TEXT.
 */
int ping_socket_connect(const struct ping_options *options, char text[static ADDRESS_TEXT]);
/* Bound to the port and, if one is asked for, to the source. */
int ping_socket_listen(const struct ping_options *options);

#endif
