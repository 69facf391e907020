"""What several runs of `hal` took, as one pool: the same structures may have been found by more than one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.record import descriptor_identity, told_differences
from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.writer import Writer
from mlipselect.selection.candidate_pool import Outcome
from mlipselect.selection.core import Core
from mlipselect.selection.options import Options
from mlipselect.selection.outputs import record_path
from mlipselect.selection.parts import read_record_of_part
from mlipselect.selection.read_record import read_record
from mlipselect.selection.structure_pool import StructurePool

NEAR = 0.01
"""Distance below which structures of several runs are near-duplicates, as within a run; see `MinDistance`."""


def is_run(path: str) -> bool:
    """Tell whether the record beside a file is that of a run of `hal`."""
    try:
        return bool(read_record(record_path(path))["parameters"]["method"] == "hal")
    except InvalidInputError:
        return False


class RunsPool(StructurePool):
    """The structures of several runs.

    Parameters
    ----------
    paths : sequence of str
        Outputs of `hal`, their records beside them.
    options : Options
        Options of the selection.

    Raises
    ------
    InvalidInputError
        A file that is not the output of a run, or runs with different descriptors or cores.
    """

    def __init__(self, paths: Sequence[str], options: Options):
        for path in paths:
            if not is_run(path):
                raise InvalidInputError(
                    f"{path}: expected the output of hal with its record {record_path(path)}, as {paths[0]} is one"
                )
        self._records = [read_record_of_part(path) for path in paths]
        first = self._records[0]
        for path, record in zip(paths[1:], self._records[1:], strict=True):
            theirs, ours = (descriptor_identity(known["descriptor"]) for known in (record, first))
            if theirs != ours:
                told = told_differences(theirs, ours)
                raise InvalidInputError(f"{path}: explored with another descriptor than {paths[0]}: {told}")
            if _digests(record["inputs"]["core"]) != _digests(first["inputs"]["core"]):
                raise InvalidInputError(f"{path}: explored with another core than {paths[0]}")
        super().__init__(list(paths), options)

    @property
    def n_taken(self) -> int:
        """Number of structures that the runs took."""
        return sum(len(record["indices"]) for record in self._records)

    @property
    def n_wanted(self) -> int:
        """Number of structures that the first run was asked for."""
        return int(self._records[0]["parameters"]["n"])

    def survey(self, core: Core | None, n: int, progress: bool | None, writer: Writer | None = None) -> None:
        """Go through the structures, and refuse another core than that of the runs."""
        super().survey(core, n, progress, writer)
        if _digests(self._records[0]["inputs"]["core"]) != _digests(None if core is None else core.summary()):
            raise InvalidInputError(f"{self.paths[0]}: explored with another core: give that one, unchanged")

    def featurize(
        self, core: Core | None, descriptor: DescriptorLike | None, rows: str, options: Options
    ) -> Features | None:
        """Describe structures and core as the runs did, whose descriptor was recorded."""
        descriptor = recorded_descriptor(self._records[0]["descriptor"], self.paths[0], descriptor, describes=True)
        return super().featurize(core, descriptor, rows, options)

    def conclusions(self, outcome: Outcome) -> tuple[dict[str, Any], list[str]]:
        """Say how many runs there were."""
        more, notes = super().conclusions(outcome)
        return more | {"merged": len(self.paths)}, [*notes, f"from what {len(self.paths)} runs of hal took"]


def _digests(core: Any) -> list[str] | None:
    return None if core is None else sorted(file["sha256"] for file in core["files"])
