/* SPDX-License-Identifier: BSD-2-Clause */
/* What is served, octet for octet, in both formats; and which of the two. */
#include "keyagent/metrics/scrape.h"
#include "keyagent/metrics/text.h"
#include "tests/unit/flows_of_metrics.h"

#define MS PDM_NSEC_PER_MSEC
#define GOLDEN_MAX (256 * 1024)

static struct registry none;
static char directory_before[4096];

static void begin(void)
{
    cr_assert_not_null(getcwd(directory_before, sizeof directory_before));
    agent_begin("[agent]\nstate = state\nmax_slots = 2000\nmax_ledger = 64\nmetrics = "
                "[::1]:9485\n" LINK_ASSOCIATION
                "[association over]\npeer = 2001:db8:ffff::/48\nprotect = rfc8250\n");
    agent.started_realtime = 1795342816721312064;
    agent.leases = 3;
}

TestSuite(exposition, .init = begin, .fini = agent_over);

/* All of one gathering, terminated; the text stays until the next. */
static const char *gathered(enum exposition_format format)
{
    static char text[8 * GOLDEN_MAX];
    struct scrape s;

    cr_assert(scrape_begin(&s, &agent, &none, format));
    while (!scrape_step(&s))
        ;
    size_t len = evbuffer_get_length(s.exposition.out);
    cr_assert(len < sizeof text);
    cr_assert_eq((size_t)evbuffer_remove(s.exposition.out, text, len), len);
    text[len] = '\0';
    scrape_end(&s);
    return text;
}

/* The release and the host's settings are not the same everywhere. */
static void mask(char *text)
{
    static const char version[] = "version=\"", drops[] = "\npdm_host_drops_options ";
    char *at = strstr(text, version) + strlen(version);

    memmove(at, strchr(at, '"'), strlen(strchr(at, '"')) + 1);
    strstr(text, drops)[strlen(drops)] = '0';
}

/* NAME begins with a line that is not served. */
static void compare(const char *name, enum exposition_format format)
{
    static char wanted[GOLDEN_MAX], got[GOLDEN_MAX];
    char path[sizeof directory_before + 64];

    snprintf(path, sizeof path, "%s/tests/vectors/%s", directory_before, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s: tests run at the top of the tree", path);
    cr_assert_not_null(fgets(wanted, sizeof wanted, file));
    wanted[fread(wanted, 1, sizeof wanted - 1, file)] = '\0';
    fclose(file);
    snprintf(got, sizeof got, "%s", gathered(format));
    mask(got);
    if (strcmp(got, wanted) == 0)
        return;
    snprintf(path, sizeof path, "/tmp/%s.%d", name, (int)getpid());
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(got, file);
    fclose(file);
    cr_assert(false, "tests/vectors/%s differs from what was served, which is in %s", name, path);
}

static void measure(void)
{
    uint32_t a = flow_of(0, 1, 2), b = flow_of(1, 0xffff, 0);

    pdm_delay_add(&shared_of(a)->network, 50000);
    pdm_delay_add(&shared_of(a)->network, 1234567);
    pdm_delay_add(&shared_of(a)->server, 11 * PDM_NSEC_PER_SEC);
    pdm_delay_add(&shared_of(b)->total, 1 * PDM_NSEC_PER_SEC);
    for (unsigned i = 0; i < PDM_COUNTER_COUNT; i++)
        shared_of(a)->counter[i] = i + 1;
    agent.associations.item[1].ended = true;
}

Test(exposition, openmetrics)
{
    measure();
    compare("metrics.openmetrics", EXPOSITION_OPENMETRICS);
}

Test(exposition, text)
{
    measure();
    compare("metrics.txt", EXPOSITION_TEXT);
}

/* In parts; whole all the same. */
Test(exposition, many_flows_and_series)
{
    char wanted[256];

    for (uint16_t i = 0; i < 1500; i++)
        flow_of(0, 1, i);
    const char *text = gathered(EXPOSITION_OPENMETRICS);
    for (unsigned i = 0; i < AGENT_SERIES_PEERS; i++) {
        snprintf(wanted, sizeof wanted,
                 "\npdm_flows{association=\"link\",peer=\"2001:db8:1:%x::/64\"} 1\n", i);
        if (i > 0) /* 2001:db8:1:: is written shorter */
            cr_assert_not_null(strstr(text, wanted), "%s", wanted);
    }
    snprintf(wanted, sizeof wanted, "\npdm_flows{association=\"link\",peer=\"other\"} %d\n",
             1500 - AGENT_SERIES_PEERS);
    cr_assert_not_null(strstr(text, wanted));
    snprintf(wanted, sizeof wanted, "\npdm_folded_flows_total{association=\"link\"} %d\n",
             1500 - AGENT_SERIES_PEERS);
    cr_assert_not_null(strstr(text, wanted));
    cr_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
}

/* Two samples of the same labels are no OpenMetrics. */
Test(exposition, associations_of_one_name)
{
    static const char line[] =
        "\npdm_association_measuring{association=\"link\",protect=\"plain\"} ";
    struct associations *set = &agent.associations;
    size_t configured = set->configured;

    /* As if a primary had made them. */
    set->configured = 0;
    memcpy(set->item[1].name, set->item[0].name, sizeof set->item[1].name);
    set->item[1].format = set->item[0].format;
    set->item[0].ended = true;
    const char *first = strstr(gathered(EXPOSITION_OPENMETRICS), line);
    cr_assert_not_null(first);
    cr_assert_eq(first[strlen(line)], '1', "one of them measures");
    cr_assert_null(strstr(first + 1, line));
    set->item[1].ended = true;
    cr_assert_eq(strstr(gathered(EXPOSITION_OPENMETRICS), line)[strlen(line)], '0');
    set->configured = configured;
}

Test(exposition, the_format_that_is_asked_for)
{
    static const struct {
        const char *accept;
        enum exposition_format format;
    } cases[] = {
        {NULL, EXPOSITION_TEXT},
        {"", EXPOSITION_TEXT},
        {"*/*", EXPOSITION_TEXT},
        {"text/plain;version=0.0.4", EXPOSITION_TEXT},
        {"application/openmetrics-text", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EXPOSITION_OPENMETRICS},
        {"text/html, Application/OpenMetrics-Text", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;q=0", EXPOSITION_TEXT},
        {"application/openmetrics-text; q=0.000", EXPOSITION_TEXT},
        {"application/openmetrics-text; q=0.01", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-texts", EXPOSITION_TEXT},
        {"xapplication/openmetrics-text", EXPOSITION_TEXT},
        {";,;,,; application/", EXPOSITION_TEXT},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(exposition_choose(cases[i].accept), cases[i].format, "%s", cases[i].accept);
}

Test(exposition, values_as_text)
{
    char out[TEXT_MAX];
    char name[PDM_NAME_MAX] = "a\"b\\c\nd\xc3\xa9";

    cr_assert_str_eq(text_name(out, name), "a\\\"b\\\\c?d??");
    cr_assert_str_eq(text_bound(out, 50000), "5e-05");
    cr_assert_str_eq(text_bound(out, 250 * PDM_NSEC_PER_USEC), "0.00025");
    cr_assert_str_eq(text_bound(out, PDM_NSEC_PER_SEC), "1.0");
    cr_assert_str_eq(text_bound(out, 10 * PDM_NSEC_PER_SEC), "10.0");
    cr_assert_str_eq(text_seconds(out, 0), "0.000000000");
    cr_assert_str_eq(text_seconds(out, 12 * MS + 1), "0.012000001");
    cr_assert_str_eq(text_seconds(out, UINT64_MAX), "18446744073.709551615");
}
