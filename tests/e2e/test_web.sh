#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Web servers, their clients, and what measures them see the same without the library, with it and
# encrypted PDM flowing, and with it while the agents die and come back. CHECK_LONG=1: longer, and
# with workers that have dropped their privileges (dropped). As root.
#
#   tests/e2e/test_web.sh [PROGRAM...]
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

HTTP=7400
HTTPS=7401
OTHER=7402
HOST=[$SERVER_ADDR]
HALF=0.3  # seconds until the agents die
WHILE=1   # seconds in which the rest goes on
LONGER=15 # at most, on a busy machine
BULK=$((1 << 30))
LOAD=1 # seconds of each load
if [ "${CHECK_LONG:-0}" = 1 ]; then
    WHILE=6 # which is long enough for programs to find the agents again
    LOAD=10
fi
# Names that curl takes in a list; the sizes are about those of a segment, with and without option.
PAGES=empty,one,short,full,full1,option,option1,page,large,none

# --- what is served ---

make_site() {
    local name size
    SITE=$NET_DIR/site
    mkdir "$SITE"
    while read -r name size; do
        noise "$size" >"$SITE/$name"
    done <<END
empty 0
one 1
short 100
full 1428
full1 1429
option 1388
option1 1389
page 20000
large 3000000
END
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -days 2 \
        -addext "subjectAltName = IP:$SERVER_ADDR" -keyout "$NET_DIR/tls.key" \
        -out "$NET_DIR/tls.cert" 2>/dev/null
}

