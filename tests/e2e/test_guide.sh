#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What pdmv2-enterprise(7) tells an administrator to do works as written, from empty directories to
# two organisations measured. As root.
#
# In the page a mark stands before each literal block, and HOSTS are names of hosts, short:
#   .\" run: HOSTS[, exit: CODE][, expect: REGEX]
#                                      it is run there, and ends with CODE, 0 unless it is said;
#                                      REGEX matches what it prints
#   .\" look: HOSTS, expect: REGEX     the same, and again until REGEX matches
#   .\" file: HOSTS PATH               it is put there
#   .\" figure                         it is there to be looked at
#   .\" repeat: SECTION, SED           no block: those of SECTION, hosts and all, changed by SED
# Each host has an /etc, /run and /var/lib of its own. scp alone is ours. At the end what pdmctl prints
# of all that as JSON is held against its schema.
# shellcheck disable=SC2317 # all that check() calls
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
BIN=$(cd "$BUILD" && pwd) || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/net/organisations.sh
. tests/net/organisations.sh
# shellcheck source=tests/net/postgres.sh
. tests/net/postgres.sh

unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_STATE_HOME PDMV2_AGENT PDMV2_PRIMARY PDMV2_MODE
PAGE=man/pdmv2-enterprise.7
LOOK_SECONDS=60
BLOCK_SECONDS=60
ORGS_HOSTS=(pc pc2 sc1 sc2 db ps ss1)
ORGS_NUMBER+=([pc2]=2 [db]=3)
ORGS_ORG+=([pc2]=b [db]=b)
# The authorities' hosts need no network: they are beside the primaries.
declare -A BESIDE=([ca-a]=ps [ca-b]=pc)
WORK=

fail() {
    echo "FAIL $*"
    show_logs
    exit 1
}

# What the daemons said: it is in the output of the block that started them.
show_logs() {
    local out
    for out in "$WORK"/out/*; do
        [ -s "$out" ] || continue
        echo "--- ${out##*/}"
        tail -n 40 "$out"
    done
}

# One directory in $WORK/blocks per mark: kind, what (the rest of it), section, text.
extract() {
    mkdir "$WORK/blocks" &&
        awk -v dir="$WORK/blocks" '
            function begin() {
                block = sprintf("%s/%03d", dir, ++n)
                system("mkdir " block)
                print kind > (block "/kind"); print what > (block "/what")
                print section > (block "/section"); printf "" > (block "/text")
            }
            /^\.S[hs] / { section = substr($0, 5) }
            /^\.\\" (run|look|file|repeat): / || /^\.\\" figure$/ {
                kind = $2; sub(":", "", kind); what = $0; sub(/^\.\\" [a-z]+:? ?/, "", what)
                if (kind == "repeat") { begin(); kind = "" }
                next
            }
            /^\.Bd -literal/ {
                if (kind == "") { print FILENAME ":" NR ": a block without a mark"; bad = 1 }
                begin(); inside = 1; next
            }
            /^\.Ed/ { inside = 0; kind = ""; next }
            inside { gsub(/\\e/, "\\"); sub(/^\\&/, ""); print > (block "/text") }
            END { if (n == 0) { print "no blocks"; bad = 1 }; exit bad }' "$PAGE"
}

# HOST: its own /etc, /run and /var/lib.
make_host() {
    local within=${BESIDE[$1]:-$1}
    mkdir -p "$WORK/$1/run" "$WORK/$1/var/lib" && cp -a /etc "$WORK/$1/etc" &&
        rm -rf "$WORK/$1/etc/pdmv2" &&
        cp "/etc/netns/$(orgs_ns "$within")/hosts" "$WORK/$1/etc/hosts"
}

# scp FROM TO, of files whose names have HOST.ORG.example: before them or not.
make_scp() {
    mkdir "$WORK/bin" && cat >"$WORK/bin/scp" <<END
#!/bin/bash
place() {
    case \$1 in
    ca.?.example:*) at=\${1#ca.}; echo "$WORK/ca-\${at%%.*}\${1#*:}" ;;
    *.example:*) echo "$WORK/\${1%%.*}\${1#*:}" ;;
    *) echo "\$1" ;;
    esac
}
[ \$# -eq 2 ] && cp "\$(place "\$1")" "\$(place "\$2")"
END
    chmod 755 "$WORK/bin/scp"
}

# HOST FILE OUT: runs a script there; what it leaves in the background stays until the namespaces go
run_on() {
    # shellcheck disable=SC2016 # the inner shell's
    in_host "${BESIDE[$1]:-$1}" unshare -m bash -c 'mount --bind "$1/etc" /etc &&
        mount --bind "$1/run" /run && mount --bind "$1/var/lib" /var/lib && cd / &&
        PATH=$2 PGHOST=$5 exec timeout "$4" bash -e "$3"' \
        - "$WORK/$1" "$WORK/bin:$BIN:$PATH" "$2" "$BLOCK_SECONDS" "$WORK/postgres" \
        </dev/null >"$3" 2>&1
}

