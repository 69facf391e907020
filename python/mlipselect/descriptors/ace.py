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
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from mlipselect.io.flat import FlatArrays, FlatSequence, flat_arrays
from mlipselect.utils.option import Option

_LOGGER = logging.getLogger("mlipselect")

MAX_FEATURES = 500
"""Features of a descriptor whose total degree is chosen automatically: fewer than this.

Picks by short rows are worth as much as picks by long ones and cost less; potentials that are fitted need longer ones.
"""

# Approximate bytes of a batch of designs.
_DESIGN_MEMORY = 256 * 2**20

# Bond lengths in Å that replace twice the covalent radius. That of silicon reproduces the paper.
_BOND_LENGTHS = {"Si": 2.4}

# ASE's placeholder for an unknown covalent radius, in Å.
_NO_RADIUS = 0.2


class ACE(NamedDescriptor):
    """Linear ACE: pair functions and coupled products of two and three one-particle sums.

    Without `elements` the descriptor takes those of the first structures it sees; without `totaldegree` it
    takes the largest whole number for which a row stays shorter than `max_features`, which serves selection. Where
    that leaves one function of each pair of elements, rows may have twice as many features, and where that does not
    help, from 12 elements on, it takes pair functions only, as many as fit, and warns. It logs both choices and shows
    them when printed.

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
    rcut : float
        As given.

    Notes
    -----
    With one element and the defaults, total degrees 12, 16 and 19 give 211, 668 and 1429 features: the descriptors ACE
    (S), (M) and (L) of [1]_ up to the sign of single columns, which changes no selection. Only silicon is meant to
    reproduce the paper; for other elements ``r0`` is a choice of this package.

    The features are invariant under rotations, reflections and permutations of like atoms, continuous with
    continuous first derivatives at the cutoff, and the same, bit for bit, for any number of threads.

    References
    ----------
    .. [1] T. Rocke and J. Kermode, arXiv:2502.21165.

    Examples
    --------
    >>> from ase.build import bulk
    >>> descriptor = ACE(["Si"], totaldegree=12)
    >>> descriptor.features(bulk("Si")).shape
    (2, 211)
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
        rcut: float = 5.0,
        r0: float | Mapping[str, float] | None = None,
    ):
        self.order = _whole_number(order, "order")
        self.max_features = _whole_number(max_features, "max_features")
        self.rcut = float(rcut)
        self._degrees = None if totaldegree is None else _per_order(totaldegree, self.order)
        self._degree_was_chosen = totaldegree is None
        self._r0 = r0
        self._numbers: list[int] | None = None
        self._basis: AceBasis | None = None
        if elements is not None:
            self._set_elements(_atomic_numbers(elements))
        else:
            # Parameters that are wrong for any elements are refused now.
            degrees = self._degrees or [1.0] * self.order
            AceBasis(np.array([14]), self.order, np.array(degrees), self.rcut, _pair_lengths([14], r0))

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> ACE:  # noqa: ARG003 - features come in any type
        """Make the descriptor that options of the command line define; one total degree stands for all orders."""
        degrees = given.get("totaldegree", [])
        return cls(**{**given, **({"totaldegree": degrees[0]} if len(degrees) == 1 else {})})

    def bind(self, structures: Sequence[Atoms]) -> ACE:
        """Take the elements, and with them the total degree, from structures.

        Does nothing if the elements are known already.

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
            _LOGGER.info("ACE takes the elements of the structures: %s", ", ".join(self.elements))
            if self._degree_was_chosen:
                _LOGGER.info("ACE takes total degree %s: %d features", _short(self.totaldegree), self.n_features)
                if min(self.totaldegree) < 2.0:
                    _LOGGER.warning(
                        "ACE has %g functions of each pair of elements and no others, so it sees no angles: with %d "
                        "elements, --totaldegree 2 makes %d features; --descriptor mace does not grow with them",
                        self.totaldegree[0],
                        len(self.elements),
                        ace_length(len(self.elements), self.order, np.full(self.order, 2.0)),
                    )
        return self

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
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
        return {
            "name": "ACE",
            "elements": list(self.elements),
            "order": self.order,
            "totaldegree": list(degrees),
            "rcut": self.rcut,
            "r0": {chemical_symbols[z]: _length(z, self._r0) for z in numbers},
        }

    @property
    def feature_groups(self) -> dict[str, slice]:
        """Columns of the functions of one, two and three neighbours, by what they tell of a structure."""
        numbers, degrees, basis = self._bound()
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
            Number of threads; all processors by default. The result does not depend on it.

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
            Number of threads; all processors by default. The result does not depend on it.

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
            Number of threads; all processors by default. The rows do not depend on it.

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
            Number of threads; all processors by default. The result does not depend on it.

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
            Number of threads; all processors by default. The result does not depend on it.

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
        degrees = self._degrees or _chosen_degrees(len(numbers), self.order, self.max_features)
        lengths = _pair_lengths(numbers, self._r0)
        self._basis = AceBasis(np.array(numbers), self.order, np.array(degrees), self.rcut, lengths)
        self._numbers, self._degrees = numbers, degrees

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


def _per_order(totaldegree: float | Sequence[float], order: int) -> list[float]:
    try:
        return np.broadcast_to(np.asarray(totaldegree, dtype=float), order).tolist()  # type: ignore[no-any-return]
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"totaldegree must be one number or one per order ({order}), but {totaldegree!r} was given"
        ) from None


def _chosen_degrees(n_elements: int, order: int, limit: int) -> list[float]:
    """Largest whole total degree whose length stays below a limit: of all orders, or of pairs where that is 1.

    A total degree of 1 has one function of each pair, and none of higher order; up to twice the limit avoids that.
    """
    flat = [1.0] * order
    degree = _largest_degree(flat, range(order), n_elements, limit)
    if degree <= 1.0 and order > 1:
        limit, degree = 2 * limit, _largest_degree(flat, range(order), n_elements, 2 * limit)
    if degree == 0.0:
        raise InvalidInputError(
            f"no total degree keeps a descriptor of {n_elements} elements below {limit} features: give "
            "totaldegree; or, where only structures of the core have most of them, name the elements of the pool as "
            "elements, and skip_bad passes over structures with others"
        )
    if degree == 1.0 and order > 1:
        return [_largest_degree(flat, range(1), n_elements, limit), *flat[1:]]
    return [degree] * order


def _largest_degree(degrees: list[float], raised: range, n_elements: int, limit: int) -> float:
    """Raise the degrees of some orders together while the length stays below a limit; 0 if there is none."""
    n_orders, degree = len(degrees), 0.0
    while degree < 40:
        tried = [degree + 1.0 if k in raised else degrees[k] for k in range(n_orders)]
        if ace_length(n_elements, n_orders, np.array(tried)) >= limit:
            break
        degree += 1.0
    return degree


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
    if symbol in _BOND_LENGTHS:
        return _BOND_LENGTHS[symbol]
    radius = covalent_radii[number] if number < len(covalent_radii) else _NO_RADIUS
    if radius <= _NO_RADIUS:
        raise InvalidInputError(f"there is no default r0 for {symbol}: give r0={{{symbol!r}: length in Å}}")
    return 2.0 * float(radius)


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
