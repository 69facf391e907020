"""The record of a selection, and the files that it names, where they are now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.checks import Checks
from mlipselect.io.reading import Reading
from mlipselect.io.spool import is_pipe
from mlipselect.models import LinearPotential
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.core import Core, DescribedCore
from mlipselect.selection.merge import PartsPool
from mlipselect.selection.options import Candidates, Execution, Options
from mlipselect.selection.parts import read_part
from mlipselect.selection.pools import open_pool
from mlipselect.selection.read_record import read_record
from mlipselect.selection.target import Target, TargetOptions

#: What a page cannot do without.
_SHOWN = ("descriptor", "scores", "information", "effective_dimension", "inputs.core")


def load_whole_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the record of a selection that is to be shown; what an older one does not say of notes is none.

    Raises
    ------
    InvalidInputError
        It cannot be read, is no record, or says too little.
    """
    record = read_record(path, *_SHOWN)
    return {"notes": [], "rejected": [], **record}


class RecordedFiles:
    """The files that a record names, where they are now.

    Parameters
    ----------
    path : Path
        The record.
    record : dict
        What it says.
    """

    def __init__(self, path: Path, record: Mapping[str, Any]):
        self._path, self._inputs, self._record = path, record["inputs"], record
        potential = self._inputs.get("potential")
        self._potential: LinearPotential | None = None
        if potential and "path" not in potential:
            raise InvalidInputError(f"{path}: the potential was given in memory: Selection.report() writes the page")
        if potential:
            self._potential = LinearPotential.load(self._place(potential["path"]))

    def _place(self, name: str) -> str:
        """Find a file from the current directory or from that of the record."""
        beside = self._path.parent / name
        return str(beside) if not Path(name).exists() and beside.exists() else name

    def pool(self, options: Options) -> CandidatePool:
        """Open the pool."""
        known = self._inputs["pool"]
        if "parts" in known:
            return PartsPool([read_part(self._place(part)) for part in known["parts"]], options)
        if "store" in known:
            return open_pool([self._place(name) for name in known["store"].split(", ")], options)
        return open_pool(self._files(known, "pool"), options)

    def core(self, options: Options) -> Core | None:
        """Open the core."""
        known = self._inputs.get("core")
        if known is None:
            return None
        return Core(
            self._described(known, "core"), options.candidates.marks, options.reading, options.checks.of_a_core()
        )

    def target(self, options: Options) -> Target | None:
        """Open the target, whose weights no page shows."""
        known = self._inputs.get("target")
        if known is None:
            return None
        given = TargetOptions(target=self._described(known, "target"))
        return Target(given, options.candidates.marks, options.reading, options.checks)

    def descriptor(self, given: Any) -> Any:
        """Return the descriptor: that of the potential, the one given, or one made from its record."""
        if self._potential is not None:
            return self._potential.descriptor
        if "store" in self._inputs["pool"]:
            return given  # a store has its own record, and describes nothing unless there is a core
        return recorded_descriptor(self._record["descriptor"], str(self._path), given, describes=True)

    def potential_posterior(self) -> dict[str, Any]:
        """Return the posterior that the selection began with, in place of its digest."""
        return {} if self._potential is None else {"posterior": self._potential.posterior_}

    def _files(self, known: Mapping[str, Any], part: str) -> list[str]:
        if not known["files"]:
            raise InvalidInputError(
                f"{self._path}: the {part} was given in memory: Selection.report() writes the page of such a selection"
            )
        for file in known["files"]:
            place = self._place(file["path"])
            if is_pipe(place):
                raise InvalidInputError(
                    f"{self._path}: the {part} came from a pipe, {file['path']}, which is empty now: give --report to "
                    "the selection itself"
                )
            if not Path(place).exists():
                raise InvalidInputError(f"{self._path}: the {part} was in {file['path']}, which is not here")
        return [
            self._place(file["path"]) + (f"@{file['frames']}" if "frames" in file else "") for file in known["files"]
        ]

    def _described(self, known: Mapping[str, Any], part: str) -> list[str]:
        """Return files of structures, and archives and stores of features."""
        if "features" not in known:
            return self._files(known, part)
        names = [self._place(item) for name in known["features"] for item in name.split(", ")]
        if any(not Path(name).exists() for name in names):
            raise InvalidInputError(
                f"{self._path}: features of the {part} were given in memory: Selection.report() writes the page"
            )
        n_own = len(known["files"]) - sum(len(DescribedCore(name, part).files) for name in names)
        own = {"files": known["files"][:n_own]}
        return names + (self._files(own, part) if n_own else [])


def recorded_options(known: Mapping[str, Any], n_threads: int | None, progress: bool | None) -> Options:
    """Return the options that pool and core are opened with."""
    checks = {name: known[name] for name in ("min_bond", "max_force", "skip_bad") if known.get(name) is not None}
    return Options(
        candidates=Candidates(
            isolated=known.get("isolated"),
            composition=bool(known.get("composition")),
            dtype=known.get("dtype"),
            shard=known.get("shard"),
        ),
        checks=Checks(**checks),
        execution=Execution(n_threads, progress),
        reading=Reading(**known.get("reading", {})),
    )


def refuse_changed(path: str | os.PathLike[str], now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Refuse files that are not what they were."""
    for one, other in zip(now["files"], then["files"], strict=True):
        if one["sha256"] != other["sha256"]:
            raise InvalidInputError(f"{one['path']}: has changed since the selection that {path} is the record of")
