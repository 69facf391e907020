"""The ACE class: what it settles by itself, what it says about itself, and what it refuses."""

import json
import logging
import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import covalent_radii

from mlipselect import ACE
from mlipselect.descriptors import BatchDescriptor, Descriptor, DesignDescriptor, DifferentiableDescriptor
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError


@pytest.mark.parametrize(("totaldegree", "length"), [(6, 25), (12, 211), (16, 668), (19, 1429), (20, 1809)])
def test_lengths_of_the_paper(totaldegree, length):
    assert ACE(["Si"], totaldegree=totaldegree).n_features == length


def test_lengths_of_several_elements():
    assert ACE(["Al", "Ti"], totaldegree=6).n_features == 190
    assert ACE(["H", "C", "O"], totaldegree=8).n_features == 1989
    assert ACE(["Si"], totaldegree=[5, 16, 8]).n_features == 16 + 147 + 23
    assert ACE(["H", "O"], order=1, totaldegree=7.5).n_features == 7 * 3
    assert ACE(["Si"], order=2, totaldegree=16).n_features == 16 + 147


def test_reference_numbers():
    """A few of those of the specification; the Rust tests have all of them."""
    cluster = Atoms("Si4", [[0, 0, 0], [2.0, 0.3, -0.4], [-0.7, 2.1, 1.0], [0.5, -1.5, 2.6]])
    row = ACE(["Si"], totaldegree=12).features(cluster)[0]
    expected = {0: 7.87144638835e-01, 12: 1.088838115079, 79: 2.736983123055, 142: 3.089736018090e-01}
    for column, value in expected.items():
        assert row[column] == pytest.approx(value, rel=1e-11)
    diamond = bulk("Si", a=5.43)
    for totaldegree, norm in [(12, 2358.30207163), (16, 2705.98676532), (19, 3177.70544146)]:
        rows = ACE(["Si"], totaldegree=totaldegree).structure_features([diamond])
        assert np.linalg.norm(rows) == pytest.approx(norm, rel=1e-11)


def test_smoothness_prior():
    descriptor = ACE(["Si"], totaldegree=16)
    assert np.log(descriptor.smoothness_prior()).sum() == pytest.approx(5029.84885, abs=6e-6)
    assert np.log(descriptor.smoothness_prior(power=5)).sum() == pytest.approx(6468.11885, abs=6e-6)
    assert descriptor.smoothness_prior().max() == pytest.approx(16**4 + 1)
    with pytest.raises(InvalidInputError, match="power of the smoothness prior must be positive"):
        descriptor.smoothness_prior(power=0)


def test_open_parameters_are_settled_by_the_structures(caplog):
    descriptor = ACE()
    assert "from the first structures" in repr(descriptor)
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        assert descriptor.bind([molecule("H2O"), bulk("Si")]) is descriptor
    assert descriptor.elements == ("H", "O", "Si")
    assert "H, O, Si" in caplog.text
    assert "total degree [9, 6, 3]: 345 features" in caplog.text
    assert repr(descriptor) == "ACE(['H', 'O', 'Si'], order=3, totaldegree=[9, 6, 3] (chosen), rcut=5): 345 features"
    # The next degree would be too long, and a second binding changes nothing.
    assert ACE(["H", "O", "Si"], totaldegree=[10, 7, 4]).n_features >= 500
    assert descriptor.bind([bulk("Cu")]).elements == ("H", "O", "Si")


def test_the_first_use_settles_too():
    descriptor = ACE(totaldegree=[4, 8, 6.5])
    assert descriptor.features(bulk("Si")).shape == (2, descriptor.n_features)
    assert descriptor.totaldegree == (4.0, 8.0, 6.5)
    assert "totaldegree=[4, 8, 6.5], rcut=5" in repr(descriptor)
    assert ACE(["Si"]).totaldegree == (14.0, 14.0, 14.0)
    assert ACE().structure_features([bulk("Si")]).shape == (1, 383)


def test_rows_are_as_long_as_max_features_allows():
    longer = ACE(["Si"], max_features=1000)
    assert (longer.totaldegree, longer.n_features) == ((17.0, 17.0, 17.0), 868)
    assert ACE(["Si"], max_features=869).n_features == 868
    assert ACE(["Si"], max_features=868).n_features < 868
    assert ACE(["Si"], totaldegree=4, max_features=1).n_features == ACE(["Si"], totaldegree=4).n_features
    with pytest.raises(InvalidInputError, match="max_features"):
        ACE(["Si"], max_features=0.5)


