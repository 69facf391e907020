"""The ACE basis of ACEpotentials.jl as a descriptor, computed by a child process that runs Julia."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.base import Design
from mlipselect.exceptions import InvalidInputError, MissingExtraError, MlipselectError, StructureError
from mlipselect.io.describable import check_structure
from mlipselect.worker.process import Process


class JuliaACE:
    """The linear ACE basis of ACEpotentials.jl, computed by Julia in a child process (extra ``julia``).

    Julia starts when the first structure is described, which takes about a minute.

    Parameters
    ----------
    elements : sequence of str
        Elements that may occur.
    order : int, default=3
        Correlation order.
    totaldegree : float or sequence of float
        Total degree, one for all orders or one for each.
    rcut : float, default=5.0
        Cutoff in Å.
    download : bool, default=False
        Whether Julia and its packages may be downloaded if they are missing.
    timeout : float, default=1800.0
        Seconds to wait for an answer.
    bridge : sequence of str, optional
        Command that starts the child process, such as another Python that has juliacall. By default this Python.
    **options
        Further arguments of ``ace1_model``: numbers, text and lists of them.

    Raises
    ------
    MissingExtraError
        Raised when a structure is described, if juliacall, Julia or ACEpotentials.jl is not installed.

    Notes
    -----
    The bridge is written for ``ace1_model``, ``site_descriptors`` and ``energy_forces_virial_basis`` of
    ACEpotentials.jl 0.8 and later. **It has not been run with Julia yet.** `ACE` needs no Julia; where Julia is
    installed, ``python benches/python/julia_parity.py`` compares the two.

    References
    ----------
    .. [1] W. C. Witt et al., J. Chem. Phys. 159, 164101 (2023).
    """

    def __init__(
        self,
        elements: Sequence[str],
        *,
        order: int = 3,
        totaldegree: float | Sequence[float],
        rcut: float = 5.0,
        download: bool = False,
        timeout: float = 1800.0,
        bridge: Sequence[str] | None = None,
        **options: Any,
    ):
        self.elements = tuple(elements)
        self.order, self.totaldegree, self.rcut = order, totaldegree, rcut
        self.download, self.timeout, self.options = download, timeout, options
        self.bridge = list(bridge or [sys.executable, "-m", "mlipselect.julia.child"])
        self._process: Process | None = None
        self._n_features: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy starts a process of its own when it needs one.
        return {**self.__dict__, "_process": None}

    def __repr__(self) -> str:
        return (
            f"JuliaACE({list(self.elements)}, order={self.order}, totaldegree={self.totaldegree}, rcut={self.rcut:g})"
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {"name": "JuliaACE", "elements": list(self.elements), **self._model_parameters()}

    @property
    def n_features(self) -> int:
        """Length of a row. Julia is started if it is not running."""
        self._running()
        assert self._n_features is not None
        return self._n_features

    def features(self, atoms: Atoms) -> npt.NDArray[np.float64]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.

        Raises
        ------
        StructureError
            A structure that Julia cannot describe.
        MlipselectError
            The process ended, did not answer in time, or answered something else.
        """
        self._check(atoms)
        (rows,) = self._ask("features", atoms, [(len(atoms), self.n_features)])
        return rows

    def design(self, atoms: Atoms) -> Design:
        """Differentiate every feature of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Design
            Rows for the energy, the forces and the virial.

        Raises
        ------
        StructureError, MlipselectError
            As for `features`.
        """
        self._check(atoms)
        d = self.n_features
        return Design(*self._ask("design", atoms, [(d,), (3 * len(atoms), d), (6, d)]))

    def close(self) -> None:
        """End the process; it starts again when it is needed."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _model_parameters(self) -> dict[str, Any]:
        degrees = self.totaldegree if isinstance(self.totaldegree, (int, float)) else list(self.totaldegree)
        return {"order": self.order, "totaldegree": degrees, "rcut": self.rcut, **self.options}

    def _running(self) -> Process:
        if self._process is None or not self._process.is_own:
            process = Process(self.bridge, self.timeout, "JuliaACE")
            head, _ = process.ask(
                {
                    "do": "open",
                    "elements": list(self.elements),
                    "parameters": self._model_parameters(),
                    "download": self.download,
                }
            )
            if "error" in head:
                process.stop()
                raise _not_opened(head)
            if not isinstance(head.get("n_features"), int):
                process.stop()
                raise MlipselectError(f"JuliaACE: expected the number of features from {self.bridge[0]}, got {head}")
            self._process, self._n_features = process, head["n_features"]
        return self._process

    def _check(self, atoms: Atoms) -> None:
        check_structure(atoms)
        unknown = sorted(set(atoms.symbols) - set(self.elements))
        if unknown:
            raise StructureError(f"unknown element {', '.join(unknown)}: expected only {', '.join(self.elements)}")

    def _ask(self, what: str, atoms: Atoms, shapes: list[tuple[int, ...]]) -> list[npt.NDArray[np.float64]]:
        arrays = [atoms.numbers.astype(np.int64), atoms.positions, np.asarray(atoms.cell)]
        process = self._running()
        try:
            head, found = process.ask({"do": what, "pbc": atoms.pbc.tolist()}, arrays)
        except MlipselectError:
            self._process = None
            raise
        if "error" in head:
            raise StructureError(f"Julia cannot describe it: {head['error']}")
        if [array.shape for array in found] != shapes or any(array.dtype != np.float64 for array in found):
            self.close()
            raise MlipselectError(
                f"JuliaACE: expected arrays of float64 of shapes {shapes}, got {[array.shape for array in found]}"
            )
        return found


def _not_opened(head: dict[str, Any]) -> MlipselectError:
    """Name what is missing, by the stage: juliacall has no exception of its own for a missing Julia."""
    reason = " ".join(str(head["error"]).split())
    if head.get("stage") == "julia":
        return MissingExtraError(
            f"JuliaACE needs Julia: pip install 'mlipselect[julia]', and Julia itself, or download=True ({reason})"
        )
    if head.get("stage") == "packages":
        return MissingExtraError(
            f"JuliaACE needs ACEpotentials.jl in the Julia project of juliacall, or download=True ({reason})"
        )
    return InvalidInputError(f"JuliaACE: ACEpotentials.jl refuses the model: {reason}")
