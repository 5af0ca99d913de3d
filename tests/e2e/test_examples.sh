#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What README.md and the manual pages tell the reader to do works as written. As root.
#
# README: before every block stands <!-- run: HOST[, expect: REGEX] -->; it is run on HOST (client,
# server or both), a network namespace with an /etc, /run and /var/lib of its own, and REGEX must
# match what it prints. Or <!-- file: HOST PATH -->, which puts it into a file. scp alone is ours.
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

unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_STATE_HOME PDMV2_AGENT PDMV2_MODE
FAILED=0
WORK=$(mktemp -d)
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

# NAME CMD...: one line for one check; its output only if it fails
check() {
    if "${@:2}" >"$WORK/check.out" 2>&1; then
        echo "ok   $1"
    else
        echo "FAIL $1"
        sed 's/^/     /' "$WORK/check.out"
        FAILED=1
    fi
}

# The README.

# One directory in $WORK/blocks per block: kind (run or file), what (the rest of the mark), text.
extract() {
    mkdir "$WORK/blocks" &&
        awk -v dir="$WORK/blocks" '
            /^<!-- (run|file): .* -->$/ { kind = $2; sub(":", "", kind); what = $0
                sub(/^<!-- [a-z]+: /, "", what); sub(/ -->$/, "", what); next }
            /^```[a-z]/ && !inside { inside = 1
                if (kind == "") { print "README.md:" NR ": a block without a mark"; bad = 1 }
                block = sprintf("%s/%02d", dir, ++n); system("mkdir " block)
                print kind > (block "/kind"); print what > (block "/what")
                printf "" > (block "/text"); next }
            /^```$/ { inside = 0; kind = ""; next }
            inside { print > (block "/text") }
            END { if (n == 0) { print "README.md: no blocks"; bad = 1 }; exit bad }' README.md
}

# HOST: its own /etc, /run and /var/lib, and the working directory of the README
make_host() {
    mkdir -p "$WORK/$1/run" "$WORK/$1/lib" "$WORK/$1/home" &&
        cp -a /etc "$WORK/$1/etc" &&
        rm -rf "$WORK/$1/etc/pdmv2" &&
        ln -s "$BIN" "$WORK/$1/home/build"
}

# Copies from the client's files to the server's, as scp -p FILE... [SERVER]:DIRECTORY/ would.
make_scp() {
    # shellcheck disable=SC2016 # the script's own
    mkdir "$WORK/bin" &&
        printf '%s\n' '#!/bin/bash' '[ "$1" = -p ] && to=${*: -1} || exit 1' \
            "case \$to in '[$SERVER_ADDR]:/etc/'*/) ;; *) exit 1 ;; esac" \
            "cp -p \"\${@:2:\$#-2}\" \"$WORK/server/etc/\${to#*:/etc/}\"" >"$WORK/bin/scp" &&
        chmod 755 "$WORK/bin/scp"
}

# HOST FILE: runs a script there; what it leaves in the background stays until the namespaces go
run_on() {
    # shellcheck disable=SC2016 # the inner shell's
    in_"$1" unshare -m bash -c 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run &&
        mount --bind "$1/lib" /var/lib && cd "$1/home" &&
        PATH=$2:$PATH exec timeout 60 bash -e "$3"' \
        - "$WORK/$1" "$WORK/bin" "$2" </dev/null
}

# BLOCK HOST REGEX
run_block() {
    run_on "$2" "$WORK/blocks/$1/text" >"$WORK/block.out" 2>&1
    local code=$?
    cat "$WORK/block.out"
    [ "$code" -eq 0 ] || { echo "exit code $code"; return 1; }
    [ -z "$3" ] || grep -Eq -- "$3" "$WORK/block.out" || { echo "does not print $3"; return 1; }
}

# BLOCK HOST PATH: on the server with the addresses the other way round, as the README says
put_file() {
    cp "$WORK/blocks/$1/text" "$WORK/$2$3" &&
        sed "s/$SERVER_ADDR/$CLIENT_ADDR/" "$WORK/blocks/$1/text" >"$WORK/server$3"
}

do_block() {
    local number=$1 kind what host hosts expect=''
    kind=$(<"$WORK/blocks/$1/kind")
    what=$(<"$WORK/blocks/$1/what")
    if [ "$kind" = file ]; then
        check "README block $number: file $what" put_file "$number" "${what%% *}" "${what#* }"
        return
    fi
    hosts=${what%%,*}
    case $what in *', expect: '*) expect=${what#*, expect: } ;; esac
    [ "$hosts" != both ] || hosts='client server'
    for host in $hosts; do
        check "README block $number on the $host: $(head -n 1 "$WORK/blocks/$number/text")" \
            run_block "$number" "$host" "$expect"
    done
    sleep 1 # what a block starts in the background begins to serve
}

readme() {
    local block
    for block in "$WORK"/blocks/*; do
        do_block "${block##*/}"
    done
}

no_key_fails() {
    local flows
    printf 'build/pdmctl --json status; build/pdmctl --json flows\n' >"$WORK/flows.sh"
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

[ "$(id -u)" -eq 0 ] || { echo "test_examples: must be run as root"; exit 1; }
chmod 755 "$WORK"
check "pdmping(1): options" options_agree pdmping man/pdmping.1
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
check "pdmv2.conf(5): example" configuration_example
check "conf/pdmv2.conf" sample_configuration
check "libpdmv2(3): example" c_example
check "libpdmv2(3): example for a library that may be absent" c_weak_example

check "README: blocks" extract
check "two hosts" net_up
if [ "$FAILED" -eq 0 ]; then
    check "their files" eval 'make_host client && make_host server && make_scp'
    readme
    check "the server opened every option" no_key_fails
fi
exit "$FAILED"
