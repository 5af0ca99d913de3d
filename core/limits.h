/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every limit of the product, in one place. Times are nanoseconds unless the name says otherwise.
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

/* Key encapsulation: octets of DHKEM(X25519, HKDF-SHA256) and DHKEM(P-256, HKDF-SHA256). */
#define PDM_KEM_PK_MAX 65     /* Npk and Nenc: an uncompressed point of P-256 */
#define PDM_KEM_SK_LEN 32     /* Nsk of both */
#define PDM_KEM_IKM_LEN 32    /* entropy that a key pair is derived from: Nsk */
#define PDM_KEM_SECRET_LEN 32 /* Nsecret of both */
#define PDM_PAIR_KEY_MAX 64   /* each side's part of a PairDeviceKey */

/* Flows. */
#define PDM_SENT_RING 256     /* own sends that a PSNLR may still name */
#define PDM_STEADY_SAMPLES 64 /* overlapped by as many sends for as long: they were lost */
#define PDM_LIVE_KRI 4        /* Kri of one sender that a receiver keeps */
#define PDM_PEER_SECRETS 2    /* under which a peer may send: while they are renegotiated */
#define PDM_WINDOW 1024       /* replay window, in packets (RFC 6479) */
/* One option per this until the Kri is acknowledged. */
#define PDM_CATCH_UP_NS (10 * PDM_NSEC_PER_MSEC)
/* Realtime less monotonic moved by more: no sample. */
#define PDM_CLOCK_STEP_NS (1 * PDM_NSEC_PER_MSEC)
#define PDM_PRECISION_SHARE 16 /* DELTATLR's step may be 1/16 of the network delay at most */
#define PDM_FLOWS_DEFAULT 8192 /* live flows kept by one process */
#define PDM_FLOWS_MAX 131072   /* most that may be configured */
#define PDM_SLOTS_MAX 131072   /* flows of all processes of one agent */

/*
 * Streams: an option at most once per this; answers still owed are forgiven after a quiet, which is
 * long, since an answer that comes after it would be taken for another's.
 */
#define PDM_STREAM_BULK 16 /* sends or receipts in a row */
#define PDM_STREAM_INTERVAL_NS (10 * PDM_NSEC_PER_MSEC)
#define PDM_STREAM_QUIET_NS (60 * PDM_NSEC_PER_SEC)

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

/* The policy: the log2 of its buckets, half of which may be used, and distinct local prefixes. */
#define PDM_POLICY_BITS_MIN 13
#define PDM_POLICY_BITS_MAX 23
#define PDM_POLICY_ENTRIES_LIMIT (1 << (PDM_POLICY_BITS_MAX - 1))
#define PDM_POLICY_LOCALS_MAX PDM_POLICY_ENTRIES_MAX

/* Registration: octets of what its messages carry, and of a body by what it is for. */
#define PDM_SALT_LEN 32
#define PDM_TAG_ID_LEN 16     /* of what names a PairMasterSecret */
#define PDM_IBC_POINT_LEN 384 /* x and y of the 1536-bit curve of n = 3072 */
#define PDM_REGISTRATION_SMALL 4096
#define PDM_REGISTRATION_SECRET_MAX (1024 * 1024)
#define PDM_REGISTRATION_CHANGES_MAX (1024 * 1024)     /* a part of a list */
#define PDM_REGISTRATION_LIST_MAX (64 * 1024 * 1024)   /* a whole list in a SETUP */
#define PDM_REGISTRATION_ENTRIES_MAX (2 * 1024 * 1024) /* of one list */
#define PDM_SUITES_MAX 8                               /* identifiers of one kind in a SETUP */

/* Identity-based encryption (RFC 5091): n = 3072 is the most that is held. */
#define PDM_IBC_LIMBS 24        /* 64-bit words of p */
#define PDM_IBC_ORDER_LIMBS 5   /* of q in signed digits */
#define PDM_IBC_SECRET_LEN 32   /* octets of the master secret, and of q */
#define PDM_IBC_HASH_LEN 32     /* octets of rho and V */
#define PDM_IBC_IKM_LEN 64      /* octets that the master secret is made of */
#define PDM_IBC_MESSAGE_MAX 64  /* octets of a plaintext */
#define PDM_IBC_IDENTITY_MAX 61 /* an address, "|", an epoch and a terminating zero */
#define PDM_IBC_OVERHEAD (PDM_IBC_POINT_LEN + PDM_IBC_HASH_LEN) /* U and V of a ciphertext */

