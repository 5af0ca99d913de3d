/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own secondaries are given: secrets, generations, and the lists of peers. */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/secondary_inside.h"

uint64_t secondary_entitlement(const struct primary *primary, const struct secondary *s)
{
    const struct link_peer *peer = link_peer(s->link);
    uint8_t found[PDM_SIDES][LINK_ADDRESSES_MAX][sizeof(uint32_t)];
    uint64_t hash = 0;
    bool any = false;

    memset(found, 0, sizeof found);
    for (unsigned side = 0; side < PDM_SIDES; side++)
        for (size_t i = 0; i < peer->addresses; i++) {
            const struct list_entry *e = secondary_entry(primary, side, peer->address[i]);
            const uint32_t what = e != NULL ? UINT32_C(0x10000) | e->group : 0;

            memcpy(found[side][i], &what, sizeof what);
            any = any || e != NULL;
        }
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)found, sizeof found, key);
    return any ? hash | 1 : 0;
}

struct parcel *secondary_secret_status(uint8_t status)
{
    const struct pdm_secret_response head = {.status = status};
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);

    pdm_put_secret_response(&w, &head);
    return parcel_end(parcel, &w, PDM_COMMAND_SECRET, PDM_RESPONSE);
}

static void turn_away(struct primary *primary, struct secondary *s)
{
    char text[INET6_ADDRSTRLEN] = "no IPv6 address";

    if (link_peer(s->link)->addresses > 0)
        inet_ntop(AF_INET6, link_peer(s->link)->address[0], text, sizeof text);
    primary->refused++;
    log_warning("secondary %s: refused: its certificate has %s, which is on no list of ours or "
                "revoked",
                secondary_from(s), text);
    s->enrolled = false;
    outbox_send(&primary->outbox, s->link, secondary_secret_status(PDM_REGISTRATION_REFUSED));
    outbox_close(&primary->outbox, s->link);
}

/* Generations. */

static struct block *find_block(const struct secondary *s, uint32_t pair, uint64_t epoch,
                                unsigned address)
{
    for (size_t i = 0; i < s->blocks; i++)
        if (s->block[i].pair == pair && s->block[i].epoch == epoch &&
            s->block[i].address == address)
            return &s->block[i];
    return NULL;
}

bool secondary_remember_block(struct secondary *s, const struct block *block)
{
    struct block *known = find_block(s, block->pair, block->epoch, block->address);

    if (known == NULL) {
        struct block *grown = reallocarray(s->block, s->blocks + 1, sizeof *grown);

        if (grown == NULL) {
            log_error("no memory for a secondary");
            return false;
        }
        s->block = grown;
        known = &grown[s->blocks++];
    }
    *known = *block;
    return true;
}

/* Those of PAIR by negotiations before OLDEST are over; a connection may outlast many. */
static void forget_blocks(struct secondary *s, uint32_t pair, uint64_t oldest)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->blocks; i++)
        if (s->block[i].pair != pair || s->block[i].epoch >= oldest)
            s->block[kept++] = s->block[i];
    s->blocks = kept;
}

static const uint32_t *known_of(const struct answer *a, const uint8_t tag[static PDM_TAG_ID_LEN],
                                const uint8_t addr[static PDM_ADDR_LEN], uint32_t *highest)
{
    struct pdm_reader r = pdm_reader(a->known, a->knowns * KNOWN_LEN);
    bool found = false;

    for (size_t i = 0; i < a->knowns; i++) {
        struct pdm_secret_known known;

        pdm_get_secret_known(&r, &known);
        if (memcmp(known.tag, tag, sizeof known.tag) != 0 ||
            memcmp(known.address, addr, sizeof known.address) != 0)
            continue;
        if (!found || known.highest > *highest)
            *highest = known.highest;
        found = true;
    }
    return found ? highest : NULL;
}

