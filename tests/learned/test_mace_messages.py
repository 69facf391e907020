"""The sums of messages against those of mace, with their derivatives."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import mlipselect as ms
from learned.models import structures, tiny_mace

FEATURES = ["3x0e", "3x0e+3x1o", "2x1o+3x0e+4x2e"]
INTERACTIONS = [
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
    "RealAgnosticAttResidualInteractionBlock",
    "RealAgnosticResidualNonLinearInteractionBlock",
]


def messages(irreps, dtype="float64"):
    """Give mace's sums of messages and ours: directions up to degree 3."""
    # Before e3nn, which needs what this sets.
    import mace.modules  # noqa: F401
    import torch
    from e3nn import o3
    from mace.modules.irreps_tools import tp_out_irreps_with_instructions
    from mace.tools.scatter import scatter_sum

    from mlipselect.descriptors.mace.messages import Messages, is_by_channel
    from mlipselect.descriptors.torch_settings import torch_settings

    features, directions = o3.Irreps(irreps), o3.Irreps.spherical_harmonics(3)
    with torch_settings("float64"):
        results, instructions = tp_out_irreps_with_instructions(features, directions, directions)
        product = o3.TensorProduct(
            features, directions, results, instructions=instructions, shared_weights=False, internal_weights=False
        ).to(getattr(torch, dtype))
        assert is_by_channel(product)
        ours = Messages(product)

    def expected(x, y, weights, edges):
        return scatter_sum(src=product(x[edges[0]], y, weights), index=edges[1], dim=0, dim_size=len(x))

    return expected, ours, product


def arguments(product, n_atoms, n_edges, dtype="float64"):
    """Draw features, directions, weights and edges, of which each atom has another number and the last one none."""
    import torch

    torch.manual_seed(0)
    x = torch.randn((n_atoms, product.irreps_in1.dim), dtype=getattr(torch, dtype))
    y = torch.randn((n_edges, product.irreps_in2.dim), dtype=x.dtype)
    weights = torch.randn((n_edges, product.weight_numel), dtype=x.dtype)
    return x, y, weights, torch.randint(n_atoms - 1, (2, n_edges))


@pytest.mark.parametrize("irreps", FEATURES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-14), ("float32", 1e-5)])
def test_they_are_those_of_mace(irreps, dtype, rtol):
    import torch

    theirs, ours, product = messages(irreps, dtype)
    drawn = arguments(product, 9, 60, dtype)
    expected, found = theirs(*drawn), ours(*drawn)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=rtol * float(expected.abs().max()))


def test_first_and_second_derivatives_are_those_of_mace():
    import torch

    theirs, ours, product = messages("3x0e+3x1o")
    *drawn, edges = arguments(product, 6, 30)
    drawn = [tensor.requires_grad_() for tensor in drawn]
    w = torch.randn((6, product.irreps_out.dim), dtype=torch.float64, requires_grad=True)
    others = [torch.randn_like(tensor) for tensor in drawn]
    found = []
    for function in (theirs, ours):
        first = torch.autograd.grad((function(*drawn, edges) * w).sum(), drawn, create_graph=True)
        along = sum((own * other).sum() for own, other in zip(first, others, strict=True))
        found.append((*first, *torch.autograd.grad(along, [*drawn, w])))
    for own, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 20_000])
def test_atoms_may_be_more_than_are_worked_on_together(monkeypatch, chunk):
    import torch

    from mlipselect.descriptors.mace import messages as module

    monkeypatch.setattr(module, "_CHUNK", chunk)
    theirs, ours, product = messages("3x0e+3x1o")
    drawn = arguments(product, 20, 70)
    expected = theirs(*drawn)
    torch.testing.assert_close(ours(*drawn), expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():  # which gathers one chunk after the other
        torch.testing.assert_close(ours(*drawn), expected, rtol=1e-12, atol=1e-12)


def test_atoms_without_neighbours_get_nothing_and_can_be_differentiated():
    import torch

    _, ours, product = messages("3x0e+3x1o")
    x, y, weights, edges = arguments(product, 3, 0)
    sums = ours(x, y.requires_grad_(), weights, edges)
    assert sums.shape == (3, product.irreps_out.dim)
    assert not sums.any()
    assert torch.autograd.grad(sums.sum(), y)[0].shape == y.shape


def test_what_is_not_a_number_stays_with_its_receiver():
    import torch

    _, ours, product = messages("3x0e")
    x, y, weights, edges = arguments(product, 9, 60)
    weights[7] = torch.nan
    bad = ours(x, y, weights, edges).isnan().any(dim=1).nonzero()[:, 0]
    assert bad.tolist() == [int(edges[1, 7])]


@pytest.mark.parametrize("kind", INTERACTIONS)
def test_models_of_all_kinds_give_the_features_of_mace(kind):
    import mace.modules
    from mace.calculators import MACECalculator

    from mlipselect.descriptors.mace.messages import Messages

    block = mace.modules.interaction_classes[kind]
    model = tiny_mace(interaction_cls=block, interaction_cls_first=block)
    descriptor = ms.MACE(model, invariants_only=False)
    assert all(isinstance(interaction.conv_tp, Messages) for interaction in descriptor._module.interactions)
    calculator = MACECalculator(models=[model], device="cpu", default_dtype="float64")
    expected = [calculator.get_descriptors(atoms, invariants_only=False) for atoms in structures()]
    scale = max(np.abs(own).max() for own in expected)
    found = descriptor.site_features(structures())
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-12 * scale)


def test_a_descriptor_leaves_the_model_that_was_given_and_can_be_pickled():
    from mlipselect.descriptors.mace.messages import Messages

    model = tiny_mace()
    before = [type(interaction.conv_tp) for interaction in model.interactions]
    descriptor = ms.MACE(model)
    again = pickle.loads(pickle.dumps(descriptor))
    assert [type(interaction.conv_tp) for interaction in model.interactions] == before
    assert not any(hasattr(interaction, "conv_fusion") for interaction in model.interactions)
    assert all(isinstance(interaction.conv_tp, Messages) for interaction in again._module.interactions)
    some = structures()[:2]
    np.testing.assert_array_equal(again.site_features(some), descriptor.site_features(some))


def test_other_products_keep_theirs():
    # Before e3nn, which needs what this sets.
    import mace.modules  # noqa: F401
    from e3nn import o3

    from mlipselect.descriptors.mace.messages import is_by_channel

    assert not is_by_channel(o3.FullyConnectedTensorProduct("2x0e", "1x0e+1x1o", "2x0e+2x1o"))
    assert not is_by_channel(o3.Linear("2x0e", "2x0e"))
