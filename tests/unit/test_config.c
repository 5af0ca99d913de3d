/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration: what it says when all is well, and the very words when it is not. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "core/suite.h"

#define SAID_MAX 16384
#define METRICS_ALLOWED                                                                            \
    "must be a loopback address and a port, such as [::1]:9485, or a path of at most 107 octets"

static void take_down(void *arg, const char *line)
{
    char *said = arg;
    size_t used = strlen(said);

    snprintf(said + used, SAID_MAX - used, "%s%s", used == 0 ? "" : "\n", line);
}

static bool parse(const char *text, struct config *config, char said[static SAID_MAX])
{
    said[0] = '\0';
    return config_parse("/etc/pdmv2/t.conf", text, strlen(text), config, take_down, said);
}

static struct pdm_prefix prefix(const char *address, uint8_t len)
{
    uint8_t octets[PDM_ADDR_LEN];

    cr_assert_eq(inet_pton(AF_INET6, address, octets), 1);
    return pdm_prefix_of(octets, len);
}

static bool is_prefix(const struct pdm_prefix *found, const char *address, uint8_t len)
{
    struct pdm_prefix wanted = prefix(address, len);

    return pdm_prefix_equal(found, &wanted);
}

Test(config, where_metrics_are_served)
{
    static char said[SAID_MAX];
    struct config c;

    cr_assert(parse("[agent]\nmetrics = 127.0.0.2:1\n", &c, said), "%s", said);
    cr_assert(c.metrics.v4.sin_family == AF_INET && c.metrics.v4.sin_port == htons(1) &&
              c.metrics.v4.sin_addr.s_addr == htonl(0x7f000002));
    config_free(&c);
    cr_assert(parse("[agent]\nmetrics = ./m.sock\n", &c, said), "%s", said);
    cr_assert_eq(c.metrics.path.sun_family, AF_UNIX);
    cr_assert_str_eq(c.metrics.path.sun_path, "/etc/pdmv2/./m.sock");
    config_free(&c);
}

/* A path with its terminating zero just fits, or just does not. */
Test(config, the_longest_path_of_metrics)
{
    static char said[SAID_MAX];
    char text[256] = "[agent]\nmetrics = /";
    size_t begin = strlen(text) - 1;
    struct config c;

    memset(text + begin + 1, 'x', 106);
    cr_assert(parse(text, &c, said), "%s", said);
    cr_assert_str_eq(c.metrics.path.sun_path, text + begin);
    config_free(&c);
    strcat(text, "x");
    cr_assert(!parse(text, &c, said));
    cr_assert(strstr(said, METRICS_ALLOWED) != NULL, "%s", said);
}

Test(config, defaults)
{
    static char said[SAID_MAX];
    struct config c;

    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    cr_assert(parse("", &c, said), "%s", said);
    cr_assert_str_eq(c.socket, "/run/user/7/pdmv2/agent.sock");
    cr_assert_eq(c.settings.option_type, 0x0f);
    cr_assert_eq(c.settings.budget_us, 2000);
    cr_assert_eq(c.settings.share, 5);
    cr_assert_eq(c.settings.max_flows, 8192);
    cr_assert_eq(c.settings.flow_idle_s, 300);
    cr_assert_eq(c.max_slots, 16384);
    cr_assert_eq(c.max_ledger, 65536);
    cr_assert_eq(c.requests_per_client, 2000);
    cr_assert_eq(c.flows_per_client, 8192);
    cr_assert(c.metrics.any.sa_family == AF_UNSPEC && c.metrics_prefix == 64);
    cr_assert(c.flow_log == NULL && c.flow_log_size == 16 && c.flow_log_age_s == 86400 &&
              c.flow_log_files == 7);
    cr_assert_eq(c.associations, 0);
    config_free(&c);

    setenv("XDG_RUNTIME_DIR", "not/absolute", 1);
    cr_assert(parse("", &c, said));
    cr_assert_str_eq(c.socket, "/run/pdmv2/agent.sock");
    config_free(&c);
}

