"""Databases of ASE: SQLite (``.db``), JSON (``.json``) and LMDB (``.aselmdb``), opened for reading only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ase.db
from ase import Atoms

from mlipselect.io.compression import open_for_reading
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading

ROW_ID = "_mlipselect_row"
"""Key of `Atoms.info` under which the id of a row is handed on."""

#: A JSON database begins with its first row, or with its ids where it has no row.
_JSON = re.compile(rb'\{\s*("\d+"\s*:\s*\{|"ids"\s*:)')


def recognises(path: str, head: bytes) -> bool:
    """Tell a database by its content, or an LMDB one by its name."""
    return path.endswith(".aselmdb") or head.startswith(b"SQLite format 3\0") or _JSON.match(head) is not None


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the structures of all rows, by id, with their keys, their data and their id in `info`."""
    for row in _rows(path):
        atoms = row.toatoms()
        clash = row.key_value_pairs.keys() & row.data.keys()
        if clash:
            reading.notes.add(f"data that have the names of keys are left out: {', '.join(sorted(clash))}")
        atoms.info |= {**row.data, **row.key_value_pairs, ROW_ID: int(row.id)}
        yield atoms


def _rows(path: str) -> Iterator[Any]:
    options: dict[str, Any]
    if path.endswith(".aselmdb"):
        options = {"type": "aselmdb", "readonly": True}
    else:
        with open_for_reading(path) as stream:
            options = {"type": "db" if stream.read(6) == b"SQLite" else "json", "use_lock_file": False}
    # Outside of a `with`, ASE opens a connection for each row of SQLite, and closes none.
    with ase.db.connect(path, **options) as database:  # type: ignore[no-untyped-call]
        yield from database.select()


DATABASE = Format("database", "databases of ASE: .db, .json and .aselmdb", recognises, read, extra="lmdb")
