/* SPDX-License-Identifier: BSD-2-Clause */
/* Control probes. What goes through syscall(2) here are calls that libpdmv2 leaves alone. */
#include "cli/pdmping/control.h"

#include <netinet/icmp6.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/option.h"

enum {
    ICMP_HEADER = sizeof(struct icmp6_hdr),
    KIND_SHIFT = 32, /* in a probe's number, above the target */
    RECEIVED = 256,
};

/* Nobody reads its error queue, and what lies there would end every wait. */
static void keep_no_errors(int fd)
{
    const int off = 0;

    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &off, sizeof(off));
}

/* The option is what flows send, but for the values: those of a sender that received nothing. */
static bool attach_option(int fd)
{
    const struct pdm_fields none = {0};
    uint8_t option[PDM_OPTION_MAX] = {0};
    uint8_t header[PDM_HEADER_MAX];

    pdm_option_write(PDM_FORMAT_RFC8250, PDM_OPTION_TYPE, &none, option);
    size_t len = pdm_header_wrap(PDM_FORMAT_RFC8250, option, header);

    return syscall(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_DSTOPTS, header, len) == 0;
}

/* -1 without CAP_NET_RAW. */
static int open_raw(const struct ping_options *options, bool with_option)
{
    char why[ERROR_TEXT]; /* without controls the verdict says less, no more */
    int fd = ping_socket(options, SOCK_RAW, IPPROTO_ICMPV6, why);

    if (fd < 0 || (ping_socket_pass_replies(fd) && (!with_option || attach_option(fd))))
        return fd;
    (void)close(fd);
    return -1;
}

void control_open(struct control *c, const struct ping_options *options)
{
    char why[ERROR_TEXT];

    c->fd[CONTROL_ECHO] = open_raw(options, false);
    if (c->fd[CONTROL_ECHO] < 0)
        c->fd[CONTROL_ECHO] = ping_socket(options, SOCK_DGRAM, IPPROTO_ICMPV6, why);
    c->fd[CONTROL_OPTION] = open_raw(options, true);
    c->fd[CONTROL_SERVICE] = ping_socket(options, SOCK_DGRAM, 0, why);
    for (int kind = 0; kind < CONTROL_KINDS; kind++)
        keep_no_errors(c->fd[kind]);
    randombytes_buf(&c->run, sizeof(c->run));
    randombytes_buf(&c->identifier, sizeof(c->identifier));
}

void control_close(struct control *c)
{
    for (int kind = 0; kind < CONTROL_KINDS; kind++) {
        if (c->fd[kind] >= 0)
            (void)close(c->fd[kind]);
    }
}

static bool send_one(const struct control *c, enum control_kind kind,
                     const struct sockaddr_in6 *address, uint32_t target, int64_t now)
{
    const struct icmp6_hdr header = {.icmp6_type = ICMP6_ECHO_REQUEST, .icmp6_id = c->identifier};
    const struct probe probe = {
        .seq = (uint64_t)kind << KIND_SHIFT | target, .sent = now, .run = c->run};
    size_t skipped = kind == CONTROL_SERVICE ? ICMP_HEADER : 0;
    uint8_t bytes[ICMP_HEADER + PROBE_HEADER];
    struct sockaddr_in6 to = *address;

    memcpy(bytes, &header, sizeof(header));
    probe_write(&probe, bytes + ICMP_HEADER);
    if (kind != CONTROL_SERVICE)
        to.sin6_port = 0;
    return syscall(SYS_sendto, c->fd[kind], bytes + skipped, sizeof(bytes) - skipped, MSG_DONTWAIT,
                   &to, sizeof(to)) >= 0;
}

void control_send(struct control *c, const struct method *method, const struct endpoint *e,
                  uint32_t target, bool attached, struct control_tally *tally, int64_t now)
{
    const bool wanted[CONTROL_KINDS] = {
        [CONTROL_ECHO] = true,
        [CONTROL_OPTION] = attached,
        [CONTROL_SERVICE] = method->has_service,
    };

    tally->latest = now;
    for (int kind = 0; kind < CONTROL_KINDS; kind++) {
        if (wanted[kind] && c->fd[kind] >= 0 &&
            send_one(c, (enum control_kind)kind, &e->address, target, now))
            tally->kind[kind].sent++;
    }
}

/* A raw socket sees the answers to the other kinds of echo, too. */
static bool receive_one(const struct control *c, enum control_kind kind, uint32_t *target)
{
    size_t header = kind == CONTROL_SERVICE ? 0 : ICMP_HEADER;
    uint8_t bytes[RECEIVED];
    struct probe probe;

    for (;;) {
        long n = syscall(SYS_recvfrom, c->fd[kind], bytes, sizeof(bytes), MSG_DONTWAIT, NULL, NULL);

        if (n < 0)
            return false;
        if ((size_t)n < header || !probe_read(&probe, bytes + header, (size_t)n - header) ||
            probe.run != c->run || probe.seq >> KIND_SHIFT != (uint64_t)kind)
            continue;
        *target = (uint32_t)probe.seq;
        return true;
    }
}

bool control_receive(struct control *c, enum control_kind *kind, uint32_t *target)
{
    for (int i = 0; i < CONTROL_KINDS; i++) {
        *kind = (enum control_kind)i;
        if (c->fd[i] >= 0 && receive_one(c, *kind, target))
            return true;
    }
    return false;
}
