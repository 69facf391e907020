"""`mlipselect demo`: the main job on structures made on the spot, with a table that shows what it was worth."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.cli.common import add_general_options, add_verb, progress_from
from mlipselect.demo import Comparison, Worth, compare_with_random, silicon_core, silicon_pool
from mlipselect.demo.potentials import Quality, Trials, label
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.output import Output
from mlipselect.io.writer import write_exact
from mlipselect.report.table import selection_table, text_table
from mlipselect.selection import Selection, select
from mlipselect.selectors.registry import METHODS, make_selector

SUMMARY = """\
Select silicon slabs made on the spot, and show what the selection is worth.

Builds a core (strained, rattled bulk silicon) and a pool of about 200 slabs, writes both, selects 20 slabs as
`mlipselect select` does by default, writes a page that shows them, and compares them with those of other methods
and with 20 random draws: what they tell a linear model, and how good the potentials are that are fitted to them,
with Tersoff's silicon as a stand-in for density functional theory. Takes about a minute."""

EXAMPLES = """\
  mlipselect demo
  mlipselect demo -o somewhere/ --random-state 7
"""

N_TO_SELECT, N_DRAWS = 20, 20

#: What `select` does without options, and how its rows in the tables are called.
DEFAULT = "the default"


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
    parser.add_argument(
        "--random-state",
        type=int,
        default=0,
        metavar="SEED",
        help="seed of the structures and draws (default: %(default)s)",
    )
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Build, write, select, compare, and show."""
    if options.random_state < 0:
        raise InvalidInputError(f"--random-state: expected a number from 0 on, got {options.random_state}")
    start = time.perf_counter()
    output = Path(options.output)
    if output.suffix != ".xyz":
        output = output / "selected.xyz"
    output.parent.mkdir(parents=True, exist_ok=True)
    page = output.with_suffix(".html")
    core_path, pool_path = output.with_name("demo-core.xyz"), output.with_name("demo-pool.xyz")
    core, pool = silicon_core(options.random_state), silicon_pool(options.random_state)
    with Output(core_path, pool_path) as made:
        for path, structures in zip(made.temporary, (core, pool), strict=True):
            write_exact(path, structures)
        made.publish()
    built = time.perf_counter()
    selection = select(
        pool_path,
        N_TO_SELECT,
        core_path,
        n_threads=options.n_threads,
        progress=progress_from(options),
        output=output,
        report=page,
    )
    if options.quiet:
        return
    selected = time.perf_counter()
    chosen = {DEFAULT: selection.indices} | _other_methods(selection, options)
    comparison = compare_with_random(
        cast("Features", selection.features),
        selection.core_features,
        chosen,
        n_draws=N_DRAWS,
        random_state=options.random_state,
    )
    compared = time.perf_counter()
    potentials = _potentials(core, pool, chosen, comparison, options)
    print(selection_table(selection), end="\n\n")
    print(_worth(pool, comparison), end="\n\n")
    print(potentials, end="\n\n")
    parts = [f"making structures {built - start:.2f} s"]
    parts += [f"{name} {seconds:.2f} s" for name, seconds in selection.seconds.items()]
    parts += [f"other methods and {N_DRAWS} random draws {compared - selected:.2f} s"]
    parts += [f"labels and potentials {time.perf_counter() - compared:.2f} s"]
    print(f"time: {', '.join(parts)}")
    print(f"wrote {output}, and beside it {output.stem}.json, {core_path.name} and {pool_path.name}; the same again:")
    print(f"  mlipselect select {pool_path} --core {core_path} -n {N_TO_SELECT} -o {output} --report {page}")
    print(f"open {page} in a browser: it shows what was selected, and why")


def _potentials(
    core: list[Atoms],
    pool: list[Atoms],
    chosen: dict[str, NDArray[np.int64]],
    comparison: Comparison,
    options: argparse.Namespace,
) -> str:
    """Label everything, fit potentials to the core and some of the pool, and show how good they are."""
    labelled = label([*core, *pool], options.n_threads or os.cpu_count() or 1)
    trials = Trials(labelled[: len(core)], labelled[len(core) :], options.n_threads)
    draws = _numbers([trials.quality(worth.picks) for worth in comparison.random])
    rows: list[list[str]] = []

    def add(name: str, errors: NDArray[np.float64], better: Sequence[str] = ("", "")) -> None:
        rows.append([name, f"{errors[0]:.2f}", better[0], f"{errors[1]:.3f}", better[1]])

    add("the core alone", _numbers([trials.quality(np.empty(0, np.int64))])[0])
    for name, picks in chosen.items():
        own = _numbers([trials.quality(picks)])[0]
        add(f"core and {N_TO_SELECT} by {name}", own, [f"{count} of {N_DRAWS}" for count in (own < draws).sum(axis=0)])
    for name, drawn in zip(("10 %", "median", "90 %"), np.percentile(draws, [10, 50, 90], axis=0), strict=True):
        add(f"core and {N_TO_SELECT} at random, {name}", drawn)
    add("core and the whole pool", _numbers([trials.quality(np.arange(len(pool)))])[0])
    header = ["linear ACE potential fitted to", "energy, meV/atom", "better than", "force, eV/Å", "better than"]
    note = (
        "root mean square errors over the pool; labels are those of Tersoff's silicon. better than: how many of the\n"
        f"{N_DRAWS} random draws have a larger error. random: each column by itself."
    )
    return f"{text_table(header, rows, left=[0])}\n{note}"


def _numbers(qualities: Sequence[Quality]) -> NDArray[np.float64]:
    """Return errors of energies and of forces, one row a potential."""
    return np.array([[quality.energy_rmse, quality.force_rmse] for quality in qualities])


def _other_methods(selection: Selection, options: argparse.Namespace) -> dict[str, NDArray[np.int64]]:
    """Select as many from the same features by every other method."""
    how = {"random_state": options.random_state, "n_threads": options.n_threads}
    selectors = {
        name: make_selector(name, N_TO_SELECT, **how) for name in METHODS if name not in ("bayesian", "random")
    }
    for score in ("energy", "pool_std"):
        selectors[f"bayesian, {score}"] = make_selector("bayesian", N_TO_SELECT, score=score, **how)
    X, core = selection.features, selection.core_features
    return {name: selector.fit(X, core=core).selected_idx_ for name, selector in sorted(selectors.items())}


def _worth(pool: list[Atoms], comparison: Comparison) -> str:
    """Show what each method chose, and what that tells, beside random draws."""
    kinds = sorted({atoms.info["config_type"] for atoms in pool})
    header = [f"{N_TO_SELECT} structures by", "nat", "largest sd", "mean sd"]
    header += [kind.removeprefix("surface_") for kind in kinds] + ["near-duplicates"]

    def numbers(worth: Worth) -> list[float]:
        picks = [pool[index].info for index in worth.picks]
        counts = [sum(info["config_type"] == kind for info in picks) for kind in kinds]
        return [worth.information, worth.largest_sd, worth.mean_sd, *counts, sum(i["near_duplicate"] for i in picks)]

    specs = [".1f", ".3g", ".3g", *[".0f"] * (len(kinds) + 1)]
    rows = [
        [name, *(f"{number:{spec}}" for number, spec in zip(numbers(worth), specs, strict=True))]
        for name, worth in comparison.chosen.items()
    ]
    spread = np.percentile([numbers(worth) for worth in comparison.random], [10, 50, 90], axis=0)
    for name, line in zip(("random, 10 %", "random, median", "random, 90 %"), spread, strict=True):
        rows.append([name, *(f"{number:{spec}}" for number, spec in zip(line, specs, strict=True))])
    whole = [sum(atoms.info["config_type"] == kind for atoms in pool) for kind in kinds]
    near = sum(atoms.info["near_duplicate"] for atoms in pool)
    rows.append([f"the pool of {len(pool)}", "", "", "", *map(str, whole), str(near)])
    note = (
        "nat: information about the energies; sd: of the energy per atom over the pool, in units of the noise; with\n"
        f"the core alone the largest was {comparison.before:.3g}. random: {len(comparison.random)} draws, each column "
        "by itself. Picks that bring\nmost information need not make the best potential: that needs labels."
    )
    return f"{text_table(header, rows, left=[0])}\n{note}"
