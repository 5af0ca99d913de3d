#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmrun: what it hands on to whom, what it refuses, and that the program it becomes is the one that
# it would be without; and a daemon that gives root up. As root, which sets up and becomes nobody.
#
#   tests/e2e/test_privilege.sh [PART...]   capabilities environment targets statuses library
#                                           rootless wire daemon manual
# shellcheck disable=SC2317 # called by check
# shellcheck disable=SC2016 # what is quoted is for another shell
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_MODE PDMV2_READ_ONLY LD_PRELOAD
: "${PYTHON:=/usr/bin/python3}"
PORT=7300
FEWEST=5 # options that show that they flow
LINES=30
WORK=$(mktemp -d) || exit 1
LAUNCHER=$WORK/bin/pdmrun   # with the capability
POWERLESS=$WORK/plain/pdmrun # without
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

skip() { echo "skip $1: $2"; }

NOBODY=(setpriv --reuid nobody --regid nogroup --clear-groups)
user() { "${NOBODY[@]}" "$@"; }
run() { user "$LAUNCHER" -m plain "$@"; }

# STATUS CMD...
exits() {
    local status=0
    "${@:2}" || status=$?
    [ "$status" -eq "$1" ] || { echo "exit status $status, not $1"; return 1; }
}
# STATUS TEXT CMD...: says TEXT in one line and nothing else.
says() {
    exits "$1" "${@:3}" >"$WORK/said" 2>&1
    local status=$?
    cat "$WORK/said"
    [ "$status" -eq 0 ] && [ "$(wc -l <"$WORK/said")" -eq 1 ] && grep -qF -- "$2" "$WORK/said"
}
# EXPECTED CMD...
prints() {
    local output
    output=$("${@:2}" 2>&1)
    [ "$output" = "$1" ] || { echo "prints: $output"; return 1; }
}

# --- what it is run with ---

# DIRECTORY: a launcher and its library
install_in() {
    mkdir -p "$1" && cp "$AGENTS_BIN/pdmrun" "$AGENTS_BIN/libpdmv2.so" "$1"
}

install_all() {
    chmod 755 "$WORK" && install_in "$WORK/bin" && install_in "$WORK/plain" &&
        setcap cap_net_raw+p "$LAUNCHER"
}

# FILE: a dynamically linked program of nobody in particular
a_program() { cp /bin/true "$WORK/$1"; }

# FILE OFFSET OCTETS
patch_at() { printf '%b' "$3" | dd of="$WORK/$1" bs=1 seek="$2" conv=notrunc status=none; }

# The loader's name is changed within the file: musl's is shorter.
another_loader() {
    local name=/lib64/ld-linux-x86-64.so.2 offset
    a_program musl && offset=$(grep -abom1 "$name" "$WORK/musl" | cut -d: -f1) &&
        patch_at musl "$offset" '/lib/ld-musl-x86_64.so.1\0\0\0\0'
}

from_c() { echo 'int main(void) { return 0; }' | gcc -xc - -o "$WORK/$1" "${@:2}"; }
script() { printf '%s\n' "${@:2}" >"$WORK/$1" && chmod 755 "$WORK/$1"; }

make_targets() {
    local i
    a_program setuid && chmod u+s "$WORK/setuid" &&
        a_program setgid && chmod g+s "$WORK/setgid" &&
        a_program capable && setcap cap_net_bind_service+ep "$WORK/capable" &&
        a_program machine && patch_at machine 18 '\0267' &&
        a_program class && patch_at class 4 '\001' &&
        a_program damaged && patch_at damaged 54 '\0' && a_program secret && chmod 711 "$WORK/secret" &&
        another_loader && from_c static -static && from_c static-pie -static-pie || return
    touch "$WORK/data" && mkdir "$WORK/directory" &&
        script script '#!/bin/sh' 'exit 3' && chmod u+s "$WORK/script" &&
        script headless 'exit 4' && script orphan "#!$WORK/nowhere" &&
        script of-static "#!$WORK/static" && script of-directory "#!$WORK/directory" || return
    script level-1 '#!/bin/sh' 'exit 5'
    for i in 2 3 4 5 6; do
        script "level-$i" "#!$WORK/level-$((i - 1))" || return
    done
}

# --- alone ---

