#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# README.md as a new user would try it: two fresh machines of Debian 12, on which nothing is installed
# but what it names, one with make install, one with the packages; every command in it gives what it
# says. As root. It takes minutes and the network: so with CHECK_LONG=1 alone. test_examples.sh does
# what follows the installation with the binaries that are built here.
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}" "${CHECK_LONG:=0}"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/machine.sh
. tests/net/machine.sh
# shellcheck source=tests/e2e/readme.sh
. tests/e2e/readme.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh
BLOCK_SECONDS=60
FRESH_SECONDS=900

if [ "$CHECK_LONG" -ne 1 ]; then
    echo "fresh machines take minutes and the network: see make check-long"
    exit 77
fi
[ "$(id -u)" -eq 0 ] || { echo "test_readme: must be run as root"; exit 1; }
WORK=$(mktemp -d) || exit 1
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

# HOST: with the sources in /root/pdmv2, and an apt-get that does not ask
make_host() {
    local machine=$WORK/$1
    machine_make "$machine" && mkdir "$machine/root/pdmv2" &&
        tar -c --exclude=./build --exclude=./.git --exclude="./$BUILD" . | tar -x -C "$machine/root/pdmv2" &&
        echo 'APT::Get::Assume-Yes "true";' >"$machine/etc/apt/apt.conf.d/assume-yes" &&
        machine_run "$machine" apt-get -q update
}

# What it copies is taken to the server behind each block.
make_scp() {
    mkdir -p "$WORK/client/root/server/etc/pdmv2" && readme_scp /root/server &&
        cp "$WORK/bin/scp" "$WORK/client/usr/local/sbin/scp"
}

# Where nothing of the network is: in the namespace of HOST.
run_on() {
    cp "$2" "$WORK/$1/root/block" || return
    # shellcheck disable=SC2016 # the inner shell's
    in_"$1" bash -c '. tests/net/machine.sh && machine_run "$@"' - "$WORK/$1" \
        timeout "$BLOCK_SECONDS" bash -e /root/block || return
    [ "$1" != client ] || cp -a "$WORK/client/root/server/etc/." "$WORK/server/etc/"
}
fresh_on() {
    cp "$2" "$WORK/$1/root/block" &&
        machine_run "$WORK/$1" sh -c "cd /root/pdmv2 && exec timeout $FRESH_SECONDS bash -e /root/block"
}

check "two fresh machines" eval 'make_host client && make_host server'
check "scp" make_scp
check "two hosts" net_up
check "README: blocks" readme_extract
[ "$FAILED" -ne 0 ] || readme fresh run file
tally
