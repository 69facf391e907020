"""One pass of a MACE model over a structure, which its features, linear models of them and its energy share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlipselect.descriptors.base import Prediction
from mlipselect.descriptors.torch_settings import torch_settings

VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of xx, yy, zz, yz, xz and xy."""


class MacePass:
    """A structure that a model has visited. Derivatives take one pass back each; the intermediate results are kept.

    Parameters
    ----------
    found : dict of Tensor
        Results of the model for one structure, with the graph of their computation.
    positions : Tensor of shape (n_atoms, 3)
        Positions, as a variable of differentiation.
    columns : ndarray of int
        The columns of the node features that are kept.
    dtype : str
        Precision of the model.
    check_weights : callable
        Refuses weights that do not fit.
    n_threads : int, optional
        Threads of torch.
    """

    def __init__(
        self,
        found: dict[str, Any],
        positions: Any,
        columns: npt.NDArray[np.int64],
        dtype: str,
        check_weights: Any,
        n_threads: int | None,
    ):
        self._found, self._positions = found, positions
        self._dtype, self._check_weights, self._n_threads = dtype, check_weights, n_threads
        self._rows = found["node_feats"][:, columns]

    @property
    def row(self) -> npt.NDArray[np.float64]:
        """The mean of the features of the atoms, shape (n_features,)."""
        rows: npt.NDArray[np.floating] = self._rows.detach().cpu().numpy()
        mean: npt.NDArray[np.float64] = rows.mean(axis=0, dtype=np.float64)
        return mean

    def predictions(self, weights: npt.ArrayLike) -> list[Prediction]:
        """Predict energy, forces and virial by linear models, one for each row of weights, shape (k, n_features)."""
        import torch

        checked = self._check_weights(weights, 2)
        with torch_settings(self._dtype, self._n_threads):
            own = torch.tensor(checked, device=self._rows.device)
            return [self._pulled_back(self._rows @ one) for one in own]

    def own(self) -> Prediction:
        """Return the energy of the model itself, with its derivatives; site energies have those of free atoms."""
        with torch_settings(self._dtype, self._n_threads):
            return self._pulled_back(self._found["node_energy"], self._found["energy"])

    def _pulled_back(self, sites: Any, energy: Any = None) -> Prediction:
        """Differentiate the sum of the energies of the atoms, or the energy where that is not their sum."""
        import torch

        total = sites.sum() if energy is None else energy.sum()
        slopes = torch.autograd.grad(
            total, [self._positions, self._found["displacement"]], retain_graph=True, materialize_grads=True
        )
        forces, virials = (-slope.detach().cpu().numpy().astype(np.float64) for slope in slopes)
        energies = sites.detach().cpu().numpy().astype(np.float64)
        return Prediction(float(total.detach()), forces, virials[0][VOIGT], energies)
