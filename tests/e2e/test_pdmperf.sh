#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmperf URL...: the delays that are set on the link and in the server are those that it tells, and
# what curl tells too is the same; the verdict names who is slow; output, exit codes, ^C. As root.
#
#   tests/e2e/test_pdmperf.sh [PART...]   truth reasons curl verdicts schedule output codes interrupts
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_MODE LD_PRELOAD http_proxy https_proxy all_proxy
: "${PYTHON:=/usr/bin/python3}"
PERF=$AGENTS_BIN/pdmperf
HOST=[$SERVER_ADDR]
SLOW=http://$HOST:7500 # tests/apps/slowweb.py
TLS=https://$HOST:7501 # the same over TLS
WEB=http://$HOST:7502  # nginx, which asks the first for /think/
WEBS=https://$HOST:7503
NOBODY='http://[2001:db8:2::dead]:7500' # whose packets nobody answers
LINK_MS=10
THINK_MS=20
NETWORK_MS=$((2 * LINK_MS))

told() { "$PYTHON" -B tests/e2e/perf_check.py "$@"; }
json() { perf --json "$@" >"$WORK/json"; }
text() { perf "$@" >"$WORK/text"; }
perf() { client timeout 60 "$PERF" --cacert "$NET_DIR/tls.cert" "$@"; }

# --- servers ---

make_site() {
    SITE=$NET_DIR/site
    mkdir "$SITE" && echo hello >"$SITE/short" && head -c 200000 /dev/urandom >"$SITE/large" &&
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server \
            -days 2 -addext "subjectAltName = IP:$SERVER_ADDR, DNS:server.example" \
            -keyout "$NET_DIR/tls.key" -out "$NET_DIR/tls.cert" 2>/dev/null
    cat >"$NET_DIR/nginx.conf" <<END
daemon off;
user root;
worker_processes 1;
pid $NET_DIR/nginx.pid;
error_log $NET_DIR/nginx.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $NET_DIR/body;
    proxy_temp_path $NET_DIR/proxy;
    fastcgi_temp_path $NET_DIR/fastcgi;
    uwsgi_temp_path $NET_DIR/uwsgi;
    scgi_temp_path $NET_DIR/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    ssl_certificate $NET_DIR/tls.cert;
    ssl_certificate_key $NET_DIR/tls.key;
    server {
        listen [::]:7502;
        listen [::]:7503 ssl http2;
        root $SITE;
        location /think/ { proxy_pass http://[::1]:7500; }
    }
}
END
}

servers_up() {
    SERVERS=()
    start_server "$PYTHON" -B tests/apps/slowweb.py :: 7500
    SERVERS+=("$STARTED")
    start_server "$PYTHON" -B tests/apps/slowweb.py :: 7501 "$NET_DIR/tls.cert" "$NET_DIR/tls.key"
    SERVERS+=("$STARTED")
    start_server nginx -c "$NET_DIR/nginx.conf" -e "$NET_DIR/nginx.log"
    SERVERS+=("$STARTED")
    wait_for "in_server ss -Hlnt | grep -cE ':750[0-3] ' | grep -qx 4" 10
}

# --- truth ---

# NAME LEAST ARGUMENT...: with set delays of link and server
truth() {
    check "$1" json "${@:3}"
    check "$1: network and server" told truth "$WORK/json" "$NETWORK" "$SERVER" "$2"
    check "$1: schema" told schema "$WORK/json"
}

part_truth() {
    local NETWORK=$NETWORK_MS SERVER=$THINK_MS
    truth "HTTP/1.1" 15 -n 20 "$SLOW/think/$THINK_MS"
    truth "TLS, HTTP/1.1" 15 -n 20 --http1.1 "$TLS/think/$THINK_MS"
    truth "nginx" 15 -n 20 "$WEB/think/$THINK_MS"
    truth "nginx, TLS, HTTP/2" 14 -n 20 --http2 "$WEBS/think/$THINK_MS"
    check "which is HTTP/2" grep -q '"http_version":"2"' "$WORK/json"
    truth "a POST" 15 -n 20 -d a=1 -d b=2 "$SLOW/think/$THINK_MS"
    truth "four connections" 30 -n 40 -c 4 "$SLOW/think/$THINK_MS"
    truth "two URLs" 30 -n 20 "$SLOW/think/$THINK_MS" "$WEB/think/$THINK_MS"
    NETWORK=$((3 * NETWORK_MS)) SERVER=$((3 * THINK_MS))
    truth "two redirects" 8 -n 10 -L "$SLOW/hops/2/$THINK_MS"
    check "which are followed" grep -q '"num_redirects":2' "$WORK/json"
}

