/* SPDX-License-Identifier: BSD-2-Clause */
/* CAP_NET_RAW, from pdmrun's file to the program. */
#include "cli/pdmrun/capability.h"

#include <err.h>
#include <stddef.h>
#include <sys/capability.h>
#include <unistd.h>

static const cap_value_t wanted = CAP_NET_RAW;

/*
 * Root's own are the kernel's to give and to take at exec. Without them here it could not reach a
 * program in another user's home, and what regains them at exec leaves no core file
 * (commit_creds).
 */
static bool is_roots(void)
{
    return geteuid() == 0;
}

static bool give_up(cap_t set, cap_flag_t flag)
{
    return (flag != CAP_INHERITABLE && is_roots()) || cap_clear_flag(set, flag) == 0;
}

/* CAP_NET_RAW permitted and inheritable, as asked, and nothing else in any set: what is not
 * inheritable leaves the ambient set too. */
static bool reduce(bool net_raw, bool inheritable)
{
    cap_t set = cap_get_proc();
    bool done = set && give_up(set, CAP_EFFECTIVE) && give_up(set, CAP_PERMITTED) &&
                give_up(set, CAP_INHERITABLE) &&
                (!net_raw || cap_set_flag(set, CAP_PERMITTED, 1, &wanted, CAP_SET) == 0) &&
                (!inheritable || cap_set_flag(set, CAP_INHERITABLE, 1, &wanted, CAP_SET) == 0) &&
                cap_set_proc(set) == 0;

    if (!done)
        warn("cannot give up capabilities");
    (void)cap_free(set);
    return done;
}

static bool is_permitted(bool *held)
{
    cap_flag_value_t value = CAP_CLEAR;
    cap_t set = cap_get_proc();
    bool known = set && cap_get_flag(set, wanted, CAP_PERMITTED, &value) == 0;

    if (!known)
        warn("cannot read the process's capabilities");
    (void)cap_free(set);
    *held = value == CAP_SET;
    return known;
}

bool capability_lower(bool *held)
{
    if (geteuid() != getuid() || getegid() != getgid()) {
        warnx("must be neither setuid nor setgid: give it the file capability alone, with "
              "setcap cap_net_raw+p");
        return false;
    }
    return is_permitted(held) && reduce(*held, false);
}

bool capability_hand_on(bool net_raw)
{
    if (!reduce(net_raw, net_raw))
        return false;
    if (net_raw && cap_set_ambient(wanted, CAP_SET) != 0)
        warn("cannot hand on CAP_NET_RAW: options are read, none attached");
    return true;
}
