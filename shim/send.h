/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending side of the data path: a program's datagram, with an option where one can go. No
 * allocation, no lock, no system call but the program's own (and, rarely, a request to the agent).
 */
#ifndef PDM_SHIM_SEND_H
#define PDM_SHIM_SEND_H

#include <stdbool.h>
#include <sys/socket.h>

#include "shim/descriptor.h"
#include "shim/flows.h"

/*
 * Sends MSG with an option. True: done, *RESULT and errno are what the program shall see. False:
 * not sent, errno as it was; the caller makes the program's call as it stands.
 */
bool pdm_send(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
              ssize_t *result);
/* The same for several datagrams. */
bool pdm_send_many(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int vlen,
                   int flags, int *result);

/* A send with FLAGS on D: MSG_MORE holds what it sends until the next one without. */
void pdm_send_note_more(struct pdm_descriptor *d, int flags);
/* Octets of MSG's data; SIZE_MAX if the kernel refuses it. */
size_t pdm_send_payload(const struct msghdr *msg);
/* Counts a send of the locked flow E, which is open. Its Global Pointer. */
uint32_t pdm_send_count(struct pdm_flow_entry *e, int64_t now);
/* The option for that send; renews E's lease if that is used up. */
bool pdm_send_option(struct pdm_flow_entry *e, int64_t now, uint32_t pointer,
                     uint8_t option[static PDM_OPTION_MAX]);

#endif
