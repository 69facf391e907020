"""Formats x what structures carry: read, selected from, written, and read again, it is what was written by hand.

Each format is written here as text, from numbers in its own units; where ASE alone can write it, by ASE. What a format
has no place for is missing in its set `holds`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian

import mlipselect as ms

SYMBOLS = ["Cu", "O", "O"]
CELL = [[4.0, 0.0, 0.0], [0.5, 5.0, 0.0], [0.25, -0.5, 6.0]]
VOLUME = 120.0
STRESS = [0.01, 0.02, -0.03, 0.004, 0.005, 0.006]
"""xx yy zz yz xz xy in eV/Å^3, positive under tension."""
VIRIAL = [-1.2, -2.4, 3.6, -0.48, -0.6, -0.72]
"""The same in eV: -volume * stress."""
KBAR = [-16.02176634, -32.04353268, 48.06529902, -6.408706536, -8.01088317, -9.613059804]
"""The same in kbar, positive under compression: 1 eV/Å^3 is 1602.176634 kbar."""
HARTREE, BOHR = 27.211386024367243, 0.5291772105638411
FIXED = [[True, True, True], [False, False, True], [False, False, False]]
FREE = [[False] * 3] * 3


@dataclass
class Truth:
    """What every frame of a pool carries; frames differ in the place of one atom, the energy and the forces."""

    pbc: tuple[bool, bool, bool] = (True, True, True)
    fixed: list[list[bool]] = field(default_factory=lambda: FREE)

    @property
    def frames(self) -> range:
        return range(5)

    def positions(self, k: int) -> list[list[float]]:
        return [[0.125, 0.25, 0.5], [1.5, 1.625, 0.75 + 0.25 * k], [2.25, 2.5 + 0.125 * k, 3.5]]

    def energy(self, k: int) -> float:
        return -10.5 - 0.25 * k

    def forces(self, k: int) -> list[list[float]]:
        return [[0.5, -0.25, 0.125 * k], [-0.75, 0.5, -0.125 * k], [0.25, -0.25, 0.0]]

    def atoms(self, k: int) -> Atoms:
        made = Atoms(SYMBOLS, positions=self.positions(k), cell=CELL, pbc=self.pbc)
        whole = [atom for atom, mask in enumerate(self.fixed) if all(mask)]
        some = [FixCartesian(atom, mask) for atom, mask in enumerate(self.fixed) if any(mask) and not all(mask)]
        made.set_constraint([FixAtoms(whole), *some] if whole else some)
        made.calc = SinglePointCalculator(
            made, energy=self.energy(k), forces=np.array(self.forces(k)), stress=np.array(STRESS)
        )
        return made


def rows(numbers, before="", after=""):
    return "".join(f"{before}{' '.join(repr(float(number)) for number in row)}{after}\n" for row in numbers)


def matrix(six):
    xx, yy, zz, yz, xz, xy = six
    return [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]


def marks(flags):
    return " ".join("T" if flag else "F" for flag in flags)


def extxyz(folder: Path, truth: Truth) -> list[Path]:
    text = ""
    for k in truth.frames:
        flat = " ".join(str(x) for row in CELL for x in row)
        stress = " ".join(str(x) for row in matrix(STRESS) for x in row)
        text += f'3\nLattice="{flat}" Properties=species:S:1:pos:R:3:forces:R:3:move_mask:L:3 energy={truth.energy(k)} '
        text += f'stress="{stress}" pbc="{marks(truth.pbc)}"\n'
        for symbol, place, force, mask in zip(SYMBOLS, truth.positions(k), truth.forces(k), truth.fixed, strict=True):
            numbers = " ".join(map(str, [*place, *force]))
            text += f"{symbol} {numbers} {marks(not fixed for fixed in mask)}\n"
    return _text(folder / "pool.xyz", text)


def by_ase(name: str) -> Callable[[Path, Truth], list[Path]]:
    def write(folder: Path, truth: Truth) -> list[Path]:
        ase.io.write(folder / name, [truth.atoms(k) for k in truth.frames])
        return [folder / name]

    return write


def lammps_dump(folder: Path, truth: Truth) -> list[Path]:
    text = ""
    flags = " ".join("pp" if periodic else "ff" for periodic in truth.pbc)
    for k in truth.frames:
        text += f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS xy xz yz {flags}\n"
        # Bounds enclose the tilted cell; xy, xz and yz are 0.5, 0.25 and -0.5.
        text += "0.0 4.75 0.5\n-0.5 5.0 0.25\n0.0 6.0 -0.5\nITEM: ATOMS id type element x y z fx fy fz\n"
        for atom, (place, force) in enumerate(zip(truth.positions(k), truth.forces(k), strict=True)):
            text += f"{atom + 1} {1 if atom == 0 else 2} {SYMBOLS[atom]} {' '.join(map(str, [*place, *force]))}\n"
    return _text(folder / "pool.dump", text)


def cif(folder: Path, truth: Truth) -> list[Path]:
    a, b, c = (np.array(vector) for vector in CELL)
    lengths = [float(np.linalg.norm(vector)) for vector in (a, b, c)]
    angles = [
        float(np.degrees(np.arccos(x @ y / np.linalg.norm(x) / np.linalg.norm(y)))) for x, y in ((b, c), (a, c), (a, b))
    ]
    paths = []
    for k in truth.frames:
        text = f"data_frame{k}\n_symmetry_space_group_name_H-M 'P 1'\n_symmetry_Int_Tables_number 1\n"
        names = ["length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"]
        text += "".join(f"_cell_{name} {value!r}\n" for name, value in zip(names, [*lengths, *angles], strict=True))
        text += "loop_\n" + "".join(
            f"_atom_site_{name}\n" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
        )
        for symbol, place in zip(SYMBOLS, truth.positions(k) @ np.linalg.inv(CELL), strict=True):
            text += f"{symbol}1 {symbol} {' '.join(repr(float(x)) for x in place)}\n"
        paths += _text(folder / f"frame{k}.cif", text)
    return paths


def poscar(folder: Path, truth: Truth) -> list[Path]:
    paths = []
    for k in truth.frames:
        text = f"CuO2\n1.0\n{rows(CELL)}Cu O\n1 2\nSelective dynamics\nCartesian\n"
        for place, mask in zip(truth.positions(k), truth.fixed, strict=True):
            text += rows([place], after=f" {marks(not fixed for fixed in mask)}")
        paths += _text(folder / f"POSCAR.{k}", text)
    return paths


def ml_ab(folder: Path, truth: Truth) -> list[Path]:
    stars, equals, dashes = ("*" * 50 + "\n", "=" * 50 + "\n", "-" * 50 + "\n")
    xx, yy, zz, yz, xz, xy = KBAR
    text = f" 1.0 Version\n{stars}     The number of configurations\n{dashes}          5\n"
    for k in truth.frames:
        text += f"{stars}     Configuration num.      {k + 1}\n"
        sections = {
            "System name": "     CuO2\n",
            "Atom types and atom numbers": "     Cu     1\n     O      2\n",
            "Primitive lattice vectors (ang.)": rows(CELL),
            "Atomic positions (ang.)": rows(truth.positions(k)),
            "Total energy (eV)": f"   {truth.energy(k)}\n",
            "Forces (eV ang.^-1)": rows(truth.forces(k)),
        }
        text += "".join(f"{equals}     {title}\n{dashes}{body}" for title, body in sections.items())
        text += f"{equals}     Stress (kbar)\n{dashes}     XX YY ZZ\n{dashes}{rows([[xx, yy, zz]])}"
        text += f"{dashes}     XY YZ ZX\n{dashes}{rows([[xy, yz, xz]])}"
    return _text(folder / "ML_AB", text)


def mtp(folder: Path, truth: Truth) -> list[Path]:
    text = ""
    for k in truth.frames:
        text += f"BEGIN_CFG\n Size\n    3\n Supercell\n{rows(CELL)}"
        text += " AtomData:  id type cartes_x cartes_y cartes_z fx fy fz\n"
        for atom, (place, force) in enumerate(zip(truth.positions(k), truth.forces(k), strict=True)):
            text += rows([[*place, *force]], before=f"{atom + 1} {0 if atom == 0 else 1} ")
        text += f" Energy\n    {truth.energy(k)}\n PlusStress:  xx yy zz yz xz xy\n{rows([VIRIAL])}END_CFG\n\n"
    return _text(folder / "pool.cfg", text)


def deepmd(folder: Path, truth: Truth) -> list[Path]:
    (folder / "data" / "set.000").mkdir(parents=True)
    (folder / "data" / "type.raw").write_text("0\n1\n1\n")
    (folder / "data" / "type_map.raw").write_text("Cu\nO\n")
    files = {
        "coord": [np.ravel(truth.positions(k)) for k in truth.frames],
        "box": [np.ravel(CELL) for k in truth.frames],
        "energy": [truth.energy(k) for k in truth.frames],
        "force": [np.ravel(truth.forces(k)) for k in truth.frames],
        "virial": [np.ravel(matrix(VIRIAL)) for k in truth.frames],
    }
    for name, values in files.items():
        np.save(folder / "data" / "set.000" / f"{name}.npy", np.array(values))
    return [folder / "data"]


def vasprun(folder: Path, truth: Truth) -> list[Path]:
    def vectors(name, numbers):
        return f'<varray name="{name}">\n{rows(numbers, before="<v> ", after=" </v>")}</varray>\n'

    def structure(k, name=""):
        scaled = truth.positions(k) @ np.linalg.inv(CELL)
        basis = f"<crystal>\n{vectors('basis', CELL)}</crystal>\n"
        return f"<structure{name}>\n{basis}{vectors('positions', scaled)}{selective if name else ''}</structure>\n"

    selective = "".join(f"<v> {marks(not fixed for fixed in mask)} </v>\n" for mask in truth.fixed)
    selective = f'<varray name="selective">\n{selective}</varray>\n' if any(map(any, truth.fixed)) else ""
    symbols = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in SYMBOLS)
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<kpoints>\n'
    text += vectors("kpointlist", [[0.0, 0.0, 0.0]]) + "</kpoints>\n<atominfo>\n"
    text += f'<array name="atoms"><set>{symbols}</set></array>\n</atominfo>\n'
    name = ' name="initialpos"'
    text += structure(0, name)
    for k in truth.frames:
        energies = "".join(
            f'<i name="{name}"> {truth.energy(k)} </i>' for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy")
        )
        text += f"<calculation>\n<scstep><energy>{energies}</energy></scstep>\n{structure(k)}"
        text += f"{vectors('forces', truth.forces(k))}{vectors('stress', matrix(KBAR))}<energy>{energies}</energy>\n"
        text += "</calculation>\n"
    return _text(folder / "vasprun.xml", text + "</modeling>\n")


def cp2k(folder: Path, truth: Truth) -> list[Path]:
    places, forces, cells = "", "", "#   Step   Time [fs]   Ax Ay Az Bx By Bz Cx Cy Cz [Angstrom]   Volume\n"
    for k in truth.frames:
        head = f"3\n i = {k}, time = {0.5 * k}, E = {truth.energy(k) / HARTREE!r}\n"
        places += head + "".join(
            rows([row], f"{symbol} ") for symbol, row in zip(SYMBOLS, truth.positions(k), strict=True)
        )
        atomic = np.array(truth.forces(k)) / (HARTREE / BOHR)
        forces += head + "".join(rows([row], f"{symbol} ") for symbol, row in zip(SYMBOLS, atomic, strict=True))
        cells += rows([np.ravel(CELL)], f"{k} {0.5 * k} ", f" {VOLUME}")
    _text(folder / "md-frc-1.xyz", forces)
    _text(folder / "md-1.cell", cells)
    return _text(folder / "md-pos-1.xyz", places)


def pymatgen(folder: Path, truth: Truth) -> list[Path]:
    records = []
    for k in truth.frames:
        sites = [
            {"species": [{"element": symbol, "occu": 1}], "xyz": place}
            | {"properties": {"selective_dynamics": [not fixed for fixed in mask]}}
            for symbol, place, mask in zip(SYMBOLS, truth.positions(k), truth.fixed, strict=True)
        ]
        structure = {"lattice": {"matrix": CELL, "pbc": list(truth.pbc)}, "sites": sites}
        labels = {"uncorrected_total_energy": truth.energy(k), "force": truth.forces(k), "stress": matrix(KBAR)}
        records.append({"structure": structure} | labels)
    return _text(folder / "mptrj.json", json.dumps({"mp-1": {str(k): record for k, record in enumerate(records)}}))


def _text(path: Path, text: str) -> list[Path]:
    path.write_text(text)
    return [path]


@dataclass(frozen=True)
class Kind:
    """A format: how its files are made, and what they have a place for."""

    write: Callable[[Path, Truth], list[Path]]
    holds: frozenset[str]
    pbc_without: tuple[bool, bool, bool] = (True, True, True)
    options: dict[str, list[str]] = field(default_factory=dict)
    let_go: str = ""
    """What is said of the structures when they are written to extended XYZ."""


ALL = frozenset({"energy", "forces", "stress", "constraints", "pbc"})
LABELS = frozenset({"energy", "forces", "stress"})
KINDS = {
    "extxyz": Kind(extxyz, ALL),
    "traj": Kind(by_ase("pool.traj"), ALL),
    "json": Kind(by_ase("pool.json"), ALL),
    "db": Kind(by_ase("pool.db"), ALL),
    "lammps dump": Kind(lammps_dump, frozenset({"forces", "pbc"})),
    "cif": Kind(cif, frozenset(), let_go="kept as text: info['spacegroup'] (5 structures)"),
    "poscar": Kind(poscar, frozenset({"constraints"})),
    "ML_AB": Kind(ml_ab, LABELS),
    "MTP": Kind(mtp, LABELS, options={"species": ["Cu", "O"]}),
    "deepmd npy": Kind(deepmd, LABELS),
    "vasprun.xml": Kind(vasprun, LABELS | {"constraints"}),
    "CP2K": Kind(cp2k, frozenset({"energy", "forces"})),
    "pymatgen": Kind(pymatgen, ALL),
}
TRUTHS = {
    "labels and cells": Truth(),
    "constraints": Truth(fixed=FIXED),
    "partial pbc": Truth(pbc=(True, True, False)),
    "constraints and partial pbc": Truth(pbc=(False, True, True), fixed=FIXED),
}


def check(atoms: Atoms, k: int, truth: Truth, kind: Kind) -> None:
    """Compare a structure with the truth of frame k, as far as the format holds it."""
    close = {"rtol": 0.0, "atol": 1e-9}
    assert atoms.get_chemical_symbols() == SYMBOLS
    np.testing.assert_allclose(atoms.positions, truth.positions(k), **close)
    np.testing.assert_allclose(atoms.cell.array, CELL, **close)
    assert tuple(atoms.pbc) == (truth.pbc if "pbc" in kind.holds else kind.pbc_without)
    results = atoms.calc.results if atoms.calc is not None else {}
    assert {name for name in results if name in LABELS} == LABELS & kind.holds
    if "energy" in kind.holds:
        assert abs(results["energy"] - truth.energy(k)) < 1e-9
    if "forces" in kind.holds:
        np.testing.assert_allclose(results["forces"], truth.forces(k), **close)
    if "stress" in kind.holds:
        np.testing.assert_allclose(results["stress"], STRESS, **close)
    moved = np.ones((3, 3))
    for constraint in atoms.constraints:
        constraint.adjust_forces(atoms, moved)
    assert (moved == 0).tolist() == (truth.fixed if "constraints" in kind.holds else FREE)


@pytest.mark.parametrize("carried", TRUTHS)
@pytest.mark.parametrize("name", KINDS)
def test_read_selected_written_and_read_again(tmp_path, name, carried, caplog):
    kind, truth = KINDS[name], TRUTHS[carried]
    paths = [str(path) for path in kind.write(tmp_path, truth)]
    found = ms.read(paths, **kind.options)
    assert len(found) == len(truth.frames)
    for k, atoms in enumerate(found):
        check(atoms, k, truth, kind)
    target = tmp_path / "selected.xyz"
    caplog.clear()
    with caplog.at_level(logging.WARNING, "mlipselect"):
        selection = ms.select(paths, 3, descriptor=ms.ACE(["Cu", "O"], totaldegree=4), output=target, **kind.options)
    written = ms.read(target)
    places = [(paths.index(atoms.info["mlipselect_source"]), atoms.info["mlipselect_index"]) for atoms in written]
    assert len(set(places)) == len(written) == len(selection.frames) == 3
    said = [record.getMessage() for record in caplog.records if "does not keep" in record.getMessage()]
    assert len(said) == (1 if kind.let_go else 0)
    assert all(kind.let_go in message for message in said)
    for (file, index), atoms in zip(places, written, strict=True):
        check(atoms, file + index, truth, kind)


@pytest.mark.parametrize("carried", TRUTHS)
@pytest.mark.parametrize("target", ["again.xyz", "again.xyz.gz", "again.traj", "again.json", "again.db"])
def test_formats_that_hold_all_are_written_without_a_word(tmp_path, target, carried, caplog):
    truth = TRUTHS[carried]
    pool = ms.read(extxyz(tmp_path, truth))
    with caplog.at_level(logging.WARNING, "mlipselect"):
        ms.io.write_exact(tmp_path / target, pool, strict=True)
    assert not caplog.records
    for k, atoms in enumerate(ms.read(tmp_path / target)):
        check(atoms, k, truth, KINDS["extxyz"])
