/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMPv6 echo: whose port the identifier is, and the requests whose replies are awaited. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/limits.h"
#include "shim/echo.h"

enum { REQUEST = 128, REPLY = 129, ID = 0x1234, SEQUENCE = 0xFFFE };

static const uint8_t request[PDM_ECHO_LEN] = {REQUEST, 0, 0xAB, 0xCD, 0x12, 0x34, 0xFF, 0xFE};
static const uint8_t reply[PDM_ECHO_LEN] = {REPLY, 0, 0xAB, 0xCD, 0x12, 0x34, 0xFF, 0xFE};

static struct msghdr message_of(struct iovec *iov, size_t count)
{
    return (struct msghdr){.msg_iov = iov, .msg_iovlen = count};
}

static void expect(const struct pdm_echo *echo, bool asked)
{
    cr_assert_eq(echo->asked, asked);
    cr_assert_eq(echo->identifier, ID);
    cr_assert_eq(echo->sequence, SEQUENCE);
}

Test(echo, knows_who_asked)
{
    struct pdm_echo echo;

    cr_assert(pdm_echo_parse(request, true, &echo));
    expect(&echo, true);
    cr_assert(pdm_echo_parse(reply, false, &echo));
    expect(&echo, true);
    cr_assert(pdm_echo_parse(request, false, &echo));
    expect(&echo, false);
    cr_assert(pdm_echo_parse(reply, true, &echo));
    expect(&echo, false);
}

Test(echo, is_two_types_alone)
{
    for (int type = 0; type < 256; type++) {
        uint8_t message[PDM_ECHO_LEN] = {(uint8_t)type};
        struct pdm_echo echo;

        cr_assert_eq(pdm_echo_parse(message, true, &echo), type == REQUEST || type == REPLY,
                     "type %d", type);
    }
}

Test(echo, is_gathered_from_any_parts)
{
    for (size_t first = 0; first <= sizeof request; first++)
        for (size_t second = 0; first + second <= sizeof request; second++) {
            uint8_t bytes[sizeof request + 1];
            struct iovec iov[] = {{bytes, first},
                                  {NULL, 0},
                                  {bytes + first, second},
                                  {bytes + first + second, sizeof bytes - first - second}};
            struct msghdr msg = message_of(iov, 4);
            struct pdm_echo echo = {0};

            memcpy(bytes, request, sizeof request);
            cr_assert(pdm_echo_of_sent(&msg, &echo));
            expect(&echo, true);
            echo = (struct pdm_echo){0};
            cr_assert(pdm_echo_of_received(&msg, sizeof request, &echo));
            expect(&echo, false);
        }
}

Test(echo, is_not_what_is_too_short)
{
    uint8_t bytes[64] = {REQUEST};

    for (size_t len = 0; len < PDM_ECHO_LEN; len++) {
        struct iovec all = {bytes, sizeof bytes}, part = {bytes, len};
        struct msghdr whole = message_of(&all, 1), begin = message_of(&part, 1);
        struct pdm_echo echo;

        cr_assert_not(pdm_echo_of_sent(&begin, &echo));
        cr_assert_not(pdm_echo_of_received(&whole, len, &echo), "%zu octets received", len);
        /* With MSG_TRUNC the result is longer than the buffer. */
        cr_assert_not(pdm_echo_of_received(&begin, sizeof bytes, &echo), "%zu of buffer", len);
    }
    cr_assert_not(pdm_echo_of_sent(&(struct msghdr){.msg_iovlen = 1}, &(struct pdm_echo){0}));
}

/* At the end of memory, not one octet more than the message begins with is read. */
Test(echo, reads_no_further_than_it_may)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov = {memory + page - sizeof reply, page};
    struct msghdr msg = message_of(&iov, 1);
    struct pdm_echo echo;

    cr_assert_neq(memory, MAP_FAILED);
    munmap(memory + page, page);
    memcpy(iov.iov_base, reply, sizeof reply);
    cr_assert(pdm_echo_of_sent(&msg, &echo));
    cr_assert(pdm_echo_of_received(&msg, page, &echo));
    munmap(memory, page);
}

