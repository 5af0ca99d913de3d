/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAP_NET_RAW, which attaching an option needs, and no other capability, from pdmrun's file to the
 * program (capabilities(7)).
 */
#ifndef CLI_PDMRUN_CAPABILITY_H
#define CLI_PDMRUN_CAPABILITY_H

#include <stdbool.h>

/*
 * To be called first: from here on nothing that pdmrun does has a privilege. HELD says whether
 * there is a CAP_NET_RAW to hand on. False, and a line on standard error, on failure.
 */
bool capability_lower(bool *held);
/* Before exec: exactly CAP_NET_RAW, or nothing, reaches the program. */
bool capability_hand_on(bool net_raw);

#endif
