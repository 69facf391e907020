"""Structures are looked at before they are described: what is exploded, broken, alone or a copy is told."""

from __future__ import annotations

import gzip
import json

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures
from mlipselect.io.isolated import marks_of
from mlipselect.labels import read_labels


def sound(n, seed=0):
    frames = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=seed + k)
        frames.append(atoms)
    return frames


def exploded(n):
    frames = sound(n, seed=500)
    for k, atoms in enumerate(frames):
        atoms.positions[1] = atoms.positions[0] + [0.3 + 0.05 * k, 0.0, 0.0]
    return frames


def small():
    return ms.ACE(["Cu"], totaldegree=4)


def test_exploded_structures_are_warned_of_with_counts_and_places(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", sound(100) + exploded(10))
    assert main(["select", "pool.xyz", "-n", "10", "--totaldegree", "4", "-o", "out.xyz"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mlipselect: warning: ")]
    line = next(line for line in said if "covalent" in line)
    assert "10 of 110 structures of the pool have atoms closer than 0.5 of the sum" in line
    assert "pool.xyz, frame 100: Cu 0 and Cu 1 are 0.3 Å apart, 0.11 of" in line
    assert "; and 7 more" in line
    assert "--skip-bad" in line
    assert "--min-bond" in line


def test_skip_bad_passes_over_them_and_writes_them_with_reasons(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", exploded(5) + sound(20))
    command = ["select", "pool.xyz", "-n", "10", "--totaldegree", "4", "--skip-bad", "-o", "out.xyz"]
    assert main(command) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert min(record["indices"]) >= 5
    assert [item[:2] for item in record["rejected"]] == [["pool.xyz", k] for k in range(5)]
    assert record["inputs"]["pool"]["candidates"] == 20
    assert "5 structures of the pool passed over by skip_bad" in record["notes"]
    assert record["parameters"]["skip_bad"] is True
    rejected = ase.io.read("out.rejected.xyz", ":")
    assert len(rejected) == 5
    assert "0.3 Å apart" in rejected[0].info["mlipselect_rejected"]
    assert rejected[3].info["mlipselect_index"] == 3
    printed = capsys.readouterr()
    assert "5 of 25 structures of the pool are passed over" in printed.err
    assert printed.out.splitlines()[-1] == "wrote out.xyz, out.json, out.rejected.xyz"
    ase.io.write("pool.xyz", sound(20))
    assert main(command) == 0
    assert not (tmp_path / "out.rejected.xyz").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "wrote out.xyz, out.json"


def test_a_limit_that_is_given_refuses():
    pool = sound(6) + exploded(2)
    with pytest.raises(InvalidInputError, match=r"2 of 8 structures of the pool have atoms closer than 0\.4"):
        ms.select(pool, 2, min_bond=0.4, descriptor=small())
    assert len(ms.select(pool, 2, min_bond=0.1, descriptor=small())) == 2
    selection = ms.select(pool, 6, min_bond=0.12, skip_bad=True, descriptor=small())
    assert [item.index for item in selection.rejected] == [6]
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InvalidInputError, match="min_bond: expected a fraction"):
            ms.select(pool, 2, min_bond=bad, descriptor=small())


@pytest.mark.parametrize(
    "atoms",
    [
        molecule("H2"),
        molecule("H2O"),
        molecule("CH4"),
        Atoms("HOH", [[-1.2, 0, 0], [0, 0, 0], [1.2, 0, 0]]),
        Atoms("OHO", [[-1.2, 0, 0], [0, 0, 0], [1.2, 0, 0]]),
        bulk("Cu", a=3.0),
        bulk("C", a=2.9),
        bulk("Cs", "bcc", a=4.0),
        bulk("NaCl", "rocksalt", a=4.4),
        bulk("U", "bcc", a=3.0),
    ],
)
def test_what_exists_is_not_warned_of(atoms, caplog):
    Structures([atoms], checks=Checks()).survey()
    assert not caplog.records


def test_images_count_and_the_core_is_left_alone(caplog):
    thin = Atoms("Cu", cell=[0.8, 5.0, 5.0], pbc=True)
    Structures([thin], checks=Checks()).survey()
    assert "Cu 0 and its periodic image are 0.8 Å apart" in caplog.text
    caplog.clear()
    ms.select(sound(4), 2, core=exploded(1), descriptor=small())
    assert "covalent" not in caplog.text


def broken():
    nan, singular, coincident, empty = [*sound(3, seed=90), Atoms()]
    nan.positions[2, 1] = np.nan
    singular.cell[2] = singular.cell[1]
    coincident.positions[3] = coincident.positions[2]
    return {"nan": nan, "singular": singular, "coincident": coincident, "empty": empty}


@pytest.mark.parametrize("kind", list(broken()))
@pytest.mark.parametrize("is_core", [False, True])
def test_what_cannot_be_described_is_refused_early_or_passed_over(kind, is_core, caplog):
    bad = [*sound(2, seed=30), broken()[kind], *sound(2, seed=40)]
    given = {"pool": sound(5), "core": bad} if is_core else {"pool": bad}
    with pytest.raises(StructureError, match="structure 2"):
        ms.select(**given, n=2, descriptor=small())
    selection = ms.select(**given, n=2, descriptor=small(), skip_bad=True)
    assert [item.index for item in selection.rejected] == [2]
    assert all(index != 2 for index in selection.indices) or is_core
    assert f"of the {'core' if is_core else 'pool'}" in caplog.text
    X = ms.featurize(bad, small(), skip_bad=True)
    assert [index for _, index in X.sources] == [0, 1, 3, 4]
    assert [item.index for item in X.rejected] == [2]


@pytest.mark.parametrize("comment", ["usual", "free text"])
@pytest.mark.parametrize("damage", ["cut", "cut in a line", "cut before the atoms", "junk", "blank"])
def test_frames_after_a_damaged_one_are_read(tmp_path, damage, comment):
    ase.io.write(tmp_path / "pool.xyz", sound(6), format="extxyz" if comment == "usual" else "xyz")
    lines = (tmp_path / "pool.xyz").read_text().splitlines()
    size = len(lines) // 6
    blocks = [lines[k * size : (k + 1) * size] for k in range(6)]
    if damage in ("junk", "blank"):
        blocks.insert(2, ["Killed by signal 9"] if damage == "junk" else [""])
    else:
        del blocks[2][2 if damage == "cut before the atoms" else -1 :]
        if damage == "cut in a line":
            blocks[2].append("Cu 0.0 1.")
            del blocks[2][-2]
    (tmp_path / "pool.xyz").write_text("".join(line + "\n" for block in blocks for line in block))
    structures = Structures(str(tmp_path / "pool.xyz"), checks=Checks(skip_bad=True)).survey()
    assert list(structures.rejected) == [2]
    told = {"junk": "got 'Killed by signal 9'", "blank": "blank line"}.get(damage, "the frame is cut short")
    assert told in structures.rejected[2].reason
    sound_ones = [frame.index for frame in structures.iter_candidates()]
    assert sound_ones == [index for index in range(len(blocks)) if index != 2]
    for index in sound_ones:
        assert ms.read(f"{tmp_path / 'pool.xyz'}@{index}")[0].get_chemical_symbols()
    with pytest.raises(StructureError, match=told):
        ms.read(tmp_path / "pool.xyz")


def test_a_header_on_the_rest_of_a_line_loses_its_frame_alone(tmp_path):
    ase.io.write(tmp_path / "pool.xyz", sound(6))
    lines = (tmp_path / "pool.xyz").read_text().splitlines()
    size = len(lines) // 6
    lines[3 * size - 1 : 3 * size + 1] = ["Cu 0.0 0." + lines[3 * size]]
    (tmp_path / "pool.xyz").write_text("\n".join(lines) + "\n")
    structures = Structures(str(tmp_path / "pool.xyz"), checks=Checks(skip_bad=True)).survey()
    assert "the frame is cut short" in structures.rejected[2].reason
    assert len(structures.candidates) == 4


def test_the_rest_that_is_not_read_is_told_on_its_own(tmp_path, caplog):
    ase.io.write(tmp_path / "pool.xyz", sound(6))
    data = gzip.compress((tmp_path / "pool.xyz").read_bytes() * 500)
    (tmp_path / "pool.xyz.gz").write_bytes(data[: len(data) // 2])
    structures = Structures(str(tmp_path / "pool.xyz.gz"), checks=Checks(skip_bad=True)).survey()
    assert len(structures.rejected) == 1
    assert f"not read beyond frame {next(iter(structures.rejected))}" in caplog.messages[0]


def test_frames_that_cannot_be_parsed_keep_the_indices_of_the_file(tmp_path):
    ase.io.write(tmp_path / "pool.xyz", sound(6))
    lines = (tmp_path / "pool.xyz").read_text().splitlines()
    lines[8] = "Cu 0.0 oops 0.0"
    (tmp_path / "pool.xyz").write_text("\n".join(lines[:-2]) + "\n")
    path = str(tmp_path / "pool.xyz")
    with pytest.raises(StructureError, match="frame 1"):
        ms.select(path, 2, descriptor=small())
    selection = ms.select(path, 4, descriptor=small(), skip_bad=True, output=tmp_path / "out.xyz")
    assert sorted(selection.indices.tolist()) == [0, 2, 3, 4]
    assert [(item.index, item.atoms) for item in selection.rejected] == [(1, None), (5, None)]
    assert selection.rejected[1].reason.startswith("the file is truncated")
    assert selection.record()["rejected"][0][:2] == [path, 1]
    assert not (tmp_path / "out.rejected.xyz").exists()
    ms.select(path, 2, descriptor=small(), skip_bad=True, isolated="none")
    for held in (0, 10**6):
        structures = Structures(path, held_atoms=held, checks=Checks(skip_bad=True)).survey()
        assert [frame.index for frame in structures.iter_candidates()] == [0, 2, 3, 4]
        assert [frame.index for frame in structures.take([4, 2])] == [4, 2]
    with pytest.raises(StructureError, match="nowhere"):
        ms.select(str(tmp_path / "nowhere.xyz"), 2, descriptor=small(), skip_bad=True)


def test_a_descriptor_that_fails_on_some_structures():
    pool = sound(40)

    def describe(atoms):
        if any(atoms is pool[k] for k in (7, 20, 21)):
            raise ZeroDivisionError("no such angle")
        return atoms.positions

    with pytest.raises(StructureError, match="structure 7: the descriptor failed"):
        ms.select(pool, 3, descriptor=describe)
    selection = ms.select(pool, 37, descriptor=describe, skip_bad=True)
    assert [item.index for item in selection.rejected] == [7, 20, 21]
    assert "no such angle" in selection.rejected[0].reason
    assert sorted(selection.indices.tolist()) == [k for k in range(40) if k not in (7, 20, 21)]
    clean = ms.select([pool[k] for k in selection.indices[np.argsort(selection.indices)]], 37, descriptor=describe)
    assert clean.scores.tolist() == selection.scores.tolist()
    stream = ms.featurize(iter(pool), describe, skip_bad=True)
    assert len(stream) == 37
    assert [item.index for item in stream.rejected] == [7, 20, 21]
    with pytest.raises(StructureError, match="no such angle"):
        ms.featurize([pool[7], pool[20]], describe, skip_bad=True)


def test_an_element_that_the_descriptor_does_not_know(caplog):
    gold = bulk("Au", cubic=True)
    selection = ms.select([*sound(3), gold], 3, core=[gold, *sound(1, 9)], descriptor=small(), skip_bad=True)
    assert "1 structure of the pool cannot be described and is passed over" in caplog.text
    assert [(item.index, "Cu" in item.reason or "29" in item.reason) for item in selection.rejected] == [
        (3, True),
        (0, True),
    ]


def test_forces_above_a_limit():
    pool = sound(5)
    for k, atoms in enumerate(pool):
        atoms.arrays["REF_forces"] = np.full((len(atoms), 3), 1.0 + 10.0 * (k == 2))
    with pytest.raises(InvalidInputError, match=r"1 of 5 structures of the pool .* a force above 5 eV/Å: structure 2"):
        ms.select(pool, 2, max_force=5.0, descriptor=small())
    selection = ms.select(pool, 4, max_force=5.0, skip_bad=True, descriptor=small())
    assert "by REF_forces" in selection.rejected[0].reason
    with pytest.raises(InvalidInputError, match="none of 5 structures of the pool has forces"):
        ms.select(sound(5), 2, max_force=5.0, descriptor=small())
    with pytest.raises(InvalidInputError, match="max_force: expected a positive"):
        ms.select(pool, 2, max_force=0.0, descriptor=small())


def test_fewer_sound_structures_than_asked_for(tmp_path):
    pool = sound(3) + exploded(2)
    with pytest.raises(InvalidInputError, match="n: expected between 1 and 5"):
        ms.select(pool, 6, skip_bad=True, descriptor=small())
    for method in ("bayesian", "fps", "random", "k_medoids", "cur", "facility_location"):
        selection = ms.select(pool, 5, skip_bad=True, method=method, descriptor=small())
        assert sorted(selection.indices.tolist()) == [0, 1, 2]
        assert selection.notes[0] == "3 of 5 structures selected: no other candidate is left"


def test_copies_are_counted(caplog):
    pool = sound(4)
    pool += [pool[0].copy(), pool[0].copy(), pool[2].copy()]
    pool[2].info["label"] = 1
    core = [pool[1].copy(), *sound(1, seed=70)]
    ms.select(pool, 2, core=core, descriptor=small())
    assert (
        "7 candidates are 4 different structures: 3 copies of other candidates (structure 0; structure 2), 1 copy of "
        "structures in the core (structure 1)"
    ) in caplog.text
    caplog.clear()
    shifted = pool[3].copy()
    shifted.positions[0, 0] = np.nextafter(shifted.positions[0, 0], 1.0)
    ms.select([*pool[:4], shifted], 2, descriptor=small())
    assert "copies" not in caplog.text


def test_single_atoms_that_nobody_marked_are_told(caplog):
    box = Atoms("Cu", cell=[12, 12, 12], pbc=True)
    dense = bulk("Cu")
    ms.select([*sound(3), box, Atoms("Cu"), dense], 2, descriptor=small())
    assert "2 of 6 structures of the pool are single atoms without neighbours" in caplog.text
    assert "structure 3: Cu; structure 4: Cu" in caplog.text
    assert "--isolated" in caplog.text


def marked(value):
    return Atoms("Cu", info={"config_type": value})


def test_several_marks_of_isolated_atoms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = [*sound(4), marked("free"), marked("atom")]
    ase.io.write("pool.xyz", pool)
    marks = ["config_type=free", "config_type=atom"]
    by_call = ms.select("pool.xyz", 3, isolated=marks, descriptor=small(), output="call.xyz")
    assert [frame.index for frame in by_call.isolated] == [4, 5]
    assert by_call.parameters["isolated"] == marks
    flags = ["--isolated", marks[0], "--isolated", marks[1]]
    assert main(["select", "pool.xyz", "-n", "3", "--totaldegree", "4", *flags, "-o", "out.xyz", "-q"]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["isolated"] == [["pool.xyz", 4], ["pool.xyz", 5]]
    assert main(["featurize", "pool.xyz", "--totaldegree", "4", *flags, "-o", "out.npz", "-q"]) == 0
    assert len(ms.Features.load("out.npz")) == 4
    one = ms.select("pool.xyz", 3, isolated=marks[:1], descriptor=small())
    assert one.parameters["isolated"] == marks[0]


def test_common_marks_are_known_and_said(caplog):
    pool = [*sound(4), marked("isolated_atom"), marked("IsolatedAtom")]
    selection = ms.select(pool, 3, descriptor=small())
    assert len(selection.isolated) == 2
    assert "2 single atoms are kept aside as isolated atoms" in caplog.text
    assert selection.parameters["isolated"] is None
    caplog.clear()
    ms.select(pool[:-1], 3, descriptor=small())
    assert "1 single atom is kept aside as an isolated atom and not scored, by config_type=isolated_atom" in caplog.text
    assert "--isolated none makes it a candidate" in caplog.text
    caplog.clear()
    assert not ms.select(pool, 3, isolated="none", descriptor=small()).isolated
    assert "2 of 6 structures of the pool are single atoms without neighbours" in caplog.text
    several = sound(2)
    several[0].info["config_type"] = "isolated_atom"
    assert not ms.select(several, 1, descriptor=small()).isolated
    with pytest.raises(StructureError, match="config_type=isolated_atom marks it"):
        ms.select(several, 1, isolated="config_type=isolated_atom", descriptor=small())


@pytest.mark.parametrize("spelling", ["isolated-atom", "Isolated Atom", "isolated", "free_atom", "FreeAtom"])
def test_select_and_fit_know_the_same_spellings(spelling, caplog):
    atom = marked(spelling)
    selection = ms.select([*sound(3), atom], 2, descriptor=small())
    assert len(selection.isolated) == 1
    assert f"by config_type={spelling}" in caplog.text
    atom.calc = SinglePointCalculator(atom, energy=-1.0)
    assert read_labels([atom])[0].is_free_atom


def test_marks_that_nothing_has_are_told(caplog):
    pool = [*sound(3), marked("free")]
    ms.select(pool, 2, isolated=["config_type=free", "config_type=other"], descriptor=small())
    assert "no structure has config_type=other" in caplog.text
    assert [str(mark) for mark in marks_of(["a=b", "a=b"])] == ["a=b"]
    with pytest.raises(InvalidInputError, match="expected KEY=VALUE"):
        marks_of("none at all")


def test_featurize_passes_over_bad_structures_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", sound(4) + exploded(2))
    for place, beside in ((["-o", "f.npz"], "f.rejected.xyz"), (["--store", "s.features"], "s.rejected.xyz")):
        assert main(["featurize", "pool.xyz", "--totaldegree", "4", "--skip-bad", *place]) == 0
        printed = capsys.readouterr()
        assert "2 of 6 structures are passed over" in printed.err
        assert printed.out.splitlines()[-1] == f"wrote {place[1]}, {beside}"
    assert len(ase.io.read("f.rejected.xyz", ":")) == len(ase.io.read("s.rejected.xyz", ":")) == 2
    store = ms.FeatureStore.open("s.features")
    assert np.array_equal(store.take(range(4)), ms.Features.load("f.npz").per_structure)
    with pytest.raises(InvalidInputError, match="give them to featurize"):
        ms.select("s.features", 2, skip_bad=True)
    assert main(["featurize", "pool.xyz", "--totaldegree", "4", "--min-bond", "0.5", "-o", "g.npz"]) == 1
    assert "2 of 6 structures have atoms closer" in capsys.readouterr().err


def test_rejected_structures_of_an_earlier_result_go_and_files_of_others_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", sound(4) + exploded(1))
    commands = (
        (["select", "pool.xyz", "-n", "2", "--totaldegree", "4", "-o", "out.xyz"], "out.rejected.xyz"),
        (["featurize", "pool.xyz", "--totaldegree", "4", "-o", "f.npz"], "f.rejected.xyz"),
    )
    for command, name in commands:
        beside = tmp_path / name
        assert main([*command, "--skip-bad"]) == 0
        assert len(ase.io.read(name, ":")) == 1
        assert "1 of 5 structures" in (said := capsys.readouterr().err)
        assert "is passed over" in said
        rejected = beside.read_bytes()
        assert main(["select", name, "-n", "1", "--totaldegree", "4", "-o", name.replace(".rejected", "")]) == 0
        assert beside.read_bytes() == rejected  # it was the pool
        assert main(command) == 0
        assert not beside.exists()
        ase.io.write(name, sound(1))
        theirs = beside.read_bytes()
        assert main(command) == 0
        capsys.readouterr()
        assert main([*command, "--skip-bad"]) == 1
        assert f"{name}: structures that are passed over would replace it" in capsys.readouterr().err
        assert beside.read_bytes() == theirs


def test_a_result_that_cannot_be_written_leaves_the_rejected_structures_of_the_last(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", sound(4) + exploded(1))
    command = ["select", "pool.xyz", "-n", "2", "--totaldegree", "4", "--skip-bad", "-o", "out.xyz"]
    assert main(command) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ase.io.write("pool.xyz", sound(4) + exploded(3))
    before["pool.xyz"] = (tmp_path / "pool.xyz").read_bytes()
    monkeypatch.setattr("mlipselect.selection.job._write", lambda *_: (_ for _ in ()).throw(InvalidInputError("full")))
    assert main(command) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_structure_is_told_in_the_singular(caplog):
    atom = Atoms("Cu", positions=[[0.0, 0.0, 0.0]])
    ms.select([*sound(3), atom, *exploded(1)], 2, descriptor=small())
    one = "1 of 5 structures of the pool"
    assert f"{one} is a single atom without neighbours" in caplog.text
    assert "If it is a free atom, --isolated KEY=VALUE keeps it aside" in caplog.text
    assert f"{one} has atoms closer than" in caplog.text
    assert "It looks new to every method" in caplog.text
    assert "--skip-bad passes over it; if it is meant" in caplog.text
    caplog.clear()
    ms.select([*sound(3), *exploded(1)], 2, skip_bad=True, descriptor=small())
    assert "1 of 4 structures of the pool is passed over" in caplog.text


def test_everything_passed_over_is_a_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", exploded(3))
    (tmp_path / "out.xyz").write_text("of an earlier run")
    command = ["select", "pool.xyz", "-n", "2", "--totaldegree", "4", "--skip-bad", "-o", "out.xyz"]
    assert main([*command, "--save-posterior", "p.npz"]) == 3
    printed = capsys.readouterr()
    assert "0 of 2 structures selected: no other candidate is left" in printed.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.rejected.xyz", "pool.xyz"]
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["indices"] == []
    assert len(record["rejected"]) == 3
    selection = ms.select("pool.xyz", 2, skip_bad=True)
    assert len(selection) == 0
    assert selection.posterior is None
    assert not selection.structures


@pytest.mark.parametrize("method", ["bayesian", "fps", "facility_location", "random"])
def test_nothing_that_meets_the_limits_is_a_result(tmp_path, monkeypatch, capsys, method):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", sound(5))
    limits = ["--core", "pool.xyz", "--min-distance", "0.01"] if method != "random" else ["--max-atoms", "2"]
    options = ["-n", "3", "--totaldegree", "4", "--method", method, *limits]
    assert main(["select", "pool.xyz", *options, "-o", "out.xyz", "--save-posterior", "p.npz"]) == 3
    assert "0 of 3 structures selected: no other candidate meets the limits" in capsys.readouterr().out
    assert not (tmp_path / "out.xyz").exists()
    assert json.loads((tmp_path / "out.json").read_text())["indices"] == []
    assert (tmp_path / "p.npz").exists()
    assert main(["select", "pool.xyz", *options, "-q", "-o", "out.xyz"]) == 3
