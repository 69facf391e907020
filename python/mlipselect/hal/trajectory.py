"""The trajectories of all walkers, kept in a folder, and cut back to where a resumed run goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.walker import Burst
from mlipselect.io.extxyz import format_frame
from mlipselect.io.lock import Lock, folder_lock
from mlipselect.utils.told import counted


class Trajectories:
    """Extended XYZ files of one walker each, to which every round adds the frames that were looked at.

    Parameters
    ----------
    folder : path
        Where the files are; it is made if it is not there.
    sizes : sequence of int
        Bytes of each file that belong to the rounds so far: what is beyond is cut off.

    Raises
    ------
    InvalidInputError
        The folder cannot be made or written to, another process is writing to it, or a file has fewer bytes.
    """

    def __init__(self, folder: str | os.PathLike[str], sizes: Sequence[int]):
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.held():
                for number, size in enumerate(sizes):
                    self._cut(self._path(number), size)
        except OSError as error:
            raise InvalidInputError(f"{folder}: trajectories cannot be written there: {error.strerror}") from error

    def held(self) -> Lock:
        """Let no other process write to the folder meanwhile.

        Raises
        ------
        InvalidInputError
            Another process is writing to it.
        """
        return folder_lock(self.folder)

    def add(self, bursts: Sequence[Burst], sizes: Sequence[int]) -> list[int]:
        """Add the frames of a round, one burst for each walker; return the bytes of each file."""
        out = []
        for number, (burst, size) in enumerate(zip(bursts, sizes, strict=True)):
            text = "".join(map(format_frame, burst.frames)).encode()
            # What an interrupted round left is written over.
            with self._path(number).open("r+b") as stream:
                stream.seek(size)
                stream.write(text)
                stream.truncate()
            out.append(size + len(text))
        return out

    def _cut(self, path: Path, size: int) -> None:
        with path.open("ab") as stream:
            if stream.tell() < size:
                raise InvalidInputError(
                    f"{path}: expected the trajectory of the run in the checkpoint, of at least "
                    f"{counted(size, 'byte')}, got {counted(stream.tell(), 'byte')}: give its folder, or none"
                )
            stream.truncate(size)

    def _path(self, number: int) -> Path:
        return self.folder / f"walker-{number:03d}.xyz"