Test(config, all_keys)
{
    static char said[SAID_MAX];
    struct config c;

    cr_assert(parse("# comment\n"
                    "[agent]\n"
                    "socket = /tmp/a.sock\n"
                    "OPTION_TYPE = 0x1e ; experimental\n"
                    "request_budget_us=100000\n"
                    "share = 100\n"
                    "max_flows = 131072\n"
                    "max_slots = 1\n"
                    "max_ledger = 1\n"
                    "flow_idle = 24h\n"
                    "requests_per_client = 0\n"
                    "flows_per_client = 9\n"
                    "state = st\n"
                    "metrics = [::1]:9485\n"
                    "metrics_prefix = 48\n"
                    "flow_log = flows.log\n"
                    "flow_log_size = 1024\n"
                    "flow_log_age = 60s\n"
                    "flow_log_files = 1\n"
                    "\n"
                    "[Association  London.1]\r\n"
                    "  peer = 2001:db8:2::/48  # theirs\n"
                    "  local = fe80::1\n"
                    "  mode = psk\n"
                    "  key = \"keys/london key\"\n"
                    "  aead = chacha20-poly1305\n"
                    "  lifetime = 15m\n"
                    "  path = trust\n"
                    "  undecryptable = filter\n"
                    "[association all]\n"
                    "peer = ::/0\n"
                    "protect = rfc8250\n"
                    "path = probe\n"
                    "undecryptable = throttle\n"
                    "lifetime = 0\n",
                    &c, said),
              "%s", said);
    cr_assert_str_eq(c.socket, "/tmp/a.sock");
    cr_assert_str_eq(c.state, "/etc/pdmv2/st");
    cr_assert_eq(c.settings.option_type, 0x1e);
    cr_assert_eq(c.settings.budget_us, 100000);
    cr_assert_eq(c.settings.share, 100);
    cr_assert_eq(c.settings.max_flows, 131072);
    cr_assert_eq(c.settings.flow_idle_s, 86400);
    cr_assert_eq(c.max_slots, 1);
    cr_assert_eq(c.max_ledger, 1);
    cr_assert_eq(c.requests_per_client, 0);
    cr_assert_eq(c.flows_per_client, 9);
    cr_assert(c.metrics.v6.sin6_family == AF_INET6 && c.metrics.v6.sin6_port == htons(9485) &&
              IN6_IS_ADDR_LOOPBACK(&c.metrics.v6.sin6_addr));
    cr_assert_eq(c.metrics_prefix, 48);
    cr_assert_str_eq(c.flow_log, "/etc/pdmv2/flows.log");
    cr_assert(c.flow_log_size == 1024 && c.flow_log_age_s == 60 && c.flow_log_files == 1);
    cr_assert_eq(c.associations, 2);

    const struct config_association *a = &c.association[0];
    cr_assert_str_eq(a->name, "london.1");
    cr_assert(is_prefix(&a->peer, "2001:db8:2::", 48));
    cr_assert(is_prefix(&a->local, "fe80::1", 128));
    cr_assert_str_eq(a->key, "/etc/pdmv2/keys/london key");
    cr_assert_eq(a->aead, PDM_AEAD_CHACHA20POLY1305);
    cr_assert_eq(a->format, PDM_FORMAT_ENCRYPTED);
    cr_assert_eq(a->lifetime_s, 900);
    cr_assert_eq(a->path, CONFIG_PATH_TRUST);
    cr_assert_eq(a->undecryptable, CONFIG_UNDECRYPTABLE_FILTER);

    a = &c.association[1];
    cr_assert(is_prefix(&a->peer, "::", 0));
    cr_assert(is_prefix(&a->local, "::", 0));
    cr_assert_eq(a->aead, PDM_AEAD_AES256GCM);
    cr_assert_eq(a->format, PDM_FORMAT_RFC8250);
    cr_assert_eq(a->lifetime_s, 0);
    cr_assert_eq(a->path, CONFIG_PATH_PROBE);
    cr_assert_eq(a->undecryptable, CONFIG_UNDECRYPTABLE_THROTTLE);
    config_free(&c);
}

