#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The completions offer what the programs take: the tables are compared with --help and the manual
# pages, and bash, zsh and fish are asked, behind all commands.
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/tally.sh
. tests/tally.sh
: "${BUILD:=build}"
BIN=$(cd "$BUILD" && pwd) || exit 1
HERE=$PWD/tests/e2e
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT

# PROGRAM: its table, without what makes it readable
rows() { sed -E '/^#/d; s/ *\| */|/g; s/^ //' "conf/completions/$1.table"; }
programs() { basename -s .table conf/completions/*.table; }

# Options, one a line, with a '=' behind those that take an argument: of the table, of --help, where
# each has a line that begins with it, and of the manual page.
options_of_table() {
    rows "$1" | awk -F'|' '$2 ~ /^-/ { print $2 ($3 != "" ? "=" : "") }' | sort -u
}
options_of_help() {
    "$BIN/$1" -h | sed -nE 's/^ {2,}(-[^ ,]+)(, (--[^ ]+))?( \[?[A-Z][^ ]*)?( .*)?$/\1 \3\4/p' |
        sed -E 's/ +\[?[A-Z].*$/=/; s/ +$//' | sort -u
}
options_of_manual() {
    sed -n '/^\.Sh DESCRIPTION/,/^\.Sh ENVIRONMENT/p' man/"$1".[18] |
        sed -nE '/^\.It Fl/{s/^\.It //; s/Fl Fl ([a-z-]+)/--\1/g; s/Fl ([A-Za-z0-9])/-\1/g; s/ , / /g
            s/ Ns Op = Ns Ar .*$//; s/ Ar .*$/=/; p}' | sort -u
}

# TABLE'S AND OTHER, functions, PROGRAM
agree() { diff <("$1" "$3") <("$2" "$3"); }

# PROGRAM: all that stands before a cursor: behind each of its commands, a blank, and a '-'
lines() {
    rows "$1" | awk -F'|' -v program="$1" '
        function ask(commands) {
            if (!(commands in asked)) { asked[commands] = 1
                print program commands " "; print program commands " -" } }
        BEGIN { ask("") }
        $3 == "command" { ask(($1 == "" ? "" : " " $1) " " $2) }'
}

# LINE: the words that the table of its program has for that place, sorted
wanted() {
    local program=${1%% *} at=${1#* }
    local prefix=${at##* }
    at=${at% *}
    [ "$at" != "$prefix" ] || at=
    rows "$program" | awk -F'|' -v at="$at" -v prefix="$prefix" '
        prefix == "-" && $2 ~ /^-/ && ($1 == "" || index(at " ", $1 " ") == 1) { print $2 }
        prefix == "" && $3 == "command" && $1 == at { print $2 }' | tr ' ' '\n' | sort | xargs
}

# What the operand of that place may be is the host's: names, files.
has_operand() {
    local program=${1%% *} at=${1#* }
    at=${at% }
    rows "$program" | awk -F'|' -v at="$at" '$1 == at && $2 == "" { found = 1 } END { exit !found }'
}

# SHELL PROGRAM ASK...: the lines' ends are what the table says
offers() {
    local line offered bad=0 shell=$1
    lines "$2" >"$WORK/lines"
    "${@:3}" <"$WORK/lines" >"$WORK/offered" || return
    [ "$(wc -l <"$WORK/offered")" -eq "$(wc -l <"$WORK/lines")" ] || { cat "$WORK/offered"; return 1; }
    while IFS= read -r line <&3 && IFS= read -r offered <&4; do
        [[ $line == *- ]] || ! has_operand "$line" || continue
        offered=$(tr ' ' '\n' <<<"$offered" | sort | xargs)
        [ "$offered" = "$(wanted "$line")" ] ||
            { echo "$shell: '$line' offers '$offered', not '$(wanted "$line")'"; bad=1; }
    done 3<"$WORK/lines" 4<"$WORK/offered"
    return $bad
}

in_bash() { PATH=$BIN:$PATH bash --norc "$HERE/complete.bash" "$BUILD/completions/bash"; }
in_fish() { HOME=$WORK PATH=$BIN:$PATH fish --no-config "$HERE/complete.fish" "$BUILD/completions/fish"; }
in_zsh() { PATH=$BIN:$PATH zsh -f "$HERE/complete.zsh" "$WORK/zsh"; }

# SHELL LINE WORD: it is among what is offered
includes() {
    local offered
    offered=$(cd "$WORK/files" && printf '%s\n' "$2" | in_"$1")
    [[ " $offered " == *" $3 "* ]] || { echo "'$2' offers '$offered'"; return 1; }
}

make -s say= BUILD="$BUILD" all || exit 1
BUILD=$BIN
mkdir "$WORK/zsh" "$WORK/files" "$WORK/files/directory" && touch "$WORK/files/some.key" || exit 1
for program in $(programs); do
    cp "$BUILD/completions/zsh/$program" "$WORK/zsh/_$program" || exit 1
done

for program in $(programs); do
    check "$program: the options of --help" agree options_of_table options_of_help "$program"
    check "$program: the options of the manual" agree options_of_table options_of_manual "$program"
    for shell in bash zsh fish; do
        check "$program in $shell" offers "$shell" "$program" "in_$shell"
    done
done
check "every program that is installed has completions" \
    diff <(programs) <(cd "$BUILD" && find . -maxdepth 1 -name 'pdm*' -type f -perm -1 -printf '%f\n' | sort)
for shell in bash zsh fish; do
    check "a file in $shell" includes "$shell" 'pdmctl keygen some' some.key
    check "an option's file in $shell" includes "$shell" 'pdmkeyagent -c some' some.key
    check "an option's words in $shell" includes "$shell" 'pdmrun -m ' rfc8250
    check "an interface in $shell" includes "$shell" 'pdmping -I ' lo
    check "behind an option and its argument in $shell" includes "$shell" 'pdmctl -s list primary ' pairs
    check "a program in $shell" includes "$shell" 'pdmrun -m plain trunc' truncate
    check "what follows a program is its own in $shell" includes "$shell" 'pdmrun -m plain -- pdmctl ' keygen
done
tally
