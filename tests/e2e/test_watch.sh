#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmctl flows, sorted, filtered and watched: in terminals of tmux of two sizes and while one is
# resized, without colours, on a dumb terminal and into a pipe; the terminal is left as it was. As
# root.
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

SMALL=80x24
LARGE=200x50
FLOWS=40

PDMCTL=$AGENTS_BIN/pdmctl
flows() { client "$PDMCTL" flows "$@"; }

not() { ! "$@"; }

net_up 31 || exit
net_on_exit terminal_end
AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
agents_up plain || exit
link_set both delay=5ms
start_server socat UDP6-LISTEN:7007,fork,reuseaddr PIPE
wait_for "in_server ss -Hlun 'sport = :7007' | grep -q ." 5
for ((i = 0; i < FLOWS; i++)); do
    start_client "$BUILD/pdmping" -q -i 0.3 -p 7007 "$SERVER_ADDR" >/dev/null
done
all_there() { [ "$(flows | wc -l)" -eq $((FLOWS + 1)) ] && ! flows | grep -q 'n/a'; }
wait_for all_there 10 || { flows; exit 1; }

# Sorted and filtered.
column() { awk -v c="$1" 'NR > 1 { print $c }'; }
sorted() { flows --sort "$1" | column "$2" >"$NET_DIR/column"; sort -c "$3" "$NET_DIR/column"; }
check "sorted by the network's delay, the longest first" sorted net 7 -rn
check "by the server's" sorted srv 9 -rn
check "by options sent" sorted sent 11 -rn
check "by process" sorted pid 5 -n
unknown_order() { flows --sort name 2>"$NET_DIR/err"; [ $? = 2 ] && grep 'net srv sent' "$NET_DIR/err"; }
check "by what is not there: a line and exit code 2" unknown_order
is_count() { [ "$("${@:2}" | column 1 | wc -l)" = "$1" ]; }
check "with a peer" is_count $FLOWS flows --peer 2001:db8:2::/64
check "with another" is_count 0 flows --peer 2001:db8:3::/64
check "of an association" is_count $FLOWS flows --association link
no_association() { flows --association lunk 2>"$NET_DIR/err"; [ $? = 1 ] && grep 'no association lunk' "$NET_DIR/err"; }
check "of none: a line and exit code 1" no_association
no_prefix() { flows --peer lunk 2>"$NET_DIR/err"; [ $? = 2 ] && grep -- '--peer lunk' "$NET_DIR/err"; }
check "a peer that is no prefix" no_prefix
json() { flows -j --sort pid --peer "$SERVER_ADDR" | jq -se 'length == '$FLOWS' and ([.[].pid] | . == sort)' ; }
check "JSON likewise" json

# Watched.
terminal_begin $SMALL "$PDMCTL flows --watch -i 0.5"
check "$SMALL: a view" terminal_shows "pdmctl flows .* $FLOWS flows, from 1 "
check "$SMALL: fills the screen" terminal_lines 24
check "$SMALL: no line is longer" terminal_fits 80
check "$SMALL: whose delays, and both of them" terminal_shows 'PEER .*NET/ms +SRV/ms'
terminal_type s
check "s: sorted by something else" terminal_shows '^sorted by srv '
terminal_type Down Down Down
check "down: further on" terminal_shows "from 4 "
terminal_type End
check "end: the last" terminal_shows "from $((FLOWS - 24 + 3 + 1)) "
terminal_type Home
terminal_resize 200x50
check "resized to $LARGE: all of them, all columns" terminal_shows 'PATH$'
check "resized to $LARGE: fills it" terminal_lines $((FLOWS + 3))
terminal_resize 80x24
wait_for "terminal_lines 24" "$TERMINAL_SOON"
check "and back" terminal_lines 24
terminal_resize 20x2
sleep 0.7
terminal_resize 80x24
check "and after one too small for anything" terminal_shows "$FLOWS flows, from 1 "
terminal_type q
check "q: the terminal is as it was" terminal_as_before
terminal_end

terminal_begin $LARGE "$PDMCTL flows --watch"
check "$LARGE: a view" terminal_shows "$FLOWS flows, from 1 "
check "$LARGE: the delays that the link has" terminal_shows ' 10\.[0-9]{3} .* carries$'
terminal_type C-c
check "^C: the terminal is as it was" terminal_as_before
terminal_type "NO_COLOR=1 $PDMCTL flows --watch" Enter
check "NO_COLOR: a view" terminal_shows "$FLOWS flows, from 1 "
terminal_type C-z
check "^Z: the shell is there" terminal_shows Stopped
terminal_type fg Enter
check "fg: the view again" terminal_shows "$FLOWS flows, from 1 "
terminal_type q
check "and then as before" terminal_as_before

terminal_end

terminal_begin $LARGE "TERM=dumb $PDMCTL flows --watch -i 0.5"
check "a dumb terminal: one table after the other" terminal_shows "^[0-9:]{8}  $FLOWS flows"
escapes() { terminal_tmux capture-pane -p -e | grep "$(printf '\033')"; }
check "a dumb terminal: no escape sequences" not escapes
terminal_type C-c
check "a dumb terminal: ^C" terminal_shows '^\$ ?$|\^C\$'
terminal_end

piped() {
    flows --watch -i 0.2 | head -n $((3 * (FLOWS + 3))) >"$NET_DIR/piped"
    [ "$(grep -c "$FLOWS flows$" "$NET_DIR/piped")" = 3 ] && ! grep -q "$(printf '\033')" "$NET_DIR/piped"
}
check "a pipe: one table after the other, until nobody reads" piped
full() { flows --watch >/dev/full 2>"$NET_DIR/err"; [ $? = 1 ] && grep 'cannot write' "$NET_DIR/err"; }
check "output that cannot be written" full
once() { flows -i 1 2>"$NET_DIR/err"; [ $? = 2 ] && grep 'goes with --watch' "$NET_DIR/err"; }
check "an interval without --watch is refused" once

# Without an agent.
terminal_begin $SMALL "$PDMCTL flows --watch -i 0.3; echo exit code \$?"
check "a view" terminal_shows "$FLOWS flows, from 1 "
agents_down
check "the agent ends: the view says so" terminal_shows '^no agent at '
check "in colour" terminal_coloured
terminal_type q
check "and then the exit code" terminal_shows '^exit code 3$'
terminal_type "NO_COLOR=1 $PDMCTL flows --watch" Enter
check "NO_COLOR: the view says so too" terminal_shows '^no agent at .*s$'
check "without colours" terminal_plain
terminal_type q
terminal_end
gone() { flows --watch >"$NET_DIR/out" 2>"$NET_DIR/err"; [ $? = 3 ] && grep 'no agent at' "$NET_DIR/err"; }
check "no agent, into a file: a line and exit code 3" gone

tally
