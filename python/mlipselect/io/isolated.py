"""What marks isolated atoms: structures that hold the reference energies of the elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.frame import Frame


@dataclass(frozen=True, slots=True)
class Isolated:
    """The mark of isolated atoms: structures whose `atoms.info[key]` reads `value`.

    They carry the reference energies of the elements, so they always belong in a training set. A descriptor of
    surroundings cannot describe them.

    Attributes
    ----------
    key, value : str
        The key of `atoms.info`, and what its value reads.
    is_assumed : bool
        Whether nobody asked for the mark. It stands for all spellings then, and a structure of several atoms that has
        it is one like any other.
    """

    key: str
    value: str
    is_assumed: bool = False

    def __str__(self) -> str:
        return f"{self.key}={self.value}"

    @classmethod
    def parse(cls, text: str) -> Isolated:
        """Parse ``KEY=VALUE``."""
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise InvalidInputError(
                f"isolated atoms: expected KEY=VALUE such as config_type=isolated_atom, got {text!r}"
            )
        return cls(key, value)

    def matches(self, frame: Frame) -> bool:
        """Tell whether a frame is marked as an isolated atom.

        Raises
        ------
        StructureError
            The frame is marked and holds more than one atom.
        """
        is_single = frame.n_atoms == 1
        if self.is_assumed and not is_single:
            return False
        value = str(frame.info.get(self.key))
        if value != self.value and not (self.is_assumed and is_spelling(value)):
            return False
        if is_single:
            return True
        problem = f"{self} marks it as an isolated atom, but it holds {frame.n_atoms} atoms"
        raise StructureError(problem, frame.index, frame.source)


_SPELLINGS = frozenset({"isolatedatom", "isolated", "freeatom"})


def is_spelling(value: str) -> bool:
    """Tell ``isolated_atom`` in any spelling: ``IsolatedAtom``, ``isolated``, ``Free atom`` and so on."""
    return value.lower().replace("_", "").replace("-", "").replace(" ", "") in _SPELLINGS


COMMON_MARKS = tuple(Isolated("config_type", value, is_assumed=True) for value in ("isolated_atom", "IsolatedAtom"))
"""Marks that need not be named: those of many data sets, and of MACE; each stands for all spellings."""


def marks_of(isolated: str | Sequence[str] | None) -> tuple[Isolated, ...]:
    """Understand marks of isolated atoms: one or several ``KEY=VALUE``, ``"none"``, or None for `COMMON_MARKS`."""
    if isolated is None:
        return COMMON_MARKS
    texts = [isolated] if isinstance(isolated, str) else list(isolated)
    return () if texts == ["none"] else tuple(dict.fromkeys(map(Isolated.parse, texts)))


def mark_of(frame: Frame, marks: Iterable[Isolated]) -> Isolated | None:
    """Return the mark that a frame has, as the frame spells it; None if it is not marked as an isolated atom."""
    found = next((mark for mark in marks if mark.matches(frame)), None)
    return replace(found, value=str(frame.info[found.key])) if found is not None and found.is_assumed else found
