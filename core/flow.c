/* SPDX-License-Identifier: BSD-2-Clause */
/* One flow: the fields it sends, the samples it makes. */
#include "core/flow.h"

#include <string.h>

struct pdm_slot *pdm_flow_slot(const struct pdm_flow *flow)
{
    static struct pdm_slot nowhere;
    /* Read once: a child forked in a signal handler finds it wiped from one moment to the next. */
    struct pdm_slot *slot = *(struct pdm_slot *const volatile *)&flow->slot;

    return slot != NULL ? slot : &nowhere;
}

static void count(struct pdm_flow *flow, enum pdm_counter which, uint64_t by)
{
    pdm_count(&pdm_flow_slot(flow)->counter[which], by);
}

void pdm_flow_init(struct pdm_flow *flow, enum pdm_format format, uint16_t psn_before,
                   struct pdm_slot *slot)
{
    flow->format = format;
    flow->psn = psn_before;
    flow->slot = slot;
}

void pdm_flow_new_kri(struct pdm_flow *flow)
{
    flow->kri_began = flow->built;
    flow->kri_acknowledged = false;
    atomic_store_explicit(&pdm_flow_slot(flow)->own_kri, flow->sender.kri, memory_order_relaxed);
}

static struct pdm_delta delta_between(int64_t earlier, int64_t later)
{
    return pdm_delta_from_ns(later > earlier ? (uint64_t)(later - earlier) : 0);
}

static int64_t latest_send(const struct pdm_flow *flow)
{
    return flow->sent_at[(flow->built - 1) % PDM_SENT_RING];
}

static struct pdm_fields fields_at(const struct pdm_flow *flow, int64_t now,
                                   uint32_t global_pointer)
{
    struct pdm_fields fields = {.global_pointer = global_pointer, .psntp = pdm_psn_next(flow->psn)};

    if (flow->received) {
        fields.psnlr = flow->psnlr;
        fields.dtlr = delta_between(flow->received_at, now);
        fields.dtls = flow->dtls;
    } else if (flow->built > 0) {
        /* RFC 8250 appendix C.2: before anything came, the time since the last send. */
        fields.dtls = delta_between(latest_send(flow), now);
    }
    return fields;
}

/*
 * The receiver learns of a new Kri from its options alone. Should it miss the first, it must find
 * the next within its search; so until it names a send under the Kri, few options are sent.
 */
static bool held_back(const struct pdm_flow *flow, int64_t now)
{
    return !flow->kri_acknowledged && flow->built > flow->kri_began &&
           now - latest_send(flow) < PDM_CATCH_UP_NS;
}

static enum pdm_attach_status seal(struct pdm_flow *flow, const _Atomic uint64_t *guard,
                                   uint8_t type, int64_t now, const struct pdm_fields *fields,
                                   uint8_t option[static PDM_OPTION_MAX])
{
    if (pdm_sender_left(&flow->sender) == 0) {
        if (!pdm_sender_next_kri(&flow->sender))
            return PDM_ATTACH_NO_LEASE;
        pdm_flow_new_kri(flow);
    }
    if (held_back(flow, now))
        return PDM_ATTACH_HELD;

    switch (pdm_seal(&flow->sender, guard, type, fields, option)) {
    case PDM_SEALED:
        return PDM_ATTACHED;
    case PDM_SEAL_EXHAUSTED:
    case PDM_SEAL_WIPED:
        return PDM_ATTACH_NO_LEASE;
    case PDM_SEAL_FAILED:
        break;
    }
    return PDM_ATTACH_FAILED;
}

/*
 * To be named is not to be answered: a server that reads ahead names a request before it answers
 * the one before it, and from here that looks like a request that was lost. Each packet answers one
 * send; if everything is named and nothing more comes for a round trip, nothing more will.
 */
static void give_up_unanswered(struct pdm_flow *flow, int64_t now)
{
    if (flow->named != flow->built || now - flow->received_at <= flow->round_trip)
        return;
    flow->answered = flow->built;
    flow->presumed = 0;
}

enum pdm_attach_status pdm_flow_attach(struct pdm_flow *flow, const _Atomic uint64_t *guard,
                                       uint8_t type, int64_t now, uint32_t global_pointer,
                                       uint8_t option[static PDM_OPTION_MAX])
{
    struct pdm_fields fields = fields_at(flow, now, global_pointer);

    if (flow->format == PDM_FORMAT_ENCRYPTED) {
        enum pdm_attach_status status = seal(flow, guard, type, now, &fields, option);

        if (status != PDM_ATTACHED)
            return status;
    } else {
        fields.prseq = pdm_prseq_at(&flow->clear_prseq, (uint32_t)(flow->built % PDM_PRSEQ_MAX));
        pdm_option_write(flow->format, type, &fields, option);
    }
    give_up_unanswered(flow, now);
    flow->psn = fields.psntp;
    flow->sent_at[flow->built % PDM_SENT_RING] = now;
    flow->built++;
    count(flow, PDM_COUNTER_options_sent, 1);
    return PDM_ATTACHED;
}

