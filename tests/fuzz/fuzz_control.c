/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages: a program's on the way out, the kernel's on the way in. The input is what is
 * hidden, the option's type, the room for the result (two octets each way), and the messages.
 */
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"
#include "shim/control.h"
#include "shim/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HEAD = 6, ROOM_MASK = 0x7FF };

static const uint8_t header[PDM_HEADER_MAX] = {0, 4};
static const uint8_t source[PDM_ADDR_LEN] = {0x20, 1, 0x0d, 0xb8};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A walk of its own, by the rule of RFC 3542 section 20.2 as Linux has it: aligned, in bounds. */
static bool next(const uint8_t *control, size_t len, size_t *at, struct cmsghdr *c)
{
    if (*at > len || len - *at < sizeof *c)
        return false;
    memcpy(c, control + *at, sizeof *c);
    return c->cmsg_len >= sizeof *c && c->cmsg_len <= len - *at;
}

static size_t step(const struct cmsghdr *c)
{
    return CMSG_ALIGN(c->cmsg_len);
}

static bool is(const struct cmsghdr *c, int level, int type)
{
    return c->cmsg_level == level && c->cmsg_type == type;
}

static bool inside(const void *what, size_t size, const uint8_t *control, size_t len)
{
    const uint8_t *at = what;

    return at >= control && at <= control + len && size <= (size_t)(control + len - at);
}

static void check_inspect(const uint8_t *control, size_t len)
{
    struct pdm_control_found found = pdm_control_inspect(control, len);
    struct cmsghdr c;
    size_t at = 0, headers = 0;

    must(found.dstopts == NULL || inside(found.dstopts, sizeof *found.dstopts, control, len));
    must(found.pktinfo == NULL || inside(found.pktinfo, sizeof *found.pktinfo, control, len));
    while (next(control, len, &at, &c)) {
        headers += is(&c, IPPROTO_IPV6, IPV6_DSTOPTS);
        must(!found.usable || !is(&c, IPPROTO_UDP, UDP_SEGMENT));
        at += step(&c);
    }
    must((found.dstopts != NULL) == (headers != 0));
    must(!found.usable || (headers <= 1 && (at >= len || len - at < sizeof c)));
}

/* All of the program's messages but its header, then ours; nothing else. */
static void check_build(const uint8_t *control, size_t len, size_t cap, bool with_source)
{
    uint8_t *out = malloc(cap != 0 ? cap : 1);
    size_t in = 0, at = 0;
    struct cmsghdr its, c;

    must(out != NULL);
    size_t built = pdm_control_build(control, len, header, sizeof header,
                                     with_source ? source : NULL, out, cap);
    must(built <= cap);
    must(built != 0 || cap < PDM_CONTROL_OUT || len > PDM_CONTROL_OWN_MAX);
    for (; built != 0 && next(control, len, &in, &its); in += step(&its)) {
        if (is(&its, IPPROTO_IPV6, IPV6_DSTOPTS))
            continue;
        must(next(out, built, &at, &c) && memcmp(out + at, control + in, its.cmsg_len) == 0);
        at += step(&c);
    }
    if (built != 0) {
        must(next(out, built, &at, &c) && is(&c, IPPROTO_IPV6, IPV6_DSTOPTS));
        must(memcmp(out + at + CMSG_LEN(0), header, sizeof header) == 0);
        at += step(&c);
        if (with_source) {
            must(next(out, built, &at, &c) && is(&c, IPPROTO_IPV6, IPV6_PKTINFO));
            must(memcmp(out + at + CMSG_LEN(0), source, sizeof source) == 0);
            at += step(&c);
        }
        must(at == built);
    }
    free(out);
}

/* What the receiving side makes of a header, of a datagram or of a stream's last packet. */
static void check_header(const uint8_t *received, size_t len)
{
    struct pdm_found found;

    if (pdm_header_find(received, len, PDM_OPTION_TYPE, &found) != PDM_FOUND)
        return;
    size_t size = pdm_formats[found.format].option_len + 2U;

    must(found.option[0] == PDM_OPTION_TYPE && found.option[1] + 2U == size);
    must(memmem(received, len, found.option, size) != NULL);
    for (size_t i = size; i < sizeof found.option; i++)
        must(found.option[i] == 0); /* options are compared whole */
}

