"""The options of a selection, each declared once: `select` and the command line are made of them.

A group of options is a dataclass. The metadata of a field says how the option is explained and given on the command
line; see `mlipselect.utils.option`. `title`, where there is one, is the heading of a group in the help.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlipselect._core import thread_count
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.checks import Checks
from mlipselect.io.isolated import Isolated, marks_of
from mlipselect.io.reading import Reading
from mlipselect.models import LinearPotential
from mlipselect.random_state import RandomState
from mlipselect.selection.core import CoreLike
from mlipselect.selection.limits import Limits
from mlipselect.selection.target import TargetOptions
from mlipselect.selectors.bayesian import DEFAULT_SCORE, SCORES, Score
from mlipselect.selectors.registry import METHODS, parameter_names
from mlipselect.selectors.starting_posterior import RIDGE
from mlipselect.selectors.target import Objective
from mlipselect.utils.option import option, options_of

MOST_THREADS = 64
"""Number of threads that is always allowed; beyond it, four for each core are."""


def number_of_bytes(text: str) -> int:
    """Understand a number of bytes such as 500MB."""
    match = re.fullmatch(r"([0-9.]+) *([kMGT]?)B?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 500MB, got {text!r}")
    return int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def number_of_threads(text: str) -> int:
    """Understand a number of threads, and refuse one that no machine like this can use."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of threads, or -1 for all cores, got {text!r}") from None
    cores = thread_count(None)
    most = max(MOST_THREADS, 4 * cores)
    if number > most:
        raise argparse.ArgumentTypeError(
            f"expected at most {most} threads, as there are {cores} cores here, got {number}; -1 are all cores"
        )
    return number


def start(text: str) -> int | str:
    """Understand where to start: an index, or the name of a way."""
    return int(text) if text.isdecimal() else text


@dataclass(frozen=True)
class Inputs:
    """How many structures to select, given which others."""

    n: int = option(20, "number of structures to select (default: %(default)s)", flags=["-n"], type=int, metavar="N")
    core: CoreLike | None = option(
        None,
        "files with the structures that are calculated already, or stores or archives of their features",
        nargs="+",
        metavar="FILE",
    )


@dataclass(frozen=True)
class Candidates:
    """Which structures are candidates, and what describes them."""

    isolated: str | Sequence[str] | None = option(
        None,
        "marks isolated atoms, may be given several times: they are not scored; those of the pool are written first, "
        "marked mlipselect_isolated (default: config_type=isolated_atom and its spellings, such as IsolatedAtom; none: "
        "no mark)",
        metavar="KEY=VALUE",
        action="append",
    )
    composition: bool | None = option(
        None,
        "append columns of element fractions (default: where the pool has more than one composition)",
        action=argparse.BooleanOptionalAction,
    )
    dtype: DTypeLike | None = option(
        None,
        "type of the features, and precision of mace (default: float64, or that of a store)",
        choices=["float64", "float32"],
    )
    shard: str | None = option(
        None,
        "select from one of M shares of a pool that is a store, in a job of its own; then `mlipselect merge`",
        metavar="I/M",
    )

    @property
    def marks(self) -> tuple[Isolated, ...]:
        """What marks isolated atoms."""
        return marks_of(self.isolated)

    @property
    def recorded_marks(self) -> str | list[str] | None:
        """The marks that were given, as records and checkpoints keep them: a single one as text."""
        if self.isolated is None or isinstance(self.isolated, str):
            return self.isolated
        return self.isolated[0] if len(self.isolated) == 1 else list(self.isolated)

    @property
    def memory_dtype(self) -> DTypeLike:
        """Type of features that are computed."""
        return np.float64 if self.dtype is None else self.dtype


