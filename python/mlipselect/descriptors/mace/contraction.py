"""The symmetric contraction of MACE, over distinct products of features with a non-zero coupling.

mace contracts, atom by atom, with a tensor of all ordered products. The 16 features of a channel have 4096 ordered
products of three; 816 of them are distinct, and 77 of these contribute to an invariant.

This module imports torch: import it where a model is loaded.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

# Bytes of the products of one chunk of atoms; larger chunks leave the caches and are slower.
_CHUNK = 2**21

# Couplings below this fraction of the largest are zero up to rounding.
_NONE = 1e-6

Monomial = tuple[int, ...]


class SymmetricContraction(torch.nn.Module):  # type: ignore[misc] # torch is not there to be checked
    """A replacement of ``mace.modules.symmetric_contraction.SymmetricContraction``, equal up to rounding.

    Parameters
    ----------
    original : mace.modules.symmetric_contraction.SymmetricContraction
        The module to replace. Its precision and parameters are kept.

    References
    ----------
    .. [1] I. Batatia et al., MACE, NeurIPS 2022, arXiv:2206.07697, equations 10 and 11.
    """

    def __init__(self, original: Any):
        super().__init__()
        blocks = original.contractions
        self._degrees = range(1, blocks[0].correlation + 1)
        couplings = [[_symmetrised(block, degree) for degree in self._degrees] for block in blocks]
        monomials = _monomials(couplings)
        self._n_monomials = sum(map(len, monomials))
        for degree, shorter, own in zip(self._degrees[1:], monomials, monomials[1:], strict=False):
            place = {monomial: k for k, monomial in enumerate(shorter)}
            self._keep("shorter", degree, value=torch.tensor([place[monomial[:-1]] for monomial in own]))
            self._keep("last", degree, value=torch.tensor([monomial[-1] for monomial in own]))
        self._widths = [len(block[0]) for block in couplings]
        for b, (block, own_couplings) in enumerate(zip(blocks, couplings, strict=True)):
            weights = [block.weights_max, *block.weights][::-1]
            for degree, coupling, weight in zip(self._degrees, own_couplings, weights, strict=True):
                own = torch.tensor(monomials[degree - 1])
                # A monomial represents all its orderings, so its coupling is multiplied by their number.
                times = torch.tensor([_orderings(monomial) for monomial in monomials[degree - 1]])
                chosen = coupling[(slice(None), *own.T)] * times[:, None]
                self._keep("coupling", b, degree, value=chosen.to(weight.dtype))
                self._keep("weight", b, degree, value=weight.detach())

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Contract features of atoms (n, channels, components) with the weights of their elements, one-hot in `y`."""
        species = y.argmax(dim=1)
        chunk = max(1, _CHUNK // (x.element_size() * x.shape[1] * self._n_monomials))
        # Empty parts, for a batch without atoms.
        found = [x.new_empty((0, x.shape[1] * sum(self._widths)))]
        places = [species[:0]]
        for element in species.unique().tolist():
            coefficients = self._coefficients(element)
            own = (species == element).nonzero()[:, 0]
            places.append(own)
            found += [self._contracted(some, coefficients) for some in x[own].split(chunk)]
        return torch.cat(found)[torch.cat(places).argsort()]

    def _contracted(self, x: torch.Tensor, coefficients: list[torch.Tensor]) -> torch.Tensor:
        features = products = x.permute(1, 2, 0).contiguous()
        sums = coefficients[0] @ products
        for degree in self._degrees[1:]:
            products = products.index_select(1, self._kept("shorter", degree))
            products = products * features.index_select(1, self._kept("last", degree))
            sums = sums + coefficients[degree - 1] @ products
        parts = sums.permute(2, 0, 1).split(self._widths, dim=2)
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def _coefficients(self, element: int) -> list[torch.Tensor]:
        """Multiply the couplings of each degree by the weights of an element: (channels, components, monomials)."""
        return [
            torch.cat([self._weighed(b, degree, element) for b in range(len(self._widths))], dim=1)
            for degree in self._degrees
        ]

    def _weighed(self, block: int, degree: int, element: int) -> torch.Tensor:
        coupling, weight = self._kept("coupling", block, degree), self._kept("weight", block, degree)
        return torch.einsum("wmk,kc->cwm", coupling, weight[element])

    def _keep(self, *name: Any, value: torch.Tensor) -> None:
        self.register_buffer("_".join(map(str, name)), value)

    def _kept(self, *name: Any) -> torch.Tensor:
        return self.get_buffer("_".join(map(str, name)))


def _symmetrised(block: Any, degree: int) -> torch.Tensor:
    """Average the couplings over all orders of the features: (components, features, ..., paths)."""
    coupling = block.U_tensors(degree).double()
    if coupling.ndim == degree + 1:
        coupling = coupling[None]
    orders = itertools.permutations(range(1, degree + 1))
    return sum(coupling.permute(0, *order, degree + 1) for order in orders) / math.factorial(degree)


def _monomials(couplings: list[list[torch.Tensor]]) -> list[list[Monomial]]:
    """List, for each degree, the products that any block couples and the shorter products that these extend."""
    n_features = couplings[0][0].shape[1]
    found: list[set[Monomial]] = [{(k,) for k in range(n_features)}]
    for same_degree in list(zip(*couplings, strict=True))[1:]:
        own: set[Monomial] = set()
        for coupling in same_degree:
            size = coupling.abs().amax(dim=(0, -1))
            own |= {tuple(sorted(places)) for places in (size > _NONE * size.max()).nonzero().tolist()}
        found.append(own)
    for longer, shorter in zip(found[:0:-1], found[-2::-1], strict=True):
        shorter |= {monomial[:-1] for monomial in longer}
    return [sorted(own) for own in found]


def _orderings(monomial: Monomial) -> int:
    counts = [monomial.count(feature) for feature in set(monomial)]
    return math.factorial(len(monomial)) // math.prod(map(math.factorial, counts))
