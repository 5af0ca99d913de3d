/* SPDX-License-Identifier: BSD-2-Clause */
/* A line for each reply, timeout and error, with commas (RFC 4180). Times are in nanoseconds. The
 * summary goes to standard error, as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/target.h"
#include "cli/pdmping/text.h"

static void begin(const struct ping_options *options)
{
    (void)options;
    fputs("time,type,host,address,seq,bytes,ttl,rtt,network,network_reason,server,server_reason,"
          "overlapped,duplicate,late,reordered,from,error\r\n",
          stdout);
}

/* Text that may have commas and quotes in it. */
static void put_text(const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void put_head(const char *type, const struct target *t, uint64_t seq)
{
    printf("%" PRId64 ",%s,", clock_realtime(), type);
    if (t)
        put_text(t->host);
    putchar(',');
    if (t)
        fputs(t->endpoint.text, stdout);
    putchar(',');
    if (seq)
        printf("%" PRIu64, seq);
}

static void put_figure(const struct figure *figure)
{
    if (figure->missing)
        printf(",,%s", figure->missing->token);
    else
        printf(",%" PRId64 ",", figure->ns);
}

static void reply(const struct target *t, const struct reply *r)
{
    put_head("reply", t, r->seq);
    printf(",%zu,", r->bytes);
    if (r->hops != REPLY_NO_HOPS)
        printf("%d", r->hops);
    printf(",%" PRId64, r->rtt);
    put_figure(&r->figures.network);
    put_figure(&r->figures.server);
    printf(",%d,%d,%d,%d,,\r\n", r->figures.server.overlapped, r->duplicate, r->late, r->reordered);
}

static void timeout(const struct target *t, const struct timeout *timeout)
{
    put_head("timeout", t, timeout->seq);
    fputs(",,,,,,,,,,,,,\r\n", stdout);
}

static void failure(const struct target *t, const struct failure *f)
{
    put_head("error", t, f->seq);
    fputs(",,,,,,,,,,,,", stdout);
    if (f->from)
        fputs(f->from, stdout);
    putchar(',');
    put_text(f->text);
    fputs("\r\n", stdout);
}

static void summary(const struct summary *s)
{
    text_summary(stderr, s);
}

static void total(const struct summary *s)
{
    text_total(stderr, s);
}

const struct report report_csv = {
    .begin = begin,
    .reply = reply,
    .timeout = timeout,
    .failure = failure,
    .interim = text_interim,
    .summary = summary,
    .total = total,
};
