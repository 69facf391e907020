"""A descriptor that runs in another environment's Python."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.base import Design, NamedDescriptor
from mlipselect.descriptors.batches import alone, in_batches
from mlipselect.exceptions import InvalidInputError, MlipselectError, StructureError
from mlipselect.io.describable import check_structure
from mlipselect.io.untrusted import parse_json
from mlipselect.utils.option import Option
from mlipselect.worker import child
from mlipselect.worker.process import Process

# Keys of Atoms.info that models read.
_INFO_KEYS = ("charge", "spin")

# What the other process tells of the descriptor that it made, by types.
_OPENED = {"parameters": dict, "groups": dict, "can": list, "warnings": list}

# Methods that a descriptor has if its object has them.
_DERIVATIVES = ("vjp", "design")

# Atoms in one message.
_BATCH_ATOMS = 4096


def json_object(text: str) -> dict[str, Any]:
    """Read options of the command line."""
    try:
        found = parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an object of JSON: {error}") from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"expected an object of JSON, such as '{{\"layers\": [2]}}', got {text[:80]}")
    return found


class Remote(NamedDescriptor):
    """A descriptor in a process of another Python, for packages that cannot be installed beside others.

    The process starts when the descriptor is made, and ends with it. A copy of the descriptor, and a process that was
    forked, start one of their own when they need it. The process needs numpy and ASE besides what the object needs;
    mlipselect has to be installed there only for descriptors of mlipselect, such as ``"mlipselect:CHGNet"``.

    Parameters
    ----------
    python : path
        The Python of the other environment, such as ``"/envs/chgnet/bin/python"``.
    object : str
        ``"MODULE:OBJECT"``: a class or function that makes a descriptor from the options; or a descriptor, which is an
        object with ``features(atoms)`` or a function with a parameter called ``atoms``. The module is imported there
        and can run any code. Modules in the current folder are found.
    timeout : float, default=1800.0
        Seconds to wait for an answer.
    **options
        Arguments of the class or function: numbers, text, and lists and dictionaries of them.

    Attributes
    ----------
    vjp, design : callable
        Derivatives; there are none where the object has none.
    feature_groups : dict
        Names of groups of features; there are none where the object has none.

    Raises
    ------
    InvalidInputError
        The process cannot be started, or the object cannot be made there; the message has the reason.

    Notes
    -----
    Features depend on `parameters` of the object, which go into records as they are: versions, digests of weights and
    the like. An object without `parameters` is identified by its name, its options, the digest of the file of its
    module, and the versions of numpy, torch and the package. Then a model that the module loads does not count: give
    the object `parameters` with a digest of the model.

    Examples
    --------
    >>> import sys, ase.build, mlipselect as ms
    >>> with ms.Remote(sys.executable, "mlipselect:ACE", elements=["Si"], totaldegree=6) as descriptor:
    ...     X = ms.featurize([ase.build.bulk("Si")], descriptor)
    >>> X.shape == ms.featurize([ase.build.bulk("Si")], ms.ACE(["Si"], totaldegree=6)).shape
    True
    """

    command_options: ClassVar[Mapping[str, Option]] = {
        "python": Option("Python of another environment", metavar="PATH", needs="--python PATH"),
        "object": Option(
            "what makes the descriptor there, such as mlipselect:CHGNet", metavar="MODULE:OBJECT", needs="--object"
        ),
        "object_options": Option(
            "its arguments in JSON, such as '{\"layers\": [2]}' (default: none)", type=json_object, metavar="JSON"
        ),
    }

    def __init__(
        self,
        python: str | os.PathLike[str],
        object: str,  # noqa: A002 - the word of the field for MODULE:OBJECT
        *,
        timeout: float = 1800.0,
        **options: Any,
    ):
        self.python, self.object, self.timeout, self.options = os.fspath(python), object, timeout, options
        module, _, name = object.partition(":")
        if not module or not name:
            raise InvalidInputError(f"object: expected MODULE:OBJECT, got {object!r}")
        try:
            json.dumps(options)
        except TypeError as error:
            raise InvalidInputError(f"Remote: expected options that JSON can represent: {error}") from None
        if shutil.which(self.python) is None:
            raise InvalidInputError(f"python: expected a Python that can be started, got {self.python}")
        process, head = self._started()
        self._process: Process | None = process
        self._parameters: dict[str, Any] = head["parameters"]
        self._can: list[str] = head["can"]
        for text in head["warnings"]:
            warnings.warn(f"{object}: {text}", stacklevel=2)
        self._add_derivatives()
        if head["groups"]:
            self.feature_groups = {name: slice(*ends) for name, ends in head["groups"].items()}

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> Remote:  # noqa: ARG003 - an option of the object
        """Make the descriptor that options of the command line define."""
        return cls(given["python"], given["object"], **given.get("object_options", {}))

    def __getstate__(self) -> dict[str, Any]:
        # A copy starts a process of its own when it needs one, and its derivatives are those of that process.
        kept = {name: value for name, value in self.__dict__.items() if name not in _DERIVATIVES}
        return {**kept, "_process": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._add_derivatives()

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Remote({self.python!r}, {self.object!r}{options})"

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON: that of the object, if it has one."""
        return dict(self._parameters)

    def close(self) -> None:
        """End the process; it starts again when it is needed."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure. Of ``info``, charge and spin are passed on.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.

        Raises
        ------
        StructureError
            A structure that the object cannot describe.
        MlipselectError
            The process ended, did not answer in time, or answered something else.
        """
        rows: npt.NDArray[np.floating] = alone(self.site_features, [atoms])
        return rows

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Describe every atom of many structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, for objects that take it.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.

        Raises
        ------
        StructureError, MlipselectError
            As for `features`.
        """
        if isinstance(structures, Atoms):
            raise InvalidInputError("expected a sequence of ase.Atoms; `features` takes a single one")
        found = []
        for first, batch in in_batches(structures, _BATCH_ATOMS):
            (rows,) = self._ask({"do": "features", "n_threads": n_threads}, batch, first=first)
            n_atoms = sum(map(len, batch))
            if rows.ndim != 2 or len(rows) != n_atoms or rows.dtype.kind not in "fiu":
                raise MlipselectError(
                    f"{self.object}: expected {n_atoms} rows of numbers, one per atom, got an array of shape "
                    f"{rows.shape} of {rows.dtype}"
                )
            found.append(rows if rows.dtype == np.float32 else rows.astype(np.float64, copy=False))
        if not found:
            raise InvalidInputError("expected at least one structure, got none")
        return np.concatenate(found)

    def _vjp(self, atoms: Atoms, w: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions."""
        (slopes,) = alone(self._ask, {"do": "vjp"}, [atoms], np.asarray(w, dtype=np.float64))
        found: npt.NDArray[np.floating] = slopes
        return found

    def _design(self, atoms: Atoms) -> Design:
        """Differentiate every feature of one structure."""
        return Design(*alone(self._ask, {"do": "design"}, [atoms]))

    def _add_derivatives(self) -> None:
        if "vjp" in self._can:
            self.vjp = self._vjp
        if "design" in self._can:
            self.design = self._design

    def _started(self) -> tuple[Process, dict[str, Any]]:
        """Start a process; return it, and what it tells of its descriptor."""
        process = Process([self.python, child.__file__], self.timeout, self.object)
        head, _ = process.ask({"do": "open", "object": self.object, "options": self.options})
        if "error" in head:
            process.stop()
            raise InvalidInputError(f"{self.object} in {self.python}: {head['error']}")
        if {name: type(head.get(name)) for name in _OPENED} != _OPENED:
            process.stop()
            raise MlipselectError(f"{self.object} in {self.python}: expected what it is and can do, got {head}"[:500])
        return process, head

    def _running(self) -> Process:
        if self._process is None or not self._process.is_own:
            process, head = self._started()
            if head["parameters"] != self._parameters:
                process.stop()
                raise MlipselectError(
                    f"{self.object} in {self.python} is not what it was when this descriptor was made: make it anew"
                )
            self._process = process
        return self._process

    def _ask(
        self, request: dict[str, Any], structures: Sequence[Atoms], *more: npt.NDArray[Any], first: int = 0
    ) -> list[npt.NDArray[Any]]:
        _check(structures, first)
        process = self._running()
        infos = [{key: _plain(atoms.info[key]) for key in _INFO_KEYS if key in atoms.info} for atoms in structures]
        arrays = [
            np.array([len(atoms) for atoms in structures]),
            np.concatenate([atoms.numbers for atoms in structures]),
            np.concatenate([atoms.positions for atoms in structures]),
            np.array([np.asarray(atoms.cell) for atoms in structures]),
            np.array([atoms.pbc for atoms in structures]),
        ]
        try:
            head, found = process.ask({**request, "infos": infos}, [*arrays, *more])
        except MlipselectError:
            self._process = None
            raise
        if "error" in head:
            if head.get("index") is None:
                # The batch failed: which structure it was is found one by one.
                for index, atoms in enumerate(structures if len(structures) > 1 else []):
                    self._ask(request, [atoms], *more, first=first + index)
            raise StructureError(f"{self.object}: {head['error']}", first + (head.get("index") or 0))
        return found


def _check(structures: Sequence[Atoms], first: int) -> None:
    """Refuse structures that nothing can describe, by their index plus `first`."""
    index = first
    try:
        for index, atoms in enumerate(structures, first):  # noqa: B007 - the handler reads it
            check_structure(atoms)
    except StructureError as error:
        raise StructureError(error.problem, index) from None


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
