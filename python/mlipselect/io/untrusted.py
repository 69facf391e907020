"""Read files that may be damaged or hostile: one kind of error, and no more memory than the file has bytes."""

from __future__ import annotations

import json
import math
import os
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def parse_json(text: str | bytes) -> Any:
    """Parse a text of JSON.

    Raises
    ------
    ValueError
        It is no JSON, or lists in it are nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("lists in it are nested too deep") from error


def read_archive(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read all arrays of an archive that `numpy.savez` wrote.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no such archive, an entry is compressed, or an array does not fill its entry.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            length = Path(path).stat().st_size
            return {entry.filename.removesuffix(".npy"): _read(archive, entry, length) for entry in archive.infolist()}
    except OSError:
        raise
    except Exception as error:  # whatever readers of archives and headers raise on what they did not expect
        raise ValueError(_told(error)) from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, length: int) -> NDArray[Any]:
    if entry.compress_type != zipfile.ZIP_STORED or not entry.file_size == entry.compress_size <= length:
        raise ValueError(f"{entry.filename}: expected an entry that is not compressed")
    with archive.open(entry) as stream:
        _check_header(stream, entry.file_size)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.kind == "U":
        # Letters are integers here. numpy makes a text of them only when it is asked for one, and may fail then.
        letters = array.ravel().view(array.dtype.byteorder + "u4")
        if (letters > sys.maxunicode).any():
            raise ValueError(f"{entry.filename}: a text with letters that do not exist")
    return array


def map_array(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Map the array in a file that `numpy.save` wrote.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no such file, or the array does not fill it.
    """
    try:
        with Path(path).open("rb") as stream:
            _check_header(stream, os.fstat(stream.fileno()).st_size)
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # whatever readers of headers raise on what they did not expect
        raise ValueError(_told(error)) from error
    return array


def _check_header(stream: IO[bytes], length: int) -> None:
    """Compare the shape and type in a header with the bytes that follow, and go back to the beginning."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format of numpy")
    shape, _, dtype = read(stream)
    # An array without entries may not claim many rows either: going through them would not end.
    whole = all(type(extent) is int and 0 <= extent <= length for extent in shape)
    if dtype.hasobject or not whole or stream.tell() + math.prod(shape) * dtype.itemsize != length:
        raise ValueError(f"an array of {dtype} of shape {shape} does not fill its {length} bytes")
    stream.seek(0)


def _told(error: Exception) -> str:
    """Say an error in one short line."""
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
