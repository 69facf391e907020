"""Rows of atoms that are caught inside an ASE calculator."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.learned.core import refuse_periodicity
from mlipselect.descriptors.learned.examination import examine, example_crystal, random_rotations, turned_by
from mlipselect.descriptors.learned.weights import digest_of_weights
from mlipselect.descriptors.torch_settings import import_package, process_state, repeatable
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.describable import check_structure

# How deep modules are looked for among the attributes of a calculator.
_DEPTH = 3

# Choices that an error shows.
_SHOWN = 40

Side = Literal["input", "output"]


class FromCalculator:
    """What one module of an ASE calculator takes or gives for each atom: a descriptor of any potential in torch.

    The calculator computes the energy of a structure, and the tensor is caught on its way. There are no derivatives.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
        A calculator that has a torch module among its attributes.
    layer : str
        Path of a module, such as ``"model.final"``, where ``calculator.model`` is a torch module. Of a tuple or a
        dictionary the entry is named in brackets: ``"model.3_equivariant_gate[x]"``. A wrong name gives an error that
        lists the modules with one row per atom.
    where : {"output", "input"}, default="output"
        Whether the output of the module is taken, or its first input.
    rotations : int, default=1
        Turned copies of a structure whose rows are averaged, for potentials whose features turn with the structure. The
        first is not turned, the others are by rotations drawn with one seed. What is left of the change falls with the
        root of their number.
    element : str, default="Si"
        An element that the potential knows, for the checks when the descriptor is made.

    Attributes
    ----------
    dtype : str
        Type of the rows.
    n_features : int
        Length of a row. Axes of the tensor after the first are joined.
    refused : dict
        Reasons why structures cannot be described, by ``"partial"`` (periodic along some directions only) and
        ``"free"`` (along none).

    Raises
    ------
    InvalidInputError
        The calculator has no torch module, no module of this name, or one without one row per atom; or the rows are
        not finite or not the same on a second call.

    Warns
    -----
    UserWarning
        Rows turn with the structure, or those of an isolated atom are zero.

    Notes
    -----
    Records name the class of the calculator, its attributes that are numbers or text, the digest of the weights, the
    module, and the version of the package.
    """

    def __init__(self, calculator: Any, layer: str, *, where: Side = "output", rotations: int = 1, element: str = "Si"):
        import_package("torch", "torch")
        if where not in ("output", "input"):
            raise InvalidInputError(f"where: expected 'output' or 'input', got {where!r}")
        if rotations < 1:
            raise InvalidInputError(f"rotations: expected at least 1, got {rotations}")
        self.rotations = rotations
        self._turns = random_rotations(rotations)
        self.calculator, self.layer, self.where = calculator, layer, where
        # The state after a calculation is no part of the definition.
        self._settings = {
            name: value
            for name, value in sorted(vars(calculator).items())
            if not name.startswith("_") and isinstance(value, (str, bool, int, float))
        }
        roots = dict(_roots(calculator))
        self._modules = {
            f"{root}.{name}" if name else root: part
            for root, module in roots.items()
            for name, part in module.named_modules()
        }
        if not roots:
            raise InvalidInputError(f"FromCalculator: {type(calculator).__name__} has no torch module")
        path, _, self._key = layer.rstrip("]").partition("[")
        with process_state():
            if path not in self._modules:
                raise InvalidInputError(self._choices(f"there is no module {path!r}", element))
            self._module = self._modules[path]
            try:
                found = examine("FromCalculator", self._described, element)
            except _NotCaughtError as error:
                raise InvalidInputError(self._choices(str(error), element)) from None
            except InvalidInputError:
                raise
            except Exception as error:
                raise InvalidInputError(
                    f"FromCalculator: {type(calculator).__name__} fails on a crystal of {element} "
                    f"({type(error).__name__}: {error}); `element` names another element"
                ) from error
        self.dtype, self.n_features, self.refused = found.dtype, found.n_features, found.refused
        self._sha256 = digest_of_weights(next(roots[root] for root in roots if f"{path}.".startswith(f"{root}.")))

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        kind = type(self.calculator)
        owners = importlib.metadata.packages_distributions().get(kind.__module__.partition(".")[0], [])
        return {
            "name": "FromCalculator",
            "calculator": f"{kind.__module__}.{kind.__qualname__}",
            "settings": self._settings,
            "layer": self.layer,
            "where": self.where,
            "rotations": self.rotations,
            "sha256": self._sha256,
            "versions": {package: importlib.metadata.version(package) for package in sorted(set(owners))},
        }

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure. Of ``info``, charge and spin are passed on.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.

        Raises
        ------
        StructureError
            The structure is empty, has a position that is not finite, a periodic direction without an independent cell
            vector, a periodicity that the potential ignores, or the calculator fails on it.
        """
        check_structure(atoms)
        refuse_periodicity(atoms, self.refused)
        try:
            return self._averaged(atoms)
        except _NotCaughtError as error:
            raise StructureError(str(error)) from None
        except Exception as error:
            raise StructureError(f"the calculator failed: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        return f"FromCalculator({type(self.calculator).__name__}, {self.layer!r}, where={self.where!r})"

    def _described(self, structures: Sequence[Atoms]) -> npt.NDArray[np.floating]:
        """Describe structures one by one: only so a calculator is sure to take them."""
        return np.concatenate([self._averaged(atoms) for atoms in structures])

    def _averaged(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Average the rows of the turned copies of a structure."""
        if self.rotations == 1:
            return self._caught(atoms)
        rows = [self._caught(turned_by(atoms, turn)) for turn in self._turns]
        mean: npt.NDArray[np.floating] = np.mean(rows, axis=0, dtype=np.float64).astype(rows[0].dtype)
        return mean

    def _caught(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Run the calculator, and return the rows that pass."""
        caught: list[Any] = []

        def take(value: Any) -> None:
            # At once: later modules may change the dictionary, and the tensor.
            caught.append(next((_numpy(tensor) for key, tensor in _tensors(value) if key == self._key), None))

        if self.where == "output":
            hook = self._module.register_forward_hook(lambda _, __, out: take(out))
        else:
            hook = self._module.register_forward_pre_hook(lambda _, given: take(next(iter(given), None)))
        try:
            self._calculate(atoms)
        finally:
            hook.remove()
        if not caught:
            raise _NotCaughtError(f"the calculator does not call {self.layer}")
        rows: npt.NDArray[np.floating] | None = caught[-1]
        if rows is None or not _is_rows(rows, len(atoms)):
            raise _NotCaughtError(f"the {self.where} of {self.layer} is not one row per atom")
        return rows.reshape(len(atoms), -1)

    def _calculate(self, atoms: Atoms) -> None:
        """Compute the energy of a structure without anything but atoms, cell, charge and spin."""
        from ase.calculators.calculator import all_changes

        info = {key: atoms.info[key] for key in ("charge", "spin") if key in atoms.info}
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)
        with repeatable():
            self.calculator.calculate(bare, ["energy"], all_changes)

    def _choices(self, problem: str, element: str) -> str:
        """Name the modules with one row per atom in two structures of different size."""
        crystal = example_crystal(element)
        first, second = (self._passing(atoms) for atoms in (crystal, crystal * (3, 1, 1)))
        both = [f"{name} {shape}" for name, shape in first.items() if name in second]
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        return f"layer: {problem}; one row per atom have {', '.join(both[:_SHOWN]) or 'none'}{more}"

    def _passing(self, atoms: Atoms) -> dict[str, str]:
        """Run the calculator and find every tensor with one row per atom: where it passes, and its shape."""
        found: dict[str, str] = {}
        # A tensor that passes several modules is named once. It is kept, so that no other gets its identity.
        seen: dict[int, Any] = {}

        def look(side: Side, path: str, value: Any) -> None:
            for key, tensor in _tensors(value):
                if _is_rows(tensor, len(atoms)) and id(tensor) not in seen:
                    seen[id(tensor)] = tensor
                    place = f"{path}[{key}]" if key else path
                    shape = ", ".join(map(str, tensor.shape[1:]))
                    found["input of " * (side == "input") + place] = f"(n, {shape})"

        hooks = []
        for path, module in self._modules.items():
            hooks.append(module.register_forward_hook(lambda _, __, out, path=path: look("output", path, out)))
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _, given, path=path: look("input", path, next(iter(given), None))
                )
            )
        try:
            self._calculate(atoms)
        finally:
            for hook in hooks:
                hook.remove()
        return found


