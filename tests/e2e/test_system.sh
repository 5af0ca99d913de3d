#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Remote shells, databases, time and what else keeps a system running see the same without the
# library, with it and encrypted PDM flowing, and with it while the agents die and come back.
# CHECK_LONG=1: longer, and scp of 1 GiB rather than 256 MiB. As root.
#
#   tests/e2e/test_system.sh [PROGRAM...]   ssh scp postgresql redis python rsync mosh ping chrony
# shellcheck disable=SC2317 # the see_ functions are called by a name made up
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

SSH=7420
FORWARD_LOCAL=7421
FORWARD_REMOTE=7422
POSTGRESQL=7423
REDIS=7424
RSYNC=7425
MOSH=7426
NTP=7427
NTP_FILTERED=7428
HOST=[$SERVER_ADDR]
HALF=0.5    # seconds until the agents die
WHILE=1.5   # seconds, so long that they are back before the end
BRIEFLY=0.8 # where more follows
LONGER=10   # seconds more for a busy machine
LOAD=1      # seconds of load, of each kind
KEYED=30    # lines typed, 20 a second
CHRONY_SECONDS=2
COPY=$((256 << 20))
SHARES=8 # most of Python's tests wait
if [ "${CHECK_LONG:-0}" = 1 ]; then
    WHILE=6
    BRIEFLY=6
    LOAD=10
    KEYED=120
    CHRONY_SECONDS=8
    COPY=$((1 << 30))
