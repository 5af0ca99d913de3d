#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make demo: the whole product on one machine, as root. Two namespaces joined by a link of 10 ms
# each way, an agent in each, an unmodified socat that takes 20 ms for a request with the library
# preloaded, and pdmping, which tells the one delay from the other; with each of the three formats.
set -u
cd "$(dirname "$0")/.." || exit
export BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
# shellcheck source=tests/demonstration.sh
. tests/demonstration.sh
LINK_MS=10
SERVER_MS=20
PROBES=40
INTERVAL=0.08 # longer than a probe takes

demonstrate() {
    agents_up "$1" || die "the agents did not start"
    echo_socat || die "socat did not start"
    ping_run "$NET_DIR/$1" -c $PROBES -i $INTERVAL || die "pdmping failed"
    "$PYTHON" tests/e2e/demo_report.py "$1" "$NET_DIR/$1" --key "$AGENTS_KEY" \
        --network-set $((2 * LINK_MS)) --server-set $SERVER_MS || exit
    echo_stop
    agents_down
}

demo_begin
quietly "building ..." make -j2 "BUILD=$BUILD" all "$BUILD/tests/net/linksim"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/ping.sh
. tests/e2e/ping.sh
# As an administrator has it who changes nothing. Read by agents.sh:
# shellcheck disable=SC2034
AGENTS_PATH=probe

cat <<END

  pdmping --[ $LINK_MS ms ]--> socat, unmodified, LD_PRELOAD=libpdmv2.so
          <-[ $LINK_MS ms ]--  answers after $SERVER_MS ms of a shell's sleep
END
net_up 1 || die "no namespaces"
link_set both delay=${LINK_MS}ms
for protect in encrypted plain rfc8250; do
    demonstrate "$protect"
done
net_down
printf '\ndemo: ok\n'
