"""What the name of a value says: which label it is, by which method, in which unit."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlipselect.labels.units import Unit, unit_of_suffix

Kind: TypeAlias = Literal["energy", "forces", "virial", "stress"]
"""A kind of label."""

Place: TypeAlias = Literal["info", "arrays", "results"]
"""Where a structure keeps a value: `Atoms.info`, `Atoms.arrays`, or the results of its calculator."""

KINDS: tuple[Kind, ...] = ("energy", "forces", "virial", "stress")

PLACES: dict[Kind, Place] = {"energy": "info", "forces": "arrays", "virial": "info", "stress": "info"}
"""Where a label is kept that is no result of a calculator."""

RESULTS: dict[Kind, tuple[str, ...]] = {
    "energy": ("energy", "free_energy"),
    "forces": ("forces",),
    "virial": (),
    "stress": ("stress",),
}
"""Results of a calculator that are labels."""

_KIND_OF_WORD: dict[str, Kind] = {
    "energy": "energy",
    "force": "forces",
    "forces": "forces",
    "virial": "virial",
    "virials": "virial",
    "stress": "stress",
}

TOTALS = {"free": "free", "potential": "potential", "pot": "potential", "total": "total", "tot": "total"}
"""Words beside ``energy`` that leave it the energy of the whole structure."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


METHODS = _words(
    """
    ref dft qm pbe pbesol pbe0 rpbe revpbe blyp b3lyp hse hse03 hse06 scan rscan r2scan lda gga mgga mp2 ccsd ccsdt
    wb97x wb97xd wb97m wb97mv vasp qe espresso castep cp2k aims fhiaims orca gaussian psi4 gpaw abinit siesta nwchem
    quantumespresso dftb xtb target true label labels calculator abinitio
    """
)
"""Words that mark labels to train on, even where only one label has them."""

_OTHER_QUANTITIES = _words(
    """
    formation kinetic kin cohesive binding bind interaction atomization atomisation relative rel per atom atoms
    peratom atomic local site strain elastic surface adsorption ads reaction activation barrier hull above below
    mixing solvation nonbonded bond bonded angle dihedral torsion improper pair kspace tail correction contribution
    part dispersion coulomb electrostatic repulsion nuclear exchange correlation xc band fermi homo lumo gap entropy
    ts zpe zero point vibrational thermal internal external ext enthalpy ionization affinity excitation excited bias
    harmonic spring restraint constraint drift net std stddev sigma var variance uncertainty unc err error errors
    mae rmse rms residual diff difference delta max min mean average norm magnitude weight weights shift scale
    offset baseline confidence committee ensemble cutoff tolerance threshold convergence converged id index hash
    source type kind key deviatoric hydrostatic vonmises mises yield trace gradient gradients grad unit units method
    functional theory version path file name date status code comment level step steps time
    """
)
"""Words that make another quantity of an energy, of forces or of a stress."""

_RESEMBLING = frozenset({"e", "e0", "etot", "epot", "toten", "eng", "pe", "poteng"})
"""Names that often stand for an energy but do not say so."""

_IN_ONE_WORD = re.compile(r"(.*?)(energy|forces?|virials?|stress)(.*)")


@dataclass(frozen=True)
class Name:
    """The name of a value that is a label, or may be one.

    Attributes
    ----------
    key : str
        The key of the value.
    kind : str
        The label: ``"energy"``, ``"forces"``, ``"virial"`` or ``"stress"``.
    mark : str
        The words that are left of the key, in lower case: the method, such as ``"dft"``. Empty for a plain key.
    total : str
        ``"free"``, ``"potential"`` or ``"total"`` for such an energy, else empty.
    is_label : bool
        Whether it is the label itself, not another quantity that derives from it.
    unit : Unit or None
        The unit that the key names.
    """

    key: str
    kind: Kind
    mark: str
    total: str
    is_label: bool
    unit: Unit | None

    @property
    def has_known_mark(self) -> bool:
        """Whether the mark alone says that it is a label to train on: a known method, or no mark."""
        return not self.mark or not METHODS.isdisjoint(self.mark.split())


@functools.lru_cache(maxsize=4096)
def understand(key: str) -> Name | None:
    """Understand a key; None if it names no energy, force, virial or stress.

    Parameters
    ----------
    key : str
        A key such as ``"dft_energy"``, ``"forces_REF"`` or ``"stress_GPa"``.
    """
    words = words_of(key)
    places = [place for place, word in enumerate(words) if word in _KIND_OF_WORD]
    if not places:
        return None
    place = places[0]
    kind = _KIND_OF_WORD[words[place]]
    unit, n_suffix = unit_of_suffix(words[place + 1 :], kind)
    rest = words[:place] + words[place + 1 : len(words) - n_suffix]
    totals = {TOTALS[word] for word in rest if word in TOTALS}
    mark = " ".join(word for word in rest if word not in TOTALS)
    is_label = len(places) == 1 and len(totals) <= 1 and _OTHER_QUANTITIES.isdisjoint(rest)
    return Name(key, kind, mark, next(iter(totals), "") if kind == "energy" else "", is_label, unit)


def words_of(key: str) -> list[str]:
    """Split a key into its words, in lower case; ``dftEnergy`` and ``dftenergy`` have two."""
    words: list[str] = []
    for part in re.findall(r"[A-Za-z0-9]+", key):
        match = _IN_ONE_WORD.fullmatch(part.lower())
        if match is None or (match[1] and match[3]) or part.lower() in ("stresses", "forcefield"):
            words.append(part.lower())
        else:
            words += [word for word in match.groups() if word]
    return words


def resembles_energy(key: str) -> bool:
    """Tell whether a key often stands for an energy without saying so, such as ``etot``."""
    words = words_of(key)
    return not _RESEMBLING.isdisjoint(words) and len(words) <= 2


def resembles_atomic_energies(key: str) -> bool:
    """Tell whether a key names energies of atoms, which add up to a label but are none."""
    return "energies" in words_of(key)


def resembles_pressure(key: str) -> bool:
    """Tell whether a key names a pressure, of which six or nine numbers are a stress of the other sign."""
    return "pressure" in words_of(key)


def resembles_atomic_stresses(key: str) -> bool:
    """Tell whether a key names stresses or virials of atoms, which add up to a label but are none."""
    return not {"stress", "stresses", "virial", "virials"}.isdisjoint(words_of(key))


def resembles_forces(key: str) -> bool:
    """Tell whether a key names the gradient of an energy, of which forces are the negative."""
    return not {"gradient", "gradients", "grad"}.isdisjoint(words_of(key))
