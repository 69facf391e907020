"""Numbers of things, sizes of files and labels of groups, as people say them."""

from __future__ import annotations

from typing import Any


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, which is in the singular for one.

    Parameters
    ----------
    number : int
        The number.
    noun : str
        The noun in the singular.
    plural : str, optional
        Its plural, where that is not the singular with an s.

    Examples
    --------
    >>> from mlipselect.utils.told import counted
    >>> counted(1, "copy", "copies"), counted(12345, "atom")
    ('1 copy', '12,345 atoms')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def is_or_are(number: int) -> str:
    """Return the verb of a number of things.

    Examples
    --------
    >>> from mlipselect.utils.told import is_or_are
    >>> is_or_are(1), is_or_are(2), is_or_are(0)
    ('is', 'are', 'are')
    """
    return "is" if number == 1 else "are"


def told_size(n_bytes: int) -> str:
    """Return a number of bytes in the largest unit of which there is one.

    Examples
    --------
    >>> from mlipselect.utils.told import told_size
    >>> told_size(96), told_size(4_120), told_size(35_000_000), told_size(2_500_000_000)
    ('96 bytes', '4.1 kB', '35.0 MB', '2.5 GB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return counted(n_bytes, "byte")


def told_label(value: Any) -> str:
    """Return the label of a group as text, with a word in the place of a blank one.

    Examples
    --------
    >>> from mlipselect.utils.told import told_label
    >>> told_label("bulk"), told_label(3), told_label(" ")
    ('bulk', '3', 'empty')
    """
    text = str(value)
    return text if text.strip() else "empty"


def told_number(value: float, digits: int = 3) -> str:
    """Return a number with some digits, without an exponent where it is readable without.

    Examples
    --------
    >>> from mlipselect.utils.told import told_number
    >>> told_number(0.12345), told_number(17780.3), told_number(1e9), told_number(524.71, digits=4)
    ('0.123', '17,780', '1e+09', '524.7')
    """
    return f"{value:,.0f}" if 10.0 ** (digits - 1) <= abs(value) < 1e6 else f"{value:.{digits}g}"
