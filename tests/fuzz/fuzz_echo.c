/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMPv6 messages off a raw socket. The input is how the program's buffers lie (a count, then the
 * size of each), how many octets came beyond those buffers, and the message; which is then read as
 * a list of requests and replies, too.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "core/limits.h"
#include "shim/echo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PARTS_MAX = 12, STEP = 3, SEQUENCES = 1 << 16, REQUEST = 128, REPLY = 129 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* MESSAGE in buffers of those SIZES, each an allocation that the sanitizer watches. */
static size_t lay_out(const uint8_t *message, size_t len, const uint8_t *sizes, size_t count,
                      struct iovec *iov)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = i + 1 == count || sizes[i] > len - at ? len - at : sizes[i];

        iov[i] = (struct iovec){malloc(size != 0 ? size : 1), size};
        must(iov[i].iov_base != NULL);
        memcpy(iov[i].iov_base, message + at, size);
        at += size;
    }
    return at;
}

/* As the same octets say in one piece, by the rule of RFC 4443 section 4. */
static void check_echo(const uint8_t *message, bool sent, const struct pdm_echo *echo)
{
    must(message[0] == REQUEST || message[0] == REPLY);
    must(echo->asked == ((message[0] == REQUEST) == sent));
    must(echo->identifier == (message[4] << 8 | message[5]));
    must(echo->sequence == (message[6] << 8 | message[7]));
}

static void check_message(const uint8_t *message, size_t len, const uint8_t *sizes, size_t count,
                          size_t beyond)
{
    struct iovec iov[PARTS_MAX];
    size_t held = lay_out(message, len, sizes, count, iov);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
    bool is_echo = held >= PDM_ECHO_LEN && (message[0] == REQUEST || message[0] == REPLY);
    struct pdm_echo received = {0}, sent = {0};

    must(pdm_echo_of_received(&msg, held + beyond, &received) == is_echo);
    must(pdm_echo_of_sent(&msg, &sent) == is_echo);
    if (is_echo) {
        check_echo(message, false, &received);
        check_echo(message, true, &sent);
    }
    must(held == 0 || !pdm_echo_of_received(&msg, PDM_ECHO_LEN - 1, &received));
    for (size_t i = 0; i < count; i++)
        free(iov[i].iov_base);
}

/* A reply is one to a request that went out and had none, and was sent when that was. */
static void check_requests(const uint8_t *data, size_t len)
{
    static uint64_t run;
    static int64_t sent_at[SEQUENCES]; /* 0: none waits */
    struct pdm_tuple tuple = {.proto = 58};

    run++;
    memcpy(tuple.saddr, &run, sizeof run); /* one that no run before had */
    memset(sent_at, 0, sizeof sent_at);
    for (size_t at = 0; at + STEP <= len; at += STEP) {
        uint16_t sequence = (uint16_t)(data[at + 1] << 8 | data[at + 2]);
        int64_t when = 0, now = (int64_t)at + 1;

        if (data[at] & 1) {
            pdm_echo_asked(&tuple, sequence, now);
            sent_at[sequence] = now;
        } else if (pdm_echo_answered(&tuple, sequence, &when)) {
            must(when != 0 && when == sent_at[sequence]);
            sent_at[sequence] = 0;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t count = len != 0 ? (size_t)data[0] % (PARTS_MAX + 1) : 0;

    if (len < count + 2)
        return 0;
    const uint8_t *message = data + 2 + count;

    check_message(message, len - 2 - count, data + 1, count, data[1 + count]);
    check_requests(message, len - 2 - count);
    return 0;
}
