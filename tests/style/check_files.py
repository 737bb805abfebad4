#!/usr/bin/env python3
"""What a look at the files shows: none over 500 lines, the layout of clang-format, a comment on every field of the job file."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])
FOLDERS = ("base", "net", "ps", "models", "worker", "scheduler", "launch", "bench", "tests")
MAX_LINES = 500
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def sources():
    return sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc"))


def long_files():
    lengths = [(len(p.read_text().splitlines()), p) for p in sources()]
    return [f"{p.relative_to(ROOT)}: {n} lines, more than {MAX_LINES}" for n, p in lengths if n > MAX_LINES]


def badly_laid_out():
    if shutil.which("clang-format") is None:
        print("SKIPPED: clang-format is not installed (launch/install-packages installs it)")
        sys.exit(SKIPPED)
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *map(str, sources())], text=True, capture_output=True)
    files = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    problems = [f"{pathlib.Path(name).relative_to(ROOT)}: run clang-format -i on it" for name in files]
    return problems or ([done.stderr] if done.returncode else [])


def fields_without_comment():
    """A comment stands at the end of the field's line, or above it, or above the run of fields it belongs to."""
    problems, commented, depth = [], False, []
    for number, line in enumerate((ROOT / "proto/job.proto").read_text().splitlines(), 1):
        text = line.strip()
        opened = re.match(r"(message|enum|oneof|extend)\s+\w+.*\{(\s*//.*)?$", text)
        if opened:
            # Fields of a oneof and of a message that is commented as a whole are explained by their own messages.
            commented = "//" in text or (opened[1] == "oneof" and commented)
            depth.append(opened[1])
        elif text.startswith("}"):
            depth.pop()
            commented = False
        elif text.startswith("//"):
            commented = True
        elif not text:
            commented = False
        elif depth and depth[-1] in ("message", "oneof") and re.match(r".*=\s*\d+\s*[\[;]", text):
            own_type = re.match(r"(optional|repeated)?\s*[A-Z]\w* \w+ =", text)
            if not commented and "//" not in text and not own_type:
                problems.append(f"proto/job.proto:{number}: no comment: {text}")
    return problems


CHECKS = {"length": long_files, "layout": badly_laid_out, "job_fields": fields_without_comment}

if not sources():
    sys.exit(f"no source files under {ROOT}")
found = CHECKS[sys.argv[2]]()
print("\n".join(found) or "nothing to complain about")
sys.exit(bool(found))
