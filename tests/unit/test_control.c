/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages: what the shim makes of a program's, what the kernel makes of that, and, octet
 * for octet, that what the shim hands a program is what the kernel would have handed it.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/option.h"
#include "shim/control.h"
#include "shim/descriptor.h"

enum { ROOM = 512, FILLER = 0xA5, WAIT_S = 2 };

static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
/* A program's own header: option 0x1E (RFC 4727, experimental) with four octets. */
static const uint8_t its_header[] = {0, 0, 0x1E, 4, 1, 2, 3, 4};

static size_t add(uint8_t *control, size_t at, int level, int type, const void *data, size_t len)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};

    cr_assert_leq(at + CMSG_SPACE(len), (size_t)ROOM);
    memset(control + at, 0, CMSG_SPACE(len));
    memcpy(control + at, &c, sizeof c);
    memcpy(control + at + CMSG_LEN(0), data, len);
    return at + CMSG_SPACE(len);
}

static size_t add_int(uint8_t *control, size_t at, int level, int type, int value)
{
    return add(control, at, level, type, &value, sizeof value);
}

/* Sockets on ::1. */

struct pair {
    int sender;
    int receiver;
};

static struct pair open_pair(void)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = loopback};
    const struct timeval wait = {.tv_sec = WAIT_S};
    socklen_t len = sizeof addr;
    struct pair p = {socket(AF_INET6, SOCK_DGRAM, 0), socket(AF_INET6, SOCK_DGRAM, 0)};

    cr_assert_eq(bind(p.receiver, (struct sockaddr *)&addr, sizeof addr), 0);
    cr_assert_eq(getsockname(p.receiver, (struct sockaddr *)&addr, &len), 0);
    cr_assert_eq(connect(p.sender, (struct sockaddr *)&addr, sizeof addr), 0);
    cr_assert_eq(setsockopt(p.receiver, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return p;
}

static void close_pair(struct pair p)
{
    close(p.sender);
    close(p.receiver);
}

static void set(int fd, int level, int name, int value)
{
    cr_assert_eq(setsockopt(fd, level, name, &value, sizeof value), 0, "%d %d", level, name);
}

static void send_with(int fd, const void *control, size_t len)
{
    uint8_t payload = 'p';
    struct iovec iov = {&payload, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = len != 0 ? (void *)(uintptr_t)control : NULL,
                         .msg_controllen = len};

    cr_assert_eq(sendmsg(fd, &msg, 0), 1);
}

/* What the next datagram, which stays, has for a program with LEN octets of room. */
struct got {
    uint8_t control[ROOM];
    size_t len;
    int flags;
};

static struct got peek(int fd, size_t len)
{
    uint8_t payload;
    struct iovec iov = {&payload, 1};
    struct got got;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = got.control, .msg_controllen = len};

    memset(got.control, FILLER, sizeof got.control);
    cr_assert_eq(recvmsg(fd, &msg, MSG_PEEK), 1);
    got.len = msg.msg_controllen;
    got.flags = msg.msg_flags & MSG_CTRUNC;
    return got;
}

/* The same by way of the shim: all that the kernel has, then what is the program's of it. */
static struct got deliver(int fd, uint32_t hidden, uint8_t option_type, size_t len)
{
    struct got all = peek(fd, ROOM), got = {.len = 0};
    struct msghdr msg = {.msg_control = all.control, .msg_controllen = all.len};

    cr_assert_eq(all.flags, 0);
    memset(got.control, FILLER, sizeof got.control);
    got.len = pdm_control_deliver(&msg, hidden, option_type, got.control, len, &got.flags);
    return got;
}

static void same(const struct got *kernel, const struct got *shim, unsigned which, size_t len)
{
    cr_assert_eq(kernel->len, shim->len, "case %u, room %zu: %zu, not %zu", which, len, shim->len,
                 kernel->len);
    cr_assert_eq(kernel->flags, shim->flags, "case %u, room %zu", which, len);
    cr_assert_eq(memcmp(kernel->control, shim->control, ROOM), 0, "case %u, room %zu", which, len);
}

/* Receive options, and under which flag the shim would have set them instead of the program. */
static const struct {
    int level, name;
    uint32_t ours;
} options[] = {
    {SOL_SOCKET, SO_TIMESTAMPNS, PDM_FD_OUR_STAMP},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, PDM_FD_OUR_PKTINFO},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, PDM_FD_OUR_DSTOPTS},
};
enum { OPTIONS = sizeof options / sizeof options[0] };

