# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests of README.md, after tests/net/netns.sh. Before every block stands a mark:
#   <!-- run: HOST[, expect: REGEX] -->   it is run on HOST (client, server or both), and REGEX matches
#                                         what it prints
#   <!-- file: HOST PATH -->              it is put into a file
#   <!-- fresh: HOST -->                  it is run on a fresh machine, with the network; only
#                                         test_readme.sh has such
# The files of a host are below $WORK/HOST. scp alone is ours.
#
#   readme_extract          takes README.md apart
#   readme_scp DIR          makes scp, in $WORK/bin; the server's files are below DIR
#   readme KIND...          does the blocks of these kinds, in order
#
# Whoever sources it has check NAME CMD..., and run_on HOST FILE and, for fresh, fresh_on HOST FILE,
# which run a script.

# One directory in $WORK/blocks per block: kind (run, file or fresh), what (the rest of the mark), text.
readme_extract() {
    mkdir "$WORK/blocks" &&
        awk -v dir="$WORK/blocks" '
            /^<!-- (run|file|fresh): .* -->$/ { kind = $2; sub(":", "", kind); what = $0
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

# DIR: copies there, as scp -p FILE... [SERVER]:DIRECTORY/ would.
readme_scp() {
    # shellcheck disable=SC2016 # the script's own
    mkdir "$WORK/bin" &&
        printf '%s\n' '#!/bin/bash' '[ "$1" = -p ] && to=${*: -1} || exit 1' \
            "case \$to in '[$SERVER_ADDR]:/etc/'*/) ;; *) exit 1 ;; esac" \
            "cp -p \"\${@:2:\$#-2}\" \"$1/etc/\${to#*:/etc/}\"" >"$WORK/bin/scp" &&
        chmod 755 "$WORK/bin/scp"
}

# BLOCK HOST REGEX RUN: RUN is run_on or fresh_on
run_block() {
    "$4" "$2" "$WORK/blocks/$1/text" >"$WORK/block.out" 2>&1
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

# BLOCK KIND...
do_block() {
    local number=$1 kind what host hosts expect='' run=run_on
    kind=$(<"$WORK/blocks/$1/kind")
    [[ " ${*:2} " == *" $kind "* ]] || return 0
    [ "$kind" != fresh ] || run=fresh_on
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
            run_block "$number" "$host" "$expect" $run
    done
    sleep 1 # what a block starts in the background begins to serve
}

readme() {
    local block
    for block in "$WORK"/blocks/*; do
        do_block "${block##*/}" "$@"
    done
}
