"""Several noises by the largest evidence, against the definition and known noises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mlipselect import ACE, LinearPotential, RandomSelector
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label
from mlipselect.exceptions import InvalidInputError
from mlipselect.labels import read_labels
from mlipselect.models.evidence import Spectrum, log_evidence, maximise_evidence
from mlipselect.models.noise import Block, _Basis, _fit, maximise_evidence_of_kinds


def block(rows, targets):
    """Reduce rows and targets to a triangle, as the fit does."""
    both = np.column_stack([rows, targets])
    dim = both.shape[1]
    triangle = np.linalg.qr(np.vstack([both, np.zeros((dim, dim))]), mode="r")[:dim]
    return Block.from_triangle(triangle, len(rows))


def data(noises, sizes=(40, 300), dim=6, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=dim)
    parts = {}
    for name, noise, size in zip("ab", noises, sizes, strict=True):
        rows = rng.normal(size=(size, dim))
        parts[name] = (rows, rows @ weights + noise * rng.normal(size=size))
    return weights, parts


def test_evidence_is_the_probability_of_the_targets():
    _, parts = data((0.1, 2.0))
    variances = np.array([0.7, 0.02, 3.0])
    fit = _fit({name: block(*part) for name, part in parts.items()}, variances)
    rows = np.vstack([rows for rows, _ in parts.values()])
    targets = np.concatenate([targets for _, targets in parts.values()])
    noise = np.concatenate([np.full(len(t), v) for (_, t), v in zip(parts.values(), variances[1:], strict=True)])
    covariance = variances[0] * rows @ rows.T + np.diag(noise)
    assert fit.log_evidence == pytest.approx(multivariate_normal(cov=covariance).logpdf(targets), rel=1e-10)
    mean = variances[0] * rows.T @ np.linalg.solve(covariance, targets)
    np.testing.assert_allclose(fit.weights, mean, rtol=1e-9)


def test_the_search_sees_the_evidence_and_its_slopes():
    _, parts = data((0.1, 2.0))
    blocks = {name: block(*part) for name, part in parts.items()}
    variances, n_rows, step = np.array([0.7, 0.02, 3.0]), 340, 1e-5
    basis = _Basis(blocks, variances)
    logs = np.array([0.5, -1.0, 2.0])
    changes = basis._negative(logs)[0] - basis._negative(np.zeros(3))[0]
    expected = _fit(blocks, variances).log_evidence - _fit(blocks, variances * np.exp(logs)).log_evidence
    assert changes * n_rows == pytest.approx(expected, rel=1e-10)
    for k in range(3):
        shift = step * np.eye(3)[k]
        change = basis._negative(logs + shift)[0] - basis._negative(logs - shift)[0]
        assert change / (2 * step) == pytest.approx(basis._negative(logs)[1][k], rel=1e-6, abs=1e-9)


def test_rows_of_a_large_condition_number_lose_nothing():
    rng = np.random.default_rng(3)
    basis, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    rows = rng.normal(size=(60, 8)) * np.logspace(0, -12, 8) @ basis
    targets = rows @ rng.normal(size=8) + 1e-5 * rng.normal(size=60)
    found = maximise_evidence_of_kinds({"a": block(rows, targets)})
    own = block(rows, targets)
    U, s, _ = np.linalg.svd(own.rows)
    spectrum = Spectrum(s, U.T @ own.targets, own.rest, own.n_rows)
    grid = np.logspace(-3, 3, 7)
    best = max(log_evidence(spectrum, found.prior * a, found.noise["a"] * b) for a in grid for b in grid)
    assert found.log_evidence == pytest.approx(best, rel=1e-9)
    assert found.noise["a"] ** 0.5 == pytest.approx(1e-5, rel=0.3)


def test_noises_are_found():
    weights, parts = data((0.05, 3.0), sizes=(4000, 4000))
    found = maximise_evidence_of_kinds({name: block(*part) for name, part in parts.items()})
    assert found.noise["a"] ** 0.5 == pytest.approx(0.05, rel=0.05)
    assert found.noise["b"] ** 0.5 == pytest.approx(3.0, rel=0.05)
    np.testing.assert_allclose(found.weights, weights, atol=0.01)


def test_one_kind_is_the_plain_fit():
    _, parts = data((0.3, 1.0))
    own = block(*parts["b"])
    found = maximise_evidence_of_kinds({"b": own})
    U, s, _ = np.linalg.svd(own.rows)
    spectrum = Spectrum(s, U.T @ own.targets, own.rest, own.n_rows)
    assert found.log_evidence == pytest.approx(log_evidence(spectrum, *maximise_evidence(spectrum)), rel=1e-9)


def test_a_kind_of_noise_alone_does_not_ruin_the_others():
    weights, parts = data((0.01, 0.01), sizes=(200, 300))
    rows, targets = parts["b"]
    ruined = {"a": block(*parts["a"]), "b": block(rows, np.random.default_rng(1).permutation(targets))}
    found = maximise_evidence_of_kinds(ruined)
    np.testing.assert_allclose(found.weights, weights, atol=0.01)


def test_a_kind_without_targets_is_refused():
    _, parts = data((0.1, 1.0))
    blocks = {"energies": block(*parts["a"]), "virials": block(parts["b"][0], np.zeros(300))}
    with pytest.raises(InvalidInputError, match="virials"):
        maximise_evidence_of_kinds(blocks)


def test_no_noises_of_a_grid_have_more_evidence():
    """With few rows the evidence has maxima at which one kind of label is all noise."""
    pool = silicon_pool()
    picks = RandomSelector(20, random_state=4).fit(np.zeros((len(pool), 1))).selected_idx_
    chosen = label([*silicon_core(), *(pool[k] for k in picks)])
    potential = LinearPotential(ACE(["Si"], totaldegree=12), reference_energies={"Si": 0.0})
    rows = potential.rows(chosen, read_labels(chosen), {"Si": 0.0})
    blocks = {kind: Block.from_triangle(factor.triangle(), factor.n_rows) for kind, factor in rows.factors.items()}
    found = maximise_evidence_of_kinds(blocks)
    noises = np.array([found.noise[kind] for kind in blocks])
    assert noises[0] ** 0.5 < 0.05  # eV a root of atoms
    for factors in itertools.product([1e-4, 1e-2, 1.0, 1e2, 1e4], repeat=4):
        variances = np.array([found.prior, *noises]) * factors
        assert _fit(blocks, variances).log_evidence <= found.log_evidence + 1e-6
