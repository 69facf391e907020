"""Every refusal: one clear line that names file and frame, exit code 1, and not a byte of output."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import write_exact
from reference.structures import rattled


def nan_position():
    atoms = rattled(1)
    atoms.positions[5, 2] = np.nan
    return atoms


def no_cell():
    atoms = rattled(1)
    atoms.cell[:] = 0.0
    return atoms


def flat_cell():
    atoms = rattled(1)
    atoms.cell[2] = atoms.cell[0] + atoms.cell[1]
    return atoms


def two_at_one_point():
    atoms = rattled(1)
    atoms.positions[3] = atoms.positions[6] + atoms.cell[0]  # the same point in the next cell
    return atoms


def frames(*odd):
    """Make files with good frames around odd ones."""
    return [rattled(0), rattled(2), *odd, rattled(3)]


POOL = "pool.xyz --core core.xyz -n 3 --totaldegree 6"
TABLE = {
    "NaN position": (
        frames(nan_position()),
        POOL,
        "pool.xyz, frame 2: expected finite positions, got .*nan.* for atom 5",
    ),
    "no cell but periodic": (
        frames(no_cell()),
        POOL,
        "pool.xyz, frame 2: pbc is set along a, b, c but there is no cell vector",
    ),
    "flat cell": (
        frames(flat_cell()),
        POOL,
        "pool.xyz, frame 2: the periodic cell vectors a, b, c are linearly dependent",
    ),
    "two atoms at one point": (frames(two_at_one_point()), POOL, "pool.xyz, frame 2: .*atoms 3 and 6"),
    "no atoms": (frames(Atoms()), POOL, "pool.xyz, frame 2: .*"),
    "unknown element": (
        frames(rattled(1, element="Ge")),
        f"{POOL} --elements Si",
        "pool.xyz, frame 2: .*(Ge.*Si|32.*14)",
    ),
    "isolated atom of many": (
        frames(),
        f"{POOL} --isolated config_type=kind_2",
        "pool.xyz, frame 1: config_type=kind_2 marks it as an isolated atom, but it holds 8 atoms",
    ),
    "n too large": (
        frames(),
        "pool.xyz -n 4",
        "n: expected between 1 and 3, the number of candidates in the pool, got 4",
    ),
    "n of zero": (frames(), "pool.xyz -n 0", "n: expected between 1 and 3"),
    "empty file": ("", POOL, "pool.xyz: cannot be read: the file is empty"),
    "truncated file": (
        "8\n\nSi 0 0 0\n",
        POOL,
        "pool.xyz, frame 0: the file is truncated: it ends after 1 of the 8 atoms",
    ),
    "not a number": ("1\n\nSi 0 zero 0\n", POOL, "pool.xyz, frame 0: the frame cannot be read: could not convert"),
    "no such element": (
        "1\n\nQq 0 0 0\n",
        POOL,
        "pool.xyz, frame 0: the frame cannot be read: 'Qq' is no chemical element",
    ),
    "missing pool": (frames(), "none.xyz -n 1", "none.xyz: cannot be read: No such file or directory"),
    "missing core": (frames(), "pool.xyz --core none.xyz -n 1", "none.xyz: cannot be read: No such file or directory"),
    "directory as pool": (frames(), "folder -n 1", "folder: the folder holds no file of structures"),
    "output in no directory": (
        frames(),
        f"{POOL} -o nowhere/out.xyz",
        "nowhere/out.xyz: cannot be written: No such file",
    ),
    "output is a directory": (frames(), f"{POOL} -o folder", "folder: cannot be written: it is a directory"),
    "output is the pool": (frames(), f"{POOL} -o pool.xyz", "pool.xyz: the output would replace an input file"),
    "output is the core": (frames(), f"{POOL} -o ./core.xyz", "core.xyz: the output would replace an input file"),
    "output is the record": (frames(), f"{POOL} -o out.json", "out.json: the record of the selection goes there"),
    "output of unknown format": (frames(), f"{POOL} -o out.what", "out.what: no format to write by that name"),
    "output that loses labels": (frames(), f"{POOL} -o out.cif --strict", "out.cif: .*cif.*frame 0.*write a .xyz file"),
    "posterior in no directory": (
        frames(),
        f"{POOL} --save-posterior nowhere/p",
        "nowhere/p: cannot be written: No such file",
    ),
    "singular prior": (frames(), f"{POOL} --prior-precision 0", "prior"),
    "negative ridge": (frames(), f"{POOL} --ridge -1", "ridge .*-1"),
    "noise of zero precision": (frames(), f"{POOL} --noise-precision 0", "noise"),
    "order out of range": (frames(), f"{POOL} --order 4", "order.*4"),
    "cutoff out of range": (frames(), f"{POOL} --rcut -5", "(rcut|cutoff)"),
}


@pytest.mark.parametrize("case", TABLE)
def test_refusals_of_select(files, capsys, case):
    pool, arguments, problem = TABLE[case]
    (files / "folder").mkdir()
    if isinstance(pool, str):
        (files / "pool.xyz").write_text(pool)
    elif case == "no atoms":
        write_exact("pool.xyz", pool[:2])
        (files / "pool.xyz").write_text((files / "pool.xyz").read_text() + "0\nempty=T\n1\n\nSi 0 0 0\n")
    else:
        write_exact("pool.xyz", pool)
    if "--core core.xyz" in arguments:
        write_exact("core.xyz", [rattled(100), rattled(101)])
    before = {path.name: path.read_bytes() for path in files.iterdir() if path.is_file()}

    code = main(["select", *arguments.split(), *([] if " -o " in arguments else ["-o", "out.xyz"])])

    output = capsys.readouterr()
    assert code == 1
    assert output.out == ""
    *warnings, line = output.err.strip().split("\n")
    assert all("closer than 0.5 of the sum of their covalent radii" in warning for warning in warnings)
    assert re.match(f"mlipselect: error: .*{problem}", line), line
    assert {path.name: path.read_bytes() for path in files.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("none.xyz -o out.npz", "none.xyz: cannot be read"),
        ("pool.xyz -o nowhere/out.npz", "nowhere/out.npz: cannot be written"),
        ("pool.xyz -o pool.xyz", "the output would replace an input file"),
        ("pool.xyz --elements Ge -o out.npz", "pool.xyz, frame 0: .*(Si|14)"),
        ("core.xyz pool.xyz --rcut 0 -o out.npz", "(rcut|cutoff)"),
    ],
)
def test_refusals_of_featurize(files, capsys, arguments, problem):
    before = sorted(files.iterdir())
    assert main(["featurize", *arguments.split()]) == 1
    output = capsys.readouterr()
    assert re.match(f"mlipselect: error: .*{problem}", output.err)
    assert output.err.count("\n") == 1
    assert sorted(files.iterdir()) == before


def test_features_of_another_length_leave_no_output(files):
    def uneven(atoms):
        return np.ones((len(atoms), 3 if atoms.info["step"] == 4 else 2))

    before = sorted(files.iterdir())
    with pytest.raises(ms.StructureError, match=r"^pool.xyz, frame 4: expected 2 features as .* before, got 3"):
        ms.select("pool.xyz", 2, descriptor=uneven, output="out.xyz")
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "who", "problem"),
    [
        ("", "mlipselect", "the following arguments are required: VERB"),
        ("choose", "mlipselect", "argument VERB: invalid choice: 'choose'"),
        ("select", "mlipselect select", "the following arguments are required: POOL, -o/--output"),
        ("select pool.xyz", "mlipselect select", "the following arguments are required: -o/--output"),
        ("select pool.xyz -o a.xyz --score best", "mlipselect select", "argument --score: invalid choice: 'best'"),
        ("select pool.xyz -o a.xyz -n two", "mlipselect select", "argument -n: invalid int value: 'two'"),
        ("select pool.xyz -o a.xyz --best", "mlipselect select", "unrecognized arguments: --best"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line(files, capsys, arguments, who, problem):
    assert main(arguments.split()) == 2
    said, where = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{who}: error: {problem}")
    assert where == f"see {who} --help"
    assert sorted(path.name for path in files.iterdir()) == ["core.xyz", "pool.xyz"]
