#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make lint: style, warnings of two compilers, static analysis, the include rule, what the library
# exports and needs, hardening. One line per check that fails, with what is wrong under it. Names
# of checks as arguments choose some; those of binaries need the builds.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=build}" "${PYTHON:=/usr/bin/python3}"
mkdir -p "$BUILD" || exit 1
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

CODE=(core conf shim keyagent cli)
DEFINES=(-D_GNU_SOURCE '-DPDM_RELEASE="lint"' '-DPDM_LIBDIR="lint"')
LIBRARY=$BUILD/libpdmv2.so
CORE_LIBRARY=$BUILD/libpdmcore.a
MAP=shim/libpdmv2.map

c_files() { find "${CODE[@]}" tests -name '*.[ch]' | sort; }
product_files() { find "${CODE[@]}" -name '*.c' | sort; }
# Everything that is ours and text, but for what has no comments.
text_files() {
    find "${CODE[@]}" tests man .ci Makefile -type f |
        grep -vE '/__pycache__/|/corpus/|/golden/|\.(json|md|patch)$|/debian/(changelog|copyright|source/format)$' | sort
}
scripts() { text_files | xargs grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell='; }

# Compilers and analysers.

format() { c_files | xargs clang-format --dry-run -Werror; }

compile_gcc() { make -s -j2 say= BUILD="$BUILD" CC=gcc all apps unit; }
compile_clang() { make -s -j2 say= BUILD="$BUILD/lint-clang" CC=clang OPT=-O1 objects apps; }

# allocaCalled: the execl family collects its arguments where malloc is not allowed.
# ctuuninitvar: cannot see that the readers of core/message.c, made by a macro, fill their argument.
run_cppcheck() {
    mkdir -p "$BUILD/lint-cppcheck" &&
        cppcheck -q -j2 --enable=warning,performance,portability --error-exitcode=1 \
            --cppcheck-build-dir="$BUILD/lint-cppcheck" --inline-suppr \
            --suppress=allocaCalled:shim/hooks_process.c --suppress=ctuuninitvar \
            -D__x86_64__ -D__linux__ '-DTest(suite,name,...)=void suite##_##name(void)' \
            '-DTestSuite(...)=extern int suite_unused' \
            --std=c11 -I. "${DEFINES[@]}" "${CODE[@]}" tests
}

# Off: what asks for another language or style (swappable parameters, reserved names that a hook
# must have, parentheses around lists, products of small constants), and two checkers that know
# neither va_start across a variadic function nor a system call that writes through a pointer.
TIDY='-*,bugprone-*,cert-*,clang-analyzer-*'
TIDY+=',-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
TIDY+=',-bugprone-macro-parentheses,-bugprone-implicit-widening-of-multiplication-result'
TIDY+=',-cert-dcl37-c,-cert-dcl51-cpp,-cert-err33-c'
TIDY+=',-clang-analyzer-valist.Uninitialized,-clang-analyzer-core.UndefinedBinaryOperatorResult'
TIDY+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
# make check leaves the analyzer, which takes the longest, to make lint and make check-long.
: "${LINT_ANALYZER:=1}"
[ "$LINT_ANALYZER" = 1 ] || TIDY=${TIDY/,clang-analyzer-\*/}
run_tidy() {
    printf "%s\n" -std=c11 "-I$PWD" -I/usr/include/postgresql "${DEFINES[@]}" >"$WORK/compile_flags.txt"
    product_files |
        xargs -n 8 -P 2 clang-tidy -quiet -p "$WORK" --warnings-as-errors='*' -checks="$TIDY"
}

run_shellcheck() { scripts | xargs shellcheck -x -P SCRIPTDIR; }

python() {
    # shellcheck disable=SC2016 # Python
    find tests -name '*.py' -print0 | xargs -0 "$PYTHON" -W error -c '
import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as source:
        compile(source.read(), name, "exec")'
}

manual() { mandoc -T lint -W warning man/*; }

# What documents refer to: our own manual pages, and files of the tree.
references() {
    local file name bad=0
    while IFS=: read -r file name; do
        [ -e "man/$name" ] || complain "$file: no page $name" || bad=1
    done < <(grep -oE '^\.Xr (lib)?pdm[a-z0-9.-]* [0-9]' man/* | sed -E 's/\.Xr ([^ ]*) /\1./')
    # shellcheck disable=SC2016 # Markdown's quotes
    while IFS=: read -r file name; do
        [ -e "$name" ] || complain "$file: there is no $name" || bad=1
    done < <(grep -oE '\]\([^):]+\)|`(\.ci|conf|core|cli|keyagent|man|shim|tests)/[^` ]*' README.md CONTRIBUTING.md |
        sed -E 's/:(\]\(|`)/:/; s/\)$//')
    return $bad
}

licence() {
    local file bad=0
    while read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
            complain "no SPDX line: $file" || bad=1
    done < <(text_files)
    return $bad
}

# Structure.

complain() {
    echo "$*"
    return 1
}

# Folder: the folders whose headers it may include, and the other projects' headers.
include_rule() {
    case $1 in
    core) echo '"core/ <sodium.h> <openssl/ <gmp.h>' ;;
    conf) echo '"core/ "conf/ <iniparser/ <sodium.h>' ;;
    shim) echo '"core/ "shim/ <sodium.h>' ;;
    keyagent) echo '"core/ "conf/ "keyagent/ <event2/ <openssl/ <sodium.h> <sqlite3.h> <libpq-fe.h>' ;;
    cli) echo '"core/ "conf/ "cli/ "shim/pdmv2.h" <curl/ <openssl/ <pcap/ <sodium.h> <sys/capability.h> <curses.h> <term.h>' ;;
    esac
}
# The core has no sockets, files, clocks, allocation, errno or logging: so neither their headers.
CORE_STANDARD=' endian.h limits.h stdalign.h stdatomic.h stdbool.h stddef.h stdint.h string.h '

# FOLDER HEADER: may a file of FOLDER include HEADER, given with its quotes or brackets?
may_include() {
    local allowed name=${2#<}
    for allowed in $(include_rule "$1"); do
        [ "${2#"$allowed"}" = "$2" ] || return 0
    done
    name=${name%>}
    case $2 in
    '<'*)
        [ "$1" != core ] || [ "${CORE_STANDARD#* "$name" }" != "$CORE_STANDARD" ] || return 1
        # Anything else of the system's belongs to libc or the kernel.
        system_header "$name"
        ;;
    *) return 1 ;;
    esac
}

system_header() {
    grep -qxF "$1" "$WORK/libc-headers"
}

includes() {
    local folder file header bad=0
    dpkg -L libc6-dev linux-libc-dev "libgcc-$(gcc -dumpversion)-dev" 2>/dev/null |
        sed -nE 's,^/usr/(lib/gcc/[^/]+/[0-9]+/)?include/([a-z0-9_]+-linux-gnu/)?,,p' \
            >"$WORK/libc-headers"
    [ -s "$WORK/libc-headers" ] || complain "no list of the C library's headers" || return
    for folder in "${CODE[@]}"; do
        while IFS=: read -r file header; do
            may_include "$folder" "$header" || complain "$file must not include $header" || bad=1
        done < <(grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]*[>"]' \
            --include='*.[ch]' "$folder" | sed -E 's/:[0-9]+:[^<"]*/:/')
    done
    return $bad
}

# What the core may ask of others: octets moved and compared, libsodium, the compiler's own; and the
# numbers of OpenSSL and GMP, for what libsodium lacks. That the library does not come to need those
# is seen by its own symbols.
CORE_MAY='mem(cpy|move|set|cmp)|bcmp|str(len|cmp|ncmp)|__mem(cpy|move|set)_chk|__stack_chk_fail'
CORE_MAY+='|sodium_[a-z0-9_]+|crypto_[a-z0-9_]+|__u?(div|mod)ti3|_GLOBAL_OFFSET_TABLE_'
CORE_MAY+='|(EC_GROUP|EC_POINT|BN|ERR)_[A-Za-z0-9_]+|__gmp[a-z]_[a-z0-9_]+'

# ARCHIVE DEFINED: its global symbols that are (1) or are not (0) defined. Not by nm, which of an
# object that is ready for link-time optimisation tells what the optimiser knows, no more.
symbols() {
    readelf -sW "$1" | awk -v defined="$2" \
        '$5 != "LOCAL" && $8 != "" && ($7 != "UND") == defined && $1 ~ /^[0-9]+:$/ { print $8 }' |
        sort -u
}

core_symbols() {
    local archive bad=0 foreign
    for archive in "$CORE_LIBRARY" "$BUILD/lint-clang/libpdmcore.a"; do
        symbols "$archive" 1 >"$WORK/own"
        symbols "$archive" 0 >"$WORK/used"
        grep -qx pdm_seal "$WORK/own" && grep -qx memcpy "$WORK/used" ||
            complain "$archive: no symbols" || return
        foreign=$(comm -13 "$WORK/own" "$WORK/used" | grep -vxE "$CORE_MAY")
        [ -z "$foreign" ] || complain "$archive uses" "$foreign" || bad=1
    done
    return $bad
}

# The library.

# What FILE defines for others; without glibc's private names, which no program can link.
defined_in() {
    nm -D --defined-only "$1" | awk '$3 !~ /@GLIBC_PRIVATE$/ { sub(/@.*/, "", $3); print $3 }' |
        sort -u
}
mapped() { sed -nE 's/^ +([a-zA-Z_0-9]+);$/\1/p' "$MAP" | sort -u; }
loader() { ldd "$LIBRARY" | sed -nE 's,^[[:space:]]*(/[^ ]*/ld-linux[^ ]*) .*,\1,p'; }
libc() { gcc -print-file-name=libc.so.6; }

exports() {
    diff <(mapped) <(defined_in "$LIBRARY") || complain "$LIBRARY does not export what $MAP says"
}

# A program may call a function by another of its names, and would pass the hook by.
siblings() {
    local name base sibling bad=0
    mapped >"$WORK/mapped"
    defined_in "$(libc)" >"$WORK/libc"
    [ -s "$WORK/libc" ] || complain "libc has no symbols" || return
    for name in $(mapped); do
        base=${name#__}
        base=${base%_chk}
        base=${base%64}
        for sibling in "$base" "__$base" "${base}64" "__${base}64" "__${base}_chk" \
            "__${base}_time64" "__libc_$base"; do
            grep -qxF "$sibling" "$WORK/libc" || continue
            grep -qxF "$sibling" "$WORK/mapped" ||
                complain "$sibling, a name of $name in libc, is not hooked" || bad=1
        done
    done
    return $bad
}

needs_libc_alone() {
    local name bad=0
    for name in $(readelf -dW "$LIBRARY" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'); do
        case $name in
        libc.so.6 | ld-linux*) ;;
        *) complain "$LIBRARY needs $name" || bad=1 ;;
        esac
    done
    { defined_in "$(libc)" && defined_in "$(loader)"; } | sort -u >"$WORK/given"
    nm -D -u "$LIBRARY" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort -u >"$WORK/used"
    [ -s "$WORK/used" ] || complain "$LIBRARY uses nothing" || return
    comm -13 "$WORK/given" "$WORK/used" >"$WORK/beyond"
    [ ! -s "$WORK/beyond" ] || complain "$LIBRARY uses" "$(cat "$WORK/beyond")" || bad=1
    return $bad
}

# BINARY PATTERN WHAT: readelf's output has a line that fits.
elf_has() {
    readelf -lhdW "$1" | grep -qE "$2" || complain "$1: $3"
}

is_linked() { [ -f "$1" ] && [ "${1%.a}" = "$1" ] && readelf -h "$1" >/dev/null 2>&1; }

# What is installed: the library and every program that `make all` made.
hardening() {
    local binary bad=0 found=0
    for binary in "$BUILD"/*; do
        is_linked "$binary" || continue
        found=$((found + 1))
        elf_has "$binary" '^ *GNU_RELRO ' "no RELRO" || bad=1
        elf_has "$binary" '\(FLAGS(_1)?\).*(NOW|BIND_NOW)' "not bound at start" || bad=1
        elf_has "$binary" '^ *GNU_STACK .* RW +0x' "executable stack" || bad=1
        elf_has "$binary" '^ *Type: +DYN ' "not position-independent" || bad=1
        case $binary in
        *.so | *.so.*) ;;
        *) elf_has "$binary" '\(FLAGS_1\).*PIE' "not PIE" || bad=1 ;;
        esac
        ! readelf -dW "$binary" | grep -q TEXTREL || complain "$binary: text relocations" || bad=1
        nm -u "$binary" 2>/dev/null | grep -q __stack_chk_fail ||
            complain "$binary: no stack protector" || bad=1
    done
    [ "$found" -ge 2 ] || complain "no binaries in $BUILD" || bad=1
    return $bad
}

passed=0
failed=0
# NAME FUNCTION
run() {
    [ "${#CHOSEN[@]}" -eq 0 ] || [[ " ${CHOSEN[*]} " == *" $1 "* ]] || return 0
    if "$2" >"$WORK/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "lint: $1"
        sed 's/^/    /' "$WORK/out"
    fi
}

CHOSEN=("$@")
run clang-format format
run gcc compile_gcc
run clang compile_clang
run cppcheck run_cppcheck
run clang-tidy run_tidy
run shellcheck run_shellcheck
run python python
run mandoc manual
run references references
run licence licence
run include-rule includes
run core-symbols core_symbols
run exports exports
run siblings siblings
run needed needs_libc_alone
run hardening hardening

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
