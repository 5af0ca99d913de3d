#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs see the same without the library, with it and encrypted PDM flowing, and with it while
# the agents die or hang in mid-run; and what a hanging agent costs them. As root.
#
#   tests/e2e/test_transparent.sh [PROGRAM...]   callmatrix tcpmatrix socat asyncio unbound iperf3 hang
# shellcheck disable=SC2317 # the see_ functions are called by a name made up
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh

PORT=7100
FEWEST=20     # options each way in a run that counts as flowing
FEWEST_CUT=5  # before the agents are disturbed
LATEST=10     # seconds until there must be so many: a busy machine starts a program late
HANG_ROUNDS=9 # of each kind, interleaved
HANG_MS=50    # what a hanging agent may cost in all
MATRIX_PASSES=3
FAILED=0

say() {
    printf '%-4s %s\n' "$1" "$2"
    [ "$1" = ok ] || FAILED=1
}

# --- one program in one run ---

# RUN is absent, flowing, killed or hanging. Sets what a program of each side is started with.
choose_run() {
    RUN=$1
    SHIM_CLIENT=() SHIM_SERVER=()
    if [ "$RUN" != absent ]; then
        SHIM_CLIENT=("LD_PRELOAD=$AGENTS_BIN/libpdmv2.so" "PDMV2_AGENT=$NET_DIR/client/agent.sock")
        SHIM_SERVER=("LD_PRELOAD=$AGENTS_BIN/libpdmv2.so" "PDMV2_AGENT=$NET_DIR/server/agent.sock")
    fi
}

with_client() { in_client env "${SHIM_CLIENT[@]}" "$@"; }
with_server() { start_in_server env "${SHIM_SERVER[@]}" "$@"; }

# Waits for a UDP (or, with -t, TCP) socket of the server's.
serving() { wait_for "in_server ss -Hln${2:-u} 'sport = :$1' | grep -q ." 5; }

# Ends PID and its children; what it returned goes to FILE.
end_server() {
    end_service "$1"
    echo "exit $?" >>"$2"
}

# UP DOWN: each way
options_flow() {
    [ "$(options_from "$CLIENT_ADDR")" -ge "$1" ] && [ "$(options_from "$SERVER_ADDR")" -ge "$2" ]
}

# SECONDS UP DOWN: then, and not before so many options each way, kills or stops both agents, and
# writes down when.
disturb() {
    local signal=KILL
    [ "$RUN" != hanging ] || signal=STOP
    sleep "$1"
    wait_for "options_flow $2 $3" $LATEST
    echo "$EPOCHREALTIME" >"$NET_DIR/disturbed"
    kill -"$signal" "${AGENTS_PIDS[@]}"
}

options_from() {
    tcpdump -r "$NET_DIR/options.pcap" -n "src host $1" 2>/dev/null | wc -l
}

# Disowned, the shell says nothing of how they end.
agents_begin() {
    agents_up encrypted || exit
    disown "${AGENTS_PIDS[@]}"
}

agents_end() {
    local pids=("${AGENTS_PIDS[@]}")
    kill -CONT "${pids[@]}" 2>/dev/null
    agents_down
    wait_for "! kill -0 ${pids[0]} 2>/dev/null && ! kill -0 ${pids[1]} 2>/dev/null" 5
}

# PROGRAM HALF UP DOWN: PROGRAM's function writes to a directory what was seen; HALF is about half
# its time. UP and DOWN options show that they flow.
run_program() {
    local program=$1 half=$2 dir=$NET_DIR/$RUN.$1 disturber='' ended
    mkdir "$dir"
    if [ "$RUN" = absent ]; then
        "see_$program" "$dir"
        return
    fi
    # Encrypted options alone: a Destination Options header, type 0x0f, 34 octets.
    agents_begin
    capture_start "$NET_DIR/options.pcap" 'ip6[6] = 60 and ip6[44] = 15 and ip6[45] = 34' || exit
    rm -f "$NET_DIR/disturbed"
    if [ "$RUN" != flowing ]; then
        disturb "$half" "$3" "$4" &
        disturber=$!
    fi
    "see_$program" "$dir"
    ended=$EPOCHREALTIME
    if [ -n "$disturber" ]; then
        wait "$disturber"
        if [ "${ended/./}" -lt "$(tr -d . <"$NET_DIR/disturbed")" ]; then
            say FAIL "$program: was over before its agents were disturbed"
        fi
    fi
    agents_end
    capture_stop
}

