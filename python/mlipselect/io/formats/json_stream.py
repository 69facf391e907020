"""Values of a JSON file that is larger than memory, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from mlipselect.exceptions import InvalidInputError

_CHUNK = 1 << 16
"""Characters that are read at once at least; no string of a file is expected to be longer."""


class JsonStream:
    """The characters of a file of JSON values, of which only the value at hand is held.

    Parameters
    ----------
    stream : file of text
        The file.
    """

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._buffer, self._place = "", 0
        self._passed = 0
        self._at_end = False
        self._decoder = json.JSONDecoder()

    def _fill(self) -> None:
        """Read on, at least as many characters as are held, so that a long value is not tried too often."""
        held = self._buffer[self._place :]
        more = self._stream.read(max(_CHUNK, len(held)))
        self._passed += self._place
        self._buffer, self._place = held + more, 0
        self._at_end = not more

    def peek(self) -> str:
        """Return the next character that is no white space; empty at the end of the file."""
        while True:
            while self._place < len(self._buffer):
                if not self._buffer[self._place].isspace():
                    return self._buffer[self._place]
                self._place += 1
            if self._at_end:
                return ""
            self._fill()

    def take(self, expected: str) -> str:
        """Pass over the next character, which has to be one of some."""
        found = self.peek()
        if not found or found not in expected:
            wanted = " or ".join(map(repr, expected))
            raise self._error(json.JSONDecodeError(f"expected {wanted}, got {found!r}", self._buffer, self._place))
        self._place += 1
        return found

    def value(self) -> Any:
        """Read a value as a whole."""
        self.peek()
        while (found := self._decode()) is None:
            self._fill()
        value, self._place = found
        return value

    def _decode(self) -> tuple[Any, int] | None:
        """Return the next value and the place after it; None where it may go on after what is held."""
        try:
            value, end = self._decoder.raw_decode(self._buffer, self._place)
        except json.JSONDecodeError as error:
            if self._at_end or len(self._buffer) - error.pos > _CHUNK:
                raise self._error(error) from error
            return None
        return (value, end) if end < len(self._buffer) or self._at_end else None

    def items(self) -> Iterator[None]:
        """Step through the items of the list that begins here; each has to be read at its step."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Step through the names of the object that begins here; its value has to be read at each step."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            name = self.value()
            self.take(":")
            yield str(name)
            if self.take(",}") == "}":
                return

    def _error(self, error: json.JSONDecodeError) -> InvalidInputError:
        if self._at_end and (error.pos >= len(self._buffer.rstrip()) or error.msg.startswith("Unterminated")):
            return InvalidInputError("the file is truncated: it ends within a value of JSON")
        return InvalidInputError(f"character {self._passed + error.pos} is no JSON: {error.msg}")
