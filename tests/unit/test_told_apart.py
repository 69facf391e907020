"""Names of files are as short as tells them apart."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mlipselect.utils.told_apart import told_apart


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["pool.xyz"], ["pool.xyz"]),
        (["a/pool.xyz", "a/pool.xyz"], ["pool.xyz"]),
        (["x/a/OUTCAR", "x/b/OUTCAR", "c.xyz"], ["a/OUTCAR", "b/OUTCAR", "c.xyz"]),
        (["x/a/run/1/OUTCAR", "x/b/run/1/OUTCAR"], ["a/…/OUTCAR", "b/…/OUTCAR"]),
        (["OUTCAR", "b/OUTCAR"], ["OUTCAR", "b/OUTCAR"]),
        (["/OUTCAR", "OUTCAR"], ["/OUTCAR", "OUTCAR"]),
        (["a/x/y", "b/x/y", "a/k/y", "b/k/y"], ["a/x/y", "b/x/y", "a/k/y", "b/k/y"]),
        (["", "pool.xyz"], ["", "pool.xyz"]),
    ],
)
def test_names_are_short(paths, names):
    assert list(told_apart(paths).values()) == names


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), max_size=8))
def test_different_paths_have_different_names(paths):
    names = told_apart(paths)
    assert set(names) == set(paths)
    assert len(set(names.values())) == len(names)
