"""Runs of biased dynamics: the same for any workers and after any stop, with picks that `select` would score alike."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.md.verlet import VelocityVerlet

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.hal import hal as hal_module
from mlipselect.hal.checkpoint import HalCheckpoint
from mlipselect.hal.geometry import bare
from mlipselect.hal.guards import _KINDS, OTHER
from mlipselect.hal.outcome import selection_of
from mlipselect.io import write_exact
from mlipselect.labels import read_labels
from mlipselect.report.table import selection_table
from mlipselect.utils.told import told_number

ACE = ms.ACE(["Si"], totaldegree=6)


@pytest.fixture(scope="module")
def core():
    return label(silicon_core()[::4])


@pytest.fixture(scope="module")
def potential(core):
    return ms.LinearPotential(ACE, reference_energies={"Si": 0.0}).fit(core)


@pytest.fixture(scope="module")
def surrogate(potential, core):
    return ms.Surrogate(potential, core=core)


def starts():
    """Two crystals of 8 atoms, of which one has a vacancy."""
    crystal = bulk("Si", a=5.43, cubic=True)
    crystal.info = {"config_type": "bulk", "dft_energy": -3.0}
    crystal.arrays["dft_force"] = np.ones((8, 3))
    defect = crystal.copy()
    del defect[0]
    return [crystal, defect]


OPTIONS = {"temperature": (600.0, 1200.0, 1800.0), "burst": 30, "tau": 0.0, "patience": 5, "update": "structure"}


def made(potential, surrogate, n=6, **options):
    return ms.Hal(starts(), potential, surrogate, n, **{**OPTIONS, **options})


def told(run):
    return [(pick.told(), pick.atoms.positions.tolist(), pick.atoms.cell.tolist()) for pick in run.picks]


@pytest.fixture(scope="module")
def whole(potential, surrogate):
    run = made(potential, surrogate)
    list(run)
    return run


def test_a_run_takes_what_was_asked_for(whole):
    assert len(whole.picks) == 6
    assert whole.ended == "all 6 structures were taken"
    assert {pick.walker for pick in whole.picks} <= {0, 1, 2}
    for pick in whole.picks:
        assert pick.score > pick.threshold == 3.0
        assert pick.nearest.endswith("(bulk)")


def test_the_gains_are_those_of_select_with_the_same_posterior(whole, surrogate):
    posterior = surrogate.posterior
    for pick in whole.picks:
        X = ms.featurize([pick.atoms], ACE)
        selector = ms.BayesianSelector(1, score="logdet", posterior=posterior).fit(X)
        assert pick.gain == pytest.approx(selector.scores_[0], rel=1e-8)
        posterior = selector.posterior_
    assert whole.posterior.logdet() == pytest.approx(posterior.logdet(), rel=1e-12)


def test_a_round_is_greedy(whole):
    rounds = {}
    for pick in whole.picks:
        rounds.setdefault(pick.round, []).append(pick.uncertainty_per_atom)
    for deviations in rounds.values():
        assert deviations == sorted(deviations, reverse=True)


@pytest.mark.parametrize("workers", [2])
def test_processes_take_the_same(whole, potential, surrogate, workers):
    run = made(potential, surrogate, workers=workers)
    list(run)
    assert told(run) == told(whole)


def test_a_cluster_takes_the_same(whole, potential, surrogate):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        run = made(potential, surrogate, client=client)
        list(run)
    assert told(run) == told(whole)


@pytest.mark.parametrize("at", ["threshold", "peak"])
@pytest.mark.parametrize("bias", [{"tau": 0.3}, {"tau": None, "tau_rel": 0.3}])
def test_a_run_that_is_stopped_in_any_round_takes_the_same(potential, surrogate, tmp_path, monkeypatch, at, bias):
    options = {**bias, "at": at, "threshold": 2.0, "max_steps": 1500, "check_every": 4, "burst": 50}
    expected = made(potential, surrogate, **options)
    list(expected)
    path = tmp_path / "hal.ckpt"
    rounds = hal_module.Hal._round
    found, said = None, []
    while found is None:

        def one_round(self, where, began=[]):  # noqa: B006 - a new list for each run
            if began:
                raise KeyboardInterrupt
            began.append(True)
            return rounds(self, where)

        monkeypatch.setattr(hal_module.Hal, "_round", one_round)
        run = made(potential, surrogate, checkpoint=path, **options)
        try:
            list(run)
            found = run
        except KeyboardInterrupt as interrupt:
            said.append(str(interrupt))
    assert len(said) >= 3
    assert all("the same call goes on from it" in text for text in said)
    assert told(found) == told(expected)
    assert found.counts == expected.counts
    assert found.selection.record() == expected.selection.record()


@pytest.fixture(scope="module")
def alloy():
    """Fit a potential of copper and gold; return it, its surrogate and a start."""
    rng = np.random.default_rng(0)
    core = []
    for seed in range(12):
        atoms = bulk("Cu", a=3.8, cubic=True)
        atoms.numbers[rng.choice(4, 2, replace=False)] = 79
        atoms.rattle(0.08, seed=seed)
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        core.append(atoms)
    ace = ms.ACE(["Cu", "Au"], totaldegree=4)
    potential = ms.LinearPotential(ace, reference_energies={"Cu": 0.0, "Au": 0.0}).fit(core)
    return potential, ms.Surrogate(potential, core=core), bare(core[0])


MOVES = {"swaps": 3, "cell_moves": 2, "burst": 20, "max_steps": 400, "threshold": 1e9, "patience": 100}


@pytest.mark.parametrize("workers", [1, 2])
def test_moves_between_bursts_are_counted_and_depend_on_the_seed_alone(alloy, workers):
    potential, surrogate, start = alloy
    run = ms.Hal(start, potential, surrogate, 2, temperature=(900.0, 1200.0), workers=workers, tau=0.2, **MOVES)
    list(run)
    rounds = run._state.round
    assert run.counts["swaps"] == 2 * 3 * (rounds - 1)
    assert run.counts["cell_moves"] == 2 * 2 * (rounds - 1)
    assert 0 < run.counts["swaps_accepted"] <= run.counts["swaps"]
    assert 0 < run.counts["cell_moves_accepted"] <= run.counts["cell_moves"]
    assert any("swaps of atoms accepted" in note for note in run.selection.notes)
    for walker in run._state.walkers:
        assert walker.atoms.get_volume() != start.get_volume()
    again = ms.Hal(start, potential, surrogate, 2, temperature=(900.0, 1200.0), tau=0.2, **MOVES)
    list(again)
    for one, other in zip(run._state.walkers, again._state.walkers, strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()


def test_without_moves_nothing_changes_and_wrong_ones_are_refused(alloy, whole, potential, surrogate):
    run = made(potential, surrogate, swaps=0, cell_moves=0)
    list(run)
    assert told(run) == told(whole)
    with pytest.raises(ms.InvalidInputError, match="swaps: expected a start with unlike atoms"):
        made(potential, surrogate, swaps=1)
    with pytest.raises(ms.InvalidInputError, match="swaps: expected at least 0"):
        made(potential, surrogate, swaps=-1)
    with pytest.raises(ms.InvalidInputError, match="cell_step"):
        made(potential, surrogate, cell_step=0.0)


def trajectories(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_trajectories_have_all_sound_frames(potential, surrogate, tmp_path):
    run = made(potential, surrogate, trajectory=tmp_path / "kept", min_bond=0.85)
    list(run)
    frames = [atoms for path in sorted((tmp_path / "kept").iterdir()) for atoms in read(path, ":")]
    assert len(frames) == run.counts["checks"] - run.counts["rejected"]
    steps = {}
    for atoms in frames:
        steps.setdefault(atoms.info["hal_walker"], []).append(atoms.info["hal_step"])
        assert atoms.get_temperature() == pytest.approx(atoms.info["hal_temperature"])
    assert sorted(steps) == [0, 1, 2]
    assert all(own == sorted(set(own)) for own in steps.values())
    for pick in run.picks:
        (frame,) = [a for a in frames if (a.info["hal_walker"], a.info["hal_step"]) == (pick.walker, pick.step)]
        assert (frame.positions == pick.atoms.positions).all()


def test_a_stopped_run_goes_on_with_its_trajectories(whole, potential, surrogate, tmp_path):
    expected = made(potential, surrogate, trajectory=tmp_path / "whole")
    list(expected)
    assert told(expected) == told(whole)
    path, folder = tmp_path / "hal.ckpt", tmp_path / "parts"
    begun = made(potential, surrogate, checkpoint=path, trajectory=folder)
    with hal_module.executor(begun._setup, 1) as where:
        begun._round(where)
        begun._checkpoint.write(begun._state)
        begun._round(where)  # of which the checkpoint does not know
    list(made(potential, surrogate, checkpoint=path, trajectory=folder))
    assert trajectories(folder) == trajectories(tmp_path / "whole")
    (folder / "walker-001.xyz").unlink()
    with pytest.raises(ms.InvalidInputError, match=r"walker-001.xyz: expected the trajectory .* got 0 bytes"):
        made(potential, surrogate, checkpoint=path, trajectory=folder)


def test_progress_says_steps_score_and_speed(potential, surrogate, capsys):
    run = made(potential, surrogate, n=1, progress=True)
    list(run)
    shown = capsys.readouterr().err
    assert f"{run.counts['steps']} steps" in shown
    assert "extrapolation" in shown
    assert "ns/day" in shown


def test_the_consumer_may_stop_and_go_on(whole, potential, surrogate):
    run = made(potential, surrogate)
    first = next(iter(run))
    rest = list(run)
    assert [first, *rest] == run.picks
    assert told(run) == told(whole)


def test_seeds_differ_and_repeat(whole, potential, surrogate):
    other = made(potential, surrogate, random_state=1)
    list(other)
    assert told(other) != told(whole)


def test_frames_that_fail_a_check_end_their_trajectory(potential, surrogate):
    run = made(potential, surrogate, min_bond=1.0, max_steps=900)
    list(run)
    assert run.counts["rejected"] > 0
    assert any("apart" in item.reason for item in run.rejected)
    assert run.rejected[0].reason.startswith("step ")
    for pick in run.picks:
        assert run.options.guards.problem(pick.atoms, np.zeros((len(pick.atoms), 3)), 1e9, pick.atoms) is None


def test_the_note_on_failed_frames_says_what_most_failed(potential, surrogate):
    run = made(potential, surrogate)

    def notes(**failed):
        kinds = Counter({"too hot": failed.get("hot", 0), "a force too large": failed.get("force", 0)})
        run._state = replace(run._state, failed=+kinds, counts=Counter(rejected=kinds.total()))
        return selection_of(run).notes[2:]

    assert notes() == ["0 of 3 trajectories ended by a failed check"]
    assert notes(hot=1) == ["1 of 4 trajectories ended by a failed check: too hot (1)"]
    said, hint = notes(hot=1, force=300)
    assert said == "301 of 304 trajectories ended by a failed check: a force too large (300), too hot (1)"
    assert hint.startswith("most trajectories ended so: lower `temperature`")
    assert "raise `friction`" in notes(hot=4)[1]


def test_failed_checks_are_counted_by_kind_beyond_the_frames_that_are_kept(potential, surrogate, monkeypatch):
    monkeypatch.setattr(hal_module, "MAX_REJECTED", 2)
    run = made(potential, surrogate, timestep=40.0, max_steps=2000, n=50)
    list(run)
    assert len(run.rejected) == 2
    assert run.failed.total() == run.counts["rejected"] > 3
    assert set(run.failed) <= {*_KINDS.values(), OTHER}
    assert run.n_trajectories == 3 + run.failed.total()
    assert selection_of(run).record()["run"]["failed"] == dict(run.failed)


def test_a_score_has_one_value_in_file_record_and_table(whole, tmp_path):
    whole.selection.write(tmp_path / "picked.xyz")
    scores = [pick.score for pick in whole.picks]
    frames = read(tmp_path / "picked.xyz", ":")
    assert [atoms.info["hal_score"] for atoms in frames] == scores
    assert [atoms.info["mlipselect_score"] for atoms in frames] == scores
    assert json.loads((tmp_path / "picked.json").read_text())["scores"] == scores
    header, *rows = selection_table(whole.selection).splitlines()
    place = header.split().index("score") - len(header.split())
    assert [row.split()[place] for row in rows[: len(scores)]] == [told_number(score, 4) for score in scores]


def test_a_walker_that_explodes_begins_again(potential, surrogate):
    run = made(potential, surrogate, timestep=40.0, max_steps=2000, n=50)
    list(run)
    assert run.counts["rejected"] > 3
    assert run.ended is not None
    assert {pick.start for pick in run.picks} <= {0, 1}


def test_a_last_sound_frame_that_leads_nowhere_is_tried_once(potential, surrogate):
    run = made(potential, surrogate, max_heat=1.1, max_steps=3000, threshold=1e9, patience=100, burst=100)
    list(run)
    ends = {}
    for item in run.rejected:
        step = int(item.reason.removeprefix("step ").split(":")[0])
        ends.setdefault(item.index, []).append((step, item.atoms.info["hal_start"]))
    # Only a trajectory that went on for a burst after it was resumed is resumed again.
    tries = [
        three
        for of_walker in ends.values()
        for three in zip(of_walker[:-2], of_walker[1:-1], of_walker[2:], strict=True)
    ]
    resumed = [three for three in tries if three[0][1] == three[1][1] == three[2][1]]
    assert len(tries) > 20
    assert len(resumed) < len(tries)
    assert all(second[0] - first[0] >= 100 for first, second, _ in resumed)


def test_the_bias_rises_until_something_is_worth_taking(potential, surrogate):
    options = {"tau": None, "temperature": 300.0, "threshold": 4.0, "max_steps": 6000, "patience": 200}
    constant = made(potential, surrogate, tau_rise=0, **options)
    rising = made(potential, surrogate, **options)
    assert len(list(constant)) < len(list(rising))
    assert rising.counts["steps"] < constant.counts["steps"]


def test_near_duplicates_are_passed_over(potential, surrogate):
    run = made(potential, surrogate, min_distance=1e6)
    list(run)
    assert run.picks == []
    assert run.counts["near"] > 0
    assert run.ended == "no structure was worth taking in 5 rounds"


def test_a_small_gain_ends_a_run(potential, surrogate):
    run = made(potential, surrogate, n=50, stop_gain=0.6)
    list(run)
    gains = [pick.gain for pick in run.picks]
    assert 0 < len(gains) < 50
    assert min(gains) >= 0.6 * gains[0]
    assert run.ended == "the next structure would add less than 0.6 of the first gain"


def test_a_budget_of_steps_ends_a_run(potential, surrogate):
    run = made(potential, surrogate, n=50, threshold=1e9, max_steps=200, patience=100)
    assert list(run) == []
    assert 200 <= run.counts["steps"] < 200 + 3 * 30


def test_picks_with_their_forces_teach_more(potential, surrogate):
    by_energy, by_forces = (made(potential, surrogate, update=update, n=1) for update in ("structure", "forces"))
    first, second = next(iter(by_energy)), next(iter(by_forces))
    assert (first.atoms.positions == second.atoms.positions).all()
    rows = np.vstack([surrogate.row(first.atoms)[None], ACE.design(first.atoms).forces])
    after = surrogate.posterior.copy()
    after.update(np.ascontiguousarray(rows))
    assert second.gain == pytest.approx(surrogate.posterior.logdet() - after.logdet(), rel=1e-8)
    assert second.gain > first.gain


def test_what_labels_tell_is_what_the_next_fit_knows(potential, surrogate, core):
    run = made(potential, surrogate, update=None, n=3)
    list(run)
    assert run.selection.record()["parameters"]["update"] == "labels"
    everything = label([*core, *(pick.atoms for pick in run.picks)])
    again = ms.LinearPotential(ACE, reference_energies={"Si": 0.0})
    again.fit(everything)
    # The same rows with the noises and the prior of the first fit.
    again.noise_, again.prior_variance_ = potential.noise_, potential.prior_variance_
    rows = [
        again.label_rows(atoms, known, ACE.design(atoms))
        for atoms, known in zip(everything, read_labels(everything), strict=True)
    ]
    precision = np.diag(ACE.smoothness_prior(4) ** 2 / potential.prior_variance_)
    for structure in rows:
        for kind, block, _ in structure:
            precision += block.T @ block / potential.noise_[kind] ** 2
    assert -np.linalg.slogdet(precision)[1] == pytest.approx(run.posterior.logdet(), rel=1e-6)


def test_labels_need_a_potential(core, potential):
    with pytest.raises(ms.InvalidInputError, match="update: 'labels' needs the noises"):
        made(potential, ms.Surrogate(ACE, core=core), update="labels")
    with pytest.raises(ms.InvalidInputError, match="update: expected"):
        made(potential, ms.Surrogate(ACE, core=core), update="everything")


@pytest.mark.parametrize("trigger", ["gain", "max-atom", "relative-force"])
def test_other_triggers(potential, surrogate, trigger):
    run = made(potential, surrogate, trigger=trigger, threshold=1e-3, n=2)
    assert len(list(run)) == 2


@pytest.mark.skipif(find_spec("ase.md.langevinbaoab") is None, reason="this ASE has no LangevinBAOAB")
def test_pressure_changes_the_volume_and_a_stop_changes_nothing(potential, surrogate, tmp_path):
    options = {"pressure": 2.0, "threshold": 1e9, "max_steps": 400, "patience": 100, "burst": 20}
    expected = made(potential, surrogate, **options)
    list(expected)
    volumes = [walker.atoms.get_volume() for walker in expected._state.walkers]
    assert np.ptp([*volumes, starts()[0].get_volume()]) > 0.1
    path = tmp_path / "hal.ckpt"
    begun = made(potential, surrogate, checkpoint=path, **options)
    with hal_module.executor(begun._setup, 1) as where:
        for _ in range(3):
            begun._round(where)
    begun._checkpoint.write(begun._state)
    resumed = made(potential, surrogate, checkpoint=path, **options)
    assert resumed.counts["steps"] == begun.counts["steps"] > 0
    list(resumed)
    for one, other in zip(resumed._state.walkers, expected._state.walkers, strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()
        assert (one.atoms.cell.array == other.atoms.cell.array).all()


def verlet(atoms, temperature, rng):
    return VelocityVerlet(atoms, 1.0 * units.fs)


def test_any_dynamics_of_ase(potential, surrogate):
    run = made(potential, surrogate, dynamics=verlet, n=1)
    assert len(list(run)) == 1


def test_picks_carry_no_labels_of_their_start(whole):
    for atoms in whole.selection.structures:
        assert "dft_energy" not in atoms.info
        assert set(atoms.arrays) == {"numbers", "positions"}
        assert atoms.calc is None


def test_unbiased_atoms_are_marked_by_an_array(potential, surrogate):
    marked = starts()
    for atoms in marked:
        atoms.arrays["frozen"] = np.arange(len(atoms)) < 3
    run = ms.Hal(marked, potential, surrogate, 1, temperature=600.0, unbiased="frozen", tau=0.1)
    assert len(list(run)) == 1
    with pytest.raises(ms.InvalidInputError, match="unbiased: structure 0 has no array 'frozen'"):
        made(potential, surrogate, unbiased="frozen")


def test_a_checkpoint_of_another_run_is_refused(potential, surrogate, tmp_path):
    path = tmp_path / "hal.ckpt"
    made(potential, surrogate, checkpoint=path)
    with pytest.raises(ms.InvalidInputError, match="another run: burst was 30 and is 31"):
        made(potential, surrogate, checkpoint=path, burst=31)
    path.write_text("{}")
    with pytest.raises(ms.InvalidInputError, match="no checkpoint of hal, or a damaged one"):
        made(potential, surrogate, checkpoint=path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"burst": 0}, "burst: expected at least 1"),
        ({"temperature": -1.0}, "temperature: expected numbers above 0"),
        ({"speed": 3}, "speed: no option of Hal"),
        ({"stop_gain": 2.0}, "stop_gain"),
        ({"tau": 1.0, "tau_rel": 0.1}, "tau_rel: expected `tau` or `tau_rel`, got both"),
        ({"tau": 1.0, "tau_rise": 10}, "tau_rise: expected tau or tau_rise, got both"),
        ({"tau_rise": -1}, "tau_rise: expected at least 0"),
        ({"tau": -1.0}, "tau: expected at least 0"),
        ({"tau_rel": -0.1}, "tau_rel: expected at least 0"),
        ({"dynamics": verlet, "pressure": 1.0}, "pressure: expected none"),
        ({"timestep": 0.0}, "timestep and friction"),
        ({"n": 0}, "n: expected at least 1, got 0"),
        ({"temperature": [300.0, 400.0], "walkers": 1}, "walkers: expected at least one for each of 2 temperatures"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
    ],
)
def test_options_out_of_their_range(potential, surrogate, wrong, message):
    with pytest.raises(ms.InvalidInputError, match=message):
        made(potential, surrogate, **wrong)


def test_a_base_that_cannot_be_sent(potential, surrogate):
    run = ms.Hal(starts(), lambda: potential.calculator(), surrogate, 1, workers=2)
    with pytest.raises(ms.InvalidInputError, match=r"workers: expected a base, .* that other processes can be given"):
        list(run)


def test_a_start_of_unknown_elements_is_refused(potential, surrogate):
    with pytest.raises(ms.StructureError, match=r"structure 1: .*atomic number 29"):
        ms.Hal([starts()[0], bulk("Cu")], potential, surrogate, 1)


def test_a_base_without_a_surrogate(potential):
    with pytest.raises(ms.InvalidInputError, match="surrogate: expected one"):
        ms.Hal(starts(), potential.calculator(), n=1)


def test_the_state_is_kept_to_the_last_bit(potential, surrogate, tmp_path):
    run = made(potential, surrogate, at="peak", threshold=1e9, max_steps=200, checkpoint=tmp_path / "hal.ckpt")
    list(run)
    kept = HalCheckpoint(tmp_path / "hal.ckpt", run._identity(potential)).read(run.start_atoms(), "peak")
    assert kept.record() == run._state.record()


@pytest.fixture
def folder(tmp_path, monkeypatch, core, potential):
    monkeypatch.chdir(tmp_path)
    write_exact("train.xyz", core)
    write_exact("start.xyz", starts())
    potential.save("si.npz")
    Path("bases.py").write_text(
        "import mlipselect as ms\ndef make():\n    return ms.LinearPotential.load('si.npz').calculator()\n"
    )
    return tmp_path


COMMAND = ["hal", "start.xyz", "--core", "train.xyz", "-n", "4", "--temperature", "600", "1500", "--burst", "20", "-q"]


def test_the_command_says_what_a_base_needs_beside_it(folder, capsys):
    without_core = [word for word in COMMAND if word not in ("--core", "train.xyz")]
    assert main([*without_core, "--base", "bases:make", "-o", "picked.xyz"]) == 1
    assert "--core: expected the training set, got none: only an archive" in capsys.readouterr().err
    assert main([*COMMAND, "--base", "si.npz", "--rcut", "4", "-o", "picked.xyz"]) == 1
    assert (
        "--rcut: expected no descriptor, as an archive as --base has one: leave --rcut out" in capsys.readouterr().err
    )
    assert not Path("picked.xyz").exists()


def test_the_command_writes_structures_and_how_they_were_found(folder):
    assert main([*COMMAND, "--base", "si.npz", "-o", "picked.xyz"]) == 0
    found, record = read("picked.xyz", ":"), json.loads(Path("picked.json").read_text())
    assert len(found) == 4
    assert [atoms.info["mlipselect_rank"] for atoms in found] == [1, 2, 3, 4]
    for atoms, kept in zip(found, record["run"]["picks"], strict=True):
        assert atoms.info["hal_step"] == kept["step"]
        assert atoms.info["hal_score"] == kept["score"] > kept["threshold"]
        assert kept["nearest"].startswith("train.xyz, frame ")
    assert record["run"]["ended"] == "all 4 structures were taken"
    assert record["parameters"]["method"] == "hal"
    assert record["reasons"][0].startswith("extrapolation ")
    assert "nearest in the core: train.xyz, frame " in record["reasons"][0]
    again = ms.Hal(
        "start.xyz",
        ms.LinearPotential.load("si.npz"),
        ms.Surrogate(ms.LinearPotential.load("si.npz"), core="train.xyz"),
        4,
        temperature=(600.0, 1500.0),
        burst=20,
    )
    again.run().write("again.xyz")
    assert Path("again.xyz").read_bytes() == Path("picked.xyz").read_bytes()
    assert Path("again.json").read_bytes() == Path("picked.json").read_bytes()


def test_the_command_takes_a_calculator_of_a_module(folder):
    options = ["--base", "bases.py:make", "--totaldegree", "6", "--threshold", "1.5", "-o", "picked.xyz"]
    assert main([*COMMAND, *options]) == 0
    assert len(read("picked.xyz", ":")) == 4


def test_the_command_shows_what_it_took(folder, capsys):
    assert main([*COMMAND[:-1], "--base", "si.npz", "-o", "picked.xyz", "--reasons"]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4 structures taken in" in shown
    assert "1: extrapolation" in shown
    assert "wrote picked.xyz, picked.json" in shown


def test_the_command_keeps_trajectories(folder):
    assert main([*COMMAND, "--base", "si.npz", "--trajectory", "walks", "-o", "picked.xyz"]) == 0
    assert sorted(path.name for path in Path("walks").iterdir()) == ["walker-000.xyz", "walker-001.xyz"]
    assert len(read("walks/walker-000.xyz", ":")) > 1
    Path("file").write_text("")
    assert main([*COMMAND, "--base", "si.npz", "--trajectory", "file", "-o", "picked.xyz"]) == 1


def test_the_command_writes_what_it_rejected(folder, capsys, monkeypatch):
    options = ["--base", "si.npz", "-o", "picked.xyz", "--min-bond", "1.0", "--max-steps", "600"]
    assert main([*COMMAND[:-1], *options]) in (0, 3)
    rejected = read("picked.rejected.xyz", ":")
    assert any("apart" in atoms.info["mlipselect_rejected"] for atoms in rejected)
    shown = capsys.readouterr().out
    n = len(rejected)
    assert f"{n} of {n + 2} trajectories ended by a failed check: atoms too close ({n})" in shown
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("mlipselect.cli.hal.fill_page", lambda *_: (_ for _ in ()).throw(ms.InvalidInputError("full")))
        assert main([*COMMAND[:-1], *options, "--random-state", "1"]) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert shown.splitlines()[-1].endswith(", picked.rejected.xyz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--base", "nothing.npz"], "nothing.npz"),
        (["--base", "bases:absent"], "expected a function 'absent'"),
        (["--base", "absent:make"], "cannot be imported"),
        (["--base", "si.npz", "--totaldegree", "4"], "--totaldegree: expected no descriptor"),
    ],
)
def test_the_command_says_what_is_wrong(folder, capsys, options, message):
    assert main([*COMMAND, *options, "-o", "picked.xyz"]) == 1
    assert message in capsys.readouterr().err
    assert not Path("picked.xyz").exists()


def test_what_several_runs_took_is_merged(folder, capsys):
    for seed in (0, 1):
        command = [*COMMAND, "--base", "si.npz", "--random-state", str(seed), "-o", f"run-{seed}.xyz"]
        assert main(command) == 0
    runs = ["run-0.xyz", "run-1.xyz", "run-0.xyz"]
    merged = ms.merge(runs, 5, core="train.xyz")
    record = merged.record()
    assert record["parameters"]["merged"] == 3
    assert "from what 3 runs of hal took" in merged.notes
    places = [(frame.source, frame.index) for frame in merged.frames]
    assert {source for source, _ in places} == {"run-0.xyz", "run-1.xyz"}
    positions = [frame.atoms.positions.tobytes() for frame in merged.frames]
    assert len(set(positions)) == 5  # none of the structures that are there twice
    assert len(ms.merge(runs[:2], core="train.xyz").frames) == 4
    assert main(["merge", *runs[:2], "--core", "train.xyz", "-n", "3", "-q", "-o", "merged.xyz"]) == 0
    frames = read("merged.xyz", ":")
    assert len(frames) == 3
    assert all("hal_step" in atoms.info for atoms in frames)
    write_exact("other.xyz", label(silicon_core()[1:3]))
    for arguments, message in (
        ([*runs, "--core", "other.xyz"], "explored with another core"),
        ([*runs, "start.xyz", "--core", "train.xyz"], "start.xyz: expected the output of hal with its record"),
    ):
        assert main(["merge", *arguments, "-q", "-o", "merged.xyz"]) in (1, 2)
        assert message in capsys.readouterr().err
