"""Masked values are unknown ones: what lies under the mask is never used."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from mlipselect import Posterior
from mlipselect.exceptions import InvalidInputError

STRUCTURES = [bulk("Si"), bulk("Si", cubic=True), bulk("Si") * (2, 2, 2)]


def masked(values):
    """Mask the second of some values; under the mask is a number."""
    array = np.ma.masked_array(values, mask=False, dtype=float)
    array[(1,) * array.ndim] = np.ma.masked
    return array


def described(atoms):
    return masked(np.ones((len(atoms), 2)))


class Described:
    """A descriptor whose rows have a masked value."""

    parameters = {"name": "Described"}  # noqa: RUF012

    def features(self, atoms):
        return described(atoms)


class DescribedTogether(Described):
    def site_features(self, structures, n_threads=None):  # noqa: ARG002
        return np.ma.concatenate([described(atoms) for atoms in structures])


def select(**options):
    rows = np.random.default_rng(0).normal(size=(3, 2))
    return ms.select(STRUCTURES, n=1, descriptor=lambda atoms: rows[[0] * len(atoms)] * len(atoms), **options)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: Posterior(3, masked(np.ones(3))), "prior_precision must be a number or an array of numbers, none"),
        (lambda: Posterior(2, masked(np.eye(2))), "prior_precision must be a number or an array of numbers, none"),
        (lambda: ms.Budget(masked([1, 2, 3]), limit=4), "costs must all be known"),
        (lambda: select(cost=masked([1, 2, 3]), max_cost=4), "cost: the numbers must all be known"),
        (lambda: select(target=STRUCTURES, target_weights=masked([1, 2, 3])), "target_weights must all be known"),
        (
            lambda: ms.BayesianSelector(1, score="pool_variance").fit(
                np.eye(3), target=np.eye(3), target_weights=masked([1, 2, 3])
            ),
            "weights of the target must all be known",
        ),
        (
            lambda: ms.ACE(["Si"], species="channels", n_channels=3, embedding={"Si": masked(np.ones(3))}),
            "embedding must hold 3 finite weights",
        ),
        (
            lambda: ms.LinearPotential(ms.ACE(["Si"], totaldegree=4), prior_scales=masked(np.ones(9)))._scales(),
            "prior_scales must all be known",
        ),
    ],
)
def test_masked_numbers_are_refused(use, message):
    with pytest.raises(InvalidInputError, match=message):
        use()


@pytest.mark.parametrize("inner", [Described(), DescribedTogether()])
@pytest.mark.parametrize("wrap", [lambda inner, _: ms.PerElement(inner), ms.Cached])
def test_masked_rows_behind_another_descriptor_are_refused(tmp_path, inner, wrap):
    with pytest.raises(InvalidInputError, match="features must all be known, given masked values"):
        ms.featurize(STRUCTURES, wrap(inner, tmp_path))
