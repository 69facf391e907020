"""A linear potential: Bayesian linear regression of energies, forces and virials on a descriptor."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from mlipselect._core import LeastSquares, Posterior
from mlipselect.descriptors.base import (
    Design,
    DesignDescriptor,
    ForwardPass,
    HasPredictions,
    HasSmoothnessPrior,
    Prediction,
)
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.descriptors.registry import from_record
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from mlipselect.features.design import iter_designs
from mlipselect.io.frame import Frame
from mlipselect.io.frames import as_frames
from mlipselect.io.output import Output
from mlipselect.io.untrusted import parse_json, read_archive
from mlipselect.labels.free_atoms import reference_energies
from mlipselect.labels.labels import Labels
from mlipselect.labels.names import Kind
from mlipselect.labels.options import Keys, LabelOptions
from mlipselect.labels.read import read_labels
from mlipselect.models.calculator import LinearCalculator
from mlipselect.models.calibration import Calibration, calibrated, residuals_left_out
from mlipselect.models.consistency import contradictory_energies, contradictory_virials, sample
from mlipselect.models.evidence import Spectrum, log_evidence, maximise_evidence
from mlipselect.models.noise import Block, fit_some, maximise_evidence_of_groups, maximise_evidence_of_kinds
from mlipselect.models.rows import KINDS, OTHERS, SMALLEST_GROUP, LabelRows, group_of, kind_of
from mlipselect.parameters import Parametrised
from mlipselect.progress import progress_bar
from mlipselect.utils.told import counted
from mlipselect.utils.unmasked import unmasked

ROUNDING = 1e-12
"""What of an energy is rounding, relative to the sum of the reference energies that is taken off it."""


class LinearPotential(Parametrised):
    r"""A potential that is linear in the features, fitted to energies, forces and virials, with its uncertainty.

    Parameters
    ----------
    descriptor : DesignDescriptor
        A descriptor with rows for energies, forces and virials, such as `ACE` with its elements given.
    energy_weight, forces_weight, virial_weight : float, optional
        Weights of the rows; those of energies and virials are divided by the square root of the number of atoms. By
        default the evidence settles one noise for each kind of label. Where some are given, the others are 30, 1
        and 30, as in the paper, and the evidence settles one noise of all weighted rows.
    noise_by : str, optional
        Key of `Atoms.info`, such as ``"config_type"``: structures that agree in it have a noise of their own for each
        kind of label, within a factor of 3 of that of all. Groups of fewer than 10 structures with the label share one.
        Not together with weights.
    prior_power : float, default=4
        Exponent of the descriptor's smoothness prior: the prior standard deviation of a weight falls with the roughness
        of its function. A descriptor without `smoothness_prior` needs `prior_scales`.
    prior_scales : ndarray of shape (n_features,), optional
        Inverse relative prior standard deviation of each weight, instead of the smoothness prior.
    reference_energies : mapping of str to float, optional
        Energy of a free atom of each element, in eV. The model predicts the difference to their sum. By default it is
        the energy of an isolated atom among the structures or, for an element without one, a least-squares fit to the
        energies; see `references`.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,)
        Mean of the posterior.
    prior_variance_ : float
        Variance of a scaled weight that maximises the evidence.
    noise_ : dict of float
        Standard deviation of the noise of each kind of label: of energies and virials in eV per root of the number of
        atoms, of forces in eV/Å. With `noise_by`, the root mean square over all rows.
    group_noise_ : dict of dict of float
        With `noise_by`, that of each group, by kind of label; the group ``"others"`` has all small ones.
    calibration_ : dict of Calibration
        Calibration of each kind of label; empty before `calibrate`.
    log_evidence_ : float
        Logarithm of the largest evidence.
    reference_energies_ : dict of float
        Energy of a free atom of each element, in eV.
    n_rows_ : int
        Number of rows of the fit.

    Notes
    -----
    With rows :math:`A`, targets :math:`y` and prior scales :math:`P`, the scaled weights :math:`\tilde c = P c` have
    the prior :math:`N(0, \sigma_0^2)`, and each row of kind :math:`k` has the noise :math:`N(0, \sigma_k^2)`; all
    variances maximise the evidence [1]_. With given row weights :math:`w_k` it is :math:`\sigma_k = \sigma_e / w_k`
    with one :math:`\sigma_e`: this is the fit of the paper's linear ACE potentials [2]_. Rows are never held together:
    each batch goes into the triangular factor of :math:`[A P^{-1}, y]` of its kind by orthogonal transformations, and
    everything follows from these triangles. Normal equations would square the condition number.

    References
    ----------
    .. [1] D. J. C. MacKay, Neural Computation 4, 415 (1992).
    .. [2] T. Rocke, J. Kermode, arXiv:2502.21165 (2025).

    Examples
    --------
    >>> import numpy as np, ase.build, mlipselect as ms
    >>> from ase.calculators.tersoff import Tersoff
    >>> from mlipselect.demo.tersoff import silicon_tersoff
    >>> structures = [ase.build.bulk("Si", cubic=True) for _ in range(10)]
    >>> for seed, atoms in enumerate(structures):
    ...     atoms.rattle(0.1, seed=seed)
    ...     atoms.calc = silicon_tersoff()
    ...     _ = atoms.get_forces(), atoms.get_stress()
    >>> potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=8)).fit(structures)
    >>> atoms = structures[0].copy()
    >>> atoms.calc = potential.calculator()
    >>> error = atoms.get_potential_energy() - structures[0].get_potential_energy()
    >>> bool(abs(error) / len(atoms) < 0.01)
    True
    """

    weights_: NDArray[np.float64]
    prior_variance_: float
    noise_: dict[str, float]
    group_noise_: dict[str, dict[str, float]]
    calibration_: dict[str, Calibration]
    log_evidence_: float
    reference_energies_: dict[str, float]
    n_rows_: int

    def __init__(
        self,
        descriptor: DesignDescriptor,
        *,
        energy_weight: float | None = None,
        forces_weight: float | None = None,
        virial_weight: float | None = None,
        noise_by: str | None = None,
        prior_power: float = 4.0,
        prior_scales: ArrayLike | None = None,
        reference_energies: Mapping[str, float] | None = None,
        n_threads: int | None = None,
    ):
        self.descriptor = descriptor
        self.energy_weight = energy_weight
        self.forces_weight = forces_weight
        self.virial_weight = virial_weight
        self.noise_by = noise_by
        self.prior_power = prior_power
        self.prior_scales = prior_scales
        self.reference_energies = reference_energies
        self.n_threads = n_threads

    def fit(
        self,
        structures: Iterable[Atoms],
        *,
        energy_key: Keys = None,
        forces_key: Keys = None,
        virial_key: Keys = None,
        stress_key: Keys = None,
        isolated: Keys = None,
        unconverged: Literal["drop", "keep"] = "drop",
        progress: bool | None = False,
    ) -> LinearPotential:
        """Fit the potential to the labels of structures.

        Parameters
        ----------
        structures : iterable of ase.Atoms
            Structures with energies, forces, virials or stresses; each contributes the labels that it has.
        energy_key, virial_key, stress_key : str or sequence of str, optional
            Keys of `Atoms.info`, or names of results of a calculator (``"energy"``, ``"free_energy"``, ``"stress"``).
            ``"calculator"`` stands for the results alone, ``"none"`` for labels that are not used. Of several keys each
            structure is read under the first that it has. A virial is minus the derivative of the energy by strain, in
            eV; a stress is minus the virial over the volume, in eV/Å^3, as in ASE. By default keys are guessed, see
            `mlipselect.labels.read_labels`.
        forces_key : str or sequence of str, optional
            Keys of `Atoms.arrays`, ``"calculator"`` or ``"none"``.
        isolated : str or sequence of str, optional
            ``"KEY=VALUE"`` that mark isolated atoms, whose energies are reference energies. The mark
            ``config_type=isolated_atom`` and its spellings are known without.
        unconverged : "drop" or "keep", default="drop"
            What becomes of the labels of structures whose electronic steps did not converge.
        progress : bool or None, default=False
            Show a progress bar; None shows it where the standard error is a terminal.

        Returns
        -------
        LinearPotential
            Itself.

        Raises
        ------
        InvalidInputError
            No labels, missing or ambiguous keys, negative weights, or nothing to fit.
        StructureError
            A structure that cannot be described, or a label that cannot be used.
        """
        structures = list(structures)
        labels = read_labels(
            structures, LabelOptions(energy_key, forces_key, virial_key, stress_key, isolated, unconverged)
        )
        references = self.references(structures, labels)
        rows = self.rows(structures, labels, references, progress=progress)
        self.fit_rows(rows, references)
        self.compare_labels(structures, labels, rows)
        return self

    def references(self, structures: Sequence[Atoms | Frame], labels: Sequence[Labels]) -> dict[str, float]:
        """Find the energy of a free atom of each element.

        Parameters
        ----------
        structures : sequence of ase.Atoms or Frame
            Structures.
        labels : sequence of Labels
            Their labels, as `mlipselect.labels.read_labels` returns them.

        Returns
        -------
        dict of float
            Energies from `reference_energies`; for other elements from structures that are marked as isolated atoms,
            then from single atoms without neighbours whose images are 10 Å away or more; for the rest from a
            least-squares fit to the energies per atom of all structures.

        Raises
        ------
        InvalidInputError
            `reference_energies` has what is no element of the structures.
        StructureError
            Two marked atoms of one element have different energies.
        """
        elements = getattr(self.descriptor, "elements", None) or ()
        return reference_energies(
            structures, labels, self.reference_energies or {}, lambda atoms: not self._site_rows(atoms).any(), elements
        )

    def rows(
        self,
        structures: Sequence[Atoms],
        labels: Sequence[Labels],
        references: Mapping[str, float],
        *,
        progress: bool | None = False,
    ) -> LabelRows:
        """Reduce the rows of structures and their targets to triangular factors, the input of `fit_rows`.

        Factors of parts of a training set can be kept and merged. Structures without neighbours, such as isolated
        atoms, have no rows, as their rows would be zero.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures.
        labels : sequence of Labels
            Their labels, as `mlipselect.labels.read_labels` returns them.
        references : mapping of str to float
            Energy of a free atom of each element.
        progress : bool or None, default=False
            Show a progress bar.

        Returns
        -------
        LabelRows
            One factor for each kind of label.
        """
        weights = self._row_weights()
        inverse = 1.0 / self._scales()
        sums = LabelRows(len(inverse))
        with progress_bar(progress, total=len(structures), desc="fitting", unit="structure") as bar:
            designs = iter_designs(structures, self.descriptor, self.n_threads)
            zeros: list[Atoms] = []
            for atoms, known, design in zip(structures, labels, designs, strict=True):
                zeros += [atoms] if known.is_labelled and not design.energy.any() else []
                for kind, block, targets in self._blocks(atoms, known, design, references):
                    if weights is None or weights[kind] > 0.0:
                        key = kind if self.noise_by is None else f"{kind}/{self._group(atoms)}"
                        sums.add(key, block * inverse, targets, self.n_threads)
                bar.update(1)
        self._tell_zeros(zeros, sum(known.is_labelled for known in labels))
        return sums

    def _tell_zeros(self, zeros: Sequence[Atoms], n_labelled: int) -> None:
        """Refuse features that are zero in all labelled structures; say it of some structures of several atoms."""
        cutoff = getattr(self.descriptor, "rcut", None)
        reach = "" if cutoff is None else f" of {cutoff:g} Å"
        if zeros and len(zeros) == n_labelled:
            raise InvalidInputError(
                f"the features of all {n_labelled} labelled structures are zero: no atom has a neighbour within the "
                f"cutoff{reach}; give a larger one (--rcut)"
            )
        if several := sum(len(atoms) > 1 for atoms in zeros):
            logging.getLogger("mlipselect").warning(
                "%d of %s %s no atoms within the cutoff%s: nothing is fitted to %s",
                several, counted(n_labelled, "labelled structure"), "has" if several == 1 else "have", reach,
                "it" if several == 1 else "them",
            )  # fmt: skip

    def compare_labels(self, structures: Sequence[Atoms | Frame], labels: Sequence[Labels], rows: LabelRows) -> None:
        """Warn of labels that contradict each other, as those in another unit or of another sign do.

        Energies that the fit does not meet are compared with what the forces alone predict, virials with what energies
        and forces predict.

        Parameters
        ----------
        structures : sequence of ase.Atoms or Frame
            Structures.
        labels : sequence of Labels
            Their labels, as `mlipselect.labels.read_labels` returns them.
        rows : LabelRows
            What `rows` returns for them.
        """
        self._check_fitted()
        told_by_kind = self._told_blocks(rows.without_groups(n_threads=self.n_threads))
        blocks = {kind: block for kind, block in told_by_kind.items() if kind in self.noise_}
        noise = {kind: deviation**2 for kind, deviation in self.noise_.items()}
        frames = list(as_frames(structures))
        inverse = 1.0 / self._scales()

        def compare(kind: Kind, by: Sequence[str], contradict: Callable[..., bool]) -> bool:
            told = {name: blocks[name] for name in by if name in blocks}
            places = sample(frames, labels, kind) if kind in blocks else []
            if not places:
                return False
            atoms = [frames[place].atoms for place in places]
            designs = iter_designs(atoms, self.descriptor, self.n_threads)
            own = np.array([getattr(design, kind) for design in designs]) * inverse
            members = [frames[place] for place in places], [labels[place] for place in places]
            fit = fit_some(told, self.prior_variance_, noise) if told else None
            return contradict(*members, own, fit, self.weights_ / inverse)

        if not compare("energy", ["forces"], contradictory_energies):
            compare("virial", ["energy", "forces"], contradictory_virials)

    def _told_blocks(self, rows: LabelRows) -> dict[str, Block]:
        """Take the factors of rows apart, of the kinds of labels that say something."""
        blocks = {
            kind: Block.from_triangle(factor.triangle(n_threads=self.n_threads), factor.n_rows)
            for kind, factor in rows.factors.items()
        }
        # Labels may be zero by symmetry, such as the forces of a perfect crystal: they tell no noise.
        return {kind: block for kind, block in blocks.items() if block.says_something}

    def _row_weights(self) -> dict[str, float] | None:
        """Return the weights of the kinds of labels; None if the evidence is to settle their noises."""
        given = (self.energy_weight, self.forces_weight, self.virial_weight)
        if all(weight is None for weight in given):
            return None
        if self.noise_by is not None:
            raise InvalidInputError("noise_by: expected no weights with it, as the evidence settles all noises")
        defaults = (30.0, 1.0, 30.0)
        weights = tuple(w if own is None else float(own) for own, w in zip(given, defaults, strict=True))
        if not all(weight >= 0.0 and np.isfinite(weight) for weight in weights) or not any(weights):
            raise InvalidInputError(f"weights of energies, forces and virials must not be negative, given {weights}")
        return dict(zip(KINDS, weights, strict=True))

    def _group(self, atoms: Atoms) -> str:
        """Return the group of a structure whose noise it has; `OTHERS` without the key."""
        return str(atoms.info.get(self.noise_by, OTHERS))

    def noises_of(self, atoms: Atoms) -> dict[str, float]:
        """Return the standard deviations of the noise of a structure's labels, by kind, in the units of `noise_`.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure. With `noise_by`, a group that is not known has the noise of ``"others"`` or, without that,
            the one over all rows.
        """
        noises = dict(self.noise_)
        for kind, groups in self.group_noise_.items():
            noises[kind] = groups.get(self._group(atoms), groups.get(OTHERS, self.noise_[kind]))
        return noises

    def label_rows(
        self, atoms: Atoms, known: Labels, design: Design
    ) -> Iterator[tuple[str, NDArray[Any], NDArray[np.float64]]]:
        """Yield the kind, the rows and the targets of each label of a structure, as the fit has them.

        Rows and targets of energies and virials are divided by the root of the number of atoms.
        """
        return self._blocks(atoms, known, design, self.reference_energies_)

    def posterior_rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the precision of the weights is made of.

        Returns
        -------
        prior : ndarray of shape (d,)
            Inverse standard deviations of the prior.
        rows : ndarray of shape (d, d)
            Triangular factor of all rows in units of their noise.
        """
        self._check_fitted()
        scales = self._scales()
        return scales / self.prior_variance_**0.5, self._triangle[:-1, :-1] * scales

    def _blocks(
        self, atoms: Atoms, known: Labels, design: Design, references: Mapping[str, float]
    ) -> Iterator[tuple[str, NDArray[Any], NDArray[np.float64]]]:
        """Yield the kind, the rows and the targets of each label of a structure."""
        if known.is_free_atom or not design.energy.any():
            return
        root = len(atoms) ** 0.5
        if known.energy is not None:
            free = sum(references[symbol] for symbol in atoms.symbols)
            energy = known.energy - free
            if abs(energy) <= ROUNDING * abs(free):
                energy = 0.0
            yield "energy", design.energy[None] / root, np.array([energy]) / root
        if known.forces is not None:
            counted = slice(None) if known.forces_count is None else known.forces_count.ravel()
            yield "forces", design.forces[counted], known.forces.ravel()[counted]
        if known.virial is not None:
            yield "virial", design.virial / root, known.virial / root

    def fit_rows(self, rows: LabelRows | LeastSquares, references: Mapping[str, float]) -> LinearPotential:
        """Fit the potential to the triangular factors of rows that `rows` returns.

        Parameters
        ----------
        rows : LabelRows or LeastSquares
            The factors of each kind of label or, where the weights are given, one factor of all weighted rows.
        references : mapping of str to float
            Energy of a free atom of each element.

        Returns
        -------
        LinearPotential
            Itself.
        """
        weights = self._row_weights()
        if weights is not None:
            scaled, together = self._fit_weighted(rows, weights)
        elif isinstance(rows, LabelRows):
            scaled, together = self._fit_noises(rows.with_large_groups(n_threads=self.n_threads))
        else:
            raise InvalidInputError("expected the rows of each kind of label, as no weights are given")
        self.weights_ = scaled / self._scales()
        self.reference_energies_ = dict(references)
        self.n_rows_ = together.n_rows
        self.calibration_ = {}
        self._triangle = together.triangle(n_threads=self.n_threads)
        return self

    def _fit_noises(self, rows: LabelRows) -> tuple[NDArray[np.float64], LeastSquares]:
        """Fit with one noise for each kind; return the scaled weights, and all rows in units of their noise."""
        told = self._told_blocks(rows)
        if not told:
            raise InvalidInputError(
                "expected at least one label that is not zero, and energies that differ from the sum of the reference "
                "energies, got none: there is nothing to fit"
            )
        if not any(kind_of(key) == "energy" for key in told) and any(kind_of(key) == "energy" for key in rows.factors):
            logging.getLogger("mlipselect").warning(
                "all energies are the sums of the reference energies, so that nothing is fitted to them: "
                "give more structures, or reference energies of free atoms"
            )
        try:
            if self.noise_by is None:
                found = maximise_evidence_of_kinds(told)
            else:
                together = self._told_blocks(rows.without_groups(n_threads=self.n_threads))
                found = maximise_evidence_of_groups(told, maximise_evidence_of_kinds(together))
        except np.linalg.LinAlgError:
            raise InvalidInputError(
                f"the labels ({', '.join(told)}) do not determine their noise: give more structures that differ, or "
                "the weights of labels (energy_weight, forces_weight, virial_weight)"
            ) from None
        self.prior_variance_, self.log_evidence_ = found.prior, found.log_evidence
        if self.noise_by is not None and all(group_of(key) == OTHERS for key in found.noise):
            raise InvalidInputError(
                f"noise_by: expected at least {SMALLEST_GROUP} labelled structures that agree in {self.noise_by!r}, "
                "got no such group"
            )
        self._keep_noises(found.noise, {key: block.n_rows for key, block in told.items()})
        precisions = {key: found.noise[key] ** -0.5 if key in told else 0.0 for key in rows.factors}
        return found.weights, rows.weighted(precisions, n_threads=self.n_threads)

    def _keep_noises(self, variances: Mapping[str, float], n_rows: Mapping[str, int]) -> None:
        """Set the noise of each kind, and that of each group."""
        self.noise_, self.group_noise_ = {}, {}
        for kind in KINDS:
            own = [key for key in variances if kind_of(key) == kind]
            if own:
                total = sum(n_rows[key] * variances[key] for key in own)
                self.noise_[kind] = float((total / sum(n_rows[key] for key in own)) ** 0.5)
            groups = {group: variances[key] ** 0.5 for key in own if (group := group_of(key)) is not None}
            if groups:
                self.group_noise_[kind] = groups

    def _fit_weighted(
        self, rows: LabelRows | LeastSquares, weights: Mapping[str, float]
    ) -> tuple[NDArray[np.float64], LeastSquares]:
        """Fit with one noise of all weighted rows; return the scaled weights, and all rows in units of their noise."""
        together = rows.weighted(weights, n_threads=self.n_threads) if isinstance(rows, LabelRows) else rows
        if together.n_rows == 0:
            raise InvalidInputError("expected at least one label with a weight above 0, got none")
        triangle = together.triangle(n_threads=self.n_threads)
        U, s, Vt = np.linalg.svd(triangle[:-1, :-1])
        spectrum = Spectrum(s, U.T @ triangle[:-1, -1], float(triangle[-1, -1] ** 2), together.n_rows)
        self.prior_variance_, noise = maximise_evidence(spectrum)
        self.log_evidence_ = log_evidence(spectrum, self.prior_variance_, noise)
        kinds = rows.factors if isinstance(rows, LabelRows) else KINDS
        self.noise_ = {kind: noise**0.5 / weights[kind] for kind in kinds if weights[kind] > 0.0}
        self.group_noise_ = {}
        shrunk = self.prior_variance_ * s / (self.prior_variance_ * s**2 + noise)
        return Vt.T @ (shrunk * spectrum.projections), LeastSquares.from_triangle(
            triangle / noise**0.5, together.n_rows
        )

    @property
    def posterior_(self) -> Posterior:
        r"""Posterior of the weights for `BayesianSelector`, a new object each time.

        Its noise is that of the energy of a structure of one atom, so that a pick counts like a labelled atom; without
        energies, that of the first kind of label. Features of a selection with it are those of the descriptor, without
        columns of element fractions.
        """
        self._check_fitted()
        scales = self._scales()
        noise_precision = self.noise_[next(kind for kind in KINDS if kind in self.noise_)] ** -2
        posterior = Posterior(len(scales), scales**2 / self.prior_variance_, noise_precision)
        rows = self._triangle[:-1, :-1] * (scales / noise_precision**0.5)
        posterior.update(np.ascontiguousarray(rows), n_threads=self.n_threads)
        return posterior

    def predict(self, atoms: Atoms) -> Prediction:
        """Predict energy, forces and virial of a structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Prediction
            Energies include those of free atoms.

        Raises
        ------
        StructureError
            A structure that cannot be described.
        """
        return self.predictions([atoms])[0]

    def predict_beside(
        self, atoms: Atoms, forward: ForwardPass, weights: NDArray[np.float64]
    ) -> tuple[Prediction, Prediction]:
        """Predict by the potential and by another linear model of its features, at less than twice the cost of one.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        forward : ForwardPass
            What `forward` of the descriptor returned for it.
        weights : ndarray of shape (n_features,)
            Weights of the other model.

        Returns
        -------
        Prediction, Prediction
            That of `predict`, and that of the other model.
        """
        self._check_fitted()
        own, other = forward.predictions(np.array([self.weights_, weights]))
        return self._referred(own, atoms), other

    def predictions(self, structures: Sequence[Atoms]) -> list[Prediction]:
        """Predict energy, forces and virial of many structures: as `predict`.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.

        Returns
        -------
        list of Prediction
            One for each.
        """
        self._check_fitted()
        found = self._bare_predictions(structures)
        return [self._referred(prediction, atoms) for prediction, atoms in zip(found, structures, strict=True)]

    def calibrate(self, structures: Sequence[Atoms], labels: Sequence[Labels] | None = None) -> LinearPotential:
        """Find the factors that make predicted standard deviations hold, from structures left out one by one.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The training set; of more than 500 structures, as many at even steps count.
        labels : sequence of Labels, optional
            Their labels, as `mlipselect.labels.read_labels` returns them, or guessed.

        Returns
        -------
        LinearPotential
            Itself, with `calibration_`, which stays empty with fewer than two labelled structures. Standard deviations
            are multiplied by the factors from now on.

        Notes
        -----
        The fit to all other structures is known in closed form, so none is made anew. Intervals of 90 % are made to
        hold; see `mlipselect.models.conformal_factor` for the method and its source. Its guarantee is for structures
        like those of the training set.
        """
        self._check_fitted()
        known = read_labels(structures) if labels is None else labels
        if sum(own.is_labelled and not own.is_free_atom for own in known) < 2:
            logging.getLogger("mlipselect").warning(
                "calibration: left out, as a fit without the only labelled structure is undetermined"
            )
            self.calibration_ = {}
            return self
        residuals = residuals_left_out(self, structures, known)
        self.calibration_ = {kind: calibrated(parts) for kind, parts in residuals.items()}
        return self

    def energy_std(self, atoms: Atoms, *, noise: bool = False) -> float:
        """Compute the standard deviation of the energy of a structure, in eV.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        noise : bool, default=False
            Add the noise: what the model cannot represent. With it, this is the expected difference to a label.
        """
        self._check_fitted()
        variance = self._known().variance(np.atleast_2d(self._site_rows(atoms).sum(axis=0)))[0]
        return float(self._std("energy", variance, len(atoms) if noise else 0, atoms))

    def forces_std(self, atoms: Atoms, *, noise: bool = False) -> NDArray[np.float64]:
        """Compute the standard deviation of each force component, in eV/Å, with or without noise; (n_atoms, 3)."""
        self._check_fitted()
        rows = np.ascontiguousarray(self.descriptor.design(atoms).forces)
        variances = self._known().variance(rows, n_threads=self.n_threads)
        return np.asarray(self._std("forces", variances, int(noise), atoms)).reshape(-1, 3)

    def virial_std(self, atoms: Atoms, *, noise: bool = False) -> NDArray[np.float64]:
        """Compute the standard deviation of the virial, in eV, with or without noise; xx, yy, zz, yz, xz, xy."""
        self._check_fitted()
        rows = np.ascontiguousarray(self.descriptor.design(atoms).virial)
        return np.asarray(self._std("virial", self._known().variance(rows), len(atoms) if noise else 0, atoms))

    def _std(self, kind: str, variances: Any, n_noises: int, atoms: Atoms) -> Any:
        """Add some times the variance of the noise, and apply the factor of the calibration."""
        if n_noises:
            noises = self.noises_of(atoms)
            if kind not in noises:
                raise InvalidInputError(f"noise: the potential was not fitted to labels of the kind {kind}")
            variances = variances + n_noises * noises[kind] ** 2
        factor = self.calibration_[kind].factor if kind in self.calibration_ else 1.0
        return factor * np.sqrt(variances)

    def calculator(self) -> LinearCalculator:
        """Make an ASE calculator: energy, site energies, forces, stress, and standard deviations when asked for."""
        self._check_fitted()
        return LinearCalculator(self)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from mlipselect.report.notebook import potential_html

        return potential_html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the potential to a file, complete or not at all.

        Parameters
        ----------
        path : path
            An ``.npz`` archive of plain arrays.

        Raises
        ------
        InvalidInputError
            The file cannot be written.
        """
        with Output(path) as output:
            self.write_to(output.temporary[0])
            output.publish()

    def write_to(self, path: Path) -> None:
        """Write the potential directly to a path, without a temporary file."""
        self._check_fitted()
        known = {
            "descriptor": describe_descriptor(self.descriptor),
            "parameters": {name: getattr(self, name) for name in _PARAMETERS},
            "reference_energies": self.reference_energies_,
            "prior_variance": self.prior_variance_,
            "noise": self.noise_,
            "group_noise": self.group_noise_,
            "calibration": {kind: known.record() for kind, known in self.calibration_.items()},
            "log_evidence": self.log_evidence_,
            "n_rows": self.n_rows_,
        }
        with path.open("wb") as stream:
            np.savez(
                stream,
                about=np.array(json.dumps(known)),
                weights=self.weights_,
                prior_scales=self._scales(),
                triangle=self._triangle,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str], descriptor: DesignDescriptor | None = None) -> LinearPotential:
        """Read a potential that `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        descriptor : DesignDescriptor, optional
            The descriptor; needed unless it is an `ACE`, which is made from the file.

        Raises
        ------
        InvalidInputError
            The file is missing, holds something else, or needs a descriptor that is not given.
        """
        try:
            archive = read_archive(path)
            known = parse_json(str(archive["about"]))
            if "noise" not in known:
                raise InvalidInputError("written by an earlier version: fit it again")
            arrays = {name: archive[name].astype(np.float64) for name in ("weights", "prior_scales", "triangle")}
            return cls._restored(known, arrays, descriptor)
        except InvalidInputError as error:
            raise InvalidInputError(f"{os.fspath(path)}: {error}") from error
        except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise InvalidInputError(f"{os.fspath(path)}: expected a potential saved by mlipselect: {error}") from error

    @classmethod
    def _restored(
        cls, known: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]], descriptor: DesignDescriptor | None
    ) -> LinearPotential:
        """Make a potential of what `write_to` wrote."""
        if descriptor is None:
            made = from_record(known["descriptor"])
            if not isinstance(made, DesignDescriptor):
                raise InvalidInputError("expected its descriptor with it, which is not an ACE")
            descriptor = made
        width, triangle = len(arrays["weights"]), arrays["triangle"]
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("a number that is not finite")
        if arrays["weights"].shape != (width,) or arrays["prior_scales"].shape != (width,) or triangle.ndim != 2:
            raise ValueError("arrays that do not belong together")
        references = {str(symbol): float(energy) for symbol, energy in known["reference_energies"].items()}
        potential = cls(
            descriptor, prior_scales=arrays["prior_scales"], reference_energies=references, **known["parameters"]
        )
        potential.weights_, potential._triangle = arrays["weights"], triangle
        potential.reference_energies_ = references
        potential.prior_variance_ = float(known["prior_variance"])
        potential.noise_ = {str(kind): float(noise) for kind, noise in known["noise"].items()}
        # Files of earlier versions have neither groups nor a calibration.
        potential.group_noise_ = known.get("group_noise", {})
        potential.calibration_ = {
            kind: Calibration.from_record(item) for kind, item in known.get("calibration", {}).items()
        }
        potential.log_evidence_, potential.n_rows_ = known["log_evidence"], known["n_rows"]
        return potential

    def _scales(self) -> NDArray[np.float64]:
        if self.prior_scales is not None:
            scales = unmasked("prior_scales", self.prior_scales, float)
            if scales.ndim != 1 or not (np.isfinite(scales) & (scales > 0.0)).all():
                raise InvalidInputError("prior_scales must be one number above 0 for each feature")
            return scales
        if isinstance(self.descriptor, HasSmoothnessPrior):
            return np.asarray(self.descriptor.smoothness_prior(self.prior_power), dtype=float)
        raise InvalidInputError(
            f"{type(self.descriptor).__name__} has no smoothness_prior: give prior_scales, for instance ones"
        )

    def _site_rows(self, atoms: Atoms) -> NDArray[np.floating[Any]]:
        return np.asarray(self.descriptor.features(atoms))

    def _bare_predictions(self, structures: Sequence[Atoms]) -> list[Prediction]:
        if isinstance(self.descriptor, HasPredictions):
            return self.descriptor.predictions(structures, self.weights_, n_threads=self.n_threads)
        out = []
        for atoms in structures:
            design, sites = self.descriptor.design(atoms), self._site_rows(atoms) @ self.weights_
            forces = (design.forces @ self.weights_).reshape(-1, 3)
            out.append(Prediction(float(sites.sum()), forces, design.virial @ self.weights_, sites))
        return out

    def _referred(self, prediction: Prediction, atoms: Atoms) -> Prediction:
        try:
            free = np.array([self.reference_energies_[symbol] for symbol in atoms.symbols])
        except KeyError as error:
            raise StructureError(f"element {error} has no reference energy in this potential") from None
        sites = prediction.site_energies + free
        return Prediction(prediction.energy + float(free.sum()), prediction.forces, prediction.virial, sites)

    def _known(self) -> Posterior:
        if not hasattr(self, "_posterior") or self._posterior[0] is not self.weights_:
            self._posterior = (self.weights_, self.posterior_)
        return self._posterior[1]

    def _check_fitted(self) -> None:
        if not hasattr(self, "weights_"):
            raise NotFittedError("this LinearPotential has no weights yet: call fit first")

    _triangle: NDArray[np.float64]
    _posterior: tuple[NDArray[np.float64], Posterior]


_PARAMETERS = ("energy_weight", "forces_weight", "virial_weight", "noise_by", "prior_power")
