/* SPDX-License-Identifier: BSD-2-Clause */
/* Every limit of the product, in one place. Times are nanoseconds unless the name says otherwise.
 */
#ifndef PDM_CORE_LIMITS_H
#define PDM_CORE_LIMITS_H

#define PDM_NSEC_PER_USEC 1000LL
#define PDM_NSEC_PER_MSEC 1000000LL
#define PDM_NSEC_PER_SEC 1000000000LL

/* Wire. */
#define PDM_OPTION_MAX 36        /* type and length octets included (encrypted PDMv2) */
#define PDM_HEADER_MAX 40        /* our largest Destination Options header */
#define PDM_DSTOPTS_MAX 2048     /* largest header that its length octet can express */
#define PDM_HEADER_OPTIONS_MAX 8 /* that a receiver need accept (RFC 8504 section 5.3) */
#define PDM_TUPLE_LEN 37         /* SADDR SPORT DADDR DPORT PROTO */
#define PDM_ADDR_LEN 16          /* an IPv6 address */

/* Cryptography. */
#define PDM_NH_MAX 64       /* octets of a secret: HKDF-SHA512's Nh */
#define PDM_KEY_LEN 32      /* Nk of both AEADs */
#define PDM_NONCE_LEN 12    /* Nn of both AEADs */
#define PDM_TAG_LEN 16      /* Nt of both AEADs */
#define PDM_PSK_LEN 32      /* octets of a pre-shared key */
#define PDM_PRSEQ_MAX 32767 /* 2^15 - 1: values of PRSEQ under one Kri */
#define PDM_SEED_LEN 32     /* entropy for the PRSEQ keys of one lease */

/* Flows. */
#define PDM_SENT_RING 256 /* own sends that a PSNLR may still name */
#define PDM_STEADY_SAMPLES 64          /* overlapped by as many sends for as long: they were lost */
#define PDM_LIVE_KRI 4    /* Kri of one sender that a receiver keeps */
#define PDM_WINDOW 1024   /* replay window, in packets (RFC 6479) */
#define PDM_CATCH_UP_NS                                                                            \
    (10 * PDM_NSEC_PER_MSEC) /* one option per this until the Kri is acknowledged */
#define PDM_CLOCK_STEP_NS                                                                          \
    (1 * PDM_NSEC_PER_MSEC)    /* realtime - monotonic moved by more: no sample */
#define PDM_PRECISION_SHARE 16 /* DELTATLR's step may be 1/16 of the network delay at most */
#define PDM_FLOWS_DEFAULT 8192 /* live flows kept by one process */
#define PDM_FLOWS_MAX 131072   /* most that may be configured */
#define PDM_SLOTS_MAX 131072   /* flows of all processes of one agent */

/* Search for an unknown Kri. */
#define PDM_SEARCH_GENERATIONS 4 /* latest generations tried first; below them is replay */
#define PDM_SEARCH_COUNTERS 64   /* counters tried above the tuple's last */
#define PDM_SEARCH_AHEAD 64      /* later generations tried next */
#define PDM_SEARCH_FIRST 65536   /* generations tried on first contact with a peer */
#define PDM_SEARCH_RETRY_NS (20 * PDM_NSEC_PER_MSEC)   /* first pause after a miss, doubling */
#define PDM_SEARCH_RETRY_MAX_NS (2 * PDM_NSEC_PER_SEC) /* and at most */

/* Agent and shim. */
#define PDM_MESSAGE_MAX 32768      /* octets of one message: a page of flows */
#define PDM_MESSAGE_SMALL 512      /* octets of any message that the shim sends or gets */
#define PDM_BUDGET_US_DEFAULT 2000 /* time that a request may take */
#define PDM_BUDGET_US_MAX 100000
#define PDM_SHARE_DEFAULT 5 /* percent of a program's time that requests may take */
#define PDM_HEARTBEAT_NS (1 * PDM_NSEC_PER_SEC)      /* the agent shows that it lives */
#define PDM_HEARTBEAT_LOST_NS (3 * PDM_NSEC_PER_SEC) /* and is looked for again after */
#define PDM_LEASE_MAX 64                             /* Kri in one lease */
#define PDM_POLICY_ENTRIES_MAX 4096                  /* associations' prefixes in the policy */
#define PDM_LIFETIME_DEFAULT_S 3600 /* RFC 8250 section 4.4: monitoring ends by itself */
#define PDM_FLOW_IDLE_DEFAULT_S 300 /* RFC 8250 section 3.7: what is kept is bounded in age */
#define PDM_NAME_MAX 64             /* an association's name, with its terminating zero */
#define PDM_FLOWS_PAGE 64           /* flows in one reply to a flows request */

#endif
