/* SPDX-License-Identifier: BSD-2-Clause */
/* start: who measures what, and how. */
#include "cli/pdmperf/net/json_parts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

static void put_connected(struct json *j, const struct net_run *run)
{
    json_array(j, "connected");
    for (unsigned i = 0; i < run->test.count; i++) {
        const struct stream *s = &run->test.streams[i];
        struct net_ends ends = net_ends_of(s->fd);

        if (s->probe || s->fd < 0)
            continue;
        json_item(j);
        json_signed(j, "socket", s->fd);
        json_string(j, "local_host", ends.local);
        json_unsigned(j, "local_port", ends.local_port);
        json_string(j, "remote_host", ends.remote);
        json_unsigned(j, "remote_port", ends.remote_port);
        json_end(j);
    }
    json_array_end(j);
}

static void put_time(struct json *j, int64_t realtime)
{
    char text[64];
    const time_t now = realtime / PDM_NSEC_PER_SEC;
    struct tm tm;

    json_object(j, "timestamp");
    if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
        json_string(j, "time", text);
    json_signed(j, "timesecs", now);
    json_end(j);
}

static void put_system(struct json *j)
{
    struct utsname name;
    char text[sizeof(name) + 8];

    json_string(j, "version", "pdmperf " PDM_RELEASE);
    if (uname(&name) != 0)
        return;
    (void)snprintf(text, sizeof(text), "%s %s %s %s %s", name.sysname, name.nodename, name.release,
                   name.version, name.machine);
    json_string(j, "system_info", text);
}

static void put_option(struct json *j, const char *key, int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof(value);

    if (getsockopt(fd, level, option, &value, &len) == 0)
        json_signed(j, key, value);
}

static void put_cookie(struct json *j, const struct net_run *run)
{
    char text[2 * NET_COOKIE_LEN + 1];

    for (size_t i = 0; i < NET_COOKIE_LEN; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", run->cookie[i]);
    json_string(j, "cookie", text);
}

static void put_test(struct json *j, const struct pdm_net_test *t)
{
    json_object(j, "test_start");
    json_string(j, "protocol", t->udp ? "UDP" : "TCP");
    json_unsigned(j, "num_streams", t->streams);
    json_unsigned(j, "blksize", t->kind == NET_BULK ? t->block : t->request);
    json_decimal(j, "omit", net_json_seconds((int64_t)t->omit));
    json_decimal(j, "duration", net_json_seconds((int64_t)t->duration));
    json_unsigned(j, "bytes", t->kind == NET_BULK ? t->amount * t->streams : 0);
    json_unsigned(j, "reverse", t->direction == NET_REVERSE);
    json_unsigned(j, "bidir", t->direction == NET_BOTH);
    json_unsigned(j, "target_bitrate", t->rate);
    json_end(j);
}

void net_json_start(struct json *j, const struct net_run *run)
{
    const struct stream *first = run->test.streams;

    put_connected(j, run);
    put_system(j);
    if (!run->started)
        return;
    put_time(j, run->realtime);
    if (run->test.client) {
        json_object(j, "connecting_to");
        json_string(j, "host", run->options->host);
        json_unsigned(j, "port", run->options->port);
        json_end(j);
    }
    put_cookie(j, run);
    if (!first->udp)
        put_option(j, "tcp_mss_default", first->fd, IPPROTO_TCP, TCP_MAXSEG);
    json_unsigned(j, "target_bitrate", run->test.what.rate);
    put_option(j, "sndbuf_actual", first->fd, SOL_SOCKET, SO_SNDBUF);
    put_option(j, "rcvbuf_actual", first->fd, SOL_SOCKET, SO_RCVBUF);
    put_test(j, &run->test.what);
}
