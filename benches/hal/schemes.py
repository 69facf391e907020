"""Ways to find structures for a number of calculations, from the same starts at the same temperatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from benches.hal import TEMPERATURES
from benches.hal.systems import System

import mlipselect as ms
from mlipselect.hal import Hal, Seen, Surrogate, Trigger
from mlipselect.hal.executors import Executor
from mlipselect.hal.picking import Picked
from mlipselect.hal.walker import Burst, Candidate

#: Steps between frames of the plain dynamics.
INTERVAL = 100


@dataclass
class Found:
    """What a scheme found.

    Attributes
    ----------
    picks : list of ase.Atoms
        The structures, labelled, in order. Every scheme takes them one after the other, so the first of them are what
        it finds for a smaller number.
    steps, fits : list of int
        Steps of dynamics, and fits of the potential after the first, until each was taken.
    """

    picks: list[Atoms] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    fits: list[int] = field(default_factory=list)


class LastOfBurst(Trigger):
    """Takes the last frame of each burst; the frames before it go through the same checks as those of other schemes."""

    name: ClassVar[str] = "last-of-burst"
    default_threshold: ClassVar[float] = 1.0

    def __init__(self, n_checks: int):
        super().__init__()
        self._n_checks, self._count, self._atoms = n_checks, 0, None

    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:  # noqa: ARG002
        """Return more than the threshold at the last check of a burst, which has a structure of its own."""
        self._count = self._count + 1 if seen.atoms is self._atoms else 1
        self._atoms = seen.atoms
        return 2.0 if self._count == self._n_checks else 0.0


class WithoutUpdates(Hal):
    """Takes every frame that triggers, with the posterior of the beginning throughout."""

    def _picked(self, candidates: Sequence[Candidate], surrogate: Surrogate) -> Picked | None:
        if not candidates:
            return None
        some = candidates[: self.n - len(self.picks)]
        rows = np.array([surrogate.row(candidate.atoms) for candidate in some])
        variances = surrogate.posterior.variance(rows).tolist()
        return Picked(list(range(len(some))), variances, [0.0] * len(some), rows, surrogate.posterior, 0, 0)

    def _round(self, where: Executor) -> list[Burst]:
        known = self._known
        bursts = super()._round(where)
        self._known = known
        return bursts


def fit(system: System, train: Sequence[Atoms]) -> ms.LinearPotential:
    """Fit a potential in which energies count as in the paper."""
    potential = ms.LinearPotential(
        system.descriptor, energy_weight=30.0, forces_weight=1.0, virial_weight=1.0,
        reference_energies=system.references, n_threads=1,
    )  # fmt: skip
    return potential.fit(train)


def plain(system: System, n: int, seed: int) -> Found:
    """Take frames of unbiased dynamics at even intervals."""
    options = {"trigger": LastOfBurst(INTERVAL // 5), "tau": 0.0, "check_every": 5, "burst": INTERVAL}
    return _batches(WithoutUpdates, system, n, n, seed, options)


def one_shot(system: System, n: int, seed: int) -> Found:
    """Fit after every structure."""
    return _batches(Hal, system, n, 1, seed, {})


def without_updates(system: System, n: int, seed: int) -> Found:
    """Take all of them without a fit, and without updates of the posterior."""
    return _batches(WithoutUpdates, system, n, n, seed, {})


def with_updates(system: System, n: int, seed: int) -> Found:
    """Take all of them without a fit, the posterior counting each as known."""
    return _batches(Hal, system, n, n, seed, {})


def with_energies(system: System, n: int, seed: int) -> Found:
    """Take all of them without a fit, the posterior counting the energy of each as known, as `select` does."""
    return _batches(Hal, system, n, n, seed, {"update": "structure"})


def in_tens(system: System, n: int, seed: int) -> Found:
    """Take ten at a time with updates of the posterior, and fit after each ten."""
    return _batches(Hal, system, n, 10, seed, {})


SCHEMES: dict[str, Callable[[System, int, int], Found]] = {
    "plain dynamics at even intervals": plain,
    "one-shot: a fit after each": one_shot,
    "n-shot without updates": without_updates,
    "n-shot with updates": with_updates,
    "n-shot with updates of energies only": with_energies,
    "10-shot with updates": in_tens,
}


def _batches(kind: type[Hal], system: System, n: int, batch: int, seed: int, options: dict[str, Any]) -> Found:
    """Take structures in batches, with labels and a fit after each batch."""
    found, steps, fits = Found(), 0, 0
    while len(found.picks) < n:
        known = [*system.core, *found.picks]
        potential = fit(system, known)
        surrogate = Surrogate(potential, core=known, n_threads=1)
        run = kind(
            system.starts, potential, surrogate, min(batch, n - len(found.picks)), temperature=TEMPERATURES,
            random_state=1000 * seed + fits, patience=30, **options,
        )  # fmt: skip
        for pick in run:
            found.picks += system.label([pick.atoms])
            found.steps.append(steps + run.counts["steps"])
            found.fits.append(fits)
        if not run.picks:
            break
        steps, fits = steps + run.counts["steps"], fits + 1
    return found