fi
SSH_DIR=
POSTGRESQL_BIN=$(echo /usr/lib/postgresql/*/bin | sed 's/.* //')

# --- what they work on ---

# shellcheck disable=SC2046 # two words
client_daemon() { start_in_client env $(programs_preload client) "$@"; }

# --- OpenSSH ---

make_ssh() {
    SSH_DIR=$NET_DIR/ssh
    mkdir "$SSH_DIR"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$SSH_DIR/host" &&
        ssh-keygen -q -t ed25519 -N '' -C '' -f "$SSH_DIR/user" || return
    echo "server $(cat "$SSH_DIR/host.pub")" >"$SSH_DIR/known"
    noise 3000000 >"$SSH_DIR/large"
    cat >"$SSH_DIR/server.conf" <<END
Port $SSH
ListenAddress ::
HostKey $SSH_DIR/host
AuthorizedKeysCommand /bin/cat $SSH_DIR/user.pub
AuthorizedKeysCommandUser root
AuthorizedKeysFile none
StrictModes no
UsePAM yes
PermitRootLogin yes
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 100
Subsystem sftp internal-sftp
END
    cat >"$SSH_DIR/client.conf" <<END
Host *
AddressFamily inet6
Port $SSH
HostKeyAlias server
IdentityFile $SSH_DIR/user
IdentitiesOnly yes
UserKnownHostsFile $SSH_DIR/known
GlobalKnownHostsFile none
BatchMode yes
ExitOnForwardFailure yes
END
}

# What a service manager would make for it, and the records of who logs in, are its own.
start_sshd() {
    # shellcheck disable=SC2016 # the server's shell expands it
    run_server unshare -m sh -c 'mount -t tmpfs none /run && mount -t tmpfs none /var/log &&
        mkdir -m 755 /run/sshd && touch /run/utmp /var/log/lastlog && exec "$@"' \
        sh "$(command -v sshd)" -D -e -f "$SSH_DIR/server.conf" 2>"$SCRATCH/sshd"
    SSHD=$STARTED
    serving "$SSH"
}

stop_sshd() {
    end_server "$SSHD" sshd
    sed -E 's/ port [0-9]+//; s/\[[0-9]+\]//' "$SCRATCH/sshd" | sort -u >>"$OUT/sshd"
}

ssh_client() { run_client ssh -F "$SSH_DIR/client.conf" "$@"; }

# Root keeps its rights; another user's session has dropped them, with the connection open.
ssh_sessions() {
    ssh_client -n "$SERVER_ADDR" 'echo out; echo err >&2; exit 3'
    echo "status $?"
    ssh_client -n "postgres@$SERVER_ADDR" 'id -un; head -c 300000 /dev/zero' | digest
    ssh_client "$SERVER_ADDR" cat <"$SSH_DIR/large" | digest
    # What the terminal echoes comes when it comes.
    printf 'typed\n\004' | ssh_client -tt "$SERVER_ADDR" 'stty size; cat; exit 4' 2>&1 | sort
    echo "status ${PIPESTATUS[1]}"
}

# Through a connection to which other clients hand their descriptors, and through two forwarded
# ports, one inside the other.
ssh_forwarded() {
    local path=$SCRATCH/control
    ssh_client -fNM -S "$path" -L "[::1]:$FORWARD_LOCAL:$HOST:$SSH" \
        -R "[::1]:$FORWARD_REMOTE:[::1]:$FORWARD_LOCAL" "$SERVER_ADDR"
    ssh_client -n -S "$path" "$SERVER_ADDR" 'echo out; echo err >&2; exit 5'
    echo "status $?"
    ssh_client -S "$path" "$SERVER_ADDR" cat <"$SSH_DIR/large" | digest
    ssh_client -p "$FORWARD_LOCAL" ::1 cat <"$SSH_DIR/large" | digest
    in_server ssh -F "$SSH_DIR/client.conf" -p "$FORWARD_REMOTE" ::1 cat <"$SSH_DIR/large" | digest
    ssh_client -S "$path" -O exit "$SERVER_ADDR"
    wait_for "! [ -e '$path' ]" 5
}

see_ssh() {
    start_sshd
    saw first ssh -F "$SSH_DIR/client.conf" -n "$SERVER_ADDR" true
    for_a_while "$BRIEFLY" ssh_sessions
    ssh_forwarded >"$OUT/forwarded" 2>&1
    stop_sshd
}

copy() { run_client scp -q -F "$SSH_DIR/client.conf" -c aes128-gcm@openssh.com "$@"; }

there_and_back() {
    copy "$NET_DIR/copy" "$HOST:$SCRATCH/up"
    echo "exit $?"
    copy "$HOST:$SCRATCH/up" "$SCRATCH/down"
    echo "exit $?"
    digest "$SCRATCH/up" "$SCRATCH/down"
    rm -f "$SCRATCH/up" "$SCRATCH/down"
}

see_scp() {
    start_sshd
    for_a_while 0.1 there_and_back
    stop_sshd
}

# --- PostgreSQL ---

# It refuses to run as root. The right to use the agent's socket is what its group would give it.
AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --clear-groups
    "--inh-caps=+net_raw,+dac_override" "--ambient-caps=+net_raw,+dac_override")

make_postgresql() {
    CLUSTER=$NET_DIR/cluster
    install -d -o postgres "$CLUSTER"
    "${AS_POSTGRES[@]}" "$POSTGRESQL_BIN/initdb" -N -D "$CLUSTER" -A trust --locale=C -E UTF8 \
        >"$NET_DIR/initdb" || return
    echo 'host all all ::/0 trust' >>"$CLUSTER/pg_hba.conf"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -days 2 \
        -keyout "$CLUSTER/server.key" -out "$CLUSTER/server.crt" 2>/dev/null
    chown postgres "$CLUSTER"/server.*
    noise 3000000 | openssl base64 >"$NET_DIR/rows"
    # Several queries are on their way at once.
    cat >"$NET_DIR/pipeline" <<'LINES'
\set aid random(1, 100000)
\startpipeline
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance WHERE aid = :aid;
END;
\endpipeline
LINES
}

# A row longer than a segment, an error, a notice of its own, a query that is cut off, and rows of
# no end that is known, both ways.
postgresql_script() {
    cat <<END
SELECT client_addr = '$CLIENT_ADDR', ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
    WHERE pid = pg_backend_pid();
SELECT inet_server_addr(), inet_server_port();
SELECT repeat('long', 5000);
SELECT 1 / 0;
LISTEN something;
NOTIFY something, 'said';
SET statement_timeout = 50;
SELECT pg_sleep(10);
RESET statement_timeout;
CREATE TEMPORARY TABLE rows (line text);
\copy rows from '$NET_DIR/rows'
\copy rows to '$SCRATCH/rows'
SELECT count(*), md5(string_agg(line, '' ORDER BY ctid)) FROM rows;
END
}

postgresql_client() {
    run_client env PGHOST="$SERVER_ADDR" PGPORT="$POSTGRESQL" PGUSER=postgres \
        PGDATABASE=postgres "$@"
}

# TLS OPTIONS...
sql() {
    postgresql_client PGSSLMODE="$1" psql -X -A -t "${@:2}" 2>&1 | sed -E 's/PID [0-9]+/PID/'
}

# OPTIONS...
pgbench_run() {
    postgresql_client pgbench -n -c 8 -j 2 -T "$LOAD" "$@" >"$SCRATCH/pgbench" 2>&1
    echo "exit $?" >>"$OUT/pgbench"
    grep -E '^(number of (clients|failed)|query mode)|error' "$SCRATCH/pgbench" >>"$OUT/pgbench"
    tell "pgbench${1:+ $2}" \
        "$(sed -n 's/^tps = \([0-9]*\).*/\1/p' "$SCRATCH/pgbench") transactions/s"
}

