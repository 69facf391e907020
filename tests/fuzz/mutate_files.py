"""Mutated files of every kind that Python reads: each is read, or refused by one exception of mlipselect.

    python tests/fuzz/mutate_files.py COUNT [SEED] [KIND ...]

Files are changed at random, or with care: numbers and texts of a JSON part, and shapes and types of arrays, are
replaced by others, and checksums made anew. Another exception, more than 512 MB, or a minute without an answer is told
with the file, which is kept, and the exit code is 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase.build
import numpy as np

import mlipselect as ms
from mlipselect.checkpoint import Checkpoint
from mlipselect.demo.tersoff import silicon_tersoff
from mlipselect.report.from_record import selection_from
from mlipselect.report.info import info_of
from mlipselect.report.write import selection_page
from mlipselect.worker.messages import receive, send

MEMORY = 512 << 20
SECONDS = 60
#: What numbers, texts and lists of a JSON part are replaced by.
HOSTILE: list[Any] = [
    0, -1, 1, 2, 3, 10**6, 10**12, 2**31, 2**63, 2**64, -(2**63), 1e300, 0.5, float("nan"), float("inf"), True, None,
    "", "x", "Si", "float64", "1e9", [], [[]], [0], [-1], [10**9], [None], {}, {"a": 1}, ["Si"] * 200,
]  # fmt: skip
SHAPES = ["0", "1", "2", "-1", "99999", "1000000000", "99999999999", "9999999999999999999", "True", "1.5", "(1,)"]
TYPES = ["<f4", "<f8", ">f8", "<i8", "|O", "<U4", "|V999999999", "<c16", "|b1", "[('a', '<f8')]"]


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, leave some out, or repeat some."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        if not out:
            break
        at, length = rng.randrange(len(out)), rng.choice([1, 1, 4, 50])
        kind = rng.randrange(6)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + length]
        elif kind == 4:
            out[at:at] = out[at : at + length]
        else:
            out[at : at + 8] = struct.pack("<q", rng.choice([0, -1, 1 << 40, 1 << 62, 100]))
    return bytes(out)


def changed_json(text: str, rng: random.Random) -> str:
    """Replace, leave out or add an entry somewhere in a text of JSON."""
    known = json.loads(text)
    holder, places = known, []
    while isinstance(holder, (dict, list)) and holder:
        places.append((holder, rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))))
        holder = places[-1][0][places[-1][1]]
        if rng.random() < 0.2:
            break
    if not places:
        return json.dumps(rng.choice(HOSTILE))
    owner, key = places[-1]
    kind = rng.randrange(8)
    if kind == 0:
        del owner[key]
    elif kind == 1 and isinstance(owner, dict):
        owner[rng.choice(["", "x", "name", "version"])] = rng.choice(HOSTILE)
    elif kind == 2 and isinstance(owner, list):
        owner.append(rng.choice(owner))
    elif kind == 3:
        return json.dumps(known).replace(json.dumps(owner[key]), "[" * 100_000, 1)
    else:
        owner[key] = rng.choice(HOSTILE)
    return json.dumps(known)


def changed_array(data: bytes, rng: random.Random) -> bytes:
    """Change the header of a file of numpy, or its bytes."""
    if rng.random() < 0.3:
        return changed_bytes(data, rng)
    header = data[10 : 10 + struct.unpack("<H", data[8:10])[0]].decode("latin1")
    if rng.random() < 0.7:
        shape = "(" + ", ".join(rng.choice(SHAPES) for _ in range(rng.randrange(4))) + ",)"
        header = re.sub(r"'shape': \([^)]*\)", f"'shape': {shape}", header)
    else:
        kind = rng.choice(TYPES)
        header = re.sub(r"'descr': '[^']*'", f"'descr': {kind if kind[0] == '[' else repr(kind)}", header)
    header = header.rstrip() + "\n"
    return data[:8] + struct.pack("<H", len(header)) + header.encode() + data[10 + struct.unpack("<H", data[8:10])[0] :]


def changed_archive(data: bytes, rng: random.Random) -> bytes:
    """Change one entry of an archive of numpy, with the checksum made anew, or the bytes of the archive."""
    if rng.random() < 0.2:
        return changed_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(entries))
    array = np.load(io.BytesIO(entries[name]))
    if array.dtype.kind == "U" and array.ndim == 0 and rng.random() < 0.8:
        stream = io.BytesIO()
        np.save(stream, np.array(changed_json(str(array), rng)))
        entries[name] = stream.getvalue()
    elif rng.random() < 0.1:
        del entries[name]
    else:
        entries[name] = changed_array(entries[name], rng)
    out = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", how) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return out.getvalue()


def changed_tensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header of a file of safetensors or of a message between processes, or the bytes."""
    if rng.random() < 0.3:
        return changed_bytes(data, rng)
    length = struct.unpack("<Q", data[:8])[0]
    header = changed_json(data[8 : 8 + length].decode(), rng).encode()
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def changed_text(data: bytes, rng: random.Random) -> bytes:
    """Change a file of JSON."""
    return changed_bytes(data, rng) if rng.random() < 0.3 else changed_json(data.decode(), rng).encode()


