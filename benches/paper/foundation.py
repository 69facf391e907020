r"""Features of foundation models that bring their weights, for the experiment, with what is computed kept.

    python -m benches.paper --data ../shared/data/silicon --no-surfaces --descriptors "ACE M" \
        CHGNet=benches.paper.foundation:chgnet SevenNet-0=benches.paper.foundation:sevennet

It needs chgnet and sevenn, as `make test-learned` installs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlipselect as ms

KEPT = Path("paper-output/foundation")


def __getattr__(name: str) -> Any:
    """Give the features of all layers of `chgnet` or `sevennet`."""
    if name in ("chgnet", "sevennet"):
        return ms.Cached(ms.CHGNet() if name == "chgnet" else ms.SevenNet(), KEPT)
    raise AttributeError(name)
