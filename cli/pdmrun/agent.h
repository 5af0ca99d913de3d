/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the program will find the key agent. */
#ifndef CLI_PDMRUN_AGENT_H
#define CLI_PDMRUN_AGENT_H

/* Where it will look for it, or NULL and a line on standard error if that is no socket's name. */
const char *agent_path(void);
/* A line on standard error if nobody can be reached at PATH. */
void agent_check(const char *path);

#endif
