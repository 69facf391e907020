"""Learned descriptors where their packages are not installed."""

from __future__ import annotations

import importlib.util

import pytest

import mlipselect as ms
from mlipselect.descriptors.registry import make_descriptor


@pytest.mark.parametrize("name", ["chgnet", "sevennet"])
def test_a_missing_package_is_named_with_both_ways_to_have_it(name):
    package = {"chgnet": "chgnet", "sevennet": "sevenn"}[name]
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(
        ms.MissingExtraError, match=f"cannot be imported .*: pip install {package}, or .*--descriptor remote"
    ):
        make_descriptor({"descriptor": name, "layers": [1]})


def test_options_of_one_package_are_refused_with_another():
    with pytest.raises(ms.InvalidInputError, match="--modal: expected only with --descriptor sevennet, got chgnet"):
        make_descriptor({"descriptor": "chgnet", "modal": "PBE"})
    with pytest.raises(
        ms.InvalidInputError, match="--layers: expected only with --descriptor chgnet or sevennet, got mace"
    ):
        make_descriptor({"descriptor": "mace", "model": "a.model", "layers": [1]})
