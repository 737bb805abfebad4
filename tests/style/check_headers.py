#!/usr/bin/env python3
"""Each header compiles alone. Arguments: source folder, build folder (for the generated protobuf headers), compiler; `few`:
without those that stand first in a .cc file of their name, which shows it but for what precompiled headers bring along."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT, BUILD, COMPILER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
FOLDERS = ("base", "net", "ps", "models", "worker", "scheduler", "launch", "bench", "tests")


def problem(name):
    # Twice, so that the guard is tried too.
    text = f'#include "{name}"\n#include "{name}"\n'
    command = [COMPILER, "-std=c++20", "-march=x86-64-v2", "-fsyntax-only", "-Wall", "-Werror", "-I", str(ROOT),
               "-isystem", str(BUILD), "-x", "c++", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    return done.stderr if done.returncode else ""


def main():
    headers = sorted(p.relative_to(ROOT).as_posix() for folder in FOLDERS for p in (ROOT / folder).rglob("*.h"))
    if "few" in sys.argv:
        headers = [name for name in headers if not (ROOT / name).with_suffix(".cc").exists()]
    if not headers:
        print(f"no headers under {ROOT}")
        return 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [text for text in pool.map(problem, headers) if text]
    print("\n".join(problems) or f"{len(headers)} headers compile alone")
    return bool(problems)


sys.exit(main())
