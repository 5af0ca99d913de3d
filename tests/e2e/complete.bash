# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# complete.bash DIRECTORY: for each line on standard input, what bash offers at its end, with blanks
# between. The scripts in DIRECTORY have the names of the programs.
# shellcheck disable=SC1090,SC1091 # the host's, and those scripts
. /usr/share/bash-completion/bash_completion
for script in "$1"/*; do
    . "$script"
done
compopt() { :; } # only for a completion that readline has asked for

# shellcheck disable=SC2034 # as readline sets them
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    read -ra COMP_WORDS <<<"$COMP_LINE"
    [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    [[ $(complete -p "${COMP_WORDS[0]}") =~ -F\ ([^ ]+) ]] &&
        "${BASH_REMATCH[1]}" "${COMP_WORDS[0]}" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]:-}"
    printf "%s\n" "${COMPREPLY[*]}"
done
