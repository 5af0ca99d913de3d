/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The highest generation used of each (secret of a primary, own address), in the file `generations`
 * of the agent's state directory: what a primary is told when the agent connects, so that one whose
 * store was put back shows, and what blocks of generations must lie above. A generation is noted
 * durably before it is used.
 *
 * The file: lines of the secret's tag, the address, the generation, the end of the secret (seconds
 * since 1970, 0: not known) and the association's name. Agents that share the directory take turns
 * under a lock on it.
 */
#ifndef PDM_KEYAGENT_HIGHWATER_H
#define PDM_KEYAGENT_HIGHWATER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

struct highwater_mark {
    uint8_t tag[PDM_TAG_ID_LEN];
    uint8_t address[PDM_ADDR_LEN];
    uint32_t generation;
    int64_t ends; /* of the secret, realtime seconds; 0: not known */
    char name[PDM_NAME_MAX];
};

struct highwater {
    char *directory;             /* NULL: nowhere */
    struct highwater_mark *mark; /* as last read */
    size_t marks;
};

/* DIRECTORY exists, or is NULL; then nothing can be noted. False: out of memory. */
bool highwater_init(struct highwater *h, const char *directory);
void highwater_free(struct highwater *h);

/* Reads the file again. False after telling why; no file is a good one. */
bool highwater_read(struct highwater *h);
/* The mark of TAG and ADDRESS as last read, or NULL. */
const struct highwater_mark *highwater_find(const struct highwater *h,
                                            const uint8_t tag[static PDM_TAG_ID_LEN],
                                            const uint8_t address[static PDM_ADDR_LEN]);
/*
 * USED's generation is noted: durable when this returns true. One that is higher already stays.
 * False after telling why; a file that cannot be read or understood is left as it is.
 */
bool highwater_note(struct highwater *h, const struct highwater_mark *used);

#endif
