"""Features that are computed once and kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect._core import __version__
from mlipselect.descriptors.base import HasSiteFeatures, HasStructureFeatures, Resettable, bound, has_parameters
from mlipselect.descriptors.record import descriptor_identity
from mlipselect.descriptors.wrapper import Wrapper, forwarded
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.describable import check_structure
from mlipselect.utils.option import Option
from mlipselect.utils.unmasked import unmasked

FORWARDED = (
    "design",
    "designs",
    "elements",
    "feature_groups",
    "forward",
    "n_features",
    "predict",
    "predictions",
    "rcut",
    "smoothness_prior",
    "vjp",
    "vjps",
)
"""What `Cached` has if the wrapped descriptor has it: nothing of it is kept."""


class Cached(Wrapper):
    """A wrapper that keeps the features of another descriptor in a folder, for descriptors that take long.

    An entry is found by the parameters of the descriptor (by the digest of a model file), the version of mlipselect and
    the structure: numbers, positions, cell and periodicity to the last bit. Several processes may share a folder:
    entries are written under another name and renamed. A damaged entry is computed again, with a warning. No entry is
    ever removed. Derivatives, predictions and names of features are those of the wrapped descriptor, if it has them;
    they are not kept.

    Parameters
    ----------
    descriptor : object
        The descriptor. It must have `parameters`, a dictionary that identifies it.
    folder : path
        Folder of the entries; made if it does not exist.
    info_keys : sequence of str, default=("charge", "spin")
        Keys of `Atoms.info` that the features may depend on.

    Attributes
    ----------
    hits, misses : int
        Numbers of structures that were found in the folder, and that were computed.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
    >>> descriptor = ms.Cached(ms.ACE(["Si"], totaldegree=6), "kept")
    >>> X = ms.featurize(pool, descriptor)
    >>> X = ms.featurize(pool + [ase.build.bulk("Si")], descriptor)
    >>> descriptor.hits, descriptor.misses
    (3, 4)
    """

    command_options: ClassVar[Mapping[str, Option]] = {
        "cache": Option("keep the features there, and take those of an earlier run from there", metavar="FOLDER")
    }

    abilities: ClassVar[Mapping[str, property]] = {name: forwarded(name) for name in FORWARDED}

    def __init__(
        self, descriptor: Any, folder: str | os.PathLike[str], *, info_keys: Sequence[str] = ("charge", "spin")
    ):
        self._wrap(descriptor)
        self.folder = Path(folder)
        self.info_keys = tuple(info_keys)
        self.hits = self.misses = 0
        if self.folder.is_file():
            raise InvalidInputError(f"{self.folder}: expected a folder to keep features in, got a file")
        if not has_parameters(descriptor):
            raise InvalidInputError(
                f"Cached: expected a descriptor with `parameters`, which tell it from others, got {descriptor!r}"
            )

    def __repr__(self) -> str:
        return f"Cached({self.descriptor!r}, {os.fspath(self.folder)!r})"

    @classmethod
    def around(cls, descriptor: Any, given: str) -> Cached:
        """Wrap a descriptor as the command line asks for, with the features in a folder."""
        return cls(descriptor, given)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the wrapped descriptor: the features are the same."""
        return dict(self.descriptor.parameters)

    def settled_as(self, record: Mapping[str, Any]) -> Cached:
        """Take parameters of the wrapped descriptor that were not given from a record, if it has `settled_as`.

        Parameters
        ----------
        record : mapping
            `parameters` of such a descriptor.

        Returns
        -------
        Cached
            This descriptor, or one around the descriptor with these parameters.
        """
        if not isinstance(self.descriptor, Resettable):
            return self
        settled = self.descriptor.settled_as(record)
        return self if settled is self.descriptor else Cached(settled, self.folder, info_keys=self.info_keys)

    def bind(self, structures: Sequence[Atoms]) -> Cached:
        """Bind the wrapped descriptor to structures, if it has `bind`.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with every element that will be described.

        Returns
        -------
        Cached
            This descriptor.
        """
        self._wrap(bound(self.descriptor, structures))
        return self

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.
        """
        return self.site_features([atoms])

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Describe every atom of many structures, and keep the rows.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, for descriptors that work on batches.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.
        """
        return np.concatenate(self._kept("atoms", structures, lambda missing: self._rows(missing, n_threads)))

    def structure_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Average the rows of the atoms of each structure, and keep the averages.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, for descriptors that work on batches.

        Returns
        -------
        ndarray of shape (n_structures, n_features)
            One row per structure.
        """

        def compute(missing: list[Atoms]) -> list[npt.NDArray[Any]]:
            if isinstance(self.descriptor, HasStructureFeatures):
                return list(unmasked("features", self.descriptor.structure_features(missing, n_threads=n_threads)))
            return [rows.mean(axis=0, dtype=np.float64).astype(rows.dtype) for rows in self._rows(missing, n_threads)]

        return np.stack(self._kept("mean", structures, compute))

    def _rows(self, structures: list[Atoms], n_threads: int | None) -> list[npt.NDArray[Any]]:
        """Compute the rows of the atoms of each structure."""
        if not isinstance(self.descriptor, HasSiteFeatures):
            return [unmasked("features", self.descriptor.features(atoms)) for atoms in structures]
        rows = unmasked("features", self.descriptor.site_features(structures, n_threads=n_threads))
        return np.split(rows, np.cumsum([len(atoms) for atoms in structures])[:-1])

    def _kept(
        self,
        kind: str,
        structures: Sequence[Atoms],
        compute: Callable[[list[Atoms]], list[npt.NDArray[Any]]],
    ) -> list[npt.NDArray[Any]]:
        paths = [self._path(kind, atoms) for atoms in structures]
        found = [_read(path) for path in paths]
        missing = [index for index, rows in enumerate(found) if rows is None]
        if missing:
            try:
                computed = compute([structures[index] for index in missing])
            except StructureError as error:
                if error.index is None:
                    raise
                raise StructureError(error.problem, missing[error.index]) from error
            for index, rows in zip(missing, computed, strict=True):
                _write(paths[index], rows)
                found[index] = rows
        self.hits += len(structures) - len(missing)
        self.misses += len(missing)
        return [rows for rows in found if rows is not None]

    def _path(self, kind: str, atoms: Atoms) -> Path:
        check_structure(atoms)
        info = {key: atoms.info[key] for key in self.info_keys if key in atoms.info}
        try:
            known = json.dumps(
                [__version__, kind, descriptor_identity(self.parameters), info], sort_keys=True, default=_exact
            )
        except TypeError as error:
            raise InvalidInputError(
                f"Cached: parameters and {', '.join(self.info_keys)} must be plain: {error}"
            ) from None
        digest = hashlib.sha256(known.encode())
        for array in (atoms.numbers.astype("<i8"), atoms.positions.astype("<f8"), np.asarray(atoms.cell, "<f8")):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(bytes(atoms.pbc.tolist()))
        name = digest.hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npy"


def _exact(value: Any) -> Any:
    """Represent a number of numpy exactly, and an array by its digest, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [value.dtype.str, value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    raise TypeError(f"{type(value).__name__} {value!r:.40}")


def _read(path: Path) -> npt.NDArray[Any] | None:
    """Read an entry; None if it is missing or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    body, digest = data[:-32], data[-32:]
    if hashlib.sha256(body).digest() != digest:
        warnings.warn(f"{path}: damaged, computed again", stacklevel=2)
        return None
    return np.load(io.BytesIO(body), allow_pickle=False)  # type: ignore[no-any-return]


def _write(path: Path, rows: npt.NDArray[Any]) -> None:
    """Write an entry, complete or not at all: the array in the format of numpy, then its digest."""
    stream = io.BytesIO()
    np.save(stream, rows, allow_pickle=False)
    body = stream.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".mlipselect-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body + hashlib.sha256(body).digest())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be written: {error.strerror}") from error
