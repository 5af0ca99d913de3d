/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file in which the oracle of nonces records every seal. It is mapped shared, so that what a
 * process wrote before it was killed is there, forks and vforks write into the same, and no
 * descriptor is needed that the program could close.
 */
#ifndef PDM_TESTS_NONCE_RECORD_H
#define PDM_TESTS_NONCE_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/limits.h"

#define ORACLE_MAGIC UINT64_C(0x4f4e636e6f6e6365)
#define ORACLE_HASH_LEN 16 /* octets of BLAKE2b, of which a record keeps the first ones */
#define ORACLE_KEY_LEN 8

struct oracle_head {
    uint64_t magic;
    uint64_t capacity;     /* records that the file has room for */
    _Atomic uint64_t next; /* records begun; beyond capacity: some were not recorded */
    uint64_t pad[5];
};

struct oracle_record {
    uint8_t key[ORACLE_KEY_LEN]; /* of the hash of the key */
    uint8_t nonce[PDM_NONCE_LEN];
    uint32_t memory;       /* random, of the address space that sealed; another in a forked child */
    _Atomic uint64_t text; /* of the hash of aad || plaintext; written last, 0: not written yet */
};

_Static_assert(sizeof(struct oracle_head) == 64, "the first record starts on a line of its own");
_Static_assert(sizeof(struct oracle_record) == 32, "no padding that would compare unequal");

#endif
