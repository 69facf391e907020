"""Weights of the elements in species channels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from ase.data import chemical_symbols, covalent_radii

from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.unmasked import unmasked

# Of neighbours, and of centres.
_SIDES = 2

# Atomic numbers of the last elements of the periods.
_NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86, 118)

# Differences in group, period and covalent radius (Å) that are one unit of distance between elements.
_UNITS = np.array([12.0, 3.0, 0.6])

# The last element with a covalent radius, which stands for those after it.
_LAST_WITH_RADIUS = 96


def channel_weights(
    numbers: Sequence[int], n_channels: int, embedding: Mapping[str, Any] | None
) -> npt.NDArray[np.float64]:
    """Weights of elements in species channels.

    Parameters
    ----------
    numbers : sequence of int
        Atomic numbers.
    n_channels : int
        Number of channels.
    embedding : mapping of str to array_like, optional
        For each chemical symbol ``n_channels`` weights, or two rows of them: of neighbours and of centres. By default
        ``sqrt(2) cos(w . p + b)``, where ``p`` are the properties of the element, and ``w`` and ``b`` are fixed
        pseudorandom numbers of the channel, normal and uniform.

    Returns
    -------
    ndarray of shape (2, n_elements, n_channels)
        Weights of neighbours, then those of centres.

    Raises
    ------
    InvalidInputError
        `embedding` lacks an element, or has weights of another shape.

    Notes
    -----
    The default weights are random Fourier features (Rahimi and Recht, Advances in Neural Information Processing Systems
    20, 2007) of a Gaussian similarity of elements (Willatt, Musil and Ceriotti, Phys. Chem. Chem. Phys. 20, 29661,
    2018): the mean over channels of the products of the weights of two elements tends to ``exp(-|p - p'|**2 / 2)``. The
    numbers of a channel come from SHA-256 digests, so they are the same on every machine, and elements or channels that
    are added change none of them.
    """
    rows = [
        _default(number, n_channels) if embedding is None else _given(number, n_channels, embedding)
        for number in numbers
    ]
    return np.ascontiguousarray(np.array(rows).reshape(len(rows), _SIDES, n_channels).swapaxes(0, 1))


def plain_embedding(embedding: Mapping[str, Any] | None, n_channels: int) -> dict[str, list[list[float]]] | None:
    """Return an embedding ready for JSON, sorted by atomic number, checked."""
    if embedding is None:
        return None
    if not isinstance(embedding, Mapping):
        raise InvalidInputError(
            f"embedding must map chemical symbols to weights, such as {{'Si': [0.3, 1.1]}}, but is {type(embedding)}"
        )
    unknown = [symbol for symbol in embedding if symbol not in chemical_symbols[1:]]
    if unknown:
        raise InvalidInputError(f"embedding must map chemical symbols to weights, but has {unknown[0]!r}")
    numbers = sorted(chemical_symbols.index(symbol) for symbol in embedding)
    if not numbers:
        raise InvalidInputError("embedding must have at least one element, but it is empty")
    return {chemical_symbols[number]: _given(number, n_channels, embedding).tolist() for number in numbers}


def element_properties(number: int) -> npt.NDArray[np.float64]:
    """Group, period and covalent radius of an element, in units of the distance between elements.

    Elements of the f block are in group 3.
    """
    period = next(p for p, last in enumerate(_NOBLE_GASES) if number <= last)
    before, length = _NOBLE_GASES[period - 1], _NOBLE_GASES[period] - _NOBLE_GASES[period - 1]
    place, to_noble_gas = number - before, _NOBLE_GASES[period] - number
    group = place if place <= min(2, length - 1) else max(3, 18 - to_noble_gas)
    radius = covalent_radii[min(number, _LAST_WITH_RADIUS)]
    properties: npt.NDArray[np.float64] = np.array([group, period, radius]) / _UNITS
    return properties


def _default(number: int, n_channels: int) -> npt.NDArray[np.float64]:
    """Weights of one element: of neighbours, then of centres."""
    properties = element_properties(number)
    weights = np.empty((_SIDES, n_channels))
    for side in range(_SIDES):
        for channel in range(n_channels):
            *fractions, last = (_fraction(f"side {side} channel {channel} number {k}") for k in range(4))
            frequencies = [NormalDist().inv_cdf(fraction) for fraction in fractions]
            # Rounded, because the last digit of a cosine differs between machines.
            phase = float(np.dot(frequencies, properties)) + 2.0 * np.pi * last
            weights[side, channel] = round(np.sqrt(2.0) * np.cos(phase), 12)
    return weights


def _fraction(name: str) -> float:
    """Pseudorandom number between 0 and 1, exclusive, that belongs to a name."""
    digest = hashlib.sha256(name.encode()).digest()
    # 52 bits and a half are a float exactly.
    return ((int.from_bytes(digest[:8], "big") >> 12) + 0.5) / 2**52


def _given(number: int, n_channels: int, embedding: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    symbol = chemical_symbols[number]
    if symbol not in embedding:
        raise InvalidInputError(f"embedding has no weights of {symbol}, but only of {', '.join(embedding)}")
    try:
        weights = unmasked("embedding", embedding[symbol], float)
    except (TypeError, ValueError):
        weights = np.empty(0)
    if weights.shape not in {(n_channels,), (_SIDES, n_channels)} or not np.isfinite(weights).all():
        raise InvalidInputError(
            f"embedding must hold {n_channels} finite weights of each element, or two rows of them, of neighbours and "
            f"of centres, but that of {symbol} is {embedding[symbol]!r}"
        )
    return np.broadcast_to(weights, (_SIDES, n_channels))
