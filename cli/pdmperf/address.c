/* SPDX-License-Identifier: BSD-2-Clause */
/* An address of either family, and its port. */
#include "cli/pdmperf/address.h"

#include <arpa/inet.h>
#include <string.h>

uint16_t address_text(const struct sockaddr_storage *address, char text[static INET6_ADDRSTRLEN])
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    memcpy(&four, address, sizeof(four));
    memcpy(&six, address, sizeof(six));
    const void *ip =
        address->ss_family == AF_INET6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr;

    (void)inet_ntop(address->ss_family, ip, text, INET6_ADDRSTRLEN);
    return ntohs(six.sin6_port); /* both families have it at the same place */
}
