/* SPDX-License-Identifier: BSD-2-Clause */
/* What both sides of a negotiation have in common. */
#include <sodium.h>
#include <string.h>

#include "core/modes.h"
#include "keyagent/harden.h"
#include "keyagent/primary/negotiation_inside.h"
#include "keyagent/transcript_log.h"

struct negotiation *negotiation_new(const struct primary_peer *peer)
{
    struct negotiation *n = harden_alloc(1, sizeof *n);

    if (n != NULL)
        *n = (struct negotiation){.peer = peer, .why = ""};
    return n;
}

void negotiation_free(struct negotiation *n)
{
    if (n == NULL)
        return;
    parcel_drop(n->request);
    parcel_drop(n->response);
    sodium_free(n);
}

const char *negotiation_why(const struct negotiation *n)
{
    return n->why;
}

const struct negotiation_terms *negotiation_terms(const struct negotiation *n)
{
    return &n->terms;
}

bool negotiation_has_suite(const struct negotiation *n)
{
    return n->has_suite;
}

bool negotiation_refuse(struct negotiation *n, const char *why)
{
    n->why = why;
    return false;
}

bool negotiation_expect(struct negotiation *n, enum negotiation_stage stage)
{
    return n->stage == stage || negotiation_refuse(n, "sent a message out of order");
}

bool negotiation_has_id(const uint16_t *id, uint8_t ids, uint16_t wanted)
{
    for (uint8_t i = 0; i < ids; i++)
        if (id[i] == wanted)
            return true;
    return false;
}

/* The secrets, once all three messages are known. */

static bool confirm(struct negotiation *n, const struct parcel *kem)
{
    const struct parcel *said[] = {n->request, n->response, kem};
    struct pdm_hmac hmac;

    if (!pdm_confirm_begin(&n->terms.suite, n->pms, &hmac))
        return false;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        pdm_hmac_add(&hmac, said[i]->bytes, said[i]->len);
    pdm_hmac_final(&hmac, n->confirm);
    return true;
}

bool negotiation_derive(struct negotiation *n, const uint8_t shared[static PDM_KEM_SECRET_LEN],
                        const uint8_t salt[static PDM_SALT_LEN], const struct parcel *kem)
{
    const struct parcel *said[] = {n->request, n->response, kem};
    struct pdm_transcript transcript;
    uint8_t hash[PDM_NH_MAX];

    transcript_log("setup_request", n->request->bytes, n->request->len);
    transcript_log("setup_response", n->response->bytes, n->response->len);
    transcript_log("kem_request", kem->bytes, kem->len);
    transcript_log("kem_shared_secret", shared, PDM_KEM_SECRET_LEN);
    transcript_log("salt", salt, PDM_SALT_LEN);
    if (!pdm_transcript_init(&transcript, &n->terms.suite))
        return false;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        pdm_transcript_add(&transcript, said[i]->bytes, said[i]->len);
    pdm_transcript_final(&transcript, hash);
    return pdm_pms(&n->terms.suite, shared, salt, PDM_SALT_LEN, hash, n->pms) && confirm(n, kem);
}

bool negotiation_secret(const struct negotiation *n, int64_t now, struct store_secret *secret)
{
    const struct negotiation_terms *t = &n->terms;

    *secret = (struct store_secret){
        .epoch = t->epoch,
        .state = STORE_SECRET_PENDING,
        .suite = t->suite,
        .secmop = t->secmop,
        .poller = t->poller,
        .unprotected = t->unprotected,
        .lifetime_s = t->lifetime_s,
        .grace_s = t->grace_s,
        .made_at = now,
        .ends_at = t->lifetime_s > 0 ? now + t->lifetime_s + t->grace_s : 0,
    };
    memcpy(secret->pms, n->pms, sizeof secret->pms);
    return n->stage == AGREED && pdm_pms_tag(&t->suite, n->pms, t->epoch, secret->tag);
}