Test(config, defaults_of_an_association)
{
    static char said[SAID_MAX];
    struct config c;

    cr_assert(parse("[association a]\npeer = ::1\nkey = k\n", &c, said), "%s", said);
    cr_assert_eq(c.association[0].lifetime_s, 3600);
    cr_assert_eq(c.association[0].format, PDM_FORMAT_ENCRYPTED);
    cr_assert_eq(c.association[0].path, CONFIG_PATH_PROBE);
    cr_assert_eq(c.association[0].undecryptable, CONFIG_UNDECRYPTABLE_LOG);
    config_free(&c);
}

#define F "/etc/pdmv2/t.conf:"
#define ALLOWED_PREFIX "an IPv6 prefix such as 2001:db8::/32, or an address"
#define A "[association a]\n"
#define E A "mode = enrolled\ncertificate = c\ncertificate_key = k\nca = ca\n"
#define ENDPOINTS "up to 8 of HOST:PORT or [ADDRESS]:PORT, with commas between"

static const struct {
    const char *text;
    const char *said;
} bad[] = {
    {"x = 1\n", F "1: a key outside of a section; begin with [agent] or [association NAME]"},
    {"[agent\n", F "1: expected [agent] or [association NAME]"},
    {"[agent] # mine\n", F "1: expected [agent] or [association NAME]"},
    {"[agent]\nshare\n", F "2: expected key = value"},
    {"[agent]\n= 3\n", F "2: expected key = value"},
    {"[agent]\nshare = \\\n5\n",
     F "2: a line may not end in a backslash\n" F "3: expected key = value"},
    {"[agent]\nshare = 5\x01\x01 6\n", F "2: a control character; the file is to be plain text"},
    {"[agents]\n", F "1: [agents]: unknown section; allowed are [agent] and [association NAME]"},
    {"[associations]\n",
     F "1: [associations]: unknown section; allowed are [agent] and [association NAME]"},
    {"[agent]\nshares = 5\n",
     F "2: shares: unknown key in [agent]; allowed are: socket, option_type, request_budget_us, "
       "share, max_flows, max_slots, max_ledger, flow_idle, requests_per_client, "
       "flows_per_client, state, metrics, metrics_prefix, flow_log, flow_log_size, flow_log_age, "
       "flow_log_files"},
    {"[agent]\nglobal_pointer = /x\n",
     F "2: global_pointer: unknown key in [agent]; allowed are: socket, option_type, "
       "request_budget_us, share, max_flows, max_slots, max_ledger, flow_idle, "
       "requests_per_client, flows_per_client, state, metrics, metrics_prefix, flow_log, "
       "flow_log_size, flow_log_age, flow_log_files"},
    {A "peers = ::1\npeer = ::1\nkey = k\n",
     F "2: peers: unknown key in [association a]; allowed are: local, peer, mode, key, aead, "
       "protect, primary, primary_name, certificate, certificate_key, ca, crl, pairing_port, "
       "lifetime, path, undecryptable"},
    {A "path = trusted\n", F "2: path = trusted: must be probe or trust"},
    {A "undecryptable = drop\n", F "2: undecryptable = drop: must be log, throttle or filter"},
    {"[agent]\nshare = 5\n[agent]\n",
     F "3: [agent]: a section of that name already stands in line 1"},
    {"[agent]\nshare = 5\n\nSHARE = 6\n", F "4: share: is already set in line 2"},
    {A "peer = ::1\nkey = k\n[association A]\npeer = ::2\nkey = k\n",
     F "4: [association a]: a section of that name already stands in line 1"},
    {"[agent]\nshare = 101\n", F "2: share = 101: must be a percentage from 1 to 100"},
    {"[agent]\nshare = 0\n", F "2: share = 0: must be a percentage from 1 to 100"},
    {"[agent]\nshare = -5\n", F "2: share = -5: must be a percentage from 1 to 100"},
    {"[agent]\nshare = 5%\n", F "2: share = 5%: must be a percentage from 1 to 100"},
    {"[agent]\nshare =\n", F "2: share = : must be a percentage from 1 to 100"},
    {"[agent]\noption_type = 1\n",
     F "2: option_type = 1: must be a number from 2 to 255 (0x02 to 0xff)"},
    {"[agent]\noption_type = 0x100\n",
     F "2: option_type = 0x100: must be a number from 2 to 255 (0x02 to 0xff)"},
    {"[agent]\nrequest_budget_us = 100001\n",
     F "2: request_budget_us = 100001: must be a number from 1 to 100000"},
    {"[agent]\nmax_flows = 131073\n", F "2: max_flows = 131073: must be a number from 1 to 131072"},
    {"[agent]\nmax_slots = 0\n", F "2: max_slots = 0: must be a number from 1 to 131072"},
    {"[agent]\nmax_ledger = 0\n", F "2: max_ledger = 0: must be a number from 1 to 16777216"},
    {"[agent]\nmax_ledger = 99999999999999999999999\n",
     F "2: max_ledger = 99999999999999999999999: must be a number from 1 to 16777216"},
    {"[agent]\nflow_idle = 0\n",
     F "2: flow_idle = 0: must be a duration from 1s to 24h, such as 90s, 15m or 1h"},
    {"[agent]\nflow_idle = 300\n",
     F "2: flow_idle = 300: must be a duration from 1s to 24h, such as 90s, 15m or 1h"},
    {"[agent]\nrequests_per_client = many\n",
     F "2: requests_per_client = many: must be a number a second from 1 to 1000000, or 0 for no "
       "limit"},
    {"[agent]\nmetrics = [::]:9485\n", F "2: metrics = [::]:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = [2001:db8::1]:9485\n",
     F "2: metrics = [2001:db8::1]:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = 0.0.0.0:9485\n", F "2: metrics = 0.0.0.0:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = 128.0.0.1:9485\n", F "2: metrics = 128.0.0.1:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = [::ffff:127.0.0.1]:9485\n",
     F "2: metrics = [::ffff:127.0.0.1]:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = ::1:9485\n", F "2: metrics = ::1:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = [::1]\n", F "2: metrics = [::1]: " METRICS_ALLOWED},
    {"[agent]\nmetrics = [::1]:0\n", F "2: metrics = [::1]:0: " METRICS_ALLOWED},
    {"[agent]\nmetrics = [::1]x:9485\n", F "2: metrics = [::1]x:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = localhost:9485\n", F "2: metrics = localhost:9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics = 9485\n", F "2: metrics = 9485: " METRICS_ALLOWED},
    {"[agent]\nmetrics =\n", F "2: metrics = : " METRICS_ALLOWED},
    {"[agent]\nmetrics_prefix = 129\n",
     F "2: metrics_prefix = 129: must be a number from 0 to 128"},
    {"[agent]\nflow_log_size = 0\n",
     F "2: flow_log_size = 0: must be a number of MiB from 1 to 1024"},
    {"[agent]\nflow_log_age = 0\n", F "2: flow_log_age = 0: must be a duration from 60s to 8760h, "
                                      "such as 15m or 24h"},
    {"[agent]\nflow_log_files = 0\n", F "2: flow_log_files = 0: must be a number from 1 to 100"},
    {"[association]\npeer = ::1\nkey = k\n",
     F "1: [association]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in [association "
       "london]"},
    {"[association a b]\npeer = ::1\nkey = k\n",
     F "1: [association a b]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in "
       "[association london]"},
    {"[association a:b]\npeer = ::1\nkey = k\n",
     F "1: [association a:b]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in "
       "[association london]"},
    {A "key = k\n", F "1: [association a]: peer is missing; it must be " ALLOWED_PREFIX},
    {A "peer = ::1\n", F "1: [association a]: key is missing; make one with: pdmctl keygen FILE"},
    {A "key = k\npeer = 2001:db8::/129\n", F "3: peer = 2001:db8::/129: must be " ALLOWED_PREFIX},
    {A "key = k\npeer = 2001:db8::/\n", F "3: peer = 2001:db8::/: must be " ALLOWED_PREFIX},
    {A "key = k\npeer = 192.0.2.1\n", F "3: peer = 192.0.2.1: must be " ALLOWED_PREFIX},
    {A "key = k\npeer = fe80::1%eth0\n", F "3: peer = fe80::1%eth0: must be " ALLOWED_PREFIX},
    {A "key = k\npeer = example.com\n", F "3: peer = example.com: must be " ALLOWED_PREFIX},
    {A "key = k\npeer = 2001:db8::1/32\n",
     F "3: peer = 2001:db8::1/32: has bits set beyond its length; did you mean 2001:db8::/32?"},
    {A "key = k\npeer = ::1\nlocal = fe80::1/64\n",
     F "4: local = fe80::1/64: has bits set beyond its length; did you mean fe80::/64?"},
    {A "key = k\npeer = ff02::1\n",
     F "3: peer = ff02::1: multicast, IPv4-mapped and unspecified addresses take no part"},
    {A "key = k\npeer = ff00::/8\n",
     F "3: peer = ff00::/8: multicast, IPv4-mapped and unspecified addresses take no part"},
    {A "key = k\npeer = ::ffff:0:0/96\n",
     F "3: peer = ::ffff:0:0/96: multicast, IPv4-mapped and unspecified addresses take no part"},
    {A "key = k\npeer = ::\n",
     F "3: peer = ::: multicast, IPv4-mapped and unspecified addresses take no part"},
    {A "key = k\npeer = ::1\nmode = ibc\n", F "4: mode = ibc: must be psk or enrolled"},
    {A "key = k\npeer = ::1\naead = aes-128-gcm\n",
     F "4: aead = aes-128-gcm: must be aes-256-gcm or chacha20-poly1305"},
    {A "key = k\npeer = ::1\nprotect = none\n",
     F "4: protect = none: must be encrypted, plain or rfc8250"},
    {A "key = k\npeer = ::1\nlifetime = 60\n",
     F "4: lifetime = 60: must be a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no "
       "end"},
    {A "key = k\npeer = ::1\nlifetime = 8761h\n",
     F "4: lifetime = 8761h: must be a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no "
       "end"},
    {A "key =\npeer = ::1\n", F "2: key = : must be the path of a key file"},
    {A "peer = ::1\nkey = k\n[association b]\nkey = k\npeer = 0::1/128\nlocal = ::/0\n",
     F "4: [association b]: the same peer and local prefixes as [association a] in line 1; one of "
       "them must be longer or shorter"},
    {A "peer = ::1\nkey = k\nca = c\nprimary = p\n",
     F "4: ca: is not for mode = psk\n" F "5: primary: is not for mode = psk"},
    {A "peer = ::1\nlocal = ::1\nkey = k\naead = aes-256-gcm\nprotect = encrypted\n"
       "mode = enrolled\n",
     F "2: peer: is not for mode = enrolled\n" F "3: local: is not for mode = enrolled\n" F
       "4: key: is not for mode = enrolled\n" F "5: aead: is not for mode = enrolled\n" F
       "6: protect: is not for mode = enrolled"},
    {A "mode = enrolled\n",
     F "1: [association a]: primary is missing; where the organisation's primary is, as "
       "HOST:PORT\n" F "1: [association a]: certificate is missing; make a request for one with: "
       "pdmctl enroll\n" F "1: [association a]: certificate_key is missing; make one with: pdmctl "
       "enroll\n" F "1: [association a]: ca is missing; the certificates of those who vouch for "
       "the primary"},
    {E "primary = [2001:db8::1]\n",
     F "1: [association a]: primary_name is missing; it must be the DNS name in the primary's "
       "certificate"},
    {E "primary = \n", F "6: primary = : must be " ENDPOINTS},
    {E "primary = a,\n", F "6: primary = a,: must be " ENDPOINTS},
    {E "primary = a b\n", F "6: primary = a b: must be " ENDPOINTS},
    {E "primary = a:0\n", F "6: primary = a:0: must be " ENDPOINTS},
    {E "primary = a:65536\n", F "6: primary = a:65536: must be " ENDPOINTS},
    {E "primary = [::1]x:1\n", F "6: primary = [::1]x:1: must be " ENDPOINTS},
    {E "primary = [a]:1\n", F "6: primary = [a]:1: must be " ENDPOINTS},
    {E "primary = a,b,c,d,e,f,g,h,i\n", F "6: primary = a,b,c,d,e,f,g,h,i: must be " ENDPOINTS},
    {E "primary = a\nprimary_name = a/b\n",
     F "7: primary_name = a/b: must be a DNS name that stands in the primary's certificate"},
    {E "primary = a\npairing_port = 0\n",
     F "7: pairing_port = 0: must be a number from 1 to 65535"},
    {A "peer = x\nkey = k\nlifetime = y\n",
     F "2: peer = x: must be " ALLOWED_PREFIX "\n" F
       "4: lifetime = y: must be a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no end"},
};

