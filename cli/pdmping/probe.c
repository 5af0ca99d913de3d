/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe's payload. */
#include "cli/pdmping/probe.h"

#include "core/cursor.h"

enum { OCTET = 0xff };

void probe_write(const struct probe *probe, uint8_t *payload, size_t size)
{
    struct pdm_writer w = pdm_writer(payload, size);

    pdm_write_u64(&w, probe->seq);
    pdm_write_u64(&w, (uint64_t)probe->sent);
    pdm_write_u64(&w, probe->run);
    for (size_t i = PROBE_HEADER; i < size; i++)
        payload[i] = (uint8_t)(i & OCTET);
}

bool probe_read(struct probe *probe, const uint8_t *payload, size_t size)
{
    struct pdm_reader r = pdm_reader(payload, size);

    probe->seq = pdm_read_u64(&r);
    probe->sent = (int64_t)pdm_read_u64(&r);
    probe->run = pdm_read_u64(&r);
    return !r.bad;
}
