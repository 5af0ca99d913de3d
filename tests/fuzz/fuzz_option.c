/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Destination Options headers from hostile hosts: finding our option, adding ours to a program's
 * header, opening what says that it is encrypted. The input is the header as received.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"
#include "core/receiver.h"
#include "core/seal.h"

/* The seeds of the corpus are sealed under Kri 0 of this secret. */
static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
static const uint8_t secret[PDM_NH_MAX] = {0x42};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(sodium_init() >= 0);
    return 0;
}

/* Padding included: the one was copied from the other. */
static bool unchanged(const void *before, const void *after, size_t len)
{
    return memcmp(before, after, len) == 0;
}

static size_t option_len(enum pdm_format format)
{
    return pdm_formats[format].option_len + 2U;
}

static bool same_found(const struct pdm_found *a, const struct pdm_found *b)
{
    return a->format == b->format && memcmp(a->option, b->option, option_len(a->format)) == 0 &&
           a->fields.prseq == b->fields.prseq && a->fields.f == b->fields.f &&
           a->fields.psntp == b->fields.psntp && a->fields.psnlr == b->fields.psnlr &&
           a->fields.global_pointer == b->fields.global_pointer &&
           a->fields.dtlr.value == b->fields.dtlr.value &&
           a->fields.dtlr.scale == b->fields.dtlr.scale &&
           a->fields.dtls.value == b->fields.dtls.value &&
           a->fields.dtls.scale == b->fields.dtls.scale;
}

/* What was found is what it says, and the same again in a header of its own. */
static void check_found(const struct pdm_found *found)
{
    must(found->format < PDM_FORMATS);
    must(found->option[0] == PDM_OPTION_TYPE);
    must(found->option[1] == pdm_formats[found->format].option_len);
    uint8_t header[PDM_HEADER_MAX];
    struct pdm_found again;
    size_t len = pdm_header_wrap(found->format, found->option, header);
    must(pdm_header_find(header, len, PDM_OPTION_TYPE, &again) == PDM_FOUND);
    must(same_found(found, &again));
}

/* What is in the clear is written back as it was read, but for the reserved bits. */
static void check_clear(const struct pdm_found *found)
{
    uint8_t option[PDM_OPTION_MAX];
    uint8_t expected[PDM_OPTION_MAX];
    size_t len = option_len(found->format);
    memcpy(expected, found->option, len);
    if (found->format == PDM_FORMAT_PLAIN) {
        expected[2] &= 0xf0;
        expected[3] = 0;
    }
    must(pdm_option_write(found->format, PDM_OPTION_TYPE, &found->fields, option) == len);
    must(memcmp(option, expected, len) == 0);
}

/* What opens is what the key's holder sealed; what does not changes nothing. */
static void check_encrypted(const struct pdm_found *found)
{
    static struct pdm_receiver receiver;
    static struct pdm_receiver before;
    const struct pdm_peer_secret given = {.flow = secret};
    memset(&receiver, 0, sizeof(receiver));
    must(pdm_receiver_use(&receiver, &suite, &given, 1));
    memcpy(&before, &receiver, sizeof(before));
    struct pdm_fields fields;
    memcpy(&fields, &found->fields, sizeof(fields));
    struct pdm_live *live = pdm_receiver_open(&receiver, found->option, &fields);
    if (live == NULL) {
        must(unchanged(&before, &receiver, sizeof(before)));
        must(unchanged(&fields, &found->fields, sizeof(fields)));
        return;
    }
    must(fields.prseq == found->fields.prseq && fields.f == found->fields.f);
    uint8_t plaintext[PDM_PLAINTEXT_LEN];
    uint8_t nonce[PDM_NONCE_LEN];
    uint8_t sealed[PDM_PLAINTEXT_LEN + PDM_TAG_LEN];
    pdm_plaintext_write(&fields, plaintext);
    memcpy(nonce, live->key.base_nonce, sizeof(nonce));
    nonce[PDM_NONCE_LEN - 2] ^= (uint8_t)(fields.prseq >> 8);
    nonce[PDM_NONCE_LEN - 1] ^= (uint8_t)fields.prseq;
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plaintext, sizeof(plaintext),
                                              found->option, PDM_AAD_LEN, NULL, nonce,
                                              live->key.key);
    must(memcmp(sealed, found->option + PDM_AAD_LEN, sizeof(sealed)) == 0);
}

