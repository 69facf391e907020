"""The second round of a selection in shares: of what each share picked, what is worth most."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.recorded import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.describe import DescriptorLike
from mlipselect.io.collection import Isolated, Structures, StructuresLike
from mlipselect.io.frames import Frame, iter_frames
from mlipselect.provenance import descriptor_identity
from mlipselect.select import select
from mlipselect.selection import PREFIX, Selection, output_for, record_path

#: Scores that agree to this fraction are the same but for rounding.
ROUNDING = 1e-9


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
    """

    path: str
    record: dict[str, Any]
    frames: list[Frame]


def merge(
    parts: Sequence[str | os.PathLike[str]],
    n: int | None = None,
    core: StructuresLike | None = None,
    descriptor: DescriptorLike | None = None,
    *,
    isolated: str | None = None,
    n_threads: int | None = None,
    progress: bool | None = None,
    output: str | os.PathLike[str] | None = None,
    save_posterior: str | os.PathLike[str] | None = None,
) -> Selection:
    r"""Select from what `select` picked from each share of a pool.

    The result of two rounds of greedy selection is an approximation of that from the whole pool. How good it is is
    told: how many of the first picks are certainly those from the whole pool, and what no selection of as many exceeds.

    Parameters
    ----------
    parts : sequence of path
        The outputs of ``select(..., shard="1/M")`` to ``"M/M"``, their records beside them.
    n : int, optional
        Number of structures to select, by default as many as of each share.
    core : path, iterable of paths, ase.Atoms or iterable of ase.Atoms, optional
        Structures in the training set: those that the shares were selected with.
    descriptor : object or callable, optional
        The descriptor of the pool; needed where that is not an `ACE`.
    isolated : str, optional
        ``"KEY=VALUE"`` that marks isolated atoms of the core.
    n_threads : int, optional
        Number of threads, by default all cores.
    progress : bool, optional
        Show progress bars, by default where the standard error is a terminal.
    output, save_posterior : path, optional
        As for `select`.

    Returns
    -------
    Selection
        The selected structures, with their positions in the whole pool. ``parameters["same_as_whole"]`` is the number
        of first picks that are those from the whole pool, ``parameters["information_bound"]`` what no `n` structures of
        the pool can teach more than, in nat.

    Raises
    ------
    InvalidInputError
        Parts that do not belong together, or not all of them, or another core or descriptor than theirs.

    Notes
    -----
    After the first :math:`j` picks of a share, none of its structures has a score above that of its next pick. Scores
    fall as picks are added. So with :math:`S` the picks so far, of which the first :math:`j_i` of share :math:`i` are
    part, no structure of the pool has a score above :math:`b = \max_i s_i(j_i)`. A pick whose score reaches that is the
    best of the whole pool. And by submodularity [1]_ no :math:`n` structures teach more than
    :math:`f(S) + \tfrac{n}{2} \ln(1 + \beta b)`, for the picks :math:`S` of any step.

    References
    ----------
    .. [1] B. Mirzasoleiman, A. Karbasi, R. Sarkar, A. Krause, J. Mach. Learn. Res. 17, 238 (2016).

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> from mlipselect.features import fill
    >>> pool = [ase.build.bulk("Si", a=5.2 + 0.05 * k) for k in range(10)]
    >>> for k in range(2):
    ...     ms.io.write_exact(f"{k}.xyz", pool[k::2])
    ...     _ = ms.featurize(f"{k}.xyz", ms.ACE(["Si"], totaldegree=6), store=f"{k}.features")
    >>> stores = ["0.features", "1.features"]
    >>> parts = [f"part{k}.xyz" for k in (1, 2)]
    >>> for k, part in enumerate(parts, start=1):
    ...     _ = ms.select(stores, n=3, shard=f"{k}/2", output=part)
    >>> merged = ms.merge(parts)
    >>> bool(merged.indices[0] == ms.select(stores, n=3).indices[0])
    True
    >>> merged.parameters["same_as_whole"]
    1
    """
    if not parts:
        raise InvalidInputError("expected the outputs of the selections from all shares, got none")
    known = [_read(os.fspath(path)) for path in parts]
    _check(known)
    parameters = known[0].record["parameters"]
    n = parameters["n"] if n is None else n
    paths = [part.path for part in known]
    with contextlib.ExitStack() as stack:
        out = None
        core_structures = (
            None if core is None else Structures(core, None if isolated is None else Isolated.parse(isolated))
        )
        if output is not None:
            inputs = paths + ([] if core_structures is None else core_structures.paths)
            out = stack.enter_context(output_for(output, inputs, save_posterior))
        elif save_posterior is not None:
            raise InvalidInputError("save_posterior: expected `output` with it, got none")
        _check_core(known[0], core_structures, progress)
        descriptor = recorded_descriptor(known[0].record["descriptor"], known[0].path, descriptor, describes=True)
        result = select(
            [frame for part in known for frame in part.frames],
            n,
            core,
            descriptor,
            score=parameters["score"],
            prior_precision=parameters["prior_precision"],
            noise_precision=parameters["noise_precision"],
            composition=False,
            isolated=isolated,
            dtype=parameters["dtype"],
            n_threads=n_threads,
            progress=progress,
        )
        places = [(share, place) for share, part in enumerate(known) for place in range(len(part.frames))]
        picked = [places[index] for index in result.indices]
        same, bound = certificate(
            [part.record["scores"] for part in known],
            [part.record["parameters"]["next_score"] for part in known],
            picked,
            result.scores,
            result.information,
            0.0 if parameters["score"] == "logdet" else parameters["noise_precision"],
        )
        result.indices = np.array([known[share].record["indices"][place] for share, place in picked], dtype=np.int64)
        result.parameters |= {"merged": len(known), "same_as_whole": same, "information_bound": bound}
        pools = [part.record["inputs"]["pool"] for part in known]
        candidates = sum(pool["candidates"] for pool in pools)
        result.inputs["pool"] = {"parts": paths, **pools[0], "candidates": candidates}
        share_of_bound = float(result.information[-1]) / bound if bound > 0 else 1.0
        result.notes.append(
            f"two rounds of greedy selection, from {len(known)} shares: the first {same} of {len(picked)} picks are "
            f"those from the whole pool; {100 * share_of_bound:.1f} % of what no {len(picked)} structures exceed"
        )
        if out is not None:
            result.write_to(out)
            out.publish()
    return result


