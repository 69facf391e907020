"""The linear atomic cluster expansion (ACE) descriptor."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from mlipselect._core import AceBasis, AceForward, ace_length
from mlipselect.descriptors.base import Design, NamedDescriptor, Prediction
from mlipselect.descriptors.species_channels import channel_weights, plain_embedding
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from mlipselect.io.flat import FlatArrays, FlatSequence, flat_arrays
from mlipselect.utils.option import Option

_LOGGER = logging.getLogger("mlipselect")

MAX_FEATURES = 500
"""Features of a descriptor whose total degree is chosen automatically: fewer than this.

Picks by short rows are worth as much as picks by long ones and cost less; potentials that are fitted need longer ones.
"""

N_CHANNELS = 16
"""Default number of species channels."""

MOST_CHANNELS = 10_000
"""Largest number of species channels: their weights are drawn one by one, for each element that is described."""

SPECIES = ("labels", "channels")
"""How elements enter: each with sums over neighbours of its own, or as weights of channels."""

# Approximate bytes of a batch of designs.
_DESIGN_MEMORY = 256 * 2**20

# Bond lengths in Å that replace twice the covalent radius. That of silicon reproduces the paper.
_BOND_LENGTHS = {"Si": 2.4}

# Number of elements from which default degrees are lower for higher orders.
_LOWERED_FROM = 3

# ASE's placeholder for an unknown covalent radius, in Å.
_NO_RADIUS = 0.2


class ACE(NamedDescriptor):
    """Linear ACE: pair functions and coupled products of two and three one-particle sums.

    Without `elements` the descriptor takes those of the first structures it sees; without `totaldegree` it
    takes the largest whole number for which a row stays shorter than `max_features`, which serves selection. From three
    elements on, and with channels, order 2 gets two thirds of it and order 3 one third, rounded up. Where that leaves
    one function of each pair of elements, rows may have twice as many features. Where that does not help, from 12
    elements on, it takes species channels; with ``species="labels"`` it takes pair functions only, as many as fit, and
    warns. It logs these choices and shows them when printed.

    Parameters
    ----------
    elements : sequence of str or int, optional
        Chemical symbols or atomic numbers. Other elements are refused.
    order : {1, 2, 3}, default=3
        Correlation order: the largest number of neighbours in one function. Order 1 has the pair functions only.
    totaldegree : float or sequence of float, optional
        Largest degree of a function, the sum of ``n + 1.5 l`` over its factors: one number for all orders, or one
        for each. Half integers count; 40 is the limit. The number of pair functions is the largest of them.
    max_features : int, default=500
        Number of features that a row stays below where `totaldegree` is not given.
    species : {"labels", "channels"}, optional
        How elements enter. By default labels, unless `n_channels` or `embedding` is given, or the elements are so many
        that labels leave functions of one neighbour only below `max_features` (12 elements with the defaults).
        With ``"labels"`` each element of neighbours has sums of its own and each element of centres columns of its
        own, so the number of features grows with the fourth power of the number of elements. With ``"channels"`` the
        number is `n_channels` times that of one element, for any number of elements: sums over all neighbours are
        weighted by their elements, products combine sums of one channel only, and each channel is multiplied by a
        weight of the central atom. Then the descriptor describes every element of the periodic table that has an
        `r0`, whether or not it was met before, unless `elements` restricts it.
    n_channels : int, optional
        Number of channels; 16 by default.
    embedding : mapping of str to array_like, optional
        Weights of the channels for each chemical symbol: ``n_channels`` numbers, or two rows of them, of neighbours and
        of central atoms. By default fixed numbers that depend on the element alone and are alike for elements alike in
        group, period and covalent radius. Elements without weights are refused.
    rcut : float, default=5.0
        Cutoff radius in Å.
    r0 : float or mapping of str to float, optional
        Length in Å at which distances are resolved best, about a bond length: one for all elements, or one per
        chemical symbol. A pair of elements uses the mean of the two lengths. By default 2.4 for Si and twice the
        covalent radius for the others.

    Attributes
    ----------
    order : int
        As given.
    species : str or None
        ``"labels"`` or ``"channels"``; None until the elements are known, if it depends on them.
    n_channels : int or None
        Number of channels; None without channels.
    rcut : float
        As given.

    Notes
    -----
    With one element and the defaults, total degrees 12, 16 and 19 give 211, 668 and 1429 features: the descriptors ACE
    (S), (M) and (L) of [1]_ up to the sign of single columns, which changes no selection. Only silicon is meant to
    reproduce the paper; for other elements ``r0`` is a choice of this package.

    Channels are the tensor-reduced expansion of [2]_. Their default weights are random Fourier features of a similarity
    of elements [3]_: the mean over many channels of the product of the weights of two elements is ``exp(-d**2 / 2)``,
    where ``d**2`` sums the squares of the differences in group over 12, period over 3 and covalent radius over 0.6 Å.

    The features are invariant under rotations, reflections and permutations of like atoms, continuous with
    continuous first derivatives at the cutoff, and the same, bit for bit, for any number of threads.

    References
    ----------
    .. [1] T. Rocke and J. Kermode, arXiv:2502.21165.
    .. [2] J. P. Darby et al., Phys. Rev. Lett. 131, 028001 (2023).
    .. [3] M. J. Willatt, F. Musil and M. Ceriotti, Phys. Chem. Chem. Phys. 20, 29661 (2018); features by A. Rahimi and
       B. Recht, Advances in Neural Information Processing Systems 20 (2007).

    Examples
    --------
    >>> from ase.build import bulk
    >>> descriptor = ACE(["Si"], totaldegree=12)
    >>> descriptor.features(bulk("Si")).shape
    (2, 211)
    >>> anything = ACE(species="channels", n_channels=4, totaldegree=6)
    >>> anything.features(bulk("NaCl", "rocksalt", a=5.6)).shape, anything.n_features
    ((2, 100), 100)
    """

    command_options: ClassVar[Mapping[str, Option]] = {
        "elements": Option("elements that may occur (default: those of the structures)", nargs="+", metavar="SYMBOL"),
        "order": Option("correlation order, 1 to 3 (default: 3)", type=int),
        "totaldegree": Option(
            "largest total degree, one for all orders or one for each (default: the largest that keeps rows below "
            "--max-features)",
            type=float,
            nargs="+",
            metavar="DEGREE",
        ),
        "max_features": Option(
            f"features that rows stay below without --totaldegree (default: {MAX_FEATURES}, which serves selection; "
            "1000 for fit)",
            type=int,
            metavar="N",
        ),
        "n_channels": Option(
            "species channels in place of columns for each element, so that rows do not grow with the elements "
            f"(default: none; {N_CHANNELS} where the elements are too many for columns of their own)",
            type=int,
            metavar="N",
        ),
        "rcut": Option("cutoff in Å (default: 5.0)", type=float, metavar="LENGTH"),
        "r0": Option("bond length in Å (default: from a table)", type=float, metavar="LENGTH"),
    }
    record_is_complete: ClassVar[bool] = True

    def __init__(
        self,
        elements: Sequence[str | int] | None = None,
        *,
        order: int = 3,
        totaldegree: float | Sequence[float] | None = None,
        max_features: int = MAX_FEATURES,
        species: str | None = None,
        n_channels: int | None = None,
        embedding: Mapping[str, npt.ArrayLike] | None = None,
        rcut: float = 5.0,
        r0: float | Mapping[str, float] | None = None,
    ):
        self.order = _whole_number(order, "order")
        self.max_features = _whole_number(max_features, "max_features")
        self.rcut = float(rcut)
        self._degrees = None if totaldegree is None else _per_order(totaldegree, self.order)
        self._degree_was_chosen = totaldegree is None
        self.species = _known_species(species, n_channels, embedding)
        self.n_channels = _channels(n_channels) if self.species == "channels" else None
        self._embedding = plain_embedding(embedding, self.n_channels or 0)
        self._r0 = r0
        self._numbers: list[int] | None = None
        self._basis: AceBasis | None = None
        self._elements_were_given = elements is not None
        self._takes_any_element = self.n_channels is not None and elements is None
        if elements is not None:
            self._set_elements(_atomic_numbers(elements))
        elif self._takes_any_element:
            self._set_elements(_describable(r0, self._embedding))
        else:
            # Parameters that are wrong for any elements are refused now.
            degrees = self._degrees or [1.0] * self.order
            AceBasis(np.array([14]), self.order, np.array(degrees), self.rcut, _lengths_within([14], r0, self.rcut))

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> ACE:  # noqa: ARG003 - features come in any type
        """Make the descriptor that options of the command line define; one total degree stands for all orders.

        Raises
        ------
        InvalidInputError
            A total degree, and a number of features that would choose it.
        """
        if "totaldegree" in given and "max_features" in given:
            raise InvalidInputError("max_features: expected it or `totaldegree`, which takes its place, got both")
        degrees = given.get("totaldegree", [])
        one = {"totaldegree": degrees[0]} if len(degrees) == 1 else {}
        return cls(**{**given, **one})

    def bind(self, structures: Sequence[Atoms]) -> ACE:
        """Take the elements, and with them the total degree, from structures.

        Does nothing if the elements are known already, as they always are with ``species="channels"``.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with every element that will be described.

        Returns
        -------
        ACE
            This descriptor.

        Raises
        ------
        InvalidInputError
            There is no atom to take an element from, or no total degree keeps a row short enough.
        """
        if self._numbers is None:
            found: set[int] = set().union(*(atoms.numbers.tolist() for atoms in _checked(structures)))
            if not found:
                raise InvalidInputError("expected at least one atom to take the elements from, but none was given")
            self._set_elements(sorted(found))
            if self.species == "labels":
                _LOGGER.info("ACE takes the elements of the structures: %s", ", ".join(self.elements))
            if self._degree_was_chosen:
                _LOGGER.info("ACE takes total degree %s: %d features", _short(self.totaldegree), self.n_features)
                if self.species == "labels" and max(self.totaldegree[1:], default=1.0) < 2.0:
                    _LOGGER.warning(
                        "ACE has %g functions of each pair of elements and no others, so it sees no angles: with %d "
                        "elements, --totaldegree 2 makes %d features; --n-channels 16 does not grow with them",
                        self.totaldegree[0],
                        len(self.elements),
                        ace_length(len(self.elements), self.order, np.full(self.order, 2.0)),
                    )
        return self

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols of the elements that can be described, by atomic number."""
        return tuple(chemical_symbols[z] for z in self._bound()[0])

    @property
    def totaldegree(self) -> tuple[float, ...]:
        """Total degree of each order."""
        return tuple(self._bound()[1])

    @property
    def n_features(self) -> int:
        """Length of a row."""
        return self._bound()[2].n_features

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON; `r0` in Å per chemical symbol."""
        numbers, degrees, _ = self._bound()
        known = {
            "name": "ACE",
            "elements": list(self.elements),
            "order": self.order,
            "totaldegree": list(degrees),
            "rcut": self.rcut,
            "r0": {chemical_symbols[z]: _length(z, self._r0) for z in numbers},
        }
        if self.n_channels is None:
            return known
        if self._takes_any_element:
            known |= {"elements": None, "r0": dict(self._r0) if isinstance(self._r0, Mapping) else self._r0}
        return {**known, "species": self.species, "n_channels": self.n_channels, "embedding": self._embedding}

    @property
    def feature_groups(self) -> dict[str, slice]:
        """Columns of the functions of one, two and three neighbours, by what they tell of a structure."""
        numbers, degrees, basis = self._bound()
        if self.n_channels is not None:
            return self._channel_groups()
        symbols, z = [chemical_symbols[number] for number in numbers], len(numbers)
        pairs = [(a, b) for k, a in enumerate(symbols) for b in symbols[k:]]
        n_pair = int(max(degrees) + 1e-9)
        # Functions of two neighbours: those of a basis that ends with them, without its own pair functions.
        lower = degrees[: min(self.order, 2)]
        of_two = ace_length(z, len(lower), np.array(lower)) - int(max(lower) + 1e-9) * len(pairs)
        sizes = {f"the distances {a}-{b}": n_pair for a, b in pairs}
        of_three = basis.n_features - n_pair * len(pairs) - of_two
        for symbol in symbols:
            sizes[f"the arrangement of two neighbours around {symbol}"] = of_two // z
            sizes[f"the arrangement of three neighbours around {symbol}"] = of_three // z
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    def _channel_groups(self) -> dict[str, slice]:
        """Columns of the functions of one, two and three neighbours, of all channels."""
        _, degrees, basis = self._bound()
        channels, n_pair = self.n_channels or 0, int(max(degrees) + 1e-9)
        lower = degrees[: min(self.order, 2)]
        of_two = ace_length(1, len(lower), np.array(lower)) - int(max(lower) + 1e-9)
        first, second = channels * n_pair, channels * (n_pair + of_two)
        return {
            "the distances": slice(0, first),
            "the arrangement of two neighbours": slice(first, second),
            "the arrangement of three neighbours": slice(second, basis.n_features),
        }

    def features(self, atoms: Atoms) -> npt.NDArray[np.float64]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure, periodic or not. Positions may lie outside the cell.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom. Lengths are in Å.

        Raises
        ------
        StructureError
            The structure is empty, has an element that the descriptor does not know, a position that is not
            finite, a periodic direction without an independent cell vector, or two atoms less than 0.001 Å
            apart.
        """
        try:
            return self.site_features([atoms])
        except StructureError as error:
            raise StructureError(error.problem) from None

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.float64]:
        """Describe every atom of many structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
            The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.

        Raises
        ------
        StructureError
            As `features`; its `index` is that of the first structure that cannot be described.
        """
        basis = self.bind(structures)._bound()[2]
        return basis.site_features(*_flat(structures), n_threads)

    def structure_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.float64]:
        """Average the rows of the atoms of each structure, without keeping them.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
            The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_structures, n_features)
            One row per structure.

        Raises
        ------
        StructureError
            As `features`; its `index` is that of the first structure that cannot be described.
        """
        basis = self.bind(structures)._bound()[2]
        return basis.structure_features(*_flat(structures), n_threads)

    def design(self, atoms: Atoms) -> Design:
        """Differentiate every feature of one structure: the rows of a linear fit to energy, forces and virial.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Design
            Rows for the energy, the forces (``3 * n_atoms``) and the virial (6). All are views of one array.

        Raises
        ------
        StructureError
            As `features`.

        See Also
        --------
        designs : Many structures, in parallel and with bounded memory.
        predict : The same rows times given weights, far cheaper.

        Examples
        --------
        >>> from ase.build import bulk
        >>> design = ACE(["Si"], totaldegree=12).design(bulk("Si"))
        >>> design.energy.shape, design.forces.shape, design.virial.shape
        ((211,), (6, 211), (6, 211))
        """
        try:
            return next(self.designs([atoms]))
        except StructureError as error:
            raise StructureError(error.problem) from None

    def designs(
        self, structures: Iterable[Atoms], *, max_memory: int = _DESIGN_MEMORY, n_threads: int | None = None
    ) -> Iterator[Design]:
        """Differentiate every feature of many structures, in batches: as `design`.

        Parameters
        ----------
        structures : iterable of ase.Atoms
            The structures. Only those of the current batch are taken from an iterator.
        max_memory : int, default=256 MiB
            Approximate limit in bytes for the rows of a batch and their work space, exceeded if a single structure
            needs more. Rows that the caller keeps are not counted.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
            The rows do not depend on it.

        Yields
        ------
        Design
            One for each structure, in their order.

        Raises
        ------
        StructureError
            As `features`; its `index` is that of the structure. It is raised when the structure is reached.
        """
        if isinstance(structures, Atoms):
            raise InvalidInputError("expected an iterable of ase.Atoms; `design` takes a single one")
        return self._designs(structures, max_memory, n_threads)

    def _designs(self, structures: Iterable[Atoms], max_memory: int, n_threads: int | None) -> Iterator[Design]:
        batch: list[Atoms] = []
        first, bytes_of_batch = 0, 0
        for atoms in structures:
            basis = self.bind([atoms])._bound()[2]
            needed = basis.design_bytes(len(_checked([atoms])[0]))
            if batch and bytes_of_batch + needed > max_memory:
                yield from self._designs_of(batch, first, n_threads)
                first, bytes_of_batch, batch = first + len(batch), 0, []
            batch.append(atoms)
            bytes_of_batch += needed
        yield from self._designs_of(batch, first, n_threads)

    def _designs_of(self, batch: Sequence[Atoms], first: int, n_threads: int | None) -> Iterator[Design]:
        """Differentiate a few structures; `first` is the index of the first of them among all."""
        if not batch:
            return
        flat = _flat(batch)
        try:
            rows = self._bound()[2].designs(*flat, n_threads)
        except StructureError as error:
            index = None if error.index is None else first + error.index
            raise StructureError(error.problem, index) from None
        end = 0
        for atoms in batch:
            start, end = end, end + 3 * len(atoms) + 7
            yield Design(energy=rows[start], forces=rows[start + 1 : end - 6], virial=rows[end - 6 : end])

    def vjp(self, atoms: Atoms, w: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions (a vector-Jacobian product).

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        w : array_like of shape (n_features,)
            One weight per feature.

        Returns
        -------
        ndarray of shape (n_atoms, 3)
            The derivatives, per Å. If `w` are the weights of an energy, this is minus the forces.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`.
        """
        return -self.predict(atoms, w).forces

    def predict(self, atoms: Atoms, w: npt.ArrayLike) -> Prediction:
        """Evaluate a linear model of the features: energy, forces and virial.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        w : array_like of shape (n_features,)
            One weight per feature.

        Returns
        -------
        Prediction
            Energy, forces, virial and the energy of each site. An isolated atom has energy zero.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`.

        Notes
        -----
        The derivatives are analytic, by reverse mode: no gradient of a feature is formed. The cost is a few times
        that of `features`, for any number of features.
        """
        try:
            return self.predictions([atoms], w)[0]
        except StructureError as error:
            raise StructureError(error.problem) from None

    def predictions(
        self, structures: Sequence[Atoms], w: npt.ArrayLike, n_threads: int | None = None
    ) -> list[Prediction]:
        """Evaluate a linear model of the features for many structures: as `predict`.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        w : array_like of shape (n_features,)
            One weight per feature.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
            The result does not depend on it.

        Returns
        -------
        list of Prediction
            One per structure.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`; its `index` is that of the first structure that cannot be described.
        """
        basis = self.bind(structures)._bound()[2]
        weights = np.ascontiguousarray(w, dtype=float)
        if weights.shape != (basis.n_features,):
            raise InvalidInputError(
                f"expected weights of shape ({basis.n_features},), one per feature, but the shape is {weights.shape}"
            )
        flat = _flat(structures)
        sites, energies, forces, virials = basis.predict(*flat, weights, n_threads)
        atoms = [slice(first, last) for first, last in pairwise(flat[4])]
        totals = zip(energies.tolist(), virials, atoms, strict=True)
        return [Prediction(energy, forces[own], virial, sites[own]) for energy, virial, own in totals]

    def forward(self, atoms: Atoms, n_threads: int | None = None) -> AcePass:
        """Visit the atoms of one structure, for its mean row and for any number of linear models.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
            The result does not depend on it.

        Returns
        -------
        AcePass
            Its `row` is that of `structure_features`, and ``predict(w)`` is `predict`. It takes some kilobytes per
            atom.

        Raises
        ------
        StructureError
            As `features`.
        """
        basis = self.bind([atoms])._bound()[2]
        try:
            return AcePass(basis, basis.forward(*_flat([atoms]), n_threads), n_threads)
        except StructureError as error:
            raise StructureError(error.problem) from None

    def smoothness_prior(self, power: float = 4) -> npt.NDArray[np.float64]:
        """Diagonal that grows with the roughness of each function: the prior of the paper's linear fits.

        Parameters
        ----------
        power : float, default=4
            Exponent p of n, l and m.

        Returns
        -------
        ndarray of shape (n_features,)
            ``1 + d``. A product of one-particle sums has roughness ``s``, the sum of ``n^p + l^p + |m|^p``
            over its factors; a function with coefficients ``C`` on products has ``d = sqrt(sum(C^2 s^2))``.
        """
        return self._bound()[2].smoothness_prior(float(power))

    def __repr__(self) -> str:
        if self._numbers is None:
            degree = "chosen at first use" if self._degrees is None else _short(self._degrees)
            known = f"order={self.order}, totaldegree={degree}, rcut={self.rcut:g}"
            return f"ACE(elements=from the first structures, {known})"
        numbers, degrees, basis = self._bound()
        chosen = " (chosen)" if self._degree_was_chosen else ""
        if self.n_channels is not None:
            allowed = "" if self._takes_any_element else f"{[chemical_symbols[z] for z in numbers]}, "
            return (
                f"ACE({allowed}species='channels', n_channels={self.n_channels}, order={self.order}, "
                f"totaldegree={_short(degrees)}{chosen}, rcut={self.rcut:g}): {basis.n_features} features"
            )
        return (
            f"ACE({[chemical_symbols[z] for z in numbers]}, order={self.order}, "
            f"totaldegree={_short(degrees)}{chosen}, rcut={self.rcut:g}): {basis.n_features} features"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_basis": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._numbers is not None:
            self._set_elements(self._numbers)

    def _set_elements(self, numbers: list[int]) -> None:
        if self.species is None:
            numbers = self._set_species(numbers)
        weights = None
        if self.n_channels is None:
            degrees = self._degrees or _chosen_degrees(len(numbers), self.order, self.max_features)
        else:
            degrees = self._degrees or _degrees_in_channels(self.n_channels, self.order, self.max_features)
            weights = channel_weights(numbers, self.n_channels, self._embedding)
        lengths = _lengths_within(numbers, self._r0, self.rcut)
        self._basis = AceBasis(np.array(numbers), self.order, np.array(degrees), self.rcut, lengths, weights)
        self._numbers, self._degrees = numbers, degrees

    def _set_species(self, numbers: list[int]) -> list[int]:
        """Take channels where labels leave no functions of two neighbours; return the elements to describe."""
        labels = self._degrees is not None or _labels_reach_two_neighbours(len(numbers), self.order, self.max_features)
        self.species = "labels" if labels else "channels"
        if labels:
            return numbers
        self.n_channels = N_CHANNELS
        _LOGGER.info("ACE takes %d species channels: %d elements are too many for labels", N_CHANNELS, len(numbers))
        if self._elements_were_given:
            return numbers
        self._takes_any_element = True
        return sorted({*numbers, *_describable(self._r0, None)})

    def _bound(self) -> tuple[list[int], list[float], AceBasis]:
        if self._numbers is None or self._degrees is None or self._basis is None:
            raise NotFittedError("the elements of this ACE are not known yet: give `elements`, or call `bind` first")
        return self._numbers, self._degrees, self._basis


class AcePass:
    """The neighbours and one-particle sums of a structure, which all linear models of its features share.

    Parameters
    ----------
    basis : AceBasis
        The basis that made it.
    inner : AceForward
        The compiled part.
    n_threads : int, optional
        Number of threads of predictions.
    """

    def __init__(self, basis: AceBasis, inner: AceForward, n_threads: int | None):
        self._basis, self._inner, self._n_threads = basis, inner, n_threads

    @property
    def row(self) -> npt.NDArray[np.float64]:
        """The mean of the features of the atoms, shape (n_features,)."""
        return self._inner.row

    def predict(self, weights: npt.NDArray[np.float64]) -> Prediction:
        """Evaluate a linear model of the features: energy, forces and virial, as `ACE.predict`."""
        return self.predictions(np.asarray(weights)[None])[0]

    def predictions(self, weights: npt.NDArray[np.float64]) -> list[Prediction]:
        """Evaluate linear models of the features, one for each row of `weights`; two cost less than twice one."""
        found = self._basis.predict_from(self._inner, np.asarray(weights, dtype=float), self._n_threads)
        return [Prediction(float(energy[0]), forces, virial[0], sites) for sites, energy, forces, virial in found]


def _whole_number(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise InvalidInputError(f"{name} must be a positive whole number, but {value!r} was given")
    return int(value)


def _known_species(species: str | None, n_channels: int | None, embedding: Mapping[str, Any] | None) -> str | None:
    if species not in (*SPECIES, None):
        raise InvalidInputError(f"species must be {' or '.join(map(repr, SPECIES))}, but {species!r} was given")
    given = [name for name, value in (("n_channels", n_channels), ("embedding", embedding)) if value is not None]
    if species == "labels" and given:
        raise InvalidInputError(f"{given[0]}: expected only with species='channels', got species='labels'")
    return "channels" if given else species


def _channels(n_channels: int | None) -> int:
    count = N_CHANNELS if n_channels is None else _whole_number(n_channels, "n_channels")
    if not 1 <= count <= MOST_CHANNELS:
        raise InvalidInputError(f"n_channels must be a whole number from 1 to {MOST_CHANNELS}, but {count} was given")
    return count


def _describable(r0: float | Mapping[str, float] | None, embedding: Mapping[str, Any] | None) -> list[int]:
    """Elements of the periodic table with a length, and with weights where an embedding is given."""
    given = {} if embedding is None else embedding
    if given:
        return [atomic_numbers[symbol] for symbol in given]
    has_length = [isinstance(r0, Mapping) and symbol in r0 for symbol in chemical_symbols]
    every = isinstance(r0, (int, float)) and not isinstance(r0, bool)
    return [z for z in range(1, len(chemical_symbols)) if every or has_length[z] or _tabulated(z) is not None]


def _per_order(totaldegree: float | Sequence[float], order: int) -> list[float]:
    try:
        return np.broadcast_to(np.asarray(totaldegree, dtype=float), order).tolist()  # type: ignore[no-any-return]
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"totaldegree must be one number or one per order ({order}), but {totaldegree!r} was given"
        ) from None


def _chosen_degrees(n_elements: int, order: int, limit: int) -> list[float]:
    """Largest degrees whose length stays below a limit: of all orders, or of pairs where those are 1.

    Degrees of 1 have one function of each pair, and none of higher order; up to twice the limit avoids that.
    """
    degrees = _largest_degrees(n_elements, order, limit)
    if max(degrees) <= 1.0 and order > 1:
        limit, degrees = 2 * limit, _largest_degrees(n_elements, order, 2 * limit)
    if not all(degrees):
        raise InvalidInputError(
            f"no total degree keeps a descriptor of {n_elements} elements below {limit} features: take species "
            f"channels, whose rows do not grow with the elements (species='channels', --n-channels {N_CHANNELS}); give "
            "totaldegree; or, where only structures of the core have most of them, name the elements of the pool as "
            "elements, and skip_bad passes over structures with others"
        )
    if max(degrees) == 1.0 and order > 1:
        tried = (float(d) for d in range(1, 41))
        fits = [d for d in tried if ace_length(n_elements, order, np.array([d] + [1.0] * (order - 1))) < limit]
        return [max(fits), *degrees[1:]]
    return degrees


def _labels_reach_two_neighbours(n_elements: int, order: int, limit: int) -> bool:
    """Whether the default degrees of labels have functions of two neighbours, or the pair functions that are wanted."""
    degrees = [max(_largest_degrees(n_elements, order, most)) for most in (limit, 2 * limit)]
    return degrees[0] > 0 if order == 1 else degrees[1] > 1


def _degrees_in_channels(n_channels: int, order: int, limit: int) -> list[float]:
    """Largest degrees whose length in channels stays below a limit, lower for higher orders."""
    degrees = _largest_degrees(1, order, -(-limit // n_channels), lowered=True)
    if not all(degrees):
        raise InvalidInputError(
            f"no total degree keeps a descriptor of {n_channels} channels below {limit} features: lower n_channels, "
            "raise max_features, or give `totaldegree`"
        )
    return degrees


def _largest_degrees(n_elements: int, order: int, limit: int, *, lowered: bool | None = None) -> list[float]:
    """Raise whole degrees while the length stays below a limit; zeros if there are none.

    From three elements on, those of order 2 and 3 are two thirds and one third of that of the pair functions: else
    most columns are products of three, whose number grows with the fourth power of the number of elements.
    """
    lowered = n_elements >= _LOWERED_FROM if lowered is None else lowered
    degrees = [0.0] * order
    for degree in range(1, 41):
        tried = [float(-(-degree * (3 - k) // 3) if lowered else degree) for k in range(order)]
        if ace_length(n_elements, order, np.array(tried)) >= limit:
            break
        degrees = tried
    return degrees


def _atomic_numbers(elements: Sequence[str | int]) -> list[int]:
    numbers = set()
    for element in [elements] if isinstance(elements, str) else elements:
        try:
            number = atomic_numbers.get(element, 0) if isinstance(element, str) else operator.index(element)
        except TypeError:
            number = 0
        if not 1 <= number < len(chemical_symbols):
            raise InvalidInputError(f"elements must be chemical symbols or atomic numbers, but {element!r} was given")
        numbers.add(number)
    if not numbers:
        raise InvalidInputError("elements must hold at least one chemical symbol, but it is empty")
    return sorted(numbers)


def _pair_lengths(numbers: list[int], r0: float | Mapping[str, float] | None) -> npt.NDArray[np.float64]:
    """r0 of each pair: the mean of the lengths of its elements."""
    lengths = np.array([_length(z, r0) for z in numbers])
    means: npt.NDArray[np.float64] = 0.5 * (lengths[:, None] + lengths[None, :])
    return means


def _lengths_within(numbers: list[int], r0: float | Mapping[str, float] | None, rcut: float) -> npt.NDArray[np.float64]:
    """r0 of each pair, unless those of the table do not go with the cutoff: then that is what is wrong."""
    lengths = _pair_lengths(numbers, r0)
    if r0 is None and 0.0 < 10.0 * rcut < lengths.max():
        raise InvalidInputError(
            f"rcut: {rcut:g} Å is less than a tenth of a bond length, so no atom has a neighbour: give a larger "
            "cutoff, such as 5 (--rcut)"
        )
    if r0 is None and lengths.min() < 0.01 * rcut < np.inf:
        raise InvalidInputError(
            f"rcut: {rcut:g} Å is more than a hundred bond lengths: give a smaller cutoff, such as 5 (--rcut)"
        )
    return lengths


def _length(number: int, r0: float | Mapping[str, float] | None) -> float:
    """r0 of one element: as given, or from the table."""
    symbol = chemical_symbols[number]
    if isinstance(r0, Mapping):
        unknown = [key for key in r0 if key not in atomic_numbers]
        if unknown:
            raise InvalidInputError(f"r0 must map chemical symbols to lengths, but has {unknown[0]!r}")
        r0 = r0.get(symbol)
    if r0 is not None:
        try:
            length = float(r0)
        except (TypeError, ValueError):
            length = math.nan
        if not (math.isfinite(length) and length > 0):
            raise InvalidInputError(f"r0 must be a positive length in Å, but {r0!r} was given")
        return length
    tabulated = _tabulated(number)
    if tabulated is None:
        raise InvalidInputError(f"there is no default r0 for {symbol}: give r0={{{symbol!r}: length in Å}}")
    return tabulated


def _tabulated(number: int) -> float | None:
    """Default r0 of one element, None if there is none."""
    symbol = chemical_symbols[number]
    if symbol in _BOND_LENGTHS:
        return _BOND_LENGTHS[symbol]
    radius = covalent_radii[number] if number < len(covalent_radii) else _NO_RADIUS
    return None if radius <= _NO_RADIUS else 2.0 * float(radius)


def _short(degrees: Sequence[float]) -> str:
    return f"{degrees[0]:g}" if len(set(degrees)) == 1 else "[" + ", ".join(f"{d:g}" for d in degrees) + "]"


def _checked(structures: Sequence[Atoms]) -> Sequence[Atoms]:
    if isinstance(structures, FlatSequence):
        return structures
    if isinstance(structures, Atoms) or not all(isinstance(atoms, Atoms) for atoms in structures):
        raise InvalidInputError("expected a sequence of ase.Atoms; `features` takes a single one")
    return structures


def _flat(structures: Sequence[Atoms]) -> FlatArrays:
    """Positions, atomic numbers, cells, periodicity and offsets, structure after structure."""
    return flat_arrays(_checked(structures))