capabilities() { awk '/^Cap(Inh|Prm|Eff|Amb):/ { printf "%s ", $2 }' /proc/self/status; }
NET_RAW=0000000000002000
NONE=0000000000000000
four() { echo "$1 $1 $1 $1 "; }
# What the program of CMD... gets.
gets() { "$@" bash -c "$(declare -f capabilities); capabilities"; }

# With other capabilities in every set, as from a service manager.
laden() {
    setpriv --reuid nobody --regid nogroup --clear-groups \
        --inh-caps=-all,+net_raw,+chown --ambient-caps=-all,+net_raw,+chown "$@"
}

# A directory of another user's alone.
roots_way() {
    install -d -m 700 -o nobody "$WORK/private" && cp /bin/true "$WORK/private" &&
        "$POWERLESS" -m plain "$WORK/private/true"
}

# Without the line that says so.
unbounded() { "${NOBODY[@]}" --bounding-set=-net_raw "$LAUNCHER" -m plain "$@" 2>/dev/null; }
no_new_privileges() { user setpriv --no-new-privs "$LAUNCHER" -m plain "$@" 2>/dev/null; }

effective() {
    install_in "$WORK/effective" && setcap cap_net_raw+ep "$WORK/effective/pdmrun" &&
        prints "$(four $NET_RAW)" gets user "$WORK/effective/pdmrun" -m plain
}

roots_own() {
    gets "$POWERLESS" "$@" -m plain | awk -v inherited="$NET_RAW" '
        { exit !($1 == inherited && $4 == inherited && $2 == $3 && $2 != inherited) }'
}
roots_own_none() {
    gets "$POWERLESS" -r -m plain | awk -v none="$NONE" '{ exit !($1 == none && $4 == none) }'
}

check_capabilities() {
    check "the program gets CAP_NET_RAW and no other" prints "$(four $NET_RAW)" gets run
    check "in effect from the file, likewise" effective
    check "with others inherited too" prints "$(four $NET_RAW)" \
        gets laden "$LAUNCHER" -m plain
    check "and without the file capability" prints "$(four $NET_RAW)" \
        gets laden "$POWERLESS" -m plain
    check "--read-only hands on none" prints "$(four $NONE)" gets run --read-only
    check "and none of others'" prints "$(four $NONE)" \
        gets laden "$POWERLESS" -r -m plain
    check "root's own come back" roots_own
    check "--read-only hands on none of root's" roots_own_none
    check "and take it where only root may go" roots_way
    check "nested, it is handed on twice" prints "$(four $NET_RAW)" \
        gets run "$LAUNCHER" -m plain
    check "without it there is a line, and the program runs" says 0 \
        "setcap cap_net_raw+p $POWERLESS" user "$POWERLESS" -m plain true
    check "--read-only misses none" prints '' user "$POWERLESS" -r -m plain true
    install_in "$WORK/suid" && chmod u+s "$WORK/suid/pdmrun"
    check "where there is none to be had it runs too" prints "$(four $NONE)" gets unbounded
    check "under no_new_privs likewise" prints "$(four $NONE)" gets no_new_privileges
    check "a setuid pdmrun refuses" says 125 'setuid' user "$WORK/suid/pdmrun" true
}

# Of two preloads, pdmrun's first; both are in the program.
both_preloaded() {
    local other=$WORK/other.so
    [ -e "$other" ] || echo 'int other;' | gcc -xc - -shared -fPIC -o "$other" || return
    user env LD_PRELOAD="$1" "$LAUNCHER" -m plain bash -c 'echo "$LD_PRELOAD"; cat /proc/$$/maps' \
        >"$WORK/both" &&
        [ "$(head -n 1 "$WORK/both")" = "$WORK/bin/libpdmv2.so:$other" ] &&
        grep -q "$other" "$WORK/both" && grep -q "$WORK/bin/libpdmv2.so" "$WORK/both"
}

