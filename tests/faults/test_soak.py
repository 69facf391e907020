"""Many selections in one process take no more memory than some of them."""

from __future__ import annotations

import copy
import gc
import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlipselect as ms

pytestmark = pytest.mark.slow

if not Path("/proc/self/statm").exists():
    pytest.skip("resident memory is read from /proc/self/statm, which is not here", allow_module_level=True)

#: Selections before memory is looked at, and those after.
WARM, COUNT = 5_000, 100_000
#: Bytes that memory may grow by: 21 for each selection.
MOST = 2 << 20

RNG = np.random.default_rng(0)
POOL, CORE = RNG.standard_normal((12, 4)), RNG.standard_normal((3, 4))
WITH_NAN = np.where(POOL[3, 2] == POOL, np.nan, POOL)
GROUPS = ["a", "b", "c"] * 4
POSTERIOR = ms.Posterior(4, 0.1)

SELECTORS: list[Callable[[], Any]] = [
    *(lambda score=score: ms.BayesianSelector(4, score=score) for score in ms.selectors.bayesian.SCORES[:4]),
    lambda: ms.BayesianSelector(4, score="energy", posterior=POSTERIOR),
    lambda: ms.BayesianSelector(4, score="logdet", prior_precision=np.full(4, 0.1), engine="naive"),
    lambda: ms.FPS(4),
    lambda: ms.FPS(4, metric="cosine"),
    lambda: ms.FacilityLocation(4),
    lambda: ms.KMedoids(4),
    lambda: ms.CUR(4),
    lambda: ms.RandomSelector(4),
]


def plain(selector: Any) -> None:
    """Select, and forget it."""
    selector.fit(POOL, core=CORE)


def pickled(selector: Any) -> None:
    """Go on with a selection that was pickled."""
    again = pickle.loads(pickle.dumps(selector.fit(POOL)))
    if not isinstance(again, ms.KMedoids):
        again.set_params(n_to_select=5).fit(POOL, warm_start=True)


def copied(selector: Any) -> None:
    """Copy a selection in both ways, and select with the copies."""
    for made in (copy.copy(selector.fit(POOL)), copy.deepcopy(selector)):
        made.fit(POOL, core=CORE)


def limited(selector: Any) -> None:
    """Select with limits, where the method has them."""
    limits = (
        {}
        if isinstance(selector, ms.KMedoids)
        else {"constraints": [ms.Quota(GROUPS, maximum=2), ms.MinDistance(1e-6)]}
    )
    selector.fit(POOL, exclude=[0], **limits)


def is_refused(selector: Any, rows: Any) -> bool:
    """Tell whether a pool is refused."""
    try:
        selector.fit(rows)
    except ms.MlipselectError:
        return True
    return False


def refused(selector: Any) -> None:
    """Raise errors: of too few rows, and of what are no rows of finite numbers, at which not every method looks."""
    assert is_refused(selector, POOL[:2])
    for wrong in (POOL[0], WITH_NAN):
        is_refused(selector, wrong)


USES = [plain, pickled, copied, limited, refused]


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def select(count: int) -> None:
    """Make so many selections, with every selector in every use in turn."""
    for use, make in itertools.islice(itertools.cycle(itertools.product(USES, SELECTORS)), count):
        use(make())


def test_memory_does_not_grow():
    select(WARM)
    before = resident()
    select(COUNT)
    grown = resident() - before
    print(f"{COUNT} selections: {grown} bytes more than the {before} after {WARM}")
    assert grown < MOST
