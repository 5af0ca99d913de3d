#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Faults in two organisations that talk all the time: each daemon killed before every step of what
# it does, and all of them at random; disks that fill; stores that are damaged or put back;
# PostgreSQL restarted under two primaries, and each of those killed. Whatever happens, no payload
# is lost, no generation is used twice, no (key, nonce) seals two plaintexts, and within seconds all
# is measured again. CHECK_LONG=1: every step, 1,000 kills. Needs root.
#
#   test_faults.sh           all parts, beside each other
#   test_faults.sh PART      one of them
# shellcheck disable=SC2317,SC2016 # much is called, and expanded, later
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${BUILD:=$root/build}"
BUILD=$(cd "$BUILD" && pwd)
# shellcheck source=tests/net/netns.sh
. "$here/../net/netns.sh"
# shellcheck source=tests/net/pki.sh
. "$here/../net/pki.sh"
# shellcheck source=tests/net/organisations.sh
. "$here/../net/organisations.sh"
# shellcheck source=tests/net/postgres.sh
. "$here/../net/postgres.sh"

PARTS=(clients_primary servers_primary agents pairings random stores postgres)
work=$BUILD/faults
oracle=$work/oracle
ORGS_BIN=$work/bin # see build_tools

SEALS=20000000         # room for; a sparse file
PORT=7007              # of the echoes
PAUSE_US=8000          # between two datagrams of a conversation
SOCKET_MS=700          # until the next socket: another tuple, another lease
BLOCK=64               # generations; with LEDGER tuples in each, a block lasts some seconds
LEDGER=4
GRACE=20s
SECONDS_BACK=15        # until all is as before, once a daemon is started again
SECONDS_MANY=40        # the same after many at once: whoever fails waits longer each time
if [ "${CHECK_LONG:-0}" = 1 ]; then
    STEPS_MOST=1000000 # of one exchange
    KILLS=1000
    DAMAGES=48
else
    STEPS_MOST=8
    KILLS=30
    DAMAGES=6
fi
FAILED=0

# NAME OK DETAIL
check() {
    if [ "$2" = yes ]; then
        echo "ok   $1: $3"
    else
        echo "FAIL $1: $3"
        FAILED=1
    fi
}

# NAME DETAIL CMD...: whether CMD succeeds; DETAIL is expanded afterwards
must() {
    local ok=
    "${@:3}" && ok=yes
    check "$1" "$ok" "$(eval "echo \"$2\"")"
}

# What is built.

