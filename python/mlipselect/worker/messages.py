"""Messages between two processes: a dictionary and some arrays.

A message is the length of a header (8 bytes, little-endian), the header in JSON, which lists type and shape of each
array, and the bytes of the arrays, one after the other in C order.

This module imports nothing but numpy and the standard library: `child.py` loads it where mlipselect is not installed.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_HEADER = 1 << 24

#: Bytes that are read at once.
STEP = 1 << 24

Message = tuple[dict[str, Any], Sequence[NDArray[Any]]]
"""A dictionary and arrays."""


def serve(
    answer: Callable[[dict[str, Any], list[NDArray[Any]]], Message], told: Callable[[Exception], dict[str, Any]]
) -> None:
    """Answer the messages on the standard input until it ends, on the standard output.

    Parameters
    ----------
    answer : callable
        Makes the answer to one message.
    told : callable
        Makes the answer to a message for which `answer` raised an exception.
    """
    # Packages may print to the standard output, so answers go to a copy of it.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            head, arrays = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            send(answers, *answer(head, arrays))
        except Exception as error:
            send(answers, told(error))


def send(stream: IO[bytes], head: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a message.

    Parameters
    ----------
    stream : binary file
        Stream to write to.
    head : dict
        Values that JSON can represent.
    arrays : sequence of ndarray
        Arrays of real numbers.

    Raises
    ------
    TypeError
        An array of something else.
    """
    whole = [np.ascontiguousarray(array) for array in arrays]
    for array in whole:
        if array.dtype.kind not in "biuf":
            raise TypeError(f"expected arrays of real numbers, got {array.dtype}")
    listed = [{"dtype": array.dtype.str, "shape": array.shape} for array in whole]
    header = json.dumps({"head": head, "arrays": listed}).encode()
    stream.write(len(header).to_bytes(8, "little") + header)
    for array in whole:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read a message.

    Raises
    ------
    EOFError
        The other process has ended.
    ValueError
        The bytes are not a message.
    """
    length = int.from_bytes(_exactly(stream, 8), "little")
    if not 0 < length <= MAX_HEADER:
        raise ValueError(f"expected a message, got a header of {length} bytes")
    try:
        header = json.loads(_exactly(stream, length))
        head, listed = header["head"], [(str(own["dtype"]), tuple(own["shape"])) for own in header["arrays"]]
        dtypes = [np.dtype(name) for name, _ in listed]
        if not isinstance(head, dict) or any(dtype.kind not in "biuf" for dtype in dtypes):
            raise TypeError("a header of other types")
        if not all(type(n) is int and n >= 0 for _, shape in listed for n in shape):
            raise TypeError("shapes that no array has")
    # Parsers of JSON and of types raise other exceptions too on what they did not expect.
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError) as error:
        raise ValueError(f"expected a message, got something else: {type(error).__name__}: {error}") from error
    arrays = []
    for dtype, (_, shape) in zip(dtypes, listed):  # noqa: B905 - one of each
        data = _exactly(stream, dtype.itemsize * math.prod(shape))
        arrays.append(np.frombuffer(data, dtype).reshape(shape))
    return head, arrays


def _exactly(stream: IO[bytes], count: int) -> bytes | bytearray:
    """Read so many bytes, and take no memory for those that do not come."""
    data: bytes | bytearray = stream.read(min(count, STEP))
    if len(data) < count:
        data = bytearray(data)
        while len(data) < count and (more := stream.read(min(count - len(data), STEP))):
            data += more
    if len(data) < count:
        raise EOFError(f"the other side ended after {len(data)} of {count} bytes")
    return data
