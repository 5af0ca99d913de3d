# SPDX-License-Identifier: BSD-2-Clause
# complete.fish DIRECTORY: for each line on standard input, what fish offers at its end, with blanks
# between. The scripts in DIRECTORY have the names of the programs.
for script in $argv[1]/*
    source $script
end
while read -l line
    echo (complete -C "$line" | string replace -r '\t.*' '')
end
