"""`mlipselect fit`, and selections that start from a fitted potential."""

from __future__ import annotations

import json
import re

import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import write_exact
from reference.structures import rattled

FIT = ["fit", "core.xyz", "--totaldegree", "6", "-o", "si.npz"]


def test_fit_writes_the_potential_of_the_function_and_says_what_it_used(files, capsys):
    structures = ms.read("core.xyz")
    del structures[3].arrays["dft_force"]
    write_exact("core.xyz", structures)
    assert main([*FIT, "--test", "pool.xyz"]) == 0
    fitted = ms.LinearPotential.load("si.npz")
    same = ms.LinearPotential(ms.ACE(["Si"], totaldegree=6)).fit(structures)
    np.testing.assert_array_equal(fitted.weights_, same.weights_)
    output = capsys.readouterr().out
    assert (
        "5 structures, of which have labels: energies of 5 (dft_energy), forces of 3 (dft_force), virials of 0"
        in output
    )
    assert "reference energies: Si -1.500000 eV" in output
    errors = [
        (same.predict(atoms).energy - atoms.info["dft_energy"]) / len(atoms) for atoms in ase.io.read("pool.xyz", ":")
    ]
    shown = float(re.search(r"test, 12 structures: root mean square errors (\S+) meV", output).group(1))
    assert shown == pytest.approx(1000 * np.sqrt(np.mean(np.square(errors))), rel=5e-3)


