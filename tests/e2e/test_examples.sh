#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What README.md and the manual pages tell the reader to do works as written. As root.
#
# README: its blocks, see readme.sh, with the binaries from $BUILD, on two network namespaces with an
# /etc, /run and /var/lib of their own. test_readme.sh is about what it says of installing.
# Manual pages: options are those of -h, configuration keys those that the agent knows, and examples
# work.
# shellcheck disable=SC2317 # all that check() calls
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
BIN=$(cd "$BUILD" && pwd) || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/e2e/readme.sh
. tests/e2e/readme.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_STATE_HOME PDMV2_AGENT PDMV2_MODE
WORK=$(mktemp -d)
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

# The README.

# HOST: its own /etc, /run and /var/lib, and the working directory of the README
make_host() {
    mkdir -p "$WORK/$1/run" "$WORK/$1/lib" "$WORK/$1/home" &&
        cp -a /etc "$WORK/$1/etc" &&
        rm -rf "$WORK/$1/etc/pdmv2"
}

# HOST FILE: runs a script there; what it leaves in the background stays until the namespaces go
run_on() {
    # shellcheck disable=SC2016 # the inner shell's
    in_"$1" unshare -m bash -c 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run &&
        mount --bind "$1/lib" /var/lib && cd "$1/home" &&
        PATH=$2:$3:$PATH LD_LIBRARY_PATH=$3 exec timeout 60 bash -e "$4"' \
        - "$WORK/$1" "$WORK/bin" "$BIN" "$2" </dev/null
}

no_key_fails() {
    local flows
    printf 'pdmctl --json status; pdmctl --json flows\n' >"$WORK/flows.sh"
    flows=$(run_on server "$WORK/flows.sh") || return
    grep -q '"protect":"encrypted"' <<<"$flows" || { echo "no encrypted flow: $flows"; return 1; }
    ! grep -E '"auth_failures":[1-9]' <<<"$flows"
}

# The manual pages.

# Options, one a line, from text: clusters are taken apart.
options_in() {
    grep -oE '(^|[^A-Za-z0-9_^/.-])--?[A-Za-z]+' | sed 's/^[^-]*//' |
        sed -E '/^--/!{s/^-//; s/(.)/-\1\n/g}' | grep . | sort -u
}

# The same from mdoc: Fl letters, Fl Fl word, and Fl a | b.
options_in_mdoc() {
    sed -E 's/Fl \| /Fl /g; s/Fl ([A-Za-z]+) \| ([A-Za-z]+)/Fl \1 Fl \2/; s/Fl Fl ([a-z-]+)/ --\1 /g
        s/Fl ([A-Za-z]+)/ -\1 /g' | options_in
}

