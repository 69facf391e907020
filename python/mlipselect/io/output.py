"""Write results completely or not at all: temporary files, checked, then renamed together."""

from __future__ import annotations

import os
import shutil
import tempfile
import types
from collections.abc import Iterable
from pathlib import Path

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.lock import Lock, file_lock


class Output:
    """Files that appear together and complete, or not at all.

    On entry an empty temporary file is made beside each target, so that a path that cannot be written is found before
    any work. `publish` renames all temporary files. Leaving without it removes them and keeps the old targets. Until
    then no other process can write the same targets.

    Parameters
    ----------
    *targets : path
        The files to write.
    inputs : iterable of paths
        Files that are read; no target may replace one of them.

    Raises
    ------
    InvalidInputError
        A target that cannot be written, that is one of the inputs, or that another process is writing.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mlipselect.io import Output
    >>> with Output("a.txt", "b.txt") as output:
    ...     for path in output.temporary:
    ...         _ = path.write_text("done")
    ...     output.publish()
    >>> Path("b.txt").read_text()
    'done'
    """

    def __init__(self, *targets: str | os.PathLike[str], inputs: Iterable[str] = ()):
        self.targets = [Path(target) for target in targets]
        self.temporary: list[Path] = []
        self._left_out: set[int] = set()
        self._locks: list[Lock] = []
        for path in self.targets:
            for source in inputs:
                if path.exists() and Path(source).exists() and path.samefile(source):
                    raise InvalidInputError(f"{path}: the output would replace an input file")
            if self.targets.count(path) > 1:
                raise InvalidInputError(f"{path}: named as output twice")

    def __enter__(self) -> Output:
        try:
            for target in self.targets:
                if target.is_dir():
                    raise InvalidInputError(f"{target}: cannot be written: it is a directory")
                self._locks.append(file_lock(target))
                self.temporary.append(_temporary_beside(target))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._discard()

    def leave_out(self, number: int) -> None:
        """Let the target of this number not be there after `publish`: there is nothing to write to it."""
        self._left_out.add(number)

    def publish(self) -> None:
        """Rename every temporary file to its target; if one rename fails, undo those before it."""
        publish_together(self)

    def made(self) -> list[tuple[Path, Path, bool]]:
        """Return each temporary file, its target, and whether that is to be there after `publish`."""
        pairs = enumerate(zip(self.temporary, self.targets, strict=True))
        return [(temporary, target, number not in self._left_out) for number, (temporary, target) in pairs]

    def _discard(self) -> None:
        for path in self.temporary:
            path.unlink(missing_ok=True)
            Path(f"{path}-lock").unlink(missing_ok=True)  # what LMDB leaves beside a database
        for lock in self._locks:
            lock.release()


def publish_together(*outputs: Output) -> None:
    """Rename the temporary files of several outputs to their targets; if one rename fails, undo those before it.

    Raises
    ------
    InvalidInputError
        A target that cannot be written; then all targets are as they were.
    """
    replaced: list[tuple[Path, Path | None]] = []
    try:
        for temporary, target, stays in (one for output in outputs for one in output.made()):
            before = _copy(target) if target.exists() else None
            replaced.append((target, before))
            temporary.replace(target)
            if not stays:
                target.unlink()
    except OSError as error:
        for path, before in replaced:
            if before is not None:
                before.replace(path)
            elif path != target:
                path.unlink(missing_ok=True)
        raise InvalidInputError(f"{target}: cannot be written: {error.strerror}") from error
    for _, before in replaced:
        if before is not None:
            before.unlink()


def _copy(target: Path) -> Path | None:
    """Copy a target that is about to be replaced; None for a directory, which cannot be replaced."""
    if target.is_dir():
        return None
    kept = _temporary_beside(target)
    shutil.copy2(target, kept)
    return kept


def _temporary_beside(target: Path) -> Path:
    """Make an empty file in the directory of `target` that ends in its name, from which formats are recognised."""
    try:
        handle, name = tempfile.mkstemp(prefix=".mlipselect-", suffix=f"-{target.name[-200:]}", dir=target.parent)
    except OSError as error:
        raise InvalidInputError(f"{target}: cannot be written: {error.strerror}") from error
    os.close(handle)
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)  # mkstemp makes it private; the result is an ordinary file
    return Path(name)
