/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the paths to peers carry options. */
#include "keyagent/path.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"
#include "keyagent/log.h"

/* Of the answers: those to requests without an option, and with one. */
enum kind { WITHOUT, WITH, KINDS };

/* The table. */

static uint64_t hash_of(const struct paths *p, const uint8_t *local, const uint8_t *peer)
{
    struct pdm_tuple key = {0};

    memcpy(key.saddr, local, PDM_ADDR_LEN);
    memcpy(key.daddr, peer, PDM_ADDR_LEN);
    return pdm_tuple_hash(&key, p->seed);
}

static uint32_t find(const struct paths *p, const uint8_t *local, const uint8_t *peer)
{
    uint32_t i = table_first(&p->table, hash_of(p, local, peer));

    while (i != TABLE_NONE && (memcmp(p->item[i].local, local, PDM_ADDR_LEN) != 0 ||
                               memcmp(p->item[i].peer, peer, PDM_ADDR_LEN) != 0))
        i = table_next(&p->table, i);
    return i;
}

/* The table is full: one makes room that has no flows and was not used since the last look at it.
 */
static void make_room(struct paths *p)
{
    for (uint32_t n = 0; n < AGENT_PATH_LOOKS; n++) {
        uint32_t i = p->hand;
        struct path *path = &p->item[i];

        p->hand = (i + 1) % AGENT_PATHS_MAX;
        if (path->flows == 0 && !path->queued && !path->lately) {
            table_remove(&p->table, hash_of(p, path->local, path->peer), i);
            path->used = false;
            return;
        }
        path->lately = false;
    }
}

static uint32_t add(struct paths *p, const uint8_t *local, const uint8_t *peer)
{
    if (p->table.used == AGENT_PATHS_MAX)
        make_room(p);
    uint32_t i = table_add(&p->table, hash_of(p, local, peer));

    if (i == TABLE_NONE)
        return PATHS_NONE;
    p->item[i] = (struct path){.used = true};
    memcpy(p->item[i].local, local, PDM_ADDR_LEN);
    memcpy(p->item[i].peer, peer, PDM_ADDR_LEN);
    return i;
}

bool paths_init(struct paths *p, uint64_t seed, paths_changed *changed, void *arg)
{
    *p = (struct paths){
        .first = PATHS_NONE, .last = PATHS_NONE, .seed = seed, .changed = changed, .arg = arg};
    for (size_t i = 0; i < AGENT_PROBINGS; i++)
        p->probing[i].path = PATHS_NONE;
    p->item = calloc(AGENT_PATHS_MAX, sizeof *p->item);
    return p->item != NULL && table_init(&p->table, AGENT_PATHS_MAX);
}

void paths_free(struct paths *p)
{
    free(p->item);
    table_free(&p->table);
    *p = (struct paths){0};
}

/* Verdicts. */

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
    struct path *path = &p->item[i];

    path->doubts = 0;
    path->suspected = false;
    if (path->verdict == verdict)
        return;
    path->verdict = verdict;
    tell(path);
    p->changed(p->arg, i);
}

static void enqueue(struct paths *p, uint32_t i)
{
    struct path *path = &p->item[i];

    if (path->queued)
        return;
    path->queued = true;
    path->due = INT64_MAX;
    path->next = PATHS_NONE;
    if (p->last == PATHS_NONE)
        p->first = i;
    else
        p->item[p->last].next = i;
    p->last = i;
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
    struct path *path = &p->item[i];

    path->due = INT64_MAX;
    set_verdict(p, i, may_probe(p, path) ? PDM_PATH_UNKNOWN : PDM_PATH_UNPROBED);
    if (may_probe(p, path))
        enqueue(p, i);
    else if (p->may_probe)
        log_warning("link-local peers cannot be probed: no options are attached; where the link is "
                    "known to carry them, set path = trust");
}

/* The probing under way on path I, or NULL. */
static struct path_probing *probing_of(struct paths *p, uint32_t i)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++)
        if (p->probing[n].path == i)
            return &p->probing[n];
    return NULL;
}

static void end_probing(struct paths *p, struct path_probing *probing)
{
    p->item[probing->path].queued = false;
    probing->path = PATHS_NONE;
    p->probings--;
}

/* What an earlier probing is about to find is no longer of interest. */
static void abandon_probing(struct paths *p, uint32_t i)
{
    struct path_probing *probing = probing_of(p, i);

    if (probing != NULL)
        end_probing(p, probing);
}

/* The path between the two; what is not known of it, or no longer, is probed. */
static uint32_t use(struct paths *p, const uint8_t *local, const uint8_t *peer,
                    enum pdm_format format, int64_t now)
{
    uint32_t i = find(p, local, peer);

    if (i == TABLE_NONE) {
        i = add(p, local, peer);
        if (i == PATHS_NONE) {
            log_warning("more than %d paths are in use", AGENT_PATHS_MAX);
            return PATHS_NONE;
        }
        p->item[i].format = format;
        probe_anew(p, i);
    }
    struct path *path = &p->item[i];