/* Sets the program's options, a bit each in ITS, and with OURS those of ours that it has not. */
static uint32_t set_options(int fd, unsigned its, bool ours)
{
    uint32_t hidden = 0;

    for (unsigned i = 0; i < OPTIONS; i++) {
        bool on = (its & 1U << i) != 0;

        if (!on && ours && options[i].ours != 0) {
            hidden |= options[i].ours;
            on = true;
        }
        set(fd, options[i].level, options[i].name, on);
    }
    return hidden;
}

/*
 * Every set of a program's options, every size of its buffer, the same datagram: once with its
 * options alone, straight from the kernel, once with ours beside them and through the shim.
 */
Test(control, delivers_what_the_kernel_would, .timeout = 60)
{
    struct pair p = open_pair();
    uint8_t control[ROOM];

    set(p.receiver, SOL_SOCKET, SO_TIMESTAMPNS, 1); /* so that the datagram is stamped */
    send_with(p.sender, control,
              add(control, 0, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header));
    for (unsigned its = 0; its < 1U << OPTIONS; its++) {
        set_options(p.receiver, its, false);
        size_t most = peek(p.receiver, ROOM).len + 2 * sizeof(struct cmsghdr);

        for (size_t len = 0; len <= most; len++) {
            set_options(p.receiver, its, false);
            struct got kernel = peek(p.receiver, len);
            uint32_t hidden = set_options(p.receiver, its, true);
            struct got shim = deliver(p.receiver, hidden, 0, len);
            same(&kernel, &shim, its, len);
        }
    }
    close_pair(p);
}

/* Nowhere to put it: truncated if there was anything of the program's, as the kernel has it. */
Test(control, delivers_to_nowhere)
{
    struct pair p = open_pair();

    set(p.receiver, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    send_with(p.sender, NULL, 0);
    for (unsigned its = 0; its < 2; its++) {
        uint8_t payload;
        struct iovec iov = {&payload, 1};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = 100};
        int flags = 0;

        set_options(p.receiver, its, false);
        cr_assert_eq(recvmsg(p.receiver, &msg, MSG_PEEK), 1);
        uint32_t hidden = set_options(p.receiver, its, true);
        struct got all = peek(p.receiver, ROOM);
        struct msghdr ours = {.msg_control = all.control, .msg_controllen = all.len};
        cr_assert_eq(pdm_control_deliver(&ours, hidden, 0, NULL, 100, &flags), msg.msg_controllen);
        cr_assert_eq(flags, msg.msg_flags & MSG_CTRUNC);
        cr_assert_eq(flags != 0, its != 0);
    }
    close_pair(p);
}

/* Our option beside the program's, in one header that it asked for: it finds its own alone. */
static void strips(int receive_option, const uint8_t *header, size_t header_len)
{
    uint8_t option[PDM_OPTION_MAX] = {PDM_OPTION_TYPE, 18, 0x20}, with[PDM_DSTOPTS_MAX];
    uint8_t control[ROOM];
    struct pair plain = open_pair(), merged = open_pair();
    size_t len = header_len != 0
                     ? pdm_header_merge(header, header_len, PDM_FORMAT_PLAIN, option, with, ROOM)
                     : pdm_header_wrap(PDM_FORMAT_PLAIN, option, with);

    cr_assert_neq(len, 0);
    send_with(merged.sender, control, add(control, 0, IPPROTO_IPV6, IPV6_DSTOPTS, with, len));
    send_with(plain.sender, control,
              header_len != 0 ? add(control, 0, IPPROTO_IPV6, IPV6_DSTOPTS, header, header_len)
                              : 0);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? plain.receiver : merged.receiver;

        set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        set(fd, IPPROTO_IPV6, receive_option, 1);
    }
    size_t most = peek(merged.receiver, ROOM).len + sizeof(struct cmsghdr);
    for (size_t room = 0; room <= most; room++) {
        struct got kernel = peek(plain.receiver, room);
        struct got shim = deliver(merged.receiver, 0, PDM_OPTION_TYPE, room);
        same(&kernel, &shim, (unsigned)receive_option, room);
    }
    close_pair(plain);
    close_pair(merged);
}

Test(control, strips_our_option_from_the_programs_header)
{
    static const uint8_t longer[] = {0, 1, 1, 1, 0, 0x1E, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9};

    strips(IPV6_RECVDSTOPTS, its_header, sizeof its_header);
    strips(IPV6_RECVDSTOPTS, longer, sizeof longer);
    strips(IPV6_RECVDSTOPTS, NULL, 0);
    strips(IPV6_2292DSTOPTS, its_header, sizeof its_header);
    strips(IPV6_2292DSTOPTS, NULL, 0);
}

