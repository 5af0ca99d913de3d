#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The law of nonces: no (key, nonce) pair is ever used for two different plaintexts. An oracle at
# the one place that seals watches programs, agents and machines that are killed, forked, restarted
# and reset; and mutants of the product, each of which breaks the law in one place, must be found
# out. Needs root. CHECK_LONG=1: ten times as much.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${BUILD:=$root/build}"
BUILD=$(cd "$BUILD" && pwd)
PYTHON=${PYTHON:-/usr/bin/python3}
here=$root/tests/nonce
work=$BUILD/nonce
oracle=$work/oracle
export NONCE_BIN=$work/bin
scenes=(generation_at_start generation_on_empty fork_unnoticed hand_back hand_back_withheld
    hand_back_lease overlap grant_before_durable)
[ "$(uname -m)" != x86_64 ] || scenes+=(lock_lost_in_fork) # it steps, which is made for x86-64

factor=1
limit=180 # of what must have happened so often; it ends when it has
if [ "${CHECK_LONG:-0}" = 1 ]; then
    factor=10
    limit=1800
fi
hundred=$((100 * factor))

fail() {
    echo "test_nonce: FAILED: $*" >&2
    exit 1
}

build_tools() {
    local cc=("${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -I"$root")
    mkdir -p "$NONCE_BIN"
    "${cc[@]}" "$here/check.c" -o "$NONCE_BIN/check"
    "${cc[@]}" -pthread "$here/torture.c" "$here/counters.c" -o "$NONCE_BIN/torture"
    "${cc[@]}" -shared -fPIC "$here/world.c" -o "$NONCE_BIN/world.so"
}

# TREE BUILD TARGET...: with the oracle in the library.
make_with_oracle() {
    make -C "$1" BUILD="$2" DEFS=-DPDM_NONCE_ORACLE SHIM_EXTRA="$2/tests/nonce/oracle.o" "${@:3}" >/dev/null
}

# Namespaces of its own: the test is process 1, and whatever it started ends with it. In dark0 is a
# neighbour that never answers.
drive() {
    # shellcheck disable=SC2016 # for the inner shell
    timeout $((limit + 60)) unshare -n -p -m -f --kill-child --mount-proc bash -euc '
        ip link set lo up
        ip link add dark0 type veth peer name dark1
        ip link set dark0 up
        ip link set dark1 up
        ip -6 addr add 2001:db8:dead::1/64 dev dark0 nodad
        exec "$@"' drive "$PYTHON" "$here/drive.py" "$@"
}

# NAME ARGUMENTS...: shows what was done; no repeat may be seen.
must_be_clean() {
    local name=$1 log
    log=$work/$1.log
    shift
    drive "$@" >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        fail "$name"
    }
    echo "nonce: $name: $(tr '\n' ' ' <"$log" | sed 's/ (at least \([0-9]*\))/\/\1/g')"
}

# Whether patch NAME concerns the library.
is_shim() { grep -q '^+++ b/\(shim\|core\)/' "$here/mutants/$1.patch"; }

# Sets PDM_BIN and PDM_SHIM to the product with patch NAME in it. Only what the patch changes is
# compiled anew.
build_mutant() {
    local tree=$work/mutants/$1/tree build=$work/mutants/$1/build
    mkdir -p "$tree/tests" "$build"
    cp -a "$root"/{Makefile,core,conf,shim,keyagent} "$tree/"
    cp -a "$here" "$tree/tests/"
    (cd "$tree" && patch -s -p1 --fuzz=0 <"$here/mutants/$1.patch") ||
        fail "mutant $1: its patch does not apply any more"
    if is_shim "$1"; then
        cp -a "$oracle/." "$build/"
        make_with_oracle "$tree" "$build" "$build/libpdmv2.so"
        export PDM_SHIM=$build/libpdmv2.so
        cmp -s "$PDM_SHIM" "$oracle/libpdmv2.so" && fail "mutant $1: nothing was changed"
    else
        cp -a "$BUILD"/{core,conf,keyagent,libpdmcore.a,pdmkeyagent,pdmctl} "$build/"
        make -C "$tree" BUILD="$build" "$build/pdmkeyagent" >/dev/null
        export PDM_BIN=$build
        cmp -s "$build/pdmkeyagent" "$BUILD/pdmkeyagent" && fail "mutant $1: nothing was changed"
    fi
    return 0
}

