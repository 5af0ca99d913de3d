/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of a flow that is open: another lease, its end, a path that may drop it. */
#include "core/limits.h"
#include "keyagent/agent_flows.h"
#include "keyagent/agent_names.h"
#include "keyagent/log.h"
#include "keyagent/requests_inside.h"

bool requests_lease(struct request *q, uint32_t ledger, const struct pdm_tuple *tuple,
                    uint32_t count, uint64_t *first)
{
    struct agent *agent = q->agent;

    if (!ledger_grant(&agent->ledger, ledger, tuple, q->client->id.pid, count, q->now, first))
        return false;
    agent->leases++;
    return true;
}

uint32_t requests_epoch(const struct agent *agent)
{
    return pdm_policy_epoch_of(&agent->segment.policy);
}

static uint32_t next_lease(uint32_t had)
{
    if (had == 0)
        return 1;
    return had < PDM_LEASE_MAX / 2 ? 2 * had : PDM_LEASE_MAX;
}

/*
 * A lease of another secret than the flow's would be used with the flow's, where the same Kri may
 * have been granted. So the flow's is the one that its slot says, and must still be the one to
 * send under: PDM_STATUS_STALE if not.
 */
static enum pdm_status may_renew(const struct request *q, const struct slot_info *info)
{
    const struct agent *agent = q->agent;
    struct opening o = {.tuple = info->tuple};

    o.association = agent_association(agent, &o.tuple, &o.group);
    if (o.association == NULL || o.association->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_NOT_NAMED;
    enum pdm_status status = opening_key(q, &o);
    const struct keying_secret *own = &o.keying.of[o.keying.send];

    if (status == PDM_STATUS_OK && (info->format != PDM_FORMAT_ENCRYPTED ||
                                    info->ledger != own->ledger || info->serial != own->serial))
        status = PDM_STATUS_STALE;
    keying_wipe(&o.keying);
    return status;
}

enum pdm_status requests_renew(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_renew_request n;
    struct pdm_message m;

    pdm_get_renew_request(q->body, &n);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(n.tuple);
    const struct slot_record *record = slots_owned(&agent->slots, n.slot, n.owner);
    if (n.instance != agent->instance || record == NULL ||
        !pdm_tuple_equal(&record->info.tuple, &tuple))
        return PDM_STATUS_STALE;
    enum pdm_status status = may_renew(q, &record->info);
    if (status != PDM_STATUS_OK)
        return status;

    struct pdm_renew_reply r = {
        .status = PDM_STATUS_OK, .epoch = requests_epoch(agent), .lease_count = next_lease(n.had)};
    if (!requests_lease(q, record->info.ledger, &tuple, r.lease_count, &r.lease_first))
        return PDM_STATUS_NO_LEASE;
    request_begin(q, &m, PDM_RENEW);
    pdm_put_renew_reply(&m.body, &r);
    request_end(q, &m);
    return PDM_STATUS_OK;
}

const struct slot_record *requests_owned(const struct request *q, uint32_t slot, uint64_t owner,
                                         const struct pdm_tuple *tuple)
{
    const struct slot_record *record = slots_owned(&q->agent->slots, slot, owner);

    if (record == NULL || record->info.client.pid != q->client->id.pid ||
        !pdm_tuple_equal(&record->info.tuple, tuple))
        return NULL;
    return record;
}

/* There is no reply: what is wrong is left alone. */
enum pdm_status requests_close(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_close_request c;

    pdm_get_close_request(q->body, &c);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(c.tuple);
    const struct slot_record *record = requests_owned(q, c.slot, c.owner, &tuple);
    if (record == NULL)
        return PDM_STATUS_STALE;
    /* To the secret that the flow was opened under, whichever its association has by now. */
    if (record->info.format == PDM_FORMAT_ENCRYPTED)
        ledger_return(&agent->ledger, record->info.ledger, &tuple, q->client->id.pid,
                      c.unused_first, c.unused_count);
    agent_end_flow(agent, c.slot, FLOW_CLOSED);
    return PDM_STATUS_OK;
}

/* What it is worth is decided there; one flow that is wrong costs its peer's flows little. */
static void suspect_path(struct request *q, uint32_t slot, const struct association *a)
{
    struct agent *agent = q->agent;
    const struct slot_info *info = &agent->slots.record[slot].info;

    if (a->path == CONFIG_PATH_PROBE)
        paths_suspect(&agent->paths, info->path, q->now);
    else if (agent->suspects_trusted++ == 0)
        log_warning(
            "association %s: options of a flow of process %d seem to get lost; path = trust "
            "says that they do not",
            a->name, (int)info->client.pid);
}

/* As above: no reply. */
enum pdm_status requests_suspect(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_suspect_request s;

    pdm_get_suspect_request(q->body, &s);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(s.tuple);
    const struct slot_record *record = requests_owned(q, s.slot, s.owner, &tuple);
    if (record == NULL)
        return PDM_STATUS_STALE;
    const struct association *a = associations_get(&agent->associations, record->info.association);
    if (a == NULL)
        return PDM_STATUS_NOT_NAMED;
    suspect_path(q, s.slot, a);
    return PDM_STATUS_OK;
}
