/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tortured programs did, counted in a file that they all map, so that no kill loses it. */
#ifndef PDM_TESTS_NONCE_COUNTERS_H
#define PDM_TESTS_NONCE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS(X)                                                                                \
    X(sends)                                                                                       \
    X(echoes)                                                                                      \
    X(forks)                                                                                       \
    X(vfork_execs)                                                                                 \
    X(clones)                                                                                      \
    X(clone_vms)                                                                                   \
    X(clone_vforks)                                                                                \
    X(spawns)                                                                                      \
    X(handler_forks)                                                                               \
    X(stepped_forks)                                                                               \
    X(stepped_kills)                                                                               \
    X(thread_groups)                                                                               \
    X(connections)                                                                                 \
    X(pings)                                                                                       \
    X(reuses)                                                                                      \
    X(twins)                                                                                       \
    X(failed_efault)                                                                               \
    X(failed_econnrefused)                                                                         \
    X(failed_emsgsize)                                                                             \
    X(failed_eagain)                                                                               \
    X(failed_other)

#define NUMBER(name) COUNT_##name,
enum counter { COUNTERS(NUMBER) COUNTER_COUNT };
#undef NUMBER

/* Maps FILE, made if missing. Exits if it cannot. */
void counters_open(const char *file);
void counters_print(void);
/* Signal-safe. */
void counters_add(enum counter which);

#endif
