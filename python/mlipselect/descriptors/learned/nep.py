"""The descriptors of neuroevolution potentials (NEP) by calorine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.descriptors.learned.core import LearnedDescriptor
from mlipselect.descriptors.learned.options import NEEDED_MODEL
from mlipselect.descriptors.learned.room import with_room
from mlipselect.descriptors.torch_settings import import_package
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.digest import sha256
from mlipselect.utils.option import Option


class NEP(LearnedDescriptor):
    """The descriptor of a neuroevolution potential (NEP), which rotations do not change. It has no derivatives.

    Parameters
    ----------
    model : path
        A ``nep.txt`` as GPUMD writes it.

    Attributes
    ----------
    elements : tuple of str
        Elements that the model knows.
    n_features : int
        Length of a row.
    dtype : str
        Type of the rows: float64.

    Notes
    -----
    calorine takes every structure for periodic; here structures get vacuum along directions that are not. The rows of
    an isolated atom are zeros for every element. Columns are scaled as the file says.

    References
    ----------
    .. [1] Z. Fan et al., GPUMD: a package for constructing accurate machine-learned potentials and performing highly
       efficient atomistic simulations, J. Chem. Phys. 157, 114801 (2022).
    """

    package: ClassVar[str] = "calorine"
    command_options: ClassVar[Mapping[str, Option]] = {"model": NEEDED_MODEL}

    def __init__(self, model: str | os.PathLike[str]):
        super().__init__(model, batch_atoms=4096)
        self._cutoff, self._numbers = _head(self.model)
        import_package("calorine.nep", self.package)
        self._sha256 = sha256(self.model)
        self._examine()

    def _prepared(self, atoms: Atoms) -> Any:
        return with_room(atoms, self._cutoff)

    def _rows(self, prepared: Sequence[Any]) -> npt.NDArray[np.floating]:
        from calorine.nep import get_descriptors

        return np.concatenate([get_descriptors(atoms, self.model) for atoms in prepared])


def _head(path: str) -> tuple[float, list[int]]:
    """Read the largest cutoff and the elements of a model: ``nep4 2 Si O``, and a line ``cutoff 8 4 ...``."""
    lines = []
    with contextlib.suppress(OSError, UnicodeDecodeError), Path(path).open() as file:
        lines = [next(file, "").split() for _ in range(4)]
    cutoffs = [line for line in lines if line[:1] == ["cutoff"]]
    if not cutoffs or not lines[0] or not lines[0][0].startswith("nep"):
        raise InvalidInputError(f"{path}: expected a nep.txt of GPUMD, which begins with nep and its elements")
    symbols = lines[0][2:]
    unknown = [symbol for symbol in symbols if symbol not in atomic_numbers]
    if unknown or not symbols:
        raise InvalidInputError(f"{path}: expected elements in the first line, got {' '.join(symbols) or 'none'}")
    return max(map(float, cutoffs[0][1:3])), [atomic_numbers[symbol] for symbol in symbols]