Test(echo, of_a_wild_pointer_is_none)
{
    struct pdm_echo echo;
    uint8_t bytes[4] = {REQUEST};
    struct iovec wild[] = {{bytes, sizeof bytes}, {(void *)8, 64}};

    for (size_t from = 0; from < 2; from++) {
        struct msghdr msg = message_of(wild + from, 2 - from);

        cr_assert_not(pdm_echo_of_sent(&msg, &echo));
    }
}

/* Requests. */

static struct pdm_tuple tuple_of(uint16_t identifier)
{
    return (struct pdm_tuple){.saddr = {0x20, 0x01, [15] = 1},
                              .daddr = {0x20, 0x01, [15] = 2},
                              .sport = identifier,
                              .proto = 58};
}

Test(requests, are_answered_once)
{
    struct pdm_tuple t = tuple_of(ID);
    int64_t at = 0;

    cr_assert_not(pdm_echo_answered(&t, 1, &at));
    pdm_echo_asked(&t, 1, 1000);
    cr_assert_not(pdm_echo_answered(&t, 2, &at));
    cr_assert(pdm_echo_answered(&t, 1, &at));
    cr_assert_eq(at, 1000);
    cr_assert_not(pdm_echo_answered(&t, 1, &at), "a duplicate of the reply counts again");
}

Test(requests, are_their_own_flows)
{
    struct pdm_tuple t = tuple_of(ID), other = tuple_of(ID + 1), peer = tuple_of(ID);
    int64_t at = 0;

    peer.daddr[15] = 3;
    pdm_echo_asked(&t, 7, 1000);
    cr_assert_not(pdm_echo_answered(&other, 7, &at));
    cr_assert_not(pdm_echo_answered(&peer, 7, &at));
    cr_assert(pdm_echo_answered(&t, 7, &at));
}

Test(requests, of_one_flow_fill_the_ring_and_go_round)
{
    struct pdm_tuple t = tuple_of(ID);
    uint16_t first = (uint16_t)(UINT16_MAX - PDM_ECHOES / 2); /* the sequence wraps within */
    int64_t at;

    for (int i = 0; i <= PDM_ECHOES; i++)
        pdm_echo_asked(&t, (uint16_t)(first + i), 1000 + i);
    cr_assert_not(pdm_echo_answered(&t, first, &at), "older than the ring is long");
    for (int i = PDM_ECHOES; i > 0; i--) {
        cr_assert(pdm_echo_answered(&t, (uint16_t)(first + i), &at), "%d", i);
        cr_assert_eq(at, 1000 + i);
    }
}

/* One reply to two requests that look the same: it may be to either. */
Test(requests, sent_twice_make_no_total)
{
    struct pdm_tuple t = tuple_of(ID);
    int64_t at;

    pdm_echo_asked(&t, 5, 1000);
    pdm_echo_asked(&t, 5, 2000);
    cr_assert_not(pdm_echo_answered(&t, 5, &at));
    pdm_echo_asked(&t, 5, 3000);
    cr_assert(pdm_echo_answered(&t, 5, &at));
    cr_assert_eq(at, 3000);
}

/* Whatever displaces whatever, no reply is taken for one to another request. */
Test(requests, are_never_mistaken)
{
    srandom(1);
    for (int i = 0; i < 100000; i++) {
        uint16_t id = (uint16_t)(random() % 50), sequence = (uint16_t)(random() % 1000);
        struct pdm_tuple t = tuple_of(id);
        int64_t at = 0;

        pdm_echo_asked(&t, sequence, (int64_t)id << 32 | (int64_t)sequence << 8 | 1);
        id = (uint16_t)(random() % 50);
        sequence = (uint16_t)(random() % 1000);
        t = tuple_of(id);
        if (pdm_echo_answered(&t, sequence, &at))
            cr_assert_eq(at, (int64_t)id << 32 | (int64_t)sequence << 8 | 1);
    }
}