# The daemons run under a library that can kill them; the programs under the product's with the
# oracle of nonces in it.
build_tools() {
    local cc=("${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -I"$root") daemon
    mkdir -p "$work/bin"
    "${cc[@]}" "$root/tests/nonce/check.c" -o "$work/bin/check"
    "${cc[@]}" "$root/tests/faults/talk.c" -o "$work/bin/talk"
    "${cc[@]}" -shared -fPIC "$root/tests/faults/steps.c" -o "$work/bin/steps.so"
    make -C "$root" -s say= BUILD="$BUILD" "$BUILD/pdmkeyagent" "$BUILD/pdmprimary" \
        "$BUILD/pdmctl" "$BUILD/tests/apps/slowecho" "$BUILD/tests/net/linksim"
    make -C "$root" -s say= BUILD="$oracle" DEFS=-DPDM_NONCE_ORACLE \
        SHIM_EXTRA="$oracle/tests/nonce/oracle.o" "$oracle/libpdmv2.so"
    ln -sf "$oracle/libpdmv2.so" "$BUILD/pdmctl" "$work/bin/"
    for daemon in pdmkeyagent pdmprimary; do
        cat >"$work/bin/$daemon" <<END
#!/bin/sh
STEPS_FILE=\${2%/conf}/steps LD_PRELOAD=$work/bin/steps.so exec $BUILD/$daemon "\$@"
END
        chmod 755 "$work/bin/$daemon"
    done
}

# Daemons.

# HOST [STEP]: to be killed before STEP from now on; 0 or nothing: not
arm() {
    { printf '%-63d\n' "${2:-0}" && head -c 64 /dev/zero; } |
        dd of="$NET_DIR/$1/steps" conv=notrunc status=none
    : >"$NET_DIR/$1/steps.log"
}

is_primary() { [[ $1 == p* ]]; }

# HOST: as its system would, without waiting
launch() {
    local daemon=pdmkeyagent
    ! is_primary "$1" || daemon=pdmprimary
    start_in_host "$1" "$work/bin/$daemon" -c "$NET_DIR/$1/conf" 2>>"$NET_DIR/$1/log"
    ORGS_PID[$1]=$STARTED
}

# HOST: how it ended. Nobody may end but by a kill, or because he is told to.
ended() {
    local status=0
    wait "${ORGS_PID[$1]}" 2>/dev/null || status=$?
    unset "ORGS_PID[$1]"
    return "$status"
}

fell() { kill -KILL "${ORGS_PID[$1]}" 2>/dev/null || :; bury "$1"; }
halt() { kill "${ORGS_PID[$1]}" 2>/dev/null || :; bury "$1"; }

# HOST: is dead, or about to be
bury() {
    local status=0
    ended "$1" || status=$?
    case $status in
    0 | 137) ;;
    *) check "$1 ends as it should" "" "status $status; $(tail -n 3 "$NET_DIR/$1/log")" ;;
    esac
}

is_alive() { ! has_ended "${ORGS_PID[$1]}"; }

# HOST WORD...
primary() { in_host "$1" "$work/bin/pdmctl" -j -s "$NET_DIR/$1/primary.sock" primary "${@:2}" 2>/dev/null; }
epoch_of() { primary "$1" pairs | sed -n 's/.*"connected":true.*"epoch":\([0-9]*\).*/\1/p'; }
secondaries_of() { primary "$1" status | sed -n 's/.*"secondaries":\([0-9]*\).*/\1/p'; }

PRIMARIES=(pc ps)
EPOCH=
# All primaries are connected, and know of the same negotiation.
agree() {
    local host first=
    for host in "${PRIMARIES[@]}"; do
        EPOCH=$(epoch_of "$host")
        [ -n "$EPOCH" ] && [ "$EPOCH" = "${first:=$EPOCH}" ] || return 1
    done
}

# What they talk.

TALKERS=()
TALKER_PID=()
declare -A TALKED=()

# NAME CLIENT SERVER SOCKET_MS
talk() {
    start_on "$2" "$work/bin/talk" "$NET_DIR/$1.talk" "$(orgs_addr "$3")" "$PORT" "$PAUSE_US" "$4" \
        2>>"$NET_DIR/talk.log"
    TALKERS+=("$1")
    TALKER_PID+=("$STARTED")
}

# NAME: sets NETWORK, SERVER, SENT, ECHOED, LOST, PAUSED
heard() { [ -s "$NET_DIR/$1.talk" ] && read -r NETWORK SERVER SENT ECHOED LOST PAUSED <"$NET_DIR/$1.talk"; }

mark() {
    local name
    for name in "${TALKERS[@]}"; do
        heard "$name" || continue
        TALKED[$name]="$NETWORK $SERVER"
    done
}

# Every conversation has had samples of both kinds since the mark.
measured() {
    local name network server
    for name in "${TALKERS[@]}"; do
        heard "$name" || return 1
        read -r network server <<<"${TALKED[$name]:-0 0}"
        [ "$NETWORK" -gt $((network + 5)) ] && [ "$SERVER" -gt $((server + 5)) ] || return 1
    done
}

# Each organisation's primaries have both of its secondaries between them.
serve() {
    local host count
    local -A of=([a]=0 [b]=0)
    for host in "${PRIMARIES[@]}"; do
        count=$(secondaries_of "$host")
        of[${ORGS_ORG[$host]}]=$((of[${ORGS_ORG[$host]}] + ${count:-0}))
    done
    [ "${of[a]}" -eq 2 ] && [ "${of[b]}" -eq 2 ]
}

