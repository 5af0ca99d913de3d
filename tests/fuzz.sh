#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make fuzz: every harness of tests/fuzz under ASan and UBSan, about a minute in all.
# FUZZ_SECONDS is the time of all together; names of harnesses (option, config, ...) choose some.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=build}" "${FUZZ_SECONDS:=40}"
mkdir -p "$BUILD/fuzz" && OUT=$(cd "$BUILD/fuzz" && pwd) || exit 1
CHECKS=address,undefined
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

objects() { printf "$OUT/%s\n" "$@" | sed 's/\.c$/.o/'; }

# What a parser may need: the core, the configuration, the daemons but their main(), and of the shim
# and the tools what is bytes in, bytes out.
PRODUCT=(core/*.c conf/*.c shim/control.c shim/echo.c cli/json.c cli/histogram.c
    cli/pdmping/blame.c cli/pdmping/jitter.c cli/pdmping/slo.c cli/pdmping/tally.c
    cli/pdmperf/format.c cli/pdmperf/net/arrival.c cli/pdmperf/net/message.c
    cli/pdmrun/elf.c cli/pdmrun/script.c cli/pdmctl/delay.c
    cli/pdmctl/format.c cli/pdmctl/decode/*.c)
for source in keyagent/*.c keyagent/*/*.c; do
    case $source in
    */main.c | */admin.c) ;;
    *) PRODUCT+=("$source") ;;
    esac
done

build() {
    local harness
    mapfile -t linked < <(objects "${PRODUCT[@]}")
    mapfile -t harnesses < <(objects "$@")
    make -s -j2 say= BUILD="$OUT" CC=clang HARDEN= \
        OPT=-O1 SANITIZE="-fsanitize=fuzzer-no-link,$CHECKS -fno-sanitize-recover=all" \
        "${linked[@]}" "${harnesses[@]}" || return
    for harness in "${harnesses[@]}"; do
        clang -fsanitize=fuzzer,$CHECKS "$harness" "${linked[@]}" -liniparser -levent_openssl \
            -levent_extra -levent_core -lssl -lcrypto -lgmp -lsqlite3 -lpq -lpcap -lsodium -lm \
            -o "$OUT/$(basename "$harness" .o)" || return
    done
}

# NAME SECONDS; what is found and what a harness writes is thrown away: a run leaves the corpus as
# it is.
fuzz() {
    mkdir -p "$WORK/$1" "$OUT/failed"
    [ ! -d "tests/fuzz/corpus/$1" ] || cp "tests/fuzz/corpus/$1/"* "$WORK/$1/"
    if (cd "$WORK" && "$OUT/fuzz_$1" -max_total_time="$2" -timeout=5 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$OUT/failed/$1-" "$1") >"$WORK/out" 2>&1; then
        echo "fuzz: $1: $(sed -nE 's/^stat::number_of_executed_units: +//p' "$WORK/out") runs"
        return 0
    fi
    tail -n 40 "$WORK/out"
    echo "fuzz: $1 failed"
    return 1
}

sources=(tests/fuzz/fuzz_*.c)
[ "$#" -eq 0 ] || sources=("${@/#/tests/fuzz/fuzz_}")
[ "$#" -eq 0 ] || sources=("${sources[@]/%/.c}")
build "${sources[@]}" || exit 1

passed=0
failed=0
each=$((FUZZ_SECONDS / ${#sources[@]}))
for source in "${sources[@]}"; do
    name=$(basename "$source" .c)
    # 0 would mean for ever.
    if fuzz "${name#fuzz_}" $((each > 0 ? each : 1)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
