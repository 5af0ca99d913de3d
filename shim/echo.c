/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMPv6 echo on raw sockets. */
#include "shim/echo.h"

#include <netinet/icmp6.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "core/cursor.h"
#include "core/limits.h"
#include "shim/sys.h"

/* --- messages --- */

bool pdm_echo_parse(const uint8_t message[static PDM_ECHO_LEN], bool sent, struct pdm_echo *echo)
{
    struct pdm_reader r = pdm_reader(message, PDM_ECHO_LEN);
    uint8_t type = pdm_read_u8(&r);

    pdm_read_u8(&r);  /* code: the kernel answers whatever it is */
    pdm_read_u16(&r); /* checksum */
    if (type != ICMP6_ECHO_REQUEST && type != ICMP6_ECHO_REPLY)
        return false;
    echo->asked = (type == ICMP6_ECHO_REQUEST) == sent;
    echo->identifier = pdm_read_u16(&r);
    echo->sequence = pdm_read_u16(&r);
    return true;
}

/*
 * The beginning of MSG's buffers, of which the first LEN octets count, as PARTS. Their number; 0 if
 * there are fewer octets than an echo has.
 */
static size_t begin_of(const struct msghdr *msg, size_t len, struct iovec parts[PDM_ECHO_LEN])
{
    size_t count = 0, left = PDM_ECHO_LEN;

    if (len < left || msg->msg_iov == NULL)
        return 0;
    for (size_t i = 0; left > 0 && i < msg->msg_iovlen && i < UIO_MAXIOV; i++) {
        struct iovec part = msg->msg_iov[i];

        if (part.iov_len > left)
            part.iov_len = left;
        left -= part.iov_len;
        if (part.iov_len > 0)
            parts[count++] = part;
    }
    return left == 0 ? count : 0;
}

/* Read by the kernel: the program shall see its EFAULT. */
bool pdm_echo_of_sent(const struct msghdr *msg, struct pdm_echo *echo)
{
    uint8_t message[PDM_ECHO_LEN];
    struct iovec to = {message, sizeof message}, parts[PDM_ECHO_LEN];
    size_t count = begin_of(msg, SIZE_MAX, parts);

    if (count == 0)
        return false;
    long pid = pdm_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);

    return pdm_sys(SYS_process_vm_readv, pid, (long)&to, 1, (long)parts, (long)count, 0) ==
               sizeof message &&
           pdm_echo_parse(message, true, echo);
}

bool pdm_echo_of_received(const struct msghdr *msg, size_t len, struct pdm_echo *echo)
{
    uint8_t message[PDM_ECHO_LEN];
    struct iovec parts[PDM_ECHO_LEN];
    size_t count = begin_of(msg, len, parts), at = 0;

    if (count == 0)
        return false;
    for (size_t i = 0; i < count; at += parts[i++].iov_len)
        memcpy(message + at, parts[i].iov_base, parts[i].iov_len);
    return pdm_echo_parse(message, false, echo);
}

/* --- requests --- */

/*
 * The latest requests: a flow's follow each other around the ring, and those of another flow begin
 * elsewhere in it, so that none is searched for. The younger one displaces the older.
 */
static struct request {
    _Atomic uint32_t lock; /* only tried */
    bool waits;
    bool again; /* sent twice: to which of the two the reply is, nobody knows */
    uint16_t sequence;
    struct pdm_tuple tuple;
    int64_t sent_at;
} requests[PDM_ECHOES];

static struct request *place_of(const struct pdm_tuple *tuple, uint16_t sequence)
{
    struct request *r = &requests[(pdm_tuple_hash(tuple, 0) + sequence) % PDM_ECHOES];

    return atomic_exchange_explicit(&r->lock, 1, memory_order_acquire) == 0 ? r : NULL;
}

static void leave(struct request *r)
{
    atomic_store_explicit(&r->lock, 0, memory_order_release);
}

static bool holds(const struct request *r, const struct pdm_tuple *tuple, uint16_t sequence)
{
    return r->waits && r->sequence == sequence && pdm_tuple_equal(&r->tuple, tuple);
}

void pdm_echo_asked(const struct pdm_tuple *tuple, uint16_t sequence, int64_t now)
{
    struct request *r = place_of(tuple, sequence);

    if (r == NULL)
        return;
    r->again = holds(r, tuple, sequence);
    r->waits = true;
    r->sequence = sequence;
    r->tuple = *tuple;
    r->sent_at = now;
    leave(r);
}

bool pdm_echo_answered(const struct pdm_tuple *tuple, uint16_t sequence, int64_t *sent_at)
{
    struct request *r = place_of(tuple, sequence);
    bool first = false;

    if (r == NULL)
        return false;
    if (holds(r, tuple, sequence)) {
        first = !r->again;
        *sent_at = r->sent_at;
        r->waits = false;
    }
    leave(r);
    return first;
}
