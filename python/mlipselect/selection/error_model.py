"""Where the scale of expected errors comes from: a fitted potential, the energies of the core, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.linalg import solve_triangular  # type: ignore[import-untyped]

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.labels.options import LabelOptions
from mlipselect.labels.read import read_labels
from mlipselect.models import LinearPotential
from mlipselect.models.evidence import Spectrum, maximise_evidence
from mlipselect.selection.core import Core
from mlipselect.selection.expected_error import ErrorModel

FEWEST_ENERGIES = 5
"""Number of structures with an energy from which on these tell a scale."""


def of_potential(potential: LinearPotential) -> ErrorModel:
    """Take the posterior of a potential, its noise, and the factors of its calibration.

    A pick counts as in the selection: like a labelled atom.

    Raises
    ------
    InvalidInputError
        The potential was not fitted to energies.
    """
    if "energy" not in potential.noise_:
        raise InvalidInputError("potential: expected one that was fitted to energies, as their expected error is asked")
    factors = {kind: known.factor for kind, known in potential.calibration_.items()}
    square = factors.get("energy", 1.0) ** 2
    noise = square * potential.noise_["energy"] ** 2
    covariance = square * potential.posterior_.covariance
    source = "by the noise of the potential"
    return ErrorModel(covariance, noise, 0.0, noise, True, source, factors.get("forces", 1.0))


def of_core_energies(
    core: Core, features: Features, prior: Posterior, energy_key: str | Sequence[str] | None
) -> ErrorModel:
    r"""Fit the energies per atom of a core, and find prior and noise by the evidence.

    Parameters
    ----------
    core : Core
        Structures with energies.
    features : Features
        Their rows.
    prior : Posterior
        The prior of the selection, which says how the weights vary relative to each other.
    energy_key : str or sequence of str, optional
        Keys of the energies, by default guessed.

    Raises
    ------
    InvalidInputError
        Energies of fewer than 5 structures, features without structures, or ambiguous keys.

    Notes
    -----
    Energies are differences to a least-squares fit of one energy for each element. Rows :math:`A` have the prior
    :math:`\tau^2 \Sigma_0`, with the covariance :math:`\Sigma_0` of the selection, and the noise :math:`\sigma^2` per
    structure; both variances maximise the evidence.
    """
    if core.described:
        raise InvalidInputError(f"{core.described[0].name}: features know no energies: give the files of the core")
    frames = list(core.iter_candidates())
    labels = read_labels(
        frames, LabelOptions(energy_key=energy_key, forces_key="none", virial_key="none", stress_key="none"), "core"
    )
    known = [k for k, label in enumerate(labels) if label.energy is not None]
    if len(known) < FEWEST_ENERGIES:
        raise InvalidInputError(f"core: expected energies of at least {FEWEST_ENERGIES} structures, got {len(known)}")
    energies = np.array([labels[k].energy / len(frames[k].atoms) for k in known])  # type: ignore[operator]
    targets = _beside_elements(energies, [frames[k].atoms for k in known])
    root = np.linalg.cholesky(prior.covariance)
    rows = np.asarray(features.per_structure[known], dtype=np.float64) @ root
    spread, noise = maximise_evidence(_spectrum(rows, targets))
    factor = np.linalg.qr(np.concatenate([np.eye(len(root)) / spread**0.5, rows / noise**0.5]), mode="r")
    basis = root @ solve_triangular(factor, np.eye(len(root)))
    source = f"by {len(known)} energies of the core"
    return ErrorModel(basis @ basis.T, noise, noise, 0.0, in_ev=True, source=source)


def of_prior(start: Posterior) -> ErrorModel:
    """Take the posterior after the core, without a scale."""
    source = "relative, as no energies are used"
    return ErrorModel(start.covariance, 1.0 / start.noise_precision, 0.0, 0.0, in_ev=False, source=source)


def _beside_elements(energies: NDArray[np.float64], structures: Sequence[Atoms]) -> NDArray[np.float64]:
    """Subtract one energy for each element, fitted to the energies per atom."""
    elements = sorted({number for atoms in structures for number in atoms.numbers.tolist()})
    fractions = np.array([[np.mean(atoms.numbers == number) for number in elements] for atoms in structures])
    return np.asarray(energies - fractions @ np.linalg.lstsq(fractions, energies, rcond=None)[0])


def _spectrum(rows: NDArray[np.float64], targets: NDArray[np.float64]) -> Spectrum:
    """Return what the evidence depends on."""
    U, s, _ = np.linalg.svd(rows, full_matrices=False)
    projections, missing = U.T @ targets, rows.shape[1] - len(s)
    rest = max(float(targets @ targets - projections @ projections), 0.0)
    values: list[Any] = [np.append(part, np.zeros(missing)) for part in (s, projections)]
    return Spectrum(values[0], values[1], rest, len(targets))
