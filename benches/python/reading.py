# ruff: noqa: E402
"""Reading extended XYZ: ours against ASE and the C package extxyz, in the same run.

    python benches/python/reading.py [--frames 5000] [--atoms 64] [--data FOLDER]

The file has energies, forces and a stress, as ASE writes them, or is one of a folder. ASE and we make lists
of `ase.Atoms`, extxyz makes dictionaries of arrays. `parsing` is ours without making `ase.Atoms`, `index` finds
all frames by their offsets, and `100 frames` reads as many from anywhere in the file. Ratios are to ASE reading all.
The last lines are what reading, looking at and describing take together, on one thread, for an atom of frames of 8
atoms and of 200, with the default descriptor; and the ratio of the two.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import tempfile
import time
from collections.abc import Callable

import ase
import ase.build
import ase.io
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect._core import parse_frames
from mlipselect.io import Structures, read
from mlipselect.io.frames import read_frames
from mlipselect.io.plain_extxyz import Batch, PlainFile


def write(path: Path, frames: int, atoms: int) -> None:
    """Write rattled cells of silicon with random labels."""
    write_cells(path, frames, ase.build.bulk("Si", cubic=True).repeat((2, 2, -(-atoms // 32))))


def write_cells(path: Path, frames: int, cell: ase.Atoms) -> None:
    """Write rattled copies of a cell with random labels."""
    rng = np.random.default_rng(0)
    with path.open("w") as stream:
        for _ in range(frames):
            made = cell.copy()
            made.positions += rng.normal(scale=0.1, size=made.positions.shape)
            made.info["config_type"] = "rattled"
            made.calc = SinglePointCalculator(
                made, energy=rng.normal(), forces=rng.normal(size=made.positions.shape), stress=rng.normal(size=6)
            )
            ase.io.write(stream, made, format="extxyz")


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """Best of a few runs, in seconds."""
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return float(best)


def parse(plain: PlainFile, n_threads: int | None) -> None:
    for _, batch in plain.batches(range(len(plain)), Batch):
        parse_frames(batch._data, batch._starts, n_threads=n_threads)


def report(path: Path) -> None:
    plain = PlainFile.find(str(path))
    if plain is None:
        raise SystemExit(f"{path}: not a plain sequence of frames")
    size = path.stat().st_size
    print(f"{path.name}: {len(plain)} frames, {int(plain.n_atoms.sum())} atoms, {size / 1e6:.1f} MB")
    some = np.random.default_rng(0).choice(len(plain), min(100, len(plain)), replace=False).tolist()
    by_ase = timed(lambda: ase.io.read(path, ":", format="extxyz"), 1)
    rows = [("ASE", by_ase), ("ours", timed(lambda: read(path)))]
    try:
        import extxyz
    except ImportError:
        print("extxyz is not installed: pip install extxyz")
    else:
        rows.append(("extxyz (C), no Atoms", timed(lambda: list(extxyz.iread_dicts(str(path))), 1)))
    rows += [(f"ours, parsing, {n} threads", timed(lambda n=n: parse(plain, n))) for n in (1, 2)]
    rows.append(("ours, index", timed(lambda: PlainFile.find(str(path)))))
    rows.append((f"ours, {len(some)} frames", timed(lambda: read_frames(str(path), some))))
    for name, seconds in rows:
        speed = size / 1e6 / seconds
        print(f"  {name:26} {seconds:8.3f} s {speed:8.1f} MB/s {by_ase / seconds:8.1f} x ASE", flush=True)


def small_frames(folder: Path) -> None:
    """Compare the time for an atom of small frames with that of large ones."""
    found = []
    for frames, repeats in ((20_000, (1, 1, 1)), (800, (5, 5, 1))):
        path = folder / f"{frames}.xyz"
        write_cells(path, frames, ase.build.bulk("Si", cubic=True).repeat(repeats))
        n_atoms = 8 * int(np.prod(repeats))
        survey = timed(lambda path=path: Structures(str(path)).survey())
        whole = timed(lambda path=path: ms.featurize(str(path), ms.ACE(["Si"]), n_threads=1, progress=False))
        per_atom = [1e6 * seconds / (frames * n_atoms) for seconds in (survey, whole)]
        found.append(per_atom[1])
        print(
            f"{frames} frames of {n_atoms} atoms: {per_atom[0]:.2f} us an atom to read, {per_atom[1]:.2f} with features"
        )
    print(f"small over large: {found[0] / found[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--atoms", type=int, default=64)
    parser.add_argument("--data", help="read the .xyz files of this folder too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rattled.xyz"
        write(path, args.frames, args.atoms)
        report(path)
        small_frames(Path(folder))
    for path in sorted(Path(args.data).glob("*.xyz")) if args.data else []:
        report(path)


if __name__ == "__main__":
    main()
