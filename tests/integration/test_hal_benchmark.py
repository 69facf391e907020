"""The benchmark of what structures from biased dynamics are worth: what was run is kept, and a page says all of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package"
)


@pytest.fixture(autouse=True)
def benches(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "benches"]:
        del sys.modules[name]


def results(worth, schemes):
    """Make up results of three seeds; two schemes do not reach 50 structures in all of them."""
    out = []
    for seed in range(3):
        out.append(worth.Result("silicon", worth.CORE, seed, 0, 1000.0 + seed, 3.0, 0, 0, 0))
        for k, scheme in enumerate(schemes):
            for n in worth.NUMBERS:
                if n == 50 and (scheme.endswith("energies only") or (k == 0 and seed == 2)):
                    continue
                energy = (10.0 + k) * (1.0 + 0.1 * seed) / n
                out.append(worth.Result("silicon", scheme, seed, n, energy, 0.1, n // 5, 100 * n, n - 1))
    return out


def test_the_page_has_every_scheme_and_number(tmp_path):
    pytest.importorskip("matplotlib")
    from benches.hal import report, worth
    from benches.hal.schemes import SCHEMES

    report.write(tmp_path, results(worth, SCHEMES))
    page = (tmp_path / "hal-worth.md").read_text()
    assert "| the core alone | 0 | 1001 (1000 to 1002) | 3.00 | 0 | 0 | 0 |" in page
    for scheme in SCHEMES:
        assert f"| {scheme} | 20 |" in page
    assert (
        "| plain dynamics at even intervals | 50 | 0.21 (0.2 to 0.22), 2 of 3 seeds | 0.10 | 10 | 5000 | 49 |" in page
    )
    assert "| n-shot with updates of energies only | 50 | no seed found as many |" in page
    # Ten structures in tens are n-shot with updates.
    assert "| 10-shot with updates | 10 |" not in page
    # The made up errors are in the ratio 13 to 11 in every seed.
    assert "| one-shot: a fit after each | 1.18 (0 of 3) | 1.18 (0 of 3) | 1.18 (0 of 3) | 1.18 (0 of 3) |" in page
    assert "Copper" not in page
    assert (tmp_path / "hal-worth.svg").stat().st_size > 1000
    assert len((tmp_path / "hal-worth.csv").read_text().splitlines()) == 1 + len(results(worth, SCHEMES))


def test_what_was_run_is_kept(tmp_path, monkeypatch):
    from benches.hal import worth

    ran = []

    def trial(name, scheme, seed):
        ran.append((name, scheme, seed))
        return [worth.Result(name, scheme, seed, 5, 1.0, 0.1, 0, 10, 0)]

    monkeypatch.setattr(worth, "trial", trial)
    assert list(worth.run(["silicon"], 1, tmp_path, 0.0)) == []
    told = list(worth.run(["silicon"], 1, tmp_path, 60.0))
    assert len(told) == len(ran) == 1 + len(worth.SCHEMES)
    assert list(worth.run(["silicon"], 1, tmp_path, 60.0)) == []
    assert {result.scheme for result in worth.read(tmp_path)} == {worth.CORE, *worth.SCHEMES}
    list(worth.run(["silicon"], 2, tmp_path, 60.0))
    assert {seed for _, _, seed in ran} == {0, 1}


def test_a_scheme_is_judged_by_its_first_structures(monkeypatch):
    from benches.hal import worth
    from benches.hal.schemes import with_updates

    monkeypatch.setattr(worth, "NUMBERS", (2, 3, 500))
    monkeypatch.setitem(worth.SCHEMES, "few", lambda system, n, seed: with_updates(system, min(n, 3), seed))
    found = worth.trial("copper-gold", "few", 0)
    assert [result.n for result in found] == [2, 3]
    assert found[0].steps <= found[1].steps
    before = worth.trial("copper-gold", worth.CORE, 0)[0]
    assert 0.0 < found[1].energy < before.energy