without_agent() { in_client env PDMV2_AGENT=/nonexistent "$PERF" "$@"; }

# TOKEN ARGUMENT...: a busy machine's agent may answer late, which is another reason
has_reason() {
    local tries
    for ((tries = 0; tries < 5; tries++)); do
        json "${@:2}" || return
        ! told reason "$WORK/json" "$1" || return 0
    done
    return 1
}

# Why there are none.
part_reasons() {
    start_in_client "$PYTHON" -B tests/apps/slowweb.py :: 7509
    local local_server=$STARTED
    wait_for "in_client ss -Hlnt | grep -q ':7509 '" 10
    check "IPv4: why" has_reason ipv4 http://127.0.0.1:7509/
    check "not named: why" has_reason not-taking-part 'http://[::1]:7509/'
    end_service "$local_server"
    head -c 300000 /dev/zero | tr '\0' x >"$WORK/body"
    check "a body of many sends" json -n 10 -d "@$WORK/body" "$SLOW/think/$THINK_MS"
    check "... is not the server's time" grep -q '"measured":0,' "$WORK/json"
    without_agent --json "$SLOW/" >"$WORK/json"
    check "no agent: why" told reason "$WORK/json" no-agent
    without_agent -w '%{pdm_network_delay}|%{pdm_server_delay}\n' "$SLOW/" >"$WORK/text"
    check "no agent: why, with -w" grep -Fxq 'n/a (no agent)|n/a (no agent)' "$WORK/text"
}

# --- beside curl ---

EXACT='%{http_code} %{http_version} %{scheme} %{method} %{num_connects} %{num_redirects}'
EXACT+=' %{size_download} %{size_upload} %{size_header} %{remote_ip} %{remote_port} %{exitcode}'
EXACT+=' %{url_effective} %{ssl_verify_result}'
EXACT_COUNT=14
SECONDS_TOLD='%{time_connect} %{time_appconnect} %{time_pretransfer} %{time_starttransfer}'
SECONDS_TOLD+=' %{time_redirect} %{time_total}'

# NAME ARGUMENT...: both in turns, each time on a new connection
beside_curl() {
    local i name=$1
    shift
    : >"$WORK/ours"
    : >"$WORK/curls"
    for ((i = 0; i < 6; i++)); do
        perf -w "$EXACT $SECONDS_TOLD\n" -o "$WORK/our_body" "$@" >>"$WORK/ours" 2>/dev/null
        in_client curl -sg --cacert "$NET_DIR/tls.cert" -w "$EXACT $SECONDS_TOLD\n" -o "$WORK/curls_body" "$@" \
            >>"$WORK/curls"
    done
    check "curl tells the same: $name" told curl "$WORK/ours" "$WORK/curls" $EXACT_COUNT
    check "curl gets the same: $name" cmp "$WORK/our_body" "$WORK/curls_body"
}

part_curl() {
    beside_curl "HTTP" "$SLOW/think/$THINK_MS"
    beside_curl "TLS" "$WEBS/short"
    beside_curl "200 kB" "$WEB/large"
    beside_curl "redirects" -L "$SLOW/hops/2/$THINK_MS"
    beside_curl "POST" -d a=1 "$SLOW/think/$THINK_MS"
    beside_curl "404" -X POST -H 'Content-Length: 0' -H 'X-A: b' "$SLOW/status/404"
    beside_curl "a name" --resolve "server.example:7503:$HOST" --http1.1 https://server.example:7503/short
    perf -H 'X-Ours: yes' -d "@$SITE/short" -w '%{size_upload}' "$SLOW/" >"$WORK/ours"
    check "-d @FILE leaves out line ends" grep -qx 5 "$WORK/ours"
}

# --- verdicts ---

# A difference that a busy machine's own hardly hides.
link_doubles() {
    link_set both delay=$((2 * LINK_MS))ms
    : >"$WORK/json" # of the run before
    perf --json -n 100 "$SLOW/think/5" >"$WORK/json" &
    local pid=$! status
    wait_for "[ \"\$(grep -c response '$WORK/json')\" -ge 50 ]" 20 &&
        link_set both delay=$((4 * LINK_MS))ms
    status=$?
    wait $pid
    link_set both delay=${LINK_MS}ms
    return $status
}

