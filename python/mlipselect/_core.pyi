"""The compiled part of mlipselect: thin bindings of the Rust crates. Use the package, not this module."""

from typing import final

import numpy as np
import numpy.typing as npt

__all__ = ["AceBasis", "__version__", "ace_length", "neighbor_list"]

__version__: str

@final
class AceBasis:
    def __new__(
        cls,
        atomic_numbers: npt.NDArray[np.int64],
        order: int,
        totaldegree: npt.NDArray[np.float64],
        rcut: float,
        r0: npt.NDArray[np.float64],
    ) -> AceBasis: ...
    @property
    def n_features(self) -> int: ...
    def site_features(
        self,
        positions: npt.NDArray[np.float64],
        atomic_numbers: npt.NDArray[np.int64],
        cells: npt.NDArray[np.float64],
        pbc: npt.NDArray[np.bool_],
        offsets: npt.NDArray[np.int64],
        n_threads: int | None = None,
    ) -> npt.NDArray[np.float64]: ...
    def structure_features(
        self,
        positions: npt.NDArray[np.float64],
        atomic_numbers: npt.NDArray[np.int64],
        cells: npt.NDArray[np.float64],
        pbc: npt.NDArray[np.bool_],
        offsets: npt.NDArray[np.int64],
        n_threads: int | None = None,
    ) -> npt.NDArray[np.float64]: ...
    def smoothness_prior(self, power: float) -> npt.NDArray[np.float64]: ...

def ace_length(n_elements: int, order: int, totaldegree: npt.NDArray[np.float64]) -> int: ...
def neighbor_list(
    positions: npt.NDArray[np.float64],
    cell: npt.NDArray[np.float64],
    pbc: tuple[bool, bool, bool],
    cutoff: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...
