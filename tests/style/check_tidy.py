#!/usr/bin/env python3
"""clang-tidy, with the checks of .clang-tidy, over every source file of the build. Arguments: source folder, build folder."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def problems(folder, name):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", folder, name], text=True, capture_output=True)
    return done.stdout if done.returncode else ""


def without_precompiled_header(command):
    """g++'s is of no use to clang, which would take it for its own."""
    return command | {"command": re.sub(r" -Winvalid-pch -include \S+", "", command["command"])}


def main():
    if shutil.which("clang-tidy") is None:
        print("SKIPPED: clang-tidy is not installed (launch/install-packages installs it)")
        return SKIPPED
    commands = [without_precompiled_header(c) for c in json.loads((BUILD / "compile_commands.json").read_text())]
    names = sorted({c["file"] for c in commands if pathlib.Path(c["file"]).is_relative_to(ROOT) and ".pb.cc" not in c["file"]})
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        (pathlib.Path(folder) / "compile_commands.json").write_text(json.dumps(commands))
        found = [text for text in pool.map(lambda name: problems(folder, name), names) if text]
    print("\n".join(found) or f"clang-tidy finds nothing in {len(names)} files")
    return bool(found)


sys.exit(main())