def certificate(
    scores: Sequence[Sequence[float]],
    next_scores: Sequence[float],
    picked: Sequence[tuple[int, int]],
    picked_scores: NDArray[np.float64],
    information: NDArray[np.float64],
    noise_precision: float,
) -> tuple[int, float]:
    """Tell how many of the first picks are those from the whole pool, and what no selection of as many exceeds.

    Parameters
    ----------
    scores : sequence of sequences of float
        Of each share, the scores of its picks when they were picked.
    next_scores : sequence of float
        Of each share, the largest score that was left.
    picked : sequence of (int, int)
        The picks of the second round: share, and place among the picks of that.
    picked_scores, information : ndarray of shape (n,)
        Their scores, and what they taught together.
    noise_precision : float
        Turns variances into information; 0 if scores are twice the information.

    Returns
    -------
    int
        Picks that are certainly those from the whole pool.
    float
        Upper bound of the information of any `n` structures.
    """
    taken: list[set[int]] = [set() for _ in scores]
    prefixes = [0] * len(scores)
    same, is_same = 0, True
    best = np.inf
    for k in range(len(picked) + 1):
        left = [
            own[prefix] if prefix < len(own) else last
            for own, prefix, last in zip(scores, prefixes, next_scores, strict=True)
        ]
        highest = max(left)
        gain = 0.5 * (float(np.log1p(noise_precision * highest)) if noise_precision else highest)
        best = min(best, (float(information[k - 1]) if k else 0.0) + len(picked) * gain)
        if k == len(picked):
            break
        is_same = is_same and bool(picked_scores[k] >= highest * (1.0 - ROUNDING))
        same += is_same
        share, place = picked[k]
        taken[share].add(place)
        while prefixes[share] in taken[share]:
            prefixes[share] += 1
    return same, best


def read_record(path: str) -> dict[str, Any]:
    """Read the record beside what was selected from a share.

    Raises
    ------
    InvalidInputError
        It cannot be read, or is that of something else.
    """
    record = record_path(path)
    try:
        known: dict[str, Any] = json.loads(Path(record).read_text(encoding="utf-8"))
        _ = known["parameters"]["shard"], known["indices"], known["descriptor"]
    except OSError as error:
        raise InvalidInputError(f"{record}: the record of a part cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{record}: not the record of a selection from a share") from error
    return known


def _read(path: str) -> Part:
    known = read_record(path)
    shard, indices = known["parameters"]["shard"], known["indices"]
    frames = []
    for frame in iter_frames(path):
        info = frame.atoms.info
        if PREFIX + "source" not in info or PREFIX + "index" not in info:
            raise InvalidInputError(f"{path}, frame {frame.index}: does not say where it came from")
        frames.append(Frame(frame.atoms, str(info[PREFIX + "source"]), int(info[PREFIX + "index"])))
    if len(frames) != len(indices):
        raise InvalidInputError(
            f"{path}: share {shard} has {len(indices)} picks in its record, {len(frames)} in the file"
        )
    return Part(path, known, frames)


def _check(parts: Sequence[Part]) -> None:
    """Refuse parts that do not belong together, or not all of them."""
    first = parts[0]
    for part in parts[1:]:
        theirs, ours = (descriptor_identity(p.record["descriptor"]) for p in (part, first))
        if theirs != ours:
            raise InvalidInputError(f"{part.path}: selected with another descriptor than {first.path}")
        theirs, ours = ({**p.record["inputs"], "pool": None} for p in (part, first))
        if theirs != ours or _pool(part) != _pool(first):
            raise InvalidInputError(f"{part.path}: selected with other inputs than {first.path}")
        for name in sorted(
            {*part.record["parameters"], *first.record["parameters"]} - {"shard", "next_score", "max_memory"}
        ):
            theirs, ours = (p.record["parameters"].get(name) for p in (part, first))
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


def _check_core(part: Part, core: Structures | None, progress: bool | None) -> None:
    theirs = part.record["inputs"]["core"]
    ours = None if core is None else core.survey(progress).summary()
    digests = [None if known is None else sorted(file["sha256"] for file in known["files"]) for known in (theirs, ours)]
    if digests[0] != digests[1]:
        raise InvalidInputError(f"{part.path}: selected with another core: give that one, unchanged")
