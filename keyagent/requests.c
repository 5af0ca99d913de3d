/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of clients: who may ask what, and how it is refused. */
#include "keyagent/requests.h"

#include "core/limits.h"
#include "keyagent/agent_flows.h"
#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/report.h"
#include "keyagent/requests_inside.h"

/* A reply that says no: its status, and zeros. */
#define DEFINE_REFUSE(body)                                                                        \
    static void refuse_##body(struct pdm_writer *w, enum pdm_status status)                        \
    {                                                                                              \
        struct pdm_##body refused = {.status = (uint8_t)status};                                   \
                                                                                                   \
        pdm_put_##body(w, &refused);                                                               \
    }
DEFINE_REFUSE(hello_reply)
DEFINE_REFUSE(open_reply)
DEFINE_REFUSE(renew_reply)
DEFINE_REFUSE(search_reply)
DEFINE_REFUSE(status_reply)
DEFINE_REFUSE(path_reply)
DEFINE_REFUSE(page_reply)

static enum pdm_status hello(struct request *q)
{
    const struct agent *agent = q->agent;
    struct pdm_message m;
    struct pdm_hello_reply r = {.status = PDM_STATUS_OK, .instance = agent->instance};

    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    request_begin(q, &m, PDM_HELLO);
    pdm_put_hello_reply(&m.body, &r);
    request_end(q, &m);
    q->reply->fd[0] = agent->segment.policy_fd;
    q->reply->fd[1] = agent->segment.metrics_fd;
    q->reply->fds = REPLY_FDS;
    return PDM_STATUS_OK;
}

static const struct {
    enum pdm_status (*handle)(struct request *q); /* puts the reply, if it returns PDM_STATUS_OK */
    void (*refuse)(struct pdm_writer *w, enum pdm_status status); /* NULL: has no reply */
} handlers[] = {
    [PDM_HELLO] = {hello, refuse_hello_reply},
    [PDM_OPEN] = {requests_open, refuse_open_reply},
    [PDM_RENEW] = {requests_renew, refuse_renew_reply},
    [PDM_CLOSE] = {requests_close, NULL},
    [PDM_SEARCH] = {requests_search, refuse_search_reply},
    [PDM_STATUS] = {report_status, refuse_status_reply},
    [PDM_ASSOCIATIONS] = {report_associations, refuse_page_reply},
    [PDM_FLOWS] = {report_flows, refuse_page_reply},
    [PDM_SUSPECT] = {requests_suspect, NULL},
    [PDM_PATH] = {report_path, refuse_path_reply},
    [PDM_MOVE] = {requests_move, refuse_open_reply},
};

#define HANDLERS (sizeof handlers / sizeof handlers[0])

static bool known(uint8_t type)
{
    return type < HANDLERS && handlers[type].handle != NULL;
}

static enum pdm_status handle(struct request *q, const struct client_id *who, uint8_t type)
{
    struct agent *agent = q->agent;

    q->client = clients_get(&agent->clients, who, q->now);
    if (q->client == NULL) {
        log_warning("more than %d processes use the agent", AGENT_CLIENTS_MAX);
        return PDM_STATUS_QUOTA;
    }
    /* Closing gives something back: it is never refused. */
    if (type != PDM_CLOSE &&
        !client_may_ask(q->client, agent->config.requests_per_client, q->now)) {
        log_warning("process %d asks more often than requests_per_client allows", (int)who->pid);
        return PDM_STATUS_QUOTA;
    }
    return handlers[type].handle(q);
}

static void refuse(const struct request *q, uint8_t type, enum pdm_status status)
{
    struct pdm_message m;

    pdm_message_begin(&m, q->reply->bytes, sizeof q->reply->bytes, type | PDM_REPLY);
    if (!known(type))
        pdm_write_u8(&m.body, (uint8_t)status);
    else if (handlers[type].refuse != NULL)
        handlers[type].refuse(&m.body, status);
    else
        return;
    q->reply->len = pdm_message_end(&m);
}

/* That a search found nothing is an answer. */
static bool is_refusal(enum pdm_status status)
{
    return status != PDM_STATUS_OK && status != PDM_STATUS_NOT_FOUND &&
           status != PDM_STATUS_LATER && status != PDM_STATUS_REPLAY;
}

void requests_answer(struct agent *agent, const struct client_id *who, const uint8_t *bytes,
                     size_t len, struct reply *reply)
{
    struct pdm_reader body;
    struct request q = {.agent = agent, .now = clock_now(), .body = &body, .reply = reply};
    enum pdm_status status = PDM_STATUS_BAD_REQUEST;
    uint8_t type;

    reply->len = 0;
    reply->fds = 0;
    reply->opened = false;
    agent->requests++;
    if (pdm_message_open(bytes, len, &type, &body) && known(type))
        status = handle(&q, who, type);
    agent->refused += is_refusal(status);
    if (status != PDM_STATUS_OK)
        refuse(&q, type, status);
}

/* The lease that went with it is burnt all the same. */
void requests_undelivered(struct agent *agent, const struct reply *reply)
{
    if (reply->opened)
        agent_drop_flow(agent, reply->slot);
}
