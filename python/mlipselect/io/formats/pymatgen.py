"""JSON of pymatgen: structures, molecules, computed entries, and collections of them such as MPtrj."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian
from ase.data import atomic_numbers
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.json_stream import JsonStream
from mlipselect.io.formats.labels import KBAR, attach, voigt
from mlipselect.io.reading import Reading
from mlipselect.io.species import symbol_of, without_dropped

KEY = "json_key"
"""Key of `Atoms.info` with the names under which a structure stands in its file, joined by ``/``."""

#: First names of an object that is one record; other objects hold records under names.
_RECORD = {"@module", "@class", "@version", "structure", "lattice", "sites", "charge", "properties", "entry_id"}


#: Parts of a record that are read elsewhere, or that say again what others say.
_PASSED = {"structure", "composition", "energy_adjustments", "data"}


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a JSON file with pymatgen's names."""
    is_json = head.lstrip()[:1] in (b"{", b"[")
    named = b'"@module"' in head and b"pymatgen" in head
    return is_json and (named or b'"sites"' in head or (b'"lattice"' in head and b'"matrix"' in head))


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the structures of a file, one record of its outermost list or object after the other.

    A record is a structure, a molecule, or an object with a ``structure`` and labels beside it. Energies are in eV
    and forces in eV/Å. In the layout of MPtrj, ``uncorrected_total_energy`` is the energy, the one that the forces
    belong to, and ``stress`` is in kbar and positive under compression; a ``stress`` of other records is not read,
    because its unit is not known. Other numbers and texts of a record are in `info`.
    """
    with io.TextIOWrapper(open_for_reading(path), encoding="utf-8") as text:
        stream = JsonStream(text)
        while stream.peek():  # several values after each other are JSON lines
            for key, record in _outermost(stream):
                yield from _structures(record, key, reading)


def _outermost(stream: JsonStream) -> Iterator[tuple[str, Any]]:
    """Yield the records of the outermost list or object, each with its name."""
    if stream.peek() == "[":
        for _ in stream.items():
            yield "", stream.value()
        return
    record: dict[str, Any] = {}
    for name in stream.members():
        if record or name in _RECORD or stream.peek() not in "[{":
            record[name] = stream.value()
        elif stream.peek() == "[":
            for _ in stream.items():
                yield name, stream.value()
        else:
            yield name, stream.value()
    if record:
        yield "", record


def _structures(record: Any, key: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the structures of a record, or of all records in it."""
    if isinstance(record, list):
        for item in record:
            yield from _structures(item, key, reading)
    elif isinstance(record, Mapping) and ("sites" in record or isinstance(record.get("structure"), Mapping)):
        atoms = _with_labels(record, reading) if "structure" in record else _structure(record, reading)
        if key:
            atoms.info[KEY] = key
        yield atoms
    elif isinstance(record, Mapping):
        if not any(isinstance(item, (list, Mapping)) for item in record.values()):
            raise InvalidInputError(f"expected a structure of pymatgen, got an object with the keys {_named(record)}")
        for name, item in record.items():
            if isinstance(item, (list, Mapping)):
                yield from _structures(item, f"{key}/{name}" if key else name, reading)
    else:
        raise InvalidInputError(f"expected a structure of pymatgen, got {str(record)[:40]!r}")


def _named(record: Mapping[str, Any]) -> str:
    return ", ".join(list(record)[:8]) or "none"


def _with_labels(record: Mapping[str, Any], reading: Reading) -> Atoms:
    """Build the structure of a record with the labels beside it."""
    atoms = _structure(record["structure"], reading)
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    is_mptrj = "uncorrected_total_energy" in record
    energy = "uncorrected_total_energy" if is_mptrj else "energy"
    for name, value in [*record.items(), *(record.get("data") or {}).items()]:
        if name in _PASSED or name.startswith("@") or value is None:
            continue
        if name == energy:
            results["energy"] = float(_numbers(value, (), name))
        elif name in ("force", "forces"):
            results["forces"] = _numbers(value, (len(atoms), 3), name)
        elif name == "stress" and is_mptrj:
            results["stress"] = -KBAR * voigt(_numbers(value, (3, 3), name))
        elif name == "magmom":
            results["magmoms"] = _numbers(value, (len(atoms),), name)
        elif name != "stress" and isinstance(value, (str, int, float, bool)):
            atoms.info[name] = value
        else:
            reason = ", its unit is not known" if name == "stress" else ""
            reading.notes.add(f"{name!r} of a record is not read{reason}")
    return attach(atoms, **results)