def test_options_of_the_regression_reach_it(files):
    options = ["--energy-weight", "2", "--forces-key", "none", "--prior-power", "2", "--reference-energy", "Si=-3"]
    assert main([*FIT, *options, "-q"]) == 0
    fitted = ms.LinearPotential.load("si.npz")
    assert fitted.reference_energies_ == {"Si": -3.0}
    same = ms.LinearPotential(
        ms.ACE(["Si"], totaldegree=6), energy_weight=2.0, prior_power=2.0, reference_energies={"Si": -3.0}
    ).fit(ms.read("core.xyz"), forces_key="none")
    np.testing.assert_array_equal(fitted.weights_, same.weights_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--energy-key", "energy"], "--energy-key: none of 5 structures has 'energy'"),
        (["--reference-energy", "Si"], "reference-energy: expected SYMBOL=ENERGY such as Si=-158.5, got 'Si'"),
        (["--energy-weight", "-1"], "must not be negative"),
        (["--test", "odd.xyz"], r"odd.xyz, frame 1: dft_force: expected finite numbers"),
        (["--test", "missing.xyz"], r"missing.xyz"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(files, capsys, options, message):
    odd = [rattled(1), rattled(2)]
    odd[1].arrays["dft_force"][3, 1] = np.nan
    write_exact("odd.xyz", odd)
    assert main([*FIT, *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("mlipselect: error: ")
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert not (files / "si.npz").exists()


def test_select_starts_from_the_posterior_of_a_potential(files):
    assert main([*FIT, "-q"]) == 0
    assert main(["select", "pool.xyz", "--potential", "si.npz", "-n", "4", "-o", "out.xyz", "-q"]) == 0
    fitted = ms.LinearPotential.load("si.npz")
    X = ms.featurize("pool.xyz", fitted.descriptor)
    picks = ms.BayesianSelector(4, posterior=fitted.posterior_).fit(X).selected_idx_
    record = json.loads((files / "out.json").read_text())
    assert record["indices"] == picks.tolist()
    assert record["inputs"]["potential"]["path"] == "si.npz"
    again = ms.select("pool.xyz", 4, potential=fitted)
    assert again.indices.tolist() == record["indices"]
    assert again.record()["parameters"]["posterior"] == record["parameters"]["posterior"]


@pytest.mark.parametrize(
    "options",
    [
        {"core": "core.xyz"},
        {"descriptor": ms.ACE(["Si"], totaldegree=6)},
        {"method": "fps"},
        {"composition": True},
        {"prior_precision": 1.0},
    ],
)
def test_a_potential_goes_with_nothing_that_it_brings(files, options):
    main([*FIT, "-q"])
    with pytest.raises(InvalidInputError, match=f"cannot go with .*{next(iter(options))}"):
        ms.select("pool.xyz", 4, potential="si.npz", **options)


def test_keys_of_each_set_are_guessed_for_itself(files, capsys):
    other = [rattled(seed) for seed in range(3)]
    for atoms in other:
        atoms.info["REF_energy"] = atoms.info.pop("dft_energy")
        atoms.arrays["REF_forces"] = atoms.arrays.pop("dft_force")
    write_exact("other.xyz", other)
    assert main([*FIT, "--test", "other.xyz"]) == 0
    assert re.search(
        r"test, 3 structures: root mean square errors \S+ meV an atom in energies, \S+ eV/Å in forces\n",
        capsys.readouterr().out,
    )
    both = ["--energy-key", "dft_energy", "REF_energy", "--forces-key", "dft_force", "REF_forces"]
    assert main(["fit", "core.xyz", "other.xyz", "--totaldegree", "6", "-o", "both.npz", *both]) == 0
    assert (
        "energies of 8 (dft_energy of 5, REF_energy of 3), forces of 7 (dft_force of 4, REF_forces of 3)"
        in capsys.readouterr().out
    )


def test_a_test_set_has_the_labels_of_the_training_set(files, capsys):
    other = [rattled(seed) for seed in range(3)]
    for atoms in other:
        del atoms.arrays["dft_force"]
    write_exact("other.xyz", other)
    assert main([*FIT, "--test", "other.xyz"]) == 1
    error = capsys.readouterr().err
    assert "test: expected the labels of the training set, got none of forces in 3 structures" in error
    assert "--forces-key none" in error
    assert main([*FIT, "--test", "other.xyz", "--forces-key", "none"]) == 0


def test_errors_of_labels_come_before_features(files, monkeypatch):
    def described(*args, **kwargs):
        raise AssertionError("features were computed")

    monkeypatch.setattr(ms.ACE, "features", described)
    monkeypatch.setattr(ms.ACE, "designs", described)
    odd = [rattled(seed) for seed in range(3)]
    odd[2].arrays["dft_force"][0, 0] = np.inf
    write_exact("odd.xyz", odd)
    assert main([*FIT, "--test", "odd.xyz"]) == 1
    assert main([*FIT, "--reference-energy", "SI=1"]) == 1
    assert main([*FIT, "--energy-key", "energy"]) == 1
    assert not (files / "si.npz").exists()


def test_marks_of_isolated_atoms_may_be_given_several_times(files, capsys):
    free = rattled(0)[:1]
    free.info = {"kind": "free", "dft_energy": -1.25}
    write_exact("free.xyz", [free])
    marks = ["--isolated", "kind=free", "--isolated", "config_type=isolated_atom"]
    assert main([*FIT, "-q", *marks]) == 0
    assert main(["fit", "core.xyz", "free.xyz", "--totaldegree", "6", "-o", "si.npz", *marks]) == 1
    assert "free.xyz, frame 0: it is an isolated atom of Si of -1.25 eV, that of core.xyz, frame 0 has -1.5 eV" in (
        capsys.readouterr().err
    )


def test_calibration_is_shown_and_kept(files, capsys):
    write_exact("train.xyz", [rattled(seed) for seed in range(20, 50)])
    command = ["fit", "train.xyz", "--totaldegree", "6", "-o", "si.npz", "--noise-by"]
    assert main([*command, "phase"]) == 1
    assert "--noise-by: expected at least 10 labelled structures that agree in 'phase'" in capsys.readouterr().err
    grouped = [rattled(seed) for seed in range(20, 50)]
    for k, atoms in enumerate(grouped):
        atoms.info["config_type"] = "even" if k % 2 == 0 else "odd"
    write_exact("train.xyz", grouped)
    assert main([*command, "config_type", "--test", "pool.xyz"]) == 0
    output = capsys.readouterr().out
    fitted = ms.LinearPotential.load("si.npz")
    assert set(fitted.group_noise_["energy"]) == {"even", "odd"}
    assert f"noise of config_type=odd: {fitted.group_noise_['energy']['odd']:.3g} eV a root of atoms" in output
    known = fitted.calibration_["energy"]
    shown = re.search(r"energy, left out +1 +30 +30 +(\S+) +(\S+) +(\S+) +(\S+)\n", output)
    assert [float(value) for value in shown.groups()[1:]] == pytest.approx(
        [100 * fraction for fraction in known.before.fractions], abs=0.05
    )
    test = ms.read("pool.xyz")
    within = [
        abs(fitted.predict(atoms).energy - atoms.info["dft_energy"]) < 1.6449 * fitted.energy_std(atoms, noise=True)
        for atoms in test
    ]
    shown = re.findall(r"energy, test +(\S+) +12 +12 +\S+ +\S+ +(\S+) +\S+\n", output)
    assert float(shown[-1][0]) == pytest.approx(known.factor, rel=5e-3)
    assert float(shown[-1][1]) == pytest.approx(100 * np.mean(within), abs=0.05)
    assert f"the potential multiplies standard deviations of energy by {known.factor:.3g}" in output