/* The number (from 1) of the own send that PSNLR names, or 0 if it is none of the latest. */
static uint64_t send_named(const struct pdm_flow *flow, uint16_t psnlr)
{
    if (psnlr == 0 || flow->built == 0)
        return 0;
    uint32_t back = pdm_psn_ahead(psnlr, flow->psn);

    return back < PDM_SENT_RING && back < flow->built ? flow->built - back : 0;
}

/* DELTATLS: from the latest own send that is not after the receipt. */
static struct pdm_delta delta_last_sent(const struct pdm_flow *flow, int64_t at)
{
    for (uint64_t back = 1; back <= flow->built && back <= PDM_SENT_RING; back++) {
        int64_t sent = flow->sent_at[(flow->built - back) % PDM_SENT_RING];

        if (sent <= at)
            return delta_between(sent, at);
    }
    return (struct pdm_delta){0};
}

static void sample_network(struct pdm_flow *flow, int64_t network, int64_t step,
                           struct pdm_sample *sample)
{
    if (step > network / PDM_PRECISION_SHARE) {
        count(flow, PDM_COUNTER_imprecise, 1);
        return;
    }
    sample->has_network = true;
    sample->network = network;
    pdm_delay_add(&pdm_flow_slot(flow)->network, network);
    pdm_delay_add(&pdm_flow_slot(flow)->total, sample->total);
}

/*
 * Whether more than one own send waits for its answer. A server that reads ahead falls behind or
 * catches up; if as many seem to wait for long, all but one were lost.
 */
static bool is_overlapped(struct pdm_flow *flow)
{
    uint64_t waiting = flow->built - flow->answered;

    if (waiting <= 1)
        return false;
    flow->steady = waiting == flow->waiting ? flow->steady + 1 : 0;
    flow->waiting = waiting;
    if (flow->steady >= PDM_STEADY_SAMPLES) {
        flow->steady = 0;
        flow->answered = flow->built - 1;
        flow->presumed = 0;
    }
    return true;
}

/*
 * Only the first packet that names a send answers it, and only if no packet before it went
 * missing: else the tail of a long download would read as a slow server. If a packet without an
 * option seems to have answered it, one of the two was no answer.
 */
static void sample_server(struct pdm_flow *flow, uint64_t named, bool follows, int64_t server,
                          struct pdm_sample *sample)
{
    if (named <= flow->named || !follows)
        return;
    if (flow->presumed > 0 && named <= flow->answered) {
        pdm_flow_doubt(flow);
        return;
    }
    sample->has_server = true;
    sample->server = server;
    sample->overlapped =
        flow->stream.used ? !flow->stream.unique || named != flow->built : is_overlapped(flow);
    if (sample->overlapped)
        count(flow, PDM_COUNTER_overlapped, 1);
    else
        pdm_delay_add(&pdm_flow_slot(flow)->server, server);
}

/* False if the packet was here before it can have been. */
static bool take_sample(struct pdm_flow *flow, const struct pdm_fields *fields, bool follows,
                        int64_t at, struct pdm_sample *sample)
{
    uint64_t named = send_named(flow, fields->psnlr);

    if (named == 0)
        return true;
    int64_t server = pdm_delta_to_ns(fields->dtlr);
    int64_t step = pdm_delta_step_ns(fields->dtlr);
    int64_t total = at - flow->sent_at[(named - 1) % PDM_SENT_RING];
    /* A total below 0 less the largest server delay would overflow. */
    int64_t network = total < 0 ? total : total - server;

    if (network < 0 && (total < 0 || network < -step))
        return false;
    sample->total = total;
    flow->round_trip = total;
    sample_network(flow, network, step, sample);
    sample_server(flow, named, follows, server, sample);
    return true;
}

static void acknowledge(struct pdm_flow *flow, uint16_t psnlr)
{
    uint64_t named = send_named(flow, psnlr);

    if (named > flow->named)
        flow->named = named;
    /* Before it has a receive time of ours, the peer names nothing, but answers. */
    if (flow->answered < (psnlr == 0 ? flow->built : named))
        flow->answered++;
    if (named > flow->kri_began)
        flow->kri_acknowledged = true;
}

void pdm_flow_doubt(struct pdm_flow *flow)
{
    flow->answered -= flow->presumed;
    flow->presumed = 0;
    flow->doubted = true;
}

void pdm_flow_sent_plain(struct pdm_flow *flow)
{
    flow->plain_sent++;
}

/*
 * An answer to a packet without an option is none to a send; which of those that wait is answered
 * first is not known, so the sends wait longer. A packet when nothing waits was sent unasked, or
 * twice, or is one of several in answer to one: others may have been, too.
 */
