/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The oracle of nonces: linked into a library built with PDM_NONCE_ORACLE, it records every seal in
 * the file that PDM_ORACLE_FILE names (made by `check create`) before the option can leave.
 * No lock, no allocation, no descriptor, no system call on the way: it may be called from signal
 * handlers, vfork and CLONE_VM children.
 */
#ifndef PDM_NONCE_ORACLE
#define PDM_NONCE_ORACLE /* its prototype, wherever this file is looked at alone */
#endif

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/seal.h"
#include "shim/sys.h"
#include "tests/nonce/record.h"

static struct oracle_head *head;
static _Atomic uint32_t *memory; /* 0 at first, and again in a forked child */

/* Made by means of its own, so that it shares no fault with what it watches. */
static _Atomic uint32_t *map_memory(void)
{
    const long size = 4096;
    long at =
        pdm_sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at < 0 && at > -4096)
        return NULL;
    return pdm_sys(SYS_madvise, at, size, MADV_WIPEONFORK, 0, 0, 0) == 0 ? (_Atomic uint32_t *)at
                                                                         : NULL;
}

static uint32_t memory_id(void)
{
    uint32_t id = atomic_load(memory), fresh = 0;

    while (id == 0 && fresh == 0)
        pdm_sys(SYS_getrandom, (long)&fresh, sizeof fresh, 0, 0, 0, 0);
    if (id != 0)
        return id;
    return atomic_compare_exchange_strong(memory, &id, fresh) ? fresh : id;
}

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("PDM_ORACLE_FILE");
    struct stat st;

    memory = map_memory();
    if (path == NULL || memory == NULL)
        return;
    long fd = pdm_sys(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);

    if (fd < 0)
        return;
    if (pdm_sys(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) == 0) {
        long at = pdm_sys(SYS_mmap, 0, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (at > 0 || at < -4096)
            head = (struct oracle_head *)at;
    }
    pdm_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

static void hash(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
                 uint8_t out[ORACLE_HASH_LEN])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, ORACLE_HASH_LEN);
    crypto_generichash_update(&state, a, a_len);
    crypto_generichash_update(&state, b, b_len);
    crypto_generichash_final(&state, out, ORACLE_HASH_LEN);
}

void pdm_oracle_sealed(const uint8_t key[static PDM_KEY_LEN],
                       const uint8_t nonce[static PDM_NONCE_LEN],
                       const uint8_t aad[static PDM_AAD_LEN],
                       const uint8_t plaintext[static PDM_PLAINTEXT_LEN])
{
    uint8_t digest[ORACLE_HASH_LEN];
    uint64_t text;

    if (head == NULL)
        __builtin_trap(); /* a seal that is not recorded would make the test worthless */
    /* First: a child forked in the middle goes on with this record, which is the parent's. */
    uint32_t by = memory_id();
    uint64_t at = atomic_fetch_add(&head->next, 1);

    if (at >= head->capacity)
        return; /* the checker sees it */
    struct oracle_record *r = (struct oracle_record *)(head + 1) + at;

    hash(key, PDM_KEY_LEN, NULL, 0, digest);
    memcpy(r->key, digest, sizeof r->key);
    memcpy(r->nonce, nonce, sizeof r->nonce);
    r->memory = by;
    hash(aad, PDM_AAD_LEN, plaintext, PDM_PLAINTEXT_LEN, digest);
    memcpy(&text, digest, sizeof text);
    atomic_store_explicit(&r->text, text, memory_order_release);
}
