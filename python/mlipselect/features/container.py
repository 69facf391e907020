"""The features of a set of structures, with the source of each row."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlipselect.exceptions import InvalidInputError, place_of
from mlipselect.features.element_counts import ElementCounts
from mlipselect.io.inspection import Rejected
from mlipselect.io.untrusted import parse_json, read_archive

#: Version of the archives of `Features.save`. In version 1 the arrays were named ``structure`` and ``atoms``; version 3
#: adds the descriptor and the atoms of each element.
VERSION = 3

Rows: TypeAlias = Literal["structure", "atoms"]


@dataclass(repr=False)
class Features:
    """Structure features, with atomic features if asked for.

    Functions that take an array accept an instance as the matrix of structure features, without a copy.

    Attributes
    ----------
    per_structure : ndarray of shape (n_structures, n_features)
        Mean of the atomic features of each structure: the design row of the energy per atom.
    n_atoms : ndarray of int64, shape (n_structures,)
        Number of atoms of each structure.
    per_atom : ndarray of shape (n_atoms, n_features) or None
        Features of every atom, structure after structure.
    offsets : ndarray of int64, shape (n_structures + 1,), or None
        The atomic rows of structure `s` are ``per_atom[offsets[s]:offsets[s + 1]]``.
    sources : list of (str or None, int)
        File and 0-based index in it of each structure; None for a structure given in memory.
    composition : tuple of str
        Elements whose fractions are the last columns; empty if there are no such columns.
    composition_scale : float
        Factor of the element fractions; see `balance_composition`.
    counts : ElementCounts or None
        Atoms of each element in each structure; None where they are not known.
    descriptor : dict or None
        Name and parameters of the descriptor; None where they are not known.
    marks : tuple of str
        Marks of isolated atoms, ``"KEY=VALUE"``, which were left out.
    rejected : list of Rejected
        Structures that were passed over; an archive does not keep them.

    Examples
    --------
    >>> import numpy as np, ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
    >>> X = ms.featurize(pool, lambda atoms: np.full((len(atoms), 4), atoms.cell.volume))
    >>> X.shape, np.asarray(X) is X.per_structure
    ((3, 4), True)
    """

    per_structure: NDArray[np.floating[Any]]
    n_atoms: NDArray[np.int64]
    per_atom: NDArray[np.floating[Any]] | None = None
    offsets: NDArray[np.int64] | None = None
    sources: list[tuple[str | None, int]] = field(default_factory=list)
    composition: tuple[str, ...] = ()
    composition_scale: float = 1.0
    counts: ElementCounts | None = None
    descriptor: dict[str, Any] | None = None
    marks: tuple[str, ...] = ()
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of structures and of features."""
        return self.per_structure.shape[0], self.per_structure.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.per_structure.dtype

    def __len__(self) -> int:
        return len(self.per_structure)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if dtype is not None and np.dtype(dtype) != self.per_structure.dtype:
            if copy is False:
                raise ValueError(f"converting {self.per_structure.dtype} features to {np.dtype(dtype)} takes a copy")
            return self.per_structure.astype(dtype)
        return self.per_structure.copy() if copy else self.per_structure

    def __repr__(self) -> str:
        name = "?" if self.descriptor is None else self.descriptor.get("name", "?")
        return (
            f"Features({len(self)} structures of {int(self.n_atoms.sum())} atoms, {self.shape[1]} features of {name}, "
            f"{self.dtype})"
        )

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from mlipselect.report.notebook import features_html

        return features_html(self)

    def where(self, row: int) -> str:
        """Return the file and the frame of the structure that a row describes."""
        source, index = self.sources[row] if self.sources else (None, row)
        return place_of(source, index)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` archive that `numpy.load` and `Features.load` read.

        Arrays in it: ``version``, ``per_structure``, ``n_atoms``, ``source`` (empty text for structures given in
        memory), ``index``, ``composition``, ``composition_scale`` and, where they exist, ``per_atom`` and ``offsets``,
        ``elements`` and ``counts`` (atoms of each element), ``descriptor`` (its name and parameters, as JSON), and
        ``marks``.

        Parameters
        ----------
        path : path
            File to write, complete or not at all.

        Raises
        ------
        InvalidInputError
            The file cannot be written.
        """
        from mlipselect.io.output import Output

        with Output(path) as output:
            self.write_to(output.temporary[0])
            output.publish()

    def write_to(self, path: Path) -> None:
        """Write the archive of `save` directly to a path, without a temporary file."""
        arrays: dict[str, Any] = {
            "version": np.int64(VERSION),
            "per_structure": self.per_structure,
            "n_atoms": self.n_atoms,
            "source": np.array([source or "" for source, _ in self.sources], dtype=np.str_),
            "index": np.array([index for _, index in self.sources], dtype=np.int64),
            "composition": np.array(self.composition, dtype=np.str_),
            "composition_scale": np.float64(self.composition_scale),
            "marks": np.array(self.marks, dtype=np.str_),
        }
        if self.per_atom is not None and self.offsets is not None:
            arrays |= {"per_atom": self.per_atom, "offsets": self.offsets}
        if self.counts is not None:
            arrays |= {"elements": np.array(self.counts.elements, dtype=np.str_), "counts": self.counts.counts}
        if self.descriptor is not None:
            arrays["descriptor"] = np.array(json.dumps(self.descriptor))
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Read an archive written by `save`.

        Raises
        ------
        InvalidInputError
            The file is missing or is not such an archive.
        """
        try:
            archive = read_archive(path)
            version = int(archive["version"]) if "version" in archive else 1
            if version > VERSION:
                raise ValueError(f"version {version}, and this mlipselect reads versions up to {VERSION}")
            per_structure, per_atom = ("structure", "atoms") if version == 1 else ("per_structure", "per_atom")
            has_atoms = per_atom in archive
            symbols = tuple(str(symbol) for symbol in archive["elements"]) if "elements" in archive else ()
            features = cls(
                per_structure=archive[per_structure],
                n_atoms=archive["n_atoms"],
                per_atom=archive[per_atom] if has_atoms else None,
                offsets=archive["offsets"] if has_atoms else None,
                sources=_sources(archive["source"], archive["index"]),
                composition=tuple(str(symbol) for symbol in archive["composition"]),
                composition_scale=float(archive["composition_scale"]),
                counts=ElementCounts(symbols, archive["counts"]) if symbols else None,
                marks=tuple(str(mark) for mark in archive["marks"]) if "marks" in archive else (),
                descriptor=parse_json(str(archive["descriptor"])) if "descriptor" in archive else None,
            )
            features._check()
            return features
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise InvalidInputError(f"{os.fspath(path)}: expected features saved by mlipselect: {error}") from error

    def _check(self) -> None:
        """Refuse arrays that do not belong together, as those of a damaged file.

        Raises
        ------
        ValueError
            There are some.
        """
        n = len(self.per_structure)
        rows: list[NDArray[Any]] = [self.per_structure, *([] if self.per_atom is None else [self.per_atom])]
        if any(matrix.ndim != 2 or matrix.dtype not in (np.float32, np.float64) for matrix in rows):
            raise ValueError("features that are no matrix of float32 or float64")
        counts: list[NDArray[Any]] = [self.n_atoms, *([] if self.counts is None else [self.counts.counts])]
        if any(len(numbers) != n or numbers.dtype.kind != "i" or (numbers < 0).any() for numbers in counts):
            raise ValueError("numbers of atoms that are not those of its structures")
        if self.counts is not None and self.counts.counts.shape != (n, len(self.counts.elements)):
            raise ValueError("atoms of each element that are not those of its elements")
        if self.sources and len(self.sources) != n:
            raise ValueError("sources of other structures")
        if self.per_atom is not None and self.offsets is not None:
            steps = np.concatenate([[0], np.cumsum(self.n_atoms)])
            if not np.array_equal(self.offsets, steps) or steps[-1] != len(self.per_atom):
                raise ValueError("atomic rows that are not those of its structures")
        if not isinstance(self.descriptor, dict | None):
            raise ValueError("a descriptor without parameters")


def _sources(source: NDArray[Any], index: NDArray[Any]) -> list[tuple[str | None, int]]:
    return [(str(name) or None, int(frame)) for name, frame in zip(source, index, strict=True)]
