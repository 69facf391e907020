"""What is left uncertain after each pick, and how many picks would have done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.report.space import rows_at, sampled
from mlipselect.selection.result import Selection
from mlipselect.selectors.starting_posterior import RIDGE, starting_posterior
from mlipselect.stores.joined import JoinedStores

#: Largest number of rows that standard deviations are followed for.
SAMPLE = 4096
#: A pick that lowers the mean deviation by less than this fraction of it brings little.
LITTLE = 0.01


@dataclass(frozen=True)
class Learning:
    """Standard deviations of the energy per atom that are left, in units of the noise.

    Attributes
    ----------
    largest, mean : ndarray of shape (n_picks + 1,)
        The largest and the mean over the sample, before the first pick and after each.
    sample : ndarray of int64, shape (s,)
        Rows of the pool that were followed: all of a small pool, else rows at equal steps.
    left : ndarray of shape (s,)
        What is left of each after the last pick.
    """

    largest: NDArray[np.float64]
    mean: NDArray[np.float64]
    sample: NDArray[np.int64]
    left: NDArray[np.float64]

    @property
    def falls(self) -> NDArray[np.float64]:
        """Fall of the mean by one pick, as a fraction of it, from each number of picks on: a mean over a tenth of all.

        Entry `k` is the mean over the picks `k + 1` to `k + w`, where `w` is a tenth of the picks and at least one.
        """
        n = len(self.mean) - 1
        w = max(1, n // 10)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.where(self.mean[:-w] > 0.0, self.mean[w:] / self.mean[:-w], 1.0) if n else np.empty(0)
        falls: NDArray[np.float64] = 1.0 - ratios ** (1.0 / w)
        return falls

    @property
    def suggested(self) -> int | None:
        """Number of picks from which on one more lowers the mean by less than 1 %; None where each lowers it more."""
        enough = self.falls < LITTLE
        if not len(enough) or not enough[-1]:
            return None
        return int(len(enough) - np.argmin(enough[::-1])) if not enough.all() else 0


def starting_point(selection: Selection) -> Posterior:
    """Return the posterior before the first pick of a selection, remade from its parameters.

    Raises
    ------
    InvalidInputError
        Parameters that do not say it; the message says why.
    """
    known = selection.parameters

    def parameter(name: str, default: Any = None) -> Any:
        value = known.get(f"posterior_{name}", known.get(name))
        return default if value is None else value

    precision, posterior = known.get("prior_precision"), known.get("posterior")
    if parameter("update", "structure") not in ("structure", "atoms"):
        raise InvalidInputError("picks taught derivatives of energies too, which the curve does not follow")
    if isinstance(precision, dict) or isinstance(posterior, dict):
        raise InvalidInputError("the record keeps a digest only of the prior that was given")
    if known.get("method") == "hal":
        raise InvalidInputError("a run of biased dynamics has no pool to follow")
    prior: dict[str, Any] = {"noise_precision": parameter("noise_precision", 1.0)}
    if posterior is not None:
        prior = {"posterior": posterior}
    elif precision is not None:
        prior["prior_precision"] = np.asarray(precision) if isinstance(precision, list) else precision
    else:
        prior |= {"ridge": parameter("ridge", RIDGE), "scale": parameter("scale", "root")}
    core = selection.core_features
    update = parameter("update", "structure")
    if update == "atoms" and core is not None and core.per_atom is None:
        raise InvalidInputError("picks taught all their atoms, whose features are not at hand")
    return starting_posterior(selection.features, core, update=update, **prior)


def candidate_rows(selection: Selection) -> NDArray[np.int64]:
    """Return the rows of the features of the picks, which isolated atoms of the pool have none of."""
    if selection.rows is not None:
        return selection.rows
    return np.asarray(selection.indices, dtype=np.int64)


def learning_of(selection: Selection) -> Learning:
    r"""Follow the standard deviations of the energy per atom over the pool from pick to pick.

    Parameters
    ----------
    selection : Selection
        A result of `select`.

    Raises
    ------
    InvalidInputError
        A selection that cannot be followed; the message says why.

    Notes
    -----
    With the covariance :math:`\Sigma` of the weights and the precision :math:`\beta` of the noise, a pick :math:`x`
    lowers the variance of a row :math:`t` by :math:`(t^T \Sigma x)^2 / (\beta^{-1} + x^T \Sigma x)`.
    """
    features = selection.features
    sample = sampled(len(features), SAMPLE)
    rows = rows_at(features, sample).astype(np.float64)
    start = starting_point(selection)
    covariance, noise = start.covariance, 1.0 / start.noise_precision
    # Covariances of the rows with the weights; each pick is a change of rank one of these.
    crossed = rows @ covariance
    variances = np.einsum("td,td->t", crossed, rows)
    deviations = [variances]
    for blocks in _taught(selection):
        for row in blocks:
            direction = covariance @ row
            spread = noise + float(row @ direction)
            moved = rows @ direction
            variances = np.maximum(variances - moved**2 / spread, 0.0)
            covariance -= np.outer(direction, direction / spread)
        deviations.append(variances)
    unit = np.sqrt(noise)
    roots = [np.sqrt(values) / unit for values in deviations]
    return Learning(
        np.array([float(values.max()) for values in roots]),
        np.array([float(values.mean()) for values in roots]),
        sample,
        roots[-1],
    )


def _taught(selection: Selection) -> list[NDArray[np.float64]]:
    """Return the rows that each pick taught."""
    picks, features = candidate_rows(selection), selection.features
    if selection.parameters.get("update") != "atoms":
        return [row[None, :] for row in rows_at(features, picks).astype(np.float64)]
    if isinstance(features, JoinedStores) or features.per_atom is None or features.offsets is None:
        raise InvalidInputError("picks taught all their atoms, whose features are not at hand")
    per_atom, offsets = features.per_atom, features.offsets
    return [per_atom[offsets[pick] : offsets[pick + 1]].astype(np.float64) for pick in picks]
