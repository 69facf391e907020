"""The digest of the weights of a model, which identifies it wherever its file lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any


def digest_of_weights(module: Any, also: Iterable[str] = ()) -> str:
    """Return the SHA-256 of the layers of a torch module and of all its weights.

    Parameters
    ----------
    module : torch.nn.Module
        The model.
    also : iterable of str
        Further values on which the features depend.
    """
    digest = hashlib.sha256(str(module).encode())
    for text in also:
        digest.update(text.encode())
    for name, tensor in module.state_dict().items():
        array = tensor.detach().cpu().numpy()
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
