"""Masked values are unknown ones: what lies under the mask is never used."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from mlipselect import Posterior
from mlipselect.descriptors import Design
from mlipselect.exceptions import InvalidInputError, MlipselectError, StructureError
from mlipselect.hal.surrogate import Surrogate
from mlipselect.io import write_exact

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


class Designed:
    """A descriptor whose rows are known, and whose derivatives have a masked value."""

    parameters = {"name": "Designed"}  # noqa: RUF012

    def features(self, atoms):
        return np.ones((len(atoms), 2))

    def design(self, atoms):
        return Design(np.ones(2), masked(np.ones((3 * len(atoms), 2))), np.ones((6, 2)))

    def vjp(self, atoms, w):  # noqa: ARG002
        return masked(np.ones((len(atoms), 3)))


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


@pytest.mark.parametrize("given", [["a", "b"], [1.0, 1j], {"a": 1}, [[1.0], [1.0, 2.0]]])
def test_what_is_no_real_number_is_refused(given):
    with pytest.raises(InvalidInputError, match="costs must be real numbers, given"):
        ms.Budget(given, 3)


@pytest.mark.parametrize("inner", [Described(), DescribedTogether()])
@pytest.mark.parametrize("wrap", [lambda inner, _: ms.PerElement(inner), ms.Cached])
def test_masked_rows_behind_another_descriptor_are_refused(tmp_path, inner, wrap):
    with pytest.raises(InvalidInputError, match="features must all be known, given masked values"):
        ms.featurize(STRUCTURES, wrap(inner, tmp_path))


def test_masked_derivatives_are_refused():
    with pytest.raises(StructureError, match="structure 1: expected a design that is all known, got masked values"):
        list(ms.Designs(STRUCTURES, Designed()).forces([1]))
    surrogate = Surrogate(Designed(), core=STRUCTURES)
    with pytest.raises(InvalidInputError, match=r"derivatives by .* must all be known, given masked values"):
        surrogate.deviation(STRUCTURES[1])


@pytest.mark.parametrize(
    ("key", "value"),
    [("energy", np.ma.masked), ("energy", np.ma.masked_array(1.0, mask=True)), ("stress", masked(np.ones((3, 3))))],
)
def test_masked_labels_are_refused(key, value):
    labelled = [atoms.copy() for atoms in STRUCTURES]
    for number, atoms in enumerate(labelled):
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = -float(number + 1), np.zeros((len(atoms), 3))
    labelled[2].info[f"REF_{key}"] = value
    with pytest.raises(StructureError, match=f"structure 2: REF_{key}: expected numbers that are all known"):
        ms.LinearPotential(ms.ACE(["Si"], totaldegree=4)).fit(labelled)
    labelled[2].info.pop(f"REF_{key}")
    labelled[1].arrays["REF_forces"] = masked(np.ones((8, 3)))
    with pytest.raises(StructureError, match="structure 1: REF_forces: expected numbers that are all known"):
        ms.LinearPotential(ms.ACE(["Si"], totaldegree=4)).fit(labelled)


@pytest.mark.parametrize("place", ["info", "arrays"])
def test_masked_values_are_not_written_as_known(tmp_path, caplog, place):
    atoms = STRUCTURES[1].copy()
    getattr(atoms, place)["own"] = masked(np.arange(8.0))
    with pytest.raises(MlipselectError, match="own"):
        write_exact(tmp_path / "out.xyz", [atoms], strict=True)
    write_exact(tmp_path / "out.xyz", [atoms])
    assert "own" in caplog.text
    found = ms.read(tmp_path / "out.xyz")[0]
    assert "own" not in found.arrays
    assert "1.0" not in str(found.info.get("own", ""))


def test_masked_groups_are_refused():
    with pytest.raises(InvalidInputError, match="groups must all be known"):
        ms.Quota(masked(np.arange(3)), maximum=1)
    with pytest.raises(InvalidInputError, match="groups must all be known"):
        ms.RandomSelector(1).fit(np.eye(3), groups=masked(np.arange(3)))
