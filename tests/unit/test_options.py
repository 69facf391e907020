"""Options are declared once: `select`, its docstring and the command line say the same of each."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re

import pytest

import mlipselect as ms
from mlipselect.cli.main import build_parser
from mlipselect.selection.options import GROUPS, Inputs, Options, SelectorParameters
from mlipselect.selectors.bayesian import SCORES
from mlipselect.selectors.registry import METHODS, parameter_names
from mlipselect.utils.option import options_of

#: What only Python passes: structures and descriptors are objects there.
OBJECTS = {"pool", "descriptor"}
DECLARED = {field.name: field for group in (Inputs, *GROUPS.values()) for field in dataclasses.fields(group)}


def verb(name):
    """Give the actions of a verb of the command line by what they set."""
    verbs = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {action.dest: action for action in verbs.choices[name]._actions}


def test_the_signature_of_select_is_that_of_the_options():
    parameters = inspect.signature(ms.select).parameters
    named = {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
    assert set(named) - OBJECTS == set(DECLARED)
    for name, field in DECLARED.items():
        assert named[name].default == field.default, name


def test_the_docstring_of_select_explains_every_option():
    text = inspect.getdoc(ms.select)
    section = text[text.index("Parameters\n---") : text.index("Returns\n---")]
    entries = re.findall(r"^(\w[\w, ]*) : (.*)$", section, re.MULTILINE)
    said = {name: kind for names, kind in entries for name in names.split(", ")}
    assert set(said) - OBJECTS == set(DECLARED)
    assert set(re.findall(r'"([\w-]+)"', said["method"])) == set(METHODS)
    assert set(re.findall(r'"([\w-]+)"', said["score"])) == set(SCORES)
    for name, field in DECLARED.items():
        default = re.search(r"default=(\S+)$", said[name])
        if default:
            assert str(field.default) == default[1].strip('"'), name
        else:
            assert not field.default, name
            assert said[name].endswith("optional"), name


def test_the_command_line_has_every_option_with_its_default():
    actions = verb("select")
    for group in (Inputs, *GROUPS.values(), SelectorParameters):
        defaults = {field.name: field.default for field in dataclasses.fields(group)}
        for name, option in options_of(group).items():
            if not option.names(name):
                continue
            assert next(iter(actions[name].option_strings)) == option.names(name)[0], name
            assert actions[name].default == defaults[name], name
            assert actions[name].required == (name == "output"), name


def test_parameters_on_the_command_line_are_those_of_selectors():
    known = {name for kind in METHODS.values() for name in parameter_names(kind)}
    assert set(options_of(SelectorParameters)) <= known
    text = verb("select")["initialize"].help
    assert text.startswith("fps, k_medoids: ")


def test_options_are_sorted_by_their_groups():
    options = Options.gather({"ridge": 0.5, "max_atoms": 7, "pool": "ignored"}, {"metric": "cosine"})
    assert options.prior.ridge == 0.5
    assert options.limits.max_atoms == 7
    assert options.method.method == "bayesian"
    assert options.parameters == {"metric": "cosine"}


CASES = {
    "bayesian": {"score": "logdet", "ridge": 1e-3, "noise_precision": 2.0, "stop_gain": 1e-9, "max_memory": 10**9},
    "fps": {"metric": "cosine", "scale": "none", "initialize": 3, "stop_gain": 1e-9, "ridge": 1e-3},
    "facility_location": {"metric": "cosine", "scale": "none", "max_memory": 10**9},
    "k_medoids": {"initialize": "build", "scale": "none", "max_iter": 7, "random_state": 5},
    "cur": {"ridge": 1e-3, "scale": "standard", "deterministic": True},
    "random": {"random_state": 5},
}


def flags(given):
    """Write options as the command line takes them."""
    declared = {
        name: option for group in (*GROUPS.values(), SelectorParameters) for name, option in options_of(group).items()
    }
    words = []
    for name, value in given.items():
        flag = declared[name].names(name)[0]
        words += [flag] if value is True else [flag, str(value)]
    return words


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("is_default", [True, False])
def test_what_is_recorded_is_what_the_selector_used(files, monkeypatch, method, is_default):
    import json

    from mlipselect.cli import main

    used = []
    fit = METHODS[method].fit
    monkeypatch.setattr(METHODS[method], "fit", lambda self, *args, **how: used.append(self) or fit(self, *args, **how))
    given = {} if is_default else CASES[method]
    by_call = ms.select("pool.xyz", 3, descriptor=ms.ACE(["Si"], totaldegree=6), method=method, **given)
    command = ["select", "pool.xyz", "-n", "3", "--elements", "Si", "--totaldegree", "6", "--method", method, "-q"]
    assert main([*command, *flags(given), "-o", "out.xyz"]) == 0
    record = json.loads((files / "out.json").read_text())
    assert record["parameters"] == by_call.record()["parameters"]
    assert record["indices"] == by_call.indices.tolist()
    assert len(used) == 2
    for selector in used:
        for name in parameter_names(type(selector)):
            if name not in ("n_to_select", "progress", "n_threads"):
                assert record["parameters"][name] == getattr(selector, name), name
        for name, value in given.items():
            if name in parameter_names(type(selector)):
                assert getattr(selector, name) == value, name
    assert record["parameters"]["n"] == 3
    ridge = record["parameters"]["posterior_ridge" if method == "cur" else "ridge"]
    assert ridge == given.get("ridge", 1e-4)
    has_another = method not in ("bayesian", "random")
    assert record["parameters"]["posterior_scale" if has_another else "scale"] == "root"


def test_the_ridge_of_cur_reaches_it(files):
    X = ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6))
    by_hand = ms.CUR(4, ridge=1e-2, deterministic=True).fit(X)
    selection = ms.select(
        "pool.xyz", 4, descriptor=ms.ACE(["Si"], totaldegree=6), method="cur", ridge=1e-2, deterministic=True
    )
    assert selection.indices.tolist() == by_hand.selected_idx_.tolist()
    assert selection.scores.tolist() == by_hand.scores_.tolist()
    plain = ms.select("pool.xyz", 4, descriptor=ms.ACE(["Si"], totaldegree=6), method="cur", deterministic=True)
    assert plain.scores.tolist() != selection.scores.tolist()


def test_values_of_an_option_that_is_given_again_are_kept():
    parse = build_parser().parse_args
    twice = ["--elements", "Si", "--elements", "Ge", "--energy-key", "a", "b", "--energy-key", "c", "--core", "1"]
    known = parse(["select", "pool.xyz", *twice, "--core", "2", "-o", "out.xyz"])
    assert (known.elements, known.energy_key, known.core) == (["Si", "Ge"], ["a", "b", "c"], ["1", "2"])
    references = ["--reference-energy", "Si=1", "--reference-energy", "Ge=2", "--test", "a", "--test", "b"]
    known = parse(["fit", "train.xyz", *references, "-o", "out.npz"])
    assert (known.reference_energy, known.test) == (["Si=1", "Ge=2"], ["a", "b"])
    assert parse(["fit", "train.xyz", "-o", "out.npz"]).reference_energy == []
    # Numbers belong together: those of the last time count, as for an option with one value.
    known = parse(["select", "pool.xyz", "--totaldegree", "6", "--totaldegree", "7", "8", "9", "-o", "out.xyz"])
    assert known.totaldegree == [7.0, 8.0, 9.0]
    # What is given takes the place of a default.
    assert parse(["hal", "a.xyz", "--base", "b.npz", "-o", "o", "--temperature", "5"]).temperature == [5.0]


def test_every_option_with_several_texts_may_be_given_again():
    for name in ("select", "fit", "featurize", "hal", "merge"):
        for action in verb(name).values():
            is_text = action.nargs == "+" and action.option_strings and action.type is None
            assert not is_text or not isinstance(action, argparse._StoreAction), action.dest
