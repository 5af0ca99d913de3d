/* SPDX-License-Identifier: BSD-2-Clause */
/* What all transfers of a run share. */
#ifndef CLI_PDMPERF_TRANSFER_SETTINGS_H
#define CLI_PDMPERF_TRANSFER_SETTINGS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "cli/pdmperf/options.h"
#include "cli/pdmperf/sockets.h"

struct transfer_settings {
    const struct web_options *options;
    struct curl_slist *headers;
    struct curl_slist *resolve;
    struct sockets sockets;
};

/* False, and a line on standard error, if something cannot be had. */
bool transfer_settings_make(struct transfer_settings *settings, const struct web_options *options);
/* False if this libcurl does not know one of them. */
bool transfer_settings_apply(const struct transfer_settings *settings, CURL *easy);
void transfer_settings_free(struct transfer_settings *settings);

#endif
