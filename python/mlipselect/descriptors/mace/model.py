"""Load MACE models, and find the columns and the size of their features."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.learned.weights import digest_of_weights
from mlipselect.descriptors.torch_settings import TRUST, import_extra, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.digest import sha256

# Loaders of foundation models in mace.calculators, by the prefix of a name.
_FAMILIES = {"mp": "mace_mp", "off": "mace_off", "omol": "mace_omol"}


def load_model(model: Any, device: str, dtype: str) -> tuple[Any, str, str]:
    """Load a model, ready to be evaluated.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        As `MACE` takes it. A module is copied.
    device, dtype : str
        Device and precision of the model.

    Returns
    -------
    module : torch.nn.Module
        The model, its parameters frozen.
    name : str
        Path, name or class.
    sha256 : str
        Digest of the file or, without a file, of the weights and the structure of the module.

    Raises
    ------
    InvalidInputError
        There is no such file or model, it cannot be loaded, or it is not a MACE model with node features.
    """
    import torch

    if isinstance(model, torch.nn.Module):
        module, name, digest = copy.deepcopy(model), type(model).__name__, _digest_of_weights(model)
    elif Path(model).is_file():
        module, name, digest = _from_file(model), os.fspath(model), sha256(os.fspath(model))
    else:
        module, name = _foundation_model(os.fspath(model)), os.fspath(model)
        digest = _digest_of_weights(module)
    missing = [part for part in ("products", "r_max", "atomic_numbers") if not hasattr(module, part)]
    if missing:
        raise InvalidInputError(
            f"{name}: expected a MACE model as torch.save writes it, got {type(module).__name__} without {missing[0]}"
        )
    module = module.to(device=device, dtype=getattr(torch, dtype)).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    if device == "cpu":
        _use_our_own_modules(module)
    return module, name, digest


def feature_columns(model: Any, invariants_only: bool) -> NDArray[np.int64]:
    """Find the columns of ``node_feats`` to keep: all, or the scalars of every layer.

    Scalars are the even irreducible representations of degree zero. The others turn with the structure.
    """
    from e3nn import o3

    kept: list[int] = []
    start = 0
    for product in model.products:
        irreps = o3.Irreps(str(product.linear.irreps_out))
        for (_, irrep), part in zip(irreps, irreps.slices(), strict=True):
            if not invariants_only or (irrep.l == 0 and irrep.p == 1):
                kept.extend(range(start + part.start, start + part.stop))
        start += irreps.dim
    return np.array(kept, dtype=np.int64)


def numbers_per_edge(model: Any) -> int:
    """Count the numbers per edge in the largest array of messages, which determines the memory of a batch."""
    return max(int(interaction.conv_tp.irreps_out.dim) for interaction in model.interactions)


def _use_our_own_modules(model: Any) -> None:
    """Replace mace's messages and contraction, which take most of the time on a CPU, by those of this package."""
    from mace.modules.symmetric_contraction import SymmetricContraction as Original

    from mlipselect.descriptors.mace.contraction import SymmetricContraction
    from mlipselect.descriptors.mace.messages import Messages, is_by_channel

    # Models compiled to TorchScript, and those for cuEquivariance, have other modules and keep them.
    for interaction in model.interactions:
        # Blocks that read the attribute conv_fusion let `conv_tp` sum the messages if it is set.
        if is_by_channel(interaction.conv_tp) and "conv_fusion" in type(interaction).forward.__code__.co_consts:
            interaction.conv_tp = Messages(interaction.conv_tp)
            interaction.conv_fusion = True
    for product in model.products:
        if isinstance(getattr(product, "symmetric_contractions", None), Original):
            product.symmetric_contractions = SymmetricContraction(product.symmetric_contractions)


def _from_file(path: str | os.PathLike[str]) -> Any:
    import torch

    refuse_compiled(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise InvalidInputError(
            f"{os.fspath(path)}: cannot be loaded as a MACE model ({type(error).__name__}: {error}). {TRUST}"
        ) from error


def _foundation_model(name: str) -> Any:
    """Let mace find a foundation model, in its cache or on the network."""
    family, _, model = name.partition(":")
    if family not in _FAMILIES or not model:
        families = ", ".join(f"{prefix}:NAME ({loader})" for prefix, loader in _FAMILIES.items())
        raise InvalidInputError(
            f"{name}: there is no such file; a foundation model is asked for by {families}, such as mp:medium-mpa-0"
        )
    calculators = import_extra("mace.calculators", "mace")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return getattr(calculators, _FAMILIES[family])(model=model, device="cpu", return_raw_model=True)
    except Exception as error:
        cause = error.__cause__ or error
        raise InvalidInputError(
            f"{name}: {_FAMILIES[family]} of mace cannot give this model ({type(cause).__name__}: {cause}). Without a "
            "network, give the path of a model file"
        ) from error


def _digest_of_weights(model: Any) -> str:
    interactions = getattr(model, "interactions", ())
    return digest_of_weights(model, (repr(getattr(part, "avg_num_neighbors", None)) for part in interactions))
