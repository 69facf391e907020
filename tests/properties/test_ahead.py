"""Reading ahead and writing behind: everything once, in order, at most one item early, and errors where they belong."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlipselect.selectors.ahead import Behind, ahead


@given(st.lists(st.integers(), max_size=30), st.integers(0, 40))
def test_items_come_in_order_and_no_more_than_one_is_made_early(items, stop):
    made = []

    def make(item):
        made.append(item)
        return -item

    seen = []
    for item, result in ahead(items, make):
        assert result == -item
        seen.append(item)
        assert len(made) <= len(seen) + 1
        if len(seen) == stop:
            break
    assert seen == (items[:stop] if stop else items)
    assert made[: len(seen)] == seen


@given(st.integers(1, 20), st.data())
def test_an_error_is_raised_where_its_result_would_have_come(count, data):
    wrong = data.draw(st.integers(0, count - 1))
    seen = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(item for item, _ in ahead(range(count), lambda item: 1 // (item - wrong)))
    assert len(seen) == wrong


def test_what_is_made_is_made_while_the_one_before_is_in_use():
    in_use, made = threading.Event(), threading.Event()

    def make(item):
        if item == 1:
            assert in_use.wait(60)
            made.set()

    for item, _ in ahead(range(2), make):
        if item == 0:
            in_use.set()
            assert made.wait(60)


@given(st.lists(st.integers(0, 9), max_size=20))
def test_what_is_done_behind_is_done_in_order_and_its_errors_are_raised(values):
    done, behind = [], Behind()

    def work(value):
        if value == 0:
            raise ValueError("zero")
        done.append(value)

    def fails(step, *arguments):
        try:
            step(*arguments)
        except ValueError:
            return True
        return False

    errors = 0
    for value in values:
        # An error is of what was begun before; what was to be begun was not.
        if fails(behind.do, work, value):
            errors += 1
            behind.do(work, value)
    errors += fails(behind.wait)
    assert (done, errors) == ([value for value in values if value], values.count(0))


def test_no_thread_is_left():
    behind = Behind()
    behind.do(time.sleep, 0)
    behind.wait()
    (thread,) = behind._thread._threads
    del behind
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
