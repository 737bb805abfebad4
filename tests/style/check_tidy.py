#!/usr/bin/env python3
"""clang-tidy, with the checks of .clang-tidy, over every source file of the build. Arguments: source folder, build folder."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def problems(name):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(BUILD), name], text=True, capture_output=True)
    return done.stdout if done.returncode else ""


def main():
    if shutil.which("clang-tidy") is None:
        print("SKIPPED: clang-tidy is not installed (launch/install-packages installs it)")
        return SKIPPED
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    names = sorted({c["file"] for c in commands if pathlib.Path(c["file"]).is_relative_to(ROOT) and ".pb.cc" not in c["file"]})
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(problems, names) if text]
    print("\n".join(found) or f"clang-tidy finds nothing in {len(names)} files")
    return bool(found)


sys.exit(main())
