"""`select --checkpoint`: a command that was stopped is given again."""

from __future__ import annotations

import json
import os
import signal

import pytest

import mlipselect as ms
from mlipselect import checkpoint
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError

COMMAND = ["select", "pool.xyz", "--core", "core.xyz", "--isolated", "config_type=isolated_atom", "-n", "6", "-q"]
ACE = ["--totaldegree", "6"]
KEPT = ["--checkpoint", "picks.json"]


@pytest.fixture
def stop_after(monkeypatch):
    """Stop every run after so many further decisions, as a signal would."""

    def patch(count, number=signal.SIGINT):
        def is_due(self):
            self.until = getattr(self, "until", len(self.decisions) + count - 1)
            if len(self.decisions) >= self.until:
                os.kill(os.getpid(), number)
            return False

        monkeypatch.setattr(checkpoint.Checkpoint, "is_due", is_due)

    # A shell starts what runs in the background with an interrupt that is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield patch
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "options",
    [[], ["--score", "energy"], ["--method", "fps"], ["--method", "facility_location"],
     ["--score", "force", "--update", "forces"],
     ["--max-atoms", "40", "--min-distance", "0.3", "--stop-gain", "1e-6"]],
)  # fmt: skip
def test_the_output_is_that_of_one_run(files, stop_after, capsys, options):
    assert main([*COMMAND, *ACE, *options, "-o", "whole.xyz"]) == 0
    stop_after(2)
    codes = [main([*COMMAND, *ACE, *options, *KEPT, "-o", "parts.xyz"])]
    assert "structures are picked, and kept in picks.json: the same call goes on from it" in capsys.readouterr().err
    assert not (files / "parts.xyz").exists()
    while codes[-1] == 130:
        codes.append(main([*COMMAND, *ACE, *options, *KEPT, "-o", "parts.xyz"]))
    assert codes[-1] == 0
    assert len(codes) >= 3
    assert (files / "parts.xyz").read_bytes() == (files / "whole.xyz").read_bytes()
    assert (files / "parts.json").read_bytes() == (files / "whole.json").read_bytes()


def test_the_output_from_a_store_is_that_of_one_run(files, stop_after):
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="features")
    command = ["select", "features", *COMMAND[2:]]
    assert main([*command, "-o", "whole.xyz"]) == 0
    stop_after(2)
    while (code := main([*command, *KEPT, "-o", "parts.xyz", "--max-memory", "500MB"])) == 130:
        pass
    assert code == 0
    assert (files / "parts.xyz").read_bytes() == (files / "whole.xyz").read_bytes()
    parts, whole = (json.loads((files / f"{name}.json").read_text()) for name in ("parts", "whole"))
    for record in (parts, whole):
        record["parameters"].pop("max_memory")
    assert parts == whole


def test_sigterm_ends_a_run_like_ctrl_c(files, stop_after, capsys):
    stop_after(3, signal.SIGTERM)
    assert main([*COMMAND, *ACE, *KEPT, "-o", "parts.xyz"]) == 143
    kept = "3 of 6 structures are picked, and kept in picks.json: the same call goes on from it"
    assert capsys.readouterr().err == f"mlipselect: interrupted: {kept}\n"
    assert len(json.loads((files / "picks.json").read_text())["decisions"]) == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--ridge", "1e-5"], "ridge was 0.0001 and is 1e-05"),
        (["--scale", "none"], 'scale was "root" and is "none"'),
        (["--score", "energy"], 'score was "pool_variance" and is "energy"'),
        (["-n", "7"], "n was 6 and is 7"),
        (["--totaldegree", "7"], "descriptor was"),
        (["--core", "pool.xyz"], "core was"),
        (["--method", "fps"], 'method was "BayesianSelector" and is "FPS"'),
        (["--max-atoms", "50"], "max_atoms was null and is 50"),
    ],
)
def test_another_selection_is_refused(files, capsys, change, message):
    assert main([*COMMAND, *ACE, *KEPT, "-o", "first.xyz"]) == 0
    assert main([*COMMAND, *ACE, *change, *KEPT, "-o", "other.xyz"]) == 1
    error = capsys.readouterr().err
    assert f"picks.json: the checkpoint of another selection: {message}" in error
    assert error.endswith("name another file, or delete it to begin anew\n")
    assert not (files / "other.xyz").exists()


def test_another_pool_is_refused(files):
    ms.select("pool.xyz", 3, "core.xyz", ms.ACE(["Si"], totaldegree=6), checkpoint="picks.json")
    pool = ms.read("pool.xyz")
    pool[4].positions[0] += 0.1
    ms.io.write_exact("pool.xyz", pool)
    with pytest.raises(InvalidInputError, match=r"picks\.json: the checkpoint of another selection: pool was"):
        ms.select("pool.xyz", 3, "core.xyz", ms.ACE(["Si"], totaldegree=6), checkpoint="picks.json")
    with pytest.raises(InvalidInputError, match=r"picks\.json: the checkpoint of another selection: pool was"):
        ms.select(pool, 3, "core.xyz", ms.ACE(["Si"], totaldegree=6), checkpoint="picks.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "cur", *KEPT], "checkpoint: the method cur makes its picks together"),
        (["--checkpoint", "out.xyz"], "out.xyz: the checkpoint cannot go there: it is a folder, an input or an output"),
        (["--checkpoint", "core.xyz"], "core.xyz: the checkpoint cannot go there"),
        (["--checkpoint", "."], "the checkpoint cannot go there"),
        (["--checkpoint", "nowhere/picks.json"], "nowhere/picks.json: the checkpoint cannot be written: nowhere is no"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(files, capsys, options, message):
    assert main([*COMMAND, *ACE, *options, "-o", "out.xyz"]) == 1
    assert message in capsys.readouterr().err
    assert not (files / "out.xyz").exists()
