#!/usr/bin/env python3
"""Runs the cases of sherd-bench for tables and for training by whole jobs on few rows: each checks its own results, and its
lines must be JSON with the fields that readers rely on. No times are looked at. Argument: sherd-bench."""
import json
import subprocess
import sys
import tempfile

BENCH = sys.argv[1]
ROWS = "20000"
FIELDS = {"case": str, "value": (int, float), "unit": str, "floor": (int, float), "ratio": (int, float)}
TRAINED = {"train.deepfm", "train.deepfm_small", "train.wide_deep", "train.neumf", "train.neumf_4096", "train.fm", "train.overhead",
           "train.latency"}
DRAWS = {"uniform", "zipf"}
# Cases whose every line stands once for each way of drawing keys.
DRAWN = {"table.pull", "table.push", "table.growth", "table.shards"}


def problems_of(case, output, errors):
    lines = [json.loads(line) for line in output.splitlines()]
    if not lines and f"{case}: SKIPPED" not in errors:
        yield "no line and no word of why"
    for line in lines:
        for field, kind in FIELDS.items():
            if not isinstance(line.get(field), kind):
                yield f"no {field} in {line}"
        if not str(line.get("case")).startswith(case) or not line.get("value", 0) > 0 or not line.get("ratio", 0) > 0:
            yield f"not a figure of the case: {line}"
    if case in DRAWN:
        for name in {line["case"] for line in lines}:
            if {line.get("keys") for line in lines if line["case"] == name} != DRAWS:
                yield f"{name}: not measured for both {sorted(DRAWS)}"


def run(*arguments):
    return subprocess.run([BENCH, *arguments], text=True, capture_output=True)


def main():
    problems = []
    listed = [line.split()[0] for line in run("--list").stdout.splitlines()]
    cases = [name for name in listed if name.startswith("table.") or name in TRAINED]
    if len(cases) < 8 + len(TRAINED):
        problems.append(f"--list names {cases}")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            turns = ["--turns=3"] if case == "train.latency" else []  # its turns are long; others must have learned by theirs
            done = run(f"--rows={ROWS}", f"--spill_dir={folder}", *turns, case)
            found = list(problems_of(case, done.stdout, done.stderr))
            problems += [f"{case}: {text}" for text in found]
            if done.returncode != 0:
                problems.append(f"{case}: exit {done.returncode}: {done.stderr.strip()}")
    if run("no.such.case").returncode != 2:
        problems.append("an unknown case is not refused with 2")
    print("\n".join(problems) or f"{len(cases)} cases give good lines")
    return bool(problems)


sys.exit(main())
