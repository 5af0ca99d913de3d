/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl's requests to a primary: what each asks for, what is refused, and the socket. */
#include "tests/unit/fake_primary.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static struct admin admin = {.reload = fake_reload};
static uint8_t reply[PDM_MESSAGE_MAX];

/* A message of TYPE with BODY; returns its length. */
static size_t message(uint8_t bytes[static PDM_MESSAGE_SMALL], uint8_t type, const uint8_t *body,
                      size_t len)
{
    struct pdm_message m;

    pdm_message_begin(&m, bytes, PDM_MESSAGE_SMALL, type);
    pdm_write_bytes(&m.body, body, len);
    return pdm_message_end(&m);
}

/* The reply's body, whose type must be right. */
static struct pdm_reader ask(uint8_t type, const uint8_t *body, size_t len)
{
    uint8_t request[PDM_MESSAGE_SMALL];
    struct pdm_reader answer;
    uint8_t reply_type;

    fake.asked[0] = '\0';
    size_t got = admin_answer(&admin, request, message(request, type, body, len), reply);
    cr_assert(pdm_message_open(reply, got, &reply_type, &answer));
    cr_assert_eq(reply_type, type | PDM_REPLY);
    return answer;
}

#define LIST_CHANGE(add, side, len, group)                                                         \
    add, side, 0x20, 0x01, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, len, 0, group

static const struct {
    uint8_t type;
    uint8_t body[96];
    size_t len;
    const char *asked; /* NULL: it is malformed */
} requests[] = {
    {PDM_ADMIN_STATUS, {0}, 0, "status"},
    {PDM_ADMIN_STATUS, {0}, 1, NULL},
    {PDM_ADMIN_PAIRS, {0, 0, 0, 0}, 4, "pairs from 0"},
    {PDM_ADMIN_PAIRS, {0, 0, 0}, 3, NULL},
    {PDM_ADMIN_SECONDARIES, {0, 0, 1, 0}, 4, "secondaries from 256"},
    {PDM_ADMIN_SECONDARIES, {0}, 5, NULL},
    {PDM_ADMIN_LIST, {0, 0, 0, 2, 0, 0, 0, 9, 1}, 9, "list 9 side 1 from 2"},
    {PDM_ADMIN_LIST, {0, 0, 0, 0, 0, 0, 0, 0, 2}, 9, NULL},
    {PDM_ADMIN_LIST, {0}, 8, NULL},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(1, 1, 16, 5)}, 21, "add side 1 2001/16 group 5"},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(0, 0, 8, 0)}, 21, "remove side 0 2000/8 group 0"},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(2, 0, 8, 0)}, 21, NULL},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(1, 2, 8, 0)}, 21, NULL},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(1, 1, 129, 0)}, 21, NULL},
    {PDM_ADMIN_LIST_CHANGE, {LIST_CHANGE(1, 1, 16, 5)}, 20, NULL},
    {PDM_ADMIN_RENEGOTIATE, {'a', 'b'}, 64, "renegotiate ab"},
    {PDM_ADMIN_RENEGOTIATE, {'a', 'b'}, 63, NULL},
    {PDM_ADMIN_REVOKE, {[15] = 0xAB}, 17, "revoke ab"},
    {PDM_ADMIN_REVOKE, {[15] = 0xAB, 1}, 17, "admit ab"},
    {PDM_ADMIN_REVOKE, {[15] = 0xAB, 2}, 17, NULL},
    {PDM_ADMIN_RELOAD, {0}, 0, "reload"},
    {PDM_ADMIN_RELOAD, {0}, 1, NULL},
    {PDM_ADMIN_RELOAD + 1, {0}, 0, NULL},
    {PDM_STATUS, {0}, 0, NULL},
};

Test(admin, requests)
{
    fake.agrees = true;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct pdm_reader answer = ask(requests[i].type, requests[i].body, requests[i].len);
        uint8_t status = pdm_read_u8(&answer);

        if (requests[i].asked != NULL) {
            cr_expect_eq(status, PDM_STATUS_OK, "row %zu", i);
            cr_expect_str_eq(fake.asked, requests[i].asked, "row %zu", i);
        } else {
            cr_expect_eq(status, PDM_STATUS_BAD_REQUEST, "row %zu", i);
            cr_expect(fake.asked[0] == '\0' && pdm_message_done(&answer), "row %zu", i);
        }
    }
}

Test(admin, a_name_without_an_end)
{
    uint8_t name[PDM_NAME_MAX];

    memset(name, 'x', sizeof name);
    struct pdm_reader answer = ask(PDM_ADMIN_RENEGOTIATE, name, sizeof name);
    cr_assert_eq(pdm_read_u8(&answer), PDM_STATUS_BAD_REQUEST);
    cr_assert_str_eq(fake.asked, "");
}

