"""Reference energies: of marked atoms, of atoms in large boxes, of an average."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.labels.free_atoms import distance_of_images
from reference.labelled import SCALES, labelled
from reference.pairs import Pairs


def atom(energy, box=20.0, symbol="Cu", **info):
    atoms = Atoms(symbol, cell=np.eye(3) * box, pbc=box > 0, info=info)
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


def references(structures, given=None, **how):
    fitted = ms.LinearPotential(Pairs(), prior_scales=SCALES, reference_energies=given)
    return fitted.fit(structures, **how).reference_energies_


def test_an_expanded_crystal_is_no_free_atom(caplog):
    expanded = [atom(-2.9, 5.6), atom(-3.2, 6.5)]
    assert references([*labelled(3), *expanded, atom(-3.51)]) == {"Cu": -3.51}
    average = references([*labelled(3), *expanded])["Cu"]
    assert "2 single atoms without neighbours are closer than 10 Å to their images, such as structure 3" in caplog.text
    assert "they are not taken for free atoms" in caplog.text
    assert average not in (-2.9, -3.2)
    caplog.clear()
    references([*labelled(3), expanded[0]])
    assert "1 single atom without neighbours is closer than 10 Å to its images, structure 3: it is not" in caplog.text
    assert references([*labelled(3), atom(-3.4, 12.0), atom(-3.51, 30.0)]) == {"Cu": -3.51}
    assert "that in the largest box is the reference energy, -3.51 eV of structure 4" in caplog.text
    assert references([*labelled(3), atom(-3.5, 0.0)]) == {"Cu": -3.5}


@pytest.mark.parametrize("mark", ["isolated_atom", "IsolatedAtom", "isolated-atom", "Isolated Atom"])
def test_marked_atoms_come_first(mark, caplog):
    structures = [*labelled(3), atom(-3.4, 30.0), atom(-3.51, 4.0, config_type=mark)]
    fitted = ms.LinearPotential(Pairs(), prior_scales=SCALES).fit(structures)
    assert fitted.reference_energies_ == {"Cu": -3.51}
    assert "structure 4: the isolated atom has its images as neighbours" in caplog.text
    assert fitted.n_rows_ == 3 * (1 + 12 + 6), "nothing is fitted to isolated atoms"


def test_marks_of_the_user(caplog):
    structures = [*labelled(3), atom(-3.51, 4.0, kind="free"), atom(-3.51, 5.0, label="E0")]
    assert references(structures, isolated=["kind=free", "label=E0"]) == {"Cu": -3.51}
    assert references(structures, isolated="kind=free") == {"Cu": -3.51}
    references(labelled(2), isolated="kind=other")
    assert "no structure has kind=other" in caplog.text
    structures[0].info["kind"] = "free"
    with pytest.raises(
        StructureError, match="structure 0: kind=free marks it as an isolated atom, but it holds 4 atoms"
    ):
        references(structures, isolated="kind=free")


def test_contradictions(caplog):
    structures = [*labelled(2), atom(-3.5, config_type="isolated_atom"), atom(-3.4, config_type="IsolatedAtom")]
    with pytest.raises(StructureError, match=r"structure 3: .* of Cu of -3.4 eV, that of structure 2 has -3.5 eV"):
        references(structures)
    assert references(structures[:3], {"Cu": -3.0}) == {"Cu": -3.0}
    assert "structure 2: the isolated atom of Cu has -3.5 eV, the given reference energy -3 eV is taken" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"CU": 3.51}, "got 'CU': no element has this symbol; there are Cu"),
        ({"Ag": 3.51}, "got 'Ag': the structures have Cu"),
        ({"Cu": float("nan")}, "expected a finite energy of Cu"),
    ],
)
def test_given_energies_are_of_elements_that_are_there(given, message):
    with pytest.raises(InvalidInputError, match=message):
        references(labelled(2), given)


def test_compositions_that_do_not_vary(caplog):
    structures = []
    for seed in range(3):
        atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6)
        atoms.rattle(0.1, seed=seed)
        atoms.info["energy"] = -7.0 - seed
        structures.append(atoms)
    found = references(structures)
    assert found["Na"] + found["Cl"] == pytest.approx(-8.0)
    assert "reference energies of Na, Cl are not determined" in caplog.text
    caplog.clear()
    references(structures, {"Na": -3.0})
    assert "not determined" not in caplog.text


def test_the_distance_of_images():
    assert distance_of_images(Atoms("H")) == np.inf
    assert distance_of_images(Atoms("H", cell=[3, 4, 50], pbc=(False, True, True))) == pytest.approx(4.0)
    skewed = Atoms("H", cell=[[10, 0, 0], [9, 5, 0], [0, 0, 20]], pbc=True)
    assert distance_of_images(skewed) == pytest.approx(np.hypot(1, 5))
