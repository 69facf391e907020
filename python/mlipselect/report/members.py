"""What is known of every structure of a pool, a core or a target beside its features: group, energy, size, place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.features import Features
from mlipselect.features.element_counts import ElementCounts
from mlipselect.io.collection import Structures
from mlipselect.io.frame import Frame
from mlipselect.labels.names import understand
from mlipselect.selection.core import Core
from mlipselect.selection.result import Selection
from mlipselect.stores.joined import JoinedStores
from mlipselect.utils.told import told_label

#: Keys of `Atoms.info` that structures are grouped by where nothing else is asked for.
GROUP_KEYS = ("config_type", "label", "group", "type", "name", "dataset")
#: More groups than this are not groups but names of structures.
MOST_GROUPS = 64
#: Name of the group of structures that lack the key.
NO_GROUP = "none"


@dataclass(frozen=True)
class Members:
    """What is known of some structures, one entry a structure.

    Attributes
    ----------
    group_key : str
        The key of `Atoms.info` that groups are values of, ``"composition"``, or empty where there are no groups.
    group_names : list of str
        The groups, the largest first.
    groups : ndarray of int32, shape (n,)
        Index of the group of each structure.
    energy_key : str
        Where the energies are from; empty where there are none.
    energies : ndarray of float64, shape (n,)
        Energy per atom as the files give it; NaN where there is none.
    n_atoms : ndarray of int64, shape (n,)
        Numbers of atoms.
    counts : ElementCounts or None
        Atoms of each element.
    files : list of str
        Files.
    file : ndarray of int32, shape (n,)
        Index of the file of each structure; -1 for one in memory.
    frames : ndarray of int64, shape (n,)
        0-based index of each structure in its file, or in the sequence that was given.
    """

    group_key: str
    group_names: list[str]
    groups: NDArray[np.int32]
    energy_key: str
    energies: NDArray[np.float64]
    n_atoms: NDArray[np.int64]
    counts: ElementCounts | None
    files: list[str]
    file: NDArray[np.int32]
    frames: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.n_atoms)

    def group(self, index: int) -> str:
        """Return the name of the group of a structure."""
        return self.group_names[int(self.groups[index])]


class _Collected:
    """Takes structures one after the other.

    Parameters
    ----------
    group_key : str, optional
        The key to group by; None for the first of the usual ones that a structure has.
    """

    def __init__(self, group_key: str | None):
        self.group_key, self.energy_key = group_key, ""
        self._is_settled = False
        self._codes: dict[str, int] = {}
        self.groups: list[int] = []
        self.energies: list[float] = []

    def add(self, info: Mapping[Any, Any], results: Callable[[], Mapping[str, Any]], n_atoms: int) -> None:
        """Take note of a structure, given its `Atoms.info`, the results of its calculator and its size."""
        if not self._is_settled:
            self._settle(info, results())
        value = NO_GROUP if self.group_key is None else info.get(self.group_key, NO_GROUP)
        self.groups.append(self._codes.setdefault(told_label(value), len(self._codes)))
        energy = results().get("energy") if self.energy_key == "the calculator" else info.get(self.energy_key)
        self.energies.append(float(energy) / n_atoms if isinstance(energy, (int, float, np.number)) else np.nan)

    def _settle(self, info: Mapping[Any, Any], results: Mapping[str, Any]) -> None:
        """Choose the keys by the first structure."""
        if self.group_key is None:
            self.group_key = next((key for key in GROUP_KEYS if isinstance(info.get(key), (str, int))), None)
        names = [understand(key) for key in info if isinstance(key, str)]
        energies = [name for name in names if name and name.kind == "energy" and name.is_label and name.unit is None]
        best = sorted(energies, key=lambda name: not name.has_known_mark)
        self.energy_key = best[0].key if best else "the calculator" if "energy" in results else ""
        self._is_settled = True

    def named(self) -> tuple[str, list[str], NDArray[np.int32]]:
        """Return the key, the names of the groups, the largest first, and the group of each structure."""
        codes, names = np.array(self.groups, dtype=np.int64), list(self._codes)
        if not 1 <= len(names) <= MOST_GROUPS or (self.group_key is None and len(names) <= 1):
            return "", ["all"], np.zeros(len(codes), dtype=np.int32)
        order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
        places = np.empty(len(order), dtype=np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        return self.group_key or "", [names[place] for place in order], places[codes]


def members_of(part: Any, features: Features | JoinedStores | None, group_key: str | None = None) -> Members | None:
    """Collect what is known of the structures of a part of a selection, in the order of its rows.

    Parameters
    ----------
    part : CandidatePool, Core or None
        The pool, the core or the target; None where only features are known.
    features : Features, JoinedStores or None
        Its features.
    group_key : str, optional
        The key to group by, or ``"composition"``; by default the first of the usual ones that structures have.
    """
    if features is None:
        return None
    if isinstance(features, JoinedStores):
        return _of_stores(features, group_key)
    structures: Structures | None = part if isinstance(part, Structures) else getattr(part, "structures", None)
    described = part.described if isinstance(part, Core) else []
    frames: Iterable[Frame] = () if structures is None else structures.iter_candidates()
    found = _Collected(None if group_key == "composition" else group_key)
    for known in described:
        for _ in range(len(known)):
            found.add({}, dict, 1)
    for frame in frames:
        found.add(frame.info, lambda frame=frame: _results(frame), frame.n_atoms)  # type: ignore[misc]
    if len(found.groups) != len(features):
        found = _Collected(None)
        for _ in range(len(features)):
            found.add({}, dict, 1)
    files = {name: k for k, name in enumerate(dict.fromkeys(source for source, _ in features.sources if source))}
    places = features.sources or [(None, row) for row in range(len(features))]
    return _made(
        found,
        group_key,
        features.n_atoms,
        features.counts,
        list(files),
        np.array([files.get(source or "", -1) for source, _ in places], dtype=np.int32),
        np.array([frame for _, frame in places], dtype=np.int64),
    )


def labels_of_picks(selection: Selection) -> tuple[str, list[str]]:
    """Return the key of the groups of a selection, by default ``config_type``, and the label of each pick under it.

    Labels are empty where no pick has one that says something.
    """
    key = selection.parameters.get("groups")
    key = "config_type" if key in (None, "composition") else str(key)
    labels = [told_label(frame.info[key]) if key in frame.info else NO_GROUP for frame in selection.frames]
    says_something = any(str(frame.info.get(key, "")).strip() for frame in selection.frames)
    return key, labels if says_something else []


def _results(frame: Frame) -> Mapping[str, Any]:
    """Return the results of the calculator of a structure."""
    calculator = frame.atoms.calc
    return {} if calculator is None else dict(calculator.results)


def _of_stores(stores: JoinedStores, group_key: str | None) -> Members:
    """Collect what stores keep, shard by shard."""
    found = _Collected(None if group_key == "composition" else group_key)
    files: dict[str, int] = {}
    file, frames, sizes, counts = [], [], [], []
    for store in stores.stores:
        own = np.array([files.setdefault(item["path"], len(files)) for item in store.files], dtype=np.int32)
        for shard, known in enumerate(store.shards):
            origin = np.load(store.file(shard, "origin"))
            file.append(own[origin[:, 0]])
            frames.append(origin[:, 1])
            sizes.append(origin[:, 2])
            infos: Sequence[Mapping[str, Any]] = store.info(shard) if "info" in known.sha256 else [{}] * known.rows
            for info, n_atoms in zip(infos, origin[:, 2].tolist(), strict=True):
                found.add(info, dict, n_atoms)
            if "counts" in known.sha256:
                counts.append(store.counts(shard))
    whole = ElementCounts.together(counts) if len(counts) == sum(len(store.shards) for store in stores.stores) else None
    return _made(
        found, group_key, np.concatenate(sizes), whole, list(files), np.concatenate(file), np.concatenate(frames)
    )


def _made(
    found: _Collected,
    group_key: str | None,
    n_atoms: NDArray[np.int64],
    counts: ElementCounts | None,
    files: list[str],
    file: NDArray[np.int32],
    frames: NDArray[np.int64],
) -> Members:
    """Put together what was collected; structures without groups of their own are grouped by composition."""
    key, names, groups = found.named()
    if counts is not None and (group_key == "composition" or (not key and len(counts.elements) > 1)):
        by_formula = _Collected("composition")
        for formula in counts.formulas():
            by_formula.add({"composition": formula}, dict, 1)
        key, names, groups = by_formula.named()
    energies = np.array(found.energies)
    has_energies = bool(np.isfinite(energies).any())
    return Members(
        key, names, groups, found.energy_key if has_energies else "", energies, n_atoms, counts, files, file, frames
    )
