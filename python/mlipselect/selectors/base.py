"""The base of all selectors, with checks of their arguments and protocols of pools."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any, ClassVar, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError, NotFittedError
from mlipselect.parameters import Parametrised, shown_short

_LOGGER = logging.getLogger("mlipselect")
#: Bytes of a copy of features from which on it is logged.
LARGE = 100_000_000

FloatMatrix: TypeAlias = "NDArray[np.float64] | NDArray[np.float32]"


@runtime_checkable
class HasStructureRows(Protocol):
    """Features that come with more than a matrix, such as `mlipselect.Features`."""

    @property
    def per_structure(self) -> FloatMatrix:
        """One row per structure."""

    @property
    def per_atom(self) -> FloatMatrix | None:
        """One row per atom, or None if they were not computed."""

    @property
    def offsets(self) -> NDArray[np.int64] | None:
        """The first atomic row of each structure, followed by the number of atomic rows."""


@runtime_checkable
class StoredRows(Protocol):
    """Rows on disk that are read on demand, such as `mlipselect.FeatureStore`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of features."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""

    @property
    def squares(self) -> tuple[float, int]:
        """Sum of the squares of all features, and the number of features in all."""

    def __len__(self) -> int: ...

    def take(self, indices: Any) -> FloatMatrix:
        """Read rows, in the order of `indices`."""

    def blocks(self, rows: int | None = None) -> Iterator[tuple[int, FloatMatrix]]:
        """Yield all rows in order, in blocks: the index of the first row of a block, and its rows."""

    def parts(self) -> Sequence[FloatMatrix]:
        """Return all rows as consecutive matrices that are read from disk as they are used."""

    def where(self, row: int) -> str:
        """Return the file and the frame of the structure that a row describes."""


class MappedRows:
    """Rows on disk as one matrix, which compiled code reads from the mapped files.

    Attributes
    ----------
    parts : sequence of ndarray
        The rows, in order.
    shape : (int, int)
        Numbers of rows and of features.
    dtype : dtype
        Type of the entries.
    """

    ndim = 2

    def __init__(self, rows: StoredRows):
        self._rows = rows
        self.parts, self.shape, self.dtype = rows.parts(), rows.shape, rows.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def where(self, row: int) -> str:
        """Return the file and the frame of the structure that a row describes."""
        return self._rows.where(row)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._rows.take(np.arange(*index.indices(len(self))))
        return self._rows.take(index) if np.ndim(index) else self._rows.take([index])[0]


def pool_shape(X: Any) -> tuple[int, int]:
    """Return the numbers of rows and of features of a pool, in memory or on disk."""
    n, d = X.shape if isinstance(X, StoredRows) else structure_rows(X).shape
    return n, d


def refuse_sparse_and_masked(X: Any) -> None:
    """Refuse a matrix of scipy.sparse, and one of numpy.ma with masked values."""
    if hasattr(X, "tocsr"):
        raise InvalidInputError("features must be a dense matrix, given a sparse one: give X.toarray()")
    if np.ma.is_masked(X):
        raise InvalidInputError(
            "features must all be known, given a matrix with masked values: leave out their rows or columns"
        )


def structure_rows(X: Any) -> FloatMatrix:
    """Return the structure rows of a pool or a core as a matrix, without a copy where `by_rows` needs none."""
    if isinstance(X, StoredRows):
        return cast("FloatMatrix", MappedRows(X))
    if isinstance(X, MappedRows):
        return cast("FloatMatrix", X)
    matrix: Any = by_rows(X.per_structure if isinstance(X, HasStructureRows) else X)
    if np.iscomplexobj(matrix):
        raise InvalidInputError(f"Complex data not supported: features must be real, given {matrix.dtype}")
    if matrix.ndim != 2 or matrix.dtype not in (np.float32, np.float64):
        raise InvalidInputError(
            "features must be a matrix of float32 or float64, one row a structure, "
            f"given {matrix.ndim} dimension(s) of {matrix.dtype}"
        )
    return cast("FloatMatrix", matrix)


def by_rows(X: Any) -> Any:
    """Return a matrix of float32 or float64 in row order, as compiled code reads it.

    A matrix in another order, such as PCA or a data frame gives, is copied, and so is one of integers or of numbers in
    another form that float64 holds. A copy of more than 100 MB is logged. What brings its own rows, and what is no
    matrix of such numbers, stays as it is.
    """
    if X is None or isinstance(X, (HasStructureRows, StoredRows, MappedRows)):
        return X
    refuse_sparse_and_masked(X)
    matrix = np.asarray(X)
    if matrix.ndim != 2 or not np.can_cast(matrix.dtype, np.float64):
        return matrix
    dtype = np.float32 if matrix.dtype.newbyteorder("=") == np.float32 else np.float64
    if matrix.dtype == dtype and matrix.flags.c_contiguous and matrix.flags.aligned:
        return matrix
    size = matrix.size * np.dtype(dtype).itemsize
    if size > LARGE:
        problem = "not in row order" if matrix.dtype == dtype else f"of {matrix.dtype}"
        _LOGGER.info("the features are %s: a copy takes %.0f MB", problem, size / 1e6)
    return np.require(matrix, dtype, ("C", "A"))


