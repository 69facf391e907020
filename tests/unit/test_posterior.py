"""The posterior against textbook algebra, on paper and on disk."""

import numpy as np
import pytest

from mlipselect import Posterior
from mlipselect.exceptions import InvalidInputError, StructureError
from reference.posterior import covariance


@pytest.fixture
def rows():
    return np.random.default_rng(1).standard_normal((40, 6)) * np.array([10.0, 3.0, 1.0, 0.3, 0.1, 0.0])


def test_one_weight_on_paper():
    posterior = Posterior(1, 2.0, 3.0)
    posterior.update(np.array([[1.0], [2.0]]))
    assert posterior.covariance[0, 0] == pytest.approx(1 / 17)
    assert posterior.variance(np.array([[2.0]]))[0] == pytest.approx(4 / 17)
    assert posterior.logdet() == pytest.approx(-np.log(17))
    assert posterior.information() == pytest.approx(np.log(17 / 2) / 2)
    assert posterior.effective_dimension() == pytest.approx(15 / 17)


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_inverse_of_the_precision(rows, kind, dtype):
    rows = rows.astype(dtype)
    rng = np.random.default_rng(2)
    root = rng.standard_normal((6, 6)) + 3 * np.eye(6)
    prior = {"isotropic": 0.1, "diagonal": rng.uniform(0.1, 1.0, 6), "full": root @ root.T}[kind]
    matrix = {"isotropic": lambda: 0.1 * np.eye(6), "diagonal": lambda: np.diag(prior), "full": lambda: prior}[kind]()
    posterior = Posterior(6, prior, 2.0)
    posterior.update(rows)
    sigma = covariance(matrix, 2.0, rows)
    np.testing.assert_allclose(posterior.covariance, sigma, rtol=1e-9, atol=1e-12)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(posterior.variance(rows), np.einsum("ij,jk,ik->i", exact, sigma, exact), rtol=1e-9)
    assert posterior.logdet() == pytest.approx(np.linalg.slogdet(sigma)[1])
    fall = -np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(matrix)[1]
    assert posterior.information() == pytest.approx(fall / 2)
    assert posterior.effective_dimension() == pytest.approx(np.trace(sigma @ exact.T @ exact) * 2.0)


def test_views_are_read_as_they_lie(rows):
    posterior = Posterior(3, 1.0)
    wide = np.ascontiguousarray(np.hstack([rows, rows]))
    np.testing.assert_array_equal(posterior.variance(wide[::2, 2:5]), posterior.variance(wide[::2, 2:5].copy()))


def test_saved_is_loaded(tmp_path, rows):
    posterior = Posterior(6, np.linspace(0.1, 0.6, 6), 2.0)
    posterior.update(rows)
    posterior.save(tmp_path / "p.safetensors")
    loaded = Posterior.load(tmp_path / "p.safetensors")
    np.testing.assert_array_equal(loaded.covariance, posterior.covariance)
    assert loaded.information() == posterior.information()
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]


def test_a_copy_is_independent(rows):
    posterior = Posterior(6, 1.0)
    copy = posterior.copy()
    copy.update(rows)
    assert posterior.information() == 0.0
    assert copy.information() > 0.0


@pytest.mark.parametrize("content", [b"", b"not a posterior", b"\x02\0\0\0\0\0\0\0{}"])
def test_broken_files_are_refused(tmp_path, content):
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"broken: not a posterior written by mlipselect"):
        Posterior.load(path)


def test_missing_and_unwritable_files_are_named(tmp_path):
    with pytest.raises(InvalidInputError, match="nothing: cannot be read"):
        Posterior.load(tmp_path / "nothing")
    with pytest.raises(InvalidInputError, match=r"nowhere/p: cannot be written"):
        Posterior(1, 1.0).save(tmp_path / "nowhere" / "p")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 0.0), "singular prior: expected precisions above 0, feature 0 has 0"),
        ((2, np.array([1.0, -1.0])), "feature 1 has -1"),
        ((2, np.ones((2, 2))), "singular prior: row 1 of the prior precision|not positive definite"),
        ((2, np.array([[1.0, 0.5], [0.0, 1.0]])), "not symmetric"),
        ((2, np.ones(3)), "has 3 features per row, expected 2"),
        ((2, np.ones((2, 3))), "square matrix"),
        ((2, 1.0, -1.0), "noise precision must be a number above 0, given -1"),
        ((0, 1.0), "number of features must be at least 1"),
        ((2, "one"), "prior_precision must be a number or an array of numbers"),
    ],
)
def test_bad_priors_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Posterior(*arguments)


def test_bad_rows_are_refused_and_change_nothing(rows):
    posterior = Posterior(6, 1.0)
    bad = rows.copy()
    bad[7, 2] = np.nan
    with pytest.raises(StructureError, match="structure 7: the observed rows has a feature that is not finite"):
        posterior.update(bad)
    assert posterior.information() == 0.0
    for wrong, message in [
        (rows[:, :5].copy(), "has 5 features per row, expected 6"),
        (rows.astype(object), "float32 or float64, .* given 2 dimension"),
        (rows[0], "float32 or float64, .* given 1 dimension"),
        ([[1.0]], "has 1 features per row, expected 6"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            posterior.variance(wrong)