void secondary_suspect(struct primary *primary, const struct secondary *s, struct pair *pair,
                       uint64_t epoch)
{
    int64_t now = clock_now();

    if (pair->suspected_at != 0 && now - pair->suspected_at < PRIMARY_SUSPECT_NS)
        return;
    pair->suspected_at = now;
    log_error("the store is older than what secondaries have used (%s, peer %s): nothing is "
              "granted under that secret any more, another is negotiated",
              secondary_from(s), pair->peer->name);
    if (store_pair_renew(primary->store, pair->row.pair, epoch + 1) &&
        primary_pair_changed(primary, pair))
        partners_negotiate(primary, pair);
}

enum granted { GRANTED, GRANTED_NOTHING, GRANT_FAILED };

static enum granted grant(struct answer *a, struct pair *pair, const struct store_secret *secret,
                          unsigned address, struct block *block)
{
    const uint8_t *addr = link_peer(a->secondary->link)->address[address];
    uint32_t highest, first = 0, count = a->primary->config.block;
    bool old;

    const struct block *told = find_block(a->secondary, pair->row.pair, secret->epoch, address);
    if (told != NULL) {
        *block = *told;
        return GRANTED;
    }
    const uint32_t *known = known_of(a, secret->tag, addr, &highest);
    if (!store_grant(a->primary->store, pair->row.pair, secret->epoch, addr, known, count, &first,
                     &old))
        return GRANT_FAILED;
    if (old && known != NULL)
        secondary_suspect(a->primary, a->secondary, pair, secret->epoch);
    if (old) {
        a->secondary->due_secrets = true; /* the secret is over, and memory will know */
        return GRANTED_NOTHING;
    }
    *block = (struct block){pair->row.pair, secret->epoch, first, count, address};
    return secondary_remember_block(a->secondary, block) ? GRANTED : GRANT_FAILED;
}

/* SECRET. */

static size_t scopes_of(const struct answer *a, uint8_t side,
                        struct grants_scope scope[static LINK_ADDRESSES_MAX],
                        unsigned number[static LINK_ADDRESSES_MAX])
{
    const struct link_peer *peer = link_peer(a->secondary->link);
    size_t scopes = 0;

    for (unsigned i = 0; i < peer->addresses; i++) {
        const struct list_entry *e = secondary_entry(a->primary, side, peer->address[i]);
        unsigned first;

        if (e == NULL || !secondary_owns(a->secondary, peer->address[i], &first) || first != i)
            continue; /* not listed, or named twice in the certificate */
        scope[scopes] = (struct grants_scope){.group = e->group};
        memcpy(scope[scopes].addr, peer->address[i], PDM_ADDR_LEN);
        number[scopes++] = i;
    }
    return scopes;
}

static bool is_none(const struct grants_epoch *epoch, size_t epochs)
{
    return epochs > 0 && epoch[epochs - 1].secret->secmop == PDM_SECMOP_NONE;
}

/* Blocks for all scopes of all epochs. GRANTED_NOTHING: what is in force may have changed. */
static enum granted grant_all(struct answer *a, struct pair *pair, const struct grants_epoch *epoch,
                              size_t epochs, struct grants_scope *scope, const unsigned *number,
                              size_t scopes)
{
    if (is_none(epoch, epochs))
        return GRANTED;
    forget_blocks(a->secondary, pair->row.pair, epoch[0].secret->epoch);
    for (size_t i = 0; i < epochs; i++)
        for (size_t j = 0; j < scopes; j++) {
            struct block block;
            enum granted granted = grant(a, pair, epoch[i].secret, number[j], &block);

            if (granted != GRANTED)
                return granted;
            scope[j].first[i] = block.first;
            scope[j].count[i] = block.count;
        }
    return GRANTED;
}

struct told *secondary_told(struct secondary *s, uint32_t pair)
{
    for (size_t i = 0; i < s->tolds; i++)
        if (s->told[i].pair == pair)
            return &s->told[i];
    struct told *grown = reallocarray(s->told, s->tolds + 1, sizeof *grown);

