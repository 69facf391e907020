"""Conformance kits: check that a descriptor or a selector of your own keeps the promises of the package.

Each check raises `AssertionError` with what was promised and what was found, so it can be called from any test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from mlipselect.features.describe import DescriptorLike

__all__ = ["check_descriptor", "check_selector"]


def check_descriptor(
    descriptor: DescriptorLike,
    structures: Sequence[Atoms] | None = None,
    *,
    invariant: bool = True,
    rtol: float = 1e-8,
    gradient_rtol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Check a descriptor, and its derivatives where it has any.

    Parameters
    ----------
    descriptor : object or callable
        Anything with ``features(atoms) -> (n_atoms, d)``, or a callable that returns that array.
    structures : sequence of ase.Atoms, optional
        What to describe; by default a rattled silicon crystal and a rattled molecule of three silicon atoms.
        Give your own if the descriptor knows other elements.
    invariant : bool, default True
        Whether rows must stay the same under rotation and translation of the structure.
    rtol : float, default 1e-8
        Tolerance of invariance, relative to the largest feature of the structure.
    gradient_rtol : float, default 1e-6
        Tolerance of ``vjp`` and ``design`` against finite differences of ``features``, relative to the largest of
        them. Differences of features in float32 hold about three digits.
    seed : int, default 0
        Seed of the rotation, the translation, the permutation, and of directions and weights for derivatives.

    Raises
    ------
    AssertionError
        The features are not a finite matrix of real numbers with one row per atom and always the same length, they
        differ between two calls, the structure was changed, rows do not follow the atoms when those are reordered, the
        batch methods (where there are any) differ from the single one, an invariance is broken, or ``vjp`` or
        ``design`` (where there is one) is not what finite differences say.

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.testing import check_descriptor
    >>> check_descriptor(ms.ACE(["Si"], totaldegree=8))
    """
    rng = np.random.default_rng(seed)
    structures = _silicon(rng) if structures is None else list(structures)
    describe: Any = getattr(descriptor, "features", descriptor)
    width: int | None = None
    rows: list[NDArray[Any]] = []
    for number, atoms in enumerate(structures):
        before = atoms.copy()  # type: ignore[no-untyped-call]
        found = np.asarray(describe(atoms))
        place = f"structure {number} ({atoms.symbols})"
        _expect(found.ndim == 2 and len(found) == len(atoms), f"{place}: shape ({len(atoms)}, d)", found.shape)
        width = found.shape[1] if width is None else width
        _expect(found.shape[1] == width, f"{place}: {width} features as before", found.shape[1])
        _expect(found.dtype in (np.float32, np.float64), f"{place}: float32 or float64", found.dtype)
        _expect(bool(np.isfinite(found).all()), f"{place}: finite features", "NaN or infinity")
        _expect(atoms == before, f"{place}: an untouched structure", "a changed one")
        _expect(np.array_equal(found, describe(atoms)), f"{place}: the same on a second call", "other features")

        scale = rtol * max(float(np.abs(found).max(initial=0.0)), np.finfo(float).tiny)
        order = rng.permutation(len(atoms))
        _close(describe(atoms[order]), found[order], scale, f"{place}: rows that follow reordered atoms")
        if invariant:
            _close(describe(_rotated(atoms, rng)), found, scale, f"{place}: rows that a rotation leaves alone")
            moved = atoms.copy()  # type: ignore[no-untyped-call]
            moved.positions += rng.normal(size=3)
            _close(describe(moved), found, scale, f"{place}: rows that a translation leaves alone")
        _check_derivatives(descriptor, atoms, found, rng, [rtol, gradient_rtol], place)
        rows.append(found)
    _check_batches(descriptor, structures, rows, rtol)


