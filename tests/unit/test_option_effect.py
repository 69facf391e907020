"""No option without effect: every declared option changes the result, or is refused where it could not.

The tables have a value for each option of the registry; a new option without one fails the test.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.selection.options import GROUPS, SelectorParameters
from mlipselect.selectors.registry import METHODS
from mlipselect.utils.option import options_of
from reference.structures import rattled

#: These decide how the work is done; no result may depend on them.
EXECUTION = {"n_threads", "progress", "max_memory"}
#: These are tested with what they write: structures, posterior, page, picks.
FILES = {"output", "save_posterior", "report", "checkpoint", "strict"}
#: These are about files and stores, and tested there.
ELSEWHERE = {"shard", "format", "species", "species_map", "cell", "occupancy"}

VALUES = {
    "method": "random",
    "score": "logdet",
    "stratify_by": "kind",
    "stop_gain": 0.5,
    "random_state": 7,
    "update": "atoms",
    "ridge": 1e-2,
    "prior_precision": 100.0,
    "noise_precision": 3.0,
    "potential": None,
    "target": [rattled(30)],
    "target_groups": {"target": [rattled(30), rattled(31)], "target_groups": "composition", "target_weights": ["Si=1"]},
    "target_weights": {"target": [rattled(30), rattled(31)], "target_weights": [1.0, 50.0]},
    "objective": "forces",
    "groups": {"groups": "kind", "max_per_group": 1},
    "min_per_group": {"groups": "kind", "min_per_group": 2},
    "max_per_group": {"groups": "kind", "max_per_group": 1},
    "max_atoms": 1,
    "cost": {"cost": "natoms^3", "max_cost": 1.0},
    "max_cost": 1.0,
    "min_distance": 50.0,
    "until": "99%",
    "energy_key": "dft_energy",
    "isolated": "kind=free",
    "composition": True,
    "dtype": "float32",
    "min_bond": 0.97,
    "max_force": 1.0,
    "skip_bad": True,
    "metric": "cosine",
    "scale": None,
    "initialize": None,
    "max_iter": 1,
    "rank": 3,
    "deterministic": True,
    "rows": "atoms",
}
#: Of these, the value that is not the default depends on the method.
BY_METHOD = {
    "scale": lambda method: "standard" if method == "cur" else "none",
    "initialize": lambda method: "build" if method == "k_medoids" else 5,
}
#: Seeds are free to be given to methods that draw nothing, and a limit to memory is met by methods that need little.
WITHOUT_EFFECT = {("random_state", method) for method in METHODS} | {
    ("max_iter", "k_medoids"),
    ("initialize", "k_medoids"),
}


def pool():
    frames = [rattled(seed) for seed in range(9)]
    for k, atoms in enumerate(frames):
        atoms.info["kind"] = "ab"[k % 2]
        atoms.arrays["forces"] = np.full((len(atoms), 3), 0.1 if k else 9.0)
    return [*frames, Atoms("Si", info={"kind": "free"})]


def outcome(method, **given):
    """Everything that a selection is, or that it was refused."""
    try:
        made = ms.select(pool(), 4, descriptor=ms.ACE(["Si"], totaldegree=6), **{"method": method, **given})
    except InvalidInputError as error:
        return ("refused", str(error))
    picks = (made.indices.tolist(), made.scores.tolist(), made.information.tolist())
    return (*picks, made.features.shape, made.posterior.logdet(), len(made.isolated), len(made.rejected))


def declared():
    return {name for group in (*GROUPS.values(), SelectorParameters) for name in options_of(group)}


def test_every_declared_option_has_a_value_here():
    assert declared() == set(VALUES) | EXECUTION | FILES | ELSEWHERE
    assert {field.name for field in dataclasses.fields(GROUPS["checks"])} <= set(VALUES)


@pytest.mark.parametrize("method", list(METHODS))
def test_an_option_changes_the_result_or_is_refused(method):
    before = outcome(method)
    assert before[0] != "refused", before
    for name, value in VALUES.items():
        if name in ("method", "potential", "skip_bad") or (name, method) in WITHOUT_EFFECT:
            continue
        value = BY_METHOD[name](method) if name in BY_METHOD else value
        given = value if isinstance(value, dict) else {name: value}
        after = outcome(method, **given)
        assert after != before, (name, method)


def test_options_whose_place_another_takes_are_refused():
    fitted = ms.LinearPotential(ms.ACE(["Si"], totaldegree=4))
    for given, named in [
        ({"prior_precision": 3.0, "scale": "standard"}, "scale: expected it or `prior_precision`"),
        ({"potential": fitted, "scale": "standard"}, "cannot go with `scale`"),
    ]:
        with pytest.raises(InvalidInputError, match=named):
            ms.select(pool(), 4, **given)
    with pytest.raises(InvalidInputError, match="max_features: expected it or `totaldegree`"):
        ms.ACE.from_options({"totaldegree": [8.0], "max_features": 20}, "float64")