static void check_read(uint8_t *control, size_t len)
{
    struct msghdr msg = {.msg_control = control, .msg_controllen = len};
    struct pdm_control_received r = pdm_control_read(&msg);

    must(r.dstopts == NULL || inside(r.dstopts, r.dstopts_len, control, len));
    must(r.dstopts != NULL || !r.twice);
    if (r.dstopts != NULL)
        check_header(r.dstopts, r.dstopts_len);
}

static bool hides(uint32_t hidden, const struct cmsghdr *c)
{
    return ((hidden & PDM_FD_OUR_DSTOPTS) != 0 && is(c, IPPROTO_IPV6, IPV6_DSTOPTS)) ||
           ((hidden & PDM_FD_OUR_PKTINFO) != 0 && is(c, IPPROTO_IPV6, IPV6_PKTINFO)) ||
           ((hidden & PDM_FD_OUR_STAMP) != 0 && is(c, SOL_SOCKET, SO_TIMESTAMPNS));
}

/* Nothing hidden gets through, and our option does not. */
static void check_delivered(const uint8_t *own, size_t used, uint32_t hidden, uint8_t type)
{
    struct cmsghdr c;

    for (size_t at = 0; next(own, used, &at, &c); at += step(&c)) {
        struct pdm_found found;

        must(!hides(hidden, &c));
        if (type != 0 &&
            (is(&c, IPPROTO_IPV6, IPV6_DSTOPTS) || is(&c, IPPROTO_IPV6, IPV6_2292DSTOPTS)))
            must(pdm_header_find(own + at + CMSG_LEN(0), c.cmsg_len - CMSG_LEN(0), type, &found) !=
                 PDM_FOUND);
    }
}

/* With room for all of it nothing is cut; with less, what is there is the beginning of that. */
static void check_deliver(const uint8_t *control, size_t len, uint32_t hidden, uint8_t type,
                          size_t room)
{
    uint8_t *all = calloc(1, len + CMSG_SPACE(0)), *own = calloc(1, room != 0 ? room : 1);
    uint8_t *kernels = malloc(len != 0 ? len : 1);
    struct msghdr msg = {.msg_control = kernels, .msg_controllen = len};
    int all_flags = 0, flags = 0;

    must(all != NULL && own != NULL && kernels != NULL);
    memcpy(kernels, control, len);
    size_t whole = pdm_control_deliver(&msg, hidden, type, all, len + CMSG_SPACE(0), &all_flags);
    must(whole <= len + CMSG_SPACE(0) && all_flags == 0);
    check_delivered(all, whole, hidden, type);

    memcpy(kernels, control, len);
    size_t used = pdm_control_deliver(&msg, hidden, type, own, room, &flags);
    must(used <= room && (flags & ~MSG_CTRUNC) == 0);
    must(flags == 0 ? used == (whole < room ? whole : room) : used <= whole);
    if (flags == 0)
        must(memcmp(own, all, used) == 0);

    memcpy(kernels, control, len);
    must(pdm_control_deliver(&msg, hidden, type, NULL, room, &flags) == 0);
    must((flags != 0) == (whole != 0));
    free(all);
    free(own);
    free(kernels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < HEAD)
        return 0;
    uint32_t hidden = (uint32_t)data[0] << 6 & PDM_FD_OURS;
    uint8_t type = data[1] & 1 ? PDM_OPTION_TYPE : 0;
    size_t room = ((size_t)data[2] << 8 | data[3]) & ROOM_MASK;
    size_t cap = ((size_t)data[4] << 8 | data[5]) & ROOM_MASK;
    /* A copy, aligned as the kernel's and the program's are; the sanitizer watches its end. */
    uint8_t *control = malloc(len > HEAD ? len - HEAD : 1);

    must(control != NULL);
    memcpy(control, data + HEAD, len - HEAD);
    check_inspect(control, len - HEAD);
    check_build(control, len - HEAD, cap, false);
    check_build(control, len - HEAD, cap, true);
    check_read(control, len - HEAD);
    check_deliver(control, len - HEAD, hidden, type, room);
    free(control);
    return 0;
}
