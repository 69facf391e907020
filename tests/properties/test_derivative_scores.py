"""Scores and updates of forces and stress: every pick against dense matrices, whatever the engine."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from reference.pairs import Pairs

SCORES = st.sampled_from(
    ["force", "stress", "energy", {"energy": 1.0, "force": 0.5}, {"energy": 0.0, "force": 1.0, "stress": 2.0}]
)
UPDATES = st.sampled_from(["structure", "forces", "stress"])
PRIOR = 1e-2


def crystals(n, seed, rattle=0.2):
    """Rattled crystals of different sizes."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        atoms = ase.build.bulk("Cu", a=rng.uniform(3.4, 3.9)) * (1 + k % 2, 1 + k % 3, 1)
        atoms.positions += rng.normal(scale=rattle * rng.random(), size=atoms.positions.shape)
        out.append(atoms)
    return out


def blocks(atoms):
    design = Pairs().design(atoms)
    return {
        "energy": Pairs().features(atoms).mean(axis=0)[None],
        "force": design.forces,
        "stress": design.virial / atoms.get_volume(),
    }


def brute_force(n, pool, core, score, update):
    """Pick by dense covariances, every score before every pick."""
    rows = [blocks(atoms) for atoms in pool]
    more = {"structure": [], "forces": ["force"], "stress": ["stress"]}[update]
    precision = PRIOR * np.eye(4)
    for atoms in core:
        for name in ["energy", *more]:
            precision += blocks(atoms)[name].T @ blocks(atoms)[name]
    weights = {score: 1.0} if isinstance(score, str) else {k: w for k, w in score.items() if w}
    largest, picks, scores = None, [], []
    for _ in range(n):
        sigma = np.linalg.inv(precision)
        terms = {
            name: np.array([np.einsum("id,de,ie->i", own[name], sigma, own[name]).max() for own in rows])
            for name in weights
        }
        largest = largest or {name: values.max() if len(weights) > 1 else 1.0 for name, values in terms.items()}
        total = sum(weights[name] * values / largest[name] for name, values in terms.items())
        total[picks] = -np.inf
        picks.append(int(np.flatnonzero(total >= total.max() * (1 - 1e-12))[0]))
        scores.append(total[picks[-1]])
        for name in ["energy", *more]:
            precision = precision + rows[picks[-1]][name].T @ rows[picks[-1]][name]
    return np.array(picks), np.array(scores), np.linalg.inv(precision)


@given(st.integers(2, 12), st.booleans(), SCORES, UPDATES, st.sampled_from(["lazy", "naive"]), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_picks_are_those_of_the_definition(size, has_core, score, update, engine, seed):
    pool, core = crystals(size, seed), crystals(3, seed + 1) if has_core else []
    X, X_core = ms.featurize(pool, Pairs()), ms.featurize(core, Pairs()) if core else None
    designs = {"designs": ms.Designs(pool, Pairs()), "core_designs": ms.Designs(core, Pairs())}
    n = max(1, size // 2)
    selector = ms.BayesianSelector(n, score=score, update=update, prior_precision=PRIOR, engine=engine)
    selector.fit(X, core=X_core, **designs)
    picks, scores, covariance = brute_force(n, pool, core, score, update)
    # Picks of nearly the same worth may swap by rounding.
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-6)
    np.testing.assert_array_equal(selector.selected_idx_, picks)
    np.testing.assert_allclose(selector.posterior_.covariance, covariance, rtol=1e-6, atol=1e-9 * covariance.max())
    assert (np.diff(selector.scores_) <= 1e-9 * selector.scores_[0]).all()
    assert (np.diff(selector.information_) > -1e-9).all()


def test_parts_are_the_whole_and_little_memory_changes_nothing():
    pool = crystals(15, 3)
    X = ms.featurize(pool, Pairs())
    whole = ms.BayesianSelector(8, score="force", update="forces").fit(X, designs=ms.Designs(pool, Pairs()))
    parts = ms.BayesianSelector(3, score="force", update="forces")
    parts.fit(X, designs=ms.Designs(pool, Pairs(), max_memory=0))
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[:3])
    parts.n_to_select = 8
    parts.fit(X, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)


def test_equal_structures_go_in_order_and_limits_hold():
    pool = crystals(4, 1)
    pool = [pool[2], pool[1], *pool, pool[2]]
    X = ms.featurize(pool, Pairs())
    designs = ms.Designs(pool, Pairs())
    picks = ms.BayesianSelector(4, score="force").fit(X, designs=designs, exclude=[1]).selected_idx_
    assert 1 not in picks
    assert picks.tolist().index(0) < min([*(k for k, i in enumerate(picks) if i in (4, 6)), 9])
    kept = ms.BayesianSelector(3, score="force").fit(X, designs=designs, constraints=[ms.MinDistance(1e-6)])
    assert len({X.per_structure[i].tobytes() for i in kept.selected_idx_}) == 3


def test_from_files_to_a_selection_by_forces(files):
    ace = ms.ACE(["Si"], totaldegree=6)
    by_hand = ms.BayesianSelector(4, score="force", update="forces")
    pool, core = ms.read("pool.xyz"), ms.read("core.xyz")[1:]
    X, X_core = ms.featurize(pool, ace), ms.featurize(core, ace)
    by_hand.fit(X, core=X_core, designs=ms.Designs(pool, ace), core_designs=ms.Designs(core, ace))
    how = {"score": "force", "update": "forces", "isolated": "config_type=isolated_atom"}
    selection = ms.select("pool.xyz", 4, "core.xyz", ace, **how)
    np.testing.assert_array_equal(selection.indices, by_hand.selected_idx_)
    np.testing.assert_array_equal(selection.information, by_hand.information_)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"score": "force"}, r"need designs=Designs\(structures, descriptor\)"),
        ({"score": {"force": -1.0}}, "none negative and not all zero"),
        ({"score": {"entropy": 1.0}}, "weights of energy, force, stress"),
        ({"score": "logdet", "update": "forces"}, "cannot be combined with update 'forces'"),
        ({"score": "force", "update": "atoms"}, "needs the atomic rows|cannot be combined"),
        ({"update": "all"}, "update must be 'structure', 'atoms', 'forces' or 'stress', given 'all'"),
    ],
)
def test_what_does_not_fit_together_is_refused(how, message):
    X = ms.featurize(crystals(3, 0), Pairs())
    with pytest.raises(InvalidInputError, match=message):
        ms.BayesianSelector(1, **how).fit(X)


def test_bad_designs_are_named():
    pool = crystals(3, 0)
    X = ms.featurize(pool, Pairs())
    with pytest.raises(InvalidInputError, match=r"expected a descriptor with `design`.*but function has none"):
        ms.Designs(pool, lambda atoms: atoms.positions)
    with pytest.raises(InvalidInputError, match="designs: expected those of 3 structures, got 2"):
        ms.BayesianSelector(1, score="force").fit(X, designs=ms.Designs(pool[:2], Pairs()))
    pool[1] = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4]])
    with pytest.raises(StructureError, match="structure 1: expected a cell with three vectors"):
        ms.BayesianSelector(1, score="stress").fit(X, designs=ms.Designs(pool, Pairs()))
