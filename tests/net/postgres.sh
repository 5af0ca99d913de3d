# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by tests: a PostgreSQL server of their own, as the user postgres, which it insists on not
# being root for. Everyone who can reach it may do everything there.
#
#   pg_begin DIR [ADDRESS...]   makes a cluster below DIR and starts it, on a Unix socket in
#                               DIR/postgres and at port $PG_PORT of each ADDRESS. Fails after
#                               telling why
#                               telling why. It outlives its own crash, not the machine's
#   pg_end DIR                  stops it and removes what pg_begin made
#   pg_restart DIR              as its owner would: whoever is connected loses the connection
#   pg_stop DIR, pg_start DIR   the two halves of that; pg_stop DIR immediate is a crash
#   pg_uri DIR [ADDRESS]        where it is, by the socket or at ADDRESS (IPv6), without options
#
# PG_WITHIN, if set, is an array of words before the command that starts the server, such as
# (ip netns exec NAME). DIR is short: a socket's path has at most 107 octets.

: "${PG_PORT:=7432}"
PG_BIN=$(echo /usr/lib/postgresql/*/bin | sed 's/.* //')
PG_AS=(setpriv --reuid=postgres --regid=postgres --init-groups)
PG_SECONDS=60 # for a machine under load

pg_ctl() {
    "${PG_WITHIN[@]}" "${PG_AS[@]}" "$PG_BIN/pg_ctl" -s -w -t "$PG_SECONDS" -D "$1/postgres/data" \
        -l "$1/postgres/log" "${@:2}" </dev/null >/dev/null
}

pg_start() { pg_ctl "$1" start || { tail -n 20 "$1/postgres/log" >&2 && return 1; }; }
pg_stop() { pg_ctl "$1" -m "${2:-fast}" stop; }
pg_restart() { pg_ctl "$1" -m fast restart; }

pg_begin() {
    local dir=$1/postgres
    shift
    [ "${PG_WITHIN+set}" = set ] || PG_WITHIN=()
    install -d -m 700 -o postgres -g postgres "$dir" || return
    (cd "$dir" && "${PG_AS[@]}" "$PG_BIN/initdb" -N -D "$dir/data" -A trust --locale=C -E UTF8) \
        >"$dir.initdb" 2>&1 || { cat "$dir.initdb" >&2 && return 1; }
    echo 'host all all ::/0 trust' >>"$dir/data/pg_hba.conf"
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '$(IFS=, && echo "$*")'
port = $PG_PORT
unix_socket_directories = '$dir'
max_connections = 50
shared_buffers = 32MB
fsync = off
END
    pg_start "${dir%/postgres}"
}

pg_end() {
    pg_stop "$1" immediate
    rm -rf "$1/postgres" "$1/postgres.initdb"
}

pg_uri() {
    if [ $# -gt 1 ]; then
        echo "postgresql://postgres@[$2]:$PG_PORT/postgres"
    else
        echo "postgresql://postgres@:$PG_PORT/postgres?host=$1/postgres"
    fi
}
