"""Instructions of every benchmark of the Rust crates, counted by valgrind, beside those of an earlier build.

    python -m benches.instructions [--table docs/explanation/instructions.csv] [--write]

Each case runs once, in one thread, under callgrind. What the program runs without any case, mostly to make the data, is
subtracted. A count does not depend on what else the machine does. Counts of the same build differ by a few percent in
cases of a few million instructions, and by less in others. Valgrind knows no AVX-512, so counts are those of the
kernels for AVX2. The ratio is the count over that of the table; `--write` writes the counts into the table as they are
found: facility location takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = "docs/explanation/instructions.csv"


def executables() -> list[tuple[str, str]]:
    """Build the benchmarks; return the crate and the path of each."""
    command = ["cargo", "bench", "--workspace", "--bench", "*", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    built = [json.loads(line) for line in lines]
    return [
        (Path(message["manifest_path"]).parent.name, message["executable"])
        for message in built
        if message.get("executable") and "bench" in message["target"]["kind"]
    ]


def count(executable: str, case: str) -> int:
    """Count the instructions of a run of one case."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run(
            [*valgrind, executable, "--test", "--exact", case],
            env={**os.environ, "RAYON_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # A process that the benchmark starts reports before it.
        found = re.findall(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not found:
            sys.exit(f"{executable} failed under valgrind:\n{done.stderr}")
        return int(found[-1])


def cases(executable: str) -> list[str]:
    """Names of the cases of a benchmark."""
    listed = subprocess.run([executable, "--list"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^(.+): benchmark$", listed, re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--table", type=Path, default=Path(TABLE), help=f"counts of the earlier build (default: {TABLE})"
    )
    parser.add_argument("--write", action="store_true", help="write the counts into the table")
    args = parser.parse_args()
    earlier = {}
    if args.table.exists():
        with args.table.open(encoding="utf-8") as file:
            earlier = {row["case"]: int(row["instructions"]) for row in csv.DictReader(file)}
    counts = dict(earlier)
    for crate, executable in executables():
        start = count(executable, "no case")
        for case in cases(executable):
            name = f"{crate}: {case}"
            counts[name] = count(executable, case) - start
            ratio = f"{counts[name] / earlier[name]:.3f}" if name in earlier else "new"
            print(f"{name:60} {counts[name] / 1e6:12.1f} M {ratio:>7}", flush=True)
            if args.write:
                with args.table.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows([("case", "instructions"), *counts.items()])


if __name__ == "__main__":
    main()
