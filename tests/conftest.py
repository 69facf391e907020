"""What tests share."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from ase import Atoms

from reference.structures import rattled

#: Seconds that a test may take, by its last run, to be run with ``--quick``.
QUICK = 0.25
#: Where the cache of pytest keeps the seconds of each test.
SECONDS = "mlipselect/seconds"

_seconds: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"leave out tests whose last run here took over {QUICK} s")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("quick"):
        return
    if not config.pluginmanager.hasplugin("cacheprovider"):
        raise pytest.UsageError("--quick needs the cache of pytest, which -p no:cacheprovider leaves out")
    seconds = config.cache.get(SECONDS, {})
    config.hook.pytest_deselected(items=[item for item in items if seconds.get(item.nodeid, 0.0) > QUICK])
    items[:] = [item for item in items if seconds.get(item.nodeid, 0.0) <= QUICK]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):  # where tests run in several processes, the first hears of all
        return
    if config.pluginmanager.hasplugin("cacheprovider"):
        config.cache.set(SECONDS, {**config.cache.get(SECONDS, {}), **_seconds})


@pytest.fixture(scope="session")
def silicon() -> Path:
    """Directory of the silicon data; tests that ask for it are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data" / "silicon"
    directory = Path(os.environ.get("MLIPSELECT_SILICON", default))
    if not (directory / "core.xyz").exists():
        pytest.skip("the silicon data is not here; MLIPSELECT_SILICON names its directory")
    return directory


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory, made current, with a pool of twelve structures and a core of four and an isolated atom."""
    from mlipselect.io import write_exact

    monkeypatch.chdir(tmp_path)
    isolated = Atoms("Si", positions=[[1.0, 2.0, 3.0]], info={"config_type": "isolated_atom", "dft_energy": -1.5})
    write_exact("pool.xyz", [rattled(seed) for seed in range(12)])
    write_exact("core.xyz", [isolated, *(rattled(seed) for seed in range(100, 104))])
    return tmp_path
