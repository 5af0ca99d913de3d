#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds pdmping's output against its schema and against conditions.

    pdmping_check.py json LABEL FILE LINK CONDITION...
    pdmping_check.py csv LABEL FILE ROWS

`json`: every line of FILE is as conf/schema/pdmping-2.json says, without a member that it does not
know, and every CONDITION holds: a Python expression, of `s` (the last summary), `summaries`,
`replies`, `events` (all of them) and `link`, the link simulator's counters in the file LINK.
`csv`: as many rows of the type reply, each with as many fields as the header.
"""
import csv
import json
import sys

import jsonschema

SCHEMA = "conf/schema/pdmping-2.json"


class Failed(Exception):
    """A check did not hold; the text says which."""


def closed(schema):
    """The schema, with all objects that list their members closed to others."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema


def validator():
    with open(SCHEMA, encoding="ascii") as source:
        schema = json.load(source)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(closed(schema))


def no_constant(name):
    raise ValueError(name + " is no JSON")


def read_events(path):
    valid = validator()
    events = []
    with open(path, encoding="ascii") as source:
        for line in source:
            if not line.endswith("\n"):
                raise Failed("a line is cut: " + line)
            event = json.loads(line, parse_constant=no_constant)
            # Against the definition of its type alone: the message is then of use.
            error = jsonschema.exceptions.best_match(
                valid.evolve(schema={**valid.schema, "oneOf": [{"$ref": "#/$defs/" + event["type"]}]})
                .iter_errors(event))
            if error:
                raise Failed("%s in %s" % (error.message, line))
            events.append(event)
    return events


def read_link(path):
    with open(path, encoding="ascii") as source:
        return {name: int(value) for name, value in (line.split() for line in source)}


def check_json(path, link, *conditions):
    events = read_events(path)
    summaries = [event for event in events if event["type"] == "summary"]
    known = {
        "events": events,
        "summaries": summaries,
        "s": summaries[-1] if summaries else None,
        "replies": [event for event in events if event["type"] == "reply"],
        "link": read_link(link),
    }
    for condition in conditions:
        if not eval(condition, {}, known):  # the test's own words
            raise Failed("%s; link %s; summary %s"
                         % (condition, {k: v for k, v in known["link"].items() if v},
                            json.dumps(known["s"])))
    return "%d events" % len(events)


def check_csv(path, count):
    with open(path, encoding="ascii", newline="") as source:
        rows = list(csv.reader(source, strict=True))
    header, rows = rows[0], rows[1:]
    if any(len(row) != len(header) for row in rows):
        raise Failed("a row has not %d fields" % len(header))
    replies = [dict(zip(header, row)) for row in rows if row[1] == "reply"]
    if len(replies) != int(count):
        raise Failed("%d replies" % len(replies))
    for reply in replies:
        if int(reply["rtt"]) <= 0 or (reply["network"] == "") == (reply["network_reason"] == ""):
            raise Failed("a row makes no sense: %s" % reply)
    return "%d rows" % len(rows)


def main():
    kind, label, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    try:
        said = check_json(*rest) if kind == "json" else check_csv(*rest)
        print("ok    %s: %s" % (label, said))
    except (Failed, ValueError, KeyError, TypeError) as why:
        sys.exit("FAIL  %s: %s: %s" % (label, type(why).__name__, why))


if __name__ == "__main__":
    main()
