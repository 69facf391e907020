"""A selection made anew from its record: the same picks, with the features that were not kept."""

from __future__ import annotations

import bisect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.featurize import featurize
from mlipselect.io.frame import Frame
from mlipselect.io.frames import iter_frames
from mlipselect.io.inspection import Rejected
from mlipselect.report.learning import starting_point
from mlipselect.report.recorded_files import RecordedFiles, load_whole_record, recorded_options, refuse_changed
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.expected_error import ExpectedError
from mlipselect.selection.merge import PartsPool
from mlipselect.selection.options import Options
from mlipselect.selection.result import Given, Selection
from mlipselect.selectors.starting_posterior import learned
from mlipselect.utils.told import counted

#: Endings of files that are no structures of a run.
_NO_STRUCTURES = {".json", ".html", ".npz", ".csv", ".posterior", ".ckpt"}


def selection_from(
    path: str | os.PathLike[str],
    descriptor: Any = None,
    *,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> Selection:
    """Make a selection anew from its record: files are read and described again, and no pick is made.

    Parameters
    ----------
    path : path
        The record, such as ``selected.json``. The files that it names are looked for from the current directory and
        from that of the record, and have to be what they were.
    descriptor : object or callable, optional
        The descriptor, where its record does not say all of it, as of a model.
    n_threads : int, optional
        Number of threads, by default, and with -1, all cores.
    progress : bool, optional
        Show progress bars, by default where the standard error is a terminal.

    Returns
    -------
    Selection
        The selection, without times.

    Raises
    ------
    InvalidInputError
        No record, structures that were given in memory, or files that are missing or have changed.
    """
    record = load_whole_record(path)
    if record.get("run"):
        return _of_run(Path(path), record, descriptor, n_threads, progress)
    found = RecordedFiles(Path(path), record)
    options = recorded_options(record["parameters"], n_threads, progress)
    pool = found.pool(options)
    options = pool.settled(options)
    core, target = found.core(options), found.target(options)
    pool.survey(core, 1, progress)
    for name, part in (("pool", pool), ("core", core), ("target", target)):
        if part is target and target is not None:
            target.survey(progress)
        if part is not None:
            refuse_changed(path, part.summary(), record["inputs"][name])
    known = record["parameters"]
    descriptor = found.descriptor(descriptor)
    rows_kind = "atoms" if known.get("update") == "atoms" and not known.get("posterior") else "structure"
    core_features = pool.featurize(core, descriptor, rows_kind, options)
    target_features = None if target is None else pool.featurize_target(target, descriptor, options)
    rows = _rows_of(pool, record["indices"], path)
    selection = Selection(
        frames=pool.take(rows.tolist()),
        indices=np.array(record["indices"], dtype=np.int64),
        scores=_scores(record),
        information=np.array(record["information"], dtype=np.float64),
        effective_dimension=record["effective_dimension"],
        posterior=None,
        descriptor=pool.descriptor,
        features=pool.features,
        core_features=core_features,
        reasons=record.get("reasons", []),
        isolated=pool.isolated,
        rejected=[Rejected(*item) for item in record["rejected"]],
        parameters=known | found.potential_posterior(),
        notes=record["notes"],
        inputs=record["inputs"],
        expected_error=_expected_error(record.get("expected_error")),
        rows=rows,
        given=Given(pool, core, target, target_features),
    )
    try:
        start = starting_point(selection)
        selection.posterior, _ = learned(start, selection.features, rows, known.get("update", "structure"))
    except InvalidInputError:
        pass  # what is left uncertain is not known then, and the page says why
    return selection


def _rows_of(pool: CandidatePool, indices: Sequence[int], path: str | os.PathLike[str]) -> NDArray[np.int64]:
    """Find the rows of picks by their positions in the whole pool, isolated atoms counted."""
    rows = range(len(pool.sizes))
    if isinstance(pool, PartsPool):
        places = {int(position): row for row, position in enumerate(pool.positions(rows))}
        found = [places.get(index, -1) for index in indices]
    else:
        found = [bisect.bisect_left(rows, index, key=lambda row: int(pool.positions([row])[0])) for index in indices]
    there = pool.positions([row for row in found if row in rows])
    if there.tolist() != list(indices):
        raise InvalidInputError(f"{path}: a damaged record: not all of its picks are candidates of the pool")
    return np.array(found, dtype=np.int64)


def _scores(record: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.array([np.inf if score is None else score for score in record["scores"]], dtype=np.float64)


def _expected_error(known: Mapping[str, Any] | None) -> ExpectedError | None:
    if known is None:
        return None
    numbers = {name: np.nan if known[name] is None else known[name] for name in ("mean_std", "largest_std", "noise")}
    return ExpectedError(
        np.array(known["curve"]),
        **numbers,
        n_targets=known["structures"],
        in_ev=known["unit"] == "eV/atom",
        source=known["source"],
        largest_force_std=known.get("largest_force_std"),
    )


def _of_run(
    path: Path, record: dict[str, Any], descriptor: Any, n_threads: int | None, progress: bool | None
) -> Selection:
    """Make what a run of biased dynamics took, from the file of structures beside the record."""
    beside = [p for p in sorted(path.parent.glob(f"{path.stem}.*")) if p.suffix not in _NO_STRUCTURES]
    beside = [p for p in beside if not p.name.endswith(".rejected.xyz")]
    if len(beside) != 1:
        raise InvalidInputError(
            f"{path}: expected the structures of the run beside it, such as {path.with_suffix('.xyz').name}, "
            f"got {', '.join(p.name for p in beside) or 'none'}"
        )
    read = list(iter_frames(str(beside[0])))
    if len(read) != len(record["indices"]):
        raise InvalidInputError(
            f"{beside[0]}: expected {counted(len(record['indices']), 'structure')}, got {len(read)}"
        )
    if record["indices"] != list(range(len(read))):
        raise InvalidInputError(f"{path}: a damaged record: a run counts what it takes from 0 on")
    made = recorded_descriptor(record["descriptor"], str(path), descriptor, describes=True)
    how: dict[str, Any] = {"n_threads": n_threads, "progress": progress}
    core = RecordedFiles(path, {**record, "inputs": {**record["inputs"], "potential": None}}).core(Options())
    if core is not None:
        core.survey(progress)
        refuse_changed(path, core.summary(), record["inputs"]["core"])
    return Selection(
        frames=[Frame(frame.atoms, None, index) for index, frame in enumerate(read)],
        indices=np.array(record["indices"], dtype=np.int64),
        scores=_scores(record),
        information=np.array(record["information"], dtype=np.float64),
        effective_dimension=record["effective_dimension"],
        posterior=None,
        descriptor=made,
        features=featurize([frame.atoms for frame in read], made, **how),
        core_features=None if core is None else core.featurize(made, (), rows="structure", dtype=np.float64, **how),
        reasons=record.get("reasons", []),
        rejected=[Rejected(*item) for item in record["rejected"]],
        parameters=record["parameters"],
        notes=record["notes"],
        inputs=record["inputs"],
        run=record["run"],
    )
