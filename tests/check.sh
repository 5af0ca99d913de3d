#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make check: every suite, a line each; CHECK_LONG=1 (make check-long) runs the long form of those
# that have one. The output of each is kept in $BUILD/log; that of a suite that fails is shown.
# Names of suites as arguments choose some. Needs root, for network namespaces and for packages that
# are missing.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=build}" "${PYTHON:=/usr/bin/python3}" "${CHECK_LONG:=0}"
export BUILD PYTHON CHECK_LONG
LOG=$BUILD/log
SHOWN=60  # lines of a failed suite

if [ "$(id -u)" -ne 0 ]; then
    echo "check: root is needed, for network namespaces" >&2
    exit 1
fi
.ci/packages || exit 1
mkdir -p "$LOG" || exit 1

passed=0
failed=0
skipped=0

seconds() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

# A suite that says "N passed, M failed" counts as so many tests, any other as one. What it ends may
# still say something after it.
count() {
    local tally
    tally=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    if [[ $tally =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ "$2" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
    elif [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

log_of() { echo "$LOG/${1//\//-}.log"; }
chosen() { [ "${#CHOSEN[@]}" -eq 0 ] || [[ " ${CHOSEN[*]} " == *" $1 "* ]]; }

# NAME CMD...: runs a suite; how it ended, and how long it took, in its log's .end
run() {
    local log began=$EPOCHREALTIME status
    log=$(log_of "$1")
    "${@:2}" >"$log" 2>&1 </dev/null
    status=$?
    echo "$status $(seconds "$began")" >"$log.end"
}

# NAME: exit code 77 says that the suite cannot run here, its last line why.
report() {
    local log status took
    log=$(log_of "$1")
    read -r status took <"$log.end"
    rm -f "$log.end"
    if [ "$status" -eq 77 ]; then
        skipped=$((skipped + 1))
        printf 'skip  %-24s %s\n' "$1" "$(tail -n 1 "$log")"
        return
    fi
    count "$log" "$status"
    if [ "$status" -eq 0 ]; then
        printf 'pass  %-24s %7s s\n' "$1" "$took"
    else
        printf 'FAIL  %-24s %7s s\n' "$1" "$took"
        tail -n "$SHOWN" "$log" | sed 's/^/      /'
    fi
}

# NAME CMD...
suite() {
    chosen "$1" || return 0
    run "$@"
    report "$1"
}

# NAME FUNCTION, ...: one after the other with the time that nobody else wants, reported by end_idle.
IDLE=()
suites_idle() {
    IDLE=("$@")
    (
        chrt -i -p 0 "$BASHPID" 2>/dev/null || renice -n 19 "$BASHPID" >/dev/null
        while [ $# -gt 0 ]; do
            ! chosen "$1" || run "$1" "$2"
            shift 2
        done
    ) &
    IDLE_PID=$!
}

end_idle() {
    local i
    wait "$IDLE_PID"
    for ((i = 0; i < ${#IDLE[@]}; i += 2)); do
        ! chosen "${IDLE[i]}" || report "${IDLE[i]}"
    done
}

# PID...: how many of them are still there
running() {
    local pid count=0
    for pid in "$@"; do
        ! kill -0 "$pid" 2>/dev/null || count=$((count + 1))
    done
    echo "$count"
}

# AT_ONCE SCRIPT...: end-to-end suites, so many beside each other, in namespaces of their own; they
# mostly wait.
BESIDE=()
suites_beside() {
    local at_once=$1 script name pids=()
    shift
    for script in "$@"; do
        name=$(basename "$script" .sh)
        name=e2e/${name#test_}
        chosen "$name" || continue
        while [ "$(running "${pids[@]}")" -ge "$at_once" ]; do
            wait -n
        done
        run "$name" "$script" &
        pids+=("$!")
        BESIDE+=("$name")
    done
    [ "${#pids[@]}" -eq 0 ] || wait "${pids[@]}"
}

# Reports them in the order in which they began. One that failed is told of and run again by itself:
# what it does not survive beside others it must survive alone.
end_beside() {
    local name
    for name in "${BESIDE[@]}"; do
        again "$name"
        report "$name"
    done
    BESIDE=()
}

# NAME: of a suite beside others
again() {
    local log status took
    log=$(log_of "$1")
    read -r status took <"$log.end"
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        printf 'again %-24s %7s s: it failed beside others:\n' "$1" "$took"
        grep -a '^FAIL' "$log" | head -n 5 | sed 's/^/      /'
        cp "$log" "$log.beside"
        run "$1" "$(script_of "$1")"
    fi
}

script_of() {
    local script
    for script in tests/e2e/test_"${1#e2e/}".sh tests/net/test_"${1#e2e/}".sh; do
        [ ! -e "$script" ] || echo "$script"
    done
}

build_all() { make -s -j2 say= BUILD="$BUILD" all apps; }

# DIR TESTS MAKE-VARIABLES...: builds the Criterion tests TESTS into DIR and runs each.
unit() {
    local dir=$1 tests=$2 test line good=0 bad=0
    local programs=()
    shift 2
    for test in $tests; do
        programs+=("$dir/tests/unit/$test")
    done
    [ "${#programs[@]}" -gt 0 ] || return
    make -s -j2 say= BUILD="$dir" "$@" "${programs[@]}" || return
    # Two at a time: many wait for a clock or a disk.
    for test in "${programs[@]}"; do
        [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
        "$test" >"$test.out" 2>&1 &
    done
    wait
    for test in "${programs[@]}"; do
        echo "== $test"
        grep -aqE 'Failing: 0 \| Crashing: 0' "$test.out" || cat "$test.out"
        line=$(grep -a 'Synthesis: Tested' "$test.out" | tail -n 1)
        if [[ $line =~ Tested:.*\ ([0-9]+).*Passing:.*\ ([0-9]+).*Failing:.*\ ([0-9]+).*Crashing:.*\ ([0-9]+) ]]; then
            good=$((good + BASH_REMATCH[2]))
            bad=$((bad + BASH_REMATCH[1] - BASH_REMATCH[2]))
        else
            echo "$test did not finish"
            bad=$((bad + 1))
        fi
    done
    echo "$good passed, $bad failed"
    [ "$bad" -eq 0 ]
}

lint() { LINT_ANALYZER=$CHECK_LONG tests/lint.sh; }
fuzz() { FUZZ_SECONDS=$((CHECK_LONG ? 300 : 20)) tests/fuzz.sh; }

names() { basename -a -s .c "$@" | tr '\n' ' '; }

unit_plain() { unit "$BUILD" "$(names tests/unit/test_*.c)"; }

unit_asan() {
    UBSAN_OPTIONS=print_stacktrace=1 unit "$BUILD/asan" "$(names tests/unit/test_*.c)" OPT=-O1 HARDEN= \
        SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
}

# Those that make threads. The sanitizer does not know fences; nothing here depends on one for it.
unit_tsan() {
    local threaded
    mapfile -t threaded < <(grep -l '<pthread.h>\|<threads.h>' tests/unit/test_*.c)
    TSAN_OPTIONS=halt_on_error=1 unit "$BUILD/tsan" "$(names "${threaded[@]}")" OPT=-O1 HARDEN= DEFS="-Itests/threads -Wno-tsan" \
        SANITIZE=-fsanitize=thread
}

witness() {
    local output status
    output=$("$PYTHON" -B tests/witness/test_witness.py 2>&1)
    status=$?
    echo "$output"
    # Which of them failed is in the output above; how many there were, in its end.
    [[ $output =~ Ran\ ([0-9]+)\ test ]] || return 1
    [ "$status" -ne 0 ] || echo "${BASH_REMATCH[1]} passed, 0 failed"
    return "$status"
}

CHOSEN=("$@")
suite build build_all
suite unit unit_plain
suite witness witness
# Those that compare milliseconds have the machine to themselves, but for another of their kind.
# Those that keep processors busy come next. Of all the longest begin first, so that none is left
# alone at the end.
exact=(e2e/test_icmp e2e/test_truth e2e/test_tcp e2e/test_stats e2e/test_pdmping net/test_linksim)
busy=(nonce transparent system faults web)
longest=(path pdmperf_net registration_witness kept_out modes)
exact=("${exact[@]/#/tests/}")
busy=("${busy[@]/#/tests/e2e/test_}")
longest=("${longest[@]/#/tests/e2e/test_}")
others=()
for script in tests/e2e/test_*.sh; do
    [[ " ${exact[*]} ${busy[*]} ${longest[*]} " == *" ${script%.sh} "* ]] || others+=("$script")
done
sync # what the builds wrote: agents' own writes would wait behind it
suites_beside 3 "${exact[@]/%/.sh}"
end_beside
suites_beside 3 "${busy[@]/%/.sh}"
end_beside
# What computes all the time goes beside those that mostly wait.
suites_idle lint lint unit-asan unit_asan unit-tsan unit_tsan fuzz fuzz
suites_beside 3 "${longest[@]/%/.sh}" "${others[@]}"
end_idle
end_beside

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
printf '\n'
[ "$failed" -eq 0 ]
