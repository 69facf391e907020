"""The compiled part of mlipselect: thin bindings of the Rust crates. Use the package, not this module."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AceBasis",
    "AceForward",
    "BoundedRows",
    "LeastSquares",
    "MedoidSwaps",
    "Posterior",
    "Selection",
    "__version__",
    "ace_length",
    "column_sums",
    "facility_location_bytes",
    "frame_index",
    "inspect",
    "largest_first",
    "leverage",
    "mean_square",
    "moments_of_sums",
    "neighbor_list",
    "parse_frames",
    "parse_info",
    "pool_score_bytes",
    "scan_frames",
    "shuffled",
    "shuffled_by_stratum",
    "shuffled_by_weight",
    "standard_scales",
    "thread_count",
    "window_sizes",
    "windowed_bayesian",
    "windowed_fps",
]

__version__: str

class _Parts(Protocol):
    parts: Sequence[NDArray[np.float64] | NDArray[np.float32]]
    shape: tuple[int, int]

_Matrix = NDArray[np.float64] | NDArray[np.float32] | _Parts

@final
class Posterior:
    def __new__(
        cls, dim: int, prior_precision: float | NDArray[np.float64], noise_precision: float = 1.0
    ) -> Posterior: ...
    @property
    def dim(self) -> int: ...
    @property
    def noise_precision(self) -> float: ...
    @property
    def covariance(self) -> NDArray[np.float64]: ...
    def update(self, rows: _Matrix, *, n_threads: int | None = None) -> None: ...
    def variance(self, rows: _Matrix, *, n_threads: int | None = None) -> NDArray[np.float64]: ...
    def deviation(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]: ...
    def logdet(self) -> float: ...
    def information(self) -> float: ...
    def effective_dimension(self) -> float: ...
    def copy(self) -> Posterior: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    @staticmethod
    def load(path: str | PathLike[str]) -> Posterior: ...
    @staticmethod
    def _from_bytes(data: bytes) -> Posterior: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...

@final
class Selection:
    @staticmethod
    def bayesian(
        posterior: Posterior,
        score: str,
        pool: _Matrix,
        *,
        atoms: _Matrix | None = None,
        offsets: NDArray[np.int64] | None = None,
        target: _Matrix | None = None,
        engine: str = "lazy",
        max_memory: int = ...,
        n_threads: int | None = None,
    ) -> Selection: ...
    @staticmethod
    def fps(
        pool: _Matrix,
        core: _Matrix | None = None,
        *,
        metric: str = "euclidean",
        scale: str = "standard",
        initialize: int | None = None,
        engine: str = "lazy",
        n_threads: int | None = None,
    ) -> Selection: ...
    @staticmethod
    def facility_location(
        pool: _Matrix,
        core: _Matrix | None = None,
        *,
        metric: str = "euclidean",
        scale: str = "standard",
        engine: str = "lazy",
        max_memory: int = ...,
        n_threads: int | None = None,
    ) -> Selection: ...
    def prepare(self) -> None: ...
    def propose(self) -> tuple[int, float] | None: ...
    def advance(self, count: int) -> None: ...
    def accept(self, candidate: int) -> None: ...
    def exclude(self, candidates: Any) -> None: ...
    @property
    def remaining(self) -> int: ...
    @property
    def indices(self) -> NDArray[np.int64]: ...
    @property
    def scores(self) -> NDArray[np.float64]: ...
    @property
    def information(self) -> NDArray[np.float64]: ...
    def posterior(self) -> Posterior: ...
    @property
    def reading(self) -> tuple[int, int]: ...
    @property
    def loss(self) -> float: ...

@final
class MedoidSwaps:
    def __new__(
        cls,
        pool: _Matrix,
        n_to_select: int,
        *,
        core: _Matrix | None = None,
        exclude: Sequence[int] = ...,
        init: str = "build",
        seed: int = 0,
        scale: str = "standard",
        max_memory: int = ...,
        n_threads: int | None = None,
    ) -> MedoidSwaps: ...
    @staticmethod
    def row_bytes(pool: int, core: int, dim: int, n_to_select: int) -> int: ...
    @property
    def list_bytes(self) -> int | None: ...
    @property
    def window(self) -> int: ...
    def advance(self, count: int) -> None: ...
    @property
    def started(self) -> int: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def visited(self) -> int: ...
    @property
    def swaps(self) -> int: ...
    def result(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], float]: ...

@final
class BoundedRows:
    def __new__(
        cls,
        kind: str,
        pool: _Matrix,
        block: int,
        *,
        metric: str = "euclidean",
        factors: NDArray[np.float64] | None = None,
        n_threads: int | None = None,
    ) -> BoundedRows: ...
    def survey(self, known: Posterior | _Matrix) -> None: ...
    def observe(self, news: tuple[NDArray[np.float64] | None, Posterior] | _Matrix) -> None: ...
    def exclude(self, candidates: NDArray[np.int64]) -> None: ...
    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.float64], float]: ...

@final
class LeastSquares:
    def __new__(cls, dim: int) -> LeastSquares: ...
    @staticmethod
    def from_triangle(triangle: NDArray[np.float64], n_rows: int) -> LeastSquares: ...
    @property
    def dim(self) -> int: ...
    @property
    def n_rows(self) -> int: ...
    def add(
        self,
        rows: _Matrix,
        targets: NDArray[np.float64],
        weights: NDArray[np.float64],
        *,
        n_threads: int | None = None,
    ) -> None: ...
    def merge(self, other: LeastSquares, *, n_threads: int | None = None) -> None: ...
    def triangle(self, *, n_threads: int | None = None) -> NDArray[np.float64]: ...
    def squared_error(self, weights: NDArray[np.float64]) -> float: ...
    def copy(self) -> LeastSquares: ...

def facility_location_bytes(pool: int, core: int, dim: int) -> tuple[int, int]: ...
def frame_index(path: str | PathLike[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None: ...
def parse_frames(
    data: bytes, starts: NDArray[np.int64], *, n_threads: int | None = None
) -> list[tuple[int, list[tuple[str, Any]], list[tuple[str, int, Any]]] | None]: ...
def parse_info(text: bytes) -> list[tuple[str, Any]] | None: ...
def scan_frames(
    data: bytes, starts: NDArray[np.int64], *, n_threads: int | None = None
) -> tuple[
    NDArray[np.int64],
    NDArray[np.bool_],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.int64],
]: ...
def leverage(
    pool: _Matrix,
    core: _Matrix | None,
    *,
    offsets: NDArray[np.int64] | None = None,
    rank: int | None = None,
    ridge: float | None = None,
    scale: str = "none",
    n_threads: int | None = None,
) -> tuple[NDArray[np.float64], int, float]: ...
def largest_first(candidates: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]: ...
def shuffled(candidates: NDArray[np.int64], seed: int) -> NDArray[np.int64]: ...
def shuffled_by_weight(candidates: NDArray[np.int64], weights: NDArray[np.float64], seed: int) -> NDArray[np.int64]: ...
def shuffled_by_stratum(candidates: NDArray[np.int64], strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]: ...
def pool_score_bytes(score: str, candidates: int, target: int, dim: int, max_memory: int) -> int: ...
def mean_square(pool: _Matrix, core: _Matrix | None, n_threads: int | None = None) -> float: ...
def column_sums(
    rows: _Matrix, origin: NDArray[np.float64], *, is_core: bool = False, n_threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def moments_of_sums(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    count: int,
    origin: NDArray[np.float64],
    is_single: bool,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]: ...
def window_sizes(kind: str, pool: _Matrix, max_memory: int) -> tuple[int, int, int, int]: ...
def windowed_bayesian(
    posterior: Posterior,
    score: str,
    pool: _Matrix,
    sizes: tuple[int, int, int],
    *,
    elsewhere: Any = None,
    n_threads: int | None = None,
) -> Selection: ...
def windowed_fps(
    pool: _Matrix,
    core: _Matrix | None,
    sizes: tuple[int, int, int],
    *,
    metric: str = "euclidean",
    factors: NDArray[np.float64] | None = None,
    initialize: int | None = None,
    elsewhere: Any = None,
    n_threads: int | None = None,
) -> Selection: ...
def standard_scales(
    pool: _Matrix, core: _Matrix | None = None, n_threads: int | None = None
) -> NDArray[np.float64]: ...

@final
class AceBasis:
    def __new__(
        cls,
        atomic_numbers: NDArray[np.int64],
        order: int,
        totaldegree: NDArray[np.float64],
        rcut: float,
        r0: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
    ) -> AceBasis: ...
    @property
    def n_features(self) -> int: ...
    def site_features(
        self,
        positions: NDArray[np.float64],
        atomic_numbers: NDArray[np.int64],
        cells: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        n_threads: int | None = None,
    ) -> NDArray[np.float64]: ...
    def structure_features(
        self,
        positions: NDArray[np.float64],
        atomic_numbers: NDArray[np.int64],
        cells: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        n_threads: int | None = None,
    ) -> NDArray[np.float64]: ...
    def predict(
        self,
        positions: NDArray[np.float64],
        atomic_numbers: NDArray[np.int64],
        cells: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        weights: NDArray[np.float64],
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
    def designs(
        self,
        positions: NDArray[np.float64],
        atomic_numbers: NDArray[np.int64],
        cells: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        n_threads: int | None = None,
    ) -> NDArray[np.float64]: ...
    def forward(
        self,
        positions: NDArray[np.float64],
        atomic_numbers: NDArray[np.int64],
        cells: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        n_threads: int | None = None,
    ) -> AceForward: ...
    def predict_from(
        self, forward: AceForward, weights: NDArray[np.float64], n_threads: int | None = None
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]: ...
    def design_bytes(self, n_atoms: int) -> int: ...
    def smoothness_prior(self, power: float) -> NDArray[np.float64]: ...

@final
class AceForward:
    @property
    def row(self) -> NDArray[np.float64]: ...

def ace_length(n_elements: int, order: int, totaldegree: NDArray[np.float64]) -> int: ...
def thread_count(n_threads: int | None = None) -> int: ...
def inspect(
    positions: NDArray[np.float64],
    atomic_numbers: NDArray[np.int64],
    cells: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    radii: NDArray[np.float64],
    limit: float,
    n_threads: int | None = None,
) -> tuple[NDArray[np.uint64], list[tuple[int, int, int, float, float]], list[tuple[int, str]]]: ...
def neighbor_list(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool],
    cutoff: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