see_postgresql() {
    local pid tls
    run_server "${AS_POSTGRES[@]}" "$POSTGRESQL_BIN/postgres" -D "$CLUSTER" -p "$POSTGRESQL" \
        -c listen_addresses=:: -c unix_socket_directories= -c fsync=off -c ssl=on 2>"$SCRATCH/log"
    pid=$STARTED
    serving "$POSTGRESQL"
    postgresql_client pgbench -i -q >"$SCRATCH/made" 2>&1
    echo "exit $?" >"$OUT/made"
    postgresql_script >"$SCRATCH/script"
    for tls in disable require; do
        sql "$tls" -f "$SCRATCH/script"
        digest "$SCRATCH/rows" 2>&1
    done >"$OUT/sql"
    pgbench_run
    pgbench_run -M extended -f "$NET_DIR/pipeline"
    sql disable -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts) =
        (SELECT sum(delta) FROM pgbench_history), (SELECT sum(bbalance) FROM pgbench_branches) =
        (SELECT sum(tbalance) FROM pgbench_tellers)' >"$OUT/sums"
    end_server "$pid" postgres
    sed -nE 's/^.* \[[0-9]+\] (ERROR|WARNING|FATAL|PANIC)/\1/p' "$SCRATCH/log" >>"$OUT/postgres"
}

# --- redis ---

redis_client() { run_client redis-cli -h "$SERVER_ADDR" -p "$REDIS" "$@"; }

# Many small answers to one request of many, large values, errors, and waits.
redis_data() {
    redis_client FLUSHALL
    seq 20000 | sed 's/.*/SET key& value&\r/' | redis_client --pipe | grep replies
    for size in 0 1 1388 1389 1428 1429 20000 3000000; do
        noise "$size" | openssl base64 -A | redis_client -x SET "size$size"
        redis_client GET "size$size" | digest
    done
    redis_client DEBUG DIGEST
    redis_client MGET key1 key777 key20000 none
    redis_client KEYS 'key*' | sort | digest
    redis_client LPUSH key1 no
    redis_client BLPOP none 0.05
    printf '%s\n' MULTI 'INCR n' 'INCR n' EXEC | redis_client
}

# OPTIONS...
redis_load() {
    run_client redis-benchmark -h "$SERVER_ADDR" -p "$REDIS" --csv \
        -t set,get,incr,mset,lrange_100 "$@" >"$SCRATCH/load" 2>&1
    echo "exit $?" >>"$OUT/load"
    cut -d , -f 1 "$SCRATCH/load" >>"$OUT/load"
    tell "redis $*" "$(awk -F '"' '$2 == "GET" { print int($4) }' "$SCRATCH/load") GET/s"
}

