"""Two processes that write the same store, checkpoint or output: one wins, and the other says so at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import write_exact
from reference.structures import rattled

#: The command line, in which the first call of `HOLD` says so and then waits for the end of standard input.
CODE = """
import importlib, sys
from mlipselect.cli import main
module, _, name = sys.argv[1].rpartition(".")
owner = importlib.import_module(module) if module.islower() else None
if owner is None:
    module, _, kind = module.rpartition(".")
    owner = getattr(importlib.import_module(module), kind)
original = getattr(owner, name)
def held(*args, **options):
    setattr(owner, name, original)
    print("holding", flush=True)
    sys.stdin.read()
    return original(*args, **options)
setattr(owner, name, held)
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(autouse=True)
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_exact("pool.xyz", [rattled(seed) for seed in range(30)])
    write_exact("core.xyz", [rattled(seed) for seed in range(1000, 1004)])
    return tmp_path


class Holding:
    """A command that waits in the middle of its work, at the first call of a function, until it is let go."""

    def __init__(self, function, arguments):
        self.run = subprocess.Popen(
            [sys.executable, "-c", CODE, function, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self):
        assert self.run.stdout.readline() == "holding\n", self.run.stderr.read()
        return self

    def __exit__(self, *_):
        _, error = self.run.communicate()
        assert (self.run.returncode, error) == (0, "")


def second(*arguments):
    """Run a command, and return its exit code and what it said."""
    done = subprocess.run([sys.executable, "-m", "mlipselect", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def files():
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


SELECT = ["select", "pool.xyz", "--core", "core.xyz", "--totaldegree", "6", "-q"]
PICK = "mlipselect.selectors.greedy.GreedySelector.fit"
CASES = {
    "store": (
        "mlipselect.stores.writer.StoreWriter.add",
        ["featurize", "pool.xyz", "--totaldegree", "6", "--store", "features", "-q"],
        "features",
    ),
    "features": (
        "mlipselect.features.container.Features.write_to",
        ["featurize", "pool.xyz", "--totaldegree", "6", "-o", "pool.npz", "-q"],
        "pool.npz",
    ),
    "selection": (PICK, [*SELECT, "-n", "4", "-o", "selected.xyz"], "selected.xyz"),
    "checkpoint": (PICK, [*SELECT, "-n", "4", "--checkpoint", "picks.json", "-o", "selected.xyz"], "selected.xyz"),
    "hal": (
        "mlipselect.hal.hal.Hal._round",
        [
            "hal", "core.xyz", "--core", "core.xyz", "--base", "mlipselect.demo.tersoff:silicon_tersoff",
            "--totaldegree", "6", "-n", "2", "--burst", "10", "--checkpoint", "hal.json", "--trajectory", "walks",
            "-o", "taken.xyz", "-q",
        ],
        "taken.xyz",
    ),
}  # fmt: skip


def without_times(found):
    """Leave the seconds out of records, which differ from run to run."""
    out = dict(found)
    for name in found:
        if name in ("selected.json", "taken.json"):
            out[name] = {key: value for key, value in json.loads(found[name]).items() if key != "seconds"}
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_one_wins_and_the_other_says_so_at_once(name, tmp_path):
    function, arguments, subject = CASES[name]
    assert main(arguments) == 0
    alone = without_times(files())
    for path in sorted(Path().rglob("*"), reverse=True):
        if path.name not in ("pool.xyz", "core.xyz"):
            path.rmdir() if path.is_dir() else path.unlink()
    with Holding(function, arguments):
        before = files()
        assert second(*arguments) == (1, f"mlipselect: error: {subject}: another process is writing to it\n")
        assert files() == before
    assert without_times(files()) == alone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option", "other"),
    [("checkpoint", "picks.json", "other.xyz"), ("hal", "hal.json", "other.xyz"), ("hal", "walks", "other.xyz")],
)
def test_a_checkpoint_or_a_trajectory_serves_one_run(name, option, other):
    function, arguments, output = CASES[name]
    theirs = [other if word == output else word for word in arguments]
    if option == "walks":
        at = theirs.index("--checkpoint")
        del theirs[at : at + 2]
    with Holding(function, arguments):
        before = files()
        assert second(*theirs) == (1, f"mlipselect: error: {option}: another process is writing to it\n")
        assert files() == before


@pytest.mark.slow
def test_other_names_in_the_same_folder_do_not_wait():
    function, arguments, output = CASES["selection"]
    with Holding(function, arguments):
        assert second(*[("other.xyz" if word == output else word) for word in arguments]) == (0, "")
    assert Path("other.xyz").read_bytes() == Path(output).read_bytes()
    assert not list(Path().glob(".mlipselect-*"))


@pytest.mark.slow
def test_a_lock_of_a_killed_process_holds_nobody_up():
    function, arguments, _ = CASES["checkpoint"]
    killed = Holding(function, arguments)
    with killed.run:
        killed.__enter__()
        killed.run.kill()
    assert list(Path().glob(".mlipselect-*.lock"))
    assert second(*arguments) == (0, "")
    assert not list(Path().glob(".mlipselect-*.lock"))


def test_a_run_of_hal_whose_checkpoint_another_run_took_further_stops():
    def made():
        from mlipselect.demo.tersoff import silicon_tersoff

        surrogate = ms.Surrogate(ms.ACE(["Si"], totaldegree=6), core=["core.xyz"])
        return ms.Hal("core.xyz", silicon_tersoff, surrogate, 2, burst=10, random_state=0, checkpoint="hal.json")

    first, other = made(), made()
    other.run()
    with pytest.raises(ms.InvalidInputError, match=r"hal.json: another run has written to it since: make the run anew"):
        first.run()
    assert [pick.gain for pick in made().picks] == [pick.gain for pick in other.picks]
