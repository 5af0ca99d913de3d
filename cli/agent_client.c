/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the key agent: one connection for each, as the agent wants it. */
#include "cli/agent_client.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "pdmv2/agent.sock"
#define SYSTEM_SOCKET "/run/" SOCKET_NAME

enum { ANSWER_S = 5 }; /* an agent that takes longer hangs */

/* An empty variable counts as unset, as for XDG_RUNTIME_DIR elsewhere. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] != '\0' ? value : NULL;
}

static const char *usual_socket(void)
{
    static char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    const char *agent = environment("PDMV2_AGENT");
    const char *runtime = environment("XDG_RUNTIME_DIR");

    if (agent)
        return agent;
    if (!runtime)
        return SYSTEM_SOCKET;
    /* What is cut here is still too long for a socket, and is refused as such. */
    (void)snprintf(path, sizeof(path), "%s/%s", runtime, SOCKET_NAME);
    return path;
}

bool agent_client_init(struct agent_client *client, const char *path)
{
    const struct sockaddr_un address;

    client->path = path ? path : usual_socket();
    if (strlen(client->path) < sizeof(address.sun_path))
        return true;
    warnx("%s: longer than the name of a socket may be", client->path);
    return false;
}

static int connect_to(const char *path)
{
    const struct timeval limit = {.tv_sec = ANSWER_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    /* The sending limit is connect's too: a full backlog would otherwise hold us. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int why = errno;

    (void)close(fd);
    errno = why;
    return -1;
}

static enum agent_result unreachable(const char *path)
{
    switch (errno) {
    case EAGAIN:
        warnx("the agent at %s is too busy to answer", path);
        return AGENT_FAILED;
    case EACCES:
        warnx("the agent at %s may not be asked by this user", path);
        return AGENT_UNREACHABLE;
    default:
        warn("no agent at %s: start pdmkeyagent, or name its socket with -s", path);
        return AGENT_UNREACHABLE;
    }
}

static const char *status_text(uint8_t status)
{
    static const char *const texts[] = {
        [PDM_STATUS_BAD_REQUEST] = "it does not know the request: is it of another version?",
        [PDM_STATUS_QUOTA] = "too many requests: try again in a second",
        [PDM_STATUS_STALE] = "it was restarted: try again",
    };

    if (status < sizeof(texts) / sizeof(texts[0]) && texts[status])
        return texts[status];
    return "it refused the request";
}

static enum agent_result refuse(const struct agent_client *client, const char *why)
{
    warnx("the agent at %s: %s", client->path, why);
    return AGENT_FAILED;
}

/* One request and its reply; LEN octets of it lie in the client's buffer. */
static enum agent_result exchange(struct agent_client *client, const uint8_t *request,
                                  size_t request_len, size_t *len)
{
    enum agent_result result = AGENT_ANSWERED;
    int fd = connect_to(client->path);
    ssize_t n = -1;

    if (fd < 0)
        return unreachable(client->path);
    if (send(fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len)
        n = recv(fd, client->reply, sizeof(client->reply), MSG_TRUNC);
    if (n < 0 && errno == EAGAIN)
        result = refuse(client, "no answer");
    else if (n <= 0)
        result = refuse(client, "it closed the connection: is this user allowed to ask it?");
    else if ((size_t)n > sizeof(client->reply))
        result = refuse(client, "its answer is too long: is it of another version?");
    else
        *len = (size_t)n;
    (void)close(fd);
    return result;
}

/* Sends a message of TYPE with, for a list, the page's START. */
static enum agent_result ask(struct agent_client *client, enum pdm_message_type type,
                             const struct pdm_page_request *page)
{
    uint8_t request[PDM_MESSAGE_SMALL];
    struct pdm_message message;
    uint8_t reply_type = 0;
    size_t len = 0;

    pdm_message_begin(&message, request, sizeof(request), (uint8_t)type);
    if (page)
        pdm_put_page_request(&message.body, page);
    enum agent_result result = exchange(client, request, pdm_message_end(&message), &len);

    if (result != AGENT_ANSWERED)
        return result;
    if (!pdm_message_open(client->reply, len, &reply_type, &client->body) ||
        reply_type != ((uint8_t)type | PDM_REPLY))
        return refuse(client, "its answer makes no sense: is it of another version?");

    /* A refusal may be the status alone. */
    struct pdm_reader peek = client->body;
    uint8_t status = pdm_read_u8(&peek);

    if (peek.bad || status != PDM_STATUS_OK)
        return refuse(client, status_text(status));
    return AGENT_ANSWERED;
}

enum agent_result agent_status(struct agent_client *client, struct pdm_status_reply *status)
{
    enum agent_result result = ask(client, PDM_STATUS, NULL);

    if (result != AGENT_ANSWERED)
        return result;
    pdm_get_status_reply(&client->body, status);
    return pdm_message_done(&client->body) ? AGENT_ANSWERED : refuse(client, "a malformed answer");
}

static bool take_page(struct agent_client *client, const struct pdm_page_reply *page,
                      agent_record *record, void *context)
{
    for (uint16_t i = 0; i < page->records; i++) {
        if (!record(&client->body, context) || client->body.bad)
            return false;
    }
    return pdm_message_done(&client->body);
}

enum agent_result agent_list(struct agent_client *client, enum pdm_message_type type,
                             agent_record *record, void *context)
{
    struct pdm_page_request request = {0};
    struct pdm_page_reply page = {0};

    do {
        enum agent_result result = ask(client, type, &request);

        if (result != AGENT_ANSWERED)
            return result;
        pdm_get_page_reply(&client->body, &page);
        /* A list that does not get on would never end. */
        if ((page.next != 0 && page.next <= request.start) ||
            !take_page(client, &page, record, context))
            return refuse(client, "a malformed list");
        request.start = page.next;
    } while (page.next != 0);
    return AGENT_ANSWERED;
}