# USER: whom the workers run as.
nginx_config() {
    cat <<END
daemon off;
user $1;
worker_processes 2;
pid $SCRATCH/pid;
error_log $SCRATCH/error.log notice;
events { worker_connections 512; }
http {
    log_format seen '\$remote_addr \$server_addr \$ssl_protocol "\$request" \$status '
                    '\$body_bytes_sent';
    access_log $SCRATCH/access.log seen;
    client_body_temp_path $SCRATCH/body;
    proxy_temp_path $SCRATCH/proxy;
    fastcgi_temp_path $SCRATCH/fastcgi;
    uwsgi_temp_path $SCRATCH/uwsgi;
    scgi_temp_path $SCRATCH/scgi;
    client_max_body_size 0;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    ssl_certificate $NET_DIR/tls.cert;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate_key $NET_DIR/tls.key;
    ssl_session_cache shared:sessions:1m;
    server {
        listen [::]:$HTTP;
        listen [::]:$HTTPS ssl http2;
        root $SITE;
        location /up/ {
            alias $SCRATCH/up/;
            dav_methods PUT;
        }
        location /bulk { alias $NET_DIR/bulk; }
        location /slow/ {
            alias $SITE/;
            limit_rate 2m;
        }
        location /proxy/ { proxy_pass http://[::1]:$HTTP/; }
        location /quiet/ {
            alias $SITE/;
            access_log off;
        }
    }
}
END
}

start_nginx() {
    mkdir -m 777 "$SCRATCH/up"
    nginx_config "${1:-root}" >"$SCRATCH/conf"
    run_server nginx -p "$SCRATCH" -c "$SCRATCH/conf" 2>>"$SCRATCH/error.log"
    NGINX=$STARTED
    serving "$HTTP" && serving "$HTTPS"
}

# Which requests came, but not how often, and what went wrong.
stop_nginx() {
    end_server "$NGINX" nginx
    sort -u "$SCRATCH/access.log" >"$OUT/access"
    sed -nE 's/^[0-9/]+ [0-9:]+ \[(error|crit|alert|emerg)\] [0-9#]+: (\*[0-9]+ )?/\1 /p' \
        "$SCRATCH/error.log" | sort -u >"$OUT/errors"
}

# --- what curl sees ---

# What curl says of each transfer; a connection that is used again is none of its own.
TOLD='%{http_version} %{http_code} %{num_connects} %{size_download} %{size_upload} %{remote_ip}'
TOLD+=' %{errormsg}\n'

curl_client() {
    run_client curl -6 -sS --no-progress-meter --max-time 30 --cacert "$NET_DIR/tls.cert" \
        -w "$TOLD" "$@"
    echo "exit $?"
}

# URL OPTIONS...: every page on one connection, and a digest of each.
pages() {
    rm -rf "$SCRATCH/got"
    mkdir "$SCRATCH/got"
    curl_client -o "$SCRATCH/got/#1" -D "$SCRATCH/headers" "${@:2}" "$1/{$PAGES}" | sort
    tr -d '\r' <"$SCRATCH/headers" | grep . | grep -vi '^date:' | sort | uniq -c
    openssl dgst -sha256 -r "$SCRATCH"/got/* | sed "s|$SCRATCH/||"
}

requests() {
    pages "http://$HOST:$HTTP"
    pages "http://$HOST:$HTTP" --rate 40/s
    pages "http://$HOST:$HTTP/proxy"
    curl_client -I "http://$HOST:$HTTP/{$PAGES}" | grep -vi '^date:'
    pages "http://$HOST:$HTTP" -r 10-1499
    pages "http://$HOST:$HTTP" -0
    # One that waits for 100 Continue, one that does not, and one of no length given.
    curl_client -T "$SITE/large" -H 'Expect: 100-continue' "http://$HOST:$HTTP/up/large"
    curl_client -T "$SITE/page" -H 'Expect:' "http://$HOST:$HTTP/up/page"
    run_client curl -6 -sS -T - -w "$TOLD" "http://$HOST:$HTTP/up/chunked" <"$SITE/option1"
    curl_client -d "@$SITE/page" "http://$HOST:$HTTP/page"
    openssl dgst -sha256 -r "$SCRATCH"/up/* | sed "s|$SCRATCH/||"
    rm -f "$SCRATCH"/up/*
}

see_http() {
    start_nginx
    for_a_while "$WHILE" requests
    stop_nginx
}

# Workers without privileges, which can ask the agent, but are refused: they attach nothing.
see_dropped() {
    [ "$MODE" = absent ] || chmod go+xw "$NET_DIR/server" "$NET_DIR/server/agent.sock"
    start_nginx www-data
    for_a_while "$WHILE" requests
    stop_nginx
}

tls_requests() {
    local version
    for version in 1.2 1.3; do
        pages "https://$HOST:$HTTPS" --http1.1 "--tlsv$version" --tls-max "$version"
        pages "https://$HOST:$HTTPS" --http2 "--tlsv$version" --tls-max "$version" --rate 40/s
        pages "https://$HOST:$HTTPS" --http2 --parallel "--tlsv$version" --tls-max "$version"
    done
    curl_client --http2 -T "$SITE/large" "https://$HOST:$HTTPS/up/large"
    digest "$SCRATCH/up/large"
    rm -f "$SCRATCH/up/large"
    # TLS 1.2 sessions are taken up again on five more connections.
    echo | run_client openssl s_client -connect "$HOST:$HTTPS" -tls1_2 -reconnect 2>&1 |
        grep -E '^(New|Reused|verify|Verification)'
}

see_tls() {
    start_nginx
    for_a_while "$WHILE" tls_requests
    stop_nginx
}

see_bulk() {
    start_nginx
    run_client curl -6 -sS -w "%{stderr}$TOLD" "http://$HOST:$HTTP/bulk" 2>"$OUT/down" |
        openssl dgst -sha256 -r >"$OUT/down.digest"
    saw up curl -6 -sS -T "$NET_DIR/bulk" -w "$TOLD" "http://$HOST:$HTTP/up/bulk"
    digest "$SCRATCH/up/bulk" >"$OUT/up.digest"
    rm -f "$SCRATCH/up/bulk"
    stop_nginx
}

# New workers take the connections while the old ones finish what they have. When an old one ends a
# connection that is kept alive is chance.
see_reload() {
    local i transfers=() TOLD=${TOLD/'%{num_connects} '/}
    start_nginx
    for ((i = 0; i < 4; i++)); do
        curl_client -o "$SCRATCH/slow$i" "http://$HOST:$HTTP/slow/large" >"$OUT/slow$i" 2>&1 &
        transfers+=($!)
    done
    for ((i = 0; i < 3; i++)); do
        sleep 0.3
        kill -HUP "$NGINX"
        pages "http://$HOST:$HTTP" --rate 40/s 2>&1 | grep -v ' Connection: ' >>"$OUT/between"
    done
    wait "${transfers[@]}"
    openssl dgst -sha256 -r "$SCRATCH"/slow* | sed "s|$SCRATCH/||" >>"$OUT/between"
    # shellcheck disable=SC2016 # wait_for expands it
    wait_for '[ "$(pgrep -c -P "$NGINX")" -eq 2 ]' 5
    pgrep -c -P "$NGINX" >>"$OUT/between"
    stop_nginx
}

# --- load ---

# URL OPTIONS...
wrk_run() {
    run_client wrk -t 2 -c 40 -d "${LOAD}s" "${@:2}" "$1" >"$SCRATCH/wrk" 2>&1
    echo "exit $?"
    grep -E 'connections|Socket errors|Non-2xx' "$SCRATCH/wrk"
    tell "wrk${2:+ $3}" "$(sed -n 's/^Requests.sec: *//p' "$SCRATCH/wrk") requests/s" >&3
}

h2load_run() {
    run_client h2load -D "$LOAD" -c 10 -m 10 "$1" >"$SCRATCH/h2load" 2>&1
    echo "exit $?"
    sed -nE 's/.* ([0-9]+ failed, [0-9]+ errored, [0-9]+ timeout)$/\1/p
        /^(TLS|Cipher|Application)/p' "$SCRATCH/h2load"
    tell h2load "$(sed -nE 's/^finished in [^,]*, ([^,]*),.*/\1/p' "$SCRATCH/h2load")" >&3
}

# Connections that last, and one for each request.
see_load() {
    start_nginx
    {
        wrk_run "http://$HOST:$HTTP/quiet/short"
        wrk_run "http://$HOST:$HTTP/quiet/page" -H 'Connection: close'
        h2load_run "https://$HOST:$HTTPS/quiet/page"
    } 3>&1 >"$OUT/load"
    stop_nginx
}

iperf3_run() {
    local server
    run_server timeout 60 iperf3 -s -1 -p "$OTHER" >"$SCRATCH/server" 2>&1
    server=$STARTED
    serving "$OTHER"
    run_client iperf3 -6 -c "$SERVER_ADDR" -p "$OTHER" -P 8 -t "$LOAD" -J "$@" >"$SCRATCH/json" 2>&1
    echo "exit $?" >>"$OUT/client"
    jq -c '{error, reverse: .start.test_start.reverse, streams: (.end.streams | length),
        all: all(.end.streams[]; .sender.bytes > 0 and .receiver.bytes > 0)}' \
        "$SCRATCH/json" >>"$OUT/client" 2>&1
    tell "iperf3${1:+ $1}" "$(jq -r '.end |
        "\(.sum_received.bits_per_second / 1e8 | round / 10) Gbit/s, " +
        "\(.sum_sent.retransmits) retransmitted"' "$SCRATCH/json")"
    wait "$server"
    echo "exit $?" >>"$OUT/server"
}

