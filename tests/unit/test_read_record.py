"""Records of selections that are damaged or hostile are refused by one message that names the file."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.descriptors.remote import json_object
from mlipselect.exceptions import InvalidInputError
from mlipselect.report.from_record import selection_from
from mlipselect.report.info import info_of
from mlipselect.selection.read_record import read_record
from mlipselect.selectors.registry import METHODS
from mlipselect.worker.messages import receive, send

ACE = ms.ACE(["Si"], totaldegree=4)


@pytest.fixture
def record(files):
    """Make a selection and return the path of its record."""
    ms.select("pool.xyz", 3, "core.xyz", descriptor=ACE, output="out.xyz")
    return files / "out.json"


@pytest.fixture
def shares(files):
    """Make selections from two shares."""
    pool, stores = ms.read("pool.xyz"), ["even.features", "odd.features"]
    for k, store in enumerate(stores):
        ms.io.write_exact(f"{k}.xyz", pool[k::2])
        ms.featurize(f"{k}.xyz", ACE, store=store)
    for share in (1, 2):
        ms.select(stores, 2, score="energy", shard=f"{share}/2", output=f"part{share}.xyz")
    return [files / "part1.xyz", files / "part2.xyz"]


BROKEN = {
    "nested too deep": b"[" * 200_000,
    "nested too deep within": b'{"mlipselect": ' + b"[" * 200_000,
    "not UTF-8": b'{"mlipselect": "\xff"}',
    "a number of many digits": b'{"mlipselect": ' + b"9" * 10_000 + b"}",
    "a list": b"[1, 2]",
    "a number": b"1",
    "empty": b"",
    "half": b'{"mlipselect": "0.1", "parameters": {"method": "fps"}, "inputs": {"pool": {"files": [',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_record_is_refused(record, shares, content, capsys):
    record.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"out\.json: expected the record of a selection"):
        selection_from(record)
    Path("part1.json").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"part1\.json: expected the record of a selection"):
        ms.merge(shares)
    for command in (["report", "out.json", "-o", "page.html"], ["merge", "part1.xyz", "part2.xyz", "-o", "m.xyz"]):
        assert main(command) == 1
        assert "json: expected the record of a selection" in capsys.readouterr().err


def entry(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what sets an entry of a record."""

    def change(known: dict[str, Any]) -> None:
        *outer, last = name.split(".")
        for key in outer:
            known = known[key]
        known[last] = value

    return change


WRONG = [
    ("indices", [1, 2, "x"]),
    ("indices", [1, 2, True]),
    ("indices", [1, 2, 10**30]),
    ("indices", {}),
    ("scores", [1.0, 2.0, float("nan")]),
    ("scores", [1.0, 2.0, 10**400]),
    ("scores", [1.0, 2.0, 2**63]),
    ("information", None),
    ("effective_dimension", float("inf")),
    ("notes", [1]),
    ("descriptor", []),
    ("descriptor.name", ["ACE"]),
    ("inputs.pool", []),
    ("inputs.pool", {"files": [{"path": "pool.xyz"}], "candidates": 1}),
    ("inputs.core", {"files": "core.xyz", "candidates": 1}),
    ("parameters.method", 1),
    ("parameters.noise_precision", -1.0),
    ("parameters.prior_precision", "x"),
    ("parameters.prior_precision", [1.0, [1.0]]),
    ("parameters.prior_precision", [[1.0, 0.0], [1.0]]),
    ("parameters.reading", {"species": 3}),
    ("parameters.shard", "1/0"),
    ("rejected", [["pool.xyz", 1]]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_entry_that_no_selection_writes_is_refused(record, name, value):
    known = json.loads(record.read_text())
    entry(name, value)(known)
    record.write_text(json.dumps(known))
    for read in (selection_from, read_record):
        with pytest.raises(InvalidInputError, match=rf"out\.json: a damaged record: no selection writes such {name}"):
            read(record)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("indices", [1, 2], "its picks are not as many as their scores or reasons"),
        ("indices", [1, 2, 1000], "not all of its picks are candidates of the pool"),
        ("descriptor", {"name": "ACE", "elements": ["Si"], "x": 1}, "no ACE can be made from its record: .*'x'"),
        ("descriptor", {"name": "ACE", "elements": 3}, "no ACE can be made from its record: "),
        ("descriptor", {"name": "PerElement", "elements": ["Si"], "descriptor": 3}, "no PerElement can be made"),
    ],
)
def test_what_does_not_fit_the_files_is_refused(record, name, value, message):
    known = json.loads(record.read_text())
    entry(name, value)(known)
    record.write_text(json.dumps(known))
    with pytest.raises(InvalidInputError, match=rf"out\.json: .*{message}"):
        selection_from(record)


def test_a_share_without_its_next_score_is_refused(shares):
    path = Path("part2.json")
    known = json.loads(path.read_text())
    for value, message in ((None, "a score or the precision of the noise is missing"), ("x", "parameters.next_score")):
        entry("parameters.next_score", value)(known)
        path.write_text(json.dumps(known))
        with pytest.raises(InvalidInputError, match=rf"part2\.json: a damaged record: .*{message}"):
            ms.merge(shares)
    del known["parameters"]["next_score"]
    path.write_text(json.dumps(known))
    with pytest.raises(InvalidInputError, match=r"part2\.json: the record does not say parameters\.next_score"):
        ms.merge(shares)


@pytest.mark.parametrize("method", METHODS)
def test_the_records_of_all_methods_are_read(files, method):
    selection = ms.select("pool.xyz", 3, "core.xyz", descriptor=ACE, method=method, output="out.xyz")
    assert read_record("out.json", "inputs.core", "scores")["indices"] == selection.indices.tolist()
    assert info_of("out.json")[0][1].startswith("the record of a selection")


def message(header: bytes, body: bytes = b"") -> io.BytesIO:
    return io.BytesIO(len(header).to_bytes(8, "little") + header + body)


def listed(dtype: Any, shape: Any) -> bytes:
    return json.dumps({"head": {}, "arrays": [{"dtype": dtype, "shape": shape}]}).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 200_000,
        b"[]",
        b'{"head": [], "arrays": []}',
        b'{"head": {}, "arrays": 3}',
        b"\xff",
        listed("<f8", [-1]),
        listed("<f8", [1.5]),
        listed("<f8", 3),
        listed("|O", [1]),
        listed("<U4", [1]),
        listed("(1", [1]),
        listed([["a", "<f8"]], [1]),
    ],
)  # fmt: skip
def test_a_process_that_answers_something_else_is_told(header):
    with pytest.raises(ValueError, match="expected a message, got something else"):
        receive(message(header, bytes(64)))


def test_no_memory_is_taken_for_an_array_that_does_not_come():
    with pytest.raises(EOFError, match=f"the other side ended after 64 of {8 << 60} bytes"):
        receive(message(listed("<f8", [1 << 60]), bytes(64)))


def test_messages_of_several_pieces_arrive():
    stream, rows = io.BytesIO(), np.arange(5_000_000.0).reshape(-1, 2)
    send(stream, {"do": "x"}, [rows, np.empty((0, 3))])
    stream.seek(0)
    head, (first, second) = receive(stream)
    assert head == {"do": "x"}
    np.testing.assert_array_equal(first, rows)
    assert second.shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "message"), [("[" * 200_000, "nested too deep"), ("[1]", r"got \[1\]"), ("{", "Expecting property")]
)
def test_options_of_an_object_that_are_none_are_refused(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=rf"expected an object of JSON.*{message}"):
        json_object(text)
