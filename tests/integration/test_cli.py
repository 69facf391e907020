"""Whole runs of the command."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import differences

SELECT = ["select", "pool.xyz", "--core", "core.xyz", "--isolated", "config_type=isolated_atom", "--totaldegree", "8"]


def test_select_writes_frames_record_and_table(files, capsys):
    assert main([*SELECT, "-n", "5", "-o", "out.xyz"]) == 0
    output = capsys.readouterr()
    pool, record = ms.read("pool.xyz"), json.loads((files / "out.json").read_text())
    for rank, (atoms, index) in enumerate(zip(ase.io.read("out.xyz", ":"), record["indices"], strict=True), start=1):
        assert differences(atoms, pool[index], ignore="mlipselect_") == []
        assert atoms.info["mlipselect_rank"] == rank
    assert output.err == ""
    table = output.out.splitlines()
    assert table[0].split() == ["rank", "index", "file", "frame", "config_type", "score", "information"]
    assert [int(line.split()[1]) for line in table[1:6]] == record["indices"]
    assert "selected 5 of 12 candidates, given 4 structures in the core, by bayesian, pool_variance" in output.out
    assert "effective dimension" in output.out
    assert table[-1] == "wrote out.xyz, out.json"


def test_the_command_and_the_function_are_one(files):
    main([*SELECT, "-n", "5", "-o", "out.xyz", "-q", "--score", "pool_std", "--update", "atoms", "--ridge", "1e-4"])
    selection = ms.select(
        "pool.xyz",
        5,
        "core.xyz",
        ms.ACE(totaldegree=8),
        isolated="config_type=isolated_atom",
        score="pool_std",
        update="atoms",
        ridge=1e-4,
    )
    assert json.loads((files / "out.json").read_text()) == selection.record()


def test_long_tables_are_shortened(files, capsys):
    ms.io.write_exact("many.xyz", ms.read("pool.xyz") * 3)
    main(["select", "many.xyz", "--totaldegree", "6", "-n", "30", "-o", "out.xyz"])
    table = capsys.readouterr().out.splitlines()
    ranks = [line.split()[0] for line in table[1 : table.index("")]]
    assert ranks == [*(str(rank) for rank in range(1, 16)), "...", *(str(rank) for rank in range(26, 31))]


def test_threads_change_nothing(files):
    for threads in ("1", "2"):
        main([*SELECT, "-n", "6", "-o", f"out{threads}.xyz", "-q", "--threads", threads])
    assert (files / "out1.xyz").read_bytes() == (files / "out2.xyz").read_bytes()
    assert (files / "out1.json").read_bytes() == (files / "out2.json").read_bytes()


def test_quiet_says_nothing_and_verbose_what_was_chosen(files, capsys):
    assert main(["select", "pool.xyz", "-n", "2", "-o", "out.xyz", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["select", "pool.xyz", "-n", "2", "-o", "out.xyz", "-v"]) == 0
    assert "mlipselect: ACE takes total degree 14: 383 features" in capsys.readouterr().err


def test_warnings_are_lines_on_the_standard_error(files, capsys):
    assert main([*SELECT, "-n", "2", "-o", "out.xyz", "--ridge", "10"]) == 0
    assert capsys.readouterr().err.startswith("mlipselect: warning: ridge 10.0 is so large that")
    assert main(["select", "pool.xyz", "-n", "2", "-o", "out.xyz", "--isolated", "a=b"]) == 0
    assert "mlipselect: warning: no structure has a=b" in capsys.readouterr().err
    assert main([*SELECT, "-n", "2", "-o", "out.xyz", "--ridge", "10", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_two_verbose_show_the_traceback(files, capsys):
    assert main(["select", "none.xyz", "-o", "out.xyz", "-vv"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("mlipselect: error: none.xyz")


def test_the_posterior_is_saved_with_the_rest(files, capsys):
    assert main([*SELECT, "-n", "3", "-o", "out.xyz", "--save-posterior", "out.posterior"]) == 0
    assert "wrote out.xyz, out.json, out.posterior" in capsys.readouterr().out
    assert ms.Posterior.load("out.posterior").dim == ms.ACE(["Si"], totaldegree=8).n_features


def test_an_interrupt_leaves_nothing(files, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = sorted(files.iterdir())
    monkeypatch.setattr(ms.BayesianSelector, "fit", interrupted)
    assert main([*SELECT, "-n", "3", "-o", "out.xyz"]) == 130
    assert capsys.readouterr().err == "mlipselect: interrupted\n"
    assert sorted(files.iterdir()) == before


def test_an_interrupt_of_the_imports_is_told_in_a_line(tmp_path):
    # In the place of a package that takes long to import, and is interrupted then.
    interrupted = (
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), 2)\n"
    )
    (tmp_path / "ase.py").write_text(interrupted)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mlipselect_command import main; sys.exit(main())"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "mlipselect: interrupted\n")


@pytest.mark.parametrize("rows", ["structure", "atoms"])
def test_featurize_writes_what_featurize_returns(files, capsys, rows):
    arguments = ["--rows", rows, "--totaldegree", "8", "--dtype", "float32"]
    assert main(["featurize", "core.xyz", "pool.xyz", "-o", "features.npz", *arguments]) == 0
    assert "17 structures, 129 atoms, 54 features" in capsys.readouterr().out
    saved = ms.Features.load("features.npz")
    expected = ms.featurize(["core.xyz", "pool.xyz"], ms.ACE(["Si"], totaldegree=8), rows=rows, dtype=np.float32)
    assert saved.per_structure.dtype == np.float32
    assert np.array_equal(saved.per_structure, expected.per_structure)
    assert saved.sources == expected.sources
    assert (saved.per_atom is None) == (rows == "structure")


@pytest.mark.parametrize("arguments", [["--help"], ["select", "--help"], ["featurize", "--help"], ["demo", "--help"]])
def test_help_is_there_for_every_verb(capsys, arguments):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "mlipselect select" in text or "mlipselect featurize" in text or "mlipselect demo" in text
    assert "examples:" in text or "exit codes:" in text


def test_the_installed_command_runs(files):
    run = [sys.executable, "-m", "mlipselect"]
    done = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mlipselect {ms.__version__}\n"
    done = subprocess.run([*run, *SELECT, "-n", "2", "-o", "out.xyz"], capture_output=True, text=True, check=True)
    assert "wrote out.xyz, out.json" in done.stdout
    failed = subprocess.run([*run, "select", "none.xyz", "-o", "o.xyz"], capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error(files):
    command = f"{sys.executable} -m mlipselect {' '.join(SELECT)} -n 5 -o out.xyz | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert (files / "out.xyz").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--model", "si.model"],
            "--model: expected only with --descriptor chgnet or mace or matgl or mattersim or metatomic or nep or ",
        ),
        (["--descriptor", "mace"], "--descriptor mace: expected --model FILE with it, got none"),
        (["--descriptor", "mace", "--rcut", "5"], "--rcut: expected only with --descriptor ace, got mace"),
        (["--descriptor", "metatomic", "--all-features"], "--all-features: expected only with --descriptor mace, got"),
    ],
)
def test_options_of_another_descriptor_are_refused(files, capsys, options, message):
    assert main(["featurize", "pool.xyz", "-o", "out.npz", *options]) != 0
    assert message in capsys.readouterr().err
    assert not (files / "out.npz").exists()


@pytest.mark.parametrize("options", [["--descriptor", "mace"], ["--rcut", "4"]])
def test_a_potential_brings_its_descriptor(files, capsys, options):
    assert main(["select", "pool.xyz", "--potential", "si.npz", "-o", "out.xyz", *options]) != 0
    told = f"{options[0]}: expected no descriptor, as --potential has one: leave {options[0]} out"
    assert told in capsys.readouterr().err


def test_features_of_each_element_and_features_that_are_kept(files):
    options = ["--totaldegree", "6", "-n", "3", "-q"]
    for output in ("first.xyz", "second.xyz"):
        assert main(["select", "pool.xyz", *options, "--per-element", "--cache", "kept", "-o", output]) == 0
    assert len(list((files / "kept").rglob("*.npy"))) == 12
    assert (files / "first.json").read_bytes() == (files / "second.json").read_bytes()
    descriptor = json.loads((files / "first.json").read_text())["descriptor"]
    assert (descriptor["name"], descriptor["elements"], descriptor["descriptor"]["name"]) == (
        "PerElement",
        ["Si"],
        "ACE",
    )


def test_logging_of_the_caller_is_left_as_it_was(files, capsys):
    logger = logging.getLogger("mlipselect")
    before = logger.handlers[:], logger.propagate, logger.level, logging.getLogger("mlipselect.memory").level
    assert main(["select", "pool.xyz", "-n", "1", "-o", "selected.xyz", "-vv"]) == 0
    assert main(["select", "missing.xyz", "-o", "selected.xyz", "-q"]) == 1
    assert (logger.handlers, logger.propagate, logger.level, logging.getLogger("mlipselect.memory").level) == before
