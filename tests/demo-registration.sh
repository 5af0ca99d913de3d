#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make demo-registration: registration on one machine, as root. Two organisations of three hosts
# each, in namespaces 10 ms apart; their primaries negotiate, their secondaries enroll, and
# unmodified programs between them are measured in each mode of operation. After each: who could
# have decrypted what was on the wire, with all that it was ever given.
set -u
cd "$(dirname "$0")/.." || exit
export BUILD=${BUILD:-build}
# shellcheck source=tests/demonstration.sh
. tests/demonstration.sh
PROBES=25

demo_begin
quietly "building ..." make -j2 "BUILD=$BUILD" all "$BUILD/tests/net/linksim"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/net/organisations.sh
. tests/net/organisations.sh
# shellcheck source=tests/e2e/modes.sh
. tests/e2e/modes.sh
quietly "building daemons that write down what they are told ..." modes_build

check() { modes_check "$@" || die "$1: $2"; }

# TEXT MODE [LINE...]: the daemons.
mode() {
    printf '\n%s\n' "$1"
    shift
    modes_begin "$@" || die "not enrolled"
    RUN=$NET_DIR/run
    rm -rf "$RUN"
}

# FORMAT FLOW=HOSTS...: the measuring, the table; and the end of the daemons.
show() {
    modes_measure "$RUN" $PROBES || die "no measurement"
    check ping "  sc1 to ss1, pdmping to socat" "$RUN/sc1" "${MODES_SET[@]}"
    check flow "  sc2 to ss2, socat to socat" "$RUN/sc2" --client "$(orgs_addr sc2)" \
        --protect "$1" "${MODES_SET[@]}"
    check options "  on the wire" "$1" "$RUN"/sc?/server.pcap
    [ $# -eq 1 ] || modes_who "  who can decrypt" "$RUN" "${@:2}" || die "who can decrypt"
    modes_end
}

cat <<END

  organisation b                                        organisation a
  pc   Primary Client ---- TLS 1.3: SETUP, KEM, LIST ---- Primary Server   ps
  sc1  pdmping ---------------[ $MODES_LINK_MS ms each way ]------------- socat, 20 ms  ss1
  sc2  socat -----------------[ $MODES_LINK_MS ms each way ]------------- socat, 20 ms  ss2

  pdmping tells the delays itself; of the unmodified socat of sc2 the agent does (pdmctl flows).
END
modes_up || die "no namespaces"

mode "none: the lists are shared, nothing is attached" none
modes_measure "$RUN" $PROBES || die "no answers"
check options "  on the wire" none "$RUN"/sc?/server.pcap
modes_end

mode "none, unprotected = plain: for peers that are listed; everybody on the path can read it" \
    none "unprotected = plain"
show plain

mode "trusted-servers: both servers are of one group" trusted-servers
show encrypted sc1,ss1=pc,ps,sc1,ss1,ss2 sc2,ss2=pc,ps,sc2,ss1,ss2

ORGS_GROUP[ss2]=2
mode "trusted-servers: each server is a group of its own" trusted-servers
show encrypted sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2
ORGS_GROUP[ss2]=1

for poller in client server; do
    mode "asymmetric-poll: the ${poller}s ask their primary, once for each peer" \
        asymmetric-poll "poller = $poller"
    show encrypted sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2
done

mode "ibc: each two hosts agree on a key; both primaries are taken away before the first packet" ibc
orgs_kill pc
orgs_kill ps
show encrypted sc1,ss1=pc,ps,sc1,ss1 sc2,ss2=pc,ps,sc2,ss2

cat <<END

  pc and ps can always: what they agreed on, all else is derived from. (With ibc they must have seen
  the pairing, too.)
END
net_down
printf '\ndemo-registration: ok\n'