@dataclass(frozen=True)
class Method:
    """Which selector makes the picks, with those of its parameters that `select` names."""

    title: ClassVar[str] = "methods"

    method: str = option("bayesian", "how to select (default: %(default)s)", choices=METHODS)
    score: Score | None = option(
        None,
        "bayesian: what a candidate is worth: its own uncertainty, the information in it, or by how much it lowers "
        "that of the target, by default the pool, or the largest uncertainty of a force or stress component (default: "
        "pool_variance, or energy with an update of forces or stress and no target)",
        choices=SCORES,
    )
    stratify_by: str | None = option(
        None, "random: draw of each group in proportion, such as config_type", metavar="KEY"
    )
    stop_gain: float | None = option(
        None, "stop at this fraction of the first score, such as 0.01", type=float, metavar="F"
    )
    random_state: RandomState = option(0, "seed of whatever is random (default: %(default)s)", type=int, metavar="SEED")


@dataclass(frozen=True)
class SelectorParameters:
    """Parameters of only some selectors that the command line knows; `select` hands on any.

    None stands for the default of the selector.
    """

    metric: str | None = option(
        None, "what distance is (default: euclidean; k_medoids has no other)", choices=["euclidean", "cosine"]
    )
    scale: str | None = option(
        None,
        "divide features by their standard deviations, by the square roots of these, or not (default: root for "
        "bayesian, whose prior it scales; none for cur; standard for the others, which have no root)",
        choices=["root", "standard", "none"],
    )
    objective: str | None = option(
        None,
        "uncertainty of the target that the scores pool_variance and pool_std lower: of its energies, its forces, or "
        "both (default: energy)",
        choices=get_args(Objective),
    )
    initialize: int | str | None = option(
        None,
        "fps: candidate to begin with where there is no core, counted from 0; k_medoids: first medoids, build, lab or "
        "k_medoids++ (default: lab)",
        type=start,
        metavar="START",
    )
    max_iter: int | None = option(None, "rounds over the pool, at most (default: 100)", type=int, metavar="ROUNDS")
    rank: int | None = option(None, "directions that count (default: 99.9 %% of squares)", type=int, metavar="K")
    deterministic: bool | None = option(None, "largest leverage first instead of drawing", action="store_true")
    rows: str | None = option(
        None, "rows that leverage is computed of (default: structure)", choices=["structure", "atoms"]
    )
    max_memory: int | None = option(
        None,
        "memory to take for rows of a store, which is read piece by piece, and for tables of distances, such as 500MB",
        type=number_of_bytes,
        metavar="BYTES",
    )

    def given(self) -> dict[str, Any]:
        """Return what was given."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Prior:
    """What is known before the first pick, and what a pick tells."""

    title: ClassVar[str] = "posterior (the curve of what is known, and method bayesian)"

    update: Literal["structure", "atoms", "forces", "stress"] = option(
        "structure",
        "what a pick tells: the mean of its atomic features, all of them, or the mean with the derivatives of its "
        "forces or stress (default: %(default)s)",
        choices=["structure", "atoms", "forces", "stress"],
    )
    ridge: float | None = option(
        None,
        "precision of the prior relative to the noise, in units of the mean square feature; 1e-3 to 1e-9 serve "
        f"(default: {RIDGE}); cur: instead of --rank",
        type=float,
    )
    prior_precision: float | NDArray[np.float64] | None = option(
        None, "precision of the prior, instead of --ridge", type=float, metavar="ALPHA"
    )
    noise_precision: float = option(
        1.0, "inverse variance of the noise (default: %(default)s)", type=float, metavar="BETA"
    )
    potential: LinearPotential | str | os.PathLike[str] | None = option(
        None,
        "start from what `mlipselect fit` left there, with its descriptor, instead of a prior and a core",
        metavar="FILE",
    )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the posterior, the default ridge filled in."""
        return {
            "update": self.update,
            "ridge": RIDGE if self.ridge is None else self.ridge,
            "prior_precision": self.prior_precision,
            "noise_precision": self.noise_precision,
        }

    def recorded(self) -> dict[str, Any]:
        """Return these parameters without a ridge that something else took the place of."""
        is_replaced = self.prior_precision is not None or self.potential is not None
        return self.parameters() | ({"ridge": None} if is_replaced else {})


