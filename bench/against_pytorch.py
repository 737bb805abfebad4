#!/usr/bin/env python3
"""Runs sherd-bench's cases of training and the PyTorch trainers of a folder in turns, and prints their ratios as JSON lines.

The folder, which is no part of Sherd, has gen_clicklog.cc, train_ctr.py, train_ncf.py and best_env.sh. Of several set-ups of
PyTorch the fastest counts."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

CTR = "train_ctr.py --emb manual --opt adagrad --lin mkldnn --threads 2"
# By line of sherd-bench: the case that prints it, what PyTorch runs, and the ratio that is to be reached.
COMPARED = {
    "train.deepfm": ("train.deepfm", [f"{CTR} --batch 4096"], 1.25),
    "train.deepfm_small": ("train.deepfm_small", [f"{CTR} --dim 8 --mlp 128,64 --batch {n}" for n in (4096, 16384)], 2),
    "train.wide_deep": ("train.wide_deep", [f"{CTR} --model widedeep --batch 4096"], 1.25),
    "train.neumf.batch1024": ("train.neumf", [f"train_ncf.py --batch 1024 --threads {n}" for n in (1, 2)], 2),
    "train.neumf.batch4096": ("train.neumf", [f"train_ncf.py --batch 4096 --threads {n}" for n in (1, 2)], 1.5),
}


def fail(text):
    sys.exit(f"against_pytorch: {text}")


def run(command, what):
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        fail(f"{what}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def make_log(references, folder, rows):
    """The generated click log, as both sides read it."""
    os.makedirs(folder, exist_ok=True)
    generator = os.path.join(folder, "gen_clicklog")
    if not os.path.exists(generator):
        source = os.path.join(references, "gen_clicklog.cc")
        run(["g++", "-O3", "-march=native", "-ffp-contract=off", "-std=c++17", "-pthread", source, "-o", generator], source)
    for name, form in (("train.bin", "bin"), ("train.tsv", "tsv")):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            run([generator, "--scale", "1", "--begin", "0", "--end", str(rows), "--format", form, "--out", path], generator)
    return os.path.join(folder, "train.tsv")


def run_pytorch(args, command):
    script, *options = command.split()
    place = ["--data", args.work] if script == "train_ctr.py" else ["--root", args.data_sets]
    shell = f". {args.references}/best_env.sh && exec {args.python} \"$@\""
    path = os.path.join(args.references, script)
    text = run(["bash", "-c", shell, "bash", path, *options, *place, "--sec", str(args.sec)], command)
    found = re.search(r"SPEED .*?: (\d+) samples/s", text)
    return float(found.group(1)) if found else fail(f"{command} says no speed: {text[-500:]}")


def run_sherd(args, log, line):
    text = run([args.bench, f"--click_log={log}", COMPARED[line][0]], COMPARED[line][0])
    figures = [json.loads(figure) for figure in text.splitlines()]
    return next(figure for figure in figures if figure["case"] == line)


def compare(args, log, line):
    _, commands, wanted = COMPARED[line]
    ours, theirs = [], {command: [] for command in commands}
    for _ in range(args.turns):
        ours.append(run_sherd(args, log, line))
        for command in commands:
            theirs[command].append(run_pytorch(args, command))
    value = statistics.median(figure["value"] for figure in ours)
    fastest = max(commands, key=lambda command: statistics.median(theirs[command]))
    floor = statistics.median(theirs[fastest])
    fields = {"case": line + ".pytorch", "value": value, "unit": "rows/s", "floor": floor, "ratio": round(value / floor, 4)}
    print(json.dumps(fields | {"must_reach": wanted, "pytorch": fastest, "turns": args.turns}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", help="folder of the PyTorch trainers")
    parser.add_argument("bench", help="sherd-bench")
    parser.add_argument("lines", nargs="*", help=f"of {', '.join(COMPARED)}; all by default")
    parser.add_argument("--work", required=True, help="folder for the generated click log; what is there is used again")
    parser.add_argument("--data_sets", default="", help="folder that holds ml-1m, for train.neumf")
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that has torch")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the click log")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sec", type=float, default=2, help="of each of PyTorch's three rounds a turn")
    args = parser.parse_args()
    unknown = [line for line in args.lines if line not in COMPARED]
    if unknown:
        fail(f"no line {unknown[0]}; there are {', '.join(COMPARED)}")
    args.bench = os.path.abspath(args.bench)
    log = make_log(args.references, args.work, args.rows)
    for line in args.lines or COMPARED:
        if line.startswith("train.neumf") and not args.data_sets:
            print(f"{line}: SKIPPED: it needs --data_sets", file=sys.stderr)
        else:
            compare(args, log, line)


main()
