/* SPDX-License-Identifier: BSD-2-Clause */
/* The 5-tuple: octets, reversal, hash, and what its addresses are. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "core/tuple.h"
#include "tests/vectors/core_vectors.h"

static struct pdm_tuple from_vector(const struct vec_tuple *v)
{
    struct pdm_tuple t = {.sport = v->sport, .dport = v->dport, .proto = v->proto};
    memcpy(t.saddr, v->saddr, sizeof(t.saddr));
    memcpy(t.daddr, v->daddr, sizeof(t.daddr));
    return t;
}

Test(tuple, octets_and_back)
{
    for (size_t i = 0; i < VEC_COUNT(vec_tuples); i++) {
        struct pdm_tuple t = from_vector(&vec_tuples[i]);
        uint8_t out[PDM_TUPLE_LEN];
        pdm_tuple_bytes(&t, out);
        cr_assert_arr_eq(out, vec_tuples[i].bytes, sizeof(out), "%s", vec_tuples[i].name);
        struct pdm_tuple back = pdm_tuple_from_bytes(out);
        cr_assert(pdm_tuple_equal(&t, &back), "%s", vec_tuples[i].name);
    }
}

Test(tuple, reversed_is_the_other_direction)
{
    struct pdm_tuple request = from_vector(&vec_tuples[0]);
    struct pdm_tuple reply = from_vector(&vec_tuples[1]);
    struct pdm_tuple reversed = pdm_tuple_reverse(&request);
    cr_assert(pdm_tuple_equal(&reversed, &reply));
    cr_assert(!pdm_tuple_equal(&request, &reply));
}

Test(tuple, every_octet_counts_in_equality_and_hash)
{
    const uint64_t seed = 0x0123456789abcdefU;
    for (size_t i = 0; i < PDM_TUPLE_LEN; i++) {
        uint8_t octets[PDM_TUPLE_LEN];
        memcpy(octets, vec_tuples[0].bytes, sizeof(octets));
        struct pdm_tuple a = pdm_tuple_from_bytes(octets);
        octets[i] ^= 0x40;
        struct pdm_tuple b = pdm_tuple_from_bytes(octets);
        cr_assert(!pdm_tuple_equal(&a, &b), "octet %zu", i);
        cr_assert_neq(pdm_tuple_hash(&a, seed), pdm_tuple_hash(&b, seed), "octet %zu", i);
        cr_assert_neq(pdm_tuple_hash(&a, seed), pdm_tuple_hash(&a, seed + 1));
    }
}

/* 65536 tuples that differ in their ports alone: the low bits of the hash spread them evenly. */
Test(tuple, hash_fills_a_table_evenly)
{
    enum { BUCKETS = 4096 };
    static unsigned count[BUCKETS];
    struct pdm_tuple t = from_vector(&vec_tuples[0]);
    for (unsigned port = 0; port <= UINT16_MAX; port++) {
        t.sport = (uint16_t)port;
        count[pdm_tuple_hash(&t, 42) % BUCKETS]++;
    }
    double chi = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        double off = (double)count[i] - 16;
        chi += off * off / 16;
    }
    /* 4095 degrees of freedom: mean 4095, standard deviation 90. More even is as good. */
    cr_assert_lt(chi, 4095 + 6 * 90, "chi-square %f", chi);
}

/* An address whose halves are swapped, masked by any known difference, must not collide. */
Test(tuple, hash_knows_the_halves_apart)
{
    struct pdm_tuple a = from_vector(&vec_tuples[0]);
    struct pdm_tuple b = a;
    memcpy(b.saddr, a.saddr + 8, 8);
    memcpy(b.saddr + 8, a.saddr, 8);
    struct pdm_tuple swapped = a;
    memcpy(swapped.saddr, a.daddr, sizeof(a.daddr));
    memcpy(swapped.daddr, a.saddr, sizeof(a.saddr));
    for (uint64_t seed = 0; seed < 1000; seed++) {
        cr_assert_neq(pdm_tuple_hash(&a, seed), pdm_tuple_hash(&b, seed));
        cr_assert_neq(pdm_tuple_hash(&a, seed), pdm_tuple_hash(&swapped, seed));
    }
}

Test(tuple, kinds_of_address)
{
    static const struct {
        const char *text;
        enum pdm_saddr_type type;
        bool takes_part;
    } rows[] = {
        {"2001:db8::1", PDM_SADDR_GLOBAL, true},
        {"fd00::1", PDM_SADDR_GLOBAL, true},
        {"fe80::1", PDM_SADDR_LINK_LOCAL, true},
        {"febf:ffff::1", PDM_SADDR_LINK_LOCAL, true},
        {"fe7f::1", PDM_SADDR_GLOBAL, true},
        {"fec0::1", PDM_SADDR_GLOBAL, true},
        {"::1", PDM_SADDR_LINK_LOCAL, true},
        {"::2", PDM_SADDR_GLOBAL, true},
        {"::", PDM_SADDR_GLOBAL, false},
        {"ff02::1", PDM_SADDR_GLOBAL, false},
        {"ff0e::1", PDM_SADDR_GLOBAL, false},
        {"::ffff:192.0.2.1", PDM_SADDR_GLOBAL, false},
        {"::fffe:c000:201", PDM_SADDR_GLOBAL, true},
        {"64:ff9b::192.0.2.1", PDM_SADDR_GLOBAL, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t addr[PDM_ADDR_LEN];
        cr_assert_eq(inet_pton(AF_INET6, rows[i].text, addr), 1);
        cr_assert_eq(pdm_saddr_type(addr), rows[i].type, "%s", rows[i].text);
        cr_assert_eq(pdm_addr_takes_part(addr), rows[i].takes_part, "%s", rows[i].text);
    }
}
