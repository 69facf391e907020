"""`select`: the job with every option named and explained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.io.collection import StructuresLike
from mlipselect.models import LinearPotential
from mlipselect.random_state import RandomState
from mlipselect.selection.core import CoreLike
from mlipselect.selection.job import run_job
from mlipselect.selection.limits import CostLike
from mlipselect.selection.options import Options
from mlipselect.selection.result import Selection
from mlipselect.selection.target import WeightsLike
from mlipselect.selectors.bayesian import Score
from mlipselect.stores import FeatureStore
from mlipselect.stores.joined import JoinedStores


def select(
    pool: StructuresLike | FeatureStore | Sequence[FeatureStore] | JoinedStores,
    n: int = 20,
    core: CoreLike | None = None,
    descriptor: DescriptorLike | None = None,
    *,
    method: str = "bayesian",
    score: Score | None = None,
    update: Literal["structure", "atoms", "forces", "stress"] = "structure",
    ridge: float | None = None,
    prior_precision: float | NDArray[np.float64] | None = None,
    noise_precision: float = 1.0,
    potential: LinearPotential | str | os.PathLike[str] | None = None,
    target: CoreLike | None = None,
    target_groups: str | None = None,
    target_weights: WeightsLike | None = None,
    groups: str | None = None,
    min_per_group: int = 0,
    max_per_group: int | None = None,
    max_atoms: int | None = None,
    cost: CostLike | None = None,
    max_cost: float | None = None,
    min_distance: float | None = None,
    until: str | float | None = None,
    energy_key: str | Sequence[str] | None = None,
    stratify_by: str | None = None,
    stop_gain: float | None = None,
    composition: bool | None = None,
    isolated: str | Sequence[str] | None = None,
    min_bond: float | None = None,
    max_force: float | None = None,
    skip_bad: bool = False,
    dtype: DTypeLike | None = None,
    random_state: RandomState = 0,
    n_threads: int | None = None,
    progress: bool | None = None,
    output: str | os.PathLike[str] | None = None,
    save_posterior: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    strict: bool = False,
    shard: str | None = None,
    format: str | None = None,  # noqa: A002 - as ASE calls it
    species: Sequence[str] | None = None,
    species_map: Sequence[str] | Mapping[str, str] | None = None,
    cell: Sequence[float] | None = None,
    occupancy: Literal["majority"] | None = None,
    **parameters: Any,
) -> Selection:
    """Select the structures of a pool that are worth a calculation, given those that are calculated already.

    Parameters
    ----------
    pool : path, iterable of paths, ase.Atoms, iterable of ase.Atoms, or one or several FeatureStore
        Candidates. No labels are used. Of a store, or its folder, only the chosen structures are read; it brings its
        descriptor and its marks of isolated atoms, and knows no atomic rows or forces.
    n : int, default=20
        Number of structures to select.
    core : like `pool`, Features, or the path of an archive of features, optional
        Structures that are in the training set already. Features, stores and archives of them must be those of the
        descriptor; a list may hold several of these, and files.
    descriptor : object or callable, optional
        See `featurize`; by default ``ACE()``, which adapts itself to the elements of pool and core. A store has its
        own; where that is not an `ACE`, it has to be given to describe a core.
    method : {"bayesian", "fps", "facility_location", "k_medoids", "cur", "random"}, default="bayesian"
        How to select: by `BayesianSelector`, `FPS`, `FacilityLocation`, `KMedoids`, `CUR` or `RandomSelector`.
    score : {"energy", "logdet", "pool_variance", "pool_std", "force", "stress"} or mapping, optional
        What a candidate is worth to the method ``"bayesian"``, see `BayesianSelector`; by default ``"pool_variance"``,
        or ``"energy"`` with an `update` of forces or stress and without a `target`.
    update : {"structure", "atoms", "forces", "stress"}, default="structure"
        What a pick tells the posterior: the mean of its atomic features, the features of all its atoms, or its mean
        and the derivatives that its forces or its stress are. The last two are for the method ``"bayesian"`` only.
    ridge : float, optional
        Precision of the prior relative to the noise, in units of the mean square of the divided features, by default
        1e-4; see `BayesianSelector`, whose `scale` says what features are divided by. This and the next two are those
        of the posterior, which says for every method what its picks tell. The method ``"cur"`` computes its leverages
        with a `ridge` that is given, instead of with a rank.
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Precision of the prior, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse variance of the noise of what a row stands for.
    potential : LinearPotential or path, optional
        A fitted potential, or the file that keeps it: its posterior, which knows what it was fitted to, is where the
        method ``"bayesian"`` starts, and its descriptor describes the pool. No core, descriptor or prior is given then.
    target : like `core`, optional
        Structures that the selection is for, such as surfaces: the scores ``"pool_variance"`` and ``"pool_std"`` lower
        the uncertainty over them instead of that over the pool. They are read and looked at like the pool, need no
        labels, and are never picked. The parameter `objective` says whether that of their energies or forces counts.
    target_groups : str, optional
        Key like that of `groups` by which the target is grouped. The structures of a group share its weight.
    target_weights : str, sequence or mapping, optional
        Weights of the structures of the target: the key of a number in `Atoms.info`, or a number for each; or, with
        `target_groups`, a number for each group, by default 1. Without both, all structures weigh the same.
    groups : str, optional
        Key of `Atoms.info`, such as ``"config_type"``, or ``"composition"``: structures that agree in it are a group.
    min_per_group, max_per_group : int, optional
        Structures to select of each group, at least and at most; see `Quota`.
    max_atoms : int, optional
        Atoms that the selected structures may have together.
    cost : str or sequence of float, optional
        What the calculation of a structure costs: its number of atoms, ``"natoms"``, as without it, a power of that
        such as ``"natoms^3"``, or a number for each candidate. Only together with `max_cost`.
    max_cost : float, optional
        What the selected structures may cost together; see `Budget`.
    min_distance : float, optional
        Keep this distance from the core and from picks; see `MinDistance`.
    until : str or float, optional
        Stop once the expected error of energies per atom is this small: ``"2meV"``, a number in eV, or the fraction
        ``"50%"`` of the error before the first pick. An amount needs a core with energies, or a potential; `n` is the
        largest number of picks, and may be more than the pool has. See `ExpectedError` for what is expected, and the
        page on expected errors for how far that is to be trusted.
    energy_key : str or sequence of str, optional
        Keys of the energies of the core, which give expected errors their scale. Without it they are guessed where
        `until` is an amount, and not used where it is a fraction. No pick depends on them.
    stratify_by : str, optional
        Key like that of `groups`, for the method ``"random"``: draw of each group in proportion to its size.
    stop_gain : float, optional
        Stop before a pick whose score is less than this fraction of the first one's. Only greedy methods have it.
    composition : bool, optional
        Append columns of element fractions, scaled by `balance_composition`; by default where the pool has
        more than one composition.
    isolated : str or sequence of str, optional
        One or several ``"KEY=VALUE"`` that mark isolated atoms, or ``"none"``; by default
        ``"config_type=isolated_atom"`` in any spelling, such as ``IsolatedAtom`` or ``isolated``. Isolated atoms are
        not candidates and not part of the core's rows. Those of the pool are kept in the result, before the selected
        structures. By default as a store was made.
    min_bond : float, optional
        Refuse candidates with atoms closer than this fraction of the sum of their covalent radii, periodic images
        included. By default those below 0.5 are warned of; 0 does not look. The core is not looked at: short bonds
        teach repulsion.
    max_force : float, optional
        Refuse candidates with a larger force on an atom, in eV/Å, in any array of forces that they have.
    skip_bad : bool, default=False
        Pass over structures of pool and core that cannot be read or described, and over candidates that `min_bond`, or
        its default, or `max_force` refuses. They are in ``Selection.rejected``, and beside `output`, in
        ``NAME.rejected.xyz``.
    dtype : dtype, optional
        Type of the features, float64 or float32; by default float64, or that of a store.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of whatever is random, a generator that gives one, or None for fresh entropy. The seed is recorded.
    n_threads : int, optional
        Number of threads, by default, and with -1, all cores. Results do not depend on it.
    progress : bool, optional
        Show progress bars on the standard error; by default where that is a terminal.
    output : path, optional
        Write the selected structures there and the record of the selection beside it, as `Selection.write`
        does. That the file can be written is made sure before the work.
    save_posterior : path, optional
        Write the posterior after the last pick there; only together with `output`.
    report : path, optional
        Write a page there that shows what was selected and why, as `Selection.report` does.
    checkpoint : path, optional
        Keep the picks there while they are made, for methods that make them one after the other. The same call goes on
        from that file where an earlier one was stopped, and ends with the same result.
    strict : bool, default=False
        Refuse a structure that the format of `output` cannot keep to the last bit, before the work. Without it, what
        the format has no place for is written as text or let go, and one warning says what and of how many structures.
        The structures of a store are looked at beforehand with `strict` only; without it the warning comes when they
        are written.
    shard : str, optional
        ``"I/M"``: select from the I-th of M shares of a pool that is one or several stores, for `merge` to select from
        the results of all shares. For the method ``"bayesian"`` with the scores ``"energy"`` and ``"logdet"``.
    format : str, optional
        Format of all files, by a name of ASE or mlipselect; by default found from names and contents.
    species : sequence of str, optional
        Elements of the types of files that only number them, in the order of their numbers, which count from 1 in
        LAMMPS and from 0 in MTP and DeePMD-kit.
    species_map : mapping or sequence of str, optional
        Elements of atoms that files name otherwise, such as ``{"Fe1": "Fe", "D": "H"}`` or ``["Fe1=Fe", "D=H"]``.
        Atoms with an empty element are dropped.
    cell : sequence of float, optional
        Periodic cell in Å of frames that have none: 3 lengths, 3 lengths and 3 angles, or the 9 numbers of 3 vectors.
    occupancy : {"majority"}, optional
        Put the most frequent element on sites of CIF files that are occupied in part, which are refused otherwise.
    **parameters
        Further parameters of the method's selector, such as ``metric="cosine"`` for ``"fps"``.

    Returns
    -------
    Selection
        The selected structures in pick order with their scores, the curve, and the posterior. It is empty where no
        candidate is left by `skip_bad` or meets the limits; its `notes` say why.

    Raises
    ------
    StructureError
        A structure that cannot be read or described, or that lacks the key of `groups`; the message names its file and
        frame.
    InvalidInputError
        An empty pool, `n` out of range, limits that cannot be met, or another argument that cannot be worked with. No
        output is left behind.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.2, 5.3, 5.4, 5.5, 5.6)]
    >>> core = [ase.build.bulk("Si", a=5.4)]
    >>> selection = ms.select(pool, n=2, core=core, descriptor=ms.ACE(["Si"], totaldegree=8))
    >>> selection.indices
    array([1, 3])
    >>> selection.structures[0].info["mlipselect_rank"]
    1
    >>> ms.select(pool, n=2, method="fps", descriptor=ms.ACE(["Si"], totaldegree=8)).indices
    array([0, 4])
    """
    given = locals()
    return run_job(pool, n, core, descriptor, Options.gather(given, parameters))
