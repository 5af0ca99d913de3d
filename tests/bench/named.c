/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an agent's policy comes to name an address, as a shim sees it.
 *
 *   named AGENT-SOCKET
 *
 * For each address on stdin it prints "watching", and then the monotonic time in seconds at which
 * the policy named it, and how many entries it has.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/message.h"
#include "core/policy.h"

#define LOOK_US 50

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        err(1, "connect %s", path);
    return fd;
}

/* The descriptor of the policy that a hello brings; the other one is not needed. */
static int policy_descriptor(const char *path)
{
    union {
        struct cmsghdr head;
        uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    uint8_t bytes[PDM_MESSAGE_SMALL];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr reply = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
    struct pdm_message hello;
    int got[2], fd = dial(path);

    pdm_message_begin(&hello, bytes, sizeof bytes, PDM_HELLO);
    size_t len = pdm_message_end(&hello);
    if (send(fd, bytes, len, 0) != (ssize_t)len || recvmsg(fd, &reply, MSG_CMSG_CLOEXEC) <= 0)
        err(1, "hello");
    if (reply.msg_controllen < sizeof control || control.head.cmsg_type != SCM_RIGHTS)
        errx(1, "hello: no descriptors");
    memcpy(got, CMSG_DATA(&control.head), sizeof got);
    close(got[1]);
    close(fd);
    return got[0];
}

static void open_policy(const char *path, struct pdm_policy *policy, size_t *size)
{
    int fd = policy_descriptor(path);
    struct stat st;

    if (fstat(fd, &st) != 0)
        err(1, "policy");
    *size = (size_t)st.st_size;
    void *memory = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || !pdm_policy_open(policy, memory, *size))
        errx(1, "no policy");
    close(fd);
}

/* An agent whose policy grows puts another in its place. */
static bool in_force(const struct pdm_policy *policy)
{
    return atomic_load(&policy->head->heartbeat) != PDM_POLICY_RETIRED;
}

static void watch(const char *path, const uint8_t addr[static PDM_ADDR_LEN])
{
    struct pdm_policy policy;
    struct pdm_policy_entry entry;
    bool named = false;

    puts("watching");
    fflush(stdout);
    while (!named) {
        size_t size;

        open_policy(path, &policy, &size);
        while (in_force(&policy) && !(named = pdm_policy_find(&policy, NULL, addr, &entry)))
            usleep(LOOK_US);
        if (named)
            printf("%.6f %u\n", now_s(), pdm_policy_used(&policy));
        munmap(policy.head, size);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[INET6_ADDRSTRLEN + 1];
    uint8_t addr[PDM_ADDR_LEN];

    if (argc != 2)
        errx(1, "usage: named AGENT-SOCKET");
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (inet_pton(AF_INET6, line, addr) != 1)
            errx(1, "%s: no address", line);
        watch(argv[1], addr);
    }
    return 0;
}
