"""`mlipselect merge`: select from what was selected from each share of a pool, or taken by several runs of `hal`."""

from __future__ import annotations

import argparse
from typing import Any

from mlipselect.cli.common import (
    add_general_options,
    add_learned_options,
    add_reading_options,
    add_verb,
    descriptor_for,
    progress_from,
)
from mlipselect.cli.options import add_options
from mlipselect.cli.outcome import FurtherOutputs, add_further_outputs, add_reasons, report
from mlipselect.io.reading import Reading
from mlipselect.selection.merge import merge_job
from mlipselect.selection.options import Candidates, Execution, Outputs
from mlipselect.selection.parts import read_record_of_part
from mlipselect.utils.option import options_of

SUMMARY = """\
Select from what `select --shard` selected from each share of a pool, or from what several runs of `hal` took.

Jobs that know nothing of each other select from a share each; this is the second round. The result is an
approximation of a selection from the whole pool, and it is said how good it is: how many of the first picks
are certainly the same, and what no selection of as many can exceed.

Runs of `hal` from other starts or seeds may take the same structures. What they took together is a pool, from
which the default of `select` picks, given the core, and passes near-duplicates over."""

EXAMPLES = """\
  # in job k of 8
  mlipselect select a.features b.features --shard $k/8 --core train.xyz -n 100 -o part$k.xyz

  # afterwards
  mlipselect merge part*.xyz --core train.xyz -n 100 -o selected.xyz

  # from runs of hal with several seeds
  mlipselect merge picked-*.xyz --core train.xyz -n 50 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "merge", SUMMARY, EXAMPLES)
    parser.add_argument(
        "parts", nargs="+", metavar="PART", help="outputs of `select --shard`, from all shares; or of `hal`"
    )
    parser.add_argument("--core", nargs="+", action="extend", metavar="FILE", help="the core of the shares or runs")
    parser.add_argument(
        "-n", type=int, metavar="N", help="number of structures to select (default: as of each share or run)"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="file for the selected structures, such as selected.xyz"
    )
    add_options(parser, Candidates, "isolated")
    parser.add_argument("--save-posterior", metavar="FILE", help="write what is known after the last pick")
    add_options(parser, Outputs, "report", "strict")
    add_reasons(parser)
    add_further_outputs(parser)
    add_reading_options(parser)
    add_learned_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Select, write, and show what was selected; return the exit code."""
    with FurtherOutputs(options).opened() as further:
        selection = merge_job(
            options.parts,
            options.n,
            options.core,
            descriptor_for(options, read_record_of_part(options.parts[0])["descriptor"], options.parts[0]),
            options.isolated,
            Outputs(options.output, options.save_posterior, options.report, strict=options.strict),
            Execution(options.n_threads, progress_from(options)),
            Reading(**{name: getattr(options, name) for name in options_of(Reading)}),
            further.prepare,
        )
        return report(selection, options, further)
