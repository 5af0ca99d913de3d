/* SPDX-License-Identifier: BSD-2-Clause */
/* The generations seen of peers. */
#include "keyagent/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/log.h"

#define NAME "peers"
#define LINE_OCTETS 256
#define ID_TEXT ((size_t)2 * LEDGER_ID_LEN + 1)

static uint64_t hash_of(const struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
                        const uint8_t addr[static PDM_ADDR_LEN])
{
    struct pdm_tuple key = {0};

    _Static_assert(LEDGER_ID_LEN == PDM_ADDR_LEN, "both halves of a tuple's key");
    memcpy(key.saddr, id, LEDGER_ID_LEN);
    memcpy(key.daddr, addr, PDM_ADDR_LEN);
    return pdm_tuple_hash(&key, p->seed);
}

struct peer *peers_find(struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
                        const uint8_t addr[static PDM_ADDR_LEN])
{
    uint32_t i = table_first(&p->table, hash_of(p, id, addr));

    for (; i != TABLE_NONE; i = table_next(&p->table, i)) {
        struct peer *peer = &p->item[i];

        if (memcmp(peer->id, id, LEDGER_ID_LEN) == 0 &&
            memcmp(peer->addr, addr, PDM_ADDR_LEN) == 0) {
            peer->used_at = ++p->turn;
            return peer;
        }
    }
    return NULL;
}

/* The whole table is in use. */
static void forget_oldest(struct peers *p)
{
    uint32_t oldest = 0;

    for (uint32_t i = 1; i < AGENT_PEERS_MAX; i++)
        if (p->item[i].used_at < p->item[oldest].used_at)
            oldest = i;
    table_remove(&p->table, hash_of(p, p->item[oldest].id, p->item[oldest].addr), oldest);
    p->item[oldest].seen_count = 0;
}

static struct peer *add(struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
                        const uint8_t addr[static PDM_ADDR_LEN])
{
    if (p->table.used == AGENT_PEERS_MAX)
        forget_oldest(p);
    struct peer *peer = &p->item[table_add(&p->table, hash_of(p, id, addr))];
    *peer = (struct peer){.used_at = ++p->turn};
    memcpy(peer->id, id, LEDGER_ID_LEN);
    memcpy(peer->addr, addr, PDM_ADDR_LEN);
    return peer;
}

static bool contains(const uint32_t *generations, uint32_t count, uint32_t generation)
{
    for (uint32_t i = 0; i < count; i++)
        if (generations[i] == generation)
            return true;
    return false;
}

/* Moves GENERATION to the front; the one that was not seen for longest makes room. */
void peer_saw(struct peer *peer, uint32_t generation)
{
    uint32_t at = 0;

    while (at < peer->seen_count && peer->seen[at] != generation)
        at++;
    if (at == peer->seen_count && at < PDM_SEARCH_GENERATIONS)
        peer->seen_count++;
    if (at == PDM_SEARCH_GENERATIONS)
        at--;
    memmove(&peer->seen[1], &peer->seen[0], at * sizeof peer->seen[0]);
    peer->seen[0] = generation;
    if (generation > peer->highest)
        peer->highest = generation;
}

void peers_saw(struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
               const uint8_t addr[static PDM_ADDR_LEN], uint32_t generation)
{
    struct peer *peer = peers_find(p, id, addr);

    if (peer == NULL)
        peer = add(p, id, addr);
    if (peer->seen_count > 0 && peer->seen[0] == generation)
        return;
    peer_saw(peer, generation);
    p->changed = true;
}

uint32_t peer_latest(const struct peer *peer, uint32_t latest[static PDM_SEARCH_GENERATIONS])
{
    uint32_t count = peer->seen_count;
    uint32_t generation = peer->highest;

    memcpy(latest, peer->seen, count * sizeof *latest);
    while (count < PDM_SEARCH_GENERATIONS) {
        if (!contains(latest, count, generation))
            latest[count++] = generation;
        if (generation-- == 0)
            break;
    }
    return count;
}

bool peer_is_past(const struct peer *peer, uint32_t generation)
{
    uint32_t latest[PDM_SEARCH_GENERATIONS];
    uint32_t count = peer_latest(peer, latest);

    return generation < peer->highest && !contains(latest, count, generation);
}

/*
 * The file: lines of the hash of the secret, the address, and the generations, latest first,
 * behind the highest.
 */

