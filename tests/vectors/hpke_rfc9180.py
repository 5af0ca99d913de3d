#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes hpke-rfc9180.txt of the text of RFC 9180: hpke_rfc9180.py rfc9180.txt >hpke-rfc9180.txt

Of appendix A, what has a KEM that is ours: all but A.6. A section is one setup, one encryption
under it, or one value exported from it; blank lines end sections."""

import re
import sys

HEAD = """\
# SPDX-License-Identifier: BSD-2-Clause
# RFC 9180, appendix A, by hpke_rfc9180.py: numbers are decimal, all else is hexadecimal.
"""
HEADING = re.compile(r"(A\.\d+\.\d+)\.  |(A\.\d+\.\d+)\.\d+\.  |[A-Z]")
FIELD = re.compile(r" {3}([A-Za-z_ ]+):(?: ([0-9a-f]+))?")
MORE = re.compile(r" {3}([0-9a-f]+)")
# The fields that begin a section, and of what kind.
BEGINS = {"mode": "setup", "sequence number": "encryption", "exporter_context": "export"}


def sections(lines):
    """[(kind, name, [[key, value]...])...]"""
    found, name, fields = [], None, None
    for line in lines:
        heading = HEADING.match(line)
        field = FIELD.fullmatch(line)
        more = MORE.fullmatch(line)
        if heading:
            name, fields = heading[1] or heading[2], None
        elif field and name:
            if field[1] in BEGINS:
                fields = []
                found.append((BEGINS[field[1]], name, fields))
            fields.append([field[1].replace(" ", "_"), field[2] or ""])
        elif more and fields:
            fields[-1][1] += more[1]
        elif line:
            raise ValueError(line)
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as rfc:
        lines = rfc.read().split("\n")
    start = max(i for i, line in enumerate(lines) if line.startswith("A.1.  "))
    end = next(i for i, line in enumerate(lines) if i > start and line == "Acknowledgements")
    print(HEAD)
    for kind, name, fields in sections(lines[start:end]):
        if name.startswith("A.6."):
            continue
        print(f"[{kind} {name}]")
        for key, value in fields:
            print(f"{key} = {value}".rstrip())
        print()


main()
