"""What files of structures hold, in lines of names and values."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from ase import Atoms

from mlipselect.exceptions import InvalidInputError, MlipselectError
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures
from mlipselect.io.frame import Frame
from mlipselect.io.inspection import some
from mlipselect.io.isolated import COMMON_MARKS
from mlipselect.io.reading import Reading
from mlipselect.labels import read_labels
from mlipselect.labels.read import NoLabelsError
from mlipselect.utils.told import counted, told_label

Lines = list[tuple[str, str]]
#: Values of a key that are listed.
MOST_VALUES = 8
#: Structures whose labels are read.
MOST_LABELLED = 10_000


def info_of_structures(path: str, reading: Reading) -> Lines:
    """Say what a file, or a folder of files, of structures holds.

    Raises
    ------
    InvalidInputError
        No structure can be read.
    """
    structures = Structures(path, COMMON_MARKS, reading=reading, checks=Checks(skip_bad=True), where=f" of {path}")
    structures.survey(False)
    n = len(structures)
    if n == len(structures.rejected):
        raise InvalidInputError(
            f"{path}: nothing that is known here: {some(structures.rejected.values()) or 'no structure is in it'}"
        )
    sizes = np.array(structures.sizes, dtype=np.int64)
    lines = [
        ("what", "structures" if len(structures.paths) == 1 else f"structures of {len(structures.paths)} files"),
        ("structures", f"{n:,}, of which {counted(len(structures.isolated_positions), 'isolated atom')}"),
    ]
    if len(sizes):
        lines.append(("atoms", f"{structures.n_atoms:,}, {told_range(sizes)} in a structure"))
    lines.append(("elements", ", ".join(structures.elements) or "none"))
    if structures.rejected:
        lines.append(("bad", f"{len(structures.rejected):,}: {some(structures.rejected.values())}"))
    copies = len(structures.fingerprints) - len(np.unique(structures.fingerprints))
    lines.append(("copies", f"{counted(copies, 'structure')} equal to another to the last bit"))
    keys, kinds, arrays, periodic = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    frames: list[Frame] = []
    for frame in structures:
        atoms: Atoms = frame.atoms
        keys.update(map(str, frame.info))
        if "config_type" in frame.info:
            kinds[told_label(frame.info["config_type"])] += 1
        arrays.update(name for name in atoms.arrays if name not in ("numbers", "positions"))
        periodic["".join("T" if direction else "F" for direction in atoms.pbc)] += 1
        if len(frames) < MOST_LABELLED:
            frames.append(frame)
    lines.append(("periodic", ", ".join(f"{name} in {count:,}" for name, count in periodic.most_common())))
    lines.append(("keys", _counted(keys, n)))
    lines.append(("arrays", _counted(arrays, n)))
    if kinds:
        lines.append(("config_type", _counted(kinds, 0)))
    try:
        some_of = "" if len(frames) == n else f" (of the first {len(frames):,} structures)"
        lines.append(("labels", read_labels(frames).summary() + some_of))
    except NoLabelsError as error:
        unused = f"; these look like some, and fit takes them with --energy-key and so on: {error.unused}"
        lines.append(("labels", "no labels" + (unused if error.unused else "")))
    except MlipselectError as error:
        lines.append(("labels", str(error)))
    digests = list(structures.digests.items())[:20]
    named = len(structures.digests) > 1
    return lines + [("SHA-256", f"{digest} {file}" if named else digest) for file, digest in digests]


def _counted(names: Counter[str], whole: int) -> str:
    """List names with their numbers, which are left out where everything has them."""
    texts = [name if count == whole else f"{name} ({count:,})" for name, count in names.most_common(MOST_VALUES)]
    more = len(names) - MOST_VALUES
    return (", ".join(texts) or "none") + (f" and {more} more" if more > 0 else "")


def told_range(sizes: np.ndarray[Any, Any]) -> str:
    """Say from which to which number sizes go."""
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
