"""The process that runs the descriptor of a `Remote`: ``python child.py`` answers its requests.

It is started as a file, by a Python that need not have mlipselect: numpy and ASE are enough.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray


def main() -> None:
    """Answer requests until the input ends."""
    here = Path(__file__).parent
    # The folder of a script is searched first; modules of the user are in the current one.
    sys.path[0] = os.getcwd()  # noqa: PTH109 - text is wanted
    spec = importlib.util.spec_from_file_location("mlipselect_messages", here / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    messages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(messages)
    messages.serve(Served().answer, told)


def told(error: Exception) -> dict[str, Any]:
    """Make the answer that tells of an exception; errors of mlipselect name a structure by `problem` and `index`."""
    if hasattr(error, "problem") and hasattr(error, "index"):
        return {"error": str(error.problem), "index": error.index}
    return {"error": f"{type(error).__name__}: {error}"}


class Served:
    """The descriptor that is served."""

    def __init__(self) -> None:
        self._descriptor: Any = None

    def answer(self, head: dict[str, Any], arrays: list[NDArray[Any]]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Answer one request."""
        if head["do"] == "open":
            return self._open(head["object"], head["options"]), []
        structures = structures_from(head["infos"], *arrays[:5])
        if head["do"] == "features":
            return {}, [self._rows(structures, head["n_threads"])]
        if head["do"] == "vjp":
            return {}, [np.asarray(self._descriptor.vjp(structures[0], arrays[5]))]
        design = self._descriptor.design(structures[0])
        return {}, [np.asarray(part) for part in (design.energy, design.forces, design.virial)]

    def _open(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Make the descriptor, and tell what it is and what it can do."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default", UserWarning)
            self._descriptor = made(name, options)
        parameters = getattr(self._descriptor, "parameters", None)
        if not isinstance(parameters, dict):
            parameters = {"name": "Remote", "object": name, "options": options, **origin(name.partition(":")[0])}
        groups = getattr(self._descriptor, "feature_groups", {})
        return {
            "parameters": parameters,
            "groups": {name: [int(columns.start), int(columns.stop)] for name, columns in groups.items()},
            "can": [method for method in ("vjp", "design") if callable(getattr(self._descriptor, method, None))],
            "warnings": [str(one.message) for one in caught if type(one.message) is UserWarning],
        }

    def _rows(self, structures: Sequence[Atoms], n_threads: int | None) -> NDArray[Any]:
        if hasattr(self._descriptor, "site_features"):
            return known(self._descriptor.site_features(structures, n_threads=n_threads))
        describe = getattr(self._descriptor, "features", self._descriptor)
        found = [known(describe(atoms)) for atoms in structures]
        for index, (rows, atoms) in enumerate(zip(found, structures)):  # noqa: B905 - as many as structures
            if rows.ndim != 2 or len(rows) != len(atoms):
                raise ShapeError(f"expected {len(atoms)} rows, one per atom, got an array of shape {rows.shape}", index)
        return np.concatenate(found)


def known(rows: Any) -> NDArray[Any]:
    """Return features as an array, refusing masked ones: numpy would take what lies under the mask."""
    if np.ma.is_masked(rows):
        raise ValueError("expected features that are all known, got a matrix with masked values")
    return np.asarray(rows)


class ShapeError(ValueError):
    """Features that are not one row per atom."""

    def __init__(self, problem: str, index: int):
        super().__init__(problem)
        self.problem, self.index = problem, index


def made(name: str, options: dict[str, Any]) -> Any:
    """Return the object ``MODULE:OBJECT``, or what it makes of the options if it is a class or a function.

    A function that has a parameter called ``atoms`` is a descriptor itself.
    """
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    is_descriptor = not inspect.isclass(found) and (
        hasattr(found, "features") or "atoms" in inspect.signature(found).parameters
    )
    if not is_descriptor:
        return found(**options)
    if options:
        raise TypeError(f"{name} is a descriptor and takes no options, got {', '.join(options)}")
    return found


def origin(module: str) -> dict[str, Any]:
    """Return what features of a module without `parameters` depend on: digest of its file, versions of packages."""
    source = getattr(sys.modules[module], "__file__", None)
    digest = {"sha256": hashlib.sha256(Path(source).read_bytes()).hexdigest()} if source else {}
    owners = importlib.metadata.packages_distributions().get(module.partition(".")[0], [])
    known = {*owners, *(name for name in ("numpy", "torch") if importlib.util.find_spec(name) is not None)}
    versions = {package: importlib.metadata.version(package) for package in sorted(known)}
    return {**digest, "versions": versions}


def structures_from(
    infos: list[dict[str, Any]],
    sizes: NDArray[Any],
    numbers: NDArray[Any],
    positions: NDArray[Any],
    cells: NDArray[Any],
    pbc: NDArray[Any],
) -> list[Atoms]:
    """Put structures together from the arrays of a message."""
    ends = np.cumsum(sizes)
    return [
        Atoms(numbers[end - n : end], positions[end - n : end], cell=cell, pbc=periodic, info=info)
        for n, end, cell, periodic, info in zip(sizes, ends, cells, pbc, infos)  # noqa: B905 - one of each
    ]


if __name__ == "__main__":
    main()
