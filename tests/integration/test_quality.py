"""What picks are worth, in small: every method is measured, and what was measured is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mlipselect.io import write_exact

ROOT = Path(__file__).parents[2]


def labelled(seeds):
    """Rattled copper of several densities with energies and forces."""
    made = []
    for seed in seeds:
        atoms = ase.build.bulk("Cu", cubic=True, a=3.4 + 0.02 * (seed % 20))
        atoms.rattle(0.02 * (seed % 7), seed=seed)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    return made


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_methods_are_compared_with_random_draws(tmp_path):
    pytest.importorskip("matplotlib")
    for name, seeds in (("core", range(100, 104)), ("pool", range(40)), ("test", range(50, 60))):
        write_exact(tmp_path / f"Cu.{name}.xyz", labelled(seeds))
    command = [sys.executable, "-m", "benches.quality", "--data", tmp_path, "--splits", "1", "--draws", "3"]
    command += ["-o", tmp_path / "out", "--methods", "default", "energy, none", "fps"]
    tables = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        tables.append((tmp_path / "out" / "quality.csv").read_text())
    assert tables[0] == tables[1]
    # Three methods and three draws, 5, 10 and 20 picks, one learner that is always there.
    assert tables[0].count("linear ACE") == 6 * 3
    assert "| energy, none |" in (tmp_path / "out" / "quality.md").read_text()
    header, _, *rows = (tmp_path / "out" / "learners.md").read_text().splitlines()
    assert "| Cu, linear ACE: Q_E | Cu, linear ACE: Q_F |" in header
    assert [row.split(" | ")[0] for row in rows] == ["| default", "| energy, none", "| fps", "| single draws"]


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_forces_of_the_twenty_elements_are_those_of_their_energy(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benches.quality.twenty import SecondMoment, cells

    potential, rng = SecondMoment.drawn(), np.random.default_rng(0)
    for atoms in cells(rng, 3, (2, 6), potential):
        direction, energies = rng.normal(size=(16, 3)), []
        for h in (1e-5, -1e-5):
            moved = atoms.copy()
            moved.positions += h * direction
            energies.append(potential.labels(moved)[0])
        slope = (energies[0] - energies[1]) / 2e-5
        np.testing.assert_allclose(-(atoms.calc.results["forces"] * direction).sum(), slope, rtol=1e-6)


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_expected_errors_are_compared_with_true_ones(tmp_path):
    for name, seeds in (("core", range(100, 108)), ("pool", range(14)), ("test", range(50, 52))):
        write_exact(tmp_path / f"Cu.{name}.xyz", labelled(seeds))
    command = [sys.executable, "-m", "benches.quality.expected", "--data", tmp_path, "--splits", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| Cu | core | energies |"))
    # Eleven candidates: compared before the first pick, and after 5 and 10.
    cells = [cell.strip() for cell in row.split("|")[4:-1]]
    assert [bool(cell) for cell in cells] == [True, True, True, False, False, False]
    for cell in cells[:3]:
        expected, true, ratio = (float(part) for part in cell.rstrip(")").replace("(", "/ ").split("/"))
        assert ratio == pytest.approx(expected / true, rel=0.06)


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_the_parts_of_the_surface_bench_are_what_they_are_named(silicon, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    surfaces = pytest.importorskip("benches.quality.surfaces")
    data = surfaces.read_silicon(silicon)
    folds = [surfaces.core_fold(data, fold) for fold in range(surfaces.FOLDS)]
    assert sorted(k for fold in folds for k in fold) == list(range(len(data.core)))
    for fold in range(surfaces.FOLDS):
        there = set(surfaces.pool_without(data, fold))
        for plane, kind in surfaces.TYPES.items():
            slabs = surfaces.slabs_of(data, fold, plane)
            assert slabs
            assert not there.intersection(slabs)
            assert {data.pool_types[k] for k in slabs} == {kind}
    # The vacuum of the (100) slabs is along c, that of the (111) slabs along b.
    for plane, across in (("100", (0, 1)), ("111", (0, 2))):
        atoms = data.pool[surfaces.slabs_of(data, 0, plane)[0]]
        for vector, k in zip(surfaces.surface_vectors(atoms), across, strict=True):
            assert (vector == atoms.cell[k]).all()


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_errors_of_surfaces_are_means_over_folds(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    surfaces = pytest.importorskip("benches.quality.surfaces")
    found = [
        {"fold": fold, "way": way, "n": n, "quantity": quantity, "plane": plane, "error": error * (1 + fold)}
        for fold in range(3)
        for way, error in (("ours", 10.0), ("random 0", 10.0), ("random 1", 20.0), ("random 2", float("nan")))
        for n in surfaces.NUMBERS
        for quantity in surfaces.TITLES
        for plane in surfaces.PLANES
    ]
    # The median of 10, 20 and a failure is 20, so ours is half of it in every fold.
    assert surfaces.errors_of(found, "left out")["random", "100", 5] == [20.0, 40.0, 60.0]
    table = surfaces.markdown(found)
    assert "| ours | 0.50 ± 0.00 | 0.50 ± 0.00 |" in table
    assert "| ours | 20 ± 6 |" in table