Test(config, each_error_in_its_words)
{
    static char said[SAID_MAX];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct config c;

        cr_assert(!parse(bad[i].text, &c, said), "accepted: %s", bad[i].text);
        cr_expect_str_eq(said, bad[i].said, "for\n%s\nexpected\n%s\nbut it said\n%s", bad[i].text,
                         bad[i].said, said);
        cr_expect(c.socket == NULL && c.association == NULL, "not empty after an error");
    }
}

Test(config, enrolled)
{
    static char said[SAID_MAX];
    struct config c;

    cr_assert(parse("[association a]\n"
                    "mode = enrolled\n"
                    "primary = pdm.Example.com, pdm2.example.com:99 ,[2001:db8::1]:7,2001:db8::2,"
                    "[2001:db8::3],192.0.2.1\n"
                    "certificate = c.pem\n"
                    "certificate_key = /k.pem\n"
                    "ca = ca.pem\n"
                    "crl = crl.pem\n"
                    "lifetime = 0\n"
                    "path = trust\n"
                    "[association b]\n"
                    "ca = b\nmode = enrolled\ncertificate = b\ncertificate_key = b\n"
                    "primary = 2001:db8::9\nprimary_name = p.example.org\npairing_port = 9\n",
                    &c, said),
              "%s", said);
    static const char *const primaries[] = {"pdm.Example.com:8250", "pdm2.example.com:99",
                                            "[2001:db8::1]:7",      "[2001:db8::2]:8250",
                                            "[2001:db8::3]:8250",   "192.0.2.1:8250"};
    const struct config_association *a = &c.association[0];
    cr_assert_eq(a->mode, CONFIG_MODE_ENROLLED);
    cr_assert_eq(a->primaries, sizeof primaries / sizeof primaries[0]);
    for (size_t i = 0; i < a->primaries; i++)
        cr_expect_str_eq(a->primary[i], primaries[i]);
    cr_assert_str_eq(a->primary_name, "pdm.Example.com");
    cr_assert_str_eq(a->certificate, "/etc/pdmv2/c.pem");
    cr_assert_str_eq(a->certificate_key, "/k.pem");
    cr_assert_str_eq(a->ca, "/etc/pdmv2/ca.pem");
    cr_assert_str_eq(a->crl, "/etc/pdmv2/crl.pem");
    cr_assert_eq(a->pairing_port, 8250);
    cr_assert_eq(a->lifetime_s, 0);
    cr_assert_eq(a->path, CONFIG_PATH_TRUST);
    a = &c.association[1];
    cr_assert_null(a->crl);
    cr_assert_str_eq(a->primary[0], "[2001:db8::9]:8250");
    cr_assert_str_eq(a->primary_name, "p.example.org");
    cr_assert_eq(a->pairing_port, 9);
    config_free(&c);
}

