/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture file, pcap or pcapng, read packet by packet by libpcap. */
#include "cli/pdmctl/decode/capture.h"

#include <err.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <string.h>

#include "core/limits.h"

#define CAPTURE_SECONDS_MAX UINT32_MAX /* since 1970: what a pcap file can hold */

static volatile sig_atomic_t stopped;

bool capture_open(struct capture *c, const char *path)
{
    char error[PCAP_ERRBUF_SIZE] = "";

    *c = (struct capture){.name = strcmp(path, "-") == 0 ? "standard input" : path};
    pcap_t *handle =
        pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);

    if (handle == NULL) {
        /* It names the file itself where it could not be opened. */
        if (strncmp(error, path, strlen(path)) == 0)
            warnx("%s", error);
        else
            warnx("%s: %s", c->name, error);
        return false;
    }
    int type = pcap_datalink(handle);

    c->handle = handle;
    c->strip = link_for(type);
    if (fstat(fileno(pcap_file(handle)), &c->file) != 0) {
        warn("%s", c->name);
        capture_close(c);
        return false;
    }
    if (c->strip == NULL) {
        const char *what = pcap_datalink_val_to_description(type);

        warnx("%s: link type %d (%s) is not supported: only %s are", c->name, type,
              what != NULL ? what : "unknown", link_known);
        capture_close(c);
        return false;
    }
    return true;
}

void capture_close(struct capture *c)
{
    pcap_t *handle = c->handle;

    c->handle = NULL; /* first: a signal may call capture_stop() in the meantime */
    if (handle != NULL)
        pcap_close(handle);
}

void capture_stop(struct capture *c)
{
    stopped = 1;
    if (c->handle != NULL)
        pcap_breakloop(c->handle);
}

/* With that precision, tv_usec has nanoseconds. What no clock can have said is 0. */
static int64_t time_of(const struct timeval *stamp)
{
    if (stamp->tv_sec < 0 || stamp->tv_sec > CAPTURE_SECONDS_MAX || stamp->tv_usec < 0 ||
        stamp->tv_usec >= PDM_NSEC_PER_SEC)
        return 0;
    return stamp->tv_sec * PDM_NSEC_PER_SEC + stamp->tv_usec;
}

enum capture_status capture_next(struct capture *c, struct capture_frame *frame)
{
    struct pcap_pkthdr *head;
    const u_char *bytes;
    int got = stopped ? PCAP_ERROR_BREAK : pcap_next_ex(c->handle, &head, &bytes);

    if (got == 1) {
        frame->time_ns = time_of(&head->ts);
        frame->bytes = bytes;
        frame->len = head->caplen;
        return CAPTURE_FRAME;
    }
    /* A signal ends the read that waits for more, which libpcap takes for an error. */
    if (got != PCAP_ERROR || stopped)
        return CAPTURE_END;
    warnx("%s: %s", c->name, pcap_geterr(c->handle));
    return CAPTURE_CUT_SHORT;
}