/* A primary and pdmctl. */
#define ADMIN_WHY_MAX 160 /* octets of why something was refused, with the terminating zero */
#define ADMIN_PAGE 128    /* records in one reply */
#define ADMIN_CONNECTIONS_MAX 16 /* accepted and not yet answered */

/* The shim: what it may take of the program's time. */
#define PDM_BURST_NS (20 * PDM_NSEC_PER_MSEC)  /* before more must be earned */
#define PDM_REASK_NS (100 * PDM_NSEC_PER_MSEC) /* before an unanswered flow asks again */
/* Between an open flow's askings for its secrets: the above, doubling, and at most */
#define PDM_REASK_MAX_NS (2 * PDM_NSEC_PER_SEC)

/* An agent that did not answer is asked again after this, doubling; if absent, finding out is
 * cheap. */
#define PDM_BACKOFF_MIN_NS (50 * PDM_NSEC_PER_MSEC)
#define PDM_BACKOFF_SILENT_NS (3600 * PDM_NSEC_PER_SEC)
#define PDM_BACKOFF_ABSENT_NS (1 * PDM_NSEC_PER_SEC)

/* No option after the kernel refused one for want of CAP_NET_RAW; none trusted until it stamps. */
#define PDM_NO_ATTACH_NS (1 * PDM_NSEC_PER_SEC)
#define PDM_STAMPING_NS (50 * PDM_NSEC_PER_MSEC)

/*
 * Options that seem to get lost on the path: none for this, within which a probe has begun; and for
 * so many times longer if they seem to again. Of datagrams, so many and for so long without one
 * that is named.
 */
#define PDM_SUSPECT_PAUSE_NS (200 * PDM_NSEC_PER_MSEC)
#define PDM_SUSPECT_PAUSE_FACTOR 8
#define PDM_SUSPECT_PAUSE_MAX_NS (3600 * PDM_NSEC_PER_SEC)
#define PDM_SUSPECT_OPTIONS 8
#define PDM_SUSPECT_NS (1 * PDM_NSEC_PER_SEC)

/* TCP: octets of what the kernel says of a packet's options, parts of a message that is split, and
 * how long after an option from a client none is awaited. */
#define PDM_STREAM_CONTROL 3072 /* as PDM_CONTROL_IN: the largest header */
#define PDM_STREAM_PARTS 16
#define PDM_STREAM_LOOK_NS (8 * PDM_NSEC_PER_MSEC)

/* Before a seccomp filter, for threads to finish what the filter may forbid. */
#define PDM_DEACTIVATE_NS (2 * PDM_NSEC_PER_MSEC)

/* The shim: what it keeps. */
#define PDM_FLOW_PROBES 64                       /* buckets looked at for one tuple */
#define PDM_FLOW_CANDIDATES 16                   /* flows looked at to find an idle one */
#define PDM_FLOW_EVICT_NS (1 * PDM_NSEC_PER_SEC) /* idle for less, it is not given up */
#define PDM_FLOWS_MANY 2048                      /* from here on memory comes in huge pages */
#define PDM_FLOWS_SMALL 64                       /* where the program's memory is limited */
#define PDM_ROUTES 256                           /* source addresses */
#define PDM_ROUTE_KEPT_NS (1 * PDM_NSEC_PER_SEC)
#define PDM_STATS_TRIES 16 /* to read figures of one moment */
#define PDM_ECHOES 256     /* ICMPv6 echo requests whose replies are awaited */

/* The shim: octets of control on the stack, which may be a signal handler's. */
#define PDM_CONTROL_OWN_MAX 512 /* of the program, that ours is added to */
#define PDM_MERGED_MAX 512      /* a header with the program's options and ours */
#define PDM_CONTROL_IN 3072     /* the largest Destination Options header and all else */

/* Datagrams of one sendmmsg and recvmmsg under way at once, and octets of control for each. */
#define PDM_SEND_BATCH 8
#define PDM_SEND_BATCH_CONTROL 192
#define PDM_RECEIVE_BATCH 32
#define PDM_RECEIVE_BATCH_CONTROL 512

