#!/usr/bin/env python3
"""Runs sherd-bench's cases of training in turns of half a second with the PyTorch trainers of a folder, on the same generated
log, and prints their ratios as JSON lines.

The folder, which is no part of Sherd, has gen_clicklog.cc, train_ctr.py, train_ncf.py and best_env.sh. Of several set-ups of
PyTorch the fastest counts."""
import argparse
import json
import os
import shlex
import subprocess
import sys

TURNS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_turns.py")
FOREVER = "--sec 1e9"  # the turns end it
CTR = f"train_ctr.py --emb manual --opt adagrad --lin mkldnn --threads 2 {FOREVER}"
NCF = f"train_ncf.py {FOREVER}"
DEEPFM = [(4096, CTR)]
# By case: what PyTorch runs, as batch size and command, and the ratio that is to be reached.
COMPARED = {
    "train.deepfm": (DEEPFM, 1.25),
    "train.deepfm_bf16": (DEEPFM, 1.75),
    "train.deepfm_small": ([(n, f"{CTR} --dim 8 --mlp 128,64") for n in (4096, 16384)], 2),
    "train.wide_deep": ([(4096, f"{CTR} --model widedeep")], 1.25),
    "train.neumf": ([(1024, f"{NCF} --threads {n}") for n in (1, 2)], 2),
    "train.neumf_4096": ([(4096, f"{NCF} --threads {n}") for n in (1, 2)], 1.5),
}


def fail(text):
    sys.exit(f"against_pytorch: {text}")


def run(command, what):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE)
    if done.returncode != 0:
        fail(f"{what}: exit {done.returncode}")
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


def pytorch(args, batch, command):
    """The line of /bin/sh that trains so, a turn at a time."""
    script, *options = command.split()
    place = ["--data", args.work] if script == "train_ctr.py" else ["--root", args.data_sets]
    trainer = [args.python, TURNS, str(batch), os.path.join(args.references, script), *options, "--batch", str(batch), *place]
    environment = shlex.quote(os.path.join(args.references, "best_env.sh"))
    return f". {environment} && exec env {args.env} {shlex.join(trainer)}"


def compare(args, log, case):
    commands, wanted = COMPARED[case]
    shell = "\n".join(pytorch(args, batch, command) for batch, command in commands)
    bench = [args.bench, f"--rows={args.rows}", f"--turns={args.turns}", f"--against={shell}", case]
    if not case.startswith("train.neumf"):
        bench.insert(1, f"--click_log={log}")
    for text in run(bench, case).splitlines():
        figure = json.loads(text)
        batch, command = commands[int(figure["against"])]
        fields = {
            "case": figure["case"] + ".pytorch",
            "value": figure["value"],
            "unit": "rows/s",
            "floor": figure["against_rows"],
            "ratio": figure["against_ratio"],
            "middle_half": [figure["against_ratio_low"], figure["against_ratio_high"]],
            "cpu_ratio": figure["against_cpu_ratio"],
            "must_reach": wanted,
            "ratio_to_own_floor": figure["ratio"],
            "pytorch": f"{command.replace(FOREVER, '').strip()} --batch {batch}",
            "turns": args.turns,
        }
        print(json.dumps(fields), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", help="folder of the PyTorch trainers")
    parser.add_argument("bench", help="sherd-bench")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(COMPARED)}; all by default")
    parser.add_argument("--work", required=True, help="folder for the generated click log; what is there is used again")
    parser.add_argument("--data_sets", default="", help="folder that holds ml-1m, for train.neumf")
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that has torch")
    parser.add_argument("--env", default="", help="more of PyTorch's environment, as LD_LIBRARY_PATH=… of another BLAS")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the click log, and that are trained on")
    parser.add_argument("--turns", type=int, default=15)
    args = parser.parse_intermixed_args()
    unknown = [case for case in args.cases if case not in COMPARED]
    if unknown:
        fail(f"no case {unknown[0]}; there are {', '.join(COMPARED)}")
    args.bench = os.path.abspath(args.bench)
    args.references = os.path.abspath(args.references)
    log = make_log(args.references, args.work, args.rows)
    for case in args.cases or COMPARED:
        if case.startswith("train.neumf") and not args.data_sets:
            print(f"{case}: SKIPPED: it needs --data_sets", file=sys.stderr)
        else:
            compare(args, log, case)


main()
