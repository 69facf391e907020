"""What the selections from the shares of a pool left behind, and whether it belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlipselect.descriptors.record import descriptor_identity, told_differences
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.frame import Frame
from mlipselect.io.frames import iter_frames
from mlipselect.selection.outputs import PREFIX, record_path
from mlipselect.selection.read_record import need, read_record

_OF_A_SHARE = (
    "scores",
    "inputs.pool.candidates",
    "inputs.pool.store",
    *(f"parameters.{name}" for name in ("score", "prior_precision", "noise_precision", "dtype", "next_score")),
)
"""What the record of a selection from a share has beside what others have."""


@dataclass(frozen=True)
class Part:
    """What the selection from a share left.

    Attributes
    ----------
    path : str
        The file of its picks.
    record : dict
        How they were selected.
    frames : list of Frame
        The picks, in order, with where they came from at first.
    isolated : list of Frame
        Isolated atoms of the pool, with where they came from at first.
    """

    path: str
    record: dict[str, Any]
    frames: list[Frame]
    isolated: list[Frame]


def read_record_of_part(path: str) -> dict[str, Any]:
    """Read the record beside what was selected from a share, or taken by a run of `hal`.

    Raises
    ------
    InvalidInputError
        It cannot be read, or is that of something else.
    """
    record = record_path(path)
    known = read_record(record, "descriptor", "inputs.core", "parameters.n")
    if known["parameters"]["method"] == "hal":
        return known
    if known["parameters"].get("shard") is None:
        raise InvalidInputError(f"{record}: not the record of a selection from a share")
    need(record, known, *_OF_A_SHARE)
    if None in (*known["scores"], known["parameters"]["next_score"], known["parameters"]["noise_precision"]):
        raise InvalidInputError(f"{record}: a damaged record: a score or the precision of the noise is missing")
    return known


def read_part(path: str) -> Part:
    """Read the picks from a share, and the record beside them.

    Raises
    ------
    InvalidInputError
        A file that is not what the selection from a share wrote.
    """
    known = read_record_of_part(path)
    if "shard" not in known["parameters"]:
        raise InvalidInputError(f"{path}: what a run of hal took, and not the selection from a share as the first part")
    shard, indices = known["parameters"]["shard"], known["indices"]
    frames: list[Frame] = []
    isolated: list[Frame] = []
    for frame in iter_frames(path):
        info = frame.atoms.info
        if PREFIX + "source" not in info or not isinstance(info.get(PREFIX + "index"), (int, np.integer)):
            raise InvalidInputError(f"{path}, frame {frame.index}: does not say where it came from")
        kept = isolated if info.get(PREFIX + "isolated") else frames
        kept.append(Frame(frame.atoms, str(info[PREFIX + "source"]), int(info[PREFIX + "index"])))
    if len(frames) != len(indices):
        raise InvalidInputError(
            f"{path}: share {shard} has {len(indices)} picks in its record, {len(frames)} in the file"
        )
    return Part(path, known, frames, isolated)


def check_together(parts: Sequence[Part]) -> None:
    """Refuse parts that do not belong together, or not all of them."""
    first = parts[0]
    for part in parts[1:]:
        theirs, ours = (descriptor_identity(p.record["descriptor"]) for p in (part, first))
        if theirs != ours:
            difference = told_differences(theirs, ours)
            raise InvalidInputError(f"{part.path}: selected with another descriptor than {first.path}: {difference}")
        theirs, ours = ({**p.record["inputs"], "pool": None} for p in (part, first))
        if theirs != ours or _pool(part) != _pool(first):
            raise InvalidInputError(f"{part.path}: selected with other inputs than {first.path}")
        for name in sorted(
            {*part.record["parameters"], *first.record["parameters"]} - {"shard", "next_score", "max_memory"}
        ):
            theirs, ours = (p.record["parameters"].get(name) for p in (part, first))
            if theirs != ours and name == "prior_precision":
                raise InvalidInputError(
                    f"{part.path}: selected with another prior (ridge, scale or prior_precision) than {first.path}"
                )
            if theirs != ours:
                raise InvalidInputError(f"{part.path}: selected with {name} {theirs}, {first.path} with {ours}")
    shards = [part.record["parameters"]["shard"] for part in parts]
    count = int(shards[0].split("/")[1])
    wanted = [f"{number}/{count}" for number in range(1, count + 1)]
    missing = [shard for shard in wanted if shard not in shards]
    if missing or sorted(shards) != sorted(wanted):
        problem = f"missing {', '.join(missing)}" if missing else "some twice"
        raise InvalidInputError(f"expected the selections from all {count} shares once: {problem}")


def _pool(part: Part) -> Any:
    pool = part.record["inputs"]["pool"]
    return pool["files"], pool["store"]