/* The configuration: what its keys may say, and what they say if they are not there. */
#define CONFIG_OPTION_TYPE_MIN 2 /* 0 and 1 are Pad1 and PadN (RFC 8200 section 4.2) */
#define CONFIG_OPTION_TYPE_MAX 255
#define CONFIG_SLOTS_DEFAULT 16384
#define CONFIG_LEDGER_DEFAULT 65536
#define CONFIG_LEDGER_MAX (16 * 1024 * 1024)
#define CONFIG_REQUESTS_DEFAULT 2000
#define CONFIG_REQUESTS_MAX 1000000
#define CONFIG_FLOWS_DEFAULT 8192
#define CONFIG_FLOW_IDLE_MAX_S (24 * 3600)
#define CONFIG_LIFETIME_MAX_S (365 * 24 * 3600)
#define CONFIG_SHARE_MAX 100

/* The configuration of an enrolled association. */
#define CONFIG_PRIMARIES_MAX 8
#define CONFIG_PRIMARY_PORT 8250
#define CONFIG_PAIRING_PORT 8250
#define CONFIG_ENDPOINT_MAX 320 /* octets of a host and a port */

/* The configuration of a primary. */
#define CONFIG_PEERS_MAX 1024
#define CONFIG_MEMBERS_MAX 4096   /* prefixes of ours that it names; more stand in lists */
#define CONFIG_ADDRESSES_MAX 4096 /* prefixes of peers */
#define CONFIG_BLOCK_DEFAULT 4
#define CONFIG_BLOCK_MAX 65536
#define CONFIG_SECRET_LIFETIME_S (24 * 3600)
#define CONFIG_GRACE_S 3600
#define CONFIG_LIST_LINE_MAX 256 /* octets of a line of a list file */
#define CONFIG_LIST_CHUNK 65536  /* octets of it read at once */

/* pdmrun: scripts interpreted by scripts, and the part of their first lines that counts, as the
 * kernel has it (fs/exec.c, whose comment says 4 and whose loop does 5). */
#define PDM_SCRIPT_LEVELS 5
#define PDM_SCRIPT_LINE 256
#define PDM_REASON_MAX 512 /* octets of why a library cannot be loaded */

/* pdmctl decode. */
#define DECODE_CONVERSATIONS_MAX 4096 /* kept at a time: about 9 KB each */
#define DECODE_SENT_RING 256          /* options of one side that the other may still name */
#define DECODE_KEYS_MAX 32            /* files with keys */
#define DECODE_SECRETS_MAX 256        /* that may be tried for one pair of addresses */
#define DECODE_PEERS 4096             /* (secret, source) whose generations are remembered */
/* Searches for a Kri that may be in vain, and options that passed for one more of each: near those
 * that are known, some 5 ms; through all generations, some 500 ms. */
#define DECODE_SEARCHES_NEAR 512
#define DECODE_OPTIONS_NEAR 512
#define DECODE_SEARCHES_ALL 32
#define DECODE_OPTIONS_ALL 65536

/* The agent: clients. */
#define AGENT_CONNECTIONS_MAX 64 /* accepted and not yet answered */
#define AGENT_BACKLOG 128
#define AGENT_SILENCE_S 1 /* a client that sends nothing is dropped after this */
/* Replies with two descriptors each that clients have not read, and of one user's: more than there
 * are processes that start at once, and together well below the usual RLIMIT_NOFILE of 1024. */
#define AGENT_UNREAD_MAX 384
#define AGENT_UNREAD_USER 128
#define AGENT_ACCEPT_PAUSE_US 100000 /* without descriptors left, before accepting again */
#define AGENT_CLIENTS_MAX 32768      /* processes whose quotas are kept */
#define AGENT_ASSOCIATIONS_PAGE 64   /* associations in one reply */

/* The agent: what is done once a second. */
#define AGENT_TICK_S 1
#define AGENT_SWEEP_CLIENTS 256 /* processes looked at per tick: about 15 us each */
#define AGENT_CLOSED_PAUSE_NS (10 * PDM_NSEC_PER_MSEC) /* between looks through all slots */
#define AGENT_SWEEP_SLOTS 8192                         /* slots looked at per tick */
#define AGENT_START_TRUSTED_NS PDM_NSEC_PER_SEC        /* no pid comes round again within this */

