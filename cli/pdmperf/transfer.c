/* SPDX-License-Identifier: BSD-2-Clause */
/* One request at a time, by a curl handle that is used again for the next. */
#include "cli/pdmperf/transfer.h"

#include <err.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/pdmperf/info.h"

static const char *output_name(const struct transfer *t)
{
    const struct web_words *outputs = &t->settings->options->outputs;

    return t->target < outputs->count ? outputs->at[t->target] : "";
}

/* Each answer takes the place of the one before. False, and a line, if the file cannot be had. */
static bool open_output(struct transfer *t)
{
    const char *name = output_name(t);

    if (name[0] == '\0' || t->output)
        return true;
    t->output = strcmp(name, "-") == 0 ? stdout : fopen(name, "wbe");
    if (t->output == NULL)
        warn("%s", name);
    return t->output != NULL;
}

/* An answer's octets: to the file, or nowhere. */
static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct transfer *t = context;

    if (!open_output(t))
        return 0;
    return t->output ? fwrite(data, size, count, t->output) : size * count;
}

/* A request is about to be sent, the first or one after a redirect, on this connection. */
static int on_request(void *context, char *remote_ip, char *local_ip, int remote_port,
                      int local_port)
{
    struct transfer *t = context;
    const struct socket_ends ends = {remote_ip, remote_port, local_port};

    (void)local_ip;
    sockets_begin(&t->settings->sockets, &ends, &t->exchange);
    t->asked = clock_monotonic();
    return CURL_PREREQFUNC_OK;
}

/* The answer begins with its headers. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *t = context;

    (void)line;
    if (t->asked != 0)
        t->first_byte += clock_monotonic() - t->asked;
    t->asked = 0;
    return size * count;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    return sockets_open(context, address->family, address->socktype, address->protocol);
}

static int on_close(void *context, curl_socket_t fd)
{
    return sockets_close(context, fd);
}

/* Each call returns a CURLcode, which is 0 if it went well. */
static bool set_callbacks(struct transfer *t)
{
    struct sockets *sockets = &t->settings->sockets;
    CURL *easy = t->easy;

    return ((unsigned)curl_easy_setopt(easy, CURLOPT_PRIVATE, t) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_PREREQDATA, t) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) |
            (unsigned)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets)) == 0;
}

bool transfer_make(struct transfer *t, struct transfer_settings *settings)
{
    *t = (struct transfer){.settings = settings, .target = SIZE_MAX, .easy = curl_easy_init()};
    if (t->easy && set_callbacks(t) && transfer_settings_apply(settings, t->easy))
        return true;
    warnx("libcurl cannot do this: is it older than 7.87?");
    return false;
}

/* An empty answer makes an empty file. What does not reach it is an error. */
static CURLcode close_output(struct transfer *t, CURLcode code)
{
    bool bad = code == CURLE_OK && !open_output(t);
    FILE *output = t->output;

    t->output = NULL;
    if (output == stdout)
        bad = fflush(stdout) != 0;
    else if (output)
        bad = fclose(output) != 0;
    return bad && code == CURLE_OK ? CURLE_WRITE_ERROR : code;
}

bool transfer_begin(struct transfer *t, CURLM *multi, size_t target, uint64_t seq, int64_t queued)
{
    if (target != t->target &&
        curl_easy_setopt(t->easy, CURLOPT_URL, t->settings->options->urls.at[target]) != 0) {
        warnx("out of memory");
        return false;
    }
    t->target = target;
    t->queued = queued;
    t->asked = 0;
    t->first_byte = 0;
    t->error[0] = '\0';
    exchange_start(&t->exchange);
    t->seq = seq;
    CURLMcode code = curl_multi_add_handle(multi, t->easy);

    if (code != CURLM_OK)
        warnx("cannot begin a request: %s", curl_multi_strerror(code));
    return code == CURLM_OK;
}

void transfer_end(struct transfer *t, CURLM *multi, CURLcode code, struct result *result)
{
    struct exchange *e = &t->exchange;

    sockets_end(&t->settings->sockets, e);
    (void)curl_multi_remove_handle(multi, t->easy);
    /* A body goes in sends of its own, whose time is the network's and would count as the server's.
     */
    if (t->settings->options->data == NULL)
        exchange_settle(e, t->first_byte);
    code = close_output(t, code);
    *result = (struct result){
        .target = (int64_t)t->target,
        .seq = t->seq,
        .code = code,
        .url = t->settings->options->urls.at[t->target],
        .output = output_name(t),
        .error = t->error,
        .queued = t->queued,
        .first_byte = t->first_byte,
    };
    if (code == CURLE_OK)
        t->error[0] = '\0';
    else if (t->error[0] == '\0')
        result->error = curl_easy_strerror(code);
    info_take(t->easy, result);
    /* An address of IPv4, or one mapped into IPv6, has a point. */
    if (strchr(result->remote_ip, '.'))
        exchange_without(e, &exchange_ipv4);
    result->figures = e->figures;
    result->exchange = e->total;
    result->options_sent = (int64_t)e->sent;
    result->options_received = (int64_t)e->received;
    t->seq = 0;
}

void transfer_free(struct transfer *t, CURLM *multi)
{
    if (t->easy == NULL)
        return;
    if (t->seq != 0) {
        (void)curl_multi_remove_handle(multi, t->easy);
        (void)close_output(t, CURLE_ABORTED_BY_CALLBACK);
    }
    curl_easy_cleanup(t->easy);
}
