/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of registration from a hostile peer: the header, then the body with all that is counted
 * in it, of every command. What could be read is written again, and must be what was read.
 */
#include <stdlib.h>
#include <string.h>

#include "core/registration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct copy {
    struct pdm_reader from;
    struct pdm_writer to;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Nothing that was not read is counted on. */
#define DEFINE_COPY(what, table)                                                                   \
    static struct pdm_##what copy_##what(struct copy *c)                                           \
    {                                                                                              \
        static const struct pdm_##what nothing;                                                    \
        struct pdm_##what body;                                                                    \
                                                                                                   \
        memset(&body, 0xA5, sizeof body);                                                          \
        pdm_get_##what(&c->from, &body);                                                           \
        if (c->from.bad)                                                                           \
            return nothing;                                                                        \
        pdm_put_##what(&c->to, &body);                                                             \
        return body;                                                                               \
    }
PDM_REGISTRATION_BODIES(DEFINE_COPY)

/* As often as is counted, or until there is no more. */
#define REPEAT(count, c, read)                                                                     \
    for (uint64_t left = (count); left > 0 && !(c)->from.bad; left--)                              \
    read

static void copy_octets(struct copy *c, size_t len)
{
    const uint8_t *octets = pdm_read_span(&c->from, len);

    if (octets != NULL)
        pdm_write_bytes(&c->to, octets, len);
}

static void setup_request(struct copy *c)
{
    struct pdm_setup_request b = copy_setup_request(c);

    REPEAT((uint64_t)b.kems + b.kdfs + b.aeads, c, pdm_write_u16(&c->to, pdm_read_u16(&c->from)));
    REPEAT(b.entries, c, copy_list_entry(c));
}

static void setup_response(struct copy *c)
{
    struct pdm_setup_response b = copy_setup_response(c);

    copy_octets(c, b.pk_len);
    REPEAT(b.entries, c, copy_list_entry(c));
}

static void kem_request(struct copy *c)
{
    copy_octets(c, copy_kem_request(c).enc_len);
}

static void kem_response(struct copy *c)
{
    copy_kem_response(c);
}

static void secret_request(struct copy *c)
{
    struct pdm_secret_request b = copy_secret_request(c);

    REPEAT(b.known, c, copy_secret_known(c));
    REPEAT(b.lists, c, copy_secret_list(c));
}

static void secret_scope(struct copy *c)
{
    struct pdm_secret_scope b = copy_secret_scope(c);

    REPEAT(b.grants, c, copy_secret_grant(c));
    if (b.has_identity != 0)
        copy_secret_identity(c);
}

static void secret_epoch(struct copy *c)
{
    REPEAT(copy_secret_epoch(c).scopes, c, secret_scope(c));
}

static void secret_pair(struct copy *c)
{
    REPEAT(copy_secret_pair(c).epochs, c, secret_epoch(c));
}

static void secret_response(struct copy *c)
{
    REPEAT(copy_secret_response(c).pairs, c, secret_pair(c));
}

static void list_request(struct copy *c)
{
    REPEAT(copy_list_request(c).changes, c, copy_list_change(c));
}

static void list_response(struct copy *c)
{
    copy_list_response(c);
}

static void poll_request(struct copy *c)
{
    copy_poll_request(c);
}

static void poll_response(struct copy *c)
{
    copy_poll_response(c);
}

static void block_request(struct copy *c)
{
    copy_block_request(c);
}

static void block_response(struct copy *c)
{
    copy_block_response(c);
}

static void nothing(struct copy *c)
{
    (void)c;
}

static void (*const copies[PDM_COMMANDS][2])(struct copy *) = {
    [PDM_COMMAND_SETUP] = {setup_request, setup_response},
    [PDM_COMMAND_KEM] = {kem_request, kem_response},
    [PDM_COMMAND_SECRET] = {secret_request, secret_response},
    [PDM_COMMAND_LIST] = {list_request, list_response},
    [PDM_COMMAND_POLL] = {poll_request, poll_response},
    [PDM_COMMAND_BLOCK] = {block_request, block_response},
    [PDM_COMMAND_NEGOTIATE] = {nothing, nothing},
};

/* The body is what there is, whatever length the header has: cut short, or with more behind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pdm_registration_header header;
    uint8_t again[PDM_REGISTRATION_HEADER];

    if (len < sizeof again || !pdm_registration_header_get(data, &header))
        return 0;
    must(header.length <= PDM_REGISTRATION_LIST_MAX);
    pdm_registration_header_put(again, &header);
    must(memcmp(again, data, sizeof again) == 0);
    data += sizeof again;
    len -= sizeof again;
    uint8_t *written = malloc(len + 1);
    must(written != NULL);
    struct copy c = {pdm_reader(data, len), pdm_writer(written, len)};
    copies[header.command][header.direction](&c);
    must(c.from.bad || (!c.to.bad && c.from.left == c.to.left));
    must(memcmp(written, data, len - c.to.left) == 0);
    free(written);
    return 0;
}
