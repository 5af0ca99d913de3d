#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The agent as its administrator meets it: what it refuses and how it says so, reloading, one instance,
# and what it lets be seen of its secrets.
# shellcheck disable=SC2317 # called by check and trap
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/tally.sh
. tests/tally.sh
: "${BUILD:=build}" "${PYTHON:=/usr/bin/python3}"

WORK=$(mktemp -d) || exit 1
agent=
clean_up() {
    [ -z "$agent" ] || kill "$agent" 2>/dev/null
    wait
    rm -rf "$WORK"
}
trap clean_up EXIT

# CODE TEXT CMD...: exits with CODE and says TEXT.
says() {
    local code=$1 text=$2 status
    shift 2
    timeout 10 "$@" >"$WORK/said" 2>&1
    status=$?
    cat "$WORK/said"
    [ "$status" -eq "$code" ] && grep -qF -- "$text" "$WORK/said"
}
within() { # SECONDS CMD...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}
configure() { # ASSOCIATION PEER...
    printf '[agent]\nstate = %s/state\n' "$WORK"
    while [ $# -gt 1 ]; do
        printf '[association %s]\npeer = %s\nkey = key\n' "$1" "$2"
        shift 2
    done
}
conf=$WORK/conf
status_shows() { "$BUILD/pdmctl" -s "$WORK/sock" status 2>/dev/null | grep -qE "^$1 "; }
logged() { grep -qF -- "$1" "$WORK/log"; }

"$BUILD/pdmctl" keygen "$WORK/key" >/dev/null || exit 1
check "a key is its owner's alone" test "$(stat -c %a "$WORK/key")" = 600
configure one 2001:db8:1::/48 >"$conf"
check "-t accepts a good configuration" says 0 "ok, associations: 1" \
    "$BUILD/pdmkeyagent" -t -c "$conf"
printf '[association one]\npeer = 2001:db8:1::/48\nkey = key\ncolour = red\n' >"$WORK/bad"
check "a bad key is named with its line and what is allowed" says 2 "$WORK/bad:4: colour" \
    "$BUILD/pdmkeyagent" -t -c "$WORK/bad"
chmod 644 "$WORK/key"
check "a key that others can read is refused" says 2 "chmod 600" \
    "$BUILD/pdmkeyagent" -t -c "$conf"
chmod 600 "$WORK/key"

"$BUILD/pdmkeyagent" -c "$conf" -s "$WORK/sock" 2>"$WORK/log" &
agent=$!
check "it serves" within 10 status_shows one
check "an association with a key file has no epoch" status_shows 'one +psk +-'
check "a second instance is refused" says 3 "" "$BUILD/pdmkeyagent" -c "$conf" -s "$WORK/sock"
check "the socket is its owner's alone" test "$(stat -c %a "$WORK/sock")" = 600
check "no core file" grep -qE '^Max core file size +0 +0 ' "/proc/$agent/limits"
check "secrets are locked in memory" grep -qE '^VmLck:[[:space:]]+[1-9]' "/proc/$agent/status"

configure one 2001:db8:1::/48 two 2001:db8:2::/48 >"$conf"
kill -HUP "$agent"
check "SIGHUP brings a new association" within 10 status_shows two
cp "$WORK/bad" "$conf"
kill -HUP "$agent"
check "a bad configuration is told on reload" within 10 logged "$conf:4: colour"
check "and the old one stays" status_shows two

kill -TERM "$agent"
wait "$agent"
check "SIGTERM ends it" test $? -eq 0
agent=
check "and its socket is gone" test ! -e "$WORK/sock"
check "pdmctl says that there is no agent" says 3 "" "$BUILD/pdmctl" -s "$WORK/sock" status

# As a service: root's socket, which anybody may be let in to, and no privileges to speak of.
chmod 755 "$WORK"
{
    printf '[agent]\nstate = %s/state\nmax_slots = 131072\n' "$WORK"
    for i in $(seq 64); do
        printf '[association n%d]\npeer = 2001:db8:%x::/48\nprotect = plain\n' "$i" "$i"
    done
} >"$conf"
(
    ulimit -n 1024
    exec setpriv --bounding-set=-all --inh-caps=-all "$BUILD/pdmkeyagent" -c "$conf" -s "$WORK/sock"
) 2>"$WORK/log" &
agent=$!
check "it serves without privileges" within 10 status_shows n1
chmod 666 "$WORK/sock"
check "hostile clients all had their turn" says 0 "" \
    "$PYTHON" -B tests/e2e/hostile_clients.py "$WORK/sock" "$agent"
while read -r word text; do
    say "$word" "$text"
done <"$WORK/said"
tally
