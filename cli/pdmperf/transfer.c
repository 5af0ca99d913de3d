/* SPDX-License-Identifier: BSD-2-Clause */
/* One request at a time, by a curl handle that is used again for the next. */
#include "cli/pdmperf/transfer.h"

#include <err.h>
#include <string.h>

#include "cli/clock.h"
#include "core/limits.h"

enum { REDIRECTS_MAX = 50 }; /* curl's own */

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

static bool append_words(struct curl_slist **list, const struct web_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        struct curl_slist *longer = curl_slist_append(*list, words->at[i]);

        if (longer == NULL) {
            warnx("out of memory");
            return false;
        }
        *list = longer;
    }
    return true;
}

bool transfer_settings_make(struct transfer_settings *settings, const struct web_options *options)
{
    *settings = (struct transfer_settings){.options = options};
    return append_words(&settings->headers, &options->headers) &&
           append_words(&settings->resolve, &options->resolve);
}

void transfer_settings_free(struct transfer_settings *settings)
{
    curl_slist_free_all(settings->headers);
    curl_slist_free_all(settings->resolve);
    sockets_free(&settings->sockets);
}

/* Which each return a CURLcode of 0 if all went well. */
static unsigned set_callbacks(struct transfer *t)
{
    struct sockets *sockets = &t->settings->sockets;
    CURL *easy = t->easy;

    return (unsigned)curl_easy_setopt(easy, CURLOPT_PRIVATE, t) |
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
           (unsigned)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static unsigned set_request(CURL *easy, const struct transfer_settings *settings)
{
    const struct web_options *o = settings->options;
    unsigned failed = 0;

    if (o->data) {
        failed |= (unsigned)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, o->data);
        failed |=
            (unsigned)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->data_len);
    }
    if (o->method)
        failed |= (unsigned)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, o->method);
    return failed | (unsigned)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, settings->headers) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_USERAGENT, "pdmperf/" PDM_RELEASE) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_FAILONERROR, (long)o->fail) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, (long)o->location) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") |
           (unsigned)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
}

static unsigned set_connection(CURL *easy, const struct transfer_settings *settings)
{
    static const long versions[] = {
        [WEB_HTTP_ANY] = CURL_HTTP_VERSION_2TLS,
        [WEB_HTTP_1_1] = CURL_HTTP_VERSION_1_1,
        [WEB_HTTP_2] = CURL_HTTP_VERSION_2,
    };
    const struct web_options *o = settings->options;
    long family = CURL_IPRESOLVE_WHATEVER;
    unsigned failed = 0;

    if (o->family == AF_INET)
        family = CURL_IPRESOLVE_V4;
    else if (o->family == AF_INET6)
        family = CURL_IPRESOLVE_V6;
    if (o->ca_file)
        failed |= (unsigned)curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
    /* Quick: a run that is ended does not wait for a name server that does not answer. */
    return failed | (unsigned)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, versions[o->http]) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_IPRESOLVE, family) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_RESOLVE, settings->resolve) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                                      (long)(o->timeout / PDM_NSEC_PER_MSEC)) |
           (unsigned)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                                      (long)(o->connect_timeout / PDM_NSEC_PER_MSEC));
}

bool transfer_make(struct transfer *t, struct transfer_settings *settings)
{
    *t = (struct transfer){.settings = settings, .target = SIZE_MAX, .easy = curl_easy_init()};
    if (t->easy && (set_callbacks(t) | set_request(t->easy, settings) |
                    set_connection(t->easy, settings)) == 0)
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
    return curl_multi_add_handle(multi, t->easy) == CURLM_OK;
}

static int64_t number(CURL *easy, CURLINFO info)
{
    long value = 0;

    (void)curl_easy_getinfo(easy, info, &value);
    return value;
}

static int64_t large(CURL *easy, CURLINFO info)
{
    curl_off_t value = 0;

    (void)curl_easy_getinfo(easy, info, &value);
    return value;
}

static const char *text(CURL *easy, CURLINFO info)
{
    const char *value = NULL;

    (void)curl_easy_getinfo(easy, info, &value);
    return value ? value : "";
}

static int64_t moment(CURL *easy, CURLINFO info)
{
    return large(easy, info) * PDM_NSEC_PER_USEC;
}

static const char *version_of(CURL *easy)
{
    switch (number(easy, CURLINFO_HTTP_VERSION)) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_1_1:
        return "1.1";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    default:
        return "0";
    }
}

static struct result_times times_of(CURL *easy)
{
    return (struct result_times){
        .namelookup = moment(easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connect = moment(easy, CURLINFO_CONNECT_TIME_T),
        .appconnect = moment(easy, CURLINFO_APPCONNECT_TIME_T),
        .pretransfer = moment(easy, CURLINFO_PRETRANSFER_TIME_T),
        .redirect = moment(easy, CURLINFO_REDIRECT_TIME_T),
        .starttransfer = moment(easy, CURLINFO_STARTTRANSFER_TIME_T),
        .total = moment(easy, CURLINFO_TOTAL_TIME_T),
    };
}

static void take_info(CURL *easy, struct result *r)
{
    r->effective_url = text(easy, CURLINFO_EFFECTIVE_URL);
    r->redirect_url = text(easy, CURLINFO_REDIRECT_URL);
    r->referer = text(easy, CURLINFO_REFERER);
    r->content_type = text(easy, CURLINFO_CONTENT_TYPE);
    r->method = text(easy, CURLINFO_EFFECTIVE_METHOD);
    r->scheme = text(easy, CURLINFO_SCHEME);
    r->http_version = version_of(easy);
    r->remote_ip = text(easy, CURLINFO_PRIMARY_IP);
    r->local_ip = text(easy, CURLINFO_LOCAL_IP);
    r->remote_port = number(easy, CURLINFO_PRIMARY_PORT);
    r->local_port = number(easy, CURLINFO_LOCAL_PORT);
    r->http_code = number(easy, CURLINFO_RESPONSE_CODE);
    r->connects = number(easy, CURLINFO_NUM_CONNECTS);
    r->redirects = number(easy, CURLINFO_REDIRECT_COUNT);
    r->ssl_verify_result = number(easy, CURLINFO_SSL_VERIFYRESULT);
    r->download = large(easy, CURLINFO_SIZE_DOWNLOAD_T);
    r->upload = large(easy, CURLINFO_SIZE_UPLOAD_T);
    r->header_size = number(easy, CURLINFO_HEADER_SIZE);
    r->request_size = number(easy, CURLINFO_REQUEST_SIZE);
    r->speed_download = large(easy, CURLINFO_SPEED_DOWNLOAD_T);
    r->speed_upload = large(easy, CURLINFO_SPEED_UPLOAD_T);
    r->times = times_of(easy);
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
    take_info(t->easy, result);
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