class Kind:
    """A kind of file: valid ones, how they are changed, and what reads them."""

    def __init__(self, files: list[bytes], change: Callable[..., bytes], read: Callable[[bytes], object]):
        self.files, self.change, self.read = files, change, read


def kinds(folder: Path) -> Iterator[tuple[str, Kind]]:
    """Make valid files of every kind in a folder, and yield the kinds by their names."""
    pool = [ase.build.bulk("Si", a=a) for a in np.linspace(5.3, 5.6, 8)]
    for number, atoms in enumerate(pool):
        atoms.rattle(0.05, seed=number)
        atoms.calc = silicon_tersoff()
        atoms.get_potential_energy()
    ace = ms.ACE(["Si"], totaldegree=4)
    features = ms.featurize(pool, ace, rows="atoms")
    path = folder / "file"

    def written(write: Callable[[Path], object]) -> bytes:
        write(path)
        return path.read_bytes()

    def from_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def call(data: bytes) -> object:
            path.write_bytes(data)
            return read(path)

        return call

    width = features.shape[1]
    posteriors = [ms.Posterior(width, prior) for prior in (0.1, np.full(width, 0.1), np.eye(width))]
    for posterior in posteriors:
        posterior.update(features.per_structure)

    def use_posterior(path: Path) -> None:
        posterior = ms.Posterior.load(path)
        posterior.variance(np.ones((2, posterior.dim)))
        posterior.update(np.ones((2, posterior.dim)))

    yield "posterior", Kind([written(posterior.save) for posterior in posteriors], changed_tensors,
                            from_file(use_posterior))  # fmt: skip
    yield "features", Kind([written(features.save)], changed_archive, from_file(ms.Features.load))

    potential = ms.LinearPotential(ace).fit(pool)

    def use_potential(path: Path) -> None:
        loaded = ms.LinearPotential.load(path)
        atoms = pool[0].copy()
        atoms.calc = loaded.calculator()
        atoms.get_forces()

    yield "potential", Kind([written(potential.save)], changed_archive, from_file(use_potential))

    ms.io.write_exact(folder / "pool.xyz", pool)
    ms.featurize(folder / "pool.xyz", ace, store=folder / "store", rows="atoms")
    manifest = (folder / "store" / "manifest.json").read_bytes()

    def use_store() -> None:
        store = ms.FeatureStore.open(folder / "store")
        store.take(range(len(store)))
        _ = store.n_atoms.sum(), store.squares, store.files, [store.where(row) for row in (0, len(store) - 1)]
        for shard in range(len(store.shards)):
            _ = store.counts(shard), store.info(shard)
        if len(store) > 1:
            ms.FPS(2).fit(store)

    def use_manifest(data: bytes) -> None:
        (folder / "store" / "manifest.json").write_bytes(data)
        use_store()

    yield "manifest", Kind([manifest], changed_text, use_manifest)

    for kind, change in {
        "rows": changed_array, "origin": changed_array, "counts": changed_array, "atoms": changed_array,
        "info": changed_text,
    }.items():  # fmt: skip
        [shard] = (folder / "store").glob(f"{kind}-00000.*")
        whole = shard.read_bytes()

        def use_shard(data: bytes, shard: Path = shard, kind: str = kind, whole: bytes = whole) -> None:
            known = json.loads(manifest)
            known["shards"][0]["sha256"][kind] = hashlib.sha256(data).hexdigest()
            (folder / "store" / "manifest.json").write_text(json.dumps(known))
            shard.write_bytes(data)
            try:
                use_store()
            finally:
                shard.write_bytes(whole)

        yield f"shard-{kind}", Kind([whole], change, use_shard)

    identity = {"method": "fps", "digests": ["a" * 64]}
    checkpoint = folder / "checkpoint"
    ms.FPS(5).fit(features, checkpoint=Checkpoint(checkpoint, identity))

    def use_checkpoint(path: Path) -> None:
        ms.FPS(6).fit(features, checkpoint=Checkpoint(path, identity))

    yield "checkpoint", Kind([checkpoint.read_bytes()], changed_text, from_file(use_checkpoint))

    surrogate = ms.Surrogate(ace, core=pool)

    def run_of_hal(path: Path) -> ms.Hal:
        return ms.Hal(pool[:2], silicon_tersoff, surrogate, 2, burst=5, temperature=900.0, checkpoint=path)

    hal = folder / "hal"
    run_of_hal(hal).run()
    yield "hal", Kind([hal.read_bytes()], changed_text, from_file(lambda path: run_of_hal(path).picks))

    yield from kinds_of_records(folder, ace)

    def use_message(data: bytes) -> None:
        try:
            receive(io.BytesIO(data))
        except (ValueError, EOFError) as error:  # as the process of a descriptor does
            raise ms.MlipselectError(str(error)) from error

    heard = io.BytesIO()
    send(heard, {"do": "features", "infos": [{}]}, [np.arange(3), np.eye(2)])
    yield "message", Kind([heard.getvalue()], changed_tensors, use_message)