# PROGRAM HALF [UP DOWN]: whether encrypted options flow up and down (default: 1 1).
check_program() {
    local program=$1 run fewest up down least_up least_down
    choose_run absent
    run_program "$program" 0 0 0
    if grep '^exit [1-9]' "$NET_DIR/absent.$program/client"; then
        say FAIL "$program: does not work without the library"
        return
    fi
    for run in flowing killed hanging; do
        choose_run "$run"
        fewest=$([ "$run" = flowing ] && echo "$FEWEST" || echo "$FEWEST_CUT")
        least_up=$((${3:-1} * fewest))
        least_down=$((${4:-1} * fewest))
        run_program "$program" "$2" "$least_up" "$least_down"
        trim "$program" "$NET_DIR/absent.$program" "$NET_DIR/expected"
        up=$(options_from "$CLIENT_ADDR")
        down=$(options_from "$SERVER_ADDR")
        if ! diff -r "$NET_DIR/expected" "$NET_DIR/$run.$program" >"$NET_DIR/diff" 2>&1; then
            say FAIL "$program, $run: other than without the library"
            cut -c -300 "$NET_DIR/diff" | head -n 20
        elif [ "$up" -lt "$least_up" ] || [ "$down" -lt "$least_down" ]; then
            say FAIL "$program, $run: only $up and $down encrypted options"
        else
            say ok "$program, $run: the same ($up and $down encrypted options)"
        fi
        rm -rf "$NET_DIR/expected" "$NET_DIR/$run.$program"
    done
}

# What a run must have seen. The call matrix is cut short where agents are disturbed.
trim() {
    cp -r "$2" "$3"
    if [ "$1" = callmatrix ] && [ "$RUN" != flowing ]; then
        sed -i '/^==== pass 2$/,/^exit/{/^exit/!d}' "$3/client"
        head -n "$(($(wc -l <"$2/server") / MATRIX_PASSES))" "$2/server" >"$3/server"
    fi
}

# --- the programs: see_NAME DIRECTORY ---

# Pointers into memory that is not there are left out: the library reads what the kernel would, and
# dies where the kernel says EFAULT.
see_callmatrix() {
    local passes=1
    case $RUN in absent | flowing) passes=$MATRIX_PASSES ;; esac
    matrix_run "$1" "$passes" --skip wild-pointers,tcp-
}

see_tcpmatrix() { matrix_run "$1" 1 --only tcp-; }

# DIRECTORY PASSES ARGUMENT...
matrix_run() {
    local matrix=$AGENTS_BIN/tests/apps/callmatrix pid
    with_server timeout 60 "$matrix" server "$SERVER_ADDR" "$PORT" >"$1/server" 2>&1
    pid=$STARTED
    serving "$PORT"
    with_client timeout 60 "$matrix" client "$SERVER_ADDR" "$PORT" --repeat "$2" "${@:3}" \
        >"$1/client" 2>&1
    echo "exit $?" >>"$1/client"
    wait "$pid"
    echo "exit $?" >"$1/server.exit"
}

# COUNT lines, one every PAUSE seconds.
lines() {
    for ((i = 1; i <= $1; i++)); do
        printf 'line %d %s\n' "$i" "$(printf '%*s' "$((i * 7 % 300))" '' | tr ' ' x)"
        sleep "$2"
    done
}