/* What is built is what the kernel takes, sends and shows to the receiver. */
Test(control, builds_what_the_kernel_sends)
{
    uint8_t own[ROOM], out[PDM_CONTROL_OUT], option[PDM_OPTION_MAX] = {PDM_OPTION_TYPE, 10};
    uint8_t header[PDM_HEADER_MAX];
    size_t header_len = pdm_header_wrap(PDM_FORMAT_RFC8250, option, header);
    struct pair p = open_pair();

    /* The program's own header is not passed on: what it merged into is. */
    size_t own_len = add_int(own, 0, IPPROTO_IPV6, IPV6_HOPLIMIT, 33);
    own_len = add(own, own_len, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header);
    own_len = add_int(own, own_len, IPPROTO_IPV6, IPV6_TCLASS, 0x28);
    size_t len =
        pdm_control_build(own, own_len, header, header_len, loopback.s6_addr, out, sizeof out);
    cr_assert_eq(len, 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(header_len) +
                          CMSG_SPACE(sizeof(struct in6_pktinfo)));
    for (unsigned i = 1; i < OPTIONS; i++)
        set(p.receiver, options[i].level, options[i].name, 1);
    send_with(p.sender, out, len);

    struct got got = peek(p.receiver, ROOM);
    struct msghdr msg = {.msg_control = got.control, .msg_controllen = got.len};
    struct pdm_control_received r = pdm_control_read(&msg);
    cr_assert(r.dstopts != NULL && r.dstopts_len == header_len && !r.twice && !r.has_stamp);
    cr_assert_arr_eq(r.dstopts + 1, header + 1, header_len - 1);
    cr_assert(r.has_destination && memcmp(r.destination, loopback.s6_addr, 16) == 0);
    int hops = 0, class = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_type == IPV6_HOPLIMIT)
            memcpy(&hops, CMSG_DATA(c), sizeof hops);
        if (c->cmsg_type == IPV6_TCLASS)
            memcpy(&class, CMSG_DATA(c), sizeof class);
    }
    cr_assert(hops == 33 && class == 0x28);
    close_pair(p);
}

/* It fits exactly, or it does not; never beyond. */
Test(control, builds_at_every_size)
{
    uint8_t own[ROOM], out[PDM_CONTROL_OUT + 1];
    size_t own_len = add_int(own, 0, IPPROTO_IPV6, IPV6_HOPLIMIT, 33);
    size_t need = own_len + CMSG_SPACE(sizeof its_header) + CMSG_SPACE(sizeof(struct in6_pktinfo));

    for (size_t cap = 0; cap <= need + 1; cap++) {
        memset(out, FILLER, sizeof out);
        size_t len = pdm_control_build(own, own_len, its_header, sizeof its_header,
                                       loopback.s6_addr, out, cap);
        cr_assert_eq(len, cap >= need ? need : 0, "%zu", cap);
        for (size_t i = cap; i < sizeof out; i++)
            cr_assert_eq(out[i], FILLER, "%zu of %zu", i, cap);
    }
    /* The last message may come without its padding. */
    own_len -= CMSG_SPACE(sizeof(int)) - CMSG_LEN(sizeof(int));
    cr_assert_eq(
        pdm_control_build(own, own_len, its_header, sizeof its_header, NULL, out, sizeof out),
        CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof its_header));
}

/* The largest of everything that may be merged has room. */
Test(control, builds_the_largest)
{
    static uint8_t own[PDM_CONTROL_OWN_MAX], header[PDM_MERGED_MAX], out[PDM_CONTROL_OUT];

    cr_assert_eq(add(own, 0, IPPROTO_IPV6, IPV6_RTHDR, out, PDM_CONTROL_OWN_MAX - CMSG_SPACE(0)),
                 sizeof own);
    cr_assert_eq(pdm_control_build(own, sizeof own, header, sizeof header, loopback.s6_addr, out,
                                   sizeof out),
                 sizeof out);
}

struct inspected {
    int level, type;
    size_t len; /* of the data */
    bool usable;
};

static const struct inspected inspected[] = {
    {IPPROTO_IPV6, IPV6_HOPLIMIT, 4, true},
    {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo), true},
    {IPPROTO_IPV6, IPV6_DSTOPTS, 8, true},
    {SOL_SOCKET, SO_TXTIME, 8, true},
    {IPPROTO_UDP, UDP_SEGMENT, 2, false},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, 8, false},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, sizeof(struct in6_pktinfo), false},
    {SOL_SOCKET, SO_TIMESTAMPING, 4, false},
};