# What a program can see of itself, but for what pdmrun is for.
self() {
    "$@" bash -c 'env | grep -vE "^(LD_PRELOAD|PDMV2_[A-Z_]*)=" | sort; umask; ulimit -a
        ls -l /proc/self/fd | awk "{ print \$9, \$10, \$11 }" | grep -vE "/proc/|pipe:"
        grep -E "^(Sig|Shd|NoNew|Seccomp|CapBnd)" /proc/self/status | grep -v SigQ' 2>&1
}
unchanged() {
    local given=(env LD_LIBRARY_PATH=/nowhere TMPDIR=/elsewhere EMPTY= 'ODD=a=b c')
    self user "${given[@]}" >"$WORK/self" && mv "$WORK/self" "$WORK/self.absent"
    self user "${given[@]}" "$LAUNCHER" -m plain >"$WORK/self"
    grep -q '^TMPDIR=/elsewhere' "$WORK/self.absent" && diff "$WORK/self.absent" "$WORK/self"
}
signals_unchanged() {
    (
        trap '' PIPE CHLD HUP
        unchanged
    )
}

check_environment() {
    local other=$WORK/other.so
    check "LD_PRELOAD is the library" prints "$WORK/bin/libpdmv2.so" run printenv LD_PRELOAD
    check "it comes before the user's own" both_preloaded "$other"
    check "and never twice" both_preloaded "$WORK/bin/libpdmv2.so:$other:/x/libpdmv2.so"
    check "nested, neither" prints "$WORK/bin/libpdmv2.so" \
        run "$LAUNCHER" -m plain printenv LD_PRELOAD
    check "-m sets PDMV2_MODE" prints rfc8250 user "$LAUNCHER" -m rfc8250 printenv PDMV2_MODE
    check "-m encrypted removes it" exits 1 \
        user env PDMV2_MODE=plain "$LAUNCHER" -m encrypted printenv PDMV2_MODE
    check "without -m it stays" prints plain user env PDMV2_MODE=plain "$LAUNCHER" printenv PDMV2_MODE
    check "-a sets PDMV2_AGENT" prints /a/b run -a /a/b printenv PDMV2_AGENT
    check "-r sets PDMV2_READ_ONLY" prints 1 run -r printenv PDMV2_READ_ONLY
    check "no agent: a line, and the program runs" says 0 "no agent at $WORK/none" \
        user "$LAUNCHER" -a "$WORK/none" true
    check "-v says what was set up" exits 0 eval \
        'run -v true 2>&1 | grep -qx "pdmrun: capability: CAP_NET_RAW"'
    check "the rest of the program's world is as without" unchanged
    check "so are ignored signals" signals_unchanged
    check "so is a closed standard input" eval 'unchanged <&-'
    check "and a closed standard error" eval 'exits 9 run sh -c "[ -e /dev/fd/2 ] || exit 9" 2>&-'
}

check_targets() {
    local refused=("$LAUNCHER" -m plain)
    check "setuid is refused" says 126 'is setuid' user "${refused[@]}" "$WORK/setuid"
    check "setgid is refused" says 126 'is setgid' user "${refused[@]}" "$WORK/setgid"
    check "a file capability is refused" says 126 'file capabilities' \
        user "${refused[@]}" "$WORK/capable"
    check "static is refused" says 126 'statically linked' user "${refused[@]}" "$WORK/static"
    check "static-pie is refused" says 126 'statically linked' \
        user "${refused[@]}" "$WORK/static-pie"
    check "another machine is refused" says 126 'another architecture' \
        user "${refused[@]}" "$WORK/machine"
    check "another class is refused" says 126 'another architecture' \
        user "${refused[@]}" "$WORK/class"
    check "musl is refused" says 126 'another C library' user "${refused[@]}" "$WORK/musl"
    check "a damaged file is refused" says 126 'is damaged' user "${refused[@]}" "$WORK/damaged"
    check "what cannot be read runs, with a line" says 0 'cannot be read' \
        user "${refused[@]}" "$WORK/secret"
    check "what cannot be run is refused" says 126 'permissions' \
        user "${refused[@]}" "$WORK/data"
    check "a directory is refused" says 126 'permissions' user "${refused[@]}" "$WORK/directory"
    check "what is not there: 127" says 127 'no such program' user "${refused[@]}" "$WORK/none"
    check "what is not in PATH: 127" says 127 'not found in PATH' \
        user env PATH="$WORK/none:/usr/bin" "${refused[@]}" none
    check "PATH is searched like execvp" exits 3 \
        user env PATH="$WORK/directory:$WORK" "${refused[@]}" script
    check "an empty entry of PATH is here" eval \
        '(cd "$WORK" && exits 3 user env PATH=/none::/bin "$LAUNCHER" -m plain script)'
    check "a script" exits 3 run "$WORK/script"
    check "a script without first line" exits 4 run "$WORK/headless"
    check "five levels of scripts" exits 5 run "$WORK/level-5"
    check "six, which the kernel refuses too" says 126 'more than 5' \
        user "${refused[@]}" "$WORK/level-6"
    check "a script of a static program is refused" says 126 "its interpreter $WORK/static" \
        user "${refused[@]}" "$WORK/of-static"
    check "a script of a directory is refused" says 126 "its interpreter $WORK/directory" \
        user "${refused[@]}" "$WORK/of-directory"
    check "a script of nothing: 127" says 127 "its interpreter $WORK/nowhere" \
        user "${refused[@]}" "$WORK/orphan"
    if [ -x /usr/bin/go ]; then
        check "Go: a line, and the program runs" eval \
            'run go version 2>&1 | grep -c "is a Go program\|^go version" | grep -qx 2'
    else
        skip "Go" "no /usr/bin/go (its note and section are in the unit tests)"
    fi
}

