"""Options of the command line that descriptors of learned potentials share."""

from __future__ import annotations

from mlipselect.descriptors.torch_settings import MODEL_OPTIONS
from mlipselect.utils.option import Option

LEARNED_OPTIONS = {
    # The model that comes with the package is the default.
    "model": Option(MODEL_OPTIONS["model"].help, metavar="FILE"),
    "device": MODEL_OPTIONS["device"],
    "layers": Option(
        "layers of message passing whose features are kept, from 1 on (default: all)", type=int, nargs="+", metavar="N"
    ),
}

NEEDED_MODEL = MODEL_OPTIONS["model"]
"""The model, where a package brings none."""

ROTATIONS = Option(
    "turned copies of each structure whose rows are averaged, for models that turn with it (default: 1)",
    type=int,
    metavar="N",
)
