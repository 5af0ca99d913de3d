/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a process is still the one that it was: a pid alone comes round again. */
#ifndef PDM_KEYAGENT_PROCESS_H
#define PDM_KEYAGENT_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* When process PID started, in ticks since boot; 0 if there is none. */
uint64_t process_start(pid_t pid);

#endif
