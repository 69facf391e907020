"""The result of a selection: which structures, why, and where they came from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect._core import Posterior, __version__
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.features import Features
from mlipselect.io.frame import Frame
from mlipselect.io.inspection import Rejected
from mlipselect.io.output import Output
from mlipselect.io.writer import Writer
from mlipselect.selection.expected_error import ExpectedError
from mlipselect.selection.options import Outputs
from mlipselect.selection.outputs import origin_of, output_for, structure_writer, traced
from mlipselect.selection.record import jsonable
from mlipselect.stores.joined import JoinedStores

if TYPE_CHECKING:
    from mlipselect.selection.candidate_pool import CandidatePool
    from mlipselect.selection.core import Core


@dataclass(frozen=True)
class Given:
    """What a selection was made from, which reports and figures look at.

    Attributes
    ----------
    pool : CandidatePool
        The candidates.
    core, target : Core or None
        The structures that were known, and those that the selection is for.
    target_features : Features, JoinedStores or None
        The rows of the target.
    """

    pool: CandidatePool
    core: Core | None
    target: Core | None
    target_features: Features | JoinedStores | None


@dataclass(repr=False)
class Selection:
    """The structures that were selected from a pool, in the order in which they were picked.

    Attributes
    ----------
    frames : list of Frame
        The selected structures as they were read.
    indices : ndarray of int64, shape (n,)
        Their 0-based positions in the pool, counted over all its files.
    scores : ndarray of shape (n,)
        Score of each structure when it was picked.
    information : ndarray of shape (n,)
        Information of all picks so far about the weights: half the fall of the log determinant of the posterior
        covariance, in nat.
    effective_dimension : float
        Number of combinations of features that core and picks together determine; picking far more
        structures than that gains little.
    posterior : Posterior or None
        What is known after the last pick; None where `skip_bad` left no candidate.
    descriptor : object
        The descriptor, with what it settled by itself; where it was not needed for a store, what the store says of it.
    features : Features or JoinedStores
        What was selected from, one row per candidate.
    core_features : Features or None
        The rows of the core.
    reasons : list of str
        A sentence for each pick: what it was chosen for, the nearest structure of the core and in what they differ
        most, and to how many candidates it is the nearest of core and picks. Of a large pool, rows at equal steps are
        looked at.
    isolated : list of Frame
        Isolated atoms of the pool; they belong in the training set and were not scored.
    parameters : dict
        Parameters of the selection.
    rejected : list of Rejected
        Structures of pool and core that were passed over, each with the reason.
    notes : list of str
        What became of limits, and what the method settled by itself.
    inputs : dict
        The files of pool, core and target with their SHA-256 digests, and the numbers of structures.
    seconds : dict of float
        Time that reading, features and selection took.
    expected_error : ExpectedError or None
        The error that a fit to core and picks is expected to have, after each pick; there with `until`, `energy_key` or
        a potential that was fitted to energies.
    run : dict
        Of structures that `Hal` took: why it ended, its counts, and how each was taken; else empty.
    rows : ndarray of int64, shape (n,), or None
        The rows of `features` that the selected structures have; None where they are the `indices`.
    given : Given or None
        What the selection was made from; None for a run of `Hal`.
    """

    frames: list[Frame]
    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    information: NDArray[np.float64]
    effective_dimension: float
    posterior: Posterior | None
    descriptor: Any
    features: Features | JoinedStores
    core_features: Features | None = None
    reasons: list[str] = field(default_factory=list)
    isolated: list[Frame] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    expected_error: ExpectedError | None = None
    run: dict[str, Any] = field(default_factory=dict)
    rows: NDArray[np.int64] | None = None
    given: Given | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        candidates = self.inputs.get("pool", {}).get("candidates", "?")
        return f"Selection({len(self)} of {candidates} candidates, method={self.parameters.get('method')!r})"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from mlipselect.report.notebook import selection_html

        return selection_html(self)

    @property
    def structures(self) -> list[Atoms]:
        """The selected structures, copies with their provenance in `info`, in pick order.

        Keys are ``mlipselect_rank`` (1 for the first pick), ``mlipselect_score``, ``mlipselect_source``
        (the file, if there is one) and ``mlipselect_index`` (0-based, in that file), for a row of a database
        ``mlipselect_id``, and for a structure that an earlier selection was written with ``mlipselect_origin`` and
        ``mlipselect_origin_index``.
        """
        # Where there is nothing yet to be far from, a score is infinite.
        scores = [score if np.isfinite(score) else None for score in self.scores.tolist()]
        ranked = zip(self.frames, scores, strict=True)
        return [traced(frame, rank=rank, score=score) for rank, (frame, score) in enumerate(ranked, start=1)]

    @property
    def output_structures(self) -> list[Atoms]:
        """What is written: isolated atoms of the pool, marked by ``mlipselect_isolated``, then the selected ones."""
        return [traced(frame, isolated=True) for frame in self.isolated] + self.structures

    def write(self, path: str | os.PathLike[str], *, strict: bool = False) -> None:
        """Write the structures, and beside them a JSON file that says how they were selected.

        Parameters
        ----------
        path : path
            File for the structures, usually ``.xyz``; the record has the same name with ``.json``. Both
            appear complete or not at all. Where nothing was selected there is only the record.
        strict : bool, default=False
            Refuse structures that the format cannot keep exactly. Without it, one warning says what is let go.

        Raises
        ------
        InvalidInputError
            A file that cannot be written, that is an input of the selection, or, with `strict`, whose format cannot
            keep the structures exactly.
        """
        with output_for(path, self.input_paths) as output:
            writer = structure_writer(Outputs(strict=strict), output)
            for frame in [*self.isolated, *self.frames]:
                writer.look(frame)
            writer.refuse_several(len(self.isolated) + len(self.frames))
            writer.tell()
            self.write_to(output, writer)
            output.publish()

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write a page that shows the selection: one HTML file that needs no network.

        Parameters
        ----------
        path : path
            File for the page, such as ``report.html``; it appears complete or not at all.

        Raises
        ------
        InvalidInputError
            A file that cannot be written, or that is an input of the selection.
        """
        from mlipselect.report.write import write_report

        write_report(self, path)

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the picks as a table for spreadsheets: rank, index, file, frame, formula, score, reason and more.

        Parameters
        ----------
        path : path
            File to write, complete or not at all.

        Raises
        ------
        InvalidInputError
            A file that cannot be written, or that is an input of the selection.
        """
        from mlipselect.report.csv_table import csv_table

        with Output(path, inputs=self.input_paths) as output:
            output.temporary[0].write_text(csv_table(self), encoding="utf-8")
            output.publish()

    def write_each(self, folder: str | os.PathLike[str], format: str = "vasp") -> None:  # noqa: A002 - as ASE calls it
        """Write each selected structure to a folder of its own, for a calculation, and a table of them.

        Parameters
        ----------
        folder : path
            A new or empty folder. Those in it are numbered by rank: ``0001``, ``0002`` and so on; ``picks.csv`` says
            what each is.
        format : str, default="vasp"
            Format of ASE, such as ``"vasp"``, ``"espresso-in"`` or ``"castep-cell"``. Atoms stay in their order.

        Raises
        ------
        InvalidInputError
            The folder holds something or cannot be made, or ASE cannot write a structure to the format.
        """
        from mlipselect.selection.calculations import write_calculations

        write_calculations(self, folder, format)

    def write_chemiscope(self, path: str | os.PathLike[str]) -> None:
        """Write a map for the viewer at chemiscope.org: structures of picks and candidates, and their properties.

        Parameters
        ----------
        path : path
            File to write, ``.json`` or ``.json.gz``, complete or not at all. Of more than 5000 candidates, as many at
            equal steps are in it.

        Raises
        ------
        MissingExtraError
            chemiscope is not installed: ``pip install mlipselect[chemiscope]``.
        InvalidInputError
            Nothing was selected, or a file that cannot be written.
        """
        from mlipselect.report.chemiscope import write_chemiscope

        with Output(path, inputs=self.input_paths) as output:
            write_chemiscope(self, output.temporary[0])
            output.publish()

    def write_to(self, output: Output, writer: Writer) -> None:
        """Write to the temporary files of an `Output` made by `output_for`."""
        if len(self):
            writer.write(output.temporary[0], self.output_structures)
        else:
            output.leave_out(0)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in self.record().items()]
        output.temporary[1].write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        for number, path in enumerate(output.temporary[2:], start=2):
            if self.posterior is None:
                output.leave_out(number)
            else:
                self.posterior.save(path)

    @property
    def input_paths(self) -> list[str]:
        """The files that pool and core were read from."""
        parts = (self.inputs.get(part) or {} for part in ("pool", "core", "target"))
        return [item["path"] for part in parts for item in part.get("files", [])]

    def _further_provenance(self) -> dict[str, Any]:
        """Return ids of rows, and origins before earlier selections, where there are any."""
        origins = [origin_of(frame) for frame in self.frames]
        found: dict[str, list[Any]] = {
            "row_ids": [frame.row_id for frame in self.frames],
            "origins": [None if origin is None else list(origin) for origin in origins],
        }
        return {name: values for name, values in found.items() if any(value is not None for value in values)}

    def record(self) -> dict[str, Any]:
        """Tell how the selection was made, ready for JSON."""
        return {
            "mlipselect": __version__,
            "parameters": {key: jsonable(value) for key, value in self.parameters.items()},
            "descriptor": describe_descriptor(self.descriptor),
            "notes": self.notes,
            "inputs": self.inputs,
            "effective_dimension": self.effective_dimension,
            "indices": self.indices.tolist(),
            "sources": [[frame.source, frame.index] for frame in self.frames],
            **self._further_provenance(),
            "scores": [score if np.isfinite(score) else None for score in self.scores.tolist()],
            "information": self.information.tolist(),
            "reasons": self.reasons,
            **({} if self.expected_error is None else {"expected_error": self.expected_error.record()}),
            "isolated": [[frame.source, frame.index] for frame in self.isolated],
            "rejected": [[item.source, item.index, item.reason] for item in self.rejected],
            **({"run": self.run} if self.run else {}),
        }
