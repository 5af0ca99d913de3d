#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A web server, its clients and datagrams for a long time, with encrypted PDM, while both agents are
# killed and ended in turn: nobody sees a failure that is not there without the library, options
# flow again after each restart, no nonce repeats, and neither memory nor descriptors grow, of the
# programs or of the agents. CHECK_LONG=1: half an hour; SOAK_SECONDS: as long as that. As root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh
# shellcheck source=tests/e2e/programs.sh
. tests/e2e/programs.sh

: "${PYTHON:=/usr/bin/python3}"
HTTP=7500
DATAGRAMS=7501
PLAIN_SECONDS=3
if [ "${CHECK_LONG:-0}" = 1 ]; then
    : "${SOAK_SECONDS:=1800}"
    EVERY=10 # seconds between two restarts of the agents
else
    : "${SOAK_SECONDS:=40}"
    EVERY=5
fi
SEALS=$((40000 + SOAK_SECONDS * 10000)) # that there is room for; about a fifth is used

# --- the library with the oracle of nonces ---

ORACLE=$AGENTS_BIN/nonce/oracle/libpdmv2.so

build_oracle() {
    local dir=${ORACLE%/*}
    make -s say= BUILD="$dir" DEFS=-DPDM_NONCE_ORACLE SHIM_EXTRA="$dir/tests/nonce/oracle.o" "$ORACLE" &&
        "${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -I. tests/nonce/check.c -o "$dir/check"
}

oracle() { "${ORACLE%/*}/check" "$1" "$NET_DIR/seals" "${@:2}"; }

# SIDE: what a program there is started with.
preload() {
    [ "$MODE" = absent ] ||
        echo "LD_PRELOAD=$ORACLE PDM_ORACLE_FILE=$NET_DIR/seals PDMV2_AGENT=$NET_DIR/$1/agent.sock"
}

# shellcheck disable=SC2046 # several words
begin_client() { start_in_client env $(preload client) "$@"; }
# shellcheck disable=SC2046
begin_server() { start_in_server env $(preload server) "$@"; }

# --- the programs ---

nginx_config() {
    cat <<END
daemon off;
user root;
worker_processes 2;
pid $SCRATCH/pid;
error_log $SCRATCH/error.log notice;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $SCRATCH/body;
    proxy_temp_path $SCRATCH/proxy;
    fastcgi_temp_path $SCRATCH/fastcgi;
    uwsgi_temp_path $SCRATCH/uwsgi;
    scgi_temp_path $SCRATCH/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server {
        listen [::]:$HTTP;
        root $SCRATCH;
    }
}
END
}

# SECONDS: all of them, watched under the names that PIDS has.
begin_programs() {
    local url="http://[$SERVER_ADDR]:$HTTP/page"
    head -c 5000 /dev/zero >"$SCRATCH/page"
    nginx_config >"$SCRATCH/conf"
    begin_server nginx -p "$SCRATCH" -c "$SCRATCH/conf" 2>>"$SCRATCH/error.log"
    PIDS[nginx]=$STARTED
    begin_server iperf3 -s -1 -i 0 -p $DATAGRAMS >"$SCRATCH/iperf3-server" 2>&1
    PIDS[iperf3-server]=$STARTED
    serving $HTTP && serving $DATAGRAMS || return
    local worker
    for worker in $(pgrep -P "${PIDS[nginx]}"); do
        PIDS[nginx-$worker]=$worker
    done
    begin_client wrk -t 1 -c 8 -d "$1" "$url" >"$SCRATCH/wrk-lasting" 2>&1
    PIDS[wrk-lasting]=$STARTED
    begin_client wrk -t 1 -c 4 -d "$1" -H 'Connection: close' "$url" >"$SCRATCH/wrk-closing" 2>&1
    PIDS[wrk-closing]=$STARTED
    # Without -i 0 it would keep a record of every second.
    begin_client iperf3 -6 -u -b 4M -l 1200 --bidir -i 0 -t "$1" -c "$SERVER_ADDR" -p $DATAGRAMS \
        >"$SCRATCH/iperf3-client" 2>&1
    PIDS[iperf3-client]=$STARTED
}

# How they ended, and whatever any of them says went wrong.
end_programs() {
    local name
    for name in wrk-lasting wrk-closing iperf3-client iperf3-server; do
        wait "${PIDS[$name]}"
        echo "$name: exit $?"
        grep -E 'error|Non-2xx' "$SCRATCH/$name"
    done
    kill "${PIDS[nginx]}"
    wait "${PIDS[nginx]}"
    echo "nginx: exit $?"
    sed -nE 's/^[0-9/]+ [0-9:]+ \[(error|crit|alert|emerg)\] [0-9#]+: (\*[0-9]+ )?/\1 /p' \
        "$SCRATCH/error.log" | sort -u
}

# --- what is watched ---

# TIME NAME PID: a line `time name KiB descriptors`; the oracle's file is no memory of the program.
look_at() {
    local memory descriptors
    memory=$(awk -v oracle="$NET_DIR/seals" '
        /^[0-9a-f]+-[0-9a-f]+ / { ours = !index($0, oracle) }
        /^Rss:/ && ours { sum += $2 }
        END { print sum + 0 }' "/proc/$3/smaps" 2>/dev/null)
    descriptors=$(find "/proc/$3/fd" -mindepth 1 2>/dev/null | wc -l)
    [ "${memory:-0}" -eq 0 ] || echo "$1 $2 $memory $descriptors"
}

look_at_all() {
    local name
    for name in "${!PIDS[@]}"; do
        look_at "$1" "$name" "${PIDS[$name]}"
    done
    look_at "$1" agent-client "${AGENTS_PIDS[0]}"
    look_at "$1" agent-server "${AGENTS_PIDS[1]}"
}

# SIGNAL
restart_agents() {
    local old=("${AGENTS_PIDS[@]}")
    kill -"$1" "${old[@]}"
    wait_for "! kill -0 ${old[0]} 2>/dev/null && ! kill -0 ${old[1]} 2>/dev/null" 5 || return
    AGENTS_PIDS=()
    agents_launch client && agents_launch server || return
    disown "${AGENTS_PIDS[@]}" # the shell says nothing of how they end
}

# SECONDS: a look each second, a restart every EVERY. Sets RESTARTS and, of the times between, those
# without an option, SILENT.
soak() {
    local signal=KILL seals before=0 now=0 next=$EVERY began=$EPOCHSECONDS
    RESTARTS=0 SILENT=0
    while [ "$now" -lt $(($1 - 2)) ]; do
        sleep 1
        now=$((EPOCHSECONDS - began))
        look_at_all "$now" >>"$NET_DIR/looks"
        [ "$now" -ge "$next" ] || continue
        next=$((next + EVERY))
        seals=$(oracle count)
        [ "$seals" -gt "$before" ] || SILENT=$((SILENT + 1))
        before=$seals
        restart_agents $signal || return
        RESTARTS=$((RESTARTS + 1))
        [ $signal = KILL ] && signal=TERM || signal=KILL
    done
}

# --- main ---

declare -A PIDS

# MODE SECONDS FUNCTION
run() {
    MODE=$1 SCRATCH=$NET_DIR/scratch-$1 PIDS=()
    mkdir "$SCRATCH"
    begin_programs "$2" || return
    "${@:3}" || return
    end_programs >"$NET_DIR/$MODE"
}

build_oracle && programs_up && oracle create "$SEALS" && agents_up encrypted || exit 1
disown "${AGENTS_PIDS[@]}"
run absent "$PLAIN_SECONDS" true || exit 1
if grep -q 'exit [1-9]' "$NET_DIR/absent"; then
    say FAIL "the programs do not work without the library"
    cat "$NET_DIR/absent"
fi
if ! run soak "$SOAK_SECONDS" soak "$SOAK_SECONDS"; then
    say FAIL "the agents did not come back"
fi
agents_down

if diff "$NET_DIR/absent" "$NET_DIR/soak"; then
    say ok "$SOAK_SECONDS s: no failure that is not there without the library;" \
        "$(sed -n 's/^Requests.sec: *//p' "$NET_DIR"/scratch-soak/wrk-* | paste -sd ' ') requests/s"
else
    say FAIL "other than without the library"
fi
if [ "$RESTARTS" -gt 0 ] && [ "$SILENT" -eq 0 ]; then
    say ok "$RESTARTS restarts, and options before each"
else
    say FAIL "$SILENT of $RESTARTS times between restarts without an option"
fi
if verdict=$(oracle verify); then
    say ok "$verdict"
else
    say FAIL "$verdict"
fi
if "$PYTHON" -B tests/e2e/soak_check.py "$NET_DIR/looks"; then
    say ok "neither memory nor descriptors grow"
else
    say FAIL "memory or descriptors grow"
fi
tally
