"""The surrogate: a Gaussian posterior of linear weights, and the standard deviation of the energy that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.descriptors.base import (
    DescriptorLike,
    Design,
    DesignDescriptor,
    DifferentiableDescriptor,
    HasForwardPass,
    HasPredictions,
    HasStructureFeatures,
    Prediction,
    bound,
)
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.checks import Checks
from mlipselect.io.isolated import marks_of
from mlipselect.models import LinearPotential
from mlipselect.selection.core import Core, CoreLike
from mlipselect.selectors.prior import DEFAULT_SCALE, PriorScale
from mlipselect.selectors.starting_posterior import RIDGE, starting_posterior
from mlipselect.utils.unmasked import unmasked


@dataclass(frozen=True)
class Deviation:
    """Standard deviation of the total energy of a structure, with its derivatives.

    Attributes
    ----------
    sigma : float
        Standard deviation of the total energy: in eV, or in units of the noise; see `Surrogate.unit`.
    gradient : ndarray of shape (n_atoms, 3)
        Derivative of `sigma` by the positions, per Å. It is zero where `sigma` is zero.
    virial : ndarray of shape (6,) or None
        Minus the derivative of `sigma` by strain: xx, yy, zz, yz, xz, xy. None if the descriptor has no virials.
    """

    sigma: float
    gradient: NDArray[np.float64]
    virial: NDArray[np.float64] | None

    @classmethod
    def of(cls, sigma: float, prediction: Prediction) -> Deviation:
        """Return the deviation whose derivatives are those of a linear model."""
        return cls(sigma, -prediction.forces, prediction.virial)


class Surrogate:
    r"""What a linear model of the features does not know: a descriptor and the posterior of the weights.

    Parameters
    ----------
    descriptor : object or LinearPotential
        A descriptor with `features` and `vjp`, such as `ACE`; or a fitted potential, which brings its descriptor and
        its posterior.
    core : path, iterable of paths, iterable of ase.Atoms or Features, optional
        The training set. With a descriptor alone, the posterior is that after the core, as in `select`. With a
        `posterior` or a potential, which know what they were fitted to, the core serves for comparison only.
    posterior : Posterior, optional
        The posterior, of features per atom as `BayesianSelector` has it; it is not changed.
    ridge : float, optional
        Prior precision over noise precision, in units of the mean square of the divided columns; by default 1e-4. Only
        with a descriptor and a core.
    scale : {"root", "standard", "none"}, optional
        What columns are divided by under the prior; see `BayesianSelector`. By default ``"root"``. Only with a
        descriptor and a core.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. Results do not depend on it.

    Attributes
    ----------
    descriptor : object
        The descriptor, bound to the elements of the core.
    core : Core or None
        The structures of the core, read.
    core_features : Features or None
        One row for each of them.
    potential : LinearPotential or None
        The potential, if one was given.

    Raises
    ------
    InvalidInputError
        No core to make a posterior from, a descriptor without `vjp`, or a ridge beside what takes its place.

    Notes
    -----
    With :math:`\Phi = \sum_i B_i`, the sum of the features of all atoms, and the covariance :math:`\Sigma` of the
    weights, the standard deviation of the energy is :math:`\sigma = \sqrt{\Phi^T \Sigma \Phi}`. Its gradient is that of
    the linear model with the weights :math:`w = \Sigma \Phi / \sigma`, so one vector-Jacobian product gives it
    exactly [1]_. No committee is sampled.

    References
    ----------
    .. [1] T. Rocke, J. Kermode, arXiv:2502.21165 (2025); C. van der Oord, M. Sachs, D. P. Kovács, C. Ortner,
       G. Csányi, npj Comput. Mater. 9, 168 (2023).

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.demo import silicon_core, silicon_pool
    >>> surrogate = ms.Surrogate(ms.ACE(["Si"], totaldegree=6), core=silicon_core())
    >>> deviation = surrogate.deviation(silicon_pool()[0])
    >>> deviation.sigma > 0.0, deviation.gradient.shape
    (True, (64, 3))
    """

    def __init__(
        self,
        descriptor: DescriptorLike | LinearPotential,
        *,
        core: CoreLike | None = None,
        posterior: Posterior | None = None,
        ridge: float | None = None,
        scale: PriorScale | None = None,
        n_threads: int | None = None,
    ):
        self.n_threads = n_threads
        self.potential = descriptor if isinstance(descriptor, LinearPotential) else None
        if (ridge is not None or scale is not None) and (posterior is not None or self.potential is not None):
            raise InvalidInputError(
                "ridge and scale: expected neither, as a posterior or a potential has a prior of its own"
            )
        if self.potential is not None and posterior is not None:
            raise InvalidInputError("posterior: expected none, as a potential has one of its own")
        self.core = None if core is None else Core(core, marks_of(None), checks=Checks().of_a_core()).survey()
        given = descriptor.descriptor if isinstance(descriptor, LinearPotential) else descriptor
        self.descriptor = bound(given, [] if self.core is None else self.core.examples) if self.core else given
        if not isinstance(self.descriptor, DifferentiableDescriptor):
            raise InvalidInputError(
                f"descriptor: expected one with features(atoms) and vjp(atoms, w), got {type(self.descriptor).__name__}"
            )
        self.core_features = self._described_core()
        if posterior is None:
            posterior = self._made_posterior(RIDGE if ridge is None else ridge, scale or DEFAULT_SCALE)
        self._posterior = posterior.copy()

    def _described_core(self) -> Features | None:
        """Describe the core by one row for each structure."""
        if self.core is None:
            return None
        return self.core.featurize(
            self.descriptor, (), rows="structure", dtype=np.float64, n_threads=self.n_threads, progress=False
        )

    def _made_posterior(self, ridge: float, scale: PriorScale) -> Posterior:
        """Return the posterior of the potential, or that after the core."""
        if self.potential is not None:
            return self.potential.posterior_
        if self.core_features is None:
            raise InvalidInputError("core: expected the training set, a posterior or a potential, got none of them")
        rows = self.core_features.per_structure
        posterior = starting_posterior(rows, ridge=ridge, scale=scale, n_threads=self.n_threads)
        posterior.update(rows, n_threads=self.n_threads)
        return posterior

    @property
    def posterior(self) -> Posterior:
        """The posterior of the weights, to read; `learned` gives a surrogate with another one."""
        return self._posterior

    @property
    def unit(self) -> str:
        """``"eV"`` with a fitted potential; else ``"noise"``: without labels only ratios to the noise are known."""
        return "noise" if self.potential is None else "eV"

    def learned(self, posterior: Posterior) -> Surrogate:
        """Return the same surrogate with another posterior, which is not copied."""
        other = Surrogate.__new__(Surrogate)
        other.__dict__.update(self.__dict__)
        other._posterior = posterior
        return other

    def row(self, atoms: Atoms) -> NDArray[np.float64]:
        """Return the design row of the energy per atom: the mean of the features of the atoms, shape (d,)."""
        if isinstance(self.descriptor, HasStructureFeatures):
            rows = self.descriptor.structure_features([atoms], n_threads=self.n_threads)
            return unmasked("features", rows[0], np.float64)
        features: NDArray[np.float64] = unmasked("features", self.descriptor.features(atoms), np.float64)
        mean: NDArray[np.float64] = features.mean(axis=0)
        return mean

    def variance_per_atom(self, atoms: Atoms) -> float:
        """Return the variance of the energy per atom, in squares of `unit`."""
        return float(self._posterior.variance(self.row(atoms)[None], n_threads=self.n_threads)[0])

    def deviation(self, atoms: Atoms) -> Deviation:
        """Compute the standard deviation of the energy of a structure, with its derivatives.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Deviation
            The deviation, its gradient and, if the descriptor gives it, its virial.

        Raises
        ------
        StructureError
            A structure that cannot be described.
        """
        forward = None
        if isinstance(self.descriptor, HasForwardPass):
            forward = self.descriptor.forward(atoms, n_threads=self.n_threads)
        row = self.row(atoms) if forward is None else forward.row
        sigma, weights = self.weights(row, len(atoms))
        if sigma == 0.0:
            has_virials = isinstance(self.descriptor, HasPredictions | DesignDescriptor)
            return Deviation(0.0, np.zeros((len(atoms), 3)), np.zeros(6) if has_virials else None)
        if forward is not None:
            return Deviation.of(sigma, forward.predictions(weights[None])[0])
        return Deviation(sigma, *self._derivatives(atoms, weights))

    def weights(self, row: NDArray[np.float64], n_atoms: int) -> tuple[float, NDArray[np.float64]]:
        """Return the standard deviation of the energy, and the weights of the linear model that has its derivatives.

        Parameters
        ----------
        row : ndarray of shape (d,)
            The mean of the features of the atoms.
        n_atoms : int
            Number of atoms.

        Returns
        -------
        sigma : float
            Standard deviation of the total energy.
        weights : ndarray of shape (d,)
            ``Sigma Phi / sigma``; zero where `sigma` is zero.
        """
        return self._posterior.deviation(row * float(n_atoms))

    def _derivatives(
        self, atoms: Atoms, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Differentiate the linear model by positions and, if the descriptor can, by strain."""
        if isinstance(self.descriptor, HasPredictions):
            found = self.descriptor.predictions([atoms], weights, n_threads=self.n_threads)[0]
            return -np.asarray(found.forces, dtype=np.float64), np.asarray(found.virial, dtype=np.float64)
        virial = None
        if isinstance(self.descriptor, DesignDescriptor):
            virial = unmasked("derivatives by strain", self.descriptor.design(atoms).virial, np.float64) @ weights
        gradient = cast("DifferentiableDescriptor", self.descriptor).vjp(atoms, weights)
        return unmasked("derivatives by positions", gradient, np.float64), virial

    def forces_variance(self, atoms: Atoms) -> NDArray[np.float64]:
        """Return the variance of each force component, shape (n_atoms, 3), in squares of `unit` per Å.

        Raises
        ------
        InvalidInputError
            The descriptor has no `design`.
        """
        rows = np.ascontiguousarray(self.design(atoms).forces, dtype=np.float64)
        return self._posterior.variance(rows, n_threads=self.n_threads).reshape(-1, 3)

    def sites_variance(self, atoms: Atoms) -> NDArray[np.float64]:
        """Return the variance of the energy of each atom, shape (n_atoms,), in squares of `unit`."""
        rows = np.ascontiguousarray(self.descriptor.features(atoms), dtype=np.float64)
        return self._posterior.variance(rows, n_threads=self.n_threads)

    def design(self, atoms: Atoms) -> Design:
        """Return the design rows of a structure.

        Raises
        ------
        InvalidInputError
            The descriptor has no `design`.
        """
        if not isinstance(self.descriptor, DesignDescriptor):
            raise InvalidInputError(
                f"update: expected a descriptor that gives the rows of forces (`design`), got "
                f"{type(self.descriptor).__name__}: take update='structure'"
            )
        return self.descriptor.design(atoms)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the core out, which other processes have no use for."""
        return {**self.__dict__, "core": None, "core_features": None}

    def __repr__(self) -> str:
        kind = "a potential" if self.potential is not None else "a posterior"
        core = 0 if self.core_features is None else len(self.core_features)
        return f"Surrogate({self.descriptor!r}, {kind}, core of {core} structures, unit {self.unit})"