/* The agent: generations. */
#define AGENT_KEY_LOCK_TRIES 100 /* 1 ms apart, for another agent to write its generation */
#define AGENT_GENERATION_RETRY_NS PDM_NSEC_PER_SEC /* pause after one could not be written */

/* The agent: what primaries gave for addresses of the host, since it started; a few octets each. */
#define AGENT_SCOPES_MAX 65536

/* The agent: peers. */
#define AGENT_PEERS_MAX 4096 /* (secret, address) whose generations are kept */
#define AGENT_PEERS_FILE_MAX (1024 * 1024)

/* The agent: searches. A trial costs about 2 us. */
#define AGENT_SEARCH_JOBS 64                          /* searches going on at a time */
#define AGENT_SEARCH_PEER_JOBS 4                      /* of them for one peer */
#define AGENT_SEARCH_SPANS 4                          /* parts of one search */
#define AGENT_SEARCH_SLICE_NS (1 * PDM_NSEC_PER_MSEC) /* of the loop's time at once */
#define AGENT_SEARCH_PAUSE_US 3000   /* between slices: a quarter of one processor at most */
#define AGENT_SEARCH_FIRST_FULL 4096 /* a stranger's generations with all counters tried */
#define AGENT_SEARCH_PAST 64         /* generations below the latest, to tell replay from forgery */
#define AGENT_SEARCH_MEMORY 8192 /* tuples whose Kri, and options whose failure, are remembered */
#define AGENT_SEARCH_FAILURE_NS (30 * PDM_NSEC_PER_SEC) /* for how long a failure is */
#define AGENT_THROTTLE_NS (10 * PDM_NSEC_PER_SEC)       /* without searches after one that failed */
#define AGENT_FILTER_NS (300 * PDM_NSEC_PER_SEC)        /* likewise */
#define AGENT_PENALTIES 8192                            /* peers of which that is remembered */
#define AGENT_SEARCH_KNOWN_RATE 500    /* searches a second for a peer's known tuples */
#define AGENT_SEARCH_NEW_RATE 200      /* for a known peer's new tuples */
#define AGENT_SEARCH_STRANGER_RATE 100 /* for all peers never heard of together */

/* The agent: what is known of paths. */
#define AGENT_PATHS_MAX 16384 /* (local address, peer address) */
#define AGENT_PATH_LOOKS 64   /* at paths, to find one without flows that makes room */
#define AGENT_PATH_JITTER 4   /* times until the next probing differ by up to a quarter */
/* Until a path that carries is probed again; one that does not, and then doubling. */
#define AGENT_PATH_ASKED_NS (5 * PDM_NSEC_PER_SEC) /* that a question counts as a flow */
#define AGENT_PATH_KEPT_NS (600 * PDM_NSEC_PER_SEC)
#define AGENT_PATH_PAUSE_NS (60 * PDM_NSEC_PER_SEC)
#define AGENT_PATH_PAUSE_MAX_NS (3600 * PDM_NSEC_PER_SEC)
/* Until flows are heeded again whose suspicion a probing did not confirm, doubling. */
#define AGENT_PATH_SUSPECT_NS (10 * PDM_NSEC_PER_SEC)
/* Probings in a row that fail before a path counts as one that does not carry; and so many, so far
 * apart, if it counts as one that does. */
#define AGENT_PATH_CONFIRM 2
#define AGENT_PATH_CONFIRM_WORSE 3
#define AGENT_PATH_CONFIRM_NS (5 * PDM_NSEC_PER_SEC)

/* The agent: probings of paths. */
#define AGENT_PROBINGS 64          /* under way at a time */
#define AGENT_PROBE_ROUNDS 3       /* of two echoes, one with an option and one without */
#define AGENT_PROBE_ENOUGH 2       /* answers of each kind */
#define AGENT_PROBE_RATE 50        /* echoes a second */
#define AGENT_PROBE_REPLIES 64     /* packets read before others get their turn */
#define AGENT_PROBE_PAUSE_US 10000 /* between looks at what is to be sent or has timed out */
#define AGENT_PROBE_ROUND_NS (20 * PDM_NSEC_PER_MSEC) /* from the first round to the second */
/* An answer may take 4 times as long as another did: at least the second of these, and at most the
 * first, which is waited for if there was none. */
