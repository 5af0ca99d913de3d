#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmping --live: what the chart draws is what link and server were set to, losses included, in
# terminals of tmux of two sizes and while one is resized; without colours, on a dumb terminal and
# into a pipe. The terminal is left as it was, with the summary on it. As root.
# shellcheck disable=SC2317 # the conditions are called through check and wait_for
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/terminal.sh
. tests/e2e/terminal.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PING=$AGENTS_BIN/pdmping
PORT=7008
THINK_MS=40 # twice what the link takes, both ways together
LINK_MS=10  # each way

# What the columns of the chart have: cells of N, S, X and T of each, the newest first, and the
# cells that a millisecond has by the scale; those without any are left out.
columns() {
    terminal_text | awk '
        / ms/ && $1 + 0 > 0 && !scale { scale = $1 }
        scale && !done { row[++rows] = $0; if (length > width) width = length }
        /now$/ { done = 1 }
        END {
            for (c = width; c > 12; c--) {
                split("", n)
                for (i = 1; i < rows; i++) n[substr(row[i], c, 1)]++
                if (n["N"] + n["S"] + n["X"] + n["T"] > 0)
                    print n["N"] + 0, n["S"] + 0, n["X"] + 0, n["T"] + 0, (rows - 1) / scale
            }
        }'
}
# MINIMUM CONDITION of awk's on n, s, x, t and ms, a number of cells: so many columns meet it
columns_are() {
    columns | awk "{ n = \$1; s = \$2; x = \$3; t = \$4; ms = \$5 } $2 { good++ }
        END { exit !(good >= $1) }" || { columns | head -n 20; terminal_text; return 1; }
}
# As many columns of that kind, soon
draws() { wait_for "columns_are $1 '$2' >/dev/null" 8 || columns_are "$1" "$2"; }

# The network is as it was set; the server may be slower on a machine with other work.
BOTH="n >= 2 * $LINK_MS * ms - 1 && n <= 2 * ($LINK_MS + 5) * ms + 1 && s >= ($THINK_MS - 1) * ms - 1 && t == 0"

net_up 37 || exit
net_on_exit terminal_end
AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
agents_up encrypted || exit
link_set both delay=${LINK_MS}ms
start_server "$BUILD/tests/apps/slowecho" -t $((THINK_MS * 1000)) :: "$PORT"
wait_for "in_server ss -Hlun 'sport = :$PORT' | grep -q ." 5

LIVE="$PING --live -i 0.2 -p $PORT $SERVER_ADDR"

terminal_begin 80x24 "$LIVE"
check "80x24: its figures" terminal_shows "$SERVER_ADDR .* sent, .* received"
check "80x24: network and server are drawn as they are" draws 10 "$BOTH"
check "80x24: the scale" terminal_shows '^ +[1-5]00\.0 ms'
check "80x24: fills the screen and no more" terminal_fits 80
link_set both loss=100
check "what is lost is drawn" draws 3 'x == 1'
link_set both loss=0
check "and what comes after" draws 12 "$BOTH"
terminal_resize 200x50
check "resized to 200x50: higher columns" draws 10 "$BOTH && s >= 8"
check "resized to 200x50: fits" terminal_fits 200
terminal_resize 80x24
check "and back" draws 10 "$BOTH"
terminal_resize 30x5
sleep 0.5
terminal_resize 80x24
check "and after one too small" draws 10 "$BOTH"
check "in colours" terminal_coloured
terminal_type q
check "q: the terminal is as it was, with the summary" terminal_as_before 'packets transmitted'
check "and whose share is the larger" terminal_shows 'network [1-3][0-9]%  server [6-8][0-9]%'
terminal_end

link_set both delay=60ms
terminal_begin 200x50 "NO_COLOR=1 $LIVE"
check "200x50: a slower link is more network" draws 10 'n >= 119 * ms - 1 && n <= 130 * ms + 1 && s >= 3'
check "NO_COLOR: no colours" terminal_plain
terminal_type C-c
check "^C: the terminal is as it was, with the summary" terminal_as_before 'packets transmitted'
check "and whose share is the larger" terminal_shows 'network [5-7][0-9]%  server [2-4][0-9]%'
terminal_end
link_set both delay=${LINK_MS}ms

terminal_begin 80x50 "$LIVE 2001:db8:2::99"
check "two hosts: a chart each" draws 10 "$BOTH"
check "two hosts: what is missing, and why" terminal_shows '^2001:db8:2::99 .*received'
terminal_type q
check "two hosts: both summaries" terminal_as_before '2001:db8:2::99 ping statistics'
terminal_end

terminal_begin 80x24 "TERM=dumb $LIVE"
check "a dumb terminal: lines" terminal_shows 'bytes from .*net='
terminal_type C-c
check "a dumb terminal: the summary" terminal_shows 'packets transmitted'
terminal_end
piped() {
    # shellcheck disable=SC2086 # words
    client $LIVE -c 3 >"$NET_DIR/piped"
    [ "$(grep -c 'bytes from' "$NET_DIR/piped")" = 3 ] && ! grep -q "$(printf '\033')" "$NET_DIR/piped"
}
check "a pipe: lines" piped
terminal_begin 80x24 "$LIVE -c 5; echo exit code \$?"
check "-c: ends by itself, with its exit code" terminal_shows '^exit code 0$'
terminal_type "$PING --live -p $PORT no.such.host.invalid; echo exit code \$?" Enter
check "no such host: a line and exit code 2" terminal_shows '^exit code 2$'
check "no such host: the line" terminal_shows '^pdmping: .*no.such.host.invalid'
terminal_end
quiet() { client "$PING" --live -q "$SERVER_ADDR" 2>"$NET_DIR/err"; [ $? = 2 ] && grep -- '-q shows' "$NET_DIR/err"; }
check "-q and --live exclude each other" quiet

agents_down
tally
