"""`mlipselect fit`: fit a linear potential to labelled structures and keep it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlipselect.cli.common import (
    add_general_options,
    add_own_options,
    add_reading_options,
    add_verb,
    descriptor_from,
    progress_from,
    reading_from,
)
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.collection import Structures
from mlipselect.io.frames import Frame
from mlipselect.io.output import Output
from mlipselect.models import LinearPotential
from mlipselect.models.errors import Errors, prediction_errors
from mlipselect.models.labels import LabelKeys

SUMMARY = """\
Fit a linear potential to energies, forces and virials, with the uncertainty that is left.

The fit is Bayesian linear regression on the descriptor; prior and noise maximise the evidence. Structures are
used for the labels that they have. Writes an .npz archive that mlipselect.LinearPotential.load reads, whose
calculator() is one of ASE, and that `mlipselect select --potential` starts from."""

EXAMPLES = """\
  mlipselect fit train.xyz --totaldegree 16 -o silicon.npz
  mlipselect fit train.xyz --energy-key dft_energy --virial-key none --reference-energy Si=-158.5 --test test.xyz \\
      -o silicon.npz
  mlipselect select pool.xyz --potential silicon.npz -n 20 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "fit", SUMMARY, EXAMPLES)
    parser.add_argument("structures", nargs="+", metavar="STRUCTURES", help="files with labelled structures")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="archive to write, such as silicon.npz")
    parser.add_argument("--test", nargs="+", metavar="FILE", help="labelled structures to tell the errors of, too")
    labels = parser.add_argument_group("labels ('none': not used; default: found where only one key can be meant)")
    labels.add_argument("--energy-key", metavar="KEY", help="key of energies in eV, or 'calculator'")
    labels.add_argument("--forces-key", metavar="KEY", help="key of forces in eV/Å, or 'calculator'")
    labels.add_argument(
        "--virial-key", metavar="KEY", help="key of virials in eV, or 'calculator' for the stress that ASE read"
    )
    labels.add_argument(
        "--reference-energy",
        nargs="+",
        metavar="SYMBOL=ENERGY",
        default=[],
        help="energy of a free atom in eV (default: that of single atoms in the files, else an average)",
    )
    model = parser.add_argument_group("regression")
    for name, default in (("energy", 30.0), ("forces", 1.0), ("virial", 30.0)):
        model.add_argument(
            f"--{name}-weight", type=float, default=default, metavar="W", help=f"weight of {name} (default: {default})"
        )
    model.add_argument(
        "--prior-power", type=float, default=4.0, metavar="P", help="power of the smoothness prior (default: 4)"
    )
    add_reading_options(parser)
    add_own_options(parser, ["ace"])
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Fit, write, and show how good the fit is."""
    reading = reading_from(options)
    training, test = Structures(options.structures, reading=reading), Structures(options.test or [], reading=reading)
    references = dict(_reference(text) for text in options.reference_energy)
    with Output(options.output, inputs=[*training.paths, *test.paths]) as output:
        descriptor = descriptor_from(options).bind(training.survey(progress_from(options)).examples)
        potential = LinearPotential(
            descriptor,
            energy_weight=options.energy_weight,
            forces_weight=options.forces_weight,
            virial_weight=options.virial_weight,
            prior_power=options.prior_power,
            reference_energies=references,
            n_threads=options.n_threads,
        )
        frames, test_frames = list(training), list(test.survey(progress_from(options)))
        atoms = [frame.atoms for frame in frames]
        with _named(frames):
            keys = LabelKeys.guess(atoms, options.energy_key, options.forces_key, options.virial_key)
            references = potential.references(atoms, keys)
            rows = potential.rows(atoms, keys, references, progress=progress_from(options))
            errors = [("training", frames, prediction_errors(potential.fit_rows(rows, references), atoms, keys))]
        if test_frames:
            with _named(test_frames):
                found = prediction_errors(potential, [frame.atoms for frame in test_frames], keys)
                errors.append(("test", test_frames, found))
        potential.write_to(output.temporary[0])
        output.publish()
    if options.quiet:
        return
    print(f"{descriptor!r}")
    numbers = keys.count(atoms)
    print(
        f"{len(atoms)} structures, of which have labels: "
        + ", ".join(f"{name} {number} ({getattr(keys, name)})" for name, number in numbers.items())
    )
    print("reference energies: " + ", ".join(f"{key} {value:.6f} eV" for key, value in references.items()))
    print(f"log evidence {potential.log_evidence_:.1f} of {potential.n_rows_} rows")
    for name, members, error in errors:
        print(f"{name}, {len(members)} structures: {_told(error)}")
    print(f"wrote {options.output}")


def _reference(text: str) -> tuple[str, float]:
    symbol, _, energy = text.partition("=")
    try:
        return symbol, float(energy)
    except ValueError:
        raise InvalidInputError(f"reference-energy: expected SYMBOL=ENERGY such as Si=-158.5, got {text!r}") from None


def _told(errors: Errors) -> str:
    return (
        f"root mean square errors {1000 * errors.energy:.3g} meV an atom in energies, {errors.forces:.3g} eV/Å in "
        f"forces, {1000 * errors.virial:.3g} meV an atom in virials"
    )


@contextmanager
def _named(frames: list[Frame]) -> Iterator[None]:
    """Name the file and the frame of a structure that cannot be used."""
    try:
        yield
    except StructureError as error:
        if error.index is None or error.source is not None:
            raise
        frame = frames[error.index]
        raise StructureError(error.problem, frame.index, frame.source) from error
