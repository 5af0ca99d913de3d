/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy and the metrics segment. */
#include "shim/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/policy.h"
#include "shim/effort.h"
#include "shim/exchange.h"
#include "shim/process.h"
#include "shim/sys.h"

#define POLICY_SIZES (PDM_POLICY_BITS_MAX - PDM_POLICY_BITS_MIN + 1)

static struct {
    _Atomic bool ready; /* once true, stays so */
    _Atomic bool busy;  /* a hello is under way */
    _Atomic uint64_t instance;
    _Atomic int64_t again; /* no hello before, though the agent answers */
    /* By size. What is at a place changes, and may be an empty policy; where it is, never does. */
    void *place[POLICY_SIZES];
    struct pdm_policy policies[POLICY_SIZES];
    _Atomic(const struct pdm_policy *) policy; /* the one in force */
    struct pdm_segment *segment;
    _Atomic uint32_t slots;
} map;

static const _Atomic uint64_t no_version;
_Atomic(const _Atomic uint64_t *) pdm_policy_version_at = &no_version;

static struct pdm_global_pointer own_pointer[PDM_SADDR_TYPES] = {{1}, {1}};

static bool is_ready(void)
{
    return atomic_load_explicit(&map.ready, memory_order_acquire);
}

/* Only when ready. */
static const struct pdm_policy *policy(void)
{
    return atomic_load_explicit(&map.policy, memory_order_acquire);
}

