"""The page of a fitted potential: its errors, and whether its standard deviations hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from mlipselect._core import __version__
from mlipselect.labels import Labels
from mlipselect.models import LinearPotential
from mlipselect.models.errors import Errors
from mlipselect.report.agreement import PROBABILITIES, UNITS, Agreement, agreement_of
from mlipselect.report.chart import Series, curves, parity
from mlipselect.report.page import page, paragraph, table
from mlipselect.report.space import sampled
from mlipselect.utils.told import counted

#: Structures of a set whose predictions are drawn.
MOST_STRUCTURES = 300


@dataclass(frozen=True)
class LabelledSet:
    """Labelled structures that a potential was fitted to, or is tested with.

    Attributes
    ----------
    name : str
        ``"training"`` or ``"test"``.
    structures : sequence of ase.Atoms
        The structures.
    labels : sequence of Labels
        Their labels.
    errors : Errors
        Errors of the potential.
    summary : mapping
        Its files with their digests.
    """

    name: str
    structures: Sequence[Atoms]
    labels: Sequence[Labels]
    errors: Errors
    summary: Mapping[str, Any]

    def agreements(self, potential: LinearPotential) -> list[Agreement]:
        """Predict energies and forces of some of the structures."""
        labelled = [k for k, own in enumerate(self.labels) if own.is_labelled]
        kept = [labelled[k] for k in sampled(len(labelled), MOST_STRUCTURES)]
        structures, labels = [self.structures[k] for k in kept], [self.labels[k] for k in kept]
        kinds = [kind for kind in UNITS if any(getattr(own, kind) is not None for own in labels)]
        return [agreement_of(potential, structures, labels, kind) for kind in kinds]  # type: ignore[arg-type]


def fit_page(potential: LinearPotential, sets: Sequence[LabelledSet], told_labels: str) -> str:
    """Return the page of a fitted potential, as HTML.

    Parameters
    ----------
    potential : LinearPotential
        The potential, calibrated.
    sets : sequence of LabelledSet
        The training set, and the test set if there is one.
    told_labels : str
        How many structures have which labels.
    """
    training = sets[0]
    parts = [("summary", "Summary", _summary(potential, sets, told_labels))]
    for one in sets:
        found = one.agreements(potential)
        if found:
            parts.append((f"parity-{one.name}", f"Predictions, {one.name} set", _predictions(one, found)))
    if potential.calibration_:
        parts.append(("calibration", "Calibration", _calibration(potential)))
    parts.append(("provenance", "Provenance", _provenance(potential, sets)))
    return page(f"A potential fitted to {counted(len(training.structures), 'structure')}", parts)


def _summary(potential: LinearPotential, sets: Sequence[LabelledSet], told_labels: str) -> str:
    known = counted(len(sets[0].structures), "structure")
    text = (
        f"A linear potential of {len(potential.weights_)} features was fitted to {known}, of which have labels: "
        f"{told_labels}. Prior and noise are those of the highest evidence, {potential.log_evidence_:.1f} for "
        f"{potential.n_rows_} rows."
    )
    rows = []
    for one in sets:
        numbers = (1e3 * one.errors.energy, one.errors.forces, 1e3 * one.errors.virial)
        rows.append([one.name, str(len(one.structures)), *map(_number, numbers)])
    head = ["root mean square errors", "structures", "energy, meV/atom", "force, eV/Å", "virial, meV/atom"]
    return paragraph(text, "lead") + table(head, rows)


def _number(value: float) -> str:
    return "" if value != value else f"{value:.3g}"


def _predictions(one: LabelledSet, found: Sequence[Agreement]) -> str:
    out = ['<div class="pair">']
    for own in found:
        name = "energy" if own.kind == "energy" else "force component"
        out.append(parity(own.labels, own.predicted, own.deviations, f"{name}, {UNITS[own.kind]}"))
    percent = 100.0 * PROBABILITIES
    diagonal = Series("if deviations held", percent, percent, 3)
    lines = [
        Series(f"{own.kind}, {counted(len(own.labels), 'label')}", percent, 100.0 * own.within, k)
        for k, own in enumerate(found)
    ]
    out.append(curves([diagonal, *lines], "probability of the interval, %", "labels within predicted intervals, %"))
    out.append("</div>")
    note = (
        "A bar is one standard deviation of the difference that the potential expects, noise and calibration included."
    )
    if one.name == "training":
        note += " The potential was fitted to these structures: the next section leaves each out."
    return "".join(out) + paragraph(note, "note")


def _calibration(potential: LinearPotential) -> str:
    rows = []
    for kind, known in potential.calibration_.items():
        for when, own in (("as predicted", known.before), (f"times {known.factor:.3g}", known.after)):
            shares = [f"{100 * fraction:.1f}" for fraction in own.fractions]
            rows.append([f"{kind}, {when}", str(own.n_structures), str(own.n_values), f"{own.rms:.2f}", *shares])
    head = ["standard deviations of", "structures", "values", "rms", "50 %", "90 %", "99 %"]
    note = (
        "Each structure is left out once, in closed form: how many labels, in %, are within the predicted intervals of "
        "50, 90 and 99 %, and the root mean square of what is left over its standard deviation. The potential "
        "multiplies its standard deviations by the factors."
    )
    return table(head, rows) + paragraph(note, "note")


def _provenance(potential: LinearPotential, sets: Sequence[LabelledSet]) -> str:
    rows = [[one.name, file["path"], file["sha256"]] for one in sets for file in one.summary.get("files", [])]
    noises = [[f"noise of {kind}", f"{noise:.4g}"] for kind, noise in potential.noise_.items()]
    references = [
        [f"reference energy of {key}", f"{value:.6f} eV"] for key, value in potential.reference_energies_.items()
    ]
    return (
        ("<h3>Files</h3>" + table(["set", "file", "SHA-256"], rows, [1, 2]) if rows else "")
        + "<h3>Parameters</h3>"
        + table(["parameter", "value"], [["descriptor", repr(potential.descriptor)], *noises, *references], [1])
        + paragraph(f"mlipselect {__version__}", "note")
    )
