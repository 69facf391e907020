"""What the tests of `Remote` run in another process, most of it wrong in one way."""

import os
import time
import warnings

import numpy as np


def distances(atoms):
    """Sorted distances to the three nearest other atoms."""
    away = np.sort(atoms.get_all_distances(mic=True), axis=1)
    return np.pad(away, ((0, 0), (0, 3)))[:, 1:4]


class Springs:
    """The sum of squared distances times a stiffness, with its derivative."""

    def __init__(self, stiffness=1.0, model="a.model"):
        print("made with", stiffness)
        warnings.warn("springs are stiff", stacklevel=1)
        self.parameters = {"name": "Springs", "stiffness": stiffness, "model": model, "sha256": "0123"}
        self.stiffness = stiffness

    def features(self, atoms):
        vectors = atoms.positions[None] - atoms.positions[:, None]
        charge = atoms.info.get("charge", 0)
        return np.stack([self.stiffness * (vectors**2).sum(axis=(1, 2)), np.full(len(atoms), 1.0 + charge)], axis=1)

    def vjp(self, atoms, w):
        vectors = atoms.positions[None] - atoms.positions[:, None]
        return -4 * self.stiffness * w[0] * vectors.sum(axis=1)


class Faulty:
    """Goes wrong in the way that is named."""

    def __init__(self, fault):
        self.fault = fault
        if fault == "unmade":
            raise FileNotFoundError("no.model")

    def features(self, atoms):
        if self.fault == "dies":
            os._exit(3)
        if self.fault == "sleeps":
            time.sleep(60)
        if self.fault == "germanium" and "Ge" in atoms.symbols:
            raise KeyError("Ge")
        if self.fault == "masked":
            return np.ma.masked_array(np.ones((len(atoms), 2)), mask=True)
        return {"short": np.zeros((len(atoms) - 1, 2)), "flat": np.zeros(len(atoms))}.get(
            self.fault, np.ones((len(atoms), 2))
        )


class InBatches(Faulty):
    """Says which structure of a batch it was, or does not."""

    def site_features(self, structures, n_threads=None):
        for index, atoms in enumerate(structures):
            if "Ge" in atoms.symbols:
                error = ValueError("no Ge")
                if self.fault == "indexed":
                    error.problem, error.index = "no Ge", index
                raise error
        return np.full((sum(map(len, structures)), 1), float(n_threads or 0))


class Typed:
    """Rows of one type."""

    def __init__(self, dtype):
        self.dtype = dtype

    def features(self, atoms):
        return np.full((len(atoms), 2), [3, 4], dtype=self.dtype)
