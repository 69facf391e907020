"""The process that runs Julia: ``python -m mlipselect.julia.child`` answers the requests of a `JuliaACE`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.worker.messages import serve


def main() -> None:
    """Answer requests until the input ends."""
    bridge = Bridge()
    serve(bridge.answer, lambda error: {"error": f"{type(error).__name__}: {error}", "stage": bridge.stage})


class Bridge:
    """The functions of `bridge.jl`, called by request.

    Attributes
    ----------
    stage : str
        The current step, which tells to what an error belongs.
    """

    def __init__(self) -> None:
        self.stage = "request"
        self._julia: Any = None
        self._model: Any = None

    def answer(
        self, head: dict[str, Any], arrays: list[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[NDArray[np.float64]]]:
        """Answer one request."""
        self.stage = "request"
        if head["do"] == "open":
            return {"n_features": self._open(head)}, []
        numbers, positions, cell = arrays
        # Julia is column-major: vectors are the columns of its arrays.
        structure = (numbers, positions.T, cell.T, np.asarray(head["pbc"]))
        if head["do"] == "features":
            return {}, [np.asarray(self._julia.site_rows(self._model, *structure), dtype=np.float64)]
        if head["do"] == "design":
            parts = self._julia.design_rows(self._model, *structure)
            return {}, [np.asarray(part, dtype=np.float64) for part in parts]
        raise ValueError(f"unknown request {head['do']!r}")

    def _open(self, head: dict[str, Any]) -> int:
        os.environ["PYTHON_JULIAPKG_OFFLINE"] = "no" if head["download"] else "yes"
        self.stage = "julia"
        import juliacall

        self._julia = juliacall.newmodule("MlipselectBridge")
        self.stage = "packages"
        if head["download"]:
            self._julia.seval("import Pkg; Pkg.Registry.add(); ")
            self._julia.seval('Pkg.Registry.add(Pkg.RegistrySpec(url = "https://github.com/ACEsuit/ACEregistry"))')
            self._julia.seval('Pkg.add(["ACEpotentials", "AtomsBase", "Unitful", "StaticArrays"])')
        self._julia.include(str(Path(__file__).with_name("bridge.jl")))
        self.stage = "model"
        self._model = self._julia.make_model(head["elements"], head["parameters"])
        return int(self._julia.n_features(self._model))


if __name__ == "__main__":
    main()
