"""Evidence: its value against the density of the targets, its maximum against what generated them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlipselect.exceptions import InvalidInputError
from mlipselect.models.evidence import FLOOR, Spectrum, log_evidence, maximise_evidence
from reference import ridge


def spectrum_of(A, y):
    """Spectrum of rows and targets by a singular value decomposition of the rows themselves."""
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    d = A.shape[1]
    z = U.T @ y
    rest = float(((y - U @ z) ** 2).sum())
    return Spectrum(np.pad(s, (0, d - len(s))), np.pad(z, (0, d - len(z))), rest, len(y))


@given(st.integers(1, 12), st.integers(1, 8), st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_value(n_rows, dim, log_prior, log_noise, seed):
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((n_rows, dim)), rng.standard_normal(n_rows)
    expected = ridge.log_evidence(A, y, 10.0**log_prior, 10.0**log_noise)
    assert log_evidence(spectrum_of(A, y), 10.0**log_prior, 10.0**log_noise) == pytest.approx(
        expected, rel=1e-9, abs=1e-8
    )


@given(st.floats(-2, 1), st.floats(-2, 1), st.integers(0, 2**32 - 1))
@example(-2.0, 0.0, 548)  # hardly more than noise, where a search from far away stays on a plateau
@settings(max_examples=200, deadline=None)
def test_maximum(log_prior, log_noise, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((300, 20))
    y = A @ rng.normal(scale=10.0**log_prior, size=20) + rng.normal(scale=10.0**log_noise, size=300)
    spectrum = spectrum_of(A, y)
    prior, noise = maximise_evidence(spectrum)
    best = log_evidence(spectrum, prior, noise)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert log_evidence(spectrum, max(FLOOR, prior * factor), noise) <= best + 1e-9 * abs(best)
        assert log_evidence(spectrum, prior, noise * factor) <= best + 1e-9 * abs(best)
    assert noise**0.5 == pytest.approx(10.0**log_noise, rel=0.25)


@pytest.mark.parametrize(("A", "y"), [(np.zeros((3, 2)), np.ones(3)), (np.ones((3, 2)), np.zeros(3))])
def test_nothing_to_fit_is_refused(A, y):
    with pytest.raises(InvalidInputError, match="the fit is singular"):
        maximise_evidence(spectrum_of(A, y))
