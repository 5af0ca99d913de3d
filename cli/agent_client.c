/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the key agent, or to a primary: one connection for each, as they want it. */
#include "cli/agent_client.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/admin.h"

#define SOCKET_NAME "pdmv2/agent.sock"
#define SYSTEM_SOCKET "/run/" SOCKET_NAME
#define PRIMARY_SOCKET "/run/pdmv2/primary.sock"

enum {
    SOCKET_PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path),
    ANSWER_S = 5, /* an agent that takes longer hangs */
};

/* An empty variable counts as unset, as for XDG_RUNTIME_DIR elsewhere. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] != '\0' ? value : NULL;
}

static const char *usual_socket(void)
{
    static char path[SOCKET_PATH_SIZE + 1];
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

static bool init(struct agent_client *client, const char *path, const char *who,
                 const char *program)
{
    client->path = path;
    client->who = who;
    client->program = program;
    client->quiet = false;
    if (strlen(client->path) < SOCKET_PATH_SIZE)
        return true;
    warnx("%s: longer than the name of a socket may be", client->path);
    return false;
}

bool agent_client_init(struct agent_client *client, const char *path)
{
    return init(client, path ? path : usual_socket(), "agent", "pdmkeyagent");
}

bool agent_client_init_primary(struct agent_client *client, const char *path)
{
    const char *usual = environment("PDMV2_PRIMARY");

    if (!path)
        path = usual ? usual : PRIMARY_SOCKET;
    return init(client, path, "primary", "pdmprimary");
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

__attribute__((format(printf, 2, 3))) static void say(struct agent_client *client,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(client->why, sizeof(client->why), format, args);
    va_end(args);
    if (!client->quiet)
        warnx("%s", client->why);
}

static enum agent_result unreachable(struct agent_client *client)
{
    switch (errno) {
    case EAGAIN:
        say(client, "the %s at %s is too busy to answer", client->who, client->path);
        return AGENT_FAILED;
    case EACCES:
        say(client, "the %s at %s may not be asked by this user: see %s(8)", client->who,
            client->path, client->program);
        return AGENT_UNREACHABLE;
    default:
        say(client, "no %s at %s (%s): start %s, or name its socket with -s", client->who,
            client->path, strerror(errno), client->program);
        return AGENT_UNREACHABLE;
    }
}

static const char *status_text(uint8_t status)
{
    static const char *const texts[] = {
        [PDM_STATUS_BAD_REQUEST] = "it does not know the request: is it of another version?",
        [PDM_STATUS_NOT_NAMED] = "no association names these addresses",
        [PDM_STATUS_QUOTA] = "too many requests: try again in a second",
        [PDM_STATUS_STALE] = "it was restarted: try again",
    };

    if (status < sizeof(texts) / sizeof(texts[0]) && texts[status])
        return texts[status];
    return "it refused the request";
}

static enum agent_result refuse(struct agent_client *client, const char *why)
{
    say(client, "the %s at %s: %s", client->who, client->path, why);
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
        return unreachable(client);
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

/* A primary says why. */
static enum agent_result refused(struct agent_client *client)
{
    struct pdm_reader body = client->body;
    struct pdm_admin_done done;

    pdm_get_admin_done(&body, &done);
    done.why[sizeof(done.why) - 1] = '\0';
    for (uint8_t *at = done.why; *at != '\0'; at++)
        *at = isprint(*at) ? *at : '?';
    return refuse(client, done.why[0] != '\0' ? (const char *)done.why : status_text(0));
}

/* START: of a list's page. */
static enum agent_result ask(struct agent_client *client, uint8_t type, agent_put *put,
                             uint32_t start, const void *arg)
{
    uint8_t request[PDM_MESSAGE_SMALL];
    struct pdm_message message;
    uint8_t reply_type = 0;
    size_t len = 0;

    pdm_message_begin(&message, request, sizeof(request), type);
    if (put)
        put(&message.body, start, arg);
    client->status = PDM_STATUS_OK;
    enum agent_result result = exchange(client, request, pdm_message_end(&message), &len);

    if (result != AGENT_ANSWERED)
        return result;
    if (!pdm_message_open(client->reply, len, &reply_type, &client->body) ||
        reply_type != (type | PDM_REPLY))
        return refuse(client, "its answer makes no sense: is it of another version?");

    /* A refusal may be the status alone. */
    struct pdm_reader peek = client->body;
    uint8_t status = pdm_read_u8(&peek);

    client->status = status;
    if (!peek.bad && status == PDM_STATUS_REFUSED)
        return refused(client);
    if (peek.bad || status != PDM_STATUS_OK)
        return refuse(client, status_text(status));
    return AGENT_ANSWERED;
}

enum agent_result agent_ask(struct agent_client *client, uint8_t type, agent_put *put,
                            const void *arg)
{
    return ask(client, type, put, 0, arg);
}

enum agent_result agent_status(struct agent_client *client, struct pdm_status_reply *status)
{
    enum agent_result result = agent_ask(client, PDM_STATUS, NULL, NULL);

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

static void put_page_request(struct pdm_writer *w, uint32_t start, const void *arg)
{
    const struct pdm_page_request page = {.start = start};

    (void)arg;
    pdm_put_page_request(w, &page);
}

enum agent_result agent_list(struct agent_client *client, uint8_t type, agent_record *record,
                             void *context)
{
    return agent_list_of(client, type, put_page_request, NULL, record, context);
}

enum agent_result agent_list_of(struct agent_client *client, uint8_t type, agent_put *put,
                                const void *arg, agent_record *record, void *context)
{
    struct pdm_page_reply page = {0};
    uint32_t start = 0;

    do {
        enum agent_result result = ask(client, type, put, start, arg);

        if (result != AGENT_ANSWERED)
            return result;
        pdm_get_page_reply(&client->body, &page);
        /* A list that does not get on would never end. */
        if ((page.next != 0 && page.next <= start) || !take_page(client, &page, record, context))
            return refuse(client, "a malformed list");
        start = page.next;
    } while (page.next != 0);
    return AGENT_ANSWERED;
}