Test(admin, refusals_say_why)
{
    struct pdm_admin_done done;

    fake.agrees = false;
    struct pdm_reader answer = ask(PDM_ADMIN_RELOAD, NULL, 0);
    pdm_get_admin_done(&answer, &done);
    cr_assert(pdm_message_done(&answer));
    cr_assert_eq(done.status, PDM_STATUS_REFUSED);
    cr_assert_str_eq((const char *)done.why, FAKE_WHY);

    fake.agrees = true;
    answer = ask(PDM_ADMIN_RELOAD, NULL, 0);
    pdm_get_admin_done(&answer, &done);
    cr_assert_eq(done.status, PDM_STATUS_OK);
    cr_assert_str_eq((const char *)done.why, "");
}

Test(admin, no_messages)
{
    uint8_t request[PDM_MESSAGE_SMALL];
    size_t len = message(request, PDM_ADMIN_STATUS, NULL, 0);

    for (size_t cut = 0; cut < len; cut++)
        cr_expect_eq(admin_answer(&admin, request, cut, reply), 0);
    len = message(request, PDM_ADMIN_STATUS | PDM_REPLY, NULL, 0);
    cr_expect_eq(admin_answer(&admin, request, len, reply), 0, "a reply is no request");
}

/* All pages together are the whole, each once, and every page fits. */
Test(admin, pages)
{
    static const size_t sizes[] = {0, 1, ADMIN_PAGE - 1, ADMIN_PAGE, ADMIN_PAGE + 1, 1000};
    static const uint8_t types[] = {PDM_ADMIN_PAIRS, PDM_ADMIN_SECONDARIES, PDM_ADMIN_LIST};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] * sizeof types; i++) {
        uint8_t type = types[i % sizeof types];
        uint32_t start = 0, seen = 0;

        fake.entries = sizes[i / sizeof types];
        do {
            const uint8_t body[9] = {0, 0, (uint8_t)(start >> 8), (uint8_t)start};
            struct pdm_reader answer = ask(type, body, type == PDM_ADMIN_LIST ? 9 : 4);
            struct pdm_page_reply page;

            pdm_get_page_reply(&answer, &page);
            for (uint16_t r = 0; r < page.records; r++, seen++) {
                struct pdm_admin_pair pair;
                struct pdm_admin_secondary secondary;
                struct pdm_admin_entry entry;

                if (type == PDM_ADMIN_PAIRS) {
                    pdm_get_admin_pair(&answer, &pair);
                    cr_expect_eq(pair.pair, seen);
                } else if (type == PDM_ADMIN_SECONDARIES) {
                    pdm_get_admin_secondary(&answer, &secondary);
                    cr_expect_eq(secondary.generations, seen);
                } else {
                    pdm_get_admin_entry(&answer, &entry);
                    cr_expect_eq(entry.group, seen);
                }
            }
            cr_assert(pdm_message_done(&answer));
            start = page.next;
        } while (start != 0);
        cr_expect_eq(seen, fake.entries);
    }
}

/* Through the socket. */

static char directory[] = "/tmp/test_admin.XXXXXX";

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void turn(struct event_base *base)
{
    for (int i = 0; i < 3; i++)
        cr_assert(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

Test(admin, the_socket)
{
    struct event_base *base = event_base_new();
    uint8_t request[PDM_MESSAGE_SMALL];
    char path[64];
    struct listener listener;
    struct stat st;
    int silent[2 * ADMIN_CONNECTIONS_MAX];

    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/s", directory);
    cr_assert_eq(listener_open(&listener, path), LISTENER_OK);
    struct admin *a = admin_open(NULL, &listener, base, fake_reload, NULL);
    cr_assert_not_null(a);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600, "whose it is alone");

    /* Many who say nothing keep nobody else from asking. */
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        silent[i] = connect_to(path);
        turn(base);
    }
    int fd = connect_to(path);
    size_t len = message(request, PDM_ADMIN_STATUS, NULL, 0);
    cr_assert_eq(send(fd, request, len, 0), (ssize_t)len);
    turn(base);
    struct pdm_reader answer;
    struct pdm_admin_status status;
    uint8_t type;
    ssize_t got = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
    cr_assert(got > 0 && pdm_message_open(reply, (size_t)got, &type, &answer));
    pdm_get_admin_status(&answer, &status);
    cr_assert_eq(status.pid, 7);
    cr_assert_eq(recv(fd, reply, sizeof reply, MSG_DONTWAIT), 0, "one request and it is closed");
    close(fd);

    /* One that is gone before its answer, and one that says what is nothing. */
    fd = connect_to(path);
    cr_assert_eq(send(fd, request, len, 0), (ssize_t)len);
    close(fd);
    fd = connect_to(path);
    cr_assert_eq(send(fd, "x", 1, 0), 1);
    turn(base);
    turn(base);
    cr_assert_eq(recv(fd, reply, sizeof reply, MSG_DONTWAIT), 0);
    close(fd);
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        close(silent[i]);
    admin_close(a);
    listener_close(&listener);
    event_base_free(base);
    cr_assert_neq(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/s.lock", directory);
    unlink(path);
    rmdir(directory);
}
