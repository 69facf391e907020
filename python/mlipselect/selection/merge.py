"""The second round of a selection in shares, or of several runs of `hal`: of what each took, what is worth most."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.frame import Frame
from mlipselect.io.reading import Reading
from mlipselect.io.writer import Writer
from mlipselect.selection.candidate_pool import Outcome
from mlipselect.selection.certificate import certificate
from mlipselect.selection.core import Core, CoreLike
from mlipselect.selection.job import run_job
from mlipselect.selection.limits import Limits
from mlipselect.selection.options import Candidates, Execution, Method, Options, Outputs, Prior
from mlipselect.selection.parts import Part, check_together, read_part
from mlipselect.selection.result import Selection
from mlipselect.selection.runs import NEAR, RunsPool, is_run
from mlipselect.selection.structure_pool import StructurePool


def merge(
    parts: Sequence[str | os.PathLike[str]],
    n: int | None = None,
    core: CoreLike | None = None,
    descriptor: DescriptorLike | None = None,
    *,
    isolated: str | Sequence[str] | None = None,
    n_threads: int | None = None,
    progress: bool | None = None,
    output: str | os.PathLike[str] | None = None,
    save_posterior: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    strict: bool = False,
    format: str | None = None,  # noqa: A002 - as ASE calls it
    species: Sequence[str] | None = None,
    species_map: Sequence[str] | Mapping[str, str] | None = None,
    cell: Sequence[float] | None = None,
    occupancy: Literal["majority"] | None = None,
) -> Selection:
    r"""Select from what `select` picked from each share of a pool, or from what several runs of `hal` took.

    Runs of `hal` that know nothing of each other may take the same structures. What they took together is a pool, from
    which the default of `select` picks, given the core, and passes near-duplicates over.

    The result of two rounds of greedy selection is an approximation of that from the whole pool. How good it is is
    told: how many of the first picks are certainly those from the whole pool, and what no selection of as many exceeds.

    Parameters
    ----------
    parts : sequence of path
        The outputs of ``select(..., shard="1/M")`` to ``"M/M"``, or those of runs of `hal` with one descriptor and one
        core; their records beside them.
    n : int, optional
        Number of structures to select, by default as many as of each share, or as the first run was asked for.
    core : like that of `select`, optional
        Structures in the training set: those that the shares were selected with.
    descriptor : object or callable, optional
        The descriptor of the pool; needed where that is not an `ACE`.
    isolated : str or sequence of str, optional
        Marks of isolated atoms of the core, as for `select`; by default those that the shares were selected with.
    n_threads : int, optional
        Number of threads, by default, and with -1, all cores.
    progress : bool, optional
        Show progress bars, by default where the standard error is a terminal.
    output, save_posterior, report : path, optional
        As for `select`.
    strict : bool, default=False
        As for `select`.
    format, species, species_map, cell, occupancy : optional
        How the files of the core are read, as for `select`.

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
    >>> from mlipselect.stores import fill
    >>> pool = [ase.build.bulk("Si", a=5.2 + 0.05 * k) for k in range(10)]
    >>> for k in range(2):
    ...     ms.io.write_exact(f"{k}.xyz", pool[k::2])
    ...     _ = ms.featurize(f"{k}.xyz", ms.ACE(["Si"], totaldegree=6), store=f"{k}.features")
    >>> stores = ["0.features", "1.features"]
    >>> parts = [f"part{k}.xyz" for k in (1, 2)]
    >>> for k, part in enumerate(parts, start=1):
    ...     _ = ms.select(stores, n=3, score="energy", shard=f"{k}/2", output=part)
    >>> merged = ms.merge(parts)
    >>> bool(merged.indices[0] == ms.select(stores, n=3, score="energy").indices[0])
    True
    >>> merged.parameters["same_as_whole"]
    1
    """
    outputs = Outputs(output, save_posterior, report, strict=strict)
    reading = Reading(format, species, species_map, cell, occupancy)
    return merge_job(parts, n, core, descriptor, isolated, outputs, Execution(n_threads, progress), reading)


def merge_job(
    parts: Sequence[str | os.PathLike[str]],
    n: int | None,
    core: CoreLike | None,
    descriptor: DescriptorLike | None,
    isolated: str | Sequence[str] | None,
    outputs: Outputs,
    execution: Execution,
    reading: Reading,
    before: Callable[[Selection], None] | None = None,
) -> Selection:
    """Select from what was picked before, and write it; see `merge`, and `run_job` for `before`."""
    if not parts:
        raise InvalidInputError("expected the outputs of the selections from all shares, got none")
    paths = [os.fspath(path) for path in parts]
    if is_run(paths[0]):
        options = Options(
            limits=Limits(min_distance=NEAR),
            candidates=Candidates(isolated=isolated),
            outputs=outputs,
            execution=execution,
            reading=reading,
        )
        pool = RunsPool(paths, options)
        count = min(pool.n_wanted, pool.n_taken) if n is None else n
        return run_job(pool, count, core, descriptor, options, before)
    known = [read_part(path) for path in paths]
    check_together(known)
    parameters = known[0].record["parameters"]
    recorded = parameters["prior_precision"]
    prior_precision = np.array(recorded) if isinstance(recorded, list) else recorded
    options = Options(
        method=Method(score=parameters["score"]),
        prior=Prior(prior_precision=prior_precision, noise_precision=parameters["noise_precision"]),
        candidates=Candidates(
            isolated=parameters.get("isolated") if isolated is None else isolated,
            composition=False,
            dtype=parameters["dtype"],
        ),
        outputs=outputs,
        execution=execution,
        reading=reading,
    )
    count = parameters["n"] if n is None else n
    return run_job(PartsPool(known, options), count, core, descriptor, options, before)


class PartsPool(StructurePool):
    """What was picked from all shares of a pool.

    Parameters
    ----------
    parts : sequence of Part
        The picks of each share.
    options : Options
        Options of the selection.
    """

    is_whole: ClassVar[bool] = False

    def __init__(self, parts: Sequence[Part], options: Options):
        super().__init__([frame for part in parts for frame in part.frames], options)
        self.paths = [part.path for part in parts]
        self._parts = parts
        self._places = [(share, place) for share, part in enumerate(parts) for place in range(len(part.frames))]

    def survey(self, core: Core | None, n: int, progress: bool | None, writer: Writer | None = None) -> None:
        """Go through the picks, and refuse another core than that of the shares."""
        super().survey(core, n, progress, writer)
        theirs, ours = self._parts[0].record["inputs"]["core"], None if core is None else core.summary()
        digests = [None if c is None else sorted(file["sha256"] for file in c["files"]) for c in (theirs, ours)]
        if digests[0] != digests[1]:
            raise InvalidInputError(f"{self.paths[0]}: selected with another core: give that one, unchanged")

    def featurize(
        self, core: Core | None, descriptor: DescriptorLike | None, rows: str, options: Options
    ) -> Features | None:
        """Describe the picks like the shares, whose descriptor was recorded."""
        record = self._parts[0].record["descriptor"]
        descriptor = recorded_descriptor(record, self.paths[0], descriptor, describes=True)
        known = self._parts[0].record["parameters"]
        self._elements, self._scale = tuple(known.get("composition") or ()), known.get("composition_scale")
        return super().featurize(core, descriptor, rows, options)

    @property
    def isolated(self) -> list[Frame]:
        """Isolated atoms of the pool, which every share has kept."""
        return self._parts[0].isolated

    def recorded(self, options: Options) -> dict[str, Any]:
        """Return element columns, marks, type and limits."""
        return super().recorded(options) | {"isolated": self._parts[0].record["parameters"].get("isolated")}

    def positions(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return positions in the pool that the shares are of."""
        places = [self._places[position] for position in super().positions(indices)]
        return np.array([self._parts[share].record["indices"][place] for share, place in places], dtype=np.int64)

    def summary(self) -> dict[str, Any]:
        """Describe the files of the picks, and the pool that the shares are of."""
        pools = [part.record["inputs"]["pool"] for part in self._parts]
        return {"parts": self.paths, **pools[0], "candidates": sum(pool["candidates"] for pool in pools)}

    def conclusions(self, outcome: Outcome) -> tuple[dict[str, Any], list[str]]:
        """Say how good two rounds are."""
        selector: Any = outcome.selector
        picked = [self._places[position] for position in super().positions(selector.selected_idx_)]
        same, bound = certificate(
            [part.record["scores"] for part in self._parts],
            [part.record["parameters"]["next_score"] for part in self._parts],
            picked,
            selector.scores_,
            outcome.information,
            0.0 if selector.score == "logdet" else selector.noise_precision,
        )
        share_of_bound = float(outcome.information[-1]) / bound if bound > 0 else 1.0
        note = (
            f"two rounds of greedy selection, from {len(self._parts)} shares: the first {same} of {len(picked)} picks "
            f"are those from the whole pool; {100 * share_of_bound:.1f} % of what no {len(picked)} structures exceed"
        )
        return {"merged": len(self._parts), "same_as_whole": same, "information_bound": bound}, [note]