check_statuses() {
    check "exit status 0" exits 0 run true
    check "exit status 3" exits 3 run sh -c 'exit 3'
    check "killed by a signal" exits 143 run sh -c 'kill -TERM $$'
    check "options end at the program" prints '-v -r --mode' run echo -v -r --mode
    check "-- ends them too" prints '-n' run -- printf %s -n
    check "a wrong option: 125" exits 125 run -z
    check "a wrong mode: 125" says 125 'must be encrypted, plain or rfc8250' \
        user "$LAUNCHER" -m off true
    check "no program: 125" exits 125 run
    check "--help: 0" exits 0 run --help
    check "--version: 0" exits 0 run --version
    check "no standard output for it: 125" eval 'exits 125 run -V >&-'
}

# DIRECTORY: a launcher alone
launcher_alone() { mkdir -p "$WORK/$1" && cp "$AGENTS_BIN/pdmrun" "$WORK/$1"; }

dying_library() {
    launcher_alone dying && printf '%s\n' '#include <stdlib.h>' \
        '__attribute__((constructor)) static void die(void) { abort(); }' |
        gcc -xc - -shared -fPIC -o "$WORK/dying/libpdmv2.so"
}

check_library() {
    launcher_alone alone
    if "$WORK/alone/pdmrun" -m plain true 2>/dev/null; then
        skip "no library" "there is one where it would be installed"
    else
        check "no library: 125" says 125 'is not in' "$WORK/alone/pdmrun" -m plain true
    fi
    launcher_alone other/bin && mkdir "$WORK/other/lib" &&
        cp "$WORK/bin/libpdmv2.so" "$WORK/other/lib"
    check "it may be in ../lib" prints "$WORK/other/lib/libpdmv2.so" \
        "$WORK/other/bin/pdmrun" -m plain printenv LD_PRELOAD
    launcher_alone broken && echo 'not a library' >"$WORK/broken/libpdmv2.so"
    check "one that cannot be loaded: 125" says 125 'cannot be loaded' \
        "$WORK/broken/pdmrun" -m plain true
    check "also where SIGCHLD is ignored" says 125 'cannot be loaded' \
        env --ignore-signal=CHLD "$WORK/broken/pdmrun" -m plain true
    check "one that dies as it is loaded" dying_library
    check "and pdmrun with it: 125" says 125 'ends the program' "$WORK/dying/pdmrun" true
    install_in "$WORK/a b"
    check "one below a directory that LD_PRELOAD would divide: 125" says 125 'colons and spaces' \
        "$WORK/a b/pdmrun" -m plain true
    check "the environment does not say where it is" prints "$WORK/plain/libpdmv2.so" \
        env LD_LIBRARY_PATH="$WORK/other/lib" "$WORK/plain/pdmrun" -m plain printenv LD_PRELOAD
}

# --- on the wire ---

lines() {
    local i
    for ((i = 0; i < LINES; i++)); do
        echo "line $i"
        sleep 0.02
    done
}