static bool read_line(struct peers *p, char *line)
{
    char *rest;
    char *word = strtok_r(line, " \n", &rest);
    uint8_t id[LEDGER_ID_LEN];
    uint8_t addr[PDM_ADDR_LEN];
    uint32_t generation[PDM_SEARCH_GENERATIONS + 1];
    uint32_t count = 0;
    size_t octets;

    if (word == NULL || strlen(word) != ID_TEXT - 1 ||
        sodium_hex2bin(id, sizeof id, word, ID_TEXT - 1, NULL, &octets, NULL) != 0 ||
        octets != sizeof id)
        return false;
    word = strtok_r(NULL, " \n", &rest);
    if (word == NULL || inet_pton(AF_INET6, word, addr) != 1)
        return false;
    while ((word = strtok_r(NULL, " \n", &rest)) != NULL) {
        char *end;
        unsigned long value = strtoul(word, &end, 10);

        if (count > PDM_SEARCH_GENERATIONS || *end != '\0' || value > UINT32_MAX)
            return false;
        generation[count++] = (uint32_t)value;
    }
    if (count < 2 || peers_find(p, id, addr) != NULL)
        return false;
    struct peer *peer = add(p, id, addr);
    while (--count > 0)
        peer_saw(peer, generation[count]);
    if (generation[0] > peer->highest)
        peer->highest = generation[0];
    return true;
}

static void load(struct peers *p)
{
    char line[LINE_OCTETS];
    FILE *file = fopen(p->file, "re");
    size_t octets = 0;
    bool good = true;

    if (file == NULL) {
        if (errno != ENOENT)
            log_warning("%s: %s; peers will be searched for from the start", p->file,
                        strerror(errno));
        return;
    }
    while (fgets(line, sizeof line, file) != NULL && octets < AGENT_PEERS_FILE_MAX) {
        octets += strlen(line);
        good = read_line(p, line) && good;
    }
    if (!good)
        log_warning("%s: some lines are damaged and were left out", p->file);
    fclose(file);
}

static bool write_peer(FILE *file, const struct peer *peer)
{
    char id[ID_TEXT];
    char addr[INET6_ADDRSTRLEN];

    sodium_bin2hex(id, sizeof id, peer->id, sizeof peer->id);
    inet_ntop(AF_INET6, peer->addr, addr, sizeof addr);
    bool good = fprintf(file, "%s %s %" PRIu32, id, addr, peer->highest) > 0;
    for (uint32_t i = 0; i < peer->seen_count; i++)
        good = fprintf(file, " %" PRIu32, peer->seen[i]) > 0 && good;
    return fputc('\n', file) != EOF && good;
}

/* Not synced: losing it costs a search, nothing else. */
static bool write_file(const struct peers *p, const char *new_file)
{
    FILE *file = fopen(new_file, "we");
    bool good = file != NULL;

    if (file == NULL)
        return false;
    for (uint32_t i = 0; i < AGENT_PEERS_MAX; i++)
        if (p->item[i].seen_count > 0)
            good = write_peer(file, &p->item[i]) && good;
    return fclose(file) == 0 && good;
}

void peers_save(struct peers *p)
{
    char *new_file;

    if (p->file == NULL || !p->changed || asprintf(&new_file, "%s.new", p->file) < 0)
        return;
    p->changed = false;
    if (!write_file(p, new_file) || rename(new_file, p->file) != 0)
        log_warning("%s: cannot be written: %s", p->file, strerror(errno));
    free(new_file);
}

/* PATH and what leads there. */
static bool make_directory(const char *path)
{
    char *copy = strdup(path);
    bool good = copy != NULL;

    for (char *slash = copy; good && slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        good = mkdir(copy, S_IRWXU) == 0 || errno == EEXIST;
        if (slash != NULL)
            *slash = '/';
    }
    free(copy);
    return good;
}

bool peers_init(struct peers *p, const char *directory, uint64_t seed)
{
    *p = (struct peers){.seed = seed};
    p->item = calloc(AGENT_PEERS_MAX, sizeof *p->item);
    if (p->item == NULL || !table_init(&p->table, AGENT_PEERS_MAX)) {
        free(p->item);
        return false;
    }
    if (directory == NULL)
        return true;
    if (asprintf(&p->file, "%s/" NAME, directory) < 0)
        return false;
    if (!make_directory(directory))
        log_warning("state directory %s: %s", directory, strerror(errno));
    load(p);
    return true;
}

void peers_free(struct peers *p)
{
    peers_save(p);
    free(p->item);
    free(p->file);
    table_free(&p->table);
    *p = (struct peers){0};
}