def _structure(record: Mapping[str, Any], reading: Reading) -> Atoms:
    """Build a structure, or a molecule where there is no lattice."""
    sites = record.get("sites")
    if not sites or not all(isinstance(site, Mapping) for site in sites):
        raise InvalidInputError(f"expected a structure of pymatgen with sites, its keys are: {_named(record)}")
    symbols = [_symbol(site, number, reading) for number, site in enumerate(sites)]
    if not all(_is_whole(_occupancies(site)) for site in sites):
        reading.notes.add("sites that are partly occupied hold the most frequent element")
    atoms = Atoms(numbers=[atomic_numbers[symbol] if symbol else 0 for symbol in symbols])
    lattice = record.get("lattice")
    if lattice is not None:
        atoms.set_cell(_numbers(lattice.get("matrix"), (3, 3), "matrix"))  # type: ignore[no-untyped-call]
        atoms.pbc = lattice.get("pbc", True)
    if lattice is None or all("xyz" in site for site in sites):
        atoms.positions = _numbers([site.get("xyz") for site in sites], (len(sites), 3), "xyz")
    else:
        atoms.positions = _numbers([site.get("abc") for site in sites], (len(sites), 3), "abc") @ atoms.cell.array
    properties = {"charge": record.get("charge"), **(record.get("properties") or {})}
    for name, value in properties.items():
        if isinstance(value, (str, int, float, bool)) and not (name == "charge" and value == 0):
            atoms.info[name] = value
        elif value is not None and name != "charge":
            reading.notes.add(f"the property {name!r} of a structure is not read")
    _add_site_properties(atoms, sites, reading)
    return without_dropped(atoms, [symbol == "" for symbol in symbols])


def _occupancies(site: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Return how much of a site each element has."""
    return [(float(entry.get("occu", 1)), str(entry["element"])) for entry in site.get("species") or []]


def _is_whole(occupancies: Sequence[tuple[float, str]]) -> bool:
    return len(occupancies) == 1 and abs(occupancies[0][0] - 1) < 1e-8


def _symbol(site: Mapping[str, Any], number: int, reading: Reading) -> str:
    """Return the chemical symbol of a site, empty for one to drop."""
    occupancies = _occupancies(site)
    if _is_whole(occupancies):
        return symbol_of(occupancies[0][1], reading)
    if not occupancies or reading.occupancy != "majority":
        named = " ".join(f"{element}{share:g}" for share, element in occupancies) or "nothing"
        raise InvalidInputError(
            f"site {number} is partly occupied ({named}); --occupancy majority takes the most frequent element"
        )
    reading.used.add("occupancy")
    share, element = max(occupancies, key=lambda pair: pair[0])
    is_vacant = 1 - sum(share for share, _ in occupancies) > share
    return "" if is_vacant else symbol_of(element, reading)


def _add_site_properties(atoms: Atoms, sites: Sequence[Mapping[str, Any]], reading: Reading) -> None:
    """Add what the sites carry: constraints, forces, initial magnetic moments and other arrays of numbers."""
    columns = {name: [(site.get("properties") or {}).get(name) for site in sites] for name in _property_names(sites)}
    states = [site["species"][0].get("oxidation_state") for site in sites]
    if any(state is not None for state in states):
        columns["oxi_states"] = states
    for name, values in columns.items():
        try:
            array = np.array(values)
        except ValueError:  # of different lengths
            array = np.array(None)
        if array.dtype.kind not in "bif" or array.shape[:1] != (len(atoms),):
            reading.notes.add(f"the property {name!r} of sites is not read")
        elif name == "selective_dynamics" and array.shape == (len(atoms), 3):
            atoms.set_constraint(_held(~array.astype(bool)))  # type: ignore[no-untyped-call]
        elif name == "forces" and array.shape == (len(atoms), 3):
            attach(atoms, forces=array.astype(float))
        else:
            atoms.set_array("initial_magmoms" if name == "magmom" else name, array)  # type: ignore[no-untyped-call]


def _property_names(sites: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    return {name: None for site in sites for name in (site.get("properties") or {})}


def _held(fixed: NDArray[np.bool_]) -> list[Any]:
    """Return the constraints of fixed components, shape (n_atoms, 3)."""
    whole, part = np.flatnonzero(fixed.all(axis=1)), np.flatnonzero(fixed.any(axis=1) & ~fixed.all(axis=1))
    constraints = [FixCartesian(int(atom), fixed[atom]) for atom in part]  # type: ignore[no-untyped-call]
    return [FixAtoms(whole), *constraints] if len(whole) else constraints  # type: ignore[no-untyped-call]


def _numbers(value: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Return finite numbers of a shape."""
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape != shape or not np.all(np.isfinite(numbers)):
        expected = f"numbers of shape {shape}" if shape else "a number"
        raise InvalidInputError(f"{name}: expected {expected}, got {str(value)[:60]}")
    return numbers


PYMATGEN = Format("pymatgen", "JSON of pymatgen: structures, lists of them, entries, MPtrj", recognises, read)
