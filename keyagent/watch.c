/* SPDX-License-Identifier: BSD-2-Clause */
/* Signs of a copied machine. */
#include "keyagent/watch.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define UEVENT_GROUP 1 /* what the kernel sends; udev's own messages are group 2 */
#define UEVENT_MAX 8192
#define VM_CHANGED "NEW_VMGENID=1" /* drivers/virt/vmgenid.c */

static bool read_boot_id(char id[static WATCH_BOOT_ID_LEN + 1])
{
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, id, WATCH_BOOT_ID_LEN) : -1;

    if (fd >= 0)
        close(fd);
    id[WATCH_BOOT_ID_LEN] = '\0';
    return got == WATCH_BOOT_ID_LEN;
}

void watch_init(struct watch *w)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP};

    *w = (struct watch){0};
    if (!read_boot_id(w->boot_id))
        w->boot_id[0] = '\0';
    w->uevents =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (w->uevents < 0)
        return;
    if (bind(w->uevents, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(w->uevents);
        w->uevents = -1;
    }
}

void watch_free(struct watch *w)
{
    if (w->uevents >= 0)
        close(w->uevents);
    w->uevents = -1;
}

bool watch_boot_changed(struct watch *w)
{
    char id[WATCH_BOOT_ID_LEN + 1];

    if (w->boot_id[0] == '\0' || !read_boot_id(id) || strcmp(id, w->boot_id) == 0)
        return false;
    memcpy(w->boot_id, id, sizeof id);
    return true;
}

/* Strings, each with its zero. */
static bool contains(const char *event, size_t len, const char *wanted)
{
    for (size_t at = 0; at < len; at += strnlen(event + at, len - at) + 1)
        if (strnlen(event + at, len - at) < len - at && strcmp(event + at, wanted) == 0)
            return true;
    return false;
}

bool watch_vm_changed(const struct watch *w)
{
    char event[UEVENT_MAX];
    struct sockaddr_nl from = {0};
    socklen_t from_len = sizeof from;
    bool changed = false;
    ssize_t got;

    while ((got = recvfrom(w->uevents, event, sizeof event, MSG_DONTWAIT, (struct sockaddr *)&from,
                           &from_len)) > 0) {
        /* From the kernel alone. */
        changed |= from.nl_pid == 0 && contains(event, (size_t)got, VM_CHANGED);
        from_len = sizeof from;
    }
    return changed;
}
