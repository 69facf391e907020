"""The files of a selection: the structures, the record beside them, a posterior and a checkpoint."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms
from ase.io.formats import get_compression

from mlipselect.checkpoint import refuse_unusable
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.detached import detached
from mlipselect.io.frame import Frame
from mlipselect.io.lock import file_lock
from mlipselect.io.output import Output, publish_together
from mlipselect.io.writer import Writer
from mlipselect.selection.options import Outputs

if TYPE_CHECKING:
    from mlipselect.selection.result import Selection

PREFIX = "mlipselect_"
"""Begins every key that mlipselect adds to `Atoms.info`."""


def record_path(path: str | os.PathLike[str]) -> Path:
    """Give the name of the record beside a file of selected structures."""
    root, _ = get_compression(os.fspath(path))
    return Path(root).with_suffix(".json")


def output_for(
    path: str | os.PathLike[str], inputs: list[str], posterior: str | os.PathLike[str] | None = None
) -> Output:
    """Prepare the files of a selection: the structures, the record beside them, and the posterior if wanted."""
    if Path(path).is_dir():
        raise InvalidInputError(f"{path}: cannot be written: it is a directory; name a file such as selected.xyz")
    record = record_path(path)
    if record == Path(path):
        raise InvalidInputError(f"{path}: the record of the selection goes there; choose a name such as selected.xyz")
    return Output(path, record, *([] if posterior is None else [posterior]), inputs=inputs)


def origin_of(frame: Frame) -> tuple[str | None, int | None] | None:
    """Return file and index that a structure came from at first, if it was selected before from elsewhere.

    An earlier selection left them in `info`; of several selections after each other, the first one.
    """
    info = frame.atoms.info
    source, index = (info.get(f"{PREFIX}origin{name}") for name in ("", "_index"))
    if source is None and index is None:
        source, index = info.get(f"{PREFIX}source"), info.get(f"{PREFIX}index")
    if (source is None and index is None) or (str(source), index) == (str(frame.source), frame.index):
        return None
    return None if source is None else str(source), None if index is None else int(index)


def traced(frame: Frame, *, rank: int | None = None, score: float | None = None, isolated: bool | None = None) -> Atoms:
    """Copy a structure with all it carries, and say in `info` where it came from and why it was selected.

    Keys that an earlier selection left are replaced; where the structure came from at first stays as its origin.
    """
    atoms, _ = detached(frame.atoms)
    origin = origin_of(frame)
    atoms.info = {key: value for key, value in atoms.info.items() if not str(key).startswith(PREFIX)}
    added = {"rank": rank, "score": score, "isolated": isolated, "source": frame.source, "index": frame.index}
    added["id"] = frame.row_id
    if origin is not None:
        added |= {"origin": origin[0], "origin_index": origin[1]}
    atoms.info |= {PREFIX + key: value for key, value in added.items() if value is not None}
    return atoms


def open_outputs(outputs: Outputs, inputs: list[str], stack: contextlib.ExitStack) -> Output | None:
    """Make sure that everything can be written and replaces no input, before any work.

    Parameters
    ----------
    outputs : Outputs
        Where to write what.
    inputs : list of str
        Files that must stay.
    stack : ExitStack
        Discards on its exit what is not published, and lets others write the checkpoint.

    Returns
    -------
    Output or None
        Temporary files for structures, record and posterior.
    """
    files: Output | None = None
    if outputs.output is not None:
        files = stack.enter_context(output_for(outputs.output, inputs, outputs.save_posterior))
    elif outputs.save_posterior is not None:
        raise InvalidInputError("save_posterior: expected `output` with it, got none")
    elif outputs.strict:
        raise InvalidInputError("strict: expected `output` with it, got none")
    if outputs.checkpoint is not None:
        refuse_unusable(outputs.checkpoint, inputs, [] if files is None else files.targets)
        stack.enter_context(file_lock(Path(outputs.checkpoint)))
    return files


def open_page(
    path: str | os.PathLike[str] | None, inputs: list[str], files: Output | None, stack: contextlib.ExitStack
) -> Output | None:
    """Make sure that a page beside a result can be written, before any work; None where none is asked for.

    Raises
    ------
    InvalidInputError
        A page that cannot be written, or that would replace an input or another output.
    """
    if path is None:
        return None
    if files is not None and Path(path) in files.targets:
        raise InvalidInputError(f"{path}: named as output twice")
    return stack.enter_context(Output(path, inputs=inputs))


def fill_page(selection: Selection, page: Output | None) -> None:
    """Write the page of a selection under its temporary name, if one is asked for."""
    if page is None:
        return
    from mlipselect.report.write import selection_page  # pages know selections, and not the other way round

    page.temporary[0].write_text(selection_page(selection), encoding="utf-8")


def publish(*made: Output | None) -> None:
    """Let files appear together that are all written; None stands for those that nobody asked for."""
    publish_together(*(output for output in made if output is not None))


def structure_writer(outputs: Outputs, files: Output) -> Writer:
    """Make what writes the structures of a selection; without `strict` it lets go what the format cannot keep."""
    return Writer(
        files.targets[0],
        strict=outputs.strict,
        prepare=lambda frame: traced(frame, rank=1, score=0.0),
        ignore=PREFIX,
    )
