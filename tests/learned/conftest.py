"""Models of the tests of learned descriptors, which are skipped where torch is not installed."""

from __future__ import annotations

import importlib.util

import pytest

PACKAGES = {
    "test_mace": "mace",
    "test_mace_command": "mace",
    "test_mace_contraction": "mace",
    "test_mace_messages": "mace",
    "test_mace_force_variance": "mace",
    "test_mace_hal": "mace",
    "test_metatomic": "metatomic",
    "test_chgnet": "chgnet",
    "test_sevennet": "sevenn",
    "test_mattersim": "mattersim",
    "test_matgl": "matgl",
    "test_nep": "calorine",
    "test_nequip": "nequip",
    "test_orb": "orb_models",
    "test_uma": "fairchem",
    "test_from_calculator": "torch",
    "test_torch_settings": "torch",
}

TARGETS = {
    **dict.fromkeys(["calorine", "chgnet", "matgl", "nequip", "sevenn"], "test-learned"),
    "fairchem": "test-package PACKAGE=fairchem-core==2.24.0",
    "mattersim": "test-package PACKAGE=mattersim==1.2.3",
    "orb_models": "test-package PACKAGE=orb-models==0.5.5",
}


def pytest_collection_modifyitems(items):
    """Skip tests whose package is absent; warnings of torch and mace about themselves are not ours."""
    for item in items:
        package = PACKAGES.get(item.path.stem)
        if package is None or item.path.parent.name != "learned":
            continue
        if importlib.util.find_spec(package) is None:
            reason = f"{package} is not installed; `make {TARGETS.get(package, 'test-mace')}` runs these tests with it"
            item.add_marker(pytest.mark.skip(reason=reason))
        item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    """Every device that torch may have."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch has no CUDA device here")
    return request.param


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Threads of torch that wait for each other are slow where other work runs."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model():
    """MACE of silicon and oxygen with random weights: two layers, eight channels, 40 features, 16 invariant."""
    from learned.models import tiny_mace

    return tiny_mace()
