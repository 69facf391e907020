"""Picks for surfaces: `python -m benches.quality.surfaces --data FOLDER`.

Picks of the silicon surface pool for a target are compared with picks for the whole pool, the default, and with random
draws. A fold leaves a fifth of core and pool out. Targets, always without labels, are the (100) and the (111) slabs of
what is left out, or ideal slabs. The potential of the paper is fitted to the core and the picks. What counts is the
root mean square error of the surface energy of the slabs that are left out, at the geometries of their DFT labels, and
the distance of the energies of relaxed ideal slabs from those of density functional theory.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import csv
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.units import J, m
from benches.paper.fits import KEYS, WEIGHTS, paper_potential
from benches.paper.silicon import REFERENCE_ENERGIES, SURFACE_ENERGIES, Silicon, read_silicon

import mlipselect as ms
from mlipselect._core import LeastSquares
from mlipselect.demo.surfaces import VACUUM, bulk_cell, surface_energy
from mlipselect.labels import read_labels

FOLDS = 5
NUMBERS = [5, 10, 20]
PLANES = ("100", "111")
TYPES = {"100": "surface_001", "111": "surface_111"}
"""Config types of the slabs of each plane."""


def slab(plane: str) -> Atoms:
    """Build the slab that `surface_energy` relaxes."""
    atoms = bulk_cell(plane)
    atoms.cell[2, 2] += VACUUM
    atoms.info["plane"] = plane
    return atoms


def ideal(data: Silicon, fold: int) -> dict[str, Any]:  # noqa: ARG001 - the same for every fold
    """Give the options that make an ideal slab of each plane the target."""
    return {"target": [slab(plane) for plane in PLANES], "target_groups": "plane"}


def left_out(*planes: str, **options: Any) -> Callable[[Silicon, int], dict[str, Any]]:
    """Give the options that make the slabs of some planes, of those that are left out, the target."""

    def given(data: Silicon, fold: int) -> dict[str, Any]:
        slabs = [data.pool[k] for plane in planes for k in slabs_of(data, fold, plane)]
        return {"target": slabs, "target_groups": "config_type", **options}

    return given


#: The options of `select` for each way to pick.
WAYS: dict[str, Callable[[Silicon, int], dict[str, Any]]] = {
    "whole pool (default)": lambda _data, _fold: {},
    "target (100) and (111)": left_out(*PLANES),
    "target (100)": left_out("100"),
    "target (111)": left_out("111"),
    "target (100) and (111), pool_std": left_out(*PLANES, score="pool_std"),
    "target (100) and (111), objective forces": left_out(*PLANES, objective="forces"),
    "target (100) and (111), update forces": left_out(*PLANES, update="forces"),
    "whole pool, update forces": lambda _data, _fold: {"score": "pool_variance", "update": "forces"},
    "target: ideal slabs": ideal,
}


class Laboratory:
    """Fits potentials to parts of the data, whose rows are made once.

    Parameters
    ----------
    data : Silicon
        Core and pool.
    """

    def __init__(self, data: Silicon):
        self.data, self.potential = data, paper_potential()
        core = read_labels(data.core, KEYS)
        parts = []
        for fold in range(FOLDS):
            own = core_fold(data, fold)
            parts.append(self._rows([data.core[k] for k in own], [core[k] for k in own]))
        self.core = []
        for fold in range(FOLDS):
            there = [part for other, part in enumerate(parts) if other != fold]
            self.core.append(there[0].copy())
            for part in there[1:]:
                self.core[-1].merge(part)
        pool = read_labels(data.pool, KEYS)
        self.pool = [self._rows([atoms], [labels]) for atoms, labels in zip(data.pool, pool, strict=True)]
        self.means = self.potential.descriptor.structure_features(data.pool)

    def _rows(self, structures: Sequence[Atoms], labels: Sequence[Any]) -> LeastSquares:
        return self.potential.rows(structures, labels, REFERENCE_ENERGIES).weighted(WEIGHTS)

    def errors(self, fold: int, picks: Sequence[int]) -> dict[str, list[float]]:
        """Fit to the core without a fold and to picks; return the errors of each plane in mJ/m^2."""
        rows = self.core[fold].copy()
        for pick in picks:
            rows.merge(self.pool[pick])
        potential = self.potential.fit_rows(rows, REFERENCE_ENERGIES)
        calculator = potential.calculator()
        relaxed = [1000.0 * abs(surface_energy(p, calculator) - SURFACE_ENERGIES[p]) for p in PLANES]
        return {"left out": [self._error(fold, plane, potential) for plane in PLANES], "relaxed": relaxed}

    def _error(self, fold: int, plane: str, potential: ms.LinearPotential) -> float:
        """Return the root mean square error of the surface energies of the slabs of a plane that are left out."""
        errors = []
        for k in slabs_of(self.data, fold, plane):
            atoms = self.data.pool[k]
            predicted = len(atoms) * (self.means[k] @ potential.weights_ + REFERENCE_ENERGIES["Si"])
            area = float(np.linalg.norm(np.cross(*surface_vectors(atoms))))
            errors.append((predicted - atoms.info["dft_energy"]) / (2.0 * area) / (J / m**2))
        return 1000.0 * float(np.sqrt(np.mean(np.square(errors))))


def surface_vectors(atoms: Atoms) -> list[np.ndarray]:
    """Return the two cell vectors that span the surface: those without the one along which the vacuum lies."""
    scaled = np.sort(atoms.get_scaled_positions(), axis=0)
    gaps = np.max(np.diff(np.concatenate([scaled, scaled[:1] + 1.0]), axis=0), axis=0) * atoms.cell.lengths()
    return [vector for k, vector in enumerate(np.asarray(atoms.cell)) if k != int(np.argmax(gaps))]


def slabs_of(data: Silicon, fold: int, plane: str) -> list[int]:
    """Return the slabs of a plane that a fold leaves out."""
    there = set(pool_without(data, fold))
    return [k for k, kind in enumerate(data.pool_types) if k not in there and kind == TYPES[plane]]


def core_fold(data: Silicon, fold: int) -> list[int]:
    """Return the structures of the core in a fold."""
    return sorted(np.random.default_rng(1).permutation(len(data.core))[fold::FOLDS].tolist())


def pool_without(data: Silicon, fold: int) -> list[int]:
    """Return the structures of the pool outside a fold."""
    order = np.random.default_rng(2).permutation(len(data.pool))
    return sorted(set(range(len(data.pool))) - set(order[fold::FOLDS].tolist()))


def picks_of_fold(data: Silicon, fold: int, ways: Sequence[str], draws: int) -> dict[str, list[int]]:
    """Pick by every way, and at random, from the pool without a fold."""
    there, out = pool_without(data, fold), set(core_fold(data, fold))
    pool, core = [data.pool[k] for k in there], [atoms for k, atoms in enumerate(data.core) if k not in out]
    wanted = {}
    for name in ways:
        chosen = ms.select(pool, max(NUMBERS), core, progress=False, **WAYS[name](data, fold)).indices
        wanted[name] = [there[k] for k in chosen]
    for draw in range(draws):
        order = np.random.default_rng([fold, draw, 7]).permutation(len(there))[: max(NUMBERS)]
        wanted[f"random {draw}"] = [there[k] for k in order]
    return wanted


def measure(data: Silicon, ways: Sequence[str], draws: int, kept: Path) -> list[dict[str, Any]]:
    """Measure every way and random draws on every fold."""
    laboratory: list[Laboratory] = []

    def errors(fold: int, picks: Sequence[int]) -> dict[str, list[float]]:
        key = json.dumps([data.digest, fold, sorted(picks)]).encode()
        path = kept / f"surfaces-{hashlib.sha256(key).hexdigest()[:24]}.json"
        if not path.exists():
            if not laboratory:
                laboratory.append(Laboratory(data))
            path.write_text(json.dumps(laboratory[0].errors(fold, picks)))
        return dict(json.loads(path.read_text()))

    found = []
    for fold in range(FOLDS):
        for name, picks in picks_of_fold(data, fold, ways, draws).items():
            for n in NUMBERS:
                measured = errors(fold, picks[:n])
                for quantity, values in measured.items():
                    for plane, value in zip(PLANES, values, strict=True):
                        found.append(
                            {"fold": fold, "way": name, "n": n, "quantity": quantity, "plane": plane, "error": value}
                        )
        print(f"fold {fold}: {len(found)} errors", file=sys.stderr, flush=True)
    return found


Place: TypeAlias = tuple[str, str, int]
"""Way, plane and number of picks."""


def errors_of(found: Sequence[Mapping[str, Any]], quantity: str) -> dict[Place, list[float]]:
    """Return the errors of all folds in mJ/m^2, of random draws their median; a relaxation that failed is infinite."""
    by_place: dict[Place, dict[int, list[float]]] = {}
    for row in found:
        if row["quantity"] == quantity:
            way = "random" if row["way"].startswith("random ") else row["way"]
            own = by_place.setdefault((way, row["plane"], row["n"]), {}).setdefault(row["fold"], [])
            own.append(row["error"] if np.isfinite(row["error"]) else np.inf)
    return {place: [float(np.median(own)) for own in folds.values()] for place, folds in by_place.items()}


TITLES = {
    "left out": "Error of the surface energy of slabs that are left out, mJ/m²",
    "relaxed": "Distance of the energy of relaxed ideal slabs from DFT, mJ/m²",
}


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Tabulate means over folds with their standard errors."""
    lines = []
    for quantity, title in TITLES.items():
        measured = errors_of(found, quantity)
        lines += ["", f"{title}:", ""]
        lines.append("| way | " + " | ".join(f"({plane}), n = {n}" for plane in PLANES for n in NUMBERS) + " |")
        lines.append("| --- |" + " ---: |" * (len(PLANES) * len(NUMBERS)))
        for way in dict.fromkeys(way for way, _, _ in measured):
            cells = [_cell(measured[way, plane, n]) for plane in PLANES for n in NUMBERS]
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Over the median random draw of the same fold, errors of slabs that are left out (geometric mean):",
        "",
    ]
    lines += ["| way | (100) | (111) |", "| --- | ---: | ---: |"]
    measured = errors_of(found, "left out")
    for way in dict.fromkeys(way for way, _, _ in measured):
        cells = [_ratio(measured, way, plane) for plane in PLANES]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:]) + "\n"


def _ratio(measured: Mapping[Place, Sequence[float]], way: str, plane: str) -> str:
    """Return the mean ratio to the median draw over n and folds, with the standard error over folds."""
    logs = np.array([np.log(np.divide(measured[way, plane, n], measured["random", plane, n])) for n in NUMBERS])
    of_folds = logs.mean(axis=0)
    mean, error = float(np.exp(of_folds.mean())), float(of_folds.std(ddof=1)) / len(of_folds) ** 0.5
    return f"{mean:.2f} ± {mean * error:.2f}"


def _cell(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:.0f} ± {error:.0f}" if np.isfinite(mean) else "failed"


def main() -> int:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.quality.surfaces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with core.xyz and surface_pool.xyz")
    parser.add_argument("-o", "--output", type=Path, default=Path("quality-output"), help="folder for tables")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    kept = options.output / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    found = measure(read_silicon(options.data), options.ways, options.draws, kept)
    with (options.output / "surfaces.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    text = markdown(found)
    (options.output / "surfaces.md").write_text(text)
    print(text)
    print(f"{time.perf_counter() - began:.0f} s; tables in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
