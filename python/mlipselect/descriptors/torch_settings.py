"""Tools of descriptors that run on torch: imports, checks of device and type, temporary settings."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from mlipselect.exceptions import InvalidInputError, MissingExtraError
from mlipselect.utils.option import Option

TRUST = "A model file can run any code when it is loaded: load only files from people you trust."

#: Options of the command line for every descriptor with a model.
MODEL_OPTIONS = {
    "model": Option(
        "file of the model, which can run any code: only from people you trust; mace: or a foundation model such as "
        "mp:medium-mpa-0",
        metavar="FILE",
        needs="--model FILE",
    ),
    "device": Option(
        "where the model runs, such as cuda (default: cpu for mace, as the model says for metatomic)", metavar="DEVICE"
    ),
}


def import_extra(name: str, extra: str) -> Any:
    """Import a module of an optional dependency.

    Parameters
    ----------
    name : str
        The module.
    extra : str
        The extra of mlipselect that installs it.

    Raises
    ------
    MissingExtraError
        It is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{name} cannot be imported ({error}): pip install 'mlipselect[{extra}]'") from error


def checked_device(device: str) -> str:
    """Return the device; refuse one that torch cannot use on this machine."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidInputError(f"device: expected one that torch can use here, got {device!r}: {reason}") from error
    return device


def checked_dtype(dtype: Any) -> str:
    """Return the name of float32 or float64; refuse any other type."""
    name = str(getattr(dtype, "__name__", dtype)).removeprefix("torch.")
    if name not in ("float32", "float64"):
        raise InvalidInputError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
    return name


@contextlib.contextmanager
def torch_settings(dtype: str | None = None, n_threads: int | None = None) -> Iterator[None]:
    """Set the default type and the number of threads of torch, and restore both at the end.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
        Default type of new tensors; unchanged if not given.
    n_threads : int, optional
        Threads of one operation; unchanged if not given.
    """
    import torch

    before = torch.get_default_dtype(), torch.get_num_threads()
    try:
        if dtype is not None:
            torch.set_default_dtype(getattr(torch, dtype))
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        yield
    finally:
        torch.set_default_dtype(before[0])
        if n_threads is not None:
            torch.set_num_threads(before[1])
