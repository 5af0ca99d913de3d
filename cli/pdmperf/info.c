/* SPDX-License-Identifier: BSD-2-Clause */
/* What curl says of a transfer that has ended. */
#include "cli/pdmperf/info.h"

#include "core/limits.h"

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

void info_take(CURL *easy, struct result *r)
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
