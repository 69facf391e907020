"""The variance of forces by sampled weights: for descriptors and cells where rows of all forces cost too much."""

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
        A descriptor with `vjp`. Its `vjps(atoms, W)`, which shares the pass forward, is used where it has one.
    atoms : ase.Atoms
        The structure.
    posterior : Posterior
        What is known of the weights of the features.
    n_samples : int, default 32
        Weights to draw; each costs one `vjp`. With as many as there are features, the exact variance from `design`
        costs as much.
    random_state : int, numpy.random.Generator or None, default 0
        Seed of the weights, a generator that draws them, or None for fresh entropy.

    Returns
    -------
    variance : ndarray of shape (n_atoms, 3)
        Estimates, without bias.
    error : ndarray of shape (n_atoms, 3)
        Their standard errors, ``variance * sqrt(2 / n_samples)``: a quarter of the variance with 32 samples.

    Raises
    ------
    InvalidInputError
        A descriptor without `vjp`, fewer than two samples, or a posterior of another number of features.
    StructureError
        The structure cannot be described.

    Notes
    -----
    For weights drawn from the posterior, :math:`w \sim N(0, \Sigma)`, a force component :math:`-\nabla_i w^T B` has
    the variance that is sought, and its square, a multiple of :math:`\chi^2_1`, twice the square of that as its own.

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
