/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole messages of registration. */
#include "keyagent/primary/parcel.h"

#include <sodium.h>
#include <stdlib.h>

#include "keyagent/log.h"

struct parcel *parcel_begin(size_t body, struct pdm_writer *w)
{
    struct parcel *parcel = malloc(sizeof *parcel + PDM_REGISTRATION_HEADER + body);

    *w = pdm_writer(NULL, 0);
    if (parcel == NULL) {
        log_error("no memory for a message");
        return NULL;
    }
    parcel->holders = 1;
    parcel->len = PDM_REGISTRATION_HEADER + body;
    *w = pdm_writer(parcel->bytes + PDM_REGISTRATION_HEADER, body);
    return parcel;
}

struct parcel *parcel_end(struct parcel *parcel, const struct pdm_writer *w, uint8_t command,
                          uint8_t direction)
{
    if (parcel == NULL)
        return NULL;
    if (w->bad) {
        log_error("a message is longer than it can be");
        parcel_drop(parcel);
        return NULL;
    }
    parcel->len = (size_t)(w->at - parcel->bytes);
    const struct pdm_registration_header header = {
        command, direction, (uint32_t)(parcel->len - PDM_REGISTRATION_HEADER)};
    pdm_registration_header_put(parcel->bytes, &header);
    return parcel;
}

struct parcel *parcel_of(uint8_t command, uint8_t direction, const uint8_t *body, size_t len)
{
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(len, &w);

    pdm_write_bytes(&w, body, len);
    return parcel_end(parcel, &w, command, direction);
}

struct parcel *parcel_hold(struct parcel *parcel)
{
    parcel->holders++;
    return parcel;
}

void parcel_drop(struct parcel *parcel)
{
    if (parcel == NULL || --parcel->holders > 0)
        return;
    sodium_memzero(parcel->bytes, parcel->len);
    free(parcel);
}

static void release(const void *bytes, size_t len, void *parcel)
{
    (void)bytes;
    (void)len;
    parcel_drop(parcel);
}

bool parcel_send(struct parcel *parcel, struct link *link)
{
    return link_send_shared(link, parcel->bytes, parcel->len, release, parcel_hold(parcel));
}
