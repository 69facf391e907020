"""What a wrapper of a descriptor can do: as much as the descriptor in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from mlipselect.descriptors.base import NamedDescriptor


def forwarded(name: str) -> property:
    """Return a property with the attribute or method of the wrapped descriptor."""
    return property(lambda self: getattr(self.descriptor, name), doc=f"`{name}` of the wrapped descriptor.")


class Wrapper(NamedDescriptor):
    """Base of descriptors around another one, which have some abilities only if the descriptor in them has these.

    ``isinstance`` with a protocol sees names on the class, and since Python 3.12 none that ``__getattr__`` finds. So
    wrappers with different abilities are of different classes, of the same name.

    Attributes
    ----------
    descriptor : object or callable
        The wrapped descriptor, set by `_wrap` only.
    abilities : mapping
        Properties by the names of attributes and methods of the wrapped descriptor that they need.
    """

    abilities: ClassVar[Mapping[str, property]] = {}
    _plain: ClassVar[type[Wrapper] | None] = None
    _names: ClassVar[frozenset[str]] = frozenset()
    descriptor: Any

    def _wrap(self, descriptor: Any) -> None:
        """Take a descriptor, and the abilities that it has."""
        self.descriptor = descriptor
        kind: Any = type(self)._plain or type(self)
        self.__class__ = _able(kind, frozenset(name for name in kind.abilities if _has(descriptor, name)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unfilled, (type(self)._plain, self._names), self.__dict__


@cache
def _able(kind: Any, names: frozenset[str]) -> Any:
    """Return the class of wrappers with some of the abilities, which has the name of the plain one."""
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    able = {name: kind.abilities[name] for name in names}
    return type(kind.__name__, (kind,), {**own, **able, "_plain": kind, "_names": names})


def _unfilled(kind: Any, names: frozenset[str]) -> Wrapper:
    """Make a wrapper for a copy, without what is in it."""
    able = _able(kind, names)
    made: Wrapper = able.__new__(able)
    return made


def _has(descriptor: Any, name: str) -> bool:
    """Tell whether a descriptor has an attribute, even if it is available only after `bind`."""
    return hasattr(type(descriptor), name) or hasattr(descriptor, name)
