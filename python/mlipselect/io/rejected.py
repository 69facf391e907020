"""The file of the structures that were passed over, beside a result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.formats import get_compression

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.detached import detached
from mlipselect.io.extxyz import format_frame
from mlipselect.io.inspection import Rejected
from mlipselect.io.output import Output

#: Characters of a line that are read, at most.
_LINE = 1 << 20


class RejectedFile(Output):
    """The file ``NAME.rejected.xyz`` beside a result, which is there only where structures were passed over.

    One that mlipselect wrote for an earlier result is replaced, or goes. Any other file of this name stays.

    Parameters
    ----------
    result : path
        File of the result.
    inputs : iterable of paths
        Files that are read, which it must not replace.
    expected : bool, default=True
        Whether structures may be passed over. If not, the file is not written, and one of an earlier result goes.

    Raises
    ------
    InvalidInputError
        The file may have to be written, and there is one that mlipselect did not write.
    """

    def __init__(self, result: str | os.PathLike[str], inputs: Iterable[str] = (), *, expected: bool = True):
        path, inputs = _beside(result), list(inputs)
        is_own = path.is_file() and _is_own(path)
        if expected and path.is_file() and not is_own:
            raise InvalidInputError(
                f"{path}: structures that are passed over would replace it, and it is no such file: rename it, or name "
                "another output"
            )
        # An input stays: where structures may be passed over, `Output` refuses to replace it.
        goes = is_own and not any(Path(source).exists() and path.samefile(source) for source in inputs)
        super().__init__(*([path] if expected or goes else []), inputs=inputs)

    def __enter__(self) -> RejectedFile:
        super().__enter__()
        return self

    def fill(self, rejected: Sequence[Rejected]) -> Path | None:
        """Write structures with the reason in ``info["mlipselect_rejected"]`` under the temporary name.

        Those without atoms, and those that could not be read, have no frame. What extended XYZ has no place for is let
        go.

        Returns
        -------
        Path or None
            The file that `publish` makes, None if there is nothing to write; one of an earlier result is gone then.
        """
        frames = [_frame(atoms, item) for atoms, item in _with_atoms(rejected)]
        if not frames:
            self.leave_out(0)
            return None
        self.temporary[0].write_text("".join(frames), encoding="utf-8")
        return self.targets[0]


def rejected_path(result: str | os.PathLike[str], rejected: Sequence[Rejected]) -> Path | None:
    """Return the file of structures that were passed over, beside a result; None where none of them has a frame."""
    return _beside(result) if _with_atoms(rejected) else None


def _beside(result: str | os.PathLike[str]) -> Path:
    root, _ = get_compression(os.fspath(result))
    return Path(root).with_suffix(".rejected.xyz")


def _is_own(path: Path) -> bool:
    """Tell whether mlipselect wrote a file of structures that were passed over: its first frame says why it was."""
    with path.open("rb") as file:
        file.readline(_LINE)
        return b"mlipselect_rejected=" in file.readline(_LINE)


def _with_atoms(rejected: Sequence[Rejected]) -> list[tuple[Atoms, Rejected]]:
    return [(item.atoms, item) for item in rejected if item.atoms is not None and len(item.atoms)]


def _frame(atoms: Atoms, item: Rejected) -> str:
    """Write a structure with the reason and its source, and with nothing else if that cannot be written."""
    added: dict[str, Any] = {"rejected": item.reason, "source": item.source, "index": item.index}
    info = {f"mlipselect_{key}": value for key, value in added.items() if value is not None}
    whole, _ = detached(atoms)
    whole.info |= info
    try:
        return format_frame(whole)
    except ValueError:
        geometry = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)
        return format_frame(geometry)
