/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole messages of registration, header included, one after the other: made once, kept for as long
 * as somebody holds them, sent to as many as want them, and wiped at the end. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_PARCEL_H
#define PDM_KEYAGENT_PRIMARY_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cursor.h"
#include "core/registration.h"
#include "keyagent/tls/link.h"

struct parcel {
    uint32_t holders;
    size_t len;
    uint8_t bytes[];
};

/* One message with a body of up to BODY octets, which W writes. NULL after telling: no memory. */
struct parcel *parcel_begin(size_t body, struct pdm_writer *w);
/* Completes it. NULL, and it is gone, if what W wrote did not fit. NULL is allowed. */
struct parcel *parcel_end(struct parcel *parcel, const struct pdm_writer *w, uint8_t command,
                          uint8_t direction);
/* One whose body is BODY; of messages that come: BODY is what is left of the reader. */
struct parcel *parcel_of(uint8_t command, uint8_t direction, const uint8_t *body, size_t len);

struct parcel *parcel_hold(struct parcel *parcel);
/* NULL is allowed. */
void parcel_drop(struct parcel *parcel);
/* As link_send_shared; PARCEL stays the caller's to drop. */
bool parcel_send(struct parcel *parcel, struct link *link);

#endif
