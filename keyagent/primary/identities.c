/* SPDX-License-Identifier: BSD-2-Clause */
/* Mode ibc: private keys of addresses. */
#include "keyagent/primary/identities.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/ibc.h"
#include "core/modes.h"
#include "keyagent/harden.h"
#include "keyagent/log.h"

struct master {
    bool used;
    uint8_t tag[PDM_TAG_ID_LEN];
    uint8_t s[PDM_IBC_SECRET_LEN];
    uint8_t p_pub[PDM_IBC_POINT_LEN];
};

struct identity {
    bool used;
    uint8_t tag[PDM_TAG_ID_LEN];
    uint8_t addr[PDM_ADDR_LEN];
    uint8_t s_id[PDM_IBC_POINT_LEN];
};

/* Whatever has the same place is forgotten for what comes after it. */
struct identities {
    struct pdm_ibc_parameters parameters;
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct master *master;     /* PRIMARY_MASTERS_MAX; locked */
    struct identity *identity; /* PRIMARY_IDENTITIES_MAX; locked */
};

struct identities *identities_new(void)
{
    struct identities *all = calloc(1, sizeof *all);

    if (all == NULL) {
        log_error("no memory for mode ibc");
        return NULL;
    }
    crypto_shorthash_keygen(all->key);
    all->master = harden_alloc(PRIMARY_MASTERS_MAX, sizeof *all->master);
    all->identity = harden_alloc(PRIMARY_IDENTITIES_MAX, sizeof *all->identity);
    if (all->master != NULL && all->identity != NULL &&
        pdm_ibc_parameters_init(&all->parameters, &pdm_ibc_3072))
        return all;
    identities_free(all);
    return NULL;
}

void identities_free(struct identities *all)
{
    if (all == NULL)
        return;
    sodium_free(all->master);
    sodium_free(all->identity);
    free(all);
}

static size_t place_of(const struct identities *all, const void *octets, size_t len, size_t places)
{
    uint64_t hash;

    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    crypto_shorthash((uint8_t *)&hash, octets, len, all->key);
    return hash % places;
}

static bool make_master(const struct identities *all, const struct store_secret *secret,
                        struct master *m)
{
    uint8_t ikm[PDM_IBC_IKM_LEN];

    m->used = pdm_ibc_master_ikm(&secret->suite, secret->pms, ikm) &&
              pdm_ibc_master(&all->parameters, ikm, m->s) &&
              pdm_ibc_public(&all->parameters, m->s, m->p_pub);
    memcpy(m->tag, secret->tag, sizeof m->tag);
    sodium_memzero(ikm, sizeof ikm);
    return m->used;
}

static const struct master *get_master(struct identities *all, const struct store_secret *secret)
{
    struct master *m =
        &all->master[place_of(all, secret->tag, sizeof secret->tag, PRIMARY_MASTERS_MAX)];

    if (m->used && memcmp(m->tag, secret->tag, sizeof m->tag) == 0)
        return m;
    return make_master(all, secret, m) ? m : NULL;
}

static struct identity *place_for(struct identities *all, const struct store_secret *secret,
                                  const uint8_t addr[static PDM_ADDR_LEN])
{
    uint8_t both[PDM_TAG_ID_LEN + PDM_ADDR_LEN];

    memcpy(both, secret->tag, PDM_TAG_ID_LEN);
    memcpy(both + PDM_TAG_ID_LEN, addr, PDM_ADDR_LEN);
    return &all->identity[place_of(all, both, sizeof both, PRIMARY_IDENTITIES_MAX)];
}

static bool extract(const struct identities *all, const struct master *m, uint64_t epoch,
                    const uint8_t addr[static PDM_ADDR_LEN], struct identity *identity)
{
    char id[PDM_IBC_IDENTITY_MAX];
    size_t len = pdm_ibc_identity(addr, epoch, id, sizeof id);

    identity->used = len > 0 && pdm_ibc_extract(&all->parameters, m->s, (const uint8_t *)id, len,
                                                identity->s_id);
    memcpy(identity->tag, m->tag, sizeof identity->tag);
    memcpy(identity->addr, addr, sizeof identity->addr);
    return identity->used;
}

bool identities_get(struct identities *all, const struct store_secret *secret,
                    const uint8_t addr[static PDM_ADDR_LEN],
                    uint8_t p_pub[static PDM_IBC_POINT_LEN], uint8_t s_id[static PDM_IBC_POINT_LEN])
{
    const struct master *m = get_master(all, secret);
    struct identity *identity = place_for(all, secret, addr);

    if (m == NULL)
        return false;
    bool known = identity->used && memcmp(identity->tag, secret->tag, PDM_TAG_ID_LEN) == 0 &&
                 memcmp(identity->addr, addr, PDM_ADDR_LEN) == 0;
    if (!known && !extract(all, m, secret->epoch, addr, identity))
        return false;
    memcpy(p_pub, m->p_pub, PDM_IBC_POINT_LEN);
    memcpy(s_id, identity->s_id, PDM_IBC_POINT_LEN);
    return true;
}
