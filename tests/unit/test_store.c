/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store: nothing is lost, nothing is given twice. The same tests over SQLite and over a
 * PostgreSQL server of their own, which runs while this program does.
 */
#include "keyagent/primary/store.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/keys_on_disk.h"
#include "tests/unit/postgres_on_disk.h"

#define NOW 1700000000
#define RACERS 4

/* --- where it is --- */

static char where[PG_WHERE_MAX];
static bool shared; /* PostgreSQL */

static void sqlite_begin(void)
{
    keys_begin();
    keys_make("key", 1, "0\n");
    strcpy(where, "store");
}

static void postgresql_begin(void)
{
    keys_begin();
    keys_make("key", 1, "0\n");
    shared = true;
    pg_schema(getenv(PG_SERVER), where);
}

TestSuite(store_sqlite, .init = sqlite_begin, .fini = keys_end, .timeout = 120);
TestSuite(store_postgresql, .init = postgresql_begin, .fini = keys_end, .timeout = 120);

#define BOTH(name)                                                                                 \
    static void name(void);                                                                        \
    Test(store_sqlite, name)                                                                       \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    Test(store_postgresql, name)                                                                   \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    static void name(void)

/* Behind the store's back, while it is closed or shared. */
static void tamper(const char *sql)
{
    sqlite3 *handle;

    if (shared) {
        cr_assert_eq(pg_sql(where, sql), 0, "%s", sql);
        return;
    }
    cr_assert_eq(sqlite3_open(where, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

static struct store *opened(void)
{
    struct store *store = store_open(where, "key");

    cr_assert_not_null(store, "%s", keys_said());
    return store;
}

static void refused(const char *says)
{
    cr_expect_null(store_open(where, "key"));
    const char *said = keys_said();
    cr_expect(strstr(said, says), "not '%s' but: %s", says, said);
    cr_expect(strchr(said, '\n') == said + strlen(said) - 1, "more than one line: %s", said);
}

#define GOOD(call) cr_assert(call, "%s", keys_said())

static void begin(struct store *store)
{
    GOOD(store_begin(store));
}

static void commit(struct store *store)
{
    GOOD(store_commit(store));
}

static uint32_t pair_of(struct store *store, const char *name, uint8_t side)
{
    struct store_pair pair;

    begin(store);
    GOOD(store_pair(store, name, side, &pair));
    commit(store);
    return pair.pair;
}

static struct store_secret secret_of(uint64_t epoch)
{
    struct store_secret s = {
        .epoch = epoch,
        .suite = {PDM_KEM_X25519, PDM_KDF_SHA512, PDM_AEAD_CHACHA20POLY1305},
        .secmop = PDM_SECMOP_IBC,
        .poller = PDM_SIDE_SERVER,
        .unprotected = PDM_UNPROTECTED_RFC8250,
        .lifetime_s = UINT32_MAX,
        .grace_s = 60,
        .made_at = NOW,
        .ends_at = 0,
    };

    memset(s.tag, (int)epoch + 1, sizeof s.tag);
    memset(s.pms, (int)epoch + 101, sizeof s.pms);
    return s;
}

static void add(struct store *store, uint32_t pair, uint64_t epoch)
{
    struct store_secret s = secret_of(epoch);
    bool taken;

    GOOD(store_secret_add(store, pair, &s, &taken));
    cr_assert(!taken);
}

static uint32_t pair_with_secret(struct store *store, uint64_t epoch)
{
    uint32_t pair = pair_of(store, "example", PDM_SIDE_CLIENT);

    begin(store);
    add(store, pair, epoch);
    commit(store);
    return pair;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- opening --- */

BOTH(is_there_again)
{
    struct store *store = opened();
    struct store_pair pair;
    uint32_t number = pair_of(store, "example", PDM_SIDE_SERVER);
    uint64_t epoch;

    begin(store);
    GOOD(store_negotiation(store, number, 0, &epoch));
    GOOD(store_pair_list_version(store, number, UINT64_MAX));
    commit(store);
    store_close(store);

    store = opened();
    GOOD(store_pair(store, "example", PDM_SIDE_SERVER, &pair));
    cr_expect_eq(pair.pair, number);
    cr_expect_eq(pair.negotiations, 1);
    cr_expect_eq(pair.list_version, UINT64_MAX);
    cr_expect_eq(pair.side, PDM_SIDE_SERVER);
    cr_expect_str_eq(pair.name, "example");
    store_close(store);
    cr_expect_str_eq(keys_said(), "");
}

BOTH(another_key_is_refused)
{
    store_close(opened());
    keys_make("key", 2, "0\n");
    refused("made with another key than key");
    keys_make("key", 1, "0\n");
    store_close(opened());
}

BOTH(a_later_version_is_refused)
{
    store_close(opened());
    tamper("UPDATE pdmv2_store SET version = 2");
    refused("of version 2, and this program knows 1");
}

BOTH(another_stores_check_is_refused)
{
    store_close(opened());
    tamper(shared ? "UPDATE pdmv2_store SET id = decode(repeat($$00$$, 16), $$hex$$)"
                  : "UPDATE pdmv2_store SET id = zeroblob(16)");
    refused("made with another key");
}

Test(store_sqlite, is_its_owners_alone)
{
    static const char *const files[] = {"store", "store-wal"};
    struct stat st;
    struct store *store;

    umask(0);
    store = opened();
    pair_of(store, "example", 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cr_assert_eq(stat(files[i], &st), 0, "%s", files[i]);
        cr_expect_eq(st.st_mode & 0777, 0600, "%s: %o", files[i], (unsigned)st.st_mode);
    }
    store_close(store);
    cr_assert_eq(chmod("store", 0640), 0);
    refused("chmod 600 store");
    strcpy(where, "nowhere/store");
    refused("No such file");
    strcpy(where, "/dev/null");
    refused("not a regular file");
}

Test(store_sqlite, is_of_one_process)
{
    struct store *store = opened();
    pid_t pid = fork();

    if (pid == 0)
        _exit(store_open(where, "key") == NULL ? 0 : 1);
    int status;
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    cr_expect(strstr(keys_said(), "another process has it open"), "%s", keys_logged);
    pair_of(store, "example", 0);
    store_close(store);
    store_close(opened());
}

Test(store_sqlite, damage_is_refused)
{
    struct store *store = opened();
    uint8_t noise[4096];
    struct stat st;

    pair_of(store, "example", 0);
    store_close(store);
    cr_assert_eq(stat("store", &st), 0);
    int fd = open("store", O_RDWR);
    cr_assert(fd >= 0 && st.st_size > 3 * 4096);
    randombytes_buf(noise, sizeof noise);
    cr_assert_eq(pwrite(fd, noise, sizeof noise, st.st_size / 4096 / 2 * 4096), sizeof noise);
    close(fd);
    refused("damaged");

    keys_write("store",
               "what is this? it is not a database, and over a hundred octets long, as "
               "the header of one would be",
               0600);
    refused("damaged, or not a store");
}

/* As root, in a mount namespace of its own: a file system of 1 MiB. */
Test(store_sqlite, a_full_disk_is_told_and_survived)
{
    struct store_entry *entry = calloc(100000, sizeof *entry);
    uint32_t first;
    uint64_t version;
    size_t changed;
    bool old;

    cr_assert_eq(mkdir("small", 0700), 0);
    cr_assert_eq(unshare(CLONE_NEWNS), 0, "%s", strerror(errno));
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    cr_assert_eq(mount("none", "small", "tmpfs", 0, "size=1m"), 0);
    strcpy(where, "small/store");
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    for (uint32_t i = 0; i < 100000; i++)
        entry[i] = (struct store_entry){
            .prefix = {{0x20, [4] = (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 128}};
    begin(store);
    GOOD(store_grant(store, pair, 0, entry[0].prefix.addr, NULL, 8, &first, &old));
    bool done = store_list_replace(store, 0, 0, STORE_SOURCE_FILE, entry, 100000, &changed) &&
                store_commit(store);
    cr_expect(!done);
    store_rollback(store);
    cr_expect(strstr(keys_said(), "full"), "%s", keys_logged);

    GOOD(store_list_version(store, 0, 0, &version));
    cr_expect_eq(version, 0, "nothing of it is left");
    begin(store);
    GOOD(store_grant(store, pair, 0, entry[0].prefix.addr, NULL, 8, &first, &old));
    cr_expect_eq(first, 0);
    GOOD(store_list_replace(store, 0, 0, STORE_SOURCE_FILE, entry, 100, &changed));
    commit(store);
    store_close(store);
    store = opened();
    GOOD(store_list_version(store, 0, 0, &version));
    cr_expect_eq(version, 100);
    store_close(store);
    umount("small");
    free(entry);
}

/* --- transactions --- */

BOTH(a_transaction_is_whole_or_nothing)
{
    struct store *store = opened();
    uint32_t pair = pair_of(store, "example", 0);
    uint64_t epoch, number, again;
    struct store_pair p;

    begin(store);
    GOOD(store_negotiation(store, pair, 0, &epoch));
    store_rollback(store);
    begin(store);
    GOOD(store_negotiation(store, pair, 0, &epoch));
    cr_expect_eq(epoch, 0);
    cr_expect(!store_negotiation(store, pair + 1, 0, &epoch), "no such pair");
    cr_expect(!store_negotiation(store, pair, 0, &epoch), "it has failed as a whole");
    cr_expect(!store_commit(store));
    keys_said();
    GOOD(store_pair(store, "example", 0, &p));
    cr_expect_eq(p.negotiations, 0);

    cr_expect(!store_negotiation(store, pair, 0, &epoch));
    cr_expect(strstr(keys_said(), "outside of a transaction"), "%s", keys_logged);
    cr_expect(!store_commit(store));

    begin(store);
    cr_expect(!store_begin(store));
    cr_expect(!store_commit(store));

    GOOD(store_changes(store, &number));
    begin(store);
    GOOD(store_negotiation(store, pair, 0, &epoch));
    commit(store);
    GOOD(store_changes(store, &again));
    cr_expect_eq(number, again);
    pair_of(store, "another", 0);
    GOOD(store_changes(store, &again));
    cr_expect_neq(number, again);
    store_close(store);
}

BOTH(pairs_have_numbers_of_their_own)
{
    struct store *store = opened();
    char longest[PDM_NAME_MAX + 1];
    struct store_pair pair;
    uint32_t a = pair_of(store, "a", PDM_SIDE_CLIENT);

    cr_expect_geq(a, 1);
    cr_expect_neq(pair_of(store, "a", PDM_SIDE_SERVER), a);
    cr_expect_neq(pair_of(store, "b", PDM_SIDE_CLIENT), a);
    cr_expect_eq(pair_of(store, "a", PDM_SIDE_CLIENT), a);
    memset(longest, 0xff, sizeof longest);
    longest[PDM_NAME_MAX - 1] = '\0';
    uint32_t number = pair_of(store, longest, PDM_SIDE_CLIENT);
    cr_expect_eq(pair_of(store, longest, PDM_SIDE_CLIENT), number);
    longest[PDM_NAME_MAX - 1] = 'x';
    longest[PDM_NAME_MAX] = '\0';
    begin(store);
    cr_expect(!store_pair(store, longest, PDM_SIDE_CLIENT, &pair));
    store_rollback(store);
    store_close(store);
}

/* --- secrets --- */

BOTH(negotiations_are_numbered_once)
{
    static const struct {
        uint64_t at_least, gets;
    } step[] = {{0, 0}, {0, 1}, {5, 5}, {3, 6}, {7, 7}, {0, 8}, {STORE_EPOCH_MAX, STORE_EPOCH_MAX}};
    struct store *store = opened();
    uint32_t pair = pair_of(store, "example", 0), other = pair_of(store, "other", 0);
    uint64_t epoch;

    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        begin(store);
        GOOD(store_negotiation(store, pair, step[i].at_least, &epoch));
        commit(store);
        cr_expect_eq(epoch, step[i].gets, "step %zu: %lu", i, epoch);
    }
    begin(store);
    GOOD(store_negotiation(store, other, 0, &epoch));
    cr_expect_eq(epoch, 0, "pairs count for themselves");
    add(store, other, 20);
    GOOD(store_negotiation(store, other, 0, &epoch));
    cr_expect_eq(epoch, 21, "what has a secret is taken");
    cr_expect(!store_negotiation(store, other, UINT64_MAX, &epoch));
    store_rollback(store);
    store_close(store);
}

BOTH(secrets_come_back_as_they_were)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 3);
    struct store_secret got[STORE_SECRETS_MAX], other = secret_of(3);
    size_t count;
    bool taken;

    begin(store);
    memset(other.pms, 9, sizeof other.pms);
    cr_expect(!store_secret_add(store, pair, &other, &taken));
    cr_expect(taken);
    cr_expect_str_eq(keys_said(), "");
    commit(store);
    store_close(store);

    store = opened();
    GOOD(store_secrets(store, pair, got, &count));
    struct store_secret want = secret_of(3);
    cr_assert_eq(count, 1);
    cr_expect_eq(got[0].epoch, want.epoch);
    cr_expect_eq(got[0].state, STORE_SECRET_PENDING);
    cr_expect_arr_eq(&got[0].suite, &want.suite, sizeof want.suite);
    cr_expect_arr_eq(got[0].tag, want.tag, sizeof want.tag);
    cr_expect_arr_eq(got[0].pms, want.pms, sizeof want.pms);
    cr_expect_eq(got[0].secmop, want.secmop);
    cr_expect_eq(got[0].poller, want.poller);
    cr_expect_eq(got[0].unprotected, want.unprotected);
    cr_expect_eq(got[0].lifetime_s, want.lifetime_s);
    cr_expect_eq(got[0].grace_s, want.grace_s);
    cr_expect_eq(got[0].made_at, want.made_at);
    cr_expect_eq(got[0].ends_at, want.ends_at);
    GOOD(store_secrets(store, pair + 1, got, &count));
    cr_expect_eq(count, 0);
    store_close(store);
}

/* All of PAIR as text: epoch and p(ending), c(urrent) or P(revious). */
static const char *states(struct store *store, uint32_t pair)
{
    static char text[256];
    struct store_secret got[STORE_SECRETS_MAX];
    size_t count;

    GOOD(store_secrets(store, pair, got, &count));
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lu%c", i > 0 ? " " : "",
                 got[i].epoch, "pcP"[got[i].state]);
    return text;
}

BOTH(a_secret_is_pending_then_current_then_previous)
{
    /* a: added; c: confirmed; e: the clock so much after NOW, and what has ended goes. */
    static const struct {
        char does;
        uint64_t what;
        const char *then;
    } step[] = {
        {'a', 1, "1p"},           {'c', 0, "1p"}, /* never there */
        {'c', 1, "1c"},           {'c', 1, "1c"},          {'e', 1000, "1c"},
        {'a', 2, "1c 2p"},        {'a', 4, "1c 2p 4p"},    {'a', 6, "1c 2p 4p 6p"},
        {'c', 4, "1P 4c 6p"},     {'c', 2, "1P 4c 6p"},    {'c', 1, "1P 4c 6p"},
        {'a', 3, "1P 3p 4c 6p"},  {'c', 3, "1P 3p 4c 6p"}, /* too late: both sides have 4 */
        {'e', 60, "1P 3p 4c 6p"}, {'e', 61, "3p 4c 6p"},   {'c', 6, "4P 6c"},
        {'a', 7, "4P 6c 7p"},     {'c', 7, "6P 7c"},       {'e', 61, "7c"},
    };
    struct store *store = opened();
    uint32_t pair = pair_of(store, "example", 0);
    struct store_secret s = secret_of(1);
    bool taken, any;

    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        begin(store);
        if (step[i].does == 'a')
            add(store, pair, step[i].what);
        else if (step[i].does == 'c')
            GOOD(store_secret_confirm(store, pair, step[i].what, NOW));
        else
            GOOD(store_secrets_expire(store, NOW + (int64_t)step[i].what, &any));
        commit(store);
        cr_expect_str_eq(states(store, pair), step[i].then, "step %zu: %s", i, states(store, pair));
    }
    cr_expect(any);
    begin(store);
    cr_expect(!store_secret_add(store, pair, &s, &taken));
    cr_expect(taken, "also once it is forgotten");
    commit(store);
    store_close(store);
}

static struct store_pair row_of(struct store *store)
{
    struct store_pair row;

    GOOD(store_pair(store, "example", PDM_SIDE_CLIENT, &row));
    return row;
}

BOTH(what_is_to_be_renewed_is_remembered)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 4);
    uint64_t before, after;

    cr_expect_eq(row_of(store).renew_from, 0);
    begin(store);
    GOOD(store_pair_renew(store, pair, 0));
    store_rollback(store);
    cr_expect_eq(row_of(store).renew_from, 0);

    GOOD(store_changes(store, &before));
    begin(store);
    GOOD(store_side_renew(store, PDM_SIDE_SERVER)); /* not ours */
    commit(store);
    cr_expect_eq(row_of(store).renew_from, 0);
    begin(store);
    GOOD(store_side_renew(store, PDM_SIDE_CLIENT));
    commit(store);
    GOOD(store_changes(store, &after));
    cr_expect_neq(before, after, "other primaries do not hear of it");
    store_close(store);
    store = opened();
    cr_expect_eq(row_of(store).renew_from, 5, "the next negotiation");
    cr_expect_eq(row_of(store).usable_from, 0);

    begin(store);
    add(store, pair, 7);
    GOOD(store_pair_renew(store, pair, 8));
    GOOD(store_pair_renew(store, pair, 3));
    commit(store);
    store_close(store);
    store = opened();
    cr_expect_eq(row_of(store).renew_from, 8);
    cr_expect_eq(row_of(store).usable_from, 8, "what is given up stays so");
    begin(store);
    cr_expect(!store_pair_renew(store, pair + 1, 0));
    cr_expect(strstr(keys_said(), "no pair"), "%s", keys_logged);
    store_rollback(store);
    store_close(store);
}

