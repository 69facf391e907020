"""`Hal`: rounds of biased dynamics by many walkers, and the structures that are taken from them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.checkpoint import SelectionInterrupted, identity_of
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.base import BaseLike
from mlipselect.hal.checkpoint import HalCheckpoint
from mlipselect.hal.dynamics import LangevinDynamics
from mlipselect.hal.executors import Executor, executor
from mlipselect.hal.geometry import bare
from mlipselect.hal.guards import kind_of_rejected
from mlipselect.hal.known import Known
from mlipselect.hal.lesson import settled_update
from mlipselect.hal.mace_potential import MacePotential
from mlipselect.hal.nearest import NearestOfCore
from mlipselect.hal.options import HalOptions, repr_of
from mlipselect.hal.outcome import selection_of
from mlipselect.hal.pick import Pick
from mlipselect.hal.picking import Picked, pick
from mlipselect.hal.progress import HalProgress
from mlipselect.hal.state import State
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.trajectory import Trajectories
from mlipselect.hal.triggers import Trigger, make_trigger
from mlipselect.hal.walker import Burst, Candidate, Setup, begin
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures, StructuresLike
from mlipselect.io.frame import errors_name
from mlipselect.io.inspection import Rejected
from mlipselect.io.isolated import marks_of
from mlipselect.models import LinearPotential
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted, is_or_are

MAX_WALKERS = 8
"""Largest number of walkers that starts make without being asked for."""
MAX_REJECTED = 200
"""Rejected frames that are kept; further ones are counted."""


class Hal:
    r"""Explore with biased dynamics, and take structures that are worth a calculation, `n` without a new fit.

    Iterating over it runs rounds, and gives each `mlipselect.hal.Pick` when it is taken. In a round every walker runs a
    burst with the posterior as it is, until a frame triggers. Greedy selection picks from the frames that triggered,
    while the best of them still triggers after each update of the posterior. No calculation is needed in between.

    Parameters
    ----------
    starts : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        Structures that trajectories begin with.
    base : LinearPotential, MacePotential, ase.calculators.calculator.Calculator or callable
        The potential that moves the atoms, or a function without arguments that returns it.
    surrogate : Surrogate, optional
        What is known; its posterior is not changed. By default that of a base that is a `LinearPotential`.
    n : int, default=50
        Number of structures to take.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of momenta and of the dynamics.
    workers : int, default=1
        Number of processes that run bursts. The result does not depend on it.
    client : distributed.Client, optional
        A Dask cluster that runs bursts, instead of processes.
    checkpoint : path, optional
        Keep the state there between rounds: the same run goes on from that file where it was stopped, with the same
        result to the last bit.
    trajectory : path, optional
        Folder for the trajectory of each walker, ``walker-000.xyz`` and so on: the sound frames that were looked at,
        with their momenta. Files of an earlier run are replaced; a run that goes on from a checkpoint adds to its own.
    progress : bool or None, default=False
        Show progress on the standard error; None shows it where that is a terminal.
    **options
        Options of the dynamics, of what is taken and of when to stop, below.

    Other Parameters
    ----------------
    temperature : float or sequence of float, default=300.0
        Temperatures in K, which walkers take in turn.
    walkers : int, optional
        Number of walkers, by default the number of temperatures, or of starts up to 8 if that is larger. Walkers take
        starts in turn.
    timestep, friction : float
        Time step in fs, by default 1, and friction of Langevin dynamics in 1/fs, by default 0.01.
    pressure : float, optional
        Pressure in GPa: the volume changes, the shape of the cell does not. By default the volume is constant.
    dynamics : callable, optional
        A function of a structure, a temperature in K and a `numpy.random.Generator` that returns dynamics of ASE. They
        are made anew for each burst, so what they keep beside the structure begins anew.
    burst : int, default=100
        Steps of a round.
    swaps, cell_moves : int, default=0
        Monte Carlo moves on the biased energy that each walker tries between its bursts: exchanges of two unlike atoms,
        and changes of the volume at `pressure` or, without one, at none; see `mlipselect.hal.montecarlo`.
    cell_step : float, default=0.02
        Largest change of the logarithm of the volume in such a move.
    tau : float, callable or RelativeTau, optional
        Strength of the bias, by default relative to the forces.
    tau_rel : float or callable, optional
        Bias force as a fraction of the force of the base, by default 0.1; see `RelativeTau`.
    tau_rise : int, optional
        Steps in which that fraction doubles while no frame triggers, up to 1; a frame that triggers halves it. 0 keeps
        it. By default 200, and 0 with a function as `tau_rel`.
    unbiased : str, optional
        Key of `Atoms.arrays` that is true for atoms without a bias.
    max_bias : float or None, default=10.0
        Limit of the bias force; see `BiasedCalculator`.
    trigger : {"extrapolation", "gain", "relative-force", "max-atom"} or Trigger, default="extrapolation"
        Score that decides whether a frame is worth taking; see `mlipselect.hal.triggers`.
    threshold : float, optional
        Smallest score that is worth taking, by default that of the trigger.
    at : {"threshold", "peak"}, default="threshold"
        Take the first frame above the threshold, or that of a peak above the threshold and the mean score so far.
    check_every : int, default=5
        Steps from one look at the score to the next.
    update : {"structure", "forces", "labels"}, optional
        What a pick tells the posterior: its energy per atom; that and its forces, as in `select`; or all labels that
        the potential was fitted to, each with its noise, as the next fit will have them. By default the labels if
        the surrogate has a fitted potential, else the energy.
    min_distance : float or None, default=0.01
        Distance to keep from the core and from earlier picks; see `MinDistance`.
    min_bond, max_force, max_heat, max_volume_change : float
        Checks of frames: the smallest distance in sums of covalent radii (0.6), the largest force of the base in eV/Å
        (50), the largest temperature in temperatures of the walker (5), and the largest factor by which the volume may
        change (2). A frame that fails ends its trajectory.
    patience : int, default=20
        Stop after this many rounds without a pick.
    stop_gain : float, optional
        Stop before a pick whose gain is less than this fraction of the first one's.
    max_steps : int, optional
        Stop after this many steps of all walkers together.
    max_time : float, optional
        Stop after this many seconds. What is taken then depends on the speed of the machine.

    Attributes
    ----------
    picks : list of Pick
        What was taken so far.
    surrogate : Surrogate
        The surrogate before the first pick.
    posterior : Posterior
        What is known now.
    rejected : list of Rejected
        Frames that failed a check, at most 200, with the reasons.
    failed : Counter
        Numbers of trajectories that ended by a failed check, by what the check was of.
    n_trajectories : int
        Number of trajectories that were begun: one a walker, and one after each that ended by a failed check.
    counts : Counter
        Numbers of steps, checked, triggered and rejected frames, near-duplicates, frames that no longer triggered when
        their turn came, and steps with a limited bias.
    ended : str or None
        Why the run ended; None before that.

    Raises
    ------
    InvalidInputError
        Options out of their range or without effect, no start, or a trigger that the surrogate cannot serve.

    Notes
    -----
    A burst depends on the walker and the posterior only, so one process, several processes and a cluster take the same
    structures, to the last bit on one kind of machine [1]_.

    References
    ----------
    .. [1] T. Rocke, J. Kermode, arXiv:2502.21165 (2025), section 2.1.

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.demo import silicon_core, silicon_pool
    >>> from mlipselect.demo.tersoff import silicon_tersoff
    >>> surrogate = ms.Surrogate(ms.ACE(["Si"], totaldegree=6), core=silicon_core())
    >>> run = ms.Hal(silicon_pool()[-1], silicon_tersoff, surrogate, n=2, temperature=600.0, burst=20)
    >>> [pick.walker for pick in run]
    [0, 0]
    >>> len(run.selection)
    2
    """

    def __init__(
        self,
        starts: StructuresLike,
        base: BaseLike,
        surrogate: Surrogate | None = None,
        n: int = 50,
        *,
        random_state: RandomState = 0,
        workers: int = 1,
        client: Any = None,
        checkpoint: str | PathLike[str] | None = None,
        trajectory: str | PathLike[str] | None = None,
        progress: bool | None = False,
        **options: Any,
    ):
        for name, value in (("n", n), ("workers", workers)):
            if value < 1:
                raise InvalidInputError(f"{name}: expected at least 1, got {value}")
        self.options = HalOptions.gather(options)
        self.n, self.seed_ = int(n), draw_seed(random_state)
        self.surrogate = _surrogate(base, surrogate)
        self._workers, self._client, self._progress = workers, client, progress
        self.starts = Structures(starts, marks_of(None), checks=Checks(min_bond=0.0), where=" of the starts").survey()
        self._setup = self._made_setup(base, keeps_frames=trajectory is not None)
        self._check_starts()
        self._update = settled_update(self.options.taking.update, self.surrogate)
        self._nearest = NearestOfCore(self.surrogate)
        self._known = Known.of(self.surrogate, with_sites=self._setup.trigger.needs_sites)
        self._setup.trigger.check(self.surrogate)
        self._setup.trigger.reference(self.surrogate, self._known)
        self._checkpoint = None if checkpoint is None else HalCheckpoint(checkpoint, self._identity(base))
        self._trajectories = None
        with self._alone():
            self._state = self._first_state()
        if trajectory is not None:
            sizes = self._state.trajectory or [0] * len(self._state.walkers)
            self._state = replace(self._state, trajectory=sizes)
            self._trajectories = Trajectories(trajectory, sizes)
        self._yielded = 0
        self.seconds = 0.0

    def _made_setup(self, base: BaseLike, *, keeps_frames: bool) -> Setup:
        sampling, taking = self.options.sampling, self.options.taking
        marks = [] if sampling.unbiased is None else [sampling.unbiased]
        starts = [frame.atoms for frame in self.starts.iter_candidates()]
        if not starts:
            raise InvalidInputError("starts: expected at least one structure, got none")
        for number, atoms in enumerate(starts):
            if not all(mark in atoms.arrays for mark in marks):
                raise InvalidInputError(f"unbiased: {self.starts.name_of(number)} has no array {sampling.unbiased!r}")
        self.options.moves.check(starts)
        dynamics = sampling.dynamics or LangevinDynamics(sampling.timestep, sampling.friction, sampling.pressure)
        return Setup(
            base=base,
            starts=[bare(atoms, *marks) for atoms in starts],
            surrogate=self.surrogate,
            tau=self.options.tau,
            trigger=make_trigger(taking.trigger, taking.threshold),
            guards=self.options.guards,
            dynamics=dynamics,
            burst=sampling.burst,
            check_every=taking.check_every,
            unbiased=sampling.unbiased,
            max_bias=sampling.max_bias,
            moves=self.options.moves,
            keeps_frames=keeps_frames,
        )

    def _check_starts(self) -> None:
        """Refuse a start that the descriptor of the surrogate cannot describe.

        Raises
        ------
        StructureError
            There is one; the message names it.
        """
        for frame in self.starts.iter_candidates():
            with errors_name(frame):
                self.surrogate.row(frame.atoms)

    def _first_state(self) -> State:
        """Return the state in the checkpoint, or that before the first round."""
        setup, at = self._setup, self.options.taking.at
        kept = None if self._checkpoint is None else self._checkpoint.read(setup.starts, at)
        if kept is not None:
            for taken in kept.picks:
                self._known = self._known.and_also(self.surrogate.row(taken.atoms)[None])
            return kept
        temperatures, starts = self.options.temperatures, setup.starts
        number = self.options.sampling.walkers or max(len(temperatures), min(len(starts), MAX_WALKERS))
        walkers = []
        for k in range(number):
            start, temperature = k % len(starts), temperatures[k % len(temperatures)]
            walkers.append(begin(k, start, starts[start], temperature, self.seed_, setup.tau, at))
            if setup.unbiased is not None:
                walkers[-1].atoms.arrays[setup.unbiased] = starts[start].arrays[setup.unbiased].copy()
        state = State(walkers, self.surrogate.posterior.copy())
        if self._checkpoint is not None:
            self._checkpoint.write(state)  # that it can be written is found out before any work
        return state

    def _identity(self, base: BaseLike) -> dict[str, Any]:
        """Tell, for a checkpoint, what the run depends on."""
        of_base: Any = identity_of(base.weights_) if isinstance(base, LinearPotential) else repr_of(base)
        if isinstance(base, MacePotential):
            of_base = describe_descriptor(base.descriptor)
        starts = [identity_of(atoms.positions) for atoms in self._setup.starts]
        core = self.surrogate.core_features
        return {
            "n": self.n,
            "random_state": self.seed_,
            "base": of_base,
            "starts": starts,
            "descriptor": describe_descriptor(self.surrogate.descriptor),
            "posterior": identity_of(self.surrogate.posterior),
            "core": None if core is None else identity_of(core.per_structure),
            **self.recorded(),
        }

    def recorded(self) -> dict[str, Any]:
        """Return the options as they were used, ready for JSON."""
        return self.options.recorded() | {"update": self._update}

    @property
    def picks(self) -> list[Pick]:
        """What was taken so far."""
        return self._state.picks

    @property
    def posterior(self) -> Posterior:
        """What is known now, with everything that was taken."""
        return self._state.posterior

    @property
    def rejected(self) -> list[Rejected]:
        """Frames that failed a check, with the reasons."""
        return self._state.rejected

    @property
    def counts(self) -> Counter[str]:
        """Numbers of steps, frames and what became of them."""
        return self._state.counts

    @property
    def failed(self) -> Counter[str]:
        """Numbers of trajectories that ended by a failed check, by what the check was of."""
        return self._state.failed

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories that were begun: one a walker, and one after each that ended by a failed check."""
        return len(self._state.walkers) + self.counts["rejected"]

    @property
    def ended(self) -> str | None:
        """Why the run ended; None before that."""
        return self._state.ended

    def __iter__(self) -> Iterator[Pick]:
        """Run rounds, and give each structure when it is taken; after an interruption go on where it was.

        Raises
        ------
        KeyboardInterrupt
            It was interrupted; with a checkpoint, the state before the round is kept there.
        """
        with self._alone(), self._interruptible(), HalProgress(self._progress, self) as bar:
            with executor(self._setup, self._workers, self._client) as where:
                while True:
                    while self._yielded < len(self.picks):
                        self._yielded += 1
                        yield self.picks[self._yielded - 1]
                    if self.ended is not None:
                        break
                    began = time.perf_counter()
                    bursts = self._round(where)
                    self.seconds += time.perf_counter() - began
                    bar.update(bursts)
            if self._checkpoint is not None:
                self._checkpoint.write(self._state)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process write the checkpoint and the trajectories meanwhile."""
        with ExitStack() as stack:
            for kept in (self._checkpoint, self._trajectories):
                if kept is not None:
                    stack.enter_context(kept.held())
            yield

    def run(self) -> Selection:
        """Run to the end, and return what was taken."""
        for _ in self:
            pass
        return self.selection

    @property
    def selection(self) -> Selection:
        """What was taken so far, as `select` returns it."""
        return selection_of(self)

    def _round(self, where: Executor) -> list[Burst]:
        """Run one round, and replace the state by that after it."""
        state = self._state
        surrogate = self.surrogate.learned(state.posterior)
        reference = self._setup.trigger.reference(surrogate, self._known)
        bursts = where.run(state.posterior, reference, state.walkers)
        candidates = [burst.candidate for burst in bursts if burst.candidate is not None]
        picked = self._picked(candidates, surrogate)
        after, known = self._after(state, bursts, candidates, picked), self._known
        if picked is not None:
            known = known.and_also(picked.rows)
        if self._trajectories is not None:
            after = replace(after, trajectory=self._trajectories.add(bursts, state.trajectory))
        self._state, self._known = after, known
        if self._checkpoint is not None and self._checkpoint.is_due():
            self._checkpoint.write(after)
        return bursts

    def _picked(self, candidates: Sequence[Candidate], surrogate: Surrogate) -> Picked | None:
        """Pick from what triggered, up to the first pick that adds too little; None if nothing triggered."""
        if not candidates:
            return None

        def take(n: int) -> Picked:
            taking = self.options.taking
            return pick(
                candidates,
                surrogate,
                self._known,
                self._setup.trigger,
                n,
                update=self._update,
                min_distance=taking.min_distance,
            )

        found = take(self.n - len(self.picks))
        least = self._least_gain(found.gains)
        enough = next((k for k, gain in enumerate(found.gains) if gain < least), None)
        if enough is None:
            return found
        return take(enough) if enough else replace(
            found, indices=[], variances=[], gains=[], rows=found.rows[:0], posterior=surrogate.posterior
        )  # fmt: skip

    def _least_gain(self, gains: Sequence[float]) -> float:
        """Return the gain below which nothing is taken."""
        stop_gain = self.options.ending.stop_gain
        if stop_gain is None:
            return -np.inf
        first = self.picks[0].gain if self.picks else (gains[0] if len(gains) else 0.0)
        return stop_gain * first

    def _after(
        self, state: State, bursts: Sequence[Burst], candidates: Sequence[Candidate], picked: Picked | None
    ) -> State:
        """Return the state after a round."""
        counts = Counter(state.counts)
        counts.update(
            steps=sum(burst.steps for burst in bursts),
            checks=sum(burst.checks for burst in bursts),
            capped=sum(burst.capped for burst in bursts),
            rejected=sum(len(burst.rejected) for burst in bursts),
            triggered=len(candidates),
            near=0 if picked is None else picked.n_near,
            late=0 if picked is None else picked.n_late,
        )
        for burst in bursts:
            counts.update(burst.moves)
        rejected = [item for burst in bursts for item in burst.rejected]
        taken = [] if picked is None else self._taken(state.round, candidates, picked)
        after = State(
            walkers=[burst.walker for burst in bursts],
            posterior=state.posterior if picked is None else picked.posterior,
            picks=state.picks + taken,
            rejected=(state.rejected + rejected)[:MAX_REJECTED],
            failed=state.failed + Counter(kind_of_rejected(item) for item in rejected),
            counts=counts,
            round=state.round + 1,
            idle=0 if taken else state.idle + 1,
            trajectory=state.trajectory,
        )
        return replace(after, ended=self._reason_to_end(after, picked))

    def _taken(self, round_: int, candidates: Sequence[Candidate], picked: Picked) -> list[Pick]:
        out = []
        for k, index in enumerate(picked.indices):
            found = candidates[index]
            nearest = self._nearest.find(picked.rows[k])
            same = ("atoms", "walker", "start", "step", "temperature", "set_temperature", "tau", "score", "threshold")
            out.append(
                Pick(
                    **{name: getattr(found, name) for name in same},
                    round=round_,
                    uncertainty_per_atom=float(np.sqrt(picked.variances[k])),
                    gain=picked.gains[k],
                    nearest=None if nearest is None else nearest[0],
                    distance=None if nearest is None else nearest[1],
                )
            )
        return out

    def _reason_to_end(self, state: State, picked: Picked | None) -> str | None:
        """Say why a run ends after a round; None if it goes on."""
        ending = self.options.ending
        if len(state.picks) >= self.n:
            return f"all {self.n} structures were taken" if self.n > 1 else "the one structure was taken"
        is_little = picked is not None and not picked.indices and picked.n_near == picked.n_late == 0
        if ending.stop_gain is not None and is_little:
            return f"the next structure would add less than {ending.stop_gain:g} of the first gain"
        if state.idle >= ending.patience:
            return f"no structure was worth taking in {counted(ending.patience, 'round')}"
        if ending.max_steps is not None and state.counts["steps"] >= ending.max_steps:
            return f"{counted(state.counts['steps'], 'step')} made"
        if ending.max_time is not None and self.seconds >= ending.max_time:
            return f"{ending.max_time:g} s have passed"
        return None

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Keep the state in the checkpoint where the run is interrupted."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            if self._checkpoint is None:
                raise
            self._checkpoint.write(self._state)
            raise SelectionInterrupted(
                f"{len(self.picks)} of {self.n} structures {is_or_are(len(self.picks))} taken, and kept in "
                f"{self._checkpoint.path}: the same call goes on from it"
            ) from interrupt

    def rows(self) -> NDArray[np.float64]:
        """Return the rows of what was taken, shape (n_picks, d)."""
        return self._known.taken

    def start_atoms(self) -> list[Atoms]:
        """Return the starts, without labels."""
        return self._setup.starts

    @property
    def trigger(self) -> Trigger:
        """The trigger."""
        return self._setup.trigger

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from mlipselect.report.notebook import hal_html

        return hal_html(self)

    def __repr__(self) -> str:
        return f"Hal({counted(len(self._setup.starts), 'start')}, {len(self.picks)} of {self.n} taken)"


def _surrogate(base: BaseLike, surrogate: Surrogate | None) -> Surrogate:
    """Return the surrogate; a fitted potential is its own."""
    if surrogate is not None:
        return surrogate
    if isinstance(base, LinearPotential):
        return Surrogate(base)
    raise InvalidInputError("surrogate: expected one, got none: only a LinearPotential as the base is its own")