part_verdicts() {
    check "a server that stalls once in 100" json -n 100 "$SLOW/stall/300/100/a"
    check "... is named" told verdict "$WORK/json" server slowest 95
    check "... in text" text -q -n 100 "$SLOW/stall/300/100/b"
    check "... in plain words" grep -Exq \
        'verdict: SERVER causes (9[5-9]|100)% of the delay of the slowest 1%' "$WORK/text"
    check "a link that doubles half-way" link_doubles
    check "... is named" told verdict "$WORK/json" network slowest 40
    check "a quick server" json -n 20 "$WEB/short"
    check "... is not to blame" told verdict "$WORK/json" network mean 80
    check "a slow server" json -n 10 "$SLOW/think/100"
    check "... is to blame" told verdict "$WORK/json" server mean 75
    check "two URLs" json -n 20 --compare "$SLOW/think/5" "$SLOW/think/30"
    check "... the second has the slower server" told compare "$WORK/json" second 25 server 90
    check "... schema" told schema "$WORK/json"
    check "the other way round" json -n 20 --compare "$SLOW/think/30" "$SLOW/think/5"
    check "... the first" told compare "$WORK/json" first 25 server 90
    check "the same twice" json -n 20 --compare "$SLOW/think/5" "$SLOW/think/5?"
    check "... neither" told compare "$WORK/json" neither 0 none 0
}

# One request in 50 takes 400 ms. Those behind it are late by less and less, 20 ms each; that shows
# only where they are sent, or counted as if, when they were due.
part_schedule() {
    link_set both delay=0ms
    check "closed loop" json -n 100 "$SLOW/stall/400/50/closed"
    check "... hides who would have waited" told late "$WORK/json" 100 2 5
    check "open loop" json -n 100 --rate 50 "$SLOW/stall/400/50/open"
    check "... shows it" told late "$WORK/json" 100 16 45
    check "... schema" told schema "$WORK/json"
    check "open loop, many connections" json -n 100 -c 40 --rate 50 "$SLOW/stall/400/50/many"
    check "... only the stalled wait" told late "$WORK/json" 100 2 5
    link_set both delay=${LINK_MS}ms
}

# --- output ---

golden() { # NAME: of tests/e2e/golden; GOLDEN_WRITE=1 makes it anew
    [ "${GOLDEN_WRITE:-0}" != 1 ] || told mask "$WORK/text" >"tests/e2e/golden/pdmperf_$1.txt"
    told mask "$WORK/text" | diff "tests/e2e/golden/pdmperf_$1.txt" -
}

fails() { ! "$@"; }
text_of_failure() { fails perf -f "$SLOW/status/404" >"$WORK/text" 2>&1; }
# A new connection may be late to learn its keys on a busy machine.
measured_once() {
    local tries
    for ((tries = 0; tries < 8; tries++)); do
        text "$SLOW/think/$THINK_MS" || return
        grep -q 'n/a' "$WORK/text" || return 0
    done
    return 1
}

part_output() {
    check "text of one request" measured_once
    check "... as ever" golden one
    check "text of 120" text -q -n 120 -c 10 --rate 200 "$SLOW/think/$THINK_MS"
    check "... as ever" golden many
    check "text of a comparison" text -q -n 10 --compare "$SLOW/think/0" "$SLOW/think/40"
    check "... as ever" golden compare
    check "text of a failure" text_of_failure
    check "... as ever" golden failure
    check "-o" perf -w "" -o "$WORK/body" "$SLOW/"
    check "... has the answer" grep -qx thought "$WORK/body"
    check "-o of an empty answer" perf -w "" -o "$WORK/body" "$SLOW/size/0"
    check "... is empty" cmp "$WORK/body" /dev/null
    check "-o -" text -w "" -o - "$SLOW/"
    check "... is the answer alone" diff "$WORK/text" <(echo thought)
    check "-H" text -w '' -o - -H 'X-Ours: yes' "$SLOW/header/x-ours"
    check "... was sent" grep -qx yes "$WORK/text"
    check "two URLs, two files" perf -w '' -o "$WORK/one" -o "$WORK/two" "$SLOW/size/1" "$SLOW/size/2"
    check "... have an answer each" diff <(cat "$WORK/one" "$WORK/two") <(printf xxx)
    check "JSON of failures" fails json -f -n 2 "$SLOW/status/500"
    check "... schema" told schema "$WORK/json"
    check "... has the code" grep -q '"type":"error".*"exitcode":22' "$WORK/json"
}