BOTH(the_latest_pending_are_kept)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    struct store_secret got[STORE_SECRETS_MAX];
    size_t count;

    begin(store);
    GOOD(store_secret_confirm(store, pair, 0, NOW));
    for (uint64_t epoch = 1; epoch < 50; epoch++)
        add(store, pair, epoch);
    commit(store);
    GOOD(store_secrets(store, pair, got, &count));
    cr_assert_eq(count, STORE_SECRETS_PENDING + 1);
    cr_expect_eq(got[0].state, STORE_SECRET_CURRENT);
    cr_expect_eq(got[count - 1].epoch, 49);
    cr_expect_eq(got[1].epoch, 50 - STORE_SECRETS_PENDING);
    store_close(store);
}

BOTH(secrets_exchanged_between_pairs_are_refused)
{
    struct store *store = opened();
    uint32_t a = pair_of(store, "a", 0), b = pair_of(store, "b", 0);
    struct store_secret got[STORE_SECRETS_MAX];
    size_t count;

    memset(got, 0, sizeof got);
    begin(store);
    add(store, a, 0);
    add(store, b, 0);
    commit(store);
    store_close(store);
    tamper("CREATE TABLE was AS SELECT pair, sealed FROM pdmv2_secrets;"
           "UPDATE pdmv2_secrets SET sealed ="
           " (SELECT was.sealed FROM was WHERE was.pair <> pdmv2_secrets.pair)");
    store = opened();
    cr_expect(!store_secrets(store, a, got, &count));
    cr_expect_eq(count, 0);
    cr_expect(sodium_is_zero((const uint8_t *)got, sizeof got));
    cr_expect(strstr(keys_said(), "was not sealed for it"), "%s", keys_logged);
    cr_expect(!store_secrets(store, b, got, &count));
    store_close(store);
}