#define AGENT_PROBE_TIMEOUT_NS (1 * PDM_NSEC_PER_SEC)
#define AGENT_PROBE_TIMEOUT_MIN_NS (200 * PDM_NSEC_PER_MSEC)

/* The agent: what is shown of flows' figures, added up. */
#define AGENT_SERIES_PEERS 64 /* prefixes of one association's peers with series of their own */
#define AGENT_SERIES_MAX 2048 /* and of all associations */
#define AGENT_METERS_MAX 8192 /* associations that have series */

/* The agent: who asks for it. Flows, or series, until others get their turn. */
#define AGENT_SCRAPE_CLIENTS 16
#define AGENT_SCRAPE_WAITING 64 /* requests, with those whose clients have gone */
#define AGENT_SCRAPE_BACKLOG 128
#define AGENT_SCRAPE_HEADERS 8192 /* octets of a request */
#define AGENT_SCRAPE_TYPE 128     /* of a type in its Accept header; what is longer is cut */
#define AGENT_SCRAPE_S 10         /* from connecting to having read the answer */
#define AGENT_SCRAPE_UNREAD (32 * 1024 * 1024) /* octets of answers until there are no more */
#define AGENT_SCRAPE_SLOTS 512
#define AGENT_SCRAPE_SERIES 16
#define AGENT_SCRAPE_PAUSE_US 20000 /* between looks whether a client has gone */

/* The agent: the log of flows. */
#define FLOW_LOG_LINE 2048          /* octets of one line */
#define FLOW_LOG_BUFFER (64 * 1024) /* until they are written, once a second at least */
#define FLOW_LOG_CALM_NS (60 * PDM_NSEC_PER_SEC) /* without a failure, until all is well */
#define CONFIG_FLOW_LOG_MIB 16
#define CONFIG_FLOW_LOG_MIB_MAX 1024
#define CONFIG_FLOW_LOG_AGE_S (24 * 3600)
#define CONFIG_FLOW_LOG_AGE_MIN_S 60
#define CONFIG_FLOW_LOG_AGE_MAX_S (365 * 24 * 3600)
#define CONFIG_FLOW_LOG_FILES 7
#define CONFIG_FLOW_LOG_FILES_MAX 100
#define CONFIG_METRICS_PREFIX 64

/* Links: TLS connections of registration. */
#define PDM_HOST_MAX 256        /* a host's name, with its terminating zero (RFC 1035 2.3.4) */
#define LINK_ADDRESSES_MAX 16   /* in a peer's certificate, and tried of a target */
#define LINK_FINGERPRINT_LEN 32 /* SHA-256 */
#define LINK_FROM_MAX 64        /* "[address]:port", with its terminating zero */
#define LINK_REFUSAL_MAX 320    /* octets of why a certificate is refused: a name and some words */
#define LINK_CERTIFICATES_MAX 32768 /* octets of what a peer shows */
#define LINK_READ_MAX 4048          /* octets at once: what an idle link's buffer may keep */
#define LINK_INPUT_MAX 32768        /* octets decrypted and not yet taken */
#define LINK_BODY_FIRST 4096        /* octets held for a body at first, doubling as it comes */
/* A whole list, and a large answer behind it. */
#define LINK_BACKLOG_MAX (PDM_REGISTRATION_LIST_MAX + PDM_REGISTRATION_SECRET_MAX)
#define LINK_CONNECT_S 5
#define LINK_HANDSHAKE_S 10
#define LINK_CLOSE_S 5 /* for what is queued to go and the other end to close */
/* A dead peer: asked after so long, again after, so many times; or what it does not acknowledge. */
#define LINK_KEEPALIVE_S 15
#define LINK_KEEPALIVE_PAUSE_S 5
#define LINK_KEEPALIVE_PROBES 3
#define LINK_UNACKNOWLEDGED_MS 30000

/* The agent: what it has from a primary. */
#define ENROLMENT_PAIRS_MAX 1024
#define ENROLMENT_SECRETS_MAX 16384 /* polled, or agreed on with peers: of all pairs together */
#define ENROLMENT_SECRETS_CHUNK 256 /* that memory is locked for at once */
#define ENROLMENT_POLLS_MAX 256     /* unanswered */
#define ENROLMENT_REFUSED_NS (30 * PDM_NSEC_PER_SEC) /* before a refused poll is sent again */
#define ENROLMENT_ASK_NS (5 * PDM_NSEC_PER_SEC)      /* before generations are asked for again */
#define ENROLMENT_BLOCK_SHARE 4 /* of a block that is left when the next is asked for: 1/4 */