Test(config, equal_peers_with_other_locals_are_no_tie)
{
    static char said[SAID_MAX];
    struct config c;

    cr_assert(parse(A "peer = ::1\nkey = k\n[association b]\npeer = ::1\nlocal = ::1\nkey = k\n",
                    &c, said),
              "%s", said);
    config_free(&c);
}

Test(config, long_socket_path)
{
    static char said[SAID_MAX];
    char text[256];
    struct config c;

    snprintf(text, sizeof text, "[agent]\nsocket = /%0106d\n", 0);
    cr_assert(parse(text, &c, said), "%s", said);
    config_free(&c);
    snprintf(text, sizeof text, "[agent]\nsocket = /%0107d\n", 0);
    cr_assert(!parse(text, &c, said));
    cr_assert(strstr(said, "must be a path of at most 107 octets") != NULL, "%s", said);
}

Test(config, long_lines_and_many_errors)
{
    static char said[SAID_MAX];
    static char text[8192];
    struct config c;
    size_t lines = 0;

    snprintf(text, sizeof text, "[agent]\nstate = %01000d\n", 0);
    cr_assert(!parse(text, &c, said));
    cr_assert_str_eq(said, F "2: a line of more than 1000 octets");

    for (size_t i = 0; i < 100; i++)
        strcat(text, "nonsense\n");
    cr_assert(!parse(text, &c, said));
    for (const char *at = said; at != NULL; at = strchr(at + 1, '\n'))
        lines++;
    cr_assert_eq(lines, CONFIG_COMPLAINTS_MAX + 1);
    cr_assert(strstr(said, "further complaints are not shown") != NULL);
}

