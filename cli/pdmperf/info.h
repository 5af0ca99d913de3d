/* SPDX-License-Identifier: BSD-2-Clause */
/* What curl says of a transfer that has ended (curl_easy_getinfo(3)). */
#ifndef CLI_PDMPERF_INFO_H
#define CLI_PDMPERF_INFO_H

#include <curl/curl.h>

#include "cli/pdmperf/result.h"

/* Fills in of R what is curl's to say; what is text belongs to EASY. */
void info_take(CURL *easy, struct result *r);

#endif
