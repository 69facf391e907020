"""Biased dynamics, measured.

python -m benches.hal cost
python -m benches.hal mace --channels 8 128     # in an environment with mace and ase-uhal
python -m benches.hal memory --steps 1000000
python -m benches.hal worth -o hal-output --docs docs/explanation
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benches.hal import cost, mace, memory, report, worth
from benches.hal.systems import SYSTEMS


def main() -> None:
    """Measure what the command line asks for, and print or write tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    kinds.add_parser("cost", help="cost of a step of linear ACE")
    of_mace = kinds.add_parser("mace", help="cost of a step and of an update by the features of a MACE model")
    of_mace.add_argument("--channels", type=int, nargs="+", default=[8, 128], help="channels of models")
    of_mace.add_argument("--repeats", type=int, default=10, help="steps of each kind (default: %(default)s)")
    long = kinds.add_parser("memory", help="memory of a long run")
    long.add_argument("--steps", type=int, default=100_000, help="steps (default: %(default)s)")
    of_worth = kinds.add_parser("worth", help="what the structures are worth")
    of_worth.add_argument("--systems", choices=SYSTEMS, nargs="+", default=list(SYSTEMS), help="what is explored")
    of_worth.add_argument("--seeds", type=int, default=5, help="number of seeds (default: %(default)s)")
    of_worth.add_argument(
        "-o", "--output", type=Path, default=Path("hal-output"), help="folder that keeps what was run"
    )
    of_worth.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after this time; the next call goes on"
    )
    of_worth.add_argument("--docs", type=Path, help="folder for the page, its figure and all numbers")
    options = parser.parse_args()
    if options.what == "cost":
        print(cost.run())
    elif options.what == "mace":
        for channels in options.channels:
            print(mace.run(channels, options.repeats), flush=True)
    elif options.what == "memory":
        print(memory.run(options.steps))
    else:
        for line in worth.run(options.systems, options.seeds, options.output, options.minutes):
            print(line, file=sys.stderr, flush=True)
        results = worth.read(options.output)
        report.write(options.docs or options.output, results)


if __name__ == "__main__":
    main()
