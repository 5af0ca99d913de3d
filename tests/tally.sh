# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests: what held, what did not, and the line that they end with. What a check prints
# goes by way of a file in $WORK, or $NET_DIR.
#
#   check WHAT CMD...   a test: that CMD succeeds, run in this shell; shows what it prints if not
#   say WORD TEXT       a line; a test if WORD is ok or FAIL
#   count STATUS        a test that was shown otherwise
#   tally               "N passed, M failed"; fails if one did

PASSED=0
FAILED=0
CHECK_SHOWN=40 # lines

count() {
    if [ "$1" -eq 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
}

say() {
    printf '%-4s  %s\n' "$1" "${*:2}"
    case $1 in
    ok) count 0 ;;
    FAIL) count 1 ;;
    esac
}

check() {
    local said=${WORK:-$NET_DIR}/check
    if "${@:2}" >"$said" 2>&1; then
        say ok "$1"
    else
        say FAIL "$1"
        tail -n "$CHECK_SHOWN" "$said" | sed 's/^/      /'
    fi
}

tally() {
    echo "$PASSED passed, $FAILED failed"
    [ "$FAILED" -eq 0 ]
}
