/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCP connection, as the kernel tells of it. */
#include "shim/connection.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "shim/sys.h"

/* The states of RFC 9293 section 3.3.2 in which both ends stand and this one may send. */
#define STATE_ESTABLISHED 1
#define STATE_CLOSE_WAIT 8

bool pdm_connection_ask(int fd, struct pdm_connection *c)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (pdm_sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, (long)&info, (long)&len, 0) != 0)
        return false;
    *c = (struct pdm_connection){
        .stands = info.tcpi_state == STATE_ESTABLISHED || info.tcpi_state == STATE_CLOSE_WAIT,
        .segment = info.tcpi_snd_mss,
        .unsent = info.tcpi_notsent_bytes,
        .retransmitted = info.tcpi_total_retrans,
        .mtu = info.tcpi_pmtu,
    };
    return true;
}

size_t pdm_connection_last(const struct pdm_connection *c, size_t pending, size_t header)
{
    if (pending == 0 || c->segment <= header)
        return 0;
    size_t last = (pending - 1) % c->segment + 1;

    return last <= c->segment - header ? last : 0;
}

bool pdm_connection_drained(int fd)
{
    int queued = -1;

    return pdm_sys(SYS_ioctl, fd, SIOCINQ, (long)&queued, 0, 0, 0) == 0 && queued == 0;
}