/* The end of the last option that is no padding, by a walk of its own; the header is sound. */
static size_t end_of_options(const uint8_t *header, unsigned *options)
{
    size_t end = 2;
    *options = 0;
    for (size_t at = 2; at < ((size_t)header[1] + 1) * 8;) {
        size_t next = header[at] == 0 ? at + 1 : at + 2 + header[at + 1];
        if (header[at] > 1) {
            ++*options;
            end = next;
        }
        at = next;
    }
    return end;
}

/* MERGED with ours taken out again is the program's header, the Next Header octet included. */
static void check_strip(const uint8_t *data, size_t end, const uint8_t *merged, size_t len)
{
    static uint8_t header[PDM_DSTOPTS_MAX];
    struct pdm_found found;
    memcpy(header, merged, len);
    size_t total = pdm_header_strip(header, len, PDM_OPTION_TYPE);
    if (end == 2) {
        must(total == 0);
        return;
    }
    must(total % 8 == 0 && total >= end && total < end + 8);
    must(header[0] == data[0] && ((size_t)header[1] + 1) * 8 == total);
    must(memcmp(header + 2, data + 2, end - 2) == 0);
    must(pdm_header_find(header, total, PDM_OPTION_TYPE, &found) == PDM_ABSENT);
}

/* As received, it loses ours if it has one, and stays sound; without one it stays as it is. */
static void check_strip_received(const uint8_t *data, size_t len, enum pdm_found_status status)
{
    static uint8_t header[PDM_DSTOPTS_MAX];
    struct pdm_found found;
    if (len > sizeof(header)) {
        return;
    }
    memcpy(header, data, len);
    size_t total = pdm_header_strip(header, len, PDM_OPTION_TYPE);
    must(total <= len);
    if (status != PDM_FOUND) {
        must(total == len && unchanged(header, data, len));
    } else if (total != 0) {
        must(pdm_header_find(header, total, PDM_OPTION_TYPE, &found) == PDM_ABSENT);
    }
}

/* Ours is added where there is none yet, and all that was there stays where it was. */
static void check_merge(const uint8_t *data, size_t len, enum pdm_format format, bool absent)
{
    static uint8_t out[PDM_DSTOPTS_MAX];
    uint8_t option[PDM_OPTION_MAX] = {PDM_OPTION_TYPE, pdm_formats[format].option_len, 0x20};
    size_t total = pdm_header_merge(data, len, format, option, out, sizeof(out));
    if (!absent) {
        must(total == 0);
        return;
    }
    unsigned options;
    size_t end = end_of_options(data, &options);
    size_t least = end + option_len(format);
    if (total == 0) {
        must(least > sizeof(out) - 16 || options >= PDM_HEADER_OPTIONS_MAX);
        return;
    }
    must(options < PDM_HEADER_OPTIONS_MAX);
    must(total % 8 == 0 && total >= least && total <= least + 16);
    must(total == ((size_t)out[1] + 1) * 8 && out[0] == data[0]);
    must(memcmp(out + 2, data + 2, end - 2) == 0);
    struct pdm_found found;
    must(pdm_header_find(out, total, PDM_OPTION_TYPE, &found) == PDM_FOUND);
    must(found.format == format);
    must(memcmp(found.option, option, option_len(format)) == 0);
    must(end_of_options(out, &options) >= least);
    check_strip(data, end, out, total);

    uint8_t *exact = malloc(total);
    must(exact != NULL);
    must(pdm_header_merge(data, len, format, option, exact, total) == total);
    must(memcmp(exact, out, total) == 0);
    must(pdm_header_merge(data, len, format, option, exact, total - 1) == 0);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pdm_found found;
    enum pdm_found_status status = pdm_header_find(data, len, PDM_OPTION_TYPE, &found);
    if (status == PDM_FOUND) {
        check_found(&found);
        if (found.format == PDM_FORMAT_ENCRYPTED) {
            check_encrypted(&found);
        } else {
            check_clear(&found);
        }
    }
    check_strip_received(data, len, status);
    for (enum pdm_format format = 0; format < PDM_FORMATS; format++) {
        check_merge(data, len, format, status == PDM_ABSENT);
    }
    return 0;
}
