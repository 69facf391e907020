"""Names of files, as short as tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from mlipselect.exceptions import FRAME


def told_apart(paths: Iterable[str]) -> dict[str, str]:
    """Shorten paths to their last parts, as many as tell each from all others.

    Parameters
    ----------
    paths : iterable of str
        The paths; the same path may be there several times.

    Returns
    -------
    dict of str
        The shortest end of each path that no other path has. An ellipsis stands for parts in its middle, unless two
        would look the same then.

    Examples
    --------
    >>> from mlipselect.utils.told_apart import told_apart
    >>> told_apart(["runs/a/OUTCAR", "runs/b/OUTCAR", "data/pool.xyz"])
    {'runs/a/OUTCAR': 'a/OUTCAR', 'runs/b/OUTCAR': 'b/OUTCAR', 'data/pool.xyz': 'pool.xyz'}
    >>> told_apart(["runs/a/new/OUTCAR", "runs/b/new/OUTCAR"])
    {'runs/a/new/OUTCAR': 'a/…/OUTCAR', 'runs/b/new/OUTCAR': 'b/…/OUTCAR'}
    """
    names = list(dict.fromkeys(paths))
    parts = {name: PurePath(name).parts or (name,) for name in names}
    depth = dict.fromkeys(names, 1)
    while True:
        ends = Counter(parts[name][-depth[name] :] for name in names)
        longer = [name for name in names if ends[parts[name][-depth[name] :]] > 1 and depth[name] < len(parts[name])]
        if not longer:
            break
        for name in longer:
            depth[name] += 1
    ends_of = {name: parts[name][-depth[name] :] for name in names}
    short = {name: _joined(end) for name, end in ends_of.items()}
    seen = Counter(short.values())
    return {name: short[name] if seen[short[name]] == 1 else _whole(end) for name, end in ends_of.items()}


def short_places(places: Sequence[str], files: Iterable[str] = ()) -> list[str]:
    """Shorten the files in names of structures, as `mlipselect.exceptions.place_of` makes them, with what follows.

    Parameters
    ----------
    places : sequence of str
        The names.
    files : iterable of str, optional
        Other files that these are told apart from.

    Examples
    --------
    >>> from mlipselect.utils.told_apart import short_places
    >>> short_places(["/data/core.xyz, frame 3 (bulk)", "structure 4"])
    ['core.xyz, frame 3 (bulk)', 'structure 4']
    """
    parts = [place.partition(FRAME) for place in places]
    names = told_apart([*files, *(source for source, found, _ in parts if found)])
    return [names[source] + found + rest if found else source for source, found, rest in parts]


def _whole(end: tuple[str, ...]) -> str:
    return str(PurePath(*end)) if any(end) else ""


def _joined(end: tuple[str, ...]) -> str:
    """Join the parts of an end, of which only the first and the last tell something."""
    return _whole(end) if len(end) <= 2 else f"{end[0].rstrip('/')}/…/{end[-1]}"
