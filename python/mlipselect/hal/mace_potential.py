"""A MACE model as base potential, whose features come from the same pass."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.descriptors.base import Prediction

if TYPE_CHECKING:
    from mlipselect.descriptors.mace.forward import MacePass


class MacePotential:
    """Energy and forces of a MACE model, and its features in the same pass.

    Biased by a surrogate of the features of the same model, a step costs one pass forward and two passes back. A model
    file can run any code when it is loaded: give only files from people you trust.

    Parameters
    ----------
    model : path, str, torch.nn.Module or MACE
        The model, as `MACE` takes it, or that descriptor.
    n_threads : int, optional
        Threads of torch; by default its current setting.
    **how
        Options of `MACE`, such as ``device="cuda"``; none with a descriptor.

    Attributes
    ----------
    descriptor : MACE
        The features of the model.
    """

    def __init__(self, model: str | os.PathLike[str] | Any, *, n_threads: int | None = None, **how: Any):
        from mlipselect.descriptors.mace import MACE

        self.descriptor = model if isinstance(model, MACE) else MACE(model, **how)
        self.n_threads = n_threads

    def predict(self, atoms: Atoms) -> Prediction:
        """Predict energy, forces, virial and the energy of each site.

        Raises
        ------
        StructureError
            The model cannot describe the structure.
        """
        return self.descriptor.forward(atoms, self.n_threads).own()

    def predict_beside(
        self,
        atoms: Atoms,  # noqa: ARG002 - as that of a LinearPotential
        forward: MacePass,
        weights: NDArray[np.float64],
    ) -> tuple[Prediction, Prediction]:
        """Predict by the model and by a linear model of its features.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        forward : MacePass
            What `forward` of the descriptor returned for it.
        weights : ndarray of shape (n_features,)
            Weights of the linear model.

        Returns
        -------
        Prediction, Prediction
            That of `predict`, and that of the linear model.
        """
        return forward.own(), forward.predictions(weights[None])[0]

    def __repr__(self) -> str:
        return f"MacePotential({self.descriptor!r})"
