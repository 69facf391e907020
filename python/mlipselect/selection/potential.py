"""A selection that starts from a fitted potential."""

from __future__ import annotations

import os
from typing import Any

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.digest import sha256
from mlipselect.models import LinearPotential
from mlipselect.selection.options import Options


def fitted_potential(
    potential: LinearPotential | str | os.PathLike[str], options: Options, core: Any, descriptor: Any
) -> LinearPotential:
    """Open the potential that a selection starts from."""
    prior = options.prior
    given = {"core": core, "descriptor": descriptor, "prior_precision": prior.prior_precision, "ridge": prior.ridge}
    extra = [f"`{name}`" for name, value in given.items() if value is not None]
    extra += ["`noise_precision`"] if prior.noise_precision != 1.0 else []
    extra += ["`scale`"] if "scale" in options.parameters else []
    extra += ["`composition`"] if options.candidates.composition else []
    extra += [f"`method` {options.method.method}"] if options.method.method != "bayesian" else []
    if extra:
        raise InvalidInputError(f"potential: it brings descriptor and posterior, and cannot go with {extra[0]}")
    return potential if isinstance(potential, LinearPotential) else LinearPotential.load(potential)


def potential_input(potential: LinearPotential | str | os.PathLike[str] | None) -> dict[str, Any] | None:
    """Describe a potential for the record of a selection that started from it."""
    if potential is None:
        return None
    if isinstance(potential, LinearPotential):
        return {"n_rows": potential.n_rows_, "log_evidence": potential.log_evidence_}
    return {"path": os.fspath(potential), "sha256": sha256(os.fspath(potential))}