def core_rows(core: Any, pool: FloatMatrix | StoredRows) -> FloatMatrix | None:
    """Return the structure rows of a core, or None without one. Refuse a core that differs from the pool in width."""
    if core is None:
        return None
    rows = structure_rows(core)
    if rows.shape[1] != pool.shape[1]:
        raise InvalidInputError(
            f"core and pool must have the same features: core has {rows.shape[1]} per structure, "
            f"the pool {pool.shape[1]}"
        )
    return rows


def meant(given: Any, names: Iterable[str]) -> str:
    """Say what a choice expects: the name that differs from `given` in hyphens or capitals only, or else all names."""
    names = list(names)
    spelled = given.lower().replace("-", "_").replace(" ", "_") if isinstance(given, str) else given
    close = [name for name in names if name == spelled]
    return close[0] if close else f"one of {', '.join(names)}"


def check_labels(y: Any, n_pool: int) -> None:
    """Refuse a `y` that cannot be labels. No selector uses labels, but scikit-learn passes them.

    Raises
    ------
    InvalidInputError
        `y` is neither None nor one label per structure; for instance, it is a core that was given by position.
    """
    if y is None:
        return
    shape = tuple(y.shape) if hasattr(y, "shape") else np.shape(y)
    if shape != (n_pool,):
        raise InvalidInputError(
            f"y: expected None or {n_pool} labels, which are ignored, got shape {shape}; "
            "a training set: give it as core="
        )


