/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the oracle of nonces has recorded.
 *
 *   check create FILE RECORDS   a file with room for that many
 *   check count FILE            seals so far
 *   check verify FILE           exit 0: no (key, nonce) sealed two plaintexts, and no key was used
 *                               by two address spaces; 1: some were; 2: cannot tell
 *
 * A key that two address spaces use repeats a nonce only with some luck: looking for that too finds
 * what a short run would miss. The same octets sealed twice are counted apart: a signal handler
 * that forks between the seal and the send makes parent and child send the very same option, which
 * tells nobody anything.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/nonce/record.h"

enum { CANNOT_TELL = 2, SHOWN_MAX = 3 };

struct seal {
    uint8_t pair[ORACLE_KEY_LEN + PDM_NONCE_LEN];
    uint32_t memory;
    uint64_t text;
};

struct verdict {
    uint64_t keys;
    uint64_t shared;  /* keys that two address spaces used */
    uint64_t resent;  /* the same octets again */
    uint64_t repeats; /* (key, nonce) with another plaintext */
};

static int create(const char *path, const char *records)
{
    struct oracle_head head = {.magic = ORACLE_MAGIC, .capacity = strtoull(records, NULL, 10)};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, &head, sizeof head) != (ssize_t)sizeof head ||
        ftruncate(fd, (off_t)(sizeof head + head.capacity * sizeof(struct oracle_record))) != 0)
        err(CANNOT_TELL, "%s", path);
    close(fd);
    return 0;
}

static const struct oracle_head *map(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0)
        err(CANNOT_TELL, "%s", path);
    const struct oracle_head *head =
        (size_t)st.st_size < sizeof *head
            ? MAP_FAILED
            : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED || head->magic != ORACLE_MAGIC)
        errx(CANNOT_TELL, "%s is no file of the oracle's", path);
    close(fd);
    return head;
}

static int by_pair(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(((struct seal *)0)->pair));
}

/* The records that were finished; the rest belongs to processes killed before anything could leave.
 */
static size_t collect(const struct oracle_head *head, struct seal *seals)
{
    const struct oracle_record *r = (const struct oracle_record *)(head + 1);
    uint64_t begun = atomic_load(&head->next);
    size_t n = 0;

    for (uint64_t i = 0; i < begun; i++) {
        uint64_t text = atomic_load_explicit(&r[i].text, memory_order_acquire);

        if (text == 0)
            continue;
        memcpy(seals[n].pair, r[i].key, ORACLE_KEY_LEN);
        memcpy(seals[n].pair + ORACLE_KEY_LEN, r[i].nonce, PDM_NONCE_LEN);
        seals[n].memory = r[i].memory;
        seals[n++].text = text;
    }
    return n;
}

static void show(const struct seal *s)
{
    printf("repeat: key %02x%02x%02x%02x... nonce ", s->pair[0], s->pair[1], s->pair[2],
           s->pair[3]);
    for (int i = 0; i < PDM_NONCE_LEN; i++)
        printf("%02x", s->pair[ORACLE_KEY_LEN + i]);
    printf(" sealed two plaintexts\n");
}

static bool same_key(const struct seal *a, const struct seal *b)
{
    return memcmp(a->pair, b->pair, ORACLE_KEY_LEN) == 0;
}

/* Whether no other record is of the same pair: such a one tells whose key it is. */
static bool alone(const struct seal *seals, size_t n, size_t i)
{
    return (i == 0 || by_pair(&seals[i], &seals[i - 1]) != 0) &&
           (i + 1 == n || by_pair(&seals[i], &seals[i + 1]) != 0);
}

/* SEALS are sorted. */
static struct verdict judge(const struct seal *seals, size_t n)
{
    struct verdict v = {0};
    const struct seal *owner = NULL; /* of the key */
    bool shared = false;

    for (size_t i = 0; i < n; i++) {
        const struct seal *s = &seals[i];

        if (i == 0 || !same_key(s, &seals[i - 1])) {
            owner = NULL;
            shared = false;
            v.keys++;
        }
        if (alone(seals, n, i)) {
            owner = owner == NULL ? s : owner;
            v.shared += !shared && s->memory != owner->memory;
            shared = shared || s->memory != owner->memory;
        } else if (i > 0 && by_pair(s, &seals[i - 1]) == 0) {
            if (s->text == seals[i - 1].text)
                v.resent++;
            else if (v.repeats++ < SHOWN_MAX)
                show(s);
        }
    }
    return v;
}

static int verify(const char *path)
{
    const struct oracle_head *head = map(path);
    uint64_t begun = atomic_load(&head->next);

    if (begun > head->capacity)
        errx(CANNOT_TELL, "%s: %" PRIu64 " seals, room for %" PRIu64, path, begun, head->capacity);
    struct seal *seals = calloc(begun + 1, sizeof *seals);
    if (seals == NULL)
        err(CANNOT_TELL, "%" PRIu64 " seals", begun);
    size_t n = collect(head, seals);

    qsort(seals, n, sizeof *seals, by_pair);
    struct verdict v = judge(seals, n);

    printf("seals %zu keys %" PRIu64 " unfinished %" PRIu64 " resent %" PRIu64 " shared %" PRIu64
           " repeats %" PRIu64 "\n",
           n, v.keys, begun - n, v.resent, v.shared, v.repeats);
    free(seals);
    return v.repeats != 0 || v.shared != 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "create") == 0)
        return create(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "count") == 0) {
        printf("%" PRIu64 "\n", atomic_load(&map(argv[2])->next));
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    errx(CANNOT_TELL, "usage: check create FILE RECORDS | count FILE | verify FILE");
}
