/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of flows: its lines, how files give way to each other, and what cannot be written. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/flows_of_metrics.h"

#define NOW 1000000

static struct log_file file;

static void begin(void)
{
    keys_begin();
    file = (struct log_file){.fd = -1};
}

static void end(void)
{
    log_file_close(&file);
    keys_end();
}

TestSuite(log_file, .init = begin, .fini = end);

static const char *content(const char *name)
{
    static char text[8192];
    FILE *f = fopen(name, "r");

    if (f == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static bool put(const char *line, int64_t now)
{
    return log_file_write(&file, line, strlen(line), now);
}

Test(log_file, gives_way_by_size)
{
    cr_assert(log_file_set(&file, "f", 8, 3600, 2));
    for (int i = 1; i <= 5; i++) {
        char line[32];

        snprintf(line, sizeof line, "%d-----\n", i);
        cr_assert(put(line, NOW));
    }
    cr_assert_str_eq(content("f"), "5-----\n");
    cr_assert_str_eq(content("f.1"), "4-----\n");
    cr_assert_str_eq(content("f.2"), "3-----\n");
    cr_assert_null(content("f.3"));
}

/* What is larger than a file may be still goes into one. */
Test(log_file, one_line_too_large)
{
    cr_assert(log_file_set(&file, "f", 2, 3600, 1));
    cr_assert(put("first\n", NOW) && put("second\n", NOW));
    cr_assert_str_eq(content("f"), "second\n");
    cr_assert_str_eq(content("f.1"), "first\n");
}

Test(log_file, gives_way_by_age)
{
    cr_assert(log_file_set(&file, "f", 1000, 60, 1));
    cr_assert(put("a\n", NOW) && put("b\n", NOW + 59));
    cr_assert_str_eq(content("f"), "a\nb\n");
    cr_assert(put("c\n", NOW + 60) && put("d\n", NOW + 119));
    cr_assert_str_eq(content("f"), "c\nd\n");
    cr_assert_str_eq(content("f.1"), "a\nb\n");
}

Test(log_file, the_clock_is_set_back)
{
    cr_assert(log_file_set(&file, "f", 1000, 60, 1));
    cr_assert(put("a\n", NOW + 1000000) && put("b\n", NOW) && put("c\n", NOW + 59));
    cr_assert_str_eq(content("f"), "a\nb\nc\n");
    cr_assert(put("d\n", NOW + 60));
    cr_assert_str_eq(content("f"), "d\n");
    cr_assert_str_eq(content("f.1"), "a\nb\nc\n");
}

/* As logrotate's copytruncate does. */
Test(log_file, truncated_by_somebody)
{
    cr_assert(log_file_set(&file, "f", 8, 3600, 1));
    cr_assert(put("old---\n", NOW));
    cr_assert_eq(truncate("f", 0), 0);
    cr_assert(put("new\n", NOW));
    cr_assert_str_eq(content("f"), "new\n");
    cr_assert_null(content("f.1"), "there was room");
}

/* One that was there is as old as it is, and as large. */
Test(log_file, goes_on_with_what_is_there)
{
    keys_write("f", "old\n", 0600);
    cr_assert(log_file_set(&file, "f", 8, 3600, 1));
    int64_t now = time(NULL);

    cr_assert(put("new\n", now));
    cr_assert_str_eq(content("f"), "old\nnew\n");
    cr_assert(log_file_set(&file, "f", 8, 3600, 1));
    cr_assert(put("more\n", now));
    cr_assert_str_eq(content("f"), "more\n");
    cr_assert(log_file_set(&file, "f", 1000, 3600, 1));
    cr_assert(put("later\n", now + 7200));
    cr_assert_str_eq(content("f"), "later\n");
    cr_assert_str_eq(content("f.1"), "more\n");
}

Test(log_file, keeps_fewer_from_now_on)
{
    keys_write("f.1", "1", 0600);
    keys_write("f.2", "2", 0600);
    keys_write("f.9", "9", 0600);
    cr_assert(log_file_set(&file, "f", 8, 3600, 1));
    cr_assert(content("f.1") != NULL && content("f.2") == NULL && content("f.9") == NULL);
}

Test(log_file, mode_and_kinds_of_files)
{
    struct stat st;

    umask(0);
    cr_assert(log_file_set(&file, "f", 1000, 3600, 1) && put("a\n", NOW));
    cr_assert(stat("f", &st) == 0 && (st.st_mode & 07777) == 0640);
    cr_assert(log_file_set(&file, "/dev/null", 1000, 3600, 1));
    cr_assert(!put("a\n", NOW) && errno == EEXIST);
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    cr_assert(log_file_set(&file, "pipe", 1000, 3600, 1));
    cr_assert(!put("a\n", NOW), "nobody reads it");
    cr_assert_eq(symlink("f", "link"), 0);
    cr_assert(log_file_set(&file, "link", 1000, 3600, 1));
    cr_assert(!put("a\n", NOW) && errno == ELOOP);
    cr_assert(log_file_set(&file, "nowhere/f", 1000, 3600, 1));
    cr_assert(!put("a\n", NOW) && errno == ENOENT);
    cr_assert_str_eq(content("f"), "a\n");
}

/* As with a disk that is full: what was begun of a line is taken back. */
static void limit(rlim_t size)
{
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, RLIM_INFINITY}), 0);
}