see_socat() {
    local pid
    with_server socat -T 3 "UDP6-LISTEN:$PORT,fork,reuseaddr" PIPE 2>"$1/listen"
    pid=$STARTED
    serving "$PORT"
    lines 100 0.01 | with_client socat -t 0.3 STDIO "UDP6:[$SERVER_ADDR]:$PORT" >"$1/client" 2>&1
    echo "exit $?" >>"$1/client"
    end_server "$pid" "$1/listen"
    # socat takes the quotes away, and an address in brackets would be a pattern for names of files.
    # shellcheck disable=SC2016 # the server's shell expands them
    with_server socat "UDP6-RECVFROM:$PORT,fork,reuseaddr" \
        SYSTEM:'set -f; read line; echo "$line" "$SOCAT_PEERADDR"; sleep 0.1' 2>"$1/recvfrom"
    pid=$STARTED
    serving "$PORT"
    for ((i = 0; i < 6; i++)); do
        echo "request $i" | with_client socat -t 0.3 STDIO "UDP6:[$SERVER_ADDR]:$PORT"
        echo "exit $?"
    done >>"$1/client" 2>&1
    end_server "$pid" "$1/recvfrom"
    # Its log lines begin with a time and a process, and name processes.
    sed -i -E 's/^[0-9/]+ [0-9:]+ socat\[[0-9]+\] //; s/(pid|process|child) [0-9]+/\1/g' \
        "$1/listen" "$1/recvfrom"
    # How many children it finds ended at once is chance.
    sort -u -o "$1/recvfrom" "$1/recvfrom"
}

see_asyncio() {
    local pid
    with_server "$PYTHON" tests/apps/pyecho.py "$SERVER_ADDR" "$PORT" >"$1/server" 2>&1
    pid=$STARTED
    serving "$PORT"
    with_client "$PYTHON" tests/apps/pyclient.py "$SERVER_ADDR" "$PORT" 8000 >"$1/client" 2>&1
    echo "exit $?" >>"$1/client"
    end_server "$pid" "$1/server"
}

# Two threads, and answers from the address that was asked, by control messages.
unbound_config() {
    local i text
    cat <<END
server:
    interface: ::0
    port: $PORT
    interface-automatic: yes
    num-threads: 2
    so-reuseport: yes
    access-control: ::/0 allow
    username: ""
    chroot: ""
    pidfile: ""
    directory: "$NET_DIR"
    use-syslog: no
    do-daemonize: no
    module-config: "iterator"
    local-zone: "example." static
END
    for ((i = 0; i < 50; i++)); do
        text=$(printf '%*s' "$((i * 5))" '' | tr ' ' t)
        echo "    local-data: \"host$i.example. 60 IN AAAA 2001:db8:3::$i\""
        echo "    local-data: 'host$i.example. 60 IN TXT \"$text\"'"
    done
}

# Addresses, texts of many lengths, and names that are not there, from one process of dig.
dig_ten() {
    for ((i = $1; i < $1 + 10; i++)); do
        case $((i % 3)) in
        0) echo "host$((i % 50)).example. AAAA" ;;
        1) echo "host$((i % 50)).example. TXT" ;;
        2) echo "none$i.example. AAAA" ;;
        esac
    done >"$NET_DIR/queries"
    with_client dig -f "$NET_DIR/queries" "@$SERVER_ADDR" -p "$PORT" +noall +comments +answer \
        +authority +tries=1 +time=2
    echo "exit $?"
}

see_unbound() {
    local pid from
    unbound_config >"$NET_DIR/unbound.conf"
    with_server unbound -c "$NET_DIR/unbound.conf" 2>"$1/server"
    pid=$STARTED
    serving "$PORT"
    for ((from = 0; from < 100; from += 10)); do
        dig_ten "$from"
        sleep 0.08
    done >"$1/client" 2>&1
    sed -i -E 's/, id: [0-9]+$//' "$1/client"
    end_server "$pid" "$1/server"
    # Which thread got how many queries is the kernel's choice.
    sed -i -E 's/^\[[0-9]+\] unbound\[[0-9]+:[0-9]\] //; /^info: server stats for thread/d' \
        "$1/server"
}

# 600 datagrams of 1000 octets, at a rate at which none may be lost.
iperf3_run() {
    local pid
    with_server iperf3 -s -1 -p "$PORT" >"$NET_DIR/iperf3.server" 2>&1
    pid=$STARTED
    serving "$PORT" t
    with_client iperf3 -6 -c "$SERVER_ADDR" -p "$PORT" -u -b 4M -l 1000 -n 600000 -J "${@:2}" \
        >"$NET_DIR/iperf3.json" 2>&1
    echo "exit $?" >>"$1/client"
    # The sender may be at one datagram more before it sees that it has sent enough.
    jq -c '{error, reverse: .start.test_start.reverse, lost: .end.sum.lost_packets,
        whole: (.end.sum | .packets >= 600 and .packets <= 602 and .bytes == .packets * 1000),
        out_of_order: [.end.streams[].udp.out_of_order]}' \
        "$NET_DIR/iperf3.json" >>"$1/client" 2>&1
    wait "$pid"
    echo "exit $?" >>"$1/server"
}

