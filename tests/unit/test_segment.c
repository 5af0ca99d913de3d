/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that the agent shares, as a shim has it: mapped for reading, and what it grows into.
 */
#include "keyagent/segment.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 16, MANY = 20000 };

static struct segment segment;

static struct pdm_policy_entry numbered(uint32_t i)
{
    uint8_t addr[PDM_ADDR_LEN] = {0x20, 0x01, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

    return (struct pdm_policy_entry){.peer = pdm_prefix_of(addr, 128), .association = i + 1};
}

static void add(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct pdm_policy_entry e = numbered(i);

        cr_assert(segment_add(&segment, &e), "entry %u", i);
    }
}

static void assert_numbered(const struct pdm_policy *policy, uint32_t count)
{
    for (uint32_t i = 0; i <= count; i++) {
        struct pdm_policy_entry wanted = numbered(i), found;
        bool hit = pdm_policy_find(policy, NULL, wanted.peer.addr, &found);

        cr_assert_eq(hit, i < count, "entry %u", i);
        cr_assert(!hit || found.association == i + 1, "entry %u", i);
    }
}

/* As a client gets it. */
static struct pdm_policy mapped(int fd)
{
    struct pdm_policy policy;
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

    cr_assert(memory != MAP_FAILED);
    cr_assert(pdm_policy_open(&policy, memory, (size_t)st.st_size));
    return policy;
}

Test(segment, small_at_first)
{
    cr_assert(segment_init(&segment, SLOTS));
    cr_assert_eq(pdm_policy_capacity(&segment.policy), 4096);
    struct pdm_policy client = mapped(segment.policy_fd);

    add(0, 4096);
    cr_assert(segment_reserve(&segment, 4096));
    assert_numbered(&client, 4096);
    cr_assert(client.head->heartbeat != PDM_POLICY_RETIRED);
    segment_free(&segment);
    assert_numbered(&client, 4096);
}

Test(segment, no_client_can_change_the_policy)
{
    cr_assert(segment_init(&segment, SLOTS));
    add(0, MANY);
    int fd = segment.policy_fd;

    cr_assert_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    cr_assert_eq(pwrite(fd, "x", 1, 0), -1);
    cr_assert_eq(ftruncate(fd, 0), -1);
    cr_assert_eq(ftruncate(fd, 1L << 30), -1);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    segment_free(&segment);
}

/* Every policy that is left tells its readers so; what is open under one stays so under the next.
 */
Test(segment, grows)
{
    cr_assert(segment_init(&segment, SLOTS));
    uint32_t epoch = pdm_policy_epoch_of(&segment.policy);
    struct pdm_policy client = mapped(segment.policy_fd);
    int grown = 0;

    for (uint32_t i = 0; i < MANY; i++) {
        add(i, i + 1);
        if (client.head->heartbeat != PDM_POLICY_RETIRED)
            continue;
        grown++;
        cr_assert(pdm_policy_epoch_of(&client) != epoch);
        assert_numbered(&client, 0);
        client = mapped(segment.policy_fd);
        cr_assert_eq(pdm_policy_epoch_of(&client), epoch);
        assert_numbered(&client, i + 1);
    }
    cr_assert_eq(grown, 3);
    assert_numbered(&client, MANY);
    assert_numbered(&segment.policy, MANY);
    segment_free(&segment);
}

Test(segment, makes_room_at_once)
{
    cr_assert(segment_init(&segment, SLOTS));
    add(0, 10);
    cr_assert(segment_reserve(&segment, MANY));
    struct pdm_policy client = mapped(segment.policy_fd);

    add(10, MANY);
    assert_numbered(&client, MANY);
    cr_assert_not(segment_reserve(&segment, (size_t)PDM_POLICY_ENTRIES_LIMIT + 1));
    cr_assert(client.head->heartbeat != PDM_POLICY_RETIRED);
    assert_numbered(&segment.policy, MANY);
    segment_free(&segment);
}

/* Without descriptors left the policy stays what it was. */
Test(segment, cannot_grow)
{
    struct rlimit before, none;

    cr_assert(segment_init(&segment, SLOTS));
    add(0, 4096);
    struct pdm_policy_entry more = numbered(4096);

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_assert_not(segment_add(&segment, &more));
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_numbered(&segment.policy, 4096);
    cr_assert(segment_add(&segment, &more));
    assert_numbered(&segment.policy, 4097);
    segment_free(&segment);
}

Test(segment, a_local_prefix_too_many)
{
    cr_assert(segment_init(&segment, SLOTS));
    for (uint32_t i = 0; i <= PDM_POLICY_LOCALS_MAX; i++) {
        struct pdm_policy_entry e = numbered(i);

        e.local = e.peer;
        cr_assert_eq(segment_add(&segment, &e), i < PDM_POLICY_LOCALS_MAX);
    }
    segment_free(&segment);
}
