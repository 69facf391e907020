"""What mlipselect knows of a format that it reads by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ase import Atoms

from mlipselect.io.reading import Reading


@dataclass(frozen=True)
class Format:
    """A format of files of structures.

    Attributes
    ----------
    name : str
        What `--format` calls it.
    help : str
        One line: which program writes it.
    recognises : callable
        ``recognises(path, head)``: whether a file is of this format, by its path and the first bytes of its
        (uncompressed) content. `head` is empty for a folder.
    read : callable
        ``read(path, reading)``: yields the structures in their order, with labels in eV, eV/Å and eV/Å^3 and ASE's
        signs. Whatever it raises is reported with the file and the frame that comes next. What is assumed or left out
        is counted with ``reading.notes.add(...)``.
    extra : str, optional
        The extra of mlipselect that brings what `read` imports.
    """

    name: str
    help: str
    recognises: Callable[[str, bytes], bool]
    read: Callable[[str, Reading], Iterator[Atoms]]
    extra: str | None = None
