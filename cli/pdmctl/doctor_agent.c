/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl doctor: the agent, what it is responsible for, and paths. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/pdmctl/doctor.h"
#include "cli/pdmctl/format.h"
#include "core/limits.h"
#include "core/metrics.h"

#define PORT_DISCARD "9" /* nothing is sent there: the kernel is asked for the source address */
#define ASK_EVERY_NS (100 * PDM_NSEC_PER_MSEC)

enum { ADVICE_MAX = 128 };

/* Two probings that find no answer, each of three rounds, and some time to spare. */
#define PATH_PATIENCE_NS (12 * PDM_NSEC_PER_SEC)

struct count {
    struct doctor *doctor;
    uint32_t good;
};

static bool look_at(struct pdm_reader *body, void *context)
{
    struct count *count = context;
    struct pdm_association a;
    char name[PDM_NAME_MAX];

    pdm_get_association(body, &a);
    if (body->bad)
        return false;
    if (a.remaining_ms == 0)
        doctor_tell(count->doctor, FINDING_BAD, "agent",
                    "make a new key for both hosts: pdmctl keygen",
                    "association %s has ended: its lifetime is over", format_name(name, a.name));
    else
        count->good++;
    return true;
}

void doctor_agent(struct doctor *d)
{
    struct count count = {.doctor = d};
    struct pdm_status_reply status;

    if (agent_status(&d->client, &status) != AGENT_ANSWERED) {
        doctor_tell(d, FINDING_BAD, "agent", NULL, "%s", d->client.why);
        return;
    }
    if (status.host_drops)
        doctor_tell(d, FINDING_BAD, "agent", "see the agent's log for the setting",
                    "its network namespace drops all packets that come with an option");
    if (agent_list(&d->client, PDM_ASSOCIATIONS, look_at, &count) != AGENT_ANSWERED)
        doctor_tell(d, FINDING_BAD, "agent", NULL, "%s", d->client.why);
    else if (status.associations == 0)
        doctor_tell(d, FINDING_BAD, "agent", "see pdmv2.conf(5), or pdmctl enroll",
                    "answers, but has no associations: no peer takes part");
    else if (count.good > 0)
        doctor_tell(d, FINDING_GOOD, "agent", NULL, "answers; associations in force: %" PRIu32,
                    count.good);
}

static void put_path_request(struct pdm_writer *w, uint32_t start, const void *arg)
{
    (void)start;
    pdm_put_path_request(w, arg);
}

/* Until the agent has a verdict, or PATH_PATIENCE_NS are over. */
static enum agent_result ask_path(struct doctor *d, const struct pdm_path_request *request,
                                  struct pdm_path_reply *reply)
{
    const struct timespec pause = {.tv_nsec = ASK_EVERY_NS};
    int64_t until = clock_monotonic() + PATH_PATIENCE_NS;

    for (;;) {
        enum agent_result result = agent_ask(&d->client, PDM_PATH, put_path_request, request);

        if (result != AGENT_ANSWERED)
            return result;
        pdm_get_path_reply(&d->client.body, reply);
        if ((reply->path != PDM_PATH_UNKNOWN && reply->keys != PDM_STATUS_LATER) ||
            clock_monotonic() > until)
            return AGENT_ANSWERED;
        (void)nanosleep(&pause, NULL);
    }
}

static void tell_keys(struct doctor *d, const char *peer, const struct pdm_path_reply *r)
{
    char name[PDM_NAME_MAX];
    const char *association = format_name(name, r->name);

    if (r->keys == PDM_STATUS_OK)
        doctor_tell(d, FINDING_GOOD, "peer", NULL, "%s: association %s, %s", peer, association,
                    format_protect(r->format));
    else if (r->keys == PDM_STATUS_LATER)
        doctor_tell(d, FINDING_BAD, "peer", "see its primary: pdmctl primary status",
                    "%s: association %s still waits for a secret", peer, association);
    else
        doctor_tell(d, FINDING_BAD, "peer", "see the agent's log",
                    "%s: association %s has no key for it", peer, association);
}

static void tell_path(struct doctor *d, const char *peer, const struct pdm_path_reply *r)
{
    static const struct {
        enum finding finding;
        const char *text;
        const char *advice;
    } verdicts[] = {
        [PDM_PATH_UNKNOWN] = {FINDING_NOTE, "is still being probed", "ask again in a minute"},
        [PDM_PATH_CARRIES] = {FINDING_GOOD, "carries packets with options", NULL},
        [PDM_PATH_DROPS] =
            {FINDING_BAD, "drops packets with options, and lets those without pass",
             "look for a firewall that drops extension headers (RFC 7872); the agent probes on"},
        [PDM_PATH_UNPROBED] =
            {FINDING_BAD,
             "cannot be probed: the peer answers no echo, or is down, or the agent "
             "lacks CAP_NET_RAW",
             "let it answer ICMPv6 echoes; or, where the path is known to carry options, set "
             "path = trust"},
    };

    if (r->trusted)
        doctor_tell(d, FINDING_GOOD, "path", NULL, "%s is trusted to carry options, not probed",
                    peer);
    else if (r->path < sizeof(verdicts) / sizeof(verdicts[0]))
        doctor_tell(d, verdicts[r->path].finding, "path", verdicts[r->path].advice, "%s %s", peer,
                    verdicts[r->path].text);
}

/* The address that packets to PEER leave from. */
static bool find_local(const struct sockaddr_in6 *peer, uint8_t local[static PDM_ADDR_LEN])
{
    struct sockaddr_in6 own;
    socklen_t len = sizeof(own);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = fd >= 0 && connect(fd, (const struct sockaddr *)peer, sizeof(*peer)) == 0 &&
                 getsockname(fd, (struct sockaddr *)&own, &len) == 0;

    if (fd >= 0)
        (void)close(fd);
    if (known)
        memcpy(local, &own.sin6_addr, PDM_ADDR_LEN);
    return known;
}

static void look_at_peer(struct doctor *d, const struct sockaddr_in6 *peer)
{
    struct pdm_path_request request;
    struct pdm_path_reply reply;
    char text[FORMAT_MAX], advice[ADVICE_MAX];

    memcpy(request.peer, &peer->sin6_addr, sizeof(request.peer));
    format_address(text, request.peer);
    if (!find_local(peer, request.local)) {
        doctor_tell(d, FINDING_BAD, "path", "see ip -6 route", "%s: there is no route to it", text);
        return;
    }
    if (ask_path(d, &request, &reply) != AGENT_ANSWERED) {
        (void)snprintf(advice, sizeof(advice),
                       "name it in an association: peer = %s; see pdmv2.conf(5)", text);
        doctor_tell(d, FINDING_BAD, "peer",
                    d->client.status == PDM_STATUS_NOT_NAMED ? advice : NULL, "%s: %s", text,
                    d->client.why);
        return;
    }
    tell_keys(d, text, &reply);
    tell_path(d, text, &reply);
}

void doctor_path(struct doctor *d)
{
    const struct addrinfo hints = {.ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;

    if (!d->host)
        return;
    int error = getaddrinfo(d->host, PORT_DISCARD, &hints, &found);

    if (error != 0)
        doctor_tell(d, FINDING_BAD, "peer", "it needs an IPv6 address", "%s: %s", d->host,
                    gai_strerror(error));
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        look_at_peer(d, (const struct sockaddr_in6 *)(const void *)at->ai_addr);
    if (found)
        freeaddrinfo(found);
}