static void *reserve(size_t size)
{
    long at = pdm_sys(SYS_mmap, 0, (long)size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at;
}

/* A place for each mapping, kept for good, so that a flow never finds one of them gone. */
static bool have_segment_place(void)
{
    if (map.segment == NULL)
        map.segment = reserve(pdm_segment_size(PDM_SLOTS_MAX));
    return map.segment != NULL;
}

static bool have_policy_place(unsigned bits)
{
    void **place = &map.place[bits - PDM_POLICY_BITS_MIN];

    if (*place == NULL)
        *place = reserve(pdm_policy_size(bits));
    return *place != NULL;
}

/* A descriptor that nobody can shrink under us is safe to map. Its size, or 0. */
static size_t sealed_size(int fd, int wanted)
{
    struct stat st;
    long seals = pdm_sys(SYS_fcntl, fd, F_GET_SEALS, 0, 0, 0, 0);

    if (seals < 0 || (seals & wanted) != wanted ||
        pdm_sys(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) != 0 || st.st_size < 0)
        return 0;
    return (size_t)st.st_size;
}

static bool map_over(void *place, int fd, size_t size, int protection)
{
    return pdm_sys(SYS_mmap, (long)place, (long)size, protection, MAP_SHARED | MAP_FIXED, fd, 0) ==
           (long)place;
}

static bool take_segment(int fd)
{
    size_t size = sealed_size(fd, F_SEAL_SHRINK | F_SEAL_GROW);

    if (size < pdm_segment_size(0) || size > pdm_segment_size(PDM_SLOTS_MAX) ||
        !have_segment_place() || !map_over(map.segment, fd, size, PROT_READ | PROT_WRITE))
        return false;
    map.slots = (uint32_t)((size - sizeof(struct pdm_segment)) / sizeof(struct pdm_slot));
    return map.segment->magic == PDM_SEGMENT_MAGIC;
}

/*
 * Readers go over from the policy before. That keeps its place, but what the agent shared there is
 * given back: a reader who is late finds an empty one.
 */
static void put_in_force(const struct pdm_policy *after)
{
    const struct pdm_policy *before = policy();

    atomic_store_explicit(&map.policy, after, memory_order_release);
    atomic_store_explicit(&pdm_policy_version_at, &after->head->version, memory_order_release);
    if (before != NULL && before != after)
        pdm_sys(SYS_mmap, (long)before->head, (long)pdm_policy_size(before->bits), PROT_READ,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* What FD shares, NULL if that is no policy or there is no room for it. */
static const struct pdm_policy *take_policy(int fd)
{
    size_t size = sealed_size(fd, F_SEAL_SHRINK | F_SEAL_GROW);
    unsigned bits = pdm_policy_bits_of_size(size);
    struct pdm_policy opened;

    if (bits == 0 || !have_policy_place(bits))
        return NULL;
    void *place = map.place[bits - PDM_POLICY_BITS_MIN];

    if (!map_over(place, fd, size, PROT_READ) || !pdm_policy_open(&opened, place, size))
        return NULL;
    struct pdm_policy *kept = &map.policies[bits - PDM_POLICY_BITS_MIN];

    if (kept->head == NULL)
        *kept = opened;
    return kept;
}

static bool take_mappings(const struct pdm_exchange *x)
{
    const struct pdm_policy *taken = take_policy(x->fds[0]);

    if (taken == NULL || !take_segment(x->fds[1]))
        return false;
    put_in_force(taken);
    return true;
}

int64_t pdm_policy_heartbeat(void)
{
    return is_ready() ? atomic_load_explicit(&policy()->head->heartbeat, memory_order_relaxed) : 0;
}

/* There is another, that the agent has made. */
static bool is_retired(void)
{
    return pdm_mode() == PDM_MODE_AGENT && pdm_policy_heartbeat() == PDM_POLICY_RETIRED;
}

static bool hello(int64_t now)
{
    struct pdm_exchange x;
    struct pdm_hello_reply reply = {.status = PDM_STATUS_BAD_REQUEST};
    bool ok = false;

    pdm_exchange_begin(&x, PDM_HELLO);
    if (pdm_exchange_make(&x, now, true)) {
        pdm_get_hello_reply(&x.reply, &reply);
        ok = pdm_message_done(&x.reply) && reply.status == PDM_STATUS_OK && x.fds[1] >= 0;
    }
    if (ok && (reply.instance != atomic_load(&map.instance) || is_retired())) {
        ok = take_mappings(&x);
        if (ok)
            atomic_store(&map.instance, reply.instance);
    }
    pdm_exchange_end(&x);
    return ok;
}

uint8_t pdm_mapping_own_format(void)
{
    return pdm_mode() == PDM_MODE_PLAIN ? PDM_FORMAT_PLAIN : PDM_FORMAT_RFC8250;
}

static bool make_writable(void *place, size_t size)
{
    return pdm_sys(SYS_mprotect, (long)place, (long)size, PROT_READ | PROT_WRITE, 0, 0, 0) == 0;
}

/* Without an agent: everyone takes part, in the clear, and the figures stay here. */
static bool own_mappings(void)
{
    static const struct pdm_policy_settings settings = {.option_type = PDM_OPTION_TYPE,
                                                        .budget_us = PDM_BUDGET_US_DEFAULT,
                                                        .share = PDM_SHARE_DEFAULT,
                                                        .max_flows = PDM_FLOWS_DEFAULT,
                                                        .flow_idle_s = PDM_FLOW_IDLE_DEFAULT_S};
    const struct pdm_policy_entry all = {.format = pdm_mapping_own_format()};
    struct pdm_policy *own = &map.policies[0];
    uint32_t slots = PDM_FLOWS_DEFAULT;
    uint64_t seed;

    if (!have_policy_place(PDM_POLICY_BITS_MIN) || !have_segment_place() ||
        !pdm_entropy(&seed, sizeof seed) ||
        !make_writable(map.place[0], pdm_policy_size(PDM_POLICY_BITS_MIN)) ||
        !make_writable(map.segment, pdm_segment_size(slots)))
        return false;
    map.slots = slots;
    for (int i = 0; i < PDM_SADDR_TYPES; i++)
        atomic_store(&map.segment->global_pointer[i].next, 1);
    pdm_policy_init(own, map.place[0], PDM_POLICY_BITS_MIN, seed);
    pdm_policy_add(own, &all);
    pdm_policy_set(own, &settings);
    put_in_force(own);
    return true;
}

static bool lost(int64_t now)
{
    return pdm_mode() == PDM_MODE_AGENT &&
           (is_retired() || now - pdm_policy_heartbeat() > PDM_HEARTBEAT_LOST_NS);
}

bool pdm_mapping_refresh(int64_t now)
{
    bool ok;

    if (atomic_exchange(&map.busy, true))
        return false;
    ok = pdm_mode() == PDM_MODE_AGENT ? hello(now) : own_mappings();
    if (ok)
        atomic_store_explicit(&map.ready, true, memory_order_release);
    /* An agent that answers but shows no sign of life, or whose memory cannot be mapped, is not
     * asked for each packet. */
    if (!pdm_effort_silent() && (!ok || lost(now)))
        atomic_store_explicit(&map.again, now + PDM_HEARTBEAT_NS, memory_order_relaxed);
    atomic_store_explicit(&map.busy, false, memory_order_release);
    return ok;
}

bool pdm_policy_ready(int64_t now)
{
    if (is_ready() && !lost(now))
        return true;
    if (now >= atomic_load_explicit(&map.again, memory_order_relaxed) &&
        (pdm_mode() != PDM_MODE_AGENT || pdm_effort_may_ask(now)))
        pdm_mapping_refresh(now);
    return is_ready() && !is_retired();
}

struct pdm_policy_settings pdm_policy_settings(void)
{
    static const struct pdm_policy_settings before = {.option_type = PDM_OPTION_TYPE,
                                                      .budget_us = PDM_BUDGET_US_DEFAULT,
                                                      .share = PDM_SHARE_DEFAULT,
                                                      .max_flows = PDM_FLOWS_DEFAULT};

    if (!is_ready())
        return before;
    struct pdm_policy_settings settings = policy()->head->settings;

    /* Of a policy that was left just now. */
    if (settings.option_type == 0)
        return before;
    /* Whatever stands there, the program shall not be held up for long. */
    if (settings.budget_us > PDM_BUDGET_US_MAX)
        settings.budget_us = PDM_BUDGET_US_MAX;
    if (settings.share > 100)
        settings.share = 100;
    return settings;
}

bool pdm_policy_names(const uint8_t *local, const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pdm_policy_entry entry;

    return is_ready() && pdm_policy_find(policy(), local, peer, &entry);
}

bool pdm_policy_names_any(void)
{
    return is_ready() && pdm_policy_used(policy()) != 0;
}

static struct pdm_global_pointer *pointer_of(const uint8_t *saddr)
{
    enum pdm_saddr_type type = pdm_saddr_type(saddr);

    return is_ready() ? &map.segment->global_pointer[type] : &own_pointer[type];
}

uint32_t pdm_global_pointer_next(const uint8_t saddr[static PDM_ADDR_LEN])
{
    return atomic_fetch_add_explicit(&pointer_of(saddr)->next, 1, memory_order_relaxed);
}

void pdm_global_pointer_skip(const uint8_t saddr[static PDM_ADDR_LEN], uint32_t count)
{
    atomic_fetch_add_explicit(&pointer_of(saddr)->next, count, memory_order_relaxed);
}

bool pdm_mapping_ready(void)
{
    return is_ready();
}

uint64_t pdm_mapping_instance(void)
{
    return atomic_load_explicit(&map.instance, memory_order_relaxed);
}

struct pdm_slot *pdm_mapping_slot(uint32_t number)
{
    return number < map.slots ? &map.segment->slot[number] : NULL;
}
