#!/usr/bin/env python3
"""The include rules of docs/design.md §12: which folder may include which, one door to each heavy library, own header first."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])

MAY_INCLUDE = {
    "base": {"proto"},
    "net": {"base", "proto"},
    "ps": {"net", "base", "proto"},
    "models": {"base", "proto"},
    "worker": {"models", "net", "base", "proto"},
    "scheduler": {"models/metrics", "net", "base", "proto"},  # it adds up the figures of quality
    "launch": {"worker", "models", "ps", "scheduler", "net", "base", "proto"},
    "bench": {"launch", "worker", "models", "ps", "scheduler", "net", "base", "proto"},
    "tests": {"bench", "launch", "worker", "models", "ps", "scheduler", "net", "base", "proto"},
}
FOLDERS = set(MAY_INCLUDE) | {"proto"}

# Libraries that only one file of the product may include, so that there is one door to each.
ONE_DOOR = {"mpi.h", "zmq.hpp", "zmq.h", "liburing.h", "google/protobuf/text_format.h"}
# Libraries too heavy, or too particular, for a header.
NOT_IN_HEADERS = re.compile(r"(Eigen/|zmq|dnnl|hwy/|mpi\.h|zstd|lzma|zlib|xxhash|liburing|google/protobuf/text_format)")

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def main():
    problems, doors, files = [], {}, 0
    for path in sorted(p for folder in MAY_INCLUDE for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc")):
        files += 1
        name = path.relative_to(ROOT).as_posix()
        folder = name.split("/")[0]
        includes = INCLUDE.findall(path.read_text())
        for kind, included in includes:
            owner = included.split("/")[0]
            if kind == '"' and owner not in FOLDERS:
                problems.append(f'{name}: "{included}" does not begin with a folder of the project')
            elif kind == '"' and owner != folder and not any(included.startswith(f + "/") for f in MAY_INCLUDE[folder]):
                problems.append(f'{name}: {folder}/ may not include {owner}/ ("{included}")')
            if path.suffix == ".h" and folder not in ("tests", "bench") and NOT_IN_HEADERS.match(included):
                problems.append(f"{name}: <{included}> belongs in a .cc file")
            if included in ONE_DOOR and folder not in ("tests", "bench"):
                doors.setdefault(included, []).append(name)
        if path.suffix == ".h" and "#pragma once" not in path.read_text():
            problems.append(f"{name}: no #pragma once")
        own = path.with_suffix(".h")
        if path.suffix == ".cc" and own.exists() and includes[:1] != [('"', own.relative_to(ROOT).as_posix())]:
            problems.append(f"{name}: its own header is not included first")
    for library, users in doors.items():
        if len(users) > 1:
            problems.append(f"<{library}> has more than one door: {', '.join(users)}")
    if files == 0:
        problems.append(f"no source files under {ROOT}")
    print("\n".join(problems) or f"{files} files keep the rules")
    return bool(problems)


sys.exit(main())
