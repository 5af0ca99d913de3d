/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of clients, as their parts see them. */
#ifndef PDM_KEYAGENT_REQUESTS_INSIDE_H
#define PDM_KEYAGENT_REQUESTS_INSIDE_H

#include "keyagent/opening.h"
#include "keyagent/request.h"

/* COUNT Kri for TUPLE, from *FIRST on. */
bool requests_lease(struct request *q, uint32_t ledger, const struct pdm_tuple *tuple,
                    uint32_t count, uint64_t *first);
/* The record of the client's own SLOT, opened for TUPLE; or NULL. */
const struct slot_record *requests_owned(const struct request *q, uint32_t slot, uint64_t owner,
                                         const struct pdm_tuple *tuple);
uint32_t requests_epoch(const struct agent *agent);

enum pdm_status requests_open(struct request *q);
enum pdm_status requests_move(struct request *q);
/* Of a flow that is open; the last two have no reply. */
enum pdm_status requests_renew(struct request *q);
enum pdm_status requests_close(struct request *q);
enum pdm_status requests_suspect(struct request *q);
enum pdm_status requests_search(struct request *q);

#endif
