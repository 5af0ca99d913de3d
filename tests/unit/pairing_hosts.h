/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of pairings: enrolled hosts, as their primaries would have made them, and a network
 * between them whose clock is the tests'.
 */
#ifndef PDM_TESTS_PAIRING_HOSTS_H
#define PDM_TESTS_PAIRING_HOSTS_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pairing.h"
#include "core/registration.h"
#include "keyagent/pairing/handshake.h"

#define HOSTS 3
#define MAILS 4096
#define STEP_NS (20 * PDM_NSEC_PER_MSEC)
#define HOSTS_START_NS (1000 * PDM_NSEC_PER_SEC)
#define HOSTS_EPOCHS 2

static const struct pdm_suite hosts_suite = {PDM_KEM_X25519, PDM_KDF_SHA512,
                                             PDM_AEAD_CHACHA20POLY1305};
static struct pdm_ibc_parameters hosts_parameters;
static uint8_t hosts_p_pub[HOSTS_EPOCHS][PDM_IBC_POINT_LEN];
static uint8_t hosts_master[HOSTS_EPOCHS][PDM_IBC_SECRET_LEN];
static struct ledger hosts_ledger;
static struct highwater hosts_highwater;
static int64_t hosts_now;

struct host {
    uint8_t address[PDM_ADDR_LEN];
    struct enrolment *enrolment;
    struct handshakes *handshakes;
    uint8_t s_id[HOSTS_EPOCHS][PDM_IBC_POINT_LEN];
    unsigned computed;
};

static struct host host[HOSTS];

/* On their way. */
static struct mail {
    struct ends ends; /* as its receiver has it */
    uint8_t bytes[PDM_PAIRING_MESSAGE_MAX];
    size_t len;
} mail[MAILS];
static unsigned mails_sent, mails_read;
/* What becomes of a mail: false, it is lost. */
static bool (*hosts_carry)(struct mail *m);

static inline void hosts_must(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "pairing_hosts.h:%d: %s\n", line, what);
    abort();
}
#define HOSTS_MUST(holds) hosts_must(holds, #holds, __LINE__)

/* NET::HOST of 2001:db8::/32. Those of one net are one entry of a list; net 0xffff is on none. */
static inline void hosts_address(uint16_t net, uint16_t number, uint8_t out[static PDM_ADDR_LEN])
{
    const uint8_t bytes[PDM_ADDR_LEN] = {0x20,
                                         0x01,
                                         0x0d,
                                         0xb8,
                                         (uint8_t)(net >> 8),
                                         (uint8_t)net,
                                         [PDM_ADDR_LEN - 2] = (uint8_t)(number >> 8),
                                         [PDM_ADDR_LEN - 1] = (uint8_t)number};

    memcpy(out, bytes, PDM_ADDR_LEN);
}

static inline bool hosts_listed(void *arg, const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **e,
                                const struct enrolled_pair **pair, struct pdm_prefix *entry)
{
    const struct host *h = arg;

    (void)own;
    *e = h->enrolment;
    *pair = enrolment_pair(h->enrolment, 1);
    *entry = pdm_prefix_of(peer, 48);
    return *pair != NULL && !(peer[4] == 0xff && peer[5] == 0xff);
}

static inline void hosts_send(void *arg, const struct ends *ends, const uint8_t *bytes, size_t len)
{
    struct mail m = {.len = len};

    (void)arg;
    memcpy(m.ends.own, ends->peer, PDM_ADDR_LEN);
    memcpy(m.ends.peer, ends->own, PDM_ADDR_LEN);
    memcpy(m.bytes, bytes, len);
    if (hosts_carry == NULL || hosts_carry(&m)) {
        HOSTS_MUST(mails_sent - mails_read < MAILS);
        mail[mails_sent++ % MAILS] = m;
    }
}

static inline enum pdm_status hosts_ask(void *arg, struct enrolment *e,
                                        const struct enrolment_pairing *request)
{
    const struct host *h = arg;

    return handshakes_ask(h->handshakes, e, request, hosts_now);
}

