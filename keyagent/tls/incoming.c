/* SPDX-License-Identifier: BSD-2-Clause */
/* The message that is coming on a link. */
#include "keyagent/tls/incoming.h"

#include <event2/buffer.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

/* Moves up to LEN octets from the front of INPUT to OUT, or to nowhere; wipes them behind itself.
 */
static size_t move(struct evbuffer *input, uint8_t *out, size_t len)
{
    size_t moved = 0;

    while (moved < len && evbuffer_get_length(input) > 0) {
        uint8_t *front = evbuffer_pullup(input, 1);
        size_t octets = evbuffer_get_contiguous_space(input);

        if (octets > len - moved)
            octets = len - moved;
        if (out != NULL)
            memcpy(out + moved, front, octets);
        sodium_memzero(front, octets);
        evbuffer_drain(input, octets);
        moved += octets;
    }
    return moved;
}

void incoming_discard(struct evbuffer *input)
{
    move(input, NULL, SIZE_MAX);
}

void incoming_drop(struct incoming *m)
{
    if (m->body != NULL)
        sodium_memzero(m->body, m->body_len);
    free(m->body);
    m->body = NULL;
    m->body_len = 0;
    m->body_room = 0;
    m->head_len = 0;
}

static bool make_room(struct incoming *m)
{
    size_t room = m->body_room > 0 ? 2 * m->body_room : LINK_BODY_FIRST;

    if (m->body_len < m->body_room)
        return true;
    if (room > m->header.length)
        room = m->header.length;
    uint8_t *grown = malloc(room);
    if (grown == NULL)
        return false;
    if (m->body != NULL) {
        memcpy(grown, m->body, m->body_len);
        sodium_memzero(m->body, m->body_len);
        free(m->body);
    }
    m->body = grown;
    m->body_room = room;
    return true;
}

static enum incoming_state take_head(struct incoming *m, struct evbuffer *input)
{
    m->head_len += move(input, m->head + m->head_len, sizeof m->head - m->head_len);
    if (m->head_len < sizeof m->head)
        return INCOMING_PART;
    return pdm_registration_header_get(m->head, &m->header) && m->header.length <= m->longest
               ? INCOMING_WHOLE
               : INCOMING_BAD;
}

enum incoming_state incoming_take(struct incoming *m, struct evbuffer *input)
{
    if (m->head_len < sizeof m->head) {
        enum incoming_state head = take_head(m, input);

        if (head != INCOMING_WHOLE)
            return head;
    }
    while (m->body_len < m->header.length && evbuffer_get_length(input) > 0) {
        if (!make_room(m))
            return INCOMING_NO_MEMORY;
        m->body_len += move(input, m->body + m->body_len, m->body_room - m->body_len);
    }
    return m->body_len == m->header.length ? INCOMING_WHOLE : INCOMING_PART;
}
