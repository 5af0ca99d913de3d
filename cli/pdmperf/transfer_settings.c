/* SPDX-License-Identifier: BSD-2-Clause */
/* What all transfers of a run share, and what of it each curl handle is told. */
#include "cli/pdmperf/transfer_settings.h"

#include <err.h>

#include "core/limits.h"

enum { REDIRECTS_MAX = 50 }; /* curl's own */

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

/* Each call returns a CURLcode, which is 0 if it went well. */
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

bool transfer_settings_apply(const struct transfer_settings *settings, CURL *easy)
{
    return (set_request(easy, settings) | set_connection(easy, settings)) == 0;
}