def check_selector(
    make: Callable[[int], Any],
    X: NDArray[np.floating[Any]] | None = None,
    *,
    nested: bool = True,
    seed: int = 0,
) -> None:
    """Check a selector.

    Parameters
    ----------
    make : callable
        ``make(n)`` gives a new selector of `n` rows with ``fit(X)``, which sets ``selected_idx_`` and ``scores_``.
    X : ndarray of shape (n, d), optional
        Features to select from; by default 60 random rows, one of them twice and one all zero.
    nested : bool, default True
        Whether a smaller selection must be the beginning of a larger one.
    seed : int, default 0
        Seed of the default features.

    Raises
    ------
    AssertionError
        The picks are not exactly `n` different indices in range, two equal calls differ, the features were changed, a
        smaller selection is not the beginning of a larger one, ``get_support`` disagrees with ``selected_idx_``, or
        more picks than rows are not refused with a `ValueError`.

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.testing import check_selector
    >>> check_selector(lambda n: ms.BayesianSelector(n))
    """
    if X is None:
        X = np.random.default_rng(seed).normal(size=(60, 8)) * 0.5 ** np.arange(8)
        X[7], X[11] = X[3], 0.0
    original = X.copy()
    largest: NDArray[np.int64] | None = None
    for n in (len(X), len(X) // 2, 1):
        selector = make(n).fit(X)
        picks = np.asarray(selector.selected_idx_)
        place = f"n={n}"
        _expect(picks.dtype == np.int64, f"{place}: selected_idx_ of int64", picks.dtype)
        _expect(picks.shape == (n,), f"{place}: selected_idx_ of shape ({n},)", picks.shape)
        _expect(len(set(picks.tolist())) == n, f"{place}: every row once", "repeated picks")
        _expect(bool(((picks >= 0) & (picks < len(X))).all()), f"{place}: indices below {len(X)}", picks)
        _expect(np.shape(selector.scores_) == (n,), f"{place}: scores_ of shape ({n},)", np.shape(selector.scores_))
        _expect(np.array_equal(X, original), f"{place}: untouched features", "changed ones")
        _expect(np.array_equal(make(n).fit(X).selected_idx_, picks), f"{place}: the same picks again", "others")
        mask = selector.get_support()
        _expect(np.array_equal(np.flatnonzero(mask), np.sort(picks)), f"{place}: get_support of the picks", mask)
        if nested and largest is not None:
            _expect(np.array_equal(largest[:n], picks), f"{place}: the first {n} of more picks", picks)
        largest = picks if largest is None else largest
    try:
        make(len(X) + 1).fit(X)
    except ValueError:
        return
    raise AssertionError(f"n={len(X) + 1}: expected a ValueError for more picks than the {len(X)} rows, got none")


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


def _check_batches(descriptor: Any, structures: Sequence[Atoms], rows: Sequence[NDArray[Any]], rtol: float) -> None:
    wanted = {"site_features": np.concatenate(rows), "structure_features": np.array([r.mean(axis=0) for r in rows])}
    for name, expected in wanted.items():
        method = getattr(descriptor, name, None)
        if method is None:
            continue
        found = np.asarray(method(list(structures), n_threads=2))
        scale = rtol * max(float(np.abs(expected).max(initial=0.0)), np.finfo(float).tiny)
        _expect(found.shape == expected.shape, f"{name}: shape {expected.shape}", found.shape)
        _close(found, expected, scale, f"{name}: what features() gives")
        again = np.asarray(method(list(structures), n_threads=1))
        _expect(np.array_equal(found, again), f"{name}: the same for one and two threads", "a difference")


def _check_derivatives(
    descriptor: Any, atoms: Atoms, rows: NDArray[Any], rng: np.random.Generator, rtols: Sequence[float], place: str
) -> None:
    """Compare the derivatives that there are with differences along a random direction and a random strain."""
    vjp, design = getattr(descriptor, "vjp", None), getattr(descriptor, "design", None)
    if vjp is None and design is None:
        return
    rtol, gradient_rtol = rtols
    n, d = rows.shape
    # Small enough for second derivatives that jump at a cutoff, large enough for the digits of the features.
    step = 1e-5 if rows.dtype == np.float64 else 1e-2
    w = rng.normal(size=d)
    direction, strain = rng.normal(size=(n, 3)), rng.normal(size=(3, 3))
    strain += strain.T

    def moved(h: float) -> NDArray[Any]:
        return _summed(descriptor, atoms, atoms.positions + h * direction, np.asarray(atoms.cell))

    def strained(h: float) -> NDArray[Any]:
        deformation = np.eye(3) + h * strain
        return _summed(descriptor, atoms, atoms.positions @ deformation, np.asarray(atoms.cell) @ deformation)

    slopes = _slope(moved, step)
    scale = gradient_rtol * float(np.abs(slopes).max(initial=np.finfo(float).tiny))
    if vjp is not None:
        found = np.asarray(vjp(atoms, w))
        _expect(found.shape == (n, 3), f"{place}: vjp of shape ({n}, 3)", found.shape)
        largest = scale * float(np.abs(w).sum())
        _close((found * direction).sum(), slopes @ w, largest, f"{place}: vjp that differences of features give")
    if design is not None:
        made = design(atoms)
        shapes = [np.shape(part) for part in (made.energy, made.forces, made.virial)]
        wanted = [(d,), (3 * n, d), (6, d)]
        _expect(shapes == wanted, f"{place}: a design with rows of shapes {wanted}", shapes)
        total = rows.sum(axis=0, dtype=float)
        _close(made.energy, total, rtol * float(np.abs(total).max()), f"{place}: an energy row that is the sum of rows")
        _close(
            -direction.ravel() @ made.forces, slopes, scale, f"{place}: force rows that differences of features give"
        )
        slopes = _slope(strained, step)
        scale = gradient_rtol * float(np.abs(slopes).max(initial=np.finfo(float).tiny))
        voigt = strain[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, 2, 2, 2]
        _close(-voigt @ made.virial, slopes, scale, f"{place}: virial rows that strained cells give")


def _summed(descriptor: Any, atoms: Atoms, positions: NDArray[Any], cell: NDArray[Any]) -> NDArray[Any]:
    """Sum the rows of a structure with other positions and another cell."""
    changed: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    changed.set_cell(cell)  # type: ignore[no-untyped-call]
    changed.positions = positions
    total: NDArray[Any] = np.asarray(descriptor.features(changed), dtype=float).sum(axis=0)
    return total


def _slope(f: Callable[[float], NDArray[Any]], h: float) -> NDArray[Any]:
    """Central difference at zero, of fourth order."""
    slope: NDArray[Any] = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
    return slope


def _close(found: Any, expected: NDArray[Any], tolerance: float, promise: str) -> None:
    difference = float(np.abs(np.asarray(found) - expected).max(initial=0.0))
    _expect(difference <= tolerance, f"{promise} (to {tolerance:.1e})", f"a difference of {difference:.1e}")


def _expect(holds: bool, promise: str, found: Any) -> None:
    if not holds:
        raise AssertionError(f"expected {promise}, got {found}")