see_redis() {
    local pid
    run_server redis-server --port "$REDIS" --bind :: --protected-mode no --save '' \
        --dir "$SCRATCH" --enable-debug-command yes >"$SCRATCH/log" 2>&1
    pid=$STARTED
    serving "$REDIS"
    for_a_while "$BRIEFLY" redis_data
    redis_load -n $((LOAD * 10000))
    redis_load -n $((LOAD * 40000)) -P 16
    end_server "$pid" redis
    sed -nE 's/^[0-9]+:.* # (.*)/\1/p' "$SCRATCH/log" | grep -vE 'overcommit|pid=' >>"$OUT/redis"
}

# --- Python's own tests ---

# Both ends on ::1 take a key of their own: the server's host has that of the link, and a ::1 too.
python_agents() {
    say skip 'python: ThreadedVSOCKSocketStreamTest, which a hypervisor may leave waiting for ever'
    "$AGENTS_BIN/pdmctl" keygen "$NET_DIR/self" >/dev/null || return
    AGENTS_SETTINGS+=('[association self]' 'peer = ::1' 'mode = psk' "key = $NET_DIR/self"
        "path = $AGENTS_PATH")
}

see_python() {
    local i pids=()
    for ((i = 0; i < SHARES; i++)); do
        run_client timeout 60 "$PYTHON" tests/e2e/python_sockets.py "$i" "$SHARES" \
            >"$SCRATCH/tests$i" 2>"$SCRATCH/said$i" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i"
        echo "exit $?" >>"$OUT/tests"
    done
    sort "$SCRATCH"/tests* >>"$OUT/tests"
    tell python "$(grep -c ' ok$' "$OUT/tests") ok, $(grep -c ' skipped: ' "$OUT/tests") skipped"
}

# --- rsync ---

make_rsync() {
    local i
    mkdir "$NET_DIR/tree"
    for ((i = 0; i < 100; i++)); do
        mkdir -p "$NET_DIR/tree/$((i % 10))"
        noise $((i * i * i)) >"$NET_DIR/tree/$((i % 10))/$i"
    done
    cp "$NET_DIR/tree/9/99" "$NET_DIR/changed"
    printf 'other' | dd of="$NET_DIR/changed" bs=1 seek=500000 conv=notrunc status=none
}

tree_digest() {
    (
        cd "$1" &&
            find . -type f -printf '%P %T@\n' -exec openssl dgst -sha256 -r {} + | sort | digest
    )
}

# Without what is told of a directory whose time alone differs: that depends on the second.
rsync_client() {
    run_client rsync -6 --port "$RSYNC" --out-format '%i %n %l' -rt "$@" |
        grep -v '^\.d'
    echo "exit ${PIPESTATUS[0]}"
}

rsync_rounds() {
    rm -rf "$SCRATCH/up" "$SCRATCH/down"
    mkdir "$SCRATCH/up"
    rsync_client "$NET_DIR/tree/" "rsync://$HOST/up/"
    rsync_client --bwlimit=40m "rsync://$HOST/up/" "$SCRATCH/down"
    tree_digest "$SCRATCH/down"
    # Only what differs, and what is gone.
    rm -r "$SCRATCH/up/3"
    rsync_client --delete --no-whole-file --stats "rsync://$HOST/up/" "$SCRATCH/down" |
        grep -vE 'bytes|speedup|seconds|size'
    rsync_client --no-whole-file "$NET_DIR/changed" "rsync://$HOST/up/9/99"
    digest "$SCRATCH/up/9/99"
    run_client rsync -6 --port "$RSYNC" "rsync://$HOST/none/" 2>&1
    echo "status $?"
}

see_rsync() {
    local pid
    printf '%s\n' 'use chroot = no' 'uid = root' 'gid = root' '[up]' "path = $SCRATCH/up" \
        'read only = no' >"$SCRATCH/conf"
    run_server rsync --daemon --no-detach --config "$SCRATCH/conf" --port "$RSYNC" --log-file \
        "$SCRATCH/log" 2>"$OUT/said"
    pid=$STARTED
    serving "$RSYNC"
    for_a_while "$WHILE" rsync_rounds
    end_server "$pid" rsync
}

