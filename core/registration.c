/* SPDX-License-Identifier: BSD-2-Clause */
/* Writers and readers of registration's messages, made from their tables. */
#include "core/registration.h"

#include <sodium.h>
#include <string.h>

#include "core/hkdf.h"

PDM_REGISTRATION_BODIES(PDM_DEFINE_BODY)

/* The most that a body of each command may have. */
static const uint32_t longest[PDM_COMMANDS] = {[PDM_COMMAND_SETUP] = PDM_REGISTRATION_LIST_MAX,
                                               [PDM_COMMAND_KEM] = PDM_REGISTRATION_SMALL,
                                               [PDM_COMMAND_SECRET] = PDM_REGISTRATION_SECRET_MAX,
                                               [PDM_COMMAND_LIST] = PDM_REGISTRATION_CHANGES_MAX,
                                               [PDM_COMMAND_POLL] = PDM_REGISTRATION_SMALL,
                                               [PDM_COMMAND_BLOCK] = PDM_REGISTRATION_SMALL,
                                               [PDM_COMMAND_NEGOTIATE] = 0};

bool pdm_registration_header_get(const uint8_t bytes[static PDM_REGISTRATION_HEADER],
                                 struct pdm_registration_header *header)
{
    struct pdm_reader r = pdm_reader(bytes, PDM_REGISTRATION_HEADER);
    uint8_t version = pdm_read_u8(&r);

    header->command = pdm_read_u8(&r);
    header->direction = pdm_read_u8(&r);
    uint8_t reserved = pdm_read_u8(&r);
    header->length = pdm_read_u32(&r);
    return version == PDM_REGISTRATION_VERSION && reserved == 0 && header->command != 0 &&
           header->command < PDM_COMMANDS && header->direction <= PDM_RESPONSE &&
           header->length <= longest[header->command];
}

void pdm_registration_header_put(uint8_t bytes[static PDM_REGISTRATION_HEADER],
                                 const struct pdm_registration_header *header)
{
    struct pdm_writer w = pdm_writer(bytes, PDM_REGISTRATION_HEADER);

    pdm_write_u8(&w, PDM_REGISTRATION_VERSION);
    pdm_write_u8(&w, header->command);
    pdm_write_u8(&w, header->direction);
    pdm_write_u8(&w, 0);
    pdm_write_u32(&w, header->length);
}

const char *pdm_secmop_name(uint8_t secmop)
{
    static const char *const names[PDM_SECMOPS] = {"none", "trusted-servers", "asymmetric-poll",
                                                   "ibc"};

    return secmop < PDM_SECMOPS ? names[secmop] : NULL;
}

const char *pdm_side_name(uint8_t side)
{
    static const char *const names[PDM_SIDES] = {"client", "server"};

    return side < PDM_SIDES ? names[side] : NULL;
}

const char *pdm_unprotected_name(uint8_t unprotected)
{
    static const char *const names[PDM_UNPROTECTEDS] = {"none", "plain", "rfc8250"};

    return unprotected < PDM_UNPROTECTEDS ? names[unprotected] : NULL;
}

bool pdm_pms_tag(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                 uint64_t epoch, uint8_t tag[static PDM_TAG_ID_LEN])
{
    uint8_t info[sizeof epoch];
    uint8_t whole[PDM_NH_MAX];
    struct pdm_writer w = pdm_writer(info, sizeof info);

    pdm_write_u64(&w, epoch);
    bool good =
        pdm_labeled_expand(suite, pms, "pdmv2 tag", info, sizeof info, whole, pdm_suite_nh(suite));
    if (good)
        memcpy(tag, whole, PDM_TAG_ID_LEN);
    sodium_memzero(whole, sizeof whole);
    return good;
}