def test_elements_in_any_form():
    for elements in (["O", "Si", "H"], [14, 1, 8], ["Si", 8, "H", "H"]):
        assert ACE(elements, totaldegree=4).elements == ("H", "O", "Si")
    assert ACE("Si", totaldegree=4).elements == ("Si",)


def test_length_scales():
    parameters = ACE(["O", "Si"], totaldegree=4).parameters
    # Silicon as in the paper, others twice the covalent radius.
    assert parameters["r0"] == {"O": pytest.approx(1.32), "Si": 2.4}
    assert ACE(["O", "Si"], totaldegree=4, r0={"O": 1.5}).parameters["r0"] == {"O": 1.5, "Si": 2.4}
    assert ACE(["O", "Si"], totaldegree=4, r0=2).parameters["r0"] == {"O": 2.0, "Si": 2.0}
    pair = Atoms("SiO", [[0, 0, 0], [0, 0, 1.6]])
    mean = ACE(["O", "Si"], totaldegree=4, r0={"O": 1.0, "Si": 2.0}).features(pair)
    np.testing.assert_array_equal(mean, ACE(["O", "Si"], totaldegree=4, r0=1.5).features(pair))


def test_parameters_make_the_same_descriptor_again():
    descriptor = ACE(["O", "Si"], order=2, totaldegree=[3, 9.5], rcut=4.2, r0={"O": 1.2})
    parameters = json.loads(json.dumps(descriptor.parameters))
    assert parameters.pop("name") == "ACE"
    atoms = molecule("H2O")[:1] + bulk("Si")
    np.testing.assert_array_equal(ACE(**parameters).features(atoms), descriptor.features(atoms))


def test_pickles():
    for descriptor in (ACE(), ACE(["Si"], totaldegree=8)):
        copy = pickle.loads(pickle.dumps(descriptor))
        assert repr(copy) == repr(descriptor)
        np.testing.assert_array_equal(copy.features(bulk("Si")), descriptor.features(bulk("Si")))


def test_it_is_a_descriptor():
    assert isinstance(ACE(), Descriptor)
    assert isinstance(ACE(), BatchDescriptor)
    assert isinstance(ACE(), DifferentiableDescriptor)
    assert isinstance(ACE(), DesignDescriptor)


def test_no_structures_are_no_rows():
    descriptor = ACE(["Si"], totaldegree=6)
    assert descriptor.site_features([]).shape == (0, 25)
    assert descriptor.structure_features([]).shape == (0, 25)
    assert list(descriptor.designs([])) == []
    assert descriptor.predictions([], np.zeros(25)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": 4}, "order must be 1, 2 or 3, but 4 was given"),
        ({"order": 0}, "order must be 1, 2 or 3, but 0 was given"),
        ({"order": 2.5}, "order must be a positive whole number, but 2.5 was given"),
        ({"totaldegree": 0.5}, "totaldegree must be between 1 and 40, but 0.5 was given"),
        ({"totaldegree": 41}, "totaldegree must be between 1 and 40, but 41 was given"),
        ({"totaldegree": [4, np.nan, 4]}, "totaldegree must be between 1 and 40, but NaN was given"),
        ({"totaldegree": [4, 4]}, r"one number or one per order \(3\), but \[4, 4\] was given"),
        ({"totaldegree": "12x"}, "one number or one per order"),
        ({"rcut": 0.0}, "cutoff radius must be positive and finite, but 0 was given"),
        ({"rcut": np.inf}, "cutoff radius must be positive and finite, but inf was given"),
        ({"r0": -1.0}, "r0 must be a positive length in Å, but -1.0 was given"),
        ({"rcut": 0.1}, r"rcut: 0\.1 Å is less than a tenth of a bond length, so no atom has a neighbour"),
        ({"rcut": 300.0}, "rcut: 300 Å is more than a hundred bond lengths"),
        ({"r0": 60.0}, "lengths between 0.05 and 50 Å, 1/100 and 10 times the cutoff, but .* are 60 and 60"),
        ({"r0": {"Si": "long"}}, "r0 must be a positive length in Å, but 'long' was given"),
        ({"r0": {"Silicon": 2.4}}, "r0 must map chemical symbols to lengths, but has 'Silicon'"),
    ],
)
@pytest.mark.parametrize("elements", [None, ["Si"]])
def test_wrong_parameters_are_refused_at_once(elements, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        ACE(elements, **arguments)


@pytest.mark.parametrize("wrong", ["Unobtainium", 0, 300, 14.5])
def test_wrong_elements_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=f"chemical symbols or atomic numbers, but {wrong!r} was given"):
        ACE(["Si", wrong])
    with pytest.raises(InvalidInputError, match="at least one chemical symbol, but it is empty"):
        ACE([])