# --- mosh ---

# Typed slowly, one connectionless session spans the agents' death.
mosh_keys() {
    local i
    sleep 0.3
    for ((i = 0; i < KEYED; i++)); do
        printf 'line %d\r' "$i"
        sleep 0.05
    done
    sleep 0.3
    wait_for seen_enough "$LONGER"
    printf '\004'
    sleep 0.3
}

see_mosh() {
    local key
    # shellcheck disable=SC2016 # the session's shell expands them
    run_server env LC_ALL=C.UTF-8 mosh-server new -i "$SERVER_ADDR" -p "$MOSH" -- \
        sh -c 'stty size; tee "$1"; echo "ended $?" >>"$1"; echo done' sh "$OUT/typed" \
        >"$SCRATCH/server" 2>&1
    wait "$STARTED"
    echo "exit $?" >"$OUT/server"
    key=$(sed -n 's/^MOSH CONNECT [0-9]* //p' "$SCRATCH/server" | tr -d '\r')
    mosh_keys | run_client env LC_ALL=C.UTF-8 TERM=xterm MOSH_KEY="$key" \
        script -qec "stty rows 24 cols 80; exec mosh-client $SERVER_ADDR $MOSH" /dev/null \
        >"$SCRATCH/screen" 2>&1
    echo "exit $?" >"$OUT/client"
    grep -aoE '\[mosh is [a-z]*|Nothing received|crash[a-z]*' "$SCRATCH/screen" | sort -u \
        >>"$OUT/client"
    wait_for "! in_server ss -Hlnu 'sport = :$MOSH' | grep -q ." 5
    echo "gone $?" >>"$OUT/server"
}

# --- ping ---

# The packaged one has a capability of its own, so that the loader ignores the library.
make_ping() { cp "$(command -v ping)" "$NET_DIR/ping"; }

ping_client() {
    run_client "$NET_DIR/ping" -6 -n "$@" 2>&1 |
        sed -E 's/time[= ][0-9.]+ ?ms/time/; s/^rtt.*/rtt/; s/, pipe [0-9]+//; s/, ipg.*//'
    echo "exit ${PIPESTATUS[0]}"
}

# Without a payload, with and without room for a time, about a full packet, and in fragments.
ping_rounds() {
    local size
    for size in 0 8 56 1400 1412 1413 1452 1453 5000; do
        ping_client -c 2 -i 0.01 -s "$size" "$SERVER_ADDR"
    done
    ping_client -c 2 -i 0.01 -M 'do' -s 1452 "$SERVER_ADDR"
    ping_client -c 100 -q -f -p a5 -Q 8 "$SERVER_ADDR"
}

# Too long for the path; nobody there, in less time than the kernel takes to say so; and no route.
ping_errors() {
    ping_client -c 2 -i 0.01 -M 'do' -s 1453 -W 1 "$SERVER_ADDR"
    ping_client -c 1 -W 0.2 2001:db8:2::2
    ping_client -c 1 2001:db8:3::1
}

see_ping() {
    local pid
    ping_errors | sed 's/^exit/status/' >"$OUT/errors" &
    pid=$!
    ping_client -c 12 -i 0.05 -s 100 "$SERVER_ADDR" >"$OUT/slow"
    for_a_while "$WHILE" ping_rounds
    wait "$pid"
}

# --- chrony ---

# NAME LINES...: its own directory, since it refuses one that others may read.
chrony_config() {
    mkdir -m 700 "$SCRATCH/$1"
    printf '%s\n' 'cmdport 0' "pidfile $SCRATCH/$1/pid" "${@:2}" >"$SCRATCH/$1/conf"
}

# NAME PORT
chrony_server() {
    chrony_config "$1" 'local stratum 3' 'allow ::/0' "port $2" 'bindcmdaddress /'
}

