/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests to a primary's socket: whatever comes, the answer is a whole message or none. */
#include "tests/unit/fake_primary.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct admin admin = {.reload = fake_reload};
    static uint8_t reply[PDM_MESSAGE_MAX];
    struct pdm_reader body;
    uint8_t type;

    fake = (struct fake){.agrees = len % 2 == 0, .entries = len > 4 ? data[4] * 16U : 0};
    size_t got = admin_answer(&admin, data, len, reply);
    if (got == 0)
        return 0;
    must(pdm_message_open(reply, got, &type, &body) && type == (data[1] | PDM_REPLY));
    uint8_t status = pdm_read_u8(&body);
    must(!body.bad);
    must(status == PDM_STATUS_OK || fake.asked[0] == '\0' || status == PDM_STATUS_REFUSED);
    return 0;
}