class _NotCaughtError(Exception):
    """A module did not pass one row per atom."""


def _roots(owner: Any, path: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """Find the torch modules among the attributes of an object, of their attributes, and in lists of them."""
    import torch

    if isinstance(owner, (list, tuple)):
        parts = {str(place): value for place, value in enumerate(owner)}
    else:
        parts = dict(getattr(owner, "__dict__", {}))
    for name, value in parts.items():
        if isinstance(value, torch.nn.Module):
            yield path + name, value
        elif depth > 1 and not isinstance(value, (type, Atoms)):
            yield from _roots(value, f"{path}{name}.", depth - 1)


def _tensors(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of what a module takes or gives, with their keys: the tensor itself has none."""
    import torch

    if isinstance(value, torch.Tensor):
        yield "", value
    elif isinstance(value, (tuple, list)):
        yield from ((str(place), part) for place, part in enumerate(value) if isinstance(part, torch.Tensor))
    elif hasattr(value, "keys"):
        # Graphs of torch_geometric have keys as a method and look like dictionaries otherwise.
        yield from ((str(key), value[key]) for key in list(value.keys()) if isinstance(value[key], torch.Tensor))


def _numpy(tensor: Any) -> npt.NDArray[Any]:
    """Copy a tensor."""
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy().copy()
    return array


def _is_rows(array: Any, n_atoms: int) -> bool:
    """Tell whether a tensor or an array of numpy is one row of floating-point numbers per atom."""
    return "float" in str(array.dtype) and array.ndim > 1 and len(array) == n_atoms
