"""Figures: what they draw is what was selected or predicted, in the axes that are given."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.demo.potentials import label
from reference.posterior import prior_precision
from reference.structures import rattled

mpl = pytest.importorskip("matplotlib", reason="figures need matplotlib")
pytest.importorskip("matplotlib.pyplot")
mpl.use("Agg")

from mlipselect import plot  # noqa: E402


def pool_of(n):
    pool = [rattled(seed) for seed in range(n)]
    for k, atoms in enumerate(pool):
        atoms.info |= {"config_type": "even" if k % 2 == 0 else "odd", "dft_energy": -5.0 * len(atoms) - k}
    return pool


def bare(n):
    """Structures without labels and groups."""
    structures = [rattled(seed) for seed in range(n)]
    for atoms in structures:
        atoms.info, atoms.arrays = {}, {name: atoms.arrays[name] for name in ("numbers", "positions")}
    return structures


@pytest.fixture(scope="module")
def selection():
    core = [rattled(seed) for seed in range(100, 104)]
    return ms.select(pool_of(12), 5, core, ms.ACE(["Si"], totaldegree=6), n_threads=1)


@pytest.fixture
def ax():
    figure = mpl.figure.Figure()
    return figure.subplots()


def test_the_curve_is_that_of_the_posterior(selection, ax):
    assert plot.curve(selection, ax=ax) is ax
    largest, mean = (line.get_ydata() for line in ax.get_lines()[:2])
    X, core = selection.features.per_structure, selection.core_features.per_structure
    precision = np.diag(prior_precision(1e-4, X, core))
    for k in (0, 2, 5):
        rows = np.concatenate([core, X[selection.indices[:k]]])
        covariance = np.linalg.inv(precision + rows.T @ rows)
        deviations = np.sqrt(np.einsum("ij,jk,ik->i", X, covariance, X))
        assert largest[k] == pytest.approx(deviations.max(), rel=1e-6)
        assert mean[k] == pytest.approx(deviations.mean(), rel=1e-6)


def test_the_curve_shows_information_and_refuses_an_error_that_is_not_there(selection, ax):
    plot.curve(selection, show="information", ax=ax)
    assert np.array_equal(ax.get_lines()[0].get_ydata(), [0.0, *selection.information])
    with pytest.raises(ms.InvalidInputError, match="expected a selection with an expected error"):
        plot.curve(selection, show="error", ax=ax)
    with pytest.raises(ms.InvalidInputError, match="got 'what'"):
        plot.curve(selection, show="what", ax=ax)


def test_the_map_is_whitened_and_marks_the_picks(selection, ax):
    assert plot.map(selection, ax=ax) is ax
    drawn = {points.get_label(): np.asarray(points.get_offsets()) for points in ax.collections}
    assert set(drawn) == {"even", "odd", "core", "picks"}
    both = np.concatenate([drawn["even"], drawn["odd"], drawn["core"]])
    assert np.allclose(both.mean(axis=0), 0.0, atol=1e-5)
    assert np.allclose(np.cov(both.T, bias=True), np.eye(2), atol=1e-4)
    odd = np.flatnonzero(np.arange(12) % 2)
    chosen = [k for k, pick in enumerate(selection.indices) if pick in odd]
    places = [np.flatnonzero(odd == selection.indices[k])[0] for k in chosen]
    assert np.allclose(drawn["picks"][chosen], drawn["odd"][places])


def test_the_map_is_coloured_by_energy_and_rank(selection, ax):
    plot.map(selection, color="energy", ax=ax)
    energies = np.sort(ax.collections[0].get_array())
    assert np.allclose(energies, np.sort([atoms.info["dft_energy"] / len(atoms) for atoms in pool_of(12)]))
    other = mpl.figure.Figure().subplots()
    plot.map(selection, color="rank", ax=other)
    assert [points.get_array().tolist() for points in other.collections if points.get_label() == "picks"] == [
        [1, 2, 3, 4, 5]
    ]
    without = ms.select(bare(6), 2, descriptor=ms.ACE(["Si"], totaldegree=4))
    with pytest.raises(ms.InvalidInputError, match="expected candidates with energies"):
        plot.map(without, color="energy", ax=other)


def test_the_composition_counts_groups_and_elements(selection, ax):
    plot.composition(selection, ax=ax)
    n_even = sum(index % 2 == 0 for index in selection.indices)
    heights = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert heights["even"] == pytest.approx([0.5, 0.0, n_even / 5, n_even / 9])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["pool", "core", "picks", "core and picks"]
    other = mpl.figure.Figure().subplots()
    plot.composition(selection, by="element", ax=other)
    assert [bar.get_width() for bar in other.containers[0]] == [1.0, 1.0, 1.0, 1.0]


def test_the_composition_compares_selections_of_one_pool(selection, ax):
    other = ms.select(pool_of(12), 4, [rattled(seed) for seed in range(100, 104)], method="random", random_state=0)
    plot.composition({"default": selection, "random": other}, ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["pool", "core", "default", "random"]
    even = next(bars for bars in ax.containers if bars.get_label() == "even")
    shares = [np.mean([index % 2 == 0 for index in one.indices]) for one in (selection, other)]
    assert [bar.get_width() for bar in even] == pytest.approx([0.5, 0.0, *shares])
    # The pool is on top.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    smaller = ms.select(pool_of(11), 4, method="random", random_state=0)
    with pytest.raises(ms.InvalidInputError, match="of one pool and core, 'smaller' is of another"):
        plot.composition({"default": selection, "smaller": smaller}, ax=ax)
    with pytest.raises(ms.InvalidInputError, match="at least one selection"):
        plot.composition({}, ax=ax)


@pytest.fixture(scope="module")
def fitted():
    structures = label(bare(14))
    return ms.LinearPotential(ms.ACE(["Si"], totaldegree=6)).fit(structures[:8]), structures[8:]


def test_parity_has_labels_predictions_and_their_deviations(fitted, ax):
    potential, structures = fitted
    assert plot.parity(potential, structures, ax=ax) is ax
    points, _, (bars,) = ax.containers[0]
    n = np.array([len(atoms) for atoms in structures])
    assert np.allclose(points.get_xdata(), [atoms.get_potential_energy() for atoms in structures] / n)
    assert np.allclose(points.get_ydata(), [potential.predict(atoms).energy for atoms in structures] / n)
    lengths = [segment[1][1] - segment[0][1] for segment in bars.get_segments()]
    assert np.allclose(lengths, [2 * potential.energy_std(atoms, noise=True) for atoms in structures] / n)
    other = mpl.figure.Figure().subplots()
    plot.parity(potential, structures, kind="forces", ax=other)
    assert len(other.containers[0][0].get_xdata()) == 3 * n.sum()


def test_calibration_counts_labels_within_intervals(fitted, ax):
    potential, structures = fitted
    plot.calibration(potential, structures, ax=ax)
    energies, forces = ax.get_lines()[1:]
    assert "6 labels" in energies.get_label()
    probabilities, fractions = forces.get_data()
    middle = int(np.flatnonzero(np.isclose(probabilities, 0.5))[0])
    ratios = [
        np.abs(potential.predict(atoms).forces - atoms.get_forces()) / potential.forces_std(atoms, noise=True)
        for atoms in structures
    ]
    inside = np.concatenate([ratio.ravel() for ratio in ratios]) <= 0.67448975
    assert fractions[middle] == pytest.approx(inside.mean())


def test_without_matplotlib_the_extra_is_named(selection, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ms.MissingExtraError, match=r"mlipselect\[plot\]"):
        plot.curve(selection)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_figures_are_written(selection, tmp_path, ending):
    ax = plot.map(selection)
    ax.figure.savefig(tmp_path / f"map.{ending}")
    assert (tmp_path / f"map.{ending}").stat().st_size > 1000
    mpl.pyplot.close(ax.figure)
