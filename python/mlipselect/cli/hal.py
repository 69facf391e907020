"""`mlipselect hal`: from a potential and a few starts to structures worth a calculation, by biased dynamics."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from mlipselect.checkpoint import refuse_unusable
from mlipselect.cli.common import (
    add_descriptor_options,
    add_general_options,
    add_verb,
    descriptor_from,
    has_descriptor_options,
    progress_from,
    refuse_descriptor,
)
from mlipselect.cli.options import add_options
from mlipselect.cli.outcome import FurtherOutputs, add_further_outputs, add_reasons, report
from mlipselect.descriptors.base import bound
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal import Hal, MacePotential, Surrogate
from mlipselect.hal.base import MACE_PREFIX, BaseLike, load_base
from mlipselect.hal.options import GROUPS
from mlipselect.io.collection import Structures
from mlipselect.io.rejected import RejectedFile
from mlipselect.models import LinearPotential
from mlipselect.selection.options import Method, Outputs
from mlipselect.selection.outputs import fill_page, open_page, output_for, publish, structure_writer
from mlipselect.utils.option import options_of

SUMMARY = """\
Explore with biased molecular dynamics, and take structures that are worth a calculation.

Walkers move by the forces of the base potential, pushed towards what a linear model of the features is uncertain
about. When a frame is far more uncertain than the training set, it is taken, and the model counts it as known from
then on: so N structures are taken without a calculation or a new fit in between. Writes them in the order in which
they were taken, without labels, and beside them a JSON file that says how each was found. Frames that fail a check
end their trajectory and go to NAME.rejected.xyz."""

EXAMPLES = """\
  # with a potential fitted by mlipselect, which knows how uncertain it is
  mlipselect fit train.xyz --totaldegree 12 -o si.npz
  mlipselect hal start.xyz --core train.xyz --base si.npz -n 20 --temperature 600 1200 --friction 0.05 \\
      -o picked.xyz

  # with a model of MACE, whose features say how uncertain it is
  mlipselect hal start.xyz --core train.xyz --base mace:si.model -n 50 --temperature 300 1200 -o picked.xyz

  # with any calculator of ASE: calculators.py has a function make() that returns it
  mlipselect hal start.xyz --core train.xyz --base calculators:make -n 50 --temperature 300 1200 \\
      --workers 4 --checkpoint hal.ckpt -o picked.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "hal", SUMMARY, EXAMPLES)
    parser.add_argument("starts", nargs="+", metavar="START", help="files with the structures that walkers begin with")
    parser.add_argument(
        "--base",
        required=True,
        metavar="POTENTIAL",
        help="potential that moves the atoms: an archive of `mlipselect fit`; mace:FILE, a model of MACE, whose "
        "features the surrogate has unless a descriptor is given; or MODULE:CALLABLE, a function without arguments "
        "that returns a calculator of ASE",
    )
    parser.add_argument(
        "--core",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="the training set, which frames are compared with; without an archive as --base, it is also what the "
        "linear model knows",
    )
    parser.add_argument("-n", type=int, default=50, metavar="N", help="structures to take (default: %(default)s)")
    add_options(parser, Outputs, "output", required=True)
    add_options(parser, Outputs, "report", "checkpoint", "save_posterior", "strict")
    parser.add_argument(
        "--trajectory",
        metavar="FOLDER",
        help="keep the trajectory of each walker there, walker-000.xyz and so on: the sound frames that were looked at",
    )
    for group in GROUPS.values():
        add_options(parser.add_argument_group(group.title), group)
    add_options(parser, Method, "random_state")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that run walkers; the result does not depend on it (default: %(default)s)",
    )
    add_reasons(parser)
    add_further_outputs(parser)
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run, write, and show what was taken; return the exit code."""
    base = load_base(options.base, device=options.device or "cpu", dtype=options.dtype or "float64")
    core = Structures(options.core or []) if options.core else None
    starts = Structures(options.starts)
    inputs = [*starts.paths, *([] if core is None else core.paths), *_file(options.base)]
    with (
        output_for(options.output, inputs, options.save_posterior) as output,
        RejectedFile(options.output, inputs) as rejected,
        FurtherOutputs(options).opened() as further,
        contextlib.ExitStack() as stack,
    ):
        page = open_page(options.report, inputs, output, stack)
        if options.checkpoint is not None:
            refuse_unusable(options.checkpoint, inputs, [*output.targets, *rejected.targets])
        named = {name: one for group in GROUPS.values() for name, one in options_of(group).items()}
        values = {name: getattr(options, name) for name, one in named.items() if one.names(name)}
        hal = Hal(
            options.starts,
            base,
            _surrogate(options, base, starts, core),
            options.n,
            random_state=options.random_state,
            workers=options.workers,
            checkpoint=options.checkpoint,
            trajectory=options.trajectory,
            progress=progress_from(options),
            **values,
        )
        selection = hal.run()
        writer = structure_writer(Outputs(strict=options.strict), output)
        for frame in selection.frames:
            writer.look(frame)
        writer.refuse_several(len(selection.frames))
        writer.tell()
        selection.write_to(output, writer)
        rejected.fill(selection.rejected)
        fill_page(selection, page)
        further.prepare(selection)
        publish(output, rejected, page)
        return report(selection, options, further)


def _file(base: str) -> list[str]:
    path = base.removeprefix(MACE_PREFIX)
    return [path] if Path(path).exists() else []


def _surrogate(options: argparse.Namespace, base: BaseLike, starts: Structures, core: Structures | None) -> Surrogate:
    """Make the surrogate: of the potential if it is a linear one, else of the core, with the features of a model."""
    if isinstance(base, LinearPotential):
        refuse_descriptor(options, "an archive as --base")
        base.n_threads = options.n_threads
        return Surrogate(base, core=options.core, n_threads=options.n_threads)
    if core is None:
        raise InvalidInputError(
            "--core: expected the training set, got none: only an archive of `mlipselect fit` as --base goes without"
        )
    if isinstance(base, MacePotential):
        base.n_threads = options.n_threads
        if not has_descriptor_options(options, but="device"):
            return Surrogate(base.descriptor, core=options.core, n_threads=options.n_threads)
    examples = core.survey(False).examples + starts.survey(False).examples
    descriptor = bound(descriptor_from(options, options.dtype or "float64"), examples)
    return Surrogate(descriptor, core=options.core, n_threads=options.n_threads)
