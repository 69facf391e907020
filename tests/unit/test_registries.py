"""What is registered is known to `select`, records and the command line, by what it says of itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.descriptors import registry as descriptors
from mlipselect.descriptors.base import NamedDescriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors import Selector
from mlipselect.selectors import registry as selectors
from mlipselect.utils.option import Option


class Distances(NamedDescriptor):
    """The shortest distances of each atom."""

    command_options: ClassVar = {"n_distances": Option("how many", type=int)}
    record_is_complete = True

    def __init__(self, n_distances=3):
        self.n_distances = n_distances

    @property
    def parameters(self):
        return {"name": "Distances", "n_distances": self.n_distances}

    def features(self, atoms):
        return np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 1 : 1 + self.n_distances]


class First(Selector):
    """The first rows."""

    def __init__(self, n_to_select, *, ridge=None):
        self.n_to_select, self.ridge = n_to_select, ridge

    def fit(self, X, y=None, *, core=None, warm_start=False):  # noqa: ARG002
        self.selected_idx_, self.scores_ = np.arange(self.n_to_select), np.zeros(self.n_to_select)
        return self


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(descriptors.DESCRIPTORS, "distances", Distances)
    monkeypatch.setitem(selectors.METHODS, "first", First)


def test_a_descriptor_is_made_from_options_and_records(files):
    made = descriptors.make_descriptor({"descriptor": "distances", "n_distances": 4, "per_element": True})
    assert isinstance(made, ms.PerElement)
    assert made.descriptor.n_distances == 4
    record = ms.PerElement(Distances(2), ["Si"]).parameters
    again = descriptors.from_record(record)
    assert again.parameters == record
    assert descriptors.from_record({"name": "MACE", "model": "si.model", "sha256": "0"}) is None
    assert descriptors.from_record({"name": "PerElement", "elements": ["Si"], "descriptor": {"name": "toy"}}) is None
    with pytest.raises(InvalidInputError, match="--n-distances: expected only with --descriptor distances, got ace"):
        descriptors.make_descriptor({"n_distances": 4})
    store = ms.featurize("pool.xyz", Distances(), store="features")
    # A store finds the descriptor of its core by the record.
    assert ms.select(store, 2, ms.read("core.xyz")[1:]).descriptor.parameters == Distances().parameters


def test_a_selector_does_what_it_says_that_it_can(files):
    options = {"method": "first", "descriptor": Distances()}
    selection = ms.select("pool.xyz", 3, ridge=0.01, **options)
    assert selection.indices.tolist() == [0, 1, 2]
    assert selection.parameters["ridge"] == selection.parameters["posterior_ridge"] == 0.01
    store = ms.featurize("pool.xyz", Distances(), store="features")
    for given, message in (
        ({"pool": store}, "features: First selects from features in memory"),
        ({"max_cost": 9.0, "cost": np.arange(12.0)}, "First chooses its structures together"),
        ({"checkpoint": "picks.json"}, "checkpoint: the method first makes its picks together"),
        ({"stratify_by": "config_type"}, "stratify_by: expected only with the method random, got first"),
        ({"update": "forces"}, "update: expected 'structure' or 'atoms' with the method first"),
        ({"metric": "cosine"}, "metric: expected only with the method fps or facility_location or k_medoids, got"),
        ({"metrics": "cosine"}, "method first has no parameter 'metrics', but ridge"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            ms.select(**({"pool": "pool.xyz", "n": 3} | options | given))


def test_strata_of_a_store_are_those_of_its_files(files):
    store = ms.featurize("pool.xyz", Distances(), store="features")
    drawn = [
        ms.select(pool, 3, descriptor=Distances(), method="random", stratify_by="config_type")
        for pool in (store, "pool.xyz")
    ]
    assert drawn[0].indices.tolist() == drawn[1].indices.tolist()


def test_costs_may_be_numbers(files):
    costs = np.arange(12.0)
    chosen = ms.select("pool.xyz", 5, descriptor=Distances(), cost=costs, max_cost=6.0)
    assert costs[chosen.indices].sum() <= 6.0
    assert chosen.record()["parameters"]["cost"]["shape"] == [12]


def test_the_options_of_models_reach_them(monkeypatch):
    made = {}
    for kind in (ms.MACE, ms.Metatomic):
        monkeypatch.setattr(kind, "__init__", lambda self, **given: made.update({type(self).__name__: given}))
    common = {"model": "a.model", "device": "cuda"}
    descriptors.make_descriptor({"descriptor": "mace", **common, "all_features": True}, "float32")
    descriptors.make_descriptor({"descriptor": "metatomic", **common}, "float32")
    assert made == {"MACE": {**common, "invariants_only": False, "dtype": "float32"}, "Metatomic": common}
    with pytest.raises(InvalidInputError, match="--descriptor metatomic: expected --model FILE with it, got none"):
        descriptors.make_descriptor({"descriptor": "metatomic"})
    with pytest.raises(InvalidInputError, match="--all-features: expected only with --descriptor mace, got metatomic"):
        descriptors.make_descriptor({"descriptor": "metatomic", **common, "all_features": True})