Test(config, zeros_in_the_text)
{
    static char said[SAID_MAX];
    static const char text[] = "[agent]\nshare\0 = 5\n";
    struct config c;

    said[0] = '\0';
    cr_assert(!config_parse("t", text, sizeof text - 1, &c, take_down, said));
    cr_assert_str_eq(said, "t:2: a control character; the file is to be plain text");
}

Test(config, more_associations_than_allowed)
{
    static char said[SAID_MAX];
    size_t size = (size_t)64 * (PDM_POLICY_ENTRIES_MAX + 1);
    char *text = malloc(size);
    size_t used = 0;
    struct config c;

    cr_assert_not_null(text);
    for (int i = 0; i < PDM_POLICY_ENTRIES_MAX; i++)
        used += (size_t)snprintf(text + used, size - used,
                                 "[association n%d]\npeer = 2001:db8::%x\nkey = k\n", i, i);
    cr_assert(parse(text, &c, said), "%s", said);
    cr_assert_eq(c.associations, PDM_POLICY_ENTRIES_MAX);
    config_free(&c);
    snprintf(text + used, size - used, "[association n]\npeer = ::1\nkey = k\n");
    cr_assert(!parse(text, &c, said));
    cr_assert(strstr(said, ": [association n]: more than 4096 associations") != NULL, "%s", said);
    free(text);
}