    path->lately = true;
    if (path->format != format) {
        path->format = format;
        abandon_probing(p, i);
        probe_anew(p, i);
    } else if (path->due <= now) {
        enqueue(p, i);
    }
    return i;
}

uint32_t paths_join(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                    const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now)
{
    uint32_t i = use(p, local, peer, format, now);

    if (i != PATHS_NONE)
        p->item[i].flows++;
    return i;
}

uint32_t paths_ask(struct paths *p, const uint8_t local[static PDM_ADDR_LEN],
                   const uint8_t peer[static PDM_ADDR_LEN], enum pdm_format format, int64_t now)
{
    uint32_t i = use(p, local, peer, format, now);

    if (i != PATHS_NONE)
        p->item[i].asked = now + AGENT_PATH_ASKED_NS;
    return i;
}

void paths_leave(struct paths *p, uint32_t path)
{
    if (path != PATHS_NONE)
        p->item[path].flows--;
}

uint32_t paths_with(const struct paths *p, enum pdm_path verdict)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++)
        count += p->item[i].used && p->item[i].verdict == verdict;
    return count;
}

enum pdm_path paths_verdict(const struct paths *p, uint32_t path)
{
    return path != PATHS_NONE ? p->item[path].verdict : PDM_PATH_UNPROBED;
}

/*
 * What a probe has found to carry although flows thought otherwise is not suspected again for a
 * while, which doubles: a flow may be wrong, and others with that peer must not suffer. The flow
 * that suspects has stopped by itself.
 */
void paths_suspect(struct paths *p, uint32_t path, int64_t now)
{
    if (path == PATHS_NONE || p->item[path].verdict != PDM_PATH_CARRIES)
        return;
    struct path *suspect = &p->item[path];

    if (now < suspect->heed_at) {
        suspect->suspected = true;
        return;
    }
    if (now - suspect->heed_at > AGENT_PATH_PAUSE_MAX_NS)
        suspect->heed_pause = 0;
    abandon_probing(p, path);
    suspect->heed_pause = doubled(suspect->heed_pause, AGENT_PATH_SUSPECT_NS);
    suspect->heed_at = now + suspect->heed_pause;
    probe_anew(p, path);
}

void paths_retry(struct paths *p)
{
    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++)
        if (p->item[i].used && !p->item[i].queued && p->item[i].verdict != PDM_PATH_CARRIES &&
            may_probe(p, &p->item[i]))
            p->item[i].due = 0;
}

static bool wanted(const struct path *path, int64_t now)
{
    return path->flows > 0 || path->asked > now;
}

void paths_sweep(struct paths *p, int64_t now)
{
    for (uint32_t i = 0; i < AGENT_PATHS_MAX; i++) {
        struct path *path = &p->item[i];

        if (!path->used || !wanted(path, now))
            continue;
        if (path->suspected && path->heed_at <= now)
            paths_suspect(p, i, now);
        else if (path->due <= now)
            enqueue(p, i);
    }
}

bool paths_busy(const struct paths *p)
{
    return p->probings > 0 || p->first != PATHS_NONE;
}

/* Probings. */

/* The next that waits and is still wanted; the others are probed when a flow comes. */
static uint32_t dequeue(struct paths *p, int64_t now)
{
    while (p->first != PATHS_NONE) {
        uint32_t i = p->first;
        struct path *path = &p->item[i];

        p->first = path->next;
        if (p->first == PATHS_NONE)
            p->last = PATHS_NONE;
        if (wanted(path, now))
            return i;
        path->queued = false;
        path->due = 0;
    }
    return PATHS_NONE;
}

static void begin_probings(struct paths *p, int64_t now)
{
    for (size_t n = 0; n < AGENT_PROBINGS && p->first != PATHS_NONE; n++) {
        struct path_probing *probing = &p->probing[n];

        if (probing->path != PATHS_NONE)
            continue;
        uint32_t path = dequeue(p, now);
        if (path == PATHS_NONE)
            return;
        *probing = (struct path_probing){.path = path, .began = now};
        for (size_t i = 0; i < PATH_ECHOES; i++)
            randombytes_buf(probing->echo[i].nonce, PATH_NONCE_LEN);
        p->probings++;
    }
}

static int64_t timeout_of(const struct path_probing *probing)
{
    int64_t timeout = 4 * probing->round_trip;

    if (timeout == 0 || timeout > AGENT_PROBE_TIMEOUT_NS)
        return AGENT_PROBE_TIMEOUT_NS;
    return timeout > AGENT_PROBE_TIMEOUT_MIN_NS ? timeout : AGENT_PROBE_TIMEOUT_MIN_NS;
}

/* Nothing more will come of the first ECHOES. */
static bool settled(const struct path_probing *probing, size_t echoes, int64_t now)
{
    for (size_t i = 0; i < echoes; i++) {
        const struct path_echo *echo = &probing->echo[i];

        if (echo->state == PATH_ECHO_UNSENT)
            return false;
        if (echo->state == PATH_ECHO_SENT && now - echo->sent_at < timeout_of(probing))
            return false;
    }
    return true;
}