# PROGRAM PAGE
options_agree() {
    local help page=$2
    help=$("$BIN/$1" -h) || return
    diff <(options_in <<<"$help") \
        <(sed -n '/^\.Sh DESCRIPTION/,/^\.Sh ENVIRONMENT/p' "$page" | grep '^\.It Fl' |
            options_in_mdoc) &&
        diff <(grep -E '^usage|^ {7,}(\[|pdm)' <<<"$help" | options_in) \
            <(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$page" | options_in_mdoc)
}

# PROGRAM PAGE SECTION PATTERN...: the keys that the program says are allowed are the page's
keys_agree() {
    local allowed pattern
    printf '[%s]\nunheard_of = 1\n' "$3" >"$WORK/unknown.conf"
    allowed=$("$BIN/$1" -t -c "$WORK/unknown.conf" 2>&1 | sed -n 's/.*allowed are: //p')
    diff <(tr -d ' ' <<<"$allowed" | tr ',' '\n' | sort) \
        <(for pattern in "${@:4}"; do
            sed -n "/^\\.Ss $pattern/,/^\\.\\(Ss\\|Sh\\)/s/^\\.It Ic //p" "$2"
        done | sort)
}

# PAGE NAME: the literal text behind the mark .\" example: NAME
example() {
    awk -v mark=".\\\\\" example: $2" '$0 == mark { found = 1 } found && /^\.Bd/ { on = 1; next }
        found && /^\.Ed/ { exit } on' "$1" | sed 's/\\e/\\/g' | grep .
}

configuration_example() {
    example man/pdmv2.conf.5 configuration >"$WORK/example.conf" &&
        "$BIN/pdmctl" keygen "$WORK/london.key" &&
        "$BIN/pdmkeyagent" -t -c "$WORK/example.conf" | grep 'ok, associations: 2'
}

enrolled_example() {
    mkdir "$WORK/enrolled" && example man/pdmv2.conf.5 enrolled >"$WORK/enrolled/conf" &&
        pki_ca "$WORK/enrolled" ca && pki_leaf "$WORK/enrolled" ca certificate IP:2001:db8:b::11 &&
        mv "$WORK/enrolled/certificate.key" "$WORK/enrolled/key.pem" &&
        "$BIN/pdmkeyagent" -t -c "$WORK/enrolled/conf" | grep 'ok, associations: 1'
}

primary_example() {
    mkdir "$WORK/primary" && example man/pdmprimary.conf.5 configuration >"$WORK/primary/conf" &&
        pki_ca "$WORK/primary" ca && pki_ca "$WORK/primary" ca-b &&
        pki_leaf "$WORK/primary" ca primary DNS:ps.a.example &&
        "$BIN/pdmctl" keygen "$WORK/primary/store.key" &&
        "$BIN/pdmprimary" -t -c "$WORK/primary/conf" | grep 'ok, peers: 1'
}

sample_configuration() {
    cp conf/pdmv2.conf "$WORK/sample.conf" && "$BIN/pdmkeyagent" -t -c "$WORK/sample.conf"
}

# NAME MAIN LINKED...: example NAME with a MAIN of ours, compiled as the page says
compile_example() {
    example man/libpdmv2.3 "$1" >"$WORK/example.c" &&
        echo "$2" >>"$WORK/example.c" &&
        ${CC:-gcc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror "$WORK/example.c" "${@:3}" \
            -Wl,-rpath,"$BIN" -o "$WORK/example"
}

c_example() {
    local flags
    flags=$(PKG_CONFIG_PATH=$BIN pkg-config --cflags --libs libpdmv2) || return
    # shellcheck disable=SC2086 # words
    compile_example c 'int main(void) { print_delays(0); }' $flags && "$WORK/example"
}

# Linked with nothing, it finds the library where that is preloaded, and only there.
c_weak_example() {
    compile_example c-weak 'int main(void)
        { return !watch(0) || raise(SIGUSR1) != 0 || stats.reason != PDMV2_NOT_TAKING_PART; }' \
        -Ishim && ! "$WORK/example" && LD_PRELOAD=$BIN/libpdmv2.so "$WORK/example" </dev/null
}

# PAGE NAME: what the page tells to type, with servers of ours
typed() {
    example "$1" "$2" | sed 's/^[$#] //; s,http://server.example/[a-z]*,http://[::1]:7600/think/15,g
        s,server.example,::1,'
}

# PAGE NAME REGEX: the example, without an agent, prints such a line. The first request of a
# connection may have no figures.
tool_example() {
    local tries
    typed "$1" "$2" >"$WORK/tool.sh"
    [ -s "$WORK/tool.sh" ] || return
    for ((tries = 0; tries < 5; tries++)); do
        in_client env PATH="$BIN:$PATH" PDMV2_MODE=plain timeout 60 bash -e -o pipefail "$WORK/tool.sh" \
            >"$WORK/tool.out" 2>&1 || break
        ! grep -Eqx -- "$3" "$WORK/tool.out" || return 0
    done
    cat "$WORK/tool.out"
    return 1
}

perf_example() { tool_example man/pdmperf.1 "$@"; }
ping_example() { tool_example man/pdmping.1 "$@"; }

# PAGE NAME PORT: starts the server of an example
server_example() {
    typed "$1" "$2" | sed 's/^/exec /; s/exec LD_PRELOAD/exec env LD_PRELOAD/; s/exec  /  /' >"$WORK/serve.sh"
    start_in_client env PATH="$BIN:$PATH" LD_LIBRARY_PATH="$BIN" PDMV2_MODE=plain \
        bash "$WORK/serve.sh" >/dev/null
    wait_for "in_client ss -Hlntu | grep -q ':$3 '" 10
}

perf_examples() {
    start_in_client env LD_PRELOAD="$BIN/libpdmv2.so" PDMV2_MODE=plain \
        "${PYTHON:-/usr/bin/python3}" -B tests/apps/slowweb.py ::1 7600
    local server=$STARTED
    check "pdmperf(1): its server" wait_for "in_client ss -Hlnt | grep -q ':7600 '" 10
    check "pdmperf(1): requests" perf_example requests 'verdict: SERVER causes [0-9]+% .*'
    check "pdmperf(1): a comparison" perf_example compare 'verdict: .* is slower .*'
    check "pdmperf(1): a rate" perf_example rate 'verdict: SERVER causes [0-9]+% .*'
    check "pdmperf(1): a format" perf_example format '200 0\.0[0-9]{5} 0\.0[0-9]{5} 0\.0[0-9]{5}'
    check "pdmperf(1): JSON" perf_example json '(1[5-9]|[2-9][0-9])\.[0-9]+'
    end_service "$server"
    check "pdmperf(1): its other server" server_example man/pdmperf.1 server 5201
    check "pdmperf(1): throughput" perf_example client 'verdict: load .*'
    check "pdmperf(1): transactions" perf_example transactions \
        'verdict: SERVER takes [0-9]+% of a transaction .*'
    end_service "$STARTED"
}

ping_examples() {
    local name figures='.* net=[0-9.]+ srv=[0-9.]+ ms'
    check "pdmping(1): its server" server_example man/pdmping.1 listen 7007
    check "pdmping(1): probes" ping_example probes "$figures"
    check "pdmping(1): JSON" ping_example json '[0-9]+'
    check "pdmping(1): objectives" ping_example slo 'slo net.p99=30ms: met, .*'
    end_service "$STARTED"
    for name in root user; do
        check "libpdmv2(7): socat, $name" server_example man/libpdmv2.7 $name 7007
        check "libpdmv2(7): measured, $name" ping_example probes "$figures"
        end_service "$STARTED"
    done
}

# A unit that is nothing but what the page adds to one.
unit_example() {
    { echo "[Service]"; echo "ExecStart=/bin/true"; example man/libpdmv2.7 unit; } \
        >"$WORK/example.service" && systemd-analyze verify "$WORK/example.service" >"$WORK/unit.out" 2>&1
    local code=$?
    cat "$WORK/unit.out"
    [ "$code" -eq 0 ] && [ ! -s "$WORK/unit.out" ]
}

# scp is ours.
key_example() {
    # shellcheck disable=SC2016 # the script's own
    mkdir -p "$WORK/a/bin" "$WORK/b/.config/pdmv2" &&
        printf '%s\n' '#!/bin/bash' "cp \"\$1\" \"\$2\" \"\$3\" \"$WORK/b/\${4#b.example:}\"" \
            >"$WORK/a/bin/scp" && chmod 755 "$WORK/a/bin/scp" && typed man/pdmctl.1 keygen >"$WORK/key.sh" && [ -s "$WORK/key.sh" ] &&
        HOME=$WORK/a PATH=$WORK/a/bin:$BIN:$PATH bash -e "$WORK/key.sh" &&
        cmp "$WORK"/{a,b}/.config/pdmv2/lab.key && cmp "$WORK"/{a,b}/.config/pdmv2/lab.key.gen
}

scrape_example() {
    example man/pdmv2-metrics.7 scrape >"$WORK/prometheus.yml" &&
        promtool check config "$WORK/prometheus.yml"
}

# Each example of a page has a mark, and a test that speaks of the page names it.
examples_are_marked() {
    local page name bad=0
    awk 'FNR == 1 { on = 0 } /^\.Sh / { on = /EXAMPLES/ }
        on && /^\.Bd -literal/ && last !~ /^\.\\" example: / { print FILENAME ":" FNR ": no mark"; bad = 1 }
        { last = $0 } END { exit bad }' man/* || bad=1
    while IFS=: read -r page name; do
        grep -lF "${page#man/}" tests/e2e/test_*.sh | xargs grep -qw -- "$name" ||
            { echo "$page: example $name is in no test"; bad=1; }
    done < <(grep -o '^\.\\" example: .*' man/* | sed 's/\.\\" example: //')
    return $bad
}

# What the pages say that the daemons print, but for the letters and numbers that stand for others,
# is in their source, as it puts its texts together.
diagnostics_are_said() {
    local message part bad=0 count=0
    find keyagent conf -name '*.c' -print0 | sort -z | xargs -0 cat | tr -d '\n' |
        sed -E 's/" *"//g; s/%" *PRI[a-z0-9]+ *"/%/g; s/"//g' >"$WORK/said"
    while read -r message; do
        count=$((count + 1))
        while read -r part; do
            grep -qF -- "$part" "$WORK/said" || { echo "$message: no \"$part\""; bad=1; }
        done < <(sed -E 's/(^|[ (:/,])([A-Z](\.gen)?|[0-9]+|aes-256-gcm)\>/\n/g; s/: /\n/g; s/net\.ipv6\.[a-z_]+//; s/\.\.\.//' \
            <<<"$message" | sed -E 's/^[ ,.:;)]+//; s/[ ,.:;(]+$//' | grep -E '.{6}')
    done < <(grep -h '^\.It "' man/pdmkeyagent.8 man/pdmprimary.8 | sed 's/^\.It "//; s/"$//')
    [ "$count" -gt 20 ] || { echo "$count messages"; bad=1; }
    return $bad
}

[ "$(id -u)" -eq 0 ] || { echo "test_examples: must be run as root"; exit 1; }
chmod 755 "$WORK"
check "pdmping(1): options" options_agree pdmping man/pdmping.1
check "pdmperf(1): options" options_agree pdmperf man/pdmperf.1
check "pdmctl(1): options" options_agree pdmctl man/pdmctl.1
check "pdmrun(1): options" options_agree pdmrun man/pdmrun.1
check "pdmkeyagent(8): options" options_agree pdmkeyagent man/pdmkeyagent.8
check "pdmprimary(8): options" options_agree pdmprimary man/pdmprimary.8
PAGE=man/pdmv2.conf.5
check "pdmv2.conf(5): keys of [agent]" keys_agree pdmkeyagent $PAGE agent 'The section'
check "pdmv2.conf(5): keys of [association]" keys_agree pdmkeyagent $PAGE 'association x' 'The sections'
PAGE=man/pdmprimary.conf.5
check "pdmprimary.conf(5): keys of [primary]" keys_agree pdmprimary $PAGE primary 'The section \[primary'
check "pdmprimary.conf(5): keys of [clients]" keys_agree pdmprimary $PAGE clients 'The section \[clients'
check "pdmprimary.conf(5): keys of [servers]" keys_agree pdmprimary $PAGE 'servers x' \
    'The section \[clients' 'The sections \[servers'
check "pdmprimary.conf(5): keys of [peer]" keys_agree pdmprimary $PAGE 'peer x' 'The sections \[peer'
check "pdmprimary.conf(5): example" primary_example
check "every example has a test" examples_are_marked
check "diagnostics" diagnostics_are_said
check "pdmv2.conf(5): example" configuration_example
check "pdmv2.conf(5): example of an enrolled host" enrolled_example
check "conf/pdmv2.conf" sample_configuration
check "pdmctl(1): a key" key_example
check "pdmv2-metrics(7): a scrape job" scrape_example
check "libpdmv2(7): a unit" unit_example
check "libpdmv2(3): example" c_example
check "libpdmv2(3): example for a library that may be absent" c_weak_example

check "README: blocks" readme_extract
check "two hosts" net_up
perf_examples
ping_examples
if [ "$FAILED" -eq 0 ]; then
    # shellcheck disable=SC2016 # eval's
    check "their files" eval 'make_host client && make_host server && readme_scp "$WORK/server"'
    readme run file
    check "the server opened every option" no_key_fails
fi
tally
