#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who is kept out of registration and of pairing: strangers, secondaries that ask for what is
# others', hostile primaries of the other side, a relay between two, and floods of the pairing port.
# Each is refused, told of once, told nothing. Needs root.
# shellcheck disable=SC2317 # called by the sourced files
set -u
cd "$(dirname "$0")/../.." || exit 1
here=tests/e2e
BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
# shellcheck source=tests/net/netns.sh
. "$here/../net/netns.sh"
# shellcheck source=tests/net/pki.sh
. "$here/../net/pki.sh"
# shellcheck source=tests/net/organisations.sh
. "$here/../net/organisations.sh"

FAILED=0

# Certificates of those who are to be refused; see kept_out_*.py.
strangers() {
    local org host names
    pki_ca "$NET_DIR" ca-x || return
    for org in a b; do
        host=ss1
        [ "$org" = a ] || host=sc1
        names="IP:$(orgs_addr "$host"),DNS:$(orgs_name "$host")"
        pki_leaf "$NET_DIR" ca-x "stranger-$org" "$names" &&
            pki_self "$NET_DIR" "self-$org" "$names" &&
            pki_leaf "$NET_DIR" "ca-$org" "expired-$org" "$names" expired &&
            pki_leaf "$NET_DIR" "ca-$org" "future-$org" "$names" future &&
            pki_leaf "$NET_DIR" "ca-$org" "revoked-$org" "$names" &&
            pki_leaf "$NET_DIR" "ca-$org" "purpose-$org" "$names" "" extendedKeyUsage=serverAuth &&
            pki_revoke "$NET_DIR" "ca-$org" "revoked-$org" &&
            pki_crl "$NET_DIR" "ca-$org" || return
    done
    for host in ps pc; do
        org=${ORGS_ORG[$host]}
        names=DNS:$(orgs_name "$host")
        pki_leaf "$NET_DIR" ca-x "impostor-stranger-$host" "$names" &&
            pki_leaf "$NET_DIR" "ca-$org" "impostor-expired-$host" "$names" expired &&
            pki_leaf "$NET_DIR" "ca-$org" "impostor-name-$host" DNS:other.example &&
            pki_leaf "$NET_DIR" "ca-$org" "impostor-revoked-$host" "$names" &&
            pki_revoke "$NET_DIR" "ca-$org" "impostor-revoked-$host" &&
            pki_crl "$NET_DIR" "ca-$org" || return
    done
    pki_leaf "$NET_DIR" ca-b impostor-own-ps "DNS:$(orgs_name ps)" &&
        pki_leaf "$NET_DIR" ca-a impostor-own-pc "DNS:$(orgs_name pc)" &&
        pki_leaf "$NET_DIR" ca-b claims-ss1 "IP:$(orgs_addr ss1),DNS:$(orgs_name ss1)" &&
        pki_leaf "$NET_DIR" ca-a poses "IP:$(orgs_addr ss2),DNS:$(orgs_name pc)" &&
        pki_leaf "$NET_DIR" ca-a unlisted "IP:2001:db8:a::99" &&
        pki_leaf "$NET_DIR" ca-a ss1-second "IP:$(orgs_addr ss1)"
}

# HOST: nobody is believed whom the lists have.
with_lists() { sed -i 's|^ca = \(.*\)\.pem$|&\ncrl = \1.crl|' "$NET_DIR/$1/conf"; }

# MODE [LINE...]: LINEs are for the [peer] of ps.
configure() {
    local host
    orgs_configure "$@"
    for host in "${ORGS_HOSTS[@]}"; do
        with_lists "$host"
    done
}

# HOST...
start() {
    local host
    for host in "$@"; do
        orgs_start "$host" || exit 1
    done
}

enrolled() { grep -q ' enrolled by ' "$(orgs_log "$1")"; }

# PHASE PROGRAM
phase() {
    local host pids=
    for host in "${!ORGS_PID[@]}"; do
        pids+=",$host=${ORGS_PID[$host]}"
    done
    echo "--   $1"
    timeout 60 "$PYTHON" "$here/$2.py" "$1" --dir "$NET_DIR" --namespaces "$(orgs_ns "")" \
        --bin "$ORGS_BIN" --pids "${pids#,}" || FAILED=1
}

orgs_up 3 && strangers || exit 1
mapfile -t CHECKED < <(in_host sc1 "$PYTHON" "$here/registration_peer_test.py" "$NET_DIR" 2>&1)
if [ "${CHECKED[-1]}" = OK ]; then
    echo "ok   the tools: ${CHECKED[-3]}"
else
    printf '%s\n' "FAIL the tools" "${CHECKED[@]}"
    FAILED=1
fi

configure asymmetric-poll 'grace = 2s'
start ps pc ss1 ss2 sc1 sc2
for host in ss1 ss2 sc1 sc2; do
    wait_for "enrolled $host" 10 || exit 1
done
phase strangers kept_out_secondaries
phase secondaries kept_out_secondaries
orgs_stop pc
orgs_stop ps
phase clients kept_out_primaries
orgs_down
orgs_forget
configure trusted-servers
orgs_primary pc trusted-servers 'mode = trusted-servers'
with_lists pc
phase servers kept_out_primaries
orgs_forget
configure asymmetric-poll
sed -i "s|^connect = .*|connect = [$(orgs_addr pc)]:8251|" "$NET_DIR/pc/conf"
phase relay kept_out_primaries
orgs_forget
configure ibc
sed -i 's|^members = .*b::11 .*|& 2001:db8:b:0:1::/80|' "$NET_DIR/pc/conf"
start ps pc ss1 sc1
for host in ss1 sc1; do
    wait_for "enrolled $host" 10 || exit 1
done
phase unlisted pairing_flood
phase listed pairing_flood
orgs_down
[ "$FAILED" = 0 ] && echo "test_kept_out: ok"
exit "$FAILED"