see_iperf3() { iperf3_run "$1"; }
see_iperf3_R() { iperf3_run "$1" -R; }

# --- what a hanging agent costs ---

# Half way, stops the processes that it is given.
exchange_ms() {
    in_client "${HANG_FIRST[@]}" env "${SHIM_CLIENT[@]}" "$PYTHON" tests/e2e/exchange_time.py \
        "$SERVER_ADDR" "$PORT" 100 10 "$@"
}

# PID...: these, and the exchanges between them, before all that the machine does beside: its other
# load makes the same exchanges take from 20 ms to 300. Where that is not allowed, as it is.
hang_first() {
    local pid
    HANG_FIRST=(chrt -f 1)
    if ! "${HANG_FIRST[@]}" true 2>/dev/null; then
        HANG_FIRST=()
        return
    fi
    for pid in "$@"; do
        chrt -f -p 1 "$pid"
    done
}

# Rounds of the same exchanges, without the library and with agents that hang: they take
# connections and answer none. A program of many sockets asks them again and again.
see_hang() {
    local i
    for ((i = 0; i < HANG_ROUNDS; i++)); do
        choose_run absent
        exchange_ms >>"$NET_DIR/hang.absent" || say FAIL 'hang: an echo did not come'
        choose_run hanging
        kill -STOP "${AGENTS_PIDS[@]}"
        exchange_ms >>"$NET_DIR/hang.start" || say FAIL 'hang: an echo did not come'
        kill -CONT "${AGENTS_PIDS[@]}"
        exchange_ms "${AGENTS_PIDS[@]}" >>"$NET_DIR/hang.run" ||
            say FAIL 'hang: an echo did not come'
        kill -CONT "${AGENTS_PIDS[@]}"
    done
}

check_hang() {
    local pid
    choose_run absent
    with_server "$AGENTS_BIN/tests/apps/slowecho" "$SERVER_ADDR" "$PORT"
    pid=$STARTED
    serving "$PORT"
    agents_begin
    hang_first "$LINKSIM_PID" "$pid" "${AGENTS_PIDS[@]}"
    see_hang
    agents_end
    kill "$pid"
    wait "$pid"
    hang_cost start 'from the start'
    hang_cost run 'in mid-run'
}

# Other load only adds, so the quickest rounds are compared; what the two quickest without the
# library differ by is allowed beside the limit.
hang_cost() {
    local cost verdict=ok
    cost=$("$PYTHON" - "$NET_DIR/hang.absent" "$NET_DIR/hang.$1" $HANG_MS <<'END'
import sys

absent, hanging = (sorted(float(line) for line in open(name)) for name in sys.argv[1:3])
cost = hanging[0] - absent[0]
noise = absent[1] - absent[0]
print(f"{cost:.1f} ms on {absent[0]:.1f} ms, noise {noise:.1f} ms, at most {sys.argv[3]} ms")
sys.exit(0 if cost <= float(sys.argv[3]) + noise else 1)
END
    ) || verdict=FAIL
    say "$verdict" "agents that hang $2 cost $cost"
}

# --- main ---

: "${PYTHON:=/usr/bin/python3}"
[ $# -gt 0 ] || set -- callmatrix tcpmatrix socat asyncio unbound iperf3 hang
net_up 1 || exit 1
for program in "$@"; do
    case $program in
    callmatrix) check_program callmatrix 3 ;;
    tcpmatrix) check_program tcpmatrix 3 ;;
    socat) check_program socat 1.5 ;;
    asyncio) check_program asyncio 0.6 ;;
    unbound) check_program unbound 0.8 ;;
    iperf3) check_program iperf3 0.7 1 0 && check_program iperf3_R 0.7 0 1 ;;
    hang) check_hang ;;
    *)
        echo "usage: test_transparent.sh [callmatrix|tcpmatrix|socat|asyncio|unbound|iperf3|hang]..." >&2
        exit 2
        ;;
    esac
done
exit "$FAILED"