# NAME CMD...: lines through a UDP echo, the program started by CMD...; what came back is in
# $WORK/NAME, the options that it sent in SENT.
exchange() {
    local name=$1
    shift
    capture_start "$WORK/options.pcap" 'ip6[6] = 60 and (ip6[42] = 15 or ip6[44] = 15)' ||
        return
    lines | in_client "${NOBODY[@]}" "$@" socat -t 0.3 STDIO "UDP6:[$SERVER_ADDR]:$PORT" \
        >"$WORK/$name" 2>"$WORK/$name.err"
    capture_stop || return
    SENT=$(tcpdump -r "$WORK/options.pcap" -n "src host $CLIENT_ADDR" 2>/dev/null | wc -l)
    cat "$WORK/$name.err"
}

# NAME FEWEST MOST CMD...: the same comes back as without, with so many options.
exchanges() {
    exchange "$1" "${@:4}" && diff "$WORK/absent" "$WORK/$1" || return
    echo "$SENT options"
    [ "$SENT" -ge "$2" ] && [ "$SENT" -le "$3" ]
}

echo_up() {
    start_in_server "$@" "$AGENTS_BIN/tests/apps/slowecho" "$SERVER_ADDR" "$PORT"
    ECHO=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :$PORT' | grep -q ." 5
}
echo_down() { kill "$ECHO" && wait "$ECHO"; }

without() {
    exchange absent env && [ "$(wc -l <"$WORK/absent")" -eq $LINES ] && [ "$SENT" -eq 0 ]
}

# As root, whose capability is not what stops it.
read_only_root() {
    local NOBODY=(env)
    exchanges read-only-root 0 0 "$LAUNCHER" -r -m plain
}

# Measures against a server that attaches; NAME's output is pdmping's.
ping_as_user() {
    in_client "${NOBODY[@]}" "$@" -m plain "$AGENTS_BIN/pdmping" -c 15 -i 0.05 -p "$PORT" \
        "$SERVER_ADDR" 2>&1
}
measures() { ping_as_user "$LAUNCHER" | grep -E 'net=[0-9.]+ srv=[0-9.]+ ms'; }
only_reads() {
    ping_as_user "$POWERLESS" >"$WORK/ping"
    cat "$WORK/ping"
    grep -q ' 15 received' "$WORK/ping" && grep -q 'CAP_NET_RAW is missing' "$WORK/ping" &&
        ! grep -qE 'net=[0-9]' "$WORK/ping"
}

# The client's agent becomes nobody's: its socket and its key are its user's alone.
agent_of_user() {
    local home=$WORK/agent
    chmod 711 "$NET_DIR" && kill "${AGENTS_PIDS[0]}" && wait "${AGENTS_PIDS[0]}"
    mv "$NET_DIR/client" "$home" && rm -f "$home/agent.sock" &&
        chown -R nobody:nogroup "$home" || return
    start_in_client "${NOBODY[@]}" "$AGENTS_BIN/pdmkeyagent" -c "$home/conf" 2>"$WORK/agent.log"
    AGENTS_PIDS[0]=$STARTED
    wait_for "[ -S '$home/agent.sock' ]" 5 || { cat "$WORK/agent.log"; return 1; }
}

two_namespaces() { [ -n "$NET_DIR" ] || check "two namespaces" net_up 3; }

check_wire() {
    two_namespaces
    check "a server" echo_up env
    check "without pdmrun" without
    check "nobody's program attaches" exchanges attached "$FEWEST" 999 "$LAUNCHER" -m plain
    check "in rfc8250 mode too" exchanges rfc8250 "$FEWEST" 999 "$LAUNCHER" -m rfc8250
    check "without the capability it does not" exchanges powerless 0 0 "$POWERLESS" -m plain
    check "nor with --read-only" exchanges read-only 0 0 "$LAUNCHER" -r -m plain
    check "nor root with --read-only" read_only_root
    echo_down
    check "a server that attaches" echo_up "$LAUNCHER" -m plain
    check "nobody measures" measures
    check "without the capability it reads and says so" only_reads
    echo_down
    AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
    check "agents" agents_up encrypted
    check "one of nobody's" agent_of_user
    check "a server with an agent" echo_up "$LAUNCHER" -a "$NET_DIR/server/agent.sock"
    check "nobody's program attaches what the agent says" exchanges encrypted "$FEWEST" 999 \
        "$LAUNCHER" -m encrypted --agent "$WORK/agent/agent.sock"
    check "and no line was said" prints '' cat "$WORK/encrypted.err"
    echo_down
    agents_down
}

# --- the manual ---

