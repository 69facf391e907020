"""A walker: one trajectory of biased dynamics, of which a burst depends on its state and nothing else."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import StructureError
from mlipselect.hal.base import BaseLike
from mlipselect.hal.calculator import BiasedCalculator
from mlipselect.hal.dynamics import CARRIED, MakeDynamics, thermalize
from mlipselect.hal.geometry import bare, geometry_of, looked_at, with_geometry
from mlipselect.hal.guards import Guards
from mlipselect.hal.montecarlo import MonteCarlo
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.tau import Tau
from mlipselect.hal.triggers import Seen, Trigger
from mlipselect.hal.triggers.peak import Follower, make_follower
from mlipselect.io.inspection import Rejected


@dataclass
class Walker:
    """The state of a trajectory between bursts.

    Attributes
    ----------
    number : int
        Its number among the walkers.
    start : int
        Number of the start that it began with.
    temperature : float
        In K.
    atoms : ase.Atoms
        Positions, momenta and cell as they are.
    sound : ase.Atoms or None
        The last frame that passed the checks. After a trajectory began anew at such a frame, only frames count that are
        at least a burst later.
    rng : dict
        State of its generator.
    tau : dict
        State of the strength of its bias.
    follower : Crossing or Peak
        What follows the score in time.
    carried : dict
        What the dynamics keep beside the structure.
    step : int
        Number of steps so far.
    restarts : int
        Number of restarts so far.
    resumed : int or None
        Step at which the trajectory began anew at its last sound frame; None if it began at a start.
    """

    number: int
    start: int
    temperature: float
    atoms: Atoms
    sound: Atoms | None
    rng: dict[str, Any]
    tau: dict[str, Any]
    follower: Follower
    carried: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    restarts: int = 0
    resumed: int | None = None

    def record(self) -> dict[str, Any]:
        """Return the state, ready for JSON, from which `restored` makes the same walker to the last bit."""
        plain = ("number", "start", "temperature", "rng", "tau", "step", "restarts", "resumed")
        kept = {name: getattr(self, name) for name in plain}
        carried = {name: np.asarray(value).tolist() for name, value in self.carried.items()}
        sound = None if self.sound is None else geometry_of(self.sound)
        return kept | {
            "atoms": geometry_of(self.atoms), "sound": sound, "follower": self.follower.state(), "carried": carried
        }  # fmt: skip

    @classmethod
    def restored(cls, record: Mapping[str, Any], starts: Sequence[Atoms], at: str) -> Walker:
        """Make the walker of a record."""
        template = starts[record["start"]]
        follower = make_follower(at)
        if record["follower"]:
            follower.restore(record["follower"], template)
        carried = {name: np.array(value)[()] for name, value in record["carried"].items()}
        sound = None if record["sound"] is None else with_geometry(template, record["sound"])
        made = {"atoms": with_geometry(template, record["atoms"]), "sound": sound, "follower": follower}
        return cls(**{**record, **made, "carried": carried})


@dataclass(frozen=True)
class Candidate:
    """A frame that triggered.

    Attributes
    ----------
    atoms : ase.Atoms
        The structure, without momenta and results.
    walker, step, start : int
        The walker, its step, and the start that its trajectory began with.
    temperature : float
        Temperature in K at that step, of the kinetic energy.
    set_temperature : float
        Temperature of the walker in K.
    tau : float
        Strength of the bias.
    score, threshold : float
        Score of the trigger and its threshold.
    uncertainty_per_atom : float
        Standard deviation of the energy over the number of atoms, in the unit of the surrogate.
    base_forces : ndarray of shape (n_atoms, 3)
        Forces of the base, in eV/Å.
    """

    atoms: Atoms
    walker: int
    step: int
    start: int
    temperature: float
    set_temperature: float
    tau: float
    score: float
    threshold: float
    uncertainty_per_atom: float
    base_forces: NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """What is the same for all walkers and all rounds.

    Attributes
    ----------
    base : LinearPotential, calculator or callable
        The base potential.
    starts : list of ase.Atoms
        The structures that trajectories begin with.
    surrogate : Surrogate
        The surrogate; rounds bring its posterior.
    tau : Tau
        Strength of the bias before the first step.
    trigger : Trigger
        What is worth taking.
    guards : Guards
        What is sound.
    dynamics : callable
        Makes the dynamics.
    burst, check_every : int
        Steps of a burst, and from one check to the next.
    unbiased : str or None
        Key of the array that marks atoms without a bias.
    max_bias : float or None
        Limit of the bias force.
    moves : MonteCarlo
        Moves before each burst but the first.
    keeps_frames : bool
        Whether bursts keep the frames that were looked at.
    """

    base: BaseLike
    starts: list[Atoms]
    surrogate: Surrogate
    tau: Tau
    trigger: Trigger
    guards: Guards
    dynamics: MakeDynamics
    burst: int
    check_every: int
    unbiased: str | None
    max_bias: float | None
    moves: MonteCarlo
    keeps_frames: bool


@dataclass
class Burst:
    """What a burst ended with.

    Attributes
    ----------
    walker : Walker
        The walker after it.
    candidate : Candidate or None
        The frame that triggered.
    rejected : list of Rejected
        The frame that failed a check, with the reason; its index is that of the walker.
    checks : int
        Number of frames that were checked.
    steps : int
        Number of steps.
    capped : int
        Number of steps at which a bias force was limited.
    score : float
        The last score.
    moves : Counter
        Numbers of Monte Carlo moves, and of those that were accepted.
    frames : list of ase.Atoms
        The frames that were looked at and found sound, with their momenta, if they are kept.
    """

    walker: Walker
    candidate: Candidate | None = None
    rejected: list[Rejected] = field(default_factory=list)
    checks: int = 0
    steps: int = 0
    capped: int = 0
    score: float = 0.0
    moves: Counter[str] = field(default_factory=Counter)
    frames: list[Atoms] = field(default_factory=list)


def begin(number: int, start: int, atoms: Atoms, temperature: float, seed: int, tau: Tau, at: str) -> Walker:
    """Make a walker at a start, with momenta of its temperature.

    Parameters
    ----------
    number : int
        Its number, which with the seed determines its random numbers.
    start : int
        Number of the start.
    atoms : ase.Atoms
        The start.
    temperature : float
        In K.
    seed : int
        Seed of the run.
    tau : Tau
        Strength of the bias before the first step.
    at : {"threshold", "peak"}
        When the score triggers.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
    atoms = bare(atoms)
    thermalize(atoms, temperature, rng)
    state: Any = rng.bit_generator.state
    return Walker(number, start, temperature, atoms, None, state, tau.state(), make_follower(at))


