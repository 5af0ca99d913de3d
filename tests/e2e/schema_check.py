# SPDX-License-Identifier: BSD-2-Clause
"""Holds JSON Lines against their schema.

  schema_check.py SCHEMA FILE [TYPE...]   every line of FILE is as conf/schema/SCHEMA.json says, and
                                          there is one of each TYPE
"""

import json
import os
import sys

import jsonschema

SCHEMAS = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "schema")


def validator(name):
    with open(os.path.join(SCHEMAS, name + ".json"), encoding="ascii") as source:
        schema = json.load(source)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def problem_of(valid, line):
    """What is wrong with a line of an object; None: nothing. Of a line with a type, by that type."""
    kind = line.get("type")
    if kind in valid.schema["$defs"]:
        valid = valid.evolve(schema={**valid.schema, "oneOf": [{"$ref": "#/$defs/" + kind}]})
    error = jsonschema.exceptions.best_match(valid.iter_errors(line))
    return error and f"{error.json_path}: {error.message}"


def main(name, path, *types):
    valid = validator(name)
    with open(path, encoding="ascii") as source:
        lines = [json.loads(line) for line in source]
    for line in lines:
        problem = problem_of(valid, line)
        if problem:
            sys.exit(f"{line}: {problem}")
    missing = set(types) - {line.get("type") for line in lines}
    if missing or not lines:
        sys.exit(f"of {len(lines)} lines none is of type {sorted(missing)}")
    print(len(lines), "lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
