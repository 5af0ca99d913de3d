#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmctl enroll up to the agent's configuration: each step and what comes of it, and each fault of a
# certificate in a line of its own. And what pdmprimary and pdmctl primary refuse.
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
BIN=$(cd "$BUILD" && pwd) || exit 1
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_PRIMARY
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
OWN=2001:db8:b::11
OTHER=2001:db8:b::12
CONF=$WORK/host/pdmv2.conf

# CODE REGEX CMD...: ends with CODE, and the last line that it prints fits
ends() {
    local code
    "${@:3}" >"$WORK/out" 2>&1
    code=$?
    [ "$code" -eq "$1" ] && tail -n 1 "$WORK/out" | grep -qEe "$2" && return
    echo "code $code instead of $1, for $2:"
    cat "$WORK/out"
    return 1
}

enroll() { "$BIN/pdmctl" -s "$WORK/nobody" enroll -p pc.example -c "$CONF" "$@"; }

# ADDRESSES [FROM TO]: what the authority makes of the request
sign() {
    local dates
    mapfile -t dates < <(pki_dates "${2:--1}" "${3:-30}")
    printf 'subjectAltName = %s\n' "$1" >"$WORK/extensions"
    openssl ca -batch -notext -config "$WORK/ca.conf" -extfile "$WORK/extensions" \
        -startdate "${dates[0]}" -enddate "${dates[1]}" \
        -in "$WORK/host/request.pem" -out "$WORK/host/certificate.pem" 2>/dev/null
}

is_private() { [ "$(stat -c %a "$1")" = 600 ]; }

# The request itself asks for what is needed.
request_is_good() {
    openssl req -in "$WORK/host/request.pem" -noout -verify -text >"$WORK/request" 2>&1 &&
        grep -qi 'IP Address:2001:DB8:B:0:0:0:0:11, IP Address:2001:DB8:B:0:0:0:0:12' "$WORK/request" &&
        grep -q 'NIST CURVE: P-256' "$WORK/request"
}

added_once() {
    "$BIN/pdmkeyagent" -t -c "$CONF" 2>&1 | grep -q 'ok, associations: 1' &&
        [ "$(grep -c '^\[association' "$CONF")" -eq 1 ]
}

usage() {
    check "without addresses" ends 2 'pdmctl: -a is missing' enroll
    check "what is no address" ends 2 'x: must be an IPv6 address' enroll -a x
    check "a multicast address" ends 2 'ff02::1: must be' enroll -a ff02::1
    check "without a primary" ends 2 '-p is missing' "$BIN/pdmctl" enroll -a $OWN
    check "what is no primary" ends 2 'a b: must be HOST' enroll -a $OWN -p 'a b'
    check "a primary without a name" ends 2 '-n is missing' enroll -a $OWN -p '[::1]'
    check "another command's option" ends 2 '-P is not for enroll' enroll -a $OWN -P x
    check "nothing was made" [ ! -e "$WORK/host" ]
}

steps() {
    check "a key and a request" ends 4 'and run this again' enroll -a $OWN -a $OTHER
    check "the key is its owner's" is_private "$WORK/host/key.pem"
    check "the request" request_is_good
    cp "$WORK/host/key.pem" "$WORK/key.before"
    check "the same again" ends 4 'and run this again' enroll -a $OWN -a $OTHER
    check "the key is kept" cmp "$WORK/host/key.pem" "$WORK/key.before"
    sign "IP:$OWN,IP:$OTHER"
    check "without the authority" ends 4 'put the authority.s certificate at .*ca.pem' \
        enroll -a $OWN
    cp "$WORK/ca.pem" "$WORK/host/ca.pem"
    check "all is there" ends 4 '^ca = .*/host/ca.pem$' enroll -a $OWN -a $OTHER
    check "the configuration is not touched" [ ! -e "$CONF" ]
}

faults() {
    sign "IP:$OTHER"
    check "another address" ends 1 "does not have the address $OWN" enroll -a $OWN
    sign "IP:$OWN" -10 -1
    check "expired" ends 1 'certificate.pem: has expired' enroll -a $OWN
    sign "IP:$OWN" 1 10
    check "not yet valid" ends 1 'is not valid yet' enroll -a $OWN
    sign "IP:$OWN"
    cp "$WORK/stranger.pem" "$WORK/host/ca.pem"
    check "another authority" ends 1 'host/ca.pem does not vouch for it' enroll -a $OWN
    echo >"$WORK/host/ca.pem"
    check "no authority at all" ends 1 'ca.pem: no certificates in PEM' enroll -a $OWN
    cp "$WORK/ca.pem" "$WORK/host/ca.pem"
    cp "$WORK/host/certificate.pem" "$WORK/kept.pem"
    cp "$WORK/stranger.pem" "$WORK/host/certificate.pem"
    check "another's certificate" ends 1 'belongs to another key' enroll -a $OWN
    echo x >"$WORK/host/certificate.pem"
    check "no certificate" ends 1 'no certificate in PEM' enroll -a $OWN
    cp "$WORK/kept.pem" "$WORK/host/certificate.pem"
    chmod 640 "$WORK/host/key.pem"
    check "a key that others may read" ends 1 'others may read this key' enroll -a $OWN
    chmod 600 "$WORK/host/key.pem"
}

configuration() {
    printf '[agent]\nshare = 500\n' >"$CONF"
    check "a configuration that is wrong" ends 1 'share = 500: must be' enroll -a $OWN -w
    printf '[agent]\nshare = 5' >"$CONF"
    check "added, and no agent to read it" ends 3 'no agent at' enroll -a $OWN -w
    check "it is good" added_once
    check "again" ends 3 'no agent at' enroll -a $OWN -w
    check "not twice" added_once
    check "another primary" ends 1 'is there already, and not with the primary other:8250' \
        enroll -a $OWN -w -p other
}

# The primary and its tool.
refusals() {
    local ctl=("$BIN/pdmctl" -s "$WORK/nobody" primary)
    check "no primary there" ends 3 'no primary at .*/nobody .*: start pdmprimary' "${ctl[@]}" status
    check "no such command" ends 2 'no such command: primary x' "${ctl[@]}" x
    check "no prefix" ends 2 'did you mean 2001:db8::/64' "${ctl[@]}" add client 2001:db8::1/64
    check "no side" ends 2 'x: must be client or server' "${ctl[@]}" add x ::1
    check "a group of clients" ends 2 'clients are in no group' "${ctl[@]}" add client ::1 3
    check "no group" ends 2 'from 1 to 65535' "${ctl[@]}" add server ::1 0
    check "no address" ends 2 'x: must be an IPv6 address' "${ctl[@]}" revoke x
    check "no list" ends 2 'usage: pdmctl primary list' "${ctl[@]}" list x
    check "not enough" ends 2 'usage: pdmctl primary renegotiate PEER' "${ctl[@]}" renegotiate
    check "pdmprimary without a configuration" ends 2 'cannot be read' "$BIN/pdmprimary" -c "$WORK/x"
    check "pdmprimary's usage" ends 2 '-h ' "$BIN/pdmprimary" -x
    echo '[primary]' >"$WORK/primary.conf"
    check "pdmprimary's configuration" ends 2 'store_key is missing; make one with: pdmctl keygen' \
        "$BIN/pdmprimary" -t -c "$WORK/primary.conf"
}

pki_ca "$WORK" ca && pki_ca "$WORK" stranger || exit 1
usage
steps
faults
configuration
refusals

tally