Test(log_file, no_half_lines)
{
    cr_assert(log_file_set(&file, "f", 1000, 3600, 1));
    cr_assert(put("first\n", NOW));
    limit(8);
    cr_assert(!put("second\n", NOW) && errno == EFBIG);
    cr_assert_str_eq(content("f"), "first\n");
    limit(RLIM_INFINITY);
    cr_assert(put("third\n", NOW));
    cr_assert_str_eq(content("f"), "first\nthird\n");
}

/* The log itself. */

#define WITH_LOG "[agent]\nstate = state\nflow_log = flows\n"

static void begin_agent(void)
{
    agent_begin(WITH_LOG LINK_ASSOCIATION);
}

TestSuite(flow_log, .init = begin_agent, .fini = agent_over);

/* Times, which are never the same, become 0. */
static const char *masked(const char *name)
{
    static char text[8192];
    static const char *const keys[] = {"\"opened\":", "\"active\":", "\"closed\":"};

    cr_assert_not_null(content(name));
    snprintf(text, sizeof text, "%s", content(name));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        for (char *at = text; (at = strstr(at, keys[i])) != NULL;) {
            at += strlen(keys[i]);
            size_t digits = strspn(at, "0123456789");

            cr_assert(digits == 19, "nanoseconds since 1970: %s", at);
            *at = '0';
            memmove(at + 1, at + digits, strlen(at + digits) + 1);
        }
    return text;
}

#define COUNTERS_0                                                                                 \
    "\"options_sent\":0,\"options_received\":0,\"lost\":0,\"reordered\":0,\"duplicates\":0,"       \
    "\"outside_window\":0,\"auth_failures\":0,\"malformed\":0,\"bad_version\":0,\"repeated\":0,"   \
    "\"wrong_format\":0,\"overlapped\":0,\"negative\":0,\"imprecise\":0,\"unstamped\":0,"          \
    "\"withdrawn\":0}\n"

Test(flow_log, lines)
{
    uint32_t a = flow_of(0, 1, 2), b = flow_of(99, 1, 2);

    pdm_delay_add(&shared_of(a)->network, 50);
    pdm_delay_add(&shared_of(a)->network, 30);
    pdm_count(&shared_of(a)->counter[PDM_COUNTER_sends], 7);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    agent_end_flow(&agent, b, FLOW_PROCESS_GONE);
    cr_assert_null(content("flows"), "it is written once a second");
    agent_tick(&agent);
    cr_assert_str_eq(
        masked("flows"),
        "{\"schema\":\"pdmv2-flow/1\",\"opened\":0,\"active\":0,\"closed\":0,\"end\":\"closed\","
        "\"association\":\"link\",\"protect\":\"plain\",\"protocol\":17,"
        "\"local\":\"2001:db8::9\",\"local_port\":40000,"
        "\"peer\":\"2001:db8:1:2::1\",\"peer_port\":53,\"pid\":77,"
        "\"network_delay\":{\"samples\":2,\"min\":30,\"max\":50,\"sum\":80,\"last\":30},"
        "\"server_delay\":null,\"total_delay\":null,\"sends\":7," COUNTERS_0
        "{\"schema\":\"pdmv2-flow/1\",\"opened\":0,\"active\":0,\"closed\":0,"
        "\"end\":\"process_gone\",\"association\":null,\"protect\":\"plain\",\"protocol\":17,"
        "\"local\":\"2001:db8::9\",\"local_port\":40000,"
        "\"peer\":\"2001:db8:1:2::1\",\"peer_port\":53,\"pid\":77,"
        "\"network_delay\":null,\"server_delay\":null,\"total_delay\":null,\"sends\":"
        "0," COUNTERS_0);
    cr_assert(agent.flow_log.written == 2 && agent.flow_log.lost == 0);
}

