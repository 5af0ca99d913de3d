#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The four modes of operation between two organisations of three hosts each: unmodified programs on
# the secondaries are measured under each, and of what was captured each host can decrypt what its
# mode lets it, and no more. Needs root.
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
FEW=12
REPLAYS=10
judge() {
    modes_check "$@"
    count $?
}

# MODE: so every secondary's agent shows it, in both forms; with its first secrets, if it has any.
shown() {
    local host epoch=0
    [ "$1" != none ] || epoch=null
    for host in "${MODES_SECONDARIES[@]}"; do
        on "$host" "$ORGS_BIN/pdmctl" -j status |
            jq -es --arg mode "$1" --argjson epoch $epoch 'map(select(.type == "association")) |
                length == 1 and .[0].mode == $mode and .[0].epoch == $epoch' >/dev/null || return
        on "$host" "$ORGS_BIN/pdmctl" status |
            grep -Eq "^[^ ]+/[^ ]+ +$1 +${epoch/null/-} " || return
    done
}

# MODE [LINE...]: all are enrolled, and show it, or the test is over.
begin() {
    if ! modes_begin "$@"; then
        echo "FAIL  ${*}: not enrolled"
        exit 1
    fi
    check "$*, as pdmctl status shows it" shown "$1"
}

# LABEL FORMAT: both flows of $RUN.
measured() {
    judge ping "$1, pdmping" "$RUN/sc1" "${MODES_SET[@]}"
    judge flow "$1, socat" "$RUN/sc2" --client "$(orgs_addr sc2)" --protect "$2" "${MODES_SET[@]}"
    judge options "$1, on the wire" "$2" "$RUN"/sc?/*.pcap
}

# LABEL FLOW=HOSTS...
decrypted() {
    modes_who "$1, who can decrypt" "$RUN" "${@:2}"
    count $?
}

# LABEL: options of sc1 to ss1, sent to ss2 instead.
replayed() {
    modes_server ss2
    check "$1, a replay at another server leaves the payload alone" \
        in_host sc1 "$MODES_PYTHON" -B tests/e2e/replay_option.py "$RUN/sc1/server.pcap" \
        "$(orgs_addr sc1)" "$(orgs_addr ss2)" $REPLAYS
    on ss2 "$ORGS_BIN/pdmctl" -j flows >"$RUN/replayed"
    judge refused "$1, and its options are refused" "$RUN/replayed" --peer "$(orgs_addr sc1)"
    modes_server_end ss2
}

# LABEL: pdmping between sc1 and ss1 with the primaries gone.
without_primaries() {
    RUN=$RUN-alone
    orgs_kill pc
    orgs_kill ps
    check "$1, both primaries gone" modes_measure "$RUN" $FEW
}

new_run() {
    RUN=$NET_DIR/$1
    check "$2, answered as ever" modes_measure "$RUN" "$3"
}

none() {
    begin none
    new_run none "none" $FEW
    judge options "none, on the wire" none "$RUN"/sc?/*.pcap
    modes_end

    begin none "unprotected = plain"
    new_run plain "none, plain to listed peers" $PROBES
    measured "none, plain to listed peers" plain
    modes_server ps
    modes_capture ps "$RUN/ps.pcap"
    check "none, an unlisted peer answers" \
        on sc1 "$ORGS_BIN/pdmping" --json -c 3 -i $MODES_INTERVAL "$(orgs_addr ps)" >"$RUN/unlisted"
    modes_captures_end
    modes_server_end ps
    judge options "none, to an unlisted peer" none "$RUN/ps.pcap" --peer "$(orgs_addr sc1)"
    modes_end
}

trusted_servers() {
    begin trusted-servers
    new_run trusted "trusted-servers" $PROBES
    measured trusted-servers encrypted
    decrypted trusted-servers sc1,ss1=pc,ps,sc1,ss1,ss2 sc2,ss2=pc,ps,sc2,ss1,ss2
    replayed trusted-servers
    modes_end

    ORGS_GROUP[ss2]=2
    begin trusted-servers
    RUN=$NET_DIR/groups
    without_primaries "trusted-servers, two groups"
    decrypted "trusted-servers, two groups" sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2
    ORGS_GROUP[ss2]=1
    modes_end
}

# POLLER HOSTS: who poll
asymmetric_poll() {
    local label="asymmetric-poll, ${1}s poll"
    begin asymmetric-poll "poller = $1"
    new_run "poll-$1" "$label" $PROBES
    judge polled "$label, who polled" "$NET_DIR" "${MODES_SECONDARIES[@]}" --by "$2"
    measured "$label" encrypted
    decrypted "$label" sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2
    replayed "$label"
    without_primaries "$label"
    judge options "$label, both primaries gone" encrypted "$RUN"/sc?/*.pcap
    modes_end
}

# Nobody but the two hosts takes part: the primaries are gone before the first packet.
ibc() {
    begin ibc
    RUN=$NET_DIR/ibc
    orgs_kill pc
    orgs_kill ps
    new_run ibc "ibc, both primaries gone" $PROBES
    measured "ibc, both primaries gone" encrypted
    decrypted ibc sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2
    replayed ibc
    modes_end
}

modes_build || exit
modes_up || exit
none
trusted_servers
asymmetric_poll client sc1,sc2
asymmetric_poll server ss1,ss2
ibc
tally
