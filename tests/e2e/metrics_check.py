# SPDX-License-Identifier: BSD-2-Clause
"""What the agent's metrics say, held against the truth, pdmctl and the log of flows.

  metrics_check.py delay FILE NAME LEAST_MS MOST_MS SAMPLES   all samples of a delay, by buckets and sum
  metrics_check.py flows FILE FLOWS             the counters of live flows, as pdmctl --json flows has them
  metrics_check.py sums FILE FLOWS LOG...       the counters: those of live flows and of the log's lines
  metrics_check.py value FILE SAMPLE AT_LEAST AT_MOST         the sum over all series of that name
  metrics_check.py watch URL ENOUGH             fetches until ENOUGH is there: nothing ever goes down
  metrics_check.py log FILE...                  every line is by its schema, and what it says can be
  metrics_check.py expressions DASHBOARD RULES FILE OUT       every metric in them is there; OUT: all as rules

FILE is what was served as OpenMetrics, read by the parser of Prometheus's own client library.
"""

import json
import os
import re
import sys
import time
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import schema_check

COUNTERS = ("sends", "options_sent", "options_received", "lost", "reordered", "duplicates",
            "outside_window", "auth_failures", "malformed", "bad_version", "repeated",
            "wrong_format", "overlapped", "negative", "imprecise", "unstamped", "withdrawn")
DELAYS = ("network", "server", "total")
GOES_UP = ("_total", "_bucket", "_count", "_sum")


def samples_of(text):
    """By name and labels; what the parser refuses is no OpenMetrics."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(text) for s in family.samples}


def read(path):
    with open(path, encoding="utf-8") as f:
        return samples_of(f.read())


def total(samples, name):
    return sum(value for (n, _), value in samples.items() if n == name)


def must(holds, what):
    if not holds:
        raise SystemExit(what)


def lines_of(paths):
    for path in paths:
        with open(path, encoding="utf-8") as f:
            for line in f:
                must(line.endswith("}\n"), f"{path}: half a line: {line}")
                yield json.loads(line)


def delay(path, name, least, most, count):
    samples = read(path)
    least, most, count = float(least) / 1e3, float(most) / 1e3, int(count)
    buckets = {float(dict(labels)["le"]): value for (n, labels), value in samples.items()
               if n == f"{name}_bucket"}
    seen = total(samples, f"{name}_count")
    print(name, "samples", seen, "sum", total(samples, f"{name}_sum"), buckets)
    must(seen >= count, f"{seen} samples, less than {count}")
    below = max((b for b in buckets if b <= least), default=0)
    above = min(b for b in buckets if b >= most)
    # A busy machine adds to some, and takes from none.
    must(buckets.get(below, 0) == 0, f"{buckets[below]} samples up to {below}")
    must(buckets[above] >= 0.6 * seen, f"{buckets[above]} of {seen} up to {above}")
    mean = total(samples, f"{name}_sum") / seen
    must(least <= mean, f"mean {mean}")


def flow_lines(path):
    return [f for f in lines_of([path]) if f["type"] == "flow"]


def compare(samples, parts):
    wrong = []
    for counter in COUNTERS:
        shown, wanted = total(samples, f"pdm_{counter}_total"), sum(p[counter] for p in parts)
        if shown != wanted:
            wrong.append(f"{counter}: {shown} shown, {wanted} in {len(parts)} flows")
    for d in DELAYS:
        of = [p[f"{d}_delay"] for p in parts if p[f"{d}_delay"] is not None]
        shown, wanted = total(samples, f"pdm_{d}_delay_seconds_count"), sum(x["samples"] for x in of)
        if shown != wanted:
            wrong.append(f"{d} delays: {shown} shown, {wanted} in {len(parts)} flows")
    must(not wrong, "\n".join(wrong))
    print(f"{len(parts)} flows, {sum(p['sends'] for p in parts)} sends")


def flows(path, flows_path):
    live = flow_lines(flows_path)
    must(live, "no flow")
    compare(read(path), live)


def sums(path, flows_path, *logs):
    compare(read(path), flow_lines(flows_path) + list(lines_of(logs)))


def value(path, name, at_least, at_most):
    shown = total(read(path), name)
    print(name, shown)
    must(float(at_least) <= shown <= float(at_most), "not within")


def fetch(url):
    request = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        must(reply.headers["Content-Type"].startswith("application/openmetrics-text"), "type")
        return samples_of(reply.read().decode("ascii"))


def watch(url, enough):
    before, fetched, wrong = {}, 0, []
    end = time.monotonic() + 60
    while not os.path.exists(enough) and time.monotonic() < end:
        time.sleep(0.05)
        now = fetch(url)
        fetched += 1
        for key, was in before.items():
            if key[0].endswith(GOES_UP) and now.get(key, -1) < was:
                wrong.append(f"{key} went from {was} to {now.get(key)}")
        before = now
    must(fetched >= 5 and not wrong, "\n".join([f"fetched {fetched}", *wrong[:20]]))


def log(*paths):
    valid = schema_check.validator("pdmv2-flow-1")
    count = 0
    for line in lines_of(paths):
        count += 1
        must(schema_check.problem_of(valid, line) is None, schema_check.problem_of(valid, line))
        must(1.5e18 < line["opened"] <= line["active"] <= line["closed"] < 1e19, f"times: {line}")
        for d in DELAYS:
            figures = line[f"{d}_delay"]
            must(figures is None or figures["min"] <= figures["last"] <= figures["max"],
                 f"{d}: {figures}")
    print(count, "lines")
    must(count > 0, "no line")


def expressions_in(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"]).group(1)


def expressions(dashboard_path, rules_path, path, out):
    with open(dashboard_path, encoding="utf-8") as f:
        shown = list(expressions_in(json.load(f)))
    with open(rules_path, encoding="utf-8") as f:
        rules = f.read()
    known = {name for name, _ in read(path)} | set(re.findall(r"record: (\S+)", rules))
    # Of enrolled associations alone: there is none here.
    known.add("pdm_primary_connected")
    used = set()
    for text in [*shown, re.sub(r"(?m)^ *(#|- alert|summary|description).*$", "", rules)]:
        used.update(re.findall(r"\b(?:association:)?pdm_[a-z0-9_:]+", text))
    must(len(shown) > 30 and len(used) > 40, f"{len(shown)} expressions, {len(used)} names")
    must(used <= known, f"not there: {sorted(used - known)}")
    unused = {n for n, _ in read(path) if n not in used and not n.endswith(("_bucket", "_count", "_sum"))}
    must(not unused, f"on no panel: {sorted(unused)}")
    with open(out, "w", encoding="utf-8") as f:
        print("groups:\n- name: dashboard\n  rules:", file=f)
        for i, text in enumerate(shown):
            print(f"  - record: panel:{i}\n    expr: {json.dumps(text.replace('$__rate_interval', '5m'))}", file=f)
    print(f"{len(shown)} expressions, {len(used)} names")


if __name__ == "__main__":
    {f.__name__: f for f in (delay, flows, sums, value, watch, log, expressions)}[sys.argv[1]](*sys.argv[2:])
