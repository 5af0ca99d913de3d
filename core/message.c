/* SPDX-License-Identifier: BSD-2-Clause */
/* Writers and readers of the messages, made from their tables. */
#include "core/message.h"

#define PUT_uint8_t pdm_write_u8
#define PUT_uint16_t pdm_write_u16
#define PUT_uint32_t pdm_write_u32
#define PUT_uint64_t pdm_write_u64
#define GET_uint8_t pdm_read_u8
#define GET_uint16_t pdm_read_u16
#define GET_uint32_t pdm_read_u32
#define GET_uint64_t pdm_read_u64

#define PUT_NUMBER(type, name) PUT_##type(w, b->name);
#define PUT_OCTETS(name, length) pdm_write_bytes(w, b->name, length);
#define GET_NUMBER(type, name) b->name = GET_##type(r);
#define GET_OCTETS(name, length) pdm_read_bytes(r, b->name, length);

#define DEFINE_BODY(body, table)                                                                   \
    void pdm_put_##body(struct pdm_writer *w, const struct pdm_##body *b)                          \
    {                                                                                              \
        table(PUT_NUMBER, PUT_OCTETS)                                                              \
    }                                                                                              \
    void pdm_get_##body(struct pdm_reader *r, struct pdm_##body *b)                                \
    {                                                                                              \
        table(GET_NUMBER, GET_OCTETS)                                                              \
    }
PDM_BODIES(DEFINE_BODY)

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
