/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place that seals, and its counterpart that opens.
 *
 * The law of nonces: no (key, nonce) pair is ever used for two different plaintexts. Therefore
 * the number of a sealed packet is reserved here, with one atomic addition that is never undone,
 * after the plaintext is final. And a forked child must not seal under its parent's lease: the
 * guard is a random number of this process, kept like every sender in memory that a forked child
 * finds zeroed. A sender carries the guard of the moment at which its lease was asked for; both
 * must be the same and not 0, before and after, or what was sealed is thrown away. So neither a
 * child that a signal handler forked in the middle of a seal nor one forked in the middle of taking
 * a lease sends anything under it.
 *
 * With PDM_NONCE_ORACLE defined, every seal is shown to pdm_oracle_sealed(), which the tests
 * provide, before it can leave.
 */
#ifndef PDM_CORE_SEAL_H
#define PDM_CORE_SEAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/option.h"
#include "core/prseq.h"
#include "core/suite.h"

/* The sending state of one flow under a lease. Lives in memory that a forked child finds zeroed. */
struct pdm_sender {
    _Atomic uint64_t guard;  /* of the process that took the lease; 0: no lease */
    _Atomic uint32_t sealed; /* options sealed under kri: the next PRSEQ index */
    struct pdm_suite suite;
    _Atomic uint64_t kri;       /* in use */
    uint64_t lease_end;         /* first Kri that is not ours */
    struct pdm_key key;         /* of kri */
    struct pdm_prseq prseq;     /* of kri */
    uint8_t seed[PDM_SEED_LEN]; /* entropy of the lease: each Kri's PRSEQ key derives from it */
    uint8_t secret[PDM_NH_MAX]; /* FlowSecret of the own directed tuple */
};

enum pdm_seal_status { PDM_SEALED, PDM_SEAL_EXHAUSTED, PDM_SEAL_WIPED, PDM_SEAL_FAILED };

/*
 * Takes a lease of COUNT Kri from FIRST on. GUARD is what the process guard was before the lease
 * was asked for. SEED is fresh entropy that no other lease has seen.
 * False if the suite is unusable, GUARD is 0, or the lease is empty or overflows.
 */
bool pdm_sender_init(struct pdm_sender *s, uint64_t guard, const struct pdm_suite *suite,
                     const uint8_t secret[static PDM_NH_MAX], uint64_t first, uint32_t count,
                     const uint8_t seed[static PDM_SEED_LEN]);
/* The next Kri of the lease, with a key and a PRSEQ of its own. False if there is none. */
bool pdm_sender_next_kri(struct pdm_sender *s);
/* Options that can still be sealed under the current Kri. */
uint32_t pdm_sender_left(const struct pdm_sender *s);

/*
 * GUARD is the process guard. Seals FIELDS (prseq and f are chosen here) into OUT, 36 octets. On
 * anything but PDM_SEALED, OUT is zeroed. PDM_SEAL_EXHAUSTED: all 32767 values are used; call
 * pdm_sender_next_kri. Thread safety: the sealing itself may race (vfork, CLONE_VM); init and
 * next_kri may not.
 */
enum pdm_seal_status pdm_seal(struct pdm_sender *s, const _Atomic uint64_t *guard, uint8_t type,
                              const struct pdm_fields *fields, uint8_t out[static PDM_OPTION_MAX]);

/* Opens an encrypted option of 36 octets. False, and FIELDS untouched, if the tag is not good. */
bool pdm_open(const struct pdm_suite *suite, const struct pdm_key *key,
              const uint8_t option[static PDM_OPTION_MAX], struct pdm_fields *fields);

#ifdef PDM_NONCE_ORACLE
void pdm_oracle_sealed(const uint8_t key[static PDM_KEY_LEN],
                       const uint8_t nonce[static PDM_NONCE_LEN],
                       const uint8_t aad[static PDM_AAD_LEN],
                       const uint8_t plaintext[static PDM_PLAINTEXT_LEN]);
#endif

#endif
