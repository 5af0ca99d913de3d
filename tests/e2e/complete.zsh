# SPDX-License-Identifier: BSD-2-Clause
# complete.zsh DIRECTORY: for each line on standard input, what zsh offers at its end, with blanks
# between. The scripts in DIRECTORY have the names of the programs behind a '_'. zsh completes on a
# terminal only: so an interactive one is given a line and a tab, and notes what would be shown.
zmodload zsh/zpty zsh/zselect
typeset -x NOTES=$(mktemp)
trap 'zpty -d shell; rm -f $NOTES' EXIT

# Waits up to 10 seconds until the other shell has noted END.
ended() {
    local i seen
    for ((i = 0; i < 1000; i++)); do
        while zpty -rt shell seen; do :; done
        [[ $(tail -n 1 $NOTES) != END ]] || return 0
        zselect -t 1
    done
    print -u 2 "complete.zsh: no answer"
    exit 1
}

zpty -b shell zsh -f -i
# With -O, -A or -D compadd fills arrays, and shows nothing.
zpty -w shell "fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D
compadd() {
    local -a found
    [[ \${@[(I)-[OAD]]} -gt 0 ]] || { builtin compadd -A found \"\$@\"; print -rl -- \$found >>\$NOTES }
    builtin compadd \"\$@\"
}
note() { zle list-choices; print END >>\$NOTES; zle kill-whole-line }
zle -N note; bindkey '^X' note
LISTMAX=1000000; print END >>\$NOTES"
ended
while IFS= read -r line; do
    : >$NOTES
    zpty -wn shell "$line"$'\x18'
    ended
    print -r -- ${(f)"$(grep -vx END $NOTES)"}
done