# NUMBER HOST FILE REGEX CODE
run_block() {
    local out="$WORK/out/$1-$2" code
    run_on "$2" "$3" "$out"
    code=$?
    [ "$code" -eq "$5" ] || fail "block $1 on $2: exit code $code: $(head -n 1 "$3")"
    sleep 0.5 # what a block starts in the background begins to serve
    [ -z "$4" ] || grep -Eq -- "$4" "$out" || fail "block $1 on $2 does not print $4"
}

look_block() {
    local out="$WORK/out/$1-$2" end=$((SECONDS + LOOK_SECONDS))
    until run_on "$2" "$3" "$out" && grep -Eq -- "$4" "$out"; do
        [ "$SECONDS" -lt "$end" ] || fail "block $1 on $2 does not print $4: $(head -n 1 "$3")"
        sleep 0.5
    done
}

# NUMBER KIND WHAT FILE
do_block() {
    local hosts=${3%%,*} expect='' code=0 host path
    [[ ! $3 =~ ,\ exit:\ ([0-9]+) ]] || code=${BASH_REMATCH[1]}
    case $3 in *', expect: '*) expect=${3#*, expect: } ;; esac
    case $2 in
    figure) return ;;
    repeat) repeat "$1" "${3%%, *}" "${3#*, }" && return ;;
    file)
        path=${hosts##* }
        hosts=${hosts% *}
        ;;
    esac
    for host in $hosts; do
        case $2 in
        file) cp "$4" "$WORK/$host$path" || fail "block $1: $path on $host" ;;
        run) run_block "$1" "$host" "$4" "$expect" "$code" ;;
        look) look_block "$1" "$host" "$4" "$expect" ;;
        esac
        echo "ok   block $1: $2 on $host: $(head -n 1 "$4")"
    done
}

# NUMBER SECTION SED
repeat() {
    local block
    for block in "$WORK"/blocks/*; do
        [ "$(<"$block/section")" = "$2" ] || continue
        sed -E "$3" "$block/text" >"$WORK/again"
        do_block "$1-${block##*/}" "$(<"$block/kind")" "$(sed -E "$3" "$block/what")" "$WORK/again"
    done
}

# HOST CMD: what CMD prints there
ask() {
    printf '%s\n' "$2" >"$WORK/ask"
    run_on "$1" "$WORK/ask" "$WORK/asked"
    local code=$?
    cat "$WORK/asked"
    return $code
}

[ "$(id -u)" -eq 0 ] || { echo "test_guide: must be run as root"; exit 1; }
orgs_up 1 || { echo "no namespaces"; exit 1; }
WORK=$NET_DIR/guide
mkdir -p "$WORK/out" && chmod 755 "$NET_DIR" "$WORK"
extract || fail "$PAGE"
for host in "${ORGS_HOSTS[@]}" "${!BESIDE[@]}"; do
    make_host "$host" || fail "files of $host"
done
make_scp
PG_PORT=5432 PG_WITHIN=(ip netns exec "$(orgs_ns db)")
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'pg_end "$WORK"'
pg_begin "$WORK" "$(orgs_addr db)" || fail "PostgreSQL"

for block in "$WORK"/blocks/*; do
    do_block "${block##*/}" "$(<"$block/kind")" "$(<"$block/what")" "$block/text"
done

# What came of it, after all that was done: measured, under the secret that the second primary hands
# out. The first flow may still meet a server that answers under the one before.
FLOW='while sleep 0.1; do echo hello; done |
    pdmrun socat STDIO UDP6:ss1.a.example:7007 >/dev/null &
sleep 3
pdmctl --json flows
kill $!'
GOOD='.type == "flow" and .protect == "encrypted" and .network_delay.samples > 0 and .auth_failures == 0'
ask sc1 "$FLOW" >/dev/null
flows=$(ask sc1 "$FLOW") || fail "the last flow: $flows"
jq -es "any(.[]; $GOOD)" <<<"$flows" >/dev/null || fail "no flow is measured: $flows"
echo "ok   a flow is measured"
# shellcheck disable=SC2016 # the host's shell
{
    echo "$flows" && ask sc1 'pdmctl -j status; pdmctl -j doctor || true' &&
        ask pc2 'for what in status pairs secondaries list "list -P a"; do
            pdmctl -j primary $what; done'
} >"$WORK/json" || fail "$(<"$WORK/json")"
"${PYTHON:-/usr/bin/python3}" -B tests/e2e/schema_check.py pdmctl-1 "$WORK/json" agent association \
    flow finding primary pair secondary entry || fail "JSON of pdmctl"
echo "ok   what pdmctl prints as JSON is by its schema"
pairs=$(ask ps 'pdmctl -j primary pairs') || fail "the pairs: $pairs"
# The first, one by command, one for the host that was revoked, one for the new store.
jq -es 'length == 1 and .[0].connected and .[0].secret.epoch >= 3' <<<"$pairs" >/dev/null ||
    fail "the secret is not the fourth: $pairs"
echo "ok   the primaries have agreed anew each time"