void pdm_flow_received_plain(struct pdm_flow *flow)
{
    if (flow->plain_sent > 0) {
        flow->plain_sent--;
    } else if (flow->answered < flow->built && !flow->doubted) {
        flow->answered++;
        flow->presumed++;
    } else if (flow->built > 0) {
        pdm_flow_doubt(flow);
    }
}

void pdm_flow_answered(struct pdm_flow *flow, int64_t at)
{
    if (flow->stream.unique && flow->built > 0)
        flow->stream.took = at - latest_send(flow);
}

void pdm_flow_lost(struct pdm_flow *flow)
{
    if (flow->stream.took > 0)
        pdm_delay_add(&pdm_flow_slot(flow)->total, flow->stream.took);
    flow->stream.took = 0;
}

void pdm_flow_withheld(struct pdm_flow *flow)
{
    count(flow, PDM_COUNTER_options_sent, UINT64_MAX);
}

static void remember_receipt(struct pdm_flow *flow, uint16_t psntp, int64_t at, bool stamped)
{
    if (!stamped) {
        count(flow, PDM_COUNTER_unstamped, 1);
        return;
    }
    flow->received = true;
    flow->psnlr = psntp;
    flow->received_at = at;
    flow->dtls = delta_last_sent(flow, at);
}

/*
 * Without a Kri nothing tells one sender's sequence from the next one's: another process on the
 * same port, or the same after a restart, begins anywhere.
 */
static bool is_another_sequence(const struct pdm_sequence *sequence, uint16_t psntp)
{
    uint32_t ahead;

    if (sequence->top == 0)
        return false;
    ahead = pdm_psn_ahead(sequence->top_psn, psntp);
    return ahead >= PDM_WINDOW && ahead <= PDM_PSN_CYCLE - PDM_WINDOW;
}

/* *FOLLOWS: nothing before it in its sequence went missing. */
static enum pdm_receive_status account(struct pdm_flow *flow, struct pdm_sequence *sequence,
                                       uint16_t psntp, bool *follows)
{
    bool first = sequence->top == 0;
    struct pdm_sequence_step step = pdm_sequence_accept(sequence, psntp);

    switch (step.verdict) {
    case PDM_WINDOW_SEEN:
        count(flow, PDM_COUNTER_duplicates, 1);
        return PDM_DUPLICATE;
    case PDM_WINDOW_OLD:
        count(flow, PDM_COUNTER_outside_window, 1);
        return PDM_OUTSIDE_WINDOW;
    case PDM_WINDOW_NEW:
        break;
    }
    count(flow, PDM_COUNTER_options_received, 1);
    if (flow->stream.used) {
        /* Options overtaken before they were looked at are not lost; each is of a turn's first. */
        *follows = true;
        flow->stream.met = true;
        flow->stream.asked = true;
        return PDM_RECEIVED;
    }
    count(flow, PDM_COUNTER_lost, (uint64_t)step.lost);
    if (step.reordered)
        count(flow, PDM_COUNTER_reordered, 1);
    *follows = first || (!step.reordered && step.lost == 0);
    return PDM_RECEIVED;
}

enum pdm_receive_status pdm_flow_receive(struct pdm_flow *flow, const struct pdm_found *found,
                                         int64_t at, bool stamped, struct pdm_sample *sample)
{
    struct pdm_fields fields = found->fields;
    struct pdm_sequence *sequence = &flow->clear;
    uint64_t kri = 0;

    *sample = (struct pdm_sample){0};
    if (found->format != flow->format) {
        count(flow, PDM_COUNTER_wrong_format, 1);
        return PDM_REFUSED;
    }
    if (flow->format == PDM_FORMAT_ENCRYPTED) {
        struct pdm_live *live = pdm_receiver_open(&flow->receiver, found->option, &fields);

        if (live == NULL)
            return PDM_UNKNOWN_KRI;
        sequence = &live->sequence;
        kri = live->kri;
    }
    if (fields.psntp == 0) {
        count(flow, PDM_COUNTER_malformed, 1);
        return PDM_REFUSED;
    }
    if (sequence == &flow->clear && is_another_sequence(sequence, fields.psntp))
        memset(sequence, 0, sizeof *sequence);
    bool follows = false;
    enum pdm_receive_status status = account(flow, sequence, fields.psntp, &follows);

    if (status != PDM_RECEIVED)
        return status;
    /* Only now: a replay under an older Kri changes nothing. */
    atomic_store_explicit(&pdm_flow_slot(flow)->peer_kri, kri, memory_order_relaxed);
    if (stamped && !take_sample(flow, &fields, follows, at, sample)) {
        /* A stream's stamp may be that of data before the option: of this packet it tells nothing.
         */
        if (flow->stream.used)
            stamped = false;
        else
            count(flow, PDM_COUNTER_negative, 1);
    }
    acknowledge(flow, fields.psnlr);
    remember_receipt(flow, fields.psntp, at, stamped);
    return PDM_RECEIVED;
}
