"""`mlipselect select`: choose structures of a pool and write them."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from mlipselect.cli.common import (
    add_descriptor_options,
    add_general_options,
    add_reading_options,
    add_verb,
    descriptor_for,
    descriptor_from,
    has_descriptor_options,
    progress_from,
    refuse_descriptor,
)
from mlipselect.cli.options import add_option, add_options
from mlipselect.cli.outcome import FurtherOutputs, add_further_outputs, add_reasons, report
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.checks import Checks
from mlipselect.selection.core import is_described
from mlipselect.selection.described import is_store
from mlipselect.selection.job import run_job
from mlipselect.selection.limits import Limits
from mlipselect.selection.options import Candidates, Inputs, Method, Options, Outputs, Prior, SelectorParameters
from mlipselect.selection.target import TargetOptions
from mlipselect.selectors.registry import METHODS, parameter_names
from mlipselect.stores.manifest import read_manifest
from mlipselect.utils.option import options_of

SUMMARY = """\
Select structures of a pool and write them in the order in which they were picked.

Reads any format that ASE reads, and some more. POOL is a file, a folder of files, a quoted glob, `-` for standard
input, or FILE@0:100:5 for some frames of a file. Labels are not used. Writes the selected structures unchanged,
with the keys mlipselect_rank, mlipselect_score, mlipselect_source and mlipselect_index added, and beside them
a JSON file that says how they were selected."""

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

  # pick the most uncertain structure instead of lowering the uncertainty over the whole pool
  mlipselect select pool.xyz --core train.xyz --score energy -n 20 -o selected.xyz

  # for surfaces: lower the uncertainty over these slabs, each plane with the same weight
  mlipselect select pool.xyz --core train.xyz --target slabs.xyz --target-groups plane -n 20 -o selected.xyz

  # by the features of a MACE model; a store of them takes the same options
  mlipselect select pool.xyz --core train.xyz --descriptor mace --model si.model -n 20 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "select", SUMMARY, EXAMPLES)
    parser.add_argument(
        "pool", nargs="+", metavar="POOL", help="files with the candidates, or the folder of `featurize --store`"
    )
    add_options(parser, Inputs)
    add_options(parser, Outputs, "output", required=True)
    add_options(parser, Candidates, "isolated", "shard")
    add_options(parser.add_argument_group(Checks.title), Checks)
    add_options(parser, Outputs, "report", "checkpoint", "strict")
    add_options(parser, Method, "method")
    group = parser.add_argument_group(Limits.title)
    add_options(group, Limits)
    add_options(group, Method, "stop_gain")
    group = parser.add_argument_group(Method.title)
    add_options(group, Method, "score", "stratify_by", "random_state")
    for name, declared in options_of(SelectorParameters).items():
        owners = ", ".join(method for method, kind in METHODS.items() if name in parameter_names(kind))
        add_option(group, name, dataclasses.replace(declared, help=f"{owners}: {declared.help}"))
    add_options(parser.add_argument_group(TargetOptions.title), TargetOptions)
    group = parser.add_argument_group(Prior.title)
    add_options(group, Prior)
    add_options(group, Candidates, "composition")
    add_options(group, Outputs, "save_posterior")
    add_reasons(parser)
    add_further_outputs(parser)
    add_reading_options(parser)
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Select, write, and show what was selected; return the exit code."""
    values = vars(options) | {"progress": progress_from(options)}
    parameters = SelectorParameters(**{name: values[name] for name in options_of(SelectorParameters)}).given()
    chosen = Options.gather(values, parameters)
    with FurtherOutputs(options).opened() as further:
        selection = run_job(options.pool, options.n, options.core, _descriptor(options), chosen, further.prepare)
        return report(selection, options, further)


def _descriptor(options: argparse.Namespace) -> Any:
    """Make the descriptor that the options define, unless the pool or a potential has its own."""
    # Opening a store reads all of it: options come first.
    store = read_manifest(Path(options.pool[0])) if all(map(is_store, options.pool)) else None
    if store is not None and options.dtype not in (None, store.dtype):
        raise InvalidInputError(f"--dtype: {options.pool[0]} has features of type {store.dtype}")
    if options.potential is not None:
        refuse_descriptor(options, "--potential")
        return None
    if store is not None:
        return descriptor_for(options, store.descriptor, "a store")
    if any(map(is_described, [*(options.core or []), *(options.target or [])])) and not has_descriptor_options(options):
        return None
    return descriptor_from(options, options.dtype or "float64")