def test_too_long_to_be_meant():
    with pytest.raises(InvalidInputError, match="more than the 1000000 that are accepted: lower totaldegree"):
        ACE(list(range(1, 31)), totaldegree=30)
    with pytest.raises(InvalidInputError, match="no total degree keeps a descriptor of 50 elements below 1000"):
        ACE(list(range(1, 51)), species="labels")


def test_elements_without_a_length_need_one(monkeypatch):
    radii = covalent_radii.copy()
    radii[84] = 0.2  # what ASE has where no radius is known
    monkeypatch.setattr("mlipselect.descriptors.ace.covalent_radii", radii)
    with pytest.raises(InvalidInputError, match=r"no default r0 for Po: give r0=\{'Po': length in Å\}"):
        ACE(["Po"])
    assert ACE(["Po"], r0={"Po": 3.0}).n_features == 383


def test_unsettled():
    with pytest.raises(NotFittedError, match="the elements of this ACE are not known yet"):
        ACE().n_features  # noqa: B018
    with pytest.raises(InvalidInputError, match="expected at least one atom to take the elements from"):
        ACE().site_features([])


def changed(**arrays):
    atoms = bulk("Si", a=5.43)
    for name, values in arrays.items():
        setattr(atoms, name, values)
    return atoms


CELL = np.array(bulk("Si", a=5.43).cell)
BAD_STRUCTURES = {
    "empty": (Atoms(), "expected at least one atom, but the structure is empty"),
    "unknown element": (molecule("H2O"), r"atom 0 has atomic number 8, but the descriptor knows only \[14\]"),
    "nan": (changed(positions=[[0, 0, 0], [np.nan, 0, 0]]), r"expected finite positions, but atom 1 is at \[NaN"),
    "infinite": (changed(positions=[[0, np.inf, 0], [1, 0, 0]]), "expected finite positions, but atom 0 is at"),
    "no cell": (Atoms("Si2", [[0, 0, 0], [2, 0, 0]], pbc=True), r"periodic along \[true.* but without a cell"),
    "flat cell": (changed(cell=CELL[[0, 1, 1]]), "periodic along .* are zero or not independent there"),
    "nan cell": (changed(cell=CELL * np.nan), "expected a finite cell"),
    "thin cell": (changed(cell=CELL * 1e-4), "too many periodic images within 5 Å of an atom: the cell .* is too thin"),
    "same point": (changed(positions=np.zeros((2, 3))), "atoms 0 and 1 are at one point: 0.0e0 Å apart"),
    "same image": (changed(positions=[np.zeros(3), CELL[0] - CELL[2]]), "atoms 0 and 1 are at one point"),
}


@pytest.mark.parametrize("case", BAD_STRUCTURES)
def test_bad_structures_have_no_derivatives(case):
    wrong, message = BAD_STRUCTURES[case]
    descriptor = ACE(["Si"], totaldegree=6)
    w = np.ones(descriptor.n_features)
    for method in (
        descriptor.design,
        lambda atoms: descriptor.predict(atoms, w),
        lambda atoms: descriptor.vjp(atoms, w),
    ):
        with pytest.raises(StructureError, match=f"^{message}"):
            method(wrong)
    structures = [bulk("Si"), wrong, Atoms()]
    with pytest.raises(StructureError, match=message) as caught:
        descriptor.predictions(structures, w)
    assert caught.value.index == 1
    for max_memory in (0, 10**8):  # one structure at a time, and all at once
        with pytest.raises(StructureError, match=message) as caught:
            list(descriptor.designs(structures, max_memory=max_memory))
        assert caught.value.index == 1