# --- exit codes ---

code() { # CODE WHAT ARGUMENT...
    check "exit code $1: $2" exits "$1" "${@:3}"
}
exits() {
    local expected=$1 status
    shift
    "$@" >"$WORK/out" 2>"$WORK/err"
    status=$?
    cat "$WORK/err"
    echo "exit code $status"
    [ "$status" -eq "$expected" ] && { [ "$status" -eq 0 ] || [ -s "$WORK/err" ]; }
}
closed_output() { perf "$@" >&-; }
full_output() { perf "$@" >/dev/full; }
gone_reader() {
    perf "$@" | true
    return "${PIPESTATUS[0]}"
}

part_codes() {
    code 0 "all is well" perf "$SLOW/"
    code 0 "a 404 is an answer" perf "$SLOW/status/404"
    code 22 "but not with -f" perf -f "$SLOW/status/404"
    code 2 "no URL" perf
    code 2 "no such variable" perf -w '%{time_zotal}' "$SLOW/"
    code 1 "no such protocol" perf ftp://h/
    code 3 "no URL" perf 'http://a b/'
    code 6 "no such host" perf http://nonexistent.invalid/
    code 7 "nobody listens" perf "http://$HOST:7599/"
    code 28 "-m" perf -m 0.2 "$SLOW/think/1000"
    code 28 "--connect-timeout" perf --connect-timeout 0.2 "$NOBODY/"
    code 47 "redirects without end" perf -L "$SLOW/hops/60/0"
    code 52 "no answer" perf "$SLOW/cut"
    code 60 "a certificate of nobody" client "$PERF" "$WEBS/short"
    code 0 "with -k" client "$PERF" -k "$WEBS/short"
    code 23 "-o" perf -o /nonexistent/file "$SLOW/"
    code 23 "standard output closed" closed_output "$SLOW/"
    code 23 "standard output full" full_output -n 3 "$SLOW/"
    code 23 "standard output full, JSON" full_output --json -n 3 "$SLOW/"
    code 23 "standard output full, answers" full_output -w '' -o - "$SLOW/size/100000"
    code 23 "nobody reads" gone_reader -n 20 "$SLOW/think/10"
}

# --- ^C ---

# FILE ARGUMENT...: SIGINT somewhere in the first half second
interrupt() {
    local file=$1
    shift
    agents_start client "$PERF" "$@" >"$file" 2>>"$WORK/err"
    wait_for "[ -s '$file' ]" 10 || return
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
    kill -INT "$STARTED"
    wait "$STARTED"
}

part_interrupts() {
    local i files=()
    for ((i = 0; i < 12; i++)); do
        files+=("$WORK/cut$i")
        case $((i % 4)) in
        0) interrupt "$WORK/cut$i" --json -n 100000 "$SLOW/think/1" ;;
        1) interrupt "$WORK/cut$i" --json -n 100000 -c 20 "$WEB/short" ;;
        2) interrupt "$WORK/cut$i" --json -n 100000 --rate 300 -c 10 "$SLOW/think/5" ;;
        3) interrupt "$WORK/cut$i" --json -n 1000 -c 3 "$NOBODY/" ;;
        esac
    done
    check "^C leaves valid JSON and the summary" told interrupted "${files[@]}"
    link_set both delay=0ms
    interrupt "$WORK/busy" --json -n 10000000 -c 50 "$WEB/short"
    check "^C gets in where no wait is" told interrupted "$WORK/busy"
    link_set both delay=${LINK_MS}ms
    interrupt "$WORK/text" -n 1000 "$SLOW/think/1"
    check "^C prints the summary as text" grep -q "^verdict: " "$WORK/text"
}

[ "$(id -u)" -eq 0 ] || { echo "test_pdmperf: must be run as root" >&2; exit 1; }
WORK=$(mktemp -d) || exit 1
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
# The first request of two agents has no figures: they write to disk before they give a key out.
net_up 1 && chmod 711 "$NET_DIR" && make_site && link_set both delay=${LINK_MS}ms &&
    agents_up encrypted && servers_up && text -n 3 "$SLOW/" || exit
[ $# -gt 0 ] || set -- truth reasons curl verdicts schedule output codes interrupts
for part; do
    "part_$part"
done
kill "${SERVERS[@]}"
wait "${SERVERS[@]}" 2>/dev/null
agents_down
tally
