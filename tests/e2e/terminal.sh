# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/net/netns.sh and agents.sh: a terminal of tmux with a shell in the
# client's namespace.
#
#   terminal_begin SIZE [CMD]   80x24, say; with something on it from before; runs CMD
#   terminal_type KEY...        as tmux names them
#   terminal_resize SIZE
#   terminal_text               what it shows
#   terminal_shows PATTERN      soon; else fails, and prints what it shows instead
#   terminal_lines N            as many lines that are not empty
#   terminal_fits COLUMNS       no line is longer
#   terminal_coloured, terminal_plain   something on it has a colour; nothing has
#   terminal_as_before [PATTERN]   the shell is back, with what was there before and PATTERN; the
#                               terminal's settings are as they were
#   terminal_end

TERMINAL_SOON=15 # seconds, on a machine with other work
TERMINAL=0       # how many there have been: a server that is ending still holds its socket's name

terminal_tmux() { tmux -L "pdm-$$-$TERMINAL" -f /dev/null "$@"; }
terminal_text() { terminal_tmux capture-pane -p; }
terminal_type() { terminal_tmux send-keys "$@"; }
terminal_resize() { terminal_tmux resize-window -x "${1%x*}" -y "${1#*x}"; }
terminal_end() { terminal_tmux kill-server 2>/dev/null; }

terminal_begin() {
    TERMINAL=$((TERMINAL + 1))
    rm -f "$NET_DIR/before" "$NET_DIR/after"
    terminal_tmux new-session -d -x "${1%x*}" -y "${1#*x}" "ip netns exec $CLIENT_NS env \
        PDMV2_AGENT=$NET_DIR/client/agent.sock PS1='$ ' TERM=tmux-256color bash --norc"
    terminal_tmux set-option -g status off >/dev/null
    terminal_resize "$1"
    terminal_type "echo before; stty -g >$NET_DIR/before" Enter
    wait_for "[ -s '$NET_DIR/before' ]" "$TERMINAL_SOON"
    [ -z "${2:-}" ] || terminal_type "$2" Enter
}

terminal_shows() {
    wait_for "terminal_text | grep -qE -- '$1'" "$TERMINAL_SOON" || { terminal_text; return 1; }
}

terminal_lines() { [ "$(terminal_text | grep -c .)" = "$1" ] || { terminal_text; return 1; }; }
terminal_fits() { [ "$(terminal_text | wc -L)" -le "$1" ] || { terminal_text; return 1; }; }
terminal_coloured() {
    terminal_tmux capture-pane -p -e | grep -q "$(printf '\033\\[[0-9;]*3[1-7]m')"
}
terminal_plain() { ! terminal_coloured; }

terminal_as_before() {
    terminal_shows '^\$ ?$' || return
    terminal_text >"$NET_DIR/screen"
    cat "$NET_DIR/screen"
    grep -q '^before$' "$NET_DIR/screen" && grep -qE -- "${1:-^before$}" "$NET_DIR/screen" || return
    rm -f "$NET_DIR/after"
    terminal_type "stty -g >$NET_DIR/after" Enter
    wait_for "[ -s '$NET_DIR/after' ]" "$TERMINAL_SOON"
    cmp "$NET_DIR/before" "$NET_DIR/after"
}
