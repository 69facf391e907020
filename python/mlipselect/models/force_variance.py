"""The variance of forces from sampled weights, for structures whose force rows cost too much."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.descriptors.base import DifferentiableDescriptor, HasVjps
from mlipselect.exceptions import InvalidInputError
from mlipselect.random_state import RandomState


def force_variance(
    descriptor: DifferentiableDescriptor,
    atoms: Atoms,
    posterior: Posterior,
    *,
    n_samples: int = 32,
    random_state: RandomState = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Estimate the variance of every force component of one structure, without noise.

    Parameters
    ----------
    descriptor : DifferentiableDescriptor
        A descriptor with `vjp`. Its `vjps(atoms, W)`, which shares the pass forward, is used if it has one.
    atoms : ase.Atoms
        The structure.
    posterior : Posterior
        Posterior of the weights of the features.
    n_samples : int, default=32
        Number of weights to draw; each costs one `vjp`. The exact variance from `design` costs as much as one sample
        per feature.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the weights, a generator that draws them, or None for fresh entropy.

    Returns
    -------
    variance : ndarray of shape (n_atoms, 3)
        Unbiased estimates.
    error : ndarray of shape (n_atoms, 3)
        Standard errors, ``variance * sqrt(2 / n_samples)``: a quarter of the variance with 32 samples.

    Raises
    ------
    InvalidInputError
        A descriptor without `vjp`, fewer than two samples, or a posterior of another number of features.
    StructureError
        The structure cannot be described.

    Notes
    -----
    For weights :math:`w \sim N(0, \Sigma)` the force component :math:`-\nabla_i w^T B` is Gaussian with mean zero and
    the variance :math:`v` that is wanted. Its square is :math:`v \chi^2_1`, with mean :math:`v` and variance
    :math:`2 v^2`.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> ace = ms.ACE(["Si"], totaldegree=6)
    >>> crystal = ase.build.bulk("Si", cubic=True)
    >>> crystal.rattle(0.1)
    >>> variance, error = ms.force_variance(ace, crystal, ms.Posterior(ace.n_features, 1.0))
    >>> variance.shape, float((error / variance).max())
    ((8, 3), 0.25)
    """
    if not isinstance(descriptor, DifferentiableDescriptor):
        raise InvalidInputError(f"expected a descriptor with `vjp`, but {type(descriptor).__name__} has none")
    if n_samples < 2:
        raise InvalidInputError(f"n_samples: expected at least 2, got {n_samples}")
    values, vectors = np.linalg.eigh(posterior.covariance)
    rng = np.random.default_rng(random_state)
    # Eigenvalues that rounding made negative are zero.
    W = rng.normal(size=(n_samples, posterior.dim)) * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    together = descriptor.vjps(atoms, W) if isinstance(descriptor, HasVjps) else None
    slopes = np.array([descriptor.vjp(atoms, w) for w in W]) if together is None else together
    variance: NDArray[np.float64] = np.square(slopes, dtype=np.float64).mean(axis=0)
    return variance, variance * np.sqrt(2.0 / n_samples)
