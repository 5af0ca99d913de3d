/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl decode: what the options in a capture say, and what they measured. */
#include <err.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>

#include "cli/output.h"
#include "cli/pdmctl/decode/capture.h"
#include "cli/pdmctl/decode/decode.h"
#include "cli/pdmctl/decode/disclosure.h"
#include "cli/pdmctl/decode/secrets.h"
#include "cli/pdmctl/pdmctl.h"

static struct capture capture;

static void stop(int signal)
{
    (void)signal;
    capture_stop(&capture);
}

/* What was read until then is reported, and a read that waits is interrupted. */
static void stop_on_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = stop};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &action, NULL);
}

static bool load_secrets(struct secrets *secrets, const struct pdmctl_context *context)
{
    for (size_t i = 0; i < context->keys; i++) {
        if (!secrets_add_key(secrets, context->key[i]))
            return false;
    }
    return context->config == NULL || secrets_add_config(secrets, context->config);
}

/* Somebody may still read what the decoder says; a pipe can be closed while more packets come. */
static bool is_heard(const struct decoder *decoder)
{
    return ferror(stdout) == 0 || decoder->disclosure != NULL;
}

/* False if the capture ended within a packet. */
static bool read_capture(struct decoder *decoder)
{
    struct capture_frame frame;
    enum capture_status status = CAPTURE_END;

    while (is_heard(decoder) && (status = capture_next(&capture, &frame)) == CAPTURE_FRAME)
        decoder_frame(decoder, capture.strip, frame.bytes, frame.len, frame.time_ns);
    return status != CAPTURE_CUT_SHORT;
}

static enum pdmctl_exit decode(struct decoder *decoder)
{
    decoder->totals.complete = read_capture(decoder);
    decoder_end(decoder);
    if (!output_flush())
        return PDMCTL_FAILED;
    if (decoder->opener.gave_up)
        warnx("too many options that no key opens: not all were searched for");
    if (!decoder->totals.complete)
        return PDMCTL_CUT_SHORT;
    if (decoder->totals.with_option == 0) {
        warnx("%s: no option found", capture.name);
        return PDMCTL_NO_OPTION;
    }
    return PDMCTL_OK;
}

enum pdmctl_exit pdmctl_decode(const struct pdmctl_context *context)
{
    struct secrets secrets = secrets_none();
    struct decoder decoder = {.report = context->json ? &report_json : &report_text,
                              .verbose = context->verbose};
    enum pdmctl_exit result = PDMCTL_FAILED;

    if (sodium_init() < 0) {
        warnx("no source of random numbers");
        return PDMCTL_FAILED;
    }
    if (!load_secrets(&secrets, context) || !capture_open(&capture, context->operand[0]))
        goto out;
    stop_on_signals();
    if (context->disclose != NULL &&
        (decoder.disclosure = disclosure_open(context->disclose, &capture.file)) == NULL)
        goto out;
    if (decoder_init(&decoder, &secrets, DECODE_CONVERSATIONS_MAX))
        result = decode(&decoder);
    if (decoder.disclosure != NULL && !disclosure_close(decoder.disclosure, context->disclose))
        result = PDMCTL_FAILED;
out:
    decoder_free(&decoder);
    capture_close(&capture);
    secrets_free(&secrets);
    return result;
}
