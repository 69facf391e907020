"""The messages of MACE, summed over the neighbours before they are coupled.

mace couples the features and the direction of every neighbour, and sums the results. Coupling is linear: here the
products are summed first, in one matrix product for each atom, and coupled once.

This module imports torch: import it where a model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

# Bytes of the products of one chunk of atoms; larger chunks leave the caches and are slower.
_CHUNK = 2**23


class Messages(torch.nn.Module):  # type: ignore[misc] # torch is not there to be checked
    """A replacement of ``conv_tp`` of an interaction of mace that also sums over the edges of each receiving atom.

    Parameters
    ----------
    original : e3nn.o3.TensorProduct
        The product to replace; `is_by_channel` holds for it. Its precision is kept.

    References
    ----------
    .. [1] I. Batatia et al., MACE, NeurIPS 2022, arXiv:2206.07697, equation 8.
    """

    def __init__(self, original: Any):
        super().__init__()
        self.irreps_out = original.irreps_out
        self._features = list(
            zip(original.irreps_in1.slices(), (part.mul for part in original.irreps_in1), strict=True)
        )
        self._directions = original.irreps_in2.slices()
        # A path couples one part of the features with one part of the directions to one part of the result.
        self._paths: list[tuple[int, int, int, int]] = []
        # Channels of each path, in the order of the weights.
        self._widths: list[int] = []
        for path in original.instructions:
            self._paths.append((path.i_out, path.i_in1, path.i_in2, len(self._widths)))
            self._widths.append(path.path_shape[0])
        self._paths.sort(key=lambda path: path[0])
        for k, coupling in enumerate(self._couplings(original)):
            self.register_buffer(f"coupling_{k}", coupling)

    def forward(self, x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Sum up messages.

        Parameters
        ----------
        x : Tensor of shape (n_atoms, irreps_in1.dim)
            Features of atoms.
        y : Tensor of shape (n_edges, irreps_in2.dim)
            Spherical harmonics of edges.
        weights : Tensor of shape (n_edges, channels of all paths)
            Radial functions of edges.
        edges : Tensor of shape (2, n_edges)
            Senders and receivers.

        Returns
        -------
        Tensor of shape (n_atoms, irreps_out.dim)
            The sums, by receiver.
        """
        sender, receiver = edges
        counts = receiver.bincount(minlength=len(x))
        by_receiver = receiver.argsort(stable=True)
        first = counts.cumsum(0) - counts
        # Channels last: long inner loops.
        features = [x[:, part].unflatten(1, (channels, -1)).mT.contiguous() for part, channels in self._features]
        # Atoms with similar numbers of neighbours share a chunk, which keeps padding short.
        atoms = counts.argsort(stable=True)
        alone = int((counts == 0).sum())
        products = x.element_size() * sum(features[path[1]][0].numel() for path in self._paths)
        chunk = max(1, _CHUNK // (products * max(1, int(counts.max()))))
        places = []
        for some in atoms.tensor_split(list(range(alone, len(atoms), chunk))):
            own_counts = counts[some, None]
            place = torch.arange(max(own_counts[:, 0].tolist(), default=0), device=x.device)
            # Padding repeats the last edge of an atom, with the weight zero.
            places.append((by_receiver[first[some, None] + place.minimum(own_counts - 1)], place < own_counts))
        if torch.is_grad_enabled():
            parts = self._gathered(features, y, weights, sender, [own for own, _ in places])
        else:
            parts = (([part[sender[own]] for part in features], y[own], weights[own]) for own, _ in places)
        found = [
            self._summed(near, angular * present[..., None], radial)
            for (near, angular, radial), (_, present) in zip(parts, places, strict=True)
        ]
        return torch.cat(found)[atoms.argsort()]

    @staticmethod
    def _gathered(
        features: list[torch.Tensor],
        y: torch.Tensor,
        weights: torch.Tensor,
        sender: torch.Tensor,
        chunks: list[torch.Tensor],
    ) -> Iterator[tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]]:
        """Gather what belongs to the edges of all chunks at once, and give each chunk its part.

        A pass back then scatters into the arrays of all atoms and edges once, and not once for every chunk.
        """
        edges = torch.cat([own.flatten() for own in chunks])
        sizes = [own.numel() for own in chunks]
        near = [part[sender[edges]].split(sizes) for part in features]
        angular, radial = y[edges].split(sizes), weights[edges].split(sizes)
        for k, own in enumerate(chunks):
            yield (
                [part[k].unflatten(0, own.shape) for part in near],
                *(p[k].unflatten(0, own.shape) for p in (angular, radial)),
            )

    def _summed(self, near: list[torch.Tensor], angular: torch.Tensor, radial: torch.Tensor) -> torch.Tensor:
        """Sum over the neighbours of some atoms, the second axis of all arrays."""
        sums = []
        # Parts of a split are put together in one step on the way back; those of slices are each added to an array.
        radials = radial[:, :, None].split(self._widths, dim=3)
        angulars = angular.split([part.stop - part.start for part in self._directions], dim=2)
        for k, (_, feature, direction, path) in enumerate(self._paths):
            products = radials[path] * near[feature]
            both = angulars[direction].mT @ products.flatten(2)
            coupled = self.get_buffer(f"coupling_{k}") @ both.unflatten(2, products.shape[2:]).flatten(1, 2)
            sums.append(coupled.mT.flatten(1))
        return torch.cat(sums, dim=1)

    def _couplings(self, original: Any) -> list[torch.Tensor]:
        """Apply the product to unit vectors: for each path a matrix (results, components of directions x features)."""
        dtype = next(buffer.dtype for buffer in original.buffers() if buffer.is_floating_point())
        results = original.irreps_out.slices()
        found = []
        for result, feature, direction, _ in self._paths:
            (part, channels), onto = self._features[feature], self._directions[direction]
            n_features, n_directions = (part.stop - part.start) // channels, onto.stop - onto.start
            n_pairs = n_directions * n_features
            x = torch.zeros((n_pairs, original.irreps_in1.dim), dtype=dtype)
            y = torch.zeros((n_pairs, original.irreps_in2.dim), dtype=dtype)
            # The first channel is enough: all are coupled alike.
            x[:, part.start : part.start + n_features] = torch.eye(n_features, dtype=dtype).repeat(n_directions, 1)
            y[:, onto] = torch.eye(n_directions, dtype=dtype).repeat_interleave(n_features, dim=0)
            coupled = original(x, y, torch.ones((n_pairs, original.weight_numel), dtype=dtype))[:, results[result]]
            found.append(coupled[:, : coupled.shape[1] // channels].T.contiguous())
        return found


def is_by_channel(product: Any) -> bool:
    """Tell whether a product couples each channel separately with the directions, with weights for each edge."""
    from e3nn import o3

    return (
        isinstance(product, o3.TensorProduct)
        and not product.shared_weights
        and all(
            path.connection_mode == "uvu" and path.has_weight and path.path_shape[1] == 1
            for path in product.instructions
        )
        and len({path.i_out for path in product.instructions}) == len(product.instructions) == len(product.irreps_out)
    )
