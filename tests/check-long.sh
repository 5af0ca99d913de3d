#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make check-long: make check, with the long form of every suite that has one.
CHECK_LONG=1 exec "$(dirname "$0")/check.sh" "$@"
