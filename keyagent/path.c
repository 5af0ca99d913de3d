/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the paths to peers carry options. */
#include "keyagent/path.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "keyagent/log.h"

/* So that not all paths of a busy host are due at once: up to a quarter less or more. */
static int64_t jittered(int64_t span)
{
    uint32_t part = (uint32_t)(span / AGENT_PATH_JITTER / PDM_NSEC_PER_MSEC);

    return span - part * PDM_NSEC_PER_MSEC + randombytes_uniform(2 * part + 1) * PDM_NSEC_PER_MSEC;
}

static int64_t doubled(int64_t span, int64_t first)
{
    if (span == 0)
        return first;
    return span < AGENT_PATH_PAUSE_MAX_NS / 2 ? 2 * span : AGENT_PATH_PAUSE_MAX_NS;
}

/* What is thought of a path. */

static void tell(const struct path *path)
{
    char peer[INET6_ADDRSTRLEN] = "?";

    inet_ntop(AF_INET6, path->peer, peer, sizeof peer);
    if (path->verdict == PDM_PATH_DROPS)
        log_warning("the path to %s drops packets with options: none are attached", peer);
    else if (path->verdict == PDM_PATH_UNPROBED && path->pause != 0)
        log_warning("%s answers no echo, so that its path cannot be probed: no options are "
                    "attached; where the path is known to carry them, set path = trust",
                    peer);
    else if (path->verdict == PDM_PATH_CARRIES && path->pause != 0)
        log_info("the path to %s carries options now", peer);
}

static void set_verdict(struct paths *p, uint32_t i, enum pdm_path verdict)
{
    struct path *path = &p->table.item[i];

    path->doubts = 0;
    path->suspected = false;
    if (path->verdict == verdict)
        return;
    path->verdict = verdict;
    tell(path);
    p->changed(p->arg, i);
}

/* A link-local address says nothing without its interface, which no tuple has. */
static bool may_probe(const struct paths *p, const struct path *path)
{
    struct in6_addr peer;

    memcpy(&peer, path->peer, sizeof peer);
    return p->may_probe && !IN6_IS_ADDR_LINKLOCAL(&peer);
}

/* Nothing is attached until probings have said that it may be. */
static void probe_anew(struct paths *p, uint32_t i)
{
    struct path *path = &p->table.item[i];

    path->due = INT64_MAX;
    set_verdict(p, i, may_probe(p, path) ? PDM_PATH_UNKNOWN : PDM_PATH_UNPROBED);
    if (may_probe(p, path))
        prober_enqueue(&p->prober, i);
    else if (p->may_probe)
        log_warning("link-local peers cannot be probed: no options are attached; where the link is "
                    "known to carry them, set path = trust");
}

/* What probings find. */

static void found_to_carry(struct paths *p, uint32_t i, int64_t now)
{
    struct path *path = &p->table.item[i];

    set_verdict(p, i, PDM_PATH_CARRIES);
    path->pause = 0;
    path->due = now + jittered(AGENT_PATH_KEPT_NS);
}

/*
 * On a path that loses a twentieth of all packets, a probing in twenty finds it not to carry: it
 * takes several in a row, and where options flow that is several moments.
 */
static void found_not_to_carry(struct paths *p, uint32_t i, enum pdm_path found, int64_t now)
{
    struct path *path = &p->table.item[i];
    bool carried = path->verdict == PDM_PATH_CARRIES;

    path->doubts++;
    if (path->doubts < (carried ? AGENT_PATH_CONFIRM_WORSE : AGENT_PATH_CONFIRM)) {
        path->due = now + AGENT_PATH_CONFIRM_NS;
        if (!carried)
            prober_enqueue(&p->prober, i);
        return;
    }
    path->pause = doubled(path->pause, AGENT_PATH_PAUSE_NS);
    path->due = now + jittered(path->pause);
    path->heed_pause = 0; /* whoever suspected was right */
    path->heed_at = 0;
    set_verdict(p, i, found);
}

