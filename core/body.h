/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bodies of messages as tables: N(type, name) is a number, B(name, length) octets. From one table
 * come a structure, its writer and its reader.
 */
#ifndef PDM_CORE_BODY_H
#define PDM_CORE_BODY_H

#include "core/cursor.h"

#define PDM_DECLARE_NUMBER(type, name) type name;
#define PDM_DECLARE_OCTETS(name, length) uint8_t name[length];
/* struct pdm_<body>, and: void pdm_put_<body>(writer, body); void pdm_get_<body>(reader, body). */
#define PDM_DECLARE_BODY(body, table)                                                              \
    struct pdm_##body {                                                                            \
        table(PDM_DECLARE_NUMBER, PDM_DECLARE_OCTETS)                                              \
    };                                                                                             \
    void pdm_put_##body(struct pdm_writer *w, const struct pdm_##body *b);                         \
    void pdm_get_##body(struct pdm_reader *r, struct pdm_##body *b);

#define PDM_PUT_uint8_t pdm_write_u8
#define PDM_PUT_uint16_t pdm_write_u16
#define PDM_PUT_uint32_t pdm_write_u32
#define PDM_PUT_uint64_t pdm_write_u64
#define PDM_GET_uint8_t pdm_read_u8
#define PDM_GET_uint16_t pdm_read_u16
#define PDM_GET_uint32_t pdm_read_u32
#define PDM_GET_uint64_t pdm_read_u64

#define PDM_PUT_NUMBER(type, name) PDM_PUT_##type(w, b->name);
#define PDM_PUT_OCTETS(name, length) pdm_write_bytes(w, b->name, length);
#define PDM_GET_NUMBER(type, name) b->name = PDM_GET_##type(r);
#define PDM_GET_OCTETS(name, length) pdm_read_bytes(r, b->name, length);

#define PDM_DEFINE_BODY(body, table)                                                               \
    void pdm_put_##body(struct pdm_writer *w, const struct pdm_##body *b)                          \
    {                                                                                              \
        table(PDM_PUT_NUMBER, PDM_PUT_OCTETS)                                                      \
    }                                                                                              \
    void pdm_get_##body(struct pdm_reader *r, struct pdm_##body *b)                                \
    {                                                                                              \
        table(PDM_GET_NUMBER, PDM_GET_OCTETS)                                                      \
    }

#endif