def kinds_of_records(folder: Path, ace: ms.ACE) -> Iterator[tuple[str, Kind]]:
    """Make selections, and yield the kinds of their records."""
    pool, output = folder / "pool.xyz", folder / "selected.xyz"
    record = folder / "selected.json"
    core = folder / "core.xyz"
    ms.io.write_exact(core, [*ms.read(pool)[:3]])
    ms.select(pool, 3, core, descriptor=ace, target=pool, until="1%", output=output)

    def use_record(data: bytes, path: Path = record) -> None:
        path.write_bytes(data)
        info_of(str(path))
        selection_page(selection_from(path, n_threads=1))

    yield "record", Kind([record.read_bytes()], changed_text, use_record)

    part = folder / "part.xyz"
    ms.select(folder / "store", 3, score="energy", shard="1/1", output=part)

    def use_part(data: bytes) -> None:
        (folder / "part.json").write_bytes(data)
        ms.merge([part], n_threads=1)

    yield "record-of-share", Kind([(folder / "part.json").read_bytes()], changed_text, use_part)

    run = folder / "run.xyz"
    ms.Hal(ms.read(pool)[:2], silicon_tersoff, ms.Surrogate(ace, core=pool), 2, burst=5, temperature=900.0).run().write(
        run
    )

    def use_run(data: bytes) -> None:
        (folder / "run.json").write_bytes(data)
        ms.merge([run], core=pool, n_threads=1)
        use_record(data, folder / "run.json")

    yield "record-of-hal", Kind([(folder / "run.json").read_bytes()], changed_text, use_run)


def failure(kind: Kind, data: bytes) -> str | None:
    """Return what is wrong with how a file is read; None where it is read, or refused as it should be."""
    signal.alarm(SECONDS)
    try:
        kind.read(data)
    except ms.MlipselectError as error:
        return f"a message of {len(str(error))} letters" if len(str(error)) > 2000 else None
    except BaseException:
        return traceback.format_exc()
    finally:
        signal.alarm(0)
    return None


def main() -> int:
    """Change and read files, and count what became of them."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    count, seed, wanted = int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]), sys.argv[3:]
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("no answer"))
    failures, began = Counter[str](), time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        made = {name: kind for name, kind in kinds(Path(name)) if not wanted or name in wanted}
        for kind in made.values():
            for data in kind.files:
                kind.read(data)
        pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY, resource.RLIM_INFINITY))
        for kind_name, kind in made.items():
            refused, rng = 0, random.Random(f"{kind_name} {seed}")
            for _ in range(count):
                data = kind.change(rng.choice(kind.files), rng)
                with contextlib.redirect_stderr(io.StringIO()):
                    problem = failure(kind, data)
                if problem is not None:
                    place = problem.strip().splitlines()[-1]
                    failures[f"{kind_name}: {place[:200]}"] += 1
                    if failures[f"{kind_name}: {place[:200]}"] == 1:
                        kept = Path(tempfile.gettempdir()) / f"mlipselect-mutated-{kind_name}-{sum(failures.values())}"
                        kept.write_bytes(data)
                        print(f"{kind_name}: {kept}\n{problem}", flush=True)
                refused += problem is not None
            print(f"{kind_name}: {count} files, {refused} not as they should be", flush=True)
    for place, number in failures.most_common():
        print(f"{number} times {place}")
    print(f"{count * len(made)} files in {time.perf_counter() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