/* --- generations --- */

static const uint8_t address[PDM_ADDR_LEN] = {0x20, 1, 0xd, 0xb8, [15] = 1};

/* The first of COUNT, or -1: refused. KNOWN below 0: nothing. */
static int64_t grant(struct store *store, uint32_t pair, uint64_t epoch, int64_t known,
                     uint32_t count)
{
    uint32_t first, highest = (uint32_t)known;
    bool old;

    begin(store);
    GOOD(
        store_grant(store, pair, epoch, address, known < 0 ? NULL : &highest, count, &first, &old));
    commit(store);
    return old ? -1 : (int64_t)first;
}

BOTH(generations_are_granted_once)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0), next;
    int64_t expected = 0;

    GOOD(store_granted(store, pair, 0, address, &next));
    cr_expect_eq(next, 0);
    for (uint32_t i = 0; i < 20; i++) {
        cr_expect_eq(grant(store, pair, 0, expected - 1, i + 1), expected);
        expected += i + 1;
        if (i % 7 == 6) {
            store_close(store);
            store = opened();
        }
    }
    GOOD(store_granted(store, pair, 0, address, &next));
    cr_expect_eq(next, expected);
    cr_expect_eq(grant(store, pair, 0, expected, 1), -1, "never granted, and yet used");
    cr_expect_eq(grant(store, pair, 0, UINT32_MAX, 1), -1);
    cr_expect_eq(grant(store, pair, 1, -1, 1), -1, "no such secret");
    cr_expect_eq(grant(store, pair, 0, -1, 1), expected);
    cr_expect_eq(grant(store, pair, 0, -1, UINT32_MAX), -1, "beyond the end");
    cr_expect_eq(grant(store, pair, 0, -1, UINT32_MAX - (uint32_t)expected), expected + 1);
    cr_expect_eq(grant(store, pair, 0, -1, 1), -1, "used up");
    cr_expect_eq(grant(store, pair, 0, UINT32_MAX, 1), -1);
    store_close(store);
}

