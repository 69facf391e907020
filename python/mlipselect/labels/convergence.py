"""Whether the electronic steps of a structure converged: what ASE reads past in the outputs of VASP."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading
from mlipselect.io.frame import Frame
from mlipselect.io.notes import Notes
from mlipselect.io.reading import Reading
from mlipselect.io.recognise import recognise
from mlipselect.labels.names import words_of

_NO = ("f", "false", "no", "n", "0", "none")


def unconverged(frames: Sequence[Frame], notes: Notes) -> list[bool]:
    """Tell which structures have labels of electronic steps that did not converge.

    OUTCAR and vasprun.xml tell it, whose text is read once more, and marks in `Atoms.info` such as ``converged=F`` and
    ``scf_converged=F``. Other structures count as converged.

    Parameters
    ----------
    frames : sequence of Frame
        The structures.
    notes : Notes
        Takes what is found.
    """
    files = {source: _steps_of_file(source) for frame in frames if (source := frame.source) is not None}
    out = []
    for frame in frames:
        steps = files.get(frame.source) if frame.source is not None else None
        converged: bool | None = True
        if steps is not None:
            converged = steps[frame.index] if frame.index < len(steps) else None
        if converged is None:
            notes.place = (frame.source or "", frame.index)
            notes.add("it cannot be told whether the electronic steps converged")
        is_out = converged is False or _is_marked(frame)
        if is_out:
            notes.place = (frame.source or "", frame.index)
            notes.add("labels were left out, as the electronic steps did not converge (--unconverged keep uses them)")
        out.append(is_out)
    return out


def _is_marked(frame: Frame) -> bool:
    """Tell whether `Atoms.info` says that the electronic steps did not converge."""
    for key, value in frame.atoms.info.items():
        if not isinstance(key, str) or "converged" not in key.lower() or not isinstance(value, (bool, int, float, str)):
            continue
        words = {word for word in words_of(key) if word not in ("is", "scf", "electronic", "el", "dft", "ref", "vasp")}
        is_false = str(value).strip().lower() in _NO or value == 0
        if (words == {"converged"} and is_false) or (words in ({"unconverged"}, {"not", "converged"}) and not is_false):
            return True
    return False


def _steps_of_file(source: str) -> list[bool | None] | None:
    """Return for each ionic step of an output of VASP whether it converged; None for any other file."""
    if not Path(source).is_file():
        return None
    try:
        format_name = recognise(source, Reading())
        if format_name not in ("vasp-out", "vasp-xml"):
            return None
        with open_for_reading(source) as stream:
            if format_name == "vasp-xml":
                return list(vasprun_steps(stream))
            with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
                return list(outcar_steps(text))
    except InvalidInputError:  # a format that only the user knows
        return None
    except OSError:
        return []


def outcar_steps(lines: IO[str]) -> Iterator[bool | None]:
    """Yield for each ionic step of an OUTCAR whether its electronic steps converged; None where it cannot be told.

    VASP writes ``aborting loop because EDIFF is reached`` after electronic steps that converged. After others version 6
    writes that EDIFF was not reached, and version 5 nothing.

    Parameters
    ----------
    lines : text file
        The OUTCAR.
    """
    limit, n_iterations, converged = None, 0, None
    for line in lines:
        if "Iteration" in line:
            n_iterations += 1
        elif limit is None and line.lstrip().startswith("NELM "):
            match = re.search(r"NELM\s*=\s*(\d+)", line)
            limit = int(match[1]) if match else None
        elif "aborting loop because EDIFF is reached" in line:
            converged = True
        elif "EDIFF was not reached" in line:
            converged = False
        elif "FREE ENERGIE OF THE ION-ELECTRON SYSTEM" in line:
            if converged is None and n_iterations and limit is not None:
                converged = n_iterations < limit
            yield converged
            n_iterations, converged = 0, None


def vasprun_steps(stream: IO[bytes]) -> Iterator[bool | None]:
    """Yield for each ionic step of a vasprun.xml whether its electronic steps converged; None where it cannot be told.

    A step that took as many electronic steps as NELM allows did not converge.

    Parameters
    ----------
    stream : binary file
        The vasprun.xml; of one that is cut off, the whole steps.
    """
    limit, n_steps = None, 0
    try:
        for _, element in ElementTree.iterparse(stream):
            if element.tag == "i" and element.get("name") == "NELM":
                limit = int(element.text or "0")
            elif element.tag == "scstep":
                n_steps += 1
                element.clear()
            elif element.tag == "calculation":
                yield None if limit is None or limit < 2 else n_steps < limit
                n_steps = 0
                element.clear()
    except ElementTree.ParseError:
        return