# NAME PORT: it asks 16 times a second.
chrony_client() {
    chrony_config "$1" "server $SERVER_ADDR port $2 iburst minpoll -4 maxpoll -4 ${*:3}" 'port 0' \
        "bindcmdaddress $SCRATCH/$1/socket"
}

# START NAME OPTIONS... It never sets the clock (-x).
chrony_start() {
    "$1" "$(command -v chronyd)" -x -d -f "$SCRATCH/$2/conf" "${@:3}" >"$SCRATCH/$2/log" 2>&1
    CHRONY+=("$STARTED $2")
}

# What a source is judged by; how it does in figures is not the same twice.
chrony_report() {
    chronyc -h "$SCRATCH/$1/socket" -n ntpdata >"$SCRATCH/$1/data"
    echo "exit $?"
    # The last tests are of the delay, which is chance.
    sed -nE 's/^(NTP tests .*) .*/\1/p' "$SCRATCH/$1/data"
    grep -E '^(Remote port|Local address|Leap|Version|Mode|Stratum|Interleaved|TX t|RX t)' \
        "$SCRATCH/$1/data"
    awk -F ': *' '/^Total TX/ { sent = $2 }
        /^Total valid/ { print "answered", ($2 > 15 && $2 >= sent - 1) }' "$SCRATCH/$1/data"
    chronyc -h "$SCRATCH/$1/socket" -n -c sources | cut -d , -f 1-5
}

# In one pair the client has the kernel stamp what it sends, and that goes without options; in the
# other both do, and forbid themselves system calls, the server as another user.
see_chrony() {
    local each
    CHRONY=()
    chrony_server server "$NTP"
    chrony_client client "$NTP"
    chrony_server filtered-server "$NTP_FILTERED"
    chrony_client filtered-client "$NTP_FILTERED" xleave
    chrony_start run_server server -u root
    chrony_start run_server filtered-server -F 1 -u _chrony
    serving "$NTP" u && serving "$NTP_FILTERED" u
    chrony_start client_daemon client -u root
    chrony_start client_daemon filtered-client -F 1 -u root
    sleep "$CHRONY_SECONDS"
    wait_for seen_enough "$LONGER"
    chrony_report client >"$OUT/client"
    chrony_report filtered-client >"$OUT/filtered-client"
    for each in "${CHRONY[@]}"; do
        end_server "${each% *}" "${each#* }"
        sed -E 's/^[^ ]* //; s/^chronyd version.*//' "$SCRATCH/${each#* }/log" >>"$OUT/${each#* }"
    done
}

# --- main ---

: "${PYTHON:=/usr/bin/python3}"
[ $# -gt 0 ] || set -- ssh scp postgresql redis python rsync mosh ping chrony
# A busy machine's agent may answer late; what that costs is another test's subject.
AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
programs_up || exit 1
for program in "$@"; do
    case $program in
    ssh) make_ssh && three_runs ssh see_ssh $SSH $HALF ;;
    scp)
        noise $COPY >"$NET_DIR/copy"
        [ -n "$SSH_DIR" ] || make_ssh
        three_runs scp see_scp $SSH $HALF options
        rm -f "$NET_DIR/copy"
        ;;
    postgresql) make_postgresql && three_runs postgresql see_postgresql $POSTGRESQL $HALF ;;
    redis) three_runs redis see_redis $REDIS $HALF ;;
    python) python_agents && three_runs python see_python udp $HALF options ;;
    # Its ends do not wait for each other: what comes behind an option mostly hides it (libpdmv2(7)).
    rsync) make_rsync && three_runs rsync see_rsync $RSYNC $HALF options ;;
    mosh) three_runs mosh see_mosh $MOSH $HALF ;;
    ping) make_ping && three_runs ping see_ping icmpv6 $HALF options ;;
    chrony) three_runs chrony see_chrony "$NTP" $HALF options ;;
    *)
        echo "usage: test_system.sh [ssh|scp|postgresql|redis|python|rsync|mosh|ping|chrony]..." >&2
        exit 2
        ;;
    esac
done
tally
