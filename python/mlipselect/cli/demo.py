"""`mlipselect demo`: the main job on structures made on the spot, with a table that shows what it was worth."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.cli.common import add_general_options, add_verb, progress_from
from mlipselect.demo import Comparison, compare_with_random, silicon_core, silicon_pool
from mlipselect.descriptors import ACE
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.output import Output, write_exact
from mlipselect.report.table import selection_table, text_table
from mlipselect.select import select
from mlipselect.selection import Selection

SUMMARY = """\
Select silicon slabs made on the spot, and show what the selection is worth.

Builds a core (strained, rattled bulk silicon) and a pool of about 200 slabs, writes both, selects 20 slabs
that the core says least about, and compares them with random draws. Takes less than a minute."""

EXAMPLES = """\
  mlipselect demo
  mlipselect demo -o somewhere/ --seed 7
"""

N_TO_SELECT, N_DRAWS = 20, 50


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "demo", SUMMARY, EXAMPLES)
    parser.add_argument(
        "-o",
        "--output",
        default="demo-output",
        metavar="OUT",
        help="directory for the files, or the .xyz file for the selected slabs (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the structures and draws (default: %(default)s)")
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Build, write, select, compare, and show."""
    if options.seed < 0:
        raise InvalidInputError(f"--seed: expected a number from 0 on, got {options.seed}")
    start = time.perf_counter()
    output = Path(options.output)
    if output.suffix != ".xyz":
        output = output / "selected.xyz"
    output.parent.mkdir(parents=True, exist_ok=True)
    core_path, pool_path = output.with_name("demo-core.xyz"), output.with_name("demo-pool.xyz")
    pool = silicon_pool(options.seed)
    with Output(core_path, pool_path) as made:
        for path, structures in zip(made.temporary, (silicon_core(options.seed), pool), strict=True):
            write_exact(path, structures)
        made.publish()
    built = time.perf_counter()
    selection = select(
        pool_path,
        N_TO_SELECT,
        core_path,
        ACE(),
        n_threads=options.threads,
        progress=progress_from(options),
        output=output,
    )
    selected = time.perf_counter()
    comparison = compare_with_random(selection, N_DRAWS, options.seed)
    if options.quiet:
        return
    print(selection_table(selection), end="\n\n")
    print(_by_surface(pool, selection, comparison), end="\n\n")
    print(_worth(selection, comparison), end="\n\n")
    parts = [f"making structures {built - start:.2f} s"]
    parts += [f"{name} {seconds:.2f} s" for name, seconds in selection.seconds.items()]
    parts += [f"{N_DRAWS} random draws {time.perf_counter() - selected:.2f} s"]
    print(f"time: {', '.join(parts)}")
    print(f"wrote {output}, and beside it {output.stem}.json, {core_path.name} and {pool_path.name}; the same again:")
    print(f"  mlipselect select {pool_path} --core {core_path} -n {N_TO_SELECT} -o {output}")


def _by_surface(pool: list[Atoms], selection: Selection, comparison: Comparison) -> str:
    """Count the surfaces, and the near-duplicates, in the pool and in what was chosen of it."""
    kinds = [[atoms.info["config_type"]] + ["near-duplicates"] * atoms.info["near_duplicate"] for atoms in pool]
    names = sorted({kind for labels in kinds for kind in labels}, key=lambda name: (name[0] != "s", name))

    def count(indices: Any) -> Counter[str]:
        return Counter(kind for index in indices for kind in kinds[index])

    everything, chosen = count(range(len(pool))), count(selection.indices)
    draws = [count(draw) for draw in comparison.random_draws]
    rows = [
        [
            name,
            str(everything[name]),
            str(chosen[name]),
            _spread(np.array([float(draw[name]) for draw in draws]), ".0f"),
        ]
        for name in names
    ]
    header = ["composition", "pool", f"chosen {len(selection)}", f"random {len(selection)}: median (10-90 %)"]
    return text_table(header, rows, left=[0])


def _worth(selection: Selection, comparison: Comparison) -> str:
    """Show what the chosen structures tell, beside random ones."""
    rows = [
        ["information gained, nat", f"{comparison.information:.1f}", _spread(comparison.random_information, ".1f")],
        ["largest sd left over the pool", f"{comparison.largest_sd:.3g}", _spread(comparison.random_largest_sd, ".3g")],
        ["mean sd left over the pool", f"{comparison.mean_sd:.3g}", _spread(comparison.random_mean_sd, ".3g")],
    ]
    header = ["worth", f"chosen {len(selection)}", f"random {len(selection)}: median (10-90 %)"]
    note = (
        "sd: of the energy per atom, in units of the noise; with the core alone the largest was "
        f"{comparison.before:.3g}.\n"
        f"random: {len(comparison.random_draws)} draws; the best of them gained "
        f"{comparison.random_information.max():.1f} nat."
    )
    return f"{text_table(header, rows, left=[0])}\n{note}"


def _spread(values: NDArray[np.float64], spec: str) -> str:
    low, median, high = np.percentile(values, [10, 50, 90])
    return f"{median:{spec}} ({low:{spec}}-{high:{spec}})"