use_product() {
    export PDM_BIN=$BUILD PDM_SHIM=$oracle/libpdmv2.so
}

# The same scene with the product and with its mutant: the oracle must be silent, and speak.
must_be_caught() {
    local log=$work/$1.log status=0 found='repeats [1-9]'
    # Between two instructions there is room for a shared key, hardly for many seals under it.
    [ "$1" != lock_lost_in_fork ] || found='\(shared\|repeats\) [1-9]'
    use_product
    must_be_clean "the product in scene $1" scene "$work/run" "$1"
    build_mutant "$1"
    drive scene "$work/run" "$1" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 1 ] || ! grep -q "$found" "$log"; then
        cat "$log" >&2
        fail "mutant $1 was not caught (exit $status)"
    fi
    echo "nonce: mutant $1: caught: $(tail -n 1 "$log")"
}

[ "$(id -u)" -eq 0 ] || fail "must be run as root"
rm -rf "$work/mutants" "$work/run"
trap 'rm -rf "$work/mutants" "$work/run"' EXIT
build_tools
make -C "$root" BUILD="$BUILD" "$BUILD/pdmkeyagent" "$BUILD/pdmctl" >/dev/null
make_with_oracle "$root" "$oracle" "$oracle/libpdmv2.so"

for scene in "${scenes[@]}"; do
    must_be_caught "$scene"
done
use_product
export NONCE_LIMIT=$limit
must_be_clean "torture" torture "$work/run" \
    seals=$((1000000 * factor)) kills=$hundred forks=$hundred vfork_execs=$hundred \
    clones=$hundred clone_vms=$hundred clone_vforks=$hundred spawns=$hundred \
    handler_forks=$hundred thread_groups=$hundred reuses=$hundred twins=$hundred \
    restarts_term=$((5 * factor)) restarts_kill=$((5 * factor)) clock_jumps=$hundred \
    clock_asked=$hundred failed_efault=$hundred failed_econnrefused=$hundred \
    failed_emsgsize=$hundred failed_eagain=$hundred
must_be_clean "torture over TCP and ICMPv6" others "$work/run" \
    seals=$((1500 * factor)) connections=$hundred pings=$((20 * factor)) kills=$((20 * factor)) \
    forks=$((5 * factor)) vfork_execs=$((5 * factor)) clones=$((5 * factor)) \
    clone_vms=$((5 * factor)) clone_vforks=$((5 * factor)) spawns=$((5 * factor)) \
    handler_forks=$((5 * factor)) thread_groups=$((5 * factor)) \
    restarts_term=$((2 * factor)) restarts_kill=$((2 * factor)) failed_efault=$((20 * factor))
must_be_clean "ledger of 1, 2 and 3 entries" ledger "$work/run" \
    seals=$((10000 * factor)) generations=$hundred kills=$((10 * factor)) \
    reuses=$((10 * factor)) restarts_kill=$factor
if [ "$(uname -m)" = x86_64 ]; then
    if [ "$factor" -eq 1 ]; then
        must_be_clean "forks in a seal" stepped "$work/run" seal:3 stepped_forks=1000
        must_be_clean "forks in a turn" stepped "$work/run" turn:17 stepped_forks=200
        must_be_clean "kills in a turn" stepped "$work/run" kill:61 stepped_kills=60
    else
        must_be_clean "forks in a seal" stepped "$work/run" seal:1 stepped_forks=3000
        must_be_clean "forks in a turn" stepped "$work/run" turn:1 stepped_forks=3000
        must_be_clean "kills in a turn" stepped "$work/run" kill:2 stepped_kills=2000
        must_be_clean "forks in a renewal" stepped "$work/run" renewal:97 stepped_forks=500
        must_be_clean "forks in a change of Kri" stepped "$work/run" next:13 stepped_forks=3000
    fi
fi
echo "nonce: ok"
