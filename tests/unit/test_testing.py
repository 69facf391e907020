"""The conformance kits accept what conforms and name what does not."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.descriptors import Design
from mlipselect.selectors.registry import METHODS
from mlipselect.testing import check_descriptor, check_selector


def distances(atoms):
    """Sorted distances to the three nearest other atoms."""
    away = np.sort(atoms.get_all_distances(mic=True), axis=1)
    return np.pad(away, ((0, 0), (0, 3)))[:, 1:4]


class Selector:
    """Longest rows first."""

    def __init__(self, n):
        self.n = n

    def fit(self, X):
        if self.n > len(X):
            raise ValueError("too many")
        lengths = np.linalg.norm(X, axis=1)
        self._mask = np.zeros(len(X), dtype=bool)
        self.selected_idx_ = np.argsort(-lengths, kind="stable")[: self.n]
        self._mask[self.selected_idx_] = True
        self.scores_ = lengths[self.selected_idx_]
        return self

    def get_support(self):
        return self._mask


def test_conforming_ones_pass():
    check_descriptor(distances)
    check_descriptor(ms.ACE(["Si"], totaldegree=10))
    check_selector(Selector)
    for score in ("energy", "logdet", "pool_variance", "pool_std"):
        check_selector(lambda n, score=score: ms.BayesianSelector(n, score=score))
    for method in METHODS.values():
        check_selector(method, nested=method is not ms.KMedoids)
    check_selector(lambda n: ms.CUR(n, ridge=1e-6, deterministic=True))


@pytest.mark.parametrize(
    ("descriptor", "promise"),
    [
        (lambda atoms: distances(atoms)[:-1], r"one row per atom, got shape \(7, 3\)"),
        (lambda atoms: distances(atoms)[:, : 1 + (len(atoms) > 5)], "as many features as before, got 1"),
        (lambda atoms: np.full((len(atoms), 2), np.nan), "finite features"),
        (lambda atoms: atoms.positions.astype(int), "float32 or float64, got int64"),
        (lambda atoms: atoms.positions, "a rotation leaves alone"),
        (lambda atoms: np.random.default_rng().random((len(atoms), 2)), "same on a second call"),
        (lambda atoms: np.arange(1.0, 1.0 + len(atoms))[:, None], "follow reordered atoms"),
        (lambda atoms: (atoms.positions.fill(0.0), np.zeros((len(atoms), 1)))[1], "untouched structure"),
    ],
)
def test_faults_of_descriptors_are_named(descriptor, promise):
    with pytest.raises(AssertionError, match=promise):
        check_descriptor(descriptor)


class Springs:
    """Two features of the distances, one per atom: differentiable, and wrong on demand."""

    def __init__(self, vjp=1.0, forces=1.0, virial=1.0, energy=1.0):
        self.factors = {"vjp": vjp, "forces": forces, "virial": virial, "energy": energy}

    def features(self, atoms):
        squares, _ = self._distances(atoms)
        return np.stack([squares.sum(axis=1), (squares**2).sum(axis=1)], axis=1)

    def vjp(self, atoms, w):
        return -self.factors["vjp"] * (self._forces(atoms) @ w).reshape(-1, 3)

    def design(self, atoms):
        _, vectors = self._distances(atoms)
        slopes = self._slopes(atoms)
        virial = -np.einsum("ijd,ija,ijb->abd", slopes, vectors, vectors)
        return Design(
            energy=self.factors["energy"] * self.features(atoms).sum(axis=0),
            forces=self.factors["forces"] * self._forces(atoms),
            virial=self.factors["virial"] * virial[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        )

    def _forces(self, atoms):
        _, vectors = self._distances(atoms)
        return 2 * np.einsum("ijd,ija->iad", self._slopes(atoms), vectors).reshape(3 * len(atoms), 2)

    def _slopes(self, atoms):
        squares, _ = self._distances(atoms)
        return np.stack([np.full_like(squares, 2.0), 4 * squares], axis=2)

    def _distances(self, atoms):
        vectors = atoms.positions[None, :] - atoms.positions[:, None]
        return (vectors**2).sum(axis=2), vectors


def test_derivatives_that_are_right_pass():
    check_descriptor(Springs())


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        ({"vjp": 1 + 1e-5}, "vjp that differences of features give"),
        ({"vjp": -1}, "vjp that differences of features give"),
        ({"forces": 1 + 1e-5}, "force rows that differences of features give"),
        ({"virial": -1}, "virial rows that strained cells give"),
        ({"energy": 0.5}, "an energy row that is the sum of rows"),
    ],
)
def test_faults_of_derivatives_are_named(wrong, promise):
    with pytest.raises(AssertionError, match=promise):
        check_descriptor(Springs(**wrong))


def test_shapes_of_derivatives_are_checked():
    class Flat(Springs):
        def vjp(self, atoms, w):
            return super().vjp(atoms, w).ravel()

    with pytest.raises(AssertionError, match=r"vjp of shape \(n_atoms, 3\), got \(24,\)"):
        check_descriptor(Flat())


def test_batch_methods_must_agree():
    class Wrong:
        features = staticmethod(distances)

        def site_features(self, structures, n_threads=None):  # noqa: ARG002
            return np.concatenate([distances(atoms) for atoms in structures]) + 1e-3

    with pytest.raises(AssertionError, match="site_features of what features"):
        check_descriptor(Wrong())


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (lambda s: setattr(s, "selected_idx_", s.selected_idx_ * 0), "every row once"),
        (lambda s: setattr(s, "selected_idx_", s.selected_idx_ + 1), "indices below 60"),
        (lambda s: setattr(s, "selected_idx_", s.selected_idx_[1:]), "of shape"),
        (lambda s: setattr(s, "selected_idx_", s.selected_idx_.astype(np.int32)), "int64"),
        (lambda s: setattr(s, "scores_", None), "scores_ of shape"),
        (lambda s: setattr(s, "_mask", s._mask & False), "get_support"),
        (lambda s: setattr(s, "selected_idx_", s.selected_idx_[::-1].copy()), "of more picks"),
    ],
)
def test_faults_of_selectors_are_named(change, promise):
    class Faulty(Selector):
        def fit(self, X):
            super().fit(X)
            change(self)
            return self

    with pytest.raises(AssertionError, match=promise):
        check_selector(Faulty)


def test_too_many_picks_must_be_refused():
    class Lenient(Selector):
        def __init__(self, n):
            super().__init__(min(n, 60))

    with pytest.raises(AssertionError, match="expected a ValueError"):
        check_selector(Lenient)


def test_the_report_tells_everything():
    report = check_descriptor(Springs())
    assert report.passed
    assert not report.failures
    promises = {check.promise for check in report.checks}
    assert {"rows that a rotation leaves alone", "virial rows that strained cells give"} <= promises
    text = str(report)
    assert text.count("\n") == len(promises)
    assert text.splitlines()[0].endswith("every promise kept")
    worst = max(check.difference for check in report.checks if check.promise == "rows that a rotation leaves alone")
    assert f"rows that a rotation leaves alone               {worst:.1e} of 1.0e-08" in text


def test_what_turns_is_measured_where_it_may():
    report = check_descriptor(lambda atoms: atoms.positions, invariant=False)
    turned = [check for check in report.checks if check.promise == "rows that a rotation leaves alone"]
    assert all(check.holds is None and check.difference > 0.1 for check in turned)
    assert "(not expected)" in str(report)


def test_all_faults_are_in_one_report():
    with pytest.raises(AssertionError) as failure:
        check_descriptor(Springs(forces=1.1, virial=0.9))
    assert "2 promises broken" in str(failure.value)
    assert str(failure.value).count("BROKEN") == 2


class SinglePrecision(Springs):
    """`Springs` in float32, with features that bend within 0.02 Å; threads change the last digits of its rows."""

    def __init__(self, threads=1e-7, **factors):
        super().__init__(**factors)
        self.threads = threads

    def features(self, atoms):
        rows = super().features(atoms)
        return np.concatenate([rows, np.sin(rows[:, :1] * 5)], axis=1).astype(np.float32)

    def _slopes(self, atoms):
        slopes = super()._slopes(atoms)
        total = self._distances(atoms)[0].sum(axis=1)
        bent = 5 * (np.cos(5 * total)[:, None] + np.cos(5 * total)[None, :])
        return np.concatenate([slopes, bent[..., None]], axis=2)

    def _forces(self, atoms):
        _, vectors = self._distances(atoms)
        return 2 * np.einsum("ijd,ija->iad", self._slopes(atoms), vectors).reshape(3 * len(atoms), 3)

    def site_features(self, structures, n_threads=None):
        return np.concatenate([self.features(atoms) for atoms in structures]) * np.float32(1 + n_threads * self.threads)

    design = None


def test_tolerances_of_single_precision_are_its_own():
    trimer = Atoms("Si3", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 2.3], [1.2, 1.9, 3.0]])
    check_descriptor(SinglePrecision(), [trimer])
    with pytest.raises(AssertionError, match="site_features the same for one and two threads"):
        check_descriptor(SinglePrecision(threads=1e-6), [trimer], rtol=2.5e-6 / 3)
    with pytest.raises(AssertionError, match="vjp that differences of features give"):
        check_descriptor(SinglePrecision(vjp=1.05), [trimer])
    with pytest.raises(AssertionError, match="rotation leaves alone"):
        check_descriptor(SinglePrecision(), [trimer], rtol=1e-9)
