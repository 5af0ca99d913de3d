/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settings of this host, in the agent's network namespace, with which the kernel drops every packet
 * that comes with an option.
 */
#ifndef PDM_KEYAGENT_HOST_H
#define PDM_KEYAGENT_HOST_H

#include <stdbool.h>

/* Packets with our largest header are taken. */
bool host_takes_options(void);
/* Logs the settings that are in the way, each with its value and the one to set. */
void host_complain(void);

#endif
