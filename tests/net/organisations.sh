# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/net/netns.sh and tests/net/pki.sh: two organisations of three
# hosts each. B has the clients: pc, its primary, and sc1 and sc2, secondaries; A has the servers:
# ps, ss1 and ss2. Each organisation's hosts are namespaces on a bridge of its router, which are
# netns.sh's client (B) and server (A), so that the link simulator lies between the organisations.
#
#   orgs_up [SEED]            the namespaces, addresses, names, an authority for each organisation
#                             and a certificate for each host
#   orgs_configure MODE [LINE...]   all configurations; LINEs are for the [peer] of ps, which has
#                             the mode
#   orgs_primary HOST MODE [LINE...]   the configuration of a primary; LINEs are added to [peer]
#   orgs_agent HOST           the configuration of a secondary's agent
#   orgs_start HOST           starts the host's daemon, pdmprimary or pdmkeyagent
#   orgs_stop HOST            ends it; orgs_kill HOST at once
#   on HOST CMD...            runs CMD there beside its agent
#   start_on HOST CMD...      in the background, the library preloaded; see $STARTED
#   orgs_addr HOST            its address; orgs_log HOST, its daemon's messages
#   orgs_down                 ends all daemons
#   orgs_forget               and their stores, states and transcripts go
#
# Each host's files are in $NET_DIR/HOST; the authorities are $NET_DIR/ca-a and $NET_DIR/ca-b.

ORGS_BIN=$(cd "${BUILD:-build}" && pwd)
ORGS_DAEMONS=$ORGS_BIN # where theirs are; one that writes transcripts has it in $NET_DIR/HOST
ORGS_HOSTS=(pc sc1 sc2 ps ss1 ss2)
declare -A ORGS_NUMBER=([pc]=1 [sc1]=11 [sc2]=12 [ps]=1 [ss1]=21 [ss2]=22)
declare -A ORGS_ORG=([pc]=b [sc1]=b [sc2]=b [ps]=a [ss1]=a [ss2]=a)
declare -A ORGS_PID=()
# The group of each server: one for both, unless a test says otherwise.
declare -A ORGS_GROUP=([ss1]=1 [ss2]=1)

orgs_ns() { echo "pdm-$$-$1"; }
orgs_prefix() { echo "2001:db8:${1}::"; }
orgs_addr() { echo "2001:db8:${ORGS_ORG[$1]}::${ORGS_NUMBER[$1]}"; }
orgs_name() { echo "$1.${ORGS_ORG[$1]}.example"; }
orgs_log() { echo "$NET_DIR/$1/log"; }

in_host() { ip netns exec "$(orgs_ns "$1")" "${@:2}"; }
on() { in_host "$1" env PDMV2_AGENT="$NET_DIR/$1/agent.sock" "${@:2}"; }

start_in_host() {
    ip netns exec "$(orgs_ns "$1")" "${@:2}" &
    STARTED=$!
}

start_on() {
    start_in_host "$1" env PDMV2_AGENT="$NET_DIR/$1/agent.sock" \
        LD_PRELOAD="$ORGS_BIN/libpdmv2.so" "${@:2}"
}

# ROUTER_NS ORG OTHER: the bridge of ORG's hosts, and the way to the others.
orgs_router() {
    ip netns exec "$1" sysctl -qw net.ipv6.conf.all.forwarding=1 \
        net.ipv6.conf.default.accept_dad=0 &&
        ip -n "$1" link add br0 type bridge mcast_snooping 0 &&
        ip -n "$1" link set br0 up &&
        ip -n "$1" addr add "$(orgs_prefix "$2")ffff/64" dev br0 nodad &&
        ip -n "$1" route add "$(orgs_prefix "$3")/64" dev "$NET_DEV"
}

# HOST ROUTER_NS
orgs_host() {
    local ns
    ns=$(orgs_ns "$1")
    net_namespace "$ns" &&
        ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0 &&
        ip -n "$ns" link set lo up &&
        ip -n "$2" link add "to-$1" type veth peer name eth0 netns "$ns" &&
        ip -n "$2" link set "to-$1" master br0 up &&
        ip -n "$ns" link set eth0 up &&
        ip -n "$ns" addr add "$(orgs_addr "$1")/64" dev eth0 nodad &&
        ip -n "$ns" route add default via "$(orgs_prefix "${ORGS_ORG[$1]}")ffff" &&
        mkdir -p "/etc/netns/$ns" "$NET_DIR/$1/state" && chmod 700 "$NET_DIR/$1" &&
        orgs_names >"/etc/netns/$ns/hosts"
}

orgs_names() {
    local host
    echo "::1 localhost"
    for host in "${ORGS_HOSTS[@]}"; do
        echo "$(orgs_addr "$host") $(orgs_name "$host")"
    done
}