def test_weights_must_fit():
    descriptor = ACE(["Si"], totaldegree=6)
    for wrong in (np.ones(24), np.ones((25, 1)), 1.0):
        with pytest.raises(InvalidInputError, match=r"weights of shape \(25,\), one per feature, but the shape is"):
            descriptor.predict(bulk("Si"), wrong)
    w = np.ones(25)
    w[3] = np.nan
    with pytest.raises(InvalidInputError, match="expected finite weights, but that of feature 3 is NaN"):
        descriptor.vjp(bulk("Si"), w)
    # Any numbers will do, in any form.
    expected = descriptor.vjp(bulk("Si", cubic=True), np.arange(25.0))
    np.testing.assert_array_equal(descriptor.vjp(bulk("Si", cubic=True), list(range(25))), expected)
    np.testing.assert_array_equal(descriptor.vjp(bulk("Si", cubic=True), np.arange(50.0)[::2] / 2), expected)


def test_designs_come_as_they_are_asked_for():
    taken = []

    def structures():
        for k in range(6):
            taken.append(k)
            yield bulk("Si")

    descriptor = ACE(totaldegree=6)
    designs = descriptor.designs(structures(), max_memory=0)
    assert taken == []
    next(designs)
    assert taken == [0, 1]
    assert len(list(designs)) == 5
    assert descriptor.elements == ("Si",)


@pytest.mark.parametrize("case", BAD_STRUCTURES)
def test_bad_structures_are_refused(case):
    wrong, message = BAD_STRUCTURES[case]
    descriptor = ACE(["Si"], totaldegree=6)
    with pytest.raises(StructureError, match=f"^{message}"):
        descriptor.features(wrong)
    for method in (descriptor.site_features, descriptor.structure_features):
        with pytest.raises(StructureError, match=message) as caught:
            method([bulk("Si"), wrong, Atoms()])
        assert caught.value.index == 1


def test_a_single_structure_is_not_a_sequence():
    with pytest.raises(InvalidInputError, match=r"expected a sequence of ase\.Atoms"):
        ACE(["Si"], totaldegree=6).site_features(bulk("Si"))
    with pytest.raises(InvalidInputError, match=r"expected an iterable of ase\.Atoms; `design` takes a single one"):
        ACE(["Si"], totaldegree=6).designs(bulk("Si"))
    with pytest.raises(InvalidInputError, match=r"expected a sequence of ase\.Atoms"):
        list(ACE(["Si"], totaldegree=6).designs([bulk("Si"), "Si"]))


def test_no_threads_are_refused():
    with pytest.raises(InvalidInputError, match="n_threads: expected a number of threads"):
        ACE(["Si"], totaldegree=6).site_features([bulk("Si")], n_threads=0)


@pytest.mark.parametrize("n_atoms", [8, 72])
def test_a_forward_pass_gives_the_row_and_any_linear_model(n_atoms):
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True) * (n_atoms // 8, 1, 1)
    atoms.rattle(0.1, seed=1)
    descriptor = ACE(["Na", "Cl"], totaldegree=6)
    rng = np.random.default_rng(0)
    passed = descriptor.forward(atoms)
    assert passed.row == pytest.approx(descriptor.structure_features([atoms])[0], rel=1e-12, abs=1e-14)
    for w in rng.normal(size=(2, descriptor.n_features)):
        found, expected = passed.predict(w), descriptor.predict(atoms, w)
        assert found.energy == pytest.approx(expected.energy, rel=1e-12)
        for name in ("forces", "virial", "site_energies"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-10, abs=1e-12)
    both = passed.predictions(np.array([w, 2.0 * w]))
    assert (both[0].forces == passed.predict(w).forces).all()
    assert both[1].virial == pytest.approx(2.0 * both[0].virial, rel=1e-12)
    one, four = (descriptor.forward(atoms, n_threads=n) for n in (1, 4))
    assert (one.row == four.row).all()
    assert (one.predict(w).forces == four.predict(w).forces).all()


def test_a_forward_pass_refuses_what_features_refuse():
    with pytest.raises(StructureError, match="knows only"):
        ACE(["Na"], totaldegree=4).forward(bulk("Cu"))
    with pytest.raises(InvalidInputError, match="one weight per feature"):
        ACE(["Cu"], totaldegree=4).forward(bulk("Cu")).predict(np.ones(3))