BOTH(nothing_is_granted_under_a_forgotten_secret)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    bool any;

    cr_expect_eq(grant(store, pair, 0, -1, 8), 0);
    begin(store);
    GOOD(store_secret_confirm(store, pair, 0, NOW));
    add(store, pair, 1);
    GOOD(store_secret_confirm(store, pair, 1, NOW));
    commit(store);
    cr_expect_eq(grant(store, pair, 0, -1, 8), 8, "until its end");
    begin(store);
    GOOD(store_secrets_expire(store, NOW + 61, &any));
    commit(store);
    cr_expect_eq(grant(store, pair, 0, -1, 8), -1);
    cr_expect_eq(grant(store, pair, 0, 3, 8), -1);
    cr_expect_eq(grant(store, pair, 1, -1, 8), 0);
    store_close(store);
}

BOTH(a_killed_primary_has_granted_what_it_told)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    int64_t told = -1, last = -1;
    int out[2];

    store_close(store);
    cr_assert_eq(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        store = opened();
        for (;;) {
            told = grant(store, pair, 0, -1, 5);
            if (write(out[1], &told, sizeof told) != sizeof told)
                _exit(1);
        }
    }
    close(out[1]);
    for (int i = 0; read(out[0], &told, sizeof told) == sizeof told; i++) {
        cr_assert_gt(told, last);
        last = told;
        if (i == 50)
            kill(pid, SIGKILL);
    }
    waitpid(pid, NULL, 0);
    store = opened();
    cr_expect_geq(grant(store, pair, 0, -1, 5), last + 5);
    store_close(store);
}

/* More than goes at once. */
BOTH(what_many_were_granted_is_forgotten_with_the_secret)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0), first, next;
    uint8_t addr[PDM_ADDR_LEN] = {0x20};
    struct store_secret s = secret_of(1);
    bool old, any, taken;

    s.ends_at = NOW;
    begin(store);
    GOOD(store_secret_add(store, pair, &s, &taken));
    for (uint32_t i = 0; i < 2 * STORE_PAGE + 5; i++) {
        addr[1] = (uint8_t)(i >> 8);
        addr[2] = (uint8_t)i;
        GOOD(store_grant(store, pair, 0, addr, NULL, 1, &first, &old));
        GOOD(store_grant(store, pair, 1, addr, NULL, 1, &first, &old));
    }
    commit(store);
    begin(store);
    GOOD(store_secrets_expire(store, NOW, &any));
    cr_expect(!any);
    GOOD(store_secrets_expire(store, NOW + 1, &any));
    cr_expect(any);
    commit(store);
    GOOD(store_granted(store, pair, 1, addr, &next));
    cr_expect_eq(next, 0);
    GOOD(store_granted(store, pair, 0, addr, &next));
    cr_expect_eq(next, 1);
    cr_expect_str_eq(states(store, pair), "0p");
    store_close(store);
}

Test(store_sqlite, a_restored_store_is_found_out)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);

    cr_expect_eq(grant(store, pair, 0, -1, 8), 0);
    store_close(store);
    cr_assert_eq(system("cp -p store backup"), 0);
    store = opened();
    cr_expect_eq(grant(store, pair, 0, 7, 8), 8);
    store_close(store);
    cr_assert_eq(system("mv backup store"), 0);
    store = opened();
    cr_expect_eq(grant(store, pair, 0, 8, 8), -1);
    cr_expect_eq(grant(store, pair, 0, 7, 8), 8);
    store_close(store);
}