/* The agent: the connection to a primary. */
#define REGISTRAR_BACKOFF_MIN_NS (1 * PDM_NSEC_PER_SEC) /* doubling; less by chance */
#define REGISTRAR_BACKOFF_MAX_NS (60 * PDM_NSEC_PER_SEC)
#define REGISTRAR_REFUSED_NS (60 * PDM_NSEC_PER_SEC) /* before a refused agent asks again */
#define REGISTRAR_SILENCE_NS (30 * PDM_NSEC_PER_SEC) /* for an answer */
#define REGISTRAR_TRUST_NS (60 * PDM_NSEC_PER_SEC)   /* between looks at its certificate */
#define REGISTRY_EXPIRY_S (7 * 24 * 3600)            /* of the own certificate: told */

/* Pairings of two agents (ibc): octets of what their messages carry. */
#define PDM_PAIRING_TOKEN_LEN 16
#define PDM_PAIRING_COOKIE_LEN 16
#define PDM_PAIRING_ID_LEN 16
#define PDM_PAIRING_K_LEN 32 /* of each side's part of the key */
#define PDM_PAIRING_CIPHERTEXT_LEN (PDM_IBC_OVERHEAD + PDM_PAIRING_K_LEN)
#define PDM_PAIRING_CONFIRM_LEN 32
#define PDM_PAIRING_SECRET_LEN 32 /* that cookies are made with */

/*
 * The agent: pairings. To encrypt or to decrypt takes about 6 ms, to answer both: a quarter of one
 * processor at most, half of it for what others begin.
 */
#define PAIRING_OWN_MAX 256    /* begun here and under way, or waiting to be again */
#define PAIRING_OWN_RATE 20    /* encryptions and decryptions a second for these */
#define PAIRING_ANSWER_RATE 10 /* answers a second */
#define PAIRING_PEER_NS (1 * PDM_NSEC_PER_SEC)     /* between answers to one peer */
#define PAIRING_WAITING_MAX 128                    /* peers that wait for an answer */
#define PAIRING_WAIT_NS (8 * PDM_NSEC_PER_SEC)     /* and for how long: then they have given up */
#define PAIRING_ANSWERS_MAX 128                    /* answers that are kept */
#define PAIRING_ANSWER_NS (10 * PDM_NSEC_PER_SEC)  /* and for how long */
#define PAIRING_TRIES 5                            /* of one message */
#define PAIRING_RETRY_NS (250 * PDM_NSEC_PER_MSEC) /* after the first, doubling */
#define PAIRING_FORGED_MAX 4                       /* answers to one INIT that do not fit */
/* Before a peer that did not answer is asked again, doubling. */
#define PAIRING_PAUSE_NS (30 * PDM_NSEC_PER_SEC)
#define PAIRING_PAUSE_MAX_NS (600 * PDM_NSEC_PER_SEC)
#define PAIRING_COOKIE_NS (60 * PDM_NSEC_PER_SEC) /* a cookie is good for one to two of these */
/* HELLOs answered a second: of one address, of one entry of a list, and of all. */
#define PAIRING_HELLO_SOURCE_RATE 16
#define PAIRING_HELLO_ENTRY_RATE 200
#define PAIRING_HELLO_RATE 1000
#define PAIRING_HELLO_PLACES 1024                 /* that addresses, and entries, share by chance */
#define PAIRING_REOPEN_NS (60 * PDM_NSEC_PER_SEC) /* before a port in use is tried again */
#define PAIRING_READS 16                          /* messages read before others get their turn */
#define PAIRING_TICK_US 20000 /* between looks at what is to be sent or computed */

/* The agent: the note of generations used. */
#define HIGHWATER_MAX 4096 /* (secret, own address) */
#define HIGHWATER_FILE_MAX (1024 * 1024)
#define HIGHWATER_KEPT_S (7 * 24 * 3600) /* after a secret's end, at least */

/* The agent: log. */
#define AGENT_LOG_LINE 1024
#define AGENT_LOG_BURST 8 /* lines from one place in one period */
#define AGENT_LOG_PERIOD_NS (10 * PDM_NSEC_PER_SEC)