orgs_remove() {
    local host ns
    for host in "${ORGS_HOSTS[@]}"; do
        ns=$(orgs_ns "$host")
        net_end_processes "$ns"
        [ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
        rm -rf "/etc/netns/$ns"
    done
}

orgs_up() {
    local host org
    net_up "${1:-1}" && net_on_exit orgs_remove &&
        orgs_router "$CLIENT_NS" b a && orgs_router "$SERVER_NS" a b || return
    for org in a b; do
        pki_ca "$NET_DIR" "ca-$org" || return
    done
    for host in "${ORGS_HOSTS[@]}"; do
        if [ "${ORGS_ORG[$host]}" = a ]; then
            orgs_host "$host" "$SERVER_NS"
        else
            orgs_host "$host" "$CLIENT_NS"
        fi && orgs_certificate "$host" || return
    done
}

# HOST: made by its organisation's authority, with its address and its name.
orgs_certificate() {
    pki_leaf "$NET_DIR" "ca-${ORGS_ORG[$1]}" "$1" \
        "IP:$(orgs_addr "$1"),DNS:$(orgs_name "$1")" &&
        cp "$NET_DIR/$1.pem" "$NET_DIR/$1/certificate.pem" &&
        install -m 600 "$NET_DIR/$1.key" "$NET_DIR/$1/key.pem"
}

orgs_primary() {
    local host=$1 mode=$2 own other peer side server
    shift 2
    own=${ORGS_ORG[$host]}
    if [ "$own" = a ]; then other=b peer=pc side=server; else other=a peer=ps side=client; fi
    [ -e "$NET_DIR/$host/store.key" ] ||
        (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$NET_DIR/$host/store.key")
    {
        printf '%s\n' '[primary]' "listen = [$(orgs_addr "$host")]:8250" \
            'certificate = certificate.pem' 'certificate_key = key.pem' "ca = ../ca-$own.pem" \
            'store = store' 'store_key = store.key' 'socket = primary.sock'
        if [ "$own" = a ]; then
            for server in ss1 ss2; do
                printf '%s\n' "[servers $server]" "group = ${ORGS_GROUP[$server]}" \
                    "members = $(orgs_addr "$server")"
            done
        else
            printf '%s\n' '[clients]' "members = $(orgs_addr sc1) $(orgs_addr sc2)"
        fi
        printf '%s\n' "[peer $other]" "side = $side" "certificate_name = $(orgs_name "$peer")" \
            "ca = ../ca-$other.pem" "addresses = $(orgs_prefix "$other")/64"
        if [ "$side" = client ]; then
            printf '%s\n' "connect = $(orgs_name ps)"
        else
            printf '%s\n' "mode = $mode"
        fi
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$NET_DIR/$host/conf"
}

orgs_agent() {
    local primary="pc"
    [ "${ORGS_ORG[$1]}" = b ] || primary="ps"
    printf '%s\n' '[agent]' 'socket = agent.sock' 'state = state' "${ORGS_SETTINGS[@]}" \
        '[association enterprise]' 'mode = enrolled' "primary = $(orgs_name "$primary")" \
        'certificate = certificate.pem' 'certificate_key = key.pem' \
        "ca = ../ca-${ORGS_ORG[$1]}.pem" 'path = trust' >"$NET_DIR/$1/conf"
}
ORGS_SETTINGS=("request_budget_us = 100000" "share = 100")

orgs_configure() {
    local host
    orgs_primary pc "$1"
    orgs_primary ps "$@"
    for host in sc1 sc2 ss1 ss2; do
        orgs_agent "$host"
    done
}

orgs_start() {
    local daemon=pdmkeyagent socket=agent.sock
    case $1 in pc | ps) daemon=pdmprimary socket=primary.sock ;; esac
    start_in_host "$1" env PDMV2_TRANSCRIPT="$NET_DIR/$1/transcript" \
        "$ORGS_DAEMONS/$daemon" -c "$NET_DIR/$1/conf" 2>>"$NET_DIR/$1/log"
    ORGS_PID[$1]=$STARTED
    if ! wait_for "[ -S '$NET_DIR/$1/$socket' ]" 10; then
        cat "$NET_DIR/$1/log" >&2
        return 1
    fi
}

orgs_stop() {
    kill "${ORGS_PID[$1]}" 2>/dev/null && wait "${ORGS_PID[$1]}" 2>/dev/null
    unset "ORGS_PID[$1]"
}

orgs_kill() {
    kill -KILL "${ORGS_PID[$1]}" 2>/dev/null && wait "${ORGS_PID[$1]}" 2>/dev/null
    rm -f "$NET_DIR/$1/agent.sock" "$NET_DIR/$1/primary.sock"
    unset "ORGS_PID[$1]"
}

orgs_down() {
    local host
    for host in "${!ORGS_PID[@]}"; do
        orgs_stop "$host"
    done
    return 0
}

orgs_forget() {
    local host
    for host in "${ORGS_HOSTS[@]}"; do
        rm -rf "$NET_DIR/$host"/{log,transcript,state,store}*
        mkdir "$NET_DIR/$host/state"
    done
}