/* --- lists --- */

#define POOL 48 /* prefixes that the random operations use */

struct model {
    bool has[3][POOL]; /* by source */
    uint16_t group[3][POOL];
    bool view[POOL];
    uint16_t view_group[POOL];
    uint64_t version;
};

static struct pdm_prefix prefix_of(uint32_t i)
{
    const uint8_t addr[PDM_ADDR_LEN] = {
        0x20,    1, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 9), (uint8_t)(i >> 1),
        [15] = 1};
    return pdm_prefix_of(addr, i % 2 != 0 ? 128 : 64);
}

static void model_set(struct model *m, uint8_t source, uint32_t i, bool put, uint16_t group)
{
    bool had = m->view[i];
    uint16_t had_group = m->view_group[i];

    m->has[source][i] = put;
    m->group[source][i] = group;
    uint8_t from = m->has[STORE_SOURCE_COMMAND][i] ? STORE_SOURCE_COMMAND : STORE_SOURCE_FILE;
    m->view[i] = m->has[from][i];
    m->view_group[i] = m->group[from][i];
    if (had != m->view[i] || (had && had_group != m->view_group[i]))
        m->version++;
}

/* What somebody has who follows the changes. */
struct follower {
    bool has[POOL];
    uint16_t group[POOL];
    uint64_t version;
    uint32_t calls;
    struct pdm_prefix last;
    bool ordered;
};

static uint32_t number_of(const struct pdm_prefix *prefix)
{
    for (uint32_t i = 0; i < POOL; i++) {
        struct pdm_prefix p = prefix_of(i);
        if (pdm_prefix_equal(&p, prefix))
            return i;
    }
    cr_assert_fail("a prefix that nobody gave");
    return 0;
}

static bool follow(void *arg, const struct store_change *change)
{
    struct follower *f = arg;
    uint32_t i = number_of(&change->entry.prefix);

    cr_expect_eq(change->version, f->version + 1);
    cr_expect(f->has[i] != change->add || f->group[i] != change->entry.group, "changes nothing");
    f->version = change->version;
    f->has[i] = change->add;
    f->group[i] = change->entry.group;
    return true;
}

static bool take(void *arg, const struct store_entry *entry)
{
    struct follower *f = arg;
    uint32_t i = number_of(&entry->prefix);

    f->ordered =
        f->ordered && (f->calls == 0 || memcmp(&f->last, &entry->prefix, sizeof f->last) < 0);
    f->last = entry->prefix;
    f->calls++;
    f->has[i] = true;
    f->group[i] = entry->group;
    return true;
}

static void expect_same(const struct model *m, const struct follower *f, const char *who, int step)
{
    for (uint32_t i = 0; i < POOL; i++) {
        cr_assert_eq(f->has[i], m->view[i], "%s, step %d, prefix %u", who, step, i);
        cr_assert(!m->view[i] || f->group[i] == m->view_group[i], "%s, step %d, group of %u", who,
                  step, i);
    }
}

static void random_change(struct store *store, struct model *m)
{
    struct store_change change[5];
    size_t count = randombytes_uniform(6);

    for (size_t i = 0; i < count; i++) {
        uint32_t number = randombytes_uniform(POOL);
        change[i] = (struct store_change){
            .add = randombytes_uniform(2) == 0,
            .entry = {prefix_of(number), (uint16_t)randombytes_uniform(2),
                      randombytes_uniform(2) == 0 ? STORE_SOURCE_FILE : STORE_SOURCE_COMMAND}};
        model_set(m, change[i].entry.source, number, change[i].add, change[i].entry.group);
    }
    GOOD(store_list_change(store, 0, PDM_SIDE_SERVER, change, count));
}

static void random_replace(struct store *store, struct model *m)
{
    struct store_entry entry[2 * POOL];
    uint8_t source = randombytes_uniform(2) == 0 ? STORE_SOURCE_FILE : STORE_SOURCE_COMMAND;
    bool in[POOL] = {false};
    uint16_t group[POOL] = {0};
    size_t count = randombytes_uniform(4) == 0 ? 0 : randombytes_uniform(2 * POOL), changed;
    uint64_t before = m->version;

    for (size_t i = 0; i < count; i++) {
        uint32_t number = randombytes_uniform(POOL);
        in[number] = true;
        group[number] = (uint16_t)randombytes_uniform(2); /* of what comes twice, the last */
        entry[i] = (struct store_entry){prefix_of(number), group[number], STORE_SOURCE_PEER};
    }
    for (uint32_t i = 0; i < POOL; i++)
        model_set(m, source, i, in[i], group[i]);
    GOOD(store_list_replace(store, 0, PDM_SIDE_SERVER, source, entry, count, &changed));
    cr_expect_eq(changed, m->version - before);
}

BOTH(lists_are_what_a_naive_model_says)
{
    struct store *store = opened();
    struct model m = {.version = 0};
    struct follower steady = {.version = 0};

    for (int step = 0; step < 150; step++) {
        struct follower now = {.ordered = true};
        uint64_t version;
        bool whole;

        begin(store);
        if (randombytes_uniform(3) == 0)
            random_replace(store, &m);
        else
            random_change(store, &m);
        commit(store);
        GOOD(store_list_version(store, 0, PDM_SIDE_SERVER, &version));
        cr_assert_eq(version, m.version, "step %d: %lu, not %lu", step, version, m.version);
        GOOD(store_list(store, 0, PDM_SIDE_SERVER, take, &now));
        cr_expect(now.ordered);
        expect_same(&m, &now, "list", step);
        if (randombytes_uniform(4) == 0) {
            GOOD(store_list_changes(store, 0, PDM_SIDE_SERVER, steady.version, follow, &steady,
                                    &whole));
            cr_expect(!whole);
            cr_expect_eq(steady.version, version);
            expect_same(&m, &steady, "changes", step);
        }
        if (step == 75) {
            store_close(store);
            store = opened();
        }
    }
    store_close(store);
}

static bool count_entry(void *arg, const struct store_entry *entry)
{
    (void)entry;
    ++*(size_t *)arg;
    return true;
}

static bool count_to_3(void *arg, const struct store_entry *entry)
{
    (void)entry;
    return ++*(size_t *)arg < 3;
}

