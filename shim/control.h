/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages: the program's with ours added on the way out, ours taken out on the way in, and
 * what the kernel does with a buffer too small done again (RFC 3542 section 4.2). Signal-safe.
 */
#ifndef PDM_SHIM_CONTROL_H
#define PDM_SHIM_CONTROL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/option.h"

/* Small, since all this may have to fit on a signal handler's stack. */
#define PDM_CONTROL_OUT                                                                            \
    (PDM_CONTROL_OWN_MAX + CMSG_SPACE(PDM_MERGED_MAX) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

/* What a program's control messages say that bears on ours. */
struct pdm_control_found {
    bool usable;                       /* well-formed, and nothing in it that forbids an option */
    const struct cmsghdr *dstopts;     /* its Destination Options */
    const struct in6_pktinfo *pktinfo; /* in place, perhaps unaligned: read with memcpy */
};

struct pdm_control_found pdm_control_inspect(const void *control, size_t len);

/*
 * Writes to OUT the program's messages (but for its Destination Options), the header HEADER, and,
 * if SOURCE is not NULL, the source address. Returns the length; 0 if it does not fit.
 */
size_t pdm_control_build(const void *own, size_t own_len, const uint8_t *header, size_t header_len,
                         const uint8_t *source, uint8_t *out, size_t cap);

/* What the kernel said of a received packet that we need. */
struct pdm_control_received {
    const uint8_t *dstopts; /* NULL: none */
    size_t dstopts_len;
    bool twice; /* two Destination Options headers: only one may carry the option */
    bool has_stamp;
    int64_t stamp; /* CLOCK_REALTIME, nanoseconds */
    bool has_destination;
    uint8_t destination[16];
};

/* Reads the control messages of MSG as the kernel wrote them. */
struct pdm_control_received pdm_control_read(struct msghdr *msg);

/*
 * Copies MSG's control messages to the program's buffer OWN of OWN_LEN octets, as the kernel would
 * have written them, without those of a kind in HIDDEN (PDM_FD_OUR_...) and without the option
 * of type OPTION_TYPE (0: with it) in the others. Returns the length used; sets or clears
 * MSG_CTRUNC in *FLAGS.
 */
size_t pdm_control_deliver(struct msghdr *msg, uint32_t hidden, uint8_t option_type, void *own,
                           size_t own_len, int *flags);

#endif
