"""Check that a descriptor of your own keeps the promises of the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from mlipselect.descriptors.base import (
    DescriptorLike,
    DesignDescriptor,
    DifferentiableDescriptor,
    HasSiteFeatures,
    HasStructureFeatures,
    features_of,
)
from mlipselect.random_state import RandomState
from mlipselect.testing.report import Report


def check_descriptor(
    descriptor: DescriptorLike,
    structures: Sequence[Atoms] | None = None,
    *,
    invariant: bool = True,
    rtol: float | None = None,
    gradient_rtol: float | None = None,
    random_state: RandomState = 0,
) -> Report:
    """Check a descriptor, and its derivatives where it has any.

    Parameters
    ----------
    descriptor : object or callable
        An object with ``features(atoms) -> (n_atoms, d)``, or a callable that returns that array.
    structures : sequence of ase.Atoms, optional
        Structures to describe; by default a rattled silicon crystal and a rattled molecule of three silicon atoms.
        Needed if the descriptor does not know silicon.
    invariant : bool, default=True
        Whether rows must stay the same under rotation and translation of the structure; otherwise the report only
        says how much they change.
    rtol : float, optional
        Tolerance of invariance, of methods for many structures, and for float32 also of numbers of threads, relative to
        the largest feature of the structure; by default 1e-8 for float64 and 1e-5 for float32.
    gradient_rtol : float, optional
        Tolerance of ``vjp`` and ``design`` against finite differences of ``features``, relative to the largest
        difference; by default 1e-6 for float64 and 1e-2 for float32. For float32 differences over several steps are
        extrapolated, as no single step is right for every descriptor.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator of the rotation, the translation, the permutation, and of directions and weights for
        derivatives.

    Returns
    -------
    Report
        All checks; ``print`` shows a table.

    Raises
    ------
    AssertionError
        A promise is broken; the message is the report. Features must be a finite matrix of real numbers with one row
        per atom and a constant number of columns, equal for two calls, and rows must follow reordered atoms. The
        structure must not be changed. Invariance must hold. Methods for many structures, ``vjp`` and ``design``, if
        they exist, must agree with ``features`` and its finite differences.

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.testing import check_descriptor
    >>> check_descriptor(ms.ACE(["Si"], totaldegree=8)).passed
    True
    """
    report = Report(getattr(descriptor, "__qualname__", repr(descriptor)))
    run = _Run(descriptor, report, np.random.default_rng(random_state), invariant, rtol, gradient_rtol)
    given = _silicon(run.rng) if structures is None else list(structures)
    for number, atoms in enumerate(given):
        report.run(run.structure, f"structure {number} ({atoms.symbols})", atoms)
    if report.passed:
        report.run(run.batches, given)
    if not report.passed:
        raise AssertionError(str(report))
    return report


def _silicon(rng: np.random.Generator) -> list[Atoms]:
    crystal = bulk("Si", cubic=True)
    chain = Atoms("Si3", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 2.3], [1.2, 1.9, 3.0]])
    for atoms in (crystal, chain):
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    return [crystal, chain]


def _rotated(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Turn a structure with its cell by a random proper rotation."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    turned: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    turned.set_cell(np.asarray(atoms.cell) @ rotation)  # type: ignore[no-untyped-call]
    turned.positions = atoms.positions @ rotation
    return turned


@dataclass
class _Run:
    """The checks of one descriptor, with the rows found so far."""

    descriptor: Any
    report: Report
    rng: np.random.Generator
    invariant: bool
    given_rtol: float | None
    given_gradient_rtol: float | None
    width: int | None = None
    rows: list[NDArray[Any]] = field(default_factory=list)

    @property
    def is_double(self) -> bool:
        """Whether the rows found so far are float64."""
        return all(rows.dtype == np.float64 for rows in self.rows)

    @property
    def rtol(self) -> float:
        """Tolerance of features, by their type."""
        return (1e-8 if self.is_double else 1e-5) if self.given_rtol is None else self.given_rtol

    @property
    def gradient_rtol(self) -> float:
        """Tolerance of derivatives, by the type of the features."""
        return (1e-6 if self.is_double else 1e-2) if self.given_gradient_rtol is None else self.given_gradient_rtol

    def structure(self, place: str, atoms: Atoms) -> None:
        """Check the promises that concern a single structure."""
        report, describe = self.report, features_of(self.descriptor)
        before = atoms.copy()  # type: ignore[no-untyped-call]
        rows = np.asarray(describe(atoms))
        report.expect(rows.ndim == 2 and len(rows) == len(atoms), "one row per atom", place, f"shape {rows.shape}")
        self.width = rows.shape[1] if self.width is None else self.width
        report.expect(rows.shape[1] == self.width, "as many features as before", place, rows.shape[1])
        report.expect(rows.dtype in (np.float32, np.float64), "float32 or float64", place, rows.dtype)
        report.expect(bool(np.isfinite(rows).all()), "finite features", place, "NaN or infinity")
        report.expect(atoms == before, "an untouched structure", place, "a changed one")
        report.expect(np.array_equal(rows, describe(atoms)), "the same on a second call", place, "other features")
        self.rows.append(rows)

        order = self.rng.permutation(len(atoms))
        report.compare(describe(atoms[order]), rows[order], self.rtol, "rows that follow reordered atoms", place)
        moved = atoms.copy()  # type: ignore[no-untyped-call]
        moved.positions += self.rng.normal(size=3)
        for name, changed in (("rotation", _rotated(atoms, self.rng)), ("translation", moved)):
            promise = f"rows that a {name} leaves alone"
            report.compare(describe(changed), rows, self.rtol, promise, place, required=self.invariant)
        self._derivatives(place, atoms, rows)

    def batches(self, structures: Sequence[Atoms]) -> None:
        """Check the methods for many structures, if there are any, against the method for one structure."""
        means = np.array([rows.mean(axis=0) for rows in self.rows])
        described, methods = self.descriptor, []
        if isinstance(described, HasSiteFeatures):
            methods.append(("site_features", described.site_features, np.concatenate(self.rows)))
        if isinstance(described, HasStructureFeatures):
            methods.append(("structure_features", described.structure_features, means))
        for name, method, expected in methods:
            found = np.asarray(method(list(structures), n_threads=2))
            self.report.expect(found.shape == expected.shape, f"{name} of shape {expected.shape}", "all", found.shape)
            self.report.compare(found, expected, self.rtol, f"{name} of what features() gives", "all")
            again = np.asarray(method(list(structures), n_threads=1))
            promise = f"{name} the same for one and two threads"
            if self.is_double:
                self.report.expect(np.array_equal(found, again), promise, "all", "a difference")
            else:
                self.report.compare(again, found, self.rtol, promise, "all")

    def _derivatives(self, place: str, atoms: Atoms, rows: NDArray[Any]) -> None:
        """Compare `vjp` and `design`, if they exist, with differences along a random direction and a random strain."""
        described = self.descriptor
        vjp = described.vjp if isinstance(described, DifferentiableDescriptor) else None
        design = described.design if isinstance(described, DesignDescriptor) else None
        if vjp is None and design is None:
            return
        report, (n, d) = self.report, rows.shape
        slope_of = _slope if rows.dtype == np.float64 else _extrapolated_slope
        w = self.rng.normal(size=(d,))
        direction, strain = self.rng.normal(size=(n, 3)), self.rng.normal(size=(3, 3))
        strain += strain.T

        def moved(h: float) -> NDArray[Any]:
            return _summed(self.descriptor, atoms, atoms.positions + h * direction, np.asarray(atoms.cell))

        def strained(h: float) -> NDArray[Any]:
            deformation = np.eye(3) + h * strain
            cell = np.asarray(atoms.cell) @ deformation
            return _summed(self.descriptor, atoms, atoms.positions @ deformation, cell)

        slopes, rtol = slope_of(moved), self.gradient_rtol
        if vjp is not None:
            found = np.asarray(vjp(atoms, w))
            report.expect(found.shape == (n, 3), "vjp of shape (n_atoms, 3)", place, found.shape)
            if self.is_double:
                size = float(np.abs(slopes).max(initial=0.0) * np.abs(w).sum())
            else:
                # The size of a sum of terms of random signs: a few per cent of it are seen among hundreds of features.
                size = float(np.linalg.norm(slopes * w))
            promise = "vjp that differences of features give"
            report.compare((found * direction).sum(), slopes @ w, rtol, promise, place, size=size)
        if design is not None:
            made = design(atoms)
            shapes = [np.shape(part) for part in (made.energy, made.forces, made.virial)]
            wanted = [(d,), (3 * n, d), (6, d)]
            report.expect(shapes == wanted, "a design of rows for energy, forces and virial", place, shapes)
            total = rows.sum(axis=0, dtype=float)
            report.compare(made.energy, total, self.rtol, "an energy row that is the sum of rows", place)
            promise = "force rows that differences of features give"
            report.compare(-direction.ravel() @ made.forces, slopes, rtol, promise, place)
            voigt = strain[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, 2, 2, 2]
            promise = "virial rows that strained cells give"
            report.compare(-voigt @ made.virial, slope_of(strained), rtol, promise, place)


def _summed(descriptor: Any, atoms: Atoms, positions: NDArray[Any], cell: NDArray[Any]) -> NDArray[Any]:
    """Sum the rows of a structure with other positions and another cell."""
    changed: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    changed.set_cell(cell)  # type: ignore[no-untyped-call]
    changed.positions = positions
    total: NDArray[Any] = np.asarray(descriptor.features(changed), dtype=float).sum(axis=0)
    return total


def _extrapolated_slope(f: Callable[[float], NDArray[Any]]) -> NDArray[Any]:
    """Slope at zero of numbers with the digits of float32, for each by the step that suits it.

    Differences over large steps miss the curvature, those over small steps the digits. Extrapolation to the step zero
    from each pair of neighbouring steps gives several values; the one that is nearest to the next is kept (Ridders,
    Adv. Eng. Softw. 4, 75 (1982)).
    """
    steps = 2e-2 / 2.0 ** np.arange(6)
    values = [_slope(f, h) for h in steps]
    # Errors of fourth order shrink by sixteen when the step is halved.
    better = np.array([(16 * fine - coarse) / 15 for coarse, fine in pairwise(values)])
    nearest = np.abs(np.diff(better, axis=0)).argmin(axis=0)
    chosen: NDArray[Any] = np.take_along_axis(better[1:], nearest[None], axis=0)[0]
    return chosen


def _slope(f: Callable[[float], NDArray[Any]], h: float = 1e-5) -> NDArray[Any]:
    """Central difference at zero, of fourth order.

    The default step is small enough for second derivatives that jump at a cutoff, and large enough for the digits of
    float64.
    """
    slope: NDArray[Any] = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
    return slope
