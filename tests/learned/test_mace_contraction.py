"""The symmetric contraction by monomials against that of mace, with its derivatives."""

from __future__ import annotations

import pickle

import pytest

import mlipselect as ms
from learned.models import tiny_mace

CASES = [
    ("1x0e", 1),
    ("1x0e", 2),
    ("1x0e+1x1o", 3),
    ("1x0e+1x1o+1x2e", 3),
    ("1x1o+1x0e", 2),
    ("1x0e+1x1o", 4),
]


def contractions(irreps, correlation, dtype):
    """Give mace's contraction and ours: 3 channels, features up to degree 2, 2 elements, random weights."""
    # Before e3nn, which needs what this sets.
    import mace.modules  # noqa: F401
    import torch
    from e3nn import o3
    from mace.modules.symmetric_contraction import SymmetricContraction as Original

    from mlipselect.descriptors.mace.contraction import SymmetricContraction
    from mlipselect.descriptors.torch_settings import torch_settings

    torch.manual_seed(0)
    with torch_settings("float64"):
        original = Original(
            o3.Irreps("3x0e+3x1o+3x2e"),
            o3.Irreps(irreps.replace("1x", "3x")),
            correlation=correlation,
            internal_weights=True,
            shared_weights=True,
            num_elements=2,
        ).to(dtype)
        return original, SymmetricContraction(original)


@pytest.mark.parametrize(("irreps", "correlation"), CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 1e-5)])
def test_it_is_that_of_mace(irreps, correlation, dtype, rtol):
    import torch

    original, ours = contractions(irreps, correlation, getattr(torch, dtype))
    x = torch.randn((7, 3, 9), dtype=getattr(torch, dtype))
    y = torch.eye(2, dtype=x.dtype)[[0, 1, 1, 0, 0, 1, 0]]
    expected, found = original(x, y), ours(x, y)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=rtol * float(expected.detach().abs().max()))


def test_first_and_second_derivatives_are_those_of_mace():
    import torch

    original, ours = contractions("1x0e+1x1o", 3, torch.float64)
    x = torch.randn((4, 3, 9), dtype=torch.float64, requires_grad=True)
    y = torch.eye(2, dtype=torch.float64)[[0, 1, 0, 0]]
    weights = torch.randn((4, 12), dtype=torch.float64, requires_grad=True)
    other = torch.randn_like(x)
    found = []
    for contraction in (original, ours):
        (first,) = torch.autograd.grad((contraction(x, y) * weights).sum(), x, create_graph=True)
        found.append((first, torch.autograd.grad((first * other).sum(), weights)[0]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-11, atol=1e-11)


def test_atoms_may_be_none_or_more_than_are_worked_on_together(monkeypatch):
    import torch

    from mlipselect.descriptors.mace import contraction

    original, ours = contractions("1x0e+1x1o", 3, torch.float64)
    monkeypatch.setattr(contraction, "_CHUNK", 1)
    x = torch.randn((5, 3, 9), dtype=torch.float64)
    y = torch.eye(2, dtype=torch.float64)[[1, 0, 1, 1, 0]]
    torch.testing.assert_close(ours(x, y), original(x, y).detach(), rtol=1e-12, atol=1e-12)
    assert ours(x[:0], y[:0]).shape == (0, 12)


def test_a_descriptor_uses_it_on_a_cpu_and_leaves_the_model_that_was_given():
    from mlipselect.descriptors.mace.contraction import SymmetricContraction

    model = tiny_mace()
    before = [type(product.symmetric_contractions) for product in model.products]
    descriptor = pickle.loads(pickle.dumps(ms.MACE(model)))
    assert [type(product.symmetric_contractions) for product in model.products] == before
    assert all(
        isinstance(product.symmetric_contractions, SymmetricContraction) for product in descriptor._module.products
    )