static inline void hosts_changed(void *arg, struct enrolment *e, const struct enrolled_pair *pair)
{
    (void)arg;
    (void)e;
    (void)pair;
}

static inline void hosts_gone(void *arg, struct enrolment *e, uint32_t pair)
{
    const struct host *h = arg;

    if (h->handshakes != NULL)
        handshakes_forget(h->handshakes, e, pair);
}

static inline void hosts_peer_changed(void *arg, struct enrolment *e, uint32_t pair,
                                      const uint8_t own[static PDM_ADDR_LEN],
                                      const uint8_t peer[static PDM_ADDR_LEN])
{
    (void)arg;
    (void)e;
    (void)pair;
    (void)own;
    (void)peer;
}

static inline bool hosts_block(void *arg, const struct pdm_block_request *request)
{
    (void)arg;
    (void)request;
    return true;
}

/* Takes long. */
static inline void hosts_extract(const uint8_t address[static PDM_ADDR_LEN], uint64_t epoch,
                                 uint8_t s_id[static PDM_IBC_POINT_LEN])
{
    char id[PDM_IBC_IDENTITY_MAX];
    size_t len = pdm_ibc_identity(address, epoch, id, sizeof id);

    HOSTS_MUST(len > 0 && pdm_ibc_extract(&hosts_parameters, hosts_master[epoch],
                                          (const uint8_t *)id, len, s_id));
}

static inline void hosts_tag(uint64_t epoch, uint8_t tag[static PDM_TAG_ID_LEN])
{
    memset(tag, (int)epoch + 1, PDM_TAG_ID_LEN);
}

static inline void hosts_put_epoch(struct pdm_writer *w, const struct host *h, uint64_t epoch)
{
    struct pdm_secret_epoch e = {.epoch = epoch,
                                 .kem = hosts_suite.kem,
                                 .kdf = hosts_suite.kdf,
                                 .aead = hosts_suite.aead,
                                 .ends_ms = UINT64_MAX,
                                 .scopes = 1};
    struct pdm_secret_scope scope = {.block_count = 4, .has_identity = 1};
    struct pdm_secret_identity identity;

    hosts_tag(epoch, e.tag);
    memcpy(scope.address, h->address, PDM_ADDR_LEN);
    memcpy(identity.p_pub, hosts_p_pub[epoch], sizeof identity.p_pub);
    memcpy(identity.s_id, h->s_id[epoch], sizeof identity.s_id);
    pdm_put_secret_epoch(w, &e);
    pdm_put_secret_scope(w, &scope);
    pdm_put_secret_identity(w, &identity);
}

/* H's primary says: epochs 0 to EPOCHS - 1. */
static inline void hosts_enrol(struct host *h, uint8_t epochs)
{
    static uint8_t body[8192];
    const struct pdm_secret_response head = {.status = PDM_REGISTRATION_OK, .pairs = 1};
    const struct pdm_secret_pair pair = {
        .pair = 1, .name = "paris", .secmop = PDM_SECMOP_IBC, .epochs = epochs};
    struct pdm_writer w = pdm_writer(body, sizeof body);
    enum pdm_registration_status status;

    pdm_put_secret_response(&w, &head);
    pdm_put_secret_pair(&w, &pair);
    for (uint8_t i = 0; i < epochs; i++)
        hosts_put_epoch(&w, h, i);
    HOSTS_MUST(!w.bad);
    struct pdm_reader r = pdm_reader(body, (size_t)(w.at - body));
    HOSTS_MUST(enrolment_take_secrets(h->enrolment, &r, hosts_now, &status) == NULL &&
               status == PDM_REGISTRATION_OK);
}