def run_burst(setup: Setup, surrogate: Surrogate, reference: float, walker: Walker) -> Burst:
    """Run the steps of a burst, until a frame triggers or fails a check.

    The walker is not changed. Calculator and dynamics are made anew, so the burst depends on the arguments only, and
    not on the process that runs it.

    Parameters
    ----------
    setup : Setup
        What is the same for all walkers.
    surrogate : Surrogate
        The surrogate with the posterior of the round.
    reference : float
        What scores are compared with in this round.
    walker : Walker
        The walker before the burst.

    Returns
    -------
    Burst
        The walker after it, and what it found.
    """
    return _Run(setup, surrogate, reference, walker).burst()


class _Run:
    """A burst under way."""

    def __init__(self, setup: Setup, surrogate: Surrogate, reference: float, walker: Walker):
        self.setup, self.surrogate, self.reference = setup, surrogate, reference
        self.walker = replace(walker, follower=copy.deepcopy(walker.follower))
        self.rng = np.random.Generator(np.random.PCG64())
        self.rng.bit_generator.state = walker.rng
        self.tau = copy.deepcopy(setup.tau)
        self.tau.restore(walker.tau)
        self.atoms = bare(walker.atoms, "momenta", *([] if setup.unbiased is None else [setup.unbiased]))
        self.result = Burst(self.walker)

    def burst(self) -> Burst:
        walker, setup, result = self.walker, self.setup, self.result
        unbiased = None if setup.unbiased is None else self.atoms.arrays[setup.unbiased].astype(bool)
        calculator = BiasedCalculator(
            setup.base, self.surrogate, self.tau, unbiased=unbiased, max_bias=setup.max_bias, step=walker.step
        )
        last = walker.step + setup.burst
        problem = None
        try:
            if walker.step:
                result.moves = setup.moves.run(self.atoms, self._energy(unbiased), walker.temperature, self.rng)
            self.atoms.calc = calculator
            dynamics = setup.dynamics(self.atoms, walker.temperature, self.rng)
            for name, value in walker.carried.items():
                setattr(dynamics, name, value)
            while walker.step < last and problem is None and result.candidate is None:
                steps = min(setup.check_every - walker.step % setup.check_every, last - walker.step)
                dynamics.run(steps)
                walker.step += steps
                result.steps += steps
                if walker.step % setup.check_every == 0:
                    problem = self._look(calculator)
            walker.carried = {name: getattr(dynamics, name) for name in CARRIED if hasattr(dynamics, name)}
        except (StructureError, ArithmeticError, np.linalg.LinAlgError) as error:
            problem = error.problem if isinstance(error, StructureError) else f"the dynamics failed: {error}"
            walker.step, result.steps = last, result.steps + last - walker.step
        result.capped = calculator.n_capped
        if problem is None:
            walker.atoms = bare(self.atoms, "momenta", *_marks(setup))
        else:
            self._restart(problem)
        walker.tau = self.tau.state()
        walker.rng = self.rng.bit_generator.state  # type: ignore[assignment]
        return result

    def _energy(self, unbiased: NDArray[Any] | None) -> Callable[[Atoms], float]:
        """Return the biased energy with the strength of the bias at this step."""
        tau: list[float] = []

        def energy(atoms: Atoms) -> float:
            structure: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
            own = copy.deepcopy(self.tau) if not tau else tau[0]
            structure.calc = BiasedCalculator(
                self.setup.base, self.surrogate, own, unbiased=unbiased, max_bias=None, step=self.walker.step
            )
            found = float(structure.get_potential_energy())  # type: ignore[no-untyped-call]
            tau[:] = tau or [structure.calc.results["tau"]]
            return found

        return energy

    def _look(self, calculator: BiasedCalculator) -> str | None:
        """Check a frame, and score it if it is sound; return what is wrong with it."""
        self.atoms.get_forces()  # type: ignore[no-untyped-call] # those of this frame, whatever the dynamics did last
        results, walker, setup = calculator.results, self.walker, self.setup
        self.result.checks += 1
        forces = results["base_forces"]
        problem = setup.guards.problem(self.atoms, forces, walker.temperature, setup.starts[walker.start])
        if problem is not None:
            return problem
        if walker.resumed is None or walker.step >= walker.resumed + setup.burst:
            walker.sound = bare(self.atoms, *_marks(setup))
        seen = Seen(self.atoms, results["uncertainty_per_atom"], forces)
        score = setup.trigger.score(self.surrogate, seen, self.reference)
        self.result.score = score
        if setup.keeps_frames:
            self.result.frames.append(
                looked_at(
                    bare(self.atoms, "momenta"),
                    walker=walker.number,
                    start=walker.start,
                    step=walker.step,
                    temperature=float(self.atoms.get_temperature()),  # type: ignore[no-untyped-call]
                    tau=float(results["tau"]),
                    score=score,
                    base_energy=float(results["base_energy"]),
                )
            )
        found = walker.follower.follow(self.atoms, score, setup.trigger.threshold)
        if found is not None:
            frame, its_score = found
            walker.follower.forget()
            self.tau.triggered()
            self.result.candidate = self._candidate(bare(frame), its_score, results)
        return None

    def _candidate(self, atoms: Atoms, score: float, results: Mapping[str, Any]) -> Candidate:
        walker = self.walker
        return Candidate(
            atoms=atoms,
            walker=walker.number,
            step=walker.step,
            start=walker.start,
            temperature=float(self.atoms.get_temperature()),  # type: ignore[no-untyped-call]
            set_temperature=walker.temperature,
            tau=float(results["tau"]),
            score=score,
            threshold=self.setup.trigger.threshold,
            uncertainty_per_atom=float(np.sqrt(self.surrogate.variance_per_atom(atoms))),
            base_forces=np.array(results["base_forces"]),
        )

    def _restart(self, problem: str) -> None:
        """Begin anew at the last sound frame or, if that was tried and there is no later one, at the next start."""
        walker, starts = self.walker, self.setup.starts
        frame = bare(self.atoms)
        frame.info["hal_start"] = walker.start
        self.result.rejected.append(Rejected(None, walker.number, f"step {walker.step}: {problem}", frame))
        if walker.sound is None:
            walker.start = (walker.start + 1) % len(starts)
        walker.resumed = None if walker.sound is None else walker.step
        atoms = bare(starts[walker.start] if walker.sound is None else walker.sound, *_marks(self.setup))
        thermalize(atoms, walker.temperature, self.rng)
        walker.atoms, walker.sound, walker.carried = atoms, None, {}
        walker.restarts += 1
        walker.follower.forget()
        self.tau.restarted()


def _marks(setup: Setup) -> list[str]:
    return [] if setup.unbiased is None else [setup.unbiased]