@dataclass(frozen=True)
class Outputs:
    """What is written, and where."""

    output: str | os.PathLike[str] | None = option(
        None, "file for the selected structures, such as selected.xyz", flags=["-o", "--output"], metavar="OUT"
    )
    save_posterior: str | os.PathLike[str] | None = option(
        None, "write what is known after the last pick", metavar="FILE"
    )
    report: str | os.PathLike[str] | None = option(
        None,
        "write a page that shows what was selected and why, such as report.html: one file that needs no network",
        metavar="FILE",
    )
    checkpoint: str | os.PathLike[str] | None = option(
        None,
        "keep the picks there while they are made: the same command goes on from that file after a stop",
        metavar="FILE",
    )
    strict: bool = option(
        False,
        "refuse structures that the format of OUT cannot keep to the last bit; without it, what is let go is said once",
        action="store_true",
    )


@dataclass(frozen=True)
class Execution:
    """How the work is done; no result depends on it."""

    n_threads: int | None = option(
        None,
        "number of threads (-1: all cores; default: MLIPSELECT_NUM_THREADS, or all cores)",
        flags=["--threads"],
        type=number_of_threads,
        metavar="N",
    )
    progress: bool | None = option(
        None,
        "show progress bars (default: where the standard error is a terminal)",
        action=argparse.BooleanOptionalAction,
    )

    def __post_init__(self) -> None:
        thread_count(self.n_threads)


@dataclass(frozen=True)
class Options:
    """All options of a selection, by groups."""

    method: Method = field(default_factory=Method)
    prior: Prior = field(default_factory=Prior)
    target: TargetOptions = field(default_factory=TargetOptions)
    limits: Limits = field(default_factory=Limits)
    candidates: Candidates = field(default_factory=Candidates)
    checks: Checks = field(default_factory=Checks)
    outputs: Outputs = field(default_factory=Outputs)
    execution: Execution = field(default_factory=Execution)
    reading: Reading = field(default_factory=Reading)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the selector."""

    @classmethod
    def gather(cls, values: Mapping[str, Any], parameters: Mapping[str, Any]) -> Options:
        """Sort options by their groups.

        Parameters
        ----------
        values : mapping
            Options by name; other names in it are passed over, and options that it lacks keep their defaults.
        parameters : mapping
            Further parameters of the selector.
        """
        made = {
            name: kind(**{option: values[option] for option in options_of(kind) if option in values})
            for name, kind in GROUPS.items()
        }
        return cls(**made, parameters=dict(parameters))

    def selector_parameters(self) -> dict[str, Any]:
        """Return the parameters for the selector of the method.

        Raises
        ------
        InvalidInputError
            An update that the method has no use for, or a ridge or a scale beside a precision of the prior.
        """
        kind = METHODS.get(self.method.method)
        known = [] if kind is None else parameter_names(kind)
        derivatives = self.prior.update in ("forces", "stress")
        score = self.method.score
        if score is None and kind is not None and kind.keeps_posterior:
            score = "energy" if derivatives and self.target.target is None else DEFAULT_SCORE
        optional = {"score": score, "stop_gain": self.method.stop_gain}
        found = {name: value for name, value in optional.items() if value is not None} | dict(self.parameters)
        takes_ridge = "ridge" in known and kind is not None and not kind.keeps_posterior
        if self.prior.ridge is not None and self.prior.prior_precision is not None and not takes_ridge:
            raise InvalidInputError("ridge: expected it or `prior_precision`, which takes its place, got both")
        if kind is not None and kind.keeps_posterior:
            if "scale" in self.parameters and self.prior.prior_precision is not None:
                raise InvalidInputError("scale: expected it or `prior_precision`, which takes its place, got both")
            return found | self.prior.parameters()
        if derivatives:
            raise InvalidInputError(
                f"update: expected 'structure' or 'atoms' with the method {self.method.method}, "
                f"got {self.prior.update!r}"
            )
        if takes_ridge and self.prior.ridge is not None:
            found["ridge"] = self.prior.ridge
        return found


GROUPS: dict[str, Any] = {
    "method": Method,
    "prior": Prior,
    "target": TargetOptions,
    "limits": Limits,
    "candidates": Candidates,
    "checks": Checks,
    "outputs": Outputs,
    "execution": Execution,
    "reading": Reading,
}
"""The groups of options by their names in `Options`."""
