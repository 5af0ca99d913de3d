#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A reader of captures that shares no code with the product derives, from what two primaries said to
# each other and what the KEM made of it, the key of every option between their secondaries: in each
# mode of operation, with each KEM, KDF and AEAD, and across a renegotiation. What it reads is what
# agents and pdmping report. Needs root.
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/net/organisations.sh
. tests/net/organisations.sh
# shellcheck source=tests/e2e/modes.sh
. tests/e2e/modes.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PROBES=30
RENEGOTIATED=6  # probes before it
AFTERWARDS=45   # in all: half the grace period later, to the second, hosts send under the new secret
LEFT=
LATE_SHARE=0.1  # there are not many
judge() {
    modes_check "$@"
    count $?
}

# volley|probes LABEL DIRECTORY PRIMARY...
witness() {
    # shellcheck disable=SC2086 # words
    "$MODES_PYTHON" -B tests/e2e/witness_check.py "${@:1:3}" \
        --transcript "$NET_DIR/$4/transcript" --late-share $LATE_SHARE $LEFT "${@:5}"
    count $?
}

# LABEL MODE LINE...
mode() {
    local label=$1 LEFT=
    [ "$2" != ibc ] || LEFT="--left 1"
    RUN=$NET_DIR/run
    rm -rf "$RUN"
    modes_begin "${@:2}" && modes_measure "$RUN" $PROBES || exit
    judge confirmed "$label, the HMAC over the transcript" "$NET_DIR"/p?/transcript
    witness probes "$label, pdmping" "$RUN/sc1" pc
    witness volley "$label, socat" "$RUN/sc2" ps --kri 1 --window 1
    modes_end
}

# A new secret in the middle of both flows: its negotiation's number is in an identity, too.
# MODE LINE...
renegotiate() {
    local label="$1, renegotiated" second
    RUN=$NET_DIR/run
    rm -rf "$RUN"
    modes_begin "$@" || exit
    {
        sleep "$(awk -v n=$RENEGOTIATED -v s=$MODES_INTERVAL 'BEGIN { print n * s }')"
        in_host pc "$ORGS_BIN/pdmctl" primary -s "$NET_DIR/pc/primary.sock" renegotiate a
    } &
    second=$!
    modes_measure "$RUN" $AFTERWARDS || exit
    wait "$second" || count 1
    judge epochs "$label" "$NET_DIR/pc/transcript" "$RUN"/sc?/server.pcap --count 2 \
        --flows "$RUN/sc2/client.json"
    modes_end
}

# What is installed has nothing of it.
written_down() {
    local binary
    for binary in pdmprimary pdmkeyagent; do
        if ! grep -q PDMV2_TRANSCRIPT "$MODES_BUILD/$binary" ||
            grep -q PDMV2_TRANSCRIPT "$ORGS_BIN/$binary"; then
            echo "FAIL  $binary: who writes transcripts"
            count 1
        else
            echo "ok    $binary writes no transcript"
            count 0
        fi
    done
}

modes_build || exit
written_down
modes_up || exit
mode trusted-servers trusted-servers "kem = x25519" "kdf = sha256" "aead = aes-256-gcm"
mode "asymmetric-poll, clients poll" asymmetric-poll "poller = client" \
    "kem = p256" "kdf = sha512" "aead = chacha20-poly1305"
mode "asymmetric-poll, servers poll" asymmetric-poll "poller = server" \
    "kem = x25519" "kdf = sha512" "aead = aes-256-gcm"
mode ibc ibc "kem = p256" "kdf = sha256" "aead = chacha20-poly1305"
mode "ibc, longer secrets" ibc "kem = x25519" "kdf = sha512" "aead = aes-256-gcm"
renegotiate trusted-servers "grace = 2s"
renegotiate ibc "grace = 2s"
tally
