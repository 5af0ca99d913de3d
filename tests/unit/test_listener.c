/* SPDX-License-Identifier: BSD-2-Clause */
/* Which paths are taken to listen on: the agent's own, and those of metrics. */
#include <sys/socket.h>

#include "keyagent/listener.h"
#include "keyagent/metrics/door.h"
#include "tests/unit/keys_on_disk.h"

static const union config_address place = {.path = {.sun_family = AF_UNIX, .sun_path = "socket"}};

TestSuite(listener, .init = keys_begin, .fini = keys_end);

/* A socket of KIND at the place, for as long as it is open. */
static int somebody(int kind)
{
    int fd = socket(AF_UNIX, kind, 0);

    cr_assert(fd >= 0 && bind(fd, &place.any, sizeof place.path) == 0);
    cr_assert(kind == SOCK_DGRAM || listen(fd, 1) == 0);
    return fd;
}

static ino_t inode(void)
{
    struct stat st;

    cr_assert_eq(lstat("socket", &st), 0);
    return st.st_ino;
}

/* Of whatever kind it is. */
Test(listener, leaves_a_socket_that_is_in_use)
{
    static const int kinds[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    struct listener l;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int fd = somebody(kinds[i]);
        ino_t before = inode();

        cr_assert_eq(door_open(&place), -1, "kind %zu", i);
        cr_assert_not_null(strstr(keys_said(), "metrics = socket: cannot be listened on: Address"));
        cr_assert_eq(listener_open(&l, "socket"), LISTENER_RUNNING, "kind %zu", i);
        cr_assert_not_null(strstr(keys_said(), "socket: something else listens there"));
        cr_assert_eq(inode(), before);
        close(fd);
        cr_assert_eq(unlink("socket"), 0);
    }
}

Test(listener, takes_what_was_left)
{
    static const int kinds[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    struct listener l;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        close(somebody(kinds[i]));
        int fd = door_open(&place);
        cr_assert(fd >= 0, "kind %zu: %s", i, keys_said());
        close(fd);
        cr_assert_eq(listener_open(&l, "socket"), LISTENER_OK, "kind %zu: %s", i, keys_said());
        listener_close(&l);
    }
}

/* Nor what a link names, whoever put that there. */
Test(listener, leaves_what_is_no_socket)
{
    struct listener l;

    keys_write("socket", "text", 0600);
    cr_assert_eq(door_open(&place), -1);
    cr_assert_eq(listener_open(&l, "socket"), LISTENER_FAILED);
    cr_assert_not_null(strstr(keys_said(), "socket: is no socket; remove it"));
    cr_assert(rename("socket", "file") == 0 && symlink("file", "socket") == 0);
    cr_assert_eq(door_open(&place), -1);
    cr_assert_eq(listener_open(&l, "socket"), LISTENER_FAILED);
    cr_assert_eq(access("file", F_OK), 0);
}
