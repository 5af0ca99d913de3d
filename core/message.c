/* SPDX-License-Identifier: BSD-2-Clause */
/* Writers and readers of the messages, made from their tables. */
#include "core/message.h"

PDM_BODIES(PDM_DEFINE_BODY)

void pdm_message_begin(struct pdm_message *m, uint8_t *bytes, size_t cap, uint8_t type)
{
    m->bytes = bytes;
    m->cap = cap;
    bytes[0] = PDM_MESSAGE_VERSION;
    bytes[1] = type;
    m->body = pdm_writer(bytes + PDM_MESSAGE_HEADER, cap - PDM_MESSAGE_HEADER);
}

size_t pdm_message_end(struct pdm_message *m)
{
    size_t len = m->cap - PDM_MESSAGE_HEADER - m->body.left;
    struct pdm_writer length = pdm_writer(m->bytes + 2, sizeof(uint16_t));

    if (m->body.bad || len > UINT16_MAX)
        return 0;
    pdm_write_u16(&length, (uint16_t)len);
    return PDM_MESSAGE_HEADER + len;
}

bool pdm_message_open(const uint8_t *bytes, size_t len, uint8_t *type, struct pdm_reader *body)
{
    struct pdm_reader r = pdm_reader(bytes, len);
    uint8_t version = pdm_read_u8(&r);

    *type = pdm_read_u8(&r);
    uint16_t length = pdm_read_u16(&r);
    *body = r;
    return !r.bad && version == PDM_MESSAGE_VERSION && length == r.left;
}

bool pdm_message_done(const struct pdm_reader *body)
{
    return !body->bad && body->left == 0;
}
