/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, and what is set on pdmping's sockets. */
#ifndef CLI_PDMPING_SOCKET_H
#define CLI_PDMPING_SOCKET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "cli/pdmping/options.h"

enum {
    ADDRESS_TEXT = INET6_ADDRSTRLEN + IF_NAMESIZE + 1, /* with a scope behind it */
    ERROR_TEXT = 160,
};

/* Those with a WHY say there, in a line, what went wrong if they fail. */

/* The address of HOST, as text too. */
bool ping_resolve(const struct ping_options *options, const char *host,
                  struct sockaddr_in6 *address, char text[static ADDRESS_TEXT],
                  char why[static ERROR_TEXT]);
/* A socket with all that the options ask for, not connected; -1 on failure. */
int ping_socket(const struct ping_options *options, int type, int protocol,
                char why[static ERROR_TEXT]);
/* TEXT is the address. */
bool ping_socket_connect(int fd, const struct sockaddr_in6 *address, const char *text,
                         char why[static ERROR_TEXT]);
/* Of a raw socket for ICMPv6: it receives the replies to echoes alone. False and errno on failure.
 */
bool ping_socket_pass_replies(int fd);
/* Of the service: bound to the port and, if one is asked for, to the source. */
int ping_socket_listen(const struct ping_options *options, char why[static ERROR_TEXT]);

#endif
