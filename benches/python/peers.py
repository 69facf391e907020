"""What people select with today: plain numpy as one would write it, and the packages that install.

Every function takes pool, core, how many to pick and the number of threads, and returns what it found as an array.
"""

from __future__ import annotations

import inspect

import numpy as np

#: The paper's model, which the loop computes too: energies, one prior for all weights.
PAPER = {"score": "energy", "scale": "none", "ridge": 1e-5}
EFFECTIVE = 0.999
BLOCK = 8192


def prior_precision(X: np.ndarray, core: np.ndarray) -> float:
    """Isotropic prior precision of the package's convention, at unit noise."""
    squares = sum(float(np.einsum("ij,ij->", A, A, dtype=np.float64)) for A in (X, core))
    return PAPER["ridge"] * squares / (X.size + core.size)


def bayesian_numpy(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select greedily by variance: all scores by one matrix product, then one matrix-vector product a pick."""
    precision = prior_precision(X, core) * np.eye(X.shape[1]) + core.T.astype(np.float64) @ core
    sigma = np.linalg.inv(precision)
    cast = sigma.astype(X.dtype)
    blocks = (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))
    scores = np.concatenate([np.einsum("ij,ij->i", block @ cast, block) for block in blocks])
    picks = np.empty(n, np.int64)
    for k in range(n):
        picks[k] = i = int(np.argmax(scores))
        v = sigma @ X[i].astype(np.float64)
        w = v / np.sqrt(1.0 + X[i] @ v)
        sigma -= np.outer(w, w)
        scores -= (X @ w.astype(X.dtype)) ** 2
        scores[i] = -np.inf
    return picks


def bayesian_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:
    """Select with the package, by `energy`."""
    from mlipselect import BayesianSelector

    return BayesianSelector(n, **PAPER, n_threads=threads).fit(X, core=core).selected_idx_


def pool_variance_numpy(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select by `pool_variance`: all scores by two matrix products, then two matrix-vector products a pick."""
    precision = prior_precision(X, core) * np.eye(X.shape[1]) + core.T.astype(np.float64) @ core
    sigma, blocks = np.linalg.inv(precision), [X[start : start + BLOCK] for start in range(0, len(X), BLOCK)]
    mean_square = sum(block.T.astype(np.float64) @ block for block in blocks) / len(X)
    variances, numerators = np.empty(len(X)), np.empty(len(X))
    for k, block in enumerate(blocks):
        images, own = block.astype(np.float64) @ sigma, slice(k * BLOCK, k * BLOCK + len(block))
        variances[own] = np.einsum("ij,ij->i", images, block)
        numerators[own] = np.einsum("ij,ij->i", images @ mean_square, images)
    picks = np.empty(n, np.int64)
    for k in range(n):
        scores = numerators / (1.0 + variances)
        scores[picks[:k]] = -np.inf
        picks[k] = i = int(np.argmax(scores))
        v = sigma @ X[i].astype(np.float64)
        w = v / np.sqrt(1.0 + X[i] @ v)
        sigma -= np.outer(w, w)
        mw = mean_square @ w
        a, b = X @ w.astype(X.dtype), X @ (sigma @ mw).astype(X.dtype)
        variances -= a.astype(np.float64) ** 2
        numerators -= a * (2.0 * b + a * (w @ mw))
    return picks


def pool_variance_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:
    """Select with the package, by `pool_variance`."""
    from mlipselect import BayesianSelector

    return BayesianSelector(n, **PAPER | {"score": "pool_variance"}, n_threads=threads).fit(X, core=core).selected_idx_


def pool_std_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:
    """Select with the package, by `pool_std`, without a limit of memory."""
    from mlipselect import BayesianSelector

    model = PAPER | {"score": "pool_std", "max_memory": 1 << 40}
    return BayesianSelector(n, **model, n_threads=threads).fit(X, core=core).selected_idx_


def energy_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:
    """Select with the package, by `energy`; builds before the parameter `scale` have no other than "none"."""
    from mlipselect import BayesianSelector

    known = inspect.signature(BayesianSelector).parameters
    model = {name: value for name, value in PAPER.items() if name in known}
    return BayesianSelector(n, **model, n_threads=threads).fit(X, core=core).selected_idx_


def fps_numpy(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Sample farthest points from the first row, one matrix-vector product a pick, in the element type of the pool."""
    squares = np.einsum("ij,ij->i", X, X)
    nearest = np.full(len(X), np.inf, X.dtype)
    picks = np.zeros(n, np.int64)
    for k in range(1, n):
        i = picks[k - 1]
        np.minimum(nearest, squares + squares[i] - 2 * (X @ X[i]), out=nearest)
        picks[k] = int(np.argmax(nearest))
    return picks


def fps_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select with the package, from the first row, of the rows as they are."""
    from mlipselect import FPS

    return FPS(n, scale="none", initialize=0, n_threads=threads).fit(X).selected_idx_


def fps_skmatter(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Run scikit-matter's FPS, from the first row."""
    from skmatter.sample_selection import FPS

    return FPS(n_to_select=n, initialize=0).fit(X).selected_idx_


def fps_voronoi(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Run scikit-matter's VoronoiFPS, from the first row."""
    from skmatter.sample_selection import VoronoiFPS

    return VoronoiFPS(n_to_select=n, initialize=0).fit(X).selected_idx_


def distance_matrix(X: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows, in place of their matrix product: the fastest way that numpy knows."""
    squares = np.einsum("ij,ij->i", X, X)
    out = X @ X.T
    for start in range(0, len(X), 1024):
        block = out[start : start + 1024]
        block *= -2.0
        block += squares
        block += squares[start : start + 1024, None]
        np.maximum(block, 0.0, out=block)
        np.sqrt(block, out=block)
    np.fill_diagonal(out, 0.0)
    return out


def facility_numpy(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select by lazy greedy facility location with a matrix of distances, beginning with the medoid."""
    between = distance_matrix(X)
    picks = [int(np.argmin(between.sum(axis=1)))]
    nearest = between[picks[0]].copy()
    bounds = np.full(len(X), np.inf)
    for _ in range(1, n):
        fresh = np.zeros(len(X), dtype=bool)
        bounds[picks] = -np.inf
        while not fresh[i := int(np.argmax(bounds))]:
            bounds[i] = np.maximum(nearest - between[i], 0.0).sum(dtype=np.float64)
            fresh[i] = True
        picks.append(i)
        np.minimum(nearest, between[i], out=nearest)
    return np.array(picks)


def facility_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select with the package, of the rows as they are."""
    from mlipselect import FacilityLocation

    return FacilityLocation(n, scale="none", n_threads=threads).fit(X).selected_idx_


def kmedoids_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Select with the package, of the rows as they are."""
    from mlipselect import KMedoids

    return KMedoids(n, scale="none", n_threads=threads).fit(X).selected_idx_


def kmedoids_fasterpam(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Run FasterPAM of the kmedoids package, once, with the matrix of distances that it needs."""
    import kmedoids

    return kmedoids.fasterpam(distance_matrix(X), n, random_state=0, n_cpu=threads).medoids.astype(np.int64)


def _directions(gram: np.ndarray) -> np.ndarray:
    """Eigenvectors that hold the default share, divided by their singular values."""
    squares, vectors = np.linalg.eigh(gram)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    rank = 1 + int((np.cumsum(squares) < EFFECTIVE * squares.sum()).sum())
    return vectors[:, :rank] / np.sqrt(squares[:rank])


def cur_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Compute the leverage of every row with the package."""
    from mlipselect import CUR

    return CUR(1, n_threads=threads).fit(X).leverage_


def cur_numpy(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Compute leverages by the Gram matrix and its eigenvectors, all rows at once in their own element type."""
    return ((X @ _directions(X.T @ X)) ** 2).sum(axis=1)


def cur_numpy64(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Compute the same in float64, block by block."""
    blocks = [X[start : start + BLOCK] for start in range(0, len(X), BLOCK)]
    gram = np.zeros((X.shape[1], X.shape[1]))
    for block in blocks:
        rows = block.astype(np.float64)
        gram += rows.T @ rows
    V = _directions(gram)
    return np.concatenate([((block.astype(np.float64) @ V) ** 2).sum(axis=1) for block in blocks])


def random_ours(X: np.ndarray, core: np.ndarray, n: int, threads: int) -> np.ndarray:  # noqa: ARG001
    """Draw at random, the baseline."""
    from mlipselect import RandomSelector

    return RandomSelector(n).fit(X).selected_idx_


#: For each selector its engines, ours first; the second is what others are compared with.
ENGINES = {
    "bayesian": {"ours": bayesian_ours, "numpy loop": bayesian_numpy},
    "pool_variance": {
        "ours": pool_variance_ours,
        "numpy loop": pool_variance_numpy,
        "energy": energy_ours,
        "earlier energy": energy_ours,
    },
    "pool_std": {"ours": pool_std_ours, "pool_variance": pool_variance_ours, "energy": energy_ours},
    "fps": {"ours": fps_ours, "numpy loop": fps_numpy, "skmatter FPS": fps_skmatter, "skmatter Voronoi": fps_voronoi},
    "facility": {"ours": facility_ours, "numpy, matrix": facility_numpy},
    "k-medoids": {"ours": kmedoids_ours, "kmedoids": kmedoids_fasterpam},
    "cur": {"ours": cur_ours, "numpy Gram": cur_numpy, "numpy Gram, 64": cur_numpy64},
    "random": {"ours": random_ours},
}
