#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Within a machine that systemd has booted and that has the packages: the units do what they say.
# Run by test_deb.sh. /root has tests/tally.sh and, in pki, certificates for the primary.
# shellcheck disable=SC2317 # called by check
set -u
ADDR=2001:db8:1::1
SOCKET=/run/pdmv2/agent.sock
WORK=$(mktemp -d)
# shellcheck source=tests/tally.sh
. /root/tally.sh

# Up to 10 seconds.
soon() {
    local i
    for ((i = 0; i < 100; i++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    "$@"
}
# UNIT PROPERTY VALUE
property() {
    local found
    found=$(systemctl show -P "$2" "$1")
    [ "$found" = "$3" ] || { echo "$1: $2 is $found"; systemctl status --no-pager "$1"; return 1; }
}
active() { systemctl --quiet is-active "$1" || { systemctl status --no-pager "$1"; return 1; }; }
owns() { [ "$(stat -c '%U %G %a' "$1")" = "$2" ] || { stat "$1"; return 1; }; }
as() { runuser -u "$1" -- env -u XDG_RUNTIME_DIR "${@:2}"; }
as_ann() { runuser -u ann -- env XDG_RUNTIME_DIR="/run/user/$(id -u ann)" "$@"; }

booted() { [ "$(systemctl list-units --failed --plain --no-legend | wc -l)" -eq 0 ] || { systemctl --failed; return 1; }; }
skipped() { property "$1" ActiveState inactive && property "$1" ConditionResult no; }

# --- the system's agent ---

configure_agent() {
    ip link set lo up && ip addr add "$ADDR/128" dev lo nodad &&
        as pdmv2 pdmctl keygen /etc/pdmv2/lab.key &&
        printf '[association lab]\npeer = %s\nlocal = %s\nkey = lab.key\n' "$ADDR" "$ADDR" >/etc/pdmv2/pdmv2.conf &&
        systemctl start pdmkeyagent
}

# PROCESS: CAP_NET_RAW and nothing else, no way to more, and a system call filter
confined() {
    local status=/proc/$1/status
    grep -E '^(Cap|NoNew|Seccomp)' "$status"
    grep -q '^CapPrm:.0000000000002000$' "$status" && grep -q '^CapBnd:.0000000000002000$' "$status" &&
        grep -q '^NoNewPrivs:.1$' "$status" && grep -q '^Seccomp:.2$' "$status" &&
        [ "$(stat -c %U "/proc/$1/maps")" = root ] # it cannot be traced: PR_SET_DUMPABLE
}

# AS: pdmping has figures, at the latest when the path was probed
measures() {
    local output i
    "$1" pdmrun socat UDP6-LISTEN:7007,fork PIPE &
    local server=$!
    sleep 0.5
    for ((i = 0; i < 5; i++)); do
        output=$("$1" pdmrun pdmping -c 5 -i 0.2 -p 7007 "$ADDR" 2>&1)
        ! grep -qE 'net=[0-9.]+ srv=[0-9.]+ ms' <<<"$output" || break
    done
    kill "$server"
    echo "$output"
    [ "$i" -lt 5 ]
}
as_member() { as member "$@"; }
refused() { ! as stranger pdmctl status && ! as stranger pdmrun true; }
main_pid() { systemctl show -P MainPID "$1"; }
restarts() {
    local before
    before=$(main_pid "$1")
    [ "$before" -gt 0 ] || return
    kill -KILL "$before"
    soon eval "[ \$(systemctl show -P MainPID $1) -ne 0 ] && [ \$(systemctl show -P MainPID $1) -ne $before ]" &&
        soon active "$1" # it has a process before it says that it is ready
}
stops() { systemctl stop "$1" && property "$1" Result success && [ ! -e "$2" ]; }
refuses_bad() {
    printf 'nonsense = 1\n' >>"$2" && systemctl restart "$1"
    soon property "$1" ActiveState failed && property "$1" ExecMainStatus 2 && property "$1" NRestarts 0 &&
        sed -i '$d' "$2" && systemctl reset-failed "$1" && systemctl restart "$1" && active "$1"
}

# --- a user's agent ---

user_agent() {
    loginctl enable-linger ann && soon test -S "/run/user/$(id -u ann)/bus" &&
        as_ann mkdir -p /home/ann/.config/pdmv2 && as_ann pdmctl keygen /home/ann/.config/pdmv2/own.key &&
        printf '[association own]\npeer = %s\nkey = own.key\npath = trust\n' "$ADDR" >/home/ann/.config/pdmv2/pdmv2.conf &&
        as_ann systemctl --user enable --now pdmkeyagent.socket
}
user_inactive() { [ "$(as_ann systemctl --user show -P ActiveState pdmkeyagent.service)" = inactive ]; }
user_active() {
    as_ann systemctl --user --quiet is-active pdmkeyagent.service ||
        { as_ann systemctl --user status --no-pager pdmkeyagent.service; journalctl --no-pager -n 20; return 1; }
}

# --- a primary ---

configure_primary() {
    cp /root/pki/{primary,ca}.pem /root/pki/primary.key /etc/pdmv2/ &&
        chown pdmv2: /etc/pdmv2/{primary,ca}.pem /etc/pdmv2/primary.key &&
        as pdmv2 pdmctl keygen /etc/pdmv2/store.key &&
        printf '%s\n' '[primary]' 'certificate = primary.pem' 'certificate_key = primary.key' \
            'ca = ca.pem' 'store_key = store.key' '[clients]' "members = $ADDR" >/etc/pdmv2/pdmprimary.conf &&
        systemctl start pdmprimary
}
asked() { pdmctl primary list clients | grep -F "$ADDR"; }
primary_refuses() { ! as member pdmctl primary status; }

chmod 755 "$WORK"
useradd -m -G pdmv2 member
useradd -m stranger
useradd -m -G pdmv2 ann

check "booted, and no unit failed" booted
for unit in pdmkeyagent pdmprimary; do
    check "$unit is enabled" property $unit UnitFileState enabled
    check "and waits for a configuration" skipped $unit
done
check "the agent starts" configure_agent
check "its socket is the group's" soon owns $SOCKET 'pdmv2 pdmv2 660'
check "it is confined" confined "$(main_pid pdmkeyagent)"
check "a member of the group measures, over a path that was probed" measures as_member
check "a stranger is refused" refused
check "a reload is heard" eval 'systemctl reload pdmkeyagent && active pdmkeyagent'
check "it is started again when it dies" restarts pdmkeyagent
check "but not with a bad configuration" refuses_bad pdmkeyagent /etc/pdmv2/pdmv2.conf

check "a user's socket" user_agent
check "without an agent yet" user_inactive
check "who is asked starts it" as_ann pdmctl status
check "it runs" user_active
check "and its user measures" measures as_ann

check "the primary starts" configure_primary
check "root asks it" soon asked
check "nobody else does" primary_refuses
check "a reload is heard" eval 'systemctl reload pdmprimary && active pdmprimary'
check "it is started again when it dies" restarts pdmprimary
check "root asks it again" soon asked
check "but not with a bad configuration" refuses_bad pdmprimary /etc/pdmv2/pdmprimary.conf
check "the agent is there beside it" as_member pdmctl status
check "the agent stops" stops pdmkeyagent $SOCKET
check "the primary stops, and leaves the agent's directory" stops pdmprimary /run/pdmv2/primary.sock
tally
