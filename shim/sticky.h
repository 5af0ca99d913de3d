/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option of a TCP socket, which rides on every segment from when it is set until it is cleared
 * (RFC 3542 section 4): it stands for one send, never while a call can block. Signal-safe; no
 * cancellation point.
 */
#ifndef PDM_SHIM_STICKY_H
#define PDM_SHIM_STICKY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/option.h"

/*
 * Sets OPTION on FD, and holds back all signals until it is cleared: a handler that ends in a
 * longjmp(), an exec or _exit(), or a signal that ends the process, would leave it set for whoever
 * has the socket too. *SIGNALS is for pdm_sticky_clear(). False if the kernel refuses the option;
 * then nothing is held back.
 */
bool pdm_sticky_set(int fd, enum pdm_format format, const uint8_t option[static PDM_OPTION_MAX],
                    uint64_t *signals);
/* Clears all sticky options of FD. Needs no privilege. */
void pdm_sticky_clear(int fd, uint64_t signals);

/*
 * Clears HEADER, of LEN octets and found on FD, if it is one that a process left which was killed
 * between the two. False: it is the program's own.
 */
bool pdm_sticky_recover(int fd, const uint8_t *header, size_t len, uint8_t type);

#endif
