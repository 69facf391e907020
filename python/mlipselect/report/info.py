"""What a file or a folder is, in lines of names and values."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError, MlipselectError
from mlipselect.features import Features
from mlipselect.io.digest import sha256
from mlipselect.io.reading import Reading
from mlipselect.models import LinearPotential
from mlipselect.report.structures_info import Lines, info_of_structures, told_range
from mlipselect.selection.described import is_store
from mlipselect.selection.read_record import read_record
from mlipselect.selectors.windowed import column_moments
from mlipselect.stores.manifest import read_manifest
from mlipselect.stores.reader import FeatureStore
from mlipselect.utils.told import counted, told_size


def info_of(path: str, reading: Reading | None = None) -> Lines:
    """Say what a file or a folder is.

    Parameters
    ----------
    path : str
        A file of structures, a store of features, an archive of features, a potential, a posterior, or the record of a
        selection.
    reading : Reading, optional
        How files of structures are read.

    Returns
    -------
    list of (str, str)
        Names and values; the first says what it is.

    Raises
    ------
    InvalidInputError
        It is missing, or nothing that mlipselect knows.
    """
    place = Path(path)
    if is_store(path):
        return _store(path)
    if place.is_file():
        for known, tell in _KINDS:
            if known(place):
                return tell(path)
    return info_of_structures(path, Reading() if reading is None else reading)


def _store(path: str) -> Lines:
    manifest = read_manifest(Path(path))
    complete = manifest.finished == len(manifest.files)
    rows = sum(shard.rows for shard in manifest.shards)
    lines = [
        ("what", "a store of features" + ("" if complete else ", not complete: run featurize again to go on")),
        ("structures", f"{rows:,}, and {counted(len(manifest.isolated), 'isolated atom')}"),
        ("features", f"{manifest.width}, {manifest.dtype}"),
        ("rows of atoms", "yes" if manifest.atomic_rows else "no"),
        ("descriptor", _parameters(manifest.descriptor)),
        ("shards", f"{len(manifest.shards):,}"),
        ("size", told_size(sum(file.stat().st_size for file in Path(path).iterdir()))),
    ]
    if not complete or not manifest.shards:
        return lines
    store = FeatureStore.open(path, verify=False)
    lines.append(("atoms", f"{int(store.n_atoms.sum()):,}, {told_range(store.n_atoms)} in a structure"))
    if "info" in manifest.shards[0].sha256:
        keys = dict.fromkeys(key for info in store.info(0) for key in info)
        lines.append(("keys", ", ".join(map(str, keys)) or "none"))
    missing = [file["path"] for file in store.files if not Path(file["path"]).exists()]
    lines += [("file", f"{file['path']}{' (missing)' if file['path'] in missing else ''}") for file in store.files[:20]]
    return lines


def _is_record(place: Path) -> bool:
    if place.suffix != ".json":
        return False
    try:
        read_record(place)
    except InvalidInputError:
        return False
    return True


def _record(path: str) -> Lines:
    record = read_record(path, "descriptor", "effective_dimension", "information")
    known, inputs = record["parameters"], record["inputs"]
    lines = [
        ("what", "the record of a selection; `mlipselect report` shows it"),
        ("made by", f"mlipselect {record['mlipselect']}"),
        ("method", known["method"] + (f", score {known['score']}" if known.get("score") else "")),
        ("picks", f"{len(record['indices'])} of {inputs['pool']['candidates']} candidates"),
        ("descriptor", _parameters(record["descriptor"])),
        ("effective dimension", f"{record['effective_dimension']:.1f}"),
    ]
    if record["information"]:
        lines.append(("information", f"{record['information'][-1]:.2f} nat"))
    lines += [("note", note) for note in record.get("notes", [])]
    for part in ("pool", "core", "target"):
        for file in (inputs.get(part) or {}).get("files", []):
            lines.append((part, f"{file['path']}, {_state(file)}"))
    return lines


def _state(file: dict[str, Any]) -> str:
    """Say whether a file is what it was."""
    if not Path(file["path"]).exists():
        return "not here"
    return "unchanged" if sha256(file["path"]) == file["sha256"] else "changed since"


def _names(place: Path) -> set[str]:
    """Return the names of the arrays of an archive of numpy."""
    try:
        with zipfile.ZipFile(place) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return set()


def _is_features(place: Path) -> bool:
    return place.suffix == ".npz" and bool({"per_structure", "structure"} & _names(place))


def _features(path: str) -> Lines:
    features = Features.load(path)
    lines = [
        ("what", "an archive of features"),
        ("structures", f"{len(features):,}"),
        ("atoms", f"{int(features.n_atoms.sum()):,}, {told_range(features.n_atoms)} in a structure"),
        ("features", f"{features.shape[1]}, {features.dtype}"),
        ("rows of atoms", "no" if features.per_atom is None else f"{len(features.per_atom):,}"),
        ("descriptor", "not known" if features.descriptor is None else _parameters(features.descriptor)),
        ("elements", "not known" if features.counts is None else ", ".join(features.counts.elements)),
    ]
    varies = column_moments(features.per_structure, None).varies if len(features) > 1 else np.array([])
    if len(varies):
        lines.append(("features that vary", f"{int(varies.sum())}"))
    return lines + [("file", name) for name in dict.fromkeys(source for source, _ in features.sources if source)]


def _is_potential(place: Path) -> bool:
    return place.suffix == ".npz" and not _is_features(place)


def _potential(path: str) -> Lines:
    potential = LinearPotential.load(path)
    calibrated = ", ".join(f"{kind} {own.factor:.3g}" for kind, own in potential.calibration_.items())
    return [
        ("what", "a linear potential"),
        ("descriptor", repr(potential.descriptor)),
        ("features", f"{len(potential.weights_)}"),
        ("fitted to", f"{counted(potential.n_rows_, 'row')} of labels, log evidence {potential.log_evidence_:.1f}"),
        ("noise", ", ".join(f"{kind} {noise:.3g}" for kind, noise in potential.noise_.items())),
        ("factors of deviations", calibrated or "not calibrated"),
        ("energies of free atoms", ", ".join(f"{s} {e:.6f} eV" for s, e in potential.reference_energies_.items())),
    ]


def _is_posterior(place: Path) -> bool:
    try:
        Posterior.load(place)
    except (MlipselectError, OSError, ValueError):
        return False
    return True


def _posterior(path: str) -> Lines:
    posterior = Posterior.load(path)
    return [
        ("what", "a posterior, as --save-posterior writes it"),
        ("features", str(posterior.dim)),
        ("effective dimension", f"{posterior.effective_dimension():.1f}"),
        ("information", f"{posterior.information():.2f} nat"),
        ("precision of the noise", f"{posterior.noise_precision:g}"),
    ]


_KINDS: list[tuple[Callable[[Path], bool], Callable[[str], Lines]]] = [
    (_is_record, _record),
    (_is_features, _features),
    (_is_potential, _potential),
    (_is_posterior, _posterior),
]
"""How a file is recognised, and what is told of it."""


def _parameters(record: dict[str, Any]) -> str:
    """Name a descriptor with its parameters."""
    others = {key: value for key, value in record.items() if key != "name"}
    text = json.dumps(others) if others else ""
    return f"{record.get('name', '?')}{' ' + text if text else ''}"