Test(control, inspects)
{
    uint8_t own[ROOM];
    const uint8_t data[ROOM] = {0};

    cr_assert(pdm_control_inspect(NULL, 0).usable);
    for (size_t i = 0; i < sizeof inspected / sizeof inspected[0]; i++) {
        const struct inspected *row = &inspected[i];
        size_t len = add(own, 0, row->level, row->type, data, row->len);
        /* Something else before it changes nothing. */
        for (int before = 0; before < 2; before++) {
            struct pdm_control_found found = pdm_control_inspect(own, len);
            bool dstopts = row->level == IPPROTO_IPV6 && row->type == IPV6_DSTOPTS;
            bool pktinfo = row->level == IPPROTO_IPV6 && row->type == IPV6_PKTINFO;

            cr_assert_eq(found.usable, row->usable, "row %zu", i);
            cr_assert_eq(found.dstopts != NULL, dstopts, "row %zu", i);
            cr_assert_eq(found.pktinfo != NULL, pktinfo, "row %zu", i);
            len = add_int(own, 0, IPPROTO_IPV6, IPV6_TCLASS, 0);
            len = add(own, len, row->level, row->type, data, row->len);
        }
    }
}

Test(control, inspects_two_headers)
{
    uint8_t own[ROOM];
    size_t len = add(own, 0, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header);

    len = add(own, len, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header);
    cr_assert_not(pdm_control_inspect(own, len).usable);
}

/* Lengths that the kernel refuses: the plain call is left to say so. */
Test(control, inspects_malformed)
{
    static const size_t lengths[] = {
        0, 1, CMSG_LEN(0) - 1, CMSG_LEN(4) + 9, SIZE_MAX, SIZE_MAX - 7, (size_t)1 << 63};
    struct pair p = open_pair();
    uint8_t own[ROOM];

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t len = add_int(own, 0, IPPROTO_IPV6, IPV6_HOPLIMIT, 33);
        struct msghdr msg = {.msg_control = own, .msg_controllen = len};

        memcpy(own, &lengths[i], sizeof lengths[i]);
        cr_assert_not(pdm_control_inspect(own, len).usable, "%zu", lengths[i]);
        cr_assert_lt(sendmsg(p.sender, &msg, 0), 0, "%zu", lengths[i]);
    }
    close_pair(p);
}

/* A PKTINFO too short for an address is for the kernel to refuse; nothing is read beyond it. */
Test(control, inspects_short_pktinfo)
{
    uint8_t own[ROOM];
    size_t len = add(own, 0, IPPROTO_IPV6, IPV6_PKTINFO, loopback.s6_addr, 16);

    cr_assert_null(pdm_control_inspect(own, len).pktinfo);
    struct msghdr msg = {.msg_control = own, .msg_controllen = len};
    cr_assert_not(pdm_control_read(&msg).has_destination);
}

/* The kernel starts to stamp some time after the first socket asks for it. */
static int another_stamps(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    usleep(100000);
    return fd;
}

/* Whatever kind of stamp the program asked for, it is the time of receipt. */
Test(control, reads_stamps)
{
    static const struct {
        int name, value;
        int64_t resolution;
    } kinds[] = {{SO_TIMESTAMPNS, 1, 1},
                 {SO_TIMESTAMP, 1, PDM_NSEC_PER_USEC},
                 {SO_TIMESTAMPING, 1 << 3 | 1 << 4, 1}}; /* RX_SOFTWARE | SOFTWARE */
    int stamping = another_stamps();

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct timespec before, after;
        struct pair p = open_pair();

        set(p.receiver, SOL_SOCKET, kinds[i].name, kinds[i].value);
        clock_gettime(CLOCK_REALTIME, &before);
        send_with(p.sender, NULL, 0);
        struct got got = peek(p.receiver, ROOM);
        clock_gettime(CLOCK_REALTIME, &after);
        struct msghdr msg = {.msg_control = got.control, .msg_controllen = got.len};
        struct pdm_control_received r = pdm_control_read(&msg);
        int64_t from = before.tv_sec * PDM_NSEC_PER_SEC + before.tv_nsec;
        int64_t to = after.tv_sec * PDM_NSEC_PER_SEC + after.tv_nsec;
        cr_assert(r.has_stamp, "kind %zu", i);
        cr_assert(r.stamp >= from - kinds[i].resolution && r.stamp <= to, "kind %zu", i);
        cr_assert(r.stamp % kinds[i].resolution == 0);
        close_pair(p);
    }
    close(stamping);
}

Test(control, reads_two_headers)
{
    uint8_t own[ROOM];
    size_t len = add(own, 0, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header);
    struct msghdr msg = {.msg_control = own, .msg_controllen = len};

    cr_assert_not(pdm_control_read(&msg).twice);
    len = add(own, len, IPPROTO_IPV6, IPV6_DSTOPTS, its_header, sizeof its_header);
    msg.msg_controllen = len;
    cr_assert(pdm_control_read(&msg).twice);
}
