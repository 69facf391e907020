"""The same job from files, stores, windows, shares and a cluster: the same picks, or a refusal that says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import differences, write_exact
from mlipselect.selectors import windowed
from mlipselect.stores import fill, manifest, widened

MARK = "config_type=isolated_atom"
METHODS = ("bayesian", "fps", "facility_location", "k_medoids", "cur", "random")
GREEDY = ("bayesian", "fps", "facility_location", "cur", "random")
POOLS = {"silicon": (["Si"], 24), "alloy": (["Cu", "Au"], 24)}
#: What a record says of how the work was done rather than of what came of it.
HOW = {"max_memory", "engine"}


def crystal(rng, symbols, seed):
    """Make a distorted crystal of some elements, and say what kind it is."""
    atoms = bulk(symbols[0], "fcc", a=4.0, cubic=True) * (1, 1, 1 + seed % 2)
    atoms.positions += rng.normal(scale=0.15, size=atoms.positions.shape)
    atoms.symbols[:] = rng.choice(symbols, len(atoms))
    atoms.info = {"config_type": f"kind_{seed % 3}", "T": 300.0 + seed % 2, "virial": rng.normal(size=(3, 3))}
    return atoms


def free_atoms(symbols):
    return [Atoms(symbol, info={"config_type": "isolated_atom"}) for symbol in symbols]


@pytest.fixture(scope="module", params=list(POOLS))
def job(request, tmp_path_factory):
    """Make pool and core with isolated atoms among them, and the stores of the pool, in several shards."""
    symbols, count = POOLS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(3)
    frames = [crystal(rng, symbols, seed) for seed in range(count)]
    atoms = free_atoms(symbols)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        # Before the first candidate, between shards, and after the last candidate.
        write_exact("a.xyz", [atoms[0], *frames[:9], atoms[-1], *frames[9:14]])
        write_exact("b.xyz", [*frames[14:], atoms[0]])
        write_exact("core.xyz", [*atoms, *(crystal(rng, symbols, seed) for seed in range(4))])
        descriptor = ms.ACE(symbols, totaldegree=4)
        patched.setattr(fill, "SHARD_BYTES", 4 * 8 * len(descriptor.features(frames[0])[0]))
        for name in ("a", "b"):
            ms.featurize(f"{name}.xyz", descriptor, store=f"{name}.features", isolated=MARK)
        ms.featurize("core.xyz", descriptor, store="core.features", isolated=MARK)
        ms.featurize("core.xyz", descriptor, isolated=MARK).save("core.npz")
    return folder, descriptor


@pytest.fixture
def descriptor(job, monkeypatch):
    monkeypatch.chdir(job[0])
    return job[1]


FILES, STORES = ["a.xyz", "b.xyz"], ["a.features", "b.features"]


def told(selection, *, without=()):
    """Return what a record says of the result: the picks and where they are from, and how they were made."""
    record = selection.record()
    parameters = {key: value for key, value in record["parameters"].items() if key not in HOW | set(without)}
    pool = {key: record["inputs"]["pool"][key] for key in ("files", "candidates", "isolated")}
    names = ("indices", "sources", "isolated", "notes", "descriptor")
    return {name: record[name] for name in names} | {"pool": pool} | rounded(parameters)


def rounded(parameters):
    """Leave what rounding may change to ten digits."""
    return {key: float(f"{value:.10g}") if isinstance(value, float) else value for key, value in parameters.items()}


def same(stored, plain, **how):
    assert told(stored, **how) == told(plain, **how)
    np.testing.assert_allclose(stored.scores, plain.scores, rtol=1e-8)
    np.testing.assert_allclose(stored.information, plain.information, rtol=1e-8)
    for a, b in zip(stored.output_structures, plain.output_structures, strict=True):
        assert differences(a, b, ignore="mlipselect_score") == []


def limits(method):
    """Name what the picks of a method can be limited by."""
    yield {}
    yield {"composition": False}
    if method in GREEDY:
        yield {"groups": "config_type", "max_per_group": 2, "max_atoms": 40}
        yield {"groups": "T", "min_per_group": 2}
        yield {"groups": "composition", "max_per_group": 5, "min_distance": 0.01}
        yield {"max_cost": 200.0, "cost": "natoms^1.5"}
    if method == "random":
        yield {"stratify_by": "composition"}
        yield {"stratify_by": "config_type"}


@pytest.mark.parametrize("method", METHODS)
def test_files_and_stores_have_the_same_picks(descriptor, method):
    for options in limits(method):
        how = {"method": method, "isolated": MARK, **options}
        plain = ms.select(FILES, 5, "core.xyz", descriptor, **how)
        same(ms.select(STORES, 5, "core.xyz", **how), plain)
    assert len(plain.isolated) == 3


@pytest.mark.parametrize("score", ["energy", "logdet", "pool_variance", "pool_std"])
@pytest.mark.parametrize("held", [0, 1 << 20])
def test_windows_have_the_same_picks(descriptor, score, held, monkeypatch):
    # Windows of four rows, and element columns in a temporary file or in memory.
    monkeypatch.setattr(windowed, "window_sizes", lambda rows, *_: (5, 4, len(rows)))
    monkeypatch.setattr(widened, "HELD_BYTES", held)
    how = {"isolated": MARK, "score": score, "groups": "config_type", "max_per_group": 3}
    plain = ms.select(FILES, 8, "core.xyz", descriptor, **how)
    same(ms.select(STORES, 8, "core.xyz", max_memory=10**8, **how), plain)
    if score == "energy":
        how = {"isolated": MARK, "method": "fps", "max_atoms": 48}
        plain = ms.select(FILES, 8, "core.xyz", descriptor, **how)
        same(ms.select(STORES, 8, "core.xyz", max_memory=10**8, **how), plain)


def test_single_precision_has_the_same_picks(descriptor, tmp_path):
    stores = [tmp_path / f"{name}.features" for name in ("a", "b")]
    for file, store in zip(FILES, stores, strict=True):
        ms.featurize(file, descriptor, store=store, isolated=MARK, dtype="float32")
    for method in ("bayesian", "fps", "facility_location", "k_medoids", "cur"):
        plain = ms.select(FILES, 5, "core.xyz", descriptor, method=method, isolated=MARK, dtype="float32")
        stored = ms.select(stores, 5, "core.xyz", method=method)
        same(stored, plain)
        np.testing.assert_array_equal(stored.features.load().per_structure, plain.features.per_structure)


def test_shares_and_merge_have_the_best_of_the_same_picks(descriptor, tmp_path):
    plain = ms.select(FILES, 5, "core.xyz", descriptor, score="energy", isolated=MARK)
    parts = [tmp_path / f"part{k}.xyz" for k in (1, 2, 3)]
    for k, part in enumerate(parts, start=1):
        share = ms.select(STORES, 5, "core.features", score="energy", shard=f"{k}/3", output=part)
        for name in ("composition", "composition_scale", "isolated"):
            assert rounded(share.parameters)[name] == rounded(plain.parameters)[name]
    merged = ms.merge(parts, core="core.xyz", output=tmp_path / "merged.xyz")
    certain = merged.parameters["same_as_whole"]
    assert certain >= 1
    assert merged.indices[:certain].tolist() == plain.indices[:certain].tolist()
    np.testing.assert_allclose(merged.scores[:certain], plain.scores[:certain], rtol=1e-8)
    everything = [ms.select(STORES, 8, "core.xyz", score="energy", shard=f"{k}/3") for k in (1, 2, 3)]
    whole = ms.select(FILES, 24, "core.xyz", descriptor, score="energy", isolated=MARK)
    assert sorted(i for share in everything for i in share.indices.tolist()) == sorted(whole.indices.tolist())
    # Isolated atoms are written first, as after any selection.
    assert [frame.index for frame in merged.isolated] == [frame.index for frame in plain.isolated]
    written = [(a.info["mlipselect_source"], a.info["mlipselect_index"]) for a in ms.read(tmp_path / "merged.xyz")]
    assert written[:3] == [("a.xyz", 0), ("a.xyz", 10), ("b.xyz", 10)]
    assert ms.merge(parts, core="core.features").indices.tolist() == merged.indices.tolist()


@pytest.mark.parametrize("core", ["core.features", "core.npz", "features", "store"])
def test_a_core_may_be_a_store_or_an_archive(descriptor, core):
    made = {"features": lambda: ms.Features.load("core.npz"), "store": lambda: ms.FeatureStore.open("core.features")}
    for method in METHODS:
        plain = ms.select(FILES, 5, "core.xyz", descriptor, method=method, isolated=MARK)
        for pool, given in ((FILES, descriptor), (FILES, None), (STORES, None)):
            described = ms.select(pool, 5, made.get(core, lambda: core)(), given, method=method, isolated=MARK)
            same(described, plain)
            np.testing.assert_array_equal(described.core_features.per_structure, plain.core_features.per_structure)


def test_a_core_may_be_mixed(descriptor, tmp_path):
    more = tmp_path / "more.xyz"
    write_exact(more, ms.read("a.xyz")[3:5])
    plain = ms.select(STORES, 5, [more, "core.xyz"])
    mixed = ms.select(STORES, 5, ["core.features", more])
    assert mixed.indices.tolist() == plain.indices.tolist()
    assert [file["path"] for file in mixed.inputs["core"]["files"]] == [str(more), "core.xyz"]
    assert mixed.inputs["core"]["candidates"] == plain.inputs["core"]["candidates"] == 6


def test_the_command_takes_the_same(descriptor, tmp_path):
    out = {name: str(tmp_path / f"{name}.xyz") for name in ("files", "stores", "cores")}
    limits = ["-n", "6", "-q", "--groups", "config_type", "--max", "2"]
    elements = ["--elements", *descriptor.elements, "--totaldegree", "4"]
    files = [*FILES, "--core", "core.xyz", "--isolated", MARK, *elements]
    assert main(["select", *files, *limits, "-o", out["files"]]) == 0
    assert main(["select", *STORES, "--core", "core.npz", *limits, "-o", out["stores"]]) == 0
    assert main(["select", *FILES, "--core", "core.features", "--isolated", MARK, *limits, "-o", out["cores"]]) == 0
    records = [json.loads(Path(name).with_suffix(".json").read_text()) for name in out.values()]
    for record in records[1:]:
        assert record["indices"] == records[0]["indices"]
        assert record["sources"] == records[0]["sources"]
        assert record["parameters"]["isolated"] == MARK
    store = str(tmp_path / "made.features")
    assert main(["featurize", *FILES, "--isolated", MARK, *elements, "--store", store, "-q"]) == 0
    assert main(["select", store, "--core", "core.xyz", *limits, "-o", out["stores"]]) == 0
    assert json.loads(Path(out["stores"]).with_suffix(".json").read_text())["indices"] == records[0]["indices"]
    archive = str(tmp_path / "made.npz")
    assert main(["featurize", "core.xyz", "--isolated", MARK, *elements, "-o", archive, "-q"]) == 0
    assert len(ms.Features.load(archive)) == 4


def test_what_a_store_cannot_do_is_refused(descriptor, tmp_path):
    archive = "features without their structures can be a core, not a pool"
    for pool, message in (("core.npz", f"core.npz: {archive}"), (ms.Features.load("core.npz"), f"the pool: {archive}")):
        with pytest.raises(InvalidInputError, match=message):
            ms.select(pool, 2)
    for key in ("virial", "none"):
        with pytest.raises(StructureError, match=rf"a\.xyz, frame 1: expected a key '{key}', its keys are"):
            ms.select(STORES, 3, groups=key, max_per_group=2)
    with pytest.raises(InvalidInputError, match=f"structures marked {MARK} have no features there: name that mark too"):
        ms.select(STORES, 3, isolated="config_type=kind_0")
    ms.featurize("b.xyz", descriptor, store=tmp_path / "unmarked")
    message = "unmarked: holds features of isolated atoms, config_type=isolated_atom: make it with --isolated"
    for use in (
        lambda: ms.select(tmp_path / "unmarked", 3, isolated=MARK),
        lambda: ms.select("a.xyz", 3, tmp_path / "unmarked", isolated=MARK),
        lambda: ms.select(["a.features", str(tmp_path / "unmarked")], 3),
    ):
        with pytest.raises(InvalidInputError, match=message):
            use()
    other = ms.ACE(descriptor.elements, totaldegree=3)
    with pytest.raises(InvalidInputError, match=r"core\.npz: made with another descriptor"):
        ms.select(FILES, 3, "core.npz", other, isolated=MARK)
    with pytest.raises(InvalidInputError, match=r"core\.npz: has features of type float64, those of the pool"):
        ms.select(FILES, 3, "core.npz", dtype="float32", isolated=MARK)
    with pytest.raises(InvalidInputError, match=r"core\.npz: atomic rows of a core need its structures"):
        ms.select(FILES, 3, "core.npz", update="atoms", isolated=MARK)
    with pytest.raises(InvalidInputError, match="forces and stress need structures as core"):
        ms.select(FILES, 3, "core.npz", score="force", isolated=MARK)
    ms.featurize("core.xyz", descriptor).save(tmp_path / "unmarked.npz")
    with pytest.raises(InvalidInputError, match=r"unmarked\.npz: holds features of single atoms, and does not know"):
        ms.select(FILES, 3, tmp_path / "unmarked.npz", isolated=MARK)
    features = ms.Features.load("core.npz")
    features.descriptor = None
    with pytest.raises(InvalidInputError, match="does not say which descriptor made it"):
        ms.select(FILES, 3, features, isolated=MARK)


def test_element_columns_of_a_store_are_replaced_by_those_of_the_job(descriptor, tmp_path):
    store = ms.featurize(FILES, descriptor, store=tmp_path / "with", composition=descriptor.elements, isolated=MARK)
    for composition in (None, False, True):
        plain = ms.select(FILES, 5, "core.xyz", descriptor, isolated=MARK, composition=composition)
        same(ms.select(store, 5, "core.xyz", composition=composition), plain)


def test_a_store_that_is_moved_with_its_files_finds_them(descriptor, tmp_path, monkeypatch):
    plain = ms.select(STORES, 4, "core.xyz")
    shutil.copytree(".", tmp_path / "first" / "data")
    (tmp_path / "first" / "data").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    moved = [f"moved/{name}" for name in STORES]
    found = ms.select(moved, 4, "moved/core.xyz", output="picked.xyz")
    assert found.indices.tolist() == plain.indices.tolist()
    assert [frame.source for frame in found.frames] == [f"moved/{frame.source}" for frame in plain.frames]
    assert [file["path"] for file in found.inputs["pool"]["files"]] == ["moved/a.xyz", "moved/b.xyz"]
    assert ms.FeatureStore.open(moved[0]).where(0) == "moved/a.xyz, frame 1"
    # A file of the same name is here, and is another one.
    write_exact("a.xyz", free_atoms(["Si"]))
    assert ms.select(moved, 4, "moved/core.xyz").frames[0].source == found.frames[0].source
    with pytest.raises(InvalidInputError, match="would replace an input"):
        ms.select(moved, 4, output="moved/b.xyz")
    Path("a.xyz").unlink()
    Path("moved/a.xyz").unlink()
    with pytest.raises(StructureError, match=r"a\.xyz: the store moved/a\.features was made from"):
        ms.select(moved, 4)
    write_exact("moved/a.xyz", free_atoms(["Si"]))
    with pytest.raises(StructureError, match=r"moved/a\.xyz: the file has changed since its features were computed"):
        ms.select(moved, 4)


def test_a_store_remembers_how_its_files_are_read_and_which_frames_are_meant(descriptor, tmp_path):
    text = Path("b.xyz").read_text()
    (tmp_path / "named.xyz").write_text(text.replace("Cu", "Cu1").replace("Si", "Si1"))
    species = ["Cu1=Cu", "Si1=Si"]
    part = f"{tmp_path / 'named.xyz'}@1:9"
    elements = ["--elements", *descriptor.elements, "--totaldegree", "4", "-q"]
    store, reading = str(tmp_path / "store"), ["--species-map", *species]
    assert main(["featurize", part, *elements, "--store", store, *reading]) == 0
    assert main(["featurize", part, *elements, "--store", store]) == 1
    plain = ms.select(part, 3, "core.xyz", descriptor, isolated=MARK, species_map=species)
    stored = ms.select(store, 3, "core.xyz", isolated=MARK)
    assert stored.record()["sources"] == plain.record()["sources"]
    for a, b in zip(stored.output_structures, plain.output_structures, strict=True):
        assert differences(a, b, ignore="mlipselect_score") == []
    others = f"{tmp_path / 'named.xyz'}@9:"
    assert main(["featurize", others, *elements, "--store", store, *reading]) == 1
    assert main(["featurize", others, *elements, "--store", store, *reading, "--append"]) == 0
    assert len(ms.FeatureStore.open(store)) == 10


def as_version_2(folder):
    """Make a store what it was before it knew compositions."""
    known = json.loads((folder / "manifest.json").read_text())
    known["mlipselect_features"] = 2
    del known["marks"], known["isolated"]
    for file in known["files"]:
        del file["relative"]
    for shard in known["shards"]:
        shard["sha256"] = {kind: digest for kind, digest in shard["sha256"].items() if kind in ("rows", "origin")}
        del shard["elements"]
    (folder / "manifest.json").write_text(json.dumps(known))


def test_a_store_of_an_earlier_version_is_read_as_far_as_it_knows(descriptor, tmp_path):
    write_exact(tmp_path / "pool.xyz", [frame for frame in ms.read("a.xyz") if len(frame) > 1])
    store = tmp_path / "old"
    ms.featurize(tmp_path / "pool.xyz", descriptor, store=store)
    as_version_2(store)
    assert manifest.read_manifest(store).version == 2
    plain = ms.select(tmp_path / "pool.xyz", 4, "core.xyz", descriptor, isolated=MARK, composition=False)
    assert ms.select(store, 4, "core.xyz", isolated=MARK, composition=False).indices.tolist() == plain.indices.tolist()
    with pytest.raises(InvalidInputError, match="old: a store of version 2, which knows no compositions"):
        ms.select(store, 4, "core.xyz", isolated=MARK)
    with pytest.raises(InvalidInputError, match=r"old: a store of version 2, which knows no keys of Atoms\.info"):
        ms.select(store, 4, composition=False, groups="config_type", max_per_group=1)
    with pytest.raises(InvalidInputError, match="old: a store of version 2, which takes nothing more"):
        ms.featurize("b.xyz", descriptor, store=store, append=True)


@pytest.mark.parametrize("kept", range(4))
def test_isolated_atoms_survive_a_stop(descriptor, tmp_path, monkeypatch, kept):
    monkeypatch.setattr(fill, "SHARD_BYTES", 4 * 8 * len(descriptor.features(ms.read("a.xyz")[1])[0]))
    ms.featurize(FILES, descriptor, store=tmp_path / "whole", isolated=MARK)

    class Stopped(BaseException):
        pass

    add, added = fill.StoreWriter.add, []

    def stop(self, *shard):
        if len(added) == kept:
            raise Stopped
        added.append(shard)
        add(self, *shard)

    with monkeypatch.context() as patched:
        patched.setattr(fill.StoreWriter, "add", stop)
        with pytest.raises(Stopped):
            ms.featurize(FILES, descriptor, store=tmp_path / "parts", isolated=MARK)
    with pytest.raises(InvalidInputError, match=r"holds features of another marks"):
        ms.featurize(FILES, descriptor, store=tmp_path / "parts")
    ms.featurize(FILES, descriptor, store=tmp_path / "parts", isolated=MARK)
    trees = [{path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("whole", "parts")]
    assert trees[0] == trees[1]


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_has_the_same_picks(descriptor, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from mlipselect.parallel.dask import ClusterStore

    monkeypatch.setattr(windowed, "window_sizes", lambda rows, *_: (len(rows), 6, len(rows)))
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50, "processes": True}
    with distributed.LocalCluster(**how) as machines, distributed.Client(machines) as client:
        energy = {"score": "energy"}
        for options in (
            {"groups": "config_type", "max_per_group": 3, **energy},
            {"method": "fps"},
            {"composition": False, **energy},
        ):
            pool = ClusterStore(STORES, client)
            plain = ms.select(FILES, 8, "core.xyz", descriptor, isolated=MARK, **options)
            same(ms.select(pool, 8, "core.features", **options), plain)
            assert pool.round_trips > 0