    if (grown == NULL) {
        log_error("no memory for a secondary");
        return NULL;
    }
    s->told = grown;
    grown[s->tolds] = (struct told){.pair = pair};
    return &grown[s->tolds++];
}

static bool write_pair(struct answer *a, struct pair *pair, struct pdm_writer *w)
{
    struct grants_scope scope[LINK_ADDRESSES_MAX];
    unsigned number[LINK_ADDRESSES_MAX];
    struct grants_epoch epoch[PDM_PEER_SECRETS];
    size_t scopes = scopes_of(a, pair->row.side, scope, number);
    size_t epochs = pair_epochs(pair, primary_time(), epoch);
    struct told *told = secondary_told(a->secondary, pair->row.pair);

    if (told == NULL)
        return false;
    told->given = false;
    enum granted granted = scopes > 0 && epochs > 0
                               ? grant_all(a, pair, epoch, epochs, scope, number, scopes)
                               : GRANTED_NOTHING;
    if (granted == GRANTED_NOTHING)
        told->version = 0; /* of this pair; where it has secrets, there will be another one */
    if (granted != GRANTED)
        return granted == GRANTED_NOTHING;
    told->given = true;
    const struct grants g = {.pair = pair->row.pair,
                             .name = pair->peer->name,
                             .side = pair->row.side,
                             .peers = &pair->list,
                             .epoch = epoch,
                             .epochs = epochs,
                             .scope = scope,
                             .scopes = scopes,
                             .identities = epoch[epochs - 1].secret->secmop == PDM_SECMOP_IBC
                                               ? primary_identities(a->primary)
                                               : NULL};
    a->pairs++;
    return grants_write(&g, w);
}

static struct parcel *write_answer(struct answer *a)
{
    struct primary *primary = a->primary;
    uint8_t *scratch = primary->secondaries.scratch;
    struct pdm_writer w = pdm_writer(scratch, PDM_REGISTRATION_SECRET_MAX), start = w;
    struct pdm_secret_response head = {.status = PDM_REGISTRATION_OK};
    struct parcel *parcel = NULL;
    bool done = true;

    pdm_put_secret_response(&w, &head);
    for (size_t i = 0; i < primary->pairs && done; i++)
        done = write_pair(a, primary->pair[i], &w);
    head.pairs = a->pairs;
    pdm_put_secret_response(&start, &head);
    if (done && w.bad)
        log_error("secondary %s: what it is to have is too much for one message: fewer pairs, "
                  "groups or addresses, please",
                  secondary_from(a->secondary));
    if (done && !w.bad)
        parcel = parcel_of(PDM_COMMAND_SECRET, PDM_RESPONSE, scratch, (size_t)(w.at - scratch));
    sodium_memzero(scratch, (size_t)(w.at - scratch));
    return parcel;
}

/* Lists. */

static void tell_list(struct primary *primary, struct secondary *s, struct pair *pair)
{
    struct told *told = secondary_told(s, pair->row.pair);

    if (told == NULL || !told->given || told->version == pair->list.version)
        return;
    struct parcel *parcel = pair_list_parcel(pair, primary->store, told->version);
    if (parcel == NULL) {
        s->due_lists = true;
        return;
    }
    told->version = pair->list.version;
    outbox_send(&primary->outbox, s->link, parcel);
}

void secondary_tell_lists(struct primary *primary, struct secondary *s)
{
    s->due_lists = false;
    for (size_t i = 0; i < primary->pairs; i++)
        tell_list(primary, s, primary->pair[i]);
}

void secondary_tell_secrets(struct answer *a)
{
    struct secondary *s = a->secondary;
    struct parcel *parcel;

    s->entitled = secondary_entitlement(a->primary, s);
    s->due_secrets = false;
    if (s->entitled == 0) {
        turn_away(a->primary, s);
        return;
    }
    s->enrolled = true;
    parcel = write_answer(a);
    outbox_send(&a->primary->outbox, s->link, parcel);
    if (parcel != NULL)
        secondary_tell_lists(a->primary, s);
}