static bool count_change(void *arg, const struct store_change *change)
{
    (void)change;
    ++*(size_t *)arg;
    return true;
}

/* The last ones kept, and one more than that. */
BOTH(of_many_changes_the_last_are_kept)
{
    const size_t many = STORE_CHANGES_KEPT + 1000;
    struct store_entry *entry = calloc(many, sizeof *entry);
    struct store *store = opened();
    uint32_t pair = pair_of(store, "example", 0);
    size_t changed, count = 0;
    uint64_t version;
    bool whole;

    for (uint32_t i = 0; i < many; i++)
        entry[i] = (struct store_entry){prefix_of(i), 3, STORE_SOURCE_PEER};
    begin(store);
    GOOD(store_list_replace(store, pair, 0, STORE_SOURCE_PEER, entry, many, &changed));
    commit(store);
    cr_expect_eq(changed, many);
    GOOD(store_list(store, pair, 1, count_entry, &count));
    cr_expect_eq(count, many, "whatever the side of a peer's list");
    count = 0;
    GOOD(store_list(store, pair, 1, count_to_3, &count));
    cr_expect_eq(count, 3);

    static const struct {
        uint64_t from;
        size_t count;
        bool whole;
    } look[] = {
        {0, 0, true},          {999, 0, true},    {1000, STORE_CHANGES_KEPT, false},
        {66535, 1, false},     {66536, 0, false}, {66537, 0, true},
        {UINT64_MAX, 0, true},
    };
    for (size_t i = 0; i < sizeof look / sizeof *look; i++) {
        count = 0;
        GOOD(store_list_changes(store, pair, 0, look[i].from, count_change, &count, &whole));
        cr_expect_eq(count, look[i].count, "%zu: %zu", i, count);
        cr_expect_eq(whole, look[i].whole, "%zu", i);
    }

    begin(store);
    GOOD(store_list_replace(store, pair, 0, STORE_SOURCE_PEER, entry, many, &changed));
    cr_expect_eq(changed, 0);
    GOOD(store_list_replace(store, pair, 0, STORE_SOURCE_PEER, entry, 0, &changed));
    cr_expect_eq(changed, many);
    commit(store);
    GOOD(store_list_version(store, pair, 0, &version));
    cr_expect_eq(version, 2 * many, "empty, but not back at 0");
    GOOD(store_list_changes(store, pair, 0, many, count_change, &count, &whole));
    cr_expect(whole);
    GOOD(store_list_version(store, 0, 0, &version));
    cr_expect_eq(version, 0);
    store_close(store);
    free(entry);
}

BOTH(what_no_list_can_have_is_refused)
{
    static const struct store_entry bad[] = {
        {{{0x20}, 129}, 0, STORE_SOURCE_FILE},
        {{{0x20, 1}, 8}, 0, STORE_SOURCE_FILE},
        {{{0x20}, 8}, 0, STORE_SOURCE_ASIDE + 1},
    };
    struct store *store = opened();
    size_t changed;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_change change = {.add = true, .entry = bad[i]};

        begin(store);
        cr_expect(!store_list_change(store, 0, 0, &change, 1), "%zu", i);
        cr_expect(!store_commit(store));
        begin(store);
        cr_expect(!store_list_replace(store, 0, 0, bad[i].source, &bad[i], 1, &changed), "%zu", i);
        cr_expect(!store_commit(store));
    }
    store_close(store);
}

static bool take_entry(void *arg, const struct store_entry *entry)
{
    *(struct store_entry *)arg = *entry;
    return true;
}

BOTH(what_is_set_aside_is_not_seen_and_comes_back)
{
    /* f, F: the file's, put and dropped; c, C: a command's of group 9; n: another of group 5;
     * a: set aside; b: brought back. */
    static const struct {
        char does;
        uint16_t group; /* that is seen then; 0: nothing is */
    } step[] = {
        {'a', 0}, {'c', 9}, {'a', 0}, {'b', 9}, {'f', 9}, {'a', 3}, {'F', 0},
        {'b', 9}, {'a', 0}, {'n', 5}, {'b', 5}, {'C', 0}, {'b', 0},
    };
    static const struct store_change changes[] = {
        ['f'] = {.add = true, .entry = {.group = 3, .source = STORE_SOURCE_FILE}},
        ['F'] = {.add = false, .entry = {.source = STORE_SOURCE_FILE}},
        ['c'] = {.add = true, .entry = {.group = 9, .source = STORE_SOURCE_COMMAND}},
        ['n'] = {.add = true, .entry = {.group = 5, .source = STORE_SOURCE_COMMAND}},
        ['C'] = {.add = false, .entry = {.source = STORE_SOURCE_COMMAND}},
    };
    const struct pdm_prefix prefix = prefix_of(1);

    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        const char does = step[i].does;
        struct store *store = opened();
        struct store_entry seen = {.group = 0};
        struct store_change change;

        begin(store);
        if (does == 'a') {
            GOOD(store_list_move(store, 1, &prefix, STORE_SOURCE_COMMAND, STORE_SOURCE_ASIDE));
        } else if (does == 'b') {
            GOOD(store_list_move(store, 1, &prefix, STORE_SOURCE_ASIDE, STORE_SOURCE_COMMAND));
        } else {
            change = changes[(size_t)does];
            change.entry.prefix = prefix;
            GOOD(store_list_change(store, 0, 1, &change, 1));
        }
        commit(store);
        GOOD(store_list(store, 0, 1, take_entry, &seen));
        cr_expect_eq(seen.group, step[i].group, "step %zu: group %u", i, seen.group);
        store_close(store);
    }
}

/* --- secondaries --- */

static bool take_secondary(void *arg, const struct store_secondary *s)
{
    struct store_secondary **at = arg;

    *(*at)++ = *s;
    return true;
}