static void found(void *arg, uint32_t path, enum pdm_path verdict, int64_t now)
{
    if (verdict == PDM_PATH_CARRIES)
        found_to_carry(arg, path, now);
    else
        found_not_to_carry(arg, path, verdict, now);
}

bool paths_init(struct paths *p, uint64_t seed, paths_changed *changed, void *arg)
{
    *p = (struct paths){.changed = changed, .arg = arg};
    prober_init(&p->prober, &p->table, found, p);
    return path_table_init(&p->table, seed);
}

void paths_free(struct paths *p)
{
    path_table_free(&p->table);
    *p = (struct paths){0};
}

/* Who uses a path. */

/* The path between the two; what is not known of it, or no longer, is probed. */
static uint32_t use(struct paths *p, const uint8_t *local, const uint8_t *peer,
                    enum pdm_format format, int64_t now)
{
    uint32_t i = path_table_find(&p->table, local, peer);

    if (i == PATHS_NONE) {
        i = path_table_add(&p->table, local, peer);
        if (i == PATHS_NONE) {
            log_warning("more than %d paths are in use", AGENT_PATHS_MAX);
            return PATHS_NONE;
        }
        p->table.item[i].format = format;
        probe_anew(p, i);
    }
    struct path *path = &p->table.item[i];

    path->lately = true;
    if (path->format != format) {
        path->format = format;
        prober_abandon(&p->prober, i);
        probe_anew(p, i);
    } else if (path->due <= now) {
        prober_enqueue(&p->prober, i);
    }
    return i;
}

uint32_t paths_join(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                    const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now)
{
    uint32_t i = use(p, local, peer, format, now);

    if (i != PATHS_NONE)
        p->table.item[i].flows++;
    return i;
}

uint32_t paths_ask(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now)
{
    uint32_t i = use(p, local, peer, format, now);

    if (i != PATHS_NONE)
        p->table.item[i].asked = now + AGENT_PATH_ASKED_NS;
    return i;
}

void paths_leave(struct paths *p, uint32_t path)
{
    if (path != PATHS_NONE)
        p->table.item[path].flows--;
}

uint32_t paths_with(const struct paths *p, enum pdm_path verdict)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++)
        count += p->table.item[i].used && p->table.item[i].verdict == verdict;
    return count;
}

enum pdm_path paths_verdict(const struct paths *p, uint32_t path)
{
    return path != PATHS_NONE ? p->table.item[path].verdict : PDM_PATH_UNPROBED;
}

/*
 * What a probe has found to carry although flows thought otherwise is not suspected again for a
 * while, which doubles: a flow may be wrong, and others with that peer must not suffer. The flow
 * that suspects has stopped by itself.
 */
void paths_suspect(struct paths *p, uint32_t path, int64_t now)
{
    if (path == PATHS_NONE || p->table.item[path].verdict != PDM_PATH_CARRIES)
        return;
    struct path *suspect = &p->table.item[path];

    if (now < suspect->heed_at) {
        suspect->suspected = true;
        return;
    }
    if (now - suspect->heed_at > AGENT_PATH_PAUSE_MAX_NS)
        suspect->heed_pause = 0;
    prober_abandon(&p->prober, path);
    suspect->heed_pause = doubled(suspect->heed_pause, AGENT_PATH_SUSPECT_NS);
    suspect->heed_at = now + suspect->heed_pause;
    probe_anew(p, path);
}

void paths_retry(struct paths *p)
{
    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++) {
        struct path *path = &p->table.item[i];

        if (path->used && !path->queued && path->verdict != PDM_PATH_CARRIES && may_probe(p, path))
            path->due = 0;
    }
}

void paths_sweep(struct paths *p, int64_t now)
{
    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++) {
        struct path *path = &p->table.item[i];

        if (!path->used || !path_wanted(path, now))
            continue;
        if (path->suspected && path->heed_at <= now)
            paths_suspect(p, i, now);
        else if (path->due <= now)
            prober_enqueue(&p->prober, i);
    }
}