static size_t lines_in(const char *name)
{
    const char *text = content(name);
    size_t lines = 0;

    for (; text != NULL && *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* A flow that goes on in another slot is no end; one that nobody got is none either. */
Test(flow_log, only_what_ends)
{
    uint32_t a = flow_of(0, 1, 1), b = flow_of(0, 1, 1), c = flow_of(0, 1, 1);

    agent_carry_flow(&agent, a, b);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    agent_drop_flow(&agent, c);
    agent_tick(&agent);
    cr_assert_eq(lines_in("flows"), 0);
    agent_end_all(&agent);
    flow_log_flush(&agent.flow_log);
    cr_assert_eq(lines_in("flows"), 1);
    cr_assert_not_null(strstr(content("flows"), "\"end\":\"agent_ends\""));
}

/* From slot to slot, of which those in the middle may be given back before those behind them. */
Test(flow_log, one_line_for_a_flow_that_moves_often)
{
    uint32_t a = flow_of(0, 1, 1), b = flow_of(0, 1, 1);

    agent_carry_flow(&agent, a, b);
    uint32_t c = flow_of(0, 1, 1);
    agent_carry_flow(&agent, b, c);
    agent_end_flow(&agent, b, FLOW_CLOSED);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    agent_end_flow(&agent, c, FLOW_CLOSED);
    flow_log_flush(&agent.flow_log);
    cr_assert_eq(lines_in("flows"), 1);
}

/* One that did not arrive where it was to go has its line where it stayed. */
Test(flow_log, a_move_that_fails)
{
    uint32_t a = flow_of(0, 1, 1), b = flow_of(0, 1, 1);

    agent_carry_flow(&agent, a, b);
    agent_drop_flow(&agent, b);
    agent_end_flow(&agent, a, FLOW_CLOSED);
    flow_log_flush(&agent.flow_log);
    cr_assert_eq(lines_in("flows"), 1);
}

/* The largest figures that there are, of which there are many, still make lines. */
Test(flow_log, the_longest_line)
{
    uint32_t a = flow_of(0, 0xffff, 0xffff);

    memset(agent.slots.record[a].info.tuple.saddr, 0xee, PDM_ADDR_LEN);
    memset(agent.slots.record[a].info.tuple.daddr, 0xee, PDM_ADDR_LEN);
    memset(agent.associations.item[0].name, '"', PDM_NAME_MAX - 1);
    memset(shared_of(a)->counter, 0xff, sizeof shared_of(a)->counter);
    struct pdm_delay *const delays[] = {&shared_of(a)->network, &shared_of(a)->server,
                                        &shared_of(a)->total};
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        delays[i]->samples = UINT64_MAX;
        delays[i]->min = delays[i]->max = delays[i]->sum = delays[i]->last = INT64_MIN;
    }
    agent_end_flow(&agent, a, FLOW_PROCESS_GONE);
    agent_tick(&agent);
    cr_assert_eq(lines_in("flows"), 1);
    cr_assert_eq(agent.flow_log.lost, 0);
}

Test(flow_log, a_full_disk)
{
    (void)keys_said();
    limit(0);
    for (int i = 0; i < 200; i++)
        agent_end_flow(&agent, flow_of(0, 1, 1), FLOW_CLOSED);
    agent_tick(&agent);
    limit(RLIM_INFINITY); /* the test's own log is a file, too */
    cr_assert_eq(agent.flow_log.lost, 200);
    agent_end_flow(&agent, flow_of(0, 1, 1), FLOW_CLOSED);
    agent_tick(&agent);
    cr_assert_eq(lines_in("flows"), 1);
    cr_assert(agent.flow_log.written == 1 && agent.flow_log.lost == 200);
    cr_assert(agent.flow_log.failing);
    agent.flow_log.failed_at -= FLOW_LOG_CALM_NS;
    agent_end_flow(&agent, flow_of(0, 1, 1), FLOW_CLOSED);
    agent_tick(&agent);
    cr_assert_not(agent.flow_log.failing);
    const char *said = keys_said();
    cr_assert_not_null(strstr(said, "flows: can be written to again; 200 lines were lost"), "%s",
                       said);
}

Test(flow_log, says_once_that_it_cannot_be_written)
{
    reload("[agent]\nstate = state\nflow_log = nowhere/flows\n" LINK_ASSOCIATION);
    (void)keys_said();
    for (int i = 0; i < 3; i++) {
        agent_end_flow(&agent, flow_of(0, 1, 1), FLOW_CLOSED);
        agent_tick(&agent);
    }
    char wanted[256];
    snprintf(wanted, sizeof wanted,
             "pdmkeyagent: flow_log %s/nowhere/flows: No such file or directory; lines are lost "
             "until it can be written to\n",
             keys_directory);
    cr_assert_str_eq(keys_said(), wanted);
    cr_assert_eq(agent.flow_log.lost, 3);
}