BOTH(the_barred_stay_barred)
{
    static const uint8_t other[PDM_ADDR_LEN] = {0x20, 2};
    struct store_secondary got[4], *end = got;
    struct store *store = opened();
    uint64_t before, after;
    bool barred;

    begin(store);
    GOOD(store_secondary_seen(store, address, PDM_SIDE_SERVER, NOW, &barred));
    cr_expect(!barred);
    commit(store);
    GOOD(store_changes(store, &before));
    begin(store);
    GOOD(store_secondary_bar(store, address, true));
    GOOD(store_secondary_bar(store, other, true));
    commit(store);
    GOOD(store_changes(store, &after));
    cr_expect_neq(before, after);
    begin(store);
    GOOD(store_secondary_seen(store, address, PDM_SIDE_CLIENT, NOW + 1, &barred));
    cr_expect(barred);
    commit(store);
    store_close(store);

    store = opened();
    GOOD(store_secondaries(store, 1, take_secondary, &end));
    cr_assert_eq(end - got, 1);
    cr_expect_arr_eq(got[0].addr, other, sizeof other);
    end = got;
    GOOD(store_secondaries(store, 0, take_secondary, &end));
    cr_assert_eq(end - got, 2);
    cr_expect_arr_eq(got[0].addr, address, sizeof address);
    cr_expect(got[0].barred && got[0].side == PDM_SIDE_CLIENT && got[0].seen_at == NOW + 1);
    cr_expect_arr_eq(got[1].addr, other, sizeof other);
    cr_expect(got[1].barred);
    begin(store);
    GOOD(store_secondary_bar(store, address, false));
    GOOD(store_secondary_seen(store, address, PDM_SIDE_CLIENT, NOW + 2, &barred));
    cr_expect(!barred);
    commit(store);
    store_close(store);
}

/* --- several primaries --- */

#define GRANTS 500

struct race {
    uint32_t first[RACERS][GRANTS];
    uint64_t epoch[RACERS][GRANTS];
    uint32_t pair[RACERS];
    bool taken[RACERS];
};

static struct race *race;

static void run_race(int racer, uint32_t pair)
{
    struct store *store = opened();
    struct store_secret s = secret_of(1);
    struct store_pair p;
    bool old;

    begin(store);
    GOOD(store_pair(store, "raced for", 0, &p));
    commit(store);
    race->pair[racer] = p.pair;
    for (int i = 0; i < GRANTS; i++) {
        begin(store);
        GOOD(store_grant(store, pair, 0, address, NULL, 3, &race->first[racer][i], &old));
        cr_assert(!old);
        GOOD(store_negotiation(store, pair, 0, &race->epoch[racer][i]));
        commit(store);
    }
    begin(store);
    cr_assert(store_secret_add(store, pair, &s, &race->taken[racer]) || race->taken[racer]);
    commit(store);
    store_close(store);
}

Test(store_postgresql, primaries_that_race_get_nothing_twice)
{
    static uint8_t granted[3 * RACERS * GRANTS], negotiated[RACERS * GRANTS];
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    int status, winners = 0;

    store_close(store);
    race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(race, MAP_FAILED);
    for (int racer = 0; racer < RACERS; racer++)
        if (fork() == 0) {
            run_race(racer, pair);
            _exit(0);
        }
    for (int racer = 0; racer < RACERS; racer++) {
        wait(&status);
        cr_assert_eq(status, 0, "%s", keys_said());
    }
    for (int racer = 0; racer < RACERS; racer++) {
        winners += !race->taken[racer];
        cr_expect_eq(race->pair[racer], race->pair[0]);
        for (int i = 0; i < GRANTS; i++) {
            cr_assert_leq(race->first[racer][i], sizeof granted - 3);
            for (uint32_t j = 0; j < 3; j++)
                cr_assert_eq(granted[race->first[racer][i] + j]++, 0);
            cr_assert_leq(race->epoch[racer][i], sizeof negotiated);
            cr_assert_eq(negotiated[race->epoch[racer][i] - 1]++, 0);
        }
    }
    cr_expect_eq(winners, 1);
}

static bool claims(struct store *store, uint32_t pair, int64_t now)
{
    bool ours;

    begin(store);
    GOOD(store_pair_claim(store, pair, now, &ours));
    commit(store);
    return ours;
}

Test(store_postgresql, one_of_several_primaries_sets_about_a_negotiation)
{
    struct store *a = opened(), *b = opened();
    uint32_t pair = pair_with_secret(a, 0), other = pair_of(a, "other", PDM_SIDE_CLIENT);

    cr_expect(claims(a, pair, NOW));
    cr_expect(!claims(b, pair, NOW));
    cr_expect(!claims(b, pair, NOW + PRIMARY_CLAIM_S));
    cr_expect(claims(b, other, NOW), "another pair");
    cr_expect(claims(a, pair, NOW + 2), "again, whoever began it");
    cr_expect(!claims(b, pair, NOW + 2 + PRIMARY_CLAIM_S));
    cr_expect(claims(b, pair, NOW + 3 + PRIMARY_CLAIM_S), "whoever began it is gone");
    cr_expect(!claims(a, pair, NOW + 3 + PRIMARY_CLAIM_S));
    cr_expect(claims(a, pair, NOW), "by a clock that is wrong");
    store_close(a);
    store_close(b);
}

Test(store_postgresql, primaries_that_race_set_about_one_negotiation)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);
    int status, winners = 0;

    store_close(store);
    for (int racer = 0; racer < RACERS; racer++)
        if (fork() == 0) {
            struct store *own = opened();
            bool ours = claims(own, pair, NOW);

            store_close(own);
            _exit(ours ? 1 : 0);
        }
    for (int racer = 0; racer < RACERS; racer++) {
        wait(&status);
        cr_assert(WIFEXITED(status), "%s", keys_said());
        winners += WEXITSTATUS(status);
    }
    cr_expect_eq(winners, 1, "%s", keys_said());
}

/* Nobody else has the file, so a claim of before is of nobody who lives. */
Test(store_sqlite, a_primary_alone_always_sets_about_its_negotiations)
{
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0);

    cr_expect(claims(store, pair, NOW));
    store_close(store);
    store = opened();
    cr_expect(claims(store, pair, NOW + 1));
    store_close(store);
}

Test(store_postgresql, primaries_that_start_together_make_one_store)
{
    int status;

    for (int racer = 0; racer < RACERS; racer++)
        if (fork() == 0) {
            struct store *store = store_open(where, "key");
            _exit(store == NULL);
        }
    for (int racer = 0; racer < RACERS; racer++) {
        wait(&status);
        cr_expect_eq(status, 0, "%s", keys_said());
    }
    store_close(opened());
}

