/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket of the probes. */
#include "keyagent/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cursor.h"

#define REQUEST_LEN (sizeof(struct icmp6_hdr) + PATH_NONCE_LEN)

/*
 * A raw socket sees all of the host's replies: those with another identifier stay in the kernel, so
 * that somebody's flood of echoes does not keep the agent busy.
 */
static bool filter(const struct probe *probe)
{
    const uint32_t whole = UINT32_MAX;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct icmp6_hdr, icmp6_id)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, probe->identifier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, whole),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    struct icmp6_filter types;

    ICMP6_FILTER_SETBLOCKALL(&types);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &types);
    return setsockopt(probe->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &types, sizeof types) == 0 &&
           setsockopt(probe->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

bool probe_open(struct probe *probe)
{
    randombytes_buf(&probe->identifier, sizeof probe->identifier);
    probe->fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
    if (probe->fd >= 0 && filter(probe))
        return true;
    int error = errno;
    probe_close(probe);
    errno = error;
    return false;
}

void probe_close(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

/*
 * Not a header of padding alone: a Linux host drops packets with more than 7 octets of that in a
 * row. This is what flows will send, but for the values.
 */
static size_t make_header(enum pdm_format format, uint8_t type, uint8_t out[static PDM_HEADER_MAX])
{
    const struct pdm_fields none = {0};
    uint8_t option[PDM_OPTION_MAX] = {0};

    if (format == PDM_FORMAT_ENCRYPTED)
        pdm_option_write_clear(type, 0, 0, option);
    else
        pdm_option_write(format, type, &none, option);
    return pdm_header_wrap(format, option, out);
}

static void put_control(struct msghdr *message, struct cmsghdr *at, int type, const void *data,
                        size_t len)
{
    at->cmsg_level = IPPROTO_IPV6;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(at), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

/* The kernel fills in the checksum (RFC 3542 section 3.1). */
static void make_request(const struct probe *probe, const struct path_request *request,
                         uint8_t out[static REQUEST_LEN])
{
    struct pdm_writer w = pdm_writer(out, REQUEST_LEN);
    uint16_t sequence;

    randombytes_buf(&sequence, sizeof sequence);
    pdm_write_u8(&w, ICMP6_ECHO_REQUEST);
    pdm_write_u8(&w, 0);
    pdm_write_u16(&w, 0);
    pdm_write_u16(&w, probe->identifier);
    pdm_write_u16(&w, sequence);
    pdm_write_bytes(&w, request->nonce, PATH_NONCE_LEN);
}

bool probe_send(const struct probe *probe, const struct path_request *request, uint8_t option_type)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6};
    struct in6_pktinfo source = {0};
    uint8_t header[PDM_HEADER_MAX];
    uint8_t bytes[REQUEST_LEN];
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    union {
        struct cmsghdr first;
        char bytes[CMSG_SPACE(sizeof source) + CMSG_SPACE(PDM_HEADER_MAX)];
    } control = {0};
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = sizeof to,
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control};

    memcpy(&to.sin6_addr, request->peer, sizeof to.sin6_addr);
    memcpy(&source.ipi6_addr, request->local, sizeof source.ipi6_addr);
    make_request(probe, request, bytes);
    put_control(&message, &control.first, IPV6_PKTINFO, &source, sizeof source);
    if (request->with_option) {
        size_t len = make_header(request->format, option_type, header);

        put_control(&message, (struct cmsghdr *)&control.bytes[CMSG_SPACE(sizeof source)],
                    IPV6_DSTOPTS, header, len);
    }
    return sendmsg(probe->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof bytes;
}

bool probe_parse(const uint8_t *bytes, size_t len, uint16_t identifier,
                 uint8_t nonce[static PATH_NONCE_LEN])
{
    struct pdm_reader r = pdm_reader(bytes, len);
    uint8_t type = pdm_read_u8(&r);
    uint8_t code = pdm_read_u8(&r);

    pdm_read_u16(&r); /* the checksum: the kernel has checked it */
    uint16_t id = pdm_read_u16(&r);
    pdm_read_u16(&r); /* the sequence number: the nonce tells more */
    pdm_read_bytes(&r, nonce, PATH_NONCE_LEN);
    return !r.bad && r.left == 0 && type == ICMP6_ECHO_REPLY && code == 0 && id == identifier;
}

enum probe_got probe_receive(const struct probe *probe, uint8_t nonce[static PATH_NONCE_LEN],
                             uint8_t from[static PDM_ADDR_LEN])
{
    uint8_t bytes[REQUEST_LEN + 1]; /* one more than any reply of ours */
    struct sockaddr_in6 peer = {0};
    socklen_t len = sizeof peer;
    ssize_t got =
        recvfrom(probe->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&peer, &len);

    if (got < 0)
        return PROBE_NONE;
    if (!probe_parse(bytes, (size_t)got, probe->identifier, nonce))
        return PROBE_OTHER;
    memcpy(from, &peer.sin6_addr, PDM_ADDR_LEN);
    return PROBE_REPLY;
}
