/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches for signs that this machine has become a copy of another, or of its own past: another
 * boot id (a process restored elsewhere), or another VM generation id (a virtual machine restored
 * from a snapshot), which the kernel tells by a uevent. Neither sees everything; after restoring,
 * keys are to be replaced.
 */
#ifndef PDM_KEYAGENT_WATCH_H
#define PDM_KEYAGENT_WATCH_H

#include <stdbool.h>

#define WATCH_BOOT_ID_LEN 36

struct watch {
    int uevents; /* -1: not to be had here */
    char boot_id[WATCH_BOOT_ID_LEN + 1];
};

void watch_init(struct watch *w);
void watch_free(struct watch *w);
/* The boot id is another than before. */
bool watch_boot_changed(struct watch *w);
/* Reads what uevents there are; true if one told of a new VM generation. */
bool watch_vm_changed(const struct watch *w);

#endif
