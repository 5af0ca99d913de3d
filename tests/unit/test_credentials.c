/* SPDX-License-Identifier: BSD-2-Clause */
/* What is shown and who is believed: files that are refused, and what is said of them. */
#include "keyagent/tls/credentials.h"
#include "tests/unit/pki_on_disk.h"

TestSuite(credentials, .init = pki_begin, .fini = keys_end);

#define DAY_S (24LL * 3600)

Test(credentials, load)
{
    pki_make("pki_ca . ca; pki_ca . other; pki_sub . ca sub; pki_leaf . ca a DNS:a 10; "
             "pki_leaf . sub b DNS:b; cat b.pem sub.pem >chain.pem; cat ca.pem other.pem >two.pem; "
             "pki_crl . ca; pki_crl . sub; cat ca.crl sub.crl >both.crl");
    const struct credentials_authority authorities[] = {{"own", "ca.pem", "both.crl"},
                                                        {"theirs", "two.pem", NULL},
                                                        {"theirs", "two.pem", "ca.crl"}};

    for (size_t n = 0; n <= 3; n++) {
        struct credentials *c = credentials_load("a.pem", "a.key", authorities, n);

        cr_assert_not_null(c, "%s", keys_said());
        long long left = credentials_left_s(c);
        cr_assert(left > 10 * DAY_S - 60 && left <= 10 * DAY_S, "%lld", left);
        cr_assert_eq(credentials_ref(c), c);
        credentials_unref(c);
        for (unsigned i = 0; i < n; i++)
            cr_assert_str_eq(credentials_authority_name(c, i), authorities[i].name);
        cr_assert_null(credentials_authority_name(c, (unsigned)n));
        credentials_unref(c);
    }
    struct credentials *c = credentials_load("chain.pem", "b.key", authorities, 1);
    cr_assert_not_null(c, "%s", keys_said());
    credentials_unref(c);
    cr_assert_str_eq(keys_said(), "");
}

Test(credentials, expired)
{
    pki_make("pki_ca . ca; pki_leaf . ca a DNS:a expired");
    struct credentials *c = pki_credentials("a", "ca", NULL);
    long long left = credentials_left_s(c);

    cr_assert(left < -DAY_S + 60 && left > -DAY_S - 60, "%lld", left);
    credentials_unref(c);
}

struct row {
    const char *certificate;
    const char *key;
    const char *ca;
    const char *crl;
    const char *said;
};

static const struct row rows[] = {
    {"none.pem", "a.key", "ca.pem", NULL, "certificate none.pem: No such file or directory"},
    {"empty", "a.key", "ca.pem", NULL,
     "certificate empty: not in PEM format, or of an unknown kind"},
    {"weak.pem", "weak.key", "ca.pem", NULL, "certificate weak.pem: ee key too small"},
    {"a.pem", "none.key", "ca.pem", NULL, "key none.key: No such file or directory"},
    {"a.pem", "empty", "ca.pem", NULL, "key empty: not in PEM format, or of an unknown kind"},
    {"a.pem", "open.key", "ca.pem", NULL,
     "key open.key: open to others (mode 0640); chmod 600 open.key"},
    {"a.pem", "locked.key", "ca.pem", NULL, "key locked.key: "},
    {"a.pem", "b.key", "ca.pem", NULL, "certificate a.pem: not of the key b.key"},
    {"a.pem", "a.key", "none.pem", NULL, "authority none.pem: No such file or directory"},
    {"a.pem", "a.key", "empty", NULL, "authority empty: there is none in it, in PEM format"},
    {"a.pem", "a.key", "b.pem", NULL,
     "authority b.pem: holds a certificate that is not of an authority"},
    {"a.pem", "a.key", "ca.crl", NULL, "authority ca.crl: there is none in it, in PEM format"},
    {"a.pem", "a.key", "damaged.pem", NULL, "authority damaged.pem: "},
    {"a.pem", "a.key", "ca.pem", "none.crl", "revocation list none.crl: No such file or directory"},
    {"a.pem", "a.key", "ca.pem", "ca.pem",
     "revocation list ca.pem: there is none in it, in PEM format"},
};

Test(credentials, refused)
{
    pki_make(
        "pki_ca . ca; pki_leaf . ca a DNS:a; pki_leaf . ca b DNS:b; pki_crl . ca; >empty; "
        "chmod 600 empty; cp a.key open.key; chmod 640 open.key; "
        "openssl pkey -in a.key -aes128 -passout pass:x -out locked.key; chmod 600 locked.key; "
        "sed s/MII/M/ ca.pem | sed 3d >damaged.pem; openssl req -x509 -newkey rsa:1024 -nodes "
        "-config ca.conf -subj /CN=weak -keyout weak.key -out weak.pem 2>/dev/null; "
        "chmod 600 weak.key");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        const struct credentials_authority one = {"own", row->ca, row->crl};
        char expected[256];

        cr_expect_null(credentials_load(row->certificate, row->key, &one, 1), "row %zu", i);
        snprintf(expected, sizeof expected, "pdmkeyagent: %s", row->said);
        const char *said = keys_said();
        cr_expect(strncmp(said, expected, strlen(expected)) == 0, "row %zu: %s", i, said);
        cr_expect(strchr(said, '\n') == said + strlen(said) - 1, "row %zu: one line: %s", i, said);
    }
}

/* It is loaded, so that a daemon starts; and told of. */
Test(credentials, list_out_of_date)
{
    pki_make("pki_ca . ca; pki_leaf . ca a DNS:a; pki_crl . ca expired");
    struct credentials *c = pki_credentials("a", "ca", "ca.crl");

    cr_assert_str_eq(keys_said(),
                     "pdmkeyagent: revocation list ca.crl: out of date, so its authority vouches "
                     "for nobody; fetch the next one\n");
    credentials_unref(c);
}