def integer(name: str, value: Any, lowest: int | None = None) -> int:
    """Return a parameter that must be an integer, of at least `lowest` where that is given."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidInputError(f"{name} must be an integer, given {shown_short(value)}")
    if lowest is not None and value < lowest:
        raise InvalidInputError(f"{name} must be at least {lowest}, given {value}")
    return int(value)


def number(name: str, value: Any) -> float:
    """Return a parameter that must be a number: of Python, of numpy or an array of no dimension."""
    plain = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise InvalidInputError(f"{name} must be a number, given {shown_short(value)}")
    return float(plain)


def excluded_indices(exclude: Any, n_pool: int) -> list[int]:
    """Return the indices of structures that must not be picked.

    Raises
    ------
    InvalidInputError
        One is no index of the pool. A mask is none either: its indices are ``np.flatnonzero(mask)``.
    """
    if np.asarray(exclude).dtype == bool and np.size(exclude):
        raise InvalidInputError("exclude: expected indices, got a mask: np.flatnonzero(mask) are its indices")
    indices = [int(index) if isinstance(index, np.integer) else index for index in exclude]
    for index in indices:
        if type(index) is not int:
            raise InvalidInputError(f"an index in exclude must be an integer, given {index!r}")
        if not 0 <= index < n_pool:
            raise InvalidInputError(f"candidate {index} cannot be excluded: the pool has {n_pool} candidates")
    return indices


def percent(part: float, whole: float) -> str:
    """Return a part in per cent of the whole, with two digits, and from 99.5 % on with three."""
    if not whole > 0.0:
        return "0 %"
    share = 100.0 * part / whole
    return f"{share:.2g} %" if share < 99.5 else f"{share:.3g} %"


def distance_note(loss: float) -> str:
    """Return a sentence with the sum of the distances of a pool to core and picks."""
    return f"sum of distances to the nearest pick or core: {loss:.6g}"


def number_to_select(n_to_select: Any, n_pool: int) -> int:
    """Return the number of structures to select. None means half of the pool; a fraction means that part, at least one.

    Raises
    ------
    InvalidInputError
        `n_to_select` is above `n_pool`, or is not None, an integer from 1 on or a fraction between 0 and 1.
    """
    if n_to_select is None:
        n_to_select = 0.5
    if isinstance(n_to_select, float | np.floating) and 0.0 < n_to_select < 1.0:
        n = max(1, int(n_pool * n_to_select))
    elif isinstance(n_to_select, int | np.integer) and not isinstance(n_to_select, bool) and n_to_select >= 1:
        n = int(n_to_select)
    else:
        raise InvalidInputError(
            "n_to_select must be an integer of at least 1, a fraction between 0 and 1, or None for half of the pool, "
            f"given {n_to_select!r}"
        )
    if n > n_pool:
        raise InvalidInputError(f"cannot select {n} structures from a pool of {n_pool}: lower n_to_select")
    return n


def check_left(missing: int, left: int) -> None:
    """Refuse `missing` further picks if only `left` candidates are neither picked nor excluded."""
    if missing > left:
        raise InvalidInputError(f"cannot pick {missing} more structures: the pool has {left} left to pick from")


class Selector(Parametrised, ABC):
    """Base of the selectors: `fit` a pool, then read `selected_idx_`.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Indices of the selected rows, in the order in which they were picked.
    scores_ : ndarray of float64
        Score of each pick when it was picked.
    n_features_in_ : int
        Number of features of the pool; not set if the pool is not a matrix.

    Notes
    -----
    Class attributes tell `mlipselect.select` what a selector can do:

    - `supports_store`: `fit` takes rows on disk, ``StoredRows``, as the pool.
    - `supports_constraints`: `fit` takes `constraints`, since picks are made one after the other.
    - `supports_strata`: `fit` takes `groups`, the stratum of each structure.
    - `is_checkpointable`: `fit` takes a `checkpoint`, from which a stopped run continues.
    - `keeps_posterior`: the parameters include those of the prior, and `fit` sets `posterior_` and `information_`.
    """

    supports_store: ClassVar[bool] = False
    supports_constraints: ClassVar[bool] = False
    supports_strata: ClassVar[bool] = False
    is_checkpointable: ClassVar[bool] = False
    keeps_posterior: ClassVar[bool] = False

    n_to_select: int | float | None
    selected_idx_: NDArray[np.int64]
    scores_: NDArray[np.float64]
    stop_reason_: str | None = None
    n_features_in_: int

    @abstractmethod
    def fit(self, X: Any, y: Any = None, *, core: Any = None, warm_start: bool = False) -> Selector:
        """Select `n_to_select` rows of `X`, given that `core` is in the training set already; `y` is ignored."""

    @property
    def needs_atomic_rows(self) -> bool:
        """Whether `fit` needs the features of all atoms of the pool."""
        return False

    @property
    def needs_designs(self) -> bool:
        """Whether `fit` needs `designs`, the rows of forces and stresses."""
        return False

    @property
    def takes_target(self) -> bool:
        """Whether `fit` takes a `target`, whose uncertainty the picks are to lower."""
        return False

    @property
    def needs_target_designs(self) -> bool:
        """Whether `fit` needs `target_designs`, the rows of forces of the target, or `designs` without a target."""
        return False

    @property
    def is_mergeable(self) -> bool:
        """Whether selections from shares of a pool can be merged: `next_score` bounds all scores that are left."""
        return False

    def notes(self) -> list[str]:
        """Return sentences about what the last call of `fit` decided and found."""
        return []

    def purposes(self, sample: FloatMatrix) -> list[str]:  # noqa: ARG002 - for those that measure what is left
        """Say for each pick of the last call of `fit` what it was chosen for.

        Parameters
        ----------
        sample : ndarray of shape (s, d)
            Rows of the pool, all or some at equal steps.
        """
        return [f"picked with the score {score:.4g}" for score in self.scores_]

    def get_support(self, indices: bool = False, ordered: bool = False) -> NDArray[Any]:
        """Return a mask of the selected rows, or their indices.

        Parameters
        ----------
        indices : bool, default=False
            Return indices instead of a mask.
        ordered : bool, default=False
            Return the indices in the order of the picks, not of the pool.

        Returns
        -------
        ndarray
            Of bool and as long as the pool, or of int64 and as long as the selection.
        """
        self._check_fitted()
        if indices:
            return self.selected_idx_ if ordered else np.sort(self.selected_idx_)
        mask = np.zeros(self._n_pool, dtype=bool)
        mask[self.selected_idx_] = True
        return mask

    def _picks_so_far(self, n: int, n_pool: int, core: Any, *, constrained: bool) -> int:
        """Return the number of picks from which a warm start up to `n` continues. Refuse one that is not possible."""
        if not hasattr(self, "selected_idx_"):
            raise NotFittedError("there is no selection to continue: call fit without warm_start first")
        if core is not None:
            raise InvalidInputError("a warm start continues with the core it began with: leave core out")
        if constrained:
            raise InvalidInputError(
                "a selection with constraints cannot be continued: select the larger number at once, "
                "or give the picks so far as core"
            )
        if n_pool != self._n_pool:
            raise InvalidInputError(f"the selection began with {self._n_pool} candidates, given {n_pool}")
        done = len(self.selected_idx_)
        if n < done:
            raise InvalidInputError(f"n_to_select is {n}, but {done} structures are selected already")
        return done

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether something is selected."""
        return hasattr(self, "selected_idx_")

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what a selector is: neither a predictor nor a transformer, and without labels."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(),
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "selected_idx_"):
            raise NotFittedError(f"this {type(self).__name__} has selected nothing yet: call fit first")

    _n_pool: int