is_well() { measured && agree && serve; }

WORST_MS=0
# SECONDS: until all is as it was, measured from now on
recovers() {
    local began=${EPOCHREALTIME/./} took
    mark
    wait_for is_well "$1" || return 1
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    [ "$took" -le "$WORST_MS" ] || WORST_MS=$took
}

# What is wrong, for whoever reads the test's output.
tell_state() {
    local name host
    for name in "${TALKERS[@]}"; do
        heard "$name" && echo "     $name: network $NETWORK server $SERVER sent $SENT echoed $ECHOED" \
            "lost $LOST; marked ${TALKED[$name]:-never}"
    done
    for host in "${PRIMARIES[@]}"; do
        echo "     $host: epoch $(epoch_of "$host"), secondaries $(secondaries_of "$host")"
    done
    for host in "${ORGS_HOSTS[@]}"; do
        tail -n 4 "$NET_DIR/$host/log" | sed "s/^/     $host: /"
    done
}

recovers_or_tells() { recovers "$1" || { tell_state && false; }; }

# The organisations.

# MODE [PRIMARY_LINE...]: all of them up, and talking
world() {
    local mode=$1 host
    shift
    ORGS_SETTINGS=("request_budget_us = 100000" "share = 100" "max_ledger = $LEDGER")
    configure "$mode" "$@"
    "$work/bin/check" create "$NET_DIR/oracle" "$SEALS"
    export PDM_ORACLE_FILE=$NET_DIR/oracle
    for host in "${ORGS_HOSTS[@]}"; do
        arm "$host"
        launch "$host"
    done
    for host in ss1 ss2; do
        start_on "$host" "$BUILD/tests/apps/slowecho" "$(orgs_addr "$host")" "$PORT"
    done
    wait_for "in_host ss2 ss -Hlun 'sport = :$PORT' | grep -q ." 5
    talk first sc1 ss1 "$SOCKET_MS"
    talk second sc2 ss2 "$SOCKET_MS"
    talk steady sc2 ss1 100000000
    recovers_or_tells "$SECONDS_MANY" || exit 1
    WORST_MS=0
}

