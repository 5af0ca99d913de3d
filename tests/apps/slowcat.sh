#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Answers each datagram of 56 octets after about 20 ms: what stands behind a UDP server such as
# socat UDP6-LISTEN:7,fork,reuseaddr EXEC:"slowcat.sh FILE". FILE.PID holds the datagram meanwhile.
while dd bs=56 count=1 status=none >"$1.$$" && [ -s "$1.$$" ]; do
    sleep 0.02
    cat "$1.$$"
done
rm -f "$1.$$"
