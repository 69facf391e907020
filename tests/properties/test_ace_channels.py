"""ACE in species channels: against explicit sums, in limits known on paper, and what it is invariant under."""

import itertools
import json
import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect import ACE
from mlipselect.descriptors import registry
from mlipselect.descriptors.species_channels import channel_weights, element_properties
from mlipselect.exceptions import InvalidInputError, StructureError
from reference import ace as reference

SYMBOLS = ["H", "O", "Si", "Fe", "U"]
LENGTHS = {"H": 0.9, "O": 1.4, "Si": 2.4, "Fe": 2.5, "U": 3.1}


def crystal(seed, symbols=SYMBOLS, n=2):
    """Return a distorted crystal of random elements in a skewed cell."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=4.2) * (n, 1, 1)
    atoms.symbols = rng.choice(symbols, len(atoms))
    atoms.positions += rng.normal(scale=0.2, size=(len(atoms), 3))
    atoms.set_cell(atoms.cell.array + rng.normal(scale=0.2, size=(3, 3)), scale_atoms=True)
    return atoms


def drawn_embedding(seed, n_channels, symbols=SYMBOLS):
    rng = np.random.default_rng(seed)
    return {symbol: rng.normal(size=(2, n_channels)) for symbol in symbols}


def close(values, expected, tolerance=1e-12):
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    degrees=st.lists(st.integers(2, 16).map(lambda d: d / 2), min_size=1, max_size=3),
    n_channels=st.integers(1, 3),
)
def test_rows_are_explicit_sums(seed, degrees, n_channels):
    atoms, embedding = crystal(seed, n=1), drawn_embedding(seed, n_channels)
    ace = ACE(species="channels", order=len(degrees), totaldegree=degrees, embedding=embedding, r0=LENGTHS, rcut=4.0,
              n_channels=n_channels)  # fmt: skip
    weights = {atomic_numbers[symbol]: rows for symbol, rows in embedding.items()}
    lengths = {atomic_numbers[symbol]: length for symbol, length in LENGTHS.items()}
    for i, row in enumerate(ace.features(atoms)):
        around = reference.neighbourhood(atoms.positions, atoms.numbers.tolist(), atoms.cell.array, atoms.pbc, i, 4.0)
        close(row, reference.channel_row(atoms.numbers[i], *around, weights, degrees, 4.0, lengths))


def test_one_element_is_the_labelled_basis_times_powers_of_the_weights():
    atoms = crystal(1, ["Si"])
    labelled = ACE(["Si"], totaldegree=[9, 8, 7])
    w, v = np.array([1.7, -0.4]), np.array([0.3, 2.0])
    ace = ACE(species="channels", n_channels=2, totaldegree=[9, 8, 7], embedding={"Si": [w, v]})
    ends = [group.stop for group in labelled.feature_groups.values()]
    expected = labelled.features(atoms)
    parts = np.split(expected, ends[:-1], axis=1)
    columns = [v[k] * w[k] ** power * part for power, part in enumerate(parts, 1) for k in range(2)]
    close(ace.features(atoms), np.hstack(columns))
    assert [group.stop for group in ace.feature_groups.values()] == [2 * end for end in ends]
    ones = ACE(species="channels", n_channels=1, totaldegree=[9, 8, 7], embedding={"Si": [1.0]})
    np.testing.assert_allclose(ones.smoothness_prior(), labelled.smoothness_prior(), rtol=0)
    close(ones.design(atoms).forces, labelled.design(atoms).forces)


def test_an_embedding_in_unit_vectors_gives_the_labelled_sums_of_each_element():
    """Channel k then sees the element k alone: it is the labelled basis of that element, around every centre."""
    atoms = crystal(2)
    unit = {symbol: [row, np.ones(5)] for symbol, row in zip(SYMBOLS, np.eye(5), strict=True)}
    ace = ACE(species="channels", n_channels=5, totaldegree=6, embedding=unit)
    labelled = ACE(SYMBOLS, totaldegree=6)
    rows, expected = ace.features(atoms), labelled.features(atoms)
    start = ace.feature_groups["the arrangement of two neighbours"].start
    for row, wanted in zip(rows, expected, strict=True):
        # An element that no neighbour has leaves zeros.
        own = np.append(wanted[wanted != 0], 0.0)
        distances = np.abs(row[start:, None] - own[None, :]).min(axis=1)
        assert distances.max() < 1e-12 * np.abs(own).max()


def test_a_dimer_has_pair_functions_only():
    dimer = Atoms("OU", [[0, 0, 0], [0, 0.3, 1.9]])
    ace = ACE(species="channels", n_channels=3, totaldegree=7)
    rows, start = ace.features(dimer), ace.feature_groups["the arrangement of two neighbours"].start
    assert np.abs(rows[:, start:]).max() < 1e-12
    assert (rows[:, :start] != 0).all()


def products_of_cosines(left, right):
    """Mean over random Fourier features of the product of weights of the elements on both sides, as many on each."""
    properties = np.array([element_properties(z) for z in (*left, *right)])
    order, total = len(left), 0.0
    for chosen in itertools.combinations(range(2 * order), order):
        signs = np.full(2 * order, -1.0)
        signs[list(chosen)] = 1.0
        total += np.exp(-0.5 * ((signs @ properties) ** 2).sum())
    return total / 2**order


def test_products_of_two_rows_converge_to_the_closed_form():
    """The mean over channels of the product of functions of order 2 tends to a sum over pairs of pairs of neighbours.

    The weights are cosines with random phases: products of four have a mean in closed form. Errors fall as one over
    the root of the number of channels.
    """
    degrees, rcut = [1, 5], 5.0
    rng = np.random.default_rng(3)
    clusters = [
        Atoms(symbols, np.vstack([np.zeros(3), 2.3 * np.eye(3) + rng.uniform(-0.5, 0.5, size=(3, 3))]))
        for symbols in ("SiOHFe", "FeUOSi")
    ]
    blocks = reference.blocks(2, 1, degrees)
    parts = []
    for atoms in clusters:
        vectors, r = atoms.positions[1:], np.linalg.norm(atoms.positions[1:], axis=1)
        means = [(LENGTHS[atoms.symbols[0]] + LENGTHS[symbol]) / 2 for symbol in atoms.symbols[1:]]
        radial = [reference.many_body_functions(r[j : j + 1], 5, rcut, means[j])[:, 0] for j in range(3)]
        of_block = [
            np.sqrt(reference.n_symmetries(block))
            * reference.without_diagonal(reference.invariant([l for _, _, l in block], vectors / r[:, None]))
            * np.outer([radial[j][block[0][1] - 1] for j in range(3)], [radial[j][block[1][1] - 1] for j in range(3)])
            for block in blocks
        ]
        parts.append(np.array(of_block))
    numbers = [atoms.numbers[1:].tolist() for atoms in clusters]
    expected = 0.0
    for (j, k), (m, n) in itertools.product(itertools.permutations(range(3), 2), repeat=2):
        mean = products_of_cosines([numbers[0][j], numbers[0][k]], [numbers[1][m], numbers[1][n]])
        expected += mean * float(parts[0][:, j, k] @ parts[1][:, m, n])
    expected *= products_of_cosines([clusters[0].numbers[0]], [clusters[1].numbers[0]])

    def error(n_channels):
        ace = ACE(species="channels", n_channels=n_channels, order=2, totaldegree=degrees, rcut=rcut, r0=LENGTHS)
        first, second = (ace.features(atoms)[0, ace.n_features - n_channels * len(blocks) :] for atoms in clusters)
        return abs(first @ second / n_channels - expected) / abs(expected)

    converged = error(2000)
    assert converged < 0.1
    assert converged < error(10)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_shifts_and_the_order_of_atoms_change_nothing(seed):
    atoms, rng = crystal(seed), np.random.default_rng(seed)
    ace = ACE(species="channels", n_channels=3, totaldegree=7)
    rows = ace.features(atoms)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = Atoms(atoms.numbers, (atoms.positions + rng.normal(size=3)) @ rotation, cell=atoms.cell.array @ rotation,
                   pbc=True)  # fmt: skip
    close(ace.features(turned), rows, 1e-11)
    order = rng.permutation(len(atoms))
    close(ace.features(atoms[order]), rows[order], 1e-11)
    close(ace.structure_features([atoms * (1, 1, 2)]), ace.structure_features([atoms]), 1e-11)


def test_exchanged_elements_are_told_apart():
    ace = ACE(species="channels", totaldegree=6)
    one, other = (Atoms(symbols, [[0, 0, 0], [1.8, 0, 0], [0, 2.3, 0]]) for symbols in ("SiOFe", "SiFeO"))
    assert not np.allclose(ace.features(one)[0], ace.features(other)[0], rtol=1e-3)


def test_derivatives_are_slopes_and_agree():
    atoms = crystal(5)
    ace = ACE(species="channels", n_channels=3, totaldegree=[8, 7, 6])
    weights = np.random.default_rng(0).normal(size=ace.n_features)
    design, predicted = ace.design(atoms), ace.predict(atoms, weights)
    close(design.energy, ace.features(atoms).sum(axis=0))
    close(design.forces @ weights, predicted.forces.ravel(), 1e-11)
    close(design.virial @ weights, predicted.virial, 1e-11)
    close(ace.vjp(atoms, weights), -predicted.forces)
    passed = ace.forward(atoms)
    close(passed.predict(weights).forces, predicted.forces)
    close(passed.row, ace.structure_features([atoms])[0])

    def total(moved):
        return ace.features(moved).sum(axis=0)

    h = 1e-4
    for atom, axis in [(0, 0), (3, 1), (6, 2)]:
        ends = [atoms.copy(), atoms.copy()]
        for end, sign in zip(ends, (1, -1), strict=True):
            end.positions[atom, axis] += sign * h
        slope = (total(ends[0]) - total(ends[1])) / (2 * h)
        close(design.forces[3 * atom + axis], -slope, 1e-6)
    for row, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        rows = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * h / 2
            strain[b, a] += sign * h / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            rows.append(total(strained))
        close(design.virial[row], -(rows[0] - rows[1]) / (2 * h), 1e-6)


def test_threads_do_not_change_a_bit():
    ace, structures = ACE(species="channels", totaldegree=6), [crystal(seed, n=9) for seed in range(3)]
    np.testing.assert_array_equal(ace.site_features(structures, 1), ace.site_features(structures, 3))
    one, three = (next(ace.designs(structures[:1], n_threads=n)).forces for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_any_element_is_described_by_rows_of_one_length(monkeypatch):
    radii = covalent_radii.copy()
    radii[118] = 0.2  # what ASE has where no radius is known
    monkeypatch.setattr("mlipselect.descriptors.ace.covalent_radii", radii)
    ace = ACE(species="channels", n_channels=4, totaldegree=6)
    assert ace.n_features == 4 * ACE(["Si"], totaldegree=6).n_features
    for symbol in chemical_symbols[1:97]:
        rows = ace.features(Atoms(["Si", symbol, symbol], [[0, 0, 0], [0, 0, 2.0], [2.1, 0, 0]]))
        assert rows.shape == (3, 100)
        assert np.isfinite(rows).all()
    with pytest.raises(StructureError, match="atomic number 118"):
        ace.features(Atoms("Og2", [[0, 0, 0], [0, 0, 2.0]]))
    assert ACE(species="channels", totaldegree=6, r0=2.4).features(Atoms("Og2", [[0, 0, 0], [0, 0, 2.0]])).any()
    assert "Og" in ACE(species="channels", r0={"Og": 3.0}).elements


def test_weights_depend_on_the_element_and_the_channel_alone():
    few, many = channel_weights([8, 14], 3, None), channel_weights(range(1, 97), 5, None)
    np.testing.assert_array_equal(few, many[:, [7, 13], :3])
    alone, among = ACE(["Si"], species="channels"), ACE(species="channels")
    np.testing.assert_array_equal(alone.features(bulk("Si")), among.features(bulk("Si")))
    with pytest.raises(StructureError, match=r"knows only \[14\]"):
        alone.features(bulk("Cu"))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"elements": ["O", "Si"]},
        {"r0": 2.0},
        {"r0": {"O": 1.5}},
        {"embedding": {"O": [1, 2], "Si": [[1, 0], [0.5, 3]]}},
    ],
)
def test_records_and_copies_make_the_same_descriptor(arguments):
    ace = ACE(species="channels", n_channels=2, totaldegree=[7, 5, 4], **arguments)
    atoms = bulk("Si") + Atoms("O", [[0.1, 0.2, 3.0]])
    again = registry.from_record(json.loads(json.dumps(ace.parameters)))
    assert repr(again) == repr(ace)
    for copy in (again, pickle.loads(pickle.dumps(ace))):
        np.testing.assert_array_equal(copy.features(atoms), ace.features(atoms))


def test_the_command_line_takes_a_number_of_channels():
    made = registry.make_descriptor({"n_channels": 4, "totaldegree": [6.0]})
    assert (made.species, made.n_channels, made.totaldegree) == ("channels", 4, (6.0, 6.0, 6.0))


def test_rows_are_as_long_as_max_features_allows():
    assert 250 < ACE(species="channels").n_features < 500
    assert 500 < ACE(species="channels", max_features=1000).n_features < 1000
    assert ACE(species="channels", order=1).n_features < 500
    with pytest.raises(InvalidInputError, match="no total degree keeps a descriptor of 500 channels below 500"):
        ACE(species="channels", n_channels=500)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"species": "alchemy"}, "species must be 'labels' or 'channels', but 'alchemy' was given"),
        ({"species": "labels", "n_channels": 4}, "n_channels: expected only with species='channels'"),
        ({"species": "labels", "embedding": {"Si": [1.0]}}, "embedding: expected only with species='channels'"),
        (
            {"species": "channels", "n_channels": 0},
            "n_channels must be a whole number from 1 to 10000, but 0 was given",
        ),
        ({"n_channels": 10**9, "totaldegree": 4}, "n_channels must be a whole number from 1 to 10000, but 1000000000"),
        (
            {"embedding": np.ones((2, 2)), "n_channels": 2},
            "map chemical symbols to weights, such as .*, but is .*ndarray",
        ),
        ({"species": "channels", "n_channels": 2, "embedding": {"Si": [1.0]}}, "2 finite weights of each element"),
        ({"species": "channels", "n_channels": 1, "embedding": {"Si": [np.nan]}}, "1 finite weights of each element"),
        ({"species": "channels", "embedding": {"Silicon": [1.0]}}, "chemical symbols to weights, but has 'Silicon'"),
        ({"species": "channels", "embedding": {}}, "at least one element"),
        (
            {"species": "channels", "n_channels": 1, "elements": ["O"], "embedding": {"Si": [1.0]}},
            "no weights of O, but only of Si",
        ),
    ],
)
def test_wrong_channels_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        ACE(**arguments)


def test_elements_of_the_core_alone_do_not_lengthen_the_rows_of_a_pool():
    pool = [crystal(seed, ["Ni", "Al"]) for seed in range(12)]
    core = [crystal(seed, chemical_symbols[3:60]) for seed in range(20, 26)]
    picked = ms.select(pool, n=3, core=core, descriptor=ACE(species="channels", totaldegree=6))
    assert len(picked.indices) == 3
    assert picked.descriptor.n_features == 16 * 25


def test_channels_are_the_default_where_labels_leave_pair_functions_only():
    many = Atoms(chemical_symbols[11:31], np.random.default_rng(0).uniform(0, 9, size=(20, 3)))
    few = many[:6]
    assert ACE().bind([few]).species == "labels"
    ace = ACE().bind([many])
    assert (ace.species, ace.n_channels) == ("channels", 16)
    np.testing.assert_array_equal(ace.features(many), ACE(species="channels").features(many))
    # Elements that were not met before are described too, and the record says so.
    assert ace.features(bulk("U")).any()
    again = registry.from_record(json.loads(json.dumps(ace.parameters)))
    assert repr(ace) == repr(pickle.loads(pickle.dumps(ace))) == repr(ACE(species="channels"))
    assert again.parameters == ace.parameters
    named = ACE(chemical_symbols[11:31])
    assert (named.species, len(named.elements)) == ("channels", 20)
    # A degree that is given is that of labels.
    assert ACE(totaldegree=2).bind([many]).species == "labels"
    assert ACE(species="labels").bind([many]).totaldegree[1:] == (1.0, 1.0)
    assert ACE(order=1).bind([many]).species == "labels"


def test_a_pool_of_many_elements_is_selected_from_by_default():
    pool = [crystal(seed, chemical_symbols[1:93], n=1) for seed in range(40)]
    assert len(ms.select(pool, n=3).indices) == 3
