/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways to ask a host. */
#include "cli/pdmping/method.h"

const struct method *method_of(enum ping_method method)
{
    static const struct method *const methods[PING_METHODS] = {
        [PING_UDP] = &method_udp,
        [PING_ICMP] = &method_icmp,
        [PING_TCP_CONNECT] = &method_tcp_connect,
        [PING_TCP_REQUEST] = &method_tcp_request,
    };

    return methods[method];
}
