/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection of registration: TLS 1.3 with certificates on both sides, carrying whole messages
 * of core/registration.h. What the peer is comes from its certificate alone.
 *
 * Event loop: all functions are called from the thread that runs BASE, which calls the handlers,
 * never from within a function below. Handlers may call any of them; what they close or free is
 * there until they return. Writes need SIGPIPE to be ignored.
 */
#ifndef PDM_KEYAGENT_LINK_H
#define PDM_KEYAGENT_LINK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/registration.h"
#include "keyagent/tls/credentials.h"

struct link;
struct evdns_base;

/* Who is at the other end, from its verified certificate. */
struct link_peer {
    unsigned authority;      /* which of the credentials' authorities vouches for it */
    char name[PDM_HOST_MAX]; /* subjectAltName DNS that was asked for, else the first; or "" */
    size_t addresses;        /* subjectAltName IP, IPv6 alone */
    uint8_t address[LINK_ADDRESSES_MAX][PDM_ADDR_LEN];
    uint8_t fingerprint[LINK_FINGERPRINT_LEN]; /* SHA-256 of the certificate */
    char from[LINK_FROM_MAX];                  /* "[2001:db8::1]:4711", for the log */
};

struct link_handlers {
    /*
     * The handshake is done and the peer's certificate verified. On the connecting side: whether
     * the other end believes ours shows later, by its first message or by down().
     */
    void (*up)(struct link *link, void *arg);
    /* A whole message; BODY is valid during the call, and wiped after it. */
    void (*message)(struct link *link, const struct pdm_registration_header *header,
                    struct pdm_reader *body, void *arg);
    /* It is over, with or without up() before; WHY is one line for the log, or NULL if either end
     * closed it in good order. Last call for LINK, which is freed after it. */
    void (*down)(struct link *link, const char *why, void *arg);
};

/*
 * Connects to one of TARGET's addresses ("host:port" or "[address]:port"; a name is asked of DNS,
 * or refused if that is NULL; the addresses are tried in turn, of IPv6 first) and requires that
 * AUTHORITY vouches for a certificate with NAME, a host's name or an address, in it. NULL if out of
 * memory or TARGET or NAME is malformed; else down() follows some time. HANDLERS must stay.
 */
struct link *link_connect(struct event_base *base, struct evdns_base *dns,
                          struct credentials *credentials, const char *target, unsigned authority,
                          const char *name, const struct link_handlers *handlers, void *arg);
/* The server's side of an accepted socket, which becomes the link's; NULL, and the socket is
 * closed, if out of memory. */
struct link *link_accept(struct event_base *base, struct credentials *credentials, int fd,
                         const struct link_handlers *handlers, void *arg);

/* Valid from up() on; but for from: "" until an address is known. */
const struct link_peer *link_peer(const struct link *link);
/* What the caller keeps with it. */
void link_set_data(struct link *link, void *data);
void *link_data(const struct link *link);

/*
 * Queues a whole message, header included, of LEN octets (copied, and wiped once sent). False if
 * the link is not up, without memory, or if more than LINK_BACKLOG_MAX octets would wait: a peer
 * that does not read is closed by the caller.
 */
bool link_send(struct link *link, const uint8_t *message, size_t len);
/* The same of what is shared by many links: BYTES stay where they are until RELEASE(BYTES, LEN,
 * ARG), which is called exactly once, within this function if it returns false. */
bool link_send_shared(struct link *link, const uint8_t *bytes, size_t len,
                      void (*release)(const void *bytes, size_t len, void *arg), void *arg);
/* Octets that wait to be sent. A message counts until the last of it went. */
size_t link_backlog(const struct link *link);

/* The peer's certificate is still good by what CREDENTIALS say now: neither expired nor revoked,
 * and of the authority that has the same number and name as before. */
bool link_still_trusted(const struct link *link, const struct credentials *credentials);
/* The same for a link that has just come up, at no cost if it was made with CREDENTIALS: others may
 * have taken their place while its hands were shaken. */
bool link_came_up_trusted(const struct link *link, const struct credentials *credentials);
/* From now on no message is taken whose body has more than OCTETS, whatever its command allows. */
void link_set_longest(struct link *link, uint32_t octets);
/* Sends what is queued, for LINK_CLOSE_S at most, then closes; no more messages, down() follows. */
void link_close(struct link *link);
/* At once, without down(). */
void link_free(struct link *link);

#endif
