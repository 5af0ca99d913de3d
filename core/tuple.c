/* SPDX-License-Identifier: BSD-2-Clause */
/* The 5-tuple: its octets, its hash, and what its addresses are. */
#include "core/tuple.h"

#include <string.h>

#include "core/cursor.h"

__extension__ typedef unsigned __int128 wide;

void pdm_tuple_bytes(const struct pdm_tuple *t, uint8_t out[static PDM_TUPLE_LEN])
{
    struct pdm_writer w = pdm_writer(out, PDM_TUPLE_LEN);
    pdm_write_bytes(&w, t->saddr, PDM_ADDR_LEN);
    pdm_write_u16(&w, t->sport);
    pdm_write_bytes(&w, t->daddr, PDM_ADDR_LEN);
    pdm_write_u16(&w, t->dport);
    pdm_write_u8(&w, t->proto);
}

struct pdm_tuple pdm_tuple_from_bytes(const uint8_t in[static PDM_TUPLE_LEN])
{
    struct pdm_tuple t = {.proto = 0};
    struct pdm_reader r = pdm_reader(in, PDM_TUPLE_LEN);
    pdm_read_bytes(&r, t.saddr, PDM_ADDR_LEN);
    t.sport = pdm_read_u16(&r);
    pdm_read_bytes(&r, t.daddr, PDM_ADDR_LEN);
    t.dport = pdm_read_u16(&r);
    t.proto = pdm_read_u8(&r);
    return t;
}

struct pdm_tuple pdm_tuple_reverse(const struct pdm_tuple *t)
{
    struct pdm_tuple back = {.sport = t->dport, .dport = t->sport, .proto = t->proto};
    memcpy(back.saddr, t->daddr, PDM_ADDR_LEN);
    memcpy(back.daddr, t->saddr, PDM_ADDR_LEN);
    return back;
}

bool pdm_tuple_equal(const struct pdm_tuple *a, const struct pdm_tuple *b)
{
    return a->sport == b->sport && a->dport == b->dport && a->proto == b->proto &&
           memcmp(a->saddr, b->saddr, PDM_ADDR_LEN) == 0 &&
           memcmp(a->daddr, b->daddr, PDM_ADDR_LEN) == 0;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

/*
 * Word number I of what is multiplied is masked with a rotation of the seed: were the difference
 * of two masks known, a remote party could swap the factors of a product and so collide at will.
 */
static uint64_t masked(uint64_t word, uint64_t seed, unsigned i)
{
    static const uint64_t constant[] = {0x9e3779b97f4a7c15U, 0xd1b54a32d192ed03U,
                                        0xabc98388fb8fac03U, 0x8cb92ba72f3d8dd7U,
                                        0xe7037ed1a0b428dbU, 0xf1357aea2e62a9c5U};
    unsigned turn = 10 * i + 1;
    return word ^ ((seed << turn | seed >> (64 - turn)) + constant[i]);
}

/* Both halves of the product: every bit of either factor reaches the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t pdm_tuple_hash(const struct pdm_tuple *t, uint64_t seed)
{
    uint64_t ports = (uint64_t)t->proto << 32 | (uint64_t)t->sport << 16 | t->dport;
    uint64_t from = fold(masked(load(t->saddr), seed, 0), masked(load(t->saddr + 8), seed, 1));
    uint64_t to = fold(masked(load(t->daddr), seed, 2), masked(load(t->daddr + 8), seed, 3));
    return fold(masked(from ^ to, seed, 4), masked(ports, seed, 5));
}

static bool is_link_local(const uint8_t addr[static PDM_ADDR_LEN])
{
    return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

enum pdm_saddr_type pdm_saddr_type(const uint8_t addr[static PDM_ADDR_LEN])
{
    static const uint8_t loopback[PDM_ADDR_LEN] = {[PDM_ADDR_LEN - 1] = 1};
    if (is_link_local(addr) || memcmp(addr, loopback, PDM_ADDR_LEN) == 0) {
        return PDM_SADDR_LINK_LOCAL;
    }
    return PDM_SADDR_GLOBAL;
}

bool pdm_addr_takes_part(const uint8_t addr[static PDM_ADDR_LEN])
{
    static const uint8_t unspecified[PDM_ADDR_LEN] = {0};
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
    bool multicast = addr[0] == 0xff;                             /* ff00::/8 */
    return !multicast && memcmp(addr, unspecified, PDM_ADDR_LEN) != 0 &&
           memcmp(addr, mapped, sizeof(mapped)) != 0;
}