Test(config, files)
{
    static char said[SAID_MAX];
    char path[] = "/tmp/test_config.XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct config c;

    cr_assert_not_null(file);
    cr_assert(!config_load("/nonexistent/t.conf", &c, take_down, said));
    cr_assert_str_eq(said, "/nonexistent/t.conf: cannot be read: No such file or directory");
    said[0] = '\0';
    cr_assert(!config_load("/tmp", &c, take_down, said));
    cr_assert_str_eq(said, "/tmp: cannot be read: Is a directory");

    fputs("[association x]\npeer = ::1\nkey = k\n", file);
    fflush(file);
    cr_assert(config_load(path, &c, take_down, said), "%s", said);
    cr_assert_str_eq(c.association[0].key, "/tmp/k");
    config_free(&c);

    for (size_t i = 0; i < CONFIG_FILE_MAX; i++)
        fputc('\n', file);
    fclose(file);
    said[0] = '\0';
    cr_assert(!config_load(path, &c, take_down, said));
    cr_assert(strstr(said, ": larger than 1 MiB") != NULL, "%s", said);
    remove(path);
}

/* As it is, and with all that it shows: "#key = value" and "#[section]", but not "# text". */
Test(config, the_sample_is_good)
{
    static char said[SAID_MAX];
    char text[SAID_MAX];
    FILE *file = fopen("conf/pdmv2.conf", "r");
    struct config c;

    cr_assert_not_null(file, "tests run at the top of the tree");
    cr_assert(config_load("conf/pdmv2.conf", &c, take_down, said), "%s", said);
    cr_assert_eq(c.associations, 0);
    config_free(&c);

    text[0] = '\0';
    for (char line[256]; fgets(line, sizeof line, file) != NULL;)
        strcat(text, line[0] == '#' && line[1] != ' ' && line[1] != '\n' ? line + 1 : line);
    fclose(file);
    cr_assert(parse(text, &c, said), "%s", said);
    cr_assert_eq(c.associations, 2);
    cr_assert_eq(c.association[0].mode, CONFIG_MODE_PSK);
    cr_assert_eq(c.association[1].mode, CONFIG_MODE_ENROLLED);
    cr_assert_eq(c.settings.flow_idle_s, 300);
    config_free(&c);
}
