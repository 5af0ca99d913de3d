/* SPDX-License-Identifier: BSD-2-Clause */
/* The vault: what is sealed opens with its key, at its place, unchanged, and not otherwise. */
#include "keyagent/primary/vault.h"
#include "tests/unit/keys_on_disk.h"

TestSuite(vault, .init = keys_begin, .fini = keys_end);

#define LEN 64
#define SEALED (LEN + VAULT_OVERHEAD)

static const struct vault_place place = {.store = {1, 2, 3}, .pair = 7, .epoch = 9};
static const uint8_t plain[LEN] = "of use to nobody else";

static struct vault *vault_of(uint8_t octet)
{
    struct vault *vault;

    keys_make("key", octet, "0\n");
    vault = vault_open("key");
    cr_assert_not_null(vault, "%s", keys_said());
    return vault;
}

static bool is_zero(const uint8_t *octets, size_t len)
{
    return sodium_is_zero(octets, len) == 1;
}

Test(vault, gives_back_what_it_got)
{
    struct vault *vault = vault_of(1);
    uint8_t sealed[SEALED], again[SEALED], out[LEN];

    vault_seal(vault, &place, plain, LEN, sealed);
    vault_seal(vault, &place, plain, LEN, again);
    cr_expect_arr_neq(sealed, again, SEALED, "each with a nonce of its own");
    cr_expect(vault_unseal(vault, &place, sealed, LEN, out));
    cr_expect_arr_eq(out, plain, LEN);
    vault_close(vault);
    vault_close(NULL);

    vault = vault_of(1);
    cr_expect(vault_unseal(vault, &place, again, LEN, out));
    cr_expect_arr_eq(out, plain, LEN);
    vault_close(vault);
}

Test(vault, refuses_any_octet_changed)
{
    struct vault *vault = vault_of(1);
    uint8_t sealed[SEALED], out[LEN];

    vault_seal(vault, &place, plain, LEN, sealed);
    for (size_t i = 0; i < SEALED; i++) {
        memset(out, 0xff, sizeof out);
        sealed[i] ^= 0x10;
        cr_expect(!vault_unseal(vault, &place, sealed, LEN, out), "octet %zu", i);
        cr_expect(is_zero(out, LEN));
        sealed[i] ^= 0x10;
    }
    vault_close(vault);
}

Test(vault, refuses_another_place_and_another_key)
{
    static const struct vault_place other[] = {
        {.store = {1, 2, 4}, .pair = 7, .epoch = 9},
        {.store = {1, 2, 3}, .pair = 6, .epoch = 9},
        {.store = {1, 2, 3}, .pair = 7, .epoch = 10},
        {.store = {1, 2, 3}, .pair = 9, .epoch = 7},
    };
    struct vault *vault = vault_of(1);
    uint8_t sealed[SEALED], out[LEN];

    vault_seal(vault, &place, plain, LEN, sealed);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        cr_expect(!vault_unseal(vault, &other[i], sealed, LEN, out), "place %zu", i);
    vault_close(vault);

    vault = vault_of(2);
    cr_expect(!vault_unseal(vault, &place, sealed, LEN, out));
    vault_close(vault);
}

Test(vault, wants_a_key_that_is_its_owners_alone)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } bad[] = {
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", 0640, "chmod 600"},
        {"0123456789abcdef\n", 0600, "64 hexadecimal digits"},
        {"", 0600, "64 hexadecimal digits"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        keys_write("bad", bad[i].text, bad[i].mode);
        cr_expect_null(vault_open("bad"));
        cr_expect(strstr(keys_said(), bad[i].says), "%zu: %s", i, keys_logged);
    }
    cr_expect_null(vault_open("none"));
    cr_expect(strstr(keys_said(), "No such file"), "%s", keys_logged);
}
