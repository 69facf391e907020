"""What the command writes beside structures and record, and how it shows itself in a terminal."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys

import ase.io
import numpy as np
import pytest
from ase.io.formats import ioformats

import mlipselect as ms
from mlipselect.cli import main, terminal
from mlipselect.report.table import text_table
from mlipselect.selection.calculations import check_format

SELECT = [
    "select",
    "pool.xyz",
    "--core",
    "core.xyz",
    "--totaldegree",
    "6",
    "-n",
    "3",
    "-o",
    "out.xyz",
    "--threads",
    "1",
]


def test_a_table_for_spreadsheets_has_every_pick(files, capsys):
    assert main([*SELECT, "--csv", "picks.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "wrote out.xyz, out.json, picks.csv"
    record = json.loads((files / "out.json").read_text())
    with (files / "picks.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["index"]) for row in rows] == record["indices"]
    assert [float(row["score"]) for row in rows] == record["scores"]
    assert [row["reason"] for row in rows] == record["reasons"]
    pool = ms.read("pool.xyz")
    for row in rows:
        atoms = pool[int(row["frame"])]
        assert (row["file"], row["config_type"]) == ("pool.xyz", atoms.info["config_type"])
        assert (row["formula"], int(row["atoms"])) == ("Si8", len(atoms))
    ms.select("pool.xyz", 2, descriptor=ms.ACE(["Si"], totaldegree=4), method="fps").write_csv("fps.csv")
    with (files / "fps.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["score"] == "", "nothing is there to be far from"


@pytest.mark.parametrize(
    ("format_name", "name"),
    [
        ("vasp", "POSCAR"),
        ("espresso-in", "espresso.pwi"),
        ("abinit-in", "structure.abinit-in"),
        ("cif", "structure.cif"),
    ],
)
def test_each_pick_has_a_folder(files, capsys, format_name, name):
    assert main([*SELECT, "--write-each", "dft", "--each-format", format_name]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("out.json, 3 folders in dft")
    assert sorted(path.name for path in (files / "dft").iterdir()) == ["0001", "0002", "0003", "picks.csv"]
    for rank, atoms in enumerate(ase.io.read("out.xyz", ":"), start=1):
        written = ase.io.read(files / "dft" / f"{rank:04d}" / name, format=format_name)
        assert written.numbers.tolist() == atoms.numbers.tolist()
        assert np.allclose(written.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-5)
        assert np.allclose(written.cell.lengths(), atoms.cell.lengths(), atol=1e-5)
    assert not list(files.glob(".mlipselect-*"))


def test_folders_are_refused_before_the_work(files, capsys, monkeypatch):
    monkeypatch.setattr(ms.BayesianSelector, "fit", lambda *_, **__: pytest.fail("the work began"))
    (files / "full").mkdir()
    (files / "full" / "a").write_text("")
    for extra, message in [
        (["--write-each", "full"], "full: expected an empty folder or the name of a new one"),
        (["--write-each", "nowhere/dft"], "nowhere/dft: cannot be written"),
        (["--write-each", "dft", "--each-format", "what"], "expected one of ASE"),
        (["--write-each", "dft", "--each-format", "gpaw-out"], "ASE reads gpaw-out, and cannot write it"),
        (["--each-format", "vasp"], "expected --write-each with it"),
        (["--csv", "nowhere/picks.csv"], "cannot be written"),
        (["--csv", "core.xyz"], "would replace an input"),
        (["--csv", "out.xyz"], "a name of its own"),
        (["--csv", "same", "--report", "same"], "a name of its own"),
    ]:
        assert main([*SELECT, *extra]) == 1
        assert message in capsys.readouterr().err
    assert not (files / "out.xyz").exists()


def test_a_structure_that_a_format_cannot_hold_leaves_no_folder(files, monkeypatch):
    selection = ms.select("pool.xyz", 2, descriptor=ms.ACE(["Si"], totaldegree=4))
    monkeypatch.setattr(ase.io, "write", lambda *_, **__: 1 / 0)
    with pytest.raises(ms.InvalidInputError, match=r"pool\.xyz, frame \d+: ASE cannot write it as"):
        selection.write_each("dft", "vasp")
    assert not (files / "dft").exists()
    assert not list(files.glob(".mlipselect-*"))


def test_a_structure_that_a_format_cannot_hold_leaves_no_file_at_all(files, capsys):
    frames = ase.io.read("pool.xyz", ":")
    for atoms in frames:
        atoms.set_cell(None)
        atoms.pbc = False
    ase.io.write("molecules.xyz", frames)
    before = set(files.iterdir())
    command = ["select", "molecules.xyz", "-n", "2", "--totaldegree", "4", "-o", "out.xyz", "--csv", "picks.csv"]
    assert main([*command, "--report", "page.html", "--write-each", "dft"]) == 1
    assert "ASE cannot write it as vasp" in capsys.readouterr().err
    assert set(files.iterdir()) == before


def test_formats_that_ase_writes_are_let_through():
    for name, known in ioformats.items():
        if known.can_write:
            check_format(name)


def test_a_map_for_chemiscope_is_one_that_it_reads(files):
    chemiscope = pytest.importorskip("chemiscope", reason="chemiscope is not installed: its maps are not written")
    assert main([*SELECT, "--chemiscope", "map.json.gz", "-q"]) == 0
    with gzip.open("map.json.gz") as stream:
        found = json.load(stream)
    record = json.loads((files / "out.json").read_text())
    values = {name: known["values"] for name, known in found["properties"].items()}
    assert len(found["structures"]) == 12
    assert [values["rank"][index] for index in record["indices"]] == [1, 2, 3]
    assert sorted(values["rank"])[:9] == [0] * 9
    pool = ms.read("pool.xyz")
    assert values["config_type"] == [atoms.info["config_type"] for atoms in pool]
    assert np.allclose(values["energy per atom"], [atoms.info["dft_energy"] / len(atoms) for atoms in pool])
    # The package makes the same of what it reads back, and finds nothing wrong.
    again = chemiscope.create_input(structures=pool, properties=found["properties"], settings=found["settings"])
    assert again["properties"] == found["properties"]
    assert [s["size"] for s in again["structures"]] == [s["size"] for s in found["structures"]]


def test_without_chemiscope_the_extra_is_named(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "chemiscope", None)
    assert main([*SELECT, "--chemiscope", "map.json"]) == 1
    assert "mlipselect[chemiscope]" in capsys.readouterr().err
    assert not (files / "out.xyz").exists()


def test_merge_and_hal_take_them_too(files, capsys):
    for verb in ("merge", "hal"):
        assert main([verb, "--help"]) == 0
        text = capsys.readouterr().out
        for option in ("--report FILE", "--csv FILE", "--write-each DIR", "--chemiscope FILE"):
            assert option in text


def test_files_of_the_same_name_are_told_apart(files, capsys):
    pool = ms.read("pool.xyz")
    for folder in ("a", "b"):
        (files / "runs" / folder).mkdir(parents=True)
    ms.io.write_exact("runs/a/pool.xyz", pool[:6])
    ms.io.write_exact("runs/b/pool.xyz", pool[6:])
    main(["select", "runs/a/pool.xyz", "runs/b/pool.xyz", "--totaldegree", "4", "-n", "8", "-o", "out.xyz"])
    names = {line.split()[2] for line in capsys.readouterr().out.splitlines()[1:9]}
    assert names == {"a/pool.xyz", "b/pool.xyz"}


@pytest.mark.parametrize("most", [30, 40, 60, None])
def test_columns_fit_where_they_can(most):
    header = ["rank", "file", "score"]
    rows = [["1", "a-very-long-name-of-a-file.xyz", "12.3"], ["2", "b.xyz", "4.5"]]
    lines = text_table(header, rows, [1], most).splitlines()
    assert max(map(len, lines)) <= (most or 1000)
    assert all(line.endswith(end) for line, end in zip(lines, ("score", "12.3", "4.5"), strict=True))
    assert ("a-very-long-name-of-a-file.xyz" in lines[1]) == (most in (60, None))
    assert lines[1].split()[1].startswith("a-very")
    assert lines[1].split()[1].endswith(".xyz")


def test_numbers_are_never_shortened():
    assert text_table(["a", "b"], [["123456789", "987654321"]], [], 5).splitlines()[1] == "123456789  987654321"


class Stream(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "variables", "coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals(monkeypatch, is_terminal, variables, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.is_coloured(Stream(is_terminal)) == coloured
    assert (terminal.styled("text", "red", Stream(is_terminal)) != "text") == coloured


def test_only_terminals_have_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "71")
    assert terminal.width_of(Stream(True)) == 71
    assert terminal.width_of(Stream(False)) is None


def test_the_command_has_colours_where_they_are_asked_for(files, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(SELECT) == 0
    text = capsys.readouterr().out
    assert text.startswith("\033[1mrank")
    assert "\033[32mwrote" in text
    assert main(["select", "none.xyz", "-o", "o.xyz"]) == 1
    assert "\033[31merror\033[0m: none.xyz" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(SELECT) == 0
    assert "\033" not in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_verbs_and_options(capsys, shell):
    pytest.importorskip("shtab", reason="shtab is not installed: there is no completion")
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    # tcsh is told the verbs only.
    for word in ("select", "featurize", *(() if shell == "tcsh" else ("max-memory", "facility_location"))):
        assert word in script
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_without_shtab_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 1
    assert "mlipselect[completion]" in capsys.readouterr().err
