/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe's payload. */
#include "cli/pdmping/probe.h"

#include "core/cursor.h"

enum { OCTET = 0xff };

void probe_fill(uint8_t *payload, size_t size, const uint8_t *pattern, size_t len)
{
    for (size_t i = 0; i < size; i++)
        payload[i] = len > 0 ? pattern[i % len] : (uint8_t)(i & OCTET);
}

void probe_write(const struct probe *probe, uint8_t *payload)
{
    struct pdm_writer w = pdm_writer(payload, PROBE_HEADER);

    pdm_write_u64(&w, probe->seq);
    pdm_write_u64(&w, (uint64_t)probe->sent);
    pdm_write_u64(&w, probe->run);
}

bool probe_read(struct probe *probe, const uint8_t *payload, size_t size)
{
    struct pdm_reader r = pdm_reader(payload, size);

    probe->seq = pdm_read_u64(&r);
    probe->sent = (int64_t)pdm_read_u64(&r);
    probe->run = pdm_read_u64(&r);
    return !r.bad;
}
