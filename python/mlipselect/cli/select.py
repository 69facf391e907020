"""`mlipselect select`: choose structures of a pool and write them."""

from __future__ import annotations

import argparse
from typing import Any

from mlipselect.cli.common import (
    add_descriptor_options,
    add_general_options,
    add_verb,
    descriptor_from,
    progress_from,
)
from mlipselect.report.table import selection_table
from mlipselect.select import select
from mlipselect.selection import record_path

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

  # lower the uncertainty over the whole pool instead of picking the most uncertain structure
  mlipselect select pool.xyz --core train.xyz --score pool_variance -n 20 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "select", SUMMARY, EXAMPLES)
    parser.add_argument("pool", nargs="+", metavar="POOL", help="files with the candidates")
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
    selection = parser.add_argument_group("selection")
    selection.add_argument(
        "--score",
        choices=["energy", "logdet", "pool_variance", "pool_std"],
        default="energy",
        help="what a candidate is worth: its own uncertainty, the information in it, or by how much it lowers the "
        "uncertainty of the whole pool (default: %(default)s)",
    )
    selection.add_argument(
        "--update",
        choices=["structure", "atoms"],
        default="structure",
        help="what a pick tells: the mean of its atomic features, or all of them (default: %(default)s)",
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
        "--composition",
        action=argparse.BooleanOptionalAction,
        help="append columns of element fractions (default: where the pool has more than one composition)",
    )
    selection.add_argument("--seed", type=int, default=0, help="seed of whatever is random (default: %(default)s)")
    selection.add_argument("--save-posterior", metavar="FILE", help="write what is known after the last pick")
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Select, write, and show what was selected."""
    selection = select(
        options.pool,
        options.n,
        options.core,
        descriptor_from(options),
        score=options.score,
        update=options.update,
        ridge=options.ridge,
        prior_precision=options.prior_precision,
        noise_precision=options.noise_precision,
        composition=options.composition,
        isolated=options.isolated,
        dtype=options.dtype,
        random_state=options.seed,
        n_threads=options.threads,
        progress=progress_from(options),
        output=options.output,
        save_posterior=options.save_posterior,
    )
    if options.quiet:
        return
    print(selection_table(selection))
    written = [options.output, str(record_path(options.output)), options.save_posterior]
    print(f"wrote {', '.join(path for path in written if path)}")
