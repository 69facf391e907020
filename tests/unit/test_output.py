"""Files appear together and complete, or not at all."""

from __future__ import annotations

import os

import pytest

from mlipselect.exceptions import InvalidInputError
from mlipselect.io import Output
from mlipselect.io.output import publish_together


def contents(directory):
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def test_both_appear_on_publish(tmp_path):
    (tmp_path / "a").write_text("old")
    with Output(tmp_path / "a", tmp_path / "b.json") as output:
        for path in output.temporary:
            path.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
        output.publish()
    assert contents(tmp_path) == {"a": "new", "b.json": "new"}


def test_nothing_appears_without_publish(tmp_path):
    (tmp_path / "a").write_text("old")

    def interrupted():
        with Output(tmp_path / "a", tmp_path / "b") as output:
            output.temporary[0].write_text("half")
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        interrupted()
    assert contents(tmp_path) == {"a": "old"}


def test_a_failed_rename_undoes_those_before(tmp_path):
    (tmp_path / "a").write_text("old")
    with Output(tmp_path / "a", tmp_path / "b", tmp_path / "c") as output:
        for path in output.temporary:
            path.write_text("new")
        (tmp_path / "c" / "occupied").mkdir(parents=True)
        with pytest.raises(InvalidInputError, match="c: cannot be written"):
            output.publish()
    assert contents(tmp_path) == {"a": "old"}


def test_several_outputs_appear_together_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "gone").write_text("old")
    with Output(tmp_path / "a") as first, Output(tmp_path / "gone") as side, Output(tmp_path / "b") as last:
        for output in (first, last):
            output.temporary[0].write_text("new")
        side.leave_out(0)
        (tmp_path / "b" / "occupied").mkdir(parents=True)
        with pytest.raises(InvalidInputError, match="b: cannot be written"):
            publish_together(first, side, last)
        assert (tmp_path / "a").read_text() == (tmp_path / "gone").read_text() == "old"
        (tmp_path / "b" / "occupied").rmdir()
        (tmp_path / "b").rmdir()
    with Output(tmp_path / "a") as first, Output(tmp_path / "gone") as side, Output(tmp_path / "b") as last:
        for output in (first, last):
            output.temporary[0].write_text("new")
        side.leave_out(0)
        publish_together(first, side, last)
    assert contents(tmp_path) == {"a": "new", "b": "new"}


def test_what_cannot_be_written_is_found_on_entry(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("old")
    for target, problem in [
        (tmp_path / "none" / "a", "a: cannot be written: No such file or directory"),
        (tmp_path / "dir", "dir: cannot be written: it is a directory"),
        (tmp_path / "file" / "a", "a: cannot be written: Not a directory"),
    ]:
        with pytest.raises(InvalidInputError, match=problem), Output(tmp_path / "first", target):
            pass
    assert contents(tmp_path) == {"file": "old"}


def test_inputs_are_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.xyz").write_text("data")
    (tmp_path / "link.xyz").symlink_to("in.xyz")
    for target in ("in.xyz", tmp_path / "in.xyz", "link.xyz"):
        with pytest.raises(InvalidInputError, match="the output would replace an input file"):
            Output(target, inputs=["in.xyz"])
    with pytest.raises(InvalidInputError, match="named as output twice"):
        Output("a", "a")


def test_results_have_ordinary_permissions(tmp_path):
    with Output(tmp_path / "a") as output:
        output.publish()
    (tmp_path / "b").touch()
    assert os.stat(tmp_path / "a").st_mode == os.stat(tmp_path / "b").st_mode  # noqa: PTH116