# MODE [LINE...]
configure() {
    local host
    orgs_configure "$1" "grace = $GRACE" "${@:2}"
    [ ${#PRIMARIES[@]} -eq 2 ] || share_store
    for host in "${PRIMARIES[@]}"; do
        sed -i "/^\[primary\]/a block = $BLOCK" "$NET_DIR/$host/conf"
    done
}

# HOST: how many generations it has taken; fails if one of them was not above all before. See
# tests/faults/steps.c; what the test itself put back comes after a line "= put back".
took_once() {
    [ ! -e "$NET_DIR/$1/steps.taken" ] || awk '
        $1 == "=" { back = $2 == "put"; next }
        { id = $1 " " $2 }
        !back && $3 != now[id] || !(id in now) {
            if (id in highest && $3 <= highest[id])
                bad = 1
            highest[id] = $3
            taken++
        }
        { now[id] = $3 }
        END { print taken + 0; exit bad }' "$NET_DIR/$1/steps.taken"
}

# What must be so at the end, whatever happened. An old store grants generations twice, which agents
# refuse aloud: with PUT_BACK=yes that is no failure.
verdict() {
    local name host taken total=0 lines good=yes
    for name in "${TALKERS[@]}"; do
        heard "$name"
        [ "$LOST" -eq 0 ] && [ "$SENT" -gt 0 ] || good=
        total=$((total + SENT))
    done
    check "no payload is lost" "$good" "$total datagrams of ${#TALKERS[@]} conversations$(cat "$NET_DIR/talk.log")"
    lines=$("$work/bin/check" verify "$NET_DIR/oracle") && good=yes || good=
    check "no (key, nonce) seals twice" "$good" "$lines"
    total=0 good=yes
    for host in sc1 sc2 ss1 ss2; do
        taken=$(took_once "$host") || good=
        total=$((total + taken))
    done
    check "no generation is taken twice" "$good" "$total taken by four agents"
    [ "${PUT_BACK:-no}" = yes ] || check "no generation is granted twice" "$(
        ! grep -h 'not above\|generation [0-9]* again' "$NET_DIR"/s*/log >"$NET_DIR/twice" && echo yes
    )" "$(head -n 3 "$NET_DIR/twice")"
}

# Kills at every step.

# Of the steps in HOST's log, those to be killed before: all, or some, of each kind one first.
choose_steps() {
    awk -v most="$STEPS_MOST" '
        { kind[NR] = $0 }
        END {
            for (i = 1; i <= NR; i++)
                if (!seen[kind[i]]++ && n < most) { chosen[i] = 1; n++ }
            # The others lie evenly between.
            for (gap = NR; gap >= 1 && n < most; gap = gap > 1 ? int((gap + 1) / 2) : 0)
                for (i = 1; i <= NR && n < most; i += gap)
                    if (!chosen[i]) { chosen[i] = 1; n++ }
            for (i = 1; i <= NR; i++)
                if (chosen[i]) print i
        }' "$NET_DIR/$1/steps.log"
}

# HOST NAME BEGIN DONE: what BEGIN begins and DONE says to be done, first without a kill, then with
# HOST killed before step after step.
step_through() {
    local host=$1 name="$1 killed in $2" begin=$3 is_done=$4 step steps killed=0 tried all kind
    arm "$host"
    if ! $begin || ! wait_for "$is_done" "$SECONDS_BACK"; then
        check "$name" "" "not done within $SECONDS_BACK s without a kill"
        tell_state
        return
    fi
    sleep 0.3 # what follows
    all=$(wc -l <"$NET_DIR/$host/steps.log")
    steps=$(choose_steps "$host")
    tried=$(wc -w <<<"$steps")
    WORST_MS=0
    for step in $steps; do
        arm "$host" "$step"
        $begin || :
        wait_for "! is_alive $host || $is_done" "$SECONDS_BACK" || :
        kind=$(tail -n 1 "$NET_DIR/$host/steps.log")
        arm "$host" # before the look: what was done may have been done just before that step
        sleep 0.05
        if ! is_alive "$host"; then
            bury "$host"
            killed=$((killed + 1))
            launch "$host"
        fi
        if ! recovers "$SECONDS_BACK"; then
            check "$name" "" "not well $SECONDS_BACK s after step $step of $all, $kind"
            tell_state
            return
        fi
    done
    # What happens at the same time may be fewer steps than it was without a kill.
    check "$name" "$([ $((2 * killed)) -ge "$tried" ] && echo yes)" \
        "$killed times, before $tried of $all steps; well again within $WORST_MS ms"
}

BEFORE=0
renegotiate() {
    agree && BEFORE=$EPOCH && primary pc renegotiate a >/dev/null 2>&1
}
renegotiated() { agree && [ "$EPOCH" -gt "$BEFORE" ]; }
# The wish is kept in the store, which may have to be found again first.
renegotiates() { wait_for renegotiate 10 && wait_for renegotiated 15; }

# HOST: its end is not stepped through, its start is
restart() {
    local armed
    read -r armed <"$NET_DIR/$1/steps" || :
    arm "$1"
    halt "$1"
    arm "$1" "$armed"
    mark
    launch "$1"
}

# Parts.

# HOST AGENT: a primary, and one of its agents
step_through_primary() {
    step_through "$1" "a negotiation" renegotiate renegotiated
    step_through "$1" "its start" "restart $1" is_well
    step_through "$1" "the registration of $2" "restart $2" is_well
}

part_clients_primary() {
    world trusted-servers
    step_through_primary pc sc1
}

part_servers_primary() {
    world trusted-servers
    step_through_primary ps ss1
}

part_agents() {
    BLOCK=2 # so that more are asked for at once
    world asymmetric-poll
    step_through sc1 "its start (asks for each peer's secret)" "restart sc1" is_well
    step_through ss1 "its start" "restart ss1" is_well
    step_through sc1 "a negotiation" renegotiate renegotiated
    step_through ss1 "a negotiation" renegotiate renegotiated
}

part_pairings() {
    world ibc
    step_through sc1 "its start and pairing" "restart sc1" is_well
    step_through ss1 "its start and pairing" "restart ss1" is_well
}

part_random() {
    local kill host
    world trusted-servers
    for ((kill = 1; kill <= KILLS; kill++)); do
        host=${ORGS_HOSTS[RANDOM % ${#ORGS_HOSTS[@]}]}
        fell "$host"
        sleep "0.$((RANDOM % 5))"
        launch "$host"
        [ $((RANDOM % 5)) -gt 0 ] || renegotiate || :
        sleep "0.$((RANDOM % 10))"
        [ $((kill % 10)) -eq 0 ] || continue
        recovers "$SECONDS_MANY" && continue
        tell_state
        break
    done
    check "random kills" "$([ "$kill" -gt "$KILLS" ] && echo yes)" \
        "$KILLS kills of six daemons; after each ten well within $WORST_MS ms"
}

# Stores.

# HOST FILE: fails to start, and says so in a line
refuses() {
    local status=0
    : >"$NET_DIR/$1/log"
    launch "$1"
    wait_for "! is_alive $1" 5 || return
    ended "$1" || status=$?
    [ "$status" -gt 0 ] && [ "$status" -lt 128 ] && [ "$(wc -l <"$NET_DIR/$1/log")" -eq 1 ]
}

lines_of() { echo "$(wc -l <"$NET_DIR/$1/log") lines"; }
last_line() { tail -n 1 "$NET_DIR/$1/log"; }

# FILE OFFSET: one octet is another
flip() {
    local octet
    octet=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $((octet ^ 0x5a)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

damage_store() {
    local host=$1 file=$NET_DIR/$1/store size at i refused=0 safe=0
    halt "$host"
    cp -a "$file" "$file.sound"
    size=$(stat -c %s "$file")
    truncate -s $((size / 2)) "$file"
    must "$host, store cut off" '$(last_line $host)' refuses "$host"
    cp -a "$file.sound" "$file"
    dd if=/dev/zero of="$file" bs=4096 count=$((size / 4096)) conv=notrunc status=none
    must "$host, store of zeros" '$(last_line $host)' refuses "$host"
    for ((i = 0; i < DAMAGES; i++)); do
        at=$((size * (2 * i + 1) / (2 * DAMAGES)))
        cp -a "$file.sound" "$file"
        flip "$file" "$at"
        if refuses "$host"; then
            refused=$((refused + 1))
        elif ! is_alive "$host"; then
            check "$host, octet $at of its store changed" "" "$(tail -n 3 "$NET_DIR/$host/log")"
        else
            recovers "$SECONDS_BACK" && safe=$((safe + 1))
            halt "$host"
        fi
    done
    check "$host, octets of its store changed" "$([ $((refused + safe)) -eq "$DAMAGES" ] && echo yes)" \
        "of $DAMAGES refused $refused, and $safe made no difference"
    rm -f "$file" "$file-wal" "$file-journal" "$file-shm"
    mv "$file.sound" "$file"
    launch "$host"
    must "$host, sound store again" "all is measured" recovers "$SECONDS_MANY"
}

# HOST AGENT: its store of before AGENT took generations
old_store() {
    local host=$1 file=$NET_DIR/$1/store i
    halt "$host"
    cp -a "$file" "$file.old"
    launch "$host"
    for i in 1 2 3; do
        restart "$2"
        recovers "$SECONDS_BACK" || :
    done
    halt "$host"
    rm -f "$file" "$file-wal" "$file-journal" "$file-shm"
    mv "$file.old" "$file"
    : >"$NET_DIR/$host/log"
    BEFORE=$EPOCH
    launch "$host"
    must "$host, old store" '$(grep -m 1 older $NET_DIR/$host/log)' \
        wait_for "grep -q older '$NET_DIR/$host/log'" 15
    must "$host, old store: another secret" 'negotiation $BEFORE, then $EPOCH' \
        wait_for renegotiated 15
    must "$host, old store: then" "all is measured" recovers_or_tells "$SECONDS_MANY"
}

# HOST: an agent
old_state() {
    local state=$NET_DIR/$1/state i
    halt "$1"
    cp -a "$state" "$state.old"
    for i in 1 2 3; do
        launch "$1"
        recovers "$SECONDS_BACK" || :
        halt "$1"
    done
    rm -rf "$state"
    mv "$state.old" "$state"
    { echo "= put back" && cat "$state/generations"; } >>"$NET_DIR/$1/steps.taken"
    launch "$1"
    must "$1, old state" "all is measured" recovers "$SECONDS_BACK"
}

# HOST DIRECTORY: a disk of its own, with what is there
disk() {
    local at=$NET_DIR/$1/$2
    mkdir -p "$at"
    mv "$at" "$at.before"
    mkdir -m 700 "$at"
    net_on_exit "umount -l '$at'"
    mount -t tmpfs -o size=2m,mode=700 faults "$at"
    cp -a "$at.before/." "$at/"
    rm -rf "$at.before"
}
fill() { dd if=/dev/zero of="$NET_DIR/$1/$2/fill" bs=4096 status=none 2>/dev/null || :; }
empty() { rm -f "$NET_DIR/$1/$2/fill"; }

# Conversation NAME goes on.
goes_on() {
    mark
    wait_for "heard $1 && [ \$NETWORK -gt $((${TALKED[$1]% *} + 50)) ]" 5
}

# HOST: a primary
full_store() {
    local host=$1
    halt "$host"
    mkdir -p "$NET_DIR/$host/disk"
    mv "$NET_DIR/$host/store"* "$NET_DIR/$host/disk/"
    mv "$NET_DIR/$host/disk/store.key" "$NET_DIR/$host/"
    disk "$host" disk
    sed -i 's,^store = .*,store = disk/store,' "$NET_DIR/$host/conf"
    launch "$host"
    recovers "$SECONDS_MANY" || tell_state
    : >"$NET_DIR/$host/log"
    fill "$host" disk
    renegotiate || :
    must "$host, full disk" '$(last_line $host)' wait_for "grep -q store '$NET_DIR/$host/log'" 10
    must "$host, full disk: conversations" "go on" goes_on steady
    must "$host, full disk: runs" '$(lines_of $host)' is_alive "$host"
    empty "$host" disk
    must "$host, room again" "all is measured" recovers "$SECONDS_MANY"
    must "$host, room again: a negotiation" '$BEFORE, then $EPOCH' renegotiates
    halt "$host"
    cp -a "$NET_DIR/$host/disk/"store* "$NET_DIR/$host/"
    sed -i 's,^store = .*,store = store,' "$NET_DIR/$host/conf"
    launch "$host"
}

# HOST: an agent
full_state() {
    halt "$1"
    disk "$1" state
    launch "$1"
    recovers "$SECONDS_BACK" || :
    : >"$NET_DIR/$1/log"
    fill "$1" state
    must "$1, full disk" '$(last_line '"$1"')' wait_for "grep -q 'No space' '$NET_DIR/$1/log'" 30
    must "$1, full disk: what has a lease" "goes on" goes_on steady
    must "$1, full disk: runs" '$(lines_of '"$1"')' is_alive "$1"
    empty "$1" state
    must "$1, room again" "all is measured" recovers "$SECONDS_BACK"
}

part_stores() {
    # shellcheck disable=SC2034 # verdict reads it
    PUT_BACK=yes
    world trusted-servers
    full_state sc2
    full_store pc
    full_store ps
    old_state sc1
    old_state ss1
    old_store pc sc1
    old_store ps ss1
    damage_store pc
    damage_store ps
}

# Two primaries.

PG_AT=$(orgs_prefix b)ffff

# A second primary of the clients' organisation: of the same name, with a certificate of its own.
two_primaries() {
    ORGS_HOSTS=(pc pc2 sc1 sc2 ps ss1 ss2)
    ORGS_NUMBER[pc2]=2
    ORGS_ORG[pc2]=b
    PRIMARIES=(pc pc2 ps)
    orgs_name() { echo "${1/pc2/pc}.${ORGS_ORG[$1]}.example"; }
}

share_store() {
    local host
    orgs_primary pc2 trusted-servers
    cp -p "$NET_DIR/pc/store.key" "$NET_DIR/pc2/"
    for host in pc pc2; do
        sed -i "s,^store = .*,store = $(pg_uri "$NET_DIR" "$PG_AT")," "$NET_DIR/$host/conf"
    done
}

database_up() {
    chmod 711 "$NET_DIR" # the server's user goes through
    PG_WITHIN=(ip netns exec "$CLIENT_NS")
    net_on_exit "pg_end '$NET_DIR'"
    pg_begin "$NET_DIR" "$PG_AT"
}

both_on() { [ "$(secondaries_of "$1")" = 2 ]; }
forget_pauses() {
    kill -USR1 "${TALKER_PID[@]}"
    sleep 0.1
}

# CMD...: it succeeds, and the steady conversation never went without samples for over a second
unbroken() { "$@" && heard steady && [ "$PAUSED" -le 1000 ]; }
PAUSE='longest pause between samples $PAUSED ms'

kill_one() { # HOST OTHER
    forget_pauses
    fell "$1"
    must "$1 killed" "both secondaries are with $2; $PAUSE" unbroken wait_for "both_on $2" 15
    launch "$1"
    must "$1 started again" "negotiation \$EPOCH everywhere; $PAUSE" unbroken recovers "$SECONDS_MANY"
}

part_postgres() {
    local how
    database_up
    world trusted-servers
    for how in fast immediate; do
        forget_pauses
        pg_stop "$NET_DIR" "$how"
        sleep 2
        pg_start "$NET_DIR"
        must "PostgreSQL restarted ($how)" "negotiation \$EPOCH everywhere; $PAUSE" \
            unbroken recovers "$SECONDS_MANY"
        must "a negotiation then" '$BEFORE, then $EPOCH' renegotiates
    done
    kill_one pc pc2
    kill_one pc2 pc
}

# All of it.

run_part() {
    # shellcheck disable=SC2034 # orgs_up names hosts so
    [ "$1" != postgres ] || two_primaries
    orgs_up 1
    "part_$1"
    verdict
    exit "$FAILED"
}

run_all() {
    local part pids=() failed=0 began
    began=$EPOCHREALTIME
    trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    for part in "${PARTS[@]}"; do
        "$0" "$part" >"$work/$part.log" 2>&1 &
        pids+=("$!")
    done
    for part in "${!PARTS[@]}"; do
        wait "${pids[part]}" || failed=1
        # The shell tells of every kill.
        sed "/ Killed  *ip netns exec/d; s/^\(ok  \|FAIL\) /&${PARTS[part]}: /" "$work/${PARTS[part]}.log"
    done
    trap - EXIT
    awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "     %.0f s\n", to - from }'
    [ "$failed" = 0 ] && echo "test_faults: ok"
    exit "$failed"
}

[ "$(id -u)" -eq 0 ] || { echo "test_faults: must be run as root" >&2 && exit 1; }
if [ $# -gt 0 ]; then
    run_part "$1"
fi
build_tools
run_all
