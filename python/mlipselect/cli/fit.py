"""`mlipselect fit`: fit a linear potential to labelled structures and keep it."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Mapping
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
from mlipselect.cli.options import Several, add_options
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.collection import Structures
from mlipselect.io.frame import Frame, errors_name_one_of
from mlipselect.io.output import Output
from mlipselect.labels import LabelOptions, LabelSet, read_labels
from mlipselect.models import LinearPotential
from mlipselect.models.calibration import LEVELS, Coverage, Residuals, coverage, residuals_of_others
from mlipselect.models.errors import Errors, prediction_errors
from mlipselect.report.fit_page import LabelledSet, fit_page
from mlipselect.report.table import text_table
from mlipselect.selection.outputs import open_page, publish
from mlipselect.utils.option import options_of
from mlipselect.utils.told import counted

SUMMARY = """\
Fit a linear potential to energies, forces and virials, with the uncertainty that is left.

The fit is Bayesian linear regression on the descriptor; prior and noise maximise the evidence. Structures are
used for the labels that they have. Each structure is left out once, in closed form, to see whether predicted
standard deviations hold; where they are too small, the potential multiplies them. Writes an .npz archive that
mlipselect.LinearPotential.load reads, whose calculator() is one of ASE, and that `mlipselect select --potential`
starts from."""

EXAMPLES = """\
  mlipselect fit train.xyz --totaldegree 16 -o silicon.npz
  mlipselect fit train.xyz --energy-key dft_energy --virial-key none --reference-energy Si=-158.5 --test test.xyz \\
      -o silicon.npz
  mlipselect fit OUTCAR old.xyz --energy-key free_energy REF_energy --stress-key stress REF_stress -o silicon.npz
  mlipselect select pool.xyz --potential silicon.npz -n 20 -o selected.xyz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "fit", SUMMARY, EXAMPLES)
    parser.add_argument("structures", nargs="+", metavar="STRUCTURES", help="files with labelled structures")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="archive to write, such as silicon.npz")
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write a page that shows errors of the fit and whether its standard deviations hold, such as fit.html",
    )
    parser.add_argument(
        "--test", nargs="+", action=Several, metavar="FILE", help="labelled structures to tell the errors of, too"
    )
    labels = parser.add_argument_group(
        "labels (a KEY of the file, 'calculator' for what ASE recognises, or 'none': not used; default: guessed)"
    )
    add_options(labels, LabelOptions)
    labels.add_argument(
        "--reference-energy",
        nargs="+",
        action=Several,
        metavar="SYMBOL=ENERGY",
        default=[],
        help="energy of a free atom in eV (default: that of isolated atoms in the files, else an average)",
    )
    model = parser.add_argument_group("regression")
    for name, default in (("energy", 30), ("forces", 1), ("virial", 30)):
        model.add_argument(
            f"--{name}-weight",
            type=float,
            metavar="W",
            help=f"weight of {name} (default: the evidence settles all three; {default} if another is given)",
        )
    model.add_argument(
        "--noise-by",
        metavar="KEY",
        help="a noise for each group of at least 10 structures that agree in this key, such as config_type, within a "
        "factor of 3 of that of all",
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
    if options.totaldegree is None and options.max_features is None:
        options.max_features = 1000  # a potential is worth longer rows than a selection
    reading = reading_from(options)
    training, test = Structures(options.structures, reading=reading), Structures(options.test or [], reading=reading)
    given = LabelOptions(**{name: getattr(options, name) for name in options_of(LabelOptions)})
    inputs = [*training.paths, *test.paths]
    with Output(options.output, inputs=inputs) as output, contextlib.ExitStack() as stack:
        page = open_page(options.report, inputs, output, stack)
        descriptor = descriptor_from(options).bind(training.survey(progress_from(options)).examples)
        potential = _potential_from(options, descriptor)
        frames, test_frames = list(training), list(test.survey(progress_from(options)))
        reading.tell_unused()
        labels = read_labels(frames, given)
        test_labels = _labels_of_test(test_frames, given, labels)
        with errors_name_one_of(frames):
            atoms = [frame.atoms for frame in frames]
            references = potential.references(frames, labels)
            rows = potential.rows(atoms, labels, references, progress=progress_from(options))
            potential.fit_rows(rows, references)
            potential.compare_labels(frames, labels, rows)
            errors = [("training", frames, prediction_errors(potential, atoms, labels))]
            potential.calibrate(atoms, labels)
        of_test: Residuals = {}
        if test_labels is not None:
            with errors_name_one_of(test_frames):
                atoms = [frame.atoms for frame in test_frames]
                errors.append(("test", test_frames, prediction_errors(potential, atoms, test_labels)))
                of_test = residuals_of_others(potential, atoms, test_labels)
        potential.write_to(output.temporary[0])
        if page is not None:
            sets = [
                LabelledSet("training", [frame.atoms for frame in frames], labels, errors[0][2], training.summary())
            ]
            if test_labels is not None:
                tested = [frame.atoms for frame in test_frames]
                sets.append(LabelledSet("test", tested, test_labels, errors[1][2], test.summary()))
            page.temporary[0].write_text(fit_page(potential, sets, labels.summary()), encoding="utf-8")
        publish(output, page)
    if options.quiet:
        return
    print(f"{descriptor!r}")
    print(f"{counted(len(frames), 'structure')}, of which have labels: {labels.summary()}")
    print("reference energies: " + ", ".join(f"{key} {value:.6f} eV" for key, value in references.items()))
    print("noise: " + _noises(potential.noise_))
    for group in dict.fromkeys(name for groups in potential.group_noise_.values() for name in groups):
        own = {kind: groups[group] for kind, groups in potential.group_noise_.items() if group in groups}
        print(f"noise of {options.noise_by}={group}: {_noises(own)}")
    print(f"log evidence {potential.log_evidence_:.1f} of {counted(potential.n_rows_, 'row')}")
    for name, members, error in errors:
        print(f"{name}, {counted(len(members), 'structure')}: {_told(error)}")
    print(_calibration_table(potential, of_test))
    print(f"wrote {', '.join(path for path in (options.output, options.report) if path is not None)}")


def _potential_from(options: argparse.Namespace, descriptor: Any) -> LinearPotential:
    return LinearPotential(
        descriptor,
        energy_weight=options.energy_weight,
        forces_weight=options.forces_weight,
        virial_weight=options.virial_weight,
        noise_by=options.noise_by,
        prior_power=options.prior_power,
        reference_energies=_references(options.reference_energy),
        n_threads=options.n_threads,
    )


def _labels_of_test(frames: list[Frame], given: LabelOptions, training: LabelSet) -> LabelSet | None:
    """Read the labels of the test set, whose keys are guessed for itself.

    Raises
    ------
    InvalidInputError
        Labels that the training set has are missing.
    """
    if not frames:
        return None
    labels = read_labels(frames, given, "test")
    lacking = [kind for kind, number in training.counts().items() if number and not labels.found[kind]]
    if lacking:
        raise InvalidInputError(
            f"test: expected the labels of the training set, got none of {' and '.join(lacking)} in {len(frames)} "
            f"structures: name their keys, or leave them out of both with --{lacking[0]}-key none"
        )
    return labels


def _references(texts: list[str]) -> dict[str, float]:
    references: dict[str, float] = {}
    for text in texts:
        symbol, _, energy = text.partition("=")
        try:
            value = float(energy)
        except ValueError:
            problem = f"--reference-energy: expected SYMBOL=ENERGY such as Si=-158.5, got {text!r}"
            raise InvalidInputError(problem) from None
        if not math.isfinite(value):
            raise InvalidInputError(f"--reference-energy: expected a finite energy of {symbol}, got {value}")
        if references.setdefault(symbol, value) != value:
            raise InvalidInputError(
                f"--reference-energy: expected one energy of {symbol}, got {references[symbol]} and {value}"
            )
    return references


def _noises(noises: Mapping[str, float]) -> str:
    """Say noises with their units."""
    units = {"energy": "eV a root of atoms in energies", "forces": "eV/Å in forces"}
    units["virial"] = units["energy"].replace("energies", "virials")
    return ", ".join(f"{noise:.3g} {units[kind]}" for kind, noise in noises.items())


def _calibration_table(potential: LinearPotential, of_test: Residuals) -> str:
    """Show which fractions of labels lie within predicted intervals, before and after the factor."""
    if not potential.calibration_:
        return "no calibration: without a structure that is left out, the fit is undetermined"
    rows = []
    for kind, known in potential.calibration_.items():
        rows.append(_coverage_cells(f"{kind}, left out", 1.0, known.before))
        if known.factor > 1.0:
            rows.append(_coverage_cells(f"{kind}, left out", known.factor, known.after))
        if kind in of_test:
            factors = dict.fromkeys([1.0, known.factor])
            rows += [_coverage_cells(f"{kind}, test", each, coverage(of_test[kind], each)) for each in factors]
    header = ["standard deviations of", "factor", "structures", "values", "rms", *(f"{100 * p:g} %" for p in LEVELS)]
    applied = ", ".join(f"{kind} by {known.factor:.3g}" for kind, known in potential.calibration_.items())
    return (
        "labels within predicted intervals of 50, 90 and 99 %; rms of what is left over its standard deviation\n"
        f"{text_table(header, rows, left=[0])}\nthe potential multiplies standard deviations of {applied}"
    )


def _coverage_cells(name: str, factor: float, found: Coverage) -> list[str]:
    shares = [f"{100 * fraction:.1f}" for fraction in found.fractions]
    return [name, f"{factor:.3g}", str(found.n_structures), str(found.n_values), f"{found.rms:.2f}", *shares]


def _told(errors: Errors) -> str:
    parts = [
        (1000 * errors.energy, "meV an atom in energies"),
        (errors.forces, "eV/Å in forces"),
        (1000 * errors.virial, "meV an atom in virials"),
    ]
    told = ", ".join(f"{value:.3g} {unit}" for value, unit in parts if value == value)
    return f"root mean square errors {told}" if told else "no labels to compare"
