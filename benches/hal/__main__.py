"""Biased dynamics, measured.

python -m benches.hal cost
python -m benches.hal memory --steps 1000000
python -m benches.hal worth --system silicon --seeds 5 -n 10 20 50 -o hal-output
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benches.hal import cost, memory, worth
from benches.hal.systems import SYSTEMS


def main() -> None:
    """Measure what the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        choices=["cost", "memory", "worth"],
        help="cost of a step, memory of a long run, or worth of the structures",
    )
    parser.add_argument("--system", choices=SYSTEMS, default="silicon", help="what is explored")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: %(default)s)")
    parser.add_argument("-n", type=int, nargs="+", default=[10, 20], help="numbers of calculations")
    parser.add_argument("-o", "--output", type=Path, default=Path("hal-output"), help="folder for the numbers")
    parser.add_argument("--steps", type=int, default=100_000, help="steps of the long run (default: %(default)s)")
    options = parser.parse_args()
    if options.what == "cost":
        print(cost.run())
        return
    if options.what == "memory":
        print(memory.run(options.steps))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    print(worth.run(options.system, options.seeds, options.n, options.output))


if __name__ == "__main__":
    main()
