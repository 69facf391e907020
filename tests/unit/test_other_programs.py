"""Inside other programs: subinterpreters are refused with a word; signals and tracebacks reach compiled calls."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys

import pytest

#: Modules that make subinterpreters, newest first.
INTERPRETERS = ("concurrent.interpreters", "_interpreters", "_xxsubinterpreters")

IN_A_SUBINTERPRETER = """
import importlib, sys
try:
    interpreters = importlib.import_module(sys.argv[1])
finally:
    for name in sys.argv[2:]:
        importlib.import_module(name)
made = interpreters.create()
script = "import mlipselect"
try:
    failed = made.exec(script) if hasattr(made, "exec") else interpreters.run_string(made, script)
    print(getattr(failed, "formatted", failed))
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize("before", [[], ["mlipselect"]])
def test_a_subinterpreter_is_refused(before):
    for module in INTERPRETERS:
        try:
            importlib.import_module(module)
        except ImportError:
            continue
        break
    else:
        pytest.skip("this Python has no module that makes subinterpreters")
    command = [sys.executable, "-c", IN_A_SUBINTERPRETER, module, *before]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "ImportError" in done.stdout
    assert "mlipselect works in the main interpreter of a process only" in done.stdout


LONG = """
import faulthandler, signal, sys

import numpy as np

import mlipselect as ms

# What a shell starts in the background ignores it, and hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).standard_normal((20_000, 100))
selector = getattr(ms, sys.argv[1])(15_000, engine="naive", n_threads=1)
faulthandler.dump_traceback_later(0.5, repeat=True)
try:
    selector.fit(X)
except KeyboardInterrupt:
    faulthandler.cancel_dump_traceback_later()
    print("interrupted", len(selector._selection.indices) < 15_000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
@pytest.mark.parametrize("name", ["BayesianSelector", "FPS"])
def test_a_long_selection_shows_where_it_is_and_can_be_interrupted(name):
    run = subprocess.Popen(
        [sys.executable, "-c", LONG, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert any(line.endswith(" in _advance\n") for line in run.stderr)
    run.send_signal(signal.SIGINT)
    out, error = run.communicate(timeout=600)
    assert out == "interrupted True\n", error
