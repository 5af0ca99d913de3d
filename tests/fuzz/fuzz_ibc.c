/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Identity-based encryption: ciphertexts and points from hostile peers, any rho, plaintext,
 * identity and address. The first octet says what the rest is. On the small curve of RFC 5091
 * section 7.4, where a run takes a fraction of a millisecond.
 */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/ibc.h"

#define P_LEN 24
#define POINT_LEN (2 * P_LEN)
#define Q_LEN 18
#define M_LEN 9
#define CIPHERTEXT_LEN (POINT_LEN + PDM_IBC_HASH_LEN + M_LEN)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t p[P_LEN] = {0xa6, 0xa0, 0xff, 0xd0, 0x16, 0x10, 0x3f, 0xff,
                                 0xff, 0xff, 0xff, 0xf5, 0x95, 0xf0, 0x02, 0xfe,
                                 0x9e, 0xf1, 0x95, 0xf0, 0x02, 0xfe, 0x9e, 0xfb};
static const uint8_t q[Q_LEN] = {0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t x[P_LEN] = {0x69, 0x24, 0xc3, 0x54, 0x25, 0x6a, 0xcf, 0x5a,
                                 0x0f, 0xf7, 0xf6, 0x1b, 0xe4, 0xf0, 0x49, 0x5b,
                                 0x54, 0x54, 0x0a, 0x5b, 0xf6, 0x39, 0x5b, 0x3d};
static const uint8_t y[P_LEN] = {0x02, 0x4f, 0xd8, 0xe2, 0xeb, 0x7c, 0x09, 0x10,
                                 0x4b, 0xca, 0x11, 0x6f, 0x41, 0xc0, 0x35, 0x21,
                                 0x99, 0x55, 0x23, 0x7c, 0x0e, 0xac, 0x19, 0xab};
static const uint8_t s[Q_LEN] = {[Q_LEN - 1] = 0x42};
static const uint8_t id[] = "2001:db8:1::a|0";

static struct pdm_ibc_parameters parameters;
static struct pdm_ibc_recipient recipient;
static uint8_t p_pub[POINT_LEN];
static uint8_t s_id[POINT_LEN];

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct pdm_ibc_numbers numbers = {p, x, y, P_LEN, q, Q_LEN, &ibc_sha256};

    (void)argc;
    (void)argv;
    must(sodium_init() >= 0 && pdm_ibc_parameters_init(&parameters, &numbers));
    must(pdm_ibc_public(&parameters, s, p_pub));
    must(pdm_ibc_extract(&parameters, s, id, sizeof id - 1, s_id));
    must(pdm_ibc_recipient_init(&parameters, p_pub, id, sizeof id - 1, &recipient));
    return 0;
}

/* What opens has a point of order q, and does not open when anything is changed. */
static void check_ciphertext(const uint8_t *data, size_t len)
{
    uint8_t m[M_LEN], changed[CIPHERTEXT_LEN];
    bool opened = pdm_ibc_decrypt(&parameters, s_id, data, len, m, sizeof m);

    must(opened || sodium_is_zero(m, sizeof m));
    if (!opened)
        return;
    must(len == CIPHERTEXT_LEN && pdm_ibc_point_usable(&parameters, data));
    for (size_t at = 0; at < len; at += 17) {
        memcpy(changed, data, len);
        changed[at] ^= 1;
        must(!pdm_ibc_decrypt(&parameters, s_id, changed, len, m, sizeof m));
    }
}

/* A P_pub is usable if it is of order q, and only then. */
static void check_point(const uint8_t *data, size_t len)
{
    struct pdm_ibc_recipient to;
    uint8_t point[POINT_LEN] = {0};

    memcpy(point, data, len < sizeof point ? len : sizeof point);
    must(pdm_ibc_point_usable(&parameters, point) ==
         pdm_ibc_recipient_init(&parameters, point, id, sizeof id - 1, &to));
}

/* What is encrypted opens. */
static void check_message(const uint8_t *data, size_t len)
{
    uint8_t rho[PDM_IBC_HASH_LEN] = {0}, m[M_LEN] = {0}, out[CIPHERTEXT_LEN], opened[M_LEN];
    size_t rho_len = len < sizeof rho ? len : sizeof rho;
    size_t m_len = len - rho_len < sizeof m ? len - rho_len : sizeof m;

    memcpy(rho, data, rho_len);
    memcpy(m, data + rho_len, m_len);
    must(pdm_ibc_encrypt_to(&parameters, &recipient, rho, m, sizeof m, out));
    must(pdm_ibc_decrypt(&parameters, s_id, out, sizeof out, opened, sizeof opened));
    must(memcmp(opened, m, sizeof m) == 0);
}

/* Any identity has a key, and it is not another's. */
static void check_key(const uint8_t *data, size_t len)
{
    static const uint8_t rho[PDM_IBC_HASH_LEN] = {1}, m[M_LEN] = {2};
    uint8_t key[POINT_LEN], out[CIPHERTEXT_LEN], opened[M_LEN];
    bool same = len == sizeof id - 1 && memcmp(data, id, len) == 0;

    must(pdm_ibc_extract(&parameters, s, data, len, key));
    must(pdm_ibc_point_usable(&parameters, key));
    must(pdm_ibc_encrypt(&parameters, p_pub, data, len, rho, m, sizeof m, out));
    must(pdm_ibc_decrypt(&parameters, key, out, sizeof out, opened, sizeof opened));
    must(pdm_ibc_decrypt(&parameters, s_id, out, sizeof out, opened, sizeof opened) == same);
}

/* An identity's address is read back as what it was, and its form is the shortest. */
static void check_identity(const uint8_t *data, size_t len)
{
    uint8_t octets[PDM_ADDR_LEN + 8] = {0}, again[PDM_ADDR_LEN];
    char text[PDM_IBC_IDENTITY_MAX], library[INET6_ADDRSTRLEN];
    uint64_t epoch;

    memcpy(octets, data, len < sizeof octets ? len : sizeof octets);
    memcpy(&epoch, octets + PDM_ADDR_LEN, sizeof epoch);
    size_t written = pdm_ibc_identity(octets, epoch, text, sizeof text);
    if (written == 0) {
        must(sodium_is_zero(octets, 10) && octets[10] == 0xff && octets[11] == 0xff);
        return;
    }
    must(strlen(text) == written);
    char *bar = strchr(text, '|');
    must(bar != NULL && strtoull(bar + 1, NULL, 10) == epoch);
    *bar = '\0';
    must(inet_pton(AF_INET6, text, again) == 1 && memcmp(again, octets, sizeof again) == 0);
    must(inet_ntop(AF_INET6, octets, library, sizeof library) != NULL);
    must(strchr(library, '.') != NULL || strcmp(library, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const check[])(const uint8_t *data, size_t len) = {
        check_ciphertext, check_point, check_message, check_key, check_identity};

    if (len == 0)
        return 0;
    check[data[0] % (sizeof check / sizeof check[0])](data + 1, len - 1);
    return 0;
}
