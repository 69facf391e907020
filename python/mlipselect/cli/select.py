"""`mlipselect select`: choose structures of a pool and write them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from mlipselect.cli.common import (
    add_descriptor_options,
    add_general_options,
    add_verb,
    descriptor_for,
    descriptor_from,
    progress_from,
    refuse_descriptor,
)
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.store import read_manifest
from mlipselect.report.table import selection_table
from mlipselect.select import select
from mlipselect.selection import record_path
from mlipselect.selectors.methods import METHODS
from mlipselect.stored import is_store

SUMMARY = """\
Select structures of a pool and write them in the order in which they were picked.

Reads any format that ASE reads. Labels are not used. Writes the selected structures unchanged, with the
keys mlipselect_rank, mlipselect_score, mlipselect_source and mlipselect_index added, and beside them a
JSON file that says how they were selected."""

EXAMPLES = """\
  # 20 of a pool, given what is in the training set
  mlipselect select pool.xyz --core train.xyz -n 20 -o selected.xyz

  # several pools; isolated atoms are kept and never scored; the descriptor of the silicon example
  mlipselect select md.xyz slabs.xyz --core core.xyz --isolated config_type=isolated_atom \\
      --order 3 --totaldegree 16 --rcut 5.0 -n 100 -o selected.xyz

  # another method; at most 5 of each config_type and 2000 atoms together; no near-duplicates
  mlipselect select pool.xyz --core train.xyz --method fps --groups config_type --max 5 --max-atoms 2000 \\
      --min-distance 0.01 -n 20 -o selected.xyz

  # a pool that does not fit into memory
  mlipselect featurize huge.xyz --dtype float32 --store huge.features
  mlipselect select huge.features --core train.xyz --max-memory 2GB -n 1000 \\
      --checkpoint picks.json -o selected.xyz

  # lower the uncertainty over the whole pool instead of picking the most uncertain structure
  mlipselect select pool.xyz --core train.xyz --score pool_variance -n 20 -o selected.xyz

  # by the features of a MACE model; a store of them takes the same options
  mlipselect select pool.xyz --core train.xyz --descriptor mace --model si.model -n 20 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "select", SUMMARY, EXAMPLES)
    parser.add_argument(
        "pool", nargs="+", metavar="POOL", help="files with the candidates, or the folder of `featurize --store`"
    )
    parser.add_argument(
        "--core",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="files with the structures that are calculated already",
    )
    parser.add_argument("-n", type=int, default=20, metavar="N", help="number of structures to select (default: 20)")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="file for the selected structures, such as selected.xyz"
    )
    parser.add_argument(
        "--isolated",
        metavar="KEY=VALUE",
        help="marks isolated atoms, such as config_type=isolated_atom: they are not scored; those of the pool are "
        "written first, marked mlipselect_isolated",
    )
    parser.add_argument(
        "--method",
        choices=list(METHODS),
        default="bayesian",
        help="how to select (default: %(default)s)",
    )
    _add_limits(parser)
    selection = parser.add_argument_group("methods")
    selection.add_argument(
        "--score",
        choices=["energy", "logdet", "pool_variance", "pool_std", "force", "stress"],
        help="bayesian: what a candidate is worth: its own uncertainty, the information in it, or by how much it "
        "lowers that of the whole pool, or the largest uncertainty of a force or stress component (default: energy)",
    )
    selection.add_argument(
        "--metric",
        choices=["euclidean", "cosine"],
        help="fps, facility_location: what distance is (default: euclidean)",
    )
    selection.add_argument(
        "--scale",
        choices=["standard", "none"],
        help="fps, facility_location, k_medoids: divide features by their standard deviations (default: standard)",
    )
    selection.add_argument(
        "--initialize",
        type=_start,
        metavar="START",
        help="fps: index of the first pick; k_medoids: first medoids, build, lab or k_medoids++ (default: lab)",
    )
    selection.add_argument(
        "--rank", type=int, metavar="K", help="cur: directions that count (default: 99.9 %% of squares)"
    )
    selection.add_argument(
        "--deterministic", action="store_true", default=None, help="cur: largest leverage first instead of drawing"
    )
    selection.add_argument(
        "--rows", choices=["structure", "atoms"], help="cur: rows that leverage is computed of (default: structure)"
    )
    selection.add_argument(
        "--stratify-by", metavar="KEY", help="random: draw of each group in proportion, such as config_type"
    )
    selection.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="BYTES",
        help="bayesian, facility_location, k_medoids: memory to take, such as 500MB (a store is read piece by piece)",
    )
    selection.add_argument(
        "--random-state", type=int, default=0, metavar="SEED", help="seed of whatever is random (default: %(default)s)"
    )
    selection = parser.add_argument_group("posterior (the curve of what is known, and method bayesian)")
    selection.add_argument(
        "--update",
        choices=["structure", "atoms", "forces", "stress"],
        default="structure",
        help="what a pick tells: the mean of its atomic features, all of them, or the mean with the derivatives of its "
        "forces or stress (default: %(default)s)",
    )
    selection.add_argument(
        "--ridge",
        type=float,
        default=1e-5,
        help="precision of the prior relative to the noise, in units of the mean square feature; 1e-3 to 1e-9 serve "
        "(default: %(default)s)",
    )
    selection.add_argument(
        "--prior-precision", type=float, metavar="ALPHA", help="precision of the prior, instead of --ridge"
    )
    selection.add_argument(
        "--noise-precision",
        type=float,
        default=1.0,
        metavar="BETA",
        help="inverse variance of the noise (default: %(default)s)",
    )
    selection.add_argument(
        "--potential",
        metavar="FILE",
        help="start from what `mlipselect fit` left there, with its descriptor, instead of a prior and a core",
    )
    selection.add_argument(
        "--composition",
        action=argparse.BooleanOptionalAction,
        help="append columns of element fractions (default: where the pool has more than one composition)",
    )
    parser.add_argument(
        "--shard",
        metavar="I/M",
        help="select from one of M shares of a pool that is a store, in a job of its own; then `mlipselect merge`",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep the picks there while they are made: the same command goes on from that file after a stop",
    )
    selection.add_argument("--save-posterior", metavar="FILE", help="write what is known after the last pick")
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits (the best candidate that meets them is picked)")
    group.add_argument("--groups", metavar="KEY", help="group by this key, such as config_type, or by composition")
    group.add_argument("--min", type=int, default=0, metavar="A", help="structures of each group, at least")
    group.add_argument("--max", type=int, metavar="B", help="structures of each group, at most")
    group.add_argument("--max-atoms", type=int, metavar="N", help="atoms of all selected structures together")
    group.add_argument(
        "--cost",
        metavar="COST",
        help="what a structure costs: natoms or a power of it, such as natoms^3 (default: natoms)",
    )
    group.add_argument("--max-cost", type=float, metavar="C", help="cost of all selected structures together")
    group.add_argument(
        "--min-distance",
        type=float,
        metavar="D",
        help="pass near-duplicates of core and picks over: the root mean square difference of features, in units of "
        "their standard deviations, such as 0.01",
    )
    group.add_argument(
        "--stop-gain", type=float, metavar="F", help="stop at this fraction of the first score, such as 0.01"
    )


