"""Tools of descriptors that run on torch: imports, checks of device and type, temporary settings."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import random
import sys
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlipselect.exceptions import InvalidInputError, MissingExtraError
from mlipselect.utils.option import Option

TRUST = "A model file can run any code when it is loaded: load only files from people you trust."

#: Options of the command line for every descriptor with a model.
MODEL_OPTIONS = {
    "model": Option(
        "file of the model, which can run any code: only from people you trust; mace, chgnet, sevennet: or the name "
        "of a foundation model such as mp:medium-mpa-0, r2scan, 7net-l3i5 (default: chgnet 0.3.0, sevennet 7net-0)",
        metavar="FILE",
        needs="--model FILE",
    ),
    "device": Option(
        "where the model runs, such as cuda (default: cpu; metatomic: as the model says)", metavar="DEVICE"
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


def import_package(name: str, package: str) -> Any:
    """Import a module of a package that the user has installed, which mlipselect has no extra for.

    Parameters
    ----------
    name : str
        The module.
    package : str
        Name of the package for pip.

    Raises
    ------
    MissingExtraError
        It is not installed; the message names the package, and the way to another environment.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"{name} cannot be imported ({error}): pip install {package}, or use the environment that has it "
            "(mlipselect.Remote, --descriptor remote)"
        ) from error


def refuse_compiled(path: str | os.PathLike[str]) -> None:
    """Refuse a file of a compiled model, whose layers are out of reach.

    Raises
    ------
    InvalidInputError
        The file was written by TorchScript, as models for LAMMPS are, or by the compiler of torch.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        folders = {part for name in archive.namelist() for part in name.split("/")[:-1]}
    for kind, mark in (("TorchScript, as for LAMMPS", "code"), ("torch.compile", "aotinductor")):
        if mark in folders:
            raise InvalidInputError(
                f"{os.fspath(path)}: this model was compiled ({kind}), so its layers cannot be reached: give the file "
                "that it was compiled from"
            )


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


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """Let the generator of torch start from one seed, and go on from where it was at the end.

    Some models draw random numbers at each call. What they compute is the same on every call then.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@contextlib.contextmanager
def process_state() -> Iterator[None]:
    """Put back what packages of learned potentials change in a process when they are imported or load a model.

    That is: default type, threads, precision of matrix products and strategy of sharing of torch; generators of torch,
    numpy and random; warning filters, level and handlers of the root logger, environment. Not put back are the start
    method of multiprocessing and the classes that torch may load.
    """
    import torch

    root = logging.getLogger()
    logger, environment = (root.level, list(root.handlers)), dict(os.environ)
    # The generator that packages seed is the global one.
    generators = random.getstate(), np.random.get_state()  # noqa: NPY002
    precision, sharing = torch.get_float32_matmul_precision(), torch.multiprocessing.get_sharing_strategy()
    exact = torch.are_deterministic_algorithms_enabled()
    with torch_settings(n_threads=torch.get_num_threads()), torch.random.fork_rng(), warnings.catch_warnings():
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(precision)
            torch.multiprocessing.set_sharing_strategy(sharing)
            torch.use_deterministic_algorithms(exact)
            random.setstate(generators[0])
            np.random.set_state(generators[1])  # noqa: NPY002
            root.setLevel(logger[0])
            root.handlers[:] = logger[1]
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """As `process_state`; also, what packages print goes to the standard error, and their warnings are left out."""
    with process_state(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield
