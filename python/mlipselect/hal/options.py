"""The options of a run, each declared once: `Hal` and the command line are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.calculator import MAX_BIAS
from mlipselect.hal.dynamics import MakeDynamics
from mlipselect.hal.guards import Guards
from mlipselect.hal.lesson import Update
from mlipselect.hal.montecarlo import MonteCarlo
from mlipselect.hal.tau import FRACTION, RISE, RelativeTau, Schedule, Tau, as_tau
from mlipselect.hal.triggers import TRIGGERS, Trigger
from mlipselect.hal.triggers.peak import FOLLOWERS
from mlipselect.utils.option import option


@dataclass(frozen=True)
class Sampling:
    """How walkers move."""

    title: ClassVar[str] = "dynamics"

    temperature: float | Sequence[float] = option(
        300.0, "temperatures in K: walkers take them in turn (default: %(default)s)", type=float, nargs="+", metavar="K"
    )
    walkers: int | None = option(
        None, "number of walkers (default: the number of temperatures, or of starts up to 8 if that is larger)",
        type=int, metavar="N",
    )  # fmt: skip
    timestep: float = option(1.0, "time step in fs (default: %(default)s)", type=float, metavar="FS")
    friction: float = option(
        0.01, "friction of Langevin dynamics in 1/fs (default: %(default)s)", type=float, metavar="RATE"
    )
    pressure: float | None = option(
        None, "pressure in GPa: the volume changes (default: constant volume)", type=float, metavar="GPA"
    )
    dynamics: MakeDynamics | None = option(None, "what makes other dynamics", flags=[])
    burst: int = option(
        100, "steps between one update of the posterior and the next (default: %(default)s)", type=int, metavar="STEPS"
    )
    tau: Tau | Schedule | None = option(
        None, "constant strength of the bias (default: relative to the forces, see --tau-rel)", type=float,
        metavar="TAU",
    )  # fmt: skip
    tau_rel: Schedule | None = option(
        None, "bias force as a fraction of the force of the base, on average (default: 0.1)", type=float, metavar="F"
    )
    tau_rise: int | None = option(
        None, "steps in which that fraction doubles while no frame is worth taking, up to 1; each frame that is halves "
        f"it; 0 keeps it (default: {RISE})", type=int, metavar="STEPS",
    )  # fmt: skip
    swaps: int = option(
        0, "swaps of two unlike atoms that are tried between bursts, by Monte Carlo on the biased energy "
        "(default: %(default)s)", type=int, metavar="N",
    )  # fmt: skip
    cell_moves: int = option(
        0, "changes of the volume that are tried between bursts, by Monte Carlo at the pressure, or at none "
        "(default: %(default)s)", type=int, metavar="N",
    )  # fmt: skip
    cell_step: float = option(
        0.02, "largest change of the logarithm of the volume in such a move (default: %(default)s)", type=float,
        metavar="STEP",
    )  # fmt: skip
    unbiased: str | None = option(None, "array of the starts that is true for atoms without a bias", metavar="KEY")
    max_bias: float | None = option(
        MAX_BIAS, "largest bias force, in mean forces of the base (default: %(default)s)", type=float, metavar="FACTOR"
    )


@dataclass(frozen=True)
class Taking:
    """What is taken."""

    title: ClassVar[str] = "what is taken"

    trigger: str | Trigger = option("extrapolation", "score of a frame (default: %(default)s)", choices=TRIGGERS)
    threshold: float | None = option(
        None, "smallest score that is worth taking (default: 3 for extrapolation and max-atom, 0.69 for gain, 0.4 for "
        "relative-force)", type=float, metavar="SCORE",
    )  # fmt: skip
    at: str = option(
        "threshold", "take the first frame above the threshold, or that at a peak above it (default: %(default)s)",
        choices=FOLLOWERS,
    )  # fmt: skip
    check_every: int = option(
        5, "steps from one look at the score to the next (default: %(default)s)", type=int, metavar="STEPS"
    )
    update: Update | None = option(
        None, "what a frame tells the posterior: its energy, that and its forces, or all labels with the noises of the "
        "potential (default: labels with a fitted potential, else structure)",
        choices=["structure", "forces", "labels"],
    )  # fmt: skip
    min_distance: float | None = option(
        0.01, "keep this distance from the core and from frames taken before, in typical differences "
        "(default: %(default)s)", type=float, metavar="D",
    )  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """When a run ends before it has all structures."""

    title: ClassVar[str] = "when to stop"

    patience: int = option(
        20, "stop after this many rounds in which no frame was taken (default: %(default)s)", type=int, metavar="ROUNDS"
    )
    stop_gain: float | None = option(
        None, "stop before a frame that adds less than this fraction of the first gain", type=float, metavar="F"
    )
    max_steps: int | None = option(None, "stop after this many steps of all walkers together", type=int, metavar="N")
    max_time: float | None = option(
        None, "stop after this many seconds; what is taken then depends on the machine", type=float, metavar="SECONDS"
    )


GROUPS: dict[str, Any] = {"sampling": Sampling, "taking": Taking, "guards": Guards, "ending": Ending}
"""The groups of options by their names in `HalOptions`."""


@dataclass(frozen=True)
class HalOptions:
    """All options of a run, by groups."""

    sampling: Sampling
    taking: Taking
    guards: Guards
    ending: Ending

    @classmethod
    def gather(cls, values: dict[str, Any]) -> HalOptions:
        """Sort options by their groups.

        Raises
        ------
        InvalidInputError
            A name that is no option, or a number out of its range.
        """
        known = {field.name: name for name, kind in GROUPS.items() for field in fields(kind)}
        for name in values:
            if name not in known:
                raise InvalidInputError(f"{name}: no option of Hal, which has {', '.join(sorted(known))}")
        made = {
            group: kind(**{name: value for name, value in values.items() if known[name] == group})
            for group, kind in GROUPS.items()
        }
        options = cls(**made)
        options.check()
        return options

    def check(self) -> None:
        """Refuse numbers out of their range."""
        for group in (self.sampling, self.taking, self.ending):
            for name in ("walkers", "burst", "check_every", "patience", "max_steps"):
                value = getattr(group, name, None)
                if value is not None and value < 1:
                    raise InvalidInputError(f"{name}: expected at least 1, got {value}")
        if not all(0.0 < temperature < np.inf for temperature in self.temperatures):
            raise InvalidInputError(f"temperature: expected numbers above 0, got {self.sampling.temperature}")
        walkers, temperatures = self.sampling.walkers, self.temperatures
        if walkers is not None and walkers < len(temperatures):
            raise InvalidInputError(
                f"walkers: expected at least one for each of {len(temperatures)} temperatures, got {walkers}"
            )
        if self.ending.stop_gain is not None and not 0.0 < self.ending.stop_gain < 1.0:
            raise InvalidInputError(f"stop_gain: expected a fraction between 0 and 1, got {self.ending.stop_gain}")
        if self.ending.max_time is not None and not self.ending.max_time > 0.0:
            raise InvalidInputError(f"max_time: expected a number above 0, got {self.ending.max_time}")
        for name in ("tau", "tau_rel"):
            value = getattr(self.sampling, name)
            if isinstance(value, (int, float)) and not 0.0 <= value < np.inf:
                raise InvalidInputError(
                    f"{name}: expected at least 0, as a bias leads to what is uncertain, got {value}"
                )
        if self.sampling.tau is not None and self.sampling.tau_rel is not None:
            raise InvalidInputError("tau_rel: expected `tau` or `tau_rel`, got both")
        for name in ("swaps", "cell_moves"):
            if getattr(self.sampling, name) < 0:
                raise InvalidInputError(f"{name}: expected at least 0, got {getattr(self.sampling, name)}")
        if not 0.0 < self.sampling.cell_step < np.inf:
            raise InvalidInputError(f"cell_step: expected a number above 0, got {self.sampling.cell_step}")
        rise = self.sampling.tau_rise
        if rise is not None and rise < 0:
            raise InvalidInputError(f"tau_rise: expected at least 0, got {rise}")
        if rise is not None and self.sampling.tau is not None:
            raise InvalidInputError("tau_rise: expected tau or tau_rise, got both: a fixed tau does not rise")
        if self.sampling.dynamics is not None and self.sampling.pressure is not None:
            raise InvalidInputError("pressure: expected none, as `dynamics` were given: set it there")

    @property
    def tau(self) -> Tau:
        """What decides on the strength of the bias."""
        sampling = self.sampling
        if sampling.tau is not None:
            return as_tau(sampling.tau)
        fraction = FRACTION if sampling.tau_rel is None else sampling.tau_rel
        # A function of the step says by itself when the bias is to rise.
        rise = sampling.tau_rise if sampling.tau_rise is not None else (0 if callable(fraction) else RISE)
        return RelativeTau(fraction, rise=rise or None)

    @property
    def moves(self) -> MonteCarlo:
        """Moves between bursts."""
        own = self.sampling
        return MonteCarlo(own.swaps, own.cell_moves, own.cell_step, own.pressure or 0.0)

    @property
    def temperatures(self) -> list[float]:
        """The temperatures, in K."""
        given = self.sampling.temperature
        return [float(given)] if isinstance(given, (int, float)) else [float(value) for value in given]

    def recorded(self) -> dict[str, Any]:
        """Return all options that are numbers or text, and the names of others, ready for JSON."""
        values = {field.name: getattr(group, field.name) for group in vars(self).values() for field in fields(group)}
        values["temperature"] = self.temperatures
        return {name: value if _is_plain(value) else repr_of(value) for name, value in values.items()}


def repr_of(value: Any) -> str:
    """Name an object that is no number or text, in the same way in every run: a function by its name."""
    return getattr(value, "__qualname__", None) or (
        repr(value) if " at 0x" not in repr(value) else type(value).__qualname__
    )


def _is_plain(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, (str, int, float))
        or (isinstance(value, list) and all(map(_is_plain, value)))
    )