see_iperf3() {
    iperf3_run
    iperf3_run -R
}

# --- other servers ---

see_python() {
    local pid
    run_server "$PYTHON" -u -m http.server --protocol HTTP/1.1 --bind :: -d "$SITE" "$OTHER" \
        >"$SCRATCH/log" 2>&1
    pid=$STARTED
    serving "$OTHER"
    for_a_while "$WHILE" pages "http://$HOST:$OTHER" --rate 40/s
    end_server "$pid" server
    sed -E 's/ \[[^]]*\]//' "$SCRATCH/log" | sort -u >>"$OUT/server"
}

see_asyncio() {
    local pid
    run_server "$PYTHON" tests/apps/pystreams.py serve "$SERVER_ADDR" "$OTHER" >"$OUT/said" 2>&1
    pid=$STARTED
    serving "$OTHER"
    saw client "$PYTHON" tests/apps/pystreams.py talk "$SERVER_ADDR" "$OTHER" 8 80
    end_server "$pid" server
}

quic_get() {
    rm -rf "$SCRATCH/got"
    mkdir "$SCRATCH/got"
    run_client timeout 20 gtlsclient -q --download "$SCRATCH/got" --exit-on-all-streams-close \
        "$SERVER_ADDR" "$OTHER" "https://$HOST:$OTHER"/{large,page,one}
    echo "exit $?"
    openssl dgst -sha256 -r "$SCRATCH"/got/* | sed "s|$SCRATCH/||"
}

# Its datagrams fill the path's MTU: those have no room for an option, the small ones do.
see_quic() {
    local pid
    run_server gtlsserver -q -d "$SITE" "$SERVER_ADDR" "$OTHER" \
        "$NET_DIR/tls.key" "$NET_DIR/tls.cert" >"$SCRATCH/said" 2>&1
    pid=$STARTED
    serving "$OTHER" u
    for_a_while "$WHILE" quic_get
    end_server "$pid" server
    sort -u "$SCRATCH/said" >>"$OUT/server"
}

# --- main ---

: "${PYTHON:=/usr/bin/python3}"
PROGRAMS=(http tls bulk reload load iperf3 python asyncio quic)
[ "${CHECK_LONG:-0}" != 1 ] || PROGRAMS+=(dropped)
[ $# -gt 0 ] || set -- "${PROGRAMS[@]}"
AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
programs_up || exit 1
make_site || exit 1
chmod 711 "$NET_DIR" # for those who have dropped privileges
for program in "$@"; do
    case $program in
    http) three_runs http see_http $HTTP $HALF ;;
    dropped) three_runs dropped see_dropped $HTTP $HALF options ;;
    tls) three_runs tls see_tls $HTTPS $HALF ;;
    bulk)
        noise $BULK >"$NET_DIR/bulk"
        three_runs bulk see_bulk $HTTP $HALF options
        ;;
    reload) three_runs reload see_reload $HTTP $HALF ;;
    load) three_runs load see_load "$HTTP $HTTPS" $HALF ;;
    iperf3) three_runs iperf3 see_iperf3 $OTHER $HALF options ;;
    python) three_runs python see_python $OTHER $HALF ;;
    asyncio) three_runs asyncio see_asyncio $OTHER $HALF ;;
    quic) three_runs quic see_quic $OTHER $HALF ;;
    *)
        echo "usage: test_web.sh [PROGRAM...], of: ${PROGRAMS[*]}" >&2
        exit 2
        ;;
    esac
done
tally