#: Options that are parameters of some methods.
METHOD_OPTIONS = ("max_memory", "score", "metric", "scale", "initialize", "rank", "deterministic", "rows")


def _start(text: str) -> int | str:
    """Understand where to start: an index, or the name of a way."""
    return int(text) if text.isdecimal() else text


def _bytes(text: str) -> int:
    """Understand a number of bytes such as 500MB."""
    match = re.fullmatch(r"([0-9.]+) *([kMGT]?)B?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 500MB, got {text!r}")
    return int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def run(options: argparse.Namespace) -> None:
    """Select, write, and show what was selected."""
    # Opening a store reads all of it: options come first.
    store = read_manifest(Path(options.pool[0])) if all(map(is_store, options.pool)) else None
    dtype = options.dtype or ("float64" if store is None else store.dtype)
    if options.potential is not None:
        refuse_descriptor(options, "--potential")
        descriptor = None
    elif store is None:
        descriptor = descriptor_from(options, dtype)
    elif dtype != store.dtype:
        raise InvalidInputError(f"--dtype: {options.pool[0]} has features of type {store.dtype}")
    else:
        descriptor = descriptor_for(options, store.descriptor, "a store")
    selection = select(
        options.pool,
        options.n,
        options.core,
        descriptor,
        method=options.method,
        update=options.update,
        ridge=options.ridge,
        prior_precision=options.prior_precision,
        noise_precision=options.noise_precision,
        potential=options.potential,
        groups=options.groups,
        min_per_group=options.min,
        max_per_group=options.max,
        max_atoms=options.max_atoms,
        cost=options.cost,
        max_cost=options.max_cost,
        min_distance=options.min_distance,
        stratify_by=options.stratify_by,
        stop_gain=options.stop_gain,
        composition=options.composition,
        isolated=options.isolated,
        dtype=dtype,
        random_state=options.random_state,
        n_threads=options.threads,
        progress=progress_from(options),
        output=options.output,
        save_posterior=options.save_posterior,
        checkpoint=options.checkpoint,
        shard=options.shard,
        **{name: value for name in METHOD_OPTIONS if (value := getattr(options, name)) is not None},
    )
    if options.quiet:
        return
    print(selection_table(selection))
    written = [options.output, str(record_path(options.output)), options.save_posterior]
    print(f"wrote {', '.join(path for path in written if path)}")