/* May request I go? The second round follows the first closely, the third its failure. */
static bool may_send(const struct path_probing *probing, size_t i, int64_t now)
{
    switch (i / KINDS) {
    case 0:
        return true;
    case 1:
        return now - probing->began >= AGENT_PROBE_ROUND_NS;
    default:
        return settled(probing, i / KINDS * KINDS, now);
    }
}

static uint32_t answers(const struct path_probing *probing, enum kind kind)
{
    uint32_t count = 0;

    for (size_t i = kind; i < PATH_ECHOES; i += KINDS)
        count += probing->echo[i].state == PATH_ECHO_ANSWERED;
    return count;
}

static enum pdm_path finding(const struct path_probing *probing)
{
    if (answers(probing, WITHOUT) < AGENT_PROBE_ENOUGH)
        return PDM_PATH_UNPROBED;
    return answers(probing, WITH) < AGENT_PROBE_ENOUGH ? PDM_PATH_DROPS : PDM_PATH_CARRIES;
}

static void found_to_carry(struct paths *p, uint32_t i, int64_t now)
{
    struct path *path = &p->item[i];

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
    struct path *path = &p->item[i];
    bool carried = path->verdict == PDM_PATH_CARRIES;

    path->doubts++;
    if (path->doubts < (carried ? AGENT_PATH_CONFIRM_WORSE : AGENT_PATH_CONFIRM)) {
        path->due = now + AGENT_PATH_CONFIRM_NS;
        if (!carried)
            enqueue(p, i);
        return;
    }
    path->pause = doubled(path->pause, AGENT_PATH_PAUSE_NS);
    path->due = now + jittered(path->pause);
    path->heed_pause = 0; /* whoever suspected was right */
    path->heed_at = 0;
    set_verdict(p, i, found);
}

/* Ends PROBING if it is decided or over. */
static void conclude(struct paths *p, struct path_probing *probing, int64_t now)
{
    enum pdm_path found = finding(probing);
    uint32_t i = probing->path;

    if (found != PDM_PATH_CARRIES && !settled(probing, PATH_ECHOES, now))
        return;
    end_probing(p, probing);
    if (found == PDM_PATH_CARRIES)
        found_to_carry(p, i, now);
    else
        found_not_to_carry(p, i, found, now);
}

static bool next_of(struct paths *p, struct path_probing *probing, int64_t now,
                    struct path_request *request)
{
    size_t i = 0;

    while (i < PATH_ECHOES && probing->echo[i].state != PATH_ECHO_UNSENT)
        i++;
    if (i == PATH_ECHOES || !may_send(probing, i, now) ||
        !bucket_take(&p->echoes, now, AGENT_PROBE_RATE))
        return false;
    const struct path *path = &p->item[probing->path];

    probing->echo[i].state = PATH_ECHO_SENT;
    probing->echo[i].sent_at = now;
    *request = (struct path_request){.local = path->local,
                                     .peer = path->peer,
                                     .format = path->format,
                                     .with_option = i % KINDS == WITH};
    memcpy(request->nonce, probing->echo[i].nonce, PATH_NONCE_LEN);
    p->sent++;
    return true;
}

bool paths_next(struct paths *p, int64_t now, struct path_request *request)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++)
        if (p->probing[n].path != PATHS_NONE)
            conclude(p, &p->probing[n], now);
    begin_probings(p, now);
    for (size_t n = 0; n < AGENT_PROBINGS; n++)
        if (p->probing[n].path != PATHS_NONE && next_of(p, &p->probing[n], now, request))
            return true;
    return false;
}

/* The echo under way with NONCE, and its probing; or NULL. */
static struct path_echo *echo_of(struct paths *p, const uint8_t *nonce,
                                 struct path_probing **probing)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++) {
        *probing = &p->probing[n];
        for (size_t i = 0; i < PATH_ECHOES && (*probing)->path != PATHS_NONE; i++) {
            struct path_echo *echo = &(*probing)->echo[i];

            if (echo->state == PATH_ECHO_SENT &&
                sodium_memcmp(echo->nonce, nonce, PATH_NONCE_LEN) == 0)
                return echo;
        }
    }
    return NULL;
}

void paths_unsent(struct paths *p, const uint8_t nonce[static PATH_NONCE_LEN])
{
    struct path_probing *probing;
    struct path_echo *echo = echo_of(p, nonce, &probing);

    if (echo != NULL)
        echo->state = PATH_ECHO_LOST;
}

void paths_answered(struct paths *p, const uint8_t nonce[static PATH_NONCE_LEN],
                    const uint8_t from[static PDM_ADDR_LEN], int64_t now)
{
    struct path_probing *probing;
    struct path_echo *echo = echo_of(p, nonce, &probing);

    if (echo == NULL || memcmp(p->item[probing->path].peer, from, PDM_ADDR_LEN) != 0)
        return;
    echo->state = PATH_ECHO_ANSWERED;
    if (now - echo->sent_at > probing->round_trip)
        probing->round_trip = now - echo->sent_at;
    conclude(p, probing, now);
}