Test(store_postgresql, what_one_changes_the_other_sees)
{
    struct store *a = opened(), *b = opened();
    uint32_t pair = pair_with_secret(a, 0);
    uint64_t before, after;

    cr_expect_eq(pair_of(b, "example", PDM_SIDE_CLIENT), pair);
    cr_expect_str_eq(states(b, pair), "0p");
    GOOD(store_changes(b, &before));
    begin(a);
    GOOD(store_secret_confirm(a, pair, 0, NOW));
    commit(a);
    GOOD(store_changes(b, &after));
    cr_expect_neq(before, after);
    cr_expect_str_eq(states(b, pair), "0c");
    store_close(a);
    store_close(b);
}

Test(store_postgresql, a_store_that_lost_its_row_numbers_no_pair)
{
    struct store *store = opened();
    struct store_pair pair;
    uint64_t number;

    tamper("DELETE FROM pdmv2_store");
    cr_expect(!store_changes(store, &number));
    cr_expect(strstr(keys_said(), "damaged: its own row is gone"), "%s", keys_logged);
    begin(store);
    cr_expect(!store_pair(store, "example", PDM_SIDE_CLIENT, &pair));
    cr_expect(strstr(keys_said(), "damaged: its own row is gone"), "%s", keys_logged);
    cr_expect(!store_commit(store));
    cr_expect_eq(pg_sql(where, "SELECT 1 / (count(*) = 0)::int FROM pdmv2_pairs"), 0);
    store_close(store);
}

Test(store_postgresql, who_holds_a_lock_too_long_is_not_waited_for)
{
    struct store *a = opened(), *b = opened();
    uint32_t pair = pair_with_secret(a, 0), first, again;
    bool old;

    begin(a);
    GOOD(store_grant(a, pair, 0, address, NULL, 4, &first, &old));
    double began = seconds();
    begin(b);
    cr_expect(!store_grant(b, pair, 0, address, NULL, 4, &again, &old));
    cr_expect_lt(seconds() - began, 2.5);
    cr_expect(!store_commit(b));
    commit(a);
    cr_expect_eq(grant(b, pair, 0, -1, 4), 4);
    store_close(a);
    store_close(b);
}

static int pg(const char *does, const char *directory)
{
    char command[256];

    snprintf(command, sizeof command, "%s '%s'", does, directory);
    return pg_shell(command);
}

/* A signal to the server's ends of what connections primaries have. */
static void stop_connections(const char *directory, const char *signal)
{
    char command[512];

    snprintf(command, sizeof command,
             "pids=$(psql -X -A -t \"$(pg_uri '%s')\" -c \"SELECT pid FROM pg_stat_activity WHERE "
             "application_name = 'pdmprimary'\") && kill -%s $pids",
             directory, signal);
    cr_assert_eq(pg_shell(command), 0);
}

/* Of its own server, so that the other tests keep theirs. */
Test(store_postgresql, a_restarted_server_is_found_again)
{
    char directory[] = "/tmp/pdmv2-pg.XXXXXX";
    int own = mkdtemp(directory) != NULL ? pg_server(directory) : -1;

    cr_assert_geq(own, 0);
    pg_schema(directory, where);
    struct store *store = opened();
    uint32_t pair = pair_with_secret(store, 0), first;
    uint64_t number;
    bool old;

    cr_expect_eq(grant(store, pair, 0, -1, 4), 0);
    begin(store);
    GOOD(store_grant(store, pair, 0, address, NULL, 4, &first, &old));
    cr_assert_eq(pg("pg_restart", directory), 0);
    cr_expect(!store_grant(store, pair, 0, address, NULL, 4, &first, &old));
    cr_expect(!store_changes(store, &number), "within the transaction that was lost");
    cr_expect(!store_commit(store));
    cr_expect_eq(grant(store, pair, 0, 3, 4), 4, "nothing had been granted");

    begin(store);
    GOOD(store_grant(store, pair, 0, address, NULL, 4, &first, &old));
    cr_assert_eq(pg("pg_restart", directory), 0);
    cr_expect(!store_commit(store));

    cr_assert_eq(pg("pg_restart", directory), 0);
    GOOD(store_changes(store, &number));
    cr_assert_eq(pg("pg_stop", directory), 0);
    double began = seconds();
    for (int i = 0; i < 20; i++) {
        cr_expect(!store_begin(store));
        cr_expect(!store_changes(store, &number));
    }
    cr_expect_lt(seconds() - began, 1);
    cr_assert_eq(pg("pg_start", directory), 0);
    began = seconds();
    while (!store_begin(store))
        cr_assert_lt(seconds() - began, 5);
    GOOD(store_grant(store, pair, 0, address, NULL, 4, &first, &old));
    cr_expect_eq(first, 8);
    commit(store);

    keys_said();
    stop_connections(directory, "STOP");
    began = seconds();
    cr_expect(!store_begin(store));
    cr_expect_lt(seconds() - began, 3);
    cr_expect(strstr(keys_said(), "does not answer"), "%s", keys_logged);
    began = seconds();
    cr_expect(!store_begin(store));
    cr_expect_lt(seconds() - began, 0.5);
    stop_connections(directory, "CONT");
    while (!store_begin(store))
        cr_assert_lt(seconds() - began, 5);
    commit(store);

    tamper("UPDATE pdmv2_store SET id = sealed");
    stop_connections(directory, "TERM");
    cr_expect(!store_begin(store));
    cr_expect(strstr(keys_said(), "damaged"), "%s", keys_logged);
    tamper("UPDATE pdmv2_store SET id = substr(sealed, 1, 16)");
    cr_expect(!store_begin(store));
    cr_expect(strstr(keys_said(), "replaced by another"), "%s", keys_logged);
    store_close(store);
    close(own);
    wait(NULL);
}

/* Something accepts, and then says nothing. */
Test(store_postgresql, a_silent_server_is_not_waited_for)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4) == 0 &&
              getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    snprintf(where, sizeof where, "postgresql://user:hidden@[::1]:%u/name", ntohs(at.sin6_port));
    double began = seconds();
    refused("does not answer");
    cr_expect_null(strstr(keys_logged, "hidden"));
    cr_expect_lt(seconds() - began, 3);
    close(fd);
    snprintf(where, sizeof where, "postgresql://user:hidden@[::1]:%u/name", ntohs(at.sin6_port));
    refused("store postgresql at ::1, database name: ");
    cr_expect_null(strstr(keys_logged, "hidden"));
    strcpy(where, "postgresql://user:hidden@[::1/name");
    refused("not an address of PostgreSQL");
    cr_expect_null(strstr(keys_logged, "hidden"));
}