/* A primary. */
#define PRIMARY_BACKLOG 1024          /* connections not accepted yet */
#define PRIMARY_LISTENERS_MAX 16      /* addresses to listen on */
#define PRIMARY_STRANGERS_MAX 1024    /* connections whose handshake is not done */
#define PRIMARY_SECONDARIES_MAX 65536 /* connected */
#define PRIMARY_PARTNERS_MAX 8        /* connections with primaries of one peer, on one side */
#define PRIMARY_TARGETS_MAX 16        /* addresses of one peer to connect to */
#define PRIMARY_TICK_S 1
#define PRIMARY_WHY_MAX 160 /* octets of why something is refused, with the terminating zero */
/* Before a peer is connected to again: doubling, and less by chance. */
#define PRIMARY_BACKOFF_MIN_MS 1000
#define PRIMARY_BACKOFF_MAX_MS 60000
#define PRIMARY_SILENCE_NS (30 * PDM_NSEC_PER_SEC)  /* for a peer's answer */
#define PRIMARY_NEGOTIATE_NS (2 * PDM_NSEC_PER_SEC) /* between negotiations of one connection */
#define PRIMARY_CLAIM_S 10                          /* for one that another primary began */
#define PRIMARY_SUSPECT_NS (60 * PDM_NSEC_PER_SEC)  /* between those by a secondary's word */
#define PRIMARY_REQUESTS_RATE 1000                  /* a second, of one secondary */
#define PRIMARY_SECRETS_RATE 5                      /* a second, registrations of one secondary */
#define PRIMARY_SETUPS_RATE 5                       /* a second, of one peer */
#define PRIMARY_PARTNER_RATE 200                    /* a second, of one peer */
#define PRIMARY_BACKLOG_MAX (1024 * 1024) /* octets unread, for a secondary to be told more */
#define PRIMARY_PUSHES 64           /* secondaries told of a change before others get their turn */
#define PRIMARY_TRUST_S 60          /* within which every certificate is looked at again */
#define PRIMARY_OUTBOX_MAX 256      /* messages that wait for one commit */
#define PRIMARY_IDENTITIES_MAX 4096 /* private keys of addresses that are remembered, of ibc */
#define PRIMARY_MASTERS_MAX 64      /* likewise, master secrets */
#define LIST_GROUPS_MAX 256         /* of servers, in one list */

/* A primary: what one of those who connect to it may take of what is for all. */
#define PRIMARY_STRANGERS_SOURCE 128 /* handshakes under way of one /64, or IPv4 address */
#define PRIMARY_CERTIFICATE_LINKS 16 /* the agents of one host have one certificate */
#define PRIMARY_UNUSED_NS (60 * PDM_NSEC_PER_SEC) /* connected, and not for what it is for */
/* Negotiations begun or answered for one pair, by all connections together: what one connection may
 * at PRIMARY_NEGOTIATE_NS. */
#define PRIMARY_NEGOTIATIONS_MINUTE 30

/* The store of a primary. */
#define DB_LABEL_MAX 512 /* octets of what a database is called in messages */
#define DB_COLUMNS_MAX 16
#define DB_VALUES_MAX 16
#define DB_QUEUE_MAX 256 /* statements whose results are awaited together */
#define DB_BUSY_MS 1000  /* for another process to close the file */
/* Of one statement: how long it is waited for, and milliseconds after which the server ends it, a
 * wait for a lock, and a transaction in which nothing happens. */
#define DB_TIME_NS (2 * PDM_NSEC_PER_SEC)
#define DB_SERVER_TIME_MS "1500"
#define DB_LOCK_TIME_MS "1000"
#define DB_IDLE_TIME_MS "10000"
/* After a connection could not be made: so many times what that took, and no less than this. */
#define DB_RETRY_FACTOR 4
#define DB_RETRY_MIN_NS (200 * PDM_NSEC_PER_MSEC)
#define STORE_EPOCH_MAX (INT64_MAX / 2) /* what both databases can count */
#define STORE_SECRETS_PENDING 6         /* of one pair, the latest */
#define STORE_SECRETS_MAX (STORE_SECRETS_PENDING + 2)
#define STORE_CHANGES_KEPT 65536 /* of one list */
#define STORE_PAGE 4096          /* rows read at once */

#endif
