/* SPDX-License-Identifier: BSD-2-Clause */
/* A primary's configuration: what it says when all is well, and the very words when it is not. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/primary_config.h"
#include "core/suite.h"

#define SAID_MAX 16384

static void take_down(void *arg, const char *line)
{
    char *said = arg;
    size_t used = strlen(said);

    snprintf(said + used, SAID_MAX - used, "%s%s", used == 0 ? "" : "\n", line);
}

static bool parse(const char *text, struct primary_config *config, char said[static SAID_MAX])
{
    cr_assert(sodium_init() >= 0);
    said[0] = '\0';
    return primary_config_parse("/etc/pdmv2/p.conf", text, strlen(text), config, take_down, said);
}

static bool is_prefix(const struct pdm_prefix *found, const char *address, uint8_t len)
{
    uint8_t octets[PDM_ADDR_LEN];

    cr_assert_eq(inet_pton(AF_INET6, address, octets), 1);
    struct pdm_prefix wanted = pdm_prefix_of(octets, len);
    return pdm_prefix_equal(found, &wanted);
}

#define P "[primary]\ncertificate = c\ncertificate_key = k\nca = ca\nstore_key = s\n"

Test(primary_config, defaults)
{
    static char said[SAID_MAX];
    struct primary_config c;

    cr_assert(parse(P, &c, said), "%s", said);
    cr_assert_str_eq(c.listen, "[::]:8250");
    cr_assert_str_eq(c.socket, "/run/pdmv2/primary.sock");
    cr_assert_str_eq(c.store, "/var/lib/pdmv2/primary.db");
    cr_assert_str_eq(c.store_key, "/etc/pdmv2/s");
    cr_assert_null(c.crl);
    cr_assert_eq(c.block, 4);
    cr_assert_eq(c.members_count, 0);
    cr_assert_eq(c.peers, 0);
    primary_config_free(&c);
}

Test(primary_config, all_keys)
{
    static char said[SAID_MAX];
    struct primary_config c;

    cr_assert(parse("[primary]\n"
                    "listen = 2001:db8::1, [2001:db8::2]:9\n"
                    "certificate = c.pem\ncertificate_key = /k.pem\nca = ca.pem\ncrl = crl.pem\n"
                    "store = postgresql://u@h/d?sslmode=require\nstore_key = s.key\n"
                    "socket = p.sock\nblock = 65536\n"
                    "[clients]\nmembers = 2001:db8:b::1 2001:db8:b::2,2001:db8:b:1::/64\n"
                    "list = clients.txt\n"
                    "[servers Web.1]\ngroup = 7\nmembers = 2001:db8:c::/64\n"
                    "[servers mail]\ngroup = 7\nlist = /mail\n"
                    "[servers more]\ngroup = 65535\nmembers = 2001:db8:c::1\n"
                    "[peer London]\nside = server\ncertificate_name = pc.example\nca = l.pem\n"
                    "crl = l.crl\naddresses = 2001:db8:1::/48 2001:db8:2::/48\n"
                    "mode = asymmetric-poll\npoller = server\nlifetime = 0\ngrace = 90s\n"
                    "kem = p256\nkdf = sha512, sha256\naead = chacha20-poly1305\n"
                    "[peer paris]\nside = client\nconnect = ps.example:1 ,ps2.example\nca = f\n"
                    "addresses = 2001:db8:3::1\n"
                    "[peer oslo]\nside = client\nconnect = [::1]\nca = f\nmode = ibc\n"
                    "certificate_name = oslo\naddresses = 2001:db8:4::1\n"
                    "[peer rome]\nside = server\ncertificate_name = rome\nca = f\nmode = none\n"
                    "unprotected = rfc8250\naddresses = ::1\n",
                    &c, said),
              "%s", said);
    cr_assert_str_eq(c.listen, "[2001:db8::1]:8250, [2001:db8::2]:9");
    cr_assert_str_eq(c.certificate, "/etc/pdmv2/c.pem");
    cr_assert_str_eq(c.certificate_key, "/k.pem");
    cr_assert_str_eq(c.ca, "/etc/pdmv2/ca.pem");
    cr_assert_str_eq(c.crl, "/etc/pdmv2/crl.pem");
    cr_assert_str_eq(c.store, "postgresql://u@h/d?sslmode=require");
    cr_assert_str_eq(c.socket, "/etc/pdmv2/p.sock");
    cr_assert_eq(c.block, 65536);

    cr_assert_eq(c.members_count, 4);
    const struct primary_members *m = c.members;
    cr_assert_str_eq(m->name, "clients");
    cr_assert_eq(m->side, PDM_SIDE_CLIENT);
    cr_assert_eq(m->group, 0);
    cr_assert_eq(m->prefixes, 3);
    cr_assert(is_prefix(&m->prefix[1], "2001:db8:b::2", 128));
    cr_assert(is_prefix(&m->prefix[2], "2001:db8:b:1::", 64));
    cr_assert_str_eq(m->file, "/etc/pdmv2/clients.txt");
    cr_assert_str_eq(m[1].name, "web.1");
    cr_assert_eq(m[1].side, PDM_SIDE_SERVER);
    cr_assert_eq(m[1].group, 7);
    cr_assert_null(m[1].file);
    cr_assert_eq(m[2].prefixes, 0);
    cr_assert_str_eq(m[2].file, "/mail");
    cr_assert_eq(m[3].group, 65535);

    cr_assert_eq(c.peers, 4);
    const struct primary_peer *p = &c.peer[0];
    cr_assert_str_eq(p->name, "london");
    cr_assert_eq(p->side, PDM_SIDE_SERVER);
    cr_assert_null(p->connect);
    cr_assert_str_eq(p->certificate_name, "pc.example");
    cr_assert_str_eq(p->crl, "/etc/pdmv2/l.crl");
    cr_assert_eq(p->addresses_count, 2);
    cr_assert(p->has_secmop && p->secmop == PDM_SECMOP_ASYMMETRIC_POLL);
    cr_assert_eq(p->poller, PDM_SIDE_SERVER);
    cr_assert_eq(p->lifetime_s, 0);
    cr_assert_eq(p->grace_s, 90);
    cr_assert(p->kems == 1 && p->kem[0] == PDM_KEM_P256);
    cr_assert(p->kdfs == 2 && p->kdf[0] == PDM_KDF_SHA512 && p->kdf[1] == PDM_KDF_SHA256);
    cr_assert(p->aeads == 1 && p->aead[0] == PDM_AEAD_CHACHA20POLY1305);
    p = &c.peer[1];
    cr_assert_eq(p->side, PDM_SIDE_CLIENT);
    cr_assert_str_eq(p->connect, "ps.example:1, ps2.example:8250");
    cr_assert_str_eq(p->certificate_name, "ps.example");
    cr_assert(!p->has_secmop);
    cr_assert_str_eq(c.peer[2].connect, "[::1]:8250");
    cr_assert(c.peer[2].has_secmop && c.peer[2].secmop == PDM_SECMOP_IBC);
    cr_assert_eq(c.peer[3].unprotected, PDM_UNPROTECTED_RFC8250);
    primary_config_free(&c);
}

#define L "[peer l]\ncertificate_name = n\nca = f\naddresses = 2001:db8:a::/48\n"
#define CLIENT P "[clients]\nmembers = 2001:db8:b::1\n" L "side = client\nconnect = h\n"
#define SERVER P "[servers w]\nmembers = 2001:db8:b::1\n" L "side = server\n"

Test(primary_config, defaults_of_sections)
{
    static char said[SAID_MAX];
    struct primary_config c;

    cr_assert(parse(SERVER "mode = trusted-servers\n", &c, said), "%s", said);
    const struct primary_peer *p = &c.peer[0];
    cr_assert_eq(c.members[0].group, 1, "one section of servers is one group");
    cr_assert_eq(p->lifetime_s, 86400);
    cr_assert_eq(p->grace_s, 3600);
    cr_assert_eq(p->poller, PDM_SIDE_CLIENT);
    cr_assert_eq(p->unprotected, PDM_UNPROTECTED_NONE);
    cr_assert(p->kems == 2 && p->kem[0] == PDM_KEM_X25519 && p->kem[1] == PDM_KEM_P256);
    cr_assert(p->kdfs == 2 && p->kdf[0] == PDM_KDF_SHA256 && p->kdf[1] == PDM_KDF_SHA512);
    bool aes = crypto_aead_aes256gcm_is_available() == 1;
    cr_assert_eq(p->aeads, aes ? 2 : 1);
    cr_assert_eq(p->aead[0], aes ? PDM_AEAD_AES256GCM : PDM_AEAD_CHACHA20POLY1305);
    primary_config_free(&c);
}

#define F "/etc/pdmv2/p.conf:"
#define HEADS "[primary], [clients], [servers NAME] "
#define PREFIX "must be an IPv6 prefix such as 2001:db8::/32, or an address"
#define LISTEN "must be up to 16 of [ADDRESS]:PORT, with commas between"

static const struct {
    const char *text;
    const char *said;
} bad[] = {
    {"x = 1\n", F "1: a key outside of a section; begin with " HEADS "or [peer NAME]"},
    {"[clients x]\n", F "1: [clients x]: unknown section; allowed are " HEADS "and [peer NAME]"},
    {"[agent]\n", F "1: [agent]: unknown section; allowed are " HEADS "and [peer NAME]"},
    {"[servers]\n", F "1: [servers]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in "
                      "[servers paris]"},
    {"[primary]\nport = 1\n",
     F "2: port: unknown key in [primary]; allowed are: listen, certificate, certificate_key, ca, "
       "crl, store, store_key, socket, block"},
    {"[clients]\ngroup = 1\n", F "2: group: unknown key in [clients]; allowed are: members, list"},
    {"", "/etc/pdmv2/p.conf: [primary]: certificate is missing; this primary's own\n"
         "/etc/pdmv2/p.conf: [primary]: certificate_key is missing; the key that it belongs to\n"
         "/etc/pdmv2/p.conf: [primary]: ca is missing; the certificates of those who vouch for our "
         "secondaries\n"
         "/etc/pdmv2/p.conf: [primary]: store_key is missing; make one with: pdmctl keygen FILE"},
    {P "listen = example.com:1\n", F "6: listen = example.com:1: " LISTEN},
    {P "listen = 192.0.2.1:1\n", F "6: listen = 192.0.2.1:1: " LISTEN},
    {P "listen = [::]:0\n", F "6: listen = [::]:0: " LISTEN},
    {P "listen = [::]:1,\n", F "6: listen = [::]:1,: " LISTEN},
    {P "block = 0\n", F "6: block = 0: must be a number from 1 to 65536"},
    {P "store =\n", F "6: store = : must be a path, or postgresql://..."},
    {P "[clients]\nmembers =\n", F "7: members = : " PREFIX},
    {P "[clients]\nmembers = ::1, x, y\n", F "7: members = x: " PREFIX},
    {P "[clients]\nmembers = ::1 2001:db8::1/64\n",
     F "7: members = 2001:db8::1/64: has bits set beyond its length; did you mean 2001:db8::/64?"},
    {P "[clients]\nmembers = ff02::1\n",
     F "7: members = ff02::1: multicast, IPv4-mapped and unspecified addresses take no part"},
    {P "[servers a]\ngroup = 0\n", F "7: group = 0: must be a number from 1 to 65535"},
    {P "[servers a]\n[servers b]\ngroup = 1\n",
     F "6: [servers a]: group is missing; servers of one group share secrets, each of several "
       "sections must say which is its own"},
    {P "[servers a]\ngroup = 1\nmembers = ::1\n[servers b]\ngroup = 2\nmembers = ::2 ::1\n",
     F "9: [servers b]: ::1/128 is in group 1 by line 6"},
    {P "[clients]\n[peer l]\n",
     F "7: [peer l]: side is missing; what this primary is to the peer: client or server\n" F
       "7: [peer l]: certificate_name is missing; the DNS name in the peer's certificate\n" F
       "7: [peer l]: ca is missing; the certificates of those who vouch for the peer\n" F
       "7: [peer l]: addresses is missing; those that the peer may list"},
    {SERVER, F "8: [peer l]: mode is missing; it must be none, trusted-servers, asymmetric-poll or "
               "ibc"},
    {SERVER "mode = psk\n",
     F "13: mode = psk: must be none, trusted-servers, asymmetric-poll or ibc"},
    {SERVER "mode = ibc\nconnect = h\n", F "14: connect: is not for side = server"},
    {SERVER "mode = ibc\npoller = client\n", F "14: poller: is not for mode = ibc"},
    {SERVER "mode = ibc\nunprotected = plain\n", F "14: unprotected: is not for mode = ibc"},
    {SERVER "mode = ibc\ngrace = 0\n",
     F "14: grace = 0: must be a duration from 1s to 8760h, such as 90s, 15m or 1h"},
    {SERVER "mode = ibc\nlifetime = 1d\n",
     F "14: lifetime = 1d: must be a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no "
       "end"},
    {SERVER "mode = ibc\nkem = x448\n",
     F "14: kem = x448: must be x25519 and p256, or one of them, the preferred first"},
    {SERVER "mode = ibc\nkdf = sha256 sha256\n",
     F "14: kdf = sha256 sha256: must be sha256 and sha512, or one of them, the preferred first"},
    {SERVER "mode = ibc\naead =\n",
     F "14: aead = : must be aes-256-gcm and chacha20-poly1305, or one of them, the preferred "
       "first"},
    {CLIENT "lifetime = 1h\ngrace = 1h\npoller = client\nunprotected = none\n",
     F "14: lifetime: is not for side = client\n" F "15: grace: is not for side = client\n" F
       "16: poller: is not for side = client\n" F "17: unprotected: is not for side = client"},
    {P "[clients]\n" L "side = client\n",
     F "7: [peer l]: connect is missing; where the peer is, as HOST:PORT"},
    {P "[clients]\n" L "side = client\nconnect = a b\n",
     F "12: connect = a b: must be up to 16 of HOST:PORT or [ADDRESS]:PORT, with commas between"},
    {P "[servers x]\n" L "side = client\nconnect = h\n",
     F "7: [peer l]: side = client needs a section [clients] with our own"},
    {P "[clients]\n" L "side = server\nmode = ibc\n",
     F "7: [peer l]: side = server needs a section [servers NAME] with our own"},
    {P "[clients]\nmembers = ::1 2001:db8:a:1::/64\n" L "side = client\nconnect = h\n",
     F "8: [peer l]: addresses 2001:db8:a::/48 overlap 2001:db8:a:1::/64, a member of ours by line "
       "6"},
    {P "[servers x]\nmembers = 2001:db8::/32\n" L "side = server\nmode = ibc\n",
     F "8: [peer l]: addresses 2001:db8:a::/48 overlap 2001:db8::/32, a member of ours by line 6"},
    {SERVER "mode = ibc\n[peer m]\nside = server\nmode = none\ncertificate_name = n\nca = f\n"
            "addresses = ::1\n",
     F "14: [peer m]: the same certificate_name as [peer l] in line 8"},
};

Test(primary_config, each_error_in_its_words)
{
    static char said[SAID_MAX];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct primary_config c;

        cr_assert(!parse(bad[i].text, &c, said), "accepted: %s", bad[i].text);
        cr_expect_str_eq(said, bad[i].said, "for\n%s\nexpected\n%s\nbut it said\n%s", bad[i].text,
                         bad[i].said, said);
        cr_expect(c.socket == NULL && c.members == NULL && c.peer == NULL,
                  "not empty after an error");
    }
}

Test(primary_config, more_members_than_allowed)
{
    static char said[SAID_MAX];
    static char text[CONFIG_MEMBERS_MAX * 32];
    struct primary_config c;
    size_t used = (size_t)snprintf(text, sizeof text, "%s", P);
    int members = 0;

    for (int section = 0; members < CONFIG_MEMBERS_MAX; section++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "[servers s%d]\ngroup = 1\nmembers =", section);
        for (int i = 0; i < 64 && members < CONFIG_MEMBERS_MAX; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, " ::1:%x", members++);
        used += (size_t)snprintf(text + used, sizeof text - used, "\n");
    }
    cr_assert(parse(text, &c, said), "%s", said);
    primary_config_free(&c);
    snprintf(text + used, sizeof text - used, "[clients]\nmembers = ::1\n");
    cr_assert(!parse(text, &c, said));
    cr_assert_str_eq(said, "/etc/pdmv2/p.conf: more than 4096 members; put them into a file, with "
                           "list = FILE");
}

/* As it is, and with all that it shows: "#key = value" and "#[section]", but not "# text". */
Test(primary_config, the_sample_is_good)
{
    static char said[SAID_MAX];
    char text[SAID_MAX];
    FILE *file = fopen("conf/pdmprimary.conf", "r");
    struct primary_config c;

    cr_assert_not_null(file, "tests run at the top of the tree");
    cr_assert(sodium_init() >= 0);
    cr_assert(primary_config_load("conf/pdmprimary.conf", &c, take_down, said), "%s", said);
    cr_assert_eq(c.peers, 0);
    primary_config_free(&c);

    text[0] = '\0';
    for (char line[256]; fgets(line, sizeof line, file) != NULL;)
        strcat(text, line[0] == '#' && line[1] != ' ' && line[1] != '\n' ? line + 1 : line);
    fclose(file);
    cr_assert(parse(text, &c, said), "%s", said);
    cr_assert_eq(c.members_count, 2);
    cr_assert_eq(c.peers, 4);
    for (size_t i = 0; i < c.peers; i++)
        cr_expect_eq(c.peer[i].lifetime_s, 86400);
    primary_config_free(&c);
}