# EXAMPLE PATTERN: the commands behind that mark in pdmrun(1) print PATTERN.
example() {
    awk -v mark=".\\\\\" example: $1" '$0 == mark { on = 1 } on && /^\.Ed/ { exit }
        on && sub(/^\$ /, "") { print; if (/&$/) print "sleep 0.5" }' man/pdmrun.1 >"$WORK/example"
    [ -s "$WORK/example" ] || { echo "no example $1"; return 1; }
    in_client env PATH="$AGENTS_BIN:$PATH" timeout 20 bash -e "$WORK/example" >"$WORK/example.out" 2>&1
    cat "$WORK/example.out"
    grep -qE "$2" "$WORK/example.out"
}

check_manual() {
    two_namespaces
    check "example of a measurement" example quick 'net=[0-9.]+ srv=[0-9.]+'
    check "example of -v" example verbose '^pdmrun: program: .*/true$'
    check "example without privilege" example rootless '^$|^pdmrun: '
}

# --- a daemon that gives root up ---

# NAME CMD...
daemon() {
    local name=$1 status=0
    shift
    capture_start "$WORK/$name.pcap" "src host $SERVER_ADDR and ip6[6] = 60" || return
    start_in_server "$@" "$AGENTS_BIN/tests/apps/dropdaemon" "$SERVER_ADDR" "$PORT" \
        "$(id -u nobody)" >"$WORK/$name.daemon" 2>&1
    wait_for "in_server ss -Hltn 'sport = :$PORT' | grep -q ." 5
    in_client timeout 30 env "${DAEMON_CLIENT[@]}" "$PYTHON" tests/e2e/drop_client.py \
        "$SERVER_ADDR" "$PORT" "$WORK/$name.mark" >"$WORK/$name" 2>&1 || status=1
    wait "$STARTED" || status=1
    capture_stop || status=1
    cat "$WORK/$name.daemon" "$WORK/$name" | tail -n 20
    return "$status"
}

daemon_absent() {
    DAEMON_CLIENT=()
    daemon daemon.absent && [ "$(grep -c ': 0, 0 octets' "$WORK/daemon.absent.daemon")" -eq 4 ]
}

# As root it attaches, and afterwards there is nothing left of it.
daemon_drops() {
    DAEMON_CLIENT=("$LAUNCHER" -m plain)
    daemon daemon.present "$LAUNCHER" -m plain || return
    tcpdump -tt -n -r "$WORK/daemon.present.pcap" 2>/dev/null |
        awk -v drop="$(cat "$WORK/daemon.present.mark")" -v fewest="$FEWEST" '
            { if ($1 < drop) before++; else after++ }
            END { print before + 0, "options as root,", after + 0, "after"
                exit !(before >= fewest && after == 0) }' || return
    diff "$WORK/daemon.absent" "$WORK/daemon.present" &&
        diff "$WORK/daemon.absent.daemon" "$WORK/daemon.present.daemon"
}

check_daemon() {
    two_namespaces
    check "a daemon that gives root up" daemon_absent
    check "it leaves no option behind" daemon_drops
}

# --- rootless ---

ROOTLESS='ip link set lo up || exit
"$1" -m plain "$2" --listen -p 7009 & listener=$!
sleep 0.5
"$1" -m plain "$2" -c 20 -i 0.05 -p 7009 ::1
kill $listener'
rootless() {
    user unshare -Urn bash -c "$ROOTLESS" - "$1" "$AGENTS_BIN/pdmping" 2>&1 |
        grep -E 'net=[0-9.]+ srv=[0-9.]+ ms'
}

check_rootless() {
    if ! user unshare -Urn true 2>/dev/null; then
        skip "unshare -Urn" "this kernel gives users no namespaces"
        return
    fi
    check "unshare -Urn: no privilege is needed" rootless "$POWERLESS"
    check "and a file capability does no harm" rootless "$LAUNCHER"
}

[ "$(id -u)" -eq 0 ] || { echo "test_privilege: must be run as root"; exit 1; }
if ! install_all || ! gets run | grep -q "$NET_RAW"; then
    echo "no file capabilities in $WORK (a file system without, or mounted nosuid)"
    exit 77
fi
check "programs to run" make_targets
[ $# -gt 0 ] || set -- capabilities environment targets statuses library rootless wire daemon manual
for part in "$@"; do
    "check_$part"
done
tally