static inline void hosts_start(struct host *h)
{
    static const struct enrolment_hooks hooks = {.pair_changed = hosts_changed,
                                                 .pair_gone = hosts_gone,
                                                 .peer_changed = hosts_peer_changed,
                                                 .block = hosts_block,
                                                 .pairing = hosts_ask};
    static const struct handshake_hooks carried = {hosts_listed, hosts_send};

    h->computed = 0;
    h->enrolment = enrolment_new("london", &hosts_ledger, &hosts_highwater, &hooks, h);
    h->handshakes = handshakes_new(&carried, h, hosts_now);
    HOSTS_MUST(h->enrolment != NULL && h->handshakes != NULL);
    hosts_enrol(h, 1);
}

static inline void hosts_stop(struct host *h)
{
    enrolment_free(h->enrolment);
    handshakes_free(h->handshakes);
    h->handshakes = NULL;
}

/* DIRECTORY: for what the agent notes. */
static inline void hosts_begin(const char *directory)
{
    uint8_t ikm[PDM_IBC_IKM_LEN];

    HOSTS_MUST(sodium_init() >= 0);
    HOSTS_MUST(pdm_ibc_parameters_init(&hosts_parameters, &pdm_ibc_3072));
    HOSTS_MUST(ledger_init(&hosts_ledger, 16, 1) && highwater_init(&hosts_highwater, directory));
    hosts_now = HOSTS_START_NS;
    mails_read = mails_sent;
    for (unsigned i = 0; i < HOSTS_EPOCHS; i++) {
        memset(ikm, (int)i + 7, sizeof ikm);
        HOSTS_MUST(pdm_ibc_master(&hosts_parameters, ikm, hosts_master[i]) &&
                   pdm_ibc_public(&hosts_parameters, hosts_master[i], hosts_p_pub[i]));
    }
    for (uint16_t i = 0; i < HOSTS; i++) {
        hosts_address((uint16_t)(i + 1), 1, host[i].address);
        for (unsigned j = 0; j < HOSTS_EPOCHS; j++)
            hosts_extract(host[i].address, j, host[i].s_id[j]);
        hosts_start(&host[i]);
    }
}

static inline void hosts_end(void)
{
    for (unsigned i = 0; i < HOSTS; i++)
        hosts_stop(&host[i]);
    highwater_free(&hosts_highwater);
    ledger_free(&hosts_ledger);
}

static inline struct host *hosts_at(const uint8_t address[static PDM_ADDR_LEN])
{
    for (unsigned i = 0; i < HOSTS; i++)
        if (memcmp(host[i].address, address, PDM_ADDR_LEN) == 0)
            return &host[i];
    return NULL;
}

/* What is on its way arrives, one after the other. */
static inline void hosts_deliver(void)
{
    while (mails_read != mails_sent) {
        const struct mail *m = &mail[mails_read++ % MAILS];
        struct host *to = hosts_at(m->ends.own);

        if (to != NULL)
            handshakes_receive(to->handshakes, &m->ends, m->bytes, m->len, hosts_now);
    }
}

static inline void hosts_compute(struct host *h)
{
    struct pairing_job job;

    while (handshakes_next(h->handshakes, hosts_now, &job)) {
        h->computed++;
        pairing_job_do(&hosts_parameters, &job);
        handshakes_done(h->handshakes, &job, hosts_now);
    }
}

/* Time goes by. */
static inline void hosts_wait(int64_t ns)
{
    for (int64_t until = hosts_now + ns; hosts_now < until; hosts_now += STEP_NS) {
        hosts_deliver();
        for (unsigned i = 0; i < HOSTS; i++)
            hosts_compute(&host[i]);
        for (unsigned i = 0; i < HOSTS; i++)
            handshakes_tick(host[i].handshakes, hosts_now);
    }
    hosts_deliver();
}

/* The keys that A has with B, older first; how many. If there is none, A asks for one. */
static inline unsigned hosts_keys(const struct host *a, const struct host *b,
                                  struct enrolled_secret key[static PDM_PEER_SECRETS])
{
    unsigned count = 0;

    (void)enrolment_secrets(a->enrolment, enrolment_pair(a->enrolment, 1), a->address, b->address,
                            0, hosts_now, key, &count);
    return count;
}

#endif
